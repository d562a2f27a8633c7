"""The default learner beside the alternatives, on simulated squads whose true risk is known.

python -m benchmarks.learners [--sizes 40 200] [--seeds 4] [--members 10] [--only learners calibrations stopping]
    [--worlds effects nothing] [--learners elastic_net,trees,ebm]

`--sizes 1000` takes hours with all learners. Squads of two seasons teach; 200 other athletes, one season later, are
tested on every third day. AUROC is told against the risk that came about (without the luck of the draw) and against
drawn injuries; slope, O:E, error (ICI: mean distance of a chance from the true one of rows with like chances, in
percentage points) and the log-loss gained over the base rate (x 1,000) against the true risk. Intervals are Student's
t over seeds; differences are paired by seed. The world with nothing has nothing to be foretold: there every spread is
an invention.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks import report
from models import metrics, splits
from models.calibration import CALIBRATIONS
from models.estimator import Settings, fit_bag, member_log_odds
from models.learner import Learner, TrainingRows, Trees
from models.learners import EVERY, chosen
from models.learners.recalibrated import Recalibrated
from models.odds import Floats, probability
from pipelines.recipe import Recipe, load_recipe
from pipelines.verification.fitting import monotone, usable
from pipelines.verification.measures import Estimate, expected_auroc, over_seeds
from pipelines.verification.squads import Squad, Switches, tested_squad, training_squad

SEASONS, TEST_ATHLETES = 2, 200
HORIZONS = (7, 14)
DAYS = 14
GROUPS = 40
WORLDS = {"effects": Switches(), "nothing": Switches(effects=False, exposure=False)}
STOPPING = (0, 10, 30)
FILE = "learners.jsonl"


@dataclass(frozen=True)
class Pair:
    """A squad to learn from and one to be tested on, both thinned."""

    taught: Squad
    tested: Squad
    names: list[str]
    directions: Mapping[str, int]

    @property
    def rows(self) -> TrainingRows:
        labels = self.taught.labels[[str(days) for days in HORIZONS]]
        features = self.taught.features[self.names]
        return TrainingRows(features, labels, self.taught.index, self.taught.teams, self.directions)

    @property
    def asked(self) -> pd.DataFrame:
        return self.tested.features[self.names]


def pair(recipe: Recipe, athletes: int, seed: int, world: str) -> Pair:
    taught = training_squad(recipe, athletes, SEASONS, 2 * seed, WORLDS[world])
    tested = tested_squad(recipe, TEST_ATHLETES, 2 * seed + 1, WORLDS[world])
    names = usable(recipe, taught)
    every_third = tested.rows(splits.thin(tested.index, recipe.settings.every_days))
    return Pair(taught, every_third, names, monotone(recipe, names))


@dataclass(frozen=True)
class Judged:
    """One learner on one pair; `gain` is in thousandths, `error` in percentage points, `spread` in log-odds."""

    auroc: float
    auroc_events: float
    slope: float
    observed_expected: float
    error: float
    gain: float
    spread: float
    seconds: float = np.nan


def judged(chance: Floats, tested: Squad, seconds: float = np.nan) -> Judged:
    true = 1 - np.exp(-tested.came[str(DAYS)].to_numpy(dtype=np.float64))
    rows = metrics.clusters(true, tested.athletes, 1, 0)
    base = np.full(len(true), true.mean())
    return Judged(
        expected_auroc(chance, true),
        expected_auroc(chance, tested.labels[str(DAYS)].to_numpy(dtype=np.float64)),
        float(metrics.calibration_slope(rows, chance)[0]),
        float(metrics.observed_expected(rows, chance)[0]),
        100 * _error(chance, true),
        1000 * (_loss(base, true) - _loss(chance, true)),
        float(np.log(chance / (1 - chance)).std()),
        seconds,
    )


def _error(chance: Floats, true: Floats) -> float:
    groups = np.array_split(np.argsort(chance, kind="stable"), GROUPS)
    return float(sum(abs(true[each].mean() - chance[each].mean()) * len(each) for each in groups) / len(true))


def _loss(chance: Floats, true: Floats) -> float:
    return float(-(true * np.log(chance) + (1 - true) * np.log1p(-chance)).mean())


def compare_learners(given: Pair, settings: Settings, others: Sequence[Learner]) -> Iterator[tuple[str, Judged]]:
    """The default first, then the others; seconds are of the processor."""
    for learner in (Trees(), *others):
        started = time.process_time()
        fitted = learner.fit(given.rows, settings)
        seconds = time.process_time() - started
        chance = fitted.chances(given.asked)[HORIZONS.index(DAYS)]
        yield learner.label, judged(chance, given.tested, seconds)


def other_learners(names: str) -> list[Learner]:
    """Those asked for that differ from the default in more than calibration."""
    return [each for each in chosen(names) if not isinstance(each, Recalibrated)]


def compare_calibrations(given: Pair, settings: Settings) -> Iterator[tuple[str, Judged]]:
    """Every map on the same out-of-bag scores of the same bag."""
    yield from _calibrated(given, settings, {name: name for name in CALIBRATIONS})


def compare_stopping(given: Pair, settings: Settings) -> Iterator[tuple[str, Judged]]:
    """All trees, or each member stopped by its own unseen athletes."""
    for rounds in STOPPING:
        name = f"stop after {rounds}" if rounds else "all trees"
        yield from _calibrated(given, replace(settings, early_stopping_rounds=rounds), {name: settings.calibration})


def _calibrated(given: Pair, settings: Settings, maps: Mapping[str, str]) -> Iterator[tuple[str, Judged]]:
    """One bag for one horizon with each of `maps` (name: key of CALIBRATIONS)."""
    label = given.taught.labels[str(DAYS)].to_numpy(dtype=np.float64)
    bag, raw = fit_bag(given.rows.features, label, given.taught.athletes, settings, given.directions)
    asked = member_log_odds(bag, given.asked).mean(axis=0)
    for name, key in maps.items():
        yield name, judged(probability(CALIBRATIONS[key](raw, label).log_odds(asked)), given.tested)


Part = Callable[[Pair, Settings], Iterator[tuple[str, Judged]]]


PARTS = ("learners", "calibrations", "stopping")


def comparison(part: str, learners: str) -> Part:
    """What fits and judges, of PARTS."""
    if part == "learners":
        return partial(compare_learners, others=other_learners(learners))
    return compare_calibrations if part == "calibrations" else compare_stopping


COLUMNS = ("", "AUROC", "less the first's", "AUROC, events", "slope", "O:E", "error", "gain", "less the first's",
           "spread", "s")  # fmt: skip


def table(part: str, compare: Part, athletes: int, seeds: int, members: int, world: str) -> None:
    recipe = load_recipe()
    settings = replace(recipe.settings, members=members, threads=1)
    found: dict[str, list[Judged]] = {}
    for seed in range(1, seeds + 1):
        for name, each in compare(pair(recipe, athletes, seed, world), settings):
            found.setdefault(name, []).append(each)
            report.keep(FILE, f"{part}, {world}", [{"athletes": athletes, "seed": seed, "name": name, **asdict(each)}])
            report.note(f"{part}, {world}, {athletes} athletes, seed {seed}: {name}")
    first = next(iter(found.values()))
    squads = f"{athletes} athletes, {SEASONS} seasons, {seeds} seeds"
    heading = f"{part}, world with {world}: {squads}, {DAYS} days, {members} members"
    report.show(heading, COLUMNS, [_line(name, each, first) for name, each in found.items()])


def _line(name: str, found: Sequence[Judged], first: Sequence[Judged]) -> tuple[str, ...]:
    def mean(what: str, decimals: int = 2) -> str:
        return _interval(over_seeds([getattr(each, what) for each in found]), decimals)

    def gained(what: str, decimals: int) -> str:
        apart = [getattr(one, what) - getattr(other, what) for one, other in zip(found, first, strict=True)]
        return "" if found is first else _interval(over_seeds(apart), decimals, "+")

    seconds = float(np.mean([each.seconds for each in found]))
    return (
        name, mean("auroc", 3), gained("auroc", 3), mean("auroc_events", 3), mean("slope"), mean("observed_expected"),
        mean("error"), mean("gain"), gained("gain", 2), mean("spread"), "" if np.isnan(seconds) else f"{seconds:.0f}",
    )  # fmt: skip


def _interval(found: Estimate, decimals: int, sign: str = "") -> str:
    """Seeds without the figure (a constant has no slope) are left out and counted; one seed gives no interval."""
    absent = int(np.isnan(found.by_seed).sum())
    value, lower, upper = (f"{each:{sign}.{decimals}f}" for each in (found.value, found.lower, found.upper))
    told = f"{value} ({lower} to {upper})" if np.isfinite(found.lower) else value
    return told + (f" -{absent}" if absent else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[40, 200])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--worlds", choices=tuple(WORLDS), nargs="+", default=list(WORLDS))
    parser.add_argument("--learners", default=EVERY, help="names with commas between")
    given = parser.parse_args()
    for part in given.only:
        for athletes in given.sizes:
            for world in given.worlds:
                table(part, comparison(part, given.learners), athletes, given.seeds, given.members, world)


if __name__ == "__main__":
    main()
