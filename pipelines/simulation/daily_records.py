"""What is recorded day by day: sessions, wellness forms and doses of preventive work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipelines.simulation import calendar, sessions
from pipelines.simulation.calendar import Flags, Floats, Ints, day_of_season
from pipelines.simulation.devices import device_in_use, metres_above, of_device
from pipelines.simulation.life import Life
from pipelines.simulation.people import DAYS_PER_YEAR
from pipelines.simulation.recording import (
    EVENING,
    MORNING,
    OFFICE_HOURS,
    at,
    contract_frame,
    delayed,
    in_a_gap,
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
    """Satellite and accelerometer columns of the device in use; all of them missing where it failed."""
    done = {name: values[day, athlete] for name, values in life.sessions.items()}
    failed = rng.random(len(day)) < settings.recording.device_failure_share
    error = 1 + 0.02 * rng.standard_normal((4, len(day)))
    efforts = done["duration_min"] * (0.25 + 0.1 * done["rpe"])
    top = done["top_speed_share"] * life.people.top_speed_m_s[athlete]
    device = device_in_use(life, settings, rng)[day, life.people.team[athlete]]
    from_speed, from_sprint = (
        of_device(settings, f"{name}_threshold_m_s", device) for name in ("high_speed", "sprint")
    )
    reads = of_device(settings, "reads_share", device)
    fast, sprint = (
        np.minimum(metres_above(speed, done["fast_m"], done["sprint_m"], settings.devices[0]), done["distance_m"])
        * error[row] * reads
        for row, speed in ((1, from_speed), (2, from_sprint))
    )  # fmt: skip
    return {
        "distance_m": rounded(np.maximum(done["distance_m"] * error[0] * reads, fast), 0, failed),
        "high_speed_distance_m": rounded(fast, 0, failed),
        "high_speed_threshold_m_s": rounded(from_speed, 2, failed),
        "sprint_distance_m": rounded(np.minimum(sprint, fast), 0, failed),
        "sprint_threshold_m_s": rounded(from_sprint, 2, failed),
        "sprint_count": rounded(rng.poisson(np.maximum(sprint, 0) / 18).astype(np.float64), 0, failed),
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
    share = share[:, None] * life.people.form_share
    with_the_team = np.isin(life.plan.kind[life.people.team].T, (calendar.TRAINING, calendar.MATCH))
    share = share * np.where(with_the_team, 1.0, how.form_day_off_share)
    here = np.stack([sessions.members(life.people, day) for day in range(len(life.days))])
    starts_per_day = how.form_gaps_per_year / DAYS_PER_YEAR * life.people.forgets
    silent = in_a_gap(here.shape, starts_per_day, how.form_gap_days, rng)
    filled: Flags = here & ~silent & (rng.random(here.shape) < share)
    return filled


def _scores(life: Life, day: Ints, athlete: Ints, settings: Settings, rng: np.random.Generator) -> dict[str, Floats]:
    """Scores 0-10: latent state, the athlete's own level and drift, and noise."""
    felt = _felt(life, day, athlete, settings)
    scores = {}
    for answer, own in zip(settings.answers, life.people.answers, strict=True):
        score = answer.mean + answer.between_sd * own[athlete] + answer.noise_sd * rng.standard_normal(len(day))
        score += answer.drift_sd * _drift(life, settings.recording.answers_drift_days, rng)[day, athlete]
        score += sum(getattr(answer, name) * value for name, value in felt.items())
        scores[answer.name] = np.clip(np.round(score), 0, 10) + 0.0
    return scores


def _felt(life: Life, day: Ints, athlete: Ints, settings: Settings) -> dict[str, Floats]:
    """The latent states that a form is answered from, by the names of `settings.Answer`."""
    true = {name: values[day, athlete] for name, values in life.mornings.items()}
    return {
        "weary": (true["fatigue"] - settings.response.fatigue_mean) / settings.response.fatigue_sd,
        "slept_h": true["sleep_h"] - life.people.sleep_h[athlete],
        **{name: true[name] for name in ("soreness", "stress", "sleep_debt_h", "fuelling", "discomfort")},
    }


def _drift(life: Life, time_constant_days: float, rng: np.random.Generator) -> Floats:
    """Days x athletes: a slow wandering of mean 0 and spread 1."""
    keep = np.exp(-1 / time_constant_days)
    steps = rng.standard_normal(life.log_hazard.shape)
    steps[1:] *= np.sqrt(1 - keep**2)
    for day in range(1, len(steps)):
        steps[day] += keep * steps[day - 1]
    return steps


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
