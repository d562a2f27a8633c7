"""Outcomes: the only module that looks past `as_of`; build.py cannot import it.

The horizon of h days is the prediction day and the h - 1 days after it: an onset dated on the prediction day counts
unless it was known by then (then the athlete is injured and not at risk).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.availability import ACTIVITY, blocking, unavailable
from features.tables import looked_up
from features.target import Target
from features.windows import Ints, days

DAY = pd.Timedelta(days=1)
COVERED_BY_INJURIES = ("injuries", "injury_reports")


def onsets(tables: Mapping[str, pd.DataFrame], target: Target) -> pd.DataFrame:
    """Onsets of the target in the newest version of each injury: athlete_id, injury_id, date."""
    injuries = _newest(tables["injuries"])
    counted = injuries[target.counts(injuries)]
    return counted[["athlete_id", "injury_id", "date"]].sort_values(["athlete_id", "date"], ignore_index=True)


def at_risk_index(
    tables: Mapping[str, pd.DataFrame],
    target: Target,
    first: pd.Timestamp,
    last: pd.Timestamp,
    every_days: int = 1,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Prediction moments of athletes at risk, on every `every_days`-th local day from `first` to `last`.

    Returns the index and the attrition: how many athlete-days were left out, by reason. Left out are those who could
    not
    have been scored as known then, and those who in truth were already injured although nobody knew yet.
    """
    dates = pd.date_range(first, last, freq=f"{every_days}D", unit="us")
    athletes = np.sort(tables["athletes"]["athlete_id"].unique())
    index = pd.DataFrame(
        {
            "athlete_id": np.repeat(athletes, len(dates)),
            "date": np.tile(dates.to_numpy(), len(athletes)),
            "as_of": np.tile(target.as_of(dates).tz_localize(None).to_numpy(), len(athletes)),
        }
    )
    index["athlete_id"] = index["athlete_id"].astype("str")
    index["as_of"] = index["as_of"].dt.tz_localize("UTC")
    why = unavailable(index, tables, target)
    hidden = pd.Series(_injured_in_truth(index, tables, target), index=index.index)
    attrition = why.dropna().str.replace(r" (since|on) .*", "", regex=True).value_counts().to_dict()
    attrition["injured, not known yet"] = int((hidden & why.isna()).sum())
    kept = index[why.isna() & ~hidden].reset_index(drop=True)
    return kept, {str(reason): int(count) for reason, count in attrition.items() if count}


def label(
    index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], target: Target, data_cut: pd.Timestamp
) -> pd.DataFrame:
    """One column per horizon, named by its days: 1.0 onset inside, 0.0 none, NaN censored.

    A horizon that runs past what was followed up (see `_follow_up`) is censored, with an onset or without: keeping
    only the onsets of such rows would make injuries look more frequent towards the end.
    """
    happened = onsets(tables, target)
    following = _next_onset(index, happened)
    day = days(index["date"])
    followed = _follow_up(index, tables, target, data_cut)
    columns = {}
    for horizon in target.horizons_days:
        last = day + horizon - 1
        columns[str(horizon)] = np.where(last <= followed, (following <= last).astype(np.float64), np.nan)
    return pd.DataFrame(columns, index=index.index)


def recorded_stretches(coverage: pd.DataFrame, athletes: pd.DataFrame) -> pd.DataFrame:
    """Stretches (athlete_id, first_date, last_date) of which an injury would be known, at most until leaving.

    Takes the newest versions alone.
    """
    stretches = _stretches(coverage)
    leaving = looked_up(stretches["athlete_id"], _leaving(athletes))
    return stretches.assign(last_date=stretches["last_date"].where(~(stretches["last_date"] > leaving), leaving))


def _leaving(athletes: pd.DataFrame) -> pd.Series:
    return athletes.drop_duplicates("athlete_id", keep="last").set_index("athlete_id")["left_date"]


def _newest(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["superseded_at"].isna()]


def _next_onset(index: pd.DataFrame, happened: pd.DataFrame) -> Ints:
    """Day of each row's first onset on or after its own day; the largest integer without one."""
    left = index[["athlete_id", "date"]].assign(row=np.arange(len(index))).sort_values("date", kind="stable")
    right = happened.assign(onset=happened["date"]).sort_values("date", kind="stable")
    merged = pd.merge_asof(left, right, on="date", by="athlete_id", direction="forward")
    onset = merged.sort_values("row")["onset"]
    return np.where(onset.isna(), np.iinfo(np.int64).max, days(onset))


def _follow_up(index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], target: Target, data_cut: pd.Timestamp) -> Ints:
    """Last day on which an onset would have been seen and reported, per row.

    It is the end of the covered stretch that holds the row's day (a season break ends a stretch), at most the day of
    leaving, and at most `reporting_days` before the data cut, since injuries become known with a delay.
    """
    stretches = _stretches(_newest(tables["coverage"]))
    left = index[["athlete_id", "date"]].assign(row=np.arange(len(index))).sort_values("date", kind="stable")
    right = stretches.rename(columns={"first_date": "date"}).sort_values("date", kind="stable")
    merged = pd.merge_asof(left, right, on="date", by="athlete_id", direction="backward").sort_values("row")
    within = days(merged["last_date"])
    leaving = days(looked_up(index["athlete_id"], _leaving(_newest(tables["athletes"]))))
    leaving = np.where(leaving < 0, np.iinfo(np.int64).max, leaving)
    cut = days(pd.Series([data_cut]))[0] - target.reporting_days
    last: Ints = np.minimum(np.minimum(within, leaving), cut)
    return last


def _stretches(coverage: pd.DataFrame) -> pd.DataFrame:
    """Disjoint stretches (athlete_id, first_date, last_date) in which injuries were recorded.

    For an athlete without coverage of injuries, activity stands in for it: who trains with the squad is looked after.
    """
    recorded = coverage["table"].isin(COVERED_BY_INJURIES)
    known = set(coverage.loc[recorded, "athlete_id"])
    active = coverage["table"].isin(ACTIVITY) & ~coverage["athlete_id"].isin(known)
    rows = coverage[recorded | active].sort_values(["athlete_id", "first_date"], kind="stable")
    reach = rows.groupby("athlete_id")["last_date"].cummax()
    before = reach.groupby(rows["athlete_id"]).shift()
    starts = before.isna() | (rows["first_date"] > before + DAY)
    ends = rows.assign(stretch=starts.cumsum())
    return ends.groupby(["athlete_id", "stretch"], as_index=False).agg(
        first_date=("first_date", "min"), last_date=("last_date", "max")
    )[["athlete_id", "first_date", "last_date"]]


def _injured_in_truth(
    index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], target: Target
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True where an injury had begun on an earlier day and its return day had not come, known or not."""
    injuries = _newest(tables["injuries"])
    spells = injuries[blocking(injuries, target)][["athlete_id", "injury_id", "date"]]
    back = _newest(tables["returns"])[["injury_id", "date"]].rename(columns={"date": "back"})
    spells = spells.merge(back, on="injury_id", how="left")
    spells["back"] = spells["back"].fillna(spells["date"] + DAY)
    pairs = index[["athlete_id", "date"]].assign(row=np.arange(len(index)))
    pairs = pairs.merge(spells, on="athlete_id", suffixes=("", "_onset"))
    inside = pairs[(pairs["date"] > pairs["date_onset"]) & (pairs["date"] < pairs["back"])]
    hidden = np.zeros(len(index), dtype=bool)
    hidden[inside["row"].to_numpy()] = True
    return hidden
