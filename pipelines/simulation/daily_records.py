"""What is recorded day by day: sessions, wellness forms and doses of preventive work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipelines.simulation import calendar, sessions
from pipelines.simulation.calendar import Flags, Floats, Ints, day_of_season
from pipelines.simulation.life import Life
from pipelines.simulation.people import FORM_SCORES
from pipelines.simulation.recording import (
    EVENING,
    MORNING,
    OFFICE_HOURS,
    at,
    contract_frame,
    delayed,
    keys,
    names,
    rounded,
)
from pipelines.simulation.settings import Settings

KINDS = np.array(["unspecified", "training", "match", "rehabilitation"])
DISTANCES = ("distance_m", "high_speed_distance_m", "sprint_distance_m")


def sessions_table(life: Life, settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """One row per session; a few were uploaded with distances too long and are corrected days later."""
    day, athlete = np.nonzero(life.sessions["code"])
    times = delayed(
        at(life.days[day], EVENING, rng),
        settings.recording.late_upload_share,
        settings.recording.late_upload_max_days,
        rng,
    )
    columns = {
        "session_id": keys(life.people, athlete, life.days[day], "S"),
        "athlete_id": names(life.people, athlete).to_numpy(),
        "date": life.days[day],
        "known_at": times,
        "kind": KINDS[life.sessions["code"][day, athlete].astype(np.int64)],
        **_effort(life, day, athlete, rng),
        **_tracking(life, day, athlete, settings, rng),
    }
    return contract_frame("sessions", _with_corrections(columns, settings, rng), life.days[-1])


def _effort(life: Life, day: Ints, athlete: Ints, rng: np.random.Generator) -> dict[str, Floats]:
    minutes, rating = (life.sessions[name][day, athlete] for name in ("duration_min", "rpe"))
    unrated = rng.random(len(day)) < 0.03
    return {
        "duration_min": minutes,
        "rpe": rounded(rating, 0, unrated),
        "load_au": rounded(rating * minutes, 0, unrated),
    }


def _tracking(life: Life, day: Ints, athlete: Ints, settings: Settings, rng: np.random.Generator) -> dict[str, Floats]:
    """Satellite and accelerometer columns; all of them missing where the device failed."""
    done = {name: values[day, athlete] for name, values in life.sessions.items()}
    failed = rng.random(len(day)) < settings.recording.device_failure_share
    error = 1 + 0.02 * rng.standard_normal((4, len(day)))
    efforts = done["duration_min"] * (0.25 + 0.1 * done["rpe"])
    top = done["top_speed_share"] * life.people.top_speed_m_s[athlete]
    fast = done["fast_m"] * error[1]
    return {
        "distance_m": rounded(np.maximum(done["distance_m"] * error[0], fast), 0, failed),
        "high_speed_distance_m": rounded(fast, 0, failed),
        "high_speed_threshold_m_s": rounded(np.full(len(day), settings.load.high_speed_threshold_m_s), 2, failed),
        "sprint_distance_m": rounded(done["sprint_m"] * error[2], 0, failed),
        "sprint_threshold_m_s": rounded(np.full(len(day), settings.load.sprint_threshold_m_s), 2, failed),
        "sprint_count": rounded(rng.poisson(done["sprint_m"] / 18).astype(np.float64), 0, failed),
        "max_speed_m_s": rounded(np.clip(top * (1 + 0.01 * rng.standard_normal(len(day))), 0, 11.5), 2, failed),
        "acceleration_count": rounded(rng.poisson(efforts).astype(np.float64), 0, failed),
        "deceleration_count": rounded(rng.poisson(0.9 * efforts).astype(np.float64), 0, failed),
        "player_load_au": rounded(0.095 * done["distance_m"] * error[3], 1, failed),
    }


def _with_corrections(columns: dict[str, Any], settings: Settings, rng: np.random.Generator) -> dict[str, Any]:
    measured = columns["distance_m"] > 0
    wrong = measured & (rng.random(len(measured)) < settings.recording.correction_share)
    later = delayed(columns["known_at"][wrong], 1.0, 3, rng)
    corrected = {name: values[wrong] for name, values in columns.items()} | {"known_at": later}
    first = columns | {name: np.where(wrong, np.round(1.2 * columns[name]), columns[name]) for name in DISTANCES}
    return {name: np.concatenate([first[name], corrected[name]]) for name in columns}


def wellness_table(life: Life, settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """One row per form filled in: fewer as the season goes on, and in the weeks off."""
    day, athlete = np.nonzero(_filled_in(life, settings, rng))
    late = rng.random(len(day)) < settings.recording.form_late_share
    times = np.where(
        late,
        delayed(at(life.days[day], OFFICE_HOURS, rng), 0.4, 3, rng),
        at(life.days[day], MORNING, rng),
    )
    columns = {
        "athlete_id": names(life.people, athlete),
        "date": life.days[day],
        "known_at": times,
        **_scores(life, day, athlete, settings, rng),
    }
    return contract_frame("wellness", columns, life.days[-1])


def _filled_in(life: Life, settings: Settings, rng: np.random.Generator) -> Flags:
    how = settings.recording
    share = np.interp(
        day_of_season(life.days, settings.calendar), [0, 330], [how.form_share_first, how.form_share_last]
    )
    share = share[:, None] * np.minimum(life.people.form_share / 0.86, 1.05)
    share = share * np.where(life.plan.kind[life.people.team].T == calendar.INDIVIDUAL, 0.5, 1.0)
    here = np.stack([sessions.members(life.people, day) for day in range(len(life.days))])
    filled: Flags = here & (rng.random(here.shape) < share)
    return filled


def _scores(life: Life, day: Ints, athlete: Ints, settings: Settings, rng: np.random.Generator) -> dict[str, Floats]:
    """Scores 0-10: latent state, the athlete's own way of answering, and noise."""
    true = {name: values[day, athlete] for name, values in life.mornings.items()}
    weary = (true["fatigue"] - settings.response.fatigue_mean) / settings.response.fatigue_sd
    slept, debt = true["sleep_h"] - life.people.sleep_h[athlete], true["sleep_debt_h"]
    felt = {
        "fatigue": 3.8 + 1.2 * weary + 0.5 * debt,
        "soreness": 1.4 + 1.2 * true["soreness"],
        "stress": 3.2 + 1.5 * true["stress"],
        "mood": 6.8 - 0.9 * true["stress"] - 0.3 * weary,
        "sleep_quality": 6.6 + 1.1 * slept - 0.4 * true["stress"],
        "nutrition": 6.8 + 1.3 * true["fuelling"],
        "hydration": 6.6 + 1.1 * true["fuelling"],
        "readiness": 6.8 - 0.9 * weary - 0.6 * true["stress"] - 0.5 * debt,
    }
    own = dict(zip(FORM_SCORES, life.people.answers[:, athlete], strict=True))
    noise = rng.standard_normal((len(felt) + 1, len(day)))
    scores = {name: value + own[name] + 0.9 * noise[row] for row, (name, value) in enumerate(felt.items())}
    scores["hamstring_discomfort"] = true["discomfort"] + 0.2 * (true["soreness"] - 2) + 0.5 * noise[-1]
    return {name: np.clip(np.round(score), 0, 10) + 0.0 for name, score in scores.items()}


def interventions_table(life: Life, settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """One row per dose."""
    kinds = np.array(list(life.doses))
    doses = np.stack(list(life.doses.values()))
    row, day, athlete = np.nonzero(doses)
    kind = kinds[row]
    columns = {
        "intervention_id": np.char.add(np.char.add(keys(life.people, athlete, life.days[day], "P"), "-"), kind),
        "athlete_id": names(life.people, athlete),
        "date": life.days[day],
        "known_at": delayed(at(life.days[day], EVENING, rng), settings.recording.late_upload_share, 3, rng),
        "kind": kind,
        "dose": doses[row, day, athlete],
    }
    return contract_frame("interventions", columns, life.days[-1])
