"""What the score would say after another next week, in words; never as advice."""

from __future__ import annotations

from collections.abc import Mapping

from features.specs import FeatureSpec
from models.counterfactual import Counterfactual, Move
from serving.report.language import _, dynamic
from serving.report.settings import Band
from serving.report.wording import measure


def in_words(found: Counterfactual, now: Band, below: Band, specs: Mapping[str, FeatureSpec]) -> str:
    """One sentence on the way from the band `now` to the one `below` it."""
    if not found.reaches:
        return _(
            "No plausible change of next week (training load, sleep, fatigue, preventive work) makes the score say "
            "{below}: it rests on what a week does not change.",
            below=below.label.lower(),
        )
    if not found.moves:
        return _("If next week is like the last one, the score would say {below}.", below=below.label.lower())
    changes = "; ".join(_move(move, specs[move.lever.shown]) for move in found.moves)
    return _(
        "If next week is like the last one, the score would say {now}; with {changes}, it would say {below}.",
        now=now.label.lower(),
        changes=changes,
        below=below.label.lower(),
    )


def _move(move: Move, spec: FeatureSpec) -> str:
    return _(
        "{measurement}: {after} instead of {before}",
        measurement=dynamic(spec.label),
        after=measure(move.after, spec.unit),
        before=measure(move.before, spec.unit),
    )
