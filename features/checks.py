"""The rules that each row of a contract table must meet, as functions that find the rows which do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from features import parsing
from features.tables import SCREENING_TESTS, Column, Table
from features.units import other_unit

FARTHEST_ZONE = pd.Timedelta(hours=14)
"""Local days run at most this far ahead of UTC, so a day may begin that much before its UTC midnight."""

EARLIEST_DATE = pd.Timestamp("1920-01-01")
"""An earlier date is a slip: nobody born before is coached today."""

MEDIAN_NEEDS = 3
MEDIAN_IS_FIRM_FROM = 10
FEW_VALUES_MARGIN = 4
"""A median of fewer than MEDIAN_IS_FIRM_FROM values counts only if it misses the usual span by this."""


@dataclass(frozen=True)
class Sheet:
    """One raw table, what could be parsed of it, and the instant at which it is judged."""

    table: Table
    raw: pd.DataFrame
    typed: pd.DataFrame
    now: datetime

    @property
    def no_row(self) -> pd.Series:
        return pd.Series(False, index=self.typed.index)

    @property
    def columns(self) -> list[Column]:
        """The contract's columns that the file has."""
        return [column for column in self.table.columns if column.name in self.raw]


@dataclass(frozen=True)
class Finding:
    """Rows that break one rule. `worst` is the row to look at first, `shown` what it holds."""

    column: str
    rule: str
    claim: str
    rows: pd.Series
    advice: str
    worst: int | None = None
    shown: str = ""
    is_note: bool = False


def figure(value: float) -> str:
    """A number for a message: no needless digits, thousands apart."""
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"


def first_row(rows: pd.Series) -> int:
    """The position of the first marked row."""
    return int(np.argmax(rows.to_numpy(dtype=bool)))


def unparsable(column: Column, raw: pd.Series, parsed: parsing.Parsed) -> list[Finding]:
    """One finding per rule that cells of the column broke when they were parsed."""
    return [_unparsable(column, raw, rule, rows) for rule, rows in parsed.faults.items()]


def _unparsable(column: Column, raw: pd.Series, rule: str, rows: pd.Series) -> Finding:
    advice = {
        parsing.DECIMAL_COMMA: "Write a point (12.5); a comma could also mean thousands.",
        parsing.NOT_A_NUMBER: f"Give a number in {column.unit}, or leave the cell empty if not measured.",
        parsing.NOT_A_DATE: "Write dates as YYYY-MM-DD, for instance 2021-10-04.",
        parsing.NOT_A_TIME: "Write times as 2021-10-04T06:00:00Z.",
        parsing.NO_TIME_ZONE: "Add Z for UTC or an offset such as +02:00; a guess could make it known early.",
        parsing.WRONG_CHOICE: f"Valid: {', '.join(column.choices)}.",
        parsing.NOT_A_FLAG: "Write true or false.",
    }[rule]
    first = first_row(rows)
    return Finding(column.name, rule, f"{column.name}: {rule}", rows, advice, first, f"{raw[first]!s}")


def missing_values(sheet: Sheet) -> list[Finding]:
    """Required cells that are empty."""
    findings = []
    for column in sheet.columns:
        rows = parsing.cell_text(sheet.raw[column.name]).isna()
        rows |= sheet.typed[column.name].isna() & sheet.raw[column.name].isin(parsing.MISSING_WORDS)
        if column.required and rows.any():
            advice = "A row is of no use without it."
            findings.append(Finding(column.name, "missing value", f"no {column.name}", rows, advice))
    return findings


def out_of_range(sheet: Sheet) -> list[Finding]:
    """Numbers outside their plausible range."""
    findings = []
    for column in sheet.columns:
        if column.low is not None and column.high is not None:
            findings += _outside(sheet, column, sheet.typed[column.name], column.low, column.high, sheet.no_row)
    return findings


