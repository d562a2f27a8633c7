"""Straight effects: the penalised optimum, declared directions, missing values and limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from models.straight import Scale, Straight, fit_weights, scale_of, straight_from_json


def drawn(rows: int = 600, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scaled = generator.normal(size=(rows, 4))
    score = -1.5 + scaled @ np.array([0.8, -0.5, 0.6, 0.0])
    label = (generator.random(rows) < 1 / (1 + np.exp(-score))).astype(np.float64)
    return scaled, label, generator.integers(0, 3, rows).astype(np.float64)


def loss(weights: np.ndarray, scaled: np.ndarray, label: np.ndarray, copies: np.ndarray, penalty: float) -> float:
    score = weights[0] + scaled @ weights[1:]
    return float(copies @ (np.logaddexp(0, score) - label * score) + penalty / 2 * (weights[1:] ** 2).sum())


@pytest.mark.parametrize("penalty", [1.0, 30.0, 3000.0])
def test_the_weights_are_the_bounded_minimum_of_the_penalised_loss(penalty: float) -> None:
    scaled, label, copies = drawn()
    found = fit_weights(scaled, [1, -1, -1, 1], label, copies, penalty)
    bounds = [(None, None), (0, None), (None, 0), (None, 0), (0, None)]
    best = minimize(loss, np.zeros(5), (scaled, label, copies, penalty), bounds=bounds, options={"ftol": 1e-15}).x
    np.testing.assert_allclose(found, best[1:], atol=2e-4)
    assert found[2] == 0.0  # the data say +0.6, the declared direction is downwards


def test_a_feature_without_a_direction_gets_no_weight() -> None:
    scaled, label, copies = drawn()
    assert fit_weights(scaled, [0, -1, 0, 0], label, copies, 1.0)[[0, 2, 3]].tolist() == [0.0, 0.0, 0.0]
    assert fit_weights(scaled, [0, 0, 0, 0], label, copies, 1.0).tolist() == [0.0] * 4


def test_more_injuries_are_believed_more() -> None:
    scaled, label, copies = drawn()
    once = fit_weights(scaled, [1, -1, 1, 1], label, copies, 300.0)
    tenfold = fit_weights(scaled, [1, -1, 1, 1], label, 10 * copies, 300.0)
    assert (np.abs(tenfold) > np.abs(once))[:3].all()


def test_missing_values_add_nothing_and_extremes_count_as_the_limit() -> None:
    scale = Scale((0.0, 0.0), (10.0, 10.0), (5.0, 4.0), (2.0, 1.0))
    values = np.array([[np.nan, 5.0], [1000.0, np.nan], [-3.0, 4.0]])
    assert scale.of(values).tolist() == [[0.0, 1.0], [2.5, 0.0], [-2.5, 0.0]]


def test_a_feature_that_is_never_known_or_never_varies_is_0_on_the_scale() -> None:
    values = np.array([[np.nan, 7.0, 1.0], [np.nan, 7.0, 3.0]])
    scaled = scale_of(values).of(values)
    assert scaled[:, :2].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    np.testing.assert_allclose(scaled[:, 2], [-1.0, 1.0])


def test_contributions_are_the_mean_members_terms_and_add_up_to_its_score() -> None:
    values = np.random.default_rng(1).normal(size=(50, 3))
    straight = Straight(scale_of(values), ((0.2, 0.0, -0.4), (0.4, 0.1, 0.0)))
    np.testing.assert_allclose(straight.contributions(values).sum(axis=1), straight.log_odds(values).mean(axis=0))
    np.testing.assert_allclose(straight.contributions(values).mean(axis=0), 0.0, atol=0.02)


def test_json_gives_the_same_numbers_back() -> None:
    straight = Straight(scale_of(np.arange(12.0).reshape(4, 3)), ((0.25, 0.1, -1 / 3),))
    assert straight_from_json(straight.as_json()) == straight
