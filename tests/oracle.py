"""An independent reading of window specs, of who is at risk and of labels: plain loops over plain rows, for comparison
with features/windows.py, features/availability.py and features/labels.py.

Sums are exact (fsum, fractions, statistics): where the true answer is 0, so is the one given here.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pandas as pd

from features.build import COVERED_BY
from features.specs import WindowSpec
from features.tables import TABLES
from features.target import Target

DAY = pd.Timedelta(days=1)
EXPONENTIAL_SPANS = 40
"""So far an exponential average looks back: what lies before weighs 1e-35."""
EVER = 1000
"""Days that hold every world's rows: an exponential average forgets nothing."""
ADDING = {"sum", "daily_mean", "daily_spread", "daily_slope", "exponential", "count", "day_count"}
REST_COUNTS = {"covered_share_pct", "daily_mean", "daily_spread", "daily_slope", "exponential", "days_since_rest"}
REST_IS_ZERO = {"daily_mean", "daily_spread", "daily_slope", "exponential"}
RARE = ("interventions", "injuries", "returns")
ACTIVITY = ("sessions", "wellness", "wearable_days")
INJURIES = ("injuries", "injury_reports")


def _seen(row: Any, as_of: pd.Timestamp) -> bool:
    return bool(row.known_at <= as_of and (pd.isna(row.superseded_at) or as_of < row.superseded_at))


Plain = Mapping[str, Mapping[str, list[Any]]]


def plain(tables: Mapping[str, pd.DataFrame]) -> Plain:
    """Rows by table and athlete, in order of day and arrival; `day` is the number of a dated row's day."""
    rows: dict[str, dict[str, list[Any]]] = {name: {} for name in tables}
    for name, table in tables.items():
        order = [column for column in ("date", "known_at") if column in table]
        numbered = table.assign(day=[date.toordinal() for date in table["date"]]) if "date" in table else table
        for row in numbered.sort_values(order, kind="stable").itertuples():
            rows[name].setdefault(getattr(row, "athlete_id", ""), []).append(row)
    return rows


def _day(row: Any, spec: WindowSpec) -> int:
    """The day that the row is about: its date, else the date that the spec reads, else long ago."""
    if hasattr(row, "day"):
        return int(row.day)
    found = getattr(row, spec.column)
    return found.toordinal() if isinstance(found, pd.Timestamp) else pd.Timestamp(0).toordinal()


def _rows(moment: Any, table: list[Any], spec: WindowSpec, reach: int) -> list[Any]:
    last = moment.date.toordinal() - spec.lag_days
    return [
        row
        for row in table
        if last - reach < _day(row, spec) <= last
        and _seen(row, moment.as_of)
        and all(getattr(row, column) in values for column, values in spec.where.items())
    ]


def _known_days(coverage: list[Any], recorders: Sequence[str], moment: Any) -> list[tuple[int, int]]:
    """First and last day of each stretch, as far as anybody could know of it."""
    return [
        (row.first_date.toordinal(), min(row.last_date, _known_until(row, moment)).toordinal())
        for row in coverage
        if row.table in recorders and _seen(row, moment.as_of)
    ]


def _covered(moment: Any, coverage: list[Any], spec: WindowSpec, reach: int) -> set[int]:
    last = moment.date.toordinal() - spec.lag_days
    window = range(last - reach + 1, last + 1)
    if spec.table not in COVERED_BY:
        return set(window)
    spans = _known_days(coverage, COVERED_BY[spec.table], moment)
    return {day for first, end in spans for day in range(max(first, window[0]), min(end, last) + 1)}


def _known_until(row: Any, moment: Any) -> pd.Timestamp:
    """A stretch reaches its receipt before the moment's own day, then grows with the delay of its first day."""
    delay = row.known_at.tz_localize(None) - row.first_date
    received = min(row.known_at.tz_localize(None).normalize(), moment.date - DAY)
    return max(received, (moment.as_of.tz_localize(None) - delay).normalize())


def _mixed(held: list[Any], spec: WindowSpec) -> bool:
    """Whether the rows were counted from different speeds."""
    contract = TABLES[spec.table]
    threshold = contract.column(spec.column).comparable_by if spec.column in contract.names else ""
    speeds = {getattr(row, threshold) for row in held if not pd.isna(getattr(row, threshold))} if threshold else set()
    return len(speeds) > 1


