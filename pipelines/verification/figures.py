"""The figures of the report, drawn from the summary over seeds; colours of Okabe and Ito."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from pipelines.verification.checks import CONSTANT, FLAGGED, HAZARD, NOISE_FREE, SHARES, SOURCES
from pipelines.verification.measures import Estimate
from pipelines.verification.numbers import Summary

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B6B6B"
GOAL_SHARE = 0.9


def draw(summary: Summary, folder: Path) -> dict[str, Path]:
    """SVG files by name."""
    made = {
        "curve": _curve(summary),
        "explanation": _explanation(summary),
        "factors": _factors(summary),
        "sources": _sources(summary),
    }
    paths = {}
    for name, figure in made.items():
        paths[name] = folder / f"verification-{name}.svg"
        with matplotlib.rc_context({"svg.hashsalt": "strainwatch"}):
            figure.savefig(paths[name], metadata={"Date": None})
    return paths


def _figure(height_in: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.6, height_in), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _curve(summary: Summary) -> Figure:
    """The sample-size guide: share of the oracle against injuries in training."""
    figure, axes = _figure(4.0, "What so many injuries teach (14 days; unseen simulated athletes, later season)")
    sizes = summary.subjects("curve", "share of oracle")
    shares = [summary.estimates["curve", "share of oracle", size, 14] for size in sizes]
    injuries = [summary.estimates["curve", "injuries in training", size, 14] for size in sizes]
    for size, share, count in zip(sizes, shares, injuries, strict=True):
        axes.plot(count.by_seed, share.by_seed, "o", color=BLUE, alpha=0.35, markersize=4)
        axes.annotate(f"{size} athletes", (count.value, share.value), xytext=(6, -13), textcoords="offset points",
                      fontsize=8, color=GREY)  # fmt: skip
    axes.plot([each.value for each in injuries], [each.value for each in shares], "o-", color=BLUE, label="model")
    ceiling = summary.get("discrimination", "share of oracle", NOISE_FREE)
    if ceiling is not None:
        axes.axhline(ceiling.value, color=GREEN, linestyle="dashed", label="same features, taught the true risk")
    axes.axhline(GOAL_SHARE, color=ORANGE, linestyle="dotted", label="goal at 1,000 athletes")
    lowest = min((value for each in shares for value in each.by_seed if np.isfinite(value)), default=0.0)
    axes.set(xscale="log", ylim=(min(0.0, lowest) - 0.05, 1))
    axes.xaxis.set_major_locator(FixedLocator([round(each.value) for each in injuries]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("hamstring strains in training (log scale)")
    axes.set_ylabel("share of the oracle's\nAUROC above 0.5")
    axes.legend(frameon=False, loc="lower right")
    return figure


def _bars(axes: Axes, position: np.ndarray, found: list[Estimate], colour: str, label: str, width: float) -> None:
    values = np.array([each.value for each in found])
    spread = np.array([[each.value - each.lower, each.upper - each.value] for each in found]).T
    axes.barh(position, values, width, xerr=np.nan_to_num(spread), color=colour, label=label,
              error_kw={"elinewidth": 1, "capsize": 2})  # fmt: skip


def _explanation(summary: Summary) -> Figure:
    """Agreement with the true shares on flagged days, model and ceilings."""
    figure, axes = _figure(4.4, "Explanations of flagged athlete-days against the truth")
    measures = ("top factor", "top factor or as good", "top three", "right sign", "rank correlation")
    place = np.arange(len(measures), dtype=float)
    subjects = (("model", BLUE), (NOISE_FREE, GREEN), (HAZARD, "#56B4E9"), (SHARES, "#BBBBBB"))
    for number, (subject, colour) in enumerate(subjects):
        found = [summary.estimates[FLAGGED, measure, subject, 14] for measure in measures]
        _bars(axes, place + (number - 1.5) * 0.21, found, colour, subject, 0.19)
    for position, measure in enumerate(measures):
        same = summary.get(FLAGGED, measure, CONSTANT)
        if same is not None:
            label = CONSTANT if position == 0 else None
            axes.plot([same.value] * 2, [position - 0.4, position + 0.4], color="black", linewidth=1.5, label=label)
    axes.set(yticks=place, yticklabels=measures, xlim=(0, 1))
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.08), ncols=2)
    return figure


def _factors(summary: Summary) -> Figure:
    """Which factors the model sees: correlation of contribution and true share over athlete-days."""
    figure, axes = _figure(4.8, "Contribution against true share, over athlete-days")
    names = summary.subjects("factors, model", "correlation with truth")
    names.sort(key=lambda name: -summary.estimates["factors, model", "correlation with truth", name, 14].value)
    place = np.arange(len(names), dtype=float)
    for shift, subject, colour in ((-0.2, "model", BLUE), (0.2, NOISE_FREE, GREEN)):
        found = [summary.estimates[f"factors, {subject}", "correlation with truth", name, 14] for name in names]
        _bars(axes, place + shift, found, colour, subject, 0.36)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(yticks=place, yticklabels=[name.replace("_", " ") for name in names], xlim=(-0.75, 1))
    axes.set_xlabel("Spearman's correlation")
    axes.invert_yaxis()
    axes.legend(frameon=False, loc="lower right")
    return figure


def _sources(summary: Summary) -> Figure:
    """What each source is worth."""
    figure, axes = _figure(3.6, "What withholding a source costs (14 days)")
    names, place = list(SOURCES), np.arange(len(SOURCES), dtype=float)
    ideal = summary.get("sources", f"loss, {NOISE_FREE}", names[0])
    shift = 0.0 if ideal is None else 0.2
    found = [summary.estimates["sources", "loss of share of oracle", name, 14] for name in names]
    _bars(axes, place - shift, found, BLUE, "model", 0.36)
    if ideal is not None:
        _bars(axes, place + shift,
              [summary.estimates["sources", f"loss, {NOISE_FREE}", name, 14] for name in names],
              GREEN, NOISE_FREE, 0.36)  # fmt: skip
        axes.legend(frameon=False, loc="lower right")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(yticks=place, yticklabels=names, xlabel="loss of the share of the oracle's AUROC above 0.5")
    axes.invert_yaxis()
    return figure
