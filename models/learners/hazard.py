"""Discrete-time hazard with boosted trees: the chance of an injury in each stretch of the horizon, if none came before.

The horizons cut the time ahead into stretches (with 7, 14 and 28 days: days 1 to 7, 8 to 14, 15 to 28). An athlete-day
gives a row per stretch up to the injury or the end of follow-up; one bag of trees learns from all of them, each row
starting from its stretch's own event rate (the baseline over time). The chance by the end of a stretch is one less the
product of (1 - hazard), so that a longer horizon never scores lower. Tutz & Schmid 2016, Modeling Discrete
Time-to-Event Data, Springer, chapters 3 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.estimator import (
    Bag,
    Calibration,
    Settings,
    fit_bag,
    fit_calibration,
    member_log_odds,
    require_both_classes,
)
from models.learner import TrainingRows
from models.learners.trees_alone import alone
from models.odds import Floats, Ints, probability, rate_log_odds

DAYS_AHEAD = "days_ahead"
"""The feature that tells a row's stretch: its first day, counted from 0."""


@dataclass(frozen=True)
class FittedHazard:
    """`first_days` and `baseline` (log-odds) have one entry per stretch."""

    bag: Bag
    calibration: Calibration
    first_days: tuple[int, ...]
    baseline: Floats

    def chances(self, features: pd.DataFrame) -> Floats:
        """See `models.learner.Fitted`."""
        added = (
            member_log_odds(self.bag, features.assign(**{DAYS_AHEAD: day})).mean(axis=0) for day in self.first_days
        )
        raw = np.vstack([start + each for start, each in zip(self.baseline, added, strict=True)])
        return np.asarray(1 - np.cumprod(1 - probability(self.calibration.log_odds(raw)), axis=0))


@dataclass(frozen=True)
class DiscreteHazard:
    """See the module."""

    name: str = "hazard"
    label: str = "discrete-time hazard"

    def fit(self, rows: TrainingRows, settings: Settings) -> FittedHazard:
        """See `models.learner.Learner`."""
        row, stretch, label = stretches(rows.labels, rows.horizons_days)
        require_both_classes(label, "training the discrete-time hazard")
        first_days = (0, *rows.horizons_days[:-1])
        baseline = np.array([rate_log_odds(label[stretch == each]) for each in range(len(first_days))])
        features = rows.features.iloc[row].assign(**{DAYS_AHEAD: np.array(first_days)[stretch]})
        bag, added = fit_bag(features, label, rows.athletes[row], alone(settings), rows.monotone, baseline[stretch])
        calibration = fit_calibration(baseline[stretch] + added, label, settings.calibration)
        return FittedHazard(bag, calibration, first_days, baseline)


def stretches(labels: pd.DataFrame, horizons_days: tuple[int, ...]) -> tuple[Ints, Ints, Floats]:
    """Position of the athlete-day, number of the stretch, and 1 where the injury falls into it.

    A row has the stretches whose outcome is known and before which no injury came.
    """
    outcome = labels[[str(days) for days in horizons_days]].to_numpy(dtype=np.float64)
    free_before = np.column_stack([np.ones(len(outcome), dtype=bool), outcome[:, :-1] == 0])
    row, stretch = np.nonzero(free_before & np.isfinite(outcome))
    return row, stretch, outcome[row, stretch]
