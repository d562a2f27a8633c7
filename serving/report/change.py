"""How an athlete's score moved since last week, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

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
        return Change("none", "no score a week ago")
    if then.abstained:
        return Change("none", "not scored a week ago" + (f": {then.reason}" if then.reason else ""))
    note = "" if then.model_version == now.model_version else "; the model changed in between"
    direction, words = _compare(judge.band(then), judge.band(now), then, now)
    return Change(direction, f"{words}{note}")


def _compare(
    then: Band, now: Band, earlier: Prediction, later: Prediction
) -> tuple[Literal["up", "down", "same"], str]:
    figures = f"{percent(earlier.probability)} to {percent(later.probability)}"
    if now.rank != then.rank:
        direction: Literal["up", "down"] = "up" if now.rank > then.rank else "down"
        return direction, f"{direction} from {then.label.lower()} ({figures})"
    odds = _odds(later.probability) / _odds(earlier.probability) if 0 < earlier.probability < 1 else 1.0
    if 1 / SAME_ODDS <= odds <= SAME_ODDS:
        return "same", f"about the same ({figures})"
    return ("up", f"higher, same band ({figures})") if odds > 1 else ("down", f"lower, same band ({figures})")


def _odds(probability: float) -> float:
    return probability / (1 - probability) if probability < 1 else math.inf
