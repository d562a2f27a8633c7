"""What is visible at `as_of`, and its aggregates: the only module that compares times for features.

A row counts for a prediction iff `known_at <= as_of < superseded_at` and its local day lies in the half-open window
`(day - lag - w, day - lag]`. The rule itself and the aggregates are compiled (features/windows.c); this module turns
frames into the sorted arrays that it reads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from features import native

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FOREVER = np.iinfo(np.int64).max
NEVER = np.iinfo(np.int64).min
EWM_SPANS = 40
"""What lies this many spans back weighs 1e-35 of the newest day in an exponential average, and is left out."""
AGGREGATES = (
    "sum", "mean", "max", "min", "last", "last_day_mean", "mean_before_last_day", "spread", "count", "day_count",
    "covered_share_pct", "daily_mean", "daily_spread", "daily_slope", "exponential", "days_since", "years_since",
    "days_since_rest", "longest_run_days",
)  # fmt: skip
"""Names for features.toml, in the order of `enum Aggregate` in features/windows.c."""
REASONS = ("present", "none in window", "too few values", "not in use", "not recorded", "mixed speeds")
"""Why a value is missing, in the order of `enum Reason` in features/windows.c."""
ADDS_UP = frozenset({"sum", "daily_mean", "daily_spread", "daily_slope", "exponential", "count", "day_count"})
"""Aggregates that a missing value among the rows makes too small."""
REST_IS_ZERO = frozenset({"daily_mean", "daily_spread", "daily_slope", "exponential"})
"""Aggregates that take a covered day without a row for a 0 of the column, once the column was ever recorded."""
EMPTY_BY_NATURE = REST_IS_ZERO | {"covered_share_pct", "days_since_rest"}
"""Aggregates in which a covered day without a row already has its meaning."""
LOOKS_AT_ROWS = frozenset(
    {"max", "min", "last", "last_day_mean", "mean_before_last_day", "days_since", "years_since", "days_since_rest"}
)
"""Aggregates that pick rows out and need no count of them."""
LOOKS_AT_NEWEST = frozenset({"last", "days_since", "years_since"})
"""Of these, the ones that need the newest row alone."""


class Window(Protocol):
    """The part of a feature spec that says which rows count."""

    @property
    def window_days(self) -> int: ...
    @property
    def lag_days(self) -> int: ...
    @property
    def aggregate(self) -> str: ...


def instants(times: pd.Series) -> Ints:
    """UTC microseconds; NaT becomes FOREVER."""
    found = times.dt.tz_convert(None).to_numpy().astype("datetime64[us]").view(np.int64)
    return np.where(found == NEVER, FOREVER, found)


def days(dates: pd.Series) -> Ints:
    """Local days since 1970-01-01; NaT becomes the smallest integer."""
    return cast(Ints, dates.to_numpy().astype("datetime64[D]").astype(np.int64))


def codes(athlete_ids: pd.Series, athletes: pd.Index) -> Ints:
    """Position of each id among `athletes`, -1 for others."""
    found, distinct = pd.factorize(athlete_ids)
    place = np.append(athletes.get_indexer(pd.Index(distinct)), -1).astype(np.int64)
    return place[found]


def known_by(tables: Mapping[str, pd.DataFrame], instant: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """The tables as they stood at `instant`: no row that arrived later, no word of what superseded one later."""
    kept = {name: table[table["known_at"] <= instant].reset_index(drop=True) for name, table in tables.items()}
    return {
        name: table.assign(superseded_at=table["superseded_at"].where(table["superseded_at"] <= instant))
        for name, table in kept.items()
    }


@dataclass(frozen=True)
class Moments:
    """Prediction moments as arrays: position among the athletes, local day, instant."""

    athlete: Ints
    day: Ints
    as_of: Ints

    def __post_init__(self) -> None:
        if self.athlete.min(initial=0) < 0:
            raise ValueError("every moment must be of one of the athletes")

    @classmethod
    def of(cls, index: pd.DataFrame, athletes: pd.Index) -> Moments:
        if index[["date", "as_of"]].isna().to_numpy().any():
            raise ValueError("every moment needs a date and an as_of")
        return cls(codes(index["athlete_id"], athletes), days(index["date"]), instants(index["as_of"]))

    def __len__(self) -> int:
        return len(self.athlete)

    def __getitem__(self, chosen: Bools) -> Moments:
        return Moments(self.athlete[chosen], self.day[chosen], self.as_of[chosen])

    def as_native(self) -> native.Moments:
        return native.Moments(*map(native.address, (self.athlete, self.day, self.as_of)))


@dataclass(frozen=True)
class Clocks:
    """Per row of a table: position among the athletes (-1: none of them), and when it was known and superseded."""

    athlete: Ints
    known_at: Ints
    superseded_at: Ints

    @classmethod
    def of(cls, table: pd.DataFrame, athletes: pd.Index) -> Clocks:
        return cls(codes(table["athlete_id"], athletes), instants(table["known_at"]), instants(table["superseded_at"]))


@dataclass(frozen=True)
class History:
    """One table as arrays in order of athlete, day and arrival.

    `start` has one entry per athlete and one more: athlete a has the rows start[a] to start[a + 1] - 1. `rows` points
    back into the table; None: the table itself is in this order.
    """

    start: Ints
    day: Ints
    known_at: Ints
    superseded_at: Ints
    rows: Ints | None

    @classmethod
    def of(cls, table: pd.DataFrame, athletes: pd.Index) -> History:
        return cls.by_day(Clocks.of(table, athletes), days(table["date"]), len(athletes))

    @classmethod
    def by_day(cls, clocks: Clocks, day: Ints, athletes: int) -> History:
        """Rows without a day or of nobody among the athletes are left out."""
        order = _order(clocks.athlete, day, clocks.known_at)
        held = (clocks.athlete >= 0) & (day != NEVER)
        if order is None and held.all():
            start = np.searchsorted(clocks.athlete, np.arange(athletes + 1))
            return cls(start, day, clocks.known_at, clocks.superseded_at, None)
        rows = np.arange(len(day)) if order is None else order
        rows = rows[held[rows]]
        start = np.searchsorted(clocks.athlete[rows], np.arange(athletes + 1))
        return cls(start, day[rows], clocks.known_at[rows], clocks.superseded_at[rows], rows)

    def taken(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A column of the table in this order."""
        return column if self.rows is None else column[self.rows]

    def keep(self, mask: Bools) -> History:
        """Only the rows of the table for which `mask` (in the table's order) is true."""
        kept = self.taken(mask)
        rows = np.flatnonzero(kept) if self.rows is None else self.rows[kept]
        start = np.r_[0, np.cumsum(kept)][self.start]
        return History(start, self.day[kept], self.known_at[kept], self.superseded_at[kept], rows)

    def first_known(self, held: Bools) -> Ints:
        """Per athlete, the instant from which one of the `held` rows (in this order) has been known."""
        known = np.r_[np.where(held, self.known_at, FOREVER), FOREVER]
        first: Ints = np.minimum.reduceat(known, self.start[:-1])
        return np.where(np.diff(self.start) > 0, first, FOREVER)

    def as_native(self) -> native.History:
        return native.History(*map(native.address, (self.start, self.day, self.known_at, self.superseded_at)))


