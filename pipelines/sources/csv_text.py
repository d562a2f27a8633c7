"""CSV files as people really send them, read as text with the line that each row stands on."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from configs.errors import FileRefused

LINE = "source_line"
"""Extra column of a raw frame: file and line that a row was read from."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", ""),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_MAGIC = {
    b"PK\x03\x04": "an Excel workbook or zip archive",
    b"%PDF": "a PDF",
    b"PAR1": "Parquet",
    b"\x1f\x8b": "gzip",
}
_DELIMITERS = (",", ";", "\t")
_FIELD_LIMIT = 1_000_000


@dataclass(frozen=True)
class CsvText:
    """`frame`: cells as text, empty ones missing, with LINE. `ragged`: place, text and why, per bad line."""

    frame: pd.DataFrame
    ragged: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


def read_csv_text(path: Path) -> CsvText:
    """The rows of a CSV file below its header; rows without any content are left out.

    Raises FileRefused where the file as a whole cannot be read as a table, saying why and what to do.
    """
    text, notes = _decode(path)
    delimiter = _delimiter(text)
    if delimiter != ",":
        notes += (f"{path.name}: cells are separated by {delimiter!r}; read as such.",)
    lines = _split(path, text, delimiter)
    header = _header(path, lines)
    good, ragged = _sort(path.name, lines[1:], len(header))
    columns = zip(*(cells for _, cells in good), strict=True) if good else ([] for _ in header)
    named = {name: list(cells) for name, cells in zip(header, columns, strict=True) if name}
    frame = pd.DataFrame(named, dtype="str")
    frame = frame.mask(frame == "")
    return CsvText(frame.assign(**{LINE: [f"{path.name}:{line}" for line, _ in good]}), tuple(ragged), notes)


def _decode(path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileRefused(f"{path.name}: cannot be read ({error.strerror}). Check the path and its rights.") from error
    if not content:
        raise FileRefused(f"{path.name}: the file has 0 bytes. Export it again; the transfer may have broken off.")
    for bom, encoding, name in _BOMS:
        if content.startswith(bom):
            note = f"{path.name}: the file is {name}; read as such. Save as CSV UTF-8 to be rid of this note."
            return _decoded(path, content, encoding), (note,) if name else ()
    _refuse_binary(path, content)
    return _decoded(path, content, "utf-8"), ()


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise FileRefused(
            f"{path.name}: line {line} is not {encoding.removesuffix('-sig').upper()} text (byte "
            f"0x{content[error.start]:02X}). Save the file again as CSV UTF-8."
        ) from error
    if not text.strip():
        raise FileRefused(f"{path.name}: the file is empty. Export it again.")
    return text


def _refuse_binary(path: Path, content: bytes) -> None:
    for magic, kind in _MAGIC.items():
        if content.startswith(magic):
            raise FileRefused(f"{path.name}: this is {kind}, not CSV. Save it as CSV UTF-8 and give that file.")
    start = content[:4096]
    if start.count(b"\0") * 3 > len(start):
        raise FileRefused(f"{path.name}: this looks like UTF-16 without its mark. Save the file again as CSV UTF-8.")
    if b"\0" in content:
        raise FileRefused(f"{path.name}: this is binary data, not CSV text. Export the file again as CSV UTF-8.")


def _delimiter(text: str) -> str:
    header = text.lstrip().splitlines()[0]
    return max(_DELIMITERS, key=header.count)


def _split(path: Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = []
    try:
        for cells in reader:
            trimmed = [cell.strip() for cell in cells]
            if any(trimmed):
                lines.append((reader.line_num, trimmed))
    except csv.Error as error:
        raise FileRefused(
            f'{path.name}: line {reader.line_num} breaks the CSV rules ({error}). Look for a lone ".'
        ) from error
    return lines


def _header(path: Path, lines: Sequence[tuple[int, list[str]]]) -> list[str]:
    header = list(lines[0][1])
    while header and not header[-1]:
        header.pop()
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise FileRefused(f"{path.name}: column {', '.join(twice)} appears twice. Keep one and give the file again.")
    return header


def _sort(
    name: str, lines: Sequence[tuple[int, list[str]]], width: int
) -> tuple[list[tuple[int, list[str]]], list[tuple[str, str, str]]]:
    good, ragged = [], []
    for line, cells in lines:
        if len(cells) == width or (len(cells) > width and not any(cells[width:])):
            good.append((line, cells[:width]))
        else:
            reason = f"the line has {len(cells)} cells, the header {width}"
            ragged.append((f"{name}:{line}", ",".join(cells), reason))
    return good, ragged


def require_columns(text: CsvText, path: Path, needed: Sequence[str], config: str) -> None:
    """Raise FileRefused if a column that configs/`config` names is not in the file, listing both."""
    found = [name for name in text.frame.columns if name != LINE]
    missing = [name for name in needed if name not in found]
    if missing:
        raise FileRefused(
            f"{path.name}: no column {', '.join(missing)}.\n    Found: {', '.join(found)}.\n"
            f"    Expected: {', '.join(needed)}. If the vendor renamed one, change it in configs/{config}."
        )


def require_rows(text: CsvText, path: Path) -> None:
    """Raise FileRefused for a file with a header and nothing below it."""
    if text.frame.empty and not text.ragged:
        raise FileRefused(f"{path.name}: a header but no data rows. Export it again with the days you want.")
