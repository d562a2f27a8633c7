"""An independent reading of a window spec: plain loops over plain rows, for comparison with features/windows.py."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

from features.build import COVERED_BY
from features.specs import WindowSpec

DAY = pd.Timedelta(days=1)
ADDING = {"sum", "daily_mean", "daily_spread", "exponential", "count", "day_count"}


def _seen(row: Any, as_of: pd.Timestamp) -> bool:
    return bool(row.known_at <= as_of and (pd.isna(row.superseded_at) or as_of < row.superseded_at))


Plain = Mapping[str, Mapping[str, list[Any]]]


def plain(tables: Mapping[str, pd.DataFrame]) -> Plain:
    """Rows by table and athlete, in order of day and arrival."""
    rows: dict[str, dict[str, list[Any]]] = {}
    for name, table in tables.items():
        order = [column for column in ("date", "known_at") if column in table]
        for row in table.sort_values(order, kind="stable").itertuples():
            rows.setdefault(name, {}).setdefault(getattr(row, "athlete_id", ""), []).append(row)
    return rows


def _date(row: Any, spec: WindowSpec) -> pd.Timestamp:
    """The day that the row is about: its date, else the date that the spec reads, else long ago."""
    if hasattr(row, "date"):
        return row.date
    found = getattr(row, spec.column)
    return found if isinstance(found, pd.Timestamp) else pd.Timestamp(0)


def _rows(moment: Any, table: list[Any], spec: WindowSpec, reach: int) -> list[Any]:
    last = moment.date - spec.lag_days * DAY
    return [
        row
        for row in table
        if last - reach * DAY < _date(row, spec) <= last
        and _seen(row, moment.as_of)
        and all(getattr(row, column) in values for column, values in spec.where.items())
    ]


def _covered(moment: Any, coverage: list[Any], spec: WindowSpec, reach: int) -> set[pd.Timestamp]:
    last = moment.date - spec.lag_days * DAY
    window = [last - number * DAY for number in range(reach)]
    if spec.table not in COVERED_BY:
        return set(window)
    spans = [
        (row.first_date, min(row.last_date, _known_until(row, moment.as_of)))
        for row in coverage
        if row.table in COVERED_BY[spec.table] and _seen(row, moment.as_of)
    ]
    return {day for day in window if any(first <= day <= end for first, end in spans)}


def _known_until(row: Any, as_of: pd.Timestamp) -> pd.Timestamp:
    """A stretch reaches its receipt, then grows with the delay of its first day."""
    delay = row.known_at.tz_localize(None) - row.first_date
    return max(row.known_at.tz_localize(None).normalize(), (as_of.tz_localize(None) - delay).normalize())


def value(moment: Any, world: Plain, spec: WindowSpec) -> float:
    """The feature of one moment, NaN where missing."""
    reach = spec.window_days * (6 if spec.aggregate == "exponential" else 1)
    table = world.get(spec.table, {}).get(moment.athlete_id, [])
    rows = _rows(moment, table, spec, reach)
    held = [row for row in rows if not pd.isna(getattr(row, spec.column))]
    used = [row for row in held if spec.at_least is None or getattr(row, spec.column) >= spec.at_least]
    covered = _covered(moment, world["coverage"].get(moment.athlete_id, []), spec, reach)
    needs_cover = spec.table in COVERED_BY and (
        spec.empty is not None or spec.aggregate in {"covered_share_pct", "daily_mean", "daily_spread", "exponential"}
    )
    last = moment.date - spec.lag_days * DAY
    in_window = [day for day in covered if day > last - spec.window_days * DAY]
    if needs_cover and len(in_window) < max(1, spec.min_covered_share * spec.window_days):
        return math.nan
    if spec.aggregate in ADDING and len(held) < spec.min_covered_share * len(rows):
        return math.nan
    if spec.empty is not None and not used and (not rows or held):
        recorded = any(not pd.isna(getattr(row, spec.column)) and row.known_at <= moment.as_of for row in table)
        rare = spec.table in ("interventions", "injuries", "returns")
        return spec.empty if covered and (recorded or rare) else math.nan
    return _aggregate(spec, moment, used, covered)


def _aggregate(spec: WindowSpec, moment: Any, used: list[Any], covered: set[pd.Timestamp]) -> float:
    found = [getattr(row, spec.column) for row in used]
    numbers = [1.0 if isinstance(item, str | pd.Timestamp) else float(item) for item in found]
    by_day: dict[pd.Timestamp, float] = {}
    for row, number in zip(used, numbers, strict=True):
        day = _date(row, spec)
        by_day[day] = by_day.get(day, 0.0) + number
    last = moment.date - spec.lag_days * DAY
    covered = covered | set(by_day)
    if spec.aggregate == "daily_mean":
        return sum(numbers) / len(covered) if covered else math.nan
    if spec.aggregate == "daily_spread":
        days = [by_day.get(day, 0.0) for day in covered]
        return statistics.stdev(days) if len(covered) > 1 else math.nan
    if spec.aggregate == "exponential":
        keep = 1 - 2 / (spec.window_days + 1)
        weight = sum(keep ** (last - day).days for day in covered)
        return sum(n * keep ** (last - day).days for day, n in by_day.items()) / weight if weight else math.nan
    if spec.aggregate == "covered_share_pct":
        return 100 * len(by_day) / len(covered) if covered else math.nan
    if not used:
        return math.nan
    if spec.aggregate == "longest_run_days":
        return float(_longest_run(sorted(by_day)))
    simple = {
        "sum": sum,
        "mean": lambda values: sum(values) / len(values),
        "max": max,
        "min": min,
        "last": lambda values: values[-1],
        "last_day_mean": lambda values: _mean(
            [n for n, row in zip(values, used, strict=True) if row.date == used[-1].date]
        ),
        "mean_before_last_day": lambda values: _mean(
            [n for n, row in zip(values, used, strict=True) if row.date < used[-1].date]
        ),
        "spread": lambda values: statistics.stdev(values) if len(values) > 1 else math.nan,
        "count": len,
        "day_count": lambda values: len(by_day),
        "days_since": lambda values: (moment.date - _date(used[-1], spec)).days,
        "years_since": lambda values: (moment.date - _date(used[-1], spec)).days / 365.25,
    }
    return float(simple[spec.aggregate](numbers))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _longest_run(days: list[pd.Timestamp]) -> int:
    best = run = 1
    for before, after in pairwise(days):
        run = run + 1 if after - before == DAY else 1
        best = max(best, run)
    return best
