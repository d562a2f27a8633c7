"""Straight effects: a ridge regression in which no feature may work against its declared direction.

From tens of injuries trees find little more than chance, while many weak effects of known direction can still be added
up. So each member of a bag starts from such a sum, and its trees learn what bends and interacts. A feature without a
declared direction has no straight effect, and a missing value adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from models.odds import Floats, probability

LIMIT_PERCENTILES = (1.0, 99.0)
_MOST_STEPS = 30
_SETTLED = 1e-3  # log-odds per spread; steps shrink quadratically, so what is left is some thousand times smaller


@dataclass(frozen=True)
class Scale:
    """What makes features comparable: the limits that a value is held to, and mean and spread within them."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]

    def of(self, values: Floats) -> Floats:
        """`values` (rows, features) in spreads from the mean; 0 where missing."""
        held = np.clip(values, self.low, self.high)
        return np.asarray(np.nan_to_num((held - np.array(self.mean)) / np.array(self.spread)))


@dataclass(frozen=True)
class Straight:
    """Log-odds per spread of each feature, for each member of a bag: `weights` is (members, features)."""

    scale: Scale
    weights: tuple[tuple[float, ...], ...]

    def log_odds(self, values: Floats) -> Floats:
        """What each member adds for rows of `values` (rows, features): (members, rows)."""
        return np.asarray(np.array(self.weights) @ self.scale.of(values).T)

    def contributions(self, values: Floats) -> Floats:
        """The mean member's log-odds by feature (rows, features), against the mean of the training rows.

        These are the Shapley values of a sum: each term less its mean.
        """
        return np.asarray(self.scale.of(values) * np.array(self.weights).mean(axis=0))

    def as_json(self) -> dict[str, Any]:
        """A plain mapping that `straight_from_json` reads back."""
        return asdict(self)


def straight_from_json(content: Mapping[str, Any]) -> Straight:
    """What `Straight.as_json` gave."""
    scale = Scale(**{name: tuple(values) for name, values in content["scale"].items()})
    return Straight(scale, tuple(tuple(member) for member in content["weights"]))


def scale_of(values: Floats) -> Scale:
    """The scale of training rows (rows, features); a feature that is never known or never varies gets 0 everywhere."""
    known = np.where(np.isnan(values).all(axis=0), 0.0, values)
    low, high = np.nanpercentile(known, LIMIT_PERCENTILES, axis=0)
    held = np.clip(known, low, high)
    mean, spread = np.nanmean(held, axis=0), np.nanstd(held, axis=0)
    parts = (low, high, mean, np.where(spread > 0, spread, 1.0))
    return Scale(*(tuple(float(each) for each in part) for part in parts))


def fit_weights(
    scaled: Floats,
    direction: Sequence[int],
    label: Floats,
    copies: Floats,
    penalty: float,
    start: Floats | None = None,
) -> Floats:
    """Log-odds per spread (features) of the best penalised logistic regression with no weight against its direction.

    `scaled` is (rows, features) on a `Scale`, `direction` is +1, -1 or 0 (no weight) per feature, `copies` how often a
    row counts, `start` weights that are already near. `penalty` is on half the squared weights, against the sum of the
    log-loss: a fixed prior, so that more injuries are believed more. Newton's method, each step a non-negative
    least-squares problem (Lawson & Hanson).
    """
    signs = np.asarray(direction, dtype=np.float64)
    used = np.flatnonzero(signs)
    if not len(used):
        return signs
    columns = scaled[:, used] * signs[used]
    weights = np.zeros(len(used)) if start is None else start[used] * signs[used]
    rate = copies @ label / copies.sum()
    base = float(np.log(rate / (1 - rate)))
    for _ in range(_MOST_STEPS):
        step, base = _newton(columns, label, copies, penalty, weights, base)
        change, weights = np.abs(step - weights).max(initial=0.0), step
        if change < _SETTLED:
            break
    found = np.zeros(len(signs))
    found[used] = weights * signs[used]
    return found


def _newton(
    columns: Floats, label: Floats, copies: Floats, penalty: float, weights: Floats, base: float
) -> tuple[Floats, float]:
    """The weights and the intercept that minimise the loss's parabola at `weights` and `base`."""
    chance = probability(base + columns @ weights)
    curve, gap = copies * chance * (1 - chance), copies * (label - chance)
    bent = columns * curve[:, None]
    centre = bent.sum(axis=0) / curve.sum()
    hessian = bent.T @ columns - curve.sum() * np.outer(centre, centre)  # the intercept follows the weights
    pull = columns.T @ gap - centre * gap.sum() + hessian @ weights
    root = cholesky(hessian + penalty * np.eye(len(weights)), lower=True)
    found = nnls(root.T, solve_triangular(root, pull, lower=True))[0]
    return found, base + float(gap.sum() / curve.sum() - centre @ (found - weights))
