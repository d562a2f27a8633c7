"""A card from the facts: the checklists in their order, and the figures that a reader should see first."""

from __future__ import annotations

from models.card.curves import evaluation_figures
from models.card.domains import probast_section
from models.card.evaluation_tables import evaluation_tables
from models.card.facts import Facts, interval
from models.card.individual import individual_lines
from models.card.lines import Card, CardTable, Section
from models.card.performance_set import performance_lines
from models.card.recording import recording_lines
from models.card.stability import sample_size_table, stability_lines
from models.card.tripod_methods import methods_lines, shift_table
from models.card.tripod_results import comparison_table, flow_table, performance_tables, results_lines
from models.card.tripod_setting import predictor_table, setting_lines, source_table


def model_card(facts: Facts) -> Card:
    """The card of a bundle: TRIPOD+AI, PROBAST+AI, injury recording, sample size, performance, single predictions."""
    setting, methods = setting_lines(facts), methods_lines(facts)
    probast = probast_section(facts)
    recording, stability = recording_lines(facts), stability_lines(facts)
    performance, individual = performance_lines(facts), individual_lines(facts)
    before = (*setting, *methods, *probast.lines, *recording, *stability, *performance)
    results = results_lines(facts, before)
    sections = (
        Section("setting", "Purpose, data, outcome and predictors", "TRIPOD+AI 1 to 9", setting,
                _tables(source_table(facts), predictor_table(facts))),
        Section("methods", "Methods and conditions", "TRIPOD+AI 10 to 19", methods, _tables(shift_table(facts))),
        Section("results", "Results and interpretation", "TRIPOD+AI 20 to 27", results,
                (*_tables(flow_table(facts)), *performance_tables(facts), *_tables(comparison_table(facts)))),
        probast,
        Section("recording", "Injury recording", "IOC consensus 2020, STROBE-SIIS", recording),
        Section("stability", "Sample size and stability", "Riley 2019, Riley & Collins 2023", stability,
                _tables(sample_size_table(facts))),
        Section("performance", "Set of performance measures", "Van Calster 2025", performance,
                evaluation_tables(facts), figures=evaluation_figures(facts)),
        Section("individual", "What each prediction carries", "individual reporting", individual),
    )  # fmt: skip
    bundle = facts.bundle
    return Card(bundle.version, f"Model card: {bundle.target.name}", _identity(facts), _headline(facts), sections)


def _tables(*tables: CardTable | None) -> tuple[CardTable, ...]:
    return tuple(table for table in tables if table)


def _identity(facts: Facts) -> tuple[tuple[str, str], ...]:
    bundle = facts.bundle
    registered = next((each for each in facts.history or () if each["label"] == bundle.version), None)
    place = f"{registered['version']} ({', '.join(registered['aliases']) or 'no alias'})" if registered else ""
    found = {
        "Version": bundle.version,
        "Registered as": place,
        "Trained": f"{bundle.trained_at:%Y-%m-%d %H:%M} UTC",
        "Data up to": f"{bundle.data_cut:%Y-%m-%d}",
        "Horizons": f"{', '.join(map(str, facts.horizons))} days",
        "Code": str(bundle.fingerprints.get("code", "")),
        "Data": str(bundle.fingerprints.get("data", ""))[:16],
    }
    return tuple((name, text) for name, text in found.items() if text)


def _headline(facts: Facts) -> tuple[str, ...]:
    """AUROC with interval per horizon and the plain reading of it."""
    if not facts.metrics:
        return (facts.absent("evaluation"),)
    figures = [f"{days} days: AUROC {interval(facts.metric('auroc', days))}" for days in facts.horizons]
    return (*figures, *_rivals(facts))


def _rivals(facts: Facts) -> tuple[str, ...]:
    return tuple(str(sentence) for sentence in facts.get("verdict") or () if "ranks higher here" in str(sentence))
