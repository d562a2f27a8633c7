"""Our own contract tables as CSV: a folder of <table>.csv files, or one file named after its table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.errors import FileRefused
from features.tables import TABLES
from pipelines.sources.csv_text import CsvText, read_csv_text, require_rows
from pipelines.sources.source import Export, Refusal, Request, Source


def read(request: Request) -> Export:
    """Every contract table found, as text. Trouble with any file as a whole refuses all, told together."""
    texts: dict[str, CsvText] = {}
    troubles: list[str] = []
    empty: list[str] = []
    for path in _files(request.path, request.config):
        try:
            text = read_csv_text(path)
            if text.frame.empty and not text.ragged and path != request.path:
                empty.append(f"{path.name}: a header but no rows; nothing to take from it.")
                continue
            require_rows(text, path)
            texts[path.stem] = text
        except FileRefused as error:
            troubles.append(str(error))
    if troubles or not texts:
        raise FileRefused("\n".join([*troubles, *empty]))
    refused = tuple(
        Refusal(table, line, reason, raw) for table, text in texts.items() for line, raw, reason in text.ragged
    )
    notes = [note for text in texts.values() for note in text.notes] + empty + _ignored(request.path)
    return Export({table: text.frame for table, text in texts.items()}, refused, tuple(notes))


def _files(path: Path, config: Mapping[str, Any]) -> list[Path]:
    tables = ", ".join(TABLES)
    if not path.exists():
        raise FileRefused(f"{path}: no such file or folder.")
    if path.is_file():
        if path.stem not in TABLES:
            raise FileRefused(f"{path.name}: which table is this? Name the file after one of: {tables}.")
        return [path]
    files = [path / f"{table}.csv" for table in TABLES if (path / f"{table}.csv").is_file()]
    if not files:
        raise FileRefused(f"{path}: holds no contract table. Name the files <table>.csv after: {tables}.")
    return files


def _ignored(path: Path) -> list[str]:
    others = sorted(other.name for other in path.glob("*.csv") if other.stem not in TABLES) if path.is_dir() else []
    return [f"{name}: not read, no contract table has this name." for name in others]


SOURCE = Source("csv", _files, read)
