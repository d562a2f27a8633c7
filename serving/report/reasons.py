"""Why a score is where it is: contributions by factor, each with the measurements behind it in words."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from configs.errors import IntegrityError
from features.factors import Factor
from features.specs import FeatureSpec
from serving.report.comparison import Reference, is_ordinary, shows_state, told_against
from serving.report.language import _, dynamic
from serving.report.runs import text_or_empty
from serving.report.settings import ReportSettings
from serving.report.stored import stored
from serving.report.wording import (
    GRADES,
    SHORT_GRADES,
    WITHOUT_USUAL,
    Other,
    is_own_comparison,
    measure,
    measured_age,
    not_measured,
    phrase,
)


@dataclass(frozen=True)
class Reason:
    """One measurement's contribution to a score, in log-odds, and the measurement in words.

    `text` holds it against the reference that makes the reason true (serving/report/comparison.py).
    """

    feature: str
    label: str
    text: str
    contribution: float
    value: str
    own_usual: str
    squad: str
    figures: Figures
    age: str
    age_days: int | None
    is_measured: bool
    is_told: bool
    """Whether `text` says why: some reference lies on the side that the contribution asks for."""
    shows_state: bool
    """Whether it shows the state that its factor is called by (serving/report/comparison.py)."""
    evidence: str
    grade: str


@dataclass(frozen=True)
class Figures:
    """A measurement in its unit, for a picture; NaN where unknown. `low` to `high` is the middle half of own usual."""

    value: float
    own_usual: float
    low: float
    high: float
    squad: float


@dataclass(frozen=True)
class FactorShare:
    """One factor's signed sum of contributions and its measurements, the ones that pull its way first.

    `contribution` stands against the mean of the model's data, `against_squad` against the mean of those scored at the
    same moment, `against_usual` against the score at own usual; in log-odds, NaN without such a reference.
    `steadiness` is the share of the model's members that name the factor as the whole does (models/steadiness.py).
    """

    factor: Factor
    contribution: float
    reasons: tuple[Reason, ...]
    against_squad: float = math.nan
    against_usual: float = math.nan
    steadiness: float = math.nan

    @property
    def leading(self) -> Reason:
        """The measurement that pulls hardest in the direction of the sum, of those whose words say why."""
        way = 1 if self.contribution >= 0 else -1
        return next((each for each in self.reasons if each.is_told and way * each.contribution > 0), self.reasons[0])

    @property
    def is_raising(self) -> bool:
        return self.contribution > 0

    @property
    def name(self) -> str:
        """The factor's label where the leading measurement shows that state; else what is measured."""
        shown = not self.factor.modifiable or (self.is_raising and self.leading.shows_state)
        return self.factor.label if shown else self.factor.measures


