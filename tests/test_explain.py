"""Explanations add up to the score, exactly, and equal the shap library's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from configs.errors import IntegrityError, NotReady
from models import estimator, explain, treeshap
from models.contributions import mean_contributions, member_contributions
from models.estimator import Calibration, HorizonModel
from models.odds import probability
from models.treeshap import forest_of

SETTINGS = replace(estimator.load_settings(), members=4, trees=30, l2=10.0, feature_fraction=1.0)
"""So that trees weigh something on few rows, and can combine features."""


@dataclass(frozen=True)
class Spec:
    name: str
    factor: str


SPECS = (
    Spec("load", "overload"),
    Spec("soreness", "discomfort"),
    Spec("sprints", "overload"),
    Spec("age", "context"),
)


def trained() -> tuple[HorizonModel, pd.DataFrame]:
    """A model of load, sprints and soreness, with values missing."""
    generator = np.random.default_rng(4)
    features = pd.DataFrame(generator.normal(size=(400, 3)), columns=["load", "sprints", "soreness"])
    chance = probability(-2 + features["load"] + features["load"] * features["soreness"])
    label = (generator.random(400) < chance).astype(float)
    features = features.mask(generator.random((400, 3)) < 0.2)
    athletes = np.repeat(np.arange(10), 40)
    models = estimator.fit_horizons(features, pd.DataFrame({"7": label}), athletes, SETTINGS, {"load": 1})
    return models[0], features


def calibrated(model: HorizonModel, *coefficients: float) -> HorizonModel:
    kind: estimator.CalibrationKind = "platt" if len(coefficients) == 2 else "beta"
    return replace(model, calibration=Calibration(kind, coefficients))


def scores(model: HorizonModel, features: pd.DataFrame) -> np.ndarray:
    return np.asarray(estimator.predict((model,), features).log_odds[0])


@pytest.mark.parametrize("coefficients", [(0.5, 1.7), (0.5, 1.7, 0.0), (-0.3, 0.8, 2.5)])
def test_base_and_contributions_add_up_to_the_calibrated_score(coefficients: tuple[float, ...]) -> None:
    model, features = trained()
    changed = calibrated(model, *coefficients)
    base, shares = explain.contributions(changed, features)
    assert base + shares.sum(axis=1).to_numpy() == pytest.approx(scores(changed, features), abs=1e-9)
    assert list(shares.columns) == ["load", "sprints", "soreness"]


def test_platt_scales_every_contribution_by_its_slope() -> None:
    model, features = trained()
    _, plain = explain.contributions(calibrated(model, 0.0, 1.0), features)
    _, scaled = explain.contributions(calibrated(model, 0.5, 2.0), features)
    assert scaled.to_numpy() == pytest.approx(2 * plain.to_numpy())
    assert np.abs(plain.to_numpy()).max() > 0.1


def test_beta_keeps_the_sign_and_the_order_of_contributions() -> None:
    model, features = trained()
    _, plain = explain.contributions(calibrated(model, 0.0, 1.0), features)
    _, bent = explain.contributions(calibrated(model, 0.2, 0.9, 1.4), features)
    assert (np.sign(bent) == np.sign(plain)).all(axis=None)
    assert (np.argsort(bent.to_numpy(), axis=1) == np.argsort(plain.to_numpy(), axis=1)).mean() == 1.0


def test_a_constant_model_explains_nothing_with_noughts() -> None:
    model, features = trained()
    base, shares = explain.contributions(calibrated(model, -3.0, 0.0), features)
    assert base == -3.0
    assert (shares == 0).all(axis=None)


@pytest.mark.slow
def shap_check(model: estimator.HorizonModel, features: pd.DataFrame) -> float:
    """The trees' largest difference from the shap library's own TreeSHAP, in raw log-odds; 0 for no rows."""
    if not len(features):
        return 0.0
    shap = pytest.importorskip("shap")
    values = features[list(model.bag.feature_names)].to_numpy(dtype=np.float64)
    total = np.zeros(values.shape)
    for member in estimator.boosters(model.bag):
        explainer = shap.TreeExplainer(member)
        # Left alone it would ask LightGBM for the answer and so compare LightGBM with itself.
        explainer.model.model_type = "internal"
        total += np.asarray(explainer.shap_values(values, check_additivity=False))
    theirs = total / len(model.bag.members)
    ours = treeshap.contributions(forest_of(model.bag.members, values.shape[1]), values, 1)
    return float(np.abs(theirs - ours).max())


def test_contributions_equal_the_shap_librarys() -> None:
    model, features = trained()
    assert features.iloc[:60].isna().any(axis=None)
    assert shap_check(model, features.iloc[:60]) <= 1e-6
    assert shap_check(model, features.iloc[:0]) == 0.0


def test_contributions_equal_shapley_values_counted_out_by_hand() -> None:
    """One tree, one split: the contribution is the leaf less the mean of the leaves, weighted by their
    rows."""
    features = pd.DataFrame({"load": np.repeat([0.0, 1.0], [150, 50])})
    label = np.tile([0.0, 0, 0, 0, 1], 40)
    label[150:] = np.tile([1.0, 0], 25)
    one_tree = replace(SETTINGS, members=1, trees=1, feature_fraction=1.0, path_smooth=0.0)
    bag, _ = estimator.fit_bag(features, label, np.zeros(200), one_tree, {})
    low, high = estimator.member_log_odds(bag, pd.DataFrame({"load": [0.0, 1.0]}))[0]
    model = HorizonModel(7, bag, Calibration("platt", (0.0, 1.0)))
    base, shares = explain.contributions(model, pd.DataFrame({"load": [1.0]}))
    assert base == pytest.approx(0.75 * low + 0.25 * high)
    assert shares.iloc[0, 0] == pytest.approx(high - base)


def test_a_gap_between_explanation_and_score_is_refused() -> None:
    with pytest.raises(IntegrityError, match=r"explanations of the 7-day scores miss its score by 2e-06 log-odds"):
        explain.require_additive(np.array([0.0, 1.0]), np.array([0.0, 1.000002]), "the 7-day scores")
    with pytest.raises(IntegrityError):
        explain.require_additive(np.array([np.nan]), np.array([0.0]), "the 7-day scores")


def test_stored_explanations_that_miss_their_score_are_refused_and_who_is_not_scored_needs_none() -> None:
    at = {"as_of": pd.Timestamp("2025-03-17 07:00", tz="UTC"), "model_version": "1", "horizon_days": 7}
    said = pd.DataFrame(
        [
            {**at, "athlete_id": "A1", "base_log_odds": -4.0, "log_odds": -3.5, "abstained": False},
            {**at, "athlete_id": "A2", "base_log_odds": -4.0, "log_odds": -4.0, "abstained": False},
            {**at, "athlete_id": "A3", "base_log_odds": np.nan, "log_odds": np.nan, "abstained": True},
        ]
    )
    why = pd.DataFrame([{**at, "athlete_id": "A1", "contribution": each} for each in (0.75, -0.25)])
    explain.require_stored_additive(said, why)
    explain.require_stored_additive(said.iloc[1:], why.iloc[:0])
    with pytest.raises(
        IntegrityError, match=r"the stored scores miss its score by 0.5 .*`strainwatch score --replace`"
    ):
        explain.require_stored_additive(said, why.iloc[:0])


def test_a_score_taken_from_a_shorter_horizon_is_explained_by_that_model() -> None:
    model, features = trained()
    models = (calibrated(model, 0.0, 1.0), replace(calibrated(model, -1.0, 0.4), horizon_days=14))
    predicted = estimator.predict(models, features)
    assert {7, 14} == set(predicted.source_horizon[1])
    base, shares = explain.contributions_of_prediction(models, predicted, features, 14)
    assert base + shares.sum(axis=1).to_numpy() == pytest.approx(predicted.log_odds[1], abs=1e-9)
    row = int(np.flatnonzero(predicted.source_horizon[1] == 7)[0])
    own_base, own = explain.contributions(models[0], features.iloc[[row]])
    assert base[row] == own_base
    assert shares.iloc[row].to_numpy() == pytest.approx(own.iloc[0].to_numpy())


def test_no_rows_give_no_contributions() -> None:
    model, features = trained()
    _, shares = explain.contributions(model, features.iloc[:0])
    assert shares.shape == (0, 3)
    predicted = estimator.predict((model,), features.iloc[:0])
    assert explain.interactions_of_prediction((model,), predicted, features.iloc[:0], 7, SPECS).values.shape == (
        0,
        2,
        2,
    )


def test_few_rows_and_many_are_explained_alike() -> None:
    """The few by LightGBM, the many by the compiled kernel."""
    model, features = trained()
    many_base, many = explain.contributions(model, features)
    few_base, few = explain.contributions(model, features.iloc[:10])
    assert few_base == pytest.approx(many_base, abs=1e-12)
    assert few.to_numpy() == pytest.approx(many.iloc[:10].to_numpy(), abs=1e-12)


@pytest.mark.parametrize("rows", [10, 50])
def test_each_member_is_explained_by_itself_and_their_mean_is_the_bags(rows: int) -> None:
    """Ten rows by LightGBM, fifty by the compiled kernel."""
    model, features = trained()
    taken = features.iloc[:rows]
    members = np.stack(list(member_contributions(model.bag, taken)))
    assert members.mean(axis=0) == pytest.approx(mean_contributions(model.bag, taken)[0], abs=1e-12)
    for each, scored in zip(members, estimator.member_log_odds(model.bag, taken), strict=True):
        assert np.ptp(scored - each.sum(axis=1)) < 1e-12  # what is left is the member's own base
    assert np.ptp(members, axis=0).max() > 0.01


@pytest.mark.parametrize("coefficients", [(0.5, 1.7), (-0.3, 0.8, 2.5)])
def test_against_a_background_the_base_is_its_mean_score_and_contributions_add_up(
    coefficients: tuple[float, ...],
) -> None:
    model, features = trained()
    changed, background = calibrated(model, *coefficients), features.iloc[100:130]
    raw = estimator.member_log_odds(model.bag, background).mean()
    base, shares = explain.contributions(changed, features, background)
    assert base == pytest.approx(changed.calibration.log_odds(np.array([raw]))[0], abs=1e-9)
    assert base + shares.sum(axis=1).to_numpy() == pytest.approx(scores(changed, features), abs=1e-9)


def test_an_athlete_explained_against_nobody_else_but_oneself_has_no_contributions() -> None:
    model, features = trained()
    base, shares = explain.contributions(model, features.iloc[[5]], features.iloc[[5]])
    assert shares.to_numpy() == pytest.approx(np.zeros((1, 3)), abs=1e-12)
    assert base == pytest.approx(scores(model, features.iloc[[5]])[0], abs=1e-12)


def test_a_background_without_rows_is_refused() -> None:
    model, features = trained()
    with pytest.raises(NotReady, match="no athlete-days to explain against"):
        explain.contributions(model, features, features.iloc[:0])
    with pytest.raises(NotReady, match="no athlete-days to explain against"):
        explain.interactions(model, features, SPECS, features.iloc[:0])


@pytest.mark.parametrize("background_rows", [0, 20])
@pytest.mark.parametrize("coefficients", [(0.5, 1.7), (-0.3, 0.8, 2.5)])
def test_pairs_of_factors_add_up_to_the_factors_contributions(
    coefficients: tuple[float, ...], background_rows: int
) -> None:
    model, features = trained()
    changed, rows = calibrated(model, *coefficients), features.iloc[:50]
    background = features.iloc[100 : 100 + background_rows] if background_rows else None
    base, shares = explain.contributions(changed, rows, background)
    found = explain.interactions(changed, rows, SPECS, background)
    factors = explain.by_factor(shares, SPECS)
    assert found.factors == tuple(factors.columns) == ("overload", "discomfort")
    assert found.base == pytest.approx(np.full(50, base), abs=1e-9)
    assert found.values.sum(axis=2) == pytest.approx(factors.to_numpy(), abs=1e-9)
    assert (found.values[:, 0, 1] == found.values[:, 1, 0]).all()
    assert np.abs(found.values[:, 0, 1]).max() > 0.05  # load and soreness multiply in what they were taught


def test_pairs_are_told_with_both_sides_strongest_first() -> None:
    values = np.array([[[0.5, 0.1, -0.3], [0.1, 0.2, 0.0], [-0.3, 0.0, 0.4]]])
    pairs = explain.Interactions(("a", "b", "c"), np.zeros(1), values).pairs(0)
    assert pairs.to_dict("list") == {"one": ["a", "a", "b"], "other": ["c", "b", "c"], "effect": [-0.6, 0.2, 0.0]}


def test_pairs_in_a_score_taken_from_a_shorter_horizon_are_that_models() -> None:
    model, features = trained()
    models = (calibrated(model, 0.0, 1.0), replace(calibrated(model, -1.0, 0.4), horizon_days=14))
    predicted = estimator.predict(models, features)
    found = explain.interactions_of_prediction(models, predicted, features, 14, SPECS)
    row = int(np.flatnonzero(predicted.source_horizon[1] == 7)[0])
    own = explain.interactions(models[0], features.iloc[[row]], SPECS)
    assert found.values[row] == pytest.approx(own.values[0], abs=1e-12)
    assert found.base + found.values.sum(axis=(1, 2)) == pytest.approx(predicted.log_odds[1], abs=1e-9)


def test_factors_are_signed_sums_of_their_features() -> None:
    shares = pd.DataFrame({"load": [0.5, -0.2], "sprints": [-0.1, 0.3], "soreness": [0.0, 0.4]}, index=["A", "B"])
    factors = explain.by_factor(shares, SPECS)
    assert list(factors.columns) == ["overload", "discomfort"]
    assert factors.loc["A"].to_numpy() == pytest.approx([0.4, 0.0])
    assert factors.loc["B"].to_numpy() == pytest.approx([0.1, 0.4])


def test_a_feature_without_a_factor_is_named() -> None:
    with pytest.raises(IntegrityError, match="features without a factor: steps"):
        explain.by_factor(pd.DataFrame({"load": [0.1], "steps": [0.2]}), SPECS)
