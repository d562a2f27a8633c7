"""Tables on the screen and JSON lines in build/bench/."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path("build/bench")


def show(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table whose first column is text and whose others are figures."""
    widths = [max(len(line[place]) for line in (columns, *rows)) for place in range(len(columns))]
    sys.stdout.write(f"\n{heading}\n\n")
    for line in (columns, *rows):
        cells = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        sys.stdout.write("  ".join((line[0].ljust(widths[0]), *cells)).rstrip() + "\n")
    sys.stdout.flush()


def keep(file: str, table: str, lines: Sequence[Mapping[str, Any]]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / file).open("a", encoding="utf-8") as out:
        for line in lines:
            out.write(json.dumps({"table": table, **line}) + "\n")


def note(text: str) -> None:
    """A word of progress, apart from the tables."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
