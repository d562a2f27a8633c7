"""build_features: the one function that makes features, for training and for scoring alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.derived import DERIVATIONS
from features.native import LANES
from features.specs import ALL_TIME_DAYS, DerivedSpec, FeatureSpec, WindowSpec
from features.tables import TABLES
from features.windows import (
    EMPTY_BY_NATURE,
    FOREVER,
    NEVER,
    REASONS,
    REST_IS_ZERO,
    Bools,
    Clocks,
    Coverage,
    Derived,
    Floats,
    History,
    Ints,
    Moments,
    Panel,
    Plan,
    Results,
    Task,
    days,
    visible,
)

Objects = npt.NDArray[np.object_]

COVERED_BY: Mapping[str, tuple[str, ...]] = {
    "sessions": ("sessions",),
    "wearable_days": ("wearable_days",),
    "wellness": ("wellness",),
    "interventions": ("interventions",),
    "injuries": ("injuries", "injury_reports"),
    "returns": ("injuries", "injury_reports"),
}
"""Tables in which an absent row means something, and the coverage rows that say from when to when."""
WHOLE_ROWS = frozenset({"interventions", "injuries", "returns"})
"""Tables in which every column is known to be recorded once the source is in use."""

NOT_FOUND = {
    "wearable_days": "not worn or not recorded",
    "wellness": "form not filled in",
    "strength_tests": "not tested",
    "screenings": "not screened",
    "athletes": "not recorded",
}
WHY = {
    "too few values": "too few values in the window",
    "not in use": "no source in use on enough days of the window",
    "not recorded": "not recorded in enough sessions",
}
"""Reasons of features/windows.py that read the same for every feature."""
NOT_COMPUTABLE = "cannot be computed from these values"
CHUNK = 1 << 14
"""Moments that a thread works on before it takes the next ones."""
MANY_ROWS = 100_000
"""Rows from which on a table's columns are prepared side by side."""


@dataclass(frozen=True)
class FeatureSet:
    """Three frames with the index's rows and one column per spec.

    `values` float64, NaN where missing; `value_dates` the local day of the newest row behind each value;
    `reasons` why a value is missing, None where it is not.
    """

    values: pd.DataFrame
    value_dates: pd.DataFrame
    reasons: pd.DataFrame


def build_features(index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], specs: Sequence[FeatureSpec]) -> FeatureSet:
    """The features of every prediction moment, each from what was known then, with their dates and reasons.

    `index` has athlete_id, date (local day) and as_of (UTC); `tables` are prepared contract tables
    (`row_facts.prepare`). Each row's result depends on no other row of the index.
    """
    arrays, moments, found = _build(index, tables, specs, why=True)
    assert found.day is not None and found.reason is not None
    whole = np.where(found.day == np.iinfo(np.int32).min, NEVER, found.day.astype(np.int64))
    dates = whole.astype("datetime64[D]").astype("datetime64[us]")
    reasons = np.full(dates.shape, None, dtype=object)
    place = {spec.name: number for number, spec in enumerate(specs)}
    for number, spec in enumerate(specs):
        if isinstance(spec, WindowSpec):
            reasons[number] = _in_words(spec, found.reason[number], arrays, moments)
        elif isinstance(spec, DerivedSpec):
            inputs = [place[name] for name in spec.inputs]
            missing = np.isnan(found.value[number])
            reasons[number] = _lacking(missing, found.value[inputs], reasons[inputs])
            dates[number] = np.where(missing, np.datetime64("NaT", "us"), dates[inputs[0]])
    return FeatureSet(*(_frame(part, index, specs) for part in (found.value, dates, reasons)))


def build_values(index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], specs: Sequence[FeatureSpec]) -> pd.DataFrame:
    """`build_features(...).values` alone, for many moments: neither dates nor reasons are kept."""
    return _frame(_build(index, tables, specs, why=False)[2].value, index, specs)


def _build(
    index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], specs: Sequence[FeatureSpec], *, why: bool
) -> tuple[_Arrays, Moments, Results]:
    athletes = pd.Index(index["athlete_id"].unique()).sort_values()
    arrays, moments = _Arrays(tables, athletes), Moments.of(index, athletes)
    plan = Plan(list(_panels(specs, arrays)), _derived(specs), len(specs))
    results = Results.of(len(specs), len(index), why=why)

    def chunk(first: int) -> None:
        plan.write(moments, first, min(first + CHUNK, len(index)), results)

    _side_by_side(chunk, range(0, len(index), CHUNK))
    return arrays, moments, results


