"""What every learner is given and gives back, so that they can be compared in the same folds; and the default one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd
from numpy.typing import NDArray

from models.estimator import HorizonModel, Settings, fit_horizons, predict
from models.odds import Floats


@dataclass(frozen=True)
class TrainingRows:
    """Rows to learn from: one per athlete-day, already thinned (`splits.thin`), all frames of equal length.

    `features` holds only what the model may use, NaN where missing. `labels` has a column per horizon in days ("7",
    "14", "28"): 1 before an injury, 0 before none, NaN where the data end first. `index` has athlete_id and date;
    `squads` is who trains together. `monotone` maps a feature to +1 (a rise never lowers the score), -1 or 0.
    """

    features: pd.DataFrame
    labels: pd.DataFrame
    index: pd.DataFrame
    squads: NDArray[Any]
    monotone: Mapping[str, int]

    @property
    def horizons_days(self) -> tuple[int, ...]:
        """The columns of `labels` as numbers, ascending."""
        return tuple(sorted(int(column) for column in self.labels.columns))

    @property
    def athletes(self) -> NDArray[Any]:
        """Each row's athlete."""
        return self.index["athlete_id"].to_numpy()


class Fitted(Protocol):
    """A learner after training."""

    def chances(self, features: pd.DataFrame) -> Floats:
        """Calibrated probabilities (horizons ascending, rows); a longer horizon never below a shorter one."""
        ...


class Learner(Protocol):
    """A way to learn: its key in tables and how sentences call it."""

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str: ...

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Learn from `rows` alone, calibration included. NotReady where a horizon has no event or nothing else."""
        ...


@dataclass(frozen=True)
class FittedTrees:
    """A bag per horizon."""

    models: tuple[HorizonModel, ...]

    def chances(self, features: pd.DataFrame) -> Floats:
        """See `Fitted`."""
        return predict(self.models, features).probability


@dataclass(frozen=True)
class Trees:
    """What `strainwatch train` fits: straight effects and boosted trees, bagged over athletes, calibrated."""

    name: str = "model"
    label: str = "straight effects and trees"

    def fit(self, rows: TrainingRows, settings: Settings) -> FittedTrees:
        """See `Learner`."""
        return FittedTrees(fit_horizons(rows.features, rows.labels, rows.athletes, settings, rows.monotone))
