"""How far one athlete's score can be relied upon, in a plain word with its reasons."""

from __future__ import annotations

from dataclasses import dataclass

from serving.report.facts import RankingEvidence
from serving.report.language import N_, _
from serving.report.reasons import FactorShare, is_uncertain
from serving.report.runs import Prediction
from serving.report.settings import ReportSettings
from serving.report.wording import as_title, number, with_unit

GRADES = (N_("good"), N_("fair"), N_("low"))


_GENERAL = {
    "chance": N_("the ranking is not shown to be better than chance on this data"),
    "worse": N_("the ranking did worse than chance on this data"),
    "unknown": N_("the ranking has not been evaluated"),
}
"""Doubts about every score."""


@dataclass(frozen=True)
class Doubt:
    """What speaks against a score, and how many steps it takes off."""

    text: str
    steps: int = 1


@dataclass(frozen=True)
class Confidence:
    """ "good", "fair" or "low", and what speaks against more.

    `own` is the grade by `reasons`, the doubts about this score alone: where a doubt about every score, `general`,
    makes all of them "low", it still tells athletes apart. `general` is "" where there is none.
    """

    grade: str
    general: str
    own: str
    reasons: tuple[str, ...]

    @property
    def beside_note(self) -> str:
        """The grade with what speaks for it, where the doubt about every score already stands above."""
        if not self.general:
            return f"{as_title(_(self.grade))}. {self.details}"
        words = {"grade": _(self.grade), "own": _(self.own)}
        if self.own == self.grade:
            own = _("{grade}, not only as for everybody (see the note on top)", **words)
        else:
            own = _("{grade} as for everybody (see the note on top); apart from that, {own}", **words)
        return as_title(": ".join(filter(None, (own, "; ".join(self.reasons))))) + "."

    @property
    def details(self) -> str:
        """What speaks for the grade, in whole sentences: the doubt about every score first, then this score's own."""
        own = as_title("; ".join(self.reasons)) + "." if self.reasons else ""
        if not self.general:
            return own or _(
                "The interval stays within one band; the measurements behind it are recent and mostly complete."
            )
        apart = _("Apart from that, which concerns everybody: {grade}.", grade=_(self.own))
        return " ".join(filter(None, (f"{as_title(self.general)}.", apart, own)))


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
        doubts.insert(0, Doubt(_("scored by age and injury history alone"), steps=2))
    own = GRADES[min(sum(doubt.steps for doubt in doubts), 2)]
    general = "" if ranking == "better" or prediction.by_history else _(_GENERAL[ranking])
    return Confidence("low" if general else own, general, own, tuple(doubt.text for doubt in doubts))


def _wide(prediction: Prediction, base_rate: float, settings: ReportSettings) -> list[Doubt]:
    """Whether the interval settles on which side of the lowest band the score lies; one over many bands doubts more."""
    lowest = settings.band_of(prediction.lower, base_rate)
    highest = settings.band_of(prediction.upper, base_rate)
    bands = {"lowest": lowest.label.lower(), "highest": highest.label.lower()}
    steps = (lowest.rank == 0 < highest.rank) + (highest.rank - lowest.rank + 1 >= settings.bands_spanned)
    return [Doubt(_("the interval reaches from {lowest} to {highest}", **bands), steps)] if steps else []


def _unsteady(shares: tuple[FactorShare, ...], settings: ReportSettings) -> list[Doubt]:
    """The factor that raises most, if other athletes to learn from would likely have named another.

    The factors after it lower nothing: each that is uncertain says so where it is named.
    """
    raising = [share for share in shares if share.is_raising and share.factor.modifiable]
    if not raising or not is_uncertain(raising[0], settings):
        return []
    return [Doubt(_("what raises it most is uncertain ({factor})", factor=raising[0].name))]


def _incomplete(prediction: Prediction, settings: ReportSettings) -> list[Doubt]:
    if not prediction.share_missing > settings.share_missing:
        return []
    missing = with_unit(number(100 * prediction.share_missing), "%")
    return [Doubt(_("{percent} of the model's measurements are missing", percent=missing))]


def _old(shares: tuple[FactorShare, ...], settings: ReportSettings) -> list[Doubt]:
    """The measurement that raises most, if it can change and is old; the age of an old injury is no doubt."""
    raising = [share.leading for share in shares if share.is_raising and share.factor.modifiable]
    if not raising or raising[0].age_days is None or raising[0].age_days <= settings.old_after_days:
        return []
    return [Doubt(_("{measurement} was measured {age}", measurement=raising[0].label, age=raising[0].age))]
