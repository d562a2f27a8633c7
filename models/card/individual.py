"""What each single prediction carries, counted over the predictions that this version has made in the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from models.card.facts import Facts, listed, many, share
from models.card.lines import Answer, Line, gate, met, not_applicable, not_met

Fill = Callable[[Mapping[str, Any]], Answer]
OFTEN_OUTSIDE = 0.05
"""Share of values outside the 1st to 99th percentile of training above which scores are on other ground: 0.02 are
expected (assumption). The same of scores whose inputs lie farther out than 99 % of training rows, where 0.01 are."""
LARGEST_GAP = 1e-6
"""Log-odds by which contributions may miss a score, as models/explain.py asserts it."""


def individual_lines(facts: Facts) -> tuple[Line, ...]:
    """One line per thing that a prediction should carry; not applicable before this version has scored anybody."""
    topics: dict[str, tuple[str, Fill]] = {
        "I1": ("As-of date and model version", _identity),
        "I2": ("Band", lambda found: _of(found, "banded", "scored", "a band")),
        "I3": ("Probability with interval", _intervals),
        "I4": (
            "Change from last week",
            lambda found: _of(found, "with_week_before", "scored", "a score a week before"),
        ),
        "I5": ("Base rate of population and squad", lambda found: _base_rate(facts, found)),
        "I6": ("Contributions that add up", _additive),
        "I7": ("Measured values behind contributions", _measured),
        "I8": ("Own usual value", lambda found: _of(found, "with_usual", "explained", "an own usual value")),
        "I9": ("Age of measurements", lambda found: _of(found, "with_date", "explained", "a date")),
        "I10": ("Missing inputs", _missing),
        "I11": ("Input outside the training range", _range),
        "I12": ("Distance from training data", _distance),
        "I13": ("Reason of abstention", _abstained),
        "I14": ("Human decision and sign-off", _decided),
    }
    return tuple(Line(number, topic, _filled(facts, fill)) for number, (topic, fill) in topics.items())


def _filled(facts: Facts, fill: Fill) -> Answer:
    found = facts.predictions
    if not found or not found["rows"]:
        return not_applicable("This version has scored nobody yet. `strainwatch card` after `score` fills this in.")
    return fill(found)


def _identity(found: Mapping[str, Any]) -> Answer:
    return met(
        f"{found['rows']:,} rows of {many(found['moments'], 'moment')} from {found['first']} to {found['last']}, each "
        f"under its instant and version {found['version']}; scored by {listed(found['scored_by'])}.",
        source="predictions",
    )


def _of(found: Mapping[str, Any], part: str, whole: str, what: str) -> Answer:
    has, all_rows = int(found[part]), int(found[whole])
    if not has:
        return not_met(f"None of {all_rows:,} has {what}.", source="predictions, explanations")
    return met(f"{has:,} of {all_rows:,} ({share(has, all_rows)}) have {what}.", source="predictions, explanations")


def _intervals(found: Mapping[str, Any]) -> Answer:
    inside, scored = int(found["inside_interval"]), int(found["scored"])
    return met(
        f"{scored:,} scores; median width of the interval {100 * found['median_width']:.2g} percentage points.",
        source="predictions.lower, predictions.upper",
        gates=[gate(inside == scored, f"The probability lies within its interval in {inside:,} of {scored:,} scores.")],
    )


def _base_rate(facts: Facts, found: Mapping[str, Any]) -> Answer:
    rates = facts.get("base_rates")
    if not rates:
        return not_met("No base rate was recorded.")
    told = ", ".join(f"{days} days {100 * rate:.2g} %" for days, rate in rates.items())
    own, scored = int(found["with_squad_rate"]), int(found["scored"])
    return met(
        f"Of everybody in training: {told}.",
        f"The squad's own rate is part of {own:,} of {scored:,} scores.",
        source="metrics.base_rates, predictions.squad_log_odds",
    )


def _additive(found: Mapping[str, Any]) -> Answer:
    gap = float(found["largest_gap"])
    said = f"Base and contributions miss the score by {gap:.1g} log-odds at most, over {found['checked']:,} scores."
    return met(
        f"{found['explained']:,} contributions on file, signed, in log-odds.",
        source="explanations.contribution, predictions.log_odds",
        gates=[gate(gap <= LARGEST_GAP, said)],
    )


def _measured(found: Mapping[str, Any]) -> Answer:
    answer = _of(found, "with_value", "explained", "a value")
    act_on = f"{found['modifiable_with_value']:,} of them belong to factors that can be changed."
    return met(*answer.sentences, act_on, source=answer.source) if answer.state == "met" else answer


def _missing(found: Mapping[str, Any]) -> Answer:
    return met(
        f"Share of the model's inputs missing: median {100 * found['share_missing']:.0f} %; "
        f"{found['with_reason_missing']:,} contributions of a missing input carry the reason.",
        source="predictions.share_missing, explanations.reason_missing",
    )


def _range(found: Mapping[str, Any]) -> Answer:
    outside, values = int(found["outside_range"]), int(found["with_value"])
    if not values:
        return not_met("No contribution on file has a value.", source="explanations.value")
    said = f"{outside:,} of {values:,} values ({share(outside, values)}) lie outside what 98 % of training rows had."
    return met(
        "Counted over the newest moments, against the 1st to 99th percentile of training.",
        source="explanations.value, feature_summary",
        gates=[gate(outside <= OFTEN_OUTSIDE * values, said, "warning")],
    )


def _distance(found: Mapping[str, Any]) -> Answer:
    known, scored, far = int(found["with_distance"]), int(found["scored"]), int(found["far_out"])
    if not known:
        return not_met(
            f"None of {scored:,} scores has a distance: what it takes was not kept at this training. Train again.",
            source="predictions.distance",
        )
    said = f"{far:,} of {known:,} scores ({share(far, known)}) lie farther out than 99 % of training rows."
    return met(
        f"{known:,} of {scored:,} scores say which share of training rows lies nearer to the middle of training, each "
        f"feature by itself (median {found['median_distance']:.2f}; 0.50 is that of training).",
        source="predictions.distance, metrics.reach",
        gates=[gate(far <= OFTEN_OUTSIDE * known, said, "warning")],
    )


def _decided(found: Mapping[str, Any]) -> Answer:
    """Decisions are kept apart from scores: whoever decided stands in each, with the day that it is about."""
    count, scored = int(found["decisions"]), int(found["scored"])
    if not count:
        return not_met(
            f"Nobody entered a decision about any of {scored:,} scores; `strainwatch decide` keeps one.",
            source="decisions",
        )
    return met(
        f"{many(count, 'decision')} of staff about {many(int(found['decided_about']), 'athlete')}, each with its day "
        f"and who decided ({many(int(found['decided_by']), 'person', 'people')}).",
        f"One followed {int(found['with_decision']):,} of {scored:,} scores within the week.",
        source="decisions",
    )


def _abstained(found: Mapping[str, Any]) -> Answer:
    count, reasons = int(found["abstained"]), found["reasons"]
    if not count:
        return met(f"Nobody of {found['rows']:,} athlete-moments was left unscored.", source="predictions.reason")
    silent = count - sum(reasons.values())
    return met(
        f"{count:,} of {found['rows']:,} athlete-moments left unscored: {listed(reasons)}.",
        source="predictions.reason",
        gates=[gate(not silent, f"{count - silent:,} of {count:,} of them carry a reason.")],
    )
