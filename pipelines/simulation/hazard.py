"""The true risk: a log-hazard that sums one term per contributing factor, two interactions and frailty.

Sizes are in configs/simulation.toml, each with its source. Every term looks at the morning of the day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pipelines.simulation.calendar import Floats
from pipelines.simulation.people import FORWARD, GOALKEEPER, People
from pipelines.simulation.settings import Effects, Settings
from pipelines.simulation.state import State, fatigue_sd

Term = Callable[[State, People, int, Settings], Floats]

USUAL_ACUTE_CHRONIC = 1 / 1.35  # of `spike` below, for an athlete in a steady state
AGE_CENTRE_Y = 25.0


def log_hazard_terms(state: State, people: People, day: int, settings: Settings) -> dict[str, Floats]:
    """Each term of the log-hazard, factors first; without base and frailty."""
    how = settings.effects
    single = {name: how.scale * term(state, people, day, settings) for name, term in FACTOR_TERMS.items()}
    joint = {name: how.interaction_scale * term(state, people, day, settings) for name, term in INTERACTIONS.items()}
    return single | joint


def spike(state: State, people: People, settings: Settings) -> Floats:
    """Fast running of the last week above the usual relation to the last month; 0 none, 1 doubled."""
    floor = 0.35 * settings.load.usual_fast_m_per_day * people.running
    ratio = state.acute_fast_m / (state.chronic_fast_m + floor) / USUAL_ACUTE_CHRONIC
    risen: Floats = np.clip(ratio - 1, 0, 1.5)
    return risen


def _soft_step(value: Floats, width: float) -> Floats:
    """0 well below zero, 1 well above."""
    step: Floats = 1 / (1 + np.exp(-value / width))
    return step


def _overload(state: State, people: People, day: int, settings: Settings) -> Floats:
    congested = day - state.match_day <= 3
    return settings.effects.overload_spike * spike(state, people, settings) + (
        settings.effects.overload_congestion * congested
    )


def _chronic_loading(state: State, people: People, day: int, settings: Settings) -> Floats:
    how = settings.effects
    load = state.chronic_load_au / settings.load.usual_load_au_per_day
    low_load, high_load = np.clip(1 - load, 0, 1), np.clip(load - 1.3, 0, 1)
    no_speed = np.clip(1 - state.fast_per_week, 0, 1)
    no_eccentric = np.clip(1 - state.eccentric_sets_per_week / 3, 0, 1)
    return (
        how.chronic_low_load * low_load
        + how.chronic_high_load * high_load
        + how.chronic_no_fast_running * no_speed
        + how.chronic_no_eccentric_work * no_eccentric
    )


def _weary(state: State, settings: Settings) -> Floats:
    weary: Floats = np.clip(fatigue_sd(state, settings.response), -1.5, 3)
    return weary


def _weakness(state: State, how: Effects) -> Floats:
    return _soft_step(how.eccentric_cut_sd - state.eccentric, 0.4)


def _strength_imbalance(state: State, people: People, day: int, settings: Settings) -> Floats:
    how, who = settings.effects, settings.population
    large = _soft_step(np.abs(state.asymmetry_pct) - how.asymmetry_cut_pct, 2.5)
    low = np.clip((who.hq_ratio - people.hq_ratio) / who.hq_ratio_sd, 0, 3)
    return how.asymmetry_large * large + how.hq_low * low


def _recovery(state: State, people: People, day: int, settings: Settings) -> Floats:
    debt = np.clip(state.sleep_debt_h, -1, 3)
    return settings.effects.sleep_debt_per_h * debt - settings.effects.poor_fuelling_per_sd * state.fuelling


def _injury_history(state: State, people: People, day: int, settings: Settings) -> Floats:
    how = settings.effects
    since = np.maximum(day - state.hamstring_return_day, 0)
    ever = (state.hamstring_injuries > 0) * (
        how.history_ever + how.history_recent * np.exp(-since / how.history_recent_days)
    )
    term: Floats = (
        ever
        + how.history_calf * (state.calf_injuries > 0)
        + how.history_knee_ligament * (state.knee_ligament_injuries > 0)
    )
    return term


def _context(state: State, people: People, day: int, settings: Settings) -> Floats:
    how = settings.effects
    term: Floats = (
        how.context_per_year * (people.age_y + day / 365.25 - AGE_CENTRE_Y)
        + how.context_goalkeeper * (people.position == GOALKEEPER)
        + how.context_forward * (people.position == FORWARD)
    )
    return term


def _spike_x_return(state: State, people: People, day: int, settings: Settings) -> Floats:
    recent = np.exp(-np.maximum(day - state.return_day, 0) / settings.effects.return_days)
    return settings.effects.spike_x_return * spike(state, people, settings) * recent


FACTOR_TERMS: Mapping[str, Term] = {
    "overload": _overload,
    "chronic_loading": _chronic_loading,
    "neuromuscular_fatigue": lambda state, people, day, how: how.effects.fatigue_per_sd * _weary(state, how),
    "gluteal_activation": lambda state, people, day, how: -how.effects.gluteal_per_sd * state.gluteal,
    "eccentric_control": lambda state, people, day, how: how.effects.eccentric_weak * _weakness(state, how.effects),
    "strength_imbalance": _strength_imbalance,
    "laxity": lambda state, people, day, how: np.where(people.beighton >= 4, how.effects.laxity_beighton_4, 0.0),
    "rigidity": lambda state, people, day, how: how.effects.rigidity_per_sd * state.rigidity,
    "kinetic_chain": lambda state, people, day, how: (
        how.effects.kinetic_chain_per_point * how.population.s_mas_sd * state.kinetic_chain
    ),
    "neural_sensitisation": lambda state, people, day, how: how.effects.sensitised_per_unit * state.sensitised,
    "discomfort": lambda state, people, day, how: how.effects.discomfort_per_point * np.minimum(state.discomfort, 6),
    "psychological_stress": lambda state, people, day, how: how.effects.stress_per_sd * np.clip(state.stress, -2.5, 4),
    "recovery": _recovery,
    "injury_history": _injury_history,
    "context": _context,
}
"""One term per factor of configs/factors.toml."""

INTERACTIONS: Mapping[str, Term] = {
    "fatigue_x_eccentric": lambda state, people, day, how: (
        how.effects.fatigue_x_weak * np.maximum(_weary(state, how), 0) * _weakness(state, how.effects)
    ),
    "spike_x_return": _spike_x_return,
}
INTERACTING: Mapping[str, tuple[str, str]] = {
    "fatigue_x_eccentric": ("neuromuscular_fatigue", "eccentric_control"),
    "spike_x_return": ("overload", "injury_history"),
}
"""The two factors that meet in each interaction; an explanation owes half of it to either."""
