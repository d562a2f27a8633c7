"""The bag, its calibration, and predictions that agree across horizons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from configs.errors import ConfigError, IntegrityError, NotReady
from models import estimator
from models.estimator import Bag, Calibration, HorizonModel, Settings
from models.odds import probability
from models.spread import Spread

SMALL = replace(estimator.load_settings(), members=6, trees=30, l2=10.0, straight_penalty=0.0)  # trees alone


def squad(athletes: int = 12, days: int = 40, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features, label and athletes; `load` raises the event rate and `noise` does nothing."""
    generator = np.random.default_rng(seed)
    rows = athletes * days
    features = pd.DataFrame(generator.normal(size=(rows, 2)), columns=["load", "noise"])
    chance = probability(-2.5 + 1.5 * features["load"].to_numpy())
    label = (generator.random(rows) < chance).astype(float)
    return features, label, np.repeat([f"A{number:02d}" for number in range(athletes)], days)


def few_events() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Five events in three of six athletes."""
    features, _, athletes = squad(athletes=6, days=30)
    label = np.zeros(len(features))
    label[[3, 20, 40, 70, 71]] = 1
    return features, label, athletes


def test_a_users_copy_replaces_only_the_values_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text("members = 3\n")
    assert estimator.load_settings(tmp_path) == replace(estimator.load_settings(), members=3)


def test_settings_come_back_from_json_unchanged() -> None:
    assert estimator.settings_from_json(SMALL.as_json()) == SMALL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("member = 3", "unknown member. Known: acceptable_false_alerts, athlete_folds"),
        ("members = 0", "members = 0. Give a value from 1 to 1000."),
        ("members = 2.5", "members = 2.5. Give a whole number."),
        ("l2 = 'much'", "l2 = 'much'. Give a number."),
        ("calibration = 'isotonic'", 'calibration = \'isotonic\'. Give "platt" or "beta".'),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "model.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        estimator.load_settings(tmp_path)
    assert message in str(error.value)


def test_a_missing_setting_is_named() -> None:
    values = SMALL.as_json()
    del values["trees"]
    with pytest.raises(ConfigError, match="trees missing"):
        estimator.settings_from_json(values)


def test_the_same_data_give_the_same_model_text_whatever_the_number_of_threads() -> None:
    features, label, athletes = squad()
    bags = [
        estimator.fit_bag(features, label, athletes, replace(SMALL, threads=threads), {})[0] for threads in (1, 1, 2)
    ]
    assert bags[0] == bags[1] == bags[2]


def test_a_monotone_feature_never_lowers_the_score_as_it_rises() -> None:
    features, _, athletes = squad()
    label = (features["noise"] < -1).to_numpy().astype(float)
    bag, _ = estimator.fit_bag(features, label, athletes, SMALL, {"noise": 1})
    grid = pd.DataFrame({"load": 0.0, "noise": np.linspace(-3, 3, 50)})
    assert (np.diff(estimator.member_log_odds(bag, grid), axis=1) >= 0).all()
    free, _ = estimator.fit_bag(features, label, athletes, SMALL, {})
    assert (np.diff(estimator.member_log_odds(free, grid), axis=1) < 0).any()


def test_a_monotone_direction_for_an_unknown_feature_is_refused() -> None:
    features, label, athletes = squad()
    with pytest.raises(ConfigError, match="monotone direction for lode"):
        estimator.fit_bag(features, label, athletes, SMALL, {"lode": 1})


def test_every_sample_can_learn_and_every_athlete_is_left_out_at_least_once() -> None:
    for seed in range(50):
        generator = np.random.default_rng(seed)
        athletes, members = int(generator.integers(4, 12)), int(generator.integers(2, 8))
        codes = np.repeat(np.arange(athletes), 3)
        label = np.zeros(len(codes))
        injured = generator.choice(athletes, size=2, replace=False)
        label[3 * injured] = 1
        samples = estimator.athlete_samples(codes, label, members, seed)
        assert (samples.sum(axis=1) == athletes).all(), seed
        assert (samples[:, injured].sum(axis=1) > 0).all(), seed
        assert (samples == 0).any(axis=0).all(), seed


def test_the_only_injured_athlete_is_in_every_sample_and_has_no_out_of_bag_score() -> None:
    features, _, athletes = squad()
    label = np.zeros(len(features))
    label[:5] = 1
    _, raw = estimator.fit_bag(features, label, athletes, SMALL, {})
    assert np.isnan(raw[athletes == "A00"]).all()
    assert np.isfinite(raw[athletes != "A00"]).all()


def test_out_of_bag_scores_come_from_members_that_never_saw_the_athlete() -> None:
    features, label, athletes = squad()
    bag, raw = estimator.fit_bag(features, label, athletes, SMALL, {})
    codes = pd.factorize(athletes)[0]
    is_unseen = estimator.athlete_samples(codes, label, SMALL.members, SMALL.seed)[:, codes] == 0
    scores = np.where(is_unseen, estimator.member_log_odds(bag, features), np.nan)
    np.testing.assert_array_equal(raw, estimator.out_of_bag(scores, is_unseen))


def test_the_mean_of_few_members_is_drawn_to_the_mean_of_rows_further_than_that_of_many() -> None:
    scores = np.array([[0.0, 4.0, 8.0], [2.0, 4.0, 10.0], [9.0, 9.0, 9.0]])
    is_unseen = np.array([[True, True, True], [True, False, True], [False, False, False]])
    # Means 1, 4, 9; members differ by a variance of 2, rows by 9.56 beyond that.
    found = estimator.out_of_bag(scores, is_unseen)
    np.testing.assert_allclose(found, [1.115789, 4.076923, 8.863158], atol=1e-6)
    assert np.isnan(estimator.out_of_bag(scores, np.zeros((3, 3), dtype=bool))).all()


def test_a_small_bag_learns_the_slope_that_scores_of_new_athletes_need() -> None:
    generator = np.random.default_rng(3)
    truth = generator.normal(-2, 0.7, 100_000)
    members = truth + generator.normal(0, 0.7, (4, len(truth)))
    label = (generator.random(len(truth)) < probability(truth)).astype(np.float64)
    is_unseen = generator.random(members.shape) < 0.4
    slopes = [
        estimator.fit_calibration(raw, label).coefficients[1]
        for raw in (members.mean(axis=0), estimator.out_of_bag(members, is_unseen))
    ]
    assert slopes[1] == pytest.approx(slopes[0], rel=0.05)


def test_five_events_in_three_athletes_are_enough_to_fit_and_to_predict() -> None:
    features, label, athletes = few_events()
    labels = pd.DataFrame({"7": label, "14": label})
    models = estimator.fit_horizons(features, labels, athletes, SMALL, {})
    predicted = estimator.predict(models, features)
    assert np.isfinite(predicted.log_odds).all()
    assert predicted.probability.mean() == pytest.approx(label.mean(), rel=0.5)


@pytest.mark.parametrize(("value", "count"), [(0.0, 0), (1.0, 480)])
def test_one_class_only_is_refused_with_the_number_of_events(value: float, count: int) -> None:
    features, _, athletes = squad()
    with pytest.raises(NotReady, match=rf"7-day horizon: {count} of 480 rows have an event"):
        labels = pd.DataFrame({"7": np.full(len(features), value)})
        estimator.fit_horizons(features, labels, athletes, SMALL, {})


def test_censored_rows_teach_nothing() -> None:
    features, label, athletes = squad()
    known = np.arange(len(label)) % 3 > 0
    labels = pd.DataFrame({"7": np.where(known, label, np.nan)})
    with_censored = estimator.fit_horizons(features, labels, athletes, SMALL, {})
    without = estimator.fit_horizons(features[known], labels[known], athletes[known], SMALL, {})
    assert with_censored == without


def test_features_without_any_value_give_everybody_the_base_rate() -> None:
    features, label, athletes = squad()
    bag, raw = estimator.fit_bag(features * np.nan, label, athletes, SMALL, {})
    calibration = estimator.fit_calibration(raw, label)
    assert calibration.is_constant
    scores = probability(calibration.log_odds(estimator.member_log_odds(bag, features * np.nan)))
    assert scores == pytest.approx(label.mean(), abs=1e-9)


def test_a_missing_value_says_something_of_its_own() -> None:
    features, _, athletes = squad()
    features["load"] = features["load"].where(np.arange(len(features)) % 4 > 0)
    label = features["load"].isna().to_numpy().astype(float)
    bag, _ = estimator.fit_bag(features, label, athletes, SMALL, {})
    pair = pd.DataFrame({"load": [np.nan, 0.0], "noise": [0.0, 0.0]})
    missing, present = estimator.member_log_odds(bag, pair).mean(axis=0)
    assert missing > present + 1


def test_platt_equals_an_unpenalised_logistic_regression() -> None:
    raw = np.random.default_rng(3).normal(-3, 0.5, 4000)
    label = (np.random.default_rng(4).random(4000) < probability(1 + 1.4 * raw)).astype(float)
    fitted = estimator.fit_calibration(raw, label)
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(raw[:, None], label)
    assert fitted.coefficients == pytest.approx((oracle.intercept_[0], oracle.coef_[0, 0]), rel=1e-3)


def test_beta_equals_a_logistic_regression_on_its_two_logarithms() -> None:
    raw = np.random.default_rng(3).normal(0, 1.5, 6000)
    columns = np.column_stack([np.log(probability(raw)), -np.log(probability(-raw))])
    chance = probability(0.3 + columns @ [0.6, 1.7])
    label = (np.random.default_rng(4).random(6000) < chance).astype(float)
    fitted = estimator.fit_calibration(raw, label, "beta")
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(columns, label)
    assert fitted.coefficients == pytest.approx((oracle.intercept_[0], *oracle.coef_[0]), rel=1e-2)


@pytest.mark.parametrize("kind", ["platt", "beta"])
def test_scores_that_rank_the_wrong_way_round_give_everybody_the_base_rate(
    kind: estimator.CalibrationKind,
) -> None:
    label = np.array([1.0, 1, 0, 0, 0, 0, 0, 0])
    fitted = estimator.fit_calibration(-label + np.linspace(0, 0.1, 8), label, kind)
    assert fitted.is_constant
    assert probability(fitted.log_odds(np.array([-9.0, 0, 9]))) == pytest.approx(0.25)


def test_a_perfect_ranking_of_few_events_stays_bounded() -> None:
    label = np.array([1.0, 1, 0, 0, 0, 0, 0, 0])
    fitted = estimator.fit_calibration(label + np.linspace(0, 0.1, 8), label)
    assert fitted.coefficients[1] == pytest.approx(estimator.STEEPEST_SLOPE)


def test_rows_without_a_raw_score_do_not_move_the_calibration() -> None:
    features, label, athletes = squad()
    _, raw = estimator.fit_bag(features, label, athletes, SMALL, {})
    hidden = np.where(np.arange(len(raw)) % 2 == 0, raw, np.nan)
    assert estimator.fit_calibration(hidden, label) == estimator.fit_calibration(raw[::2], label[::2])


def _handmade(horizon_days: int, bag: Bag, intercept: float, slope: float) -> HorizonModel:
    return HorizonModel(horizon_days, bag, Calibration("platt", (intercept, slope)))


def test_a_longer_horizon_never_scores_lower_and_names_whose_score_it_took() -> None:
    features, label, athletes = squad()
    bag, _ = estimator.fit_bag(features, label, athletes, SMALL, {})
    models = (_handmade(14, bag, -1.0, 0.2), _handmade(7, bag, 0.0, 1.0), _handmade(28, bag, 0.1, 1.0))
    predicted = estimator.predict(models, features)
    raw = estimator.member_log_odds(bag, features).mean(axis=0)
    assert predicted.horizons_days == (7, 14, 28)
    for row in range(0, len(features), 13):
        own = {7: raw[row], 14: -1 + 0.2 * raw[row], 28: 0.1 + raw[row]}
        best: dict[int, float] = {}
        for position, horizon in enumerate((7, 14, 28)):
            source = max((h for h in own if h <= horizon), key=lambda h: (round(own[h], 12), h))
            best[horizon] = own[source]
            assert predicted.log_odds[position, row] == pytest.approx(own[source], abs=1e-12)
            assert predicted.source_horizon[position, row] == source
    assert (np.diff(predicted.probability, axis=0) >= 0).all()
    assert {7, 14} == set(predicted.source_horizon[1])


def test_the_interval_holds_the_score_and_never_lies_below_that_of_a_shorter_horizon() -> None:
    features, label, athletes = squad()
    labels = pd.DataFrame({"7": label, "14": label})
    wide, narrow = (Spread(12, -1.0, level, 0.01, 0.05, 0.2) for level in (0.3, 0.02))
    models = [
        replace(model, spread=spread)
        for model, spread in zip(
            estimator.fit_horizons(features, labels, athletes, SMALL, {}), (wide, narrow), strict=True
        )
    ]
    predicted = estimator.predict(models, features)
    assert ((predicted.lower <= predicted.probability) & (predicted.probability <= predicted.upper)).all()
    assert (np.diff(predicted.lower, axis=0) >= 0).all()
    assert (np.diff(predicted.upper, axis=0) >= 0).all()
    reach = wide.reach(estimator.member_log_odds(models[0].bag, features))
    assert predicted.upper[0] == pytest.approx(probability(predicted.log_odds[0] + reach))


def test_models_that_were_never_refitted_have_scores_and_no_intervals() -> None:
    features, label, athletes = squad()
    models = estimator.fit_horizons(features, pd.DataFrame({"7": label}), athletes, SMALL, {})
    predicted = estimator.predict(models, features)
    assert np.isfinite(predicted.probability).all()
    assert np.isnan(predicted.lower).all() and np.isnan(predicted.upper).all()


def test_a_feature_that_was_not_built_is_named() -> None:
    features, label, athletes = squad()
    bag, _ = estimator.fit_bag(features, label, athletes, SMALL, {})
    with pytest.raises(IntegrityError, match="1 features that were not built: noise"):
        estimator.member_log_odds(bag, features[["load"]])


def test_the_order_of_columns_does_not_matter_and_no_rows_give_no_predictions() -> None:
    features, label, athletes = squad()
    models = estimator.fit_horizons(features, pd.DataFrame({"7": label}), athletes, SMALL, {})
    turned = estimator.predict(models, features[["noise", "load"]])
    assert (turned.log_odds == estimator.predict(models, features).log_odds).all()
    assert estimator.predict(models, features.iloc[:0]).probability.shape == (1, 0)


def test_a_member_stops_by_its_own_unseen_athletes_where_nothing_can_be_learnt() -> None:
    features, _, athletes = squad()
    luck = (np.random.default_rng(3).random(len(features)) < 0.1).astype(float)
    grown = {
        rounds: [
            each.num_trees()
            for each in estimator.boosters(
                estimator.fit_bag(features, luck, athletes, replace(SMALL, early_stopping_rounds=rounds), {})[0]
            )
        ]
        for rounds in (0, 5)
    }
    assert grown[0] == [30] * 6
    assert max(grown[5]) < 30


def test_a_member_whose_unseen_athletes_have_no_event_keeps_all_its_trees() -> None:
    features, _, athletes = squad()
    label = np.zeros(len(features))
    label[:5] = 1
    bag, _ = estimator.fit_bag(features, label, athletes, replace(SMALL, early_stopping_rounds=1), {})
    assert [each.num_trees() for each in estimator.boosters(bag)] == [30] * 6


def test_a_bag_with_a_start_scores_what_is_to_be_added_to_it() -> None:
    features, label, athletes = squad()
    plain, raw = estimator.fit_bag(features, label, athletes, SMALL, {})
    start = np.full(len(label), estimator.rate_log_odds(label))
    bag, added = estimator.fit_bag(features, label, athletes, SMALL, {}, start)
    assert added + start == pytest.approx(raw, abs=1e-12)
    truth = -2.5 + 1.5 * features["load"].to_numpy()
    told, left = estimator.fit_bag(features, label, athletes, SMALL, {}, truth)
    assert left.std() < 0.5 * raw.std()
    assert (plain.base_log_odds, bag.base_log_odds, told.base_log_odds) == (start[0], 0.0, 0.0)


def test_every_setting_has_a_range() -> None:
    assert set(estimator._RANGES) | {"calibration"} == set(Settings.__dataclass_fields__)
