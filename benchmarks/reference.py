"""The exact answers: direct sums in extended precision over what each morning could see, one lag at a time.

Nothing is ever subtracted from a sum, so that a window of zeros is exactly 0 and its ratios are exactly undefined.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.catalogue import FEATURES, LAG, LAGGED_WINDOW, SINCE_DAYS, SPANS, WINDOWS, least
from benchmarks.world import METRICS, Floats, World

Exact = npt.NDArray[np.longdouble]
TOLERANCE = 1e-9


class _Sight:
    """One metric as every morning of every athlete sees it, as arrays (athletes, days)."""

    def __init__(self, world: World, metric: int) -> None:
        self.world, self.metric = world, metric
        self.shape = world.loads.shape[1:]
        self.morning = np.arange(world.days)

    def day_before(self, lag: int) -> Exact:
        """The load of `lag` days before each morning as known then; 0 where nothing was."""
        seen = np.zeros(self.shape, dtype=np.longdouble)
        if lag < self.world.days:
            seen[:, lag:] = self._known(slice(0, self.world.days - lag), self.morning[lag:])
        return seen

    def _known(self, days: slice, morning: npt.NDArray[np.int64]) -> Floats:
        world = self.world
        value = world.loads[self.metric][:, days]
        if world.known is None or world.corrected is None or world.corrected_on is None:
            return value
        value = np.where(world.known[:, days] <= morning, value, 0.0)
        corrected = world.corrected[self.metric][:, days]
        return np.where(world.corrected_on[:, days] <= morning, corrected, value)

    def covered(self, window: int, lag: int = 0) -> npt.NDArray[np.int64]:
        """Days of the window on which the source was in use: all since the first."""
        return np.clip(self.morning - lag, 0, window)


def exact_features(world: World, metric: int) -> dict[str, Floats]:
    """Feature -> (athletes, days), NaN where missing or undefined."""
    sight = _Sight(world, metric)
    found = _windows(sight) | _exponentials(sight)
    found["monotony_7"] = _ratio(found["mean_7"], found["spread_7"])
    found["coupled"] = _ratio(found["mean_7"], found["mean_28"])
    found["uncoupled"] = _ratio(found["mean_7"], found["mean_21_lagged_7"])
    found["exponential_ratio"] = _ratio(found["exponential_7"], found["exponential_28"])
    found["days_since"] = _days_since(sight)
    return {name: found[name].astype(np.float64) for name in FEATURES}


def _windows(sight: _Sight) -> dict[str, Exact]:
    found: dict[str, Exact] = {"last_day": _enough(sight.day_before(1), sight.covered(1), 1)}
    total, lagged = np.zeros(sight.shape, np.longdouble), np.zeros(sight.shape, np.longdouble)
    for lag in range(1, max(WINDOWS) + 1):
        load = sight.day_before(lag)
        total += load
        if LAG < lag <= LAG + LAGGED_WINDOW:
            lagged += load
        if lag in WINDOWS:
            days = sight.covered(lag)
            found[f"sum_{lag}"] = _enough(total.copy(), days, least(lag))
            found[f"mean_{lag}"] = found[f"sum_{lag}"] / np.maximum(days, 1)
    days = sight.covered(LAGGED_WINDOW, LAG)
    found["mean_21_lagged_7"] = _enough(lagged / np.maximum(days, 1), days, least(LAGGED_WINDOW))
    found["spread_7"] = _spread(sight, found["mean_7"])
    return found


def _spread(sight: _Sight, mean: Exact) -> Exact:
    days, squares = sight.covered(7), np.zeros(sight.shape, np.longdouble)
    for lag in range(1, 8):
        squares += np.where(lag <= days, (sight.day_before(lag) - mean) ** 2, 0)
    return _enough(np.sqrt(squares / np.maximum(days - 1, 1)), days, least(7))


def _exponentials(sight: _Sight) -> dict[str, Exact]:
    found = {}
    for span in SPANS:
        kept = np.longdouble(1) - np.longdouble(2) / (span + 1)
        total = _recursion(sight, kept) if sight.world.known is None else _direct(sight, kept)
        days = sight.covered(sight.world.days)
        weight = (1 - kept ** days.astype(np.longdouble)) / (1 - kept)
        found[f"exponential_{span}"] = _enough(total / np.where(days > 0, weight, 1), sight.covered(span), least(span))
    return found


def _direct(sight: _Sight, kept: np.longdouble) -> Exact:
    total = np.zeros(sight.shape, np.longdouble)
    for lag in range(1, sight.world.days):
        total += sight.day_before(lag) * kept ** (lag - 1)
    return total


def _recursion(sight: _Sight, kept: np.longdouble) -> Exact:
    """The same where a morning's past never changes: one multiplication and one addition a day."""
    load = sight.day_before(1)
    for day in range(1, load.shape[1]):
        load[:, day] += kept * load[:, day - 1]
    return load


def _days_since(sight: _Sight) -> Exact:
    found = np.full(sight.shape, np.nan, dtype=np.longdouble)
    for lag in range(min(SINCE_DAYS, sight.world.days), 0, -1):
        found[sight.day_before(lag) > 0] = lag
    return found


def _enough(values: Exact, days: npt.NDArray[np.int64], wanted: int) -> Exact:
    return np.where(days >= wanted, values, np.longdouble("nan"))


def _ratio(numerator: Exact, denominator: Exact) -> Exact:
    result = np.full(numerator.shape, np.nan, dtype=np.longdouble)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def wrong(values: Floats, exact: Floats) -> int:
    """Cells further than 1e-9 (relative) from the exact answer; 0 must be 0, and missing or undefined not finite."""
    defined = np.isfinite(exact)
    with np.errstate(invalid="ignore"):
        far = np.abs(values - exact) > TOLERANCE * np.abs(exact)
    return int(np.count_nonzero((np.isfinite(values) != defined) | (defined & far)))


def metric_of(name: str) -> tuple[int, str]:
    """Position of the metric and feature of a column's name."""
    metric = next(metric for metric in METRICS if name.startswith(metric + "_"))
    return METRICS.index(metric), name.removeprefix(metric + "_")
