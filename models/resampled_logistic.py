"""Logistic regressions of all resamples at once: a resample only weighs binned scores, so no row is looked at twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.odds import Floats, Ints, probability

_NEWTON_STEPS = 30
_LEAST_BINS = 64
_LEAST_SPREAD = 1e-12
_RIDGE = 1e-3
"""Keeps a curve finite where few events are separated; one event already weighs more (assumption)."""


@dataclass(frozen=True)
class Grouped:
    """What a regression on a score needs, one line per resample; `starts` is each group's first column.

    `counts` (resamples, values) are the rows at each of `values`, `events` (resamples, groups) the events and
    `moments` the sum of their scores.
    """

    values: Floats
    starts: Ints
    counts: Floats
    events: Floats
    moments: Floats

    def only(self, resamples: Ints) -> Grouped:
        if len(resamples) == len(self.counts):
            return self
        lines = (each[resamples] for each in (self.counts, self.events, self.moments))
        return Grouped(self.values, self.starts, *lines)

    def by_group(self, cells: Floats) -> Floats:
        return np.asarray(np.add.reduceat(cells, self.starts, axis=1))

    def by_value(self, groups: Any) -> Any:
        """A value per group, repeated for each of its columns."""
        sizes = np.diff(np.append(self.starts, len(self.values)))
        return np.repeat(groups, sizes, axis=1)


def binned_scores(athlete: Ints, athletes: int, score: Floats, most: int) -> tuple[Floats, Floats]:
    """Mean score of each of about `most` bins, and how many rows each athlete has in it (athletes, bins)."""
    levels, position = np.unique(score, return_inverse=True)
    if len(levels) > max(most, _LEAST_BINS):
        inner = np.linspace(0, 1, max(most, _LEAST_BINS) // 2 + 1)[1:-1]
        # Half the edges are quantiles for the crowd, half evenly spaced for the thin and wide tails.
        edges = np.union1d(np.quantile(score, inner), levels[0] + inner * (levels[-1] - levels[0]))
        position = np.unique(np.searchsorted(edges, score, side="right"), return_inverse=True)[1]
    bins = int(position.max()) + 1
    cells = np.bincount(athlete * bins + position, minlength=athletes * bins).reshape(athletes, bins)
    summed = np.bincount(position, weights=score, minlength=bins).astype(np.float64)
    return summed / cells.sum(axis=0), cells.astype(np.float64)


def fit_grouped(given: Grouped, with_slope: bool) -> tuple[Floats, Floats]:
    """Intercept of the first group and slope of each resample, by Newton's method; NaN where it does not settle.

    Each group has an intercept of its own; the slope is one for all, and 1 where it is not free. A group whose rows
    all have an event, or none, says nothing of the slope and is left out of its resample.
    """
    total = given.by_group(given.counts)
    is_mixed = (given.events > 0) & (given.events < total)
    kept = replace(
        given, counts=given.counts * given.by_value(is_mixed), events=np.where(is_mixed, given.events, 0.0),
        moments=np.where(is_mixed, given.moments, 0.0),
    )  # fmt: skip
    rate = np.where(is_mixed, given.events / np.maximum(total, 1), 0.5)
    slope = np.zeros(len(rate)) if with_slope else np.ones(len(rate))
    centre = kept.by_group(kept.counts * kept.values) / np.maximum(total, 1)
    intercept = np.log(rate / (1 - rate)) - slope[:, None] * centre
    change = np.full(len(rate), np.inf)
    moving = np.flatnonzero(is_mixed.any(axis=1))
    for _ in range(_NEWTON_STEPS):
        if not len(moving):
            break
        steps = _newton_step(kept.only(moving), intercept[moving], slope[moving], with_slope)
        intercept[moving] += steps[0]
        slope[moving] += steps[1]
        change[moving] = np.maximum(np.abs(steps[0]).max(axis=1), np.abs(steps[1]))
        moving = moving[change[moving] >= 1e-9]
    is_settled = change < 1e-6
    return np.where(is_settled, intercept[:, 0], np.nan), np.where(is_settled, slope, np.nan)


def _newton_step(given: Grouped, intercept: Floats, slope: Floats, with_slope: bool) -> tuple[Floats, Floats]:
    """Bounded to 2 per step, so that a bad start cannot throw it out of the likelihood's valley."""
    values = given.values
    fitted = probability(given.by_value(intercept) + slope[:, None] * values)
    expected = given.counts * fitted
    spread = expected * (1 - fitted)
    gap, curve = given.events - given.by_group(expected), given.by_group(spread)
    per_curve = np.divide(1.0, curve, out=np.zeros_like(curve), where=curve > 0)
    if not with_slope:
        return np.clip(gap * per_curve, -2, 2), np.zeros(len(slope))
    cross = given.by_group(spread * values)
    gap_slope = given.moments.sum(axis=1) - expected @ values - (cross * gap * per_curve).sum(axis=1)
    information = spread @ values**2 - (cross**2 * per_curve).sum(axis=1)
    has_spread = information > _LEAST_SPREAD * curve.sum(axis=1)
    step_slope = np.clip(np.divide(gap_slope, information, out=np.full(len(slope), np.nan), where=has_spread), -2, 2)
    return np.clip((gap - cross * step_slope[:, None]) * per_curve, -2, 2), step_slope


def fit_columns(columns: Floats, counts: Floats, moments: Floats) -> Floats:
    """Coefficients (resamples, columns) of the logistic regression on `columns` (values, columns), the first all ones.

    `counts` (resamples, values) are the rows at each value, `moments` (resamples, columns) the sums of the columns over
    the events. NaN where a resample has no event, or nothing else.
    """
    events, total = moments[:, 0], counts.sum(axis=1)
    is_mixed = (events > 0) & (events < total)
    rate = np.where(is_mixed, events / np.maximum(total, 1), 0.5)
    found = np.zeros((len(counts), columns.shape[1]))
    found[:, 0] = np.log(rate / (1 - rate))
    products = np.einsum("vi,vj->vij", columns, columns).reshape(len(columns), -1)
    ridge = _RIDGE * np.diag([0.0, *np.ones(columns.shape[1] - 1)])
    for _ in range(_NEWTON_STEPS):
        fitted = probability(found @ columns.T)
        expected = counts * fitted
        gradient = moments - expected @ columns - found @ ridge
        information = (expected * (1 - fitted) @ products).reshape(-1, *ridge.shape) + ridge
        information[~is_mixed] = np.eye(len(ridge))
        step = np.where(is_mixed[:, None], np.linalg.solve(information, gradient[:, :, None])[:, :, 0], 0.0)
        found += np.clip(step, -2, 2)
        if (np.abs(step) < 1e-8).all():
            break
    return np.where(is_mixed[:, None], found, np.nan)
