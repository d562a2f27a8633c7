"""The alert policy: whom it flags, fold by fold, and what its flags foresaw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configs.errors import ConfigError
from models import metrics
from models.alerts import AlertPolicy, flags, foreseen, load_alert_policy


def week(probabilities: dict[str, list[float]], squad: str = "first") -> pd.DataFrame:
    """One row per athlete and Monday."""
    mondays = pd.date_range("2021-01-04", periods=len(next(iter(probabilities.values()))), freq="7D")
    parts = [
        pd.DataFrame(
            {"athlete_id": who, "date": mondays, "probability": values, "squad": squad, "repeat": 0, "fold": 0}
        )
        for who, values in probabilities.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_the_highest_of_each_squad_and_week_are_flagged_on_its_first_day_only() -> None:
    first = week({"A": [0.3, 0.1], "B": [0.2, 0.2], "C": [0.1, 0.3]})
    other = week({"D": [0.01, 0.01], "E": [0.02, 0.0]}, squad="second")
    tuesday = week({"A": [0.9, 0.9]}).assign(date=lambda rows: rows["date"] + pd.Timedelta(days=1))
    share = flags(pd.concat([first, other, tuesday], ignore_index=True), budget=1)
    assert list(share[:6]) == [1, 0, 0, 0, 0, 1]
    assert list(share[6:10]) == [0, 1, 1, 0]
    assert np.isnan(share[10:]).all()


def test_equal_scores_share_the_last_places() -> None:
    share = flags(week({"A": [0.5], "B": [0.2], "C": [0.2], "D": [0.2], "E": [0.1]}), budget=2)
    assert share == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3, 0])


def test_the_alert_budget_counts_an_injury_once_however_often_it_was_flagged() -> None:
    rows = week({"A": [0.9, 0.9, 0.9], "B": [0.1, 0.1, 0.1], "C": [0.2, 0.2, 0.2]})
    rows["label"] = [0.0, 1, 1, 0, 1, 1, 0, 0, 0]
    onsets = pd.DataFrame({"athlete_id": ["A", "B"], "date": [pd.Timestamp("2021-01-20")] * 2})
    clustered = metrics.clusters(rows["label"].to_numpy(), rows["athlete_id"], 100, seed=1)
    covered = metrics.covered_injuries(rows, onsets, horizon_days=14)
    draws = foreseen(clustered, covered, flags(rows, 1))
    # A is flagged three times, twice before the one injury found; B's injury is missed.
    assert draws["alert_precision"][0] == pytest.approx(2 / 3)
    assert draws["alert_recall"][0] == pytest.approx(1 / 2)
    assert draws["false_alerts_per_injury"][0] == pytest.approx(1)


def test_with_equal_scores_the_recall_is_that_of_drawing_lots_each_week() -> None:
    rows = week({"A": [0.5, 0.5], "B": [0.5, 0.5]})
    rows["label"] = [1.0, 1, 0, 0]
    onsets = pd.DataFrame({"athlete_id": ["A"], "date": [pd.Timestamp("2021-01-12")]})
    clustered = metrics.clusters(rows["label"].to_numpy(), rows["athlete_id"], 100, seed=1)
    covered = metrics.covered_injuries(rows, onsets, horizon_days=14)
    draws = foreseen(clustered, covered, flags(rows, 1))
    assert draws["alert_recall"][0] == pytest.approx(1 - 0.5 * 0.5)
    assert draws["alert_precision"][0] == pytest.approx(0.5)


def test_an_injury_that_no_report_could_have_caught_does_not_count_as_missed() -> None:
    rows = week({"A": [0.9], "B": [0.1]})
    rows["label"] = [1.0, 0]
    rows = pd.concat([rows, rows.assign(date=rows["date"] + pd.Timedelta(days=2))[1:].assign(label=1.0)])
    rows = rows.reset_index(drop=True)
    onsets = pd.DataFrame({"athlete_id": ["A", "B"], "date": pd.to_datetime(["2021-01-05", "2021-01-12"])})
    clustered = metrics.clusters(rows["label"].to_numpy(), rows["athlete_id"], 100, seed=1)
    draws = foreseen(clustered, metrics.covered_injuries(rows, onsets, 7), flags(rows, 1))
    assert draws["alert_recall"][0] == 1.0


def test_a_fold_gets_places_in_proportion_to_its_athletes_and_competes_with_itself_alone() -> None:
    rows = week({name: [chance] for name, chance in zip("ABCDEF", [0.9, 0.8, 0.7, 0.6, 0.2, 0.1], strict=True)})
    rows["fold"] = [0, 0, 0, 0, 1, 1]
    # Three places for six athletes: two for the four of fold 0, one for the two of fold 1 with its lower scores.
    assert list(flags(rows, 3)) == [1, 1, 0, 0, 1, 0]
    # Two places: one and a third, and two thirds.
    assert flags(rows, 2) == pytest.approx([1, 1 / 3, 0, 0, 2 / 3, 0])


@pytest.mark.parametrize(("scored", "budget"), [(1, 1), (8, 1), (16, 1), (17, 2), (25, 3), (40, 4), (50, 6)])
def test_the_policy_flags_three_of_twenty_five_rounded_down_and_never_nobody(scored: int, budget: int) -> None:
    assert load_alert_policy() == AlertPolicy(3, 25)
    assert AlertPolicy(3, 25).budget(scored) == budget
    rows = week({f"A{number:02d}": [0.01 * number] for number in range(scored)})
    assert flags(rows, AlertPolicy(3, 25)).sum() == budget


@pytest.mark.parametrize(("content", "said"), [
    ("[alerts]\nmost = 3", "missing per_athletes"), ("title = 'x'", "missing alerts"),
    ("[alerts]\nmost = 0.5\nper_athletes = 25", "most is 0.5; give a whole number from 1 up"),
    ("[alerts]\nmost = 3\nper_athletes = 25\nleast = 1", "unknown least. Known: most, per_athletes"),
])  # fmt: skip
def test_a_wrong_policy_is_named(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "report.toml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_alert_policy(tmp_path)


def test_warning_counts_from_the_first_flag_that_foresaw_the_injury() -> None:
    rows = week({"A": [0.9, 0.9, 0.1], "B": [0.1, 0.1, 0.9], "C": [0.2, 0.2, 0.2]})
    rows["label"] = [0.0, 1, 1, 0, 1, 1, 0, 0, 0]
    onsets = pd.DataFrame({"athlete_id": ["A", "B"], "date": pd.to_datetime(["2021-01-20", "2021-01-21"])})
    clustered = metrics.clusters(rows["label"].to_numpy(), rows["athlete_id"], 100, seed=1)
    draws = foreseen(clustered, metrics.covered_injuries(rows, onsets, 14), flags(rows, 1))
    # A is flagged nine days before the onset, B on the last Monday, three days before: the lower median is 3.
    assert draws["warning_days"][0] == 3
    assert draws["alert_recall"][0] == 1
    alone = foreseen(clustered, metrics.covered_injuries(rows, onsets[:1], 14), flags(rows, 1))
    assert alone["warning_days"][0] == 9


def test_shared_places_warn_in_proportion_to_their_chance() -> None:
    rows = week({"A": [0.5, 0.5, 0.5], "B": [0.5, 0.5, 0.5]})
    rows["label"] = [1.0, 1, 1, 0, 0, 0]
    onsets = pd.DataFrame({"athlete_id": ["A"], "date": [pd.Timestamp("2021-01-18")]})
    clustered = metrics.clusters(rows["label"].to_numpy(), rows["athlete_id"], 100, seed=1)
    draws = foreseen(clustered, metrics.covered_injuries(rows, onsets, 21), flags(rows, 1))
    # First flagged with chance 1/2, 1/4 and 1/8, 14, 7 and 0 days ahead: half of 7/8 lies at 14.
    assert draws["warning_days"][0] == 14
    assert draws["alert_recall"][0] == pytest.approx(7 / 8)
    assert draws["alert_rate"][0] == pytest.approx(1 / 2)
