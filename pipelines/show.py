"""One athlete's explanation for people at a terminal, under the report's rule for percentages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.bundle import Bundle
from models.fallback import SCORED_BY as AGE_AND_HISTORY
from models.odds import probability
from models.references import percentage_points
from pipelines.console import out, right
from pipelines.weekly import model_facts as facts_of
from serving.report.facts import ModelFacts, model_facts
from serving.report.reasons import Explainer, FactorShare, is_uncertain, moves_score, strong
from serving.report.settings import ReportSettings

if TYPE_CHECKING:
    from pipelines.daily import Explained

WIDE = 140
"""Columns of a terminal from which the table holds the other references too: narrower, words would fold."""


@dataclass(frozen=True)
class Teller:
    """Puts a model's scores into words as the report does: a percentage only where unseen athletes support one."""

    facts: ModelFacts
    settings: ReportSettings

    def supports_percent(self, horizon_days: int) -> bool:
        """Whether a percentage may be told at a horizon."""
        return self.facts.supports_percent(horizon_days, self.settings.percent_within)

    def score(self, row: Mapping[Any, Any]) -> str:
        """Such as "7 days: 2.2 % (0.81 to 5.9 %), band high" or "7 days: high (interval usual to high)"."""
        days = int(row["horizon_days"])
        told = self.facts.told_score(self.settings, days, row["probability"], row["lower"], row["upper"])
        return f"{days} days: {told}" + (f", band {row['band']}" if self.supports_percent(days) else "")

    def typical(self, horizon_days: int, log_odds: float) -> str:
        """A score without interval, such as "0.75 %" or "usual"."""
        chance = float(probability(np.array([log_odds]))[0])
        if self.supports_percent(horizon_days):
            return f"{chance:.2%}"
        return self.settings.band_of(chance, self.facts.base_rate(horizon_days)).label.lower()

    def note(self, horizons_days: Sequence[int]) -> str:
        """Why bands stand alone; "" where they nowhere do."""
        without = [str(days) for days in horizons_days if not self.supports_percent(days)]
        if not without:
            return ""
        return (
            f"No percentage at {', '.join(without)} days: calibration on athletes whom the model had not seen does not "
            "support one."
        )


def teller(bundle: Bundle, settings: ReportSettings) -> Teller:
    """Of a bundle's own evaluation."""
    return Teller(model_facts(facts_of(bundle)), settings)


def explained(rows: pd.DataFrame, bundle: Bundle, date: pd.Timestamp) -> tuple[FactorShare, ...]:
    """The factors of one athlete's explanation rows, strongest raising first."""
    specs = {spec.name: spec for spec in bundle.specs}
    return Explainer(specs, bundle.factors, date).shares(rows)


def reasons_in_words(shares: Sequence[FactorShare], settings: ReportSettings) -> str:
    """The strongest raising factors that the report would name, with the leading measurement of each, on one line."""
    raising = [share for share in strong(shares, settings) if share.is_raising][: settings.reasons]
    if not raising:
        return "no factor that stands out"
    return "; ".join(f"{_named(share, settings).lower()}: {share.leading.text}" for share in raising)


def _named(share: FactorShare, settings: ReportSettings) -> str:
    """The factor's name, and that it is uncertain where the model's members disagree about it."""
    is_doubted = is_uncertain(share, settings) and moves_score(share.contribution, settings)
    return f"{share.name} [uncertain]" if is_doubted else share.name


def explanation_as_json(found: Explained) -> dict[str, Any]:
    """Plain values. `supports_percent` says of each probability whether it may be told to people as a percentage.

    `factors` are those of the first horizon with the report's references, in log-odds; `explanations` each feature's.
    """
    told = teller(found.bundle, found.settings)
    predictions = [
        {**row, "supports_percent": told.supports_percent(int(row["horizon_days"]))}
        for row in found.predictions.to_dict("records")
    ]
    factors = [
        {
            "factor": share.factor.key,
            "contribution": share.contribution,
            "against_squad": share.against_squad,
            "against_usual": share.against_usual,
            "steadiness": share.steadiness,
        }
        for share in shares_of(found)
    ]
    return {"predictions": predictions, "factors": factors, "explanations": found.explanations.to_dict("records")}