def _outside(
    sheet: Sheet,
    column: Column,
    values: pd.Series,
    low: float,
    high: float,
    spared: pd.Series,
    unit: str = "",
) -> list[Finding]:
    excess = pd.concat([low - values, values - high], axis=1).max(axis=1)
    rows = (excess > 0) & ~spared
    if not rows.any():
        return []
    worst = int(np.nanargmax(excess.where(rows).to_numpy()))
    span = f"{figure(low)} to {figure(high)}{_shown_unit(unit or column.unit)}"
    likely = other_unit(values[rows], column)
    advice = f"These look like {likely}; convert them before the export." if likely else "Check unit and entry."
    claim = f"{column.name} outside {span}"
    return [Finding(column.name, "out of range", claim, rows, advice, worst, figure(float(values[worst])))]


def _shown_unit(unit: str) -> str:
    """The unit for a message; a scale such as 0-10 is told by the range already."""
    return "" if any(sign.isdigit() for sign in unit) else f" {unit}"


def screening_ranges(sheet: Sheet) -> list[Finding]:
    """Screening results outside the range of their test."""
    if sheet.table.name != "screenings" or not {"test", "value"} <= set(sheet.raw):
        return []
    column = sheet.table.column("value")
    findings = []
    for test, (unit, low, high) in SCREENING_TESTS.items():
        others = sheet.typed["test"].ne(test).fillna(True).astype(bool)
        for finding in _outside(sheet, column, sheet.typed["value"], low, high, others, unit):
            claim = f"{test} {finding.claim}"
            findings.append(Finding("value", finding.rule, claim, finding.rows, finding.advice,
                                    finding.worst, finding.shown))  # fmt: skip
    return findings


def wrong_units(sheet: Sheet) -> list[Finding]:
    """Columns whose median is so unusual that the whole column must be in another unit."""
    findings = [_wrong_unit(column, sheet.typed[column.name]) for column in sheet.columns if column.typical]
    return [finding for finding in findings if finding is not None]


def _wrong_unit(column: Column, values: pd.Series) -> Finding | None:
    assert column.typical is not None and column.low is not None and column.high is not None
    rows = values.between(column.low, column.high) & values.ne(0)
    count = int(rows.sum())
    if count < MEDIAN_NEEDS:
        return None
    low, high = column.typical
    margin = 1 if count >= MEDIAN_IS_FIRM_FROM else FEW_VALUES_MARGIN
    median = float(values[rows].median())
    if low / margin <= median <= high * margin:
        return None
    likely = other_unit(values[rows], column)
    guess = f"The values look like {likely}" if likely else "They look like another unit"
    usual = f"{figure(low)} to {figure(high)} {column.unit}"
    claim = f"{column.name} in a wrong unit: median {figure(median)}, usual {usual}"
    advice = f"{guess}; {column.unit} expected. Convert them before the export: nothing is converted here."
    return Finding(column.name, "wrong unit", claim, rows, advice)


def dates(sheet: Sheet) -> list[Finding]:
    """Days and receipt times that lie in the future, and dates of another century."""
    latest_day = _latest_day(sheet.now)
    findings = []
    for column in sheet.columns:
        values = sheet.typed[column.name]
        if column.kind == "date":
            findings += _late(column, values, values > latest_day, not column.may_lie_ahead)
            findings += _late(column, values, values < EARLIEST_DATE, True, "implausibly early")
        elif column.kind == "time":
            findings += _late(column, values, values > pd.Timestamp(sheet.now), True)
    return findings


def _latest_day(now: datetime) -> pd.Timestamp:
    return (pd.Timestamp(now).tz_convert("UTC") + FARTHEST_ZONE).tz_localize(None).normalize()


def _late(
    column: Column, values: pd.Series, rows: pd.Series, applies: bool, claim: str = "in the future"
) -> list[Finding]:
    if not applies or not rows.any():
        return []
    worst = first_row(rows)
    shown = str(values[worst]) if column.kind == "time" else str(values[worst].date())
    advice = "Check day and month, and the clock of the machine." if claim == "in the future" else "Check the year."
    return [Finding(column.name, claim, f"{column.name} {claim}", rows, advice, worst, shown)]


