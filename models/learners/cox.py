"""Boosted trees for Cox's partial likelihood: who is injured sooner, with one baseline over the days ahead.

Every athlete-day is a landmark from which the days to the injury are counted up to the longest horizon: van Houwelingen
2007, Scand J Stat 34(1):70-85. Ties after Breslow. LightGBM boosts the score, so missing values and monotone directions
are handled as in the default model.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from configs.errors import NotReady
from models.estimator import (
    Bag,
    Calibration,
    Settings,
    athlete_samples,
    fit_calibration,
    member_log_odds,
    out_of_bag,
    tree_parameters,
)
from models.learner import TrainingRows
from models.learners.crossfit import ascending
from models.learners.trees_alone import alone
from models.odds import Floats, Ints, probability

_LARGEST_SCORE = 20.0
"""Log-hazard ratios beyond it would only overflow."""


@dataclass(frozen=True)
class Waiting:
    """Whole days from each row's own day (1 = on that day) to its injury or, if `is_event` is 0, to the last day
    known."""

    days: Ints
    is_event: Floats


@dataclass(frozen=True)
class FittedCox:
    """`expected` is the baseline's cumulative hazard by the end of each horizon."""

    bag: Bag
    expected: Floats
    calibrations: tuple[Calibration, ...]

    def chances(self, features: pd.DataFrame) -> Floats:
        """See `models.learner.Fitted`."""
        raw = raw_log_odds(member_log_odds(self.bag, features).mean(axis=0), self.expected)
        pairs = zip(self.calibrations, raw, strict=True)
        return ascending([probability(calibration.log_odds(each)) for calibration, each in pairs])


@dataclass(frozen=True)
class BoostedCox:
    """See the module."""

    name: str = "cox"
    label: str = "boosted Cox"

    def fit(self, rows: TrainingRows, settings: Settings) -> FittedCox:
        """See `models.learner.Learner`."""
        known = np.flatnonzero(np.isfinite(rows.labels[str(rows.horizons_days[0])].to_numpy(dtype=np.float64)))
        waiting = waiting_times(rows.index.iloc[known], rows.labels.iloc[known], rows.horizons_days)
        if not 0 < waiting.is_event.sum() < len(known):
            raise NotReady(f"training boosted Cox: {int(waiting.is_event.sum())} of {len(known)} rows have an event.")
        features, athletes = rows.features.iloc[known], rows.athletes[known]
        bag, held_out = _fit_bag(features, waiting, athletes, settings, rows)
        expected = breslow(held_out, waiting, rows.horizons_days)
        raw = raw_log_odds(held_out, expected)
        labels = (rows.labels[str(days)].to_numpy(dtype=np.float64)[known] for days in rows.horizons_days)
        fitted = tuple(_calibrated(each, label, settings) for each, label in zip(raw, labels, strict=True))
        return FittedCox(bag, expected, fitted)


def _calibrated(raw: Floats, label: Floats, settings: Settings) -> Calibration:
    known = np.isfinite(label)
    return fit_calibration(raw[known], label[known], settings.calibration)


def waiting_times(index: pd.DataFrame, labels: pd.DataFrame, horizons_days: tuple[int, ...]) -> Waiting:
    """Days to the injury as closely as the labels of an athlete's rows tell.

    A row's own labels say in which stretch of the horizon it lies; those of the athlete's later rows, which look at the
    same injury from nearer, say it to within the days between rows. The shortest horizon of every row must be known.
    """
    outcome = labels[[str(days) for days in horizons_days]].to_numpy(dtype=np.float64)
    day = index["date"].to_numpy().astype("datetime64[D]").astype(np.float64)
    ends = np.where(outcome == 1, day[:, None] + np.array(horizons_days), np.inf).min(axis=1)
    order = pd.DataFrame({"athlete": index["athlete_id"].to_numpy(), "day": day, "end": ends})
    nearest = order.sort_values(["athlete", "day"], ascending=False).groupby("athlete")["end"].cummin().sort_index()
    is_event = np.isfinite(ends)
    last_known = np.where(np.isfinite(outcome), np.array(horizons_days), 0).max(axis=1)
    days = np.where(is_event, nearest.to_numpy() - day, last_known)
    return Waiting(days.astype(np.int64), is_event.astype(np.float64))


