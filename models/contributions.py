"""What each feature adds to a bag's mean raw log-odds: exact Shapley values of its trees and of its straight effects.

Shapley values of a sum are the sum of those of its parts, and a straight effect's is the term less its mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from models import treeshap
from models.estimator import PREDICTION_THREADS, Bag, boosters, tree_scores, values_of
from models.odds import Floats
from models.treeshap import Forest, forest_of

ROWS_FOR_FOREST = 12
"""Fewer rows are explained by LightGBM, which is ready at once. A morning explains a squad twice, today and at its own
usual, and a shipped bag's trees are read in the time that LightGBM needs for so many (docs/explanations.md)."""


def mean_contributions(
    bag: Bag, features: pd.DataFrame, background: pd.DataFrame | None = None
) -> tuple[Floats, float]:
    """Exact Shapley values of the bag's mean raw log-odds: (rows, features), and the score that they start from.

    Means are those of the training rows, or with `background` those of its rows (see `treeshap.contributions`).
    """
    values, against = values_of(bag, features), None if background is None else values_of(bag, background)
    if against is None and len(values) < ROWS_FOR_FOREST:
        trees, base = by_lightgbm(bag, values)
    else:
        trees = treeshap.contributions(_forest(bag), values, PREDICTION_THREADS, against)
        base = _tree_base(bag, against)
    straight, straight_base = _straight(bag, values, against)
    return trees + straight, base + straight_base


def mean_interactions(
    bag: Bag, features: pd.DataFrame, group: Sequence[int], background: pd.DataFrame | None = None
) -> tuple[Floats, float]:
    """Shapley interaction values of the bag's mean raw log-odds between groups of features: (rows, groups, groups).

    `group` numbers each feature's group from 0. A straight effect interacts with nothing: it stands on the diagonal.
    The sum over both groups is the sum of `mean_contributions`, and they start from the same score, which comes second.
    """
    values, against = values_of(bag, features), None if background is None else values_of(bag, background)
    groups = np.array(group, dtype=np.int32)
    pairs = treeshap.interactions(_forest(bag), values, groups, PREDICTION_THREADS, against)
    straight, straight_base = _straight(bag, values, against)
    for feature, own in enumerate(groups):
        pairs[:, own, own] += straight[..., feature]
    return pairs, _tree_base(bag, against) + straight_base


def member_contributions(bag: Bag, features: pd.DataFrame) -> Iterator[Floats]:
    """The contributions (rows, features) of each member by itself, against the mean of its training rows."""
    values = values_of(bag, features)
    scaled = bag.straight.scale.of(values) if bag.straight else np.zeros(values.shape)
    weights = bag.straight.weights if bag.straight else ((0.0,) * values.shape[1],) * len(bag.members)
    for trees, own in zip(_members_trees(bag, values), weights, strict=True):
        yield trees + scaled * np.array(own)


def by_lightgbm(bag: Bag, values: Floats) -> tuple[Floats, float]:
    """TreeSHAP of the trees by LightGBM itself, and the score that it starts from: the reference."""
    if not len(values):
        return np.empty((0, len(bag.feature_names))), bag.base_log_odds
    total = np.zeros((len(values), len(bag.feature_names) + 1))
    for each in boosters(bag):
        total += each.predict(values, pred_contrib=True, num_threads=1)
    mean = total / len(bag.members)
    return mean[:, :-1], bag.base_log_odds + float(mean[0, -1])


def _members_trees(bag: Bag, values: Floats) -> Iterator[Floats]:
    if len(values) < ROWS_FOR_FOREST:
        for booster in boosters(bag):
            yield np.asarray(booster.predict(values, pred_contrib=True, num_threads=1), dtype=np.float64)[:, :-1]
    else:
        for forest in _forest(bag).apart():
            yield treeshap.contributions(forest, values, PREDICTION_THREADS)


def _forest(bag: Bag) -> Forest:
    return forest_of(bag.members, len(bag.feature_names))


def _tree_base(bag: Bag, against: Floats | None) -> float:
    """The mean score of the trees over their training rows, or over the rows of `against`."""
    if against is None:
        return bag.base_log_odds + _forest(bag).mean_base
    return bag.base_log_odds + float(tree_scores(bag, against).mean())


def _straight(bag: Bag, values: Floats, against: Floats | None) -> tuple[Floats, float]:
    if bag.straight is None:
        return np.zeros(len(bag.feature_names)), 0.0
    own = bag.straight.contributions(values)
    if against is None:
        return own, 0.0
    usual = bag.straight.contributions(against).mean(axis=0)
    return own - usual, float(usual.sum())
