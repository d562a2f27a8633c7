"""The figures of one evaluation, drawn from plain arrays.

Only matplotlib's Figure objects are used and never pyplot: nothing is left open and no display is needed.
Rows whose label is NaN (censored) or that any of the compared models could not score are left out, so that
all curves of a figure stand on the same rows. Colours are those of Okabe and Ito, which stay apart for
colour-blind readers, and every line also has its own dashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from sklearn.metrics import precision_recall_curve, roc_curve

from models.metrics import athlete_draws, net_benefit_of
from models.odds import Floats

Interval = tuple[float, float, float]
"""Estimate, lower and upper end of its 95% interval."""

BLUE, ORANGE, GREEN, PINK, SKY, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#6B6B6B"
_LINES = (
    (BLUE, "solid", 2.4),
    (ORANGE, "dashed", 1.5),
    (GREEN, "dashdot", 1.5),
    (PINK, "dotted", 1.9),
    (SKY, (0, (6, 2, 1, 2, 1, 2)), 1.5),
    ("#E69F00", (0, (8, 3)), 1.5),
    ("#882255", (0, (3, 1, 1, 1)), 1.5),
    ("#332288", (0, (1, 1)), 1.7),
    ("#117733", (0, (5, 1)), 1.5),
    ("#44AA99", (0, (2, 2)), 1.5),
)
_BOOTSTRAP_DRAWS = 500
_MOST_BINS = 10
_EVENTS_PER_BIN = 5


@dataclass(frozen=True)
class _Rows:
    """The comparable rows: `label` is 0 or 1, every score is a number."""

    label: Floats
    scores: Mapping[str, Floats]
    kept: npt.NDArray[np.bool_]

    @property
    def events(self) -> int:
        return int(self.label.sum())

    @property
    def prevalence(self) -> float:
        return float(self.label.mean())

    @property
    def has_both_outcomes(self) -> bool:
        return 0 < self.events < self.label.size


def roc(
    label: npt.ArrayLike,
    scores: Mapping[str, npt.ArrayLike],
    horizon_days: int,
    auroc: Mapping[str, Interval] | None = None,
) -> Figure:
    """Sensitivity against false alarms; the legend holds the AUROC with its interval where `auroc` has it."""
    rows = _comparable(label, scores)
    figure, axes = _figure(f"ROC, {_horizon(horizon_days)}", rows, width_in=8.6)
    if not rows.has_both_outcomes:
        return _without_curve(figure, axes, rows)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, label="chance (0.50)")
    for name, score in rows.scores.items():
        false_alarms, sensitivity, _ = roc_curve(rows.label, score)
        text = name + _interval_text((auroc or {}).get(name))
        axes.plot(false_alarms, sensitivity, label=text, **_line(rows, name))
    axes.set(xlim=(0, 1), ylim=(0, 1.005), aspect="equal")
    axes.set_xlabel("Uninjured athlete-days that would be flagged (share)")
    axes.set_ylabel("Athlete-days before an injury that would be flagged (share)")
    title = "AUROC (95% interval)" if auroc else None
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), title=title, alignment="left", frameon=False)
    return figure


def precision_recall(label: npt.ArrayLike, scores: Mapping[str, npt.ArrayLike], horizon_days: int) -> Figure:
    """Precision against recall, with the prevalence as the line that a worthless score follows."""
    rows = _comparable(label, scores)
    figure, axes = _figure(f"Precision and recall, {_horizon(horizon_days)}", rows)
    if not rows.has_both_outcomes:
        return _without_curve(figure, axes, rows)
    highest = rows.prevalence
    for name, score in rows.scores.items():
        precision, recall, _ = precision_recall_curve(rows.label, score)
        axes.step(recall, precision, where="post", label=name, **_line(rows, name))
        highest = max(highest, _highest_settled(precision, recall, rows.events))
    axes.axhline(rows.prevalence, color=GREY, linewidth=0.8, label=f"prevalence ({rows.prevalence:.1%})")
    axes.set(xlim=(0, 1), ylim=(0, min(1.02, 1.25 * highest)))
    axes.yaxis.set_major_formatter(_percent())
    axes.set_xlabel("Recall: athlete-days before an injury that would be flagged (share)")
    axes.set_ylabel("Precision: flags followed by an injury")
    axes.legend(loc="upper right")
    return figure


def calibration(
    label: npt.ArrayLike,
    probability: npt.ArrayLike,
    athletes: npt.ArrayLike,
    horizon_days: int,
    curve: pd.DataFrame | None = None,
) -> Figure:
    """Observed share of injuries against predicted probability, in bins of equal size.

    `curve` (predicted, value, lower, upper) is the smoothed share with its band (models/calibration_curve.py).
    The bars are 95% intervals from drawing athletes, not days: days of one athlete are not independent.
    At least five athlete-days before an injury per bin on average, ten bins at most.
    """
    rows = _comparable(label, {"score": probability})
    figure, axes = _figure(f"Calibration, {_horizon(horizon_days)}", rows)
    if not rows.has_both_outcomes:
        return _without_curve(figure, axes, rows)
    points = _calibration_points(rows.label, rows.scores["score"], np.asarray(athletes)[rows.kept])
    top = 1.08 * float(max(points["upper"].max(), points["predicted"].max()))
    axes.plot([0, top], [0, top], color=GREY, linewidth=0.8, label="perfect calibration")
    below, above = points["observed"] - points["lower"], points["upper"] - points["observed"]
    if curve is not None and len(curve):
        axes.fill_between(curve["predicted"], curve["lower"], curve["upper"], color=SKY, alpha=0.25, linewidth=0)
        axes.plot(
            curve["predicted"], curve["value"], color=ORANGE, linewidth=1.8, label="smoothed, 95% band by athlete"
        )
    axes.errorbar(
        points["predicted"], points["observed"], yerr=np.stack([below, above]).clip(min=0), color=BLUE,
        marker="o", markersize=5, linewidth=1.6, elinewidth=1.1, capsize=3,
        label="observed, 95% interval by athlete",
    )  # fmt: skip
    axes.plot(
        np.quantile(rows.scores["score"], np.linspace(0, 1, 201)), np.full(201, -0.02 * top), "|", color=GREY,
        markersize=7, markeredgewidth=0.5, label="predictions (quantiles)",
    )  # fmt: skip
    axes.set(xlim=(0, top), ylim=(-0.04 * top, top))
    axes.xaxis.set_major_formatter(_percent())
    axes.yaxis.set_major_formatter(_percent())
    axes.set_xlabel(f"Predicted probability of an injury within {horizon_days} days")
    axes.set_ylabel("Athlete-days that were followed by an injury")
    axes.legend(loc="upper left")
    return figure


def decision_curve(
    label: npt.ArrayLike,
    scores: Mapping[str, npt.ArrayLike],
    horizon_days: int,
    numbers: pd.DataFrame | None = None,
) -> Figure:
    """Net benefit by risk threshold beside flagging everybody and nobody (Vickers and Elkin 2006).

    `numbers` (of, threshold, value, lower, upper) adds the first score's intervals at its thresholds.
    Thresholds run up to the highest that still flags one row in two hundred under the first of the scores that are
    probabilities, and at least to twice the prevalence: a rival that exaggerates would leave no room for the rest.
    A score outside 0..1 has no threshold and is left out.
    """
    rows = _comparable(label, scores)
    figure, axes = _figure(f"Decision curve, {_horizon(horizon_days)}", rows)
    probabilities = {name: score for name, score in rows.scores.items() if _is_probability(score)}
    if not rows.has_both_outcomes or not probabilities:
        return _without_curve(figure, axes, rows)
    last = float(np.quantile(next(iter(probabilities.values())), 0.995))
    thresholds = np.linspace(0, min(max(last, 2 * rows.prevalence), 0.99), 200)
    for name, score in probabilities.items():
        benefit = 1000 * net_benefit_of(rows.label, score, thresholds)
        axes.plot(thresholds, benefit, label=name, **_line(rows, name))
    if numbers is not None:
        own = numbers[(numbers["of"] == next(iter(scores))) & (numbers["threshold"] <= thresholds[-1])]
        reach = np.stack([own["value"] - own["lower"], own["upper"] - own["value"]]).clip(min=0)
        axes.errorbar(own["threshold"], own["value"], yerr=reach, color=BLUE, fmt="none", elinewidth=1.1, capsize=3)
    everybody = 1000 * net_benefit_of(rows.label, np.ones(rows.label.size), thresholds)
    axes.plot(thresholds, everybody, color="black", linewidth=0.9, linestyle=(0, (4, 2)), label="flag everybody")
    axes.axhline(0, color="black", linewidth=0.9, label="flag nobody")
    top = 1000 * rows.prevalence
    axes.set(xlim=(0, thresholds[-1]), ylim=(-0.3 * top, 1.08 * top))
    axes.xaxis.set_major_formatter(_percent())
    axes.set_xlabel("Risk threshold above which staff would act")
    axes.set_ylabel("Net benefit (true flags per 1,000 athlete-days)")
    axes.legend(loc="upper right")
    return figure


def risk_distribution(label: npt.ArrayLike, probability: npt.ArrayLike, horizon_days: int) -> Figure:
    """How predicted probabilities spread with and without an injury to follow, as shares of each outcome."""
    rows = _comparable(label, {"score": probability})
    figure, axes = _figure(f"Predicted risk by outcome, {_horizon(horizon_days)}", rows)
    if rows.label.size == 0:
        return _without_curve(figure, axes, rows)
    score = rows.scores["score"].clip(min=1e-5)
    edges = np.geomspace(score.min() * 0.99, max(score.max(), 1.02 * score.min()) * 1.01, 31)
    for outcome, colour, text in ((0.0, GREY, "no injury followed"), (1.0, ORANGE, "injury followed")):
        chosen = score[rows.label == outcome]
        if chosen.size:
            _shares(axes, chosen, edges, colour, f"{text} ({chosen.size:,} athlete-days)")
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_locator(FixedLocator(_round_steps(edges[0], edges[-1])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(_percent())
    axes.yaxis.set_major_formatter(_percent())
    axes.set_xlabel(f"Predicted probability of an injury within {horizon_days} days (log scale)")
    axes.set_ylabel("Share of the athlete-days with this outcome")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.22)
    axes.legend(loc="upper left")
    return figure


def lead_days(table: pd.DataFrame, horizon_days: int) -> Figure:
    """AUROC of athlete-days so many days before an onset, with 95% intervals (lead_days, value, lower, upper)."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    _plain(axes)
    axes.set_title(f"Ranking by lead time, {_horizon(horizon_days)}", loc="left", fontsize=12, fontweight="bold")
    reach = np.stack([table["value"] - table["lower"], table["upper"] - table["value"]]).clip(min=0)
    axes.axhline(0.5, color=GREY, linewidth=0.8, label="chance (0.50)")
    axes.errorbar(
        table["lead_days"], table["value"], yerr=reach, color=BLUE, marker="o", linewidth=1.4, capsize=3,
        label="AUROC, 95% interval by athlete",
    )  # fmt: skip
    axes.set(ylim=(0, 1.02))
    axes.invert_xaxis()
    axes.set_xlabel("Days before the onset")
    axes.set_ylabel("AUROC against days without an injury to follow")
    axes.legend(loc="lower left")
    return figure


