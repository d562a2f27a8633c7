"""What is visible at `as_of`, and its aggregates: the only module that compares times for features.

A row counts for a prediction iff `known_at <= as_of < superseded_at` and its local day lies in the half-open window
`(day - lag - w, day - lag]`. Every aggregate adds up the visible rows of one window directly: a running sum that adds
and subtracts would leave 1e-13 where the answer is exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FOREVER = np.iinfo(np.int64).max
EWM_SPANS = 6
"""An exponential average looks back this many spans; what lies before weighs less than 1e-5."""
DAY_US = 86_400_000_000
_NO_DAY = np.iinfo(np.int64).min
_STRIDE = 1 << 20
"""Days between two athletes in the sort key; more than any calendar holds."""


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
    naive = times.dt.tz_convert(None).astype("datetime64[us]")
    return np.where(naive.isna(), FOREVER, naive.to_numpy().astype(np.int64))


def days(dates: pd.Series) -> Ints:
    """Local days since 1970-01-01; NaT becomes the smallest integer."""
    whole = dates.to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(whole), _NO_DAY, whole.astype(np.int64))


def codes(athlete_ids: pd.Series, athletes: pd.Index) -> Ints:
    """Position of each id among `athletes`, -1 for others."""
    return athletes.get_indexer(pd.Index(athlete_ids)).astype(np.int64)


def known_by(tables: Mapping[str, pd.DataFrame], instant: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """The tables as they stood at `instant`: no row that arrived later, no word of what superseded one later."""
    kept = {name: table[table["known_at"] <= instant].reset_index(drop=True) for name, table in tables.items()}
    return {
        name: table.assign(superseded_at=table["superseded_at"].where(table["superseded_at"] <= instant))
        for name, table in kept.items()
    }


@dataclass(frozen=True)
class Moments:
    """Prediction moments as arrays: athlete code (-1 if unknown), local day, instant."""

    athlete: Ints
    day: Ints
    as_of: Ints

    @classmethod
    def of(cls, index: pd.DataFrame, athletes: pd.Index) -> Moments:
        return cls(codes(index["athlete_id"], athletes), days(index["date"]), instants(index["as_of"]))

    def __len__(self) -> int:
        return len(self.athlete)

    def part(self, rows: slice) -> Moments:
        return Moments(self.athlete[rows], self.day[rows], self.as_of[rows])


@dataclass(frozen=True)
class History:
    """One table as arrays in order of athlete, day and arrival; `rows` points back into the table."""

    key: Ints
    day: Ints
    known_at: Ints
    superseded_at: Ints
    rows: Ints

    @classmethod
    def of(cls, table: pd.DataFrame, athletes: pd.Index) -> History:
        athlete = codes(table["athlete_id"], athletes)
        day = days(table["date"])
        known, gone = instants(table["known_at"]), instants(table["superseded_at"])
        order = np.lexsort((known, day, athlete))
        order = order[(athlete[order] >= 0) & (day[order] != _NO_DAY)]
        return cls(athlete[order] * _STRIDE + day[order], day[order], known[order], gone[order], order)

    def keep(self, mask: Bools) -> History:
        """Only the rows of the table for which `mask` (in the table's order) is true."""
        kept = mask[self.rows]
        return History(self.key[kept], self.day[kept], self.known_at[kept], self.superseded_at[kept], self.rows[kept])


@dataclass(frozen=True)
class Visible:
    """Pairs of a moment and a row that it sees: `moment` rises, and days rise within a moment."""

    moment: Ints
    day: Ints
    rows: Ints
    moments: Moments
    first_day: Ints
    last_day: Ints

    def with_value(self, valid: Bools) -> Visible:
        return Visible(
            self.moment[valid], self.day[valid], self.rows[valid], self.moments, self.first_day, self.last_day
        )


def visible(history: History, moments: Moments, window_days: int, lag_days: int = 0) -> Visible:
    """Every pair of a moment and a row that both clocks and the window admit."""
    last = moments.day - lag_days
    base = moments.athlete * _STRIDE
    low = np.searchsorted(history.key, base + last - window_days, side="right")
    high = np.where(moments.athlete < 0, low, np.searchsorted(history.key, base + last, side="right"))
    counts = high - low
    moment = np.repeat(np.arange(len(moments)), counts)
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    at = np.repeat(low, counts) + offset
    as_of = moments.as_of[moment]
    seen = (history.known_at[at] <= as_of) & (as_of < history.superseded_at[at])
    moment, at = moment[seen], at[seen]
    return Visible(moment, history.day[at], history.rows[at], moments, last - window_days + 1, last)


@dataclass(frozen=True)
class Coverage:
    """When a table's sources were in use, per athlete, one slot per stretch, ordered by first day.

    That a source was still in use on a day is itself known only later: a stretch reaches up to the day of its receipt,
    and from then on grows day by day with the delay with which its first day became known.
    """

    first: Ints
    last: Ints
    known_at: Ints
    superseded_at: Ints

    @classmethod
    def of(cls, coverage: pd.DataFrame, athletes: pd.Index) -> Coverage:
        """Arrays of shape (athletes, most stretches of one athlete); unused slots are never known."""
        athlete = codes(coverage["athlete_id"], athletes)
        first, last = days(coverage["first_date"]), days(coverage["last_date"])
        order = np.lexsort((last, first, athlete))
        order = order[athlete[order] >= 0]
        rank = pd.Series(athlete[order]).groupby(athlete[order]).cumcount().to_numpy()
        shape = (len(athletes), int(rank.max()) + 1 if len(rank) else 0)
        known, gone = instants(coverage["known_at"]), instants(coverage["superseded_at"])

        def spread(values: Ints, fill: int) -> Ints:
            grid = np.full(shape, fill, dtype=np.int64)
            grid[athlete[order], rank] = values[order]
            return grid

        return cls(spread(first, 0), spread(last, -1), spread(known, FOREVER), spread(gone, FOREVER))

    def stretches(self, moments: Moments, first_day: Ints, last_day: Ints) -> list[tuple[Ints, Ints]]:
        """Disjoint covered stretches (from, to) inside each moment's window; empty where from > to."""
        reach = first_day - 1
        found = []
        for slot in range(self.first.shape[1]):
            known = self.known_at[moments.athlete, slot] <= moments.as_of
            known &= (moments.as_of < self.superseded_at[moments.athlete, slot]) & (moments.athlete >= 0)
            start = np.maximum(self.first[moments.athlete, slot], reach + 1)
            grown = np.minimum(self.last[moments.athlete, slot], self._known_until(moments, slot))
            end = np.where(known, np.minimum(grown, last_day), start - 1)
            found.append((start, end))
            reach = np.maximum(reach, end)
        return found

    def _known_until(self, moments: Moments, slot: int) -> Ints:
        """The last day of which it could be known at each moment that the source was in use."""
        known_at = np.minimum(self.known_at[moments.athlete, slot], moments.as_of)
        delay = known_at - self.first[moments.athlete, slot] * DAY_US
        until: Ints = np.maximum(known_at // DAY_US, (moments.as_of - delay) // DAY_US)
        return until

    def last_covered(self, moments: Moments) -> Ints:
        """The latest covered day up to each moment's own day; the smallest integer without one."""
        latest = np.full(len(moments), _NO_DAY)
        for start, end in self.stretches(moments, np.zeros(len(moments), np.int64) - _STRIDE, moments.day):
            latest = np.where(end >= start, np.maximum(latest, end), latest)
        return latest


def covered_days(stretches: list[tuple[Ints, Ints]], size: int) -> Ints:
    """Number of days in the disjoint `stretches` of each of `size` moments."""
    total = np.zeros(size, dtype=np.int64)
    for start, end in stretches:
        total += np.maximum(0, end - start + 1)
    return total


@dataclass(frozen=True)
class Sight:
    """What an aggregate gets: the visible rows that hold a value, their values, and the coverage of each window."""

    pairs: Visible
    values: Floats
    covered: Ints
    stretches: list[tuple[Ints, Ints]]
    window_days: int

    @property
    def size(self) -> int:
        return len(self.pairs.moments)

    def add(self, weights: Floats) -> Floats:
        """Sum per moment, in the order of the rows, so that one moment alone gives the same bits."""
        return np.asarray(np.bincount(self.pairs.moment, weights=weights, minlength=self.size), dtype=np.float64)

    @property
    def count(self) -> Floats:
        return np.bincount(self.pairs.moment, minlength=self.size).astype(np.float64)

    def last_pair(self) -> tuple[Ints, Ints]:
        """(moments that see a row, position of the newest row of each)."""
        moment = self.pairs.moment
        ends = np.flatnonzero(np.r_[moment[1:] != moment[:-1], np.ones(min(1, len(moment)), bool)])
        return moment[ends], ends

    def scatter(self, moment: Ints, values: npt.ArrayLike) -> Floats:
        result = np.full(self.size, np.nan)
        result[moment] = values
        return result

    def daily(self) -> tuple[Ints, Ints, Floats]:
        """(moment, day, total) per day with rows: several sessions of one day make one day."""
        moment, day = self.pairs.moment, self.pairs.day
        new = np.r_[np.ones(min(1, len(day)), bool), (moment[1:] != moment[:-1]) | (day[1:] != day[:-1])]
        group = np.cumsum(new) - 1
        totals = np.bincount(group, weights=self.values, minlength=int(new.sum()))
        return moment[new], day[new], np.asarray(totals, dtype=np.float64)

    def uncovered(self) -> tuple[Ints, Ints]:
        """(moment, day) of days that hold a row although no coverage says so: the row itself is the evidence."""
        moment, day, _ = self.daily()
        inside = np.zeros(len(day), dtype=bool)
        for start, end in self.stretches:
            inside |= (start[moment] <= day) & (day <= end[moment])
        return moment[~inside], day[~inside]

    @property
    def days_in_use(self) -> Floats:
        """Days of the window that are covered or hold a row."""
        moment, _ = self.uncovered()
        return (self.covered + np.bincount(moment, minlength=self.size)).astype(np.float64)


def _where_seen(sight: Sight, values: Floats) -> Floats:
    return np.where(sight.count > 0, values, np.nan)


def _quotient(top: Floats, bottom: Floats) -> Floats:
    result = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result


def _sum(sight: Sight) -> Floats:
    return _where_seen(sight, sight.add(sight.values))


def _mean(sight: Sight) -> Floats:
    return _quotient(sight.add(sight.values), sight.count)


def _extreme(sight: Sight, pick: np.ufunc) -> Floats:
    moment = sight.pairs.moment
    starts = np.flatnonzero(np.r_[np.ones(min(1, len(moment)), bool), moment[1:] != moment[:-1]])
    if not len(starts):
        return np.full(sight.size, np.nan)
    return sight.scatter(moment[starts], pick.reduceat(sight.values, starts))


def _last(sight: Sight) -> Floats:
    moment, ends = sight.last_pair()
    return sight.scatter(moment, sight.values[ends])


def _on_last_day(sight: Sight) -> Bools:
    """True for the rows of each moment's newest day: both limbs of one test among them."""
    newest = np.full(sight.size, _NO_DAY)
    np.maximum.at(newest, sight.pairs.moment, sight.pairs.day)
    is_newest: Bools = sight.pairs.day == newest[sight.pairs.moment]
    return is_newest


def _mean_of(sight: Sight, chosen: Bools) -> Floats:
    moment = sight.pairs.moment[chosen]
    total = np.bincount(moment, weights=sight.values[chosen], minlength=sight.size)
    return _quotient(np.asarray(total, dtype=np.float64), np.bincount(moment, minlength=sight.size).astype(np.float64))


def _last_day_mean(sight: Sight) -> Floats:
    """Mean of the newest day's rows: a test of both limbs counts as one result."""
    return _mean_of(sight, _on_last_day(sight))


def _mean_before_last_day(sight: Sight) -> Floats:
    """Mean of all rows before the newest day: a baseline that the newest result is no part of."""
    return _mean_of(sight, ~_on_last_day(sight))


def _spread(sight: Sight) -> Floats:
    """Sample standard deviation (ddof 1) of the rows; missing below two."""
    mean = _mean(sight)
    squares = sight.add((sight.values - mean[sight.pairs.moment]) ** 2)
    return np.sqrt(_quotient(squares, sight.count - 1))


def _count(sight: Sight) -> Floats:
    return _where_seen(sight, sight.count)


def _day_count(sight: Sight) -> Floats:
    moment, _, _ = sight.daily()
    return _where_seen(sight, np.bincount(moment, minlength=sight.size).astype(np.float64))


def _covered_share(sight: Sight) -> Floats:
    """Share in % of covered days that hold a row; 0 is a fact wherever a source was in use."""
    moment, _, _ = sight.daily()
    return 100 * _quotient(np.bincount(moment, minlength=sight.size).astype(np.float64), sight.days_in_use)


def _daily_mean(sight: Sight) -> Floats:
    """Mean per covered day: a day of rest counts as 0."""
    return _quotient(sight.add(sight.values), sight.days_in_use)


def _daily_spread(sight: Sight) -> Floats:
    """Sample standard deviation (ddof 1) over days in use, days of rest as 0: Foster's monotony divides by it."""
    moment, _, totals = sight.daily()
    mean = np.nan_to_num(_daily_mean(sight))
    squares = np.bincount(moment, weights=(totals - mean[moment]) ** 2, minlength=sight.size)
    resting = sight.days_in_use - np.bincount(moment, minlength=sight.size)
    return np.sqrt(_quotient(squares + resting * mean**2, sight.days_in_use - 1))


def _exponential(sight: Sight) -> Floats:
    """Exponentially weighted mean per covered day, weight 2 / (span + 1), newest day heaviest, span = window_days."""
    keep = 1 - 2 / (sight.window_days + 1)
    pairs = sight.pairs
    age = (pairs.last_day[pairs.moment] - pairs.day).astype(np.float64)
    total = sight.add(sight.values * keep**age)
    weight = np.zeros(sight.size)
    for start, end in sight.stretches:
        newest = np.maximum(0, pairs.last_day - end).astype(np.float64)
        oldest = np.maximum(0, pairs.last_day - start + 1).astype(np.float64)
        weight += np.where(end >= start, (keep**newest - keep**oldest) / (1 - keep), 0)
    moment, day = sight.uncovered()
    np.add.at(weight, moment, keep ** (pairs.last_day[moment] - day).astype(np.float64))
    return _quotient(total, weight)


def _days_since(sight: Sight) -> Floats:
    moment, ends = sight.last_pair()
    return sight.scatter(moment, sight.pairs.moments.day[moment] - sight.pairs.day[ends])


def _longest_run(sight: Sight) -> Floats:
    """Longest run of consecutive days with a row."""
    moment, day = sight.pairs.moment, sight.pairs.day
    if not len(moment):
        return np.full(sight.size, np.nan)
    new_day = np.r_[True, (moment[1:] != moment[:-1]) | (day[1:] != day[:-1])]
    moment, day = moment[new_day], day[new_day]
    starts = np.flatnonzero(np.r_[True, (moment[1:] != moment[:-1]) | (day[1:] != day[:-1] + 1)])
    lengths = np.diff(np.r_[starts, len(moment)])
    longest = np.zeros(sight.size)
    np.maximum.at(longest, moment[starts], lengths)
    return _where_seen(sight, longest)


AGGREGATES: Mapping[str, Callable[[Sight], Floats]] = {
    "sum": _sum,
    "mean": _mean,
    "max": lambda sight: _extreme(sight, np.maximum),
    "min": lambda sight: _extreme(sight, np.minimum),
    "last": _last,
    "last_day_mean": _last_day_mean,
    "mean_before_last_day": _mean_before_last_day,
    "spread": _spread,
    "count": _count,
    "day_count": _day_count,
    "covered_share_pct": _covered_share,
    "daily_mean": _daily_mean,
    "daily_spread": _daily_spread,
    "exponential": _exponential,
    "days_since": _days_since,
    "longest_run_days": _longest_run,
    "years_since": lambda sight: _days_since(sight) / 365.25,
}
"""Name in features.toml -> function of what is visible."""
ADDS_UP = frozenset({"sum", "daily_mean", "daily_spread", "exponential", "count", "day_count"})
"""Aggregates that a missing value among the rows makes too small."""
EMPTY_BY_NATURE = frozenset({"covered_share_pct", "daily_mean", "daily_spread", "exponential"})
"""Aggregates in which a covered day without a row already has its meaning."""


def look_back_days(window: Window) -> int:
    """How many days of rows an aggregate reads."""
    return window.window_days * (EWM_SPANS if window.aggregate == "exponential" else 1)
