"""Discrimination, calibration and net benefit, each with an interval by athlete bootstrap.

Rows of one athlete resemble each other, so whole athletes are resampled. A resample is a row of integer
weights per athlete, and a measure returns one number per resample, the first being the estimate itself. Two
models measured on the same `Clusters` share their resamples, so their differences are paired.

Every fold has a model of its own, so scores of two folds need not be comparable. What ranks (AUROC, average precision)
and the calibration slope therefore compare rows of the same fold only (`group`): a fold that tests many injuries has
few in training, and pooled even the base rate would seem to rank athletes, the wrong way round. What judges
probabilities as they stand (Brier, intercept, observed : expected, net benefit at a fixed threshold) is pooled over
folds: staff act on the number itself, so a fold's wrong level is a fault that must count.
The set is that of Van Calster et al. 2025, Lancet Digit Health (discrimination, calibration, overall performance,
clinical utility); accuracy and F1 are left out, which that paper calls improper.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.odds import Floats, Ints, log_odds
from models.resampled_logistic import Grouped, binned_scores, fit_grouped

MOST_UNDEFINED_SHARE = 0.10
"""Percentiles over fewer than nine in ten resamples would describe a luckier data set than this one."""

RECALIBRATION_BINS = 1024
"""Resamples bin scores into about so many bins for expected counts; the estimate is never binned."""

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
    n_athletes: int
    repeats: int = 1
    """How often each row is there: once for every repeat of the folds. Only counts of rows are divided by it."""

    def part(self, rows: Any, n_events: int | None = None) -> Clusters:
        """Some of the rows (a mask) in the same resamples."""
        label, athlete = self.label[rows], self.athlete[rows]
        events = int(label.sum()) if n_events is None else n_events
        return Clusters(label, athlete, self.weights, events, len(np.unique(athlete)), self.repeats)

    def totals(self, values: Floats) -> Floats:
        """The sum of a per-row value in each resample."""
        return np.asarray(self.weights @ self.by_athlete(values))

    def by_athlete(self, values: Floats) -> Floats:
        summed = np.bincount(self.athlete, weights=values, minlength=self.weights.shape[1])
        return summed.astype(np.float64)


def athlete_draws(athletes: int, resamples: int, seed: int) -> Ints:
    """How often each bootstrap sample holds each athlete: (resamples, athletes), drawn with replacement."""
    even = np.full(athletes, 1 / athletes)
    return np.random.default_rng(seed).multinomial(athletes, even, size=resamples)


def clusters(
    label: Floats, athletes: Any, resamples: int, seed: int, n_events: int | None = None, repeats: int = 1
) -> Clusters:
    """Rows with `label` 1 or 0, ready to be measured. `n_events` defaults to the rows with an event."""
    codes = pd.factorize(np.asarray(athletes))[0].astype(np.int64)
    count = int(codes.max()) + 1
    weights = np.vstack([np.ones(count), athlete_draws(count, resamples, seed)])
    return Clusters(label, codes, weights, int(label.sum()) if n_events is None else n_events, count, repeats)


def summarise(name: str, draws: Floats, rows: Clusters) -> Metric:
    """The estimate `draws[0]` with the 2.5th and 97.5th percentile of the rest."""
    counts = (len(rows.label) // rows.repeats, rows.n_events, rows.n_athletes)
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


def measure(rows: Clusters, chance: Floats, threshold: float, group: Ints | None = None) -> dict[str, Floats]:
    """Draws of every measure that needs no calendar, for predicted probabilities `chance`.

    `group` numbers the fold of each row; without it all rows are of one.
    """
    return {
        "event_rate": event_rate(rows),
        "auroc": auroc(rows, chance, group),
        "auroc_pooled": auroc(rows, chance),
        "average_precision": average_precision(rows, chance, group),
        "prevalence_line": prevalence_line(rows, group),
        "brier": brier(rows, chance),
        "scaled_brier": scaled_brier(rows, chance),
        "calibration_slope": calibration_slope(rows, chance, group),
        "calibration_intercept": calibration_intercept(rows, chance),
        "observed_expected": observed_expected(rows, chance),
        "net_benefit": net_benefit(rows, chance, threshold),
    }


def ratio(above: Floats, below: Floats) -> Floats:
    """`above` / `below`, NaN where there is nothing to divide by."""
    quotient = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def event_rate(rows: Clusters) -> Floats:
    """Share of rows with an event."""
    return ratio(rows.totals(rows.label), rows.totals(np.ones(len(rows.label))))


def auroc(rows: Clusters, score: Floats, group: Ints | None = None) -> Floats:
    """Area under the ROC curve: the share of (event, non-event) pairs in the right order, ties counting half.

    With `group` (one number per row, from 0) only pairs of the same group count: scores of models fitted to
    different folds need not be comparable. Pairs are counted once for each pair of athletes; a resample then
    only weighs that table.
    """
    is_event = rows.label == 1
    event_athletes = np.unique(rows.athlete[is_event])
    pairs = np.zeros((2, len(event_athletes), rows.weights.shape[1]))
    for members in members_of(group, len(score)):
        injured, others = members[is_event[members]], members[~is_event[members]]
        for athlete in np.unique(rows.athlete[injured]):
            own = np.sort(score[injured[rows.athlete[injured] == athlete]])
            at_most, below = (np.searchsorted(own, score[others], side=side) for side in ("right", "left"))
            won = len(own) - 0.5 * (at_most + below)
            position = np.searchsorted(event_athletes, athlete)
            for table, values in enumerate((won, np.full(len(won), len(own)))):
                pairs[table, position] += np.bincount(rows.athlete[others], values, pairs.shape[2])
    right, possible = (((rows.weights[:, event_athletes] @ each) * rows.weights).sum(axis=1) for each in pairs)
    return ratio(right, possible)


def members_of(group: Ints | None, rows: int) -> list[Ints]:
    """Positions of each group's rows; one group of all rows without `group`."""
    if group is None:
        return [np.arange(rows)]
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def average_precision(rows: Clusters, score: Floats, group: Ints | None = None) -> Floats:
    """Precision averaged over the events, each at its own score as threshold; equal scores share one.

    With `group` precision is counted among the rows of the event's own group: each group's average precision,
    weighted by its events. `prevalence_line` is what a worthless score gets. It is biased upwards in groups of few
    events, for the model and its baselines alike.
    """
    area = np.zeros(len(rows.weights))
    for members in members_of(group, len(score)):
        if rows.label[members].any():
            area += _group_area(rows.part(members), score[members])
    return ratio(area, rows.totals(rows.label))


