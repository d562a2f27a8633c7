"""Simulated squads as a model meets them, each prediction moment with the truth beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.build import build_values
from features.labels import at_risk_index, label, onsets
from features.row_facts import prepare
from features.specs import FeatureSpec, model_features, with_inputs
from features.target import Target
from models import splits
from models.odds import Floats
from pipelines.recipe import Recipe
from pipelines.simulate import World, simulate
from pipelines.simulation.settings import load_settings as simulation_settings
from pipelines.simulation.truth import horizon_shares

TRAINED_UNTIL = date(2025, 6, 1)
TESTED_UNTIL = date(2026, 6, 1)
TEST_SEASONS = 2
"""The first season of a tested squad only fills the features' windows; the second is tested."""
SHORTEST_LEAK_DAYS = 3
"""Beside the target's horizons, labels look so far ahead: a feature that sees tomorrow shows best there."""


TEAM_SIZE = 25
"""The alert budget is spent per team of so many, as in a club's report."""


@dataclass(frozen=True)
class Switches:
    """What the simulator plants; see docs/simulation.md."""

    effects: bool = True
    exposure: bool = True


@dataclass(frozen=True)
class Squad:
    """Prediction moments with features, labels and truth, row by row.

    `came` is the hazard that came about over each horizon: the sum of the days' hazards, of which the drawn events
    are one outcome. `oracle` is what the simulator's oracle said, `shares` each factor's true share by horizon.
    """

    tables: Mapping[str, pd.DataFrame]
    index: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    onsets: pd.DataFrame
    teams: npt.NDArray[np.object_]
    came: pd.DataFrame
    oracle: pd.DataFrame
    shares: Mapping[int, pd.DataFrame]

    @property
    def athletes(self) -> npt.NDArray[np.object_]:
        return self.index["athlete_id"].to_numpy(dtype=object)

    @property
    def strains(self) -> int:
        """How many onsets fall into the time of its moments; careers before that are told by features alone."""
        return int((self.onsets["date"] >= self.index["date"].min()).sum())

    def rows(self, kept: npt.NDArray[np.int64]) -> Squad:
        """The squad at some of its moments."""
        return replace(
            self,
            index=self.index.iloc[kept].reset_index(drop=True),
            features=self.features.iloc[kept].reset_index(drop=True),
            labels=self.labels.iloc[kept].reset_index(drop=True),
            teams=self.teams[kept],
            came=self.came.iloc[kept].reset_index(drop=True),
            oracle=self.oracle.iloc[kept].reset_index(drop=True),
            shares={days: each.iloc[kept].reset_index(drop=True) for days, each in self.shares.items()},
        )

    def of_athletes(self, count: int, seed: int) -> Squad:
        """`count` athletes drawn at random."""
        names = np.unique(self.athletes)
        chosen = np.random.default_rng(seed).choice(names, min(count, len(names)), replace=False)
        drawn = self.rows(np.flatnonzero(np.isin(self.athletes, chosen)))
        return replace(drawn, onsets=self.onsets[self.onsets["athlete_id"].isin(chosen)])


def training_squad(recipe: Recipe, athletes: int, seasons: int, seed: int, planted: Switches) -> Squad:
    """A squad to learn from, its days thinned as `train` does."""
    world = _world(athletes, seasons, seed, TRAINED_UNTIL, planted)
    return squad_of(world, recipe, None, thinned=True)


def tested_squad(recipe: Recipe, athletes: int, seed: int, planted: Switches) -> Squad:
    """Other athletes, one season later than every training squad, on every day."""
    world = _world(athletes, TEST_SEASONS, seed, TESTED_UNTIL, planted)
    return squad_of(world, recipe, pd.Timestamp(TRAINED_UNTIL) + pd.Timedelta(days=1), thinned=False)


def _world(athletes: int, seasons: int, seed: int, until: date, planted: Switches) -> World:
    return simulate(athletes, seasons, seed, until, effects=planted.effects, exposure=planted.exposure)


