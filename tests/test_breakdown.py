"""What lies behind the averages: subgroups, lead days, athletes and curves on small literal squads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from models import breakdown, estimator, tested
from models.alerts import AlertPolicy

SETTINGS = replace(estimator.load_settings(), resamples=100)
POLICY = AlertPolicy(1, 4)


def squad(athletes: int = 12, weeks: int = 6, injured: int = 6) -> tested.Tested:
    """Daily rows; the first `injured` athletes get an onset on the last day but one, each with its own score."""
    days = 7 * weeks
    dates = pd.Timestamp("2021-01-04") + pd.to_timedelta(np.tile(np.arange(days), athletes), unit="D")
    rows = pd.DataFrame({"athlete_id": np.repeat([f"A{i:02d}" for i in range(athletes)], days), "date": dates})
    onsets = pd.DataFrame({
        "athlete_id": [f"A{i:02d}" for i in range(injured)], "date": rows["date"].min() + pd.Timedelta(days=days - 10),
    })  # fmt: skip
    onset = rows["athlete_id"].map(onsets.set_index("athlete_id")["date"])
    ahead = (onset - rows["date"]).dt.days
    number = np.repeat(np.arange(athletes), days)
    rows = rows.assign(
        row=np.arange(len(rows)), squad="first", repeat=0, fold=number % 2, horizon_days=7,
        label=((ahead >= 0) & (ahead < 7)).astype(float),
        model=0.02 + 0.001 * number + 0.01 * ((ahead >= 0) & (ahead < 3)),
    )  # fmt: skip
    found = tested.tested_rows(rows, onsets, 7, SETTINGS)
    assert found is not None
    return found


def by_name(lines: pd.DataFrame, **keys: object) -> dict[str, float]:
    for key, value in keys.items():
        lines = lines[lines[key] == value]
    return dict(zip(lines["name"], lines["value"], strict=True))


def test_a_day_nearer_the_onset_is_ranked_against_days_without_one_in_its_own_fold() -> None:
    given = squad()
    lines = pd.DataFrame(breakdown.lead_table(given))
    assert list(lines["lead_days"]) == [0, 1, 2, 3, 4, 5, 6]
    lead = given.rows["row"].map(given.covered.set_index("row")["lead_days"])
    for days in (2, 5):
        right = total = 0.0
        for fold in (0, 1):
            part = given.rows[(given.rows["fold"] == fold) & ((given.rows["label"] == 0) | (lead == days))]
            pairs = part["label"].sum() * (part["label"] == 0).sum()
            right += pairs * roc_auc_score(part["label"], part["model"])
            total += pairs
        assert lines.loc[lines["lead_days"] == days, "value"].iloc[0] == pytest.approx(right / total)
    assert list(lines["n_events"]) == [6] * 7
    assert lines["value"].iloc[0] > lines["value"].iloc[4]


def test_a_subgroup_of_few_injuries_gets_its_counts_and_flags_but_no_judgement() -> None:
    groups = pd.DataFrame({"sex": np.where(np.arange(12 * 42) < 5 * 42, "female", "male")})
    lines = pd.DataFrame(breakdown.subgroup_table(squad(), groups, POLICY))
    women = by_name(lines, subgroup="female")
    assert women["event_rate"] == pytest.approx(5 * 7 / (5 * 42))
    assert women["mean_risk"] == pytest.approx(0.022 + 0.01 * 3 / 42)
    assert np.isnan([women["auroc"], women["observed_expected"], women["alert_precision"]]).all()
    reasons = lines.loc[(lines["subgroup"] == "male") & (lines["name"] == "auroc"), "reason"]
    assert list(reasons) == ["too few to judge: 1 injuries, at least 10 are needed"]
    # Three of twelve athletes are flagged each week (one per four); nobody of them is a woman until their last days.
    men = by_name(lines, subgroup="male")
    assert 5 * women["alert_rate"] + 7 * men["alert_rate"] == pytest.approx(3)


def test_a_subgroup_of_ten_injuries_is_judged_on_its_own_rows() -> None:
    given = squad(athletes=24, injured=22)
    groups = pd.DataFrame({"age": np.repeat(np.arange(24) < 12, 42)}).replace({True: "young", False: None})
    lines = pd.DataFrame(breakdown.subgroup_table(given, groups, POLICY))
    assert set(lines["subgroup"]) == {"young"}  # an unknown age is no group
    young = given.rows[groups["age"].notna().to_numpy()]
    found = by_name(lines, subgroup="young")
    assert found["observed_expected"] == pytest.approx(young["label"].sum() / young["model"].sum())
    assert 0.5 < found["auroc"] < 1
    assert lines["n_events"].iloc[0] == 12


def test_a_column_with_one_value_for_everybody_is_no_subgroup() -> None:
    groups = pd.DataFrame({"squad": ["first"] * (12 * 42)})
    assert list(breakdown.subgroup_table(squad(), groups, POLICY)) == []


def test_each_athlete_has_injuries_days_risk_and_flags() -> None:
    found = breakdown.athlete_table(squad(), POLICY).set_index("athlete_id")
    assert list(found["injuries"]) == [1] * 6 + [0] * 6
    assert set(found["days"]) == {42} and set(found["reports"]) == {6}
    assert found.loc["A11", ["mean_risk", "highest_risk"]].tolist() == pytest.approx([0.031, 0.031])
    assert found.loc["A05", "highest_risk"] == pytest.approx(0.035)
    # Three places a week for two folds: A10 and A11 lead theirs.
    assert found["flags"].sum() == pytest.approx(18)
    assert found.loc["A11", "flags"] >= 5
    assert found.loc["A11", "flags_before_injury"] == 0


def test_the_risk_distribution_gives_quantiles_of_each_outcome_and_the_difference_of_means() -> None:
    given = squad()
    lines = pd.DataFrame(breakdown.risk_distribution(given))
    event = given.rows["label"] == 1
    hurt, other = (given.rows.loc[chosen, "model"] for chosen in (event, ~event))
    assert by_name(lines, outcome="injury followed")["mean"] == pytest.approx(hurt.mean())
    assert by_name(lines, outcome="injury followed")["quantile_50"] == pytest.approx(hurt.median(), abs=0.001)
    assert by_name(lines, outcome="no injury followed")["quantile_95"] == pytest.approx(other.quantile(0.95), abs=1e-3)
    assert by_name(lines, outcome="difference")["difference_of_means"] == pytest.approx(hurt.mean() - other.mean())


def test_net_benefit_is_given_per_thousand_days_beside_flagging_everybody() -> None:
    given = squad()
    lines = pd.DataFrame(breakdown.decision_curve(given))
    at = lines[lines["false_alerts_per_injury"] == 30]
    found = dict(zip(at["of"], at["value"], strict=True))
    rate, threshold = given.rows["label"].mean(), 1 / 31
    assert found["everybody"] == pytest.approx(1000 * (rate - (1 - rate) / 30))
    flagged = given.rows["model"] >= threshold
    true = (flagged & (given.rows["label"] == 1)).mean()
    assert found["model"] == pytest.approx(1000 * (true - (flagged.mean() - true) / 30))
    assert found["gain"] == pytest.approx(found["model"] - max(found["everybody"], 0))


def test_subgroups_stand_in_their_own_order_and_without_one_by_name() -> None:
    given = squad()
    bands = np.where(np.arange(len(given.rows)) % 2 == 0, "under 21", "21 to 24")
    order = pd.CategoricalDtype(["under 21", "21 to 24", "30 and over"], ordered=True)
    groups = pd.DataFrame({"age": pd.Series(bands, dtype=order), "team": bands})
    lines = pd.DataFrame(breakdown.subgroup_table(given, groups, POLICY))
    assert list(dict.fromkeys(lines["subgroup"][lines["by"] == "age"])) == ["under 21", "21 to 24"]
    assert list(dict.fromkeys(lines["subgroup"][lines["by"] == "team"])) == ["21 to 24", "under 21"]


def test_the_alert_table_has_the_policy_and_each_budget() -> None:
    lines = pd.DataFrame(breakdown.alert_table(squad(), POLICY))
    assert list(dict.fromkeys(lines["budget"])) == ["1 per 4", "1", "2", "3", "5", "8"]
    assert by_name(lines, budget="1 per 4") == pytest.approx(by_name(lines, budget="3"), nan_ok=True)
    assert by_name(lines, budget="8")["alert_rate"] == pytest.approx(8 / 12)
