"""Sections of tables and figures as one HTML page that needs no network, as Markdown, and for a terminal."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Column, Table

from pipelines.console import right

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#1c2733}"
    "h2{font-size:1.05rem;margin:2rem 0 .4rem}ul{padding-left:1.2rem}.wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}"
    "td,th{border-bottom:1px solid #ddd;padding:.25rem .7rem;text-align:right;vertical-align:top;white-space:nowrap}"
    "th{white-space:normal;vertical-align:bottom}td:first-child,th:first-child{text-align:left;white-space:normal}"
    "tbody tr:hover{background:#f2f6fa}.note{color:#4a5968;margin:.4rem 0}"
    ".figures{display:flex;flex-wrap:wrap;gap:1rem}.figures img{max-width:36rem;width:100%}"
)


@dataclass(frozen=True)
class Section:
    """A table under its title, with what to know when reading it, and a PNG or SVG file if there is one."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    figure: Path | None = None


def page(title: str, *parts: str) -> str:
    """The page, of what `sentences`, `tables` and `figures` give."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{html.escape(title)}</h1>{''.join(parts)}</body></html>\n"
    )


def sentences(lines: Iterable[str]) -> str:
    """A list."""
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"


def tables(sections: Iterable[Section]) -> str:
    """Each section under its heading."""
    return "".join(_table(section) for section in sections)


def _table(section: Section) -> str:
    notes = "".join(f'<p class="note">{html.escape(line)}</p>' for line in section.note.splitlines())
    if not section.rows:
        return f"<h2>{html.escape(section.title)}</h2>{notes}"
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in section.header)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in section.rows)
    return (
        f'<h2>{html.escape(section.title)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{notes}{figures([section.figure]) if section.figure else ''}"
    )


def _cells(row: Sequence[str]) -> str:
    return "".join(f"<td>{html.escape(cell)}</td>" for cell in row)


def figures(paths: Iterable[Path]) -> str:
    """PNG and SVG files within the page; their names, in words, are what a screen reader says."""
    return f'<div class="figures">{"".join(map(_image, paths))}</div>'


def _image(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{html.escape(_words(path))}" src="data:{_KINDS[path.suffix]};base64,{content}">'


_KINDS = {".png": "image/png", ".svg": "image/svg+xml"}


def _words(path: Path) -> str:
    return path.stem.replace("_", " ").replace("-", " ")


def markdown(title: str, lines: Iterable[str], sections: Iterable[Section], figures: Iterable[Path] = ()) -> str:
    """The same as Markdown with pipe tables; figures are links to files beside it."""
    parts = [f"# {title}", "\n".join(f"- {line}" for line in lines)]
    for section in sections:
        rows = [section.header, tuple("---" for _ in section.header), *section.rows] if section.rows else []
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        picture = _link(section.figure) if section.figure else ""
        parts += [f"## {section.title}", *filter(None, (table, section.note, picture))]
    return "\n\n".join([*parts, *map(_link, figures)]) + "\n"


def _link(path: Path) -> str:
    return f"![{_words(path)}]({path.name})"


def as_table(section: Section) -> Table:
    """The section for a terminal, without its note."""
    columns = (Column(section.header[0], no_wrap=True), *(right(name) for name in section.header[1:]))
    table = Table(*columns, title=escape(section.title))
    for row in section.rows:
        table.add_row(*map(escape, row))
    return table
