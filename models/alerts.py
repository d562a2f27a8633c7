"""The alert policy, whom it flags in a squad's weekly report, and what those flags foresaw.

In an evaluation a squad's athletes are scored by the models of several folds, whose levels need not agree. So places
are handed to folds in proportion to their athletes, and an athlete competes only with those of the own fold. The list
is then a little less choosy than one model's over the whole squad: precision and recall lie low rather than high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import configs
from configs.checks import checked, whole
from configs.errors import ConfigError
from models.metrics import Clusters, ratio
from models.odds import Floats, Ints

BUDGETS = (1, 2, 3, 5, 8)
"""Flags per squad and week of the alert table, beside the policy in use."""

_WHERE = "report.toml, [alerts]"


@dataclass(frozen=True)
class AlertPolicy:
    """At most `most` flags per `per_athletes` scored athletes, rounded down, never below one."""

    most: int
    per_athletes: int

    def budget(self, scored: int) -> int:
        """How many of `scored` athletes may be flagged."""
        return min(scored, max(1, scored * self.most // self.per_athletes))

    def __str__(self) -> str:
        return f"{self.most} per {self.per_athletes} scored athletes"


Budget = AlertPolicy | int
"""The policy, or so many flags whatever the size of the squad."""


def load_alert_policy(folder: Path | None = None) -> AlertPolicy:
    """[alerts] of configs/report.toml, or of the copy in `folder`."""
    return alert_policy(configs.load("report.toml", folder))


def alert_policy(content: Mapping[str, Any]) -> AlertPolicy:
    """The policy of a report.toml's content. ConfigError for an entry that is unknown, missing or no whole number."""
    if "alerts" not in content:
        raise ConfigError("report.toml: missing alerts.")
    return AlertPolicy(**checked(content["alerts"], {"most": whole(1), "per_athletes": whole(1)}, _WHERE))


@dataclass(frozen=True)
class Standings:
    """Where each row of a weekly report stands among those of its fold; one entry per reported row.

    `row` is its position among all rows, `above` how many score higher, `tied` how many score the same (itself
    included), `in_fold` and `in_report` how many athletes the fold and the whole report hold.
    """

    row: Ints
    above: Floats
    tied: Floats
    in_fold: Floats
    in_report: Ints
    rows: int

    def shares(self, budget: Budget) -> Floats:
        """How surely each row is flagged: 1 or 0, or between where scores are equal or a place is shared by folds.

        Rows that no report covers are NaN.
        """
        sizes, position = np.unique(self.in_report, return_inverse=True)
        places = np.array([_places(budget, int(size)) for size in sizes], dtype=np.float64)[position]
        share = np.full(self.rows, np.nan)
        share[self.row] = ((places * self.in_fold / self.in_report - self.above) / self.tied).clip(0, 1)
        return share


def _places(budget: Budget, scored: int) -> int:
    return budget.budget(scored) if isinstance(budget, AlertPolicy) else min(budget, scored)


@dataclass(frozen=True)
class Reports:
    """The reported rows, and as numbers from 0 the weekly report of each and the fold's part of it."""

    row: Ints
    report: Ints
    part: Ints
    rows: int

    def standings(self, probability: Floats) -> Standings:
        """Where each reported row stands by the probabilities of all rows."""
        score = probability[self.row]
        order = np.lexsort((-score, self.part))
        part, ordered = self.part[order], score[order]
        is_new = np.append(True, (np.diff(part) != 0) | (np.diff(ordered) != 0))
        first = np.flatnonzero(is_new)
        tied = np.diff(np.append(first, len(order)))
        starts = np.searchsorted(part, part, side="left")
        above, same = np.empty(len(order)), np.empty(len(order))
        above[order] = first[np.cumsum(is_new) - 1] - starts
        same[order] = tied[np.cumsum(is_new) - 1]
        in_fold = np.bincount(self.part)[self.part].astype(np.float64)
        return Standings(self.row, above, same, in_fold, np.bincount(self.report)[self.report], self.rows)


