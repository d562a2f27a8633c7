"""Against what a score and a measurement are held: the squad today, the athlete's own usual, the model's data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from features.specs import DerivedSpec, FeatureSpec, WindowSpec
from models.references import percentage_points
from serving.report.language import _
from serving.report.wording import ABOUT_USUAL, WITHOUT_USUAL, is_own_comparison, multiple_of

Held = Literal["own", "squad", "training"]
NAN = math.nan
_CLEARLY = {"%": 100 * ABOUT_USUAL, "SD": 0.5, "0-10": 0.5, "d": 2.0, "count": 2.0}
"""How far from own usual shows a state, by unit (assumptions): less is what repeated tests and forms differ by, and a
single day or match more is no state."""


_CARRIES = 0.5
"""Own usual is why a measurement moves the score where the score at own usual would lack at least this share of what
the measurement adds (assumption)."""


@dataclass(frozen=True)
class Reference:
    """What a measurement is told against, and its value in the measurement's unit."""

    held: Held
    value: float


@dataclass(frozen=True)
class Comparison:
    """One score against its references, as ratios of odds; NaN where there is none.

    `start` is the part of `squad_odds`, in log-odds, that no factor explains: another horizon's model set the score.
    `points` are percentage points by factor, in the order of the factors given; they add up to what the score lies
    above `base`, the probability that the model starts from.
    """

    squad_odds: float
    usual_odds: float
    start: float
    base: float
    points: tuple[float, ...]


def compare(
    contributions: Sequence[float],
    against_squad: Sequence[float],
    log_odds: float,
    usual_log_odds: float,
    squad_log_odds: float,
) -> Comparison:
    """The comparison of a score from its factors' parts, all in log-odds; NaN for a reference that is none."""
    base = log_odds - math.fsum(contributions)
    points = percentage_points(np.array(contributions), log_odds, base)
    return Comparison(
        squad_odds=math.exp(log_odds - squad_log_odds),
        usual_odds=math.exp(log_odds - usual_log_odds),
        start=log_odds - squad_log_odds - math.fsum(against_squad),
        base=1 / (1 + math.exp(-base)),
        points=tuple(points.tolist()),
    )


def standing(compared: Comparison, stands_out: float, is_lowest: bool) -> str:
    """Where squad and own usual disagree on a score, in words; "" where they agree or one of them is not known.

    `stands_out` is the ratio of odds from which a score is called high. One in the lowest band is not called high for
    its squad: where everybody else's is still lower, that is no news.
    """
    squad, usual = compared.squad_odds, compared.usual_odds
    if not is_lowest and squad >= stands_out and 1 / stands_out < usual < stands_out:
        return _("high for this squad, ordinary for this athlete")
    if usual >= stands_out and 1 / stands_out < squad < stands_out:
        return _("ordinary for this squad, high for this athlete")
    return ""


def told_against(
    spec: FeatureSpec, value: float, contribution: float, at_usual: float, own: float, squad: float, training: float
) -> Reference | None:
    """The first of own usual, squad today and training data from which the measurement differs as the score moves.

    A contribution stands against the training data, so "above own usual" need not be why a score is raised: sleep
    quality of 6 where 6 is usual raises it because others sleep better. Own usual comes last where it carries little of
    the contribution: `at_usual` is what the measurement would add at own usual, NaN where that is not known. None where
    no reference tells the reason.
    """
    if math.isnan(value):
        return None
    way = {"+": 1, "-": -1}.get(spec.direction, 0) * (1 if contribution > 0 else -1)
    others = (Reference("squad", squad), Reference("training", training))
    usual = Reference("own", _own(spec, own))
    references = (usual, *others) if _carries(contribution, at_usual) else (*others, usual)
    return next((each for each in references if _differs(value, each.value, way)), None)


def _carries(contribution: float, at_usual: float) -> bool:
    return math.isnan(at_usual) or (contribution - at_usual) / (contribution or 1.0) >= _CARRIES


def shows_state(spec: FeatureSpec, value: float, contribution: float, reference: Reference | None) -> bool:
    """Whether a measurement shows the state that its factor is called by: worse than own usual, which carries it.

    What differs from other people alone shows no state, nor does work that was done or left out, nor a measurement of
    which both ends or neither are known to count; a difference between sides shows nothing but a mismatch.
    """
    if contribution <= 0 or reference is None or reference.held != "own" or spec.direction not in ("+", "-"):
        return False
    is_work = isinstance(spec, WindowSpec) and spec.table == "interventions"
    is_sides = isinstance(spec, DerivedSpec) and "asymmetry" in spec.derive and spec.factor != "strength_imbalance"
    is_slight = abs(value - reference.value) < _CLEARLY.get(spec.unit, 0.0)
    return not (is_work or is_sides or is_slight)


def is_ordinary(value: float, middle: float, low: float = NAN, high: float = NAN) -> bool:
    """True for a value near the middle one, or within the middle half from `low` to `high`."""
    return low <= value <= high or not (math.isnan(middle) or _differs(value, middle, 0))


def _own(spec: FeatureSpec, own: float) -> float:
    """Own usual; of a measurement that is itself a comparison with it, the value that says "as usual"."""
    if spec.factor in WITHOUT_USUAL:
        return NAN
    if is_own_comparison(spec):
        return 1.0 if multiple_of(spec.label) else 0.0
    return own


def _differs(value: float, reference: float, way: int) -> bool:
    """Whether a value lies on the side of the reference that `way` asks for (0: on any), by more than a little."""
    if math.isnan(reference):
        return False
    apart = value - reference
    return apart * (way or math.copysign(1, apart)) > ABOUT_USUAL * max(abs(reference), 1e-9)
