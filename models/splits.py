"""Evaluation folds of unseen athletes AND later time at once, with an embargo of one horizon between them.

    athletes        | before the cut less the horizon | embargo | from the cut to the next cut
    of other folds  | train                           |    -    |    -
    of this fold    |    -                            |    -    | test

Either half alone flatters: fixed traits identify an athlete who was seen in training, and a day next to a
training day shares its injury. Data too thin for the settings is split more coarsely, and the plan says so.
`other_designs` gives either half alone, and whole squads held out, on the same test rows, to show the difference.

An injury is heard of days after it happened. A fold may therefore be given the labels as they were known on the
morning of its cut (`Known`): it learns from no injury that a training of that day could not have heard of.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from configs.errors import NotReady
from models.estimator import Settings
from models.odds import Floats, Ints

LATEST_FIRST_CUT_SHARE = 0.8

Known = Callable[[pd.Timestamp], Floats]
"""(rows, horizons) labels as known on the morning of a day; NaN where a horizon's outcome was not known by then."""


@dataclass(frozen=True)
class Fold:
    """Row positions of one training and one test part.

    Test rows are dated from `cut` (inclusive) to `end` (exclusive), training rows up to `cut` less the
    horizon (inclusive), so that no training label looks at the day of the cut or later. With
    `learns_later` (a design for comparison) training rows are of any time and labels as known in the end.
    """

    repeat: int
    athlete_fold: int
    cut: pd.Timestamp
    end: pd.Timestamp
    train: Ints
    test: Ints
    learns_later: bool = False


