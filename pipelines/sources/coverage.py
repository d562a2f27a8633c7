"""Coverage of sources that do not say when they were in use, worked out from the days on which they reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from pipelines.sources.csv_text import LINE
from pipelines.sources.source import NOT_BEFORE, RULE_DAY

ONE_DAY = pd.Timedelta(days=1)


def derived_coverage(
    reports: pd.DataFrame,
    sources: Mapping[str, str],
    *,
    longest_silence_days: int | None = None,
    by: Sequence[str] = ("athlete_id",),
) -> pd.DataFrame:
    """One row of coverage per day with a report and per table of `sources`, known when the report is.

    A row holds its own day and the silence since the report before, because only this report tells that the silence
    was no end of use: one stretch from first to last report would let history know of each silence what the day did
    not. A silence of more than `longest_silence_days` (without it: none) is absence and stays uncovered, as does what
    lies between two groups of `by`.
    """
    reported = reports.sort_values([*by, "date"], kind="stable").drop_duplicates([*by, "date"])
    before = reported.groupby(list(by))["date"].shift()
    follows = before.notna()
    if longest_silence_days is not None:
        follows &= reported["date"] - before <= pd.Timedelta(days=longest_silence_days)
    first = (before + ONE_DAY).where(follows, reported["date"])
    kept = reported[["athlete_id", LINE, *reported.columns.intersection([NOT_BEFORE])]]
    rows = kept.assign(first_date=first, last_date=reported["date"], **{RULE_DAY: reported["date"]})
    tables = [rows.assign(table=table, source=source) for table, source in sources.items()]
    return pd.concat(tables, ignore_index=True)
