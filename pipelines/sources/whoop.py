"""WHOOP's CSV export: each cycle with a sleep becomes one wearable day, dated by the local day of waking up.

A folder holds one folder per athlete, named by the athlete's id; a single file needs the athlete named
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from configs.errors import ConfigError, FileRefused
from pipelines.sources.coverage import derived_coverage
from pipelines.sources.csv_text import LINE, CsvText, read_csv_text, require_columns, require_rows
from pipelines.sources.source import NOT_BEFORE, RULE_KEYS, Export, Refusal, Request, Source

CONFIG = "sources/whoop.toml"
MEASURES = ("sleep_efficiency_pct", "resting_heart_rate_bpm", "hrv_rmssd_ms")
DAY = ["athlete_id", "date"]


def read(request: Request) -> Export:
    """Wearable days and coverage of every athlete in the export."""
    config = request.config
    if config["times"] not in ("local", "utc"):
        raise ConfigError(f'configs/{CONFIG}: times is {config["times"]!r}. Write "local" or "utc".')
    files = {_athlete(path, request): path for path in _files(request.path, config)}
    nights, refused, notes = [], [], []
    for athlete, path in files.items():
        text = read_csv_text(path)
        require_columns(text, path, list(config["columns"].values()), CONFIG)
        require_rows(text, path)
        slept, unusable, found = _nights(text, athlete, config)
        nights.append(slept)
        refused += unusable
        notes += found
    rows = pd.concat(nights, ignore_index=True)
    coverage = derived_coverage(rows, {"wearable_days": "whoop"})
    return Export({"wearable_days": rows, "coverage": coverage}, tuple(refused), tuple(notes))


def _files(path: Path, config: Mapping[str, Any]) -> list[Path]:
    name = str(config["file"])
    if path.is_file():
        return [path]
    files = [path / name] if (path / name).is_file() else sorted(path.glob(f"*/{name}"))
    if not files:
        raise FileRefused(f"{path}: no {name}, here or in a folder per athlete. Give one of the two.")
    return files


SOURCE = Source("whoop", _files, read, CONFIG, frozenset(RULE_KEYS | {"times", "file", "columns"}))


def _athlete(path: Path, request: Request) -> str:
    in_own_folder = request.path.is_dir() and path.parent != request.path
    athlete = path.parent.name if in_own_folder else request.athlete
    if not athlete:
        raise FileRefused(f"{path.name}: whose is it? Name the athlete (--athlete ID), or give a folder per athlete.")
    return athlete


def _nights(text: CsvText, athlete: str, config: Mapping[str, Any]) -> tuple[pd.DataFrame, list[Refusal], list[str]]:
    names = config["columns"]
    frame = text.frame
    is_sleep = frame[names["wake"]].notna() & frame[names["asleep_min"]].notna()
    cycles = frame[is_sleep]
    offset = _offset(cycles[names["zone"]])
    wake = pd.to_datetime(cycles[names["wake"]], format="%Y-%m-%d %H:%M:%S", errors="coerce")
    local, utc = (wake, wake - offset) if config["times"] == "local" else (wake + offset, wake)
    rows = pd.DataFrame(
        {
            "athlete_id": athlete,
            "date": local.dt.normalize().astype("datetime64[us]"),
            "sleep_h": _hours(cycles[names["asleep_min"]]),
            **{measure: cycles[names[measure]] for measure in MEASURES},
            NOT_BEFORE: utc.dt.tz_localize("UTC").astype("datetime64[us, UTC]"),
            LINE: cycles[LINE],
        }
    )
    dated = rows["date"].notna() & offset.notna()
    reason = "wake onset or time zone not as expected"
    refused = [Refusal("wearable_days", line, reason) for line in rows.loc[~dated, LINE]]
    refused += [Refusal("wearable_days", line, reason) for line, _, reason in text.ragged]
    longest, naps = _longest(rows[dated])
    return longest.assign(source="whoop"), refused, _notes(text, int((~is_sleep).sum()), naps)


def _offset(zones: pd.Series) -> pd.Series:
    """Offset from UTC of zones written UTC-05:00."""
    parts = zones.str.extract(r"^UTC([+-])(\d\d):(\d\d)$")
    minutes = pd.to_numeric(parts[1], errors="coerce") * 60 + pd.to_numeric(parts[2], errors="coerce")
    offset = pd.to_timedelta(minutes * parts[0].map({"+": 1, "-": -1}).astype("float64"), unit="min")
    return offset.mask(zones.isin(["UTC", "UTC+00:00", "Z"]), pd.Timedelta(0))


def _hours(cells: pd.Series) -> pd.Series:
    """Minutes as hours; text that is no number stays as it is, for validation to name."""
    minutes = pd.to_numeric(cells, errors="coerce")
    return (minutes / 60).astype("object").where(minutes.notna(), cells)


def _longest(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The longest sleep of each day, and how many others there were."""
    length = pd.to_numeric(rows["sleep_h"], errors="coerce")
    ordered = rows.assign(length=length).sort_values([*DAY, "length"], kind="stable")
    longest = ordered.drop_duplicates(DAY, keep="last").drop(columns="length")
    return longest, len(rows) - len(longest)


def _notes(text: CsvText, without_sleep: int, naps: int) -> list[str]:
    notes = list(text.notes)
    if without_sleep:
        notes.append(f"{without_sleep:,} cycles without sleep values (open, or not worn) left out.")
    if naps:
        notes.append(f"{naps:,} further sleeps of a day left out: the longest counts.")
    return notes
