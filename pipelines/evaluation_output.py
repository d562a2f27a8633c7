"""An evaluation for people: the same tables on a terminal and, with figures and CSV, in a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.markup import escape

from models.breakdown import LEAST_EVENTS
from models.card.facts import figure
from models.evaluation import Evaluation
from models.measures import MEASURES
from models.metrics import Metric
from models.tested import MODEL
from pipelines import pages
from pipelines.console import out
from pipelines.pages import Section, as_table

_BESIDE = ("auroc", "average_precision", "calibration_slope", "observed_expected", "alert_recall")
_GROUPS = ("event_rate", "mean_risk", "alert_rate", "auroc", "observed_expected", "calibration_slope")
_ALERTS = ("alert_precision", "alert_recall", "false_alerts_per_injury", "warning_days")
_DESIGNS = ("auroc", "average_precision", "prevalence_line", "observed_expected", "calibration_slope")
_INTERVALS = "[95 % interval by athlete bootstrap]"
_WIDTH = 220
"""Columns without a terminal: a row of figures with their intervals on one line."""


def show_evaluation(evaluation: Evaluation | None, verdict: Sequence[str]) -> None:
    """The measures at each horizon, the model beside the others, alerts, subgroups and designs; then the verdict."""
    console = out(_WIDTH)
    for section in _sections(evaluation, every=False) if evaluation else ():
        if section.rows:
            console.print(as_table(section))
        if section.note:
            console.print(escape(section.note), soft_wrap=True)
    for sentence in verdict:
        console.print(f"- {escape(sentence)}", soft_wrap=True)


def write_evaluation(evaluation: Evaluation, verdict: Sequence[str], folder: Path) -> Path:
    """evaluation.html, evaluation.md, evaluation.json, a CSV per table and a PNG per figure in `folder`.

    Returns the first, which holds all that people read.
    """

    from models.evaluation_figures import evaluation_figures

    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"verdict": list(verdict), "evaluation": evaluation.as_json()}, indent=1, default=str)
    (folder / "evaluation.json").write_text(content, encoding="utf-8")
    for name, table in {"metrics": evaluation.table(), **evaluation.tables}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    drawn = evaluation_figures(evaluation)
    for stem, drawing in drawn.items():
        drawing.savefig(folder / f"{stem}.png", dpi=120)
    sections = list(_sections(evaluation, every=True))
    pictures = [folder / f"{stem}.png" for stem in drawn]
    (folder / "evaluation.md").write_text(pages.markdown("Evaluation", verdict, sections, pictures), encoding="utf-8")
    page = folder / "evaluation.html"
    parts = (pages.sentences(verdict), pages.tables(sections), pages.figures(pictures))
    page.write_text(pages.page("Evaluation", *parts), encoding="utf-8")
    return page


def _sections(evaluation: Evaluation, every: bool) -> Iterator[Section]:
    """Tables in order of reading; with `every` also subgroups of few injuries and the details of each horizon."""
    scored = sorted({score.horizon_days for score in evaluation.scores})
    if not scored:
        return
    yield _own(evaluation, scored)
    for horizon in scored:
        yield _beside(evaluation, horizon)
    for horizon in scored if every else scored[:1]:
        yield _by(evaluation, "alerts", horizon, "budget", "flags per squad and week", _ALERTS, "Alerts")
        yield _by(evaluation, "lead_days", horizon, "lead_days", "days before onset", ("auroc",), "By lead day")
        yield from _subgroups(evaluation, horizon, every)
    if "designs" in evaluation.tables:
        yield _designs(evaluation)


def _own(evaluation: Evaluation, horizons: Sequence[int]) -> Section:
    found = {
        (s.metric.name, s.horizon_days): s.metric for s in evaluation.scores if (s.model, s.against) == (MODEL, None)
    }
    rows = [
        (words, *(_with_interval(found.get((name, horizon))) for horizon in horizons))
        for name, words in MEASURES.items()
    ]
    sizes = [found["auroc", horizon] for horizon in horizons]
    counts = ("athlete-days", *(f"{each.n_rows:,}" for each in sizes))
    injuries = ("injuries, athletes", *(f"{each.n_events}, {each.n_athletes}" for each in sizes))
    reasons = dict.fromkeys(metric.reason for metric in found.values() if metric.reason)
    note = " ".join(f"{reason[0].upper()}{reason[1:]}." for reason in reasons if reason)
    title = f"This model on unseen athletes at later times {_INTERVALS}"
    return Section(title, ("", *(f"{horizon} days" for horizon in horizons)), (counts, injuries, *rows), note)


def _beside(evaluation: Evaluation, horizon: int) -> Section:
    found = {(s.model, s.against, s.metric.name): s.metric for s in evaluation.scores if s.horizon_days == horizon}
    rows = []
    for model in (MODEL, *evaluation.names):
        own = (_with_interval(found.get((model, None, name))) for name in _BESIDE)
        gain = "" if model == MODEL else _with_interval(found.get((MODEL, model, "auroc")))
        words = "this model" if model == MODEL else evaluation.names[model]
        rows.append((words, *own, gain))
    header = ("", *(MEASURES[name] for name in _BESIDE), "this model's AUROC less its")
    title = f"{horizon} days, beside what it must beat, in the same folds {_INTERVALS}"
    return Section(title, header, tuple(rows))


def _by(
    evaluation: Evaluation, name: str, horizon: int, key: str, words: str, measures: Sequence[str], title: str
) -> Section:
    table = evaluation.tables[name]
    lines = table[table["horizon_days"] == horizon]
    rows = [
        (str(value), *(_cells(part, measures)), str(part["n_events"].iloc[0]))
        for value, part in lines.groupby(key, sort=False)
    ]
    header = (words, *(MEASURES[measure] for measure in measures), "injuries")
    return Section(f"{title}, {horizon} days {_INTERVALS}", header, tuple(rows))


def _subgroups(evaluation: Evaluation, horizon: int, every: bool) -> Iterator[Section]:
    table = evaluation.tables["subgroups"]
    if table.empty:
        return
    lines = table[table["horizon_days"] == horizon]
    rows, few = [], 0
    for (by, subgroup), part in lines.groupby(["by", "subgroup"], sort=False):
        injuries = int(part["n_events"].iloc[0])
        few += injuries < LEAST_EVENTS
        if every or injuries >= LEAST_EVENTS:
            sizes = (f"{part['n_athletes'].iloc[0]:,}", f"{part['n_rows'].iloc[0]:,}", str(injuries))
            rows.append((f"{by}: {subgroup}", *sizes, *_cells(part, _GROUPS)))
    words = {**MEASURES, "mean_risk": "mean predicted"}
    header = ("", "athletes", "days", "injuries", *(words[name] for name in _GROUPS))
    note = (
        f"{few} subgroups have fewer than {LEAST_EVENTS} injuries within {horizon} days: "
        "too few to judge the model there." if few else ""
    )  # fmt: skip
    yield Section(f"Subgroups, {horizon} days {_INTERVALS}", header, tuple(rows), note)


def _designs(evaluation: Evaluation) -> Section:
    table = evaluation.tables["designs"]
    rows, notes = [], []
    for design, part in table.groupby("design", sort=False):
        rows.append((str(design), *_cells(part, _DESIGNS), str(part["n_events"].iloc[0])))
        reasons = {str(reason) for reason in part["reason"].dropna() if part["n_rows"].iloc[0] == 0}
        notes.append(f"{design}: flattered by {part['flatters'].iloc[0]}." if not reasons else "")
        notes += [f"{design}: not to be had, it {reason}." for reason in reasons]
    header = ("", *(MEASURES[name] for name in _DESIGNS), "injuries")
    title = f"The same model under other splits, {table['horizon_days'].iloc[0]} days {_INTERVALS}"
    return Section(title, header, tuple(rows), "\n".join(filter(None, notes)))


def _cells(lines: pd.DataFrame, measures: Sequence[str]) -> tuple[str, ...]:
    by_name: Mapping[Any, Any] = lines.set_index("name")[["value", "lower", "upper"]].to_dict("index")
    return tuple(bracketed(**by_name[name]) for name in measures)


def _with_interval(metric: Metric | None) -> str:
    return "–" if metric is None else bracketed(metric.value, metric.lower, metric.upper)


def bracketed(value: float, lower: float, upper: float) -> str:
    """Such as "0.64 [0.49, 0.85]", as many decimals as the value or half the interval asks for."""
    if math.isnan(value):
        return "–"
    if math.isnan(lower):
        return f"{figure(value)} [none]"
    like = max(abs(value), (upper - lower) / 2)
    return f"{figure(value, like)} [{figure(lower, like)}, {figure(upper, like)}]"
