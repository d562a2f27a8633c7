"""The sealed truth: per athlete-day the hazard, each factor's term and share, and what an oracle would say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipelines.simulation import calendar
from pipelines.simulation.calendar import Floats
from pipelines.simulation.hazard import FACTOR_TERMS, INTERACTING
from pipelines.simulation.life import Days, Life
from pipelines.simulation.sessions import expected_match_min
from pipelines.simulation.settings import Settings

HORIZONS_DAYS = (7, 14, 28)
USUAL_DAYS = 42.0  # time constant of the running mean that a term returns to
SHARE = "share_"


def truth_table(life: Life, settings: Settings) -> pd.DataFrame:
    """One row per athlete and day with the squad, in order of athlete and day.

    log_hazard = base + frailty + every term, per hour of training; hazard is that of the day's exposure, 0 at rest.
    `share_<factor>` is what the factor adds that morning to the log-hazard of the squad's mean athlete-day at risk:
    its term and half of each interaction that it is part of, less the mean of the same. `oracle_<h>` is the
    probability of a strain within h days, this one included; NaN while injured.
    """
    member = (np.arange(len(life.days))[:, None] >= life.people.first) & (
        np.arange(len(life.days))[:, None] < life.people.end
    )
    athlete, day = np.nonzero(member.T)
    terms = {name: values[day, athlete] for name, values in life.terms.items()}
    at_risk = life.at_risk[day, athlete]
    oracle = {f"oracle_{days}": values[day, athlete] for days, values in _oracle(life, settings).items()}
    return pd.DataFrame(
        {
            "athlete_id": pd.Series(life.people.ids[athlete], dtype="str"),
            "date": life.days[day].astype("datetime64[us]"),
            "at_risk": at_risk,
            "hazard": life.hazard[day, athlete],
            "log_hazard": life.log_hazard[day, athlete],
            "base": life.base,
            "frailty": life.people.frailty[athlete],
            **terms,
            **{f"{SHARE}{name}": values - values[at_risk].mean() for name, values in by_factor(terms).items()},
            **oracle,
        }
    )


def by_factor(terms: Mapping[str, Floats]) -> dict[str, Floats]:
    """Each factor's term with half of every interaction that it is part of; the sum stays the same."""
    owed = {name: np.array(terms[name]) for name in FACTOR_TERMS}
    for interaction, factors in INTERACTING.items():
        for factor in factors:
            owed[factor] += terms[interaction] / len(factors)
    return owed


def horizon_shares(truth: pd.DataFrame, days: int, settings: Settings) -> pd.DataFrame:
    """Each factor's share in the log-hazard to be expected over the next `days`, columns as `share_<factor>`.

    A term that fades within days, such as fatigue, tells little about the next four weeks: it counts as far as it
    will last on average. Fair to compare with the explanation of a prediction over that horizon.
    """
    half_lives = dict(settings.persistence)
    names = [*FACTOR_TERMS, *INTERACTING]
    usual = truth.groupby("athlete_id")[names].ewm(alpha=1 - np.exp(-1 / USUAL_DAYS), adjust=False).mean()
    terms, running = truth[names].to_numpy(), usual.droplevel("athlete_id").loc[truth.index].to_numpy()
    kept = np.array([_kept(half_lives[name], days) for name in names])
    expected = dict(zip(names, (running + (terms - running) * kept).T, strict=True))
    at_risk = truth["at_risk"].to_numpy()
    shares = {f"{SHARE}{name}": owed - owed[at_risk].mean() for name, owed in by_factor(expected).items()}
    return pd.DataFrame(shares, index=truth.index)


def _kept(half_life_days: float, days: int) -> float:
    """Mean share of a deviation that is left over the next `days`, today included."""
    return float(np.mean(0.5 ** (np.arange(days) / half_life_days)))


def _oracle(life: Life, settings: Settings) -> dict[int, Floats]:
    """Probability by horizon: today's terms, fading towards their recent mean, times the exposure planned.

    It knows every latent state, the frailty and the fixture list, but not who will be picked, hurt or sore.
    One constant per horizon makes it right on the whole.
    """
    planned = _planned_hours(life, settings)
    usual = {name: _usual(values) for name, values in life.terms.items()}
    future = np.zeros_like(planned)
    probability = {}
    for ahead in range(max(HORIZONS_DAYS)):
        to_come = planned[ahead:]
        future[: len(to_come)] += _projected(life, usual, settings, ahead)[: len(to_come)] * to_come
        if ahead + 1 in HORIZONS_DAYS:
            probability[ahead + 1] = _as_probability(future, life, ahead + 1)
    return probability


def _planned_hours(life: Life, settings: Settings) -> Floats:
    """Expected hours at risk per day and athlete, from the fixtures and how often the athlete is picked."""
    kind, intensity = life.plan.kind[life.people.team].T, life.plan.intensity[life.people.team].T
    train_h = settings.calendar.training_min * (0.7 + 0.4 * intensity) / 60
    match_h = settings.hamstring.match_ratio * expected_match_min(life.people) / 60
    alone_h = 0.6 * settings.calendar.off_season_session_share * train_h
    hours: Floats = np.select(
        [kind == calendar.MATCH, kind == calendar.TRAINING, kind == calendar.INDIVIDUAL],
        [np.broadcast_to(match_h, kind.shape), train_h, alone_h],
        0.0,
    )
    position = np.arange(len(kind))[:, None]
    here = (position >= life.people.first) & (position < life.people.end)
    return np.where(here, hours if settings.hamstring.by_exposure else 1.0, 0.0)


def _projected(life: Life, usual: Days, settings: Settings, ahead: int) -> Floats:
    """The hazard per training hour expected `ahead` days from each day."""
    half_lives = dict(settings.persistence)
    log_hazard = np.full(life.log_hazard.shape, life.base) + life.people.frailty
    for name, values in life.terms.items():
        log_hazard += usual[name] + (values - usual[name]) * 0.5 ** (ahead / half_lives[name])
    hazard: Floats = np.exp(log_hazard)
    return hazard


def _usual(values: Floats) -> Floats:
    """Running mean of a term up to each day, per athlete."""
    usual, keep = np.empty_like(values), np.exp(-1 / USUAL_DAYS)
    mean = values[0]
    for day, today in enumerate(values):
        mean = keep * mean + (1 - keep) * today
        usual[day] = mean
    return usual


def _as_probability(future: Floats, life: Life, days: int) -> Floats:
    """`future` hazard as a probability, scaled so that it equals what came about in full horizons."""
    total = np.cumsum(np.vstack([np.zeros(future.shape[1]), life.hazard]), axis=0)
    came = total[days:] - total[:-days]
    full = life.at_risk[: len(came)]
    scale = came[full].sum() / max(future[: len(came)][full].sum(), 1e-12)
    return np.where(life.at_risk, 1 - np.exp(-scale * future), np.nan)
