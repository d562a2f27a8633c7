"""Discrimination, calibration, net benefit and the alert budget, each with an interval by athlete bootstrap.

Rows of one athlete resemble each other, so whole athletes are resampled. A resample is a row of integer
weights per athlete, and a measure returns one number per resample, the first being the estimate itself. Two
models measured on the same `Clusters` share their resamples, so their differences are paired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.estimator import Floats, Ints, probability

MOST_UNDEFINED_SHARE = 0.10
"""Percentiles over fewer than nine in ten resamples would describe a luckier data set than this one."""

RECALIBRATION_BINS = 1024
"""Resamples group scores into at most so many bins for expected counts; the estimate is never binned."""

_SCORES_WITHIN = 1e-6
_NEWTON_STEPS = 30
_RESAMPLES_AT_ONCE = 256


@dataclass(frozen=True)
class Metric:
    """An estimate with its 95% interval; without one, the bounds are NaN and `reason` says why."""

    name: str
    value: float
    lower: float
    upper: float
    n_rows: int
    n_events: int
    n_athletes: int
    reason: str | None = None


@dataclass(frozen=True)
class Clusters:
    """Labelled rows by athlete, and how often each resample holds each athlete (the first: each once).

    `n_events` counts injuries where the caller knows them; many rows precede the same one.
    """

    label: Floats
    athlete: Ints
    weights: Floats
    n_events: int

    def totals(self, values: Floats) -> Floats:
        """The sum of a per-row value in each resample."""
        return np.asarray(self.weights @ self.by_athlete(values))

    def by_athlete(self, values: Floats) -> Floats:
        summed = np.bincount(self.athlete, weights=values, minlength=self.weights.shape[1])
        return summed.astype(np.float64)


def clusters(label: Floats, athletes: Any, resamples: int, seed: int, n_events: int | None = None) -> Clusters:
    """Rows with `label` 1 or 0, ready to be measured. `n_events` defaults to the rows with an event."""
    codes = pd.factorize(np.asarray(athletes))[0].astype(np.int64)
    count = int(codes.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights = np.vstack([np.ones(count), drawn])
    return Clusters(label, codes, weights, int(label.sum()) if n_events is None else n_events)


def summarise(name: str, draws: Floats, rows: Clusters) -> Metric:
    """The estimate `draws[0]` with the 2.5th and 97.5th percentile of the rest."""
    counts = (len(rows.label), rows.n_events, rows.weights.shape[1])
    value, resampled = float(draws[0]), draws[1:]
    if not np.isfinite(value):
        reason = "not defined here: it needs events, non-events and scores that differ"
        return Metric(name, np.nan, np.nan, np.nan, *counts, reason)
    is_defined = np.isfinite(resampled)
    undefined_share = 1 - is_defined.mean()
    if undefined_share > MOST_UNDEFINED_SHARE:
        share = f"{undefined_share:.0%}"
        reason = f"no interval: too few athletes have events ({share} of the resamples leave it undefined)"
        return Metric(name, value, np.nan, np.nan, *counts, reason)
    lower, upper = np.percentile(resampled[is_defined], [2.5, 97.5])
    return Metric(name, value, float(lower), float(upper), *counts)


def measure(rows: Clusters, chance: Floats, threshold: float) -> dict[str, Floats]:
    """Draws of every measure that needs no calendar, for predicted probabilities `chance`."""
    return {
        "event_rate": _ratio(rows.totals(rows.label), rows.weights @ rows.by_athlete(np.ones(len(rows.label)))),
        "auroc": auroc(rows, chance),
        "average_precision": average_precision(rows, chance),
        "brier": brier(rows, chance),
        "scaled_brier": scaled_brier(rows, chance),
        "calibration_slope": calibration_slope(rows, chance),
        "calibration_intercept": calibration_intercept(rows, chance),
        "observed_expected": observed_expected(rows, chance),
        "net_benefit": net_benefit(rows, chance, threshold),
    }


def _ratio(above: Floats, below: Floats) -> Floats:
    """`above` / `below`, NaN where there is nothing to divide by."""
    quotient = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def event_rate(rows: Clusters) -> Floats:
    """Share of rows with an event: the average precision of a model that knows nothing."""
    return _ratio(rows.totals(rows.label), rows.totals(np.ones(len(rows.label))))


def auroc(rows: Clusters, score: Floats, group: Ints | None = None) -> Floats:
    """Area under the ROC curve: the share of (event, non-event) pairs in the right order, ties counting half.

    With `group` (one number per row, from 0) only pairs of the same group count: scores of models fitted to
    different folds need not be comparable. Pairs are counted once for each pair of athletes; a resample then
    only weighs that table.
    """
    groups = np.zeros(len(score), dtype=np.int64) if group is None else group
    is_event = rows.label == 1
    event_athletes = np.unique(rows.athlete[is_event])
    pairs = np.zeros((2, len(event_athletes), rows.weights.shape[1]))
    for each in np.unique(groups[is_event]):
        others = (groups == each) & ~is_event
        for athlete in np.unique(rows.athlete[is_event & (groups == each)]):
            own = np.sort(score[is_event & (groups == each) & (rows.athlete == athlete)])
            at_most, below = (np.searchsorted(own, score[others], side=side) for side in ("right", "left"))
            won = len(own) - 0.5 * (at_most + below)
            position = np.searchsorted(event_athletes, athlete)
            for table, values in enumerate((won, np.full(len(won), len(own)))):
                pairs[table, position] += np.bincount(rows.athlete[others], values, pairs.shape[2])
    right, possible = (((rows.weights[:, event_athletes] @ each) * rows.weights).sum(axis=1) for each in pairs)
    return _ratio(right, possible)


def average_precision(rows: Clusters, score: Floats) -> Floats:
    """Precision averaged over the events, each at its own score as threshold; equal scores share one."""
    is_event = rows.label == 1
    thresholds = np.unique(score[is_event])
    events = _count_by_threshold(rows, score, thresholds, is_event)
    flagged = _from_top(_count_by_threshold(rows, score, thresholds, np.ones(len(score), dtype=bool)))
    found = _from_top(events)
    parts = np.array_split(rows.weights, len(rows.weights) // _RESAMPLES_AT_ONCE + 1)
    area = np.concatenate([_precision_area(part, events, found, flagged) for part in parts])
    return _ratio(area, rows.totals(rows.label))


def _precision_area(weights: Floats, events: Floats, found: Floats, flagged: Floats) -> Floats:
    at_threshold = weights @ events.T
    precision = _ratio(weights @ found.T, weights @ flagged.T)
    return np.asarray((at_threshold * np.nan_to_num(precision)).sum(axis=1))


def _count_by_threshold(rows: Clusters, score: Floats, thresholds: Floats, is_counted: Any) -> Floats:
    """(thresholds, athletes): how many counted rows have the threshold as the highest that they reach."""
    reached = np.searchsorted(thresholds, score, side="right") - 1
    keep = is_counted & (reached >= 0)
    athletes = rows.weights.shape[1]
    cells = np.bincount(reached[keep] * athletes + rows.athlete[keep], minlength=len(thresholds) * athletes)
    return cells.reshape(len(thresholds), athletes).astype(np.float64)


def _from_top(counts: Floats) -> Floats:
    return np.cumsum(counts[::-1], axis=0)[::-1]


def brier(rows: Clusters, chance: Floats) -> Floats:
    """Mean squared difference between probability and label."""
    return _ratio(rows.totals((chance - rows.label) ** 2), rows.totals(np.ones(len(chance))))


def scaled_brier(rows: Clusters, chance: Floats) -> Floats:
    """1 for perfect, 0 for giving everybody the rate of the very rows tested, below 0 for worse."""
    rate = event_rate(rows)
    return np.asarray(1 - _ratio(brier(rows, chance), rate * (1 - rate)))


def observed_expected(rows: Clusters, chance: Floats) -> Floats:
    """Observed events over the sum of probabilities: above 1 the model says too little."""
    return _ratio(rows.totals(rows.label), rows.totals(chance))


def net_benefit(rows: Clusters, chance: Floats, threshold: float) -> Floats:
    """True flags less false flags at the odds of `threshold`, per row; flagged is at or above it.

    Vickers & Elkin 2006, Med Decis Making 26(6):565-574.
    """
    is_flagged = chance >= threshold
    worth = np.where(rows.label == 1, 1.0, -threshold / (1 - threshold)) * is_flagged
    return _ratio(rows.totals(worth), rows.totals(np.ones(len(chance))))


def calibration_slope(rows: Clusters, chance: Floats) -> Floats:
    """Slope of the label's logistic regression on the log-odds: below 1 the scores are too extreme."""
    score = _log_odds(chance)
    spread = float(score.std())
    if spread < 1e-9:
        return np.full(len(rows.weights), np.nan)
    scaled = (score - score.mean()) / spread
    return _recalibrate(rows, scaled, with_slope=True)[1] / spread


