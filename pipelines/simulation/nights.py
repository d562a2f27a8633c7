"""What the wearable records: one WHOOP cycle per night that it was worn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.simulation import sessions
from pipelines.simulation.calendar import Dates, Flags, Floats, Ints
from pipelines.simulation.life import Life
from pipelines.simulation.people import DAYS_PER_YEAR
from pipelines.simulation.recording import Times, contract_frame, in_a_gap
from pipelines.simulation.settings import Settings

SOURCE = "whoop"
WAKES_MIN, WAKES_SD_MIN, WAKES_EARLIEST_MIN, WAKES_LATEST_MIN = 6.6 * 60, 18.0, 5.2 * 60, 7.3 * 60
ON_PHONE_AFTER_MIN = 15


def cycles_table(life: Life, settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """One row per athlete and night with WHOOP's own fields, oldest first; times are local."""
    athlete, day = np.nonzero(_worn(life, settings, rng).T)
    wake = _at_second(life.days[day], np.round(60 * _wake_min(len(day), rng)))
    asleep = np.round(60 * life.mornings["sleep_h"][day, athlete])
    efficiency = np.clip(91 + 3 * rng.standard_normal(len(day)) - life.mornings["stress"][day, athlete], 70, 99)
    in_bed = np.round(100 * asleep / efficiency)
    columns = {
        "athlete_id": pd.Series(life.people.ids[athlete], dtype="str"),
        "date": life.days[day].astype("datetime64[us]"),
        "sleep_onset": wake - in_bed.astype("timedelta64[m]"),
        "wake_onset": wake,
        "asleep_min": asleep,
        "in_bed_min": in_bed,
        "efficiency_pct": np.round(100 * asleep / in_bed),
        **_heart(life, day, athlete, settings, rng),
        **_stages(asleep, rng),
        **_effort(life, day, athlete, rng),
    }
    return pd.DataFrame(columns)


def wearable_table(cycles: pd.DataFrame, life: Life, settings: Settings) -> pd.DataFrame:
    """The same nights as the contract table."""
    behind = ON_PHONE_AFTER_MIN - 60 * settings.recording.local_utc_offset_h
    columns = {
        "athlete_id": cycles["athlete_id"],
        "date": cycles["date"],
        "known_at": cycles["wake_onset"] + pd.Timedelta(minutes=behind),
        "source": np.full(len(cycles), SOURCE),
        "sleep_h": cycles["asleep_min"] / 60,
        "sleep_efficiency_pct": cycles["efficiency_pct"],
        "resting_heart_rate_bpm": cycles["resting_heart_rate_bpm"],
        "hrv_rmssd_ms": cycles["hrv_ms"],
    }
    return contract_frame("wearable_days", columns, life.days[-1])


def _worn(life: Life, settings: Settings, rng: np.random.Generator) -> Flags:
    """Nights with a device on, less single nights off and dropouts of days or weeks."""
    how, shape = settings.recording, life.log_hazard.shape
    here = np.stack([sessions.members(life.people, day) for day in range(shape[0])]) & life.people.has_wearable
    lost = in_a_gap(shape, how.wearable_dropouts_per_year / DAYS_PER_YEAR, how.wearable_dropout_days, rng)
    worn: Flags = here & ~lost & (rng.random(shape) < how.wearable_night_share)
    return worn


def _at_second(days: Dates, second: Floats) -> Times:
    since_epoch = days.astype("datetime64[s]").astype(np.int64) + second.astype(np.int64)
    return since_epoch.astype("datetime64[s]").astype("datetime64[us]")


def _wake_min(number: int, rng: np.random.Generator) -> Floats:
    drawn = WAKES_MIN + WAKES_SD_MIN * rng.standard_normal(number)
    return np.clip(drawn, WAKES_EARLIEST_MIN, WAKES_LATEST_MIN)


def _heart(life: Life, day: Ints, athlete: Ints, settings: Settings, rng: np.random.Generator) -> dict[str, Floats]:
    latent = {name: values[day, athlete] for name, values in life.mornings.items()}
    weary = (latent["fatigue"] - settings.response.fatigue_mean) / settings.response.fatigue_sd
    strained = weary + 0.7 * latent["stress"] + 0.5 * latent["sleep_debt_h"]
    noise = rng.standard_normal((5, len(day)))
    rate = life.people.resting_heart_rate_bpm[athlete] + 1.0 * strained + 2.2 * noise[0]
    variability = np.exp(life.people.hrv_log[athlete] - 0.06 * strained + 0.12 * noise[1])
    return {
        "recovery_pct": np.clip(np.round(62 - 11 * strained - 6 * noise[0] + 6 * noise[1]), 1, 99),
        "resting_heart_rate_bpm": np.clip(np.round(rate), 32, 100),
        "hrv_ms": np.clip(np.round(variability), 8, 250),
        "skin_temp_c": np.round(33.8 + 0.4 * noise[2], 2),
        "blood_oxygen_pct": np.round(np.clip(96 + 0.9 * noise[3], 91, 100), 2),
        "respiratory_rate_rpm": np.round(15.5 + 0.8 * noise[4], 1),
    }


def _stages(asleep: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    deep = np.round(asleep * np.clip(0.20 + 0.03 * rng.standard_normal(len(asleep)), 0.1, 0.3))
    rem = np.round(asleep * np.clip(0.23 + 0.04 * rng.standard_normal(len(asleep)), 0.1, 0.35))
    return {
        "deep_min": deep,
        "rem_min": rem,
        "light_min": asleep - deep - rem,
        "consistency_pct": np.clip(np.round(72 + 9 * rng.standard_normal(len(asleep))), 30, 98),
    }


def _effort(life: Life, day: Ints, athlete: Ints, rng: np.random.Generator) -> dict[str, Floats | Times]:
    load = (life.sessions["rpe"] * life.sessions["duration_min"])[day, athlete]
    noise = rng.standard_normal((3, len(day)))
    need = 468 + 20 * np.clip(life.mornings["sleep_debt_h"][day, athlete], 0, 4)
    return {
        "strain": np.round(np.clip(5 + 1.6 * np.log1p(load / 40) * 2 + noise[0], 2, 20.9), 1),
        "energy_kcal": np.round(2000 + 1.6 * load + 80 * noise[1]),
        "max_heart_rate_bpm": np.clip(np.round(np.where(load > 0, 178, 128) + 7 * noise[2]), 90, 205),
        "average_heart_rate_bpm": np.clip(np.round(66 + 0.012 * load + 3 * noise[0]), 45, 110),
        "need_min": np.round(need),
        "debt_min": np.round(60 * np.clip(life.mornings["sleep_debt_h"][day, athlete], 0, 4)),
    }
