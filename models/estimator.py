"""Boosted trees bagged over athletes, their calibration, and predictions that agree across horizons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CalibrationKind = Literal["platt", "beta"]


@dataclass(frozen=True)
class Settings:
    """configs/model.toml, where each value is explained."""

    learning_rate: float
    trees: int
    leaves: int
    smallest_leaf_share: float
    smallest_leaf_rows: int
    feature_fraction: float
    l2: float
    path_smooth: float
    bins: int
    members: int
    seed: int
    threads: int
    calibration: CalibrationKind
    every_days: int
    athlete_folds: int
    time_blocks: int
    first_cut_share: float
    repeats: int
    evaluation_members: int
    least_athletes: int
    least_days: int
    least_event_athletes: int
    logistic_c: float
    resamples: int
    alert_budget: int
    acceptable_false_alerts: float

    def as_json(self) -> dict[str, Any]:
        """A plain mapping that `settings_from_json` reads back."""
        return asdict(self)


@dataclass(frozen=True)
class Bag:
    """LightGBM models as text, one per bootstrap sample of athletes.

    A member's trees give the deviation from `base_log_odds`, the log-odds of the event rate in training.
    """

    members: tuple[str, ...]
    feature_names: tuple[str, ...]
    base_log_odds: float


@dataclass(frozen=True)
class Calibration:
    """A monotone map from raw to calibrated log-odds.

    platt: intercept + slope x raw, coefficients (intercept, slope).
    beta: intercept + a x ln(p) - b x ln(1 - p) with p the raw probability, coefficients (intercept, a, b).
    """

    kind: CalibrationKind
    coefficients: tuple[float, ...]

    def log_odds(self, raw: Floats) -> Floats:
        raise NotImplementedError

    @property
    def is_constant(self) -> bool:
        """True if the scores carried nothing: every athlete gets the base rate."""
        return not any(self.coefficients[1:])


@dataclass(frozen=True)
class HorizonModel:
    """What predicts one horizon."""

    horizon_days: int
    bag: Bag
    calibration: Calibration


@dataclass(frozen=True)
class Predicted:
    """Predictions of all horizons: every array is (horizons, rows), horizons in ascending order."""

    horizons_days: tuple[int, ...]
    log_odds: Floats
    probability: Floats
    lower: Floats
    upper: Floats
    source_horizon: NDArray[np.int64]


def load_settings(folder: Path | None = None) -> Settings:
    raise NotImplementedError


def settings_from_json(found: Mapping[str, Any], where: str = "settings") -> Settings:
    raise NotImplementedError


def fit_bag(
    features: pd.DataFrame,
    label: Floats,
    athletes: NDArray[Any],
    settings: Settings,
    monotone: Mapping[str, int],
) -> tuple[Bag, Floats]:
    raise NotImplementedError


def member_log_odds(bag: Bag, features: pd.DataFrame) -> Floats:
    raise NotImplementedError


def fit_calibration(raw: Floats, label: Floats, kind: CalibrationKind = "platt") -> Calibration:
    raise NotImplementedError


def fit_horizons(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    athletes: NDArray[Any],
    settings: Settings,
    monotone: Mapping[str, int],
) -> tuple[HorizonModel, ...]:
    raise NotImplementedError


def predict(models: tuple[HorizonModel, ...], features: pd.DataFrame) -> Predicted:
    raise NotImplementedError
