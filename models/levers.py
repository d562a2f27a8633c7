"""What may be changed of next week in thought, as configs/what_if.toml lists it, and the tables so changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from configs import load
from configs.checks import TABLE, TEXT, TEXTS, WORDS, checked, number, one_of, whole
from configs.errors import ConfigError
from features.factors import Factor
from features.specs import FeatureSpec
from features.tables import TABLES
from models.references import USUAL_WEEKS

MOVES = ("scale", "own", "retest", "dose")
WEEK = pd.Timedelta(days=7)
USUAL = pd.Timedelta(weeks=USUAL_WEEKS)
DAILY = ("sessions", "wellness", "wearable_days", "interventions")
"""Tables whose last seven days stand for the week to come."""
_IDS = {"sessions": "session_id", "interventions": "intervention_id", "strength_tests": "test_id"} | {
    "screenings": "screening_id"
}


@dataclass(frozen=True)
class Lever:
    """One thing that a week can change; the entries are those of configs/what_if.toml."""

    key: str
    shown: str
    table: str
    columns: tuple[str, ...]
    move: str
    most: float = 0.0
    quantile: float = 0.5
    where: Mapping[str, str] = field(default_factory=dict)

    def rows(self, table: pd.DataFrame) -> pd.Series:
        """True for the rows of `table` that the lever is about."""
        found = table[list(self.columns)].notna().any(axis=1)
        for column, word in self.where.items():
            found &= table[column] == word
        return found


@dataclass(frozen=True)
class WhatIf:
    """configs/what_if.toml."""

    levers: tuple[Lever, ...]
    most_changes: int


def load_what_if(folder: Path | None = None) -> WhatIf:
    """configs/what_if.toml, or the copy in `folder`; raises ConfigError with the entry that is wrong."""
    content = checked(load("what_if.toml", folder), _WHAT_IF, "what_if.toml", optional=("levers",))
    levers = tuple(_lever(key, entry) for key, entry in content.get("levers", {}).items())
    return WhatIf(levers, content["most_changes"])


_WHAT_IF = {"most_changes": whole(1), "levers": TABLE}
_LEVER = {
    "shown": TEXT,
    "table": one_of(*sorted({*_IDS, *DAILY})),
    "columns": TEXTS,
    "move": one_of(*MOVES),
    "most": number(0),
    "quantile": number(0, 1),
    "where": WORDS,
}


def usable(levers: Sequence[Lever], specs: Sequence[FeatureSpec], factors: Mapping[str, Factor]) -> tuple[Lever, ...]:
    """The levers whose shown feature the model knows. Raises ConfigError for one of a factor that cannot be changed."""
    known = {spec.name: spec for spec in specs}
    for lever in levers:
        spec = known.get(lever.shown)
        if spec is not None and not factors[spec.factor].modifiable:
            raise ConfigError(
                f"what_if.toml, [levers.{lever.key}]: {lever.shown} belongs to {spec.factor}, which factors.toml calls "
                "not modifiable. Show a feature of a factor that can be changed, or leave the lever out."
            )
    return tuple(lever for lever in levers if lever.shown in known)


def _lever(key: str, entry: Any) -> Lever:
    where = f"what_if.toml, [levers.{key}]"
    found = checked(entry, _LEVER, where, optional=("most", "quantile", "where"))
    lever = Lever(**{**found, "key": key, "columns": tuple(found["columns"])})
    if unknown := sorted({*lever.columns, *lever.where} - set(TABLES[lever.table].names)):
        raise ConfigError(f"{where}: {lever.table} has no column {', '.join(unknown)}.")
    largest = {"scale": 1.0, "dose": math.inf}.get(lever.move)
    if largest is not None and not 0 < lever.most <= largest:
        raise ConfigError(f"{where}: most is {lever.most!r}; give a number above 0, for a scale at most 1.")
    return lever


Tables = Mapping[str, pd.DataFrame]
Change = Mapping[str, float]
"""Share of the way to its goal (0 to 1), by lever key."""


@dataclass(frozen=True)
class NextWeek:
    """One athlete's contract tables up to the morning of `date`, and the rows that the week from then on would add."""

    known: Tables
    coming: Tables
    date: pd.Timestamp

    def changed(self, changes: Sequence[Change], levers: Sequence[Lever]) -> tuple[list[str], dict[str, pd.DataFrame]]:
        """The tables after each of the changes, each as an athlete of its own, and these athletes in order."""
        ids = [f"{number:04d}" for number in range(len(changes))]
        coming = {name: _copies(rows, ids) for name, rows in self.coming.items()}
        for lever in levers:
            share = pd.Series([change.get(lever.key, 0.0) for change in changes], ids)
            known = self.known[lever.table][lever.rows(self.known[lever.table])]
            if share.any() and len(known):  # what was never recorded of the athlete cannot be moved
                move = {"scale": _scaled, "own": _towards_own, "retest": _retested, "dose": _dosed}[lever.move]
                coming[lever.table] = move(coming[lever.table], known, lever, share, self.date)
        return ids, {name: _together(_copies(rows, ids), coming[name]) for name, rows in self.known.items()}


