"""How far a row of features lies from what a model learnt from, as the share of training rows that lie nearer.

A feature's distance is that from its training median in halves of the range that holds 98 % of training rows; a row's
is the root mean square over what is known of it. Each feature counts by itself: usual values that never came together
are not noticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from models.bundle import FeatureSummary
from models.odds import Floats

_SHARES = np.linspace(0.0, 1.0, 101)


def training_reach(features: pd.DataFrame, summary: Mapping[str, FeatureSummary]) -> list[float]:
    """Percentiles 0 to 100 of the distance of training rows; empty where no row has one."""
    found = _distance(features, summary)
    known = found[np.isfinite(found)]
    return np.quantile(known, _SHARES).tolist() if len(known) else []


def share_nearer(features: pd.DataFrame, summary: Mapping[str, FeatureSummary], reach: Sequence[float]) -> Floats:
    """The share of training rows that lie nearer, by row; NaN where nothing is known of a row or `reach` is empty."""
    found = _distance(features, summary)
    return np.interp(found, reach, _SHARES) if len(reach) else np.full(len(found), np.nan)


def _distance(features: pd.DataFrame, summary: Mapping[str, FeatureSummary]) -> Floats:
    """Root mean square over the known features of each row; those that hardly vary in training are left out."""
    half = {name: (summary[name].high - summary[name].low) / 2 for name in map(str, features)}
    varied = [name for name, width in half.items() if width > 0]
    middle = np.array([summary[name].median for name in varied])
    away = (features[varied].to_numpy(dtype=np.float64) - middle) / np.array([half[name] for name in varied])
    known = np.isfinite(away)
    count = known.sum(axis=1)
    total = np.where(known, away, 0.0) ** 2
    return np.asarray(np.sqrt(np.where(count > 0, total.sum(axis=1) / np.maximum(count, 1), np.nan)))
