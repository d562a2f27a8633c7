"""Age and injury history alone: what scores an athlete of whom too little is measured for the model.

The interval is wider than the age-and-history fit alone would give. To what its refits on other athletes say it adds
how far the model's own scores lie from it: for an athlete without measurements nobody knows on which side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from models.baselines import BaselineFeatures, fit_age_history
from models.estimator import INTERVAL_PERCENTILES, Predicted, Settings, athlete_samples, sources
from models.explain import require_additive
from models.logistic import Logistic, logistic_from_json
from models.odds import Floats, probability, rate_log_odds

SCORED_BY = "age and injury history"
"""How a prediction row calls this model."""
OFTEN_MEASURED = 0.5
"""A feature that training missed in more rows than this does not count as missing at scoring."""


@dataclass(frozen=True)
class Fallback:
    """What predicts one horizon: the fit, its refits on bootstraps of athletes, and what it cannot see.

    `hidden_sd` is the spread, in log-odds, of the model's out-of-bag scores around this fit's.
    """

    horizon_days: int
    form: Logistic
    members: tuple[Logistic, ...]
    hidden_sd: float

    def shifted(self, log_odds: float, sd: float) -> Fallback:
        """The same with every score moved, by so much give or take `sd`: a squad's own rate holds for newcomers too."""
        forms = [replace(form, base=form.base + log_odds) for form in (self.form, *self.members)]
        hidden_sd = float(np.hypot(self.hidden_sd, sd))
        return replace(self, form=forms[0], members=tuple(forms[1:]), hidden_sd=hidden_sd)

    def as_json(self) -> dict[str, Any]:
        """A plain mapping that `fallback_from_json` reads back."""
        return {
            "horizon_days": self.horizon_days,
            "form": self.form.as_json(),
            "members": [member.as_json() for member in self.members],
            "hidden_sd": self.hidden_sd,
        }


def fallback_from_json(content: Mapping[str, Any]) -> Fallback:
    """What `Fallback.as_json` wrote."""
    members = tuple(logistic_from_json(member) for member in content["members"])
    return Fallback(content["horizon_days"], logistic_from_json(content["form"]), members, content["hidden_sd"])


def fit_fallback(
    unseen: Mapping[int, Floats],
    features: pd.DataFrame,
    labels: pd.DataFrame,
    athletes: NDArray[Any],
    names: BaselineFeatures,
    settings: Settings,
) -> tuple[Fallback, ...]:
    """One fall-back per horizon of `unseen`, learnt from the rows that the model was fitted on.

    `unseen` are the model's scores of these rows out of bag (models.recalibration.unseen_scores).
    """
    return tuple(
        _fit_horizon(
            days, unseen[days], features, labels[str(days)].to_numpy(dtype=np.float64), athletes, names, settings
        )
        for days in sorted(unseen)
    )


def _fit_horizon(
    horizon_days: int,
    seen: Floats,
    features: pd.DataFrame,
    label: Floats,
    athletes: NDArray[Any],
    names: BaselineFeatures,
    settings: Settings,
) -> Fallback:
    known = np.flatnonzero(np.isfinite(label))
    features, label, seen = features.iloc[known], label[known], seen[known]
    codes = pd.factorize(np.asarray(athletes)[known])[0]
    form = _fit(features, label, names, settings)
    samples = athlete_samples(codes, label, settings.members, settings.seed)
    drawn = (np.repeat(np.arange(len(label)), sample[codes]) for sample in samples)
    members = tuple(_fit(features.iloc[rows], label[rows], names, settings) for rows in drawn)
    apart = (seen - form.log_odds(features))[np.isfinite(seen)]
    return Fallback(horizon_days, form, members, float(apart.std()) if len(apart) else 0.0)


def _fit(features: pd.DataFrame, label: Floats, names: BaselineFeatures, settings: Settings) -> Logistic:
    """The baseline's numbers; the event rate where it has no feature to learn from."""
    form = fit_age_history(features, label, names, settings).form
    return form if form is not None else Logistic(rate_log_odds(label), ())


