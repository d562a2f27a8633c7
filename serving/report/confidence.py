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


_GENERAL = {
    "chance": N_("the ranking is not shown to be better than chance on this data"),
    "worse": N_("the ranking did worse than chance on this data"),
    "unknown": N_("the ranking has not been evaluated"),
}
"""Doubts about every score."""


@dataclass(frozen=True)
class Confidence:
    """ "good", "fair" or "low", and what speaks against more.

    `own` is the grade by the doubts about this score alone: where a doubt about every score makes all of them "low",
    it still tells athletes apart.
    """

    grade: str
    reasons: tuple[str, ...]
    own: str


def confidence(
    prediction: Prediction,
    shares: tuple[FactorShare, ...],
    base_rate: float,
    ranking: RankingEvidence,
    settings: ReportSettings,
) -> Confidence:
    """One step down from "good" for each doubt about this score; two for one by age and injury history alone.

    "low" wherever the ranking is not shown to beat chance.
    """
    doubts = [
        *_wide(prediction, base_rate, settings),
        *_incomplete(prediction, settings),
        *_old(shares, settings),
        *_unsteady(shares, settings),
    ]
    if prediction.by_history:
        return Confidence("low", (_("scored by age and injury history alone"), *doubts), "low")
    own = GRADES[min(len(doubts), 2)]
    if ranking != "better":
        return Confidence("low", (_(_GENERAL[ranking]), *doubts), own)
    return Confidence(own, tuple(doubts), own)


def _wide(prediction: Prediction, base_rate: float, settings: ReportSettings) -> list[str]:
    """Whether the interval settles on which side of the lowest band the score lies; one over all bands doubts twice."""
    lowest = settings.band_of(prediction.lower, base_rate)
    highest = settings.band_of(prediction.upper, base_rate)
    bands = {"lowest": lowest.label.lower(), "highest": highest.label.lower()}
    found = []
    if lowest.rank == 0 and highest.rank > 0:
        found.append(_("the interval reaches from {lowest} to {highest}", **bands))
    if highest.rank - lowest.rank + 1 >= settings.bands_spanned:
        found.append(_("it covers {n} bands", n=highest.rank - lowest.rank + 1))
    return found


def _unsteady(shares: tuple[FactorShare, ...], settings: ReportSettings) -> list[str]:
    """The factor that raises most, if other athletes to learn from would likely have named another."""
    raising = [share for share in shares if share.is_raising and share.factor.modifiable]
    if not raising or not raising[0].steadiness < settings.uncertain_below:
        return []
    return [_("{factor} leads in few of the model's members", factor=raising[0].factor.label.lower())]


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
