"""A planted leak that the leak checks must catch."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.labels import onsets
from features.row_facts import prepare
from features.target import Target
from models.foresight import Build, Tables

PLANTED = "planted_days_until_onset"
_SEES_DAYS = 3
_NOISE_DAYS = 0.5


def with_planted_leak(build: Build, target: Target, seed: int) -> Build:
    """The same and a feature that knows, but for noise, how many days are left until a strain within three."""

    def leaking(index: pd.DataFrame, tables: Tables) -> pd.DataFrame:
        noise = np.random.default_rng(seed).normal(0, _NOISE_DAYS, len(index))
        return build(index, tables).assign(**{PLANTED: _days_until_onset(index, tables, target) + noise})

    return leaking


def _days_until_onset(
    index: pd.DataFrame, tables: Tables, target: Target
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    happened = onsets(prepare(tables, target), target)[["athlete_id", "date"]].rename(columns={"date": "onset"})
    pairs = index[["athlete_id", "date"]].assign(row=np.arange(len(index))).merge(happened, on="athlete_id")
    ahead = (pairs["onset"] - pairs["date"]).dt.days
    soon = pairs.assign(ahead=ahead)[(ahead >= 0) & (ahead < _SEES_DAYS)].groupby("row")["ahead"].min()
    return soon.reindex(np.arange(len(index)), fill_value=_SEES_DAYS).to_numpy(dtype=np.float64)
