"""A smoothed calibration curve with its bootstrap band, and how far it lies from the diagonal: ICI, E50 and E90.

The curve is a logistic regression of the outcome on a restricted cubic spline of the predicted log-odds (Harrell,
Regression Modeling Strategies, section 2.4.5); the distances are those of Austin & Steyerberg 2019, Stat Med
38(21):4051-4065: mean, median and 90th percentile of |smoothed - predicted| over the rows. They cannot be negative, so
with few events chance alone lifts them, and the interval of a resample's distance lies high rather than low. Rows of
all folds are pooled: staff act on the number itself (see models/metrics.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.metrics import Clusters
from models.odds import Floats, log_odds, probability
from models.resampled_logistic import binned_scores, fit_columns

FEW_EVENTS = 50
"""Below so many injuries the spline has three knots instead of four: a bend less to fit chance with (assumption)."""

_BINS = 256
_POINTS = 41
_KNOTS = {3: (0.1, 0.5, 0.9), 4: (0.05, 0.35, 0.65, 0.95)}
"""Harrell's places, as quantiles of the scores."""


@dataclass(frozen=True)
class Smoothed:
    """`observed` (resamples, points) beside `predicted` (points); the distances have one value per resample."""

    predicted: Floats
    observed: Floats
    ici: Floats
    e50: Floats
    e90: Floats

    def distances(self) -> dict[str, Floats]:
        return {"ici": self.ici, "e50": self.e50, "e90": self.e90}


def smoothed(rows: Clusters, chance: Floats) -> Smoothed:
    """The curve at evenly spaced quantiles of the predictions, between the 1st and the 99th percentile.

    Scores that are all equal have a curve of one point, the event rate.
    """
    score = log_odds(chance)
    knots = _knots(score, rows.n_events)
    means, cells = binned_scores(rows.athlete, rows.weights.shape[1], score, _BINS)
    is_event = rows.label == 1
    events = _cells_of(rows, score, means, is_event)
    columns, scale = _scaled(_spline(means, knots))
    counts = rows.weights @ cells
    coefficients = fit_columns(columns, counts, rows.weights @ events @ columns)
    at = np.unique(np.quantile(score, np.linspace(0.01, 0.99, _POINTS)))
    observed = probability(coefficients @ (_spline(at, knots) / scale).T)
    away = np.abs(probability(coefficients @ columns.T) - probability(means))
    total = counts.sum(axis=1)
    mean = np.divide((counts * away).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
    e50, e90 = (_quantile(away, counts, share) for share in (0.5, 0.9))
    return Smoothed(probability(at), observed, mean, e50, e90)


def _cells_of(
    rows: Clusters, score: Floats, means: Floats, is_counted: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Floats:
    """(athletes, bins): the counted rows by the bin whose mean lies nearest."""
    nearest = np.searchsorted((means[1:] + means[:-1]) / 2, score[is_counted])
    bins, athletes = len(means), rows.weights.shape[1]
    cells = np.bincount(rows.athlete[is_counted] * bins + nearest, minlength=athletes * bins)
    return cells.reshape(athletes, bins).astype(np.float64)


def _knots(score: Floats, events: int) -> Floats:
    return np.unique(np.quantile(score, _KNOTS[3 if events < FEW_EVENTS else 4]))


def _spline(score: Floats, knots: Floats) -> Floats:
    """(scores, columns): ones, the score, and a bend for each inner knot; straight beyond the outer knots."""
    columns = [np.ones(len(score))]
    if len(knots) > 1:
        columns.append(score - knots.mean())
    if len(knots) > 2:
        last, before = knots[-1], knots[-2]
        for knot in knots[:-2]:
            cubes = [np.maximum(score - each, 0.0) ** 3 for each in (knot, before, last)]
            bend = cubes[0] - (cubes[1] * (last - knot) - cubes[2] * (before - knot)) / (last - before)
            columns.append(bend / (last - knots[0]) ** 2)
    return np.stack(columns, axis=1)


def _scaled(columns: Floats) -> tuple[Floats, Floats]:
    """Columns of unit spread (the first stays), and what they were divided by."""
    spread = columns.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    return columns / scale, scale


def _quantile(values: Floats, counts: Floats, share: float) -> Floats:
    """Weighted quantile of each line."""
    order = np.argsort(values, axis=1)
    reached = np.cumsum(np.take_along_axis(counts, order, axis=1), axis=1)
    place = (reached >= share * reached[:, -1:]).argmax(axis=1)
    return np.asarray(np.take_along_axis(values, order, axis=1)[np.arange(len(values)), place])
