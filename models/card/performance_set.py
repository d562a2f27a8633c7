"""The recommended set of performance measures (Van Calster et al. 2025), each there or named as absent."""

from __future__ import annotations

from models.card.facts import Facts, has_interval, interval
from models.card.lines import Answer, Line, gate, met, not_met, numbered

MEASURES = {
    "V1": ("AUROC", "auroc"),
    "V2": ("Average precision, beside the prevalence", "average_precision"),
    "V3": ("Calibration slope", "calibration_slope"),
    "V4": ("Calibration intercept", "calibration_intercept"),
    "V5": ("Observed : expected", "observed_expected"),
    "V6": ("Brier score", "brier"),
    "V7": ("Scaled Brier score", "scaled_brier"),
    "V8": ("Net benefit", "net_benefit"),
}
PARTS = {
    "V9": (
        "Alert table",
        "alerts",
        "flags per squad and week, with precision, recall, false alerts and days of warning",
    ),
    "V10": ("By lead day", "lead_days", "days before onset, each with its AUROC"),
    "V11": ("Smoothed calibration curve", "calibration_curve", "points of the curve"),
    "V12": (
        "Decision curve",
        "decision_curve",
        "points of this model, of flagging everybody, and of the gain over the better of both defaults",
    ),
    "V13": (
        "Distribution of risk by outcome",
        "risk_distribution",
        "quantiles and means before an injury and otherwise",
    ),
    "V14": ("Under easier splits", "designs", "figures under splits that flatter"),
}
"""Tables of an evaluation, and what their lines are."""
RIVALS = ("age_history", "logistic")


def performance_lines(facts: Facts) -> tuple[Line, ...]:
    """A line per measure, per part and per comparison, then the promotion gate."""
    figures = [(number, topic, lambda name=name: _measure(facts, name)) for number, (topic, name) in MEASURES.items()]
    parts = [
        (number, topic, lambda table=table, what=what: _part(facts, table, what))
        for number, (topic, table, what) in PARTS.items()
    ]
    rest = [
        ("V15", "Against simpler models", lambda: _comparison(facts)),
        ("V16", "Promotion gate", lambda: _promotion(facts)),
    ]
    return numbered([*figures, *parts, *rest])


def _measure(facts: Facts, name: str) -> Answer:
    if not facts.metrics:
        return not_met(facts.absent("evaluation"))
    found = {horizon: facts.metric(name, horizon) for horizon in facts.horizons}
    told = [f"{horizon} days {interval(metric)}" for horizon, metric in found.items()]
    if not any(metric and metric["value"] is not None for metric in found.values()):
        return not_met(f"{'; '.join(told)}.", source="metrics.evaluation.metrics")
    rate = _prevalence(facts) if name == "average_precision" else ""
    bare = [str(horizon) for horizon, metric in found.items() if not has_interval(metric)]
    gates = (
        [gate(False, f"No interval of {name.replace('_', ' ')} at {', '.join(bare)} days.", "warning")] if bare else []
    )
    return met(f"{'; '.join(told)}.", rate, source="metrics.evaluation.metrics", gates=gates)


def _part(facts: Facts, table: str, what: str) -> Answer:
    lines = facts.table(table)
    if not lines and table == "designs" and facts.metrics:
        return not_met("Not judged under easier splits at training: `strainwatch train --designs` does that.")
    if not lines:
        return not_met(facts.absent("evaluation") if not facts.metrics else f"This training gave no {what}.")
    bare = sum(line["value"] is not None and line["lower"] is None for line in lines)
    empty = sum(line["value"] is None for line in lines)
    gaps = [f"{count} {words}" for count, words in ((bare, "without an interval"), (empty, "not estimable")) if count]
    return met(f"{len(lines)} {what}{', ' if gaps else ''}{', '.join(gaps)}.", source=f"metrics.evaluation.{table}")


def _prevalence(facts: Facts) -> str:
    rates = {horizon: facts.metric("event_rate", horizon) for horizon in facts.horizons}
    told = [f"{horizon} days {interval(rate)}" for horizon, rate in rates.items() if rate]
    return f"Prevalence: {'; '.join(told)}." if told else ""


def _comparison(facts: Facts) -> Answer:
    gains = {(horizon, rival): facts.metric("auroc", horizon, against=rival)
             for horizon in facts.horizons for rival in RIVALS}  # fmt: skip
    known = {where: gain for where, gain in gains.items() if gain and gain["value"] is not None}
    if not known:
        return not_met(facts.absent("evaluation") if not facts.metrics else "No difference from a simpler model.")
    told = [
        f"{horizon} days, against {rival.replace('_', ' and ')}: AUROC higher by {interval(gain)}"
        for (horizon, rival), gain in known.items()
    ]
    better = [where for where, gain in known.items() if has_interval(gain) and gain["lower"] > 0]
    said = f"Shown to rank better than a simpler model in {len(better)} of {len(known)} comparisons."
    return met(f"{'; '.join(told)}.", source="metrics.evaluation.metrics", gates=[gate(bool(better), said, "warning")])


def _promotion(facts: Facts) -> Answer:
    own = next((each["version"] for each in facts.history or () if each["label"] == facts.bundle.version), None)
    about = [each for each in facts.promotions if own is not None and each["candidate"] == own]
    asked = [each for each in about if "gate" in each["figures"]]  # a rollback asks nothing
    if not asked:
        return not_met("The promotion gate had not been asked about this model when this card was written.")
    last = asked[-1]
    refused = list(map(str, last["figures"]["gate"]))
    told = f"Conditions that do not hold: {'; '.join(refused)}." if refused else "Every condition of promotion holds."
    forced = f", forced by {last['user']}" if last["forced"] else ""
    return met(
        f"{last['at'][:10]}, {last['action']}{forced}: {last['reason']}.",
        source=f"promotion log, line {last['number']}",
        gates=[gate(not refused, told)],
    )
