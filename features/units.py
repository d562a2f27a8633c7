"""Guesses, for messages only, at the unit that values are really in; nothing is ever converted by them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import pandas as pd

from features.tables import Column, Table

OTHER_UNITS: Mapping[str, Mapping[str, float]] = {
    "m": {"km": 1000, "cm": 0.01, "yd": 0.9144, "miles": 1609.344},
    "m/s": {"km/h": 1 / 3.6, "mph": 0.44704},
    "min": {"h": 60, "s": 1 / 60},
    "h": {"min": 1 / 60, "s": 1 / 3600},
    "N": {"kgf": 9.80665, "lbf": 4.44822, "kN": 1000},
    "N m": {"ft lbf": 1.35582},
    "kg": {"lb": 0.453592, "g": 0.001},
    "%": {"a fraction of 1": 100},
}
"""By contract unit: other units in use and what one of them is in the contract's unit."""

_SUFFIXES = {"m/s": "m_s", "N m": "n_m", "deg/s": "deg_s", "%": "pct"}
_LIKENESS_NEEDED = 0.75


def other_unit(values: pd.Series, column: Column) -> str | None:
    """The other unit in which the median of the non-zero `values` would be usual; None if it already is."""
    if column.typical is None or not values.ne(0).any():
        return None
    low, high = column.typical
    median = float(values[values != 0].median())
    if low <= median <= high:
        return None
    candidates = OTHER_UNITS.get(column.unit, {})
    return next((unit for unit, factor in candidates.items() if low <= median * factor <= high), None)


def meant_column(name: str, table: Table) -> Column | None:
    """The column of `table` that an unknown `name` most likely means: same stem, another unit; or a slip."""
    by_stem = [column for column in table.columns if column.unit and _shares_stem(name.lower(), column)]
    if by_stem:
        return max(by_stem, key=lambda column: len(_stem(column)))
    close = difflib.get_close_matches(name.lower(), table.names, n=1, cutoff=_LIKENESS_NEEDED)
    return table.column(close[0]) if close else None


def is_slip(name: str, meant: Column) -> bool:
    """Whether `name` looks so like the column that it means that hardly anything else can be meant."""
    return difflib.SequenceMatcher(None, name.lower(), meant.name).ratio() >= _LIKENESS_NEEDED


def _stem(column: Column) -> str:
    suffix = _SUFFIXES.get(column.unit, column.unit.lower())
    return column.name.removesuffix(f"_{suffix}")


def _shares_stem(name: str, column: Column) -> bool:
    return name == _stem(column) or name.startswith(_stem(column) + "_")
