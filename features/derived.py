"""Arithmetic on features already built: ratios, differences, asymmetries and z-scores against own baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Derivation:
    """`compute` takes `inputs` arrays and returns one; where the result is undefined it is NaN."""

    inputs: int
    meaning: str
    compute: Callable[..., Values]


def _divide(numerator: Values, denominator: Values) -> Values:
    """NaN where the denominator is 0: an infinite ratio says nothing about an athlete."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def _asymmetry_pct(left: Values, right: Values) -> Values:
    return 100 * _divide(np.abs(left - right), np.fmax(left, right))


def _signed_asymmetry_pct(left: Values, right: Values) -> Values:
    return 100 * _divide(right - left, np.fmax(left, right))


def _z_score(value: Values, mean: Values, spread: Values) -> Values:
    return _divide(value - mean, spread)


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
}
