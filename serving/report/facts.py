"""The model's own figures beside the baselines, and whether its ranking beats chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from configs.errors import NotReady
from models.baselines import LABELS
from serving.report.language import N_, _, dynamic
from serving.report.settings import ReportSettings
from serving.report.stored import stored
from serving.report.wording import percent, percent_range

MODEL = "model"
"""The `model` entry of a metric that belongs to the model itself; any other names a baseline."""

EVENT_RATE = "event_rate"
"""A fact of the tested days and no figure of a model: the table's caption states it."""

RankingEvidence = Literal["better", "chance", "worse", "unknown"]

_METRICS = {
    "auroc": N_("AUROC: ranking; 0.5 is chance, 1 is perfect"),
    "auroc_pooled": N_("AUROC with the models of several folds mixed"),
    "average_precision": N_("Average precision: compare with that of chance"),
    "prevalence_line": N_("Average precision of chance"),
    "brier": N_("Brier score: lower is better"),
    "scaled_brier": N_("Scaled Brier score: above 0 beats the event rate"),
    "calibration_slope": N_("Calibration slope: 1 is right"),
    "calibration_intercept": N_("Calibration intercept: 0 is right"),
    "observed_expected": N_("Injuries observed per injury expected: 1 is right"),
    "ici": N_("Mean distance of the calibration curve from the diagonal: 0 is right"),
    "net_benefit": N_("Net benefit: above 0 is useful"),
    "alert_precision": N_("Precision within the alert budget"),
    "alert_recall": N_("Injuries caught within the alert budget"),
    "false_alerts_per_injury": N_("False alerts per injury caught"),
    "warning_days": N_("Days from the first alert to the injury, median"),
}
"""What the report tells; the evaluation knows more."""

_BESIDE = (MODEL, "prevalence", "previous_injury", "age_history", "logistic", "acwr_rule")
"""The columns that fit a page."""


@dataclass(frozen=True)
class Metric:
    """One figure of the evaluation with its 95 % interval; `model` is "model" or the name of a baseline."""

    horizon_days: int
    model: str
    name: str
    value: float
    lower: float
    upper: float
    n_rows: int
    n_events: int
    n_athletes: int


@dataclass(frozen=True)
class MetricsTable:
    """One horizon's figures: a row per metric, a column per model, the model itself first."""

    horizon_days: int
    models: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Metric | None, ...]], ...]
    n_rows: int
    n_events: int
    n_athletes: int
    event_rate: float | None
    elsewhere: tuple[str, ...]
    """Further baselines, for which a page has no room."""


