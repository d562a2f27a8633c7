"""Scores by age and injury history alone: exact, wider the less is known, and none where nothing is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.baselines import BaselineFeatures, fit_age_history
from models.estimator import load_settings
from models.fallback import (
    Fallback,
    can_score,
    fallback_contributions,
    fallback_from_json,
    fit_fallback,
    floor_in_words,
    predict_fallback,
    share_missing,
)
from models.logistic import Logistic, Term

NAN = np.nan
NAMES = BaselineFeatures(age="age", history=("injuries",))
SETTINGS = replace(load_settings(), members=8)


def squad(athletes: int = 40, days: int = 30) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Features, labels of 7 and 28 days, and athletes; who was injured before is injured more."""
    generator = np.random.default_rng(2)
    age, injuries = generator.normal(25, 4, athletes), generator.poisson(0.7, athletes).astype(float)
    who = np.repeat(np.arange(athletes), days)
    features = pd.DataFrame({"age": age[who], "injuries": injuries[who], "load": generator.normal(0, 1, len(who))})
    chance = 1 / (1 + np.exp(3.5 - 0.6 * features["injuries"]))
    week = (generator.random(len(who)) < chance).astype(float)
    month = np.maximum(week, (generator.random(len(who)) < chance).astype(float))
    week[:5] = NAN
    return features, pd.DataFrame({"7": week, "28": month}), np.array([f"A{number:02d}" for number in who])


def unseen(features: pd.DataFrame, sd: float) -> dict[int, np.ndarray]:
    """Out-of-bag scores of a model that sees more than age and history: `sd` log-odds apart from them."""
    generator = np.random.default_rng(9)
    return {days: -3 + generator.normal(0, sd, len(features)) for days in (7, 28)}


@pytest.fixture(scope="module")
def fitted() -> tuple[Fallback, ...]:
    features, labels, athletes = squad()
    return fit_fallback(unseen(features, 0.5), features, labels, athletes, NAMES, SETTINGS)


def literal(horizon_days: int, base: float, weight: float = 0.5, hidden_sd: float = 0.0) -> Fallback:
    """Only the count of injuries counts; two refits whose bases are 0.2 apart."""
    term = Term("injuries", median=0.0, centre=1.0, weight=weight, share_missing=0.0, if_missing=0.0, spread=0.8)
    refits = tuple(Logistic(base + off, (term,)) for off in (-0.1, 0.1))
    return Fallback(horizon_days, Logistic(base, (term,)), refits, hidden_sd)


def injuries(*counts: float) -> pd.DataFrame:
    return pd.DataFrame({"injuries": counts})


def test_it_is_the_age_and_history_baseline_of_the_rows_with_a_known_outcome(fitted: tuple[Fallback, ...]) -> None:
    features, labels, _ = squad()
    assert [model.horizon_days for model in fitted] == [7, 28]
    for model in fitted:
        label = labels[str(model.horizon_days)].to_numpy()
        known = np.isfinite(label)
        baseline = fit_age_history(features[known], label[known], NAMES, SETTINGS)
        assert model.form.chances(features) == pytest.approx(baseline.predict(features), abs=1e-15)


def test_without_age_and_history_in_the_data_it_is_the_base_rate() -> None:
    features, labels, athletes = squad()
    (week, month) = fit_fallback(unseen(features, 0.5), features[["load"]], labels, athletes, NAMES, SETTINGS)
    assert (week.form.terms, month.form.terms) == ((), ())
    assert 1 / (1 + np.exp(-month.form.base)) == pytest.approx(labels["28"].mean())
    assert can_score((week, month), features[["load"]]).tolist() == [False] * len(features)


def test_the_interval_holds_the_score_and_is_wider_the_more_the_model_sees_beside_it(
    fitted: tuple[Fallback, ...],
) -> None:
    features, labels, _ = squad()
    said = predict_fallback(fitted, features)
    assert (said.lower < said.probability).all() and (said.probability < said.upper).all()
    known = labels["7"].notna().to_numpy()
    apart = (unseen(features, 0.5)[7] - fitted[0].form.log_odds(features))[known]
    assert fitted[0].hidden_sd == pytest.approx(apart.std())
    wider = predict_fallback([replace(model, hidden_sd=2 * model.hidden_sd) for model in fitted], features)
    assert (wider.probability == said.probability).all()
    assert (wider.lower < said.lower).all() and (wider.upper > said.upper).all()


