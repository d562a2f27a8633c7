"""What is tested on set days: strength every week and month, and the screening battery three times a year."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.simulation import calendar
from pipelines.simulation.calendar import Flags, Floats, Ints, weekday
from pipelines.simulation.life import Life
from pipelines.simulation.recording import EVENING, at, contract_frame, keys, names, rounded
from pipelines.simulation.settings import Settings

TUESDAY = 1
SCREENING_DAY_OF_MONTH = 5
LEFT, RIGHT = -1.0, 1.0
LIMBS = {"left": LEFT, "right": RIGHT}
QUADRICEPS_N_M_PER_KG = 2.9
ISOMETRIC_N_PER_KG = 4.1
HIP_N_PER_KG = {"hip_extension": 4.6, "hip_abduction": 4.0, "hip_adduction": 4.3}


@dataclass(frozen=True)
class Occasion:
    """Who is tested when, one entry per athlete and day, with the latent values of that morning."""

    day: Ints
    athlete: Ints
    latent: dict[str, Floats]
    mass_kg: Floats
    force_share: Floats


@dataclass(frozen=True)
class Measured:
    """One test of one limb on every entry of an occasion."""

    name: str
    limb: str
    value: Floats
    speed_deg_s: float = np.nan


def strength_table(life: Life, settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """Nordics monthly, isometric force and squeeze weekly, hips with each screening, isokinetics yearly."""
    weekly = _occasion(life, _weekly(life), settings, rng)
    monthly = _occasion(life, _monthly(life), settings, rng)
    screened = _occasion(life, _screening_days(life, settings), settings, rng)
    yearly = _occasion(life, _yearly_days(life, settings), settings, rng)
    parts = [_strength_rows(life, weekly, _weekly_strength(weekly, rng), rng)]
    parts += [_strength_rows(life, monthly, _nordic(monthly, settings, rng), rng)]
    parts += [_strength_rows(life, screened, _hips(screened, rng), rng)]
    parts += [_strength_rows(life, yearly, _isokinetic(life, yearly, rng), rng)]
    return contract_frame("strength_tests", pd.concat(parts, ignore_index=True), life.days[-1])


def screenings_table(life: Life, settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """The clinical battery three times a year, jumps every week."""
    screened = _occasion(life, _screening_days(life, settings), settings, rng)
    weekly = _occasion(life, _weekly(life), settings, rng)
    parts = [_screening_rows(life, screened, _battery(life, screened, settings, rng), rng)]
    parts += [_screening_rows(life, weekly, _jumps(life, weekly, rng), rng)]
    return contract_frame("screenings", pd.concat(parts, ignore_index=True), life.days[-1])


def _in_season(life: Life) -> Flags:
    """Days x athletes: a day with planned team work, or a day off between such days."""
    planned: Flags = (life.plan.kind != calendar.INDIVIDUAL)[life.people.team].T
    return planned


def _weekly(life: Life) -> Flags:
    due: Flags = _in_season(life) & (weekday(life.days) == TUESDAY)[:, None]
    return due


def _monthly(life: Life) -> Flags:
    first_week = (life.days - life.days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) < 7
    due: Flags = _weekly(life) & first_week[:, None]
    return due


def _screening_days(life: Life, settings: Settings) -> Flags:
    months = life.days.astype("datetime64[M]")
    chosen = np.isin(months.astype(np.int64) % 12 + 1, settings.recording.screening_months)
    due = chosen & ((life.days - months.astype("datetime64[D]")).astype(np.int64) == SCREENING_DAY_OF_MONTH - 1)
    return np.broadcast_to(due[:, None], (len(life.days), len(life.people)))


def _yearly_days(life: Life, settings: Settings) -> Flags:
    months = life.days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    due: Flags = _screening_days(life, settings) & (months == settings.calendar.season_start_month)[:, None]
    return due


def _occasion(life: Life, due: Flags, settings: Settings, rng: np.random.Generator) -> Occasion:
    """The athletes available on the days that are due, less the few who miss it."""
    attended = rng.random(due.shape) < settings.recording.test_attended_share
    day, athlete = np.nonzero(due & life.at_risk & attended)
    latent = {name: values[day, athlete] for name, values in life.mornings.items()}
    latent["weary"] = (latent["fatigue"] - settings.response.fatigue_mean) / settings.response.fatigue_sd
    female = life.people.female[athlete]
    share = np.where(female, settings.population.women_force_ratio, 1.0)
    return Occasion(day, athlete, latent, life.people.mass_kg[athlete], share)


def _noisy(value: Floats, share: float, rng: np.random.Generator) -> Floats:
    noisy: Floats = value * (1 + share * np.clip(rng.standard_normal(len(value)), -3, 3))
    return noisy


def _limb_share(occasion: Occasion, side: float) -> Floats:
    """One limb's force against the mean of both."""
    return 1 + side * np.clip(occasion.latent["asymmetry_pct"], -45, 45) / 200


