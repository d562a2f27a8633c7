"""The fixture list and training plan of each team: what is planned, before any athlete's own fate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from pipelines.simulation.settings import Calendar, Squad

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Dates = npt.NDArray[np.datetime64]

OFF, TRAINING, MATCH, INDIVIDUAL = 0, 1, 2, 3

# Days to the next match -> (intensity 0-1, share of the fastest running day). The usual football week.
BEFORE_MATCH = {1: (0.35, 0.25), 2: (0.60, 0.35), 3: (0.80, 1.00), 4: (0.95, 0.60)}
FAR_FROM_MATCH = (0.70, 0.55)
DAY_AFTER_MATCH = (0.30, 0.05)
INDIVIDUAL_WORK = (0.40, 0.15)


@dataclass(frozen=True)
class Plan:
    """Arrays of teams x days.

    `kind` is one of the constants above, `intensity` and `fast` (share of the fastest day's running) run 0-1,
    `deload` holds the length in days of a planned deload on its first day, and `travel_h` the journey home of
    an away match.
    """

    kind: Ints
    intensity: Floats
    fast: Floats
    deload: Floats
    travel_h: Floats


def season_days(seasons: int, last_day: date, settings: Calendar) -> Dates:
    """Every day from the start of the first of `seasons` seasons to `last_day`, inclusive."""
    year = last_day.year - (last_day.month < settings.season_start_month)
    first = date(year - seasons + 1, settings.season_start_month, 1)
    return np.arange(np.datetime64(first), np.datetime64(last_day) + 1)


def day_of_season(days: Dates, settings: Calendar) -> Ints:
    """Days since the last season start, 0 on the first day."""
    years = days.astype("datetime64[Y]")
    start = years.astype("datetime64[M]") + (settings.season_start_month - 1)
    start = np.where(days < start, start - 12, start)
    since: Ints = (days - start.astype("datetime64[D]")).astype(np.int64)
    return since


def weekday(days: Dates) -> Ints:
    """0 on Mondays."""
    number: Ints = (days.astype(np.int64) + 3) % 7
    return number


def team_plan(days: Dates, squad: Squad, settings: Calendar, rng: np.random.Generator) -> Plan:
    """The plan of one team, as arrays of one row."""
    season_day = day_of_season(days, settings)
    off_season = _off_season(days, settings)
    on_break = _breaks(days, settings)
    match = _matches(days, squad, season_day, off_season | on_break, settings, rng)
    day_off = rng.random(len(days)) < settings.midweek_day_off_share
    kind, intensity, fast = _week(match, weekday(days), day_off)
    idle = off_season | on_break
    kind[idle], intensity[idle], fast[idle] = INDIVIDUAL, INDIVIDUAL_WORK[0], INDIVIDUAL_WORK[1]
    ramp = np.interp(season_day, [0, 7 * settings.pre_season_weeks], [settings.pre_season_first_share, 1.0])
    deload, in_deload = _deloads(days, idle | (season_day < 7 * settings.pre_season_weeks), settings)
    share = np.where(kind == TRAINING, ramp * np.where(in_deload, settings.deload_share, 1.0), 1.0)
    travel_h = _travel(match, settings, rng)
    return Plan(kind[None], (intensity * share)[None], (fast * share)[None], deload[None], travel_h[None])


def stack(plans: list[Plan]) -> Plan:
    """The plans of all teams, one row each."""
    return Plan(*(np.concatenate([getattr(plan, name) for plan in plans]) for name in Plan.__dataclass_fields__))


def _month_day(days: Dates) -> npt.NDArray[np.str_]:
    return np.array([str(day)[5:] for day in days])


def _off_season(days: Dates, settings: Calendar) -> Flags:
    end = f"{settings.season_end_month:02d}-{settings.season_end_day:02d}"
    month_day = _month_day(days)
    found: Flags = (month_day > end) & (month_day < f"{settings.season_start_month:02d}-01")
    return found


def _breaks(days: Dates, settings: Calendar) -> Flags:
    month_day = _month_day(days)
    found = np.zeros(len(days), dtype=bool)
    lengths = {settings.winter_break_start: settings.winter_break_days}
    lengths |= dict.fromkeys(settings.international_breaks, settings.international_break_days)
    for start, length in lengths.items():
        for first in np.flatnonzero(month_day == start):
            found[first : first + length] = True
    return found


def _matches(
    days: Dates, squad: Squad, season_day: Ints, idle: Flags, settings: Calendar, rng: np.random.Generator
) -> Flags:
    """Weekly matches on the squad's weekday, and in some weeks another three days before."""
    main = weekday(days) == squad.match_weekday
    pre_season = season_day < 7 * settings.pre_season_weeks
    second = (weekday(days) == (squad.match_weekday - 3) % 7) & ~pre_season
    second &= rng.random(len(days)) < squad.midweek_share
    found: Flags = (main | second) & (season_day >= settings.first_friendly_day) & ~idle
    return found


def _week(match: Flags, day_of_week: Ints, day_off: Flags) -> tuple[Ints, Floats, Floats]:
    """Kind, intensity and fast share of each day from its distance to the matches around it."""
    since, until = _since(match), _since(match[::-1])[::-1]
    kind = np.full(len(match), TRAINING)
    intensity, fast = np.full(len(match), FAR_FROM_MATCH[0]), np.full(len(match), FAR_FROM_MATCH[1])
    for distance, (level, speed) in BEFORE_MATCH.items():
        intensity[until == distance], fast[until == distance] = level, speed
    after = (since == 1) & (until > 1)
    intensity[after], fast[after] = DAY_AFTER_MATCH
    kind[(since == 2) & (until > 2)] = OFF
    kind[(until == 2) & (since > 3) & day_off] = OFF
    kind[(day_of_week == 6) & (until > 4) & (since > 2)] = OFF
    intensity[kind == OFF], fast[kind == OFF] = 0.0, 0.0
    kind[match], intensity[match], fast[match] = MATCH, 1.0, 1.0
    return kind, intensity, fast


def _travel(match: Flags, settings: Calendar, rng: np.random.Generator) -> Floats:
    away = match & (rng.random(len(match)) < settings.away_share)
    hours = settings.travel_median_h * np.exp(settings.travel_log_sd * rng.standard_normal(len(match)))
    return np.where(away, np.minimum(hours, 12.0), 0.0)


def _since(match: Flags) -> Ints:
    """Days since the last match, 0 on its day, 99 before the first."""
    position = np.arange(len(match))
    last = np.maximum.accumulate(np.where(match, position, -99))
    return position - last


def _deloads(days: Dates, idle: Flags, settings: Calendar) -> tuple[Floats, Flags]:
    """Dose in days on the Monday of each deload week, and which days lie within one."""
    week = (days.astype(np.int64) + 3) // 7
    due = (week % settings.deload_every_weeks == 0) & ~idle
    dose = np.where(due & (weekday(days) == 0), float(settings.deload_days), 0.0)
    return dose, due & (weekday(days) < settings.deload_days)
