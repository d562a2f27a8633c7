"""A season replayed: each Monday sees what was known then, and says what training and scoring would have said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configs.errors import NotReady, WrongArgument
from features.build import build_values
from features.labels import at_risk_index
from features.row_facts import prepare
from features.tables import as_contract
from features.windows import known_by
from models.estimator import load_settings
from models.season import BESIDE, by_month, judge_season
from models.tested import MODEL
from pipelines.data import read_tables
from pipelines.recipe import Recipe, load_recipe
from pipelines.walk_forward import Remembered, Replayed, Schedule, replay, schedule
from serving.report.settings import load_report_settings
from tests.squad import UNTIL, Squad, strainwatch
from tests.worlds import random_world

Tables = dict[str, pd.DataFrame]
SAID = ["date", "athlete_id", "horizon_days", MODEL, "log_odds", "band", "reason", "is_flagged", *BESIDE]


def recipe_of(squad: Squad) -> Recipe:
    """The champion's own recipe, with bags as large as the champion's."""
    recipe = load_recipe(squad.configs)
    return replace(recipe, settings=replace(recipe.settings, evaluation_members=recipe.settings.members))


def replayed(tables: Mapping[str, pd.DataFrame], recipe: Recipe, first: str, last: str, weeks: int) -> Replayed:
    plan = Schedule(pd.Timestamp(first), pd.Timestamp(last), weeks)
    return replay(tables, recipe, plan, load_report_settings(), lambda *_: None)


def one_injury(tables: Tables, recipe: Recipe) -> pd.DataFrame:
    """A target injury of the winter that was told soon and never corrected."""
    injuries = tables["injuries"]
    counted = injuries[recipe.target.counts(injuries) & ~injuries["injury_id"].duplicated(keep=False)]
    winter = counted[counted["date"].between("2024-11-15", "2025-01-31")]
    return winter.sort_values("date").head(1)


def mondays_around(instant: pd.Timestamp) -> tuple[str, str]:
    """The second Monday before an instant, and the first after it."""
    after = instant.tz_localize(None).normalize() + pd.Timedelta(days=1)
    after += pd.Timedelta(days=-after.weekday() % 7)
    return f"{after - pd.Timedelta(weeks=2):%Y-%m-%d}", f"{after:%Y-%m-%d}"


def changed_from(one: Replayed, other: Replayed) -> pd.Timestamp | None:
    """The first Monday on which the two say something else."""
    mondays = sorted(set(one.said["date"]) | set(other.said["date"]))
    for monday in mondays:
        left, right = (each.said.loc[each.said["date"] == monday, SAID].reset_index(drop=True) for each in (one, other))
        if not left.equals(right):
            return pd.Timestamp(monday)
    return None


@pytest.mark.slow
def test_an_injury_reported_late_does_not_teach_the_mondays_before_its_report(squad: Squad) -> None:
    tables, recipe = read_tables(squad.store), recipe_of(squad)
    injury = one_injury(tables, recipe)
    onset, athlete = injury["date"].iloc[0], injury["athlete_id"].iloc[0]
    report = (onset + pd.Timedelta(days=34)).tz_localize("UTC")
    others, returns = (
        tables[name][~tables[name]["injury_id"].isin(injury["injury_id"])] for name in ("injuries", "returns")
    )
    late = as_contract(pd.concat([others, injury.assign(known_at=report)], ignore_index=True), "injuries")
    never = tables | {"injuries": others.reset_index(drop=True), "returns": returns.reset_index(drop=True)}
    span = mondays_around(report)
    without, told = (replayed(each, recipe, *span, 1) for each in (never, never | {"injuries": late}))
    changed = changed_from(without, told)
    assert changed == told.schedule.last and len(told.weeks) == 3
    assert told.weeks["trained"].all()
    own = told.said[(told.said["athlete_id"] == athlete) & (told.said["horizon_days"] == 7)]
    assert own[own["date"] >= changed]["abstained"].all()  # injured since then, as the club knows by now
    assert (own[own["date"] < changed]["outcome"] != "not scored").any()


@pytest.mark.slow
def test_a_correction_does_not_teach_the_mondays_before_it(squad: Squad) -> None:
    tables, recipe = read_tables(squad.store), recipe_of(squad)
    true = one_injury(tables, recipe)
    corrected_at = (true["date"].iloc[0] + pd.Timedelta(days=34)).tz_localize("UTC")
    others = tables["injuries"][~tables["injuries"]["injury_id"].isin(true["injury_id"])]
    knee = as_contract(true.assign(body_area="knee", tissue="ligament", muscle_group=None, code=None), "injuries")
    assert not recipe.target.counts(knee).any()
    versions = [others, knee.assign(superseded_at=corrected_at), true.assign(known_at=corrected_at)]
    never = tables | {"injuries": as_contract(pd.concat([others, knee], ignore_index=True), "injuries")}
    told = tables | {"injuries": as_contract(pd.concat(versions, ignore_index=True), "injuries")}
    first, last = mondays_around(corrected_at)
    changed = changed_from(replayed(never, recipe, first, last, 1), replayed(told, recipe, first, last, 1))
    assert changed == pd.Timestamp(last)


@pytest.mark.slow
def test_a_monday_says_bit_for_bit_what_train_until_and_score_would_have_said(own_squad: Squad) -> None:
    """The champion of `own_squad` was trained until the Sunday before the first of these Mondays."""
    season = replayed(read_tables(own_squad.store), recipe_of(own_squad), "2025-03-17", "2025-03-24", 2)
    assert season.weeks["trained"].tolist() == [True, False]
    for monday in ("2025-03-17", "2025-03-24"):
        scored = own_squad.score(monday).scores.predictions.rename(columns={"probability": MODEL})
        told = season.said[season.said["date"] == pd.Timestamp(monday)]
        shared = [name for name in scored if name not in ("model_version", "made_at", "lower", "upper")]
        assert {MODEL, "log_odds", "band", "abstained", "reason", "share_missing", "fingerprint"} <= set(shared)
        left, right = told[shared].reset_index(drop=True), scored[shared].reset_index(drop=True)
        pd.testing.assert_frame_equal(left, right, check_exact=True)
        assert (told["learnt_until"] == UNTIL).all() and left[MODEL].nunique() > 3


def test_features_built_once_are_those_of_every_mornings_own_tables() -> None:
    recipe = load_recipe()
    tables = random_world(5)
    remembered, rows = Remembered(), 0
    for day in ("2024-02-05", "2024-03-04", "2024-04-01"):
        as_of = recipe.target.as_of(pd.DatetimeIndex([day]))[0]
        then = prepare(known_by(tables, as_of), recipe.target)
        index, _ = at_risk_index(then, recipe.target, pd.Timestamp("2024-01-01"), pd.Timestamp(day), every_days=3)
        once = remembered.build(index, prepare(tables, recipe.target), recipe.specs)
        anew = build_values(index, then, recipe.specs)
        assert once.to_numpy().tobytes() == anew.to_numpy().tobytes()
        assert list(once.columns) == list(anew.columns) and once.index.equals(index.index)
        rows += len(index)
    assert rows > 100
    again = remembered.build(pd.concat([index.tail(2), index.tail(2)]), {}, recipe.specs)  # nothing left to build
    assert again.to_numpy().tobytes() == np.tile(anew.tail(2).to_numpy(), (2, 1)).tobytes()


@pytest.mark.slow
def test_mondays_without_a_model_say_why_and_the_first_that_can_trains(squad: Squad) -> None:
    tables, recipe = read_tables(squad.store), recipe_of(squad)
    first = tables["coverage"]["first_date"].min()
    start = first + pd.Timedelta(days=-first.weekday() % 7)
    season = replayed(tables, recipe, f"{start:%Y-%m-%d}", "2024-12-30", 30)
    silent = season.weeks[season.weeks["scored"] == 0]
    assert len(silent) > 0 and not silent["trained"].any() and (silent["flagged"] == 0).all()
    assert silent["why_none"].str.len().min() > 20
    assert season.weeks["trained"].sum() == 1
    assert season.said["date"].min() == season.weeks.loc[season.weeks["trained"], "date"].iloc[0]
    with pytest.raises(NotReady, match="no Monday of 1 could be reported on"):
        replayed(tables, recipe, f"{start:%Y-%m-%d}", f"{start:%Y-%m-%d}", 4)


@pytest.mark.slow
def test_the_command_writes_its_folder_and_leaves_the_store_as_it_was(squad: Squad, tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        found = (path for path in squad.path.rglob("*") if path.is_file() and path.name != "runs.jsonl")
        return {str(path): path.read_bytes() for path in found}

    before = files()
    ran = strainwatch(
        "replay", "--store", squad.path, "--from", "2025-02-15", "--to", "2025-03-05", "--configs",
        squad.configs, "--out", tmp_path / "season",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "3 Mondays from 2025-02-17 to 2025-03-03; 1 trainings, every 4 weeks" in ran.out
    assert files() == before
    names = {path.name for path in (tmp_path / "season").iterdir()}
    assert names == {"weeks.csv", "said.csv", "injuries.csv", "metrics.csv", "season.json", "season.png"}
    told = pd.read_csv(tmp_path / "season" / "said.csv")
    assert told["date"].unique().tolist() == ["2025-02-17", "2025-02-24", "2025-03-03"]
    content = json.loads((tmp_path / "season" / "season.json").read_text(encoding="utf-8"))
    assert [week["date"] for week in content["weeks"]] == ["2025-02-17", "2025-02-24", "2025-03-03"]
    assert len(content["flags"]) == sum(week["flagged"] for week in content["weeks"])


def test_the_span_is_the_mondays_between_two_days_within_the_data() -> None:
    tables = random_world(5)  # from 2024-01-01, covered for 120 days at most
    last = tables["coverage"]["last_date"].max()
    plan = schedule(tables, pd.Timestamp("2024-02-01"), pd.Timestamp("2024-03-10"), 4)
    assert [f"{day:%m-%d}" for day in plan.mondays] == ["02-05", "02-12", "02-19", "02-26", "03-04"]
    whole = schedule(tables, None, None, 2)
    assert len(whole.mondays) == 52 and whole.last <= last < whole.last + pd.Timedelta(days=7)
    assert whole.last.weekday() == whole.first.weekday() == 0
    with pytest.raises(WrongArgument, match="no Monday from 2024-02-05 to 2024-02-04"):
        schedule(tables, pd.Timestamp("2024-02-01"), pd.Timestamp("2024-02-04"), 4)


# --- What a season was worth, from literal rows ---

MONDAYS = pd.to_datetime(["2025-01-06", "2025-01-13", "2025-01-20", "2025-01-27"])


def literal_season() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Four athletes on four Mondays; A is injured on Jan 8 (flagged), B on Jan 18 (not), C on Jan 29 (flagged)."""
    rows = []
    flagged = {(0, "A"), (0, "B"), (1, "A"), (2, "D"), (3, "C")}
    injured = {(0, "A"), (1, "B"), (3, "C")}
    for week, monday in enumerate(MONDAYS):
        for number, athlete in enumerate("ABCD"):
            chance = (0.2 if (week, athlete) in flagged else 0.1) + 0.001 * number
            row = {"athlete_id": athlete, "date": monday, "squad": "X", "horizon_days": 7, MODEL: chance}
            row |= {"label": float((week, athlete) in injured), "is_flagged": (week, athlete) in flagged}
            rows.append(row | {"age_history": 0.3 if athlete == "B" else 0.1, "prevalence": 0.15})
    onsets = pd.DataFrame({
        "athlete_id": ["A", "B", "C"], "date": pd.to_datetime(["2025-01-08", "2025-01-18", "2025-01-29"])
    })  # fmt: skip
    return pd.DataFrame(rows), onsets


