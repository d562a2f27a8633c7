"""Metrics against scikit-learn, brute force and hand-made cases; intervals by athlete bootstrap."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from models import metrics
from models.metrics import Clusters
from models.odds import probability


def scored(
    rows: int = 900, athletes: int = 20, seed: int = 0, step: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, probability (in steps, so that many are equal) and athlete."""
    generator = np.random.default_rng(seed)
    score = generator.normal(-2, 1, rows)
    label = (generator.random(rows) < probability(0.4 + 0.8 * score)).astype(float)
    chance = probability(score)
    return label, np.round(chance / step) * step if step else chance, generator.integers(athletes, size=rows)


def repeated(rows: Clusters, resample: int, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of one resample written out: label and probability."""
    copies = rows.weights[resample].astype(int)[rows.athlete]
    return np.repeat(rows.label, copies), np.repeat(chance, copies)


@pytest.mark.parametrize("step", [0.0, 0.02])
def test_auroc_and_average_precision_equal_sklearns_in_every_resample(step: float) -> None:
    label, chance, athlete = scored(step=step)
    rows = metrics.clusters(label, athlete, 30, seed=1)
    areas, precisions = metrics.auroc(rows, chance), metrics.average_precision(rows, chance)
    for resample in range(31):
        y, p = repeated(rows, resample, chance)
        assert areas[resample] == pytest.approx(roc_auc_score(y, p), abs=1e-12)
        assert precisions[resample] == pytest.approx(average_precision_score(y, p), abs=1e-12)


def test_auroc_within_groups_counts_only_pairs_of_the_same_group() -> None:
    label, chance, athlete = scored(rows=120, step=0.05)
    group = np.random.default_rng(7).integers(3, size=120)
    rows = metrics.clusters(label, athlete, 3, seed=1)
    for resample, found in enumerate(metrics.auroc(rows, chance, group)):
        copies = rows.weights[resample][rows.athlete]
        right = possible = 0.0
        for event in np.flatnonzero(label == 1):
            for other in np.flatnonzero((label == 0) & (group == group[event])):
                pairs = copies[event] * copies[other]
                possible += pairs
                right += pairs * ((chance[event] > chance[other]) + 0.5 * (chance[event] == chance[other]))
        assert found == pytest.approx(right / possible, abs=1e-12)


@pytest.mark.parametrize("step", [0.0, 0.05])
def test_average_precision_within_groups_is_each_groups_weighted_by_its_events(step: float) -> None:
    label, chance, athlete = scored(step=step)
    group = athlete % 3
    rows = metrics.clusters(label, athlete, 8, seed=1)
    found, line = metrics.average_precision(rows, chance, group), metrics.prevalence_line(rows, group)
    for resample in range(9):
        copies = np.repeat(np.arange(len(label)), rows.weights[resample].astype(int)[rows.athlete])
        parts = [copies[group[copies] == each] for each in range(3)]
        events = np.array([label[part].sum() for part in parts])
        own = np.array([average_precision_score(label[part], chance[part]) for part in parts])
        assert found[resample] == pytest.approx(events @ own / events.sum(), abs=1e-12)
        rates = np.array([label[part].mean() for part in parts])
        assert line[resample] == pytest.approx(events @ rates / events.sum(), abs=1e-12)
    same = metrics.average_precision(rows, np.array([0.1, 0.4, 0.2])[group], group)
    assert same == pytest.approx(line)  # levels of folds rank nobody


def test_the_slope_within_groups_is_that_of_a_regression_with_an_intercept_for_each() -> None:
    label, chance, athlete = scored(rows=3000)
    group = athlete % 3
    score = np.log(chance / (1 - chance))
    label = (
        np.random.default_rng(5).random(3000) < probability(np.array([-2.0, 0.0, 1.0])[group] + 0.7 * score)
    ).astype(float)
    rows = metrics.clusters(label, athlete, 6, seed=1)
    slopes = metrics.calibration_slope(rows, chance, group)
    for resample in range(7):
        copies = np.repeat(np.arange(3000), rows.weights[resample].astype(int)[rows.athlete])
        design = np.column_stack([score, group == 1, group == 2])[copies]
        oracle = LogisticRegression(C=np.inf, tol=1e-9, solver="newton-cholesky").fit(design, label[copies])
        assert slopes[resample] == pytest.approx(oracle.coef_[0, 0], rel=2e-3 if resample else 1e-7)
    assert slopes[0] == pytest.approx(0.7, abs=0.2)


def test_a_group_without_events_says_nothing_of_the_slope_and_levels_alone_have_none() -> None:
    label, chance, athlete = scored()
    group = athlete % 3
    without = np.where(group == 2, 0.0, label)
    rows = metrics.clusters(without, athlete, 5, seed=1)
    alone = metrics.clusters(label[group != 2], athlete[group != 2], 5, seed=1)
    both = [metrics.calibration_slope(each, chance[kept], group[kept])[0]
            for each, kept in ((rows, group < 3), (alone, group != 2))]  # fmt: skip
    assert both[0] == pytest.approx(both[1], rel=1e-6)
    assert np.isnan(metrics.calibration_slope(rows, np.array([0.1, 0.2, 0.3])[group], group)).all()


def test_brier_and_scaled_brier_equal_their_definitions_in_every_resample() -> None:
    label, chance, athlete = scored()
    rows = metrics.clusters(label, athlete, 20, seed=1)
    for resample in range(21):
        y, p = repeated(rows, resample, chance)
        assert metrics.brier(rows, chance)[resample] == pytest.approx(brier_score_loss(y, p))
        worst = brier_score_loss(y, np.full(len(y), y.mean()))
        assert metrics.scaled_brier(rows, chance)[resample] == pytest.approx(1 - brier_score_loss(y, p) / worst)


@pytest.mark.parametrize("step", [0.0, 0.02])
def test_calibration_slope_equals_a_logistic_regression_in_every_resample(step: float) -> None:
    label, chance, athlete = scored(rows=3000, step=step)
    chance = np.clip(chance, 0.001, 0.999)
    rows = metrics.clusters(label, athlete, 10, seed=1)
    slopes = metrics.calibration_slope(rows, chance)
    for resample in range(11):
        y, p = repeated(rows, resample, np.log(chance / (1 - chance)))
        oracle = LogisticRegression(C=np.inf, tol=1e-9, solver="newton-cholesky").fit(p[:, None], y)
        tolerance = 1e-3 if resample else 1e-8  # only resamples are binned
        assert slopes[resample] == pytest.approx(oracle.coef_[0, 0], rel=tolerance)


def test_the_intercept_makes_expected_equal_observed_and_observed_over_expected_is_their_ratio() -> None:
    label, chance, athlete = scored()
    rows = metrics.clusters(label, athlete, 10, seed=1)
    intercepts = metrics.calibration_intercept(rows, chance)
    for resample in range(11):
        y, p = repeated(rows, resample, chance)
        shifted = probability(intercepts[resample] + np.log(p / (1 - p)))
        assert shifted.sum() == pytest.approx(y.sum(), rel=1e-6)
        assert metrics.observed_expected(rows, chance)[resample] == pytest.approx(y.sum() / p.sum())


def test_probabilities_that_are_right_have_slope_one_and_intercept_nought() -> None:
    generator = np.random.default_rng(2)
    chance = probability(generator.normal(-1, 1, 40_000))
    label = (generator.random(40_000) < chance).astype(float)
    rows = metrics.clusters(label, generator.integers(50, size=40_000), 200, seed=1)
    assert metrics.calibration_slope(rows, chance)[0] == pytest.approx(1, abs=0.04)
    assert metrics.calibration_intercept(rows, chance)[0] == pytest.approx(0, abs=0.04)
    assert metrics.observed_expected(rows, chance)[0] == pytest.approx(1, abs=0.03)


def test_net_benefit_weighs_needless_flags_by_the_odds_of_the_threshold() -> None:
    label = np.array([1.0, 0, 0, 1, 0])
    rows = metrics.clusters(label, np.arange(5), 100, seed=1)
    chance = np.array([0.2, 0.2, 0.5, 0.1, 0.1])
    # At 0.2: one true flag and two false ones, each worth a quarter of a true one.
    assert metrics.net_benefit(rows, chance, 0.2)[0] == pytest.approx((1 - 2 * 0.25) / 5)


@pytest.mark.slow
def test_the_interval_is_that_of_whole_athletes_resampled() -> None:
    label, chance, athlete = scored(athletes=12)
    rows = metrics.clusters(label, athlete, 2000, seed=1)
    found = metrics.summarise("brier", metrics.brier(rows, chance), rows)
    generator = np.random.default_rng(9)
    by_hand = []
    for _ in range(2000):
        drawn = np.concatenate([np.flatnonzero(athlete == who) for who in generator.integers(12, size=12)])
        by_hand.append(brier_score_loss(label[drawn], chance[drawn]))
    lower, upper = np.percentile(by_hand, [2.5, 97.5])
    assert (found.lower, found.upper) == pytest.approx((lower, upper), rel=0.03)
    assert (found.n_rows, found.n_events, found.n_athletes) == (900, int(label.sum()), 12)


def test_the_interval_of_a_difference_is_paired() -> None:
    label, chance, athlete = scored()
    rows = metrics.clusters(label, athlete, 500, seed=1)
    first, second = metrics.auroc(rows, chance), metrics.auroc(rows, chance**3)
    same = metrics.summarise("auroc", first - second, rows)
    assert (same.value, same.lower, same.upper) == pytest.approx((0, 0, 0), abs=1e-12)
    assert metrics.summarise("auroc", first, rows).upper > metrics.summarise("auroc", first, rows).lower + 0.02


def test_events_in_one_athlete_alone_leave_an_estimate_without_an_interval_and_say_why() -> None:
    label = np.zeros(100)
    label[:5] = 1
    rows = metrics.clusters(label, np.repeat(np.arange(10), 10), 500, seed=1)
    found = metrics.summarise("auroc", metrics.auroc(rows, np.linspace(1, 0, 100)), rows)
    assert found.value == 1.0
    assert np.isnan(found.lower) and np.isnan(found.upper)
    assert found.reason is not None
    assert "too few athletes have events (3" in found.reason


def test_no_events_at_all_leave_nothing_but_the_reason() -> None:
    rows = metrics.clusters(np.zeros(50), np.repeat(np.arange(5), 10), 100, seed=1)
    for name, draws in metrics.measure(rows, np.linspace(0.1, 0.5, 50), 0.2).items():
        found = metrics.summarise(name, draws, rows)
        if name in (
            "auroc",
            "auroc_pooled",
            "average_precision",
            "prevalence_line",
            "calibration_slope",
            "calibration_intercept",
            "scaled_brier",
        ):
            assert np.isnan(found.value) and found.reason is not None, name
        else:
            assert np.isfinite(found.value), name


def test_equal_scores_have_an_auroc_of_one_half_and_no_slope() -> None:
    label, _, athlete = scored()
    rows = metrics.clusters(label, athlete, 200, seed=1)
    draws = metrics.measure(rows, np.full(900, 0.1), 0.2)
    assert metrics.summarise("auroc", draws["auroc"], rows).value == 0.5
    assert metrics.summarise("ap", draws["average_precision"], rows).value == pytest.approx(label.mean())
    slope = metrics.summarise("slope", draws["calibration_slope"], rows)
    assert np.isnan(slope.value) and slope.reason is not None


def test_scores_that_separate_perfectly_have_no_slope() -> None:
    label = np.tile([0.0, 0, 0, 1], 10)
    rows = metrics.clusters(label, np.repeat(np.arange(10), 4), 100, seed=1)
    assert np.isnan(metrics.calibration_slope(rows, 0.2 + 0.5 * label + np.linspace(0, 0.01, 40))[0])


def test_an_onset_is_covered_from_its_own_day_back_to_the_length_of_the_horizon() -> None:
    dates = pd.date_range("2021-01-01", periods=5)
    rows = pd.DataFrame({"athlete_id": "A", "date": dates, "label": [0.0, 1, 1, 1, 0]})
    onsets = pd.DataFrame({"athlete_id": ["A", "B"], "date": [pd.Timestamp("2021-01-04")] * 2})
    covered = metrics.covered_injuries(rows, onsets, horizon_days=3)
    assert list(covered["row"]) == [1, 2, 3]
    assert set(covered["athlete_id"]) == {"A"}


@pytest.mark.slow
def test_a_thousand_resamples_of_ten_thousand_rows_take_a_few_seconds() -> None:
    label, chance, athlete = scored(rows=10_000, athletes=200)
    rows = metrics.clusters(label, athlete, 1000, seed=1)
    start = time.process_time()
    metrics.measure(rows, chance, 0.2)
    assert time.process_time() - start < 10
