"""Pictures of models/global_views.py: importance with intervals, beeswarm, dependence, pairs, two versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from models.figures import BLUE, GREY, ORANGE
from models.global_views import View, compared, importance

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Names:
    """What features (with their units), factors and the two versions are called in pictures."""

    features: Labels
    units: Labels
    factors: Labels
    new: str = ""
    old: str = ""


MOST_FEATURES = 20
MOST_DEPENDENCES = 12
_MOST_POINTS = 2000
_LABEL_WIDTH = 46
"""Letters below one of three panels; a longer label goes on in a second line."""
_LOW_TO_HIGH = LinearSegmentedColormap.from_list("low to high", ["#0072B2", "#B9B9B9", "#D55E00"])
_PALE_TO_DARK = LinearSegmentedColormap.from_list("pale to dark", ["#FFFFFF", "#0072B2"])


def global_figures(view: View, names: Names, old: View | None = None) -> dict[str, Figure]:
    """Every picture of one horizon by file name; with `old`, another version's view of the same rows, one more."""
    days = f"{view.horizon_days}d"
    drawn = {
        f"factors_{days}": importance_figure(view, names.factors),
        f"beeswarm_{days}": beeswarm(view, names.features),
        f"dependence_{days}": dependence(view, names),
        f"pairs_{days}": pairs_figure(view, names.factors),
    }
    return drawn | ({f"versions_{days}": versions_figure(view, old, names)} if old else {})


def importance_figure(view: View, labels: Labels) -> Figure:
    """Mean |contribution| by factor with the interval from drawing athletes."""
    found = importance(view.factors, view.athletes)[::-1]
    figure, axes = _figure(f"How far factors move the score, {view.horizon_days} days", view, len(found))
    place = np.arange(len(found))
    axes.barh(place, found["value"], color=BLUE, height=0.66)
    reach = np.abs(found[["lower", "upper"]].to_numpy().T - found["value"].to_numpy())
    axes.errorbar(found["value"], place, xerr=reach, fmt="none", ecolor="#222222", elinewidth=1.1, capsize=3)
    for at, (value, upper) in enumerate(zip(found["value"], found["upper"], strict=True)):
        axes.annotate(f"{value:.3f}", (upper, at), (6, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_yticks(place, [labels[name] for name in found.index])
    axes.set_xlim(0, 1.14 * max(float(found["upper"].max()), 1e-9))
    axes.set_xlabel("Mean |contribution| (log-odds), 95 % interval from drawing athletes")
    return figure


def beeswarm(view: View, labels: Labels) -> Figure:
    """Each athlete-day's contribution of the features that move scores most, coloured by the value's rank."""
    order = view.shares.abs().mean().sort_values(ascending=False, kind="stable").index[:MOST_FEATURES][::-1]
    figure, axes = _figure(f"What features add to each score, {view.horizon_days} days", view, len(order))
    rows = _spaced(len(view.shares))
    for at, name in enumerate(order):
        share, value = view.shares[name].to_numpy()[rows], view.features[name].to_numpy(dtype=np.float64)[rows]
        is_known = np.isfinite(value)
        height = at + _swarm(share)
        axes.scatter(share[~is_known], height[~is_known], s=5, color="#CFCFCF", linewidths=0)
        rank = pd.Series(value[is_known]).rank(pct=True)
        axes.scatter(share[is_known], height[is_known], s=5, c=rank, cmap=_LOW_TO_HIGH, vmin=0, vmax=1, linewidths=0)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(order)), [labels[name] for name in order], fontsize=8.5)
    axes.set_xlabel("Contribution to the score (log-odds); grey: not known")
    _colour_key(figure, axes)
    return figure


def _colour_key(figure: Figure, axes: Axes) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(cmap=_LOW_TO_HIGH), ax=axes, fraction=0.02, pad=0.02, aspect=40)
    bar.set_ticks([0, 1], labels=["low", "high"])
    bar.set_label("value among these athlete-days", labelpad=-18, fontsize=8.5)
    bar.outline.set_visible(False)


def _swarm(share: np.ndarray) -> np.ndarray:
    """How far each point stands above or below its line, so that points do not hide one another."""
    width = max(float(np.ptp(share)), 1e-12)
    bins = np.floor((share - share.min()) / width * 120).astype(int)
    order = np.argsort(bins, kind="stable")
    place = np.arange(len(share)) - np.searchsorted(bins[order], bins[order])
    count = np.bincount(bins)[bins[order]]
    height = np.empty(len(share))
    height[order] = (place - (count - 1) / 2) / max(int(np.bincount(bins).max()), 1) * 0.8
    return height


