"""Jovanovic's public sample: masked daily load and hamstring injuries, on day numbers within a season.

Calendar dates and clearances are not in the file; both follow declared assumptions of the config.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from configs.errors import ConfigError, FileRefused
from pipelines.sources.coverage import derived_coverage
from pipelines.sources.csv_text import LINE, read_csv_text, require_columns, require_rows
from pipelines.sources.source import RULE_DAY, RULE_KEYS, Export, Refusal, Request, Source

CONFIG = "sources/jovanovic.toml"
COVERED = ("sessions", "injuries")
LOADS = ["masked_load_1", "masked_load_2", "masked_load_3"]


def read(request: Request) -> Export:
    """Athletes, sessions, injuries, assumed returns and coverage of the sample."""
    config = request.config
    path = _files(request.path, config)[0]
    text = read_csv_text(path)
    require_columns(text, path, list(config["columns"].values()), CONFIG)
    require_rows(text, path)
    days, refused = _days(text.frame, config)
    refused += [Refusal("sessions", line, reason) for line, _, reason in text.ragged]
    _refuse_overlap(days)
    injuries = _injuries(days, config)
    absence = int(config["assumed"]["absence_days"])
    tables = {
        "athletes": _athletes(days, str(config["assumed"]["squad"])),
        "sessions": _sessions(days),
        "injuries": injuries,
        "returns": injuries[["injury_id", "athlete_id", "date", LINE]].assign(
            date=injuries["date"] + pd.Timedelta(days=absence)
        ),
        "coverage": derived_coverage(days, dict.fromkeys(COVERED, "jovanovic"), by=("athlete_id", "season")),
    }
    note = f"No clearances in the file: each injury is taken to end after {absence} days (configs/{CONFIG})."
    return Export(tables, tuple(refused), (*text.notes, note))


def _files(path: Path, config: Mapping[str, Any]) -> list[Path]:
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if len(files) != 1 or not files[0].is_file():
        raise FileRefused(f"{path}: {len(files)} CSV files where one is expected. Give the file itself.")
    return files


SOURCE = Source(
    "jovanovic",
    _files,
    read,
    CONFIG,
    frozenset(RULE_KEYS | {"season_starts", "assumed", "columns", "locations"}),
)


def _days(frame: pd.DataFrame, config: Mapping[str, Any]) -> tuple[pd.DataFrame, list[Refusal]]:
    """One row per athlete and calendar day, and refusals of rows whose season or day number is unusable."""
    names = {column: name for name, column in config["columns"].items()}
    days = frame.rename(columns=names)
    starts = {season: pd.Timestamp(start) for season, start in config["season_starts"].items()}
    first = pd.to_datetime(days["season"].map(starts)).astype("datetime64[us]")
    number = pd.to_numeric(days["day"], errors="coerce")
    usable = first.notna() & number.between(1, 366) & number.mod(1).eq(0) & days["athlete"].notna()
    refused = [
        Refusal("sessions", line, "athlete, season or day number not as expected; see season_starts in the config")
        for line in days.loc[~usable, LINE]
    ]
    days = days[usable].assign(athlete_id=days["athlete"])
    return days.assign(date=first + pd.to_timedelta(number[usable] - 1, unit="D")), refused


def _refuse_overlap(days: pd.DataFrame) -> None:
    spans = days.groupby("season")["date"].agg(["min", "max"]).sort_values("min")
    if (spans["min"].iloc[1:].to_numpy() <= spans["max"].iloc[:-1].to_numpy()).any():
        raise ConfigError(f"configs/{CONFIG}: seasons overlap. Set season_starts further apart.")


def _sessions(days: pd.DataFrame) -> pd.DataFrame:
    """Days with any load: the file has one row per day, and three zeros are rest."""
    is_rest = pd.Series(True, index=days.index)
    for name in LOADS:
        is_rest &= pd.to_numeric(days[name], errors="coerce").eq(0)
    rows = days.loc[~is_rest, ["athlete_id", "date", *LOADS, LINE]]
    return rows.assign(session_id=_row_ids(rows), kind="unspecified")


def _injuries(days: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    rows = days.loc[days["location"].notna() | days["kind"].notna(), ["athlete_id", "date", "location", LINE]]
    places = rows["location"].map(config["locations"])
    unknown = [(area, "unknown", "unknown") for area in rows["location"]]
    known = [place if isinstance(place, list) else other for place, other in zip(places, unknown, strict=True)]
    found = pd.DataFrame(known, columns=["body_area", "tissue", "muscle_group"], index=rows.index)
    rows = rows.drop(columns="location").join(found)
    return rows.assign(injury_id=_row_ids(rows), side="unknown", contact="none")


def _row_ids(rows: pd.DataFrame) -> pd.Series:
    ids: pd.Series = "jovanovic-" + rows["athlete_id"] + "-" + rows["date"].dt.strftime("%Y-%m-%d")
    return ids


def _athletes(days: pd.DataFrame, squad: str) -> pd.DataFrame:
    rows = days.groupby("athlete_id", as_index=False).agg(**{RULE_DAY: ("date", "min"), LINE: (LINE, "first")})
    return rows.assign(squad=squad)
