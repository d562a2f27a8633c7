"""The season at a glance: how many were flagged each week, which injuries came, and expected against observed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.figures import BLUE, GREY, ORANGE, SKY
from models.tested import MODEL

_MARKS = {"flagged": ("o", ORANGE, "flagged beforehand"), "scored, not flagged": ("o", "none", "scored, not flagged")}
_OTHER = ("x", GREY, "not scored before it")
_BARS = (
    ("injured", ORANGE, "followed by an injury"),
    ("not injured", SKY, "no injury followed"),
    ("open", GREY, "still open or unclear"),
)


def season_figure(said: pd.DataFrame, injuries: pd.DataFrame, horizon_days: int) -> Figure:
    """Weekly flags by what became of them with the season's injuries above; below, injuries observed and expected.

    `said` are rows of one horizon (date, is_flagged, outcome, and MODEL's probability), `injuries` have date and told.
    """
    figure = Figure(figsize=(9.6, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _flags(above, said, injuries, horizon_days)
    _totals(below, said)
    below.tick_params(axis="x", labelrotation=30)
    for axes in (above, below):
        axes.grid(color="#E4E4E4", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return figure


def _flags(axes: Axes, said: pd.DataFrame, injuries: pd.DataFrame, horizon_days: int) -> None:
    flagged = said[said["is_flagged"]]
    outcome = flagged["outcome"].where(flagged["outcome"].isin(["injured", "not injured"]), "open")
    weeks = pd.DatetimeIndex(said["date"].unique()).sort_values()
    counts = pd.crosstab(flagged["date"], outcome).reindex(index=weeks, fill_value=0)
    bottom = pd.Series(0, index=weeks)
    for name, colour, label in _BARS:
        height = counts.get(name, pd.Series(0, index=weeks))
        axes.bar(
            weeks.to_numpy(), height, width=np.timedelta64(5, "D"), bottom=bottom, color=colour, label=f"flag, {label}"
        )
        bottom = bottom + height
    top = max(float(bottom.max()), 1.0)
    for told, rows in injuries.groupby("told", sort=False):
        marker, face, label = _MARKS.get(str(told), _OTHER)
        edge = GREY if marker == "x" else ORANGE
        (marks,) = axes.plot(rows["date"], [1.12 * top] * len(rows), linestyle="none", label=f"injury, {label}")
        marks.set(marker=marker, markerfacecolor=face, markeredgecolor=edge)
    axes.set(ylim=(0, 1.25 * top), ylabel="Athletes flagged")
    axes.set_title(f"Weekly reports as they would have been ({horizon_days} days)", loc="left", fontweight="bold")


def _totals(axes: Axes, said: pd.DataFrame) -> None:
    """Closed athlete-weeks only: what is open is neither observed nor expected yet."""
    closed = said[said["outcome"].isin(["injured", "not injured"])]
    weekly = closed.groupby("date").agg(expected=(MODEL, "sum"), observed=("label", "sum")).cumsum()
    axes.step(weekly.index, weekly["observed"], where="post", color=ORANGE, label="observed")
    axes.plot(weekly.index, weekly["expected"], color=BLUE, label="expected by the model")
    axes.set(ylabel="Injuries after a score", ylim=(0, None))