def value(moment: Any, world: Plain, spec: WindowSpec) -> float:
    """The feature of one moment, NaN where missing."""
    table, coverage = (world.get(name, {}).get(moment.athlete_id, []) for name in (spec.table, "coverage"))
    rows = _rows(moment, table, spec, spec.window_days)
    held = _held(rows, spec)
    covered = _covered(moment, coverage, spec, spec.window_days)
    needs_cover = spec.table in COVERED_BY and (spec.empty is not None or spec.aggregate in REST_COUNTS)
    if needs_cover and len(covered) < max(1, spec.min_covered_share * spec.window_days):
        return math.nan
    if spec.aggregate in ADDING and (len(held) < spec.min_covered_share * len(rows) or _mixed(held, spec)):
        return math.nan
    used = _used(held, spec)
    if spec.empty is not None and not used and (not rows or held):
        recorded = any(row.known_at <= moment.as_of for row in _held(table, spec))
        return spec.empty if covered and (recorded or spec.table in RARE) else math.nan
    if spec.aggregate == "exponential":
        reach = EXPONENTIAL_SPANS * spec.window_days
        seen = _rows(moment, table, spec, reach)
        used = _used(_held(seen, spec), spec)
        covered = {day for day in _covered(moment, coverage, spec, reach) if day >= _recorded_from(seen, spec)}
    recorded = spec.table in RARE or any(row.known_at <= moment.as_of for row in _held(table, spec))
    if spec.aggregate in REST_IS_ZERO and not used and not recorded:
        return math.nan
    return _aggregate(spec, moment, used, covered)


def _held(rows: list[Any], spec: WindowSpec) -> list[Any]:
    return [row for row in rows if not pd.isna(getattr(row, spec.column))]


def _recorded_from(seen: list[Any], spec: WindowSpec) -> float:
    """The day from which the column was recorded, where rows before it lacked it."""
    holds = [not pd.isna(getattr(row, spec.column)) for row in seen]
    if all(holds) or holds[0]:
        return -math.inf
    return next((_day(row, spec) for row, held in zip(seen, holds, strict=True) if held), math.inf)


def _used(held: list[Any], spec: WindowSpec) -> list[Any]:
    return [row for row in held if spec.at_least is None or getattr(row, spec.column) >= spec.at_least]


def _aggregate(spec: WindowSpec, moment: Any, used: list[Any], covered: set[int]) -> float:
    found = [getattr(row, spec.column) for row in used]
    numbers = [1.0 if isinstance(item, str | pd.Timestamp) else float(item) for item in found]
    by_day: dict[int, list[float]] = {}
    for row, number in zip(used, numbers, strict=True):
        by_day.setdefault(_day(row, spec), []).append(number)
    totals = {day: math.fsum(numbers) for day, numbers in by_day.items()}
    today = moment.date.toordinal()
    last = today - spec.lag_days
    in_use = covered | set(totals)
    days = [totals.get(day, 0.0) for day in in_use]
    if spec.aggregate == "daily_mean":
        return math.fsum(numbers) / len(in_use) if in_use else math.nan
    if spec.aggregate == "daily_spread":
        return statistics.stdev(days) if len(in_use) > 1 else math.nan
    if spec.aggregate == "daily_slope":
        return _slope([(day - last, totals.get(day, 0.0)) for day in in_use])
    if spec.aggregate == "days_since_rest":
        rest = covered - set(totals)
        return float(today - max(rest)) if rest else math.nan
    if spec.aggregate == "exponential":
        keep = 1 - 2 / (spec.window_days + 1)
        weight = math.fsum(keep ** (last - day) for day in in_use)
        return math.fsum(n * keep ** (last - day) for day, n in totals.items()) / weight if weight else math.nan
    if spec.aggregate == "covered_share_pct":
        return 100 * len(totals) / len(in_use) if in_use else math.nan
    if not used:
        return math.nan
    if spec.aggregate == "longest_run_days":
        return float(_longest_run(sorted(totals)))
    newest = _day(used[-1], spec)
    simple = {
        "sum": math.fsum,
        "mean": _mean,
        "max": max,
        "min": min,
        "last": lambda values: values[-1],
        "last_day_mean": lambda values: _mean(
            [n for n, row in zip(values, used, strict=True) if _day(row, spec) == newest]
        ),
        "mean_before_last_day": lambda values: _mean(
            [n for n, row in zip(values, used, strict=True) if _day(row, spec) < newest]
        ),
        "spread": lambda values: statistics.stdev(values) if len(values) > 1 else math.nan,
        "count": len,
        "day_count": lambda values: len(totals),
        "days_since": lambda values: today - newest,
        "years_since": lambda values: (today - newest) / 365.25,
    }
    return float(simple[spec.aggregate](numbers))


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _slope(points: list[tuple[int, float]]) -> float:
    """Least squares in fractions; missing below three days."""
    if len(points) < 3:
        return math.nan
    size = len(points)
    x, y = sum(day for day, _ in points), sum(Fraction(load) for _, load in points)
    xx, xy = sum(day * day for day, _ in points), sum(day * Fraction(load) for day, load in points)
    return float((size * xy - x * y) / (size * xx - x * x))


