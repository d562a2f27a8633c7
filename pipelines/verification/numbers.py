"""What the checks measure, one number per seed, and the summary over seeds beside the goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.verification.measures import Estimate, over_seeds


@dataclass(frozen=True)
class Number:
    """One figure of one seed: what was checked, which measure, of whom, over which horizon."""

    check: str
    measure: str
    subject: str
    horizon_days: int
    value: float

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.check, self.measure, self.subject, self.horizon_days


@dataclass(frozen=True)
class Goal:
    """A range that a figure should lie in, for squads of at least so many athletes."""

    check: str
    measure: str
    low: float
    high: float
    least_athletes: int

    def __str__(self) -> str:
        if self.high == float("inf"):
            return f"{self.low:g} or more at {self.least_athletes:,}"
        return f"{self.low:g} to {self.high:g} from {self.least_athletes:,} on"


GOALS = (
    Goal("discrimination", "share of oracle", 0.9, float("inf"), 1000),
    Goal("calibration", "slope", 0.9, 1.1, 200),
    Goal("calibration", "observed : expected", 0.8, 1.25, 200),
    Goal("explanation of flagged days", "top factor", 0.8, float("inf"), 1000),
    Goal("explanation of flagged days", "right sign", 0.95, float("inf"), 1000),
)
"""Those of issue 4, for the model over 14 days."""


@dataclass(frozen=True)
class Summary:
    """Every figure as an estimate over seeds."""

    estimates: dict[tuple[str, str, str, int], Estimate]

    def get(self, check: str, measure: str, subject: str = "model", horizon_days: int = 14) -> Estimate | None:
        return self.estimates.get((check, measure, subject, horizon_days))

    def subjects(self, check: str, measure: str, horizon_days: int = 14) -> list[str]:
        """Of whom this is measured, in order of measuring."""
        wanted = (check, measure, horizon_days)
        return [key[2] for key in self.estimates if (key[0], key[1], key[3]) == wanted]

    def as_json(self) -> list[dict[str, Any]]:
        names = ("check", "measure", "subject", "horizon_days")
        return [dict(zip(names, key, strict=True)) | asdict(each) for key, each in self.estimates.items()]


def summarised(seeds: Sequence[Sequence[Number]]) -> Summary:
    """The numbers of all seeds, one estimate per key."""
    found: dict[tuple[str, str, str, int], list[float]] = {}
    for numbers in seeds:
        for number in numbers:
            found.setdefault(number.key, []).append(number.value)
    return Summary({key: over_seeds(values) for key, values in found.items()})