def _nordic(occasion: Occasion, settings: Settings, rng: np.random.Generator) -> list[Measured]:
    who, latent = settings.population, occasion.latent
    mean = who.nordic_n_per_kg * occasion.mass_kg * occasion.force_share * np.exp(who.nordic_sd * latent["eccentric"])
    mean = mean * (1 - 0.02 * np.clip(latent["weary"], -2, 3))
    return [
        Measured("nordic", limb, np.clip(_noisy(mean * _limb_share(occasion, side), 0.035, rng), 60, 850))
        for limb, side in LIMBS.items()
    ]


def _weekly_strength(occasion: Occasion, rng: np.random.Generator) -> list[Measured]:
    latent, tired = occasion.latent, np.clip(occasion.latent["weary"], -2, 3)
    mean = ISOMETRIC_N_PER_KG * occasion.mass_kg * occasion.force_share * np.exp(0.1 * latent["eccentric"])
    mean = mean * (1 - 0.05 * tired)
    squeeze = 4.6 * occasion.mass_kg * occasion.force_share * (1 - 0.03 * tired)
    return [
        *(
            Measured("isometric_knee_flexion", limb, _noisy(mean * _limb_share(occasion, side), 0.03, rng))
            for limb, side in LIMBS.items()
        ),
        Measured("adductor_squeeze", "both", _noisy(squeeze, 0.05, rng)),
    ]


def _hips(occasion: Occasion, rng: np.random.Generator) -> list[Measured]:
    usual = occasion.mass_kg * occasion.force_share
    strong = {"hip_adduction": np.ones(len(usual))}
    bottom = np.exp(0.15 * occasion.latent["gluteal"])
    return [
        Measured(name, limb, _noisy(level * usual * strong.get(name, bottom), 0.05, rng))
        for name, level in HIP_N_PER_KG.items()
        for limb in LIMBS
    ]


def _isokinetic(life: Life, occasion: Occasion, rng: np.random.Generator) -> list[Measured]:
    front = QUADRICEPS_N_M_PER_KG * occasion.mass_kg * occasion.force_share
    back = front * life.people.hq_ratio[occasion.athlete]
    lengthening = 1.1 * back * np.exp(0.12 * occasion.latent["eccentric"])
    rows = []
    for limb, side in LIMBS.items():
        share = _limb_share(occasion, side)
        rows += [
            Measured("isokinetic_concentric_quadriceps", limb, _noisy(front, 0.04, rng), 60.0),
            Measured("isokinetic_concentric_hamstring", limb, _noisy(back * share, 0.04, rng), 60.0),
            Measured("isokinetic_eccentric_hamstring", limb, _noisy(lengthening * share, 0.04, rng), 30.0),
        ]
    return rows


def _jumps(life: Life, occasion: Occasion, rng: np.random.Generator) -> list[Measured]:
    tired = np.clip(occasion.latent["weary"], -2, 3)
    usual_cm = 38 + 7 * (life.people.top_speed_m_s[occasion.athlete] - 9.0)
    height = _noisy(usual_cm * (1 - 0.035 * tired), 0.03, rng)
    reactive = _noisy(0.012 * usual_cm * (1 - 0.05 * tired), 0.05, rng)
    return [
        Measured("countermovement_jump", "both", np.clip(np.round(height, 1), 12, 80)),
        Measured("rsi_modified", "both", np.clip(np.round(reactive, 2), 0.1, 1.2)),
    ]


