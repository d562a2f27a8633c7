"""build_features: the one function that makes features, for training and for scoring alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.derived import DERIVATIONS
from features.specs import DerivedSpec, FeatureSpec, WindowSpec
from features.tables import TABLES
from features.windows import (
    ADDS_UP,
    AGGREGATES,
    EMPTY_BY_NATURE,
    Bools,
    Coverage,
    Floats,
    History,
    Ints,
    Moments,
    Sight,
    Visible,
    codes,
    covered_days,
    instants,
    look_back_days,
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

NOT_FOUND = {
    "wearable_days": "not worn or not recorded",
    "wellness": "form not filled in",
    "strength_tests": "not tested",
    "screenings": "not screened",
    "athletes": "not recorded",
}
BLOCK = 4096
"""Moments handled at once; bounds the memory of the pairs of moment and row."""


@dataclass(frozen=True)
class FeatureSet:
    """Three frames with the index's rows and one column per spec.

    `values` float64, NaN where missing; `value_dates` the local day of the newest row behind each value;
    `reasons` why a value is missing, None where it is not.
    """

    values: pd.DataFrame
    value_dates: pd.DataFrame
    reasons: pd.DataFrame


@dataclass
class _Result:
    values: Floats
    dates: npt.NDArray[np.datetime64]
    reasons: Objects


@dataclass
class _Block:
    """One block of moments with what its specs share: visible pairs by table, filter and window."""

    moments: Moments
    tables: _Arrays
    pairs: dict[Any, Visible] = field(default_factory=dict)
    covered: dict[Any, tuple[Ints, list[tuple[Ints, Ints]]]] = field(default_factory=dict)


class _Arrays:
    """The tables as sorted arrays, made once per call and on demand."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], athletes: pd.Index) -> None:
        self.frames = tables
        self.athletes = athletes
        self._histories: dict[Any, History] = {}
        self._coverage: dict[str, Coverage] = {}
        self._recorded: dict[tuple[str, str], Ints] = {}

    def history(self, spec: WindowSpec) -> History:
        key = _history_key(spec)
        if key not in self._histories:
            table = self.frames[spec.table]
            whole = History.of(table.assign(date=_dates(table, spec.column)), self.athletes)
            self._histories[key] = whole.keep(_matches(table, spec.where)) if spec.where else whole
        return self._histories[key]

    def coverage(self, table: str) -> Coverage:
        if table not in self._coverage:
            rows = self.frames["coverage"]
            self._coverage[table] = Coverage.of(rows[rows["table"].isin(COVERED_BY[table])], self.athletes)
        return self._coverage[table]

    def values(self, spec: WindowSpec) -> Floats:
        column = self.frames[spec.table][spec.column]
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(column.isna(), np.nan, 1.0)

    def first_recorded(self, spec: WindowSpec) -> Ints:
        """Per athlete, the instant from which a value of this column has been known."""
        key = (spec.table, spec.column)
        if key not in self._recorded:
            table = self.frames[spec.table]
            held = table[table[spec.column].notna()]
            athlete = codes(held["athlete_id"], self.athletes)
            first = np.full(len(self.athletes) + 1, np.iinfo(np.int64).max)
            np.minimum.at(first, athlete, instants(held["known_at"]))
            self._recorded[key] = first[:-1]
        return self._recorded[key]


def build_features(index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], specs: Sequence[FeatureSpec]) -> FeatureSet:
    """The features of every prediction moment, each from what was known then.

    `index` has athlete_id, date (local day) and as_of (UTC); `tables` are prepared contract tables
    (`row_facts.prepare`). Each row's result depends on no other row of the index.
    """
    athletes = pd.Index(np.sort(index["athlete_id"].unique()))
    arrays = _Arrays(tables, athletes)
    moments = Moments.of(index, athletes)
    blocks = [
        _build_block(_Block(moments.part(slice(start, start + BLOCK)), arrays), specs)
        for start in range(0, len(index), BLOCK)
    ]
    return _assemble(index, blocks, specs)