def reports(rows: pd.DataFrame) -> Reports:
    """The weekly reports on `rows`, which has squad, repeat, fold and date.

    A report covers the first day of each week (from Monday) on which the squad has rows.
    """
    week = rows["date"] - pd.to_timedelta(rows["date"].dt.day_of_week, unit="D")
    every = [rows["squad"], rows["repeat"], week]
    first = rows["date"].groupby(every).transform("min")
    position = np.flatnonzero(rows["date"].to_numpy() == first.to_numpy())
    report = rows.groupby(every).ngroup().to_numpy()[position]
    part = pd.DataFrame({"report": report, "fold": rows["fold"].to_numpy()[position]}).groupby(["report", "fold"])
    return Reports(position, report.astype(np.int64), np.asarray(part.ngroup(), dtype=np.int64), len(rows))


def flags(rows: pd.DataFrame, budget: Budget) -> Floats:
    """How surely each row is flagged in its squad's weekly report; `rows` as for `reports`, with a probability."""
    return reports(rows).standings(rows["probability"].to_numpy(dtype=np.float64)).shares(budget)


def foreseen(
    clustered: Clusters, covered: pd.DataFrame, share: Floats, repeat: Ints | None = None
) -> dict[str, Floats]:
    """Draws of what flags gave: precision, recall of injuries, false flags per injury found, days of warning.

    `share` is `flags` of the clustered rows, `covered` is `covered_injuries` of them, `repeat` the repeat of each row
    (all the same without). An injury is found if any report flagged its athlete with the onset in the horizon; one
    that no report could have caught is left out. Warning is the median, over injuries found, of the days from the
    first such flag to the onset. Who is flagged is settled on the squad as it was; resamples weigh the outcome.
    """
    flagged = np.nan_to_num(share)
    hits = clustered.totals(flagged * clustered.label)
    false = clustered.totals(flagged * (1 - clustered.label))
    found, catchable, warning = _injuries(clustered, covered, share, repeat)
    return {
        "alert_rate": ratio(hits + false, clustered.totals(np.isfinite(share).astype(np.float64))),
        "alert_precision": ratio(hits, hits + false),
        "alert_recall": ratio(found, catchable),
        "false_alerts_per_injury": ratio(false, found),
        "warning_days": warning,
    }


def _injuries(
    clustered: Clusters, covered: pd.DataFrame, share: Floats, repeat: Ints | None
) -> tuple[Floats, Floats, Floats]:
    """Injuries found, injuries that a report could have caught, and median days of warning, in each resample."""
    athletes = clustered.weights.shape[1]
    firsts = _first_flags(clustered, covered, share, repeat)
    injury = firsts.drop_duplicates(["repeat", "athlete", "onset"])
    catchable = np.bincount(injury["athlete"], minlength=athletes).astype(np.float64)
    found = np.bincount(firsts["athlete"], weights=firsts["first"], minlength=athletes)
    days = int(firsts["lead_days"].max()) + 1 if len(firsts) else 1
    cells = np.bincount(
        firsts["athlete"].to_numpy() * days + firsts["lead_days"].to_numpy(),
        weights=firsts["first"].to_numpy(), minlength=athletes * days,
    )  # fmt: skip
    warned = clustered.weights @ cells.reshape(athletes, days)
    return clustered.weights @ found, clustered.weights @ catchable, _median_day(warned)


def _first_flags(clustered: Clusters, covered: pd.DataFrame, share: Floats, repeat: Ints | None) -> pd.DataFrame:
    """One line per report that could have caught an injury: `first` is the chance that it was the first to do so."""
    reported = covered[np.isfinite(share[covered["row"].to_numpy()])]
    position = reported["row"].to_numpy()
    lines = pd.DataFrame({
        "repeat": 0 if repeat is None else repeat[position], "athlete": clustered.athlete[position],
        "onset": reported["onset"].to_numpy(), "lead_days": reported["lead_days"].to_numpy(), "share": share[position],
    }).sort_values(["repeat", "athlete", "onset", "lead_days"], ascending=[True, True, True, False])  # fmt: skip
    injury = [lines["repeat"], lines["athlete"], lines["onset"]]
    missed = (1 - lines["share"]).groupby(injury).cumprod()
    missed_before = missed.groupby(injury).shift(fill_value=1.0)
    return lines.assign(first=lines["share"] * missed_before)


def _median_day(counts: Floats) -> Floats:
    """The weighted median of 0, 1, 2 ... in each line of counts; NaN where all are 0."""
    total = counts.sum(axis=1)
    reached = np.cumsum(counts, axis=1) >= 0.5 * total[:, None] - 1e-9
    return np.where(total > 1e-9, reached.argmax(axis=1), np.nan).astype(np.float64)
