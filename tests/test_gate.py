"""The gate's conditions, each on its own, and the comparison of a challenger with the champion on the same days."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs.errors import ConfigError, NotReady
from features.target import load_target
from models.alerts import AlertPolicy
from models.bundle import Bundle
from models.comparison import Compared, Comparison, Ground, Material, compare
from models.estimator import load_settings
from models.evaluation import Evaluation, Score
from models.gate import Judged, Limits, Subgroup, load_limits, refusals, refused, subgroups, with_interval
from models.metrics import Metric
from models.replay import Replay
from models.tested import MODEL
from pipelines.promote import Findings, _decision, _differs, failed_leaks

LIMITS = Limits(7, 20, (0.8, 1.25), 20, (0.5, 2.0))


def metric(name: str, value: float, lower: float, upper: float) -> Metric:
    return Metric(name, value, lower, upper, 1000, 30, 20)


GOOD = Judged(
    metric("auroc", 0.1, 0.01, 0.2),
    metric("net_benefit", 0.001, -0.001, 0.002),
    metric("calibration_slope", 1.1, 0.8, 1.4),
    metric("observed_expected", 1.1, 0.7, 1.6),
    (Subgroup("u21", 25, 1.9), Subgroup("sex female", 19, 3.0)),
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"auroc_gain": metric("auroc", 0.1, -0.01, 0.2)}, "not shown to be better than age and history"),
        (
            {"auroc_gain": metric("auroc", 0, -1, 1), "net_benefit_gain": metric("net_benefit", 0.1, 0.01, 0.2)},
            None,
        ),
        ({"slope": metric("calibration_slope", 0.4, 0.2, 0.6)}, "calibration slope 0.40 (0.20 to 0.60) does not hold"),
        ({"slope": metric("calibration_slope", np.nan, np.nan, np.nan)}, "calibration slope"),
        ({"observed_expected": metric("observed_expected", 0.79, 0.5, 1.2)}, "observed : expected is 0.79"),
        ({"observed_expected": metric("observed_expected", np.nan, np.nan, np.nan)}, "observed : expected is nan"),
        ({"subgroups": (Subgroup("sex female", 20, 2.1),)}, "observed : expected is 2.10 in sex female"),
        ({"subgroups": (Subgroup("u21", 20, 0.4),)}, "observed : expected is 0.40 in u21"),
    ],
)
def test_each_condition_refuses_on_its_own(change: dict[str, object], said: str | None) -> None:
    found = refused(replace(GOOD, **change), (), LIMITS)  # type: ignore[arg-type]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_every_failed_leak_check_refuses() -> None:
    assert refused(GOOD, ("told by wellness", "told by order"), LIMITS) == (
        "leak: told by wellness",
        "leak: told by order",
    )


def test_an_evaluations_own_table_of_subgroups_counts_beside_the_squads() -> None:
    rows = pd.DataFrame({
        "athlete_id": [f"a{number}" for number in range(8)], "date": pd.Timestamp("2024-01-01"), "squad": "one",
        "horizon_days": 7, "label": [1.0, 0.0] * 4, MODEL: 0.5,
    })  # fmt: skip
    scores = (
        Score(7, MODEL, "age_history", GOOD.auroc_gain),
        Score(7, MODEL, "age_history", GOOD.net_benefit_gain),
        Score(7, MODEL, None, GOOD.slope),
        Score(7, MODEL, None, GOOD.observed_expected),
    )
    lines = [
        (7, "sex", "female", "observed_expected", 2.4, 21),
        (7, "sex", "male", "observed_expected", 0.6, 40),
        (14, "age", "under 21", "observed_expected", 9.0, 21),
        (7, "age", "under 21", "observed_expected", np.nan, 4),
        (7, "age", "under 21", "auroc", 9.0, 40),
    ]
    columns = ["horizon_days", "by", "subgroup", "name", "value", "n_events"]
    tables = {"subgroups": pd.DataFrame(lines, columns=columns)}
    found = Evaluation(rows, scores, (), (7,), 0.03, AlertPolicy(3, 25), tables=tables)
    assert refusals(found, 7, (), LIMITS) == ("observed : expected is 2.40 in sex female",)


def test_injuries_of_a_subgroup_are_runs_of_days_before_one() -> None:
    days = pd.date_range("2024-01-01", periods=6, freq="D")
    rows = pd.DataFrame({
        "athlete_id": ["a"] * 6 + ["b"] * 6, "date": [*days, *days],
        "label": [1.0, 1, 0, 1, 0, 0] + [0.0] * 6, "challenger": [0.5] * 6 + [0.25] * 6,
    })  # fmt: skip
    groups = pd.DataFrame({"squad": ["one"] * 12, "sex": ["f"] * 6 + [None] * 6})
    assert subgroups(rows, "challenger", groups) == (Subgroup("one", 2, 3 / 4.5), Subgroup("sex f", 2, 1.0))


@pytest.mark.parametrize(("horizons", "expected"), [((7, 14, 28), 7), ((5, 9), 5), ((14, 28), 14), ((3,), 3)])
def test_a_model_is_judged_at_its_horizon_nearest_to_the_limits(horizons: tuple[int, ...], expected: int) -> None:
    assert LIMITS.horizon(horizons) == expected


def test_shipped_limits_are_those_of_the_standards() -> None:
    assert load_limits() == LIMITS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("horizon_days = 0", "horizon_days = 0. Give a whole number from 1 up."),
        ("least_later_events = true", "Give a whole number"),
        ("observed_expected = [1.25, 0.8]", "Give two numbers above 0, the lower one first"),
        ("observed_expected = 1", "Give two numbers"),
        ("observed_expected = [0, 1]", "Give two numbers above 0"),
        ("surprise = 1", "unknown surprise. Known: horizon_days, least_later_events"),
        ("", "missing. Add what configs/promotion.toml ships"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, said: str) -> None:
    shipped = {"horizon_days": "7", "least_later_events": "20", "observed_expected": "[0.8, 1.25]",
               "least_subgroup_events": "20", "subgroup_observed_expected": "[0.5, 2.0]"}  # fmt: skip
    lines = [f"{name} = {value}" for name, value in shipped.items() if text and not text.startswith(f"{name} ")]
    (tmp_path / "promotion.toml").write_text("\n".join([*lines, text]) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_limits(tmp_path)
    assert said in str(caught.value)


def test_a_net_benefit_is_told_with_four_decimals_and_what_has_no_interval_with_the_reason() -> None:
    assert with_interval(metric("net_benefit", 0.0012, -0.0001, 0.002)) == "0.0012 (-0.0001 to 0.0020)"
    assert with_interval(metric("auroc", -0.001, -0.02, 0.02)) == "0.00 (-0.02 to 0.02)"
    assert with_interval(replace(metric("auroc", 0.6, np.nan, np.nan), reason="too few")) == "0.60 (too few)"


# --- who becomes champion ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("champion", "told", "force", "unreadable", "expected"),
    [
        (None, ("not better",), None, None, ("first", 2, "first model; the gate was not asked", False)),
        (1, (), None, None, ("promoted", 2, "passes the gate, and is estimated better than the champion", False)),
        (1, ("not better", "slope"), None, None, ("kept", 1, "not better; slope", False)),
        (1, ("not better",), "the coach insists", None, ("promoted", 2, "the coach insists", True)),
        (1, ("not better",), None, "it is damaged", ("promoted", 2, "the gate was not asked: it is damaged", False)),
    ],
    ids=["first", "passes", "refused", "forced", "champion cannot be read"],
)
def test_only_the_gate_a_person_or_a_champion_that_cannot_score_makes_way(
    champion: int | None,
    told: tuple[str, ...],
    force: str | None,
    unreadable: str | None,
    expected: tuple[str, int, str, bool],
) -> None:
    found = _decision(2, champion, Findings(None, told, {}), force, unreadable)
    assert (found.action, found.after, found.reason, found.forced) == expected
    assert (found.before, found.candidate) == (champion, 2)
    assert found.figures == {"gate": list(told)}


def bare(**changes: Any) -> Bundle:
    """A bundle without a model, for what is asked of its words alone."""
    nothing = Replay({}, pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    now = pd.Timestamp("2025-06-01", tz="UTC")
    whole = Bundle("bare", now, now, (), (), {}, load_target(), load_settings(), {}, {}, {}, nothing)
    return replace(whole, **changes)


def test_a_failed_leak_check_counts_if_it_blocks_and_a_model_without_any_record_is_not_trusted() -> None:
    checks = [
        {"passed": False, "sentence": "told by order", "blocks": True},
        {"passed": False, "sentence": "other days", "blocks": False},
        {"passed": True, "sentence": "fine", "blocks": True},
    ]
    assert failed_leaks(bare(metrics={"leaks": checks})) == ("told by order",)
    assert failed_leaks(bare()) == ("no leak checks are on record: train again",)


def test_models_that_foretell_different_injuries_are_not_compared_by_figures() -> None:
    bundle = bare()
    other = replace(bundle, target=replace(bundle.target, name="any injury", horizons_days=(7, 21)))
    assert _differs(bundle, bundle) is None
    assert "'any injury' and" in str(_differs(bundle, other))
    assert "differ in horizons_days): figures cannot compare them" in str(_differs(bundle, other))


# --- against the champion -----------------------------------------------------------------------------


def compared(name: str, value: float, lower: float, upper: float) -> Compared:
    return Compared(name, metric(name, 0.6, 0.5, 0.7), metric(name, 0.6, 0.5, 0.7), metric(name, value, lower, upper))


@pytest.mark.parametrize(
    ("auroc", "benefit", "said"),
    [
        ((0.01, -0.1, 0.1), (-0.001, -0.01, 0.01), ()),
        ((-0.01, -0.1, 0.1), (0.001, -0.01, 0.01), ()),
        ((0.0, -0.1, 0.1), (0.0, -0.01, 0.01), ("not estimated to be better than the champion",)),
        ((0.01, -0.1, 0.1), (-0.01, -0.02, -0.001), ("shown to be worse than the champion: net benefit by",)),
        (
            (-0.1, -0.2, -0.01),
            (-0.01, -0.02, 0.01),
            ("shown to be worse than the champion: AUROC", "not estimated to be better"),
        ),
        ((np.nan,) * 3, (np.nan,) * 3, ("not estimated to be better",)),
    ],
)
def test_a_challenger_must_be_estimated_better_and_not_shown_worse(
    auroc: tuple[float, float, float], benefit: tuple[float, float, float], said: tuple[str, ...]
) -> None:
    scores = (compared("auroc", *auroc), compared("net_benefit", *benefit), compared("scaled_brier", -9, -9, -9))
    found = Comparison(7, "later days", "why", GOOD, scores).refusals((), LIMITS)
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True))


def ground(challenger: float, champion: float) -> tuple[Ground, Material]:
    """Forty athletes on ten days, half of them injured the day after; each model ranks with this much truth in it."""
    generator = np.random.default_rng(5)
    days = pd.date_range("2025-01-01", periods=10, freq="D")
    index = pd.DataFrame({"athlete_id": np.repeat([f"a{n}" for n in range(40)], 10), "date": np.tile(days, 40)})
    label = (np.repeat(np.arange(40) % 2, 10) * np.tile(np.arange(10) >= 4, 40)).astype(float)
    noise = generator.normal(size=(3, len(index)))
    rows = index.assign(
        row=np.arange(len(index)), squad="one", repeat=0, fold=0, horizon_days=7, label=label,
        challenger=_chance(challenger * label + noise[0]), champion=_chance(champion * label + noise[1]),
        age_history=_chance(noise[2]),
    )  # fmt: skip
    onsets = pd.DataFrame({"athlete_id": [f"a{n}" for n in range(1, 40, 2)], "date": pd.Timestamp("2025-01-11")})
    groups = pd.DataFrame({"squad": ["one"] * len(index)})
    material = Material(index, index[[]], pd.DataFrame({"7": label}), onsets, np.array(["one"] * len(index)), groups)
    return Ground(rows, "later days", "made up"), material


def _chance(score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(score - 1.0)))


def test_the_better_ranking_has_a_positive_difference_with_an_interval() -> None:
    settings = replace(load_settings(), resamples=200)
    for strengths, sign in (((2.0, 0.2), 1), ((0.2, 2.0), -1)):
        found = compare(*ground(*strengths), 7, settings)
        (auroc,) = [score for score in found.scores if score.name == "auroc"]
        assert sign * auroc.difference.value > 0.2
        assert sign * (auroc.difference.lower if sign > 0 else auroc.difference.upper) > 0
        assert auroc.difference.value == pytest.approx(auroc.challenger.value - auroc.champion.value)
        assert found.judged.observed_expected.n_events == 20
    shown_worse = compare(*ground(0.2, 2.0), 7, settings).refusals((), LIMITS)
    assert any("shown to be worse than the champion: AUROC" in each for each in shown_worse)


def test_twins_are_never_estimated_to_be_better() -> None:
    made, material = ground(2.0, 2.0)
    twins = replace(made, rows=made.rows.assign(champion=made.rows["challenger"]))
    found = compare(twins, material, 7, replace(load_settings(), resamples=100))
    assert {score.difference.value for score in found.scores} == {0.0}
    assert any("not estimated to be better than the champion" in each for each in found.refusals((), LIMITS))


def test_without_a_champion_only_the_gate_speaks_and_without_an_injury_nobody() -> None:
    made, material = ground(2.0, 0.0)
    alone = replace(made, rows=made.rows.drop(columns="champion"))
    assert compare(alone, material, 7, replace(load_settings(), resamples=100)).scores == ()
    with pytest.raises(NotReady, match="hold no injury"):
        compare(replace(made, rows=made.rows.assign(label=0.0)), material, 7, load_settings())