def _order(athlete: Ints, day: Ints, known: Ints) -> Ints | None:
    """Rows by athlete, day and arrival, ties as they stand; None where they come so, as in most tables."""
    same_day = (day[1:] == day[:-1]) & (known[1:] >= known[:-1])
    follows = (athlete[1:] == athlete[:-1]) & ((day[1:] > day[:-1]) | same_day)
    if np.all(follows | (athlete[1:] > athlete[:-1])):
        return None
    return np.lexsort((known, day, athlete))


@dataclass(frozen=True)
class Visible:
    """Pairs of a moment and a row of the table that it sees: moments rise, and days rise within a moment."""

    moment: Ints
    day: Ints
    rows: Ints


def visible(history: History, moments: Moments, window_days: int) -> Visible:
    """Every pair of a moment and a row that both clocks and the window admit."""
    count = native.library().visible_pairs
    asked = (history.as_native(), moments.as_native(), len(moments), window_days)
    size = count(*asked, None, None)
    moment, at = np.empty(size, np.int64), np.empty(size, np.int64)
    count(*asked, native.address(moment), native.address(at))
    return Visible(moment, history.day[at], at if history.rows is None else history.rows[at])


@dataclass(frozen=True)
class Coverage:
    """When a table's sources were in use: per athlete (rows) one slot per stretch, ordered by first day.

    That a source was still in use on a day is itself known only later: a stretch reaches up to the day of its receipt,
    and from then on grows day by day with the delay with which its first day became known.
    """

    first: Ints
    last: Ints
    known_at: Ints
    superseded_at: Ints
    reach: Ints
    """The latest of the last days up to each slot."""

    @classmethod
    def of(cls, coverage: pd.DataFrame, athletes: pd.Index) -> Coverage:
        clocks = Clocks.of(coverage, athletes)
        first, last = days(coverage["first_date"]), days(coverage["last_date"])
        return cls.by_athlete(clocks, first, last, np.ones(len(coverage), dtype=bool), len(athletes))

    @classmethod
    def by_athlete(cls, clocks: Clocks, first: Ints, last: Ints, chosen: Bools, athletes: int) -> Coverage:
        """Arrays of shape (athletes, most stretches of one athlete) from the `chosen` rows; unused slots are never
        known."""
        order = np.lexsort((last, first, clocks.athlete))
        order = order[(clocks.athlete[order] >= 0) & chosen[order]]
        athlete = clocks.athlete[order]
        rank = np.arange(len(order)) - np.searchsorted(athlete, athlete)
        shape = (athletes, int(rank.max(initial=-1)) + 1)

        def spread(values: Ints, fill: int) -> Ints:
            grid = np.full(shape, fill, dtype=np.int64)
            grid[athlete, rank] = values[order]
            return grid

        known, gone = spread(clocks.known_at, FOREVER), spread(clocks.superseded_at, FOREVER)
        lasts = spread(last, NEVER)
        return cls(spread(first, FOREVER), lasts, known, gone, np.maximum.accumulate(lasts, axis=1))

    def as_native(self) -> native.Coverage:
        arrays = (self.first, self.last, self.known_at, self.superseded_at, self.reach)
        return native.Coverage(self.first.shape[1], *map(native.address, arrays))

    def last_covered(self, moments: Moments) -> Ints:
        """The latest covered day up to each moment's own day; some six million years before it without one."""
        latest = np.empty(len(moments), np.int64)
        found = native.library().last_covered(
            self.as_native(), moments.as_native(), len(moments), native.address(latest)
        )
        native.check(found)
        return latest


