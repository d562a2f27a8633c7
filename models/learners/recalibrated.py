"""The default with another calibration on the same out-of-bag scores, to compare calibrations in the same
folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration import CALIBRATIONS
from models.estimator import Settings, fit_bag, member_log_odds
from models.learner import TrainingRows
from models.learners.crossfit import FittedParts, Score, fit_parts
from models.odds import Floats


@dataclass(frozen=True)
class Recalibrated:
    """`name` is a key of CALIBRATIONS."""

    name: str
    label: str

    def fit(self, rows: TrainingRows, settings: Settings) -> FittedParts:
        """See `models.learner.Learner`."""

        def fit_bags(features: pd.DataFrame, label: Floats, athletes: NDArray[Any]) -> tuple[Score, Floats]:
            bag, raw = fit_bag(features, label, athletes, settings, rows.monotone)
            return lambda asked: np.asarray(member_log_odds(bag, asked).mean(axis=0)), raw

        return fit_parts(rows, fit_bags, settings, CALIBRATIONS[self.name])
