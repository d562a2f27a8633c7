"""The smoothed calibration curve against a regression written out, and its distances on cases that are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models import metrics
from models.calibration_curve import _knots, _spline, smoothed
from models.metrics import Clusters
from models.odds import log_odds, probability


def scored(rows: int, slope: float = 1.0, shift: float = 0.0, seed: int = 3) -> tuple[Clusters, np.ndarray]:
    """Rows whose true log-odds are shift + slope x the predicted ones."""
    generator = np.random.default_rng(seed)
    score = generator.normal(-2, 1, rows)
    label = (generator.random(rows) < probability(shift + slope * score)).astype(float)
    return metrics.clusters(label, generator.integers(40, size=rows), 60, seed=1), probability(score)


def test_the_curve_is_the_spline_regression_of_the_rows_in_every_resample() -> None:
    rows, chance = scored(4000)
    found = smoothed(rows, chance)
    score = log_odds(chance)
    knots = _knots(score, rows.n_events)
    assert len(knots) == 4
    for resample in (0, 1, 17):
        copies = np.repeat(np.arange(len(score)), rows.weights[resample].astype(int)[rows.athlete])
        columns = _spline(score, knots)[:, 1:]
        scale = columns.std(axis=0)
        oracle = LogisticRegression(C=1e6, solver="newton-cholesky", tol=1e-10, max_iter=200)
        oracle.fit(columns[copies] / scale, rows.label[copies])
        at = _spline(log_odds(found.predicted), knots)[:, 1:] / scale
        expected = oracle.predict_proba(at)[:, 1]
        assert found.observed[resample] == pytest.approx(expected, rel=0.02, abs=0.002)


def test_a_spline_is_straight_beyond_its_outer_knots() -> None:
    knots = np.array([-1.0, 0.0, 0.5, 2.0])
    for ends in ([-3.0, -2.0, -1.0], [2.0, 3.0, 4.0]):
        assert np.diff(_spline(np.array(ends), knots), n=2, axis=0) == pytest.approx(np.zeros((1, 4)), abs=1e-12)
    assert np.abs(np.diff(_spline(np.array([-0.5, 0.25, 1.0]), knots), n=2, axis=0)).max() > 0.01


def test_right_probabilities_lie_on_the_diagonal() -> None:
    rows, chance = scored(60_000)
    found = smoothed(rows, chance)
    assert found.ici[0] < 0.01
    assert found.observed[0] == pytest.approx(found.predicted, abs=0.03)


def test_the_distances_are_those_of_the_true_curve_when_scores_are_too_extreme() -> None:
    rows, chance = scored(60_000, slope=0.5, shift=-0.5)
    found = smoothed(rows, chance)
    away = np.abs(probability(-0.5 + 0.5 * log_odds(chance)) - chance)
    assert found.ici[0] == pytest.approx(away.mean(), abs=0.005)
    assert found.e50[0] == pytest.approx(np.quantile(away, 0.5), abs=0.006)
    assert found.e90[0] == pytest.approx(np.quantile(away, 0.9), abs=0.02)
    assert np.percentile(found.ici[1:], 2.5) < away.mean() < np.percentile(found.ici[1:], 97.5) + 0.005


def test_equal_scores_have_a_curve_of_one_point_the_event_rate() -> None:
    rows, _ = scored(500)
    found = smoothed(rows, np.full(500, 0.3))
    assert found.predicted == pytest.approx([0.3])
    assert found.observed[0] == pytest.approx([rows.label.mean()], abs=1e-6)
    assert found.ici[0] == found.e90[0] == pytest.approx(abs(rows.label.mean() - 0.3), abs=1e-6)


def test_few_events_and_few_distinct_scores_still_settle() -> None:
    label = np.zeros(90)
    label[[3, 40, 41]] = 1
    rows = metrics.clusters(label, np.repeat(np.arange(9), 10), 200, seed=1)
    for chance in (np.tile([0.01, 0.02, 0.05], 30), np.where(label == 1, 0.5, 0.01)):
        found = smoothed(rows, chance)
        assert np.isfinite(found.observed[0]).all()
        assert np.isnan(found.ici[1:]).mean() < 0.2


def test_without_an_event_there_is_no_curve() -> None:
    rows = metrics.clusters(np.zeros(50), np.repeat(np.arange(5), 10), 100, seed=1)
    found = smoothed(rows, np.linspace(0.1, 0.5, 50))
    assert np.isnan(found.observed).all() and np.isnan(found.ici).all()
