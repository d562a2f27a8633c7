"""May a model be promoted? The conditions of a promotion, held against an evaluation on unseen athletes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from models.evaluation import MODEL, Evaluation
from models.metrics import Metric

OBSERVED_EXPECTED = (0.8, 1.25)
SUBGROUP_OBSERVED_EXPECTED = (0.5, 2.0)
LEAST_SUBGROUP_EVENTS = 20
BASELINE = "age_history"


def refusals(evaluation: Evaluation | None, horizon_days: int, leaks: Sequence[str]) -> tuple[str, ...]:
    """Why the model must not be promoted, in sentences; empty if it may.

    It must rank better than age and injury history, or have a higher net benefit, each shown by the lower end of the
    interval; its calibration slope's interval must hold 1, its observed:expected lie within 0.8 and 1.25 (0.5 and 2
    in every squad with 20 events or more), and no leak check may fail.
    """
    if evaluation is None:
        return ("no evaluation is possible",)
    return (*_no_gain(evaluation, horizon_days), *_miscalibrated(evaluation, horizon_days),
            *_subgroups(evaluation, horizon_days), *(f"leak: {each}" for each in leaks))  # fmt: skip


def _no_gain(evaluation: Evaluation, horizon_days: int) -> Iterator[str]:
    gains = [evaluation.metric(name, horizon_days, against=BASELINE) for name in ("auroc", "net_benefit")]
    if not any(gain.lower > 0 for gain in gains):
        auroc, benefit = (_interval(gain) for gain in gains)
        yield f"not shown to be better than age and history: AUROC by {auroc}, net benefit by {benefit}"


def _miscalibrated(evaluation: Evaluation, horizon_days: int) -> Iterator[str]:
    slope = evaluation.metric("calibration_slope", horizon_days)
    if not slope.lower <= 1 <= slope.upper:
        yield f"calibration slope {_interval(slope)} does not hold 1"
    ratio = evaluation.metric("observed_expected", horizon_days)
    if not OBSERVED_EXPECTED[0] <= ratio.value <= OBSERVED_EXPECTED[1]:
        yield f"observed : expected is {ratio.value:.2f}"


def _subgroups(evaluation: Evaluation, horizon_days: int) -> Iterator[str]:
    rows = evaluation.out_of_fold
    rows = rows[(rows["horizon_days"] == horizon_days) & rows["label"].notna()]
    for squad, own in rows.groupby("squad"):
        low, high = SUBGROUP_OBSERVED_EXPECTED
        ratio = float(own["label"].sum() / own[MODEL].sum())
        if _onset_like_events(own) >= LEAST_SUBGROUP_EVENTS and not low <= ratio <= high:
            yield f"observed : expected is {ratio:.2f} in {squad}"


def _onset_like_events(rows: pd.DataFrame) -> int:
    """Runs of days with an event: each is one injury seen from the days before it."""
    ordered = rows.sort_values(["athlete_id", "date"])
    event = ordered["label"] == 1
    same = ordered["athlete_id"].eq(ordered["athlete_id"].shift())
    return int((event & ~(event.shift(fill_value=False) & same)).sum())


def _interval(metric: Metric) -> str:
    return f"{metric.value:.2f} ({metric.lower:.2f} to {metric.upper:.2f})"
