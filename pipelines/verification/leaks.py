"""Does a feature see what was not known? Two checks, and a planted leak that they must catch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.build import build_values
from features.labels import onsets
from features.row_facts import prepare
from features.specs import FeatureSpec
from features.target import Target
from features.windows import known_by
from pipelines.verification.measures import expected_auroc

Tables = Mapping[str, pd.DataFrame]
Build = Callable[[pd.DataFrame, Tables], pd.DataFrame]
"""Features (index rows x features) of prediction moments from contract tables."""

TOO_GOOD = 0.8
"""No honest single measure ranks who will be strained so well (assumption): the best published lie near 0.7, and the
simulator's oracle, which knows everything, stays below 0.8."""
PLANTED = "planted_days_until_onset"
_SEES_DAYS = 3
_NOISE_DAYS = 0.5


def builder(specs: Sequence[FeatureSpec], target: Target) -> Build:
    """The features of training and scoring."""
    return lambda index, tables: build_values(index, prepare(tables, target), specs)


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


def sees_the_future(build: Build, index: pd.DataFrame, tables: Tables) -> tuple[str, ...]:
    """Features that change when everything that arrived after the moment is deleted."""
    changed: set[str] = set()
    for instant, rows in index.groupby("as_of"):
        moments = rows.reset_index(drop=True)
        whole, cut = build(moments, tables), build(moments, known_by(tables, pd.Timestamp(str(instant))))
        changed |= {str(name) for name in whole if not _same(whole[name], cut[name])}
    return tuple(sorted(changed))


def _same(one: pd.Series, other: pd.Series) -> bool:
    return bool(np.array_equal(one.to_numpy(), other.to_numpy(), equal_nan=True))


def too_good(
    features: pd.DataFrame, labels: pd.DataFrame, athletes: npt.NDArray[np.object_], bound: float = TOO_GOOD
) -> dict[str, float]:
    """Features that alone rank the outcome of any horizon better than `bound`, with that AUROC, either way up.

    Better by more than two standard errors, each athlete with an event counting once: among few strains some honest
    feature ranks well by chance. A missing value ranks below all others, so that what hides in absence is seen too.
    """
    found: dict[str, float] = {}
    for days in labels:
        known = labels[days].notna().to_numpy()
        label = labels[days].to_numpy(dtype=np.float64)[known]
        injured = max(len(np.unique(athletes[known][label == 1])), 1)
        for name in features:
            score = features[name].to_numpy(dtype=np.float64)[known]
            area = expected_auroc(np.where(np.isnan(score), -np.inf, score), label)
            best = max(area, 1 - area)
            surely = best - 2 * np.sqrt(best * (1 - best) / injured)
            if surely > bound and best > found.get(str(name), 0.0):
                found[str(name)] = best
    return found