@dataclass(frozen=True)
class Plan:
    """The folds, and in plain sentences where they fall short of what the settings ask for."""

    folds: tuple[Fold, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Rows:
    """The index as plain arrays: `athlete` counts from 0, `day` is days since 1970."""

    athlete: Ints
    day: Ints
    is_event: NDArray[np.bool_]
    horizon_days: int
    known: Known

    @property
    def event_athletes(self) -> Ints:
        return np.unique(self.athlete[self.is_event])


def thin(index: pd.DataFrame, every_days: int) -> Ints:
    """Positions of each athlete's first row in every period of `every_days` days.

    Neighbouring days say almost the same; rows that are further apart already all stay.
    """
    period = _days(index["date"]) // every_days
    repeated = pd.DataFrame({"athlete_id": index["athlete_id"].to_numpy(), "period": period}).duplicated()
    return np.flatnonzero(~repeated.to_numpy())


def folds(index: pd.DataFrame, label_horizon_days: int, settings: Settings, label: Floats) -> list[Fold]:
    """The folds of `plan`."""
    return list(plan(index, label_horizon_days, settings, label).folds)


def plan(
    index: pd.DataFrame, label_horizon_days: int, settings: Settings, label: Floats, known: Known | None = None
) -> Plan:
    """Folds over `index` (athlete_id, date) for labels that look up to `label_horizon_days` days ahead.

    `label` (1, 0, NaN if censored) serves to spread the injured athletes over the folds and to leave out
    parts that nothing can be learnt from. Give the shortest horizon's, whose events every longer horizon
    shares. With `known`, a fold's training part counts as it was known on its cut. Raises NotReady where the
    data cannot carry any such split.
    """
    rows = _rows(index, label_horizon_days, label, known)
    _require_enough(rows, settings)
    athlete_folds = min(settings.athlete_folds, len(rows.event_athletes), len(np.unique(rows.athlete)) // 2)
    groups = [_athlete_folds(rows, athlete_folds, settings.seed + repeat) for repeat in range(settings.repeats)]
    best: list[Fold] = []
    left_out = 0
    for cuts in _cuts(rows, settings):
        every = [fold for repeat, group in enumerate(groups) for fold in _cross(rows, group, repeat, cuts)]
        usable = [fold for fold in every if _can_teach(rows, fold)]
        if _tested_events(rows, usable) > _tested_events(rows, best):
            best, left_out = usable, len(every) - len(usable)
        if best is usable and not left_out:
            break
    if not best:
        raise NotReady(_no_split(rows))
    return Plan(tuple(best), tuple(_notes(rows, settings, athlete_folds, best, left_out)))


def _rows(index: pd.DataFrame, horizon_days: int, label: Floats, known: Known | None) -> _Rows:
    athlete = pd.factorize(index["athlete_id"])[0].astype(np.int64)
    return _Rows(athlete, _days(index["date"]), label == 1, horizon_days, known or (lambda cut: label[:, None]))


def _days(date: pd.Series) -> Ints:
    return date.to_numpy().astype("datetime64[D]").astype(np.int64)


def _require_enough(rows: _Rows, settings: Settings) -> None:
    """Raise NotReady naming every shortfall at once."""
    found = {
        "athletes": (len(np.unique(rows.athlete)), settings.least_athletes),
        "days": (
            int(np.ptp(rows.day)) + 1 if len(rows.day) else 0,
            max(settings.least_days, 2 * rows.horizon_days + 2),
        ),
        "athletes with an injury": (len(rows.event_athletes), settings.least_event_athletes),
    }
    short = [f"{has} {what} (at least {needed})" for what, (has, needed) in found.items() if has < needed]
    if short:
        raise NotReady(
            f"too little data to evaluate on unseen athletes and later time: found {', '.join(short)}. "
            "Ingest more athletes or a longer time, or widen the injuries that configs/target.toml counts."
        )


def _athlete_folds(rows: _Rows, count: int, seed: int) -> Ints:
    """The fold of each athlete: injured athletes are dealt out first, so that each fold has its share."""
    generator = np.random.default_rng(seed)
    athletes = np.unique(rows.athlete)
    injured = np.isin(athletes, rows.event_athletes)
    order = np.concatenate([generator.permutation(athletes[injured]), generator.permutation(athletes[~injured])])
    fold = np.empty(len(athletes), dtype=np.int64)
    fold[order] = np.arange(len(order)) % count
    return fold


def _cuts(rows: _Rows, settings: Settings) -> Iterator[Ints]:
    """Test periods' first days and the day after the last, from the wanted plan to ever coarser ones."""
    last = rows.day.max() + 1
    for blocks in range(settings.time_blocks, 0, -1):
        for first_share in np.arange(settings.first_cut_share, LATEST_FIRST_CUT_SHARE + 1e-9, 0.1):
            shares = np.linspace(first_share, 1.0, blocks + 1)[:-1]
            starts = np.quantile(rows.day, shares, method="higher")
            yield np.unique(np.append(starts, last)).astype(np.int64)


def _cross(rows: _Rows, group: Ints, repeat: int, cuts: Ints) -> Iterator[Fold]:
    """Every athlete fold with every test period, where it has a row to test."""
    for cut, end in itertools.pairwise(cuts):
        is_past = rows.day <= cut - rows.horizon_days
        is_later = (rows.day >= cut) & (rows.day < end)
        for number in range(group.max() + 1):
            is_tested = group[rows.athlete] == number
            train, test = np.flatnonzero(is_past & ~is_tested), np.flatnonzero(is_later & is_tested)
            if len(test):
                yield Fold(repeat, number, _timestamp(cut), _timestamp(end), train, test)


def _timestamp(day: int) -> pd.Timestamp:
    return pd.Timestamp(np.datetime64(int(day), "D"))


def _can_teach(rows: _Rows, fold: Fold) -> bool:
    """True if the training part holds events and non-events of every horizon, as known on the cut."""
    labels = rows.known(fold.cut)[fold.train]
    return bool((labels == 1).any(axis=0).all() and (labels == 0).any(axis=0).all())


def _tested_events(rows: _Rows, chosen: list[Fold]) -> int:
    return sum(int(rows.is_event[fold.test].sum()) for fold in chosen)


def _no_split(rows: _Rows) -> str:
    return (
        f"no split into unseen athletes and later time has an injury on both sides: "
        f"found {len(rows.event_athletes)} athletes with an injury, {int(rows.is_event.sum())} rows "
        f"before one, embargo {rows.horizon_days} days. "
        "Ingest injuries of more athletes or of a longer time."
    )


def _notes(rows: _Rows, settings: Settings, athlete_folds: int, chosen: list[Fold], left_out: int) -> Iterator[str]:
    if athlete_folds < settings.athlete_folds:
        yield (
            f"Only {athlete_folds} athlete folds instead of {settings.athlete_folds}: "
            f"{len(rows.event_athletes)} of {len(np.unique(rows.athlete))} athletes have an injury."
        )
    periods = len({fold.cut for fold in chosen})
    if periods < settings.time_blocks:
        yield f"Only {periods} test period instead of {settings.time_blocks}: too few earlier injuries."
    if left_out:
        yield f"{left_out} folds left out: no injury in their training part, so they test nobody."
    if min(_teaching_athletes(rows, fold) for fold in chosen) < 2:
        yield "At least one fold learns from a single injured athlete: all its scores are the base rate."


def _teaching_athletes(rows: _Rows, fold: Fold) -> int:
    """How many athletes have an event in the training part, as known on the cut."""
    is_event = rows.known(fold.cut)[fold.train, 0] == 1
    return len(np.unique(rows.athlete[fold.train[is_event]]))


@dataclass(frozen=True)
class Design:
    """A way to split, for comparison: its folds, or in `reason` why the data cannot carry it."""

    name: str
    flatters: str
    folds: tuple[Fold, ...]
    reason: str | None = None


UNSEEN_AND_LATER = "unseen athletes, later time"
FLATTERS = {
    UNSEEN_AND_LATER: "nothing: it is what a new athlete would get",
    "unseen athletes, any time": "the season: what all athletes share on a day was seen in training",
    "later time, athletes seen": "the athlete: fixed traits and habits of the tested were seen in training",
    "unseen squad, later time": "nothing: it is what a new squad would get",
}
"""What each design knows that a real prediction would not."""


def other_designs(
    index: pd.DataFrame,
    squads: NDArray[Any],
    label_horizon_days: int,
    chosen: Plan,
    label: Floats,
    known: Known | None = None,
) -> tuple[Design, ...]:
    """The designs beside the plan's own; each tests rows that the plan tests, as far as it can learn for them.

    Wherever time is split the embargo is the plan's. Squads are held out at a later time, too.
    """
    rows = _rows(index, label_horizon_days, label, known)
    final = replace(rows, known=lambda cut: label[:, None])
    _, any_time, seen, unseen_squad = FLATTERS
    codes, names = pd.factorize(squads)
    if len(names) < 2:
        squad = Design(unseen_squad, FLATTERS[unseen_squad], (), f"needs two squads or more and found {len(names)}")
    else:
        squad = _design(unseen_squad, rows, list(_by_period(rows, chosen, codes)))
    return (
        _design(any_time, final, list(_any_time(rows, chosen))),
        _design(seen, rows, list(_by_period(rows, chosen, None))),
        squad,
    )


def _design(name: str, rows: _Rows, every: list[Fold]) -> Design:
    usable = tuple(fold for fold in every if _can_teach(rows, fold))
    if not _tested_events(rows, list(usable)):
        return Design(name, FLATTERS[name], (), "has no fold with an injury both in its training and in its test part")
    return Design(name, FLATTERS[name], usable)


def _any_time(rows: _Rows, chosen: Plan) -> Iterator[Fold]:
    """The plan's athlete folds, learning from all days of the others, those under test and later ones included."""
    groups: dict[tuple[int, int], list[Fold]] = {}
    for fold in chosen.folds:
        groups.setdefault((fold.repeat, fold.athlete_fold), []).append(fold)
    for same in groups.values():
        test = np.sort(np.concatenate([fold.test for fold in same]))
        train = np.flatnonzero(~np.isin(rows.athlete, rows.athlete[test]))
        first = min(same, key=lambda fold: fold.cut)
        yield replace(first, end=max(fold.end for fold in same), train=train, test=test, learns_later=True)


def _by_period(rows: _Rows, chosen: Plan, squads: Ints | None) -> Iterator[Fold]:
    """The plan's periods: everybody learns and is tested, or with `squads` each squad is tested on the others."""
    tested = np.unique(np.concatenate([fold.test for fold in chosen.folds]))
    for cut, end in sorted({(fold.cut, fold.end) for fold in chosen.folds}):
        first, last = (np.datetime64(day, "D").astype(np.int64) for day in (cut, end))
        past = np.flatnonzero(rows.day <= first - rows.horizon_days)
        later = tested[(rows.day[tested] >= first) & (rows.day[tested] < last)]
        for number in (0,) if squads is None else range(int(squads.max()) + 1):
            train = past if squads is None else past[squads[past] != number]
            test = later if squads is None else later[squads[later] == number]
            if len(test):
                yield Fold(0, number, cut, end, train, test)
