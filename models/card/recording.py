"""Injury recording after the IOC consensus of 2020 (STROBE-SIIS): how completely the counted injuries are described."""

from __future__ import annotations

from models.card.facts import Facts, many, share
from models.card.lines import Answer, Line, gate, met, not_applicable, not_met, numbered
from models.card.tripod_setting import supplied
from models.participants import EXPOSURE_SETTINGS

FIELDS = {
    "side": "Side",
    "body_area": "Body area",
    "tissue": "Tissue",
    "code": "OSIICS code",
    "mode_of_onset": "Mode of onset",
    "contact": "Contact",
    "setting": "Match or training",
    "is_recurrence": "Index injury or recurrence",
    "activity": "Activity (sprint, stretch, kick)",
}


def recording_lines(facts: Facts) -> tuple[Line, ...]:
    """One line per field of the consensus, then severity, exposure and what does not fit together."""
    fields = [
        (f"R{place}", topic, lambda name=name, topic=topic: _field(facts, name, topic))
        for place, (name, topic) in enumerate(FIELDS.items(), start=1)
    ]
    rest = [
        ("R10", "Imaging grade", lambda: _imaging(facts)),
        ("R11", "Role of who recorded", lambda: supplied(facts, "recorders")),
        ("R12", "Report date", lambda: _delay(facts)),
        ("R13", "Full return and days lost", lambda: _severity(facts)),
        ("R14", "Exposure and incidence", lambda: _incidence(facts)),
        ("R15", "Burden", lambda: _burden(facts)),
        ("R16", "Records that do not fit together", lambda: _contradictions(facts)),
    ]
    return numbered([*fields, *rest])


def _field(facts: Facts, name: str, topic: str) -> Answer:
    outcome = facts.get("outcomes")
    if not outcome:
        return not_met(facts.absent("outcomes"))
    if name not in outcome["recorded"]:
        return not_met(f"This model was trained before the {name} of an injury had a column. Train again.")
    told, total = outcome["recorded"][name], outcome["described"]
    if not total:
        return not_applicable("No counted injury has a record of its own (self-reports alone).", "metrics.outcomes")
    sentence = f"Recorded of {told} of {many(total, 'injury', 'injuries')} ({share(told, total)})."
    source = f"metrics.outcomes.recorded.{name}"
    if not told:
        nowhere = f"`{name}` of the injuries table is recorded of none of {many(total, 'injury', 'injuries')}."
        return not_met(nowhere, source=source)
    answer = gate(told == total, f"{topic} missing for {total - told} of {total}.", "warning")
    return met(sentence, source=source, gates=[] if told == total else [answer])


def _imaging(facts: Facts) -> Answer:
    """Whether an injury was imaged, and of those that were the grade."""
    answer = _field(facts, "imaging", "Imaging")
    if answer.state != "met":
        return answer
    outcome = facts.get("outcomes")
    imaged, graded = outcome["imaged"], outcome["graded"]
    told = f"Of {many(imaged, 'injury', 'injuries')} with an image {graded} carry a grade (`imaging_grade`)."
    grades = gate(graded == imaged, told, "warning")
    return met(*answer.sentences, source=f"{answer.source}, metrics.outcomes.graded", gates=[*answer.gates, grades])


def _delay(facts: Facts) -> Answer:
    outcome = facts.get("outcomes")
    if not outcome:
        return not_met(facts.absent("outcomes"))
    delay = outcome["reported_after_days"]
    if not delay["known"]:
        return not_met("No counted injury has a record with a time of receipt.")
    return met(
        f"Known of {delay['known']}: median {delay['median']:.1f} days after onset, 10th to 90th percentile "
        f"{delay['low']:.1f} to {delay['high']:.1f}.",
        source="metrics.outcomes.reported_after_days",
    )


def _severity(facts: Facts) -> Answer:
    outcome = facts.get("outcomes")
    if not outcome:
        return not_met(facts.absent("outcomes"))
    returns, total = outcome["returns"], outcome["described"]
    if not returns:
        return not_met(f"A full return is recorded of none of {many(total, 'injury', 'injuries')}.")
    severity = ", ".join(f"{days} in {count}" for days, count in outcome["time_loss"].items())
    return met(
        f"Full return recorded of {returns} of {total}; days lost: {severity}; "
        f"{many(outcome['recurrences'], 'recurrence')}.",
        source="metrics.outcomes.time_loss",
    )


def _hours(facts: Facts) -> dict[str, float] | None:
    who = facts.get("participants")
    return {kind: who["exposure_h"].get(kind, 0.0) for kind in EXPOSURE_SETTINGS} if who else None


def _incidence(facts: Facts) -> Answer:
    outcome, hours = facts.get("outcomes"), _hours(facts)
    if not outcome or hours is None:
        return not_met(facts.absent("outcomes"))
    if not sum(hours.values()):
        return not_met("No session has a duration, so there is no exposure to relate injuries to.")
    told = [
        f"{kind}: {1000 * outcome['settings'].get(kind, 0) / total:.2f} per 1,000 h "
        f"({outcome['settings'].get(kind, 0)} in {total:,.0f} h)"
        for kind, total in hours.items()
        if total
    ]
    rate = ", ".join(f"{days} days {100 * each:.2g} %" for days, each in (facts.get("base_rates") or {}).items())
    return met(
        f"{'; '.join(told)}.",
        f"Beside it the share of athlete-days before an injury: {rate}." if rate else "",
        source="metrics.participants.exposure_h, metrics.outcomes.settings",
    )


def _burden(facts: Facts) -> Answer:
    outcome, hours = facts.get("outcomes"), _hours(facts)
    if not outcome or hours is None:
        return not_met(facts.absent("outcomes"))
    total, lost = sum(hours.values()), outcome["days_lost"]
    if not total or not outcome["returns"]:
        return not_met("Days lost or hours of exposure are not recorded.")
    return met(
        f"{1000 * lost / total:.1f} days lost per 1,000 h of match and training ({lost:,.0f} days in {total:,.0f} h), "
        f"from {outcome['returns']} of {outcome['described']} injuries.",
        source="metrics.outcomes.days_lost, metrics.participants.exposure_h",
    )


def _contradictions(facts: Facts) -> Answer:
    outcome = facts.get("outcomes")
    if not outcome:
        return not_met(facts.absent("outcomes"))
    twice, sideless = outcome["open_twice"], outcome["described"] - outcome["recorded"]["side"]
    return met(
        "A return before its onset is refused at ingest.",
        source="metrics.outcomes",
        gates=[
            gate(
                not twice, f"{many(twice, 'injury', 'injuries')} began while one of the same side was open.", "warning"
            ),
            gate(not sideless, f"{many(sideless, 'injury', 'injuries')} without a side.", "warning"),
        ],
    )
