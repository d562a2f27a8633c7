"""The twenty features as Strainwatch builds them: specs, contract tables and an index of mornings, with both clocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.catalogue import LAG, LAGGED_WINDOW, SINCE_DAYS, SPANS, WINDOWS
from benchmarks.world import FIRST_DAY, METRICS, NEVER, Floats, Ints, World
from features.build import FeatureSet, build_features, build_values
from features.specs import DerivedSpec, FeatureSpec, WindowSpec
from features.tables import as_contract, empty_tables
from features.target import load_target

ABOUT: dict[str, Any] = {
    "label": "", "factor": "overload", "unit": "", "direction": "0", "evidence": "D", "reference": "assumption",
}  # fmt: skip
ARRIVAL = np.timedelta64(4, "h")
"""Rows arrive in the night, three hours before the prediction hour."""
Frame = tuple[pd.DataFrame, dict[str, pd.DataFrame], list[FeatureSpec]]


def frame(world: World) -> Frame:
    return mornings(world), tables(world), specs()


def build(frame: Frame) -> pd.DataFrame:
    index, contract_tables, wanted = frame
    return build_values(index, contract_tables, wanted)


def build_with_reasons(frame: Frame) -> FeatureSet:
    """What a report asks for: the day behind each value too, and why one is missing."""
    index, contract_tables, wanted = frame
    return build_features(index, contract_tables, wanted)


def column(result: pd.DataFrame | FeatureSet, name: str) -> Floats:
    values = result.values if isinstance(result, FeatureSet) else result
    return values[name].to_numpy()


def specs() -> list[FeatureSpec]:
    return [spec for metric in METRICS for spec in _specs_of(metric)]


def _specs_of(metric: str) -> list[FeatureSpec]:
    def window(feature: str, aggregate: str, days: int, lag_days: int = 1, **more: Any) -> WindowSpec:
        return WindowSpec(
            name=f"{metric}_{feature}", table="sessions", column=metric, aggregate=aggregate, window_days=days,
            lag_days=lag_days, **more, **ABOUT,
        )  # fmt: skip

    def ratio(feature: str, upper: str, lower: str) -> DerivedSpec:
        inputs = (f"{metric}_{upper}", f"{metric}_{lower}")
        return DerivedSpec(name=f"{metric}_{feature}", derive="ratio", inputs=inputs, **ABOUT)

    return [
        *(window(f"sum_{days}", "sum", days, empty=0.0) for days in WINDOWS),
        *(window(f"mean_{days}", "daily_mean", days) for days in WINDOWS),
        window("spread_7", "daily_spread", 7),
        ratio("monotony_7", "mean_7", "spread_7"),
        *(window(f"exponential_{span}", "exponential", span) for span in SPANS),
        window("mean_21_lagged_7", "daily_mean", LAGGED_WINDOW, lag_days=1 + LAG),
        ratio("coupled", "mean_7", "mean_28"),
        ratio("uncoupled", "mean_7", "mean_21_lagged_7"),
        ratio("exponential_ratio", "exponential_7", "exponential_28"),
        window("last_day", "sum", 1, empty=0.0),
        window("days_since", "days_since", SINCE_DAYS, at_least=1e-9),
    ]


def mornings(world: World) -> pd.DataFrame:
    """Every athlete on every day at the prediction hour."""
    dates = pd.DatetimeIndex(world.dates().astype("datetime64[us]"))
    index = pd.DataFrame({"athlete_id": pd.array(world.names()[world.athlete_codes()], dtype="str"), "date": dates})
    days = pd.DatetimeIndex((FIRST_DAY + np.arange(world.days)).astype("datetime64[us]"))
    return index.assign(as_of=np.tile(load_target().as_of(days), world.athletes)).astype(
        {"as_of": "datetime64[us, UTC]"}
    )


def tables(world: World) -> dict[str, pd.DataFrame]:
    """Contract tables: a session on each day with its load, zero on days of rest, and the coverage of the league."""
    return empty_tables() | {"sessions": _sessions(world), "coverage": _coverage(world)}


def _sessions(world: World) -> pd.DataFrame:
    row = np.arange(world.rows)
    known = np.tile(np.arange(world.days) + 1, world.athletes) if world.known is None else world.known.reshape(-1)
    first = _versions(world, row, world.loads.reshape(len(METRICS), -1), known)
    if world.corrected is None or world.corrected_on is None:
        return as_contract(first, "sessions")
    corrected_on = world.corrected_on.reshape(-1)
    second_row = np.flatnonzero(corrected_on < NEVER)
    second = _versions(
        world, second_row, world.corrected.reshape(len(METRICS), -1)[:, second_row], corrected_on[second_row]
    )
    gone = _instants(np.where(corrected_on < NEVER, corrected_on, 0)).where(corrected_on < NEVER)
    both = pd.concat([first.assign(superseded_at=gone), second], ignore_index=True)
    return as_contract(both.sort_values(["athlete_id", "date", "known_at"], ignore_index=True), "sessions")


def _versions(world: World, row: Ints, loads: np.ndarray, known: Ints) -> pd.DataFrame:
    constant = pd.array(np.array(["training"], dtype=object)[np.zeros(len(row), dtype=int)], dtype="str")
    return pd.DataFrame(
        {
            "session_id": pd.array(np.char.add("S", row.astype(str)), dtype="str"),
            "athlete_id": pd.array(world.names()[row // world.days], dtype="str"),
            "date": (FIRST_DAY + row % world.days).astype("datetime64[us]"),
            "known_at": _instants(known),
            "superseded_at": _never(len(row)),
            "kind": constant,
            "high_speed_threshold_m_s": 5.5,
            "sprint_threshold_m_s": 7.0,
            **dict(zip(METRICS, loads, strict=True)),
        }
    )


def _instants(day: Ints) -> pd.Series:
    """The night of day number `day` in UTC."""
    return pd.Series((FIRST_DAY + day).astype("datetime64[us]") + ARRIVAL).dt.tz_localize("UTC")


def _never(rows: int) -> pd.Series:
    return pd.Series(pd.NaT, index=range(rows), dtype="datetime64[us, UTC]")


def _coverage(world: World) -> pd.DataFrame:
    first, last = FIRST_DAY, FIRST_DAY + world.days - 1
    stretch = pd.DataFrame(
        {
            "athlete_id": pd.array(world.names(), dtype="str"),
            "table": "sessions",
            "source": "club",
            "first_date": first.astype("datetime64[us]"),
            "last_date": last.astype("datetime64[us]"),
            "known_at": pd.Timestamp(first + 1, tz="UTC") + pd.Timedelta(ARRIVAL),
            "superseded_at": _never(world.athletes),
        }
    )
    return as_contract(stretch, "coverage")
