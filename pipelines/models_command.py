"""The registered versions and the promotion log, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from models.promotion import disagreement, read_log
from models.promotion_log import Entry
from models.registry import VersionStatus, versions
from pipelines.console import print_json
from pipelines.data import Store
from pipelines.features_command import print_csv, print_table, say
from pipelines.formats import Format

Row = dict[str, Any]

VERSION_COLUMNS = ("version", "label", "aliases", "registered_at", "run_id")
LOG_COLUMNS = ("number", "at", "user", "action", "from", "to", "candidate", "forced", "reason")


def listed(store: Store) -> tuple[VersionStatus, ...]:
    """Every registered version, newest first."""
    return versions(store.path)


def show_list(found: Sequence[VersionStatus], form: Format) -> None:
    """Print them; JSON is an array."""
    rows = [
        {
            "version": each.version,
            "label": each.label,
            "aliases": ", ".join(each.aliases),
            "registered_at": f"{each.registered_at:%Y-%m-%d %H:%M} UTC",
            "run_id": each.run_id,
        }
        for each in found
    ]
    _print(rows, VERSION_COLUMNS, form, "No model is registered yet: run `strainwatch train`.")


@dataclass(frozen=True)
class Logged:
    """The log's entries, and in words where the champion is not the one that it names."""

    entries: tuple[Entry, ...]
    disagreement: str | None


def logged(store: Store) -> Logged:
    """The log, its chain of hashes checked. Raises IntegrityError if a line was changed or lines are gone."""
    return Logged(read_log(store.path), disagreement(store.path))


def show_log(found: Logged, form: Format) -> None:
    """Print it, oldest line first; JSON holds the figures too."""
    rows = [_row(entry) for entry in found.entries]
    if form is Format.json:
        print_json({"entries": rows, "disagreement": found.disagreement})
        return
    _print(rows, LOG_COLUMNS, form, "No decision about a champion yet: `strainwatch train` makes the first.")
    if found.disagreement and form is Format.text:
        say(found.disagreement)


def _row(entry: Entry) -> Row:
    content = {"from": entry.before, "to": entry.after, **vars(entry), "sha256": entry.sha256}
    return {name: value for name, value in content.items() if name not in ("before", "after")}


def _print(rows: Sequence[Row], columns: Sequence[str], form: Format, nothing: str) -> None:
    if form is Format.json:
        print_json(list(rows))
    elif form is Format.csv:
        print_csv([{name: row[name] for name in columns} for row in rows], columns)
    elif not rows:
        say(nothing)
    else:
        table = Table(*(name.replace("_", " ") for name in columns), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(escape(_cell(row[name])) for name in columns))
        print_table(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
