"""Made-up loads of a league: eight metrics on every athlete-day, and when each row was known.

About 30% of days are rest, some athletes rest for weeks, whole numbers and decimals are mixed: the windows in which
every load is zero are where sums that add and subtract go wrong. `late_world` adds what one clock cannot express:
5% of rows arrive 1 to 20 days late and 3% are corrected up to 20 days after they arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

METRICS = (
    "load_au", "distance_m", "high_speed_distance_m", "sprint_distance_m", "acceleration_count",
    "deceleration_count", "player_load_au", "duration_min",
)  # fmt: skip
FIRST_DAY = np.datetime64("2022-07-01", "D")
NEVER = 1 << 20
"""A day that no data reach."""


@dataclass(frozen=True)
class World:
    """`loads` (metrics, athletes, days). Of each row the first version is known from morning `known` of its athlete
    on (a day number; the next morning unless it is late); `corrected` and `corrected_on` are its second version."""

    loads: Floats
    known: Ints | None = None
    corrected: Floats | None = None
    corrected_on: Ints | None = None

    @property
    def athletes(self) -> int:
        return self.loads.shape[1]

    @property
    def days(self) -> int:
        return self.loads.shape[2]

    @property
    def rows(self) -> int:
        return self.athletes * self.days

    def athlete_codes(self) -> Ints:
        return np.repeat(np.arange(self.athletes), self.days)

    def names(self) -> npt.NDArray[np.object_]:
        return np.array([f"A{number:06d}" for number in range(self.athletes)], dtype=object)

    def dates(self) -> npt.NDArray[np.datetime64]:
        """The day of each row."""
        return np.tile(FIRST_DAY + np.arange(self.days), self.athletes)

    def column(self, metric: int) -> Floats:
        return self.loads[metric].reshape(-1)

    def part(self, athletes: slice) -> World:
        return World(*(None if array is None else array[..., athletes, :] for array in vars(self).values()))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, self.loads)

    @classmethod
    def load(cls, path: Path) -> World:
        return cls(np.load(path))


def world(athletes: int, days: int, seed: int = 7) -> World:
    rng = np.random.default_rng(seed)
    loads = _sessions(rng, (athletes, days))
    loads[:, rng.random((athletes, days)) < 0.3] = 0.0
    loads[:, _stretches(rng, (athletes, days), per_1000_days=2, low=14, high=56)] = 0.0
    loads[2:4, _stretches(rng, (athletes, days), per_1000_days=3, low=7, high=28)] = 0.0
    return World(loads)


def late_world(athletes: int, days: int, seed: int = 7) -> World:
    rng = np.random.default_rng(seed + 1)
    shape = (athletes, days)
    first = world(athletes, days, seed).loads
    late = np.where(rng.random(shape) < 0.05, rng.integers(1, 21, shape), 0)
    late[:, 0] = 0  # before its first row nobody can tell whether a source records a metric
    known = np.arange(days) + 1 + late
    corrected_on = np.where(rng.random(shape) < 0.03, known + rng.integers(1, 21, shape), NEVER)
    corrected = np.where(first > 0, np.round(first * 1.1 + 1, 1), 0.0)
    return World(first, known, corrected, corrected_on)


def _sessions(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A session on every day: minutes, rating and what a tracking device would count."""
    loads = np.empty((len(METRICS), *shape))
    minutes = rng.integers(30, 111, shape).astype(np.float64)
    distance = np.round(minutes * rng.uniform(55, 105, shape), 1)
    loads[0] = minutes * rng.integers(2, 10, shape)
    loads[1] = distance
    loads[2] = np.round(distance * rng.uniform(0.0, 0.15, shape), 1)
    loads[3] = np.round(loads[2] * rng.uniform(0.0, 0.5, shape), 1)
    loads[4] = rng.integers(5, 90, shape)
    loads[5] = rng.integers(5, 90, shape)
    loads[6] = np.round(minutes * rng.uniform(3, 9, shape), 1)
    loads[7] = minutes
    return loads


def _stretches(rng: np.random.Generator, shape: tuple[int, int], per_1000_days: float, low: int, high: int) -> Bools:
    """True on days of stretches of `low` to `high` days that start anywhere."""
    starts = np.argwhere(rng.random(shape) < per_1000_days / 1000)
    edges = np.zeros((shape[0], shape[1] + 1), dtype=np.int32)
    ends = np.minimum(starts[:, 1] + rng.integers(low, high + 1, len(starts)), shape[1])
    np.add.at(edges, (starts[:, 0], starts[:, 1]), 1)
    np.add.at(edges, (starts[:, 0], ends), -1)
    inside: Bools = np.cumsum(edges, axis=1)[:, :-1] > 0
    return inside
