"""Figures of two trainings side by side, drawn from plain frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.figures import BLUE, GREY, ORANGE
from models.measures import MEASURES

_COLOURS = (BLUE, ORANGE)
_MARKS = ("o", "s")
_MOST_BINS = 10
_EVENTS_PER_BIN = 5


def side_by_side(metrics: pd.DataFrame, names: Sequence[str], title: str) -> Figure:
    """Each metric with both intervals, in a small panel of its own: their scales differ.

    `metrics` has metric, and value, lower and upper of each name: "first_value" and so on, "second_value".
    """
    rows = metrics.reset_index(drop=True)
    figure = Figure(figsize=(7.2, 0.75 * len(rows) + 1.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(rows), 1))
    for panel, row in zip(panels, rows.to_dict("records"), strict=True):
        for place, (side, colour, mark) in enumerate(zip(("first", "second"), _COLOURS, _MARKS, strict=True)):
            value, lower, upper = (float(row[f"{side}_{end}"]) for end in ("value", "lower", "upper"))
            panel.plot([lower, upper], [-place, -place], color=colour, linewidth=1.6)
            panel.plot([value], [-place], mark, color=colour, markersize=6, label=names[place])
        panel.set(ylim=(-1.6, 0.6), yticks=[])
        name = MEASURES.get(row["metric"], str(row["metric"]))
        panel.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        _plain(panel)
    panels[0].legend(loc="lower left", bbox_to_anchor=(0, 1.02), frameon=False, fontsize=9)  # names may be long
    figure.suptitle(title, x=0.02, ha="left", fontsize=12, fontweight="bold")
    return figure


def both_calibrations(rows: pd.DataFrame, names: Sequence[str], title: str) -> Figure:
    """Observed shares against mean probabilities of equally large groups, of both trainings on days that both tested.

    `rows` has label and the probabilities first and second. Two to ten groups, each of five event days or more.
    """
    figure, axes = _figure(title, f"{len(rows):,} athlete-days that both tested")
    bins = max(2, min(_MOST_BINS, int(rows["label"].sum()) // _EVENTS_PER_BIN))
    top = 0.0
    for side, name, colour, mark in zip(("first", "second"), names, _COLOURS, _MARKS, strict=True):
        group = pd.qcut(rows[side].rank(method="first"), bins, labels=False)
        means = rows.groupby(group)[[side, "label"]].mean()
        axes.plot(means[side], means["label"], marker=mark, color=colour, linewidth=1.5, label=name)
        top = max(top, 1.08 * float(means.to_numpy().max()))
    axes.plot([0, top], [0, top], color=GREY, linewidth=0.8, label="perfect calibration")
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="Predicted probability", ylabel="Observed share")
    axes.legend(frameon=False)
    return figure


def score_by_score(rows: pd.DataFrame, names: Sequence[str], title: str) -> Figure:
    """Each day's two probabilities against each other, days before an injury on top."""
    figure, axes = _figure(title, f"{len(rows):,} athlete-days that both tested")
    is_event = rows["label"] == 1
    quiet, before = rows[~is_event], rows[is_event]
    axes.plot(quiet["first"], quiet["second"], ".", color=GREY, markersize=3, alpha=0.35, label="no injury followed")
    axes.plot(before["first"], before["second"], "^", color=ORANGE, markersize=5, label="before an injury")
    top = 1.05 * float(rows[["first", "second"]].to_numpy().max())
    axes.plot([0, top], [0, top], color=GREY, linewidth=0.8)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel=names[0], ylabel=names[1])
    axes.legend(frameon=False)
    return figure


def importance_change(changes: pd.Series[float], title: str) -> Figure:
    """Bars of how much more (right) or less (left) each feature moves the scores of the second training."""
    figure = Figure(figsize=(7.2, 0.3 * len(changes) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    colours = [ORANGE if value > 0 else BLUE for value in changes]
    axes.barh(range(len(changes)), changes.to_numpy(), color=colours)
    axes.set_yticks(range(len(changes)), [str(name) for name in changes.index], fontsize=9)
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("Change of the mean absolute contribution (log-odds)")
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    _plain(axes)
    return figure


def _figure(title: str, below: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    axes = figure.add_subplot()
    _plain(axes)
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=22)
    axes.text(0, 1.02, below, transform=axes.transAxes, fontsize=9, color=GREY)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.grid(color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
