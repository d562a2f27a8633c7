"""How steadily a bag names a factor: in how many of its members the factor keeps its sign and stays among the first.

A factor that leads because of a few members' samples of athletes would not lead with other athletes to learn from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from models.contributions import member_contributions
from models.estimator import HorizonModel
from models.odds import Floats, Ints

FIRST = 3
"""A factor stays among the first if no more than so many, itself included, pull harder in its direction."""


def steadiness(
    models: Sequence[HorizonModel],
    source: Ints,
    features: pd.DataFrame,
    factor_of: Mapping[str, str],
    modifiable: Mapping[str, bool],
) -> pd.DataFrame:
    """Share of the members (rows x factors) in which a factor pulls the score its way and stays among the first.

    Its way is that of the whole bag. It competes with factors of the same direction, modifiable and fixed ones apart,
    as staff read them. Each row is judged by the model of its `source` horizon.
    """
    names = models[0].bag.feature_names
    factors = list(dict.fromkeys(factor_of[name] for name in names))
    kinds = np.array([modifiable[factor] for factor in factors])
    found = pd.DataFrame(np.nan, index=features.index, columns=factors)
    for model in models:
        rows = np.flatnonzero(source == model.horizon_days)
        if len(rows):
            found.iloc[rows] = _shares(_members(model, features.iloc[rows], factor_of, factors), kinds)
    return found


def _members(
    model: HorizonModel, features: pd.DataFrame, factor_of: Mapping[str, str], factors: Sequence[str]
) -> Floats:
    """Raw contributions by factor: (members, rows, factors). Calibration stretches all of a row alike."""
    belongs = np.array([[factor_of[name] == factor for factor in factors] for name in model.bag.feature_names], float)
    return np.stack([each @ belongs for each in member_contributions(model.bag, features)])


def _shares(members: Floats, kinds: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    """Share of members, (rows, factors), in which each factor keeps the bag's sign and is among the first of it."""
    whole = members.mean(axis=0)
    is_up = whole > 0
    pull = np.where(is_up, members, -members)  # how hard a member's factor pulls the way that it pulls in the bag
    rivals = (kinds[:, None] == kinds[None, :])[None] & (is_up[:, :, None] == is_up[:, None, :])
    stronger = (pull[:, :, None, :] > pull[:, :, :, None]) & rivals[None]
    stays = (pull > 0) & (stronger.sum(axis=3) < FIRST)
    return np.asarray(np.where(whole == 0, np.nan, stays.mean(axis=0)))