def show_explanation(found: Explained) -> None:
    """One athlete's scores, and per factor how it moves the odds and the measurement that weighs most."""
    console, told, first = out(), teller(found.bundle, found.settings), found.predictions.iloc[0]
    for row in found.predictions.to_dict("records"):
        console.print(told.score(row), soft_wrap=True)
    if first["scored_by"] == AGE_AND_HISTORY:
        console.print(escape(f"Scored by {AGE_AND_HISTORY} alone: {first['reason']}."), soft_wrap=True)
    shares = shares_of(found)
    _show_factors(console, shares, first, told)
    for line in _sums(shares, first):
        console.print(line)
    if note := told.note(list(found.predictions["horizon_days"])):
        console.print(note, soft_wrap=True)
    console.print("Contributions describe the score, not the tissue: decision support, not diagnosis.")


def shares_of(found: Explained) -> tuple[FactorShare, ...]:
    """The factors of the first horizon's explanation with the report's references, strongest raising first."""
    rows = found.explanations[found.explanations["horizon_days"] == found.predictions["horizon_days"].iloc[0]]
    specs = {spec.name: spec for spec in found.bundle.specs}
    return Explainer(specs, found.bundle.factors, found.date, found.squad_mean).shares(rows)


def names_of(found: Explained) -> dict[str, str]:
    """What each factor is called above, by key; one that does not move the score by what it measures."""
    told = {share.factor.key: share.name for share in shares_of(found)}
    return {key: told.get(key, factor.measures) for key, factor in found.bundle.factors.items()}


def _show_factors(console: Console, shares: Sequence[FactorShare], first: pd.Series, told: Teller) -> None:
    """A line per factor; where there is room, also the report's other references, points and how steady it is."""
    is_wide, shows_points = console.width >= WIDE, told.supports_percent(int(first["horizon_days"]))
    points_too = [right("percentage\npoints")] if shows_points else []
    wide = [right("against\nsquad today"), right("against\nown usual"), *points_too, right("members\nnaming it")]
    middle = ["measurement that weighs most", "evidence", "can change"]
    table = Table("factor", right("times\nthe odds"), *(wide if is_wide else []), *middle)
    parts = np.array([share.contribution for share in shares])
    points = percentage_points(parts, first["log_odds"], first["base_log_odds"])
    for share, point in zip(shares, points, strict=True):
        usual = share.against_usual if share.factor.modifiable else math.nan
        steady = "–" if math.isnan(share.steadiness) else f"{share.steadiness:.0%}"
        others = [_times(share.against_squad), _times(usual), *([f"{point:+.2f}"] if shows_points else []), steady]
        words = [escape(share.leading.text), share.leading.evidence, "yes" if share.factor.modifiable else "no"]
        name = escape(_named(share, told.settings))
        table.add_row(name, _times(share.contribution), *(others if is_wide else []), *words)
    console.print(table)


def _times(log_odds: float) -> str:
    return "–" if math.isnan(log_odds) else f"{math.exp(log_odds):.2f}"


def _sums(shares: Sequence[FactorShare], first: pd.Series) -> Iterator[str]:
    total = first["base_log_odds"] + sum(share.contribution for share in shares)
    own_rate = f" (of it {first['squad_log_odds']:+.4f} the squad's own rate)" if first["squad_log_odds"] else ""
    yield (
        f"Base {first['base_log_odds']:+.4f}{own_rate} and contributions add up to {total:+.4f}; "
        f"the score is {first['log_odds']:+.4f} (log-odds, {first['horizon_days']} days)."
    )
