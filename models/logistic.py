"""A penalised logistic regression as plain numbers: what it learns, what it says and how each feature adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.odds import Floats, probability


@dataclass(frozen=True)
class Term:
    """What one feature adds to the log-odds: weight x (value - centre) + if_missing x (is missing - share_missing).

    A missing value counts as `median`. `centre` and `share_missing` are means of the training rows, so that a term
    is 0 on their average and the base is their score; `spread` is the standard deviation of their values.
    """

    feature: str
    median: float
    centre: float
    weight: float
    share_missing: float
    if_missing: float
    spread: float

    def added(self, values: Floats) -> Floats:
        """Log-odds added per value."""
        is_missing = np.isnan(values)
        known = np.where(is_missing, self.median, values)
        return np.asarray(self.weight * (known - self.centre) + self.if_missing * (is_missing - self.share_missing))


@dataclass(frozen=True)
class Logistic:
    """`base` is the log-odds of the average training row; every term adds to it."""

    base: float
    terms: tuple[Term, ...]

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Log-odds that each feature adds (rows x features); with `base` they add up to `log_odds`."""
        added = {term.feature: term.added(features[term.feature].to_numpy(dtype=np.float64)) for term in self.terms}
        return pd.DataFrame(added, index=features.index)

    def log_odds(self, features: pd.DataFrame) -> Floats:
        """Log-odds per row."""
        return np.asarray(self.base + self.contributions(features).to_numpy(dtype=np.float64).sum(axis=1))

    def chances(self, features: pd.DataFrame) -> Floats:
        """Probability per row."""
        return probability(self.log_odds(features))

    def as_json(self) -> dict[str, Any]:
        """A plain mapping that `logistic_from_json` reads back."""
        return asdict(self)


def logistic_from_json(content: Mapping[str, Any]) -> Logistic:
    """What `Logistic.as_json` wrote."""
    return Logistic(content["base"], tuple(Term(**term) for term in content["terms"]))


def learn_logistic(
    features: pd.DataFrame, label: Floats, columns: Sequence[str], inverse_penalty: float, l1_share: float = 0.0
) -> Logistic:
    """Median imputation, missing indicators, scaling and penalised regression, all learnt from these rows alone.

    The penalty is L2, but for the share of it that is L1. Each of `columns` must hold a value, and `label` both
    classes.
    """
    from sklearn.linear_model import LogisticRegression

    values = features[list(columns)].to_numpy(dtype=np.float64)
    is_missing = np.isnan(values)
    medians = np.nanmedian(values, axis=0)
    design = np.hstack([np.where(is_missing, medians, values), is_missing])
    centres, spreads = design.mean(axis=0), design.std(axis=0)
    varies = spreads > 0
    scaled = (design[:, varies] - centres[varies]) / spreads[varies]
    solver = {"solver": "saga", "tol": 1e-3, "max_iter": 3000, "random_state": 0}
    if not l1_share:
        solver = {"solver": "newton-cholesky", "tol": 1e-7, "max_iter": 200}
    fitted = LogisticRegression(C=inverse_penalty, l1_ratio=l1_share, **solver)
    fitted.fit(scaled, label)
    weights = np.zeros(len(spreads))
    weights[varies] = fitted.coef_[0] / spreads[varies]
    columns_of_terms = (columns, medians, *np.split(centres, 2), *np.split(weights, 2), np.nanstd(values, axis=0))
    terms = tuple(
        Term(str(name), float(median), float(centre), float(weight), float(share), float(if_missing), float(spread))
        for name, median, centre, share, weight, if_missing, spread in zip(*columns_of_terms, strict=True)
    )
    return Logistic(float(fitted.intercept_[0]), terms)
