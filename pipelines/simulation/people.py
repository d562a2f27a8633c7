"""Who the simulated athletes are on the first day: fixed traits, set points and earlier injuries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.simulation.calendar import Dates, Flags, Floats, Ints
from pipelines.simulation.settings import Settings

POSITIONS = np.array(["Goalkeeper", "Defender", "Midfielder", "Forward"])
GOALKEEPER, FORWARD = 0, 3
POSITION_SHARES = (0.10, 0.36, 0.32, 0.22)
POSITION_RUNNING = np.array([0.25, 0.95, 1.0, 1.15])  # high-speed metres against a midfielder's
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class PastInjuries:
    """Injuries before the first day, one entry each: `kind` as in injuries.Onsets, `day` negative."""

    athlete: Ints
    kind: Ints
    day: Ints
    duration_d: Ints
    right: Flags


@dataclass(frozen=True)
class People:
    """Arrays with one entry per athlete. Traits without a unit are in standard units, more of the name."""

    ids: npt.NDArray[np.str_]
    squad: Ints
    team: Ints
    female: Flags
    birth_day: Dates
    age_y: Floats
    right_footed: Flags
    position: Ints
    first: Ints
    end: Ints
    mass_kg: Floats
    top_speed_m_s: Floats
    running: Floats
    starts_share: Floats
    eccentric: Floats
    gluteal: Floats
    kinetic_chain: Floats
    rigidity: Floats
    asymmetry_pct: Floats
    hq_ratio: Floats
    beighton: Floats
    stress: Floats
    sleep_h: Floats
    fuelling: Floats
    frailty: Floats
    prevention_share: Floats
    answers: Floats
    form_share: Floats
    forgets: Floats
    has_wearable: Flags
    hrv_log: Floats
    resting_heart_rate_bpm: Floats
    past: PastInjuries

    def __len__(self) -> int:
        return len(self.ids)


def draw_people(athletes: int, days: Dates, settings: Settings, rng: np.random.Generator) -> People:
    """`athletes` athletes, in order of squad, for data on `days`."""
    squad = _squads(athletes, settings)
    female = rng.random(athletes) < np.array([each.women_share for each in settings.squads])[squad]
    age_y = _ages(squad, settings, rng)
    position = rng.choice(len(POSITIONS), athletes, p=POSITION_SHARES)
    first, end = _membership(athletes, len(days), settings, rng)
    birth_day = (days[0] - np.round(age_y * DAYS_PER_YEAR).astype("timedelta64[D]")).astype("datetime64[M]")
    width = max(2, len(str(athletes)))
    return People(
        ids=np.array([f"A{number:0{width}d}" for number in range(1, athletes + 1)]),
        squad=squad,
        team=_teams(squad, settings.calendar.team_size),
        female=female,
        birth_day=birth_day.astype("datetime64[D]"),
        age_y=age_y,
        right_footed=rng.random(athletes) < 0.78,
        position=position,
        first=first,
        end=end,
        running=_running(position, settings, rng),
        starts_share=rng.beta(2.0, 2.0, athletes),
        past=_past_injuries(age_y, settings, rng),
        **_bodies(female, settings, rng),
        **_habits(athletes, settings, rng),
    )


def _squads(athletes: int, settings: Settings) -> Ints:
    edges = np.cumsum([squad.share for squad in settings.squads])
    return np.searchsorted(edges / edges[-1], (np.arange(athletes) + 0.5) / athletes)


def _teams(squad: Ints, team_size: int) -> Ints:
    """A number per athlete; a squad above `team_size` plays as several teams, each with its own fixtures."""
    within = np.arange(len(squad)) - np.searchsorted(squad, squad)
    labels = squad * len(squad) + within // team_size
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _ages(squad: Ints, settings: Settings, rng: np.random.Generator) -> Floats:
    low, high, mean, sd = (
        np.array([getattr(each, name) for each in settings.squads])[squad]
        for name in ("age_low_y", "age_high_y", "age_mean_y", "age_sd_y")
    )
    ages: Floats = np.clip(mean + sd * rng.standard_normal(len(squad)), low, high)
    return ages


def _membership(athletes: int, days: int, settings: Settings, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """First day and the day after the last, as positions in the calendar."""
    joins = rng.random(athletes) < settings.population.joins_late_share
    leaves = (rng.random(athletes) < settings.population.leaves_early_share) & ~joins
    first = np.where(joins, (rng.uniform(0.1, 0.6, athletes) * days).astype(np.int64), 0)
    end = np.where(leaves, (rng.uniform(0.4, 0.9, athletes) * days).astype(np.int64), days)
    return first, end


def _running(position: Ints, settings: Settings, rng: np.random.Generator) -> Floats:
    spread = np.exp(settings.load.person_spread * rng.standard_normal(len(position)))
    volume: Floats = POSITION_RUNNING[position] * spread
    return volume


def _bodies(female: Flags, settings: Settings, rng: np.random.Generator) -> dict[str, Any]:
    number, who = len(female), settings.population
    laxity = rng.standard_normal(number)
    beighton = rng.poisson(who.beighton_mean * np.exp(0.4 * laxity) * np.where(female, 1.4, 1.0))
    mass = (who.body_mass_kg + who.body_mass_sd_kg * rng.standard_normal(number)) * np.where(
        female, who.women_mass_ratio, 1.0
    )
    speed = (who.top_speed_m_s + who.top_speed_sd_m_s * rng.standard_normal(number)) * np.where(
        female, who.women_speed_ratio, 1.0
    )
    return {
        "mass_kg": np.clip(mass, 45, 110),
        "top_speed_m_s": np.clip(speed, 7.2, 10.4),
        "eccentric": rng.standard_normal(number),
        "gluteal": rng.standard_normal(number),
        "kinetic_chain": rng.standard_normal(number),
        "rigidity": 0.9 * rng.standard_normal(number) - 0.4 * laxity,
        "asymmetry_pct": who.asymmetry_sd_pct * rng.standard_normal(number),
        "hq_ratio": np.clip(who.hq_ratio + who.hq_ratio_sd * rng.standard_normal(number), 0.4, 0.95),
        "beighton": np.clip(beighton, 0, 9).astype(np.float64),
    }


def _habits(athletes: int, settings: Settings, rng: np.random.Generator) -> dict[str, Any]:
    who = settings.population
    return {
        "stress": who.stress_sd * rng.standard_normal(athletes),
        "sleep_h": who.sleep_h + who.sleep_sd_h * rng.standard_normal(athletes),
        "fuelling": 0.7 * rng.standard_normal(athletes),
        "frailty": who.frailty_sd * rng.standard_normal(athletes),
        "prevention_share": rng.beta(3.0, 2.0, athletes),
        "answers": rng.standard_normal((len(settings.answers), athletes)),
        "form_share": rng.beta(12.0, 1.2, athletes),
        "forgets": rng.gamma(0.4, 2.5, athletes),
        "has_wearable": rng.random(athletes) < settings.recording.wearable_share,
        "hrv_log": np.log(who.hrv_ms) + who.hrv_log_sd * rng.standard_normal(athletes),
        "resting_heart_rate_bpm": who.resting_heart_rate_bpm
        + who.resting_heart_rate_sd_bpm * rng.standard_normal(athletes),
    }


def _past_injuries(age_y: Floats, settings: Settings, rng: np.random.Generator) -> PastInjuries:
    """Injuries of the years on record, all of them over before the first day."""
    years = np.clip(age_y - 16.0, 0.5, settings.population.history_years)
    medians = [(settings.hamstring.duration_median_d, settings.hamstring.duration_log_sd)]
    medians += [(each.duration_median_d, each.duration_log_sd) for each in settings.other_injuries]
    yearly_hours = 270.0  # what a season of this calendar gives
    rates = [settings.hamstring.history_per_year]
    rates += [each.per_1000_h * yearly_hours / 1000 for each in settings.other_injuries]
    counts = rng.poisson(np.outer(rates, years))
    kind, athlete = (np.repeat(index, counts.ravel()) for index in np.indices(counts.shape).reshape(2, -1))
    median, log_sd = (np.array(column)[kind] for column in zip(*medians, strict=True))
    duration = np.maximum(2, np.round(median * np.exp(log_sd * rng.standard_normal(len(kind))))).astype(np.int64)
    span = np.maximum(years[athlete] * DAYS_PER_YEAR - duration - 14, 1)
    day = -(duration + 7 + np.floor(rng.random(len(kind)) * span)).astype(np.int64)
    return PastInjuries(athlete, kind, day, duration, rng.random(len(kind)) < 0.5)
