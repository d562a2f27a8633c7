"""How commands talk to people: results on standard output, progress and warnings on standard error."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.bundle import Bundle
from models.evaluation import MODEL, Evaluation
from models.metrics import Metric
from pipelines.ingest import IngestResult
from pipelines.train import Progress as Report
from serving.report.facts import metric_label, model_label
from serving.report.reasons import Explainer, FactorShare
from serving.report.wording import number

PLAIN_WIDTH = 150
"""Columns of text where standard output is no terminal: wide enough that no table is folded."""


def out() -> Console:
    """Standard output. Without a terminal: no colours, and a width that does not depend on the caller's."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def err() -> Console:
    return Console(stderr=True, highlight=False)


def print_json(content: Any) -> None:
    """One JSON document on standard output; what is no number becomes null."""
    out().print_json(json.dumps(_plain(content), default=str, allow_nan=False), indent=2)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextmanager
def progress() -> Iterator[Report]:
    """A callback (what, done, of how many) that draws bars on a terminal and is silent elsewhere."""
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report


def show_ingest(result: IngestResult) -> None:
    console = out()
    for note in result.notes:
        console.print(escape(note))
    if result.added:
        table = Table("table", *(_right(name) for name in ("added", "unchanged", "superseded")), title="Ingested")
        for name in result.added:
            counts = (result.added[name], result.unchanged.get(name, 0), result.superseded.get(name, 0))
            table.add_row(name, *(f"{count:,}" for count in counts))
        console.print(table)
    for problem in result.problems:
        console.print(escape(str(problem)))
    if result.quarantined:
        console.print(f"{result.quarantined:,} rows went to quarantine; the others came in.")


def _right(name: str) -> Any:
    from rich.table import Column

    return Column(name, justify="right")


def show_evaluation(evaluation: Evaluation | None, verdict: Sequence[str]) -> None:
    """Every metric with its interval, the model beside each baseline, one table per horizon, then the verdict."""
    console = out()
    for horizon in evaluation.horizons_days if evaluation else ():
        assert evaluation is not None
        found = {(s.metric.name, s.model): s.metric for s in evaluation.scores if _is_of(s, horizon)}
        if found:
            console.print(_metrics_table(found, horizon))
    for sentence in verdict:
        console.print(f"- {escape(sentence)}", soft_wrap=True)


def _is_of(score: Any, horizon: int) -> bool:
    return bool(score.horizon_days == horizon and score.against is None)


def _metrics_table(found: Mapping[tuple[str, str], Metric], horizon: int) -> Table:
    models = list(dict.fromkeys(model for _, model in found))
    sizes = found[next(name for name, _ in found), MODEL]
    title = (
        f"{horizon} days: {sizes.n_rows:,} athlete-days of {sizes.n_athletes} athletes before {sizes.n_events} "
        "injuries, unseen athletes at later times; 95 % intervals by athlete bootstrap"
    )
    table = Table("", *(_right(model_label(model)) for model in models), title=title)
    for name in dict.fromkeys(name for name, _ in found):
        table.add_row(metric_label(name), *(_with_interval(found.get((name, model))) for model in models))
    return table


def _with_interval(metric: Metric | None) -> str:
    if metric is None or math.isnan(metric.value):
        return "–"
    digits = 4 if abs(metric.value) < 0.1 else 2
    value = number(metric.value, digits)
    if math.isnan(metric.lower):
        return f"{value} (no interval)"
    return f"{value} ({number(metric.lower, digits)} to {number(metric.upper, digits)})"


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
    shares = explained(rows[rows["horizon_days"] == first["horizon_days"]], bundle, date)
    table = Table("factor", _right("times the odds"), "measurement that weighs most", "evidence", "can change")
    for share in shares:
        changeable = "yes" if share.factor.modifiable else "no"
        odds = f"{math.exp(share.contribution):.2f}"
        table.add_row(share.factor.label, odds, escape(share.leading.text), share.leading.evidence, changeable)
    console.print(table)
    total = first["base_log_odds"] + sum(share.contribution for share in shares)
    console.print(
        f"Base {first['base_log_odds']:+.4f} and contributions add up to {total:+.4f}; "
        f"the score is {first['log_odds']:+.4f} (log-odds, {first['horizon_days']} days)."
    )
    console.print("Contributions describe the score, not the tissue: decision support, not diagnosis.")