def _assemble(index: pd.DataFrame, blocks: list[dict[str, _Result]], specs: Sequence[FeatureSpec]) -> FeatureSet:
    def frame(part: str, empty: Any) -> pd.DataFrame:
        columns = {
            spec.name: np.concatenate([empty, *(getattr(block[spec.name], part) for block in blocks)]) for spec in specs
        }
        return pd.DataFrame(columns, index=index.index, dtype=empty.dtype)

    return FeatureSet(
        values=frame("values", np.empty(0)),
        value_dates=frame("dates", np.empty(0, dtype="datetime64[us]")),
        reasons=frame("reasons", np.empty(0, dtype=object)),
    )


def _build_block(block: _Block, specs: Sequence[FeatureSpec]) -> dict[str, _Result]:
    results: dict[str, _Result] = {}
    for spec in specs:
        if isinstance(spec, WindowSpec):
            results[spec.name] = _window(block, spec)
        elif isinstance(spec, DerivedSpec):
            results[spec.name] = _derive(spec, [results[name] for name in spec.inputs])
    return results


def _window(block: _Block, spec: WindowSpec) -> _Result:
    base = _pairs(block, spec)
    values = block.tables.values(spec)[base.rows]
    valid = ~np.isnan(values)
    used = valid if spec.at_least is None else valid & (np.nan_to_num(values, nan=-np.inf) >= spec.at_least)
    rows, held = _count(base), _count(base, valid)
    covered, stretches = _coverage(block, spec)
    sight = Sight(base.with_value(used), values[used], covered, stretches, spec.window_days)
    result = AGGREGATES[spec.aggregate](sight)
    reasons = np.full(len(block.moments), None, dtype=object)
    _fill_empty(result, block, spec, sight, rows, held)
    _withhold(result, reasons, block, spec, covered, rows, held)
    _refuse_mixed(result, reasons, block, spec, base, valid)
    _explain_missing(result, reasons, spec, rows)
    return _Result(result, _newest(sight, result), reasons)


def _history_key(spec: WindowSpec) -> tuple[Any, ...]:
    dated_by = "date" if "date" in TABLES[spec.table].names else spec.column
    return spec.table, dated_by, tuple(sorted(spec.where.items()))


def _dates(table: pd.DataFrame, column: str) -> pd.Series:
    """The day that a row is about; a fact without one (sex, position) holds from the first day of the calendar."""
    if "date" in table:
        return table["date"]
    if pd.api.types.is_datetime64_any_dtype(table[column]):
        return table[column]
    return pd.Series(pd.Timestamp(0), index=table.index)


def _count(pairs: Visible, chosen: Bools | slice = slice(None)) -> Ints:
    """Rows that each moment sees; of them only the `chosen` ones."""
    return np.bincount(pairs.moment[chosen], minlength=len(pairs.moments))


def _matches(table: pd.DataFrame, where: Mapping[str, tuple[str, ...]]) -> Bools:
    met = np.ones(len(table), dtype=bool)
    for column, values in where.items():
        met &= table[column].isin(list(values)).to_numpy(dtype=bool)
    return met


def _pairs(block: _Block, spec: WindowSpec) -> Visible:
    key = (_history_key(spec), look_back_days(spec), spec.lag_days)
    if key not in block.pairs:
        history = block.tables.history(spec)
        block.pairs[key] = visible(history, block.moments, look_back_days(spec), spec.lag_days)
    return block.pairs[key]


def _coverage(block: _Block, spec: WindowSpec) -> tuple[Ints, list[tuple[Ints, Ints]]]:
    """Covered days and stretches of the aggregate's window; a table without coverage counts as covered throughout."""
    last = block.moments.day - spec.lag_days
    first = last - look_back_days(spec) + 1
    if spec.table not in COVERED_BY:
        return np.full(len(last), spec.window_days), [(first, last)]
    key = (COVERED_BY[spec.table], look_back_days(spec), spec.lag_days)
    if key not in block.covered:
        stretches = block.tables.coverage(spec.table).stretches(block.moments, first, last)
        block.covered[key] = (covered_days(stretches, len(last)), stretches)
    return block.covered[key]


def _covered_in_window(block: _Block, spec: WindowSpec, covered: Ints) -> Ints:
    """Covered days of the window itself: an average that looks further back must not live on what is long past."""
    if look_back_days(spec) == spec.window_days:
        return covered
    last = block.moments.day - spec.lag_days
    first = last - spec.window_days + 1
    return covered_days(block.tables.coverage(spec.table).stretches(block.moments, first, last), len(last))