def test_flags_injuries_and_warning_of_a_season_are_counted_as_by_hand() -> None:
    said, onsets = literal_season()
    settings = replace(load_settings(), resamples=200)
    found = {
        (each.metric.name, each.model, each.against): each.metric
        for each in judge_season(said, onsets, (7,), 7, settings)
    }
    assert found["alert_precision", MODEL, None].value == pytest.approx(2 / 5)
    assert found["alert_recall", MODEL, None].value == pytest.approx(2 / 3)
    assert found["false_alerts_per_injury", MODEL, None].value == pytest.approx(3 / 2)
    assert found["warning_days", MODEL, None].value == 2  # both on the Wednesday after their Monday
    # Age and history flags as many each week: B and one of three others, B, B, B. B alone is found, one week in four.
    others = (1 + 0 + 0 + 0) / 3
    assert found["alert_precision", "age_history", None].value == pytest.approx((1 + others) / 5)
    assert found["alert_recall", "age_history", None].value == pytest.approx((1 + others) / 3)
    # The base rate flags anybody: 2, 1, 1 and 1 of four athletes.
    assert found["alert_precision", "prevalence", None].value == pytest.approx((0.5 + 0.25 + 0.25) / 5)
    assert found["alert_recall", MODEL, "age_history"].value == pytest.approx(2 / 3 - (1 + others) / 3)
    assert found["observed_expected", MODEL, None].value == pytest.approx(3 / said[MODEL].sum())


