"""How far one athlete's score can be relied upon, in a plain word with its reasons."""

from __future__ import annotations

from dataclasses import dataclass

from serving.report.facts import RankingEvidence
from serving.report.reasons import FactorShare
from serving.report.runs import Prediction
from serving.report.settings import ReportSettings
from serving.report.wording import number

GRADES = ("good", "fair", "low")


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
        return Confidence("low", ("scored by age and injury history alone", *doubts))
    if ranking != "better":
        return Confidence("low", ("the ranking is not shown to be better than chance on this data", *doubts))
    return Confidence(GRADES[min(len(doubts), 2)], tuple(doubts))


def _wide(prediction: Prediction, base_rate: float, settings: ReportSettings) -> list[str]:
    lowest = settings.band_of(prediction.lower, base_rate)
    highest = settings.band_of(prediction.upper, base_rate)
    if highest.rank - lowest.rank + 1 < settings.bands_spanned:
        return []
    return [f"the interval reaches from {lowest.label.lower()} to {highest.label.lower()}"]


def _incomplete(prediction: Prediction, settings: ReportSettings) -> list[str]:
    if not prediction.share_missing > settings.share_missing:
        return []
    return [f"{number(100 * prediction.share_missing)} % of the model's measurements are missing"]


def _old(shares: tuple[FactorShare, ...], settings: ReportSettings) -> list[str]:
    """The measurement that raises most, if it can change and is old; the age of an old injury is no doubt."""
    raising = [share.leading for share in shares if share.is_raising and share.factor.modifiable]
    if not raising or raising[0].age_days is None or raising[0].age_days <= settings.old_after_days:
        return []
    return [f"{raising[0].label} was measured {raising[0].age}"]
