"""Raw columns turned into the types of the contracts, with every value that does not fit and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import DTYPES, Column, Kind

MISSING_WORDS = ("NA", "N/A", "NaN", "nan", "NaT", "null", "NULL", "None")
"""Words that other programs write for an empty cell; taken as such everywhere but in ids and free text."""

FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}

DECIMAL_COMMA = "decimal comma"
NOT_A_NUMBER = "not a number"
NOT_A_DATE = "not a date"
NOT_A_TIME = "not a time"
NO_TIME_ZONE = "no time zone"
WRONG_CHOICE = "wrong choice"
NOT_A_FLAG = "not true or false"


@dataclass(frozen=True)
class Parsed:
    """A column in its contract type; `faults` marks, by rule, the cells that could not take it."""

    column: pd.Series
    faults: Mapping[str, pd.Series]


def parse(raw: pd.Series, column: Column) -> Parsed:
    """The values of `raw` (text as read, or already typed by an adapter) in the type of `column`."""
    parsed = _PARSERS[column.kind](raw, column)
    faults = {rule: mask for rule, mask in parsed.faults.items() if bool(mask.any())}
    return Parsed(parsed.column.astype(DTYPES[column.kind]), faults)


def cell_text(raw: pd.Series) -> pd.Series:
    """The cells as trimmed text; an empty cell is missing."""
    text = raw.astype("str").str.strip()
    return text.mask(text == "")


def _filled_text(raw: pd.Series) -> pd.Series:
    text = cell_text(raw)
    return text.mask(text.isin(MISSING_WORDS))


def _plain(raw: pd.Series, column: Column) -> Parsed:
    return Parsed(cell_text(raw), {})


def _choice(raw: pd.Series, column: Column) -> Parsed:
    text = _filled_text(raw)
    wrong = text.notna() & ~text.isin(column.choices)
    return Parsed(text.mask(wrong), {WRONG_CHOICE: wrong})


def _flag(raw: pd.Series, column: Column) -> Parsed:
    text = _filled_text(raw).str.lower()
    wrong = text.notna() & ~text.isin(FLAGS)
    return Parsed(text.mask(wrong).map(FLAGS).astype("boolean"), {NOT_A_FLAG: wrong})


def _number(raw: pd.Series, column: Column) -> Parsed:
    if pd.api.types.is_numeric_dtype(raw.dtype):
        numbers = raw.astype("float64")
        return Parsed(numbers.where(np.isfinite(numbers)), {NOT_A_NUMBER: pd.Series(np.isinf(numbers))})
    text = _filled_text(raw)
    numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    wrong = text.notna() & ~np.isfinite(numbers)
    comma = wrong & text.where(wrong).str.fullmatch(r"[+-]?\d+,\d+").fillna(False).astype(bool)
    return Parsed(numbers.mask(wrong), {DECIMAL_COMMA: comma, NOT_A_NUMBER: wrong & ~comma})


def _date(raw: pd.Series, column: Column) -> Parsed:
    if pd.api.types.is_datetime64_dtype(raw.dtype):
        return Parsed(raw.dt.normalize(), {})
    text = _filled_text(raw)
    iso = text.where(text.str.fullmatch(r"\d{4}-\d\d-\d\d").fillna(False).astype(bool))
    dates = pd.to_datetime(iso, format="%Y-%m-%d", errors="coerce")
    return Parsed(dates, {NOT_A_DATE: text.notna() & dates.isna()})


def _time(raw: pd.Series, column: Column) -> Parsed:
    if isinstance(raw.dtype, pd.DatetimeTZDtype):
        return Parsed(raw.dt.tz_convert("UTC"), {})
    text = _filled_text(raw)
    zoned = text.str.fullmatch(r".*\d\d:\d\d.*(Z|z|[+-]\d\d:?\d\d)").fillna(False).astype(bool)
    times = pd.to_datetime(text.where(zoned), format="ISO8601", utc=True, errors="coerce")
    wrong = text.notna() & times.isna()
    naive = wrong & ~zoned & text.where(wrong).str.match(r"\d{4}-\d\d-\d\d").fillna(False).astype(bool)
    return Parsed(times, {NO_TIME_ZONE: naive, NOT_A_TIME: wrong & ~naive})


_PARSERS: Mapping[Kind, Callable[[pd.Series, Column], Parsed]] = {
    "id": _plain,
    "text": _plain,
    "choice": _choice,
    "flag": _flag,
    "number": _number,
    "date": _date,
    "time": _time,
}