def test_only_athletes_of_one_monday_are_ranked_against_each_other() -> None:
    said, onsets = literal_season()
    settings = replace(load_settings(), resamples=200)
    shifted = said.assign(**{MODEL: said[MODEL] + 0.05 * said["date"].rank(method="dense")})
    one, other = (
        next(each.metric for each in judge_season(rows, onsets, (7,), 7, settings) if each.metric.name == "auroc")
        for rows in (said, shifted)
    )
    # A beats C and D, not B (0.2 against 0.201): 2 of 3; B beats C and D less A: 0 of 3, C beats all three.
    assert one.value == other.value == pytest.approx((2 + 0 + 3) / 9)


def test_flags_that_foresaw_nothing_get_no_interval() -> None:
    said, onsets = literal_season()
    said = said.assign(is_flagged=said["athlete_id"] == "D")
    settings = replace(load_settings(), resamples=200)
    found = {
        each.metric.name: each.metric
        for each in judge_season(said, onsets, (7,), 7, settings)
        if each.model == MODEL and not each.against
    }
    precision = found["alert_precision"]
    assert precision.value == 0 and np.isnan([precision.lower, precision.upper]).all()
    assert precision.reason == "no interval: no flag was followed by an injury"


def test_months_hold_what_was_observed_and_expected_and_open_weeks_do_not_count() -> None:
    said, onsets = literal_season()
    earlier = said.assign(date=said["date"] - pd.Timedelta(days=28), label=0.0)
    both = pd.concat([earlier, said.assign(label=said["label"].where(said["date"] < MONDAYS[3]))], ignore_index=True)
    december, january = by_month(both, onsets, 7, replace(load_settings(), resamples=200))
    assert (december.month, december.observed) == ("2024-12", 0)
    assert december.ratio.reason == "no interval: no injury in this month" and np.isnan(december.ratio.upper)
    assert (january.month, january.observed) == ("2025-01", 2)
    assert january.expected == pytest.approx(said.loc[said["date"] < MONDAYS[3], MODEL].sum())
    assert january.ratio.value == pytest.approx(2 / january.expected)
