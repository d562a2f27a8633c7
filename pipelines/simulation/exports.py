"""The simulated data as files in the sources' own layouts, and the sealed truth beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables import SUPERSEDED_AT, TABLES

CONTRACT_TABLES = (
    "athletes", "sessions", "strength_tests", "screenings", "wellness", "interventions", "injuries",
    "returns", "coverage",
)  # fmt: skip

BY_OTHER_SOURCES = {"strength_tests": ("protocol", "nordic"), "coverage": ("source", "whoop")}
"""Rows that the vendors' own exports carry, by table: column and value."""

NORDBORD_HEADER = (
    "Athlete", "Date", "L Reps", "R Reps", "L Max Force (N)", "R Max Force (N)", "Max Imbalance (%)",
    "L Max Torque (Nm)", "R Max Torque (Nm)", "L Avg Force (N)", "R Avg Force (N)", "Avg Imbalance (%)",
    "L Max Impulse (Ns)", "R Max Impulse (Ns)", "Impulse Imbalance (%)",
)  # fmt: skip
LEVER_M = 0.42  # knee to ankle strap
REPS = 3

WHOOP_COLUMNS: Mapping[str, str] = {
    "Cycle start time": "start", "Cycle end time": "end", "Cycle timezone": "zone",
    "Recovery score %": "recovery_pct", "Resting heart rate (bpm)": "resting_heart_rate_bpm",
    "Heart rate variability (ms)": "hrv_ms", "Skin temp (celsius)": "skin_temp_c",
    "Blood oxygen %": "blood_oxygen_pct", "Day Strain": "strain", "Energy burned (cal)": "energy_kcal",
    "Max HR (bpm)": "max_heart_rate_bpm", "Average HR (bpm)": "average_heart_rate_bpm",
    "Sleep onset": "start", "Wake onset": "wake", "Sleep performance %": "performance_pct",
    "Respiratory rate (rpm)": "respiratory_rate_rpm", "Asleep duration (min)": "asleep_min",
    "In bed duration (min)": "in_bed_min", "Light sleep duration (min)": "light_min",
    "Deep (SWS) duration (min)": "deep_min", "REM duration (min)": "rem_min",
    "Awake duration (min)": "awake_min", "Sleep need (min)": "need_min", "Sleep debt (min)": "debt_min",
    "Sleep efficiency %": "efficiency_pct", "Sleep consistency %": "consistency_pct",
}  # fmt: skip
"""WHOOP's header, and which column of the rows below it shows. A cycle starts with falling asleep."""
UNTIL_NEXT_SLEEP = ("strain", "energy_kcal", "max_heart_rate_bpm", "average_heart_rate_bpm")
DECIMALS = {
    "skin_temp_c": "%.2f",
    "blood_oxygen_pct": "%.2f",
    "strain": "%.1f",
    "respiratory_rate_rpm": "%.1f",
}

Text = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Export:
    """One export: the source that reads it, and its file or folder."""

    source: str
    path: Path


def write_exports_of(
    tables: Mapping[str, pd.DataFrame], cycles: pd.DataFrame, utc_offset_h: int, folder: Path
) -> list[Export]:
    """Contract CSVs first: they say who the athletes are. Then NordBord's file and the wearables' folder, if any."""
    exports = [
        Export("csv", _write_contract(tables, folder / "contract")),
        Export("nordbord", _write_nordbord(tables["strength_tests"], folder / "nordbord.csv")),
    ]
    if not cycles.empty:
        exports.append(Export("whoop", _write_whoop(cycles, utc_offset_h, folder / "whoop")))
    return exports


