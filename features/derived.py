"""Arithmetic on features already built: ratios, differences, asymmetries and z-scores against own baseline.

The arithmetic itself is compiled (features/derived.h).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DAYS_PER_WEEK = 7
DAYS_OF_LINE = 42


@dataclass(frozen=True)
class Derivation:
    """`windows` are the (window_days, lag_days) that the inputs must have, in order, where the arithmetic rests on
    them."""

    inputs: int
    meaning: str
    windows: tuple[tuple[int, int], ...] = ()


DERIVATIONS: Mapping[str, Derivation] = {
    "ratio": Derivation(2, "first over second"),
    "share_pct": Derivation(2, "first as % of second"),
    "difference": Derivation(2, "first minus second"),
    "product": Derivation(2, "first times second"),
    "mean": Derivation(2, "mean of the two"),
    "change_pct": Derivation(2, "first against second, in %"),
    "asymmetry_pct": Derivation(2, "weaker below stronger limb, in %: left, right"),
    "signed_asymmetry_pct": Derivation(2, "right above left, in % of the stronger: left, right"),
    "z_score": Derivation(3, "first against own mean and spread: value, mean, spread"),
    "per_week": Derivation(1, "an amount per day as amount per week"),
    "residual_of_week": Derivation(
        3,
        "the week's mean day above the straight line through the 42 days before, prolonged by 24.5 days from middle to "
        "middle: mean day of 7, mean day of 42, slope of 42",
        windows=((DAYS_PER_WEEK, 0), (DAYS_OF_LINE, DAYS_PER_WEEK), (DAYS_OF_LINE, DAYS_PER_WEEK)),
    ),
}
"""Name in features.toml -> what it takes and means, in the order of `enum Derivation` in features/derived.h."""
