"""A squad's own rate and slope: as far as its own injuries allow, shrunk towards everybody's, and exactly explained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.estimator import Bag, Calibration, HorizonModel, load_settings, predict
from models.explain import contributions
from models.odds import probability
from models.recalibration import (
    Recalibration,
    by_squad,
    fit_recalibrations,
    injuries_behind,
    of_squad,
    predict_squads,
    rates_apart,
    recalibration_from_json,
)
from models.spread import Spread
from tests.trained import small_bundle

SETTINGS = replace(
    load_settings(), squad_shift_events=5, squad_slope_events=20, squad_shift_sd=0.5, squad_slope_sd=0.25
)
CENTRE = -3.0
MODEL = HorizonModel(7, Bag((), (), CENTRE), Calibration("platt", (0.0, 1.0)))


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp("2025-01-01") + pd.Timedelta(days=number)


def squads(rows: dict[str, tuple[int, int]], seed: int = 4) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Index, label, pooled scores and squads: each squad's rows a month apart, so many of them before an injury."""
    generator = np.random.default_rng(seed)
    index, label, names = [], [], []
    for name, (count, events) in rows.items():
        index += [{"athlete_id": f"{name}-{number % 10}", "date": day(30 * number)} for number in range(count)]
        label += [1.0] * events + [0.0] * (count - events)
        names += [name] * count
    return pd.DataFrame(index), np.array(label), CENTRE + generator.normal(0, 0.8, len(label)), np.array(names)


def fitted(rows: dict[str, tuple[int, int]], **changes: float) -> dict[str, Recalibration]:
    index, label, score, names = squads(rows)
    labels = pd.DataFrame({"7": label})
    settings = replace(SETTINGS, **changes)
    return {each.squad: each for each in fit_recalibrations([MODEL], {7: score}, labels, index, names, settings)}


@pytest.mark.parametrize(
    ("days", "horizon", "injuries"),
    [
        ([0, 3, 6], 7, 1),
        ([0, 3, 6, 7], 7, 2),
        ([0, 7, 14], 7, 3),
        ([], 7, 0),
        ([0, 3, 6, 9, 12, 15, 18, 21, 24, 27], 28, 1),
    ],
)
def test_rows_less_than_a_horizon_apart_share_one_injury(days: Sequence[int], horizon: int, injuries: int) -> None:
    index = pd.DataFrame({"athlete_id": "a", "date": pd.to_datetime([day(number) for number in days])})
    assert injuries_behind(index, np.ones(len(days)), horizon) == injuries


def test_rows_of_two_athletes_never_share_an_injury_and_rows_without_one_do_not_count() -> None:
    index = pd.DataFrame({"athlete_id": list("abab"), "date": [day(0), day(1), day(2), day(40)]})
    assert injuries_behind(index, np.array([1.0, 1.0, 0.0, 1.0]), 7) == 3


def test_below_so_many_injuries_of_its_own_a_squad_keeps_the_pooled_calibration() -> None:
    assert sorted(fitted({"few": (200, 4), "five": (200, 5)})) == ["five"]


def test_a_single_squad_is_what_the_pooled_calibration_was_fitted_on() -> None:
    assert fitted({"all": (400, 60)}) == {}


def test_the_slope_stays_1_below_so_many_injuries_of_its_own() -> None:
    found = fitted({"some": (200, 19), "many": (200, 20)})
    assert (found["some"].slope, found["some"].events) == (1.0, 19)
    assert found["many"].slope != 1.0
    assert 0 <= found["many"].slope < 1  # scores that say nothing about who is injured


def test_a_rate_above_everybodys_moves_up_and_a_rate_below_moves_down() -> None:
    found = fitted({"low": (1000, 12), "high": (200, 40)}, squad_slope_events=10**6)
    assert found["low"].shift < 0 < found["high"].shift


def expected(rows: dict[str, tuple[int, int]]) -> list[float]:
    """Injuries that the pooled scores expect of each squad, every row counting once."""
    _, _, score, names = squads(rows)
    return [float(probability(score[names == name]).sum()) for name in rows]


def test_squads_that_are_alike_keep_nearly_the_same_rate_and_such_as_differ_do_not() -> None:
    alike = dict.fromkeys("abcdef", (300, 21))
    assert max(abs(each.shift) for each in fitted(alike).values()) < 0.1
    one_apart = fitted(alike | {"f": (300, 80)})
    assert one_apart["f"].shift > 0.8


def test_how_far_rates_differ_is_learnt_from_all_squads_and_starts_from_the_prior() -> None:
    assert rates_apart([], [], 0.5) == pytest.approx(0.5, abs=0.01)
    alike = [rates_apart([20] * count, [20.0] * count, 0.5) for count in (2, 6, 40)]
    assert 0.4 > alike[0] > alike[1] > alike[2] > 0
    ratios = np.exp(0.4 * np.random.default_rng(1).standard_normal(400))
    many = rates_apart([round(1000 * ratio) for ratio in ratios], [1000.0] * 400, 0.5)
    assert many == pytest.approx(0.4, abs=0.04)


def test_the_shift_is_where_a_normal_prior_and_the_squads_own_injuries_balance() -> None:
    _, label, score, names = squads({"one": (300, 9), "other": (300, 50)})
    found = fitted({"one": (300, 9), "other": (300, 50)})["one"]
    own = names == "one"
    surplus = label[own].sum() - probability(score[own] + found.shift).sum()
    apart = rates_apart([9, 50], expected({"one": (300, 9), "other": (300, 50)}), 0.5)
    assert surplus == pytest.approx(found.shift / apart**2, abs=1e-4)


