"""The evaluation's intervals beside a loop over resamples with scikit-learn, in one run.

    python -m benchmarks.metrics [--rows 100000] [--athletes 200] [--resamples 2000]

Ours: every measure, table and curve that an evaluation gives of one model at one horizon, in all resamples of whole
athletes, two columns of predictions beside it as baselines. The loop: of each resample the rows are written out and
scikit-learn computes AUROC, average precision, Brier score and the calibration slope of the same three columns, which
is a fraction of the former; it is timed on a few resamples and scaled to all, since the whole would take an hour. Both
give the same numbers (the largest difference is shown). Scores are drawn at random: only the sizes matter. Each line
also goes to build/bench/metrics.jsonl. Times are of a shared machine: read the ratio.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from benchmarks import report
from models import metrics
from models.alerts import load_alert_policy
from models.estimator import Settings, load_settings
from models.evaluation import judge
from models.metrics import Clusters
from models.odds import Floats, probability
from models.tested import MODEL, Tested, tested_rows

LOOP_RESAMPLES = 5
COLUMNS = (MODEL, "first", "second")
FOLDS, INJURIES_PER_ATHLETE, HORIZON_DAYS = 10, 1.5, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--athletes", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=2000)
    asked = parser.parse_args()
    settings = replace(load_settings(), resamples=asked.resamples)
    tested, groups = season(asked.rows, asked.athletes, settings)
    report.note(f"{asked.rows:,} athlete-days of {asked.athletes} athletes before {tested.clustered.n_events} injuries")
    lines = [_ours(tested, groups, settings), _loop(tested.clustered, tested, asked.resamples)]
    lines[0]["largest_difference"] = _difference(tested)
    report.keep("metrics.jsonl", f"{asked.rows:,} rows, {asked.resamples:,} resamples", lines)
    report.show(
        f"{asked.rows:,} athlete-days of {asked.athletes} athletes, {asked.resamples:,} resamples, three columns, "
        f"{os.cpu_count()} cores",
        ("", "s", "CPU s", "figures with interval", "timed"),
        [[line["what"], f"{line['seconds']:.1f}", f"{line['cpu_s']:.1f}", str(line["figures"]), line["timed"]]
         for line in lines],
    )  # fmt: skip
    report.note(
        f"The loop takes {lines[1]['cpu_s'] / lines[0]['cpu_s']:.0f} times the CPU time for its part of the figures; "
        f"the largest difference between the two on its first resample is {lines[0]['largest_difference']:.1e}."
    )


def season(rows: int, athletes: int, settings: Settings) -> tuple[Tested, pd.DataFrame]:
    """Daily rows of athletes with random injuries and scores that tell a little of them."""
    generator = np.random.default_rng(7)
    days = rows // athletes
    day, who = np.tile(np.arange(days), athletes), np.repeat(np.arange(athletes), days)
    onset_day = generator.integers(HORIZON_DAYS, days, size=round(INJURIES_PER_ATHLETE * athletes))
    onset_athlete = generator.integers(athletes, size=len(onset_day))
    label = np.zeros((athletes, days + HORIZON_DAYS))
    for number, onset in zip(onset_athlete, onset_day, strict=True):
        label[number, onset - HORIZON_DAYS + 1 : onset + 1] = 1
    flat = label[:, :days].ravel()
    first = pd.Timestamp("2021-01-04")
    index = pd.DataFrame({
        "athlete_id": np.char.add("A", who.astype(str)), "date": first + pd.to_timedelta(day, unit="D"),
        "row": np.arange(len(day)), "squad": who // 25, "repeat": 0, "fold": who % (FOLDS // 2) * 2 + (day > days / 2),
        "horizon_days": HORIZON_DAYS, "label": flat,
        **{name: probability(-4 + generator.normal(0, 0.7, len(day)) + 0.5 * flat) for name in COLUMNS},
    })  # fmt: skip
    onsets = pd.DataFrame({
        "athlete_id": np.char.add("A", onset_athlete.astype(str)),
        "date": first + pd.to_timedelta(onset_day, unit="D"),
    })  # fmt: skip
    tested = tested_rows(index, onsets, HORIZON_DAYS, settings)
    assert tested is not None
    groups = pd.DataFrame({"half": who % 2, "third": who % 3, "squad": who // 25})
    return tested, groups


def _ours(tested: Tested, groups: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    start, cpu = time.perf_counter(), time.process_time()
    found = judge(tested, COLUMNS[1:], groups, load_alert_policy(), settings)
    figures = len(found.scores) + sum(len(table) for name, table in found.tables.items() if name != "athletes")
    return {
        "what": "strainwatch", "seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu,
        "figures": figures, "timed": "all resamples",
    }  # fmt: skip


def _loop(rows: Clusters, tested: Tested, resamples: int) -> dict[str, Any]:
    start, cpu = time.perf_counter(), time.process_time()
    for resample in range(1, LOOP_RESAMPLES + 1):
        for name in COLUMNS:
            _by_hand(rows, tested.chance(name), resample)
    scale = resamples / LOOP_RESAMPLES
    return {
        "what": "loop with scikit-learn", "seconds": scale * (time.perf_counter() - start),
        "cpu_s": scale * (time.process_time() - cpu), "figures": 4 * len(COLUMNS),
        "timed": f"{LOOP_RESAMPLES} resamples, scaled",
    }  # fmt: skip


def _by_hand(rows: Clusters, chance: Floats, resample: int) -> Floats:
    """AUROC, average precision, Brier score and calibration slope of one resample, rows written out."""
    copies = np.repeat(np.arange(len(chance)), rows.weights[resample].astype(int)[rows.athlete])
    label, drawn = rows.label[copies], chance[copies]
    slope = LogisticRegression(C=np.inf, solver="newton-cholesky").fit(np.log(drawn / (1 - drawn))[:, None], label)
    ranks = roc_auc_score(label, drawn), average_precision_score(label, drawn)
    return np.array([*ranks, brier_score_loss(label, drawn), slope.coef_[0, 0]])


def _difference(tested: Tested) -> float:
    """The largest difference from the loop on its first resample, folds pooled as the loop pools them."""
    rows, chance = tested.clustered, tested.chance()
    measures = (metrics.auroc, metrics.average_precision, metrics.brier, metrics.calibration_slope)
    found = np.array([measure(rows, chance)[1] for measure in measures])
    return float(np.abs(found - _by_hand(rows, chance, 1)).max())


if __name__ == "__main__":
    main()
