"""Arithmetic on features already built: ratios, differences, asymmetries and z-scores against own baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

DAYS_PER_WEEK = 7
DAYS_OF_LINE = 42
MIDPOINTS_APART_DAYS = (DAYS_OF_LINE + DAYS_PER_WEEK) / 2
"""From the middle of the 42 days before the last 7 (day - 27.5) to the middle of the last 7 (day - 3): 24.5 days."""


@dataclass(frozen=True)
class Derivation:
    """`compute` takes `inputs` arrays and returns one; where the result is undefined it is NaN.

    `windows` are the (window_days, lag_days) that the inputs must have, in order, where the arithmetic rests on them.
    """

    inputs: int
    meaning: str
    compute: Callable[..., Values]
    windows: tuple[tuple[int, int], ...] = ()


def _divide(numerator: Values, denominator: Values) -> Values:
    """NaN where the denominator is 0: an infinite ratio says nothing about an athlete."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result = numerator / denominator
    result[denominator == 0] = np.nan
    return result


def _asymmetry_pct(left: Values, right: Values) -> Values:
    return 100 * _divide(np.abs(left - right), np.fmax(left, right))


def _signed_asymmetry_pct(left: Values, right: Values) -> Values:
    return 100 * _divide(right - left, np.fmax(left, right))


def _z_score(value: Values, mean: Values, spread: Values) -> Values:
    return _divide(value - mean, spread)


def _residual_of_week(week: Values, mean: Values, slope: Values) -> Values:
    """A least-squares line passes through its mean at the middle of its days; the week is judged at its own middle."""
    return week - (mean + slope * MIDPOINTS_APART_DAYS)


DERIVATIONS: Mapping[str, Derivation] = {
    "ratio": Derivation(2, "first over second", _divide),
    "share_pct": Derivation(2, "first as % of second", lambda a, b: 100 * _divide(a, b)),
    "difference": Derivation(2, "first minus second", lambda a, b: a - b),
    "product": Derivation(2, "first times second", lambda a, b: a * b),
    "mean": Derivation(2, "mean of the two", lambda a, b: (a + b) / 2),
    "change_pct": Derivation(2, "first against second, in %", lambda a, b: 100 * _divide(a - b, b)),
    "asymmetry_pct": Derivation(2, "weaker below stronger limb, in %: left, right", _asymmetry_pct),
    "signed_asymmetry_pct": Derivation(2, "right above left, in % of the stronger: left, right", _signed_asymmetry_pct),
    "z_score": Derivation(3, "first against own mean and spread: value, mean, spread", _z_score),
    "per_week": Derivation(1, "an amount per day as amount per week", lambda a: DAYS_PER_WEEK * a),
    "residual_of_week": Derivation(
        3,
        "the week's mean day above the straight line through the 42 days before, prolonged by 24.5 days from middle to "
        "middle: mean day of 7, mean day of 42, slope of 42",
        _residual_of_week,
        windows=((DAYS_PER_WEEK, 0), (DAYS_OF_LINE, DAYS_PER_WEEK), (DAYS_OF_LINE, DAYS_PER_WEEK)),
    ),
}
