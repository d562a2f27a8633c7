"""What is true of every athlete on the morning of a day, and how a day changes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipelines.simulation.calendar import Flags, Floats, Ints
from pipelines.simulation.people import DAYS_PER_YEAR, People
from pipelines.simulation.settings import Response, Settings

LONG_AGO = -100_000
ACUTE_DAYS, CHRONIC_DAYS, FAST_DAYS, HABIT_DAYS = 7.0, 28.0, 14.0, 21.0


@dataclass(frozen=True)
class State:
    """Arrays with one entry per athlete.

    Averages are per day, traits in standard units, and `*_day`, `injured_*` are positions in the calendar.
    """

    acute_fast_m: Floats
    chronic_fast_m: Floats
    chronic_load_au: Floats
    fast_per_week: Floats
    eccentric_sets_per_week: Floats
    gluteal_sets_per_week: Floats
    match_day: Ints
    travel_h: Floats
    fatigue: Floats
    muscle_damage: Floats
    soreness: Floats
    discomfort: Floats
    sensitised: Floats
    eccentric: Floats
    gluteal: Floats
    kinetic_chain: Floats
    rigidity: Floats
    asymmetry_pct: Floats
    stress: Floats
    life_event: Floats
    fuelling: Floats
    sleep_h: Floats
    sleep_debt_h: Floats
    hamstring_injuries: Ints
    hamstring_return_day: Ints
    calf_injuries: Ints
    knee_ligament_injuries: Ints
    return_day: Ints
    injured_from: Ints
    injured_until: Ints


@dataclass(frozen=True)
class Session:
    """What each athlete did on one day; zeros where nothing. `code` is one of sessions.CODES."""

    code: Ints
    duration_min: Floats
    planned_min: Floats
    rpe: Floats
    distance_m: Floats
    fast_m: Floats
    sprint_m: Floats
    top_speed_share: Floats

    @property
    def load_au(self) -> Floats:
        return self.rpe * self.duration_min


def first_state(people: People, settings: Settings) -> State:
    """The state on the first morning, after a summer of little work."""
    zeros, never = np.zeros(len(people)), np.full(len(people), LONG_AGO)
    counts, returns = _history(people, settings)
    load = settings.load
    return State(
        acute_fast_m=0.15 * load.usual_fast_m_per_day * people.running,
        chronic_fast_m=0.15 * load.usual_fast_m_per_day * people.running,
        chronic_load_au=zeros + 0.3 * load.usual_load_au_per_day,
        fast_per_week=zeros + 0.2,
        eccentric_sets_per_week=2 * people.prevention_share,
        gluteal_sets_per_week=2 * people.prevention_share,
        match_day=never,
        travel_h=zeros,
        fatigue=zeros + 0.5 * settings.response.fatigue_mean,
        muscle_damage=zeros,
        soreness=zeros,
        discomfort=zeros,
        sensitised=np.where(counts[0] > 0, np.exp(returns / settings.response.sensitised_days), 0.0),
        eccentric=people.eccentric,
        gluteal=people.gluteal,
        kinetic_chain=people.kinetic_chain,
        rigidity=people.rigidity,
        asymmetry_pct=people.asymmetry_pct,
        stress=people.stress,
        life_event=zeros,
        fuelling=people.fuelling,
        sleep_h=people.sleep_h,
        sleep_debt_h=zeros,
        hamstring_injuries=counts[0],
        hamstring_return_day=np.maximum(returns, LONG_AGO),
        calf_injuries=counts[1],
        knee_ligament_injuries=counts[2],
        return_day=never,
        injured_from=never,
        injured_until=never,
    )


def _history(people: People, settings: Settings) -> tuple[Ints, Ints]:
    """Counts of earlier hamstring, calf and knee ligament injuries; last return from a hamstring injury."""
    keys = ["hamstring", *(each.key for each in settings.other_injuries)]
    counts = np.zeros((3, len(people)), dtype=np.int64)
    for row, key in enumerate(("hamstring", "calf", "knee_ligament_rupture")):
        if key in keys:
            np.add.at(counts[row], people.past.athlete[people.past.kind == keys.index(key)], 1)
    returns = np.full(len(people), LONG_AGO)
    mine = people.past.kind == 0
    np.maximum.at(returns, people.past.athlete[mine], (people.past.day + people.past.duration_d)[mine])
    return counts, returns


def sleep(state: State, people: People, day: int, response: Response, rng: np.random.Generator) -> State:
    """The state after the night before `day`: sleep and what it leaves of the debt."""
    slept = people.sleep_h + response.sleep_noise_h * rng.standard_normal(len(people))
    slept -= response.stress_costs_sleep_h * state.stress
    slept -= np.where(state.match_day == day - 1, response.match_costs_sleep_h, 0.0)
    slept -= response.travel_costs_sleep * state.travel_h
    slept = np.clip(slept, 3.0, 11.5)
    debt = _towards(state.sleep_debt_h, response.sleep_need_h - slept, response.debt_days)
    return replace(state, sleep_h=slept, sleep_debt_h=debt)


def fatigue_sd(state: State, response: Response) -> Floats:
    """Neuromuscular fatigue in standard units."""
    return (state.fatigue - response.fatigue_mean) / response.fatigue_sd


def is_injured(state: State, day: int) -> Flags:
    return state.injured_until > day


def next_state(
    state: State, people: People, day: int, done: Session, doses: dict[str, Floats], travel_h: Floats,
    settings: Settings, rng: np.random.Generator,
) -> State:  # fmt: skip
    """The state after the day, before sleep: what session, journey and preventive work leave behind."""
    worked = replace(state, travel_h=travel_h, **_loads(state, day, done, doses, settings))
    return replace(
        worked,
        **_fatigue(worked, people, done, doses, settings, rng),
        **_capacity(worked, people, day, doses, settings.response, rng),
        **_mind(state, people, day, doses, settings.response, rng),
    )


def _towards(value: Floats, target: Floats, days: float) -> Floats:
    """One day of an exponential approach with a time constant of `days`."""
    moved: Floats = value + (target - value) * (1 - np.exp(-1 / days))
    return moved


def _loads(state: State, day: int, done: Session, doses: dict[str, Floats], settings: Settings) -> dict[str, Any]:
    near_top = done.top_speed_share >= settings.load.near_top_speed_share
    eccentric_sets = doses["nordic"] + 0.7 * doses["eccentric_other"]
    return {
        "acute_fast_m": _towards(state.acute_fast_m, done.fast_m, ACUTE_DAYS),
        "chronic_fast_m": _towards(state.chronic_fast_m, done.fast_m, CHRONIC_DAYS),
        "chronic_load_au": _towards(state.chronic_load_au, done.load_au, CHRONIC_DAYS),
        "fast_per_week": _towards(state.fast_per_week, np.where(near_top, 7.0, 0.0), FAST_DAYS),
        "eccentric_sets_per_week": _towards(state.eccentric_sets_per_week, 7 * eccentric_sets, HABIT_DAYS),
        "gluteal_sets_per_week": _towards(state.gluteal_sets_per_week, 7 * doses["gluteal"], HABIT_DAYS),
        "match_day": np.where((done.code == 2) & (done.duration_min > 0), day, state.match_day),
    }


def _fatigue(
    state: State,
    people: People,
    done: Session,
    doses: dict[str, Floats],
    settings: Settings,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Fatigue at once, soreness a day or two later by way of muscle damage, discomfort that stays."""
    how = settings.response
    days = how.fatigue_days * (1 + how.debt_slows_fatigue * np.clip(state.sleep_debt_h, -1, 3))
    recovered = np.exp(-1 / days) * (1 - 0.004 * doses["recovery"])
    damage = done.fast_m / (settings.load.usual_fast_m_per_day * people.running)
    weary = fatigue_sd(state, how)
    rate = how.discomfort_rate * np.exp(0.5 * np.clip(weary, -2, 3) + 0.4 * state.sensitised - 0.2 * state.eccentric)
    starts = (rng.random(len(people)) < rate) & (done.duration_min > 0)
    size = how.discomfort_size * (0.5 + rng.standard_exponential(len(people)))
    fading = state.discomfort * np.exp(-1 / how.discomfort_days)
    return {
        "fatigue": state.fatigue * recovered
        + done.load_au / settings.load.usual_load_au_per_day
        + how.travel_fatigue_per_h * state.travel_h,
        "muscle_damage": state.muscle_damage * np.exp(-1.0) + damage,
        "soreness": state.soreness * np.exp(-1 / how.soreness_days) + 0.3 * damage + 0.35 * state.muscle_damage,
        "discomfort": np.minimum(fading + np.where(starts, size, 0.0), 9.0),
    }


