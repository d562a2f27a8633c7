"""The rows that a model learns from: every athlete-day at risk with features as known then, and its labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from configs.errors import NotReady
from features.build import build_values
from features.labels import at_risk_index, label, onsets
from features.row_facts import prepare
from features.specs import FeatureSpec, with_inputs
from features.target import Target
from features.windows import known_by
from pipelines.console import Report, silent
from pipelines.data import Store, data_cut, read_tables
from pipelines.recipe import Recipe

log = logging.getLogger(__name__)

Build = Callable[[pd.DataFrame, Mapping[str, pd.DataFrame], Sequence[FeatureSpec]], pd.DataFrame]
"""Index, prepared tables and specs in; the features' values out, one row per row of the index."""


@dataclass(frozen=True)
class TrainingSet:
    """Prediction moments at risk with features and labels, row by row, and what was left out on the way.

    `specs` are those of the recipe that this data can fill; `model_features` the ones that the model may use.
    """

    tables: Mapping[str, pd.DataFrame]
    index: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    onsets: pd.DataFrame
    squads: Sequence[str]
    specs: tuple[FeatureSpec, ...]
    model_features: list[str]
    attrition: Mapping[str, int]
    data_cut: pd.Timestamp


def training_set(
    store: Store, recipe: Recipe, until: pd.Timestamp | None = None, progress: Report = silent
) -> TrainingSet:
    """Features and labels of every athlete-day at risk that the store can tell of."""
    progress("building features", 0, 1)
    training = assemble(read_tables(store), recipe, until)
    progress("building features", 1, 1)
    return training


def assemble(
    every: Mapping[str, pd.DataFrame], recipe: Recipe, until: pd.Timestamp | None, build: Build = build_values
) -> TrainingSet:
    """The training set that contract tables give; with `until`, of what was known by then.

    `build` makes the features of the index (see `features.build.build_values`); whoever assembles many sets of one
    store looks them up instead, since features at a moment are the same whatever became known later.
    """
    _require_data_by(every["coverage"], until)
    tables = _known_by(every, recipe.target, until)
    cut = _cut(tables, until)
    prepared = prepare(tables, recipe.target)
    first = prepared["coverage"]["first_date"].min()
    index, attrition = at_risk_index(prepared, recipe.target, first, cut)
    if index.empty:
        raise NotReady(f"No athlete-day at risk up to {cut:%Y-%m-%d}. Left out: {attrition or 'nothing'}.")
    labels = label(index, prepared, recipe.target, cut)
    values = build(index, prepared, recipe.specs)
    specs, model_features = _usable(recipe.specs, values)
    attrition |= {f"horizon of {days} days past the data": int(labels[days].isna().sum()) for days in labels}
    _log_attrition(len(index), attrition)
    return TrainingSet(
        tables=tables,
        index=index,
        features=values[[spec.name for spec in specs]],
        labels=labels,
        onsets=onsets(prepared, recipe.target),
        squads=list(index["athlete_id"].map(_squads(tables["athletes"]))),
        specs=specs,
        model_features=model_features,
        attrition=attrition,
        data_cut=cut,
    )


def directions(training: TrainingSet) -> dict[str, int]:
    """Each model feature with the direction that the model is held to: 1, -1, or 0 for none."""
    used = set(training.model_features)
    return {spec.name: spec.monotone for spec in training.specs if spec.name in used}


def _known_by(
    tables: Mapping[str, pd.DataFrame], target: Target, until: pd.Timestamp | None
) -> Mapping[str, pd.DataFrame]:
    """The tables as they stood at the prediction hour of the day after `until`; all of them without one."""
    if until is None:
        return tables
    return known_by(tables, target.as_of(pd.DatetimeIndex([until + pd.Timedelta(days=1)]))[0])


def _require_data_by(coverage: pd.DataFrame, until: pd.Timestamp | None) -> None:
    first = coverage["first_date"].min()
    if until is not None and until < first:
        raise NotReady(
            f"--until {until:%Y-%m-%d} lies before the first day of the data, {first:%Y-%m-%d}. Give a later day."
        )


def _cut(tables: Mapping[str, pd.DataFrame], until: pd.Timestamp | None) -> pd.Timestamp:
    if tables["coverage"].empty:
        raise NotReady(
            "The store holds no coverage, which says from when to when a source was in use: there is nothing to "
            "train on. Run `strainwatch ingest`; our own CSV tables need a coverage.csv beside them (docs/adapters.md)."
        )
    cut = data_cut(tables)
    return cut if until is None else min(cut, until)


def _squads(athletes: pd.DataFrame) -> pd.Series:
    return athletes.drop_duplicates("athlete_id", keep="last").set_index("athlete_id")["squad"]


def _usable(specs: Sequence[FeatureSpec], values: pd.DataFrame) -> tuple[tuple[FeatureSpec, ...], list[str]]:
    """Specs that vary in this data, with the inputs they need, and the names that the model may use."""
    varies = {str(name) for name, column in values.items() if column.min() < column.max()}
    kept = with_inputs(specs, varies)
    names = [spec.name for spec in kept if spec.in_model and spec.name in varies]
    if not names:
        raise NotReady("No feature varies in this data: there is nothing to learn from.")
    return kept, names


def _log_attrition(kept: int, attrition: Mapping[str, int]) -> None:
    parts = ", ".join(f"{reason} {count:,}" for reason, count in attrition.items())
    log.info("%s athlete-days at risk; left out or censored: %s", f"{kept:,}", parts or "none")