def calibration_intercept(rows: Clusters, chance: Floats) -> Floats:
    """Calibration in the large: what to add to every log-odds so that expected events equal the observed."""
    return _recalibrate(rows, _log_odds(chance), with_slope=False)[0]


def _log_odds(chance: Floats) -> Floats:
    kept = np.clip(chance, _SCORES_WITHIN, 1 - _SCORES_WITHIN)
    return np.asarray(np.log(kept / (1 - kept)))


def _recalibrate(rows: Clusters, score: Floats, with_slope: bool) -> tuple[Floats, Floats]:
    """Intercept and slope of each resample; without a free slope it is 1."""
    values, counts = _binned(rows, score)
    events, moments = rows.totals(rows.label), rows.totals(rows.label * score)
    estimate = _newton(score, np.ones((1, len(score))), events[:1], moments[:1], with_slope)
    resampled = _newton(values, rows.weights[1:] @ counts, events[1:], moments[1:], with_slope)
    return np.append(estimate[0], resampled[0]), np.append(estimate[1], resampled[1])


def _binned(rows: Clusters, score: Floats) -> tuple[Floats, Floats]:
    """Mean score of each bin, and how many rows each athlete has in it (athletes, bins)."""
    levels, position = np.unique(score, return_inverse=True)
    if len(levels) > RECALIBRATION_BINS:
        inner = np.linspace(0, 1, RECALIBRATION_BINS // 2 + 1)[1:-1]
        # Half the edges are quantiles for the crowd, half evenly spaced for the thin and wide tails.
        edges = np.union1d(np.quantile(score, inner), levels[0] + inner * (levels[-1] - levels[0]))
        position = np.searchsorted(edges, score, side="right")
    bins, athletes = int(position.max()) + 1, rows.weights.shape[1]
    cells = np.bincount(rows.athlete * bins + position, minlength=athletes * bins).reshape(athletes, bins)
    summed = np.bincount(position, weights=score, minlength=bins).astype(np.float64)
    means = _ratio(summed, cells.sum(axis=0).astype(np.float64))
    return np.nan_to_num(means), cells.astype(np.float64)


def _newton(values: Floats, counts: Floats, events: Floats, moments: Floats, with_slope: bool) -> tuple[Floats, Floats]:
    """Logistic regression by Newton's method in all resamples at once; NaN where it does not settle.

    `counts` (resamples, values) are the rows at each score, `events` the events and `moments` the sum of
    their scores.
    """
    total = counts.sum(axis=1)
    is_mixed = (events > 0) & (events < total)
    rate = np.where(is_mixed, events / np.maximum(total, 1), 0.5)
    slope = np.zeros(len(rate)) if with_slope else np.ones(len(rate))
    intercept = np.log(rate / (1 - rate)) - slope * (counts @ values) / np.maximum(total, 1)
    change = np.full(len(rate), np.inf)
    for _ in range(_NEWTON_STEPS):
        fitted = probability(intercept[:, None] + slope[:, None] * values)
        expected, spread = counts * fitted, counts * fitted * (1 - fitted)
        step_intercept, step_slope = _newton_step(values, expected, spread, events, moments, with_slope)
        intercept, slope = intercept + step_intercept, slope + step_slope
        change = np.maximum(np.abs(step_intercept), np.abs(step_slope))
        if (change[is_mixed] < 1e-9).all():
            break
    is_settled = is_mixed & (change < 1e-6)
    return np.where(is_settled, intercept, np.nan), np.where(is_settled, slope, np.nan)


def _newton_step(
    values: Floats, expected: Floats, spread: Floats, events: Floats, moments: Floats, with_slope: bool
) -> tuple[Floats, Floats]:
    """Bounded to 2 per step, so that a bad start cannot throw it out of the likelihood's valley."""
    gap, gap_slope = events - expected.sum(axis=1), moments - expected @ values
    curve, cross, curve_slope = spread.sum(axis=1), spread @ values, spread @ values**2
    if not with_slope:
        return np.clip(_ratio(gap, curve), -2, 2), np.zeros(len(gap))
    determinant = curve * curve_slope - cross**2
    step = _ratio(curve_slope * gap - cross * gap_slope, determinant)
    step_slope = _ratio(curve * gap_slope - cross * gap, determinant)
    return np.clip(step, -2, 2), np.clip(step_slope, -2, 2)


def covered_injuries(rows: pd.DataFrame, onsets: pd.DataFrame, horizon_days: int) -> pd.DataFrame:
    """(row, athlete_id, onset): which onset lies in the horizon of which event row.

    `row` is the position in `rows` (athlete_id, date, label); `onsets` has athlete_id and date. The
    horizon is the day itself and the next `horizon_days` - 1.
    """
    every = pd.DataFrame({"athlete_id": rows["athlete_id"].to_numpy(), "day": rows["date"].to_numpy()})
    events = every.assign(row=np.arange(len(rows))).loc[rows["label"].to_numpy() == 1]
    known = onsets[["athlete_id", "date"]].drop_duplicates().rename(columns={"date": "onset"})
    pairs = events.merge(known, on="athlete_id")
    ahead_days = (pairs["onset"] - pairs["day"]).dt.days
    in_horizon = (ahead_days >= 0) & (ahead_days < horizon_days)
    return pd.DataFrame(pairs.loc[in_horizon, ["row", "athlete_id", "onset"]])


def flags(rows: pd.DataFrame, budget: int) -> Floats:
    """How surely each row is among the `budget` highest of its squad's weekly report.

    `rows` has squad, repeat, date and probability, counted from 0. The answer is 1 or 0, or between where
    equal scores compete for the last places: each has the same chance. A report covers the first day of
    each week (from Monday) on which the squad has rows; rows of other days are NaN.
    """
    week = rows["date"] - pd.to_timedelta(rows["date"].dt.day_of_week, unit="D")
    report = [rows["squad"], rows["repeat"], week]
    is_report = rows["date"] == rows.groupby(report)["date"].transform("min")
    shown = rows.loc[is_report].assign(week=week[is_report])
    by_report = shown.groupby(["squad", "repeat", "week"])["probability"]
    above = by_report.rank(method="min", ascending=False) - 1
    tied = shown.groupby(["squad", "repeat", "week", "probability"])["probability"].transform("size")
    share = ((budget - above) / tied).clip(0, 1)
    return share.reindex(rows.index).to_numpy(dtype=np.float64)


def alert_budget(clustered: Clusters, rows: pd.DataFrame, covered: pd.DataFrame, budget: int) -> dict[str, Floats]:
    """Draws of precision, recall of injuries, and false flags per injury found, at `budget` flags per report.

    `rows` are the clustered rows as `flags` wants them, `covered` is `covered_injuries` of them. An
    injury is found if any report flagged its athlete with the onset in the horizon; one that no report
    could have caught is left out. Who is flagged is settled on the squad as it was; resamples weigh the
    outcome.
    """
    share = flags(rows, budget)
    flagged = np.nan_to_num(share)
    hits = clustered.totals(flagged * clustered.label)
    false = clustered.totals(flagged * (1 - clustered.label))
    found, all_injuries = _injuries_found(clustered, rows, covered, share)
    return {
        "alert_precision": _ratio(hits, hits + false),
        "alert_recall": _ratio(found, all_injuries),
        "false_alerts_per_injury": _ratio(false, found),
    }


def _injuries_found(
    clustered: Clusters, rows: pd.DataFrame, covered: pd.DataFrame, share: Floats
) -> tuple[Floats, Floats]:
    """Injuries found, and injuries that a report could have caught, in each resample."""
    reported = covered[np.isfinite(share[covered["row"].to_numpy()])]
    position = reported["row"].to_numpy()
    missed = pd.DataFrame({
        "repeat": rows["repeat"].to_numpy()[position], "athlete": clustered.athlete[position],
        "onset": reported["onset"].to_numpy(), "missed": 1 - share[position],
    }).groupby(["repeat", "athlete", "onset"])["missed"].prod()  # fmt: skip
    athletes = clustered.weights.shape[1]
    athlete = missed.index.get_level_values("athlete").to_numpy()
    found = np.bincount(athlete, weights=1 - missed.to_numpy(), minlength=athletes)
    return clustered.weights @ found, clustered.weights @ np.bincount(athlete, minlength=athletes)
