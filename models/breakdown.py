"""What lies behind an evaluation's averages: alerts by budget, lead days, subgroups, athletes, curves in numbers.

Every table is long: one figure a line, with its 95 % interval by athlete bootstrap and what it stands on. A figure
that too few injuries carry is left out and the line says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from models import metrics
from models.alerts import BUDGETS, AlertPolicy
from models.calibration_curve import Smoothed
from models.metrics import Metric
from models.odds import Floats
from models.tested import MODEL, Tested

LEAST_EVENTS = 10
"""Fewer injuries give a subgroup no figure that depends on them (standards: TRIPOD+AI item 3c, 14)."""

LEAD_DAYS = (0, 1, 2, 3, 4, 5, 6, 7, 10, 13, 20, 27)
"""Days before onset at which the ranking is looked at, where the horizon reaches so far."""

FALSE_ALERTS = (5, 10, 20, 30, 50, 100, 200)
"""Needless flags worth one injury foreseen: each is a threshold of the decision curve, 1 / (1 + it)."""

_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BINS = 400

Line = dict[str, Any]


def line(horizon_days: int, metric: Metric, **keys: Any) -> Line:
    """A table's line: horizon, its keys, then the fields of Metric."""
    return {"horizon_days": horizon_days, **keys, **asdict(metric)}


def alert_table(tested: Tested, policy: AlertPolicy) -> Iterator[Line]:
    """Precision, recall of injuries, false flags per injury and days of warning, by flags per squad and week."""
    places = tested.standings()
    for budget in (policy, *BUDGETS):
        name = f"{policy.most} per {policy.per_athletes}" if isinstance(budget, AlertPolicy) else str(budget)
        for measure, draws in tested.foreseen(places.shares(budget)).items():
            yield line(tested.horizon_days, tested.summary(measure, draws), budget=name)


def lead_table(tested: Tested) -> Iterator[Line]:
    """AUROC of athlete-days so many days before an onset against days without one, within folds."""
    lead = np.full(len(tested.rows), -1)
    nearest = tested.covered.groupby("row")["lead_days"].min()
    lead[nearest.index] = nearest.to_numpy()
    for days in (each for each in LEAD_DAYS if each < tested.horizon_days):
        chosen = (tested.clustered.label == 0) | (lead == days)
        rows = tested.clustered.part(chosen, _injuries(tested, lead == days))
        draws = metrics.auroc(rows, tested.chance()[chosen], tested.fold[chosen])
        yield line(tested.horizon_days, metrics.summarise("auroc", draws, rows), lead_days=days)


def _injuries(tested: Tested, chosen: Any) -> int:
    """How many injuries lie in the horizon of the chosen rows."""
    covered = tested.covered[chosen[tested.covered["row"].to_numpy()]]
    return len(covered[["athlete_id", "onset"]].drop_duplicates())


def subgroup_table(tested: Tested, groups: pd.DataFrame, policy: AlertPolicy) -> Iterator[Line]:
    """Figures of each value of each column of `groups` (one row per row of the index, missing where not known).

    Values stand in the order of a categorical column, else by name. Ranking counts pairs of the same subgroup and
    fold; flags are those of the whole squad's list.
    """
    share = tested.standings().shares(policy)
    for column in groups:
        values = groups[column].to_numpy(dtype=object)[tested.rows["row"].to_numpy()]
        for value in _in_order(groups[column], values):
            chosen = values == value
            if not chosen.all():
                yield from _subgroup(tested, chosen, share, str(column), value)


def _in_order(column: pd.Series, found: Any) -> list[str]:
    """The values found, in the column's own order if it is categorical, else by name."""
    names = {str(each) for each in pd.unique(found) if not pd.isna(each)}
    if isinstance(column.dtype, pd.CategoricalDtype):
        return [str(each) for each in column.cat.categories if str(each) in names]
    return sorted(names)


def _subgroup(tested: Tested, chosen: Any, share: Floats, column: str, value: str) -> Iterator[Line]:
    injuries = _injuries(tested, chosen)
    rows = tested.clustered.part(chosen, injuries)
    chance, fold = tested.chance()[chosen], tested.fold[chosen]
    flagged, reported = np.nan_to_num(share[chosen]), np.isfinite(share[chosen]).astype(np.float64)
    told = {
        "event_rate": metrics.event_rate(rows),
        "mean_risk": metrics.ratio(rows.totals(chance), rows.totals(np.ones(len(chance)))),
        "alert_rate": metrics.ratio(rows.totals(flagged), rows.totals(reported)),
    }
    for name, draws in told.items():
        yield line(tested.horizon_days, metrics.summarise(name, draws, rows), by=column, subgroup=value)
    judged = _judged(rows, chance, fold, flagged) if injuries >= LEAST_EVENTS else {}
    for name in _JUDGED:
        metric = metrics.summarise(name, judged[name], rows) if judged else _too_few(name, rows)
        yield line(tested.horizon_days, metric, by=column, subgroup=value)


_JUDGED = ("auroc", "observed_expected", "calibration_slope", "alert_precision")


