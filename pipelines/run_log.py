"""One JSON line per run: which command, when, how it ended, with counts and never a measurement of a person."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.clock import utc_now

RUN_LOG = "runs.jsonl"


def append_run(store: Path, command: str, started: datetime, exit_code: int, facts: Mapping[str, Any]) -> None:
    """Add a line to the store's run log in one write, so that lines of two processes never mix.

    What a run wrote that was killed in the middle of its line stays a line of its own.
    """
    finished = utc_now()
    line = {
        "command": command,
        "started_at": started.isoformat(timespec="seconds"),
        "seconds": round((finished - started).total_seconds(), 3),
        "exit_code": exit_code,
        **facts,
    }
    handle = os.open(store / RUN_LOG, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        start = "\n" if _is_torn(handle) else ""
        os.write(handle, f"{start}{json.dumps(line, ensure_ascii=False)}\n".encode())
    finally:
        os.close(handle)


def _is_torn(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


def last_run(store: Path) -> dict[str, Any] | None:
    """The newest whole line of the run log; None without one."""
    path = store / RUN_LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in reversed(lines):
        try:
            found: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            continue  # a run that was killed while writing
        return found
    return None
