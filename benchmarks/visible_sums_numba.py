"""visible_sums.c in numba, its machine code cached between processes."""

from __future__ import annotations

import numba
import numpy as np

from benchmarks.world import Floats, Ints

DAYS = np.array([7, 14, 21, 28, 42])
PARTS = 64
"""The moments are split so that a part can reuse its totals."""


@numba.njit(parallel=True, cache=True)  # type: ignore[untyped-decorator]
def visible_sums(
    starts: Ints, day: Ints, known: Ints, gone: Ints, values: Floats, athlete: Ints, moment_day: Ints, out: Floats
) -> None:
    moments = len(moment_day)
    for part in numba.prange(PARTS):
        total = np.empty(8)
        for moment in range(moments * part // PARTS, moments * (part + 1) // PARTS):
            today, begin = moment_day[moment], starts[athlete[moment]]
            total[:] = 0.0
            window = 0
            row = begin + np.searchsorted(day[begin : starts[athlete[moment] + 1]], today) - 1
            while row >= begin and today - day[row] <= DAYS[-1]:
                while today - day[row] > DAYS[window]:
                    for column in range(8):
                        out[window, column, moment] = total[column]
                    window += 1
                if known[row] <= today < gone[row]:
                    for column in range(8):
                        total[column] += values[row, column]
                row -= 1
            while window < len(DAYS):
                for column in range(8):
                    out[window, column, moment] = total[column]
                window += 1
