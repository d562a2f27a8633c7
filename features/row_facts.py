"""Facts that follow from a row and the rows known when it arrived, so that a window can aggregate them like any column.

- injuries and returns get the episodes that daily self-reports amount to (`with_onsets`)
- returns carry the body area and muscle group of their injury
- sessions get `load_au` from rating and minutes, and `share_of_best_speed_pct`
- heart-rate variability gets its logarithm, athletes get sex and position as 0/1
- strength tests get force and torque per kg; a wearable night that was not worn loses its values

Each added value is known when its row is known: nothing here looks at a row that arrived later.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.episodes import with_onsets
from features.target import Target
from features.windows import days, instants

ROW_FACTS: Mapping[str, tuple[str, ...]] = {
    "sessions": ("share_of_best_speed_pct",),
    "strength_tests": ("force_n_kg", "torque_n_m_kg"),
    "returns": ("body_area", "muscle_group"),
    "wearable_days": ("hrv_ln_ms",),
    "athletes": ("is_female", "is_defender"),
}
"""Columns added to a contract table; specs may name them."""

MIN_WORN_H = 1.0


def prepare(tables: Mapping[str, pd.DataFrame], target: Target) -> dict[str, pd.DataFrame]:
    """The contract tables with row facts added; the given frames stay as they are."""
    prepared = with_onsets(tables, target)
    prepared["returns"] = _with_injury(prepared["returns"], prepared["injuries"])
    prepared["sessions"] = _sessions(tables["sessions"])
    prepared["strength_tests"] = _per_kg(tables["strength_tests"])
    prepared["wearable_days"] = _worn(tables["wearable_days"])
    prepared["athletes"] = _flags(tables["athletes"])
    return prepared


def _sessions(sessions: pd.DataFrame) -> pd.DataFrame:
    load = sessions["load_au"].fillna(sessions["rpe"] * sessions["duration_min"])
    share = 100 * sessions["max_speed_m_s"] / _best_speed_before(sessions)
    return sessions.assign(load_au=load, share_of_best_speed_pct=share)


def _best_speed_before(sessions: pd.DataFrame) -> pd.Series:
    """Highest speed of the athlete's earlier days, as known when the row arrived; NaN without one."""
    best = pd.Series(np.nan, index=sessions.index)
    timed = sessions[sessions["max_speed_m_s"].notna()]
    for _, rows in timed.groupby("athlete_id", sort=False):
        day, known, gone = days(rows["date"]), instants(rows["known_at"]), instants(rows["superseded_at"])
        seen = (day[None, :] < day[:, None]) & (known[None, :] <= known[:, None]) & (known[:, None] < gone[None, :])
        highest = np.where(seen, rows["max_speed_m_s"].to_numpy()[None, :], -np.inf).max(axis=1)
        best.loc[rows.index] = np.where(np.isfinite(highest), highest, np.nan)
    return best.where(best > 0)


def _per_kg(tests: pd.DataFrame) -> pd.DataFrame:
    mass = tests["body_mass_kg"]
    return tests.assign(force_n_kg=tests["peak_force_n"] / mass, torque_n_m_kg=tests["peak_torque_n_m"] / mass)


def _worn(nights: pd.DataFrame) -> pd.DataFrame:
    measured = ["sleep_h", "sleep_efficiency_pct", "resting_heart_rate_bpm", "hrv_rmssd_ms"]
    not_worn = nights["worn_h"] < MIN_WORN_H
    kept = {column: nights[column].mask(not_worn) for column in measured}
    return nights.assign(**kept, hrv_ln_ms=np.log(kept["hrv_rmssd_ms"]))


def _flags(athletes: pd.DataFrame) -> pd.DataFrame:
    """Sex and position as 0/1, missing where not stated; dated far back since they hold at any time."""
    female = (athletes["sex"] == "female").astype(float).where(athletes["sex"].notna())
    defender = athletes["position"].str.contains("defender|back", case=False)
    return athletes.assign(is_female=female, is_defender=defender.astype(float).where(athletes["position"].notna()))


def _with_injury(returns: pd.DataFrame, injuries: pd.DataFrame) -> pd.DataFrame:
    """Each return with the injury's columns, as the injury stood when the return became known."""
    wanted = ["injury_id", "known_at", "body_area", "muscle_group"]
    known = injuries[wanted].sort_values("known_at", kind="stable")
    ordered = returns.drop(columns=["body_area", "muscle_group"], errors="ignore").sort_values(
        "known_at", kind="stable"
    )
    return pd.merge_asof(ordered, known, on="known_at", by="injury_id", direction="backward")
