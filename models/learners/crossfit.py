"""Scores of athletes that a model did not learn from, inside its training rows, and the calibration that rests on
them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.estimator import Settings, fit_calibration, require_both_classes
from models.learner import TrainingRows
from models.odds import Floats, probability

FOLDS = 3
"""Each held-out score comes from a model that learnt from two thirds of the athletes, as in a bag (assumption)."""

Score = Callable[[pd.DataFrame], Floats]
"""Raw log-odds of rows."""


class HasLogOdds(Protocol):
    """A map from raw to calibrated log-odds."""

    def log_odds(self, raw: Floats) -> Floats: ...


@dataclass(frozen=True)
class Part:
    """What predicts one horizon."""

    score: Score
    calibration: HasLogOdds


@dataclass(frozen=True)
class FittedParts:
    """One model per horizon, ascending."""

    parts: tuple[Part, ...]

    def chances(self, features: pd.DataFrame) -> Floats:
        """See `models.learner.Fitted`."""
        return ascending([probability(part.calibration.log_odds(part.score(features))) for part in self.parts])


def ascending(chances: list[Floats]) -> Floats:
    """(horizons, rows) probabilities of which a longer horizon's is never below a shorter one's."""
    return np.asarray(np.maximum.accumulate(np.vstack(chances), axis=0))


Fit = Callable[[pd.DataFrame, Floats, NDArray[Any]], tuple[Score, Floats]]
"""Learns one horizon from features, label (1 or 0) and athletes: a score, and the rows' own held-out scores."""

Calibrate = Callable[[Floats, Floats], HasLogOdds]
"""A map learnt from held-out raw log-odds (NaN where there is none) and label."""


def fit_parts(rows: TrainingRows, fit: Fit, settings: Settings, calibrate: Calibrate | None = None) -> FittedParts:
    """A calibrated model per horizon; censored rows are left out. NotReady where a horizon has one class only."""
    chosen = calibrate or (lambda raw, label: fit_calibration(raw, label, settings.calibration))
    return FittedParts(tuple(_part(rows, days, fit, chosen) for days in rows.horizons_days))


def _part(rows: TrainingRows, horizon_days: int, fit: Fit, calibrate: Calibrate) -> Part:
    label = rows.labels[str(horizon_days)].to_numpy(dtype=np.float64)
    known = np.flatnonzero(np.isfinite(label))
    require_both_classes(label[known], f"training the {horizon_days}-day horizon")
    score, held_out = fit(rows.features.iloc[known], label[known], rows.athletes[known])
    return Part(score, calibrate(held_out, label[known]))


def held_out_scores(
    features: pd.DataFrame,
    label: Floats,
    athletes: NDArray[Any],
    settings: Settings,
    fit: Callable[[pd.DataFrame, Floats], Score],
) -> Floats:
    """Each row's raw score by a model that learnt from other athletes; all NaN with fewer than two injured ones."""
    from sklearn.model_selection import StratifiedGroupKFold

    found = np.full(len(label), np.nan)
    folds = min(FOLDS, len(np.unique(athletes[label == 1])))
    if folds < 2:
        return found
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=settings.seed).split(features, label, athletes)
    for learnt, tested in split:
        if 0 < label[learnt].sum() < len(learnt):
            found[tested] = fit(features.iloc[learnt], label[learnt])(features.iloc[tested])
    return found
