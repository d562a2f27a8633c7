"""The evaluation's tables as a card shows them: subgroups, alerts, lead days, easier splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.card.facts import Facts, short_interval
from models.card.lines import CardTable

GROUP_MEASURES = (("auroc", "AUROC"), ("observed_expected", "O:E"), ("calibration_slope", "Slope"),
                  ("alert_rate", "Flags per athlete-week"))  # fmt: skip
ALERT_MEASURES = (
    ("alert_precision", "Precision"),
    ("alert_recall", "Injuries caught"),
    ("false_alerts_per_injury", "False alerts per injury"),
    ("warning_days", "Days of warning"),
)
DESIGN_MEASURES = (("auroc", "AUROC"), ("observed_expected", "O:E"), ("calibration_slope", "Slope"))


def evaluation_tables(facts: Facts) -> tuple[CardTable, ...]:
    """Those tables that the evaluation has, at the shortest horizon; never a line per athlete."""
    found = (_subgroups(facts), _alerts(facts), _lead_days(facts), _designs(facts))
    return tuple(table for table in found if table)


def _subgroups(facts: Facts) -> CardTable | None:
    groups = facts.subgroups()
    if not groups:
        return None
    rows = tuple(
        (name, f"{group.injuries:,}", *(short_interval(group.lines.get(key)) for key, _ in GROUP_MEASURES))
        for name, group in groups.items()
    )
    header = ("Group", "Injuries", *(label for _, label in GROUP_MEASURES))
    caption = f"{facts.horizons[0]} days: by group, on unseen athletes at later times"
    return CardTable(caption, header, rows, tuple(range(1, len(header))), "metrics.evaluation.subgroups")


def _alerts(facts: Facts) -> CardTable | None:
    return _by(facts, "alerts", "budget", "Flags per squad and week", ALERT_MEASURES, "alerts by budget")


def _designs(facts: Facts) -> CardTable | None:
    return _by(facts, "designs", "design", "Split", DESIGN_MEASURES, "the same model under easier splits")


def _by(
    facts: Facts, table: str, key: str, head: str, measures: Sequence[tuple[str, str]], what: str
) -> CardTable | None:
    """A row per value of `key`, a column per measure."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for line in facts.table(table, facts.horizons[0]):
        found.setdefault(str(line[key]), {})[str(line["name"])] = line
    if not found:
        return None
    rows = tuple((value, *(short_interval(lines.get(name)) for name, _ in measures)) for value, lines in found.items())
    header = (head, *(label for _, label in measures))
    caption = f"{facts.horizons[0]} days: {what}"
    return CardTable(caption, header, rows, tuple(range(1, len(header))), f"metrics.evaluation.{table}")


def _lead_days(facts: Facts) -> CardTable | None:
    lines = facts.table("lead_days", facts.horizons[-1])
    if not lines:
        return None
    rows = tuple((f"{line['lead_days']}", f"{line['n_events']:,}", short_interval(line)) for line in lines)
    caption = f"{facts.horizons[-1]} days: AUROC by days before onset"
    return CardTable(caption, ("Days before", "Injuries", "AUROC"), rows, (0, 1), "metrics.evaluation.lead_days")
