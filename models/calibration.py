"""Ways from raw log-odds to calibrated ones, for comparison: Platt, beta, isotonic, Venn-Abers.

A bundle takes only the first two (models/estimator.py). The others are steps: athletes with different scores share one
chance, a score just beside a step jumps, and the explanation of a row that lies where the average row does would
divide nothing by nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.estimator import Calibration, fit_calibration
from models.odds import Floats, rate_log_odds

VENN_ABERS_LEVELS = 200
"""Scores are grouped into so many quantiles before the two regressions of each: exact for the grouped scores."""


@dataclass(frozen=True)
class Steps:
    """A rising map of raw log-odds that is straight between its knots and flat beyond them."""

    raw: Floats
    calibrated: Floats

    def log_odds(self, raw: Floats) -> Floats:
        """Calibrated log-odds of raw ones, of any shape."""
        return np.asarray(np.interp(raw, self.raw, self.calibrated))


def fit_isotonic(raw: Floats, label: Floats) -> Steps:
    """Isotonic regression: Zadrozny & Elkan 2002, KDD, 694-699.

    Its 0 and 1 are moved in to half an event in as many rows as there are, so that log-odds stay finite. Rows without
    a raw score are left out; without an event or a non-event among the rest, everybody gets the rate of all rows.
    """
    from sklearn.isotonic import IsotonicRegression

    scored = np.isfinite(raw)
    if not 0 < label[scored].sum() < scored.sum():
        return _constant(label)
    fitted = IsotonicRegression(out_of_bounds="clip").fit(raw[scored], label[scored])
    return Steps(fitted.X_thresholds_, _log_odds(fitted.y_thresholds_, int(scored.sum())))


def fit_venn_abers(raw: Floats, label: Floats) -> Steps:
    """Inductive Venn-Abers predictor: Vovk, Petej & Fedorova 2015, arXiv 1511.00213.

    A score is added to the calibration rows once as an event and once as none; isotonic regression then says p1 and
    p0 of it, and p1 / (1 - p0 + p1) loses least in the worst case. Rows are left out as in `fit_isotonic`.
    """
    scored = np.isfinite(raw)
    if not 0 < label[scored].sum() < scored.sum():
        return _constant(label)
    levels = np.unique(np.quantile(raw[scored], np.linspace(0, 1, VENN_ABERS_LEVELS), method="nearest"))
    level = np.abs(raw[scored][:, None] - levels).argmin(axis=1)
    rows = np.bincount(level, minlength=len(levels)).astype(np.float64)
    events = np.bincount(level, label[scored], minlength=len(levels)).astype(np.float64)
    low, high = (np.array([_with_one(rows, events, at, outcome) for at in range(len(levels))]) for outcome in (0, 1))
    return Steps(levels, _log_odds(high / (1 - low + high), int(scored.sum())))


def _with_one(rows: Floats, events: Floats, at: int, outcome: int) -> float:
    """Isotonic regression's value at a level to which one row with `outcome` was added."""
    from sklearn.isotonic import isotonic_regression

    added = np.arange(len(rows)) == at
    return float(isotonic_regression((events + outcome * added) / (rows + added), sample_weight=rows + added)[at])


def _log_odds(chance: Floats, rows: int) -> Floats:
    kept = np.clip(chance, 0.5 / rows, 1 - 0.5 / rows)
    return np.asarray(np.log(kept / (1 - kept)))


def _constant(label: Floats) -> Steps:
    return Steps(np.zeros(1), np.array([rate_log_odds(label)]))


CALIBRATIONS: Mapping[str, Callable[[Floats, Floats], Calibration | Steps]] = {
    "platt": partial(fit_calibration, kind="platt"),
    "beta": partial(fit_calibration, kind="beta"),
    "isotonic": fit_isotonic,
    "venn_abers": fit_venn_abers,
}
