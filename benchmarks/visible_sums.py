"""The same kernel three times: two-clock sums over 7 to 42 days by NumPy in blocks, by C and by numba.

python -m benchmarks.visible_sums ENGINE FILE      one process: seconds of the first and of the second call
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.catalogue import WINDOWS
from benchmarks.compiler import compiled
from benchmarks.world import METRICS, NEVER, Floats, Ints, late_world

THREADS = 2
BLOCK = 2048
"""Moments that NumPy handles at once; a block's arrays stay in the cache."""


@dataclass(frozen=True)
class Rows:
    """Rows in order of athlete and day, `starts` of each athlete, and the moments to be asked for."""

    starts: Ints
    day: Ints
    known: Ints
    gone: Ints
    values: Floats
    moment_athlete: Ints
    moment_day: Ints

    def save(self, path: Path) -> None:
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Rows:
        with np.load(path) as arrays:
            return cls(**arrays)


def rows_of(athletes: int, days: int) -> Rows:
    """Late and corrected rows of a league, and a moment on every morning."""
    world = late_world(athletes, days)
    assert world.known is not None and world.corrected is not None and world.corrected_on is not None
    code, day = world.athlete_codes(), np.tile(np.arange(days), athletes)
    known, corrected_on = world.known.reshape(-1), world.corrected_on.reshape(-1)
    again = np.flatnonzero(corrected_on < NEVER)
    first = world.loads.reshape(len(METRICS), -1)
    values = np.concatenate([first, world.corrected.reshape(len(METRICS), -1)[:, again]], axis=1)
    both = np.r_[np.arange(len(code)), again]
    order = np.lexsort((day[both], code[both]))
    return Rows(
        starts=np.searchsorted(code[both][order], np.arange(athletes + 1)),
        day=day[both][order],
        known=np.r_[known, corrected_on[again]][order],
        gone=np.r_[corrected_on, np.full(len(again), NEVER)][order],
        values=np.ascontiguousarray(values.T[order]),
        moment_athlete=code,
        moment_day=day,
    )


def with_c(rows: Rows) -> Floats:
    library = compiled(Path(__file__).with_suffix(".c"), "baseline")
    out = np.empty((len(WINDOWS), len(METRICS), len(rows.moment_day)))
    moments = out.shape[2]
    pointers = [array.ctypes.data for array in (*vars(rows).values(), out)]
    task = (ctypes.c_int64 * 9)(*pointers, moments)

    def part(first: int, last: int) -> None:
        library.visible_sums(task, ctypes.c_int64(first), ctypes.c_int64(last))

    in_parts(part, moments, moments // (4 * THREADS) + 1)
    return out


def with_numpy(rows: Rows) -> Floats:
    out = np.zeros((len(WINDOWS), len(METRICS), len(rows.moment_day)))
    columns = np.ascontiguousarray(rows.values.T)
    stride = int(rows.day.max(initial=0)) + 2 * max(WINDOWS)
    athlete = np.repeat(np.arange(len(rows.starts) - 1), np.diff(rows.starts))
    key = athlete * stride + rows.day

    def part(first: int, last: int) -> None:
        day, base = rows.moment_day[first:last], rows.moment_athlete[first:last] * stride
        end = np.searchsorted(key, base + day)
        for step in range(int((end - np.searchsorted(key, base + day - max(WINDOWS))).max(initial=0))):
            row = np.maximum(end - 1 - step, 0)
            age = base + day - key[row]
            seen = (age > 0) & (rows.known[row] <= day) & (day < rows.gone[row]) & (end - 1 - step >= 0)
            value = columns[:, row]
            for number, window in enumerate(WINDOWS):
                out[number, :, first:last] += np.where(seen & (age <= window), value, 0.0)

    in_parts(part, out.shape[2], BLOCK)
    return out


def with_numba(rows: Rows) -> Floats:
    from benchmarks.visible_sums_numba import visible_sums

    out = np.empty((len(WINDOWS), len(METRICS), len(rows.moment_day)))
    visible_sums(*vars(rows).values(), out)
    return out


def in_parts(part: Callable[[int, int], None], size: int, step: int) -> None:
    firsts = range(0, size, step)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(part, firsts, (min(first + step, size) for first in firsts)))


KERNELS: Mapping[str, Callable[[Rows], Floats]] = {"numpy": with_numpy, "numba": with_numba, "c": with_c}


def main() -> None:
    kernel, rows = KERNELS[sys.argv[1]], Rows.load(Path(sys.argv[2]))
    took = []
    for _ in range(2):
        start = time.perf_counter()
        result = kernel(rows)
        took.append(time.perf_counter() - start)
    print(json.dumps({"first_s": took[0], "second_s": took[1], "total": float(result.sum())}))


if __name__ == "__main__":
    main()
