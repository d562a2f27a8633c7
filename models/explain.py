"""Why a score is what it is: exact Shapley values by feature and by factor, in calibrated log-odds.

The contributions of one row and the base add up to its calibrated log-odds; this is checked at every
call. They say how the model arrived at a score: a contribution raises or lowers the score, it is no cause
of an injury.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from configs.errors import IntegrityError
from models.estimator import (
    Calibration,
    Floats,
    HorizonModel,
    Predicted,
    boosters,
    mean_contributions,
    member_log_odds,
    tree_contributions,
)

LARGEST_GAP = 1e-6
"""Log-odds by which base plus contributions may miss the score: rounding, not approximation."""


class HasFactor(Protocol):
    """A feature spec, as far as explanations need it."""

    @property
    def name(self) -> str: ...

    @property
    def factor(self) -> str: ...


def contributions(model: HorizonModel, features: pd.DataFrame) -> tuple[float, pd.DataFrame]:
    """The calibrated base log-odds, and what each feature adds to it (rows x features).

    Platt is linear, so its slope scales every contribution and nothing is lost. Beta bends: a row's
    contributions are scaled by calibrated over raw distance from the base, which keeps their order and
    their sum. A constant model gives zeros. Raises IntegrityError if the sum misses the score by more
    than LARGEST_GAP.
    """
    raw, raw_base = mean_contributions(model.bag, features)
    base = float(model.calibration.log_odds(np.array([raw_base]))[0])
    scaled = raw * _stretch(model.calibration, raw.sum(axis=1), raw_base)[:, None]
    score = model.calibration.log_odds(member_log_odds(model.bag, features).mean(axis=0))
    require_additive(base + scaled.sum(axis=1), score, f"the {model.horizon_days}-day model")
    return base, pd.DataFrame(scaled, index=features.index, columns=list(model.bag.feature_names))


def _stretch(calibration: Calibration, distance: Floats, raw_base: float) -> Floats:
    """Calibrated over raw distance from the base, row by row."""
    if calibration.kind == "platt":
        return np.full(len(distance), calibration.coefficients[1])
    # At no distance the quotient is 0/0; its limit is the slope there, found over a small step.
    step = np.where(np.abs(distance) < 1e-6, 1e-6, distance)
    start = np.full(len(step), raw_base)
    return np.asarray((calibration.log_odds(start + step) - calibration.log_odds(start)) / step)


def require_additive(total: Floats, score: Floats, what: str) -> None:
    """Raise IntegrityError unless base plus contributions equal the score, row by row."""
    gap = float(np.abs(total - score).max(initial=0.0))
    if not gap <= LARGEST_GAP:
        raise IntegrityError(
            f"explanations of {what} miss its score by {gap:.2g} log-odds (at most {LARGEST_GAP:g} allowed): "
            "nothing was written. The bundle is damaged, or another LightGBM trained it; train again."
        )


def contributions_of_prediction(
    models: Sequence[HorizonModel], predicted: Predicted, features: pd.DataFrame, horizon_days: int
) -> tuple[Floats, pd.DataFrame]:
    """Base (rows) and contributions (rows x features) of one horizon's scores as predicted.

    Where a shorter horizon's model set the score, they are that model's, with its base.
    """
    at = predicted.horizons_days.index(horizon_days)
    source = predicted.source_horizon[at]
    base = np.empty(len(features))
    shares = pd.DataFrame(0.0, index=features.index, columns=list(models[0].bag.feature_names))
    for model in models:
        rows = np.flatnonzero(source == model.horizon_days)
        if len(rows):
            base[rows], part = contributions(model, features.iloc[rows])
            shares.iloc[rows] = part[shares.columns].to_numpy()
    total = base + shares.to_numpy().sum(axis=1)
    require_additive(total, predicted.log_odds[at], f"the {horizon_days}-day scores")
    return base, shares


def by_factor(shares: pd.DataFrame, specs: Iterable[HasFactor]) -> pd.DataFrame:
    """Signed sums of the contributions of each factor's features (rows x factors, in the order of the
    specs)."""
    factor_of = {spec.name: spec.factor for spec in specs}
    if unknown := [str(name) for name in shares.columns if name not in factor_of]:
        raise IntegrityError(
            f"features without a factor: {', '.join(unknown[:5])}. Explain with the specs of the model's own bundle."
        )
    factors = list(dict.fromkeys(factor for name, factor in factor_of.items() if name in shares.columns))
    summed = {
        factor: shares[[name for name in shares.columns if factor_of[name] == factor]].sum(axis=1) for factor in factors
    }
    return pd.DataFrame(summed, index=shares.index)


def odds_multiplier(contribution: Floats) -> Floats:
    """By how much a contribution multiplies the odds: 1 leaves the score as it is."""
    return np.asarray(np.exp(contribution))


def shap_check(model: HorizonModel, features: pd.DataFrame) -> float:
    """The trees' largest difference from the shap library's own TreeSHAP, in raw log-odds; 0 for no rows."""
    if not len(features):
        return 0.0
    with warnings.catch_warnings():
        # Its plotting modules call what matplotlib is about to retire; nothing here plots.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap

    values = features[list(model.bag.feature_names)].to_numpy(dtype=np.float64)
    total = np.zeros(values.shape)
    for member in boosters(model.bag):
        explainer = shap.TreeExplainer(member)
        # Left alone it would ask LightGBM for the answer and so compare LightGBM with itself.
        explainer.model.model_type = "internal"
        total += np.asarray(explainer.shap_values(values, check_additivity=False))
    theirs = total / len(model.bag.members)
    return float(np.abs(theirs - tree_contributions(model.bag, features)[0]).max())