def _side_by_side(task: Callable[[int], None], parts: range, worth_it: bool = True) -> None:
    """One thread per processor: the kernel and NumPy let others run meanwhile."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not worth_it or len(parts) < 2 or threads < 2:
        for part in parts:
            task(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(task, parts))


def _frame(part: npt.NDArray[Any], index: pd.DataFrame, specs: Sequence[FeatureSpec]) -> pd.DataFrame:
    return pd.DataFrame(part.T, index=index.index, columns=[spec.name for spec in specs], dtype=part.dtype, copy=False)


class _Arrays:
    """The tables as sorted arrays, made once per call and on demand."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], athletes: pd.Index) -> None:
        self.frames = tables
        self.athletes = athletes
        self._made: dict[Any, Any] = {}

    def _once(self, make: Callable[..., _Made], *asked: Any) -> _Made:
        key = (make.__name__, *asked)
        if key not in self._made:
            self._made[key] = make(*asked)
        found: _Made = self._made[key]
        return found

    def history(self, table: str, dated_by: str, where: _Where = ()) -> History:
        return self._once(self._filtered if where else self._history, table, dated_by, where)

    def _history(self, table: str, dated_by: str, _: _Where) -> History:
        clocks = self._once(self._clocks, table)
        return History.by_day(clocks, days(_dates(self.frames[table], dated_by)), len(self.athletes))

    def _clocks(self, table: str) -> Clocks:
        return Clocks.of(self.frames[table], self.athletes)

    def _filtered(self, table: str, dated_by: str, where: _Where) -> History:
        met = np.ones(len(self.frames[table]), dtype=bool)
        for column, values in where:
            found, distinct = self._once(self._distinct, table, column)
            met &= np.array([*(item in values for item in distinct), False])[found]
        return self.history(table, dated_by).keep(met)

    def _distinct(self, table: str, column: str) -> tuple[Ints, list[Any]]:
        content: pd.Series = self.frames[table][column]
        found, distinct = pd.factorize(content)
        return found, list(distinct)

    def coverage(self, table: str) -> Coverage | None:
        return self._once(self._coverage, COVERED_BY[table]) if table in COVERED_BY else None

    def _coverage(self, recorders: tuple[str, ...]) -> Coverage:
        found, distinct = self._once(self._distinct, "coverage", "table")
        recorded = np.array([*(table in recorders for table in distinct), False])[found]
        edges = self._once(self._edges)
        return Coverage.by_athlete(self._once(self._clocks, "coverage"), *edges, recorded, len(self.athletes))

    def _edges(self) -> tuple[Ints, Ints]:
        rows = self.frames["coverage"]
        return days(rows["first_date"]), days(rows["last_date"])

    def column(self, table: str, column: str) -> Floats:
        """The column as numbers; of a column that holds none, 1 where it holds something."""
        return self._once(self._column, table, column)

    def _column(self, table: str, column: str) -> Floats:
        found = self.frames[table][column]
        if pd.api.types.is_numeric_dtype(found) or pd.api.types.is_bool_dtype(found):
            return found.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(found.isna(), np.nan, 1.0)

    def recorded(self, table: str, dated_by: str, column: str) -> Ints:
        """Per athlete, the instant from which a value of this column has been known."""
        return self._once(self._recorded, table, dated_by, column)

    def _recorded(self, table: str, dated_by: str, column: str) -> Ints:
        if table in WHOLE_ROWS:
            return np.full(len(self.athletes), NEVER)
        history = self.history(table, dated_by)
        return history.first_known(~np.isnan(history.taken(self.column(table, column))))


_Made = TypeVar("_Made")
_Where = tuple[tuple[str, tuple[str, ...]], ...]
_PanelKey = tuple[str, str, _Where]
_Columns = Mapping[str, list[tuple[int, WindowSpec]]]


def _panel_key(spec: WindowSpec) -> _PanelKey:
    """Specs with the same key read the same rows: of which table, dated by which column, with what in other columns."""
    dated_by = "date" if "date" in TABLES[spec.table].names else spec.column
    return spec.table, dated_by, tuple(sorted(spec.where.items()))


def _speed_column(table: str, column: str) -> str:
    """The column that must agree for rows to be added up: devices count metres from different speeds on."""
    contract = TABLES[table]
    return contract.column(column).comparable_by if column in contract.names else ""


def _panels(specs: Sequence[FeatureSpec], arrays: _Arrays) -> Iterator[Panel]:
    """The window specs, grouped so that rows are looked up and walked through once for all columns of a table."""
    groups: dict[_PanelKey, dict[str, list[tuple[int, WindowSpec]]]] = {}
    for number, spec in enumerate(specs):
        if isinstance(spec, WindowSpec):
            groups.setdefault(_panel_key(spec), {}).setdefault(spec.column, []).append((number, spec))
    for key, columns in groups.items():
        names = list(columns)
        for start in range(0, len(names), LANES):
            yield _panel(key, {name: columns[name] for name in names[start : start + LANES]}, arrays)


def _panel(key: _PanelKey, columns: _Columns, arrays: _Arrays) -> Panel:
    table, dated_by, where = key
    history = arrays.history(table, dated_by, where)
    values = np.zeros((len(history.day), LANES))
    recorded = np.full((len(arrays.athletes), LANES), FOREVER)
    names = list(columns)

    def fill(lane: int) -> None:
        values[:, lane] = history.taken(arrays.column(table, names[lane]))
        if any(spec.empty is not None or spec.aggregate in REST_IS_ZERO for _, spec in columns[names[lane]]):
            recorded[:, lane] = arrays.recorded(table, dated_by, names[lane])

    _side_by_side(fill, range(len(names)), worth_it=len(values) > MANY_ROWS)
    return Panel(
        history=history,
        coverage=arrays.coverage(table),
        values=values,
        recorded=recorded,
        speeds=_speeds(table, columns, history, arrays),
        tasks=_tasks(columns),
    )


