"""Who is hurt on a day, where, for how long, and what the injury leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from pipelines.simulation.calendar import Flags, Floats, Ints
from pipelines.simulation.people import People
from pipelines.simulation.sessions import MATCH, TRAINING
from pipelines.simulation.settings import Hamstring, OtherInjury, Settings
from pipelines.simulation.state import Session, State

Values = TypeVar("Values", Floats, Ints)
HAMSTRING = 0
MATCH_HOURS_SHARE = 0.11
"""Share of match hours in all exposure hours: what this calendar gives, used to split an overall rate."""


@dataclass(frozen=True)
class Onsets:
    """Injuries, one entry each. `kind` 0 is the hamstring, 1.. the entries of `Settings.other_injuries`."""

    athlete: Ints
    day: Ints
    kind: Ints
    duration_d: Ints
    right: Flags
    in_match: Flags


def hamstring_hours(done: Session, at_risk: Flags, settings: Hamstring) -> Floats:
    """Hours at risk of a strain; one for everybody at risk where exposure is switched off."""
    if not settings.by_exposure:
        return at_risk.astype(np.float64)
    return hours_at_risk(done, settings.match_ratio)


def hours_at_risk(done: Session, match_ratio: float) -> Floats:
    """Planned hours of training; a match hour counts `match_ratio` times, rehabilitation nothing."""
    weight = np.select([done.code == MATCH, done.code == TRAINING], [match_ratio, 1.0], 0.0)
    hours: Floats = weight * done.planned_min / 60
    return hours


def draw_onsets(
    state: State,
    people: People,
    day: int,
    done: Session,
    hazard: Floats,
    settings: Settings,
    rng: np.random.Generator,
) -> Onsets:
    """The injuries of `day`; at most one per athlete, the hamstring first."""
    rates = np.stack([hazard, *_other_rates(done, settings)])
    draw = rng.random(rates.shape)
    happens = draw < 1 - np.exp(-rates)
    kind = np.argmax(happens, axis=0)
    athlete = np.flatnonzero(happens.any(axis=0))
    kind = kind[athlete]
    right = _right_side(state, athlete, kind, rng)
    return Onsets(
        athlete=athlete,
        day=np.full(len(athlete), day),
        kind=kind,
        duration_d=_durations(kind, settings, rng),
        right=right,
        in_match=done.code[athlete] == MATCH,
    )


def after_injury(state: State, day: int, onsets: Onsets, settings: Settings) -> State:
    """The state once the day's injuries have happened: unavailable until cleared, and what stays behind."""
    keys = np.array(["hamstring", *(each.key for each in settings.other_injuries)])[onsets.kind]
    hurt, until = onsets.athlete, onsets.day + onsets.duration_d
    strained = keys == "hamstring"
    loss = settings.response.hamstring_injury_strength_loss
    shift = settings.response.hamstring_injury_asymmetry_pct * np.where(onsets.right, -1.0, 1.0)
    mine = hurt[strained]
    return replace(
        state,
        injured_from=_put(state.injured_from, hurt, onsets.day),
        injured_until=_put(state.injured_until, hurt, until),
        return_day=_put(state.return_day, hurt, until),
        hamstring_return_day=_put(state.hamstring_return_day, mine, until[strained]),
        hamstring_injuries=_put(state.hamstring_injuries, mine, state.hamstring_injuries[mine] + 1),
        calf_injuries=_count(state.calf_injuries, hurt[keys == "calf"]),
        knee_ligament_injuries=_count(state.knee_ligament_injuries, hurt[keys == "knee_ligament_rupture"]),
        eccentric=_put(state.eccentric, mine, state.eccentric[mine] - loss),
        asymmetry_pct=_put(state.asymmetry_pct, mine, state.asymmetry_pct[mine] + shift[strained]),
        sensitised=_put(state.sensitised, mine, state.sensitised[mine] + 1.0),
        discomfort=_put(state.discomfort, mine, np.full(len(mine), 5.0)),
    )


def gather(onsets: Sequence[Onsets]) -> Onsets:
    """All onsets in one, in order of day and athlete."""
    return Onsets(*(np.concatenate([getattr(each, name) for each in onsets]) for name in Onsets.__dataclass_fields__))


def _other_rates(done: Session, settings: Settings) -> list[Floats]:
    rates = []
    for each in settings.other_injuries:
        mean_weight = 1 + MATCH_HOURS_SHARE * (each.match_ratio - 1)
        rates.append(each.per_1000_h / 1000 / mean_weight * hours_at_risk(done, each.match_ratio))
    return rates


def _right_side(state: State, athlete: Ints, kind: Ints, rng: np.random.Generator) -> Flags:
    """The weaker hamstring goes more often. Asymmetry is positive where the right side is stronger."""
    lean = np.where(kind == HAMSTRING, 0.02 * np.clip(state.asymmetry_pct[athlete], -20, 20), 0.0)
    right: Flags = rng.random(len(athlete)) < 0.5 - lean
    return right


def _durations(kind: Ints, settings: Settings, rng: np.random.Generator) -> Ints:
    kinds: list[Hamstring | OtherInjury] = [settings.hamstring, *settings.other_injuries]
    median = np.array([each.duration_median_d for each in kinds])[kind]
    log_sd = np.array([each.duration_log_sd for each in kinds])[kind]
    days = np.round(median * np.exp(log_sd * rng.standard_normal(len(kind))))
    return np.clip(days, 2, 400).astype(np.int64)


def _put(values: Values, where: Ints, new: Values) -> Values:
    changed = values.copy()
    changed[where] = new
    return changed


def _count(values: Ints, where: Ints) -> Ints:
    return _put(values, where, values[where] + 1)
