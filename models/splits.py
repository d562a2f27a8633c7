"""Evaluation folds of unseen athletes AND later time at once, with an embargo of one horizon between them.

    athletes        | before the cut less the horizon | embargo | from the cut to the next cut
    of other folds  | train                           |    -    |    -
    of this fold    |    -                            |    -    | test

Either half alone flatters: fixed traits identify an athlete who was seen in training, and a day next to a
training day shares its injury. Data too thin for the settings is split more coarsely, and the plan says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from configs.errors import NotReady
from models.estimator import Floats, Ints, Settings

LATEST_FIRST_CUT_SHARE = 0.8


@dataclass(frozen=True)
class Fold:
    """Row positions of one training and one test part.

    Test rows are dated from `cut` (inclusive) to `end` (exclusive), training rows up to `cut` less the
    horizon (inclusive), so that no training label looks at the day of the cut or later.
    """

    repeat: int
    athlete_fold: int
    cut: pd.Timestamp
    end: pd.Timestamp
    train: Ints
    test: Ints

    @property
    def name(self) -> str:
        return f"repeat {self.repeat}, athletes {self.athlete_fold}, from {self.cut:%Y-%m-%d}"


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
    is_none: NDArray[np.bool_]
    horizon_days: int

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


def plan(index: pd.DataFrame, label_horizon_days: int, settings: Settings, label: Floats) -> Plan:
    """Folds over `index` (athlete_id, date) for labels that look up to `label_horizon_days` days ahead.

    `label` (1, 0, NaN if censored) serves to spread the injured athletes over the folds and to leave out
    parts that nothing can be learnt from. Give the shortest horizon's, whose events every longer horizon
    shares. Raises NotReady where the data cannot carry any such split.
    """
    rows = _Rows(
        pd.factorize(index["athlete_id"])[0].astype(np.int64),
        _days(index["date"]),
        label == 1,
        label == 0,
        label_horizon_days,
    )
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
    return bool(rows.is_event[fold.train].any() and rows.is_none[fold.train].any())


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
    if min(len(np.unique(rows.athlete[fold.train[rows.is_event[fold.train]]])) for fold in chosen) < 2:
        yield "At least one fold learns from a single injured athlete: all its scores are the base rate."
