"""The smallest change of next week: plausible, sparse, of linked features at once, and scored again as it is told."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configs.errors import ConfigError
from features.build import build_values
from features.factors import load_factors
from features.row_facts import prepare
from features.specs import load_specs
from features.tables import TABLES, empty_tables
from features.target import load_target
from models.counterfactual import Counterfactual, Question, smallest_change
from models.estimator import predict
from models.levers import Change, like_last_week, load_what_if, usable
from tests.bags import straight_bag
from tests.worlds import table_of

MONDAY = pd.Timestamp("2025-06-02")
SPECS, FACTORS, TARGET = load_specs(), load_factors(), load_target()
LEVERS = usable(load_what_if().levers, SPECS, FACTORS)
FEATURES = (
    "load_7d", "load_28d", "distance_7d", "high_speed_7d", "high_speed_28d", "high_speed_week_change", "sprint_7d",
    "sprint_share_7d", "sleep_7d", "jump_last", "nordic_dose_28d", "hamstring_injuries_career", "age",
)  # fmt: skip
MODIFIABLE = {spec.name: FACTORS[spec.factor].modifiable for spec in SPECS}


def athlete() -> dict[str, pd.DataFrame]:
    """Forty days of training on five days a week, heavier in the last one, of one athlete with a past injury."""
    days = [MONDAY - pd.Timedelta(days=back) for back in range(60, 0, -1)]
    known = [day.tz_localize("UTC") + pd.Timedelta(hours=20) for day in days]
    heavy = [2.0 if (MONDAY - day).days <= 7 else 1.0 for day in days]
    own = {"athlete_id": "P1"}
    rows = {
        "athletes": [{**own, "known_at": known[0], "squad": "First", "birth_date": pd.Timestamp("1999-05-01")}],
        "sessions": [
            {**own, "session_id": f"S{n}", "date": day, "known_at": at, "kind": "training", "duration_min": 60 * more,
             "load_au": 300 * more, "distance_m": 5000 * more, "high_speed_distance_m": 400 * more,
             "high_speed_threshold_m_s": 5.5, "sprint_distance_m": 100 * more, "sprint_threshold_m_s": 7.0,
             "deceleration_count": 40 * more}
            for n, (day, at, more) in enumerate(zip(days, known, heavy, strict=True)) if day.weekday() < 5
        ],
        "wearable_days": [
            {**own, "date": day, "known_at": at, "source": "ring", "sleep_h": 6.0 if n % 3 else 8.0, "worn_h": 20.0}
            for n, (day, at) in enumerate(zip(days, known, strict=True))
        ],
        "screenings": [
            {**own, "screening_id": f"J{back}", "date": MONDAY - pd.Timedelta(days=back), "limb": "both",
             "known_at": known[0], "test": "countermovement_jump", "value": height}
            for back, height in ((100, 36.0), (60, 36.0), (10, 32.0))
        ],
        "interventions": [
            {**own, "intervention_id": "N", "date": days[10], "known_at": known[10], "kind": "nordic", "dose": 3.0}
        ],
        "injuries": [
            {**own, "injury_id": "I", "date": pd.Timestamp("2024-03-01"), "known_at": known[0], "body_area": "thigh",
             "tissue": "muscle", "muscle_group": "hamstring", "side": "left"}
        ],
        "coverage": [
            {**own, "table": table, "source": "x", "first_date": days[0], "known_at": known[-1],
             "last_date": MONDAY - pd.Timedelta(days=1)}
            for table in ("sessions", "wearable_days", "interventions", "injuries")
        ],
    }  # fmt: skip
    return empty_tables() | {name: table_of(found, name) for name, found in rows.items()}


def question(weights: dict[str, float], widest: float = 2.0) -> Question:
    """A model with these straight effects per unit; the squad shows each feature up to `widest` times the athlete's."""
    model = straight_bag(FEATURES, [weights.get(name, 0.0) for name in FEATURES])
    today = features_after({}, date=MONDAY - pd.Timedelta(days=7)).iloc[0]
    low, high = -today.abs() * widest, np.maximum(today.abs() * widest, 9.0)
    return Question((model,), SPECS, TARGET, 7, LEVERS, 3, low, high)


def features_after(*changes: Change, date: pd.Timestamp = MONDAY) -> pd.DataFrame:
    """The model's features a week after `date` with each of the changes, built by the rules of scoring."""
    ids, tables = like_last_week(athlete(), date).changed(changes, LEVERS)
    days = pd.DatetimeIndex([date + pd.Timedelta(days=7)] * len(ids)).as_unit("us")
    index = pd.DataFrame({"athlete_id": pd.Series(ids, dtype="str"), "date": days, "as_of": TARGET.as_of(days)})
    return build_values(index, prepare(tables, TARGET), SPECS)[list(FEATURES)]


def below(weights: dict[str, float], drop: float, widest: float = 2.0) -> Counterfactual:
    """The change that lowers the score of an unchanged week by `drop` log-odds or more."""
    asked = question(weights, widest)
    now = predict(asked.models, features_after({})).log_odds[0, 0]
    return smallest_change(athlete(), MONDAY, float(1 / (1 + math.exp(-(now - drop)))), asked)


def test_a_week_like_the_last_repeats_each_of_its_days_once() -> None:
    week = like_last_week(athlete(), MONDAY)
    assert week.coming["sessions"]["date"].dt.day.to_list() == [2, 3, 4, 5, 6]
    assert week.coming["wearable_days"]["date"].dt.day.to_list() == [2, 3, 4, 5, 6, 7, 8]
    formed = athlete()
    formed["wellness"] = table_of(
        [{"athlete_id": "P1", "date": day, "known_at": day.tz_localize("UTC"), "fatigue": 3.0}
         for day in (MONDAY - pd.Timedelta(days=7), MONDAY)], "wellness",
    )  # fmt: skip
    assert like_last_week(formed, MONDAY).coming["wellness"]["date"].dt.day.to_list() == [9]


