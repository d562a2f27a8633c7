"""The twenty features that every engine builds of every metric, as of the morning: the day before is the newest.

A window of w days is the days d-w .. d-1. It needs rows on 70% of them, else the feature is missing. The exponential
averages have weight 2 / (span + 1) and are normalised by the weights of the days seen; the uncoupled ratio divides by
the 21 days before the last week. An undefined ratio is missing.
"""

from __future__ import annotations

from benchmarks.world import METRICS

WINDOWS = (7, 14, 21, 28, 42)
SPANS = (7, 28)
LAGGED_WINDOW, LAG = 21, 7
SINCE_DAYS = 180
"""Days since the last load are missing beyond so many."""
LEAST_SHARE = 0.7

FEATURES = (
    *(f"sum_{window}" for window in WINDOWS),
    *(f"mean_{window}" for window in WINDOWS),
    "spread_7", "monotony_7",
    "exponential_7", "exponential_28",
    "coupled", "uncoupled", "exponential_ratio",
    "mean_21_lagged_7", "last_day",
    "days_since",
)  # fmt: skip
NAMES = tuple(f"{metric}_{feature}" for metric in METRICS for feature in FEATURES)


def least(window: int) -> int:
    """Days of a window that must hold a row."""
    return -int(-window * LEAST_SHARE // 1)


def keep(span: int) -> float:
    """What an exponential average keeps of yesterday's value."""
    return 1 - 2 / (span + 1)
