"""Where the floor is: floor.c, compiled when first asked for, and the same sums by whole NumPy arrays."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.catalogue import LAG, LAGGED_WINDOW, NAMES, SPANS, WINDOWS, keep, least
from benchmarks.compiler import compiled
from benchmarks.peers import NAMES_OF_FEATURES, Long, edges, since_last, write_ratios
from benchmarks.world import METRICS, Floats, Ints

THREADS = 2
BLOCK = 64
"""Athletes whose days and features NumPy handles at once; their arrays stay in the cache."""


def pointer(array: Floats | Ints) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def c_build(long: Long) -> Floats:
    athlete, _, loads = long
    library = compiled(Path(__file__).with_name("floor.c"))
    starts, rows = edges(athlete), len(athlete)
    out = np.empty((len(NAMES), rows))
    athletes = len(starts) - 1
    bounds = [athletes * part // (4 * THREADS) for part in range(4 * THREADS + 1)]

    def part(first: int, last: int) -> None:
        wide = ctypes.c_int64
        library.features_of(
            pointer(out), wide(rows), pointer(loads), wide(len(loads)), pointer(starts), wide(first), wide(last)
        )

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(part, bounds[:-1], bounds[1:]))
    return out


def numpy_build(long: Long) -> Floats:
    """Block by block of athletes: a dense grid of days, sums by adding shifted grids, averages by scipy's filter."""
    athlete, day, loads = long
    starts = edges(athlete)
    out = np.empty((len(NAMES), len(athlete)))
    for first in range(0, len(starts) - 1, BLOCK):
        rows = slice(starts[first], starts[min(first + BLOCK, len(starts) - 1)])
        days = day[rows] - day[rows].min()
        code = athlete[rows] - athlete[rows.start]
        for metric in range(len(METRICS)):
            grid = np.zeros((int(code[-1]) + 1, int(days.max()) + 1))
            grid[code, days] = loads[metric, rows]
            built = _grid_features(grid)
            since_last(grid, built["days_since"])
            for number, feature in enumerate(NAMES_OF_FEATURES):
                out[metric * len(NAMES_OF_FEATURES) + number, rows] = built[feature][code, days]
    return out


def _grid_features(grid: Floats) -> dict[str, Floats]:
    from scipy.signal import lfilter

    days = np.arange(grid.shape[1])
    built: dict[str, Floats] = {"last_day": _enough(_later(grid, 1), days, 1)}
    week = _later(grid, 1)
    for lag in range(2, 8):
        week += _later(grid, lag)
    sums = {7: week, 14: week + _later(week, 7)}
    sums[21] = sums[14] + _later(week, 14)
    sums[28] = sums[14] + _later(sums[14], 14)
    sums[42] = sums[28] + _later(sums[14], 28)
    for w in WINDOWS:
        built[f"sum_{w}"] = _enough(sums[w], days, least(w))
        built[f"mean_{w}"] = built[f"sum_{w}"] / np.clip(days, 1, w)
    lagged = _later(built[f"mean_{LAGGED_WINDOW}"], LAG)
    built[f"mean_{LAGGED_WINDOW}_lagged_{LAG}"] = _enough(lagged, days, LAG + least(LAGGED_WINDOW))
    squares = sum((_later(grid, lag) - built["mean_7"]) ** 2 * (days >= lag) for lag in range(1, 8))
    built["spread_7"] = np.sqrt(squares / np.clip(days - 1, 1, 6))
    for span in SPANS:
        kept = keep(span)
        weight = np.where(days > 0, (1 - kept**days) / (1 - kept), 1)
        average = _later(lfilter([1.0], [1.0, -kept], grid, axis=1), 1) / weight
        built[f"exponential_{span}"] = _enough(average, days, least(span))
    for name in ("monotony_7", "coupled", "uncoupled", "exponential_ratio", "days_since"):
        built[name] = np.empty_like(grid)
    write_ratios(built)
    return built


def _later(grid: Floats, days: int) -> Floats:
    """Each day's value moved `days` later, zeros before."""
    moved = np.zeros_like(grid)
    if days < grid.shape[1]:
        moved[:, days:] = grid[:, :-days]
    return moved


def _enough(values: Floats, days: Ints, wanted: int) -> Floats:
    return np.where(days >= wanted, values, np.nan)
