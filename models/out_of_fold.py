"""Predictions of every fold's test rows by model, baselines and alternatives, each learning inside the fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import splits
from models.baselines import BASELINES, BaselineFeatures, Fit
from models.estimator import Settings, fit_horizons
from models.learner import Learner, TrainingRows
from models.odds import Floats, Ints
from models.recalibration import learn_recalibrations, predict_squads
from models.tested import MODEL

LabelsAsKnown = Callable[[pd.Timestamp], pd.DataFrame]
"""The labels of all rows as a training on the morning of a day would have made them, one column per horizon."""


@dataclass(frozen=True)
class Data:
    """What an evaluation is given; all frames have one row per row of the index."""

    index: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    onsets: pd.DataFrame
    model_features: list[str]
    squads: NDArray[Any]
    horizons_days: tuple[int, ...]
    as_known: LabelsAsKnown | None = None
    _known: dict[pd.Timestamp, pd.DataFrame] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        return [str(days) for days in self.horizons_days]

    def label(self, horizon_days: int) -> Floats:
        return self.labels[str(horizon_days)].to_numpy(dtype=np.float64)

    def known(self, cut: pd.Timestamp) -> pd.DataFrame:
        """Labels as known on the morning of `cut`; those of today where nobody can tell."""
        if self.as_known is None:
            return self.labels[self.columns]
        if cut not in self._known:
            self._known[cut] = self.as_known(cut)
        return self._known[cut][self.columns]

    def known_values(self, cut: pd.Timestamp) -> Floats:
        """`known` as (rows, horizons)."""
        return self.known(cut).to_numpy(dtype=np.float64)

    def taught(self, fold: splits.Fold) -> pd.DataFrame:
        """The labels that the fold's training part may see (all rows)."""
        return self.labels[self.columns] if fold.learns_later else self.known(fold.cut)


@dataclass(frozen=True)
class Learning:
    """How to learn in each fold; `baselines` and `alternatives` by key."""

    settings: Settings
    monotone: Mapping[str, int]
    baseline_features: BaselineFeatures
    baselines: Mapping[str, Fit] = field(default_factory=lambda: BASELINES)
    alternatives: Sequence[Learner] = ()


def predictions(
    data: Data,
    folds: Sequence[splits.Fold],
    learning: Learning,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """One row per tested athlete-day, repeat and horizon (see Evaluation), and remarks in plain sentences."""
    is_kept = np.zeros(len(data.index), dtype=bool)
    is_kept[splits.thin(data.index, learning.settings.every_days)] = True
    parts: list[pd.DataFrame] = []
    notes: list[str] = []
    constant = 0
    for number, fold in enumerate(folds):
        rows = _training_rows(data, fold, is_kept)
        chances, is_constant = _learners(data, fold, rows, learning)
        constant += is_constant
        for position, horizon in enumerate(data.horizons_days):
            columns, remarks = _baselines(data, fold, rows, horizon, learning)
            columns = {MODEL: chances[MODEL][position], **columns}
            columns |= {name: each[position] for name, each in chances.items()}
            parts.append(_fold_rows(data, fold, number, horizon, columns))
            notes += [remark for remark in remarks if remark not in notes]
        if progress:
            progress(number + 1, len(folds))
    if constant:
        fits = len(folds) * len(data.horizons_days)
        notes.append(f"In {constant} of {fits} fits the calibration found nothing and gave the base rate.")
    return pd.concat(parts, ignore_index=True), notes


def _training_rows(data: Data, fold: splits.Fold, is_kept: NDArray[np.bool_]) -> Ints:
    """The thinned rows; all of them where thinning would leave out the last row with an event."""
    labels = data.taught(fold)
    kept = fold.train[is_kept[fold.train]]
    has_both = all({0.0, 1.0} <= set(labels[column].to_numpy()[kept]) for column in labels)
    return kept if has_both else fold.train


def _learners(data: Data, fold: splits.Fold, rows: Ints, learning: Learning) -> tuple[dict[str, Floats], int]:
    """(horizons, test rows) probabilities of the model and each alternative, and in how many horizons the model's
    calibration is constant.

    All learn from the same rows with bags of the evaluation's size.
    """
    settings = replace(learning.settings, members=learning.settings.evaluation_members)
    usable = data.features[data.model_features]
    tested, labels = usable.iloc[fold.test], data.taught(fold).iloc[rows]
    given = TrainingRows(usable.iloc[rows], labels, data.index.iloc[rows], data.squads[rows], learning.monotone)
    fitted = fit_horizons(given.features, labels, given.athletes, settings, learning.monotone)
    own = learn_recalibrations(fitted, given.features, labels, given.index, given.squads, settings)
    chances = {MODEL: predict_squads(fitted, own, tested, data.squads[fold.test]).probability}
    for learner in learning.alternatives:
        chances[learner.name] = learner.fit(given, settings).chances(tested)
    return chances, sum(model.calibration.is_constant for model in fitted)


def _baselines(
    data: Data, fold: splits.Fold, rows: Ints, horizon_days: int, learning: Learning
) -> tuple[dict[str, Floats], list[str]]:
    label = data.taught(fold)[str(horizon_days)].to_numpy(dtype=np.float64)[rows]
    is_known = np.isfinite(label)
    learnt, tested = data.features.iloc[rows[is_known]], data.features.iloc[fold.test]
    fitted = [
        fit(learnt, label[is_known], learning.baseline_features, learning.settings)
        for fit in learning.baselines.values()
    ]
    return {each.name: each.predict(tested) for each in fitted}, [each.note for each in fitted if each.note]


def _fold_rows(
    data: Data, fold: splits.Fold, number: int, horizon_days: int, chances: Mapping[str, Floats]
) -> pd.DataFrame:
    tested = data.index.iloc[fold.test]
    return pd.DataFrame({
        "row": fold.test,
        "athlete_id": tested["athlete_id"].to_numpy(),
        "date": tested["date"].to_numpy(),
        "squad": data.squads[fold.test],
        "repeat": fold.repeat,
        "fold": number,
        "horizon_days": horizon_days,
        "label": data.label(horizon_days)[fold.test],
        **chances,
    })  # fmt: skip
