"""Do a score's intervals hold what they claim? Coverage on simulated squads whose true risk is known.

    python -m benchmarks.stability --athletes 40 --sets 16

Squads to learn from are drawn from one large simulated population, so that they are as good as independent; all score
the same days of other athletes one season later. An interval ought to hold the score that the pipeline gives on average
over squads (of all squads but its own) nine times in ten. How often it holds the true risk is printed beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.estimator import fit_horizons, predict
from models.instability import Reported, refitted, with_spreads
from models.learner import TrainingRows
from models.odds import Floats
from pipelines.recipe import Recipe, load_recipe
from pipelines.verification.fitting import monotone, usable
from pipelines.verification.squads import Squad, Switches, tested_squad, training_squad

DAYS = 14
POPULATION, SEASONS, TESTED = 500, 2, 60
TESTED_EVERY = 31
"""Of the tested athlete-days so many are passed over: neighbouring ones say almost the same."""


@dataclass(frozen=True)
class Scored:
    """One training squad's probabilities of the tested days, with their intervals."""

    probability: Floats
    lower: Floats
    upper: Floats


def main() -> None:
    given = _arguments()
    recipe = load_recipe()
    settings = replace(recipe.settings, refits=given.refits or recipe.settings.refits)
    recipe = replace(recipe, settings=settings)
    population = training_squad(recipe, POPULATION, SEASONS, given.seed, Switches())
    tested = tested_squad(recipe, TESTED, given.seed + 1, Switches())
    tested = tested.rows(np.arange(0, len(tested.index), TESTED_EVERY))
    scored = [_scored(recipe, population.of_athletes(given.athletes, seed), tested) for seed in range(given.sets)]
    print(f"{given.sets} squads of {given.athletes} athletes, {settings.refits} refits each, {len(tested.index)} days")
    for name, value in _figures(scored, tested.oracle[str(DAYS)].to_numpy()):
        print(f"{name:58s} {value:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--athletes", type=int, default=40, help="athletes to learn from")
    parser.add_argument("--sets", type=int, default=16, help="squads drawn")
    parser.add_argument("--refits", type=int, default=0, help="default: refits of model.toml")
    parser.add_argument("--seed", type=int, default=71)
    return parser.parse_args()


def _scored(recipe: Recipe, squad: Squad, tested: Squad) -> Scored:
    names = usable(recipe, squad)
    labels = squad.labels[[str(DAYS)]]
    rows = TrainingRows(squad.features[names], labels, squad.index, squad.teams, monotone(recipe, names))
    models = fit_horizons(rows.features, labels, rows.athletes, recipe.settings, rows.monotone)
    own = np.arange(0, len(squad.index), 2)
    judged = Reported(rows.features.iloc[own], labels.iloc[own], squad.index.iloc[own])
    found = refitted(models, rows, judged, recipe.settings, recipe.settings.refits)
    predicted = predict(with_spreads(models, found), tested.features[names])
    return Scored(predicted.probability[0], predicted.lower[0], predicted.upper[0])


def _figures(scored: list[Scored], truth: Floats) -> Iterator[tuple[str, float]]:
    chance = np.stack([each.probability for each in scored])
    others = (chance.sum(axis=0) - chance) / (len(scored) - 1)
    yield "holds the score on average over squads (claimed: 0.90)", _covered(scored, others)
    yield "holds the score of another squad's model", _another(scored, chance)
    yield "holds the true risk (not claimed)", _covered(scored, np.broadcast_to(truth, chance.shape))
    yield "upper over lower end, median", float(np.median([each.upper / each.lower for each in scored]))
    yield "sd of the log score: over days", float(np.log(others).std(axis=1).mean())
    yield "sd of the log score: over squads", float(np.log(chance).std(axis=0, ddof=1).mean())
    yield "sd of the log true risk over days", float(np.log(truth).std())


def _covered(scored: list[Scored], target: Floats) -> float:
    inside = [(each.lower <= row) & (row <= each.upper) for each, row in zip(scored, target, strict=True)]
    return float(np.mean(inside))


def _another(scored: list[Scored], chance: Floats) -> float:
    pairs = [(i, j) for i in range(len(scored)) for j in range(len(scored)) if i != j]
    return float(np.mean([(scored[i].lower <= chance[j]) & (chance[j] <= scored[i].upper) for i, j in pairs]))


if __name__ == "__main__":
    main()
