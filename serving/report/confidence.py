"""How far one athlete's score can be relied upon, in a plain word with its reasons."""

from __future__ import annotations

from dataclasses import dataclass

from serving.report.facts import RankingEvidence
from serving.report.language import N_, _
from serving.report.reasons import FactorShare
from serving.report.runs import Prediction
from serving.report.settings import ReportSettings
from serving.report.wording import number, with_unit

GRADES = (N_("good"), N_("fair"), N_("low"))


@dataclass(frozen=True)
class Confidence:
    """ "good", "fair" or "low", and what speaks against more."""

    grade: str
    reasons: tuple[str, ...]


def confidence(
    prediction: Prediction,
    shares: tuple[FactorShare, ...],
    base_rate: float,
    ranking: RankingEvidence,
    settings: ReportSettings,
) -> Confidence:
    """One step down from "good" for each doubt.

    "low" wherever the ranking is not shown to beat chance, and for a score by age and injury history alone.
    """
    doubts = [
        *_wide(prediction, base_rate, settings),
        *_incomplete(prediction, settings),
        *_old(shares, settings),
    ]
    if prediction.by_history:
        return Confidence("low", (_("scored by age and injury history alone"), *doubts))
    if ranking != "better":
        return Confidence("low", (_("the ranking is not shown to be better than chance on this data"), *doubts))
    return Confidence(GRADES[min(len(doubts), 2)], tuple(doubts))


def _wide(prediction: Prediction, base_rate: float, settings: ReportSettings) -> list[str]:
    lowest = settings.band_of(prediction.lower, base_rate)
    highest = settings.band_of(prediction.upper, base_rate)
    if highest.rank - lowest.rank + 1 < settings.bands_spanned:
        return []
    bands = {"lowest": lowest.label.lower(), "highest": highest.label.lower()}
    return [_("the interval reaches from {lowest} to {highest}", **bands)]


def _incomplete(prediction: Prediction, settings: ReportSettings) -> list[str]:
    if not prediction.share_missing > settings.share_missing:
        return []
    missing = with_unit(number(100 * prediction.share_missing), "%")
    return [_("{percent} of the model's measurements are missing", percent=missing)]


def _old(shares: tuple[FactorShare, ...], settings: ReportSettings) -> list[str]:
    """The measurement that raises most, if it can change and is old; the age of an old injury is no doubt."""
    raising = [share.leading for share in shares if share.is_raising and share.factor.modifiable]
    if not raising or raising[0].age_days is None or raising[0].age_days <= settings.old_after_days:
        return []
    return [_("{measurement} was measured {age}", measurement=raising[0].label, age=raising[0].age)]