def _fill_empty(result: Floats, block: _Block, spec: WindowSpec, sight: Sight, rows: Ints, held: Ints) -> None:
    """Put `empty` where a source that records this column was in use and nothing happened."""
    if spec.empty is None:
        return
    records = block.tables.first_recorded(spec)[block.moments.athlete] <= block.moments.as_of
    nothing = (sight.count == 0) & ((rows == 0) | (held > 0))
    in_use = (sight.covered > 0) & (records | (spec.table in ("interventions", "injuries", "returns")))
    result[nothing & in_use] = spec.empty


def _withhold(
    result: Floats,
    reasons: Objects,
    block: _Block,
    spec: WindowSpec,
    covered: Ints,
    rows: Ints,
    held: Ints,
) -> None:
    """Take back values that rest on too little: too few covered days, or too few rows that hold the column."""
    if spec.table in COVERED_BY and (spec.empty is not None or spec.aggregate in EMPTY_BY_NATURE):
        floor = max(1.0, spec.min_covered_share * spec.window_days)
        in_window = _covered_in_window(block, spec, covered)
        _blank(result, reasons, in_window < floor, "no source in use on enough days of the window")
    if spec.aggregate in ADDS_UP:
        _blank(result, reasons, held < spec.min_covered_share * rows, "not recorded in enough sessions")


def _is_contract(spec: WindowSpec) -> bool:
    return spec.column in TABLES[spec.table].names


def _blank(result: Floats, reasons: Objects, where: Bools, reason: str) -> None:
    result[where] = np.nan
    reasons[where] = reason


def _refuse_mixed(
    result: Floats, reasons: Objects, block: _Block, spec: WindowSpec, base: Visible, valid: Bools
) -> None:
    """A sum of metres above 5.5 and metres above 7 m/s is no distance: refuse it and name both speeds."""
    threshold = TABLES[spec.table].column(spec.column).comparable_by if _is_contract(spec) else ""
    if not threshold or spec.aggregate not in ADDS_UP:
        return
    speeds = block.tables.frames[spec.table][threshold].to_numpy(dtype=np.float64, na_value=np.nan)
    found = speeds[base.rows]
    stated = valid & ~np.isnan(found)
    low = np.full(len(result), np.inf)
    high = np.full(len(result), -np.inf)
    np.minimum.at(low, base.moment[stated], found[stated])
    np.maximum.at(high, base.moment[stated], found[stated])
    for moment in np.flatnonzero(high > low):
        result[moment] = np.nan
        reasons[moment] = f"thresholds of {low[moment]:g} and {high[moment]:g} m/s cannot be added up"


def _explain_missing(result: Floats, reasons: Objects, spec: WindowSpec, rows: Ints) -> None:
    unexplained = np.isnan(result) & (reasons == None)  # noqa: E711 - element by element
    absent = NOT_FOUND.get(spec.table, "none recorded")
    reasons[unexplained & (rows == 0)] = f"{absent} in {spec.window_days} days"
    reasons[unexplained & (rows > 0)] = "too few values in the window"
    reasons[~np.isnan(result)] = None


def _newest(sight: Sight, result: Floats) -> npt.NDArray[np.datetime64]:
    dates = np.full(sight.size, np.datetime64("NaT", "us"))
    moment, ends = sight.last_pair()
    dates[moment] = sight.pairs.day[ends].astype("datetime64[D]").astype("datetime64[us]")
    dates[np.isnan(result)] = np.datetime64("NaT", "us")
    return dates


def _derive(spec: DerivedSpec, inputs: Sequence[_Result]) -> _Result:
    values = DERIVATIONS[spec.derive].compute(*(item.values for item in inputs))
    reasons = np.full(len(values), None, dtype=object)
    missing = np.isnan(values)
    reasons[missing] = "cannot be computed from these values"
    for item in reversed(inputs):
        lacking = missing & np.isnan(item.values)
        reasons[lacking] = item.reasons[lacking]
    dates = np.where(missing, np.datetime64("NaT", "us"), inputs[0].dates)
    return _Result(values, dates, reasons)