@dataclass(frozen=True)
class Task:
    """One aggregate of one window for up to eight columns; values below `at_least` are not used. Per column: where its
    result goes (-1: nowhere), the result of a covered window without rows (NaN: missing), and what the window must
    have: covered days, share of rows that hold the column."""

    window: Window
    at_least: float
    feature: Sequence[int]
    empty: Sequence[float]
    least_covered_days: Sequence[float]
    least_held_share: Sequence[float]

    @property
    def counts(self) -> bool:
        """Whether it asks how many rows hold or use a column."""
        return self.window.aggregate not in LOOKS_AT_ROWS or not np.isnan(self.empty).all()

    @property
    def reads_window(self) -> bool:
        """Whether it reads more than the newest row."""
        return self.counts or self.window.aggregate not in LOOKS_AT_NEWEST

    @property
    def weight(self) -> Floats:
        """An exponential average's weight of each age in days, newest first; what is older than 40 spans weighs less
        than a float can tell."""
        window = self.window
        if window.aggregate != "exponential":
            return np.empty(0)
        return (1 - 2 / (window.window_days + 1)) ** np.arange(EWM_SPANS * window.window_days + 2.0)


@dataclass(frozen=True)
class Panel:
    """Up to eight columns of one history with the tasks on them.

    `values` (rows, 8) is NaN where missing. `coverage` is None for a table in which an absent row means nothing.
    `recorded` (athletes, 8) is the instant from which a column has held a value. `speeds` are columns that must agree
    for rows to be added up, each with the columns of `values` that it belongs to.
    """

    history: History
    coverage: Coverage | None
    values: Floats
    recorded: Ints
    speeds: Sequence[tuple[Floats, Sequence[int]]]
    tasks: Sequence[Task]


@dataclass(frozen=True)
class Derived:
    """A feature worked out from others that stand before it: which of DERIVATIONS, its place, its inputs' places."""

    derivation: int
    feature: int
    inputs: Sequence[int]


class Plan:
    """Panels and derivations made ready for the kernel, which writes all features of a range of moments at once."""

    def __init__(self, panels: Sequence[Panel], derived: Sequence[Derived], features: int) -> None:
        made = [_native_panel(panel) for panel in panels]
        self._kept_alive = (panels, [kept for _, kept in made])
        self._native = native.Plan(
            features=features,
            panels=len(made),
            derivations=len(derived),
            panel=(native.Panel * len(made))(*(panel for panel, _ in made)),
            derived=(native.Derived * len(derived))(*map(_native_derived, derived)),
        )

    def write(self, moments: Moments, first: int, last: int, out: Results) -> None:
        """The features of the moments first to last - 1, first a multiple of eight: each moment stands alone, so
        threads may share them out."""
        where, results = moments.as_native(), out.as_native()
        native.check(native.library().window_features(self._native, where, first, last, results))