def test_with_much_data_the_prior_no_longer_matters() -> None:
    found = fitted({"one": (2000, 400), "other": (300, 50)}, squad_slope_events=10**6)["one"]
    _, _, score, names = squads({"one": (2000, 400), "other": (300, 50)})
    told = probability(score[names == "one"] + found.shift).sum()
    assert 400 / told == pytest.approx(1.0, abs=0.02)


def test_rows_of_one_injury_count_as_one() -> None:
    """Ten rows before each of nine injuries say no more than one row before each."""
    index, label, score, names = squads({"one": (300, 9), "other": (300, 50)})
    once = fit_recalibrations([MODEL], {7: score}, pd.DataFrame({"7": label}), index, names, SETTINGS)
    copies = np.repeat(np.arange(len(label)), np.where(names == "one", 10, 1))
    again = fit_recalibrations(
        [MODEL], {7: score[copies]}, pd.DataFrame({"7": label[copies]}), index.iloc[copies], names[copies], SETTINGS
    )
    assert again[0].events == once[0].events == 9
    assert again[0].shift == pytest.approx(once[0].shift, abs=1e-6)


def test_rows_with_an_unknown_outcome_or_without_an_unseen_score_teach_nothing() -> None:
    index, label, score, names = squads({"one": (300, 9), "other": (300, 50)})
    plain = fit_recalibrations([MODEL], {7: score}, pd.DataFrame({"7": label}), index, names, SETTINGS)
    more = pd.concat([index, index.iloc[:2]], ignore_index=True)
    labels = pd.DataFrame({"7": [*label, np.nan, 1.0]})
    scores = np.array([*score, 0.0, np.nan])
    found = fit_recalibrations([MODEL], {7: scores}, labels, more, np.array([*names, "one", "one"]), SETTINGS)
    assert found == plain


@pytest.mark.parametrize(("kind", "coefficients"), [("platt", (0.3, 0.8)), ("beta", (0.3, 0.7, 0.4))])
def test_it_moves_and_stretches_what_the_pooled_calibration_says(kind: str, coefficients: tuple[float, ...]) -> None:
    pooled = Calibration(kind, coefficients)  # type: ignore[arg-type]
    own = Recalibration("one", 7, 30, centre=-3.0, shift=0.4, slope=1.5, shift_sd=0.2)
    raw = np.array([-6.0, -3.0, 0.0])
    said = pooled.log_odds(raw)
    assert own.applied(pooled).log_odds(raw) == pytest.approx(said + 0.4 + 0.5 * (said + 3.0))


def test_each_row_is_scored_as_its_squad_and_others_as_everybody() -> None:
    models, features = small_bundle().models, small_bundle().replay.features
    own = [Recalibration("two", model.horizon_days, 9, -3.0, 0.7, 1.0, 0.2) for model in models]
    names = np.array(["one", "two", "new", "two"] * 2)[: len(features)]
    said, plain = predict_squads(models, own, features, names), predict(models, features)
    moved = np.where(names == "two", 0.7, 0.0)
    assert said.log_odds == pytest.approx(plain.log_odds + moved)
    assert (said.source_horizon == plain.source_horizon).all()
    assert [(name, rows.tolist()) for name, rows in by_squad(own, names[:4])] == [("", [0, 2]), ("two", [1, 3])]


def test_explanations_of_a_squad_add_up_its_rate_stands_in_the_base_and_its_slope_stretches_contributions() -> None:
    features = small_bundle().replay.features
    (pooled, *_) = small_bundle().models
    own = Recalibration("two", pooled.horizon_days, 60, -3.0, 0.7, 1.5, 0.2)
    (moved,) = of_squad([pooled], [own], "two")
    base, shares = contributions(moved, features)
    plain_base, plain = contributions(pooled, features)
    assert base == pytest.approx(plain_base + 0.7 + 0.5 * (plain_base + 3.0))
    assert shares.to_numpy() == pytest.approx(1.5 * plain.to_numpy())
    assert of_squad([pooled], [own], "three") == (pooled,)


def test_it_comes_back_from_json() -> None:
    own = Recalibration("two", 7, 60, -3.1, 0.7, 1.5, 0.2)
    assert recalibration_from_json(json.loads(json.dumps(own.as_json()))) == own


def test_the_interval_is_stretched_with_the_slope_and_widened_by_the_doubt_about_the_shift() -> None:
    own = Recalibration("two", 7, 60, -3.0, 0.7, slope=1.5, shift_sd=0.3)
    pooled = Spread(refits=40, centre=-3.0, level=0.04, tilt=0.01, slope=0.02, own=2.0)
    found = own.widened(pooled)
    assert found is not None
    assert (found.refits, found.centre) == (40, -3.0)
    assert [found.level, found.tilt, found.slope, found.own] == pytest.approx([0.09 + 0.09, 0.0225, 0.045, 4.5])
    assert own.widened(None) is None


def test_the_doubt_about_a_shift_is_the_priors_without_injuries_and_falls_with_them() -> None:
    rows = {"five": (200, 5), "some": (200, 19), "many": (2000, 400)}
    found = fitted(rows, squad_slope_events=10**6)
    apart = rates_apart([5, 19, 400], expected(rows), 0.5)
    assert apart > found["five"].shift_sd > found["some"].shift_sd > found["many"].shift_sd > 0
    _, _, score, names = squads(rows)
    chance = probability(score[names == "five"] + found["five"].shift)
    assert found["five"].shift_sd == pytest.approx(1 / np.sqrt((chance * (1 - chance)).sum() + 1 / apart**2))
