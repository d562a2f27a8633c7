"""Where data are lacking: which source is silent since when, and how many daily forms and nights came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from serving.report.language import N_, _, ngettext
from serving.report.wording import short_day

DAILY = {"sessions": N_("training sessions"), "wellness": N_("wellness form"), "wearable_days": N_("wearable")}
"""Tables that should hear from an athlete every few days, and what staff call them."""

TESTS = {
    "strength_tests": N_("strength tests"),
    "screenings": N_("screenings"),
    "interventions": N_("preventive sessions"),
}
COUNTED_DAYS = 28


@dataclass(frozen=True)
class DataGap:
    """One athlete's gaps: sources that fell silent, and those that never said anything.

    A count of days is None where the squad has no such source.
    """

    athlete_id: str
    share_missing: float
    silent: tuple[str, ...]
    never: tuple[str, ...]
    form_days: int | None
    night_days: int | None

    @property
    def is_gap(self) -> bool:
        return bool(self.silent)


@dataclass(frozen=True)
class SquadSources:
    """What the squad records at all."""

    absent: tuple[str, ...]
    silent_since: pd.Timestamp | None
    """The last day of which any daily source told, if that is too long ago; else None."""
    counted_days: int = COUNTED_DAYS


def squad_sources(tables: Mapping[str, pd.DataFrame], date: pd.Timestamp, silent_after_days: int) -> SquadSources:
    """The sources that no athlete has, in the words of staff, and whether all have fallen silent."""
    absent = tuple(_(words) for name, words in (DAILY | TESTS).items() if tables[name].empty)
    coverage = tables["coverage"]
    told = [coverage.loc[coverage["table"].isin(DAILY), "last_date"], *(tables[name]["date"] for name in DAILY)]
    last = max((days.max() for days in told if not days.empty), default=None)
    is_silent = last is not None and last < date - pd.Timedelta(days=silent_after_days)
    return SquadSources(absent, last if is_silent else None)


def data_gaps(
    shares_missing: Mapping[str, float],
    tables: Mapping[str, pd.DataFrame],
    date: pd.Timestamp,
    silent_after_days: int,
) -> tuple[DataGap, ...]:
    """The gaps of each athlete of `shares_missing`, in its order."""
    coverage = tables["coverage"]
    covered_to = coverage.groupby(["athlete_id", "table"])["last_date"].max().to_dict()
    last_rows = {name: tables[name].groupby("athlete_id")["date"].max().to_dict() for name in DAILY}
    counts = {name: _days_in(tables[name], date) for name in ("wellness", "wearable_days")}
    limit = date - pd.Timedelta(days=silent_after_days)
    gaps = []
    for athlete, share in shares_missing.items():
        ends = {name: (covered_to.get((athlete, name)), last_rows[name].get(athlete)) for name in DAILY}
        present = [name for name in DAILY if not tables[name].empty]
        never = [name for name in present if ends[name] == (None, None)]
        silent = _silent(ends, [name for name in present if name not in never], limit, date)
        forms, nights = (None if tables[name].empty else counts[name].get(athlete, 0) for name in counts)
        gaps.append(DataGap(athlete, share, silent, tuple(_(DAILY[name]) for name in never), forms, nights))
    return tuple(gaps)


Ends = tuple[pd.Timestamp | None, pd.Timestamp | None]


def _silent(
    ends: Mapping[str, Ends], present: Sequence[str], limit: pd.Timestamp, date: pd.Timestamp
) -> tuple[str, ...]:
    found = [_note(name, *ends[name], limit, date) for name in present]
    return tuple(note for note in found if note)


def _note(
    name: str,
    covered_to: pd.Timestamp | None,
    last_row: pd.Timestamp | None,
    limit: pd.Timestamp,
    date: pd.Timestamp,
) -> str:
    """What is silent, or "". An athlete without a session inside coverage rested: that is no gap."""
    words = _(DAILY[name])
    last_heard = covered_to if name == "sessions" else last_row
    if covered_to is not None and covered_to < limit:
        return _("{source}: silent since {when}", source=words, when=_since(covered_to, date))
    if last_heard is None:
        return _("{source}: nothing entered yet", source=words)
    if last_heard < limit:
        return _("{source}: nothing entered since {when}", source=words, when=_since(last_heard, date))
    return ""


def _since(last: pd.Timestamp, date: pd.Timestamp) -> str:
    days = (date - last).days
    return ngettext("{date} ({n} day)", "{date} ({n} days)", days, date=short_day(last))


def _days_in(table: pd.DataFrame, date: pd.Timestamp) -> dict[str, int]:
    """Days with an entry among the `COUNTED_DAYS` before `date`; a night without the device is none."""
    recent = table[(table["date"] < date) & (table["date"] >= date - pd.Timedelta(days=COUNTED_DAYS))]
    if "worn_h" in recent:
        recent = recent[~(recent["worn_h"] == 0)]
    counts = recent.groupby("athlete_id")["date"].nunique()
    return {str(athlete): int(days) for athlete, days in counts.items()}
