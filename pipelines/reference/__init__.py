"""The pages of docs/ that come from the code, so that they cannot drift from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pipelines.reference.commands import commands_page
from pipelines.reference.config_list import configs_page
from pipelines.reference.contracts import contracts_page
from pipelines.reference.feature_list import features_page

DOCS = Path(__file__).parents[2] / "docs"

PAGES: Mapping[str, Callable[[], str]] = {
    "data-contracts.md": contracts_page,
    "features.md": features_page,
    "command-line.md": commands_page,
    "configs.md": configs_page,
}


def stale(folder: Path) -> list[str]:
    """The pages in `folder` that are absent or differ from what the code gives."""
    return [name for name, make in PAGES.items() if _read(folder / name) != make()]


def write(folder: Path) -> list[str]:
    """Write the stale pages into `folder`, and return their names."""
    names = stale(folder)
    for name in names:
        (folder / name).write_text(PAGES[name](), encoding="utf-8", newline="\n")
    return names


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
