"""What a model does with many athlete-days at once: how far each factor moves scores, what pairs do, two versions.

Everything is about the model, not about athletes: a factor that moves scores far is one that the model relies upon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.estimator import HorizonModel
from models.explain import HasFactor, by_factor, contributions, interactions
from models.metrics import clusters
from models.odds import Floats

RESAMPLES = 1000
_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True)
class View:
    """One horizon's explanations of many athlete-days, row by row; `base` is the log-odds that all start from.

    `features` holds the values, `shares` their contributions in log-odds, `factors` the sums of these by factor.
    `pairs` (factors x factors) is the mean size of what two factors do together; on its diagonal what one does alone.
    """

    horizon_days: int
    base: float
    features: pd.DataFrame
    shares: pd.DataFrame
    factors: pd.DataFrame
    athletes: NDArray[np.object_]
    pairs: pd.DataFrame


def view_of(model: HorizonModel, features: pd.DataFrame, athletes: NDArray[Any], specs: Sequence[HasFactor]) -> View:
    """The view of one model on rows of `features`, each of the athlete at the same place of `athletes`."""
    base, shares = contributions(model, features)
    told = interactions(model, features, specs)
    size = np.abs(told.values).mean(axis=0) * (2 - np.eye(len(told.factors)))
    names = list(told.factors)
    values = features[list(shares.columns)]
    return View(
        model.horizon_days, base, values, shares, by_factor(shares, specs), np.asarray(athletes, dtype=object),
        pd.DataFrame(size, names, names),
    )  # fmt: skip


def importance(contributed: pd.DataFrame, athletes: NDArray[np.object_], seed: int = 0) -> pd.DataFrame:
    """Mean |contribution| of each column with a 95 % interval: value, lower, upper, largest first.

    The interval comes from drawing athletes with replacement. It says how much hangs on these athletes being looked at;
    how much hangs on the athletes that the model learnt from is for refits to say (docs/stability.md).
    """
    value, draws = _drawn(contributed, athletes, seed)
    lower, upper = np.percentile(draws, (_LOW, _HIGH), axis=0)
    found = pd.DataFrame({"value": value, "lower": lower, "upper": upper}, index=contributed.columns)
    return found.sort_values("value", ascending=False, kind="stable")


def _drawn(contributed: pd.DataFrame, athletes: NDArray[np.object_], seed: int) -> tuple[Floats, Floats]:
    """Mean |contribution| by column, and the same of RESAMPLES draws of athletes."""
    size = np.abs(contributed.to_numpy(dtype=np.float64))
    rows = clusters(np.zeros(len(size)), athletes, RESAMPLES, seed)
    totals = np.column_stack([rows.totals(column) for column in size.T])
    means = totals / rows.totals(np.ones(len(size)))[:, None]
    return means[0], means[1:]


def compared(new: View, old: View, seed: int = 0) -> pd.DataFrame:
    """Importance of each factor in two versions on the same athlete-days, and the difference with its 95 % interval.

    Columns new, old, difference, lower, upper; the largest difference first. Both see the same draws of athletes. A
    factor that one of them lacks moves nothing there.
    """
    names = list(dict.fromkeys([*new.factors.columns, *old.factors.columns]))
    ours, our_draws = _drawn(new.factors.reindex(columns=names, fill_value=0.0), new.athletes, seed)
    theirs, their_draws = _drawn(old.factors.reindex(columns=names, fill_value=0.0), old.athletes, seed)
    lower, upper = np.percentile(our_draws - their_draws, (_LOW, _HIGH), axis=0)
    columns = {"new": ours, "old": theirs, "difference": ours - theirs, "lower": lower, "upper": upper}
    return pd.DataFrame(columns, index=names).sort_values("difference", key=np.abs, ascending=False, kind="stable")


def pair_table(view: View) -> pd.DataFrame:
    """`one`, `other` and `value` of each pair of factors: mean |effect together| in log-odds, largest first."""
    one, other = np.triu_indices(len(view.pairs), k=1)
    names = view.pairs.columns.to_numpy()
    found = pd.DataFrame({"one": names[one], "other": names[other], "value": view.pairs.to_numpy()[one, other]})
    return found.sort_values("value", ascending=False, kind="stable", ignore_index=True)
