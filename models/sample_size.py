"""Is there enough to learn from? Riley's three criteria, each with its own minimum, and events per candidate parameter.

Riley et al. 2019, Stat Med 38(7):1276-1296, for a binary outcome and independent rows. Days of one athlete are not
independent, so what is counted here are injuries, never athlete-days before one; trees need more than a regression with
as many parameters, so the minimum is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

EXPECTED_AUROC = 0.70
"""What the criteria assume of the model; published honest results lie at or below it."""

SHRINKAGE = 0.9
OPTIMISM = 0.05
RISK_MARGIN = 0.05
_ASKS_SHRINKAGE = f"to shrink coefficients by no more than {1 - SHRINKAGE:.0%}"
_ASKS_OPTIMISM = f"to look better than it is by no more than {OPTIMISM:g} in Nagelkerke's R2"
_ASKS_RISK = f"to know the overall risk within {100 * RISK_MARGIN:.0f} percentage points"


@dataclass(frozen=True)
class Criterion:
    """One of Riley's criteria with the fewest independent rows, and injuries among them, that it asks for."""

    name: str
    asks: str
    least_rows: int
    least_injuries: int


@dataclass(frozen=True)
class SampleSize:
    """What there is beside what the criteria ask for; `binding` names the criterion that asks for most."""

    horizon_days: int
    injuries: int
    parameters: int
    event_rate: float
    expected_auroc: float
    criteria: tuple[Criterion, ...]

    @property
    def binding(self) -> Criterion:
        return max(self.criteria, key=lambda criterion: criterion.least_rows)

    @property
    def is_met(self) -> bool:
        return self.injuries >= self.binding.least_injuries

    @property
    def injuries_per_parameter(self) -> float:
        return self.injuries / self.parameters

    def sentences(self) -> tuple[str, ...]:
        """The verdict first, then each criterion."""
        return (self._verdict(), *self._by_criterion())

    def _verdict(self) -> str:
        needed = self.binding.least_injuries
        found = (
            f"{self.horizon_days} days: {self.injuries:,} injuries for {self.parameters:,} candidate parameters, "
            f"{self.injuries_per_parameter:.2g} per parameter; Riley's criteria ask for {needed:,} "
            f"({needed / self.parameters:.2g} per parameter) at an expected AUROC of {self.expected_auroc:.2f}"
        )
        if self.is_met:
            return f"{found}: met for a regression of that size; trees need more."
        return f"{found}: {self.injuries / needed:.0%} of it, so scores may fit chance and need an independent check."

    def _by_criterion(self) -> Iterator[str]:
        for each in self.criteria:
            is_met = "met" if self.injuries >= each.least_injuries else "not met"
            binds = ", the one that binds" if each is self.binding else ""
            yield f"{each.asks}: {each.least_injuries:,} injuries, {is_met}{binds}."

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the verdict's sentences."""
        return {
            **asdict(self),
            "criteria": [
                asdict(each) | {"is_met": self.injuries >= each.least_injuries, "is_binding": each is self.binding}
                for each in self.criteria
            ],
            "injuries_per_parameter": self.injuries_per_parameter,
            "least_injuries": self.binding.least_injuries,
            "is_met": self.is_met,
            "sentences": list(self.sentences()),
        }


def sample_size(
    injuries: int, parameters: int, event_rate: float, horizon_days: int, auroc: float = EXPECTED_AUROC
) -> SampleSize:
    """Riley's criteria for a model of so many candidate parameters, beside the injuries that there are.

    `event_rate` is the share of athlete-days with an injury within the horizon, between 0 and 1.
    """
    found = tuple(criteria(max(parameters, 1), event_rate, auroc))
    return SampleSize(horizon_days, injuries, max(parameters, 1), event_rate, auroc, found)


def criteria(parameters: int, event_rate: float, auroc: float) -> Iterator[Criterion]:
    """Shrinkage of at least 0.9, optimism in Nagelkerke's R2 of at most 0.05, overall risk to within 0.05.

    Cox-Snell's R2 follows from `auroc` for normal scores of equal spread.
    """
    return criteria_of_r2(parameters, event_rate, _cox_snell_r2(event_rate, auroc))


def criteria_of_r2(parameters: int, event_rate: float, cox_snell: float) -> Iterator[Criterion]:
    """The criteria for a model that is expected to reach this Cox-Snell R2."""
    small_optimism = cox_snell / (cox_snell + OPTIMISM * _highest_r2(event_rate))
    margin_rows = (1.96 / RISK_MARGIN) ** 2 * event_rate * (1 - event_rate)
    for name, asks, needed in (
        ("shrinkage", _ASKS_SHRINKAGE, _rows(parameters, cox_snell, SHRINKAGE)),
        ("optimism", _ASKS_OPTIMISM, _rows(parameters, cox_snell, small_optimism)),
        ("overall_risk", _ASKS_RISK, margin_rows),
    ):
        yield Criterion(name, asks, int(np.ceil(needed)), int(np.ceil(needed * event_rate)))


def least_events(parameters: int, event_rate: float, auroc: float) -> int:
    """The fewest events that Riley's three criteria ask for together, given independent rows."""
    return max(each.least_injuries for each in criteria(parameters, event_rate, auroc))


def _rows(parameters: int, cox_snell: float, shrinkage: float) -> float:
    """Independent rows at which so many parameters are expected to need this shrinkage."""
    return float(parameters / ((shrinkage - 1) * np.log(1 - cox_snell / shrinkage)))


def _cox_snell_r2(event_rate: float, auroc: float) -> float:
    """Cox-Snell's R2 of the true model with this AUROC."""
    distance = np.sqrt(2) * ndtri(auroc)
    points, weights = np.polynomial.hermite_e.hermegauss(64)
    weights = weights / weights.sum()
    base = np.log(event_rate / (1 - event_rate)) - distance**2 / 2
    event_score, other_score = base + distance * (points + distance), base + distance * points
    model = -event_rate * weights @ np.logaddexp(0, -event_score) - (1 - event_rate) * weights @ np.logaddexp(
        0, other_score
    )
    return float(1 - np.exp(2 * (_null_log_likelihood(event_rate) - model)))


def _highest_r2(event_rate: float) -> float:
    """Cox-Snell's R2 of a model that knows every outcome."""
    return float(1 - np.exp(2 * _null_log_likelihood(event_rate)))


def _null_log_likelihood(event_rate: float) -> float:
    """Per row, of giving everybody the event rate."""
    return float(event_rate * np.log(event_rate) + (1 - event_rate) * np.log(1 - event_rate))
