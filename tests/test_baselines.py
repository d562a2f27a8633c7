"""The baselines that a model must beat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from models import estimator
from models.baselines import BASELINES, BaselineFeatures
from models.odds import probability

SETTINGS = replace(estimator.load_settings(), logistic_c=0.1)
NAMES = BaselineFeatures(age="age", history=("injuries",), acwr="acwr", muscle_history="injuries", weekly=("acwr",))


def squad(rows: int = 600) -> tuple[pd.DataFrame, np.ndarray]:
    generator = np.random.default_rng(5)
    features = pd.DataFrame({
        "age": generator.normal(25, 4, rows),
        "injuries": generator.poisson(0.5, rows).astype(float),
        "acwr": generator.normal(1.2, 0.4, rows),
    })  # fmt: skip
    chance = probability(-3 + 0.1 * (features["age"] - 25) + 0.8 * features["injuries"])
    return features, (generator.random(rows) < chance).astype(float)


def test_prevalence_gives_everybody_the_training_rate() -> None:
    features, label = squad()
    fitted = BASELINES["prevalence"](features, label, NAMES, SETTINGS)
    assert list(fitted.predict(features.iloc[:3])) == [label.mean()] * 3


def test_age_and_history_equal_a_logistic_regression_on_the_two_scaled() -> None:
    features, label = squad()
    fitted = BASELINES["age_history"](features, label, NAMES, SETTINGS)
    two = features[["age", "injuries"]].to_numpy()
    scaled = (two - two.mean(axis=0)) / two.std(axis=0)
    oracle = LogisticRegression(C=1.0, tol=1e-10).fit(scaled, label)
    assert fitted.predict(features) == pytest.approx(oracle.predict_proba(scaled)[:, 1], abs=1e-5)
    assert fitted.note is None


def test_imputation_and_scaling_are_learnt_from_training_rows_alone() -> None:
    features, label = squad()
    features.loc[::5, "age"] = np.nan
    train = features.iloc[:400]
    fitted = BASELINES["logistic"](train, label[:400], NAMES, SETTINGS)
    alone = fitted.predict(features.iloc[400:401])
    tested = features.iloc[400:].copy()
    tested.iloc[1:] = 1000.0
    assert fitted.predict(tested)[0] == pytest.approx(alone[0], abs=1e-12)
    median = features.iloc[400:401].fillna(train.median())
    marked = fitted.predict(features.iloc[400:401])[0] - fitted.predict(median)[0]
    assert abs(marked) > 1e-4  # the indicator of being missing counts beside the imputed median


def test_the_acwr_rule_gives_the_training_rate_of_each_side_and_of_the_missing() -> None:
    features = pd.DataFrame({"acwr": [1.0, 1.5, 1.6, 2.0, np.nan, np.nan, np.nan, np.nan]})
    label = np.array([0.0, 1, 1, 1, 0, 0, 0, 1])
    fitted = BASELINES["acwr_rule"](features, label, NAMES, SETTINGS)
    asked = pd.DataFrame({"acwr": [1.5, 1.51, np.nan]})
    assert list(fitted.predict(asked)) == [0.5, 1.0, 0.25]


def test_a_side_of_the_rule_that_training_never_saw_gets_the_rate_of_all() -> None:
    fitted = BASELINES["acwr_rule"](pd.DataFrame({"acwr": [1.0, 1.1]}), np.array([0.0, 1]), NAMES, SETTINGS)
    assert list(fitted.predict(pd.DataFrame({"acwr": [1.9, np.nan]}))) == [0.5, 0.5]


@pytest.mark.parametrize("name", ["previous_injury", "age_history", "logistic", "acwr_rule", "hughes", "weekly_trees"])
def test_a_baseline_without_its_features_gives_the_base_rate_and_says_so(name: str) -> None:
    features, label = squad()
    fitted = BASELINES[name](features * np.nan, label, NAMES, SETTINGS)
    assert fitted.predict(features) == pytest.approx(label.mean())
    assert fitted.note is not None and fitted.note.endswith("so it is the base rate.")


def test_specs_without_such_features_are_no_error() -> None:
    features, label = squad()
    for name in ("previous_injury", "age_history", "acwr_rule", "hughes", "weekly_trees"):
        fitted = BASELINES[name](features, label, BaselineFeatures(), SETTINGS)
        assert fitted.predict(features.iloc[:1])[0] == pytest.approx(label.mean())


def test_half_of_age_and_history_is_used_and_the_absent_half_named() -> None:
    features, label = squad()
    fitted = BASELINES["age_history"](features.drop(columns="injuries"), label, NAMES, SETTINGS)
    assert fitted.note == "age + history: injuries not in this data."
    assert np.ptp(fitted.predict(features)) > 0


@pytest.mark.parametrize("name", list(BASELINES))
def test_every_baseline_gives_probabilities_with_few_events_and_much_missing(name: str) -> None:
    features, _ = squad()
    features[np.random.default_rng(1).random(features.shape) < 0.6] = np.nan
    label = np.zeros(len(features))
    label[[1, 200]] = 1
    chance = BASELINES[name](features, label, NAMES, SETTINGS).predict(features)
    assert ((chance >= 0) & (chance <= 1)).all()
    assert chance.mean() == pytest.approx(label.mean(), rel=0.2)


def test_a_previous_injury_gives_the_training_rate_of_those_who_had_one() -> None:
    features = pd.DataFrame({"injuries": [0.0, 0, 0, 0, 1, 3, np.nan, np.nan]})
    label = np.array([0.0, 0, 0, 1, 1, 0, 1, 1])
    fitted = BASELINES["previous_injury"](features, label, NAMES, SETTINGS)
    assert list(fitted.predict(pd.DataFrame({"injuries": [0.0, 2.0, np.nan]}))) == [0.25, 0.5, 1.0]


def test_hughes_model_is_a_plain_logistic_regression_on_age_and_count() -> None:
    features, label = squad()
    fitted = BASELINES["hughes"](features, label, NAMES, SETTINGS)
    two = features[["age", "injuries"]].to_numpy()
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(two, label)
    assert fitted.predict(features) == pytest.approx(oracle.predict_proba(two)[:, 1], abs=1e-3)


def test_balanced_trees_find_a_step_and_give_chances_at_the_training_rate() -> None:
    generator = np.random.default_rng(4)
    features = pd.DataFrame({"acwr": generator.uniform(0.5, 2.0, 4000), "age": generator.normal(25, 4, 4000)})
    label = (generator.random(4000) < np.where(features["acwr"] > 1.5, 0.09, 0.01)).astype(float)
    chance = BASELINES["weekly_trees"](features, label, NAMES, SETTINGS).predict(features)
    high, low = chance[features["acwr"] > 1.5].mean(), chance[features["acwr"] <= 1.5].mean()
    assert high == pytest.approx(0.09, abs=0.03)
    assert low == pytest.approx(0.01, abs=0.01)
    other = features.assign(age=0.0)  # a feature of a longer window is not read
    assert (BASELINES["weekly_trees"](other, label, NAMES, SETTINGS).predict(other) == chance).all()
