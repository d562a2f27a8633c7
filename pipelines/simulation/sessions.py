"""What each athlete does on a day: selection, training, rehabilitation, and preventive work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from features.tables import INTERVENTIONS
from pipelines.simulation import calendar
from pipelines.simulation.calendar import Flags, Floats, Ints, Plan
from pipelines.simulation.people import People
from pipelines.simulation.settings import Load, Settings
from pipelines.simulation.state import Session, State, fatigue_sd, is_injured

CODES = ("none", "training", "match", "rehabilitation")
NONE, TRAINING, MATCH, REHABILITATION = range(4)
FULL_MATCH_MIN = 90.0
REHABILITATION_STARTS = 0.25  # share of the lay-off after which sessions begin
RETRAINING_DAYS = 42
USUAL_DOSE: Mapping[str, float | Floats] = {
    "nordic": 3.0,
    "eccentric_other": 3.0,
    "gluteal": 3.0,
    "mobility": 15.0,
    "retraining": 25.0,
    "breathing": 10.0,
    "recovery": 20.0,
}
"""Dose in the unit of its kind; that of a deload is planned with the calendar."""


def members(people: People, day: int) -> Flags:
    return (people.first <= day) & (day < people.end)


def session(
    state: State, people: People, plan: Plan, day: int, settings: Settings, rng: np.random.Generator
) -> Session:
    """Everyone's session of the day, had nobody been hurt in it."""
    code, minutes = _who_plays(state, people, plan, day, settings, rng)
    intensity, fast = _demand(state, people, plan, day, code)
    return _volumes(code, minutes, intensity, fast, state, people, settings, rng)


def cut_short(done: Session, hurt: Flags, rng: np.random.Generator) -> Session:
    """The session of those hurt in it ends somewhere on the way."""
    share = np.where(hurt, rng.uniform(0.1, 0.95, len(hurt)), 1.0)
    cut = {name: getattr(done, name) * share for name in ("distance_m", "fast_m", "sprint_m")}
    minutes = np.where(hurt, np.maximum(np.round(done.duration_min * share), 1), done.duration_min)
    return replace(done, duration_min=np.where(done.code == NONE, 0.0, minutes), **cut)


