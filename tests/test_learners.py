"""Alternatives behind the one interface: each learns what is there, in the same seed the same, calibrated on athletes
that it did not learn from."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs.errors import NotReady, WrongArgument
from models import learners
from models.calibration import CALIBRATIONS, fit_isotonic, fit_venn_abers
from models.estimator import Settings, fit_calibration, load_settings
from models.learner import Learner, TrainingRows, Trees
from models.learners import cox, elastic_net, hazard
from models.learners.crossfit import held_out_scores
from models.odds import probability
from tests.squad import Squad, strainwatch

SMALL = replace(load_settings(), members=4, trees=25, threads=1)
EVERY = (Trees(), *learners.LEARNERS.values())
KEEPS_DIRECTIONS = tuple(each for each in EVERY if each.name not in ("elastic_net", "blend"))
HORIZONS = ("7", "14", "28")


def taught(athletes: int = 16, days: int = 60, seed: int = 1, effect: float = 1.2) -> TrainingRows:
    """Rows every third day; `load` raises the daily hazard, `noise` does nothing and is often missing."""
    generator = np.random.default_rng(seed)
    rows = athletes * days
    features = pd.DataFrame({"load": generator.normal(size=rows), "noise": generator.normal(size=rows)})
    features.loc[generator.random(rows) < 0.3, "noise"] = np.nan
    hazard_a_day = np.exp(-4.5 + effect * features["load"].to_numpy())
    waits = generator.exponential(1 / hazard_a_day)
    labels = pd.DataFrame({days_ahead: (waits < int(days_ahead)).astype(float) for days_ahead in HORIZONS})
    index = pd.DataFrame({
        "athlete_id": np.repeat([f"A{number:02d}" for number in range(athletes)], days),
        "date": np.tile(pd.date_range("2025-01-01", periods=days, freq="3D"), athletes),
    })  # fmt: skip
    return TrainingRows(features, labels, index, np.array(["all"] * rows), {"load": 1})


def auroc(score: Any, label: Any) -> float:
    above = score[label == 1][:, None] - score[label == 0]
    return float((above > 0).mean() + (above == 0).mean() / 2)


@pytest.mark.slow
@pytest.mark.parametrize("learner", EVERY, ids=lambda learner: str(learner.name))
def test_every_learner_ranks_unseen_athletes_with_chances_of_the_right_size_that_never_fall(learner: Learner) -> None:
    fitted, unseen = learner.fit(taught(), SMALL), taught(seed=2)
    chances = fitted.chances(unseen.features)
    assert chances.shape == (3, len(unseen.features))
    assert ((chances > 0) & (chances < 1)).all()
    assert (np.diff(chances, axis=0) >= 0).all()
    for position, days in enumerate(HORIZONS):
        label = unseen.labels[days].to_numpy()
        assert auroc(chances[position], label) > 0.7, days
        assert chances[position].mean() == pytest.approx(label.mean(), rel=0.35), days


@pytest.mark.slow
@pytest.mark.parametrize("learner", EVERY, ids=lambda learner: str(learner.name))
def test_the_same_seed_gives_the_same_chances_whatever_came_before(learner: Learner) -> None:
    rows = taught(athletes=8, days=30)
    first = learner.fit(rows, SMALL).chances(rows.features)
    np.random.default_rng().normal(size=3)
    again = learner.fit(rows, replace(SMALL, threads=2)).chances(rows.features)
    assert (first == again).all()


@pytest.mark.slow
@pytest.mark.parametrize("learner", KEEPS_DIRECTIONS, ids=lambda learner: str(learner.name))
def test_a_monotone_feature_never_lowers_a_score_of_trees_and_curves(learner: Learner) -> None:
    rows = taught(athletes=8, days=30)
    against = TrainingRows(rows.features, 1 - rows.labels, rows.index, rows.squads, {"load": 1})
    if learner.name in ("hazard", "cox"):  # turned labels would fall with the horizon
        labels = rows.labels.assign(**dict.fromkeys(HORIZONS, 1 - rows.labels["28"]))
        against = replace(against, labels=labels)
    grid = pd.DataFrame({"load": np.linspace(-3, 3, 40), "noise": 0.0})
    assert (np.diff(learner.fit(against, SMALL).chances(grid), axis=1) >= -1e-12).all()


@pytest.mark.parametrize("name", ["model", "elastic_net", "hazard", "cox"])
def test_rows_of_one_class_are_refused(name: str) -> None:
    rows = taught(athletes=4, days=10)
    none = replace(rows, labels=rows.labels * 0)
    with pytest.raises(NotReady, match=r"0 of (40|120) rows have an event"):
        {each.name: each for each in EVERY}[name].fit(none, SMALL)


def test_censored_rows_leave_the_stretches_that_are_known() -> None:
    labels = pd.DataFrame([[0, 0, 1], [1, 1, 1], [0, np.nan, np.nan], [np.nan] * 3, [0, 1, np.nan]], columns=HORIZONS)
    row, stretch, label = hazard.stretches(labels, (7, 14, 28))
    found = list(zip(row.tolist(), stretch.tolist(), label.tolist(), strict=True))
    assert found == [
        (0, 0, 0.0), (0, 1, 0.0), (0, 2, 1.0),
        (1, 0, 1.0),
        (2, 0, 0.0),
        (4, 0, 0.0), (4, 1, 1.0),
    ]  # fmt: skip


def test_the_days_to_an_injury_come_from_the_nearest_row_that_looks_at_it() -> None:
    index = pd.DataFrame({
        "athlete_id": ["a", "a", "a", "b", "b"],
        "date": pd.to_datetime(["2025-01-10", "2025-01-01", "2025-01-20", "2025-01-01", "2025-01-04"]),
    })  # fmt: skip
    labels = pd.DataFrame([[1, 1, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, np.nan, np.nan]], columns=HORIZONS)
    waiting = cox.waiting_times(index, labels, (7, 14, 28))
    assert waiting.days.tolist() == [7, 16, 28, 28, 7]  # by 16 January at the latest, the 7th day from the 10th
    assert waiting.is_event.tolist() == [1, 1, 0, 0, 0]


def test_the_gradients_are_those_of_breslows_partial_likelihood() -> None:
    generator = np.random.default_rng(5)
    waiting = cox.Waiting(generator.integers(1, 6, size=12), (generator.random(12) < 0.5).astype(float))
    score = generator.normal(size=12)

    def loss(at: Any) -> float:
        total = 0.0
        for row in np.flatnonzero(waiting.is_event):
            total += np.log(np.exp(at[waiting.days >= waiting.days[row]]).sum()) - at[row]
        return float(total)

    slope, bend = cox.gradients(score, waiting)
    for row in range(12):
        step = np.zeros(12)
        step[row] = 1e-4
        up, here, down = loss(score + step), loss(score), loss(score - step)
        assert slope[row] == pytest.approx((up - down) / 2e-4, abs=1e-6)
        assert bend[row] == pytest.approx((up - 2 * here + down) / 1e-8, abs=1e-5)


def test_the_baseline_expects_as_many_injuries_as_there_were() -> None:
    waiting = cox.Waiting(np.array([1, 3, 3, 9, 14]), np.array([1.0, 1.0, 0.0, 1.0, 0.0]))
    expected = cox.breslow(np.zeros(5), waiting, (2, 7, 14, 28))
    assert expected == pytest.approx([1 / 5, 1 / 5 + 1 / 4, 1 / 5 + 1 / 4 + 1 / 2, 1 / 5 + 1 / 4 + 1 / 2])
    assert probability(cox.raw_log_odds(np.zeros(1), expected)[:, 0]) == pytest.approx(1 - np.exp(-expected))


def test_held_out_scores_come_from_models_that_never_saw_the_athlete() -> None:
    rows = taught(athletes=9, days=8)
    number = pd.factorize(rows.athletes)[0].astype(float)
    seen: list[set[float]] = []

    def remember(features: pd.DataFrame, label: Any) -> Any:
        learnt = set(features["who"])
        seen.append(learnt)
        return lambda asked: np.array([float(who in learnt) for who in asked["who"]])

    label = (np.arange(72) % 8 == 0).astype(float)
    found = held_out_scores(rows.features.assign(who=number), label, rows.athletes, SMALL, remember)
    assert len(seen) == 3
    assert (found == 0).all()


def test_one_injured_athlete_gives_no_held_out_score_and_so_the_base_rate() -> None:
    rows = taught(athletes=6, days=10)
    one = np.zeros(60)
    one[:3] = 1
    labels = pd.DataFrame({"7": one})
    fitted = elastic_net.ElasticNet().fit(replace(rows, labels=labels), SMALL)
    assert fitted.chances(rows.features) == pytest.approx(0.05)


def test_the_penalty_is_as_strong_as_the_rows_ask_for() -> None:
    spread = {}
    for effect in (0.0, 1.2):
        rows = taught(effect=effect)
        score, _ = elastic_net.fit_penalised(rows.features, rows.labels["14"].to_numpy(), rows.athletes, SMALL)
        spread[effect] = score(rows.features).std()
    assert spread[0.0] < 0.05
    assert spread[1.2] > 0.5


def test_isotonic_gives_the_means_of_pooled_neighbours_and_keeps_log_odds_finite() -> None:
    raw = np.array([0.0, 1.0, 2.0, 3.0, np.nan])
    fitted = fit_isotonic(raw, np.array([0.0, 1.0, 0.0, 1.0, 1.0]))
    assert probability(fitted.log_odds(np.array([-1, 0, 1, 2, 3, 9.0]))) == pytest.approx(
        [1 / 8, 1 / 8, 0.5, 0.5, 7 / 8, 7 / 8]
    )


def test_venn_abers_merges_the_two_regressions_with_the_tested_score_as_event_and_as_none() -> None:
    raw, label = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0])
    fitted = fit_venn_abers(raw, label)
    # Score 0: with a non-event 0 of 2, with an event 1 of 2. Score 1: 1 of 2, 2 of 2. Score 2: 2 of 3, 2 of 2.
    expected = [0.5 / 1.5, 1 / 1.5, 1 / (1 - 2 / 3 + 1)]
    assert probability(fitted.log_odds(raw)) == pytest.approx(expected)


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_every_calibration_rises_and_gives_the_rate_where_no_row_is_scored(name: str) -> None:
    generator = np.random.default_rng(4)
    raw = generator.normal(size=400)
    label = (generator.random(400) < probability(2 * raw - 2)).astype(float)
    fitted = CALIBRATIONS[name](raw, label)
    said = fitted.log_odds(np.linspace(-4, 4, 200))
    assert (np.diff(said) >= -1e-12).all()
    assert probability(fitted.log_odds(raw)).mean() == pytest.approx(label.mean(), rel=0.1)
    nobody = CALIBRATIONS[name](raw * np.nan, label)
    assert probability(nobody.log_odds(raw)) == pytest.approx(label.mean())


def test_learners_are_chosen_by_name_once_each_and_an_unknown_name_lists_the_known() -> None:
    assert [each.name for each in learners.chosen("cox, hazard,cox")] == ["cox", "hazard"]
    assert [each.name for each in learners.chosen("all")] == list(learners.LEARNERS)
    with pytest.raises(WrongArgument, match=r"--learners forest: not known\. Give all, or some of elastic_net, trees"):
        learners.chosen("cox,forest")


def test_without_its_library_one_learner_is_left_out_of_all_and_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "interpret", None)
    assert "ebm" not in [each.name for each in learners.chosen("all")]
    with pytest.raises(WrongArgument, match=r'--learners ebm: it needs .* pip install "strainwatch\[learners\]"'):
        learners.chosen("ebm")


def test_platt_as_compared_is_the_bundles_own() -> None:
    raw, label = np.linspace(-2, 2, 50), (np.arange(50) % 7 == 0).astype(float)
    assert CALIBRATIONS["platt"](raw, label) == fit_calibration(raw, label)


def test_settings_of_the_default_reach_it_through_the_interface() -> None:
    rows = taught(athletes=6, days=12)
    settings: Settings = replace(SMALL, members=2, trees=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = Trees().fit(rows, settings)
    assert [(model.horizon_days, len(model.bag.members)) for model in fitted.models] == [(7, 2), (14, 2), (28, 2)]


@pytest.mark.slow
def test_evaluate_prints_the_chosen_learners_in_the_models_own_folds_with_paired_differences(own_squad: Squad) -> None:
    asked = ("evaluate", "--store", own_squad.path, "--configs", own_squad.configs, "--no-designs")
    ran = strainwatch(*asked, "--learners", "elastic_net,hazard", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["evaluation"]
    assert [found["names"][name] for name in ("elastic_net", "hazard")] == ["elastic net", "discrete-time hazard"]
    compared = [
        (each["model"], each["against"], each["value"] is None, each["n_rows"])
        for each in found["metrics"]
        if each["name"] == "auroc" and each["horizon_days"] == 14 and {"elastic_net", "model"} & {each["model"]}
    ]
    rows = {rows for *_, rows in compared}
    assert len(rows) == 1
    assert ("model", "elastic_net", False, *rows) in compared
    assert ("elastic_net", None, False, *rows) in compared
    refused = strainwatch(*asked, "--learners", "forest")
    assert (refused.code, "not known" in refused.err) == (2, True)
