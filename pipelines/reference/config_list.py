"""docs/configs.md, from the shipped TOML files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import configs
from pipelines.reference.markdown import page, words

_CONFIGS_INTRO = """\
The files that ship in `configs/`, each with its own introduction; every value is explained beside it in the
file. To change one, copy it into a folder of your own and give `--configs FOLDER`. The folder needs only the
files that it changes. A copy replaces the shipped file as a whole, except that `model.toml` and those in
`sources/` are completed key by key (a table such as `[columns]` is one key). An unknown key is an error that
lists the known ones (exit code 7). `simulation.toml` serves `strainwatch demo`, which takes no `--configs`."""

MOST_LISTED = 40
"""A file with more entries than this gets their number instead of their names."""


def configs_page() -> str:
    """The shipped configs, each with the comment at its head."""
    parts = (
        (
            f"## {name}",
            _head(configs.SHIPPED / name),
            f"{_entries(name)} File: [configs/{name}](../configs/{name}).",
        )
        for name in configs.names()
    )
    return page("Configs", _CONFIGS_INTRO, *(text for part in parts for text in part))


def _head(path: Path) -> str:
    """The comment that a TOML file begins with, as plain text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line.removeprefix("#").removeprefix(" ") for line in lines[: _length_of_head(lines)]]
    return "\n".join(f"    {line}".rstrip() for line in head)


def _length_of_head(lines: Sequence[str]) -> int:
    return next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))


def _entries(name: str) -> str:
    keys = list(configs.load(name))
    return f"{len(keys)} entries." if len(keys) > MOST_LISTED else f"Entries: {words(keys)}."