def _battery(life: Life, occasion: Occasion, settings: Settings, rng: np.random.Generator) -> list[Measured]:
    who, latent, number = settings.population, occasion.latent, len(occasion.day)
    skill = latent["kinetic_chain"]
    laxity = life.people.beighton[occasion.athlete]
    noise = rng.standard_normal((5, number))
    both = [
        Measured("beighton", "both", laxity),
        Measured("s_mas", "both", np.clip(np.round(who.s_mas_mean + who.s_mas_sd * skill + 0.7 * noise[0]), 0, 12)),
        Measured("anterior_pelvic_tilt", "both", np.clip(np.round(12 + 3 * skill + 2 * noise[1]), -10, 35)),
        Measured("trunk_side_flexion", "both", np.clip(np.round(9 + 2 * skill + 1.5 * noise[2]), 0, 30)),
    ]
    return both + [
        each for limb, side in LIMBS.items() for each in _limb_battery(occasion, laxity, limb, side, settings, rng)
    ]


def _limb_battery(
    occasion: Occasion, laxity: Floats, limb: str, side: float, settings: Settings, rng: np.random.Generator
) -> list[Measured]:
    who, latent, number = settings.population, occasion.latent, len(occasion.day)
    stiff, alarm = latent["rigidity"], latent["sensitised"] * (side * latent["asymmetry_pct"] < 0)
    noise = rng.standard_normal((7, number))
    raise_deg = who.straight_leg_raise_deg + who.straight_leg_raise_sd_deg * (0.2 * laxity - 0.3 - 0.85 * stiff)
    positive = rng.random(number) < 1 / (1 + np.exp(2.6 - 2.5 * alarm))
    reps = who.bridge_reps + who.bridge_sd * (0.5 * latent["eccentric"] + 0.45 * latent["gluteal"] + 0.4 * noise[0])
    values = {
        "straight_leg_raise": np.clip(np.round(raise_deg - 5 * alarm + 3 * noise[1]), 35, 125),
        "active_knee_extension_deficit": np.clip(np.round(24 + 6 * stiff + 4 * alarm + 3 * noise[2]), 0, 70),
        "passive_knee_extension_deficit": np.clip(np.round(17 + 5 * stiff + 2 * alarm + 3 * noise[3]), 0, 70),
        "slump": positive.astype(np.float64),
        "single_leg_bridge": np.clip(np.round(reps * _limb_share(occasion, side)), 2, 70),
        "y_balance_composite": np.clip(np.round(95 - 3 * latent["kinetic_chain"] + 2.5 * noise[4], 1), 65, 125),
        "gluteal_emg": np.clip(np.round(100 * np.exp(0.2 * latent["gluteal"] + 0.1 * noise[5])), 25, 300),
        "hamstring_stiffness": np.clip(np.round(285 + 30 * stiff + 25 * alarm + 15 * noise[6]), 120, 600),
    }
    return [Measured(name, limb, value) for name, value in values.items()]


def _strength_rows(life: Life, occasion: Occasion, tests: list[Measured], rng: np.random.Generator) -> pd.DataFrame:
    rows = _rows(life, occasion, tests, rng)
    torque = rows["name"].str.startswith("isokinetic")
    value = rounded(rows["value"].to_numpy(), 1)
    speed = np.repeat([test.speed_deg_s for test in tests], len(occasion.day))
    return rows.assign(
        test_id=rows["id"],
        protocol=rows["name"],
        peak_force_n=np.where(torque, np.nan, value),
        peak_torque_n_m=np.where(torque, value, np.nan),
        body_mass_kg=np.tile(rounded(occasion.mass_kg, 1), len(tests)),
        angular_speed_deg_s=speed,
    )


def _screening_rows(life: Life, occasion: Occasion, tests: list[Measured], rng: np.random.Generator) -> pd.DataFrame:
    rows = _rows(life, occasion, tests, rng)
    return rows.assign(screening_id=rows["id"], test=rows["name"])


def _rows(life: Life, occasion: Occasion, tests: list[Measured], rng: np.random.Generator) -> pd.DataFrame:
    """One row per test and entry of the occasion; both limbs of a test share identifier and upload."""
    number, days = len(occasion.day), life.days[occasion.day]
    name = np.repeat([test.name for test in tests], number)
    base: npt.NDArray[np.str_] = keys(life.people, occasion.athlete, days, "T")
    return pd.DataFrame(
        {
            "id": np.char.add(np.char.add(np.tile(base, len(tests)), "-"), name),
            "athlete_id": np.tile(names(life.people, occasion.athlete).to_numpy(dtype=object), len(tests)),
            "date": np.tile(days, len(tests)).astype("datetime64[us]"),
            "known_at": np.tile(at(days, EVENING, rng), len(tests)),
            "name": name,
            "limb": np.repeat([test.limb for test in tests], number),
            "value": np.concatenate([test.value for test in tests]),
        }
    )
