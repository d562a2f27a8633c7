"""PROBAST+AI: what can be checked of its domains from figures alone. A reviewer's judgement is wider."""

from __future__ import annotations

from models.card.facts import Facts, listed, many, signed
from models.card.leak_gates import leak_answer, leak_gates
from models.card.lines import Answer, Line, Section, gate, met, not_applicable, not_met, numbered
from models.card.tripod_methods import sample_size, trials
from models.card.tripod_results import performance
from models.card.tripod_setting import read_by_model

AFTERWARDS = ("returns",)
"""Tables about how an injury ended: legitimate of earlier injuries, outcome-derived if read of the present one."""
FARTHEST = 1.0
"""Standard deviations between tested and training medians above which the model is on other ground (assumption)."""


def probast_section(facts: Facts) -> Section:
    """Each domain's checks; the summary says which domain stays unclear or at high risk, by these checks."""
    domains = {
        "Participants and data": _participants(facts),
        "Predictors": _predictors(facts),
        "Outcome": _outcome(facts),
        "Analysis": _analysis(facts),
        "Applicability": _applicability(facts),
    }
    summary = "; ".join(f"{name}: {_judged(lines)}" for name, lines in domains.items())
    lines = tuple(line for found in domains.values() for line in found)
    return Section("probast", "Risk of bias and applicability", "PROBAST+AI", lines, summary=f"{summary}.")


def _judged(lines: tuple[Line, ...]) -> str:
    if any(line.state == "not met" and _is_failed(line) for line in lines):
        return "high risk of bias"
    if any(line.state == "not met" or _is_open(line) for line in lines):
        return "unclear"
    return "no concern found"


def _is_failed(line: Line) -> bool:
    return any(gate.outcome == "failed" for gate in line.answer.gates)


def _is_open(line: Line) -> bool:
    return any(gate.outcome == "not checked" for gate in line.answer.gates)


def _participants(facts: Facts) -> tuple[Line, ...]:
    return numbered(
        (
            ("P1", "Same inclusion before injuries and otherwise", lambda: leak_answer(facts, "row_spacing")),
            ("P2", "All athletes of the squads, in sequence", lambda: _consecutive(facts)),
        )
    )


def _predictors(facts: Facts) -> tuple[Line, ...]:
    return numbered(
        (
            ("P3", "Available at prediction time", lambda: leak_answer(facts, "future_rows")),
            ("P4", "Dated before prediction time", lambda: leak_answer(facts, "value_dates")),
            ("P5", "Nothing derived from the outcome", lambda: _derived(facts)),
            ("P6", "Athletes not told by their rows", lambda: leak_answer(facts, "athlete_order")),
        )
    )


def _outcome(facts: Facts) -> tuple[Line, ...]:
    return numbered(
        (
            ("P7", "Standard definition, fixed horizon", lambda: _definition(facts)),
            ("P8", "Same surveillance for all", lambda: _surveillance(facts)),
            ("P9", "Injured and departed athletes", lambda: _censoring(facts)),
        )
    )


def _analysis(facts: Facts) -> tuple[Line, ...]:
    return numbered(
        (
            ("P10", "Enough injuries", lambda: sample_size(facts)),
            ("P11", "No choice of predictors by their outcome", lambda: _no_screening(facts)),
            ("P12", "Missing data within the fold", lambda: leak_answer(facts, "missingness")),
            ("P13", "Days of one athlete are not independent", lambda: _clusters(facts)),
            ("P14", "All tried models counted", lambda: _trials(facts)),
            ("P15", "Calibration and discrimination", lambda: performance(facts)),
            ("P16", "Optimism", lambda: leak_answer(facts, "shuffled_labels")),
            ("P17", "No single column too good to be true", lambda: leak_answer(facts, "single_feature")),
            ("P18", "Stability", lambda: _stability(facts)),
        )
    )


def _applicability(facts: Facts) -> tuple[Line, ...]:
    return numbered((("P19", "Distance of the data that it was tested on", lambda: _distance(facts)),))


def _consecutive(facts: Facts) -> Answer:
    attrition = facts.get("attrition")
    if attrition is None:
        return not_met(facts.absent("attrition"))
    reasons = {name: count for name, count in attrition.items() if not name.startswith("horizon of")}
    return met(
        f"Every day of all {facts.get('athletes')} athletes was looked at; left out: {listed(reasons)}.",
        source="metrics.attrition",
    )


