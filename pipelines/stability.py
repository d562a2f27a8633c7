"""Refits of the pipeline on a training set: the intervals of its scores, and how much scores and flags would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from models import alerts, splits
from models.estimator import HorizonModel
from models.instability import Instability, Reported, instability, refitted, with_spreads
from models.learner import TrainingRows
from pipelines.console import Report

if TYPE_CHECKING:
    from pipelines.recipe import Recipe
    from pipelines.training_set import TrainingSet


def rows_to_learn_from(training: TrainingSet, recipe: Recipe, monotone: Mapping[str, int]) -> TrainingRows:
    """What the model that is registered learns from."""
    rows = splits.thin(training.index, recipe.settings.every_days)
    return TrainingRows(
        features=training.features[training.model_features].iloc[rows],
        labels=training.labels.iloc[rows],
        index=training.index.iloc[rows],
        squads=np.asarray(training.squads)[rows],
        monotone=monotone,
    )


def stability(
    training: TrainingSet,
    recipe: Recipe,
    models: Sequence[HorizonModel],
    monotone: Mapping[str, int],
    refits: int,
    progress: Report,
) -> tuple[tuple[HorizonModel, ...], Instability]:
    """The models with their intervals, and how stable their answers are over `refits` refits."""
    reports = _reported(training)
    found = refitted(
        models,
        rows_to_learn_from(training, recipe, monotone),
        reports,
        recipe.settings,
        refits,
        lambda done, total: progress("fitting again to other athletes", done, total),
    )
    return with_spreads(models, found), instability(found, reports, recipe.alerts)


def _reported(training: TrainingSet) -> Reported:
    """The rows that weekly reports would have covered."""
    index = training.index[["athlete_id", "date"]].assign(squad=np.asarray(training.squads))
    rows = alerts.reports(index.assign(repeat=0, fold=0)).row
    features = training.features[training.model_features].iloc[rows]
    return Reported(features, training.labels.iloc[rows], index.iloc[rows])