def test_the_interval_is_a_normal_one_over_refits_hidden_spread_and_what_is_missing() -> None:
    model = literal(7, -4.0, hidden_sd=0.3)
    said = predict_fallback([model], injuries(2.0, NAN))
    sd = np.sqrt([0.1**2 + 0.3**2, 0.1**2 + 0.3**2 + (0.5 * 0.8) ** 2])
    upper = np.array([-3.5, -4.5]) + 1.6448536269514722 * sd
    assert said.upper[0] == pytest.approx(1 / (1 + np.exp(-upper)), abs=1e-12)


def test_a_longer_horizon_never_scores_lower_and_explains_itself_by_the_one_that_set_the_score() -> None:
    models = [literal(7, -4.0, weight=0.5), literal(28, -3.0, weight=-0.5)]
    features = injuries(1.0, 3.0)
    said = predict_fallback(models, features)
    assert said.log_odds.tolist() == [[-4.0, -3.0], [-3.0, -3.0]]
    assert said.source_horizon.tolist() == [[7, 7], [28, 7]]
    base, shares = fallback_contributions(models, said, features, 28)
    assert base.tolist() == [-3.0, -4.0]
    assert shares["injuries"].tolist() == [0.0, 1.0]


def test_contributions_and_base_add_up_at_every_horizon(fitted: tuple[Fallback, ...]) -> None:
    features, _, _ = squad()
    features.loc[3, ["age", "injuries"]] = NAN
    said = predict_fallback(fitted, features)
    for number, days in enumerate(said.horizons_days):
        base, shares = fallback_contributions(fitted, said, features, days)
        assert list(shares.columns) == ["age", "injuries"]
        assert base + shares.to_numpy().sum(axis=1) == pytest.approx(said.log_odds[number], abs=1e-12)


def test_a_squads_own_rate_moves_score_and_interval_alike_and_the_doubt_about_it_widens_the_interval() -> None:
    model = literal(7, -4.0)
    plain, moved = (predict_fallback([each], injuries(0.0)) for each in (model, model.shifted(0.7, 0.0)))
    for part in ("probability", "lower", "upper"):
        before, after = (np.log(getattr(each, part) / (1 - getattr(each, part))) for each in (plain, moved))
        assert after == pytest.approx(before + 0.7)
    assert replace(model, hidden_sd=0.3).shifted(0.7, 0.4).hidden_sd == pytest.approx(0.5)


def test_who_is_known_by_age_or_by_history_can_be_scored_and_nobody_else(fitted: tuple[Fallback, ...]) -> None:
    people = pd.DataFrame({"age": [24.0, NAN, NAN], "injuries": [NAN, 0.0, NAN], "load": [NAN, NAN, 1.0]})
    assert can_score(fitted, people).tolist() == [True, True, False]


def test_only_what_training_usually_had_can_be_missing() -> None:
    people = pd.DataFrame({"a": [1.0, NAN], "b": [NAN, NAN], "rare": [NAN, NAN], "unused": [NAN, NAN]})
    missed = {"a": 0.1, "b": 0.5, "rare": 0.51, "unused": 0.0}
    assert share_missing(people, ["a", "b", "rare"], missed).tolist() == [0.5, 1.0]
    assert share_missing(people, ["rare"], missed).tolist() == [0.0, 0.0]


def out_of_fold() -> pd.DataFrame:
    """Rows 0 to 3 tested at 7 days, the last with an unknown outcome, row 0 twice; and at 28 days."""
    week = pd.DataFrame({"row": [0, 1, 2, 3, 0], "athlete_id": list("aabca"), "label": [1.0, 0.0, 0.0, NAN, 1.0]})
    return pd.concat([week.assign(horizon_days=7), week.assign(horizon_days=28, label=1.0)], ignore_index=True)


def test_an_evaluation_says_which_of_its_days_lie_below_the_floor() -> None:
    said = floor_in_words(out_of_fold(), np.array([0.7, 0.7, 0.6, 0.9]), floor=0.6)
    assert said.startswith(
        "2 of 3 tested athlete-days (athletes: 1) lack more than 60 % of the usual measurements; an injury followed "
        "1 of them within 7 days."
    )
    none = floor_in_words(out_of_fold(), np.array([0.6, 0.1, 0.1, 0.9]), floor=0.6)
    assert none.startswith("None of the 3 tested athlete-days lacks more than 60 %")
    assert none.endswith("are not tested on this data.")


def test_it_comes_back_from_json_to_the_last_bit(fitted: tuple[Fallback, ...]) -> None:
    for model in fitted:
        assert fallback_from_json(json.loads(json.dumps(model.as_json()))) == model
