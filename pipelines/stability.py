"""Refits of the pipeline on a training set: the intervals of its scores, and how much scores and flags would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models import splits
from models.estimator import HorizonModel, Ints
from models.instability import Instability, Reports, instability, refitted, with_spreads
from models.learner import TrainingRows
from pipelines.console import Report

if TYPE_CHECKING:
    from pipelines.train import Recipe, TrainingSet


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
    reports = _reports(training)
    found = refitted(
        models,
        rows_to_learn_from(training, recipe, monotone),
        reports,
        recipe.settings,
        refits,
        lambda done, total: progress("fitting again to other athletes", done, total),
    )
    return with_spreads(models, found), instability(found, reports, recipe.alerts)


def _reports(training: TrainingSet) -> Reports:
    squads = pd.Series(np.asarray(training.squads))
    rows = report_days(training.index["date"].reset_index(drop=True), squads)
    return Reports(
        features=training.features[training.model_features].iloc[rows],
        labels=training.labels.iloc[rows],
        index=training.index[["athlete_id", "date"]].iloc[rows].assign(squad=squads.to_numpy()[rows]),
    )


def report_days(date: pd.Series, squad: pd.Series) -> Ints:
    """Rows of the first day of each week (from Monday) on which the squad has rows."""
    week = date - pd.to_timedelta(date.dt.day_of_week, unit="D")
    return np.flatnonzero((date == date.groupby([squad, week]).transform("min")).to_numpy())
