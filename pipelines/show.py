"""Results of models for people at a terminal: evaluation tables and one athlete's explanation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.markup import escape
from rich.table import Column, Table

from models.bundle import Bundle
from models.evaluation import Evaluation
from models.fallback import SCORED_BY as AGE_AND_HISTORY
from models.metrics import Metric
from models.tested import MODEL
from pipelines.console import out, right
from serving.report.facts import model_label
from serving.report.reasons import Explainer, FactorShare
from serving.report.wording import number

SHORT_LABELS = {
    "event_rate": "event rate",
    "auroc": "AUROC",
    "auroc_pooled": "AUROC pooled over folds",
    "average_precision": "average precision",
    "brier": "Brier",
    "scaled_brier": "scaled Brier",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "observed_expected": "observed : expected",
    "net_benefit": "net benefit",
    "alert_precision": "alert precision",
    "alert_recall": "alert recall",
    "false_alerts_per_injury": "false alerts per injury",
}
"""Metrics by the short names of the field, for tables that must fit a terminal."""


def show_evaluation(evaluation: Evaluation | None, verdict: Sequence[str]) -> None:
    """Every metric with its interval, the model beside each baseline, one table per horizon, then the verdict."""
    console = out()
    for horizon in evaluation.horizons_days if evaluation else ():
        assert evaluation is not None
        found = {(s.metric.name, s.model): s.metric for s in evaluation.scores if _is_of(s, horizon)}
        if found:
            console.print(_metrics_table(found, horizon))
            for line in _without_interval(found):
                console.print(escape(line), soft_wrap=True)
    for sentence in verdict:
        console.print(f"- {escape(sentence)}", soft_wrap=True)


def _is_of(score: Any, horizon: int) -> bool:
    return bool(score.horizon_days == horizon and score.against is None)


def _metrics_table(found: Mapping[tuple[str, str], Metric], horizon: int) -> Table:
    models = list(dict.fromkeys(model for _, model in found))
    sizes = found[next(name for name, _ in found), MODEL]
    title = (
        f"{horizon} days: {sizes.n_rows:,} athlete-days of {sizes.n_athletes} athletes before {sizes.n_events} "
        "injuries; unseen athletes at later times; [95 % interval by athlete bootstrap]"
    )
    table = Table(Column("", no_wrap=True), *(right(model_label(model)) for model in models), title=escape(title))
    for name in dict.fromkeys(name for name, _ in found):
        cells = (escape(_with_interval(found.get((name, model)))) for model in models)
        table.add_row(SHORT_LABELS.get(name, name.replace("_", " ")), *cells)
    return table


def _with_interval(metric: Metric | None) -> str:
    if metric is None or math.isnan(metric.value):
        return "–"
    if math.isnan(metric.lower):
        return f"{_figure(metric.value)} [none]"
    return f"{_figure(metric.value)} [{_figure(metric.lower)}, {_figure(metric.upper)}]"


def _figure(value: float) -> str:
    """Three significant digits, at most four after the point."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    return number(value, decimals)


def _without_interval(found: Mapping[tuple[str, str], Metric]) -> list[str]:
    """Why some figures have no interval, each reason once."""
    metrics = {metric.reason: name for (name, model), metric in found.items() if metric.reason and model == MODEL}
    return [f"[none] {SHORT_LABELS.get(name, name)}: {reason}." for reason, name in metrics.items()]


def explained(rows: pd.DataFrame, bundle: Bundle, date: pd.Timestamp) -> tuple[FactorShare, ...]:
    """The factors of one athlete's explanation rows, strongest raising first."""
    specs = {spec.name: spec for spec in bundle.specs}
    return Explainer(specs, bundle.factors, date).shares(rows)


def reasons_in_words(shares: Sequence[FactorShare], most: int = 3) -> str:
    """The strongest raising factors with the leading measurement of each, on one line."""
    raising = [share for share in shares if share.is_raising][:most]
    if not raising:
        return "nothing raises the score above the ordinary"
    return "; ".join(f"{share.factor.label.lower()}: {share.leading.text}" for share in raising)


def show_explanation(predictions: pd.DataFrame, rows: pd.DataFrame, bundle: Bundle, date: pd.Timestamp) -> None:
    """One athlete's scores, and per factor how it moves the odds and the measurement that weighs most."""
    console = out()
    for row in predictions.to_dict("records"):
        interval = f"{row['lower']:.2%} to {row['upper']:.2%}"
        console.print(f"{row['horizon_days']} days: {row['probability']:.2%} ({interval}), band {row['band']}")
    first = predictions.iloc[0]
    if first["scored_by"] == AGE_AND_HISTORY:
        console.print(escape(f"Scored by {AGE_AND_HISTORY} alone: {first['reason']}."), soft_wrap=True)
    shares = explained(rows[rows["horizon_days"] == first["horizon_days"]], bundle, date)
    table = Table("factor", right("times the odds"), "measurement that weighs most", "evidence", "can change")
    for share in shares:
        changeable = "yes" if share.factor.modifiable else "no"
        odds = f"{math.exp(share.contribution):.2f}"
        table.add_row(share.factor.label, odds, escape(share.leading.text), share.leading.evidence, changeable)
    console.print(table)
    total = first["base_log_odds"] + sum(share.contribution for share in shares)
    own_rate = f" (of it {first['squad_log_odds']:+.4f} the squad's own rate)" if first["squad_log_odds"] else ""
    console.print(
        f"Base {first['base_log_odds']:+.4f}{own_rate} and contributions add up to {total:+.4f}; "
        f"the score is {first['log_odds']:+.4f} (log-odds, {first['horizon_days']} days)."
    )
    console.print("Contributions describe the score, not the tissue: decision support, not diagnosis.")
