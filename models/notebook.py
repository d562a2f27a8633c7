"""Models in a notebook: frames in, frames out, over the same functions that training and scoring use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from models import splits
from models.bundle import Bundle
from models.estimator import HorizonModel, Settings, fit_horizons, load_settings
from models.estimator import predict as predict_all
from models.explain import (
    Interactions,
    as_shap,
    by_factor,
    contributions_of_prediction,
    interactions_of_prediction,
)
from models.pyfunc import as_frame
from models.registry import set_alias
from models.training_runs import log_training

Models = Bundle | Sequence[HorizonModel]
"""What `champion` and `fit` give."""


def fit(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    index: pd.DataFrame,
    settings: Settings | None = None,
    monotone: Mapping[str, int] | None = None,
) -> tuple[HorizonModel, ...]:
    """A calibrated bag per column of `labels`, from rows thinned as `strainwatch train` thins them.

    `labels` has a column per horizon in days with 1, 0 and NaN for a censored row; `index` has athlete_id and date.
    Without `settings` the shipped model.toml holds; a feature that `monotone` does not name is free. Raises NotReady
    where a horizon has no event.
    """
    settings = settings or load_settings()
    rows = splits.thin(index, settings.every_days)
    athletes = index["athlete_id"].to_numpy()[rows]
    return fit_horizons(features.iloc[rows], labels.iloc[rows], athletes, settings, monotone or {})


def predict(models: Models, features: pd.DataFrame) -> pd.DataFrame:
    """Probability with its interval per horizon and row of `features`: probability_7d, lower_7d, upper_7d, ...

    The features are those of the models' own specs; others are ignored, a missing one is an IntegrityError. These are
    the pooled models' scores: `strainwatch score` adds each squad's own rate, and scores athletes of whom too little is
    measured by age and injury history.
    """
    return as_frame(_horizons(models), features)


def explanations(
    models: Models, features: pd.DataFrame, horizon_days: int, background: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What raises or lowers each row's score, in log-odds: the columns base, one per feature, and log_odds.

    A row's base and contributions add up to its log-odds (asserted). With a bundle, contributions are summed by factor.
    With `background`, rows of the same features, they are against these (docs/explanations.md).
    """
    horizons = _horizons(models)
    predicted = predict_all(horizons, features)
    base, shares = contributions_of_prediction(horizons, predicted, features, horizon_days, background)
    if isinstance(models, Bundle):
        shares = by_factor(shares, models.specs)
    score = predicted.log_odds[predicted.horizons_days.index(horizon_days)]
    return pd.concat([pd.DataFrame({"base": base}, index=shares.index), shares.assign(log_odds=score)], axis=1)


def interactions(
    bundle: Bundle, features: pd.DataFrame, horizon_days: int, background: pd.DataFrame | None = None
) -> Interactions:
    """What factors add to each row's score alone and in pairs, in log-odds; base and all of them add up (asserted)."""
    predicted = predict_all(bundle.models, features)
    return interactions_of_prediction(bundle.models, predicted, features, horizon_days, bundle.specs, background)


def shap_explanation(
    models: Models, features: pd.DataFrame, horizon_days: int, background: pd.DataFrame | None = None
) -> Any:
    """`explanations` by feature as a `shap.Explanation`: `shap.plots.beeswarm(shap_explanation(...))` and the like."""
    horizons = _horizons(models)
    predicted = predict_all(horizons, features)
    return as_shap(*contributions_of_prediction(horizons, predicted, features, horizon_days, background), features)


def register(store: Path, bundle: Bundle) -> int:
    """Record a bundle that was made by hand and register it as challenger; its version.

    `strainwatch promote` then asks the gate about it: what the bundle does not hold, such as leak checks, counts
    against it.
    """
    registered = log_training(store, bundle, {}, bundle.settings.as_json(), {}, {}, {"made": "in a notebook"})
    set_alias(store, registered.version, "challenger")
    return registered.version


def _horizons(models: Models) -> Sequence[HorizonModel]:
    return models.models if isinstance(models, Bundle) else models
