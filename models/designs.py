"""The same model under other splits, on the rows that the evaluation tests: how much an easier question flatters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from models import metrics, splits
from models.breakdown import Line, line
from models.estimator import Settings
from models.metrics import Metric
from models.out_of_fold import Data, Learning, predictions
from models.tested import MODEL, Tested, tested_rows

COMPARED = ("auroc", "average_precision", "prevalence_line", "observed_expected", "calibration_slope")


def design_table(
    data: Data,
    plan: splits.Plan,
    own: pd.DataFrame,
    learning: Learning,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Line]:
    """Discrimination and calibration under each design, the evaluation's own first, at its shortest horizon.

    `own` are the out-of-fold rows of the evaluation. A design that the data cannot carry has lines that say why.
    """
    days = data.horizons_days[0]
    one = replace(data, horizons_days=(days,))
    alone = replace(learning, baselines={}, alternatives=())
    yield from _lines(splits.UNSEEN_AND_LATER, tested_rows(own, data.onsets, days, learning.settings), days)
    designs = splits.other_designs(
        data.index, data.squads, data.horizons_days[-1], plan, data.label(days), one.known_values
    )  # fmt: skip
    fits, done = sum(len(design.folds) for design in designs), 0
    for design in designs:
        if design.reason:
            yield from _without(design, days)
            continue
        rows, _ = predictions(one, design.folds, alone, _shifted(progress, done, fits))
        done += len(design.folds)
        yield from _lines(design.name, _tested(rows, one, learning.settings), days)


def _tested(rows: pd.DataFrame, data: Data, settings: Settings) -> Tested | None:
    return tested_rows(rows, data.onsets, data.horizons_days[0], settings)


def _shifted(progress: Callable[[int, int], None] | None, done: int, total: int) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda step, _: progress(done + step, total)


def _lines(name: str, tested: Tested | None, horizon_days: int) -> Iterator[Line]:
    keys: Mapping[str, str] = {"design": name, "flatters": splits.FLATTERS[name]}
    if tested is None:
        for each in COMPARED:
            yield line(horizon_days, _missing(each, "no tested day has a known outcome"), **keys)
        return
    rows, chance, fold = tested.clustered, tested.chance(MODEL), tested.fold
    for each, draws in {
        "auroc": metrics.auroc(rows, chance, fold),
        "average_precision": metrics.average_precision(rows, chance, fold),
        "prevalence_line": metrics.prevalence_line(rows, fold),
        "observed_expected": metrics.observed_expected(rows, chance),
        "calibration_slope": metrics.calibration_slope(rows, chance, fold),
    }.items():
        yield line(horizon_days, tested.summary(each, draws), **keys)


def _without(design: splits.Design, horizon_days: int) -> Iterator[Line]:
    for each in COMPARED:
        yield line(horizon_days, _missing(each, str(design.reason)), design=design.name, flatters=design.flatters)


def _missing(name: str, reason: str) -> Metric:
    return Metric(name, np.nan, np.nan, np.nan, 0, 0, 0, reason)
