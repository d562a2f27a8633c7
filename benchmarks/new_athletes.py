"""From how many days of data on the model beats age and injury history, on simulated squads whose true risk is known.

python -m benchmarks.new_athletes [--sizes 40 200] [--seeds 3]

Unseen athletes of a later season are scored at ten moments, each time as if everything measured more than so many days
before had never been recorded; what is asked at signing (age, past injuries) stays. Both scores are judged against the
risk that came about, not against drawn injuries: the log-loss is the expected one, less that of the truth itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks import report
from features.build import build_values
from features.labels import at_risk_index
from features.row_facts import prepare
from models.estimator import Predicted, predict
from models.fallback import Fallback, fit_fallback, predict_fallback, share_missing
from models.odds import Floats
from models.recalibration import unseen_scores
from pipelines.recipe import BASELINE_FEATURES, Recipe, load_recipe
from pipelines.simulate import World, simulate
from pipelines.verification.fitting import Fitted, fit
from pipelines.verification.measures import expected_auroc, over_seeds
from pipelines.verification.squads import (
    TEST_SEASONS,
    TESTED_UNTIL,
    TRAINED_UNTIL,
    Switches,
    came_about,
    needed_specs,
    training_squad,
)

DAYS_KEPT = (0, 3, 7, 14, 28, 56, 10_000)
TESTED_ATHLETES = 150
MOMENTS = 10
HORIZONS = (7, 14, 28)
MEASURED = ("sessions", "wellness", "wearable_days", "strength_tests", "screenings", "interventions")
COLUMNS = ("kept", "missing", "model", "age + history", "difference", "AUROC", "of age + history", "interval holds")


@dataclass(frozen=True)
class Moments:
    """Prediction moments with the chance of an injury that came about, (horizons, rows)."""

    index: pd.DataFrame
    chance: Floats


def moments(world: World, recipe: Recipe) -> Moments:
    """Everybody at risk on MOMENTS days of the tested season, far enough from its end for every horizon."""
    tables = prepare(world.tables, recipe.target)
    first, last = pd.Timestamp(TRAINED_UNTIL) + pd.Timedelta(days=60), pd.Timestamp(TESTED_UNTIL)
    every = (last - first).days // (MOMENTS + 1)
    index, _ = at_risk_index(tables, recipe.target, first, last - pd.Timedelta(days=HORIZONS[-1] + 5), every)
    truth = pd.MultiIndex.from_frame(world.truth[["athlete_id", "date"]])
    place = pd.Series(np.arange(len(truth)), truth).loc[pd.MultiIndex.from_frame(index[["athlete_id", "date"]])]
    came = np.vstack([came_about(world.truth, days)[place.to_numpy()] for days in HORIZONS])
    is_at_risk = world.truth["at_risk"].to_numpy()[place.to_numpy()]  # some injuries were never recorded
    return Moments(index[is_at_risk].reset_index(drop=True), 1 - np.exp(-came[:, is_at_risk]))


def values(world: World, recipe: Recipe, index: pd.DataFrame, kept_days: int) -> pd.DataFrame:
    """Features of every moment from the last `kept_days` days of measurements."""
    parts = []
    for date, rows in index.groupby("date"):
        cut = _cut(world.tables, pd.Timestamp(str(date)) - pd.Timedelta(days=kept_days))
        parts.append(build_values(rows, prepare(cut, recipe.target), needed_specs(recipe.specs)))
    return pd.concat(parts).loc[index.index]


def _cut(tables: Mapping[str, pd.DataFrame], first: pd.Timestamp) -> dict[str, pd.DataFrame]:
    kept = {name: table[table["date"] >= first] if name in MEASURED else table for name, table in tables.items()}
    coverage = kept["coverage"]
    is_measured = coverage["table"].isin(MEASURED)
    coverage = coverage[~is_measured | (coverage["last_date"] >= first)]
    is_early = coverage["table"].isin(MEASURED) & (coverage["first_date"] < first)
    starts = coverage["first_date"].mask(is_early, first)
    return {**kept, "coverage": coverage.assign(first_date=starts)}


@dataclass(frozen=True)
class Judged:
    """One of two scores at one horizon: expected log-loss above the truth's own (x 1,000), AUROC, and the share of true
    risks within the interval, which is shown of the fall-back (docs/stability.md has the model's)."""

    loss: float
    auroc: float
    holds: float


def judged(said: Predicted, chance: Floats) -> list[Judged]:
    found = []
    for row, true in enumerate(chance):
        said_chance = said.probability[row]
        loss = _loss(said_chance, true) - _loss(true, true)
        holds = ((said.lower[row] <= true) & (true <= said.upper[row])).mean()
        found.append(Judged(1000 * loss, expected_auroc(said_chance, true), float(holds)))
    return found


def _loss(said: Floats, true: Floats) -> float:
    said = np.clip(said, 1e-9, 1 - 1e-9)
    return float(-(true * np.log(said) + (1 - true) * np.log(1 - said)).mean())


@dataclass(frozen=True)
class Learnt:
    """The model and the fall-back of one training squad, and how often each feature was missing there."""

    fitted: Fitted
    fallback: tuple[Fallback, ...]
    missed: Mapping[str, float]


def learn(recipe: Recipe, athletes: int, seed: int) -> Learnt:
    squad = training_squad(recipe, athletes, 2, seed, Switches())
    fitted = fit(recipe, squad, HORIZONS, recipe.settings.members)
    labels = squad.labels[[str(days) for days in HORIZONS]]
    athletes_of_rows, settings = squad.athletes, recipe.settings
    unseen = unseen_scores(fitted.models, squad.features, labels, athletes_of_rows, settings)
    fallback = fit_fallback(unseen, squad.features, labels, athletes_of_rows, BASELINE_FEATURES, settings)
    return Learnt(fitted, fallback, dict(squad.features.isna().mean()))


@dataclass(frozen=True)
class Told:
    """What one seed showed at one horizon and one length of data."""

    share_missing: float
    model: Judged
    alone: Judged


def trial(recipe: Recipe, size: int, seed: int) -> dict[tuple[int, int], Told]:
    """By horizon and days kept."""
    learnt = learn(recipe, size, seed)
    world = simulate(TESTED_ATHLETES, TEST_SEASONS, 500 + seed, TESTED_UNTIL)
    tested = moments(world, recipe)
    told: dict[tuple[int, int], Told] = {}
    for kept_days in DAYS_KEPT:
        found = values(world, recipe, tested.index, kept_days)
        share = float(np.median(share_missing(found, learnt.fitted.features, learnt.missed)))
        model = judged(predict(learnt.fitted.models, found[learnt.fitted.features]), tested.chance)
        alone = judged(predict_fallback(learnt.fallback, found), tested.chance)
        told |= {(days, kept_days): Told(share, *both) for days, *both in zip(HORIZONS, model, alone, strict=True)}
    return told


def table(size: int, seeds: int) -> None:
    recipe = load_recipe()
    recipe = replace(recipe, settings=replace(recipe.settings, threads=1))
    trials = []
    for seed in range(1, seeds + 1):
        trials.append(trial(recipe, size, seed))
        report.note(f"seed {seed} of {seeds}, {size} athletes")
    for days in HORIZONS:
        rows = [_line(kept, [each[days, kept] for each in trials]) for kept in DAYS_KEPT]
        report.show(f"Trained on {size} athletes, {days} days ahead, {seeds} seeds", COLUMNS, rows)


def _line(kept_days: int, told: Sequence[Told]) -> tuple[str, ...]:
    gain = over_seeds([each.alone.loss - each.model.loss for each in told])
    means = {name: [np.mean([getattr(getattr(each, who), name) for each in told]) for who in ("model", "alone")]
             for name in ("loss", "auroc", "holds")}  # fmt: skip
    return (
        "all" if kept_days == DAYS_KEPT[-1] else str(kept_days),
        f"{100 * np.mean([each.share_missing for each in told]):.0f} %",
        *(f"{value:.2f}" for value in means["loss"]),
        f"{gain.value:+.2f} ({gain.lower:+.2f} to {gain.upper:+.2f})",
        *(f"{value:.3f}" for value in means["auroc"]),
        f"{100 * means['holds'][1]:.0f} %",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=(40, 200))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for size in given.sizes:
        table(size, given.seeds)


if __name__ == "__main__":
    main()
