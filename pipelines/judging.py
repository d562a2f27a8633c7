"""What an evaluation needs beside a training set: labels as known on a day, groups of athletes, baselines' features."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.episodes import with_onsets
from features.labels import label
from features.specs import WindowSpec
from features.windows import known_by
from models.baselines import BaselineFeatures
from models.odds import Floats
from models.out_of_fold import LabelsAsKnown

if TYPE_CHECKING:
    from pipelines.recipe import Recipe
    from pipelines.training_set import TrainingSet

DAY = pd.Timedelta(days=1)
AGE_BANDS = {"under 21": 21.0, "21 to 24": 25.0, "25 to 29": 30.0, "30 and over": np.inf}
"""Upper ends in years (assumption)."""
TENURE_BANDS = {"first 3 months on record": 91.0, "3 to 12 months on record": 365.0, "over a year on record": np.inf}
"""Upper ends in days since the athlete's first recorded day (assumption)."""
WEEKLY_TABLES = ("sessions", "wellness")
"""Training diaries: what the runners of Lövdal 2021 wrote down."""


def labels_as_known(training: TrainingSet, recipe: Recipe) -> LabelsAsKnown:
    """The labels of the training set's rows as `strainwatch train` would have made them on the morning of a day.

    An injury counts if it was known by the prediction hour of that morning; a horizon that then ran past the follow-up
    is NaN. Only who is in the index is today's knowledge.
    """

    def as_known(day: pd.Timestamp) -> pd.DataFrame:
        moment = recipe.target.as_of(pd.DatetimeIndex([day]))[0]
        tables = with_onsets(known_by(training.tables, moment), recipe.target)
        return label(training.index, tables, recipe.target, min(training.data_cut, day - DAY))

    return as_known


def subgroups(training: TrainingSet, baselines: BaselineFeatures) -> pd.DataFrame:
    """Sex, age band, position, history and time on record of each row's athlete; missing where not known."""
    who = training.index["athlete_id"]
    athletes = training.tables["athletes"].drop_duplicates("athlete_id", keep="last").set_index("athlete_id")
    coverage = training.tables["coverage"].groupby("athlete_id")["first_date"].min()
    on_record = _days_since(training.index["date"], who.map(coverage))
    age = _days_since(training.index["date"], who.map(athletes["birth_date"])) / 365.25
    return pd.DataFrame({
        "sex": who.map(athletes["sex"]).to_numpy(dtype=object),
        "age": _bands(age, AGE_BANDS),
        "position": who.map(athletes["position"]).to_numpy(dtype=object),
        "history": _history(training, baselines),
        "time on record": _bands(on_record, TENURE_BANDS),
    })  # fmt: skip


def _days_since(date: pd.Series, start: pd.Series) -> Floats:
    return np.asarray((date - start).dt.days, dtype=np.float64)


def _bands(values: Floats, bands: dict[str, float]) -> pd.Series:
    """The band of each value, in the order of `bands`; missing for NaN."""
    places = np.searchsorted(list(bands.values()), values, side="right")
    codes = np.where(np.isnan(values), -1, places)
    dtype = pd.CategoricalDtype(list(bands), ordered=True)
    return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))


def _history(training: TrainingSet, baselines: BaselineFeatures) -> list[str | None]:
    """Whether a previous injury is on record; None where no feature counts them."""
    counted = [name for name in baselines.history if name in training.features]
    if not counted:
        return [None] * len(training.index)
    has_one = (training.features[counted] > 0).any(axis=1)
    return ["previous injury" if each else "none on record" for each in has_one]


def with_weekly(baselines: BaselineFeatures, training: TrainingSet) -> BaselineFeatures:
    """The baselines' features with those of diaries whose window is at most seven days."""
    used = set(training.model_features)
    weekly = [
        spec.name for spec in training.specs
        if isinstance(spec, WindowSpec) and spec.name in used and spec.table in WEEKLY_TABLES
        and spec.window_days + spec.lag_days <= 7
    ]  # fmt: skip
    return replace(baselines, weekly=tuple(weekly))