def _fit_bag(
    features: pd.DataFrame, waiting: Waiting, athletes: Any, settings: Settings, rows: TrainingRows
) -> tuple[Bag, Floats]:
    """A bag of log-hazard ratios, and each row's mean over the members that never saw its athlete."""
    values, codes = features.to_numpy(dtype=np.float64), pd.factorize(athletes)[0]
    names = tuple(features.columns)
    parameters = tree_parameters(names, len(codes), alone(settings), rows.monotone) | {"early_stopping_round": 0}
    samples = athlete_samples(codes, waiting.is_event, settings.members, settings.seed)

    def fit_member(member: int) -> str:
        import lightgbm

        drawn = np.repeat(np.arange(len(codes)), samples[member][codes])
        sample = Waiting(waiting.days[drawn], waiting.is_event[drawn])
        given = {**parameters, "seed": settings.seed + member, "objective": lambda score, _: gradients(score, sample)}
        data = lightgbm.Dataset(values[drawn], sample.is_event, feature_name=list(names), params=parameters)
        return str(lightgbm.train(given, data).model_to_string())

    with ThreadPoolExecutor(settings.threads) as pool:
        bag = Bag(tuple(pool.map(fit_member, range(settings.members))), names, 0.0)
    return bag, out_of_bag(member_log_odds(bag, features), samples[:, codes] == 0)


def gradients(score: Floats, waiting: Waiting) -> tuple[Floats, Floats]:
    """First derivative and diagonal of the second of the negative log partial likelihood."""
    ratio = np.exp(np.clip(score, -_LARGEST_SCORE, _LARGEST_SCORE))
    at_risk, events = _at_risk(ratio, waiting), np.bincount(waiting.days, waiting.is_event)
    share = np.divide(events, at_risk, out=np.zeros(len(events)), where=at_risk > 0)
    squared = np.divide(share, at_risk, out=np.zeros(len(events)), where=at_risk > 0)
    expected, less = np.cumsum(share)[waiting.days], np.cumsum(squared)[waiting.days]
    return ratio * expected - waiting.is_event, np.maximum(ratio * expected - ratio**2 * less, 1e-12)


def _at_risk(ratio: Floats, waiting: Waiting) -> Floats:
    """Sum of the hazard ratios of those who wait at least so many days, by day."""
    return np.asarray(np.cumsum(np.bincount(waiting.days, ratio)[::-1])[::-1])


def breslow(score: Floats, waiting: Waiting, horizons_days: tuple[int, ...]) -> Floats:
    """The cumulative hazard of a row with score 0 by the end of each horizon, from the rows with a score."""
    scored = np.isfinite(score)
    kept = Waiting(waiting.days[scored], waiting.is_event[scored])
    at_risk, events = _at_risk(np.exp(score[scored]), kept), np.bincount(kept.days, kept.is_event)
    expected = np.cumsum(np.divide(events, at_risk, out=np.zeros(len(events)), where=at_risk > 0))
    return np.asarray(expected[np.minimum(horizons_days, len(expected) - 1)])


def raw_log_odds(score: Floats, expected: Floats) -> Floats:
    """(horizons, rows) log-odds of an injury by each horizon's end: p = 1 - exp(-H), so they are ln(exp(H) - 1)."""
    hazard = np.maximum(expected, 1e-9)[:, None] * np.exp(np.clip(score, -_LARGEST_SCORE, _LARGEST_SCORE))
    return np.asarray(hazard + np.log(-np.expm1(-hazard)))
