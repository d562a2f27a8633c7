"""An athlete's last weeks as plain values: daily load, scores, factors, injuries and returns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from serving.report.language import N_, _, dynamic
from serving.report.outcomes import Judge
from serving.report.runs import Run
from serving.report.settings import Band

_LOADS = {
    "load_au": (N_("Session load"), N_("AU")),
    "distance_m": (N_("Distance"), "m"),
    "player_load_au": (N_("Accelerometer load"), "AU"),
    "duration_min": (N_("Minutes trained"), "min"),
    "masked_load_1": (N_("Load (the source hides its unit)"), ""),
}
"""Measures of daily load, the preferred first."""
_INJURIES = {
    "left": N_("left {site} injury"),
    "right": N_("right {site} injury"),
    "both": N_("both {site} injury"),
    "": N_("{site} injury"),
}
"""An injury by its side."""


Point = tuple[pd.Timestamp, float]
"""A day and a contribution in log-odds."""


@dataclass(frozen=True)
class DayLoad:
    """Load of one day: 0 is rest, None means that nothing is known."""

    date: pd.Timestamp
    value: float | None


@dataclass(frozen=True)
class ScorePoint:
    date: pd.Timestamp
    probability: float
    lower: float
    upper: float
    band: Band


@dataclass(frozen=True)
class FactorTrack:
    """A factor's contribution in log-odds on each scored day."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Mark:
    """An injury or a return, in words."""

    date: pd.Timestamp
    text: str
    is_return: bool


@dataclass(frozen=True)
class Timeline:
    """What an athlete's charts show: load and factors from `first`, scores from `season_first`, to `last`."""

    season_first: pd.Timestamp
    first: pd.Timestamp
    last: pd.Timestamp
    load_label: str
    load_unit: str
    loads: tuple[DayLoad, ...]
    scores: tuple[ScorePoint, ...]
    tracks: tuple[FactorTrack, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class TimelineSource:
    """The squad's data from which a timeline is cut."""

    tables: Mapping[str, pd.DataFrame]
    season_first: pd.Timestamp
    runs: Sequence[Run]
    """One per week from `season_first`."""
    contributions: Mapping[str, Mapping[str, Sequence[Point]]]
    """Signed sums by athlete and factor, the days in order."""
    judge: Judge
    first: pd.Timestamp
    last: pd.Timestamp

    def of(self, athlete_id: str, factors: Sequence[tuple[str, str]], marks: Sequence[Mark]) -> Timeline:
        """The timeline of one athlete with those of `marks` that fall into it, a track per (key, label) of `factors`,
        and one of all others together.
        """
        label, unit, loads = self._loads(athlete_id)
        return Timeline(
            season_first=self.season_first,
            first=self.first,
            last=self.last,
            load_label=label,
            load_unit=unit,
            loads=loads,
            scores=self._scores(athlete_id),
            tracks=self._tracks(athlete_id, factors),
            marks=tuple(mark for mark in marks if self.season_first <= mark.date <= self.last),
        )

    @cached_property
    def sessions(self) -> dict[str, pd.DataFrame]:
        """Each athlete's sessions from `first` on."""
        rows = self.tables["sessions"]
        return _by_athlete(rows[rows["date"].between(self.first, self.last)])

    @cached_property
    def coverage(self) -> dict[str, pd.DataFrame]:
        """The spans of days for which each athlete's sessions are known."""
        rows = self.tables["coverage"]
        return _by_athlete(rows[rows["table"] == "sessions"])

    @cached_property
    def days(self) -> pd.DatetimeIndex:
        """The days from `first` to the one before `last`."""
        return pd.date_range(self.first, self.last - pd.Timedelta(days=1), unit="us")

    def _loads(self, athlete_id: str) -> tuple[str, str, tuple[DayLoad, ...]]:
        column, sums = self._daily(athlete_id)
        covered = self._covered(athlete_id).tolist()
        loads = [DayLoad(day, _load(sums.get(day), known)) for day, known in zip(self.days, covered, strict=True)]
        label, unit = _LOADS[column]
        return _(label), _(unit) if unit else "", tuple(loads)

    def _daily(self, athlete_id: str) -> tuple[str, dict[Hashable, float]]:
        """The measure of load that the athlete has, and its sum by day; NaN where no session tells it."""
        sessions = self.sessions.get(athlete_id)
        if sessions is None:
            return "load_au", {}
        column = next((name for name in _LOADS if sessions[name].notna().any()), "load_au")
        return column, sessions.groupby("date")[column].sum(min_count=1).to_dict()

    def _covered(self, athlete_id: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        inside = np.zeros(len(self.days), dtype=bool)
        spans = self.coverage.get(athlete_id)
        if spans is None:
            return inside
        for first, last in zip(spans["first_date"], spans["last_date"], strict=True):
            inside |= (self.days >= first) & (self.days <= last)
        return inside

    def _scores(self, athlete_id: str) -> tuple[ScorePoint, ...]:
        found = [run.predictions.get(athlete_id) for run in self.runs if self.season_first <= run.date <= self.last]
        return tuple(
            ScorePoint(item.date, item.probability, item.lower, item.upper, self.judge.band(item))
            for item in found
            if item is not None and not item.abstained
        )

    def _tracks(self, athlete_id: str, factors: Sequence[tuple[str, str]]) -> tuple[FactorTrack, ...]:
        own = self.contributions.get(athlete_id, {})
        tracks = [FactorTrack(label, tuple(own.get(key, ()))) for key, label in factors]
        others: dict[pd.Timestamp, float] = {}
        named = {key for key, _label in factors}
        for date, contribution in chain.from_iterable(points for key, points in own.items() if key not in named):
            others[date] = others.get(date, 0.0) + contribution
        rest = FactorTrack(_("other factors"), tuple(sorted(others.items())))
        return (*tracks, rest) if rest.points else tuple(tracks)


def _load(value: float | None, is_covered: bool) -> float | None:
    if value is not None and not pd.isna(value):
        return float(value)
    return 0.0 if is_covered and value is None else None


def marks_of(athlete_id: str, tables: Mapping[str, pd.DataFrame]) -> tuple[Mark, ...]:
    """Every injury and return of an athlete, oldest first."""
    injuries, returns = _of(tables["injuries"], athlete_id), _of(tables["returns"], athlete_id)
    marks = [Mark(row["date"], _injury(row), False) for row in injuries.to_dict("records")]
    marks += [Mark(date, _("cleared to play"), True) for date in returns["date"]]
    return tuple(sorted(marks, key=lambda mark: (mark.date, mark.is_return)))


def _injury(row: Mapping[Hashable, Any]) -> str:
    """ "left hamstring injury" or "left thigh, muscle injury", as far as it was recorded."""
    muscle = row["muscle_group"]
    is_named = isinstance(muscle, str) and muscle not in ("unknown", "other")
    site = dynamic(str(muscle if is_named else row["body_area"]).replace("_", " "))
    if not is_named and row["tissue"] != "unknown":
        site = _("{site}, {tissue}", site=site, tissue=dynamic(str(row["tissue"]).replace("_", " ")))
    return _(_INJURIES.get(str(row["side"]), _INJURIES[""]), site=site)


def _by_athlete(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(athlete): rows for athlete, rows in table.groupby("athlete_id")}


def _of(table: pd.DataFrame, athlete_id: str) -> pd.DataFrame:
    return table[table["athlete_id"] == athlete_id]
