"""How an athlete's score moved since last week, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from serving.report.language import _, decimal
from serving.report.outcomes import Judge
from serving.report.runs import Prediction, Run
from serving.report.settings import Band
from serving.report.wording import percent

SAME_ODDS = 1.15
"""Odds that moved by a smaller factor than this, up or down, are called about the same."""


@dataclass(frozen=True)
class Change:
    """Against the score of a week ago, in words."""

    direction: Literal["up", "down", "same", "none"]
    text: str


def change(now: Prediction, week_ago: Run | None, judge: Judge) -> Change:
    """The score of `now` against the run of a week ago, bands first."""
    then = week_ago.predictions.get(now.athlete_id) if week_ago else None
    if then is None:
        return Change("none", _("no score a week ago"))
    if then.abstained and then.reason:
        return Change("none", _("not scored a week ago: {reason}", reason=then.reason))
    if then.abstained:
        return Change("none", _("not scored a week ago"))
    direction, words = _compare(judge.band(then), judge.band(now), then, now, judge.shows_percent)
    if then.model_version != now.model_version:
        words = _("{change}; the model changed in between", change=words)
    return Change(direction, words)


def _compare(
    then: Band, now: Band, earlier: Prediction, later: Prediction, shows_percent: bool
) -> tuple[Literal["up", "down", "same"], str]:
    odds = _odds(later.probability) / _odds(earlier.probability) if 0 < earlier.probability < 1 else 1.0
    figures = _figures(earlier.probability, later.probability, odds, shows_percent)
    band = then.label.lower()
    if now.rank > then.rank:
        return "up", _("up from {band} ({figures})", band=band, figures=figures)
    if now.rank < then.rank:
        return "down", _("down from {band} ({figures})", band=band, figures=figures)
    if 1 / SAME_ODDS <= odds <= SAME_ODDS:
        return "same", _("about the same ({figures})", figures=figures)
    if odds > 1:
        return "up", _("higher, same band ({figures})", figures=figures)
    return "down", _("lower, same band ({figures})", figures=figures)


def _figures(earlier: float, later: float, odds: float, shows_percent: bool) -> str:
    if shows_percent:
        return _("{earlier} to {later}", earlier=percent(earlier), later=percent(later))
    return _("{n} times the odds of then", n=decimal(odds, 2, fixed=True))


def _odds(probability: float) -> float:
    return probability / (1 - probability) if probability < 1 else math.inf
