"""What a model must beat: the base rate, age and injury history, penalised logistic regression, the ACWR
rule.

Every baseline learns from training rows alone and gives probabilities. One whose features the data lacks
falls back to the base rate and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.estimator import Floats, Settings
from models.logistic import Logistic, learn_logistic

ACWR_LIMIT = 1.5
"""Upper edge of the acute:chronic workload ratio's "danger zone": Gabbett 2016, Br J Sports Med
50(5):273-280."""


@dataclass(frozen=True)
class BaselineFeatures:
    """Which features the baselines read; None or empty if the specs have none."""

    age: str | None = None
    history: tuple[str, ...] = ()
    acwr: str | None = None
    regression: tuple[str, ...] = ()
    """What the penalised regression reads; all that it is given if empty."""


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline: `predict` gives one probability per row; `note` says what it had to do without.

    `form` holds the numbers of a baseline that is a logistic regression.
    """

    name: str
    predict: Callable[[pd.DataFrame], Floats]
    note: str | None = None
    form: Logistic | None = None


Fit = Callable[[pd.DataFrame, Floats, BaselineFeatures, Settings], Baseline]


def fit_prevalence(features: pd.DataFrame, label: Floats, names: BaselineFeatures, settings: Settings) -> Baseline:
    """The event rate of the training rows, for everybody."""
    return _constant("prevalence", label)


def fit_age_history(features: pd.DataFrame, label: Floats, names: BaselineFeatures, settings: Settings) -> Baseline:
    """Logistic regression on age and injury history, which Hughes 2020 found to be all that survives
    validation."""
    wanted = [name for name in (names.age, *names.history) if name]
    usable = [name for name in wanted if name in features.columns and features[name].notna().any()]
    if not usable:
        return _constant("age_history", label, "age + history: neither is in this data, so it is the base rate.")
    absent = sorted(set(wanted) - set(usable))
    note = f"age + history: {', '.join(absent)} not in this data." if absent else None
    return _regression("age_history", learn_logistic(features, label, usable, inverse_penalty=1.0), note)


def fit_logistic(features: pd.DataFrame, label: Floats, names: BaselineFeatures, settings: Settings) -> Baseline:
    """Penalised logistic regression on all features that hold a value in the training rows."""
    wanted = names.regression or tuple(str(name) for name in features.columns)
    usable = [name for name in wanted if features[name].notna().any()]
    if not usable:
        return _constant("logistic", label, "logistic: no feature holds a value, so it is the base rate.")
    return _regression("logistic", learn_logistic(features, label, usable, settings.logistic_c))


def fit_acwr_rule(features: pd.DataFrame, label: Floats, names: BaselineFeatures, settings: Settings) -> Baseline:
    """The training event rate above ACWR_LIMIT, at or below it, and where the ratio is missing."""
    name = names.acwr
    if name is None or name not in features.columns or features[name].isna().all():
        return _constant("acwr_rule", label, "ACWR rule: no such ratio in this data, so it is the base rate.")
    column = name
    side = _side_of_limit(features[column])
    rates = np.array([_rate(label[side == which], label) for which in range(3)])
    return Baseline("acwr_rule", lambda rows: rates[_side_of_limit(rows[column])])


BASELINES: Mapping[str, Fit] = {
    "prevalence": fit_prevalence,
    "age_history": fit_age_history,
    "logistic": fit_logistic,
    "acwr_rule": fit_acwr_rule,
}


LABELS: Mapping[str, str] = {
    "prevalence": "base rate for all",
    "age_history": "age and history",
    "logistic": "logistic regression",
    "acwr_rule": "ACWR rule",
}
"""How baselines are called in sentences and tables."""


def _constant(name: str, label: Floats, note: str | None = None) -> Baseline:
    rate = float(label.mean())
    return Baseline(name, lambda rows: np.full(len(rows), rate), note)


def _regression(name: str, form: Logistic, note: str | None = None) -> Baseline:
    return Baseline(name, form.chances, note, form)


def _side_of_limit(ratio: pd.Series) -> Any:
    """0 at or below the limit, 1 above, 2 missing."""
    return np.where(ratio.isna(), 2, ratio > ACWR_LIMIT).astype(np.int64)


def _rate(label: Floats, everyone: Floats) -> float:
    """The event rate of a side; a side that training never saw gets everyone's."""
    return float(label.mean()) if len(label) else float(everyone.mean())
