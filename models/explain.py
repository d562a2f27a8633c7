"""Why a score is what it is: exact Shapley values by feature and by factor, in calibrated log-odds.

The contributions of one row and the base add up to its calibrated log-odds; this is checked at every
call. They say how the model arrived at a score: a contribution raises or lowers the score, it is no cause
of an injury.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from configs.errors import IntegrityError, NotReady
from models.contributions import mean_contributions, mean_interactions
from models.estimator import Calibration, HorizonModel, Predicted, member_log_odds
from models.odds import Floats

LARGEST_GAP = 1e-6
"""Log-odds by which base plus contributions may miss the score: rounding, not approximation."""


class HasFactor(Protocol):
    """A feature spec, as far as explanations need it."""

    @property
    def name(self) -> str: ...

    @property
    def factor(self) -> str: ...


def contributions(
    model: HorizonModel, features: pd.DataFrame, background: pd.DataFrame | None = None
) -> tuple[float, pd.DataFrame]:
    """The calibrated base log-odds, and what each feature adds to it (rows x features).

    Path-dependent: the base is the mean of the training rows, and who is not known takes their way through each tree.
    With `background` interventional: the base is the mean raw score of its rows, and a feature that is not known takes
    its value from each of them in turn.

    Platt is linear, so its slope scales every contribution and nothing is lost. Beta bends: a row's
    contributions are scaled by calibrated over raw distance from the base, which keeps their order and
    their sum. A constant model gives zeros. Raises IntegrityError if the sum misses the score by more
    than LARGEST_GAP, NotReady for a background without rows.
    """
    base, shares = _unchecked(model, features, background)
    total = base + shares.to_numpy().sum(axis=1)
    require_additive(total, _score(model, features), f"the {model.horizon_days}-day model")
    return base, shares


def _unchecked(
    model: HorizonModel, features: pd.DataFrame, background: pd.DataFrame | None
) -> tuple[float, pd.DataFrame]:
    """`contributions`, for a caller who holds the scores that these must add up to."""
    _require_rows(background)
    raw, raw_base = mean_contributions(model.bag, features, background)
    base = float(model.calibration.log_odds(np.array([raw_base]))[0])
    scaled = raw * _stretch(model.calibration, raw.sum(axis=1), raw_base)[:, None]
    return base, pd.DataFrame(scaled, index=features.index, columns=list(model.bag.feature_names))


def _require_rows(background: pd.DataFrame | None) -> None:
    if background is not None and background.empty:
        raise NotReady("there are no athlete-days to explain against: name another background.")


def _score(model: HorizonModel, features: pd.DataFrame) -> Floats:
    return model.calibration.log_odds(member_log_odds(model.bag, features).mean(axis=0))


@dataclass(frozen=True)
class Interactions:
    """What factors add to each row's score alone and in pairs, in calibrated log-odds.

    `values` (rows, factors, factors) is symmetric: half of a pair's effect stands on either side. Base and all values
    of a row add up to its score, the values of one line to the factor's contribution.
    """

    factors: tuple[str, ...]
    base: Floats
    values: Floats

    def pairs(self, row: int) -> pd.DataFrame:
        """`one`, `other` and `effect` of each pair in one row (both sides together), strongest first."""
        one, other = np.triu_indices(len(self.factors), k=1)
        names = np.array(self.factors, dtype=object)
        effect = 2 * self.values[row, one, other]
        found = pd.DataFrame({"one": names[one], "other": names[other], "effect": effect})
        return found.sort_values("effect", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def interactions(
    model: HorizonModel,
    features: pd.DataFrame,
    specs: Iterable[HasFactor],
    background: pd.DataFrame | None = None,
) -> Interactions:
    """Pairwise Shapley interaction values, summed to factors; arguments and errors as of `contributions`.

    What the features of one factor do together stands on its diagonal. Lundberg et al. 2020,
    doi:10.1038/s42256-019-0138-9.
    """
    found = _unchecked_interactions(model, features, specs, background)
    total = found.base + found.values.sum(axis=(1, 2))
    require_additive(total, _score(model, features), f"pairs in the {model.horizon_days}-day model")
    return found


def _unchecked_interactions(
    model: HorizonModel, features: pd.DataFrame, specs: Iterable[HasFactor], background: pd.DataFrame | None
) -> Interactions:
    _require_rows(background)
    names = list(model.bag.feature_names)
    factor_of = _factors_of(names, specs)
    factors = tuple(dict.fromkeys(factor_of.values()))
    group = [factors.index(factor_of[name]) for name in names]
    raw, raw_base = mean_interactions(model.bag, features, group, background)
    scaled = raw * _stretch(model.calibration, raw.sum(axis=(1, 2)), raw_base)[:, None, None]
    base = np.full(len(features), model.calibration.log_odds(np.array([raw_base]))[0])
    return Interactions(factors, base, scaled)


def _stretch(calibration: Calibration, distance: Floats, raw_base: float) -> Floats:
    """Calibrated over raw distance from the base, row by row."""
    if calibration.kind == "platt":
        return np.full(len(distance), calibration.coefficients[1])
    # At no distance the quotient is 0/0; its limit is the slope there, found over a small step.
    step = np.where(np.abs(distance) < 1e-6, 1e-6, distance)
    start = np.full(len(step), raw_base)
    return np.asarray((calibration.log_odds(start + step) - calibration.log_odds(start)) / step)


def require_additive(
    total: Floats,
    score: Floats,
    what: str,
    advice: str = "The bundle is damaged, or another LightGBM trained it; train again.",
) -> None:
    """Raise IntegrityError unless base plus contributions equal the score, row by row."""
    gap = float(np.abs(total - score).max(initial=0.0))
    if not gap <= LARGEST_GAP:
        raise IntegrityError(
            f"explanations of {what} miss its score by {gap:.2g} log-odds (at most {LARGEST_GAP:g} allowed): "
            f"nothing was written. {advice}"
        )


def require_stored_additive(predictions: pd.DataFrame, explanations: pd.DataFrame) -> None:
    """Raise IntegrityError unless stored rows of both tables (serving/store.py) add up for whoever is scored."""
    key = ["athlete_id", "as_of", "model_version", "horizon_days"]
    scored = predictions[~predictions["abstained"].astype(bool)]
    shares = explanations.groupby(key)["contribution"].sum().reindex(pd.MultiIndex.from_frame(scored[key]))
    total = scored["base_log_odds"].to_numpy() + shares.fillna(0.0).to_numpy()
    advice = "The database was changed or damaged; `strainwatch score --replace` says the moment anew."
    require_additive(total, scored["log_odds"].to_numpy(), "the stored scores", advice)


def contributions_of_prediction(
    models: Sequence[HorizonModel],
    predicted: Predicted,
    features: pd.DataFrame,
    horizon_days: int,
    background: pd.DataFrame | None = None,
) -> tuple[Floats, pd.DataFrame]:
    """Base (rows) and contributions (rows x features) of one horizon's scores as predicted.

    Where a shorter horizon's model set the score, they are that model's, with its base. `background` as in
    `contributions`.
    """
    base = np.empty(len(features))
    shares = pd.DataFrame(0.0, index=features.index, columns=list(models[0].bag.feature_names))
    for model, rows in _setting(models, predicted, horizon_days):
        base[rows], part = _unchecked(model, features.iloc[rows], background)
        shares.iloc[rows] = part[shares.columns].to_numpy()
    total = base + shares.to_numpy().sum(axis=1)
    _require_predicted(total, predicted, horizon_days)
    return base, shares


def interactions_of_prediction(
    models: Sequence[HorizonModel],
    predicted: Predicted,
    features: pd.DataFrame,
    horizon_days: int,
    specs: Sequence[HasFactor],
    background: pd.DataFrame | None = None,
) -> Interactions:
    """`interactions` of one horizon's scores as predicted, each by the model that set it."""
    factors = tuple(dict.fromkeys(_factors_of(list(models[0].bag.feature_names), specs).values()))
    base, values = np.empty(len(features)), np.empty((len(features), len(factors), len(factors)))
    for model, rows in _setting(models, predicted, horizon_days):
        part = _unchecked_interactions(model, features.iloc[rows], specs, background)
        base[rows], values[rows] = part.base, part.values
    _require_predicted(base + values.sum(axis=(1, 2)), predicted, horizon_days)
    return Interactions(factors, base, values)