def test_features_that_hang_together_change_together() -> None:
    before, after = (row for _, row in features_after({}, {"fast_running": 0.5}).iterrows())
    assert before["high_speed_7d"] == 4 * 800 and after["high_speed_7d"] == pytest.approx(0.7 * 4 * 800)
    assert after["high_speed_28d"] == pytest.approx(before["high_speed_28d"] - 0.3 * 5 * 800)
    assert after["high_speed_week_change"] == pytest.approx(before["high_speed_week_change"] - 0.3 * (4 - 1) * 800)
    assert after["sprint_7d"] == pytest.approx(0.7 * before["sprint_7d"])
    assert after["distance_7d"] == before["distance_7d"] and after["load_7d"] == before["load_7d"]


def test_no_lever_moves_what_cannot_be_changed_or_leaves_the_ranges_of_the_contract() -> None:
    changes: list[Change] = [{}, *({lever.key: 1.0} for lever in LEVERS)]
    features = features_after(*changes)
    for row, change in zip(range(1, len(changes)), changes[1:], strict=True):
        differs = (features.iloc[row] != features.iloc[0]) & features.iloc[0].notna()
        assert all(MODIFIABLE[name] for name in features.columns[differs]), change
    _, tables = like_last_week(athlete(), MONDAY).changed(changes, LEVERS)
    for name in ("sessions", "wearable_days", "wellness", "interventions", "screenings", "strength_tests"):
        for column in TABLES[name].columns:
            if column.low is not None and column.high is not None:
                assert tables[name][column.name].dropna().between(column.low, column.high).all(), column.name
        for part, whole in TABLES[name].not_above:
            known = tables[name].dropna(subset=[part, whole])
            assert (known[part] <= known[whole]).all(), part


def test_the_changed_week_scored_again_lies_below_the_limit_and_half_the_change_does_not() -> None:
    found = below({"high_speed_7d": 0.001}, drop=1.0)
    assert [move.lever.key for move in found.moves] == ["fast_running"]
    (move,) = found.moves
    asked = question({"high_speed_7d": 0.001})
    scored = predict(asked.models, features_after({"fast_running": move.share}, {"fast_running": move.share / 2}))
    again, half = scored.probability[0]
    assert found.changed == pytest.approx(again, rel=1e-12) and again < found.limit <= found.unchanged
    assert half >= found.limit
    assert move.before == 3200 and move.after == pytest.approx(3200 * (1 - 0.6 * move.share))


@pytest.mark.slow
def test_one_lever_is_told_where_one_is_enough_and_two_where_it_is_not() -> None:
    weights = {"high_speed_7d": 0.001, "sleep_7d": -1.0}
    assert len(below(weights, drop=1.0).moves) == 1
    assert {move.lever.key for move in below(weights, drop=2.9).moves} == {"fast_running", "sleep"}


@pytest.mark.slow
def test_a_score_that_rests_on_history_and_age_is_changed_by_nothing() -> None:
    found = below({"hamstring_injuries_career": 2.0, "age": 0.1}, drop=0.5)
    assert found.moves == () and not found.reaches and found.changed == found.unchanged


@pytest.mark.slow
def test_a_week_like_the_last_that_is_below_already_needs_no_change() -> None:
    found = below({"high_speed_7d": 0.001}, drop=-0.5)
    assert found.moves == () and found.reaches


@pytest.mark.slow
def test_a_feature_does_not_leave_the_range_that_the_squad_shows() -> None:
    asked = question({"nordic_dose_28d": -1.0})
    tight = Question(*(asked.models, asked.specs, asked.target, 7, LEVERS, 3), asked.low, asked.high.clip(upper=8.0))
    limit = 1 / (1 + math.exp(3.0 + 3 + 5.5))
    assert below({"nordic_dose_28d": -1.0}, drop=5.5).reaches
    assert not smallest_change(athlete(), MONDAY, limit, tight).reaches


def test_a_retest_comes_back_to_own_median_and_no_further() -> None:
    assert features_after({}, {"jump": 1.0}, {"jump": 0.5})["jump_last"].to_list() == [32.0, 36.0, 34.0]


@pytest.mark.slow
def test_the_athletes_tables_stay_as_they_are() -> None:
    tables = athlete()
    kept = {name: table.copy(deep=True) for name, table in tables.items()}
    smallest_change(tables, MONDAY, 0.001, question({"high_speed_7d": 0.001}))
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, kept[name])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'shown = "load_7d"',
            'shown = "age"',
            r"\[levers.whole_week\]: age belongs to context, which .* not modifiable",
        ),
        ('move = "own"', 'move = "half"', r"\[levers.sleep\]: move is 'half'; give scale or own or retest or dose"),
        ('columns = ["sleep_h"]', 'columns = ["naps"]', r"\[levers.sleep\]: wearable_days has no column naps"),
        ("most = 0.5", "most = 1.5", r"\[levers.whole_week\]: most is 1.5"),
        ("most_changes = 3", "most_changes = 0", "most_changes is 0; give a whole number from 1 up"),
        (
            'columns = ["sleep_h"]',
            'columns = "sleep_h"',
            r"\[levers.sleep\]: columns is 'sleep_h'; give a list of texts",
        ),
    ],
)
def test_a_wrong_lever_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    shipped = (Path(__file__).parents[1] / "configs" / "what_if.toml").read_text(encoding="utf-8")
    (tmp_path / "what_if.toml").write_text(shipped.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        usable(load_what_if(tmp_path).levers, SPECS, FACTORS)
