"""Outcomes: the only module that looks past `as_of`; build.py cannot import it.

The horizon of h days is the interval (as_of, as_of + h days] in local days: an onset dated on the prediction day
counts unless
it was known by then (then the athlete is injured and not at risk), and the last day is `date + h - 1`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.availability import blocking, unavailable
from features.target import Target
from features.windows import Ints, days

DAY = pd.Timedelta(days=1)


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

    A horizon that runs past what was followed up (the data cut, the athlete's last covered day, the day of leaving)
    without an onset is censored, never 0.
    """
    happened = onsets(tables, target)
    following = _next_onset(index, happened)
    day = days(index["date"])
    followed = _follow_up(index, tables, data_cut)
    columns = {}
    for horizon in target.horizons_days:
        last = day + horizon - 1
        inside = following <= np.minimum(last, followed)
        columns[str(horizon)] = np.where(inside, 1.0, np.where(last <= followed, 0.0, np.nan))
    return pd.DataFrame(columns, index=index.index)


def _newest(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["superseded_at"].isna()]


def _next_onset(index: pd.DataFrame, happened: pd.DataFrame) -> Ints:
    """Day of each row's first onset on or after its own day; the largest integer without one."""
    left = index[["athlete_id", "date"]].assign(row=np.arange(len(index))).sort_values("date", kind="stable")
    right = happened.assign(onset=happened["date"]).sort_values("date", kind="stable")
    merged = pd.merge_asof(left, right, on="date", by="athlete_id", direction="forward")
    onset = merged.sort_values("row")["onset"]
    return np.where(onset.isna(), np.iinfo(np.int64).max, days(onset))


def _follow_up(index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], data_cut: pd.Timestamp) -> Ints:
    """Last day on which an onset would have been seen, per row."""
    covered = tables["coverage"].groupby("athlete_id")["last_date"].max()
    left = _newest(tables["athletes"]).set_index("athlete_id")["left_date"]
    ends = pd.concat([covered, left], axis=1).min(axis=1)
    last = ends.where(ends <= data_cut, data_cut).astype("datetime64[us]")
    return days(index["athlete_id"].map(last))


def _injured_in_truth(
    index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], target: Target
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True where an injury had begun on an earlier day and its return day had not come, known or not."""
    injuries = _newest(tables["injuries"])
    spells = injuries[blocking(injuries, target)][["athlete_id", "injury_id", "date"]]
    back = _newest(tables["returns"]).set_index("injury_id")["date"]
    spells = spells.assign(back=spells["injury_id"].map(back).fillna(spells["date"] + DAY))
    pairs = index[["athlete_id", "date"]].assign(row=np.arange(len(index)))
    pairs = pairs.merge(spells, on="athlete_id", suffixes=("", "_onset"))
    inside = pairs[(pairs["date"] > pairs["date_onset"]) & (pairs["date"] < pairs["back"])]
    hidden = np.zeros(len(index), dtype=bool)
    hidden[inside["row"].to_numpy()] = True
    return hidden
