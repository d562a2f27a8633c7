"""VALD's NordBord export: one row per test becomes one row per limb.

The export names people. A name becomes a pseudonym through the store's aliases.csv (columns name,
athlete_id) or is one already; any other row is refused by its line, and the name goes no further.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from configs.errors import FileRefused
from pipelines.sources.coverage import derived_coverage
from pipelines.sources.csv_text import LINE, read_csv_text, require_columns, require_rows
from pipelines.sources.source import RULE_KEYS, Export, Refusal, Request, Source

CONFIG = "sources/nordbord.toml"
NOT_KNOWN = "athlete not known: add to aliases.csv"


def read(request: Request) -> Export:
    """Strength tests of both limbs, and coverage from each athlete's first to last test, known test by test."""
    config = request.config
    path = _files(request.path, config)[0]
    text = read_csv_text(path)
    names = config["columns"]
    limbs = [column for limb in config["limbs"].values() for column in limb.values()]
    require_columns(text, path, [*names.values(), *limbs], CONFIG)
    require_rows(text, path)
    athletes = _pseudonyms(text.frame[names["athlete"]], request)
    dates = pd.to_datetime(text.frame[names["date"]], format=config["date_format"], errors="coerce")
    undated = dates.isna() & athletes.notna()
    refused = [Refusal("strength_tests", line, reason) for line, _, reason in text.ragged]
    refused += [Refusal("strength_tests", line, NOT_KNOWN) for line in text.frame.loc[athletes.isna(), LINE]]
    reason = f"date not of the form {config['date_format']}: see date_format in configs/{CONFIG}"
    refused += [Refusal("strength_tests", line, reason) for line in text.frame.loc[undated, LINE]]
    tests = text.frame.assign(athlete_id=athletes, date=dates.astype("datetime64[us]"))
    tests = _with_ids(tests[athletes.notna() & dates.notna()], limbs)
    rows, notes = _limbs(tests, config)
    coverage = derived_coverage(tests, {"strength_tests": "nordbord"})
    return Export({"strength_tests": rows, "coverage": coverage}, tuple(refused), (*text.notes, *notes))


def _files(path: Path, config: Mapping[str, Any]) -> list[Path]:
    if not path.is_file():
        raise FileRefused(f"{path}: not a file. Give the CSV file that the dashboard exported.")
    return [path]


SOURCE = Source(
    "nordbord",
    _files,
    read,
    CONFIG,
    frozenset(RULE_KEYS | {"date_format", "protocol", "columns", "limbs"}),
)


def _pseudonyms(names: pd.Series, request: Request) -> pd.Series:
    aliases = {_folded(name): athlete for name, athlete in request.aliases.items()}
    known = {name: name if name in request.known_athletes else aliases.get(_folded(name)) for name in names.dropna()}
    return names.map(known)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _with_ids(tests: pd.DataFrame, measured: list[str]) -> pd.DataFrame:
    """Tests with an id: athlete, day and, from the second of a day on, a number, as the export has none.

    Tests of a day are numbered by what was measured: by their place in the file, an export in another order would
    look as if each corrected the other.
    """
    number = tests.sort_values(measured, kind="stable").groupby(["athlete_id", "date"]).cumcount() + 1
    suffix = number.astype("str").radd("-").where(number > 1, "")
    day = tests["date"].dt.strftime("%Y-%m-%d")
    return tests.assign(test_id="nordbord-" + tests["athlete_id"] + "-" + day + suffix)


def _limbs(tests: pd.DataFrame, config: Mapping[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    rows, untested = [], 0
    for limb, columns in config["limbs"].items():
        measured = {name: tests[column] for name, column in columns.items() if name != "reps"}
        limb_rows = tests[["test_id", "athlete_id", "date", LINE]].assign(**measured, limb=limb)
        is_tested = (
            pd.to_numeric(tests[columns["reps"]], errors="coerce").ne(0) & tests[columns["peak_force_n"]].notna()
        )
        untested += int((~is_tested).sum())
        rows.append(limb_rows[is_tested])
    note = [f"{untested:,} limbs without a repetition or force left out."] if untested else []
    return pd.concat(rows, ignore_index=True).assign(protocol=config["protocol"]), note