def preventive_work(
    state: State,
    people: People,
    plan: Plan,
    day: int,
    done: Session,
    settings: Settings,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Doses by kind of intervention: what the club prescribes, as far as the athlete complies."""
    chance = _chance_of_work(state, people, plan, day, done, settings)
    size = {**USUAL_DOSE, "deload": plan.deload[people.team, day]}
    draw = rng.random((len(INTERVENTIONS), len(people)))
    return {kind: np.where(draw[row] < chance[kind], size[kind], 0.0) for row, kind in enumerate(chance)}


def _chance_of_work(
    state: State, people: People, plan: Plan, day: int, done: Session, settings: Settings
) -> dict[str, Floats]:
    """How likely each kind of preventive work is on this day."""
    team, willing, here = people.team, people.prevention_share, members(people, day)
    gym = (done.code == TRAINING) & (plan.intensity[team, day] >= 0.5)
    rehab = done.code == REHABILITATION
    returned = (day - state.return_day < RETRAINING_DAYS) & (done.code == TRAINING)
    weary = fatigue_sd(state, settings.response) > 1.0
    return {
        "nordic": np.select([gym, rehab], [0.55 * willing, 0.25], 0.0),
        "eccentric_other": np.select([gym, rehab], [0.35 * willing, 0.25], 0.0),
        "gluteal": np.select([gym, rehab], [0.55 * willing, 0.4], 0.0),
        "mobility": np.where(done.code != NONE, 0.25, 0.0),
        "retraining": np.select([rehab, returned], [0.6, 0.3], 0.0),
        "breathing": np.where(state.stress > 1.0, 0.15, 0.02) * here,
        "recovery": np.where(weary, 0.35, 0.06) * here,
        "deload": np.where((done.code == TRAINING) & (plan.deload[team, day] > 0), 1.0, 0.0),
    }


def _who_plays(
    state: State, people: People, plan: Plan, day: int, settings: Settings, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    number, planned = len(people), plan.kind[people.team, day]
    here = members(people, day) & (rng.random(number) >= settings.recording.absence_share)
    fit = here & ~is_injured(state, day)
    alone = (planned == calendar.INDIVIDUAL) & (rng.random(number) < settings.calendar.off_season_session_share)
    trains = fit & ((planned == calendar.TRAINING) | alone)
    match_min = _match_minutes(people, _willing_to_pick(state, settings), rng)
    plays = fit & (planned == calendar.MATCH) & (match_min > 0)
    rehab = here & _in_rehabilitation(state, day) & (rng.random(number) < 0.7)
    code = np.select([plays, trains, rehab], [MATCH, TRAINING, REHABILITATION], NONE)
    train_min = settings.calendar.training_min * (0.7 + 0.4 * plan.intensity[people.team, day])
    train_min = np.where(alone, 0.6, 1.0) * train_min * rng.uniform(0.8, 1.2, number)
    rehab_min = rng.uniform(30, 70, number)
    return code, np.round(np.select([plays, trains, rehab], [match_min, train_min, rehab_min], 0.0))


def _willing_to_pick(state: State, settings: Settings) -> Floats:
    """Share of the usual starts: the weary are rested."""
    weary = np.clip(fatigue_sd(state, settings.response), 0, 3)
    share: Floats = 1 - settings.response.rested_per_sd * weary
    return share


def _match_minutes(people: People, picked_share: Floats, rng: np.random.Generator) -> Floats:
    """Minutes in a match for everyone, 0 for those not used."""
    draw = rng.random((3, len(people)))
    starts = draw[0] < people.starts_share * picked_share
    minutes = np.where(draw[1] < 0.65, FULL_MATCH_MIN, 55 + 33 * draw[2])
    late = np.where(draw[1] < 0.55, 8 + 25 * draw[2], 0.0)
    chosen: Floats = np.where(starts, minutes, late)
    return chosen


def expected_match_min(people: People) -> Floats:
    """The mean of `_match_minutes` when fresh."""
    return people.starts_share * (0.65 * 90 + 0.35 * 71.5) + (1 - people.starts_share) * 0.55 * 20.5


def _progress(state: State, day: int) -> Floats:
    length = np.maximum(state.injured_until - state.injured_from, 1)
    share: Floats = np.clip((day - state.injured_from) / length, 0, 1)
    return share


def _in_rehabilitation(state: State, day: int) -> Flags:
    return is_injured(state, day) & (_progress(state, day) > REHABILITATION_STARTS)


def _demand(state: State, people: People, plan: Plan, day: int, code: Ints) -> tuple[Floats, Floats]:
    progress = _progress(state, day)
    intensity = np.where(code == REHABILITATION, 0.2 + 0.4 * progress, plan.intensity[people.team, day])
    late_rehab = np.clip(1.4 * (progress - 0.45), 0, 0.75)
    return intensity, np.where(code == REHABILITATION, late_rehab, plan.fast[people.team, day])


def _volumes(
    code: Ints, minutes: Floats, intensity: Floats, fast: Floats,
    state: State, people: People, settings: Settings, rng: np.random.Generator,
) -> Session:  # fmt: skip
    load, number = settings.load, len(people)
    noise = rng.standard_normal((4, number))
    active, match = code != NONE, code == MATCH
    spread = np.exp(load.session_spread * noise[0])
    keeper = np.where(people.running < 0.5, 0.55, 1.0)
    distance = (
        minutes * np.where(match, load.match_m_per_min, load.training_m_per_min * (0.7 + 0.5 * intensity)) * keeper
    )
    rate = np.where(match, load.match_fast_m_per_min, load.training_fast_m_per_min * fast)
    free = 1 - settings.response.holds_back_per_point * state.discomfort
    fast_m = np.minimum(minutes * rate * people.running * spread * free, 0.4 * distance)
    sprint_m = fast_m * np.clip(load.sprint_share * np.exp(0.2 * noise[1]), 0.05, 0.6)
    return Session(
        code=code,
        duration_min=minutes,
        planned_min=minutes,
        rpe=np.where(active, _rpe(match, intensity, state, settings, noise[2]), 0.0),
        distance_m=distance,
        fast_m=fast_m,
        sprint_m=sprint_m,
        top_speed_share=np.where(active, _top_speed_share(match, fast * free, load, noise[3]), 0.0),
    )


def _rpe(match: Flags, intensity: Floats, state: State, settings: Settings, noise: Floats) -> Floats:
    felt = np.where(match, 7.6, 1.8 + 5.2 * intensity) + 0.35 * fatigue_sd(state, settings.response) + 1.1 * noise
    rating: Floats = np.clip(np.round(felt), 1, 10)
    return rating


def _top_speed_share(match: Flags, fast: Floats, load: Load, noise: Floats) -> Floats:
    mean = np.where(match, 0.92, 0.68 + 0.25 * fast)
    share: Floats = np.clip(mean + 0.035 * noise, 0.4, 1.0)
    return share
