"""Why a score is where it is: contributions by factor, each with the measurements behind it in words."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from configs.errors import IntegrityError
from features.factors import Factor
from features.specs import FeatureSpec
from serving.report.language import _, dynamic
from serving.report.runs import text_or_empty
from serving.report.stored import stored
from serving.report.wording import GRADES, SHORT_GRADES, WITHOUT_USUAL, measure, measured_age, phrase


@dataclass(frozen=True)
class Reason:
    """One measurement's contribution to a score, in log-odds, and the measurement in words."""

    label: str
    text: str
    contribution: float
    value: str
    own_usual: str
    age: str
    age_days: int | None
    is_measured: bool
    evidence: str
    grade: str


@dataclass(frozen=True)
class FactorShare:
    """One factor's signed sum of contributions and its measurements, the ones that pull its way first."""

    factor: Factor
    contribution: float
    reasons: tuple[Reason, ...]

    @property
    def leading(self) -> Reason:
        """The measurement that pulls hardest in the direction of the sum."""
        return self.reasons[0]

    @property
    def is_raising(self) -> bool:
        return self.contribution > 0


@dataclass(frozen=True)
class Explainer:
    """Puts explanation rows into words, by the model's specs and factors, for the day of the report."""

    specs: Mapping[str, FeatureSpec]
    factors: Mapping[str, Factor]
    date: pd.Timestamp

    def shares(self, rows: pd.DataFrame) -> tuple[FactorShare, ...]:
        """The factors of one athlete's explanation, the one that raises most first."""
        by_factor: dict[str, list[Reason]] = {}
        for row in rows.to_dict("records"):
            spec = self._spec(str(row["feature"]))
            by_factor.setdefault(spec.factor, []).append(self._reason(spec, row))
        shares = [self._share(key, reasons) for key, reasons in by_factor.items()]
        return tuple(sorted(shares, key=lambda share: (-share.contribution, share.factor.key)))

    def _share(self, key: str, reasons: list[Reason]) -> FactorShare:
        total = math.fsum(reason.contribution for reason in reasons)
        way = 1 if total >= 0 else -1
        ordered = sorted(reasons, key=lambda reason: (-way * reason.contribution, reason.label))
        return FactorShare(self.factors[key], total, tuple(ordered))

    def _spec(self, feature: str) -> FeatureSpec:
        spec = self.specs.get(feature)
        if spec is None or spec.factor not in self.factors:
            raise IntegrityError(
                f"explanations: the feature '{feature}' or its factor is not among those of the model. "
                "Give the specs and factors of the bundle that made the explanations."
            )
        return spec

    def _reason(self, spec: FeatureSpec, row: Mapping[Hashable, Any]) -> Reason:
        value, usual = _figure(row["value"]), _figure(row["own_usual_value"])
        measured_on = None if pd.isna(row["value_date"]) else pd.Timestamp(row["value_date"])
        missing = stored(text_or_empty(row["reason_missing"])) or None
        return Reason(
            label=dynamic(spec.label),
            text=phrase(spec, value, usual, measured_on, self.date, missing),
            contribution=_figure(row["contribution"]),
            value=measure(value, spec.unit),
            own_usual="–" if math.isnan(usual) or spec.factor in WITHOUT_USUAL else measure(usual, spec.unit),
            age=measured_age(spec, measured_on, self.date) if not math.isnan(value) else "",
            age_days=None if measured_on is None else (self.date - measured_on).days,
            is_measured=not math.isnan(value),
            evidence=_(GRADES[spec.evidence]) if spec.evidence in GRADES else _("evidence not graded"),
            grade=_(SHORT_GRADES[spec.evidence]) if spec.evidence in GRADES else _("Not graded"),
        )


def _figure(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)