def _speeds(table: str, columns: _Columns, history: History, arrays: _Arrays) -> list[tuple[Floats, list[int]]]:
    """Columns with more than one speed in the table; where all rows agree, there is nothing to mix."""
    lanes: dict[str, list[int]] = {}
    for lane, column in enumerate(columns):
        if _speed_column(table, column):
            lanes.setdefault(_speed_column(table, column), []).append(lane)
    stated = {name: history.taken(arrays.column(table, name)) for name in lanes}
    return [(stated[name], lanes[name]) for name in lanes if len(np.unique(stated[name][~np.isnan(stated[name])])) > 1]


def _tasks(columns: _Columns) -> list[Task]:
    """One task per aggregate and window; a column that asks twice for the same (with other rules) gets a second."""
    lanes: dict[Any, dict[int, tuple[int, WindowSpec]]] = {}
    for lane, specs in enumerate(columns.values()):
        asked: dict[Any, int] = {}
        for number, spec in specs:
            key = (spec.aggregate, spec.window_days, spec.lag_days, spec.at_least)
            asked[key] = asked.get(key, 0) + 1
            lanes.setdefault((*key, asked[key]), {})[lane] = (number, spec)
    return [_task(found) for found in lanes.values()]


def _task(lanes: Mapping[int, tuple[int, WindowSpec]]) -> Task:
    taken = [lanes.get(lane) for lane in range(LANES)]
    window = next(iter(lanes.values()))[1]
    return Task(
        window=window,
        at_least=-np.inf if window.at_least is None else window.at_least,
        feature=[found[0] if found else -1 for found in taken],
        empty=[found[1].empty if found and found[1].empty is not None else np.nan for found in taken],
        least_covered_days=[_least_covered_days(found[1]) if found else 0.0 for found in taken],
        least_held_share=[found[1].min_covered_share if found else 0.0 for found in taken],
    )


def _least_covered_days(spec: WindowSpec) -> float:
    """How many days of the window a source must have been in use."""
    if spec.table not in COVERED_BY or (spec.empty is None and spec.aggregate not in EMPTY_BY_NATURE):
        return 0.0
    return max(1.0, spec.min_covered_share * spec.window_days)


def _dates(table: pd.DataFrame, dated_by: str) -> pd.Series:
    """The day that a row is about; a fact without one (sex, position) holds from the first day of the calendar."""
    if pd.api.types.is_datetime64_any_dtype(table[dated_by]):
        return table[dated_by]
    return pd.Series(pd.Timestamp(0), index=table.index)


def _derived(specs: Sequence[FeatureSpec]) -> list[Derived]:
    place = {spec.name: number for number, spec in enumerate(specs)}
    kinds = list(DERIVATIONS)
    return [
        Derived(kinds.index(spec.derive), place[spec.name], [place[name] for name in spec.inputs])
        for spec in specs
        if isinstance(spec, DerivedSpec)
    ]


def _lacking(missing: Bools, inputs: Floats, why: Objects) -> Objects:
    """Of the inputs of a derived feature, the reason of the first one that is missing."""
    reasons = np.full(len(missing), None, dtype=object)
    reasons[missing] = NOT_COMPUTABLE
    for values, given in zip(inputs[::-1], why[::-1], strict=True):
        lacking = missing & np.isnan(values)
        reasons[lacking] = given[lacking]
    return reasons


def _in_words(spec: WindowSpec, reason: npt.NDArray[np.uint8], arrays: _Arrays, moments: Moments) -> Objects:
    when = f"for {spec.window_days:,} days" if spec.window_days < ALL_TIME_DAYS else "ever"
    absent = f"{NOT_FOUND.get(spec.table, 'none recorded')} {when}"
    words = {**WHY, "present": None, "none in window": absent, "mixed speeds": None}
    said = np.array([words[name] for name in REASONS], dtype=object)[reason]
    mixed = reason == REASONS.index("mixed speeds")
    if mixed.any():
        said[mixed] = _mixed_speeds(spec, arrays, moments[mixed])
    return said


def _mixed_speeds(spec: WindowSpec, arrays: _Arrays, moments: Moments) -> list[str]:
    """Metres above 5.5 and metres above 7 m/s are no sum: the sentence names both speeds."""
    table, dated_by, where = _panel_key(spec)
    lagged = Moments(moments.athlete, moments.day - spec.lag_days, moments.as_of)
    seen = visible(arrays.history(table, dated_by, where), lagged, spec.window_days)
    speed = arrays.column(table, _speed_column(table, spec.column))[seen.rows]
    stated = ~np.isnan(speed) & ~np.isnan(arrays.column(table, spec.column)[seen.rows])
    found = pd.Series(speed[stated]).groupby(seen.moment[stated]).agg(["min", "max"])
    return [f"thresholds of {low:g} and {high:g} m/s cannot be added up" for low, high in found.to_numpy()]
