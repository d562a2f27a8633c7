"""The mean of two calibrated log-odds: trees alone and a penalised regression, calibrated once more.

A regression learns straight effects from few injuries, trees bends and interactions from many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.estimator import Settings, fit_bag, fit_calibration, member_log_odds
from models.learner import TrainingRows
from models.learners.crossfit import FittedParts, Score, fit_parts
from models.learners.elastic_net import fit_penalised
from models.learners.trees_alone import alone
from models.odds import Floats


@dataclass(frozen=True)
class Blend:
    """See the module."""

    name: str = "blend"
    label: str = "trees and elastic net"

    def fit(self, rows: TrainingRows, settings: Settings) -> FittedParts:
        """See `models.learner.Learner`."""

        def fit_both(features: pd.DataFrame, label: Floats, athletes: NDArray[Any]) -> tuple[Score, Floats]:
            bag, out_of_bag = fit_bag(features, label, athletes, alone(settings), rows.monotone)
            straight, held_out = fit_penalised(features, label, athletes, settings)
            own, other = (fit_calibration(raw, label, settings.calibration) for raw in (out_of_bag, held_out))

            def score(asked: pd.DataFrame) -> Floats:
                trees = own.log_odds(member_log_odds(bag, asked).mean(axis=0))
                return np.asarray((trees + other.log_odds(straight(asked))) / 2)

            return score, (own.log_odds(out_of_bag) + other.log_odds(held_out)) / 2

        return fit_parts(rows, fit_both, settings)
