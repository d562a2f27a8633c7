"""The leak battery as gates of a card: a check that could not be made is told from one that was passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.card.facts import Facts
from models.card.lines import Answer, Gate, gate, met, not_met

RANKING_CHECKS = ("missingness", "row_spacing", "athlete_order", "shuffled_labels", "train_against_test")
"""Checks that measure an AUROC: without one, nothing was tested."""


def leak_gates(facts: Facts, *names: str) -> tuple[Gate, ...]:
    """The checks of these names as gates; one that was not checked for each that the bundle lacks."""
    found = {str(check["name"]): check for check in facts.get("leaks") or ()}
    return tuple(
        _gate(found[name]) if name in found else gate(None, f"No leak check {name.replace('_', ' ')} was recorded.")
        for name in names
    )


def _gate(check: Mapping[str, Any]) -> Gate:
    is_tested = check["name"] not in RANKING_CHECKS or check.get("value") is not None
    passed = bool(check["passed"]) if is_tested else None
    return gate(passed, str(check["sentence"]), "failed" if check.get("blocks", True) else "warning")


def leak_answer(facts: Facts, name: str) -> Answer:
    """One check as an item of its own."""
    if not any(check["name"] == name for check in facts.get("leaks") or ()):
        return not_met(facts.absent("leaks"))
    return met(source=f"metrics.leaks, {name}", gates=leak_gates(facts, name))
