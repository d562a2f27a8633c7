"""What a model must beat: simple rules, penalised logistic regression, and published recipes that can be re-run.

Every baseline learns from training rows alone and gives probabilities. One whose features the data lacks
falls back to the base rate and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.estimator import Settings
from models.logistic import Logistic, learn_logistic
from models.odds import Floats, Ints, log_odds, probability, rate_log_odds

ACWR_LIMIT = 1.5
"""Upper edge of the acute:chronic workload ratio's "danger zone": Gabbett 2016, Br J Sports Med
50(5):273-280."""

_HARDLY_PENALISED = 1e4
_TREES = 12
_TREE_DEPTH = 3
_LEAF_ROWS = 5


@dataclass(frozen=True)
class BaselineFeatures:
    """Which features the baselines read; None or empty if the specs have none."""

    age: str | None = None
    history: tuple[str, ...] = ()
    acwr: str | None = None
    muscle_history: str | None = None
    """Count of previous muscle injuries, for Hughes' model."""
    weekly: tuple[str, ...] = ()
    """Features of training and wellness whose window is at most seven days, for Lövdal's."""
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


def fit_previous_injury(features: pd.DataFrame, label: Floats, names: BaselineFeatures, settings: Settings) -> Baseline:
    """The training event rate of rows with a previous injury on record, and of those without: the strongest single
    factor for hamstrings (Green 2020, Br J Sports Med 54(18):1081-1088)."""
    usable = [name for name in names.history if name in features.columns and features[name].notna().any()]
    if not usable:
        note = "previous injury: no count in this data, so it is the base rate."
        return _constant("previous_injury", label, note)
    return _by_side("previous_injury", label, features, lambda rows: _has_history(rows[usable]))


def fit_hughes(features: pd.DataFrame, label: Floats, names: BaselineFeatures, settings: Settings) -> Baseline:
    """Age and count of previous muscle injuries, each linear on the log-odds, practically without penalty.

    What was left of ten factors in the model of Hughes et al. 2020, Sports Med Open 6:22 (AUROC 0.589 after
    correction for optimism); it is fitted anew here, as its season-long risk fits no horizon of days.
    """
    wanted = [name for name in (names.age, names.muscle_history) if name]
    usable = [name for name in wanted if name in features.columns and features[name].notna().any()]
    if len(usable) < 2:
        note = "Hughes 2020: age or the count of muscle injuries is not in this data, so it is the base rate."
        return _constant("hughes", label, note)
    return _regression("hughes", learn_logistic(features, label, usable, inverse_penalty=_HARDLY_PENALISED))


def fit_weekly_trees(features: pd.DataFrame, label: Floats, names: BaselineFeatures, settings: Settings) -> Baseline:
    """Trees on features of at most seven days, bagged over samples with as many non-events as events.

    After Lövdal et al. 2021, Int J Sports Physiol Perform 16(10):1522-1531, who bagged XGBoost models on balanced
    samples of seven days' training (AUROC 0.724; 0.588 to 0.629 in re-runs on locked splits). Plain small trees stand
    in for boosted ones, and a shift of the log-odds brings the balanced samples back to the training event rate.
    """
    usable = [name for name in names.weekly if name in features.columns and features[name].notna().any()]
    if not usable:
        note = "Lövdal 2021: no feature of at most seven days in this data, so it is the base rate."
        return _constant("weekly_trees", label, note)
    return Baseline("weekly_trees", _balanced_trees(features[usable], label, settings.seed))


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
    return _by_side("acwr_rule", label, features, lambda rows: _side_of_limit(rows[column]))


BASELINES: Mapping[str, Fit] = {
    "prevalence": fit_prevalence,
    "previous_injury": fit_previous_injury,
    "age_history": fit_age_history,
    "logistic": fit_logistic,
    "acwr_rule": fit_acwr_rule,
    "hughes": fit_hughes,
    "weekly_trees": fit_weekly_trees,
}


LABELS: Mapping[str, str] = {
    "prevalence": "base rate for all",
    "previous_injury": "previous injury alone",
    "age_history": "age and history",
    "logistic": "logistic regression",
    "acwr_rule": "ACWR rule",
    "hughes": "Hughes 2020 (age, muscle injuries)",
    "weekly_trees": "Lövdal 2021 (bagged trees, 7 days)",
}
"""How baselines are called in sentences and tables."""


def _constant(name: str, label: Floats, note: str | None = None) -> Baseline:
    rate = float(label.mean())
    return Baseline(name, lambda rows: np.full(len(rows), rate), note)


def _regression(name: str, form: Logistic, note: str | None = None) -> Baseline:
    return Baseline(name, form.chances, note, form)


def _by_side(name: str, label: Floats, features: pd.DataFrame, side_of: Callable[[pd.DataFrame], Ints]) -> Baseline:
    """The training event rate on each of three sides that `side_of` tells apart."""
    side = side_of(features)
    rates = np.array([_rate(label[side == which], label) for which in range(3)])
    return Baseline(name, lambda rows: rates[side_of(rows)])


def _has_history(counts: pd.DataFrame) -> Ints:
    """0 none on record, 1 at least one, 2 unknown."""
    return np.where(counts.isna().all(axis=1), 2, (counts > 0).any(axis=1)).astype(np.int64)


def _side_of_limit(ratio: pd.Series) -> Ints:
    """0 at or below the limit, 1 above, 2 missing."""
    return np.where(ratio.isna(), 2, ratio > ACWR_LIMIT).astype(np.int64)


def _rate(label: Floats, everyone: Floats) -> float:
    """The event rate of a side; a side that training never saw gets everyone's."""
    return float(label.mean()) if len(label) else float(everyone.mean())


def _balanced_trees(features: pd.DataFrame, label: Floats, seed: int) -> Callable[[pd.DataFrame], Floats]:
    """Mean probability of trees, each on events drawn with replacement and as many non-events, at the training rate."""
    from sklearn.tree import DecisionTreeClassifier

    generator, chosen = np.random.default_rng(seed), list(features.columns)
    values = features.to_numpy(dtype=np.float32)
    events, others = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    trees = []
    for number in range(_TREES):
        rows = np.concatenate([generator.choice(each, len(events)) for each in (events, others)])
        tree = DecisionTreeClassifier(max_depth=_TREE_DEPTH, min_samples_leaf=_LEAF_ROWS, random_state=seed + number)
        trees.append(tree.fit(values[rows], label[rows]))

    def predict(rows: pd.DataFrame) -> Floats:
        given = rows[chosen].to_numpy(dtype=np.float32)
        balanced = np.mean([tree.predict_proba(given)[:, 1] for tree in trees], axis=0)
        return probability(log_odds(balanced, margin=0.01) + rate_log_odds(label))

    return predict
