"""The smallest change of next week that would bring a score to the next lower band: what the score would say.

Rows are changed and all features built anew, so that what hangs together changes together. It is a statement about the
score, neither advice nor cause: whether the tissue would follow, nobody has measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from features.build import build_values
from features.row_facts import prepare
from features.specs import FeatureSpec, with_inputs
from features.target import Target
from models.estimator import HorizonModel, predict
from models.levers import WEEK, Change, Lever, NextWeek, like_last_week
from models.odds import Floats

STEPS = (0.5, 1.0)
FINE = tuple(np.arange(1, 9) / 8)
TRIED = 5
"""Levers that help most; only these are combined."""

Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Move:
    """One lever's part of a change, as its shown feature tells it: before and after, in the feature's unit."""

    lever: Lever
    share: float
    before: float
    after: float


@dataclass(frozen=True)
class Counterfactual:
    """What the score would say a week on: after a week like the last (`unchanged`), and with `moves` (`changed`).

    Probabilities. Without moves nothing has to change (`unchanged` is below the limit), or nothing plausible suffices.
    """

    limit: float
    unchanged: float
    changed: float
    moves: tuple[Move, ...]

    @property
    def reaches(self) -> bool:
        return self.changed < self.limit


@dataclass(frozen=True)
class Question:
    """All that the search needs besides one athlete's tables.

    `models` are those of the athlete's squad; `low` and `high` the range of each feature that the squad shows today.
    """

    models: tuple[HorizonModel, ...]
    specs: Sequence[FeatureSpec]
    target: Target
    horizon_days: int
    levers: tuple[Lever, ...]
    most_changes: int
    low: pd.Series
    high: pd.Series

    def needed(self) -> tuple[FeatureSpec, ...]:
        """The specs of the model's features and of those shown, with all that these are derived from."""
        return with_inputs(self.specs, [*self.models[0].bag.feature_names, *(lever.shown for lever in self.levers)])


def smallest_change(
    tables: Mapping[str, pd.DataFrame], date: pd.Timestamp, limit: float, question: Question
) -> Counterfactual:
    """The change of fewest levers, and of these the one that moves them least, that brings the score below `limit`.

    `tables` are one athlete's contract tables as known on the morning of `date`.
    """
    world = _World(like_last_week(tables, date), question)
    singles = world.tried([{lever.key: step} for lever in question.levers for step in STEPS])
    if singles.unchanged < limit:
        return Counterfactual(limit, singles.unchanged, singles.unchanged, ())
    helpful = list(_furthest(singles).items())[:TRIED]
    for size in range(1, question.most_changes + 1):
        found = world.tried([dict(each) for each in combinations(helpful, size)])
        if reaching := [found.changes[place] for place in found.below(limit)]:
            finer = world.tried([_scaled(each, part) for part in FINE for each in reaching])
            return _least(finer, limit, question)
    return Counterfactual(limit, singles.unchanged, singles.unchanged, ())


@dataclass(frozen=True)
class _Tried:
    """Changes with the features that follow, the score, and whether every feature stays in the squad's range.

    The first row of `values` is the week without a change; `unchanged` is its score.
    """

    changes: Sequence[Change]
    values: pd.DataFrame
    unchanged: float
    chance: Floats
    fits: Bools

    def below(self, limit: float) -> list[int]:
        """Places of the changes that may happen and that bring the score below `limit`."""
        return np.flatnonzero(self.fits & (self.chance < limit)).tolist()


@dataclass(frozen=True)
class _World:
    """One athlete's next week, and what is asked of it."""

    week: NextWeek
    question: Question

    def tried(self, changes: Sequence[Change]) -> _Tried:
        """Each change, and before them none, as an athlete of its own, so that all features are built at once."""
        ids, together = self.week.changed(({}, *changes), self.question.levers)
        days = pd.DatetimeIndex([self.week.date + WEEK] * len(ids)).as_unit("us")
        index = pd.DataFrame(
            {"athlete_id": pd.Series(ids, dtype="str"), "date": days, "as_of": self.question.target.as_of(days)}
        )
        values = build_values(index, prepare(together, self.question.target), self.question.needed())
        predicted = predict(self.question.models, values)
        chance = predicted.probability[predicted.horizons_days.index(self.question.horizon_days)]
        return _Tried(changes, values, float(chance[0]), chance[1:], self._plausible(values)[1:])

    def _plausible(self, values: pd.DataFrame) -> Bools:
        """Each feature within what the squad shows today, or no further out than the unchanged week (the first row)."""
        names = [name for name in self.question.models[0].bag.feature_names if name in self.question.low.index]
        found, first = values[names], values[names].iloc[0]
        low = np.fmin(self.question.low[names], first)
        high = np.fmax(self.question.high[names], first)
        inside = (found.ge(low - 1e-9) & found.le(high + 1e-9)) | found.isna()
        same_known = (found.notna() == first.notna()) | (found.notna() & first.isna())
        return np.asarray((inside & same_known).all(axis=1))


def _furthest(singles: _Tried) -> dict[str, float]:
    """By lever the furthest plausible step that lowers the score, the most helpful lever first."""
    best: dict[str, tuple[float, float]] = {}
    for place in singles.below(singles.unchanged * (1 - 1e-6)):
        ((key, share),) = singles.changes[place].items()
        if singles.chance[place] < best.get(key, (1.0, 0.0))[0]:
            best[key] = (float(singles.chance[place]), share)
    return {key: share for key, (_, share) in sorted(best.items(), key=lambda item: (item[1][0], item[0]))}


def _scaled(change: Change, part: float) -> Change:
    return {key: part * share for key, share in change.items()}


def _least(tried: _Tried, limit: float, question: Question) -> Counterfactual:
    """The change that moves its levers least, of those that reach the limit."""
    at = min(tried.below(limit), key=lambda place: (max(tried.changes[place].values()), tried.chance[place]))
    shown = {lever.key: lever for lever in question.levers}
    moves = tuple(
        Move(shown[key], share, *(float(tried.values[shown[key].shown].iloc[row]) for row in (0, at + 1)))
        for key, share in tried.changes[at].items()
    )
    return Counterfactual(limit, tried.unchanged, float(tried.chance[at]), moves)
