"""Nothing from nothing: where nothing foretells a strain, nothing may be found; and a planted leak must be caught."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from configs.errors import NotReady
from models.evaluation import Evaluation, evaluate
from models.foresight import builder, sees_the_future
from models.gate import refusals
from models.leaks import TOO_GOOD, too_good
from pipelines.recipe import BASELINE_FEATURES, Recipe
from pipelines.simulate import simulate
from pipelines.verification.checks import MAIN_DAYS, RESAMPLES, alerts
from pipelines.verification.fitting import fit, monotone, usable
from pipelines.verification.leaks import PLANTED, with_planted_leak
from pipelines.verification.measures import auroc_draws, expected_auroc
from pipelines.verification.numbers import Number
from pipelines.verification.squads import (
    TRAINED_UNTIL,
    Squad,
    Switches,
    needed_specs,
    squad_of,
    tested_squad,
    training_squad,
)

WITHOUT_EFFECTS = Switches(effects=False, exposure=False)
BUDGETS = (1, 3, 5)
_MOMENTS = 4


@dataclass(frozen=True)
class LeakCheck:
    """What the leak checks said of the honest features and of the planted one."""

    honest: tuple[str, ...]
    planted_sees_the_future: bool
    planted_auroc: float

    @property
    def passed(self) -> bool:
        return not self.honest and self.planted_sees_the_future and self.planted_auroc > TOO_GOOD


def nothing(recipe: Recipe, athletes: int, seasons: int, test_athletes: int, seed: int) -> Iterator[Number]:
    """A model of strains that nothing foretells: its AUROC, its alerts, and whether it would be promoted."""
    trained = training_squad(recipe, athletes, seasons, seed, WITHOUT_EFFECTS)
    tested = tested_squad(recipe, test_athletes, seed + 1, WITHOUT_EFFECTS)
    predicted = fit(recipe, trained, (MAIN_DAYS,), recipe.settings.evaluation_members).predict(tested)
    score, events = predicted.log_odds[0], tested.labels[str(MAIN_DAYS)].to_numpy()
    drawn = auroc_draws(score, events, pd.factorize(tested.athletes)[0].astype(np.int64), RESAMPLES, seed)[1:]
    yield Number("nothing", "AUROC against events", "model", MAIN_DAYS, expected_auroc(score, events))
    for side, percentile in (("lower", 2.5), ("upper", 97.5)):
        value = float(np.percentile(drawn, percentile))
        yield Number("nothing", f"AUROC against events, athletes resampled, {side}", "model", MAIN_DAYS, value)
    for budget in BUDGETS:
        value = alerts(tested, predicted.probability[0], budget)
        yield Number("nothing", "strains on flagged days / on all days", f"{budget} alerts", MAIN_DAYS, value)
    refused = bool(refusals(evaluated(recipe, trained), MAIN_DAYS, ()))
    yield Number("nothing", "gate refuses", "model", MAIN_DAYS, float(refused))


def evaluated(recipe: Recipe, squad: Squad) -> Evaluation | None:
    """The evaluation of `strainwatch evaluate` on one horizon, with fewer folds; None where data are too few."""
    settings = replace(recipe.settings, athlete_folds=2, time_blocks=1, resamples=RESAMPLES)
    names = usable(recipe, squad)
    labels = squad.labels[[str(MAIN_DAYS)]]
    try:
        return evaluate(
            squad.index, squad.features, labels, squad.onsets, settings, monotone(recipe, names), BASELINE_FEATURES,
            model_features=names, squads=list(squad.teams),
        )  # fmt: skip
    except NotReady:
        return None


def leak_check(recipe: Recipe, athletes: int, seed: int) -> LeakCheck:
    """Both leak checks on a squad's features and on one planted among them."""
    world = simulate(athletes, 1, seed, TRAINED_UNTIL)
    tables, squad = world.tables, squad_of(world, recipe, None, thinned=True)
    build = with_planted_leak(builder(needed_specs(recipe.specs), recipe.target), recipe.target, seed)
    seen = sees_the_future(build, _moments(squad), tables)
    features = build(squad.index, tables)[[*usable(recipe, squad), PLANTED]]
    alone = too_good(features, squad.labels, squad.athletes)
    honest = {*seen, *alone} - {PLANTED}
    return LeakCheck(tuple(sorted(honest)), PLANTED in seen, alone.get(PLANTED, np.nan))


def _moments(squad: Squad) -> pd.DataFrame:
    """Everybody on a few mornings just before a strain, when there is something to see."""
    shortest = squad.labels.columns[0]
    mornings = squad.index.loc[squad.labels[shortest] == 1, "as_of"].drop_duplicates().sort_values()
    chosen = mornings.iloc[np.linspace(0, len(mornings) - 1, min(_MOMENTS, len(mornings))).astype(int)]
    return squad.index[squad.index["as_of"].isin(chosen)]
