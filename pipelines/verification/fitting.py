"""The project's own model on simulated squads, and the same learner taught by the truth instead of by injuries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from models import splits
from models.alerts import Budget, flags
from models.estimator import (
    Calibration,
    HorizonModel,
    Predicted,
    fit_bag,
    fit_horizons,
    predict,
)
from models.explain import by_factor, contributions, contributions_of_prediction
from models.odds import Floats, probability
from pipelines.recipe import Recipe
from pipelines.verification.measures import Bools
from pipelines.verification.squads import Squad, needed_specs

TAUGHT_DAYS = 15
"""A true share has no noise: rows so far apart teach it as well as rows of every third day (tried at 200 athletes)."""


@dataclass(frozen=True)
class Fitted:
    """Models and the features that they were given."""

    models: tuple[HorizonModel, ...]
    features: list[str]

    def predict(self, squad: Squad) -> Predicted:
        return predict(self.models, squad.features[self.features])


def fit(
    recipe: Recipe, squad: Squad, horizons: Sequence[int], members: int, without: frozenset[str] = frozenset()
) -> Fitted:
    """The model as `strainwatch train` fits it, but for the size of the bag; `without` are features withheld."""
    names = usable(recipe, squad, without)
    labels = squad.labels[[str(days) for days in horizons]]
    settings = replace(recipe.settings, members=members)
    models = fit_horizons(squad.features[names], labels, squad.athletes, settings, monotone(recipe, names))
    return Fitted(models, names)


def usable(recipe: Recipe, squad: Squad, without: frozenset[str] = frozenset()) -> list[str]:
    """Features that the model may use and that vary in the squad."""
    allowed = [spec.name for spec in recipe.specs if spec.in_model and spec.name not in without]
    return [name for name in allowed if squad.features[name].min() < squad.features[name].max()]


def monotone(recipe: Recipe, names: Sequence[str]) -> dict[str, int]:
    return {spec.name: spec.monotone for spec in recipe.specs if spec.name in set(names)}


def fit_to_truth(
    recipe: Recipe, squad: Squad, log_odds: Floats, days: int, members: int, without: frozenset[str] = frozenset()
) -> Fitted:
    """The same learner taught by as many events as non-events, drawn from the true odds.

    The true odds of every row are multiplied by one number until half of the rows are expected to have an event. That
    shifts all log-odds alike and so changes neither ranks nor contributions, but every row now tells nearly a whole
    bit: what is left between this model and the truth is what features and trees cannot express.
    """
    names = usable(recipe, squad, without)
    settings = replace(recipe.settings, members=members)
    drawn = np.random.default_rng(settings.seed).random(len(log_odds))
    events = (drawn < probability(centred(log_odds))).astype(np.float64)
    bag, _ = fit_bag(squad.features[names], events, squad.athletes, settings, monotone(recipe, names))
    return Fitted((HorizonModel(days, bag, Calibration("platt", (0.0, 1.0))),), names)


def centred(log_odds: Floats) -> Floats:
    """`log_odds` shifted so that the mean probability is a half."""
    low, high = -float(log_odds.max()), -float(log_odds.min())
    for _ in range(60):
        middle = (low + high) / 2
        if probability(log_odds + middle).mean() < 0.5:
            low = middle
        else:
            high = middle
    return log_odds + (low + high) / 2


def reported(squad: Squad) -> Bools:
    """Rows of the day on which a team's weekly report is written."""
    return ~np.isnan(flag_shares(squad, np.zeros(len(squad.index)), 1))


def flagged(squad: Squad, chance: Floats, budget: Budget) -> Bools:
    """Rows among the `budget` highest of their team's weekly report."""
    return np.nan_to_num(flag_shares(squad, chance, budget)) > 0.5


def flag_shares(squad: Squad, chance: Floats, budget: Budget) -> Floats:
    """How surely each row is flagged, equal scores sharing the last places; NaN where no report is written."""
    return flags(squad.index.assign(squad=squad.teams, repeat=0, fold=0, probability=chance), budget)


def explained(recipe: Recipe, fitted: Fitted, squad: Squad, days: int) -> pd.DataFrame:
    """What staff read: each row's signed contribution by factor, in log-odds of the `days`-day prediction."""
    values = squad.features[fitted.features]
    if len(fitted.models) == 1:
        shares = contributions(fitted.models[0], values)[1]
    else:
        shares = contributions_of_prediction(fitted.models, fitted.predict(squad), values, days)[1]
    return by_factor(shares, needed_specs(recipe.specs))


def true_shares(squad: Squad, days: int, factors: Sequence[str]) -> Floats:
    return squad.shares[days][list(factors)].to_numpy(dtype=np.float64)


def regressed(recipe: Recipe, trained: Squad, squad: Squad, truths: pd.DataFrame) -> pd.DataFrame:
    """Each of `truths` (a row for each of the trained squad's) as boosted trees tell it for the other squad's rows.

    They see what the model may use. No model of injuries could be taught so: what is missed here is not in the records.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    names, few = usable(recipe, trained), splits.thin(trained.index, TAUGHT_DAYS)
    given = trained.features[names].iloc[few].to_numpy(dtype=np.float64)
    asked = squad.features[names].to_numpy(dtype=np.float64)
    found = {}
    for name, truth in truths.iloc[few].items():
        learner = HistGradientBoostingRegressor(
            max_iter=150, max_leaf_nodes=15, max_bins=63, min_samples_leaf=40, early_stopping=False,
            random_state=recipe.settings.seed,
        )  # fmt: skip
        found[str(name)] = learner.fit(given, truth.to_numpy()).predict(asked)
    return pd.DataFrame(found)


def bootstrapped(squad: Squad, seed: int) -> Squad:
    """A squad of as many athletes drawn with replacement; the copies of one athlete count as different athletes."""
    names, codes = np.unique(squad.athletes, return_inverse=True)
    drawn = np.random.default_rng(seed).integers(len(names), size=len(names))
    where = [np.flatnonzero(codes == each) for each in range(len(names))]
    rows = np.concatenate([where[each] for each in drawn])
    copy = np.repeat(np.arange(len(drawn)), [len(where[each]) for each in drawn])
    found = squad.rows(rows)
    ids: npt.NDArray[np.object_] = np.array([f"copy {number}" for number in copy], dtype=object)
    return replace(found, index=found.index.assign(athlete_id=ids))
