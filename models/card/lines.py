"""What a card is made of: lines (a value with its source, or NOT MET with the reason), gates, tables, sections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from markupsafe import Markup

State = Literal["met", "not met", "not applicable"]
Outcome = Literal["passed", "warning", "failed", "not checked"]

STATE_WORDS: dict[str, str] = {"met": "Reported", "not met": "NOT MET", "not applicable": "NOT APPLICABLE"}


@dataclass(frozen=True)
class Gate:
    """A rule that was held against figures: what came out, in a sentence with the figures."""

    outcome: Outcome
    sentence: str


@dataclass(frozen=True)
class Answer:
    """What can be said to one item: sentences with their source, or why nothing can be said."""

    state: State
    sentences: tuple[str, ...]
    source: str = ""
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Line:
    """An item of a checklist with its answer. A failed gate leaves the item NOT MET, whatever else is said."""

    number: str
    topic: str
    answer: Answer

    @property
    def state(self) -> State:
        failed = any(gate.outcome == "failed" for gate in self.answer.gates)
        return "not met" if failed else self.answer.state


@dataclass(frozen=True)
class CardTable:
    """Figures in rows; the first column names the row, those in `numeric` are right-aligned."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class CardFigure:
    """A picture as SVG that needs nothing else, and what it shows in `words`."""

    caption: str
    svg: Markup
    words: str
    source: str = ""


@dataclass(frozen=True)
class Section:
    """Lines under a heading; `key` is the anchor, `standard` whose checklist it is."""

    key: str
    title: str
    standard: str
    lines: tuple[Line, ...]
    tables: tuple[CardTable, ...] = ()
    summary: str = ""
    figures: tuple[CardFigure, ...] = ()


@dataclass(frozen=True)
class Card:
    """A model card: what identifies the model, the figures to read first, and every section."""

    version: str
    title: str
    identity: tuple[tuple[str, str], ...]
    headline: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(line for section in self.sections for line in section.lines)

    def count(self, state: State) -> int:
        """How many lines end in this state."""
        return sum(line.state == state for line in self.lines)

    @property
    def failed(self) -> tuple[tuple[Line, Gate], ...]:
        """Every gate that failed, with its line; a gate that stands in two sections is listed once."""
        return self._gates("failed")

    @property
    def warned(self) -> tuple[tuple[Line, Gate], ...]:
        return self._gates("warning")

    def _gates(self, outcome: Outcome) -> tuple[tuple[Line, Gate], ...]:
        found: dict[str, tuple[Line, Gate]] = {}
        for line in self.lines:
            for gate in line.answer.gates:
                if gate.outcome == outcome:
                    found.setdefault(gate.sentence, (line, gate))
        return tuple(found.values())

    def as_json(self) -> dict[str, Any]:
        """The card as plain values, each line with its state."""
        return {
            "version": self.version,
            "title": self.title,
            "identity": dict(self.identity),
            "headline": list(self.headline),
            "counts": {state: self.count(state) for state in ("met", "not met", "not applicable")},
            "sections": [_section_as_json(section) for section in self.sections],
        }


def _section_as_json(section: Section) -> dict[str, Any]:
    lines = [
        {"item": line.number, "topic": line.topic, "state": line.state, **asdict(line.answer) | {"state": line.state}}
        for line in section.lines
    ]
    head = {"key": section.key, "title": section.title, "standard": section.standard, "summary": section.summary}
    figures = [{"caption": each.caption, "words": each.words, "source": each.source} for each in section.figures]
    return {**head, "lines": lines, "tables": [asdict(table) for table in section.tables], "figures": figures}


def met(*sentences: str, source: str, gates: Sequence[Gate] = ()) -> Answer:
    """An item that is reported; sentences that are empty are left out."""
    return Answer("met", tuple(sentence for sentence in sentences if sentence), source, tuple(gates))


def not_met(reason: str, *sentences: str, source: str = "", gates: Sequence[Gate] = ()) -> Answer:
    """An item that is not reported, the reason first."""
    return Answer("not met", (reason, *sentences), source, tuple(gates))


def not_applicable(reason: str, source: str = "") -> Answer:
    """An item that does not arise for this model."""
    return Answer("not applicable", (reason,), source)


def gate(is_passed: bool | None, sentence: str, otherwise: Outcome = "failed") -> Gate:
    """A gate that passed, came out as `otherwise`, or (None) could not be checked."""
    return Gate("not checked" if is_passed is None else "passed" if is_passed else otherwise, sentence)


def numbered(items: Sequence[tuple[str, str, Callable[[], Answer]]]) -> tuple[Line, ...]:
    """Lines of (number, topic, what fills it)."""
    return tuple(Line(number, topic, fill()) for number, topic, fill in items)