@dataclass(frozen=True)
class ModelFacts:
    """The bundle's figures; `base_rates` are the shares of athlete-days followed by an onset, by horizon."""

    version: str
    trained_at: pd.Timestamp
    data_cut: pd.Timestamp
    fingerprint: str
    target: str
    base_rates: Mapping[int, float]
    metrics: tuple[Metric, ...]
    verdict: tuple[str, ...]

    def base_rate(self, horizon_days: int) -> float:
        """The base rate at a horizon; raises NotReady without one, since bands are multiples of it."""
        if horizon_days not in self.base_rates:
            raise NotReady(f"model {self.version}: no base rate for {horizon_days} days. Train and evaluate it again.")
        return self.base_rates[horizon_days]

    def told_score(
        self, settings: ReportSettings, horizon_days: int, probability: float, lower: float, upper: float
    ) -> str:
        """A score with its interval: "1.2 % (0.63 to 2.4 %)", or by bands where no percentage is supported."""
        if self.supports_percent(horizon_days, settings.percent_within):
            return _("{score} ({interval})", score=percent(probability), interval=percent_range(lower, upper))
        rate = self.base_rate(horizon_days)
        least, score, most = (settings.band_of(each, rate).label.lower() for each in (lower, probability, upper))
        if least == most:
            return _("{score} (its whole interval)", score=score)
        return _("{score} (interval {lower} to {upper})", score=score, lower=least, upper=most)

    def auroc(self, horizon_days: int) -> Metric | None:
        return next(
            (m for m in self.metrics if (m.horizon_days, m.model, m.name) == (horizon_days, MODEL, "auroc")),
            None,
        )

    def ranking(self, horizon_days: int) -> RankingEvidence:
        """Whether the AUROC's interval lies above 0.5, includes it, lies below it, or is not there."""
        found = self.auroc(horizon_days)
        if found is None or math.isnan(found.lower) or math.isnan(found.upper):
            return "unknown"
        if found.lower > 0.5:
            return "better"
        return "worse" if found.upper < 0.5 else "chance"

    def of_model(self, horizon_days: int, name: str) -> Metric | None:
        """The model's own figure `name` at a horizon; None where it has none with an interval."""
        key = (horizon_days, MODEL, name)
        found = next((m for m in self.metrics if (m.horizon_days, m.model, m.name) == key), None)
        return None if found is None or math.isnan(found.lower) or math.isnan(found.upper) else found

    def supports_percent(self, horizon_days: int, within: float) -> bool:
        """Whether unseen athletes support the size of the scores, and not their order alone (configs/report.toml)."""
        level = self.of_model(horizon_days, "observed_expected")
        slope = self.of_model(horizon_days, "calibration_slope")
        if level is None or slope is None:
            return False
        return level.lower >= 1 / within and level.upper <= within and 0 < slope.lower <= 1 <= slope.upper

    def tables(self) -> tuple[MetricsTable, ...]:
        return tuple(self._table(horizon) for horizon in sorted({metric.horizon_days for metric in self.metrics}))

    def _table(self, horizon_days: int) -> MetricsTable:
        here = [metric for metric in self.metrics if metric.horizon_days == horizon_days]
        models = tuple(name for name in _BESIDE if name in {metric.model for metric in here})
        names = dict.fromkeys(metric.name for metric in here if metric.name in _METRICS)
        found = {(metric.name, metric.model): metric for metric in here}
        rows = tuple((_(_METRICS[name]), tuple(found.get((name, model)) for model in models)) for name in names)
        sizes = next((metric for metric in here if metric.model == MODEL), here[0])
        rate = found.get((EVENT_RATE, MODEL))
        return MetricsTable(
            horizon_days,
            models,
            rows,
            sizes.n_rows,
            sizes.n_events,
            sizes.n_athletes,
            event_rate=rate.value if rate else None,
            elsewhere=tuple(sorted({metric.model for metric in here} & set(LABELS) - set(_BESIDE))),
        )


def model_label(name: str) -> str:
    if name == MODEL:
        return _("This model")
    label = dynamic(LABELS.get(name, name.replace("_", " ")))
    return label[0].upper() + label[1:]


def model_facts(content: Mapping[str, Any]) -> ModelFacts:
    """The facts from the caller's plain mapping: version, trained_at, data_cut, fingerprint, target, and what
    the bundle's `metrics` hold: base_rates (by horizon), metrics and verdict.

    A metric has horizon_days, model, against, name, value, lower, upper, n_rows, n_events and n_athletes; a
    difference `against` a baseline is left to the evaluation's own table.
    """
    metrics = tuple(_metric(entry) for entry in content.get("metrics", ()) if entry.get("against") is None)
    rates = {int(horizon): float(rate) for horizon, rate in content.get("base_rates", {}).items()}
    return ModelFacts(
        version=str(content["version"]),
        trained_at=instant(content["trained_at"]),
        data_cut=instant(content["data_cut"]),
        fingerprint=str(content.get("fingerprint", "")),
        target=dynamic(str(content["target"])),
        base_rates=rates,
        metrics=metrics,
        verdict=tuple(stored(str(sentence)) for sentence in content.get("verdict", ())),
    )


def instant(value: Any) -> pd.Timestamp:
    """A UTC timestamp from a date, a timestamp or ISO text; one without a zone is taken as UTC."""
    found = pd.Timestamp(value)
    return found.tz_localize("UTC") if found.tzinfo is None else found.tz_convert("UTC")


def _metric(entry: Mapping[str, Any]) -> Metric:
    return Metric(
        horizon_days=int(entry["horizon_days"]),
        model=str(entry["model"]),
        name=str(entry["name"]).lower(),
        value=_or_nan(entry["value"]),
        lower=_or_nan(entry.get("lower")),
        upper=_or_nan(entry.get("upper")),
        n_rows=int(entry["n_rows"]),
        n_events=int(entry["n_events"]),
        n_athletes=int(entry["n_athletes"]),
    )


def _or_nan(value: Any) -> float:
    return float("nan") if value is None else float(value)
