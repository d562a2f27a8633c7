"""How commands talk to people: results on standard output, progress and warnings on standard error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

if TYPE_CHECKING:
    from pipelines.ingest import IngestResult

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


def silent(what: str, done: int, total: int) -> None:
    """A `Report` for callers who show no progress, such as a notebook."""


PLAIN_WIDTH = 170
"""Columns of text where standard output is no terminal: wide enough that no table is folded."""


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """A reader that has seen enough, such as `head`, is no fault of the command."""
        try:
            super().on_broken_pipe()
        except SystemExit as end:
            raise SystemExit(0) from end


def out(plain_width: int = PLAIN_WIDTH) -> Console:
    """Standard output. Without a terminal: no colours, and a width that does not depend on the caller's."""
    console = _Output(highlight=False)
    return console if console.is_terminal else _Output(highlight=False, width=plain_width)


def err() -> Console:
    return Console(stderr=True, highlight=False)


def print_json(content: Any) -> None:
    """One JSON document on standard output; what is no number becomes null."""
    out().print_json(json.dumps(_plain(content), default=str, allow_nan=False), indent=2)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextmanager
def progress() -> Iterator[Report]:
    """A callback (what, done, of how many) that draws bars on a terminal and is silent elsewhere."""
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report


@contextmanager
def working(what: str) -> Iterator[None]:
    """A moving sign on a terminal while something of unknown length is under way; silent elsewhere."""
    console = err()
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def show_ingest(result: IngestResult) -> None:
    console = out()
    for note in result.notes:
        console.print(escape(note))
    if result.added:
        table = Table("table", *(right(name) for name in ("added", "unchanged", "superseded")), title="Ingested")
        for name in result.added:
            counts = (result.added[name], result.unchanged.get(name, 0), result.superseded.get(name, 0))
            table.add_row(name, *(f"{count:,}" for count in counts))
        console.print(table)
    for problem in result.problems:
        console.print(escape(str(problem)))
    if result.quarantined:
        rows = "row" if result.quarantined == 1 else "rows"
        console.print(f"{result.quarantined:,} {rows} went to quarantine; the others came in.")


def right(name: str) -> Column:
    """A column of numbers."""
    return Column(name, justify="right")
