"""Who can be scored at a moment, as known then, and why not: the same rule for training rows and for the morning's
report."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.target import Target
from features.windows import Bools, Coverage, History, Moments, Visible, days, visible

OPEN_INJURY_DAYS = 365
"""An injury without a recorded clearance keeps an athlete out for a year at most: old records often lack the
clearance."""
ALWAYS = 36500
SELF_REPORT = "report:"
"""Prefix of the ids of episodes that come from self-reports (features/episodes.py)."""
NO_DATA_YET = "no data yet"
"""The reason of an athlete of whom no source has ever told."""
ACTIVITY = ("sessions", "wellness", "wearable_days")


def blocking(injuries: pd.DataFrame, target: Target) -> Bools:
    """True for injuries that keep an athlete from being at risk until the return.

    A recorded injury always does; a self-reported episode only if it is of the target, since players report minor
    trouble elsewhere while they train on.
    """
    self_reported = injuries["injury_id"].str.startswith(SELF_REPORT).to_numpy(dtype=bool)
    kept: Bools = ~self_reported | target.counts(injuries).to_numpy(dtype=bool)
    return kept


def unavailable(index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], target: Target) -> pd.Series:
    """Why each row of the index cannot be scored, in words; None for those who can.

    `tables` are prepared contract tables. Judged only by what was known at `as_of`.
    """
    athletes = pd.Index(np.sort(index["athlete_id"].unique()))
    moments = Moments.of(index, athletes)
    reasons = np.full(len(index), None, dtype=object)
    _silent(reasons, moments, tables, athletes, target)
    _injured(reasons, moments, tables, athletes, target)
    _left(reasons, moments, tables["athletes"], athletes)
    return pd.Series(reasons, index=index.index, dtype=object)


def _silent(
    reasons: npt.NDArray[np.object_],
    moments: Moments,
    tables: Mapping[str, pd.DataFrame],
    athletes: pd.Index,
    target: Target,
) -> None:
    rows = tables["coverage"]
    coverage = Coverage.of(rows[rows["table"].isin(ACTIVITY)], athletes)
    last = coverage.last_covered(moments)
    for moment in np.flatnonzero(moments.day - last > target.silent_days):
        never = last[moment] < -ALWAYS
        reasons[moment] = NO_DATA_YET if never else f"no data since {_day(last[moment])}"


def _injured(
    reasons: npt.NDArray[np.object_],
    moments: Moments,
    tables: Mapping[str, pd.DataFrame],
    athletes: pd.Index,
    target: Target,
) -> None:
    injuries = tables["injuries"]
    onsets = visible(History.of(injuries, athletes).keep(blocking(injuries, target)), moments, OPEN_INJURY_DAYS)
    cleared = _cleared(onsets, injuries, tables["returns"], moments, athletes)
    known = injuries["known_at"].to_numpy()
    for moment, day, row in zip(onsets.moment[~cleared], onsets.day[~cleared], onsets.rows[~cleared], strict=True):
        reasons[moment] = f"injured since {_day(day)} (known {known[row]:%Y-%m-%d})"


def _cleared(
    onsets: Visible,
    injuries: pd.DataFrame,
    returns: pd.DataFrame,
    moments: Moments,
    athletes: pd.Index,
) -> Bools:
    """For each pair of moment and injury: was its clearance known at that moment, and its day reached?"""
    seen = visible(History.of(returns, athletes), moments, ALWAYS)
    ids = injuries["injury_id"].to_numpy()[onsets.rows]
    pairs = pd.MultiIndex.from_arrays([onsets.moment, ids])
    cleared = pd.MultiIndex.from_arrays([seen.moment, returns["injury_id"].to_numpy()[seen.rows]])
    return np.asarray(pairs.isin(cleared), dtype=bool)


def _left(reasons: npt.NDArray[np.object_], moments: Moments, athletes_table: pd.DataFrame, athletes: pd.Index) -> None:
    """An athlete must be in the athletes table at that moment and not have left before that day."""
    entered = athletes_table.assign(date=pd.Timestamp(0))
    pairs = visible(History.of(entered, athletes), moments, ALWAYS)
    present = np.bincount(pairs.moment, minlength=len(moments)) > 0
    reasons[~present] = "not in the athletes table yet"
    left = days(athletes_table["left_date"])[pairs.rows]
    gone = (left > -ALWAYS) & (left < moments.day[pairs.moment])
    for moment, day in zip(pairs.moment[gone], left[gone], strict=True):
        reasons[moment] = f"left the squad on {_day(day)}"


def _day(number: int) -> str:
    return str(np.datetime64(int(number), "D"))
