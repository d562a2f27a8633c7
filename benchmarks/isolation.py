"""Runs one engine in a process of its own with two threads, and ends it before it takes the machine's last memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

THREADS = 2
RESERVE_BYTES = 2 * 2**30
"""What must stay free for the rest of the machine."""
LIMITS = (
    "POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"
)  # fmt: skip


def two_processors() -> None:
    """Keeps this process to as many processors as it may have threads, for those that count processors."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


class Failed(Exception):
    """The engine did not finish; the message says why in a few words."""


def run(module: str, *arguments: str) -> dict[str, Any]:
    """The JSON that `python -m module arguments` prints last; nothing where it prints nothing."""
    environment = {**os.environ, **dict.fromkeys(LIMITS, str(THREADS))}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=out, stderr=errors, env=environment
        )
        _watch(process)
        out.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            said = errors.read().strip().splitlines()
            raise Failed(said[-1][:120] if said else f"ended by signal {-process.returncode}")
        lines = out.read().strip().splitlines()
        return dict(json.loads(lines[-1])) if lines else {}


def _watch(process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        if free_bytes() < RESERVE_BYTES:
            process.kill()
            process.wait()
            raise Failed("out of memory")
        time.sleep(0.02)


def free_bytes() -> float:
    memory = Path("/proc/meminfo")
    if not memory.exists():
        return float("inf")
    entries = dict(line.split(":") for line in memory.read_text(encoding="ascii").splitlines())
    return float(entries["MemAvailable"].split()[0]) * 1024