def write_truth_of(truth: pd.DataFrame, folder: Path) -> Path:
    """The path of the Parquet file that now holds `truth`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "truth.parquet"
    truth.to_parquet(path, index=False)
    return path


def _write_contract(tables: Mapping[str, pd.DataFrame], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in CONTRACT_TABLES:
        rows = tables[name].drop(columns=SUPERSEDED_AT)
        if name in BY_OTHER_SOURCES:
            column, value = BY_OTHER_SOURCES[name]
            rows = rows[rows[column] != value]
        _as_text(rows, name).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    return folder


def _as_text(rows: pd.DataFrame, table: str) -> pd.DataFrame:
    """Dates and instants in ISO form, whole numbers without a point."""
    shown: dict[str, Any] = {}
    for column in TABLES[table].columns:
        values = rows[column.name]
        if column.kind in ("date", "time"):
            shown[column.name] = _iso(values, "D" if column.kind == "date" else "s", "Z" * (column.kind == "time"))
        elif column.kind == "flag":
            shown[column.name] = values.map({True: "true", False: "false"}).to_numpy(dtype=object)
        elif column.kind == "number" and (values.dropna() % 1 == 0).all():
            shown[column.name] = values.astype("Int64")
        else:
            shown[column.name] = values
    return pd.DataFrame(shown, index=rows.index)


def _iso(values: pd.Series, unit: str, suffix: str) -> npt.NDArray[np.object_]:
    plain = values.dt.tz_convert(None) if isinstance(values.dtype, pd.DatetimeTZDtype) else values
    distinct, where = np.unique(plain.to_numpy(dtype="datetime64[s]"), return_inverse=True)
    text = np.array(
        [None if np.isnat(each) else f"{each.astype(f'M8[{unit}]')}{suffix}" for each in distinct],
        dtype=object,
    )
    return text[where] if len(distinct) else np.array([], dtype=object)


def _write_nordbord(tests: pd.DataFrame, path: Path) -> Path:
    """VALD's export: byte order mark, dates d/m/y, and a row of commas at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nordic = tests[tests["protocol"] == "nordic"]
    force = nordic.pivot_table("peak_force_n", ["athlete_id", "date"], "limb").reset_index()
    force = force.sort_values(["date", "athlete_id"], kind="stable", ignore_index=True)
    left, right = force["left"].to_numpy(), force["right"].to_numpy()
    columns = [
        force["athlete_id"].to_numpy(), force["date"].dt.strftime("%d/%m/%Y").to_numpy(),
        np.full(len(force), REPS), np.full(len(force), REPS),
        left, right, _imbalance(left, right),
        np.round(LEVER_M * left, 1), np.round(LEVER_M * right, 1),
        np.round(0.94 * left, 1), np.round(0.94 * right, 1), _imbalance(0.94 * left, 0.94 * right),
        np.round(3.1 * left), np.round(3.1 * right), _imbalance(3.1 * left, 3.1 * right),
    ]  # fmt: skip
    rows = pd.DataFrame(dict(zip(NORDBORD_HEADER, columns, strict=True)))
    text = rows.to_csv(index=False, lineterminator="\n")
    path.write_text(text + "," * (len(NORDBORD_HEADER) - 1) + "\n", encoding="utf-8-sig", newline="")
    return path


def _imbalance(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Percent of the stronger side; negative where the left is the weaker."""
    difference: npt.NDArray[np.float64] = np.round(100 * (left - right) / np.maximum(left, right), 1)
    return difference


def _write_whoop(cycles: pd.DataFrame, utc_offset_h: int, folder: Path) -> Path:
    """One folder per athlete; newest night first, and no row for a night on which the device was not worn."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = _whoop_rows(cycles, utc_offset_h)
    athlete = cycles["athlete_id"].to_numpy(dtype=object)
    starts = np.flatnonzero(np.r_[True, athlete[1:] != athlete[:-1]])
    for first, end in zip(starts, [*starts[1:], len(athlete)], strict=True):
        own = folder / str(athlete[first])
        own.mkdir(exist_ok=True)
        lines = [",".join(WHOOP_COLUMNS), *shown[first:end][::-1]]
        (own / "physiological_cycles.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return folder


def _whoop_rows(cycles: pd.DataFrame, utc_offset_h: int) -> list[str]:
    """The lines of all athletes, in the order of `cycles`."""
    newest = (cycles["athlete_id"] != cycles["athlete_id"].shift(-1)).to_numpy()
    start = _local(cycles["sleep_onset"])
    numbers = cycles.assign(
        performance_pct=np.minimum(100, np.round(100 * cycles["asleep_min"] / cycles["need_min"])),
        awake_min=cycles["in_bed_min"] - cycles["asleep_min"],
    )
    columns = {
        "start": start,
        "end": np.where(newest, "", np.roll(start, -1)),
        "zone": np.full(len(cycles), f"UTC{utc_offset_h:+03d}:00"),
        "wake": _local(cycles["wake_onset"]),
    }
    for name in sorted(set(WHOOP_COLUMNS.values()) - set(columns)):
        text = _formatted(numbers[name].to_numpy(), DECIMALS.get(name, "%d"))
        columns[name] = np.where(newest, "", text) if name in UNTIL_NEXT_SLEEP else text
    cells = {name: column.tolist() for name, column in columns.items()}
    return [",".join(line) for line in zip(*(cells[name] for name in WHOOP_COLUMNS.values()), strict=True)]


def _formatted(values: npt.NDArray[np.float64], form: str) -> Text:
    """Each distinct value is put into text once: there are few, and formatting is slow."""
    distinct, where = np.unique(values, return_inverse=True)
    return np.char.mod(form, distinct)[where]


def _local(times: pd.Series) -> Text:
    seconds = np.datetime_as_string(times.to_numpy(dtype="datetime64[s]"))
    return np.char.replace(seconds, "T", " ")