def _longest_run(days: list[int]) -> int:
    best = run = 1
    for before, after in pairwise(days):
        run = run + 1 if after - before == 1 else 1
        best = max(best, run)
    return best


# --- Who is at risk, and what happened -------------------------------------------------------------------------------


def _counts(injury: Any, target: Target) -> bool:
    """Whether the injury is one of the target; a missing value equals "unknown"."""

    def meets(rule: Mapping[str, tuple[str, ...]]) -> bool:
        found = {column: getattr(injury, column) for column in rule}
        return all(("unknown" if pd.isna(found[column]) else found[column]) in rule[column] for column in rule)

    return any(map(meets, target.includes)) and not any(map(meets, target.excludes))


def _blocks(injury: Any, target: Target) -> bool:
    """An injury keeps an athlete out; a self-reported episode only if it is of the target."""
    return not injury.injury_id.startswith("report:") or _counts(injury, target)


def why_not_at_risk(moment: Any, world: Plain, target: Target) -> str | None:
    """Why a moment is no training row; None for one that is."""
    rows = {name: world[name].get(moment.athlete_id, []) for name in ("athletes", "injuries", "returns", "coverage")}
    seen = {name: [row for row in found if _seen(row, moment.as_of)] for name, found in rows.items()}
    if not seen["athletes"]:
        return "not in the athletes table yet"
    if any(row.left_date < moment.date for row in seen["athletes"] if not pd.isna(row.left_date)):
        return "left the squad"
    cleared = {row.injury_id for row in seen["returns"] if row.date <= moment.date}
    for injury in seen["injuries"]:
        recent = moment.date - 365 * DAY < injury.date <= moment.date
        if recent and _blocks(injury, target) and injury.injury_id not in cleared:
            return "injured"
    spans, today = _known_days(rows["coverage"], ACTIVITY, moment), moment.date.toordinal()
    covered = [min(end, today) for first, end in spans if first <= min(end, today)]
    if not covered:
        return "no data yet"
    if today - max(covered) > target.silent_days:
        return "no data"
    return "injured, not known yet" if _injured_in_truth(moment, rows, target) else None


def _injured_in_truth(moment: Any, rows: Mapping[str, list[Any]], target: Target) -> bool:
    newest = {name: [row for row in found if pd.isna(row.superseded_at)] for name, found in rows.items()}
    for injury in newest["injuries"]:
        back = [row.date for row in newest["returns"] if row.injury_id == injury.injury_id] or [injury.date + DAY]
        if _blocks(injury, target) and any(injury.date < moment.date < day for day in back):
            return True
    return False


def label(moment: Any, world: Plain, target: Target, data_cut: pd.Timestamp) -> list[float]:
    """1 an onset inside the horizon, 0 none, NaN censored: one per horizon."""
    onsets = [
        row.date
        for row in world["injuries"].get(moment.athlete_id, [])
        if pd.isna(row.superseded_at) and _counts(row, target)
    ]
    followed = _followed_until(moment, world, target, data_cut)
    results = []
    for days in target.horizons_days:
        horizon = [moment.date + number * DAY for number in range(days)]
        censored = followed is None or horizon[-1] > followed
        results.append(math.nan if censored else float(any(day in onsets for day in horizon)))
    return results


def _followed_until(moment: Any, world: Plain, target: Target, data_cut: pd.Timestamp) -> pd.Timestamp | None:
    """The last day of an unbroken run of recorded days from the moment's day on, not past leaving or the cut."""
    coverage = [row for row in world["coverage"].get(moment.athlete_id, []) if pd.isna(row.superseded_at)]
    recorded = [row for row in coverage if row.table in INJURIES] or [row for row in coverage if row.table in ACTIVITY]
    day = moment.date
    while any(row.first_date <= day <= row.last_date for row in recorded):
        day += DAY
    if day == moment.date:
        return None
    newest = [row for row in world["athletes"].get(moment.athlete_id, []) if pd.isna(row.superseded_at)]
    left = [row.left_date for row in newest if not pd.isna(row.left_date)]
    return min([day - DAY, data_cut - target.reporting_days * DAY, *left])
