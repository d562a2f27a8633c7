"""A regression as plain numbers says what the regression says, and its terms add up."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from models.logistic import Logistic, Term, learn_logistic, logistic_from_json

NAN = np.nan


def rows(count: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    generator = np.random.default_rng(3)
    age = generator.normal(25, 4, count)
    score = np.where(generator.random(count) < 0.3, NAN, generator.normal(0, 1, count))
    chance = 1 / (1 + np.exp(-(-2 + 0.2 * (age - 25) + np.isnan(score))))
    return pd.DataFrame({"age": age, "score": score, "same": 1.0}), (generator.random(count) < chance).astype(float)


def test_the_numbers_are_those_of_a_regression_on_imputed_and_scaled_values_with_indicators() -> None:
    features, label = rows()
    found = learn_logistic(features, label, ["age", "score"], inverse_penalty=0.5)
    design = np.column_stack([features["age"], features["score"].fillna(features["score"].median()),
                              features["score"].isna()])  # fmt: skip
    scaled = (design - design.mean(axis=0)) / design.std(axis=0)
    oracle = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(scaled, label)
    assert found.chances(features) == pytest.approx(oracle.predict_proba(scaled)[:, 1], abs=1e-6)


def test_a_term_adds_its_weight_per_unit_above_the_centre_and_its_share_where_the_value_is_missing() -> None:
    term = Term("age", median=24.0, centre=25.0, weight=0.1, share_missing=0.2, if_missing=0.5, spread=4.0)
    assert term.added(np.array([25.0, 30.0, NAN])) == pytest.approx([-0.1, 0.4, 0.1 * -1 + 0.5 * 0.8])


def test_base_and_contributions_add_up_to_the_score() -> None:
    features, label = rows()
    found = learn_logistic(features, label, ["age", "score", "same"], inverse_penalty=1.0)
    total = found.base + found.contributions(features).sum(axis=1)
    assert total.to_numpy() == pytest.approx(found.log_odds(features), abs=1e-12)
    assert found.contributions(features).mean().to_numpy() == pytest.approx(np.zeros(3), abs=1e-12)


def test_a_feature_that_never_varies_adds_nothing() -> None:
    features, label = rows()
    found = learn_logistic(features, label, ["age", "same"], inverse_penalty=1.0)
    assert found.contributions(features.assign(same=7.0))["same"].tolist() == [0.0] * len(features)


def test_a_regression_without_features_gives_everybody_the_base() -> None:
    assert Logistic(-2.0, ()).log_odds(pd.DataFrame(index=[5, 6])).tolist() == [-2.0, -2.0]


def test_it_comes_back_from_json_to_the_last_bit() -> None:
    features, label = rows()
    found = learn_logistic(features, label, ["age", "score"], inverse_penalty=1.0)
    assert logistic_from_json(json.loads(json.dumps(found.as_json()))) == found
