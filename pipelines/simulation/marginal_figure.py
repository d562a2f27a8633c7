"""The figure beside the table of marginals: real sets as lines in colour, the simulated squad in black."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

LINES = {
    "simulated": ("#000000", "solid"),
    "soccermon": ("#0072B2", "dashed"),
    "jovanovic": ("#D55E00", "dotted"),
    "whoop": ("#009E73", "dashdot"),
}
LAGS = np.arange(1, 15)
WEEKDAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]

Measures = Mapping[str, pd.DataFrame]
Style = Mapping[str, Any]


def draw(sets: Mapping[str, Measures], path: Path) -> None:
    """Six panels; a set appears in those that it has data for."""
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for name, measures in sets.items():
        how = dict(zip(("color", "linestyle"), LINES[name], strict=True))
        _quantiles(axes[0], measures.get("load"), name, how)
        _weekdays(axes[1], measures.get("load"), name, how)
        for axis, measure in zip(axes[2:5], ("load", "fatigue", "soreness"), strict=True):
            _memory(axis, measures.get(measure), name, how)
            axis.set(title=f"Autocorrelation: {measure}", xlabel="days")
        _deviations(axes[5], measures.get("fatigue"), name, how)
    axes[0].set(title="Load of training days / their mean", xlabel="quantile")
    axes[1].set(title="Load by weekday / mean", xticks=range(7), xticklabels=WEEKDAYS)
    axes[5].set(title="Fatigue score less own mean", xlabel="points of ten")
    axes[0].legend(frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": "strainwatch"}):
        figure.savefig(path, metadata={"Date": None})


def _quantiles(axis: Axes, load: pd.DataFrame | None, name: str, how: Style) -> None:
    if load is not None:
        done = load.to_numpy()[load.to_numpy() > 0]
        levels = np.linspace(0.01, 0.99, 99)
        axis.plot(levels, np.quantile(done, levels) / done.mean(), label=name, **how)


def _weekdays(axis: Axes, load: pd.DataFrame | None, name: str, how: Style) -> None:
    if load is not None and name != "jovanovic":  # its days are counted within a season: no weekdays
        mean = load.groupby(pd.DatetimeIndex(load.index).day_of_week).mean().mean(axis=1)
        axis.plot(range(7), mean / mean.mean(), **how)


def _memory(axis: Axes, wide: pd.DataFrame | None, name: str, how: Style) -> None:
    if wide is not None and wide.notna().to_numpy().any():
        deviation = (wide - wide.mean()).to_numpy()
        axis.plot(LAGS, [_correlation(deviation[lag:], deviation[:-lag]) for lag in LAGS], **how)
        axis.axhline(0, color="#999999", linewidth=0.6)


def _correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    both = ~np.isnan(one) & ~np.isnan(other)
    return float(np.corrcoef(one[both], other[both])[0, 1])


def _deviations(axis: Axes, wide: pd.DataFrame | None, name: str, how: Style) -> None:
    if wide is not None and wide.notna().to_numpy().any():
        deviation = (wide - wide.mean()).to_numpy()
        counts, edges = np.histogram(deviation[~np.isnan(deviation)], bins=np.arange(-6.25, 6.5, 0.5), density=True)
        axis.stairs(counts, edges, **how)
