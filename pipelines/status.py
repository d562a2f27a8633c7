"""What is in a store, how fresh it is, which model is champion, and how the last run went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from rich.markup import escape
from rich.table import Table

from configs.errors import IntegrityError
from features.tables import TABLES
from models.promotion import disagreement
from models.registry import VersionStatus, versions
from pipelines.console import out
from pipelines.daily import score_database
from pipelines.data import Store, manifests, quarantine, read_tables
from pipelines.run_log import last_run


@dataclass(frozen=True)
class TableStatus:
    """One contract table: rows as they stand, athletes, the newest day and the newest arrival."""

    name: str
    rows: int
    athletes: int
    newest_day: str
    newest_arrival: str


@dataclass(frozen=True)
class Status:
    tables: tuple[TableStatus, ...]
    ingests: int
    quarantined: int
    models: tuple[VersionStatus, ...]
    scored_moments: int
    last_scored: str
    last_run: dict[str, Any] | None
    promotion_trouble: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def show(self) -> None:
        console = out()
        table = Table("table", "rows", "athletes", "newest day", "newest arrival (UTC)")
        for item in self.tables:
            table.add_row(item.name, f"{item.rows:,}", f"{item.athletes:,}", item.newest_day, item.newest_arrival)
        console.print(table)
        for line in self._sentences():
            console.print(escape(line), soft_wrap=True)

    def _sentences(self) -> Sequence[str]:
        champion = next((model for model in self.models if "champion" in model.aliases), None)
        run = self.last_run
        return (
            f"Ingests: {self.ingests}; rows in quarantine: {self.quarantined:,}.",
            f"Champion: version {champion.version} ({champion.label}), one of {len(self.models)} registered."
            if champion
            else "Champion: none yet; run `strainwatch train`.",
            f"Scored moments: {self.scored_moments}; the last one {self.last_scored}."
            if self.scored_moments
            else "Nothing has been scored yet.",
            f"Last run: {run['command']} at {run['started_at']}, exit code {run['exit_code']}."
            if run
            else "No run yet.",
            *([self.promotion_trouble] if self.promotion_trouble else []),
        )


def status_of(store: Store) -> Status:
    """The status; reads only."""
    tables = read_tables(store)
    database = score_database(store)
    try:
        moments = database.moments()
    finally:
        database.close()
    return Status(
        tables=tuple(_table_status(name, tables[name]) for name in TABLES if len(tables[name])),
        ingests=len(manifests(store)),
        quarantined=len(quarantine(store)),
        models=versions(store.path),
        scored_moments=moments.count,
        last_scored=f"{moments.last:%Y-%m-%d %H:%M} UTC" if moments.count else "",
        last_run=last_run(store.path),
        promotion_trouble=_promotion_trouble(store),
    )


def _promotion_trouble(store: Store) -> str | None:
    try:
        return disagreement(store.path)
    except IntegrityError as error:  # a status that fails would hide the rest
        return str(error)


def _table_status(name: str, table: pd.DataFrame) -> TableStatus:
    current = table[table["superseded_at"].isna()]
    day = TABLES[name].day_column
    day = "last_date" if name == "coverage" else day
    newest = f"{current[day].max():%Y-%m-%d}" if day else ""
    arrival = f"{current['known_at'].max():%Y-%m-%d %H:%M}"
    return TableStatus(name, len(current), int(current["athlete_id"].nunique()), newest, arrival)
