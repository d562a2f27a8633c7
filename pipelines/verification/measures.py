"""Measures of recovery, as plain arithmetic: area under the curve against known risk, agreement of explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata, t

from models.metrics import athlete_draws
from models.odds import Floats

Bools = npt.NDArray[np.bool_]

TOP = 3


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95% interval (Student's t); without one, NaN, where there is a single seed."""

    value: float
    lower: float
    upper: float
    by_seed: tuple[float, ...]


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of one figure per seed; seeds that could not give one (NaN) are left out."""
    found = np.array([value for value in values if np.isfinite(value)])
    by_seed = tuple(float(value) for value in values)
    if not len(found):
        return Estimate(np.nan, np.nan, np.nan, by_seed)
    mean = float(found.mean())
    if len(found) == 1:
        return Estimate(mean, np.nan, np.nan, by_seed)
    half = float(t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found)))
    return Estimate(mean, mean - half, mean + half, by_seed)


def expected_auroc(score: Floats, chance: Floats, weight: Floats | None = None) -> float:
    """The AUROC of `score` over all possible outcomes, row i having an event with probability `chance[i]`.

    sum over i != j of c_i (1 - c_j) [s_i > s_j], ties half, over the sum of c_i (1 - c_j). Drawn events (0 or 1)
    for `chance` give the ordinary AUROC. `weight` counts rows several times, as a resample does.
    """
    times = np.ones(len(score)) if weight is None else weight
    level = np.unique(score, return_inverse=True)[1]
    event = np.bincount(level, weights=times * chance)
    none = np.bincount(level, weights=times * (1 - chance))
    itself = float((times**2 * chance * (1 - chance)).sum())
    won = float((event * (np.cumsum(none) - none / 2)).sum()) - itself / 2
    pairs = float(event.sum() * none.sum()) - itself
    return won / pairs if pairs > 0 else np.nan


def auroc_draws(score: Floats, chance: Floats, athletes: npt.NDArray[np.int64], resamples: int, seed: int) -> Floats:
    """`expected_auroc` of the rows as they are, then of `resamples` bootstrap samples of athletes."""
    count = int(athletes.max()) + 1
    every = np.vstack([np.ones(count), athlete_draws(count, resamples, seed)])
    return np.array([expected_auroc(score, chance, weights[athletes]) for weights in every])


def share_of_oracle(model: float, oracle: float) -> float:
    """How much of the oracle's AUROC above 0.5 the model reaches; NaN where the oracle has none."""
    return (model - 0.5) / (oracle - 0.5) if oracle > 0.5 else np.nan


@dataclass(frozen=True)
class Agreement:
    """How well explanations match the truth, mean over predictions.

    `rank` is Spearman's correlation over factors, `top` how often the factor that raises the score most is the right
    one, `near_top` how often it is within NEAR of the right one in truth, `top_three` the share of the three most
    raising that is right, `sign` the share of true shares above LARGE on whose side the explanation is.
    """

    rank: float
    top: float
    near_top: float
    top_three: float
    sign: float
    predictions: int


LARGE = 0.1
"""Log-hazard above which a true share must have its sign right: it moves the odds by a tenth."""

NEAR = 0.1
"""Log-hazard by which the factor named first may fall short of the true first and still count as `near_top`."""


def agreement(said: Floats, true: Floats) -> Agreement:
    """Agreement of explanations (predictions, factors) with true shares of the same shape.

    One that says the same of every factor, as that of a constant model does, names none and agrees with nothing.
    """
    if not len(said):
        return Agreement(np.nan, np.nan, np.nan, np.nan, np.nan, 0)
    first, rows, tells = said.argmax(axis=1), np.arange(len(said)), np.ptp(said, axis=1) > 0
    short = true.max(axis=1) - true[rows, first]
    large = np.abs(true) > LARGE
    right = np.sign(said) == np.sign(true)
    return Agreement(
        rank=float(np.nan_to_num(rank_correlation(said, true)).mean()),
        top=float(((first == true.argmax(axis=1)) & tells).mean()),
        near_top=float(((short <= NEAR) & tells).mean()),
        top_three=float((_top_overlap(said, true) * tells).mean()),
        sign=float(right[large].mean()) if large.any() else np.nan,
        predictions=len(said),
    )


def rank_correlation(one: Floats, other: Floats) -> Floats:
    """Spearman's correlation of each row of `one` with that of `other`; NaN where a row is constant."""
    ranks = [rankdata(each, axis=1) for each in (one, other)]
    first, second = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    found = np.full(len(one), np.nan)
    np.divide((first * second).sum(axis=1), spread, out=found, where=spread > 0)
    return found


def _top_overlap(said: Floats, true: Floats) -> Floats:
    chosen = [np.argsort(-each, axis=1, kind="stable")[:, :TOP] for each in (said, true)]
    shared: Floats = (chosen[0][:, :, None] == chosen[1][:, None, :]).any(axis=2).mean(axis=1)
    return shared


def top_changes(refits: Sequence[Floats]) -> float:
    """Of all pairs of refits (predictions, factors), the share of predictions whose first factor differs.

    NaN without a prediction.
    """
    if not len(refits[0]):
        return np.nan
    first = np.stack([each.argmax(axis=1) for each in refits])
    pairs = [(a, b) for a in range(len(first)) for b in range(a)]
    return float(np.mean([(first[a] != first[b]).mean() for a, b in pairs]))