def importance(mean_absolute: Mapping[str, float] | pd.Series[float], title: str, most: int = 20) -> Figure:
    """Bars of mean |contribution| in log-odds by label, largest on top, at most `most` of them.

    It says how far a feature or factor moves scores, up or down; not that changing it would change the risk.
    """
    given = mean_absolute if isinstance(mean_absolute, pd.Series) else dict(mean_absolute)
    values = pd.Series(given, dtype="float64").sort_values(ascending=False)
    shown = values.head(most)[::-1]
    figure = Figure(figsize=(8.2, 1.5 + 0.3 * max(len(shown), 1)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(range(len(shown)), list(shown), color=BLUE, height=0.68)
    axes.set_yticks(range(len(shown)), list(shown.index))  # by place: two features may share a label
    axes.bar_label(bars, labels=[f"{value:.3f}" for value in shown], padding=4, fontsize=8.5, color="#333333")
    _plain(axes)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.12 * float(shown.max()) if len(shown) and shown.max() > 0 else 1)
    left_out = f"; {len(values) - len(shown)} smaller ones left out" if len(values) > len(shown) else ""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    axes.set_xlabel(f"Mean |contribution| to the score (log-odds){left_out}")
    return figure


def _comparable(label: npt.ArrayLike, scores: Mapping[str, npt.ArrayLike]) -> _Rows:
    known = np.asarray(label, dtype=np.float64)
    numbers = {name: np.asarray(score, dtype=np.float64) for name, score in scores.items()}
    kept = np.isfinite(known)
    for score in numbers.values():
        kept &= np.isfinite(score)
    return _Rows(known[kept], {name: score[kept] for name, score in numbers.items()}, kept)


def _calibration_points(label: Floats, probability: Floats, athletes: npt.NDArray[Any]) -> dict[str, Floats]:
    """Per bin of equal size: mean prediction, observed share, and its interval from drawing athletes."""
    bins = int(np.clip(label.sum() // _EVENTS_PER_BIN, 2, _MOST_BINS))
    rank = np.argsort(np.argsort(probability, kind="stable"), kind="stable")
    bin_of_row = rank * bins // label.size
    codes, names = pd.factorize(athletes)
    cell = codes * bins + bin_of_row
    shape = (len(names), bins)
    rows = np.bincount(cell, minlength=len(names) * bins).reshape(shape)
    events = np.bincount(cell, weights=label, minlength=len(names) * bins).astype(np.float64).reshape(shape)
    lower, upper = _bootstrap_shares(events, rows)
    size = np.bincount(bin_of_row, minlength=bins)
    return {
        "predicted": np.bincount(bin_of_row, weights=probability, minlength=bins) / size,
        "observed": events.sum(axis=0) / size,
        "lower": lower,
        "upper": upper,
    }


def _bootstrap_shares(events: Floats, rows: npt.NDArray[np.integer[Any]]) -> tuple[Floats, Floats]:
    """95% interval of events / rows per column, from drawing the lines (athletes) with replacement."""
    athletes = len(rows)
    draws = athlete_draws(athletes, _BOOTSTRAP_DRAWS, seed=0)  # a figure drawn twice is the same figure
    drawn_rows = (draws @ rows).astype(np.float64)
    shares = np.divide(draws @ events, drawn_rows, out=np.full(drawn_rows.shape, np.nan), where=drawn_rows > 0)
    lower, upper = np.nanquantile(shares, [0.025, 0.975], axis=0)
    return lower, upper


def _highest_settled(precision: Floats, recall: Floats, events: int) -> float:
    """Highest precision once three events are found: the first few flags alone would set the scale."""
    settled = recall * events >= min(3, events)
    return float(precision[settled].max())


def _shares(axes: Axes, values: Floats, edges: Floats, colour: str, text: str) -> None:
    bins, weights = list(edges), np.full(values.size, 1 / values.size)
    axes.hist(values, bins=bins, weights=weights, color=colour, alpha=0.28)
    axes.hist(values, bins=bins, weights=weights, color=colour, histtype="step", linewidth=1.6, label=text)


def _is_probability(score: Floats) -> bool:
    return bool(np.all((score >= 0) & (score <= 1)))


def _round_steps(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within the range: readable ticks for a log axis of probabilities."""
    steps = [factor * 10.0**power for power in range(-6, 1) for factor in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]


def _figure(title: str, rows: _Rows, width_in: float = 7.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_in, 5.4), layout="constrained")
    axes = figure.add_subplot()
    _plain(axes)
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=22)
    counts = f"{rows.label.size:,} athlete-days, {rows.events:,} followed by an injury"
    axes.text(0, 1.02, counts, transform=axes.transAxes, fontsize=9, color=GREY)
    return figure, axes


def _line(rows: _Rows, name: str) -> dict[str, Any]:
    """A model's colour and dashes, alike in every figure of an evaluation; they repeat after ten models."""
    colour, dashes, width = _LINES[list(rows.scores).index(name) % len(_LINES)]
    return {"color": colour, "linestyle": dashes, "linewidth": width}


def _plain(axes: Axes) -> None:
    axes.grid(color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _without_curve(figure: Figure, axes: Axes, rows: _Rows) -> Figure:
    missing = "no injury" if rows.events == 0 else "no uninjured day"
    reason = missing if rows.label.size else "no athlete-day"
    axes.text(0.5, 0.5, f"No curve: {reason} among these rows.", ha="center", transform=axes.transAxes)
    axes.set_axis_off()
    return figure


def _horizon(days: int) -> str:
    return f"injury within {days} days"


def _interval_text(interval: Interval | None) -> str:
    if interval is None or not np.isfinite(interval[0]):
        return ""
    estimate, lower, upper = interval
    return f": {estimate:.2f} ({lower:.2f} to {upper:.2f})"


def _percent() -> FuncFormatter:
    return FuncFormatter(lambda share, _position: f"{100 * share:.3g}%")
