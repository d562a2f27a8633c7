"""Elastic-net logistic regression, its penalty chosen on athletes that it did not learn from.

Zou & Hastie 2005, J R Stat Soc B 67(2):301-320. Medians, missing indicators, scaling and weights come from the training
rows alone (models/logistic.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.estimator import Settings
from models.learner import TrainingRows
from models.learners.crossfit import FittedParts, Score, fit_parts, held_out_scores
from models.logistic import learn_logistic
from models.odds import Floats


@dataclass(frozen=True)
class Penalty:
    """`inverse` is scikit-learn's C for features of unit spread, `l1_share` its l1_ratio: 0 is ridge, 1 lasso."""

    inverse: float
    l1_share: float


PENALTIES = (Penalty(3e-4, 0.0), Penalty(1e-3, 0.0), Penalty(3e-3, 0.0), Penalty(2e-2, 0.5))
"""From the strongest: the first of equals is taken (assumption: for about a hundred features)."""


@dataclass(frozen=True)
class ElasticNet:
    """See the module."""

    name: str = "elastic_net"
    label: str = "elastic net"

    def fit(self, rows: TrainingRows, settings: Settings) -> FittedParts:
        """See `models.learner.Learner`."""
        return fit_parts(rows, partial(fit_penalised, settings=settings), settings)


def fit_penalised(
    features: pd.DataFrame, label: Floats, athletes: NDArray[Any], settings: Settings
) -> tuple[Score, Floats]:
    """The regression with the best penalty, and the held-out scores that the choice rests on.

    One choice among few, made on the very scores that are calibrated: what it flatters them by is small.
    """
    scores = {each: held_out_scores(features, label, athletes, settings, _with(each)) for each in PENALTIES}
    best = min(PENALTIES, key=lambda each: _log_loss(scores[each], label))
    return _with(best)(features, label), scores[best]


def _with(penalty: Penalty) -> Callable[[pd.DataFrame, Floats], Score]:
    def fit(features: pd.DataFrame, label: Floats) -> Score:
        usable = [str(name) for name, column in features.items() if column.notna().any()]
        return learn_logistic(features, label, usable, penalty.inverse, penalty.l1_share).log_odds

    return fit


def _log_loss(raw: Floats, label: Floats) -> float:
    """Mean over the rows with a score; infinite without one."""
    scored = np.isfinite(raw)
    loss = np.logaddexp(0.0, raw[scored]) - label[scored] * raw[scored]
    return float(loss.mean()) if scored.any() else np.inf