def _judged(rows: metrics.Clusters, chance: Floats, fold: Any, flagged: Floats) -> Mapping[str, Floats]:
    return {
        "auroc": metrics.auroc(rows, chance, fold),
        "observed_expected": metrics.observed_expected(rows, chance),
        "calibration_slope": metrics.calibration_slope(rows, chance),
        "alert_precision": metrics.ratio(rows.totals(flagged * rows.label), rows.totals(flagged)),
    }


def _too_few(name: str, rows: metrics.Clusters) -> Metric:
    reason = f"too few to judge: {rows.n_events} injuries, at least {LEAST_EVENTS} are needed"
    return Metric(name, np.nan, np.nan, np.nan, len(rows.label), rows.n_events, rows.n_athletes, reason)


def athlete_table(tested: Tested, policy: AlertPolicy) -> pd.DataFrame:
    """One line per athlete: injuries, days tested, mean and highest risk, weekly reports, flags, true flags.

    No intervals: one athlete cannot be resampled. Flags can be fractions where folds share a place.
    """
    share = tested.standings().shares(policy)
    repeats = int(tested.repeat.max()) + 1
    lines = tested.rows[["athlete_id", "squad"]].assign(
        days=1 / repeats, risk=tested.chance(), reports=np.isfinite(share) / repeats,
        flags=np.nan_to_num(share) / repeats,
        flags_before_injury=np.nan_to_num(share) * tested.clustered.label / repeats,
    )  # fmt: skip
    by_athlete = lines.groupby("athlete_id")
    found = by_athlete[["days", "reports", "flags", "flags_before_injury"]].sum()
    found.insert(0, "injuries", tested.covered.drop_duplicates(["athlete_id", "onset"]).groupby("athlete_id").size())
    found.insert(2, "mean_risk", by_athlete["risk"].mean())
    found.insert(3, "highest_risk", by_athlete["risk"].max())
    found = found.fillna({"injuries": 0}).astype({"injuries": int}).reset_index()
    return found.assign(horizon_days=tested.horizon_days)[["horizon_days", *found.columns]]


def risk_distribution(tested: Tested) -> Iterator[Line]:
    """Quantiles and mean of the predicted probability before an injury and otherwise, and the means' difference."""
    rows, chance = tested.clustered, tested.chance()
    means = []
    for outcome, label in (("injury followed", 1), ("no injury followed", 0)):
        part = rows.part(rows.label == label, rows.n_events if label else 0)
        risk = chance[rows.label == label]
        means.append(metrics.ratio(part.totals(risk), part.totals(np.ones(len(risk)))))
        for name, draws in {"mean": means[-1], **_quantiles(part, risk)}.items():
            yield line(tested.horizon_days, metrics.summarise(name, draws, part), outcome=outcome)
    apart = tested.summary("difference_of_means", means[0] - means[1])
    yield line(tested.horizon_days, apart, outcome="difference")


def _quantiles(rows: metrics.Clusters, risk: Floats) -> dict[str, Floats]:
    """Weighted quantiles in each resample, by athlete and bin of risk."""
    if not len(risk):
        return {}
    edges = np.unique(np.quantile(risk, np.linspace(0, 1, _BINS)))
    position = np.searchsorted(edges, risk)
    athletes = rows.weights.shape[1]
    cells = np.bincount(rows.athlete * len(edges) + position, minlength=athletes * len(edges))
    reached = np.cumsum(rows.weights @ cells.reshape(athletes, -1).astype(np.float64), axis=1)
    total = reached[:, -1:]
    return {
        f"quantile_{round(100 * share)}": np.where(
            total[:, 0] > 0, edges[(reached >= share * total).argmax(axis=1)], np.nan
        )
        for share in _SHARES
    }


def decision_curve(tested: Tested) -> Iterator[Line]:
    """Net benefit per 1,000 athlete-days by threshold: the model, flagging everybody, and the model's gain.

    Flagging nobody gives 0. The gain is over the better of everybody and nobody, chosen in each resample.
    """
    everybody = np.ones(len(tested.rows))
    for worth in FALSE_ALERTS:
        threshold = 1 / (1 + worth)
        keys = {"false_alerts_per_injury": worth, "threshold": threshold}
        own, all_flagged = (_benefit(tested, chance, threshold) for chance in (tested.chance(), everybody))
        gain = own - np.maximum(all_flagged, 0.0)
        for name, draws in {MODEL: own, "everybody": all_flagged, "gain": gain}.items():
            yield line(tested.horizon_days, tested.summary("net_benefit_per_1000", draws), of=name, **keys)


def _benefit(tested: Tested, chance: Floats, threshold: float) -> Floats:
    return 1000 * metrics.net_benefit(tested.clustered, chance, threshold)


def calibration_lines(tested: Tested, curve: Smoothed) -> Iterator[Line]:
    """The smoothed share of days with an injury at each predicted probability."""
    for position, predicted in enumerate(curve.predicted):
        metric = tested.summary("observed", curve.observed[:, position])
        yield line(tested.horizon_days, replace(metric, reason=None), predicted=float(predicted))
