"""What a season of weekly scores was worth, week by week as they were given: no fold, no pooling, no hindsight.

Every Monday's scores come from the model of that morning, so AUROC compares athletes of the same Monday only. A
baseline flags as many as the report did in each week, so that both cost staff the same attention.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models import metrics
from models.estimator import Settings
from models.evaluation import Score
from models.metrics import Metric
from models.odds import Floats
from models.tested import MODEL, Tested, tested_rows

BESIDE = ("age_history", "prevalence")
"""Baselines that a replay refits on the model's own schedule."""
AGAINST = "age_history"
COMPARED = ("auroc", "average_precision", "scaled_brier", "alert_precision", "alert_recall")
"""Measures whose difference from AGAINST gets an interval of its own; higher is better in all of them."""


@dataclass(frozen=True)
class Month:
    """Injuries observed and expected among the athlete-weeks of one calendar month, at the report's horizon."""

    month: str
    observed: int
    expected: float
    ratio: Metric


def judge_season(
    said: pd.DataFrame, onsets: pd.DataFrame, horizons_days: Sequence[int], flagged_at: int, settings: Settings
) -> tuple[Score, ...]:
    """Metrics of every horizon with intervals by athlete bootstrap, model beside baselines.

    `said` has one row per Monday, athlete at risk and horizon: athlete_id, date, squad, horizon_days, label (NaN while
    open), is_flagged, and a probability for MODEL and each of BESIDE. What flags foresaw is measured at the horizon
    `flagged_at`, which the report ranks by. A horizon without an outcome gives nothing.
    """
    found: list[Score] = []
    for horizon in horizons_days:
        tested = tested_rows(_by_week(said), onsets, horizon, settings)
        if tested is not None:
            found += _scores(tested, horizon == flagged_at)
    return tuple(found)


def _by_week(said: pd.DataFrame) -> pd.DataFrame:
    """The rows as those of an evaluation whose folds are the Mondays."""
    return said.assign(fold=pd.factorize(said["date"], sort=True)[0].astype(np.int64), repeat=0)


def _scores(tested: Tested, has_flags: bool) -> Iterator[Score]:
    draws = {name: _draws(tested, name, has_flags) for name in (MODEL, *BESIDE)}
    for name, measured in draws.items():
        for metric, values in measured.items():
            yield Score(tested.horizon_days, name, None, _summary(tested, metric, values))
    for metric in COMPARED:
        if metric in draws[MODEL]:
            difference = draws[MODEL][metric] - draws[AGAINST][metric]
            yield Score(tested.horizon_days, MODEL, AGAINST, _summary(tested, metric, difference))


def _summary(tested: Tested, name: str, draws: Floats) -> Metric:
    """The metric; flags that foresaw nothing get no interval, since resampling them can show nothing else."""
    found = tested.summary(name, draws)
    if name not in ("alert_precision", "alert_recall") or draws[np.isfinite(draws)].any():
        return found
    return replace(found, lower=np.nan, upper=np.nan, reason="no interval: no flag was followed by an injury")


def _draws(tested: Tested, name: str, has_flags: bool) -> dict[str, Floats]:
    rows, chance = tested.clustered, tested.chance(name)
    measured = {
        "event_rate": metrics.event_rate(rows),
        "auroc": metrics.auroc(rows, chance, tested.fold),
        "average_precision": metrics.average_precision(rows, chance),
        "brier": metrics.brier(rows, chance),
        "scaled_brier": metrics.scaled_brier(rows, chance),
        "observed_expected": metrics.observed_expected(rows, chance),
    }
    return measured | (tested.foreseen(_shares(tested.rows, name)) if has_flags else {})


def _shares(rows: pd.DataFrame, name: str) -> Floats:
    """How surely each row is flagged: the model's as reported; a baseline's highest, as many as the model's that week.

    Equal scores that compete for the last places each have the same chance of one.
    """
    flagged = rows["is_flagged"].astype(np.float64)
    if name == MODEL:
        return np.asarray(flagged, dtype=np.float64)
    week = rows.groupby("fold")[name]
    above = week.rank(method="min", ascending=False) - 1
    tied = rows.groupby(["fold", name])[name].transform("size")
    places = flagged.groupby(rows["fold"]).transform("sum")
    return np.asarray(((places - above) / tied).clip(0, 1), dtype=np.float64)


def by_month(said: pd.DataFrame, onsets: pd.DataFrame, horizon_days: int, settings: Settings) -> tuple[Month, ...]:
    """Observed over expected injuries in each calendar month of the Mondays that have an outcome.

    A month without an injury has no interval: resampling athletes can show no injury that none of them had.
    """
    tested = tested_rows(_by_week(said), onsets, horizon_days, settings)
    if tested is None:
        return ()
    months = tested.rows["date"].dt.strftime("%Y-%m")
    return tuple(_month(tested, str(month), (months == month).to_numpy()) for month in months.unique())


def _month(tested: Tested, month: str, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Month:
    rows, chance = tested.clustered.part(chosen), tested.chance()[chosen]
    observed, expected = int(rows.label.sum()), float(chance.sum())
    name = "observed_expected"
    if not observed:
        counts = (len(rows.label), 0, rows.n_athletes)
        none = Metric(name, 0.0, np.nan, np.nan, *counts, "no interval: no injury in this month")
        return Month(month, observed, expected, none)
    return Month(month, observed, expected, metrics.summarise(name, metrics.observed_expected(rows, chance), rows))
