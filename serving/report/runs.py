"""The prediction rows as runs: one per day on which the squad was scored."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from configs.errors import NotReady
from models.fallback import SCORED_BY as AGE_AND_HISTORY
from serving.report.stored import stored


@dataclass(frozen=True)
class Prediction:
    """One athlete's row of one run. An abstained one has NaN figures and a reason.

    `by_history` is True for one who is scored by age and injury history alone; the reason then says why.
    """

    athlete_id: str
    as_of: pd.Timestamp
    date: pd.Timestamp
    model_version: str
    probability: float
    lower: float
    upper: float
    usual_log_odds: float
    band: str
    share_missing: float
    abstained: bool
    by_history: bool
    reason: str
    made_at: pd.Timestamp

    @property
    def log_odds(self) -> float:
        return math.log(self.probability / (1 - self.probability))


@dataclass(frozen=True)
class Run:
    """The squad as scored on one local day, by athlete."""

    date: pd.Timestamp
    as_of: pd.Timestamp
    predictions: Mapping[str, Prediction]

    @cached_property
    def squad_log_odds(self) -> float:
        """The mean score of those whom the model scored, in log-odds; NaN for nobody."""
        found = [item.log_odds for item in self.scored if not item.by_history]
        return math.fsum(found) / len(found) if found else math.nan

    @property
    def scored(self) -> list[Prediction]:
        return [prediction for prediction in self.predictions.values() if not prediction.abstained]


def read_runs(predictions: pd.DataFrame, horizon_days: int) -> tuple[Run, ...]:
    """All runs at this horizon, oldest first, one per local day (the day's latest).

    Where an athlete was scored twice for the same instant the first one stands: it is what staff saw.
    """
    rows = predictions[predictions["horizon_days"] == horizon_days].sort_values(["as_of", "made_at"], kind="stable")
    rows = rows.drop_duplicates(["athlete_id", "as_of"], keep="first")
    runs: dict[pd.Timestamp, Run] = {}
    for _, of_run in rows.groupby("as_of", sort=True):
        found = [_prediction(row) for row in of_run.to_dict("records")]
        by_athlete = {item.athlete_id: item for item in found}
        runs[found[0].date] = Run(found[0].date, found[0].as_of, by_athlete)
    return tuple(runs[date] for date in sorted(runs))


def run_at(predictions: pd.DataFrame, as_of: pd.Timestamp, horizon_days: int, version: str) -> Run:
    """The run that the report is about: this instant, by the model version that the report describes."""
    wanted = (predictions["as_of"] == as_of) & (predictions["model_version"] == version)
    runs = read_runs(predictions[wanted], horizon_days)
    if not runs:
        raise NotReady(
            f"predictions: none at {as_of:%Y-%m-%d %H:%M} UTC for {horizon_days} days by model {version}. "
            "Score that date first."
        )
    return runs[-1]


def before(runs: Sequence[Run], date: pd.Timestamp) -> tuple[Run, ...]:
    return tuple(run for run in runs if run.date < date)


def last_week(runs: Sequence[Run], date: pd.Timestamp) -> Run | None:
    """The run nearest to seven days before `date`, from four to ten days before it."""
    near = [run for run in runs if 4 <= (date - run.date).days <= 10]
    return min(near, key=lambda run: abs((date - run.date).days - 7), default=None)


def first_of_weeks(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The first run of each calendar week: the weekly reports, also of a squad that is scored daily."""
    weeks: dict[tuple[int, int], Run] = {}
    for run in sorted(runs, key=lambda run: run.date):
        year, week, _ = run.date.isocalendar()
        weeks.setdefault((year, week), run)
    return tuple(weeks.values())


def _prediction(row: Mapping[Hashable, Any]) -> Prediction:
    return Prediction(
        athlete_id=str(row["athlete_id"]),
        as_of=pd.Timestamp(row["as_of"]),
        date=pd.Timestamp(row["date"]).normalize(),
        model_version=str(row["model_version"]),
        probability=_figure(row["probability"]),
        lower=_figure(row["lower"]),
        upper=_figure(row["upper"]),
        usual_log_odds=_figure(row.get("usual_log_odds")),
        band=text_or_empty(row["band"]),
        share_missing=_figure(row["share_missing"]),
        abstained=bool(row["abstained"]),
        by_history=row["scored_by"] == AGE_AND_HISTORY,
        reason=stored(text_or_empty(row["reason"])),
        made_at=pd.Timestamp(row["made_at"]),
    )


def _figure(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)


def text_or_empty(value: Any) -> str:
    """The text of a cell; "" for a missing one."""
    return "" if pd.isna(value) else str(value)
