"""Whether a raw table meets its contract: good rows typed, the others with reasons, all problems at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from features import checks, parsing
from features.checks import Finding, Sheet
from features.tables import TABLES, Table, as_contract
from features.units import is_slip, meant_column, other_unit

IDS_SHOWN = 3
MISSING, MISTYPED = "missing column", "mistyped column"
"""Rules for which a file is refused whole: without the column no row is good, or a corrected file would erase it."""

REJECTED_COLUMNS = ("line", "row_id", "column", "reason", "raw")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a file. A note (`is_note`) refuses no row and is no reason to refuse a file."""

    table: str
    column: str
    rule: str
    claim: str
    count: int
    worst: str
    row_ids: tuple[str, ...]
    advice: str
    is_note: bool = False

    def __str__(self) -> str:
        if not self.count:
            return f"{self.table}: {self.claim}.\n    {self.advice}"
        rows = "1 row" if self.count == 1 else f"{self.count:,} rows"
        largest = f"{self.worst}; " if self.worst else ""
        ids = ", ".join(self.row_ids) + (", ..." if self.count > len(self.row_ids) else "")
        return f"{self.table}: {rows} with {self.claim} ({largest}{ids}).\n    {self.advice}"


@dataclass(frozen=True)
class Validation:
    """`rows` meet the contract and carry its types, `lines` are their places in the file.

    `rejected` has one record per refused row.
    """

    rows: pd.DataFrame
    lines: pd.Series
    rejected: pd.DataFrame
    problems: tuple[Problem, ...]


def validate(
    raw: pd.DataFrame, table_name: str, *, now: datetime, lines: Sequence[object] | pd.Series | None = None
) -> Validation:
    """All rows of `raw` sorted into good and refused, and every problem of the file.

    `raw` holds text as read, or columns that an adapter has typed already. `lines` names each row's place in
    the file, for messages; by default the rows are taken to follow a header line. Nothing is converted and
    nothing is filled in.
    """
    table = TABLES[table_name]
    raw, places = raw.reset_index(drop=True), _places(raw, lines)
    file_problems = _missing_columns(raw, table) + _unknown_columns(raw, table)
    typed, findings = _parse(raw, table)
    sheet = Sheet(table, raw, typed, now)
    for check in checks.ROW_CHECKS:
        findings += check(sheet)
    findings += checks.repeated_keys(sheet, ~checks.is_hit(findings, raw.index))
    findings = _lacking_columns(sheet) + findings
    refused = checks.is_hit(findings, raw.index)
    left_out = refused | _any_row(findings, raw.index, "identical repeat")
    problems = [
        *file_problems,
        *(_problem(table, raw, finding, places) for finding in findings if finding.claim),
    ]
    rows = as_contract(typed[~left_out].reset_index(drop=True), table_name)
    lines = places[~left_out].reset_index(drop=True)
    return Validation(rows, lines, _rejected(table, raw, findings, refused, places), tuple(problems))


def refuse(
    result: Validation, table_name: str, hit: pd.Series, column: str, rule: str, claim: str, advice: str
) -> Validation:
    """`result` with the rows that `hit` marks refused too, for a reason that one file alone cannot show."""
    if not hit.any():
        return result
    table, rows = TABLES[table_name], result.rows
    finding = Finding(column, rule, claim, hit, advice)
    rejected = [result.rejected, _rejected(table, rows, [finding], hit, result.lines)]
    return Validation(
        rows[~hit].reset_index(drop=True),
        result.lines[~hit].reset_index(drop=True),
        pd.concat([frame for frame in rejected if len(frame)], ignore_index=True),
        (*result.problems, _problem(table, rows, finding, result.lines)),
    )


def _places(raw: pd.DataFrame, lines: Sequence[object] | pd.Series | None) -> pd.Series:
    if lines is None:
        return pd.Series(range(2, len(raw) + 2), dtype="int64").astype("str")
    return pd.Series(list(lines), dtype="object").astype("str")


def _parse(raw: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, list[Finding]]:
    columns, findings = {}, []
    for column in table.columns:
        if column.name in raw:
            parsed = parsing.parse(raw[column.name], column)
            columns[column.name] = parsed.column
            findings += checks.unparsable(column, raw[column.name], parsed)
    return as_contract(pd.DataFrame(columns, index=raw.index), table.name), findings