def _derived(facts: Facts) -> Answer:
    read = read_by_model(facts)
    after = sorted(
        spec.name for spec in facts.bundle.specs if spec.name in read and getattr(spec, "table", "") in AFTERWARDS
    )
    told = (
        f"{many(len(after), 'feature')} read clearances of earlier injuries ({', '.join(after[:4])}); a clearance "
        "counts from the day on which it was known."
        if after
        else "No feature of the model reads how an injury ended."
    )
    return met(told, source="specs", gates=leak_gates(facts, "future_rows"))


def _definition(facts: Facts) -> Answer:
    outcome = facts.get("outcomes")
    if not outcome:
        return not_met(facts.absent("outcomes"))
    coded, total = outcome["recorded"]["code"], outcome["described"]
    told = f"{coded} of {many(total, 'injury', 'injuries')} carry an OSIICS code"
    reports = outcome["self_reported"]
    return met(
        f"Horizons of {', '.join(map(str, facts.horizons))} days. {told}; {reports} are self-reported.",
        source="target, metrics.outcomes",
        gates=[
            gate(not reports, "Self-reports are no diagnoses." if reports else "No onset is a self-report.", "warning")
        ],
    )


def _surveillance(facts: Facts) -> Answer:
    outcome = facts.get("outcomes")
    if not outcome:
        return not_met(facts.absent("outcomes"))
    delay, allowed = outcome["reported_after_days"], facts.bundle.target.reporting_days
    if not delay["known"]:
        return not_met("No counted injury has a record of its own, so the delay of reporting is unknown.")
    is_within = delay["high"] <= allowed
    told = f"Nine in ten injuries are known within {delay['high']:.1f} days of the prediction hour of their day"
    return met(
        f"Median delay {delay['median']:.1f} days.",
        source="metrics.outcomes.reported_after_days, target.reporting_days",
        gates=[
            gate(is_within, f"{told}; follow-up ends {allowed} days before the data do.", "warning"),
        ],
    )


def _censoring(facts: Facts) -> Answer:
    attrition = facts.get("attrition")
    if attrition is None:
        return not_met(facts.absent("attrition"))
    counted = {name: attrition.get(name, 0) for name in ("injured", "injured, not known yet", "left the squad")}
    unknown = sum(count for name, count in attrition.items() if name.startswith("horizon of"))
    return met(
        f"Left out as not at risk: {listed(counted)} athlete-days; {unknown:,} horizons that run past follow-up are "
        "unknown, none counts as no injury.",
        source="metrics.attrition",
    )


def _no_screening(facts: Facts) -> Answer:
    tried = facts.get("tuning", "features")
    if tried:
        return not_met(f"Predictors were searched: {tried}.", source="metrics.tuning")
    eligible = sum(spec.in_model for spec in facts.bundle.specs)
    rest = f"; the other {eligible - len(facts.used)} do not vary in this data" if eligible > len(facts.used) else ""
    return met(
        f"{len(facts.used)} of {eligible} eligible predictors are in the model{rest}.",
        source="specs, models.feature_names",
    )


def _clusters(facts: Facts) -> Answer:
    if not facts.metrics:
        return not_met(facts.absent("evaluation"))
    tested = facts.metrics[0]
    return met(
        f"Folds, bags and intervals go by athlete: {tested['n_rows']:,} tested days count as {tested['n_athletes']} "
        "athletes.",
        source="metrics.evaluation, settings",
    )


def _trials(facts: Facts) -> Answer:
    told = trials(facts)
    return met(told, source="metrics.tuning") if told else not_met(facts.absent("tuning"))


def _stability(facts: Facts) -> Answer:
    found = facts.get("instability")
    if not found:
        return not_met(facts.absent("instability"))
    return met(*map(str, found.get("sentences", ())), source="metrics.instability")


def _distance(facts: Facts) -> Answer:
    found = facts.get("case_mix")
    if not found:
        return not_met(facts.absent("case_mix"))
    if not found["shifts"]:
        return not_applicable("No predictor varies on both sides.", "metrics.case_mix")
    name, shift = next(iter(found["shifts"].items()))
    label = facts.specs[name].label if name in facts.specs else name
    beyond = f"{found['features_above_half']} of {found['features']} beyond 0.5"
    told = f"Farthest: {label}, {signed(shift)} standard deviations; {beyond}."
    return met(
        "Of another squad nothing is known: it was tested on later days of the athletes' own store.",
        source="metrics.case_mix",
        gates=[gate(abs(shift) <= FARTHEST, told, "warning")],
    )
