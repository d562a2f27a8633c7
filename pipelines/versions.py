"""Which incoming rows are news to the store, and from when on a prediction may know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from features.tables import TABLES, Table, as_contract
from pipelines.sources.source import NOT_BEFORE, RULE_DAY, Receipt

ONE_DAY = pd.Timedelta(days=1)
SPAN = ["first_date", "last_date"]

COVERED_LIKE = {"returns": "injuries"}
"""Tables whose coverage is declared under another table's name."""


@dataclass(frozen=True)
class News:
    """Rows to add. `superseded` counts those that replace an earlier version, `unchanged` those left out."""

    rows: pd.DataFrame
    unchanged: int
    superseded: int


def stamp(raw: pd.DataFrame, table: str, receipt: Receipt, now: datetime) -> pd.DataFrame:
    """`raw` with `known_at` by the source's rule and without the columns that only the rule needs."""
    days = raw[RULE_DAY] if RULE_DAY in raw else raw[str(TABLES[table].day_column)]
    times = receipt.known_at(days, now, raw.get(NOT_BEFORE))
    return raw.assign(known_at=times).drop(columns=[RULE_DAY, NOT_BEFORE], errors="ignore")


def news(
    incoming: pd.DataFrame, held: pd.DataFrame, table: Table, now: datetime, spans: pd.DataFrame | None = None
) -> News:
    """The rows of `incoming` that say something new, given every version `held` so far.

    A row that repeats the latest version of its key, or the version known just before it, adds nothing. A
    changed row that would be known no later than the version it corrects is known from `now` on: a
    correction is never known in hindsight. With `spans` (what earlier ingests of a source without receipt
    times covered) the same holds for a new row inside a span: it arrived late.
    """
    latest = held.sort_values("known_at", kind="stable").drop_duplicates(list(table.key), keep="last")
    prior = incoming[list(table.key)].merge(latest, on=list(table.key), how="left")
    prior.index = incoming.index
    is_known = prior["known_at"].notna()
    repeats = (is_known & _same_content(incoming, prior, table)) | _repeats_predecessor(incoming, held, table)
    instant = pd.Timestamp(now).tz_convert("UTC").as_unit("us")
    hindsight = is_known & (incoming["known_at"] <= prior["known_at"])
    earliest = prior["known_at"].where(prior["known_at"] > instant, instant)
    known_at = incoming["known_at"].mask(hindsight, earliest)
    if spans is not None:
        known_at = known_at.mask(~is_known & _inside(incoming, table, spans), instant)
    rows = as_contract(incoming.assign(known_at=known_at)[~repeats].reset_index(drop=True), table.name)
    return News(rows, int(repeats.sum()), int((is_known & ~repeats).sum()))


def _same_content(left: pd.DataFrame, right: pd.DataFrame, table: Table) -> pd.Series:
    same = pd.Series(True, index=left.index)
    for name in table.names:
        if name not in ("known_at", *table.key):
            same &= _same(left[name], right[name])
    return same


def _same(left: pd.Series, right: pd.Series) -> pd.Series:
    return ((left == right).fillna(False).astype(bool)) | (left.isna() & right.isna())


def _repeats_predecessor(incoming: pd.DataFrame, held: pd.DataFrame, table: Table) -> pd.Series:
    """Incoming rows that say what the version known just before them, in store or file, says already."""
    key = list(table.key)
    both = pd.concat([held[list(table.names)], incoming[list(table.names)]], ignore_index=True)
    both = both[both.duplicated(key, keep=False)].sort_values([*key, "known_at"], kind="stable")
    before = both.shift(1)
    repeats = _same_content(both, before, table)
    for name in key:
        repeats &= _same(both[name], before[name])
    repeated = repeats.index[repeats & (repeats.index >= len(held))] - len(held)
    found = pd.Series(False, index=incoming.index)
    found.iloc[repeated] = True
    return found


def _inside(incoming: pd.DataFrame, table: Table, spans: pd.DataFrame) -> pd.Series:
    inside = pd.Series(False, index=incoming.index)
    if table.day_column is None:
        return inside
    own = _joined(spans.loc[spans["table"] == COVERED_LIKE.get(table.name, table.name)], ["athlete_id"])
    days = incoming[["athlete_id", table.day_column]].reset_index(names="row").merge(own, on="athlete_id")
    hit = days[table.day_column].between(days["first_date"], days["last_date"])
    inside.loc[days.loc[hit, "row"].unique()] = True
    return inside


def _joined(spans: pd.DataFrame, group: list[str]) -> pd.DataFrame:
    """Disjoint spans of each group: those that overlap or follow one another as one."""
    ordered = spans.sort_values([*group, "first_date"], kind="stable")
    keys = [ordered[name] for name in group]
    reach = ordered.groupby(group)["last_date"].cummax().groupby(keys).shift()
    number = (reach.isna() | (ordered["first_date"] > reach + ONE_DAY)).cumsum().rename("number")
    joined = ordered.groupby([*group, number], as_index=False).agg(
        first_date=("first_date", "min"), last_date=("last_date", "max")
    )
    return joined[[*group, "first_date", "last_date"]]


def fresh_coverage(incoming: pd.DataFrame, spans: pd.DataFrame) -> News:
    """The days of `incoming` coverage that no earlier ingest of this source covered, known when their row is.

    So a source that is ingested week by week adds the new week only.
    """
    group = ["athlete_id", "table", "source"]
    held = {
        names: list(zip(rows["first_date"], rows["last_date"], strict=True))
        for names, rows in _joined(spans, group).groupby(group)
    }
    parts, unchanged = [], 0
    for *names, first, last, known_at in incoming[[*group, *SPAN, "known_at"]].itertuples(index=False):
        free = _uncovered(first, last, held.get(tuple(names), []))
        unchanged += not free
        parts += [(*names, *part, known_at) for part in free]
    rows = pd.DataFrame(parts, columns=[*group, *SPAN, "known_at"])
    return News(as_contract(rows, "coverage"), unchanged, 0)


def _uncovered(
    first: pd.Timestamp, last: pd.Timestamp, held: Sequence[tuple[pd.Timestamp, pd.Timestamp]]
) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """What the spans `held`, which are disjoint and in order, leave of the days first to last."""
    free = []
    for start, end in held:
        if first < start:
            free.append((first, min(last, start - ONE_DAY)))
        first = max(first, end + ONE_DAY)
    free.append((first, last))
    return [(start, end) for start, end in free if start <= end]
