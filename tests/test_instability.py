"""Refits of the whole pipeline: their figures on literal numbers, and what a refit may draw."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from configs.errors import NotReady
from models import estimator
from models.alerts import AlertPolicy
from models.instability import Instability, Refitted, Reported, instability, refitted, with_spreads
from models.learner import TrainingRows
from models.odds import probability

SETTINGS = replace(estimator.load_settings(), members=3, trees=10, refit_members=2, threads=1)
POLICY = AlertPolicy(1, 2)
"""One flag for two athletes."""


def log_odds(chance: list[float]) -> np.ndarray:
    given = np.array(chance)
    return np.log(given / (1 - given))


def reports(label: list[float], days: tuple[str, ...] = ("7",)) -> Reported:
    """Two athletes on as many Mondays as there are labels for both."""
    mondays = pd.date_range("2024-01-01", periods=len(label) // 2, freq="7D")
    index = pd.DataFrame({"athlete_id": ["a", "b"] * len(mondays), "date": np.repeat(mondays, 2), "squad": "one"})
    return Reported(pd.DataFrame(index=index.index), pd.DataFrame(dict.fromkeys(days, label)), index)


def found(original: list[float], refits: list[list[float]], label: list[float]) -> Instability:
    given = Refitted((7,), (np.zeros((2, len(original))),), log_odds(original)[None, :], log_odds_of(refits))
    return instability(given, reports(label), POLICY)


def log_odds_of(refits: list[list[float]]) -> np.ndarray:
    return np.stack([log_odds(each)[None, :] for each in refits])


def test_prediction_error_is_the_mean_distance_of_the_refits_risk_from_the_originals() -> None:
    (one,) = found([0.2, 0.1], [[0.3, 0.1], [0.2, 0.2]], [1, 0]).horizons
    assert one.mean_absolute_error == pytest.approx((0.1 + 0.0 + 0.0 + 0.1) / 4)
    assert one.mean_risk == pytest.approx(0.15)
    assert one.by_athlete["mean_absolute_error"].tolist() == pytest.approx([0.05, 0.05])


def test_flags_flip_where_a_refit_ranks_others_first() -> None:
    # the first Monday's flag goes to b in one refit of two, the second Monday's stays with a
    (one,) = found([0.2, 0.1, 0.2, 0.1], [[0.2, 0.1] * 2, [0.1, 0.2, 0.2, 0.1]], [1, 0, 0, 0]).horizons
    assert one.flip_rate == pytest.approx(2 / 8)
    assert one.kept_flags == pytest.approx(3 / 4)
    assert one.chance_kept == pytest.approx(1 / 2)
    assert one.by_athlete["flip_rate"].tolist() == pytest.approx([0.25, 0.25])


def test_a_refit_that_scores_all_alike_keeps_what_lots_would_keep() -> None:
    (one,) = found([0.2, 0.1], [[0.1, 0.1], [0.3, 0.3]], [1, 0]).horizons
    assert one.kept_flags == pytest.approx(one.chance_kept)


def test_net_benefit_of_a_refit_counts_true_flags_less_false_ones_at_the_thresholds_odds() -> None:
    curve = found([0.5, 0.1], [[0.5, 0.1], [0.1, 0.5]], [1, 0]).horizons[0].decision_curve
    at = curve.iloc[(curve["threshold"] - 0.3).abs().argmin()]
    odds = at["threshold"] / (1 - at["threshold"])
    assert at["original"] == pytest.approx(0.5)
    assert at["everybody"] == pytest.approx(0.5 - 0.5 * odds)
    assert at["upper"] == pytest.approx(np.percentile([0.5, -0.5 * odds], 97.5))


def test_a_longer_horizon_is_judged_as_it_is_shown_never_below_a_shorter_one() -> None:
    raw = np.stack([log_odds([0.2, 0.1]), log_odds([0.1, 0.3])])
    given = Refitted((7, 14), (np.zeros((2, 2)),) * 2, raw, np.stack([raw, raw]))
    both = instability(given, reports([1, 0], ("7", "14")), POLICY).horizons
    assert both[1].mean_risk == pytest.approx((0.2 + 0.3) / 2)
    assert both[1].mean_absolute_error == pytest.approx(0.0)


def test_few_refits_are_said_to_be_few_and_the_json_names_no_athlete() -> None:
    few = found([0.2, 0.1], [[0.3, 0.1], [0.2, 0.2]], [1, 0])
    assert "2 refits" in few.sentences()[0] and "200 are advised" in few.sentences()[0]
    content = json.loads(json.dumps(few.as_json(), allow_nan=False))
    assert (content["bootstraps"], content["mape_7d"]) == (2, pytest.approx(0.05))
    assert "athlete_id" not in json.dumps(content)
    many = Instability((replace(few.horizons[0], refits=200),))
    assert "advised" not in many.sentences()[0]


def rows(athletes: int = 10, days: int = 30, injured: int = 5) -> TrainingRows:
    generator = np.random.default_rng(2)
    names = np.repeat([f"A{number:02d}" for number in range(athletes)], days)
    day = np.tile(np.arange(days), athletes)
    label = ((names < f"A{injured:02d}") & (day > 22)).astype(float)
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    return TrainingRows(
        features=pd.DataFrame({"load": label + generator.normal(size=len(label)), "noise": generator.normal(size=300)}),
        labels=pd.DataFrame({"7": label}),
        index=pd.DataFrame({"athlete_id": names, "date": dates}),
        squads=np.full(len(label), "one"),
        monotone={},
    )


def test_refits_learn_from_other_athletes_and_come_out_the_same_again() -> None:
    given = rows()
    models = estimator.fit_horizons(given.features, given.labels, given.athletes, SETTINGS, {})
    judged = Reported(given.features, given.labels, given.index.assign(squad="one"))
    one, again = (refitted(models, given, judged, SETTINGS, 4) for _ in range(2))
    assert (one.refits == again.refits).all()
    assert one.refits.shape == (4, 1, 300)
    assert one.refits.std(axis=0).mean() > 0.05
    predicted = estimator.predict(with_spreads(models, one), given.features)
    assert predicted.probability[0] == pytest.approx(probability(one.original[0]))
    assert ((predicted.lower < predicted.probability) & (predicted.probability < predicted.upper)).all()


def test_athletes_of_whom_too_few_were_injured_to_refit_are_refused_in_words() -> None:
    given = rows()
    models = estimator.fit_horizons(given.features, given.labels, given.athletes, SETTINGS, {})
    judged = Reported(given.features, given.labels, given.index.assign(squad="one"))
    with pytest.raises(NotReady, match="In 20 draws of 10 athletes none had an injury"):
        refitted(models, replace(given, labels=given.labels * 0), judged, SETTINGS, 2)
