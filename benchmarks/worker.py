"""One engine, once, in a process of its own: seconds, peak memory and wrong cells as one line of JSON.

    python -m benchmarks.worker prepare FOLDER ATHLETES DAYS CHECKED
    python -m benchmarks.worker ENGINE FOLDER [--check]

`prepare` keeps the loads and the exact answers of CHECKED athletes in FOLDER.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.catalogue import FEATURES, NAMES
from benchmarks.engines import ENGINES, Engine
from benchmarks.isolation import RESERVE_BYTES, free_bytes, two_processors
from benchmarks.reference import exact_features, wrong
from benchmarks.world import METRICS, Floats, Ints, World, world

BLOCK = 100
"""Athletes whose exact answers are worked out at once."""


def prepare(folder: Path, athletes: int, days: int, checked: int) -> None:
    league = world(athletes, days)
    league.save(folder / "loads.npy")
    chosen = np.unique(np.linspace(0, athletes - 1, min(checked, athletes)).astype(np.int64))
    np.save(folder / "checked.npy", chosen)
    few = World(league.loads[:, chosen])
    np.save(folder / "exact.npy", _exact(few))


def _exact(few: World) -> Floats:
    answers = np.empty((len(NAMES), few.athletes, few.days))
    for first in range(0, few.athletes, BLOCK):
        block = slice(first, first + BLOCK)
        for metric in range(len(METRICS)):
            for number, found in enumerate(exact_features(few.part(block), metric).values()):
                answers[metric * len(FEATURES) + number, block] = found
    return answers


def run(engine: Engine, folder: Path, check: bool) -> dict[str, Any]:
    """The first, small build loads code and starts threads; a user pays for that once and not by the row."""
    league = World.load(folder / "loads.npy")
    engine.build(engine.frame(league.part(slice(0, 2))))
    frame, shape = engine.frame(league), league.loads.shape[1:]
    del league
    output_bytes = len(NAMES) * shape[0] * shape[1] * 8
    _touch(output_bytes)
    before = _start_of_memory()
    start, spent = time.perf_counter(), os.times()
    result = engine.build(frame)
    seconds, ended = time.perf_counter() - start, os.times()
    peak = _memory("VmHWM") - before
    system = ended.system - spent.system
    found = {
        "seconds": seconds,
        "processor_seconds": ended.user - spent.user + system,
        "system_seconds": system,
        "peak_bytes": peak,
        "output_bytes": output_bytes,
    }
    return found | (_checked(engine, result, shape, folder) if check else {})


def _checked(engine: Engine, result: Any, shape: tuple[int, ...], folder: Path) -> dict[str, Any]:
    chosen: Ints = np.load(folder / "checked.npy")
    exact = np.load(folder / "exact.npy", mmap_mode="r")
    ordered = engine.ordered(result)
    wrongs: dict[str, int] = {}
    for number, name in enumerate(NAMES):
        feature = FEATURES[number % len(FEATURES)]
        values = engine.column(ordered, name).reshape(shape)[chosen]
        wrongs[feature] = wrongs.get(feature, 0) + wrong(values, exact[number])
    return {
        "wrong": sum(wrongs.values()),
        "checked": int(exact.size),
        "wrong_by_feature": {feature: count for feature, count in wrongs.items() if count},
    }


def _touch(size: int) -> None:
    """Use as much memory as the output needs and give it back: a rented machine may take seconds to back new pages,
    and would charge them to whichever engine comes first."""
    wanted = min(1.2 * size, max(0.0, free_bytes() - RESERVE_BYTES / 2))
    np.empty(int(wanted) // 8)[:: 4096 // 8] = 0.0


def _start_of_memory() -> float:
    """Resident bytes now; the system's record of the peak starts anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory("VmRSS")


def _memory(entry: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(entry + ":"):
            return float(line.split()[1]) * 1024
    return float("nan")


def main() -> None:
    two_processors()
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "prepare":
        prepare(folder, *(int(number) for number in sys.argv[3:6]))
    else:
        print(json.dumps(run(ENGINES[what], folder, "--check" in sys.argv)))


if __name__ == "__main__":
    main()