def prevalence_line(rows: Clusters, group: Ints | None = None) -> Floats:
    """Average precision of equal scores: each group's share of events, weighted by its events."""
    area = np.zeros(len(rows.weights))
    for members in members_of(group, len(rows.label)):
        part = rows.part(members)
        area += part.totals(part.label) * np.nan_to_num(event_rate(part))
    return ratio(area, rows.totals(rows.label))


def _group_area(rows: Clusters, score: Floats) -> Floats:
    """Sum over the events of the precision at their score, in each resample; athletes without rows are left out."""
    present, athlete = np.unique(rows.athlete, return_inverse=True)
    small = Clusters(rows.label, athlete, rows.weights[:, present], rows.n_events, len(present))
    is_event = small.label == 1
    thresholds = np.unique(score[is_event])
    events = _count_by_threshold(small, score, thresholds, is_event)
    flagged = _from_top(_count_by_threshold(small, score, thresholds, np.ones(len(score), dtype=bool)))
    found = _from_top(events)
    parts = np.array_split(small.weights, len(small.weights) // _RESAMPLES_AT_ONCE + 1)
    return np.concatenate([_precision_area(part, events, found, flagged) for part in parts])


def _precision_area(weights: Floats, events: Floats, found: Floats, flagged: Floats) -> Floats:
    at_threshold = weights @ events.T
    precision = ratio(weights @ found.T, weights @ flagged.T)
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
    return ratio(rows.totals((chance - rows.label) ** 2), rows.totals(np.ones(len(chance))))


def scaled_brier(rows: Clusters, chance: Floats) -> Floats:
    """1 for perfect, 0 for giving everybody the rate of the very rows tested, below 0 for worse."""
    rate = event_rate(rows)
    return np.asarray(1 - ratio(brier(rows, chance), rate * (1 - rate)))


def observed_expected(rows: Clusters, chance: Floats) -> Floats:
    """Observed events over the sum of probabilities: above 1 the model says too little."""
    return ratio(rows.totals(rows.label), rows.totals(chance))


def net_benefit(rows: Clusters, chance: Floats, threshold: float) -> Floats:
    """True flags less false flags at the odds of `threshold`, per row; flagged is at or above it.

    Vickers & Elkin 2006, Med Decis Making 26(6):565-574.
    """
    is_flagged = chance >= threshold
    worth = np.where(rows.label == 1, 1.0, -threshold / (1 - threshold)) * is_flagged
    return ratio(rows.totals(worth), rows.totals(np.ones(len(chance))))


def net_benefit_of(label: Floats, chance: Floats, thresholds: Floats) -> Floats:
    """The same of plain rows, at many thresholds at once and without resamples."""
    order = np.argsort(chance, kind="stable")
    flagged_from = np.searchsorted(chance[order], thresholds, side="left")
    events_below = np.concatenate([[0.0], np.cumsum(label[order])])
    true_flags = events_below[-1] - events_below[flagged_from]
    false_flags = label.size - flagged_from - true_flags
    return np.asarray((true_flags - false_flags * thresholds / (1 - thresholds)) / max(label.size, 1))


def calibration_slope(rows: Clusters, chance: Floats, group: Ints | None = None) -> Floats:
    """Slope of the label's logistic regression on the log-odds: below 1 the scores are too extreme.

    With `group` the slope is one for all and each group has an intercept of its own (the one-stage form of
    pooling slopes over folds): otherwise the folds' levels, which move against what is tested, would count as spread.
    """
    score = log_odds(chance)
    for members in members_of(group, len(score)):
        score[members] -= score[members].mean()
    spread = float(score.std())
    if spread < 1e-9:
        return np.full(len(rows.weights), np.nan)
    return _recalibrate(rows, score / spread, with_slope=True, group=group)[1] / spread


def calibration_intercept(rows: Clusters, chance: Floats) -> Floats:
    """Calibration in the large: what to add to every log-odds so that expected events equal the observed."""
    return _recalibrate(rows, log_odds(chance), with_slope=False)[0]


def _recalibrate(rows: Clusters, score: Floats, with_slope: bool, group: Ints | None = None) -> tuple[Floats, Floats]:
    """Intercept (of the first group) and slope of each resample; without a free slope it is 1."""
    members = members_of(group, len(score))
    order, most = np.concatenate(members), RECALIBRATION_BINS // len(members)
    athletes = rows.weights.shape[1]
    binned = [binned_scores(rows.athlete[each], athletes, score[each], most) for each in members]
    events, moments = (
        np.stack([rows.part(each).totals(values[each]) for each in members], axis=1)
        for values in (rows.label, rows.label * score)
    )
    counts = rows.weights[1:] @ np.hstack([cells for _, cells in binned])
    means = np.concatenate([means for means, _ in binned])
    exact = Grouped(score[order], _starts(members), np.ones((1, len(score))), events[:1], moments[:1])
    resampled = Grouped(means, _starts([means for means, _ in binned]), counts, events[1:], moments[1:])
    first, others = (fit_grouped(each, with_slope) for each in (exact, resampled))
    return np.append(first[0], others[0]), np.append(first[1], others[1])


def _starts(parts: Sequence[Sized]) -> Ints:
    """Where each part begins once all are joined."""
    return np.cumsum([0, *(len(part) for part in parts[:-1])]).astype(np.int64)


def covered_injuries(rows: pd.DataFrame, onsets: pd.DataFrame, horizon_days: int) -> pd.DataFrame:
    """(row, athlete_id, onset, lead_days): which onset lies in the horizon of which event row.

    `row` is the position in `rows` (athlete_id, date, label); `onsets` has athlete_id and date. The
    horizon is the day itself and the next `horizon_days` - 1; `lead_days` counts from the row to the onset.
    """
    every = pd.DataFrame({"athlete_id": rows["athlete_id"].to_numpy(), "day": rows["date"].to_numpy()})
    events = every.assign(row=np.arange(len(rows))).loc[rows["label"].to_numpy() == 1]
    known = onsets[["athlete_id", "date"]].drop_duplicates().rename(columns={"date": "onset"})
    pairs = events.merge(known, on="athlete_id")
    pairs["lead_days"] = (pairs["onset"] - pairs["day"]).dt.days
    in_horizon = (pairs["lead_days"] >= 0) & (pairs["lead_days"] < horizon_days)
    return pd.DataFrame(pairs.loc[in_horizon, ["row", "athlete_id", "onset", "lead_days"]])
