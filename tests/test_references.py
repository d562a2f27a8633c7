"""Against what a score is held: own usual, percentage points, and how steadily a bag names a factor."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from configs.errors import IntegrityError
from models.estimator import Calibration, HorizonModel
from models.references import at_own_usual, explained_at, percentage_points
from models.steadiness import steadiness
from tests.bags import straight_bag

NAN = math.nan
FACTOR_OF = {"sprint": "overload", "load": "overload", "sleep": "recovery", "stress": "mind", "age": "context"}
NAMES = tuple(FACTOR_OF)
MODIFIABLE = {"overload": True, "recovery": True, "mind": True, "context": False}


def bag_of(*weights: tuple[float, ...], slope: float = 1.0) -> HorizonModel:
    """Members with these straight effects; every feature has mean 0 and spread 1."""
    return straight_bag(NAMES, *weights, slope=slope)


def rows(*values: tuple[float, ...]) -> pd.DataFrame:
    return pd.DataFrame(values, columns=NAMES)


def test_own_usual_replaces_what_is_known_and_leaves_facts_and_the_unknown_as_they_are() -> None:
    today = rows((1, 2, 3, 4, 30), (5, 6, 7, 8, 31))
    usual = rows((10, NAN, 30, 40, 20), (50, 60, NAN, NAN, 20)).set_axis(["b", "a"])
    found = at_own_usual(today, usual, ["age"])
    assert found.to_numpy().tolist() == [[10, 2, 30, 40, 30], [50, 60, 7, 8, 31]]
    assert today.iloc[0, 0] == 1


def test_each_row_is_explained_by_the_model_of_its_horizon() -> None:
    week = bag_of((1.0, 0, 0, 0, 0), slope=2.0)
    month = HorizonModel(28, bag_of((0, 0, 1.0, 0, 0)).bag, Calibration("platt", (0.0, 1.0)))
    log_odds, shares = explained_at((week, month), np.array([7, 28]), rows((0.5, 0, 4, 0, 0), (0.5, 0, 4, 0, 0)))
    assert log_odds == pytest.approx([2 * (-3 + 0.5), -3 + 4])
    assert shares.to_numpy() == pytest.approx(np.array([[1.0, 0, 0, 0, 0], [0, 0, 4.0, 0, 0]]))


@pytest.mark.parametrize(("log_odds", "reference"), [(-3.0, -5.0), (-5.0, -3.0), (2.0, -4.0), (-4.0, -4.0)])
def test_percentage_points_add_up_to_what_the_probability_differs_and_keep_sign_and_proportion(
    log_odds: float, reference: float
) -> None:
    parts = np.array([0.9, -0.4, 0.0, log_odds - reference - 0.5])
    points = percentage_points(parts, log_odds, reference)
    difference = 100 / (1 + math.exp(-log_odds)) - 100 / (1 + math.exp(-reference))
    assert points.sum() == pytest.approx(difference, abs=1e-9)
    assert (np.sign(points) == np.sign(parts)).all()
    assert points[0] / points[1] == pytest.approx(0.9 / -0.4)


def test_percentage_points_of_other_contributions_than_the_scores_own_are_refused() -> None:
    with pytest.raises(IntegrityError, match="percentage points add up to"):
        percentage_points(np.array([0.5]), -3.0, -4.0)


def test_a_factor_is_as_steady_as_the_share_of_members_that_agree_with_the_bag() -> None:
    agreed = (1.0, 0.5, 0.2, 0.1, 0.3)
    against = (-0.5, -0.2, 0.2, 0.1, 0.3)
    found = steadiness(
        (bag_of(agreed, agreed, agreed, against),), np.array([7]), rows((1, 1, 1, 1, 1)), FACTOR_OF, MODIFIABLE
    )
    assert found.iloc[0].to_dict() == {"overload": 0.75, "recovery": 1.0, "mind": 1.0, "context": 1.0}


def test_a_factor_that_falls_behind_three_others_in_a_member_is_not_steady_there_and_fixed_facts_do_not_compete() -> (
    None
):
    factors = {"sprint": "a", "load": "b", "sleep": "c", "stress": "d", "age": "context"}
    kinds = {**dict.fromkeys("abcd", True), "context": False}
    last, first = (0.4, 0.3, 0.2, 0.1, 0.9), (0.1, 0.3, 0.2, 0.4, 0.9)
    found = steadiness((bag_of(last, last, last, first),), np.array([7]), rows((1, 1, 1, 1, 1)), factors, kinds)
    assert found.iloc[0].to_dict() == {"a": 0.75, "b": 1.0, "c": 1.0, "d": 0.25, "context": 1.0}


def test_a_factor_that_does_not_move_the_score_has_no_steadiness() -> None:
    found = steadiness((bag_of((1.0, 0, 0, 0, 0)),), np.array([7]), rows((1, 1, 1, 1, 1)), FACTOR_OF, MODIFIABLE)
    assert found["recovery"].isna().all() and found["overload"].tolist() == [1.0]
