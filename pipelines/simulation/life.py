"""The days of the squad, one after the other, and the base rate that gives the published incidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.simulation import calendar
from pipelines.simulation.calendar import Dates, Floats, Plan, team_plan
from pipelines.simulation.hazard import log_hazard_terms
from pipelines.simulation.injuries import Onsets, after_injury, draw_onsets, gather, hamstring_hours
from pipelines.simulation.people import People, draw_people
from pipelines.simulation.sessions import cut_short, members, preventive_work, session
from pipelines.simulation.settings import Settings
from pipelines.simulation.state import Session, State, first_state, is_injured, next_state, sleep

PILOT_SEED, PILOT_LAST_DAY = 2021, date(2021, 6, 1)
PILOT_ROUNDS = ((150, 1), (1000, 2))
"""Athletes and seasons: a rough round, then one large enough that few frail athletes do not sway it."""
KEPT_STATE = (
    "fatigue", "soreness", "discomfort", "sensitised", "eccentric", "gluteal", "kinetic_chain", "rigidity",
    "asymmetry_pct", "stress", "fuelling", "sleep_h", "sleep_debt_h", "injured_until",
)  # fmt: skip
Days = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Life:
    """What truly happened. Every `Days` maps a name to an array of days x athletes."""

    days: Dates
    people: People
    plan: Plan
    base: float
    terms: Days
    log_hazard: Floats
    hazard: Floats
    at_risk: npt.NDArray[np.bool_]
    mornings: Days
    sessions: Days
    doses: Days
    onsets: Onsets


def live(athletes: int, days: Dates, seed: int, settings: Settings, base: float) -> Life:
    """`athletes` athletes through `days`; `base` is the log-hazard per training hour without any term."""
    people = draw_people(athletes, days, settings, _stream(seed, 0))
    plan = _plan(people, days, settings, _stream(seed, 1))
    rng, state = _stream(seed, 2), first_state(people, settings)
    trace = _Trace(len(days), athletes)
    onsets: list[Onsets] = []
    for day in range(len(days)):
        state = sleep(state, people, day, settings.response, rng)
        terms = log_hazard_terms(state, people, day, settings)
        done = session(state, people, plan, day, settings, rng)
        log_hazard = base + people.frailty + sum(terms.values())
        at_risk = members(people, day) & ~is_injured(state, day)
        hazard = np.exp(log_hazard) * hamstring_hours(done, at_risk, settings.hamstring)
        hurt = draw_onsets(state, people, day, done, hazard, settings, rng)
        done = cut_short(done, np.isin(np.arange(athletes), hurt.athlete), rng)
        doses = preventive_work(state, people, plan, day, done, settings, rng)
        trace.put(day, terms, {"log_hazard": log_hazard, "hazard": hazard, "at_risk": at_risk}, state, done, doses)
        travel_h = np.where(at_risk, plan.travel_h[people.team, day], 0.0)
        state = next_state(state, people, day, done, doses, travel_h, settings, rng)
        state = after_injury(state, day, hurt, settings)
        onsets.append(hurt)
    return trace.life(days, people, plan, base, gather(onsets))


@lru_cache(maxsize=8)
def calibrated_base(settings: Settings) -> float:
    """The base that gives `hamstring.per_1000_h` in a pilot squad that is always the same one.

    The hazard is proportional to exp(base): one round is exact but for injuries' after-effects; hence two.
    """
    base = float(np.log(settings.hamstring.per_1000_h / 1000)) - 2.0
    for athletes, seasons in PILOT_ROUNDS:
        days = calendar.season_days(seasons, PILOT_LAST_DAY, settings.calendar)
        pilot = live(athletes, days, PILOT_SEED, settings, base)
        expected = pilot.hazard.sum() / exposure_hours(pilot) * 1000
        base += float(np.log(settings.hamstring.per_1000_h / expected))
    return base


def exposure_hours(life: Life) -> float:
    """Hours of training and matches, all athletes together."""
    exposed = np.isin(life.sessions["code"], (1, 2))
    return float(life.sessions["duration_min"][exposed].sum() / 60)


def _stream(seed: int, number: int) -> np.random.Generator:
    """An own stream of randomness per part, so that a change in one part leaves the others as they were."""
    return np.random.default_rng([seed, number])


def _plan(people: People, days: Dates, settings: Settings, rng: np.random.Generator) -> Plan:
    squads = [settings.squads[people.squad[people.team == team][0]] for team in np.unique(people.team)]
    return calendar.stack([team_plan(days, squad, settings.calendar, rng) for squad in squads])


class _Trace:
    """Arrays of days x athletes, filled day by day."""

    def __init__(self, days: int, athletes: int) -> None:
        self._shape = (days, athletes)
        self._groups: dict[str, dict[str, Floats]] = {}

    def put(
        self,
        day: int,
        terms: Mapping[str, Floats],
        risk: Mapping[str, npt.NDArray[Any]],
        state: State,
        done: Session,
        doses: Mapping[str, Floats],
    ) -> None:
        mornings = {name: getattr(state, name) for name in KEPT_STATE}
        played = {field.name: getattr(done, field.name) for field in fields(Session)}
        groups = {"terms": terms, "risk": risk, "mornings": mornings, "sessions": played, "doses": doses}
        for group, values in groups.items():
            kept = self._groups.setdefault(group, {})
            for name, value in values.items():
                if name not in kept:
                    kept[name] = np.empty(self._shape)
                kept[name][day] = value

    def life(self, days: Dates, people: People, plan: Plan, base: float, onsets: Onsets) -> Life:
        risk = self._groups["risk"]
        return Life(
            days=days, people=people, plan=plan, base=base, terms=self._groups["terms"],
            log_hazard=risk["log_hazard"], hazard=risk["hazard"], at_risk=risk["at_risk"] > 0,
            mornings=self._groups["mornings"], sessions=self._groups["sessions"], doses=self._groups["doses"],
            onsets=onsets,
        )  # fmt: skip
