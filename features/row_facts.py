"""Facts that follow from a row and the rows known when it arrived, so that a window can aggregate them like any column.

- injuries and returns get the episodes that daily self-reports amount to (`with_onsets`)
- injuries get whether they were of hamstring, calf, anterior cruciate ligament or any muscle, where the record tells
- returns carry the body area, muscle group and ligament of their injury
- sessions get `load_au` from rating and minutes, and `share_of_best_speed_pct`
- a report of hamstring discomfort gets its difference from the athlete's own usual
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
from features.windows import FOREVER, Floats, History, Ints, Moments, codes, days, instants, visible

ROW_FACTS: Mapping[str, tuple[str, ...]] = {
    "sessions": ("share_of_best_speed_pct",),
    "strength_tests": ("force_n_kg", "torque_n_m_kg"),
    "injuries": ("is_hamstring", "is_calf", "is_acl", "is_muscle"),
    "returns": ("body_area", "muscle_group", "ligament"),
    "wellness": ("discomfort_above_usual",),
    "wearable_days": ("hrv_ln_ms",),
    "athletes": ("is_female", "is_goalkeeper", "is_defender", "is_forward"),
}
"""Columns added to a contract table; specs may name them."""

POSITION_WORDS: Mapping[str, str] = {
    "is_goalkeeper": "goalkeeper|keeper",
    "is_defender": "defender|back",
    "is_forward": "forward|striker|winger|attacker",
}
"""How a position is recognised in free text, as a regular expression, in either case."""

MIN_WORN_H = 1.0
USUAL_DAYS = 60
USUAL_NEEDS = 7
"""An athlete's usual is the mean of the reports of the 60 days before; fewer than 7 of them tell no usual."""


def prepare(tables: Mapping[str, pd.DataFrame], target: Target) -> dict[str, pd.DataFrame]:
    """The contract tables with row facts added; the given frames stay as they are."""
    prepared = with_onsets(tables, target)
    prepared["returns"] = _with_injury(prepared["returns"], prepared["injuries"])
    prepared["injuries"] = _kinds(prepared["injuries"])
    prepared["sessions"] = _sessions(tables["sessions"])
    prepared["strength_tests"] = _per_kg(tables["strength_tests"])
    prepared["wellness"] = _against_usual(tables["wellness"])
    prepared["wearable_days"] = _worn(tables["wearable_days"])
    prepared["athletes"] = _flags(tables["athletes"])
    return prepared


def _sessions(sessions: pd.DataFrame) -> pd.DataFrame:
    load = sessions["load_au"].fillna(sessions["rpe"] * sessions["duration_min"])
    share = 100 * sessions["max_speed_m_s"] / _best_speed_before(sessions)
    return sessions.assign(load_au=load, share_of_best_speed_pct=share)


def _best_speed_before(sessions: pd.DataFrame) -> pd.Series:
    """Highest speed of the athlete's earlier days, as known when the row arrived; NaN without one."""
    timed = sessions[sessions["max_speed_m_s"].notna()]
    athlete, day = timed["athlete_id"].factorize()[0], days(timed["date"])
    known, gone = instants(timed["known_at"]), instants(timed["superseded_at"])
    speed, best = timed["max_speed_m_s"].to_numpy(), np.full(len(timed), np.nan)
    order = np.lexsort((day, athlete))
    for rows in np.split(order, np.flatnonzero(np.diff(athlete[order])) + 1):
        best[rows] = _highest_before(day[rows], known[rows], gone[rows], speed[rows])
    return pd.Series(np.where(best > 0, best, np.nan), index=timed.index).reindex(sessions.index)


def _highest_before(day: Ints, known: Ints, gone: Ints, speed: Floats) -> Floats:
    """Per row of one athlete, in order of day: the highest speed of earlier days that was known when it arrived.

    A row that is never superseded and arrived before any of a later day is seen by all of those: one running maximum
    does. The few others are compared with every row.
    """
    first_known_from = np.r_[np.minimum.accumulate(known[::-1])[::-1], FOREVER]
    plain = (gone == FOREVER) & (known <= first_known_from[np.searchsorted(day, day, side="right")])
    running = np.r_[-np.inf, np.maximum.accumulate(np.where(plain, speed, -np.inf))]
    best: Floats = running[np.searchsorted(day, day)]
    for other in np.flatnonzero(~plain):
        seen = (day[other] < day) & (known[other] <= known) & (known < gone[other])
        best[seen] = np.maximum(best[seen], speed[other])
    return best


def _against_usual(wellness: pd.DataFrame) -> pd.DataFrame:
    """Hamstring discomfort less the mean of the 60 days before the report's own, as known when the report arrived."""
    told = wellness[wellness["hamstring_discomfort"].notna()]
    athletes = pd.Index(told["athlete_id"].unique())
    eve = Moments(codes(told["athlete_id"], athletes), days(told["date"]) - 1, instants(told["known_at"]))
    before = visible(History.of(told, athletes), eve, USUAL_DAYS)
    value = told["hamstring_discomfort"].to_numpy()
    count = np.bincount(before.moment, minlength=len(told))
    total = np.bincount(before.moment, weights=value[before.rows], minlength=len(told))
    above = np.where(count >= USUAL_NEEDS, value - total / np.maximum(count, 1), np.nan)
    return wellness.assign(discomfort_above_usual=pd.Series(above, index=told.index))


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
    return athletes.assign(
        is_female=female, **{column: _plays(athletes["position"], words) for column, words in POSITION_WORDS.items()}
    )


def _plays(position: pd.Series, words: str) -> pd.Series:
    return position.str.contains(words, case=False).astype(float).where(position.notna())


def _kinds(injuries: pd.DataFrame) -> pd.DataFrame:
    """What was injured, as 1 or 0; missing where the record leaves it open, so that nobody's 0 is claimed of it."""
    return injuries.assign(
        is_hamstring=_is_kind(injuries, "muscle_group", "hamstring", area="thigh", tissue="muscle"),
        is_calf=_is_kind(injuries, "muscle_group", "calf", area="lower_leg", tissue="muscle"),
        is_acl=_is_kind(injuries, "ligament", "anterior_cruciate", area="knee", tissue="ligament"),
        is_muscle=injuries["tissue"].eq("muscle").astype("float64").where(_is_told(injuries["tissue"])),
    )


def _is_kind(injuries: pd.DataFrame, column: str, value: str, area: str, tissue: str) -> pd.Series:
    """Told by `column` itself, or ruled out by another body area or tissue."""
    ruled_out = pd.Series(False, index=injuries.index)
    for name, needed in (("body_area", area), ("tissue", tissue)):
        ruled_out |= _is_told(injuries[name]) & injuries[name].ne(needed)
    return injuries[column].eq(value).astype("float64").where(_is_told(injuries[column]) | ruled_out)


def _is_told(choices: pd.Series) -> pd.Series:
    return choices.notna() & choices.ne("unknown")


def _with_injury(returns: pd.DataFrame, injuries: pd.DataFrame) -> pd.DataFrame:
    """Each return with the injury's columns, as the injury stood when the return became known."""
    facts = list(ROW_FACTS["returns"])
    known = injuries[["injury_id", "known_at", *facts]].sort_values("known_at", kind="stable")
    ordered = returns.drop(columns=facts, errors="ignore").sort_values("known_at", kind="stable")
    return pd.merge_asof(ordered, known, on="known_at", by="injury_id", direction="backward")
