"""Does a feature see what was not known at its moment? Rows that arrived later are deleted, then falsified, and nothing
may change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from features.build import build_values
from features.row_facts import prepare
from features.specs import FeatureSpec
from features.tables import TABLES, Column
from features.target import Target
from features.windows import known_by

Tables = Mapping[str, pd.DataFrame]
Build = Callable[[pd.DataFrame, Tables], pd.DataFrame]
"""Features (index rows x features) of prediction moments from contract tables."""

ABSURD_NUMBER = -987654.0
_DAYS_BEFORE = 2
"""Falsified rows claim to be about a day that every window holds."""


def builder(specs: Sequence[FeatureSpec], target: Target) -> Build:
    """The features of training and scoring."""
    return lambda index, tables: build_values(index, prepare(tables, target), specs)


def sees_the_future(
    build: Build, index: pd.DataFrame, tables: Tables, features: pd.DataFrame | None = None
) -> tuple[str, ...]:
    """Features that change when everything that arrived after their moment is deleted or falsified.

    `features` are those that a model learns from, row by row of `index`; one that cannot be rebuilt from the tables at
    all is named too. Without them the features built from whole tables are held against those built from the rest.
    """
    changed: set[str] = set()
    for instant, rows in index.reset_index(drop=True).groupby("as_of"):
        moments, as_of = rows.reset_index(drop=True), pd.Timestamp(str(instant))
        expected = build(moments, tables) if features is None else features.iloc[rows.index].reset_index(drop=True)
        for otherwise in (known_by(tables, as_of), falsified(tables, as_of)):
            changed |= set(_changed(expected, build(moments, otherwise)))
    return tuple(sorted(changed))


def _changed(expected: pd.DataFrame, found: pd.DataFrame) -> Iterator[str]:
    for name in expected:
        if name not in found or not _same(expected[name], found[name]):
            yield str(name)


def _same(one: pd.Series, other: pd.Series) -> bool:
    return bool(np.array_equal(one.to_numpy(), other.to_numpy(), equal_nan=True))


def falsified(tables: Tables, instant: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """The tables with every row that arrived after `instant` turned into nonsense about the days just before it.

    Absurd numbers, other choices, flags turned round, other days; keys and times of arrival stay.
    """
    day = instant.tz_localize(None).normalize() - pd.Timedelta(days=_DAYS_BEFORE)
    found = {}
    for name, table in tables.items():
        later = table["known_at"] > instant
        columns = [each for each in TABLES[name].columns if each.name not in TABLES[name].key]
        nonsense = {each.name: _nonsense(table[each.name], each, day) for each in columns if _can_be_falsified(each)}
        found[name] = table.assign(**{key: table[key].mask(later, other) for key, other in nonsense.items()})
    return found


def _can_be_falsified(column: Column) -> bool:
    return column.kind in ("number", "date", "flag", "choice")


def _nonsense(values: pd.Series, column: Column, day: pd.Timestamp) -> pd.Series:
    if column.kind == "flag":
        return values.eq(False)  # a missing flag becomes one too
    other = {"number": ABSURD_NUMBER, "date": day, "choice": next(iter(column.choices), None)}[column.kind]
    return pd.Series(other, index=values.index)


def dated_ahead(value_dates: pd.DataFrame, date: pd.Series) -> tuple[str, ...]:
    """Features whose newest value is about a later day than the prediction's own.

    `value_dates` (rows x features) are NaT where a value is missing. A value about the day itself is no leak: it was
    seen only if it was known by the prediction hour, which `sees_the_future` tests.
    """
    days = date.to_numpy()
    return tuple(str(name) for name in value_dates if bool((value_dates[name].to_numpy() > days).any()))
