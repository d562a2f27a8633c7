"""Pictures of instability after Riley & Collins 2023: refits' risks over the original's, and their decision curves."""

from __future__ import annotations

from matplotlib.figure import Figure

from models.figures import BLUE, GREY, ORANGE
from models.instability import HorizonInstability, Instability


def instability_figures(found: Instability) -> dict[str, Figure]:
    """Two figures per horizon, by file name."""
    drawn = {}
    for each in found.horizons:
        drawn[f"instability_{each.horizon_days}d"] = risk_instability(each)
        drawn[f"decision_curve_instability_{each.horizon_days}d"] = decision_curve_instability(each)
    return drawn


def risk_instability(found: HorizonInstability) -> Figure:
    """What refits say of athlete-days against what the original says, with the middle 95 % of the refits."""
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    axes = figure.add_subplot()
    bins = found.by_risk
    top = 100 * max(float(bins["upper"].max()), float(bins["original"].max()))
    axes.plot([0, top], [0, top], color=GREY, linewidth=0.8, label="no change")
    axes.plot(100 * found.points["original"], 100 * found.points["refit"], ".", color=BLUE, alpha=0.15, markersize=3)
    for name, style in (("lower", "--"), ("median", "-"), ("upper", "--")):
        text = {"median": "median of the refits", "upper": "middle 95 % of the refits"}.get(name)
        axes.plot(100 * bins["original"], 100 * bins[name], style, color=ORANGE, linewidth=1.4, label=text)
    axes.set(xlim=(0, 1.05 * 100 * float(bins["original"].max())), ylim=(0, 1.05 * top))
    axes.set_xlabel("Risk by this model (%)")
    axes.set_ylabel("Risk by a model that learnt from other athletes (%)")
    axes.set_title(f"Instability, {found.horizon_days} days, {found.refits} refits", loc="left")
    axes.legend(loc="upper left", frameon=False)
    return figure


def decision_curve_instability(found: HorizonInstability) -> Figure:
    """Net benefit by threshold of the original on its own data, and the middle 95 % of the refits on the same rows."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    curve = found.decision_curve
    at = 100 * curve["threshold"]
    axes.axhline(0, color=GREY, linewidth=0.8, label="flag nobody")
    axes.plot(at, curve["everybody"], ":", color=GREY, label="flag everybody")
    axes.fill_between(at, curve["lower"], curve["upper"], color=ORANGE, alpha=0.25, label="middle 95 % of the refits")
    axes.plot(at, curve["original"], color=BLUE, label="this model (apparent)")
    highest = max(float(curve["upper"].max()), float(curve["original"].max()))
    if highest > 0:
        axes.set_ylim(-0.5 * highest, 1.1 * highest)
    axes.set_xlabel("Threshold (%)")
    axes.set_ylabel("Net benefit per athlete-day")
    axes.set_title(f"Decision curves of refits, {found.horizon_days} days", loc="left")
    axes.legend(loc="upper right", frameon=False)
    return figure
