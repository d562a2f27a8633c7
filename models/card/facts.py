"""What a card may draw on: a bundle's own figures, what a user supplied, and what the store knows of it since."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from features.specs import FeatureSpec
from models.bundle import Bundle
from models.card.supplied import Supplied

MODEL = "model"
RECORDED_AS: Mapping[str, str] = {
    "participants": "who took part",
    "outcomes": "how the outcome was recorded",
    "provenance": "where the rows came from",
    "missing": "what is missing by outcome",
    "case_mix": "how tested days differ from training days",
    "sample_size": "Riley's criteria",
    "instability": "how far refits disagree",
    "leaks": "the leak battery",
    "tuning": "the number of settings tried",
    "output": "bands and alerts",
    "evaluation": "the evaluation",
    "attrition": "who was left out",
}
"""Entries of a bundle's metrics, in words for the reason why an item is not met."""


@dataclass(frozen=True)
class Group:
    """A group of tested athlete-days: injuries, observed : expected (also in words), and its lines by measure."""

    injuries: int
    value: float | None
    ratio: str
    lines: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Facts:
    """A bundle and what is known beside it.

    `history` are the registered versions, newest first, as plain mappings (version, label, aliases, registered_at), and
    `predictions` what the store's scores by this version amount to; None where nobody looked, as before the model is
    registered. `promotions` is the log of promotions.
    """

    bundle: Bundle
    supplied: Supplied = field(default_factory=Supplied)
    history: Sequence[Mapping[str, Any]] | None = None
    promotions: Sequence[Mapping[str, Any]] = ()
    predictions: Mapping[str, Any] | None = None

    def get(self, *keys: str) -> Any:
        """An entry of the bundle's metrics, None where any of the keys is absent."""
        found: Any = self.bundle.metrics
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def absent(self, key: str) -> str:
        """Why an entry is absent: not recorded in its day, or recorded as impossible."""
        what = RECORDED_AS.get(key, key)
        if key in self.bundle.metrics:
            return f"This training could not give {what}: {self._why(key)}"
        return f"This model was trained before {what} was recorded. Train again."

    def _why(self, key: str) -> str:
        verdict = " ".join(self.get("verdict") or ())
        return verdict if key in ("evaluation", "case_mix") and verdict else "its entry is empty."

    @property
    def horizons(self) -> tuple[int, ...]:
        return tuple(sorted(model.horizon_days for model in self.bundle.models))

    @property
    def metrics(self) -> Sequence[Mapping[str, Any]]:
        """The evaluation's metrics as recorded; empty without an evaluation."""
        return self.get("evaluation", "metrics") or ()

    def metric(
        self, name: str, horizon_days: int, model: str = MODEL, against: str | None = None
    ) -> Mapping[str, Any] | None:
        """One metric, None where the evaluation has none."""
        wanted = (name, horizon_days, model, against)
        return next(
            (each for each in self.metrics
             if (each["name"], each["horizon_days"], each["model"], each["against"]) == wanted), None
        )  # fmt: skip

    def label(self, model: str) -> str:
        """How a model of the evaluation is called in tables."""
        names = self.get("evaluation", "names") or {}
        return "this model" if model == MODEL else str(names.get(model, model.replace("_", " ")))

    @property
    def specs(self) -> Mapping[str, FeatureSpec]:
        return {spec.name: spec for spec in self.bundle.specs}

    @property
    def used(self) -> tuple[str, ...]:
        """The features that any horizon reads, in their first order."""
        return tuple(dict.fromkeys(name for model in self.bundle.models for name in model.bag.feature_names))

    def table(self, name: str, horizon_days: int | None = None) -> list[Mapping[str, Any]]:
        """Lines of one of the evaluation's tables, those of one horizon or of all; empty without the table."""
        lines = self.get("evaluation", name) or []
        return [line for line in lines if horizon_days in (None, line["horizon_days"])]

    def subgroups(self) -> dict[str, Group]:
        """Groups of the evaluation at the shortest horizon, such as "sex female"; empty where it gives none."""
        found: dict[str, dict[str, Mapping[str, Any]]] = {}
        for line in self.table("subgroups", self.horizons[0]):
            found.setdefault(f"{line['by']} {line['subgroup']}", {})[str(line["name"])] = line
        return {name: _group(lines) for name, lines in found.items()}


def _group(lines: Mapping[str, Mapping[str, Any]]) -> Group:
    first, ratio = next(iter(lines.values())), lines.get("observed_expected")
    value = ratio["value"] if ratio else None
    return Group(int(first["n_events"]), value, interval(ratio), lines)


def interval(metric: Mapping[str, Any] | None) -> str:
    """ "0.61 (0.52 to 0.70)"; the reason in place of what is not there."""
    if metric is None or not _is_number(metric.get("value")):
        return f"no figure ({metric['reason']})" if metric and metric.get("reason") else "no figure"
    if not has_interval(metric):
        return f"{figure(metric['value'])} (no interval: {reason_of(metric)})"
    largest = max(abs(metric[end]) for end in ("value", "lower", "upper"))
    value, lower, upper = (figure(metric[end], largest) for end in ("value", "lower", "upper"))
    return f"{value} ({lower} to {upper})"


def short_interval(metric: Mapping[str, Any] | None) -> str:
    """The same for a cell of a table: a dash for no figure, no reason."""
    if metric is None or not _is_number(metric.get("value")):
        return "–"
    return interval(metric) if has_interval(metric) else f"{figure(metric['value'])} (no interval)"


def figure(value: float, like: float | None = None) -> str:
    """A number with as many decimals as its size asks for, or that of `like`: 107, 12.3, 0.47, 0.0048, 0.00012."""
    size = abs(value if like is None else like)
    decimals = 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 0.1 else 4 if size >= 0.001 else 5
    text = f"{value:,.{decimals}f}"
    return (text.removeprefix("-") if float(text.replace(",", "")) == 0 else text).replace("-", "−")


def signed(value: float, decimals: int = 2) -> str:
    """With its sign, a true minus for a negative one."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def reason_of(metric: Mapping[str, Any]) -> str:
    return str(metric.get("reason") or "not given").removeprefix("no interval: ")


def has_interval(metric: Mapping[str, Any] | None) -> bool:
    return metric is not None and _is_number(metric.get("lower")) and _is_number(metric.get("upper"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def listed(counts: Mapping[str, int], most: int = 8) -> str:
    """ "Defender 14, Midfielder 13"; a long list ends with how many more there are."""
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:most]]
    rest = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "") if shown else "none"


def many(count: int, one: str, plural: str | None = None) -> str:
    """ "1 injury", "13 injuries"."""
    return f"{count:,} {one if count == 1 else plural or one + 's'}"


def share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "no cases"
