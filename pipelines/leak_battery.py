"""The leak battery on a training set: which moments are built again, and what the checks say in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.build import build_features
from features.row_facts import prepare
from features.specs import DerivedSpec, FeatureSpec, WindowSpec
from models.foresight import builder
from models.leaks import LeakCheck, Material, Rebuilding, battery
from models.odds import Ints

if TYPE_CHECKING:
    from pipelines.recipe import Recipe
    from pipelines.training_set import TrainingSet

MORNINGS = 4
"""Instants just before injuries at which everybody's features are built again."""
DATED_ROWS = 600
NEVER_HAPPENED = frozenset({"injuries", "returns"})
"""Tables of events: a feature of them is missing where nothing happened, which is known."""
SINCE = frozenset({"days_since", "years_since", "days_since_rest"})


def leak_battery(training: TrainingSet, recipe: Recipe, monotone: Mapping[str, int]) -> tuple[LeakCheck, ...]:
    """Every leak check on what the model learns from."""
    material = Material(
        index=training.index,
        features=training.features[training.model_features],
        labels=training.labels,
        squads=np.asarray(training.squads),
        facts=absent_by_fact(training.specs),
    )
    return battery(material, _rebuilding(training, recipe), recipe.settings, monotone)


def _rebuilding(training: TrainingSet, recipe: Recipe) -> Rebuilding:
    dated = np.unique(np.linspace(0, len(training.index) - 1, DATED_ROWS).astype(np.int64))
    built = build_features(training.index.iloc[dated], prepare(training.tables, recipe.target), training.specs)
    return Rebuilding(
        build=builder(training.specs, recipe.target),
        tables=training.tables,
        moments=mornings(training.index, training.labels),
        dated=dated,
        value_dates=built.value_dates,
    )


def mornings(index: pd.DataFrame, labels: pd.DataFrame) -> Ints:
    """Everybody's rows on a few instants spread over those just before an injury, when there is something to see."""
    before = index.loc[labels[min(labels.columns, key=int)].to_numpy() == 1, "as_of"].drop_duplicates().sort_values()
    instants = before if len(before) else index["as_of"].drop_duplicates().sort_values()
    chosen = instants.iloc[np.linspace(0, len(instants) - 1, min(MORNINGS, len(instants))).astype(int)]
    return np.flatnonzero(index["as_of"].isin(chosen).to_numpy())


def absent_by_fact(specs: Sequence[FeatureSpec]) -> frozenset[str]:
    """Features that are missing where something never happened, and those derived from them."""
    found: set[str] = set()
    for spec in specs:
        if isinstance(spec, WindowSpec) and (spec.table in NEVER_HAPPENED or spec.aggregate in SINCE):
            found.add(spec.name)
        if isinstance(spec, DerivedSpec) and found & set(spec.inputs):
            found.add(spec.name)
    return frozenset(found)


def in_words(checks: Sequence[LeakCheck]) -> Iterator[str]:
    """How many checks passed; the sentence of each that failed, then of each that warns."""
    failed = [check for check in checks if not check.passed]
    yield f"Leak battery: {len(checks) - len(failed)} of {len(checks)} checks passed."
    for check in sorted(failed, key=lambda each: not each.blocks):
        yield f"{'Leak' if check.blocks else 'Warning'}: {check.sentence}"