def like_last_week(tables: Tables, date: pd.Timestamp) -> NextWeek:
    """The week after `date` if the seven days up to it come again; sources in use lately stay in use.

    `tables` are one athlete's contract tables as known on the morning of `date`.
    """
    known = {name: table[table["superseded_at"].isna()] for name, table in tables.items()}
    coming = {name: _again(table, name, date) if name in DAILY else table.iloc[:0] for name, table in known.items()}
    coverage = known["coverage"]
    in_use = coverage[coverage["last_date"] >= date - WEEK]
    first = in_use["last_date"].where(in_use["last_date"] <= date, date)
    on = in_use.assign(first_date=first, last_date=date + WEEK, known_at=first.dt.tz_localize("UTC"))
    return NextWeek({**known, "coverage": _together(coverage, on)}, coming, date)


def _again(table: pd.DataFrame, name: str, date: pd.Timestamp) -> pd.DataFrame:
    """The rows of the week before `date` and of its morning, seven days on; for `date` itself only if it has none."""
    last = table[(table["date"] >= date - WEEK) & (table["date"] <= date)]
    if (table["date"] == date).any():
        last = last[last["date"] > date - WEEK]
    return _renamed(last.assign(date=last["date"] + WEEK, known_at=last["known_at"] + WEEK), name)


def _renamed(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return rows.assign(**{_IDS[name]: rows[_IDS[name]] + "-again"}) if name in _IDS else rows


def _copies(rows: pd.DataFrame, ids: Iterable[str]) -> pd.DataFrame:
    """The rows once for each of `ids`, who takes the athlete's place."""
    who = list(ids)
    taken = rows.iloc[np.tile(np.arange(len(rows)), len(who))]
    return taken.assign(athlete_id=pd.Series(np.repeat(who, len(rows)), taken.index, dtype="str"))


def _together(rows: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([part for part in (rows, more) if len(part)] or [rows], ignore_index=True)


def _own(rows: pd.DataFrame, share: pd.Series) -> pd.Series:
    """The share of the way of each row's athlete."""
    return rows["athlete_id"].map(share).astype("float64")


def _scaled(
    coming: pd.DataFrame, _known: pd.DataFrame, lever: Lever, share: pd.Series, _date: pd.Timestamp
) -> pd.DataFrame:
    left = 1 - lever.most * _own(coming, share).where(lever.rows(coming), 0.0)
    return coming.assign(**{name: coming[name] * left for name in lever.columns})


def _towards_own(
    coming: pd.DataFrame, known: pd.DataFrame, lever: Lever, share: pd.Series, date: pd.Timestamp
) -> pd.DataFrame:
    """Each value of next week moves towards the athlete's own quantile, never away from it: one beyond it stays."""
    way = _own(coming, share).where(lever.rows(coming), 0.0)
    found = {}
    for name in lever.columns:
        goal = float(known.loc[known["date"] > date - USUAL, name].quantile(lever.quantile))
        better = coming[name].clip(lower=goal) if lever.quantile > 0.5 else coming[name].clip(upper=goal)
        found[name] = coming[name] + way * (better - coming[name])
    return coming.assign(**found)


def _retested(
    coming: pd.DataFrame, known: pd.DataFrame, lever: Lever, share: pd.Series, date: pd.Timestamp
) -> pd.DataFrame:
    """The newest test again a week on, each limb on the way to its own median; one that is above it already stays."""
    (name,) = lever.columns
    last = _renamed(known[known["date"] == known["date"].max()], lever.table)
    usual = known[known["date"] > date - USUAL].groupby("limb")[name].median()
    again = _copies(last, share.index[share > 0])
    missing = (again["limb"].map(usual) - again[name]).clip(lower=0).fillna(0)
    again = again.assign(**{name: again[name] + _own(again, share) * missing})
    return _together(coming, again.assign(date=date + WEEK, known_at=(date + WEEK).tz_localize("UTC")))


def _dosed(
    coming: pd.DataFrame, known: pd.DataFrame, lever: Lever, share: pd.Series, date: pd.Timestamp
) -> pd.DataFrame:
    """One more dose in the middle of next week, known the same day; only where such work is recorded at all."""
    (name,) = lever.columns
    day = (date + WEEK / 2).normalize()
    more = _copies(_renamed(known.tail(1), lever.table), share.index[share > 0])
    more = more.assign(**{name: _own(more, share) * lever.most})
    return _together(coming, more.assign(date=day, known_at=day.tz_localize("UTC")))