def squad_of(world: World, recipe: Recipe, first: pd.Timestamp | None, *, thinned: bool) -> Squad:
    """The world's athlete-days at risk, by record and in truth, whose outcome is known over every horizon."""
    tables = prepare(world.tables, recipe.target)
    start, cut = tables["coverage"]["first_date"].min(), tables["coverage"]["last_date"].max()
    index, _ = at_risk_index(tables, recipe.target, start if first is None else first, cut)
    if thinned:
        index = index.iloc[splits.thin(index, recipe.settings.every_days)].reset_index(drop=True)
    labels = label(index, tables, _with_shortest(recipe.target), cut)
    is_at_risk = world.truth["at_risk"].to_numpy()[_places(world.truth, index)]  # some injuries were never recorded
    known = labels.notna().all(axis=1).to_numpy() & is_at_risk
    index, labels = index[known].reset_index(drop=True), labels[known].reset_index(drop=True)
    place = _places(world.truth, index)
    horizons = recipe.target.horizons_days
    squads = world.tables["athletes"].drop_duplicates("athlete_id", keep="last").set_index("athlete_id")["squad"]
    team = teams(squads)
    return Squad(
        tables=tables,
        index=index,
        features=build_values(index, tables, needed_specs(recipe.specs)),
        labels=labels,
        onsets=onsets(tables, recipe.target),
        teams=index["athlete_id"].map(team).to_numpy(dtype=object),
        came=pd.DataFrame({str(days): came_about(world.truth, days)[place] for days in horizons}),
        oracle=pd.DataFrame({str(days): world.truth[f"oracle_{days}"].to_numpy()[place] for days in horizons}),
        shares=_shares(world.truth, place, horizons),
    )


def _with_shortest(target: Target) -> Target:
    return replace(target, horizons_days=tuple(sorted({SHORTEST_LEAK_DAYS, *target.horizons_days})))


def _places(truth: pd.DataFrame, index: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The row of the truth that belongs to each moment."""
    rows = pd.Series(np.arange(len(truth)), index=pd.MultiIndex.from_frame(truth[["athlete_id", "date"]]))
    return rows.loc[pd.MultiIndex.from_frame(index[["athlete_id", "date"]])].to_numpy(dtype=np.int64)


def came_about(truth: pd.DataFrame, days: int) -> Floats:
    """Per athlete-day the hazard of this day and the `days` - 1 after it, as far as the athlete stayed."""
    athlete = pd.factorize(truth["athlete_id"])[0]
    total = np.concatenate([[0.0], np.cumsum(truth["hazard"].to_numpy())])
    ends = np.searchsorted(athlete, athlete, side="right")
    rows = np.arange(len(truth))
    found: Floats = total[np.minimum(rows + days, ends)] - total[rows]
    return found


def _shares(truth: pd.DataFrame, place: npt.NDArray[np.int64], horizons: Sequence[int]) -> dict[int, pd.DataFrame]:
    """Without the prefix `share_`; the truth's own centre is the mean over all its days at risk."""
    settings = simulation_settings()
    found = {}
    for days in horizons:
        shares = horizon_shares(truth, days, settings).iloc[place].reset_index(drop=True)
        found[days] = shares.rename(columns=lambda name: str(name).removeprefix("share_"))
    return found


def teams(squads: pd.Series) -> pd.Series:
    """A team per athlete: blocks of TEAM_SIZE within each squad, in order of id, as the simulator's own."""
    ordered = squads.sort_index(kind="stable")
    number = ordered.groupby(ordered).cumcount() // TEAM_SIZE
    return ordered + " " + (number + 1).astype("str")


def needed_specs(specs: Sequence[FeatureSpec]) -> tuple[FeatureSpec, ...]:
    """The specs that the model may use, and what they are derived from."""
    return with_inputs(specs, model_features(specs))