def _capacity(
    state: State, people: People, day: int, doses: dict[str, Floats], how: Response, rng: np.random.Generator
) -> dict[str, Any]:
    """Strength, mobility and movement: slow, towards the own set point and what training adds to it."""
    noise = 0.03 * rng.standard_normal((4, len(people)))
    gain = how.strength_per_weekly_set
    target = people.eccentric + gain * (state.eccentric_sets_per_week - 2)
    bottom = people.gluteal + gain * (state.gluteal_sets_per_week - 2)
    stiffer = people.rigidity + 0.15 * np.minimum(state.soreness, 4) + 0.3 * state.sensitised
    alarm = 0.3 * np.maximum(state.stress, 0) + 0.2 * state.discomfort
    mobile = 0.004 * doses["mobility"]
    return {
        "eccentric": _towards(state.eccentric, target, how.strength_days) + noise[0],
        "gluteal": _towards(state.gluteal, bottom, how.strength_days) + noise[1],
        "kinetic_chain": _towards(state.kinetic_chain, people.kinetic_chain, 2 * how.strength_days)
        + noise[2]
        - how.retraining_gain * doses["retraining"],
        "rigidity": _towards(state.rigidity, stiffer, 0.5 * how.strength_days) + noise[3] - mobile,
        "asymmetry_pct": _towards(state.asymmetry_pct, people.asymmetry_pct, 2 * how.strength_days) + 8 * noise[0],
        "sensitised": _towards(state.sensitised, alarm, how.sensitised_days),
    }


def _mind(
    state: State, people: People, day: int, doses: dict[str, Floats], how: Response, rng: np.random.Generator
) -> dict[str, Any]:
    number = len(people)
    happens = rng.random(number) < how.life_events_per_year / DAYS_PER_YEAR
    event = state.life_event * np.exp(-1 / how.life_event_days)
    event += np.where(happens, how.life_event_size * rng.standard_exponential(number), 0.0)
    worry = np.where(is_injured(state, day), 0.4, 0.0)
    target = people.stress + event + worry
    stress = target + how.stress_memory * (state.stress - target) + how.stress_innovation * rng.standard_normal(number)
    fuelling = people.fuelling + 0.6 * (state.fuelling - people.fuelling) + 0.4 * rng.standard_normal(number)
    return {"stress": stress - 0.01 * doses["breathing"], "life_event": event, "fuelling": fuelling}
