"""The log of promotions: one JSON line per decision about the champion, each with the hash of the line before it.

A changed, reordered or removed line breaks the chain. That lines were cut off at the end only somebody else can tell:
the registry keeps the hash of the last one (models/promotion.py).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from configs.errors import IntegrityError

Action = Literal["first", "promoted", "kept", "rolled back", "void", "found"]
"""void: the move of the line before did not come about; found: somebody moved the alias by other means."""

RESTORE = (
    "Restore it from a backup. Or put it aside: a new log then begins with the champion as found, and says that the "
    "old one is gone."
)


@dataclass(frozen=True)
class Entry:
    """One line. `before` and `after` are the champion's versions (None: no champion), `candidate` who was judged.

    `at` is an instant in ISO format, `figures` are plain JSON values, `previous` is the hash of the line before.
    """

    number: int
    at: str
    user: str
    action: Action
    before: int | None
    after: int | None
    candidate: int | None
    forced: bool
    reason: str
    figures: Mapping[str, Any]
    previous: str

    @property
    def moves(self) -> bool:
        return self.before != self.after

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.line().encode()).hexdigest()

    def line(self) -> str:
        """The line as the log holds it, without its end."""
        content = {"from": self.before, "to": self.after, **vars(self)}
        del content["before"], content["after"]
        return json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)


def read(path: Path) -> tuple[Entry, ...]:
    """All entries, oldest first; empty without a file. What a killed process left of a last line does not count.

    Raises IntegrityError with the number of the first line that was changed, moved, or no longer follows another.
    """
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    entries: list[Entry] = []
    for number, line in enumerate(lines, start=1):
        entry = _parsed(line)
        previous = entries[-1].sha256 if entries else ""
        if entry is None or entry.line() != line or (entry.number, entry.previous) != (number, previous):
            raise IntegrityError(
                f"{path}: line {number} or the one before it was changed since it was written. {RESTORE}"
            )
        entries.append(entry)
    return tuple(entries)


def _parsed(line: str) -> Entry | None:
    try:
        found = json.loads(line)
        entry = Entry(**{"before": found.pop("from"), "after": found.pop("to"), **found})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return entry if entry.action in get_args(Action) else None


def append(path: Path, entry: Entry) -> None:
    """Add a line, on the disk when this returns; what a killed process left of a line is taken out first."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        whole = os.pread(handle, os.fstat(handle).st_size, 0).rfind(b"\n") + 1
        os.ftruncate(handle, whole)
        os.pwrite(handle, f"{entry.line()}\n".encode(), whole)
        os.fsync(handle)
    finally:
        os.close(handle)


def effective(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries that came about: without those that a void line follows, and without the void lines."""
    pairs = itertools.zip_longest(entries, entries[1:])
    return tuple(one for one, after in pairs if one.action != "void" and (after is None or after.action != "void"))


def champions(entries: Sequence[Entry]) -> tuple[int, ...]:
    """The versions that a rollback can go back through, the present champion last."""
    stack: list[int] = []
    for entry in effective(entries):
        if entry.action == "rolled back":
            while stack and stack[-1] != entry.after:
                stack.pop()
        elif entry.moves and entry.after is not None:
            stack.append(entry.after)
    return tuple(stack)
