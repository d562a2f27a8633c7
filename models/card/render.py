"""A card as one HTML file that needs nothing from elsewhere, and as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.card.lines import STATE_WORDS, Card, CardTable, Gate, Line, Section, State

TEMPLATES = Path(__file__).parent / "templates"
GATE_WORDS = {"passed": "passed", "warning": "WARNING", "failed": "FAILED", "not checked": "not checked"}


def card_html(card: Card) -> str:
    """The card as HTML: no script, no font, no address that a browser would fetch. All text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = Markup((TEMPLATES / "card.css").read_text(encoding="utf-8"))
    return environment.get_template("card.html.j2").render(
        card=card, css=css, states=STATE_WORDS, outcomes=GATE_WORDS, lines_below=_below
    )


def _below(section: Section) -> str:
    """How many items of a section are reported."""
    told = sum(line.state == "met" for line in section.lines)
    return f"{told} of {len(section.lines)} reported"


def card_markdown(card: Card) -> str:
    """The card as Markdown, tables in the pipe style; text cannot become markup."""
    return "\n".join(_markdown(card)).strip() + "\n"


def _markdown(card: Card) -> Iterator[str]:
    yield f"# {_plain(card.title)}"
    yield ""
    yield from _grid(("what", "value"), card.identity)
    yield ""
    yield from (f"- {_plain(sentence)}" for sentence in card.headline)
    yield ""
    counts = ", ".join(f"{card.count(state)} {words.lower()}" for state, words in _STATES)
    yield f"Items: {counts}. Gates: {len(card.failed)} failed, {len(card.warned)} warn."
    yield ""
    for name, gates in (("Failed gates", card.failed), ("Warnings", card.warned)):
        yield from _gate_list(name, gates)
    for section in card.sections:
        yield from _section(section)


_STATES: tuple[tuple[State, str], ...] = (
    ("met", "reported"),
    ("not met", "not met"),
    ("not applicable", "not applicable"),
)


def _gate_list(name: str, gates: Sequence[tuple[Line, Gate]]) -> Iterator[str]:
    if gates:
        yield f"## {name}"
        yield ""
        yield from (f"- {line.number}: {_plain(gate.sentence)}" for line, gate in gates)
        yield ""


def _section(section: Section) -> Iterator[str]:
    yield f"## {_plain(section.title)} ({_plain(section.standard)})"
    yield ""
    if section.summary:
        yield _plain(section.summary)
        yield ""
    rows = [
        (line.number, line.topic, STATE_WORDS[line.state], _told(line), line.answer.source) for line in section.lines
    ]
    yield from _grid(("item", "topic", "state", "what is reported", "source"), rows)
    yield ""
    for picture in section.figures:
        yield f"**{_plain(picture.caption)}** {_plain(picture.words)} (source: {_plain(picture.source)})"
        yield ""
    for table in section.tables:
        yield from _table(table)


def _told(line: Line) -> str:
    gates = [f"[{GATE_WORDS[gate.outcome]}] {gate.sentence}" for gate in line.answer.gates]
    return " ".join((*line.answer.sentences, *gates))


def _table(table: CardTable) -> Iterator[str]:
    yield f"**{_plain(table.caption)}** (source: {_plain(table.source)})"
    yield ""
    yield from _grid(table.header, table.rows)
    yield ""


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(_plain, header))} |"
    yield f"|{' --- |' * len(header)}"
    yield from (f"| {' | '.join(map(_plain, row))} |" for row in rows)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\|*_`\[\]#])", r"\\\1", escaped)