def _missing_columns(raw: pd.DataFrame, table: Table) -> list[Problem]:
    missing = [column.name for column in table.columns if column.required and column.name not in raw]
    found = ", ".join(str(name) for name in raw.columns)
    advice = f"Found: {found}. Add or rename the column; every row needs it."
    return [Problem(table.name, name, MISSING, f"column {name} is missing", 0, "", (), advice) for name in missing]


def _lacking_columns(sheet: Sheet) -> list[Finding]:
    """Without a required column no row is good; the file's own problem has said so already."""
    missing = [column.name for column in sheet.table.columns if column.required and column.name not in sheet.raw]
    return [Finding(name, f"column {name} is missing", "", ~sheet.no_row, "") for name in missing]


def _unknown_columns(raw: pd.DataFrame, table: Table) -> list[Problem]:
    lacking = frozenset(table.names) - {str(name) for name in raw.columns}
    return [_unknown_column(str(name), raw[name], table, lacking) for name in raw.columns if name not in table.names]


def _unknown_column(name: str, values: pd.Series, table: Table, lacking: Collection[str]) -> Problem:
    meant = meant_column(name, table)
    if meant is None:
        advice = f"It was not read. Known: {', '.join(table.names)}."
    else:
        numbers = pd.to_numeric(parsing.cell_text(values), errors="coerce")
        likely = other_unit(numbers.dropna(), meant)
        unit = f" Values look like {likely}; {meant.unit} expected: convert, then rename." if likely else ""
        advice = f"Did you mean {meant.name}?{unit} The column was not read."
        if meant.name in lacking and is_slip(name, meant):
            advice = f"Did you mean {meant.name}?{unit or ' Rename it.'} Take it out if it means something else."
            return Problem(table.name, name, MISTYPED, f"unknown column {name}", 0, "", (), advice)
    return Problem(table.name, name, "unknown column", f"unknown column {name}", 0, "", (), advice)


def _any_row(findings: list[Finding], index: pd.Index, rule: str) -> pd.Series:
    hit = pd.Series(False, index=index)
    for finding in findings:
        if finding.rule == rule:
            hit = hit | finding.rows
    return hit


def _row_ids(table: Table, raw: pd.DataFrame, rows: Sequence[int]) -> list[str]:
    """The key of each row as the file has it."""
    key = [name for name in table.key if name in raw]
    cells = raw[key].take(list(rows)).to_numpy(dtype=object)
    return [" ".join(_shown(value) for value in row) for row in cells]


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return str(value.date())
    return "?" if pd.isna(value) else str(value)


def _problem(table: Table, raw: pd.DataFrame, finding: Finding, places: pd.Series) -> Problem:
    hit = np.flatnonzero(finding.rows.to_numpy(dtype=bool))
    first = [finding.worst] if finding.worst is not None else []
    shown = [*first, *(int(row) for row in hit[: IDS_SHOWN + 1] if row != finding.worst)][:IDS_SHOWN]
    names = zip(_row_ids(table, raw, shown), places.iloc[shown], strict=True)
    return Problem(
        table.name,
        finding.column,
        finding.rule,
        finding.claim,
        len(hit),
        f"worst {finding.shown}" if finding.shown else "",
        tuple(f"{name!r}, line {place}" for name, place in names),
        finding.advice,
        finding.is_note,
    )


def _rejected(
    table: Table, raw: pd.DataFrame, findings: list[Finding], refused: pd.Series, places: pd.Series
) -> pd.DataFrame:
    hit = np.flatnonzero(refused.to_numpy(dtype=bool))
    columns: dict[int, list[str]] = {int(row): [] for row in hit}
    reasons: dict[int, list[str]] = {int(row): [] for row in hit}
    for finding in findings:
        for row in [] if finding.is_note else np.flatnonzero(finding.rows.to_numpy(dtype=bool)):
            columns[int(row)].append(finding.column)
            reasons[int(row)].append(finding.claim or finding.rule)
    record = {
        "line": places.iloc[hit].to_list(),
        "row_id": _row_ids(table, raw, [int(row) for row in hit]),
        "column": [", ".join(dict.fromkeys(names)) for names in columns.values()],
        "reason": ["; ".join(texts) for texts in reasons.values()],
        "raw": [_as_json(row) for row in raw.iloc[hit].to_dict("records")],
    }
    return pd.DataFrame(record, columns=list(REJECTED_COLUMNS)).astype("str")


def _as_json(row: Mapping[Hashable, Any]) -> str:
    filled = {str(name): str(value) for name, value in row.items() if not pd.isna(value)}
    return json.dumps(filled, ensure_ascii=False)