@dataclass(frozen=True)
class Results:
    """Arrays of shape (features, moments).

    `day` (int32) is the local day of the newest row behind each value, the smallest integer where it is missing;
    `reason` (uint8) says why it is missing: see REASONS. Both are None where nobody asks why.
    """

    value: Floats
    day: npt.NDArray[np.int32] | None
    reason: npt.NDArray[np.uint8] | None

    @classmethod
    def of(cls, features: int, moments: int, *, why: bool) -> Results:
        shape = (features, moments)
        day = np.full(shape, np.iinfo(np.int32).min, np.int32) if why else None
        return cls(_aligned(features, moments), day, np.zeros(shape, np.uint8) if why else None)

    def as_native(self) -> native.Results:
        return native.Results(
            moments=self.value.shape[1],
            stride=self.value.strides[0] // self.value.itemsize,
            value=self.value.ctypes.data,
            day=None if self.day is None else native.address(self.day),
            reason=None if self.reason is None else native.address(self.reason),
        )


def _aligned(rows: int, columns: int) -> Floats:
    """Room whose rows begin at whole cache lines, so that the kernel can write past the cache."""
    stride = -(-columns // native.LANES) * native.LANES
    room = np.empty(rows * stride + native.LANES)
    skipped = -(room.ctypes.data // room.itemsize) % native.LANES
    return room[skipped : skipped + rows * stride].reshape(rows, stride)[:, :columns]


def _native_derived(derived: Derived) -> native.Derived:
    inputs = (*derived.inputs, *[derived.inputs[0]] * (3 - len(derived.inputs)))
    return native.Derived(derivation=derived.derivation, feature=derived.feature, input=inputs)


def _speed_of(panel: Panel) -> Ints:
    lanes = np.zeros((len(panel.speeds), native.LANES), np.int64)
    for row, (_, columns) in zip(lanes, panel.speeds, strict=True):
        row[list(columns)] = -1
    return lanes


def _native_panel(panel: Panel) -> tuple[native.Panel, Any]:
    """The panel as the kernel reads it, and the arrays that must live as long."""
    tasks = sorted(panel.tasks, key=lambda task: (task.at_least, task.window.lag_days, task.window.window_days))
    weights = [task.weight for task in tasks]
    speed_of = _speed_of(panel)
    coverage = panel.coverage or Coverage(*[np.empty((0, 0), np.int64)] * 5)
    exponential = np.cumsum([len(weight) > 0 for weight in weights])
    made = native.Panel(
        history=panel.history.as_native(),
        coverage=coverage.as_native(),
        always_in_use=panel.coverage is None,
        values=native.address(panel.values),
        recorded=native.address(panel.recorded),
        speeds=len(panel.speeds),
        speed=(ctypes.c_void_p * len(panel.speeds))(*(native.address(speed) for speed, _ in panel.speeds)),
        speed_of=native.address(speed_of),
        most_rows=int(np.diff(panel.history.start).max(initial=0)),
        tasks=len(tasks),
        memories=int(exponential[-1]),
        task=(native.Task * len(tasks))(*map(_native_task, tasks, weights, (exponential - 1).tolist())),
    )
    return made, (coverage, weights, speed_of)


def _native_task(task: Task, weight: Floats, memory: int) -> native.Task:
    return native.Task(
        aggregate=AGGREGATES.index(task.window.aggregate),
        adds_up=task.window.aggregate in ADDS_UP,
        needs_record=task.window.aggregate in REST_IS_ZERO,
        counts=task.counts,
        reads_window=task.reads_window,
        lag_days=task.window.lag_days,
        window_days=task.window.window_days,
        at_least=task.at_least,
        weight=native.address(weight),
        weights=len(weight),
        memory=memory,
        feature=tuple(task.feature),
        wanted=tuple(-(feature >= 0) for feature in task.feature),
        empty=tuple(task.empty),
        most_covered_days=max(task.least_covered_days),
        least_covered_days=tuple(task.least_covered_days),
        least_held_share=tuple(task.least_held_share),
    )