def dependence(view: View, names: Names) -> Figure:
    """Contribution over value of the features that move scores most, above how often each value occurs."""
    order = view.shares.abs().mean().sort_values(ascending=False, kind="stable").index[:MOST_DEPENDENCES]
    columns = min(3, len(order))
    lines = -(-len(order) // columns)
    figure = Figure(figsize=(4.1 * columns, 0.8 + 3.0 * lines), layout="constrained")
    figure.suptitle(
        f"What a feature adds at each of its values, {view.horizon_days} days", x=0.01, ha="left", fontweight="bold"
    )
    outer = figure.add_gridspec(lines, columns)
    for at, name in enumerate(order):
        label = f"{names.features[name]} ({names.units[name]})"
        _dependence_of(figure, outer[at // columns, at % columns], view, name, label)
    return figure


def _dependence_of(figure: Figure, where: object, view: View, name: str, label: str) -> None:
    upper, lower = where.subgridspec(2, 1, height_ratios=(4, 1), hspace=0.04).subplots(sharex=True)  # type: ignore[attr-defined]
    value, share = view.features[name].to_numpy(dtype=np.float64), view.shares[name].to_numpy()
    is_known = np.isfinite(value)
    low, high = np.percentile(value[is_known], (0.5, 99.5)) if is_known.any() else (0.0, 1.0)
    inside = is_known & (value >= low) & (value <= high)
    rows = np.flatnonzero(inside)[_spaced(int(inside.sum()))]
    upper.axhline(0, color=GREY, linewidth=0.8)
    upper.scatter(value[rows], share[rows], s=5, color=BLUE, alpha=0.35, linewidths=0)
    if not is_known.all():
        upper.axhline(share[~is_known].mean(), color=ORANGE, linewidth=1.2, linestyle="dashed")
        missing = f"not known: {100 * (~is_known).mean():.0f} %"
        upper.annotate(
            missing, (0.98, share[~is_known].mean()), (0, 3), xycoords=upper.get_yaxis_transform(),
            textcoords="offset points", ha="right", fontsize=7.5, color=ORANGE,
        )  # fmt: skip
    lower.hist(value[inside], bins=40, color="#BDBDBD")
    lower.set_yticks([])
    lower.set_xlabel(fill(label, _LABEL_WIDTH), fontsize=8.5)
    upper.set_ylabel("log-odds", fontsize=8)
    upper.tick_params(labelsize=8, labelbottom=False)
    lower.tick_params(labelsize=8)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    lower.spines["left"].set_visible(False)
    upper.grid(color="#E4E4E4", linewidth=0.7)


def pairs_figure(view: View, labels: Labels) -> Figure:
    """Mean |effect| of each pair of factors together, over what each does by itself on the diagonal."""
    order = view.factors.abs().mean().sort_values(ascending=False, kind="stable").index
    size = view.pairs.loc[order, order].to_numpy()
    shown = np.where(np.tri(len(order), dtype=bool), size, np.nan)
    apart = np.where(np.eye(len(order), dtype=bool), np.nan, shown)
    most = float(np.nanmax(apart)) if len(order) > 1 else 0.0
    side = 2.6 + 0.52 * len(order)
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(apart, cmap=_PALE_TO_DARK, vmin=0, vmax=max(most, 1e-12))
    for line, column in zip(*np.nonzero(np.isfinite(shown)), strict=True):
        value, is_alone = shown[line, column], line == column
        is_dark = not is_alone and most > 0 and value > 0.6 * most
        axes.text(
            column, line, f"{1000 * value:.0f}", ha="center", va="center", fontsize=8,
            color="white" if is_dark else "#222222", fontweight="bold" if is_alone else "normal",
        )  # fmt: skip
    names = [labels[name] for name in order]
    axes.set_xticks(range(len(order)), names, rotation=45, ha="right", fontsize=8.5)
    axes.set_yticks(range(len(order)), names, fontsize=8.5)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(f"What pairs of factors do together, {view.horizon_days} days", loc="left", fontweight="bold")
    axes.text(
        0.98, 0.97, "log-odds in thousandths,\nmean of the size;\nbold: a factor by itself",
        transform=axes.transAxes, ha="right", va="top", fontsize=8.5, color=GREY,
    )  # fmt: skip
    return figure


def versions_figure(new: View, old: View, names: Names) -> Figure:
    """Importance of each factor in two versions on the same athlete-days."""
    found = compared(new, old).sort_values("new")
    figure, axes = _figure(f"Two versions, {new.horizon_days} days", new, len(found))
    place = np.arange(len(found))
    axes.hlines(place, found["old"], found["new"], color="#BDBDBD", linewidth=2.2, zorder=1)
    axes.plot(found["old"], place, "o", markerfacecolor="white", markeredgecolor=ORANGE, label=names.old)
    axes.plot(found["new"], place, "o", color=BLUE, label=names.new)
    differs = (found["lower"] > 0) | (found["upper"] < 0)
    axes.set_yticks(place, [names.factors[str(name)] + (" *" if star else "") for name, star in differs.items()])
    axes.set_xlim(left=0)
    axes.set_xlabel("Mean |contribution| (log-odds); *: 95 % interval of the difference excludes 0")
    axes.legend(loc="lower right", frameon=False)
    return figure


def _figure(title: str, view: View, lines: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.6, 1.7 + 0.34 * max(lines, 1)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=22)
    counts = f"{len(view.shares):,} athlete-days of {len(set(view.athletes))} athletes"
    axes.text(0, 1, counts, transform=axes.transAxes, va="bottom", fontsize=9, color=GREY)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.7, lines - 0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _spaced(rows: int) -> np.ndarray:
    """Evenly spaced places, few enough to be seen apart."""
    return np.arange(0, rows, max(-(-rows // _MOST_POINTS), 1))
