"""`strainwatch verify`: does the method find what the simulator planted? Numbers with intervals over seeds.

A squad is simulated and learnt from; other athletes, one season later, are predicted and explained; what was said is
held against the truth. All of it holds for simulated athletes only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from models import splits
from models.gate import refusals
from pipelines.console import Report
from pipelines.pages import Section
from pipelines.recipe import Recipe
from pipelines.verification import checks, figures, report
from pipelines.verification.fitting import Fitted, fit
from pipelines.verification.nothing import LeakCheck, evaluated, leak_check, nothing
from pipelines.verification.numbers import Number, Summary, summarised
from pipelines.verification.squads import Squad, Switches, tested_squad, training_squad

FULL_SIZES = (40, 80, 200, 500, 1000)
LEAK_ATHLETES = 40
MOST_FOR_NOTHING = 200
TAUGHT_MEMBERS = 3
"""Labels without noise leave little to average out."""
COMPARING = "simulating, fitting, comparing with the truth"


@dataclass(frozen=True)
class Plan:
    """How much to simulate and to fit. `members` is the size of the bag that is judged; what is only compared
    with another model (sources, refits, ceilings) has bags of `evaluation_members`, as in an evaluation.

    Seeds run `side_by_side`: simulating keeps one processor busy, fitting and predicting two.
    """

    athletes: int
    seasons: int
    seeds: tuple[int, ...]
    sizes: tuple[int, ...]
    members: int
    refits: int
    of_truth: bool
    side_by_side: int
    test_athletes: int = 200


@dataclass(frozen=True)
class Verified:
    """All figures over seeds, the leak check, and why the first seed's model would not be promoted."""

    plan: Plan
    summary: Summary
    leaks: LeakCheck
    refusals: tuple[str, ...]
    processor_s: float

    def as_json(self) -> dict[str, Any]:
        return {
            "holds_for": "simulated athletes only",
            "plan": asdict(self.plan),
            "figures": self.summary.as_json(),
            "leak_check": asdict(self.leaks) | {"passed": self.leaks.passed},
            "promotion_refused_because": list(self.refusals),
            "processor_s": self.processor_s,
        }


def quick_plan(athletes: int, seasons: int, seeds: int, first_seed: int) -> Plan:
    """Every check on squads of one size, in minutes."""
    sizes = tuple(size for size in FULL_SIZES if size < athletes)
    return Plan(
        athletes, seasons, _seeds(seeds, first_seed), sizes, members=10, refits=3, of_truth=False, side_by_side=2
    )


def full_plan(seeds: int, first_seed: int) -> Plan:
    """A thousand athletes over three seasons, and each source's worth to a learner without noise.

    One pair of squads at a time: it keeps both processors busy, and two would not fit into little memory.
    """
    chosen = _seeds(seeds, first_seed)
    return Plan(FULL_SIZES[-1], 3, chosen, FULL_SIZES[:-1], members=10, refits=3, of_truth=True, side_by_side=1)


def _seeds(count: int, first: int) -> tuple[int, ...]:
    return tuple(range(first, first + count))


def verify(plan: Plan, recipe: Recipe, progress: Report) -> Verified:
    """Run every check on every seed."""
    started, seeds = _processor_s(), []
    progress(COMPARING, 0, len(plan.seeds))
    # Processes and not threads: LightGBM's number of threads is global, and training beside predicting crashes it.
    with ProcessPoolExecutor(plan.side_by_side, mp_context=get_context("spawn")) as pool:
        for numbers in pool.map(partial(_numbers, plan, recipe), plan.seeds):
            seeds.append(numbers)
            progress(COMPARING, len(seeds), len(plan.seeds))
    progress("looking for leaks", 0, 1)
    leaks = leak_check(recipe, LEAK_ATHLETES, plan.seeds[0])
    refused = refusals(evaluated(recipe, _trained(plan, recipe, plan.seeds[0])), checks.MAIN_DAYS, leaks.honest)
    progress("looking for leaks", 1, 1)
    return Verified(plan, summarised(seeds), leaks, refused, _processor_s() - started)


def _trained(plan: Plan, recipe: Recipe, seed: int) -> Squad:
    return training_squad(recipe, plan.athletes, plan.seasons, 2 * seed, Switches())


def _processor_s() -> float:
    """Of this process and those that it has waited for."""
    return sum(os.times()[:4])


def _numbers(plan: Plan, recipe: Recipe, seed: int) -> list[Number]:
    if plan.side_by_side == 1:
        return list(_one_seed(plan, recipe, seed))
    # One thread for each of the processes: several of each would mostly wait for one another.
    with threadpool_limits(limits=1):
        return list(_one_seed(plan, replace(recipe, settings=replace(recipe.settings, threads=1)), seed))


def _one_seed(plan: Plan, recipe: Recipe, seed: int) -> Iterator[Number]:
    """Every check on one pair of squads; even seeds train, odd ones are tested."""
    few = recipe.settings.evaluation_members
    trained = _trained(plan, recipe, seed)
    tested = tested_squad(recipe, plan.test_athletes, 2 * seed + 1, Switches())
    fitted = fit(recipe, trained, recipe.target.horizons_days, plan.members)
    predicted = fitted.predict(tested)
    yield from checks.discrimination(tested, predicted)
    yield from checks.calibration(tested, predicted)
    main = predicted.probability[predicted.horizons_days.index(checks.MAIN_DAYS)]
    yield Number(
        "alerts", "strains on flagged days / on all days", "model", checks.MAIN_DAYS,
        checks.alerts(tested, main, recipe.alerts),
    )  # fmt: skip
    taught = checks.taught(recipe, trained, TAUGHT_MEMBERS)
    yield from checks.ceilings(recipe, trained, tested, taught[checks.NOISE_FREE])
    yield from checks.explanation(recipe, trained, tested, fitted, taught)
    yield checks.stability(recipe, trained, tested, main, plan.refits, few)
    fewer = tested.rows(splits.thin(tested.index, recipe.settings.every_days))
    yield from _curve(plan, recipe, trained, fewer, fitted, seed)
    yield from checks.sources(recipe, trained, fewer, few, of_truth=plan.of_truth)
    yield from nothing(recipe, min(plan.athletes, MOST_FOR_NOTHING), plan.seasons, plan.test_athletes, 2 * seed)


def _curve(plan: Plan, recipe: Recipe, trained: Squad, tested: Squad, fitted: Fitted, seed: int) -> Iterator[Number]:
    """Smaller parts of the training squad, and the whole of it as fitted."""
    yield from checks.curve(recipe, trained, tested, plan.sizes, plan.members, seed)
    size = f"{plan.athletes:,}"
    yield Number("curve", "injuries in training", size, checks.MAIN_DAYS, float(trained.strains))
    yield Number("curve", "share of oracle", size, checks.MAIN_DAYS, checks.share(tested, fitted))


def as_sections(found: Verified, drawn: Mapping[str, Path] | None = None) -> tuple[Section, ...]:
    """Tables of all figures, with the pictures that were drawn."""
    return report.sections(found.summary, found.leaks, found.refusals, found.plan, drawn or {})


def write(found: Verified, folder: Path) -> Path:
    """numbers.json, figures as SVG, verification.md and verification.html in `folder`; returns the last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "numbers.json").write_text(json.dumps(found.as_json(), indent=1, default=str), encoding="utf-8")
    drawn = figures.draw(found.summary, folder)
    sections = as_sections(found, drawn)
    (folder / "verification.md").write_text(report.as_markdown(sections), encoding="utf-8")
    page = folder / "verification.html"
    page.write_text(report.as_html(sections), encoding="utf-8")
    return page