@dataclass(frozen=True)
class Explainer:
    """Puts explanation rows into words, by the model's specs and factors, for the day of the report.

    `squad_mean` is the mean contribution of each factor among those scored at the same moment; empty if not known.
    """

    specs: Mapping[str, FeatureSpec]
    factors: Mapping[str, Factor]
    date: pd.Timestamp
    squad_mean: Mapping[str, float] = field(default_factory=dict)

    def shares(self, rows: pd.DataFrame) -> tuple[FactorShare, ...]:
        """The factors of one athlete's explanation, the one that raises most first."""
        by_factor: dict[str, list[Reason]] = {}
        for row in rows.to_dict("records"):
            spec = self._spec(str(row["feature"]))
            by_factor.setdefault(spec.factor, []).append(self._reason(spec, row))
        extra = self._references(rows)
        shares = [
            self._share(key, reasons, *extra.get(key, (math.nan, math.nan))) for key, reasons in by_factor.items()
        ]
        return tuple(sorted(shares, key=lambda share: (-share.contribution, share.factor.key)))

    def _references(self, rows: pd.DataFrame) -> dict[str, tuple[float, float]]:
        """By factor, what it adds at own usual and how steady it is."""
        if "steadiness" not in rows:
            return {}
        known = rows.assign(factor=[self._spec(str(name)).factor for name in rows["feature"]]).groupby("factor")
        usual = known["usual_contribution"].sum(min_count=1).astype(float)
        steady = known["steadiness"].max().astype(float)
        return {str(key): (usual[key], steady[key]) for key in usual.index}

    def _share(self, key: str, reasons: list[Reason], usual: float, steadiness: float) -> FactorShare:
        total = math.fsum(reason.contribution for reason in reasons)
        way = 1 if total >= 0 else -1
        ordered = sorted(reasons, key=lambda reason: (-way * reason.contribution, reason.label))
        against_squad = total - self.squad_mean.get(key, math.nan)
        return FactorShare(self.factors[key], total, tuple(ordered), against_squad, total - usual, steadiness)

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
        squad, training = _figure(row.get("squad_value")), _figure(row.get("training_value"))
        contribution = _figure(row["contribution"])
        figures = Figures(value, usual, _figure(row.get("own_low_value")), _figure(row.get("own_high_value")), squad)
        at_usual = _figure(row.get("usual_contribution"))
        reference = told_against(spec, value, contribution, at_usual, usual, squad, training)
        is_fact = spec.factor in WITHOUT_USUAL
        measured_on = None if pd.isna(row["value_date"]) else pd.Timestamp(row["value_date"])
        return Reason(
            feature=spec.name,
            label=dynamic(spec.label),
            text=self._text(spec, row, figures, reference, measured_on),
            contribution=contribution,
            value=measure(value, spec.unit),
            own_usual="–" if math.isnan(usual) or is_fact else measure(usual, spec.unit),
            squad="–" if math.isnan(squad) else measure(squad, spec.unit),
            figures=figures,
            age=measured_age(spec, measured_on, self.date) if not math.isnan(value) else "",
            age_days=None if measured_on is None else (self.date - measured_on).days,
            is_measured=not math.isnan(value),
            is_told=is_fact or math.isnan(value) or reference is not None,
            shows_state=shows_state(spec, value, contribution, reference),
            evidence=_(GRADES[spec.evidence]) if spec.evidence in GRADES else _("evidence not graded"),
            grade=_(SHORT_GRADES[spec.evidence]) if spec.evidence in GRADES else _("Not graded"),
        )

    def _text(
        self,
        spec: FeatureSpec,
        row: Mapping[Hashable, Any],
        at: Figures,
        reference: Reference | None,
        measured_on: pd.Timestamp | None,
    ) -> str:
        """The measurement against its reference, and whether it is an ordinary one by the other."""
        if math.isnan(at.value):
            return not_measured(spec, stored(text_or_empty(row["reason_missing"])), _figure(row["contribution"]))
        other, ordinary_squad = None, math.nan
        if reference is None or spec.factor in WITHOUT_USUAL:
            pass
        elif reference.held != "own":
            as_usual = is_ordinary(at.value, at.own_usual, at.low, at.high)
            other = Other(reference.value, reference.held == "squad", as_usual)
        elif not is_own_comparison(spec) and is_ordinary(at.value, at.squad):
            ordinary_squad = at.squad
        return phrase(spec, at.value, at.own_usual, measured_on, self.date, other, ordinary_squad)


def _figure(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)


def moves_score(contribution: float, settings: ReportSettings) -> bool:
    """Whether a contribution, in log-odds, is as large as one must be to be told."""
    return abs(contribution) >= math.log(settings.smallest_odds)


def strong(shares: Sequence[FactorShare], settings: ReportSettings) -> list[FactorShare]:
    """The factors that move a score enough, and steadily enough, to be named; in the order given.

    One of unknown steadiness is named.
    """
    steady = [share for share in shares if not share.steadiness < settings.hidden_below]
    return [share for share in steady if moves_score(share.contribution, settings)]


def is_uncertain(share: FactorShare, settings: ReportSettings) -> bool:
    """Whether too few of the model's members name a factor for it to stand without a word of caution."""
    return share.steadiness < settings.uncertain_below
