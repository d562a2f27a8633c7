"""What a training is asked besides how well it ranks: is there a leak, is there enough data, is it stable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models import metrics
from models.estimator import HorizonModel, fit_horizons
from models.instability import Instability
from models.leaks import LeakCheck
from models.sample_size import SampleSize, sample_size
from pipelines import leak_battery
from pipelines.console import Report
from pipelines.stability import rows_to_learn_from, stability

if TYPE_CHECKING:
    from pipelines.recipe import Recipe
    from pipelines.training_set import TrainingSet


@dataclass(frozen=True)
class Scrutiny:
    """Leak checks, Riley's criteria per horizon, and how stable the models are."""

    leaks: tuple[LeakCheck, ...]
    sizes: tuple[SampleSize, ...]
    instability: Instability

    def as_json(self) -> dict[str, Any]:
        """What a bundle keeps of it."""
        return {
            "leaks": [check.as_json() for check in self.leaks],
            "sample_size": [size.as_json() for size in self.sizes],
            "instability": self.instability.as_json(),
        }

    def sentences(self) -> tuple[str, ...]:
        """For the verdict; Riley's criteria are in that of the evaluation."""
        return (*leak_battery.in_words(self.leaks), *self.instability.sentences())

    def figures(self) -> dict[str, Any]:
        """Instability of risks and of decision curves."""
        from models.instability_figures import instability_figures  # here: a help text needs no matplotlib

        return dict(instability_figures(self.instability))


def scrutinise(
    training: TrainingSet,
    recipe: Recipe,
    models: Sequence[HorizonModel],
    monotone: Mapping[str, int],
    progress: Report,
) -> tuple[tuple[HorizonModel, ...], Scrutiny]:
    """The models with their intervals, and what was found of them."""
    progress("looking for leaks", 0, 1)
    leaks = leak_battery.leak_battery(training, recipe, monotone)
    progress("looking for leaks", 1, 1)
    models, unstable = stability(training, recipe, models, monotone, recipe.settings.refits, progress)
    return models, Scrutiny(leaks, tuple(sample_sizes(training)), unstable)


def examine(
    training: TrainingSet, recipe: Recipe, monotone: Mapping[str, int], refits: int | None, progress: Report
) -> Scrutiny:
    """The same for a recipe that is only judged; `refits` replaces the number in model.toml."""
    settings = recipe.settings if refits is None else replace(recipe.settings, refits=refits)
    rows = rows_to_learn_from(training, recipe, monotone)
    progress("fitting the bag", 0, 1)
    models = fit_horizons(rows.features, rows.labels, rows.athletes, settings, monotone)
    progress("fitting the bag", 1, 1)
    return scrutinise(training, replace(recipe, settings=settings), models, monotone, progress)[1]


def write_scrutiny(scrutiny: Scrutiny, folder: Path) -> None:
    """scrutiny.json, instability_by_athlete.csv and the figures, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(scrutiny.as_json(), indent=1, allow_nan=False)
    (folder / "scrutiny.json").write_text(content, encoding="utf-8")
    scrutiny.instability.by_athlete().to_csv(folder / "instability_by_athlete.csv", index=False)
    for stem, figure in scrutiny.figures().items():
        figure.savefig(folder / f"{stem}.png", dpi=120)


def sample_sizes(training: TrainingSet) -> Iterator[SampleSize]:
    """Riley's criteria at each horizon that has injuries and days without."""
    used = int(training.features[training.model_features].notna().any().sum())
    for days in training.labels:
        label = training.labels[days].to_numpy(dtype=np.float64)
        rate = float(np.nanmean(label))
        if 0 < rate < 1:
            covered = metrics.covered_injuries(training.index.assign(label=label), training.onsets, int(str(days)))
            injuries = len(covered[["athlete_id", "onset"]].drop_duplicates())
            yield sample_size(injuries, used, rate, int(str(days)))