def known_before_its_day(sheet: Sheet) -> list[Finding]:
    """Rows received before the day they are about has begun anywhere on earth."""
    day = sheet.table.day_column
    if day is None or not {day, "known_at"} <= set(sheet.raw):
        return []
    begins = sheet.typed[day].dt.tz_localize("UTC") - FARTHEST_ZONE
    rows = sheet.typed["known_at"] < begins
    if not rows.any():
        return []
    advice = "A fact cannot be received before its day: check both. Plans do not belong here, only what happened."
    claim = f"known_at before {day}"
    return [Finding("known_at", "known before its day", claim, rows, advice, first_row(rows))]


def one_of(sheet: Sheet) -> list[Finding]:
    """Rows without any of the columns that carry the table's content."""
    if not sheet.table.one_of:
        return []
    present = [name for name in sheet.table.one_of if name in sheet.raw]
    filled = sheet.no_row
    for name in present:
        filled = filled | parsing.cell_text(sheet.raw[name]).notna()
    if filled.all():
        return []
    names = ", ".join(sheet.table.one_of)
    advice = "Fill at least one of them; a rest day is no row inside the dates of `coverage`."
    return [Finding(sheet.table.one_of[0], "nothing measured", f"none of {names}", ~filled, advice)]


def parts_above_whole(sheet: Sheet) -> list[Finding]:
    """Parts larger than their whole, ends before their start."""
    findings = []
    for part, whole in sheet.table.not_above:
        if not {part, whole} <= set(sheet.raw):
            continue
        rows = sheet.typed[part] > sheet.typed[whole]
        if rows.any():
            claim, advice = f"{part} above {whole}", "Check whether the two columns were swapped."
            findings.append(Finding(part, "part above whole", claim, rows, advice, first_row(rows)))
    return findings


def repeated_keys(sheet: Sheet, good: pd.Series) -> list[Finding]:
    """Among `good` rows: keys twice at one time with different content, or of two athletes; plain repeats.

    The same key with different `known_at` is a fact and its correction: both come in. Of identical rows the
    first stays.
    """
    key = list(sheet.table.key)
    rows = sheet.typed[good]
    repeats = rows.duplicated(keep="first")
    once = rows[~repeats]
    clash = once.duplicated([*key, "known_at"], keep=False)
    shared = _held_by_two(once, key)
    name = " + ".join(key)
    found = [
        (clash & ~shared, "duplicated key", f"the same {name} and known_at but different content",
         "Keep the right one; a correction needs its own, later known_at.", False),
        (shared, "key of two athletes", f"a {name} that two athletes share",
         "Make the ids unique, for instance by putting the athlete's id in front.", False),
        (repeats, "identical repeat", "exactly what an earlier row of the file says", "Taken once.", True),
    ]  # fmt: skip
    return [
        Finding(key[0], rule, claim, mask.reindex(sheet.typed.index, fill_value=False), advice, is_note=is_note)
        for mask, rule, claim, advice, is_note in found
        if mask.any()
    ]


def _held_by_two(rows: pd.DataFrame, key: list[str]) -> pd.Series:
    if "athlete_id" in key:
        return pd.Series(False, index=rows.index)
    again = rows.duplicated(key, keep=False)
    athletes = rows[again].groupby(key)["athlete_id"].transform("nunique")
    return again & athletes.reindex(rows.index, fill_value=1).gt(1)


ROW_CHECKS: tuple[Callable[[Sheet], list[Finding]], ...] = (
    missing_values,
    out_of_range,
    screening_ranges,
    wrong_units,
    dates,
    known_before_its_day,
    one_of,
    parts_above_whole,
)


def is_hit(findings: list[Finding], index: pd.Index) -> pd.Series:
    """Rows that any of `findings` refuses."""
    hit = np.zeros(len(index), dtype=bool)
    for finding in findings:
        if not finding.is_note:
            hit |= finding.rows.to_numpy(dtype=bool)
    return pd.Series(hit, index=index)