def share_missing(features: pd.DataFrame, names: Sequence[str], missed: Mapping[str, float]) -> Floats:
    """Per row, the share of missing values among those of the features `names` that training usually had.

    `missed` is the share of training rows in which each of them was missing.
    """
    usual = [name for name in names if missed[name] <= OFTEN_MEASURED]
    return features[usual].isna().mean(axis=1).to_numpy() if usual else np.zeros(len(features))


def floor_in_words(out_of_fold: pd.DataFrame, share: Floats, floor: float) -> str:
    """Which part of an evaluation concerns athlete-days that the fall-back would have scored, in a sentence.

    `out_of_fold` is that of models.evaluation.Evaluation; `share` is `share_missing` of each row of the index. Counted
    are days with a known outcome at the shortest horizon.
    """
    days = int(out_of_fold["horizon_days"].min())
    is_known = (out_of_fold["horizon_days"] == days) & out_of_fold["label"].notna()
    tested = out_of_fold[is_known].drop_duplicates("row")
    below = tested[share[tested["row"]] > floor]
    limit = f"more than {100 * floor:.0f} % of the usual measurements"
    if below.empty:
        return (
            f"None of the {len(tested):,} tested athlete-days lacks {limit}: scores by age and injury history alone, "
            "for athletes without history, are not tested on this data."
        )
    return (
        f"{len(below):,} of {len(tested):,} tested athlete-days (athletes: {below['athlete_id'].nunique()}) lack "
        f"{limit}; an injury followed {int(below['label'].sum())} of them within {days} days. Here they have the "
        "model's score, in use that by age and injury history alone."
    )


def can_score(models: Sequence[Fallback], features: pd.DataFrame) -> NDArray[np.bool_]:
    """True for rows in which age or a part of the injury history is known."""
    used = _used(models)
    return features[used].notna().any(axis=1).to_numpy() if used else np.zeros(len(features), dtype=bool)


def _used(models: Sequence[Fallback]) -> list[str]:
    return list(dict.fromkeys(term.feature for model in models for term in model.form.terms))


def predict_fallback(models: Sequence[Fallback], features: pd.DataFrame) -> Predicted:
    """Probabilities and intervals of all horizons; a longer horizon never scores lower than a shorter one."""
    ordered = sorted(models, key=lambda model: model.horizon_days)
    horizons = tuple(model.horizon_days for model in ordered)
    own = np.vstack([model.form.log_odds(features) for model in ordered])
    reach = np.vstack([_reach(model, features) for model in ordered])
    low, high = (ndtri(share / 100) for share in INTERVAL_PERCENTILES)
    log_odds, lower, upper = (np.maximum.accumulate(own + times * reach, axis=0) for times in (0.0, low, high))
    return Predicted(
        horizons, log_odds, probability(log_odds), probability(lower), probability(upper), sources(own, horizons)
    )


def _reach(model: Fallback, features: pd.DataFrame) -> Floats:
    """Standard deviation of a score in log-odds: over the refits, by what is missing, of what this model cannot see."""
    refits = np.vstack([member.log_odds(features) for member in model.members])
    unknown = np.zeros(len(features))
    for term in model.form.terms:
        unknown += np.where(features[term.feature].isna(), (term.weight * term.spread) ** 2, 0.0)
    return np.asarray(np.sqrt(refits.var(axis=0) + unknown + model.hidden_sd**2))


def fallback_contributions(
    models: Sequence[Fallback], predicted: Predicted, features: pd.DataFrame, horizon_days: int
) -> tuple[Floats, pd.DataFrame]:
    """Base (rows) and contributions (rows x features) of one horizon's scores, in log-odds.

    They add up to the score; IntegrityError if not. Where a shorter horizon set it, they are that horizon's.
    """
    at = predicted.horizons_days.index(horizon_days)
    base = np.zeros(len(features))
    shares = pd.DataFrame(0.0, index=features.index, columns=_used(models))
    for model in models:
        rows = np.flatnonzero(predicted.source_horizon[at] == model.horizon_days)
        part = model.form.contributions(features.iloc[rows])
        base[rows] = model.form.base
        shares.iloc[rows] = part.reindex(columns=shares.columns, fill_value=0.0).to_numpy()
    total = base + shares.to_numpy().sum(axis=1)
    require_additive(total, predicted.log_odds[at], f"the {horizon_days}-day scores by age and injury history")
    return base, shares
