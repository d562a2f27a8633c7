"""The tested athlete-days of one horizon, with what every measure of them needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.alerts import Budget, Reports, Standings, foreseen, reports
from models.estimator import Settings
from models.metrics import Clusters, Metric, clusters, covered_injuries, measure, summarise
from models.odds import Floats, Ints

MODEL = "model"
"""How the model under evaluation is called beside the keys of BASELINES."""


@dataclass(frozen=True)
class Tested:
    """Rows with a known outcome, their resamples, and which injury lies in the horizon of which row."""

    horizon_days: int
    rows: pd.DataFrame
    clustered: Clusters
    covered: pd.DataFrame
    fold: Ints
    repeat: Ints
    reports: Reports

    def chance(self, model: str = MODEL) -> Floats:
        return self.rows[model].to_numpy(dtype=np.float64)

    def standings(self, model: str = MODEL) -> Standings:
        return self.reports.standings(self.chance(model))

    def foreseen(self, share: Floats) -> dict[str, Floats]:
        """See `alerts.foreseen`."""
        return foreseen(self.clustered, self.covered, share, self.repeat)

    def draws(self, model: str, threshold: float, budget: Budget) -> dict[str, Floats]:
        """Every measure of one model, in all resamples."""
        measured = measure(self.clustered, self.chance(model), threshold, self.fold)
        measured["precision_above_chance"] = measured["average_precision"] - measured["prevalence_line"]
        return measured | self.foreseen(self.standings(model).shares(budget))

    def summary(self, name: str, draws: Floats) -> Metric:
        return summarise(name, draws, self.clustered)


def tested_rows(
    out_of_fold: pd.DataFrame, onsets: pd.DataFrame, horizon_days: int, settings: Settings
) -> Tested | None:
    """The rows of one horizon that have an outcome, ready to be measured; None if there are none.

    Rows after the last day on which a non-event is known are left out: the horizon runs past the data there, so that
    only events have a label, and they would look too frequent.
    """
    rows = out_of_fold[out_of_fold["horizon_days"] == horizon_days]
    last = rows.loc[rows["label"] == 0, "date"].max()
    known = pd.DataFrame(rows[rows["label"].notna() & (rows["date"] <= last)]).reset_index(drop=True)
    if known.empty:
        return None
    covered = covered_injuries(known, onsets, horizon_days)
    injuries = len(covered[["athlete_id", "onset"]].drop_duplicates())
    label = known["label"].to_numpy(dtype=np.float64)
    repeats = int(known["repeat"].max()) + 1
    clustered = clusters(label, known["athlete_id"], settings.resamples, settings.seed, injuries, repeats)
    fold, repeat = known["fold"].to_numpy(), known["repeat"].to_numpy()
    return Tested(horizon_days, known, clustered, covered, fold, repeat, reports(known))