def _setting(
    models: Sequence[HorizonModel], predicted: Predicted, horizon_days: int
) -> Iterator[tuple[HorizonModel, NDArray[np.intp]]]:
    """Each model that set scores of this horizon, and the rows for which it did."""
    source = predicted.source_horizon[predicted.horizons_days.index(horizon_days)]
    for model in models:
        rows = np.flatnonzero(source == model.horizon_days)
        if len(rows):
            yield model, rows


def _require_predicted(total: Floats, predicted: Predicted, horizon_days: int) -> None:
    score = predicted.log_odds[predicted.horizons_days.index(horizon_days)]
    require_additive(total, score, f"the {horizon_days}-day scores")


def by_factor(shares: pd.DataFrame, specs: Iterable[HasFactor]) -> pd.DataFrame:
    """Signed sums of the contributions of each factor's features (rows x factors, in the order of the
    specs)."""
    factor_of = _factors_of([str(name) for name in shares.columns], specs)
    summed = {
        factor: shares[[name for name in shares.columns if factor_of[name] == factor]].sum(axis=1)
        for factor in dict.fromkeys(factor_of.values())
    }
    return pd.DataFrame(summed, index=shares.index)


def _factors_of(names: Sequence[str], specs: Iterable[HasFactor]) -> dict[str, str]:
    """The factor of each of `names`, in the order of the specs. Raises IntegrityError for one that has none."""
    factor_of = {spec.name: spec.factor for spec in specs if spec.name in set(names)}
    if unknown := [name for name in names if name not in factor_of]:
        raise IntegrityError(
            f"features without a factor: {', '.join(unknown[:5])}. Explain with the specs of the model's own bundle."
        )
    return factor_of


def as_shap(base: Floats, shares: pd.DataFrame, features: pd.DataFrame) -> Any:
    """A `shap.Explanation` of base (rows) and contributions (rows x features), for the shap library's plots.

    `features` holds what the contributions belong to, under the same names.
    """
    names = [str(name) for name in shares.columns]
    values = features[names].to_numpy(dtype=np.float64)
    return _import_shap().Explanation(shares.to_numpy(), base_values=base, data=values, feature_names=names)


def _import_shap() -> Any:
    with warnings.catch_warnings():
        # Its plotting modules call what matplotlib is about to retire.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap
    return shap
