"""The recovery checks: their arithmetic on literal numbers, and what they must say of squads whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.build import build_values
from features.tables import empty_tables
from models.alerts import AlertPolicy
from models.evaluation import Evaluation, Score
from models.gate import refusals
from models.leaks import too_good
from models.metrics import Metric
from models.tested import MODEL
from pipelines import verify as verification
from pipelines.recipe import Recipe, load_recipe
from pipelines.verification import checks, report
from pipelines.verification.fitting import bootstrapped, centred, fit, fit_to_truth, flagged, reported
from pipelines.verification.measures import (
    agreement,
    expected_auroc,
    over_seeds,
    rank_correlation,
    share_of_oracle,
    top_changes,
)
from pipelines.verification.nothing import LeakCheck, leak_check
from pipelines.verification.numbers import Number, summarised
from pipelines.verification.squads import (
    Squad,
    Switches,
    came_about,
    needed_specs,
    teams,
    training_squad,
)
from pipelines.verification.squads import tested_squad as squad_to_test


@cache
def recipe() -> Recipe:
    return load_recipe()


@cache
def small() -> Squad:
    return training_squad(recipe(), 16, 1, 5, Switches())


def test_expected_auroc_weighs_each_pair_by_the_chance_that_the_first_has_the_event_and_the_second_not() -> None:
    # right: 0.5 x (1 - 0.2) = 0.4; wrong: 0.2 x (1 - 0.5) = 0.1
    assert expected_auroc(np.array([1.0, 0.0]), np.array([0.5, 0.2])) == pytest.approx(0.8)
    assert expected_auroc(np.array([0.0, 0.0]), np.array([0.5, 0.2])) == pytest.approx(0.5)


def test_expected_auroc_of_drawn_events_is_the_ordinary_one() -> None:
    score, events = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1.0, 0.0, 1.0, 0.0])
    assert expected_auroc(score, events) == pytest.approx(3.5 / 4)


def test_a_row_of_weight_two_counts_as_two_rows_and_of_weight_none_not_at_all() -> None:
    score, events = np.array([3.0, 1.0, 2.0, 5.0]), np.array([1.0, 0.0, 1.0, 0.0])
    weighted = expected_auroc(score, events, np.array([1.0, 1.0, 2.0, 0.0]))
    assert weighted == pytest.approx(1.0)
    assert np.isnan(expected_auroc(score, np.zeros(4)))


def test_share_of_the_oracle_counts_from_the_toss_of_a_coin() -> None:
    assert share_of_oracle(0.7, 0.75) == pytest.approx(0.8)
    assert share_of_oracle(0.5, 0.75) == 0
    assert np.isnan(share_of_oracle(0.6, 0.5))


def test_intervals_over_seeds_are_students() -> None:
    found = over_seeds([1.0, 2.0, 3.0])
    assert found.value == 2
    assert found.upper - 2 == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)
    assert found.lower <= 0.5 <= found.upper


def test_a_seed_without_a_figure_is_left_out_and_a_single_one_has_no_interval() -> None:
    found = over_seeds([np.nan, 0.4])
    assert found.value == 0.4
    assert np.isnan(found.lower)
    assert over_seeds([np.nan]).by_seed[0] != over_seeds([np.nan]).by_seed[0]


def test_agreement_of_explanations_counts_first_three_signs_and_ranks() -> None:
    said = np.array([[0.9, 0.5, 0.1, -0.2], [0.1, 0.8, 0.2, -0.3]])
    true = np.array([[0.5, 0.3, -0.2, 0.05], [0.6, 0.55, 0.0, -0.4]])
    found = agreement(said, true)
    assert found.top == 0.5  # the second names the second factor; the first is truly the largest
    assert found.near_top == 1.0  # but it falls short by only 0.05
    assert found.top_three == pytest.approx((2 / 3 + 1.0) / 2)
    assert found.sign == pytest.approx(5 / 6)  # |true| above 0.1: three in each row, one of them on the wrong side
    assert found.rank == pytest.approx(0.6)  # 0.4 and 0.8: sums of squared differences in rank of 6 and 2
    assert found.predictions == 2


def test_a_factor_that_is_said_to_do_nothing_has_not_the_right_sign() -> None:
    assert agreement(np.array([[0.0, 0.3]]), np.array([[0.5, 0.2]])).sign == 0.5


def test_an_explanation_that_says_the_same_of_every_factor_agrees_with_nothing() -> None:
    found = agreement(np.zeros((2, 4)), np.array([[0.5, 0.3, 0.0, -0.2]] * 2))
    assert (found.rank, found.top, found.near_top, found.top_three, found.sign) == (0, 0, 0, 0, 0)


def test_rank_correlation_of_a_constant_row_is_none() -> None:
    found = rank_correlation(np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]]), np.array([[1.0, 2.0, 3.0]] * 2))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(1.0)


def test_first_factors_are_compared_between_every_pair_of_refits() -> None:
    one, other = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    assert top_changes([one, one, other]) == pytest.approx((0 + 0.5 + 0.5) / 3)
    assert np.isnan(top_changes([one[:0], other[:0]]))


def test_the_hazard_that_came_about_adds_up_this_day_and_the_next_until_the_athlete_left() -> None:
    truth = pd.DataFrame({"athlete_id": ["a", "a", "a", "b", "b"], "hazard": [1.0, 2.0, 4.0, 8.0, 16.0]})
    assert came_about(truth, 2).tolist() == [3.0, 6.0, 4.0, 24.0, 16.0]


def test_odds_multiplied_until_half_have_an_event_keep_their_differences() -> None:
    shifted = centred(np.array([-9.0, -5.0, -4.0]))
    assert (1 / (1 + np.exp(-shifted))).mean() == pytest.approx(0.5)
    np.testing.assert_allclose(np.diff(shifted), [4.0, 1.0])


def test_alerts_are_given_per_team_of_twenty_five() -> None:
    squads = pd.Series(["u21"] * 30 + ["first"] * 25, index=[f"p{number:03}" for number in range(55)])
    assert teams(squads).value_counts().to_dict() == {"u21 1": 25, "first 1": 25, "u21 2": 5}


def test_every_moment_of_a_squad_has_its_own_truth_and_a_known_outcome() -> None:
    squad = small()
    assert squad.labels.notna().all(axis=None)
    assert (squad.oracle > 0).all(axis=None)
    assert list(squad.labels) == ["3", "7", "14", "28"]
    assert (squad.came["28"] >= squad.came["7"]).all()
    assert set(squad.shares[14].columns) == set(checks.FACTORS)


def test_strains_in_training_are_those_of_its_own_time_and_not_of_careers_before() -> None:
    first = small().index["date"].min()
    onsets = pd.DataFrame({"athlete_id": ["a", "a"], "date": [first - pd.Timedelta(days=400), first]})
    assert replace(small(), onsets=onsets).strains == 1


def test_flags_go_to_the_highest_of_each_weekly_report() -> None:
    squad = small()
    chosen = flagged(squad, np.arange(len(squad.index), dtype=float), 3)
    assert 0 < chosen.sum() <= len(np.unique(squad.teams)) * 3 * squad.index["date"].dt.to_period("W").nunique()
    assert reported(squad)[chosen].all()


def test_copies_of_an_athlete_drawn_twice_count_as_two() -> None:
    drawn = bootstrapped(small(), 1)
    assert len(np.unique(drawn.athletes)) == 16
    assert drawn.features.duplicated().sum() > small().features.duplicated().sum()


def test_withholding_a_source_is_the_same_as_emptying_its_tables() -> None:
    squad, specs = small(), needed_specs(recipe().specs)
    rows = squad.index.iloc[::40].reset_index(drop=True)
    whole = build_values(rows, squad.tables, specs)
    for source in ("strength tests", "screenings", "wearables", "wellness forms", "interventions", "injury history"):
        gone = checks.SOURCES[source]
        coverage = squad.tables["coverage"]
        emptied = {
            **squad.tables,
            **{name: squad.tables[name].iloc[:0] for name in gone},
            "coverage": coverage[~coverage["table"].isin(gone)],
        }
        left = build_values(rows, emptied, specs)
        without = checks.features_of(source, specs)
        assert left[sorted(without)].isna().all(axis=None), source
        kept = [name for name in whole if name not in without]
        pd.testing.assert_frame_equal(left[kept], whole[kept])
        assert whole[sorted(without)].notna().any().mean() > 0.5, source


def test_without_satellites_ratings_and_matches_are_left() -> None:
    without = checks.features_of("satellite tracking", recipe().specs)
    assert {"high_speed_7d", "sprint_share_7d", "fast_exposures_28d"} <= without
    assert not {"load_7d", "matches_7d", "sleep_7d"} & without


@pytest.mark.slow
def test_the_planted_leak_is_caught_by_both_checks_and_no_honest_feature_is() -> None:
    found = leak_check(recipe(), 40, 5)
    assert found.honest == ()
    assert found.planted_sees_the_future
    assert found.planted_auroc > 0.9
    assert found.passed


def test_a_feature_that_hides_the_outcome_in_what_is_missing_is_too_good() -> None:
    labels = pd.DataFrame({"7": [1.0, 0.0, 0.0, 1.0, np.nan]})
    features = pd.DataFrame({"told": [np.nan, 1.0, 2.0, np.nan, 9.0], "noise": [1.0, 2.0, 1.0, 2.0, 1.0]})
    assert too_good(features, labels, np.array(list("abcde"), dtype=object)) == {"told": 1.0}


def test_a_feature_that_ranks_a_few_injured_athletes_well_is_not_yet_too_good() -> None:
    label = np.repeat([1.0, 0.0], [20, 200])
    score = np.r_[np.full(18, 2.0), np.zeros(2), np.ones(200)]  # AUROC 0.9
    rows = pd.DataFrame({"score": score}), pd.DataFrame({"7": label})
    few = np.r_[np.repeat(["a", "b", "c", "d"], 5), np.full(200, "e")].astype(object)
    many = np.r_[[f"a{number}" for number in range(20)], np.full(200, "e")].astype(object)
    assert too_good(*rows, few, 0.75) == {}
    assert too_good(*rows, many, 0.75) == {"score": pytest.approx(0.9)}


def evaluation(auroc: float, benefit: float, slope: tuple[float, float], ratio: float) -> Evaluation:
    """A verdict's numbers: lower ends of the gains over age and history, the slope's interval, O:E."""

    def score(name: str, value: float, lower: float, upper: float, against: str | None = None) -> Score:
        return Score(14, MODEL, against, Metric(name, value, lower, upper, 100, 30, 20))

    rows = pd.DataFrame({
        "athlete_id": [f"a{number}" for number in range(40)], "date": pd.Timestamp("2024-01-01"), "squad": "one",
        "horizon_days": 14, "label": [1.0, 0.0] * 20, MODEL: [0.5] * 40,
    })  # fmt: skip
    scores = (
        score("auroc", 0.1, auroc, 0.2, "age_history"),
        score("net_benefit", 0.1, benefit, 0.2, "age_history"),
        score("calibration_slope", 1.0, *slope),
        score("observed_expected", ratio, 0.5, 1.5),
    )
    return Evaluation(rows, scores, (), (14,), 0.03, AlertPolicy(3, 25))


def test_a_model_that_gains_and_is_calibrated_may_be_promoted() -> None:
    assert refusals(evaluation(0.01, -0.01, (0.8, 1.2), 1.1), 14, ()) == ()
    assert refusals(evaluation(-0.01, 0.01, (0.8, 1.2), 1.1), 14, ()) == ()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (evaluation(-0.01, -0.01, (0.8, 1.2), 1.0), "not shown to be better"),
        (evaluation(0.01, 0.01, (1.1, 1.9), 1.0), "slope"),
        (evaluation(0.01, 0.01, (np.nan, np.nan), 1.0), "slope"),
        (evaluation(0.01, 0.01, (0.8, 1.2), 1.3), "observed : expected is 1.30"),
    ],
)
def test_each_condition_of_a_promotion_refuses_on_its_own(found: Evaluation, said: str) -> None:
    (reason,) = refusals(found, 14, ())
    assert said in reason


def test_a_leak_a_miscalibrated_squad_and_a_missing_evaluation_refuse() -> None:
    good = evaluation(0.01, 0.01, (0.8, 1.2), 1.0)
    assert refusals(good, 14, ("tomorrow",)) == ("leak: tomorrow",)
    off = replace(good, out_of_fold=good.out_of_fold.assign(**{MODEL: 0.2}))
    assert refusals(off, 14, ()) == ("observed : expected is 2.50 in one",)
    assert refusals(None, 14, ()) == ("no evaluation is possible",)


def test_a_goal_is_met_or_missed_only_by_squads_that_it_was_set_for() -> None:
    found = summarised([[Number("discrimination", "share of oracle", "model", 14, 0.5)]])
    leaks = LeakCheck((), planted_sees_the_future=True, planted_auroc=0.99)
    said = [
        report.sections(found, leaks, (), verification.quick_plan(athletes, 2, 1, 1), {})[0].rows[0][2]
        for athletes in (200, 1000)
    ]
    assert said == ["0.50", "0.50 (missed)"]


def test_numbers_of_the_same_kind_become_one_estimate() -> None:
    found = summarised([[Number("a", "b", "c", 14, 1.0)], [Number("a", "b", "c", 14, 3.0)]])
    assert found.estimates["a", "b", "c", 14].value == 2
    assert found.as_json()[0]["by_seed"] == (1.0, 3.0)


@pytest.mark.slow
def test_the_learner_finds_planted_effects_and_the_truth_teaches_it_more() -> None:
    trained = training_squad(recipe(), 120, 2, 71, Switches())
    tested = squad_to_test(recipe(), 100, 72, Switches())
    fitted = fit(recipe(), trained, (14,), 5)
    known = checks.logit(trained.oracle["14"].to_numpy())
    ideal = fit_to_truth(recipe(), trained, known, 14, 3)
    reached, reachable = checks.share(tested, fitted), checks.share(tested, ideal)
    assert 0.3 < reached < reachable < 0.95
    limits = {each.subject: each.value for each in checks.ceilings(recipe(), trained, tested, ideal)}
    assert limits[checks.NOISE_FREE] == reachable
    assert reached < limits[checks.ORACLE] < limits[checks.TERMS] < 1  # frailty and fixtures are nobody's to know
    numbers = {each.key: each.value for each in checks.explanation(recipe(), trained, tested, fitted, {"ideal": ideal})}
    assert numbers[checks.ALL, "right sign", "model", 14] > 0.6
    assert numbers[checks.ALL, "rank correlation", "model", 14] > 0.2
    assert numbers[checks.ALL, "right sign", "ideal", 14] > 0.7
    assert numbers[checks.ALL, "top factor", checks.SHARES, 14] > numbers[checks.ALL, "top factor", "model", 14] + 0.1


@pytest.mark.slow
def test_a_run_finds_nothing_where_nothing_is_planted_and_writes_its_report(tmp_path: Path) -> None:
    plan = replace(verification.quick_plan(40, 1, 2, 31), sizes=(20,), members=4, refits=2, test_athletes=60)
    found = verification.verify(plan, recipe(), lambda *_: None)
    nothing = found.summary.get("nothing", "AUROC against events")
    assert nothing is not None and nothing.lower <= 0.5 <= nothing.upper
    assert all(0.3 < value < 0.7 for value in nothing.by_seed)
    refused = found.summary.get("nothing", "gate refuses")
    assert refused is not None and refused.value == 1
    assert found.leaks.passed
    page = verification.write(found, tmp_path / "out").read_text(encoding="utf-8")
    assert page.count("data:image/svg+xml;base64,") == 4
    assert "simulated athletes only" in page
    written = json.loads((tmp_path / "out" / "numbers.json").read_text(encoding="utf-8"))
    assert {each["check"] for each in written["figures"]} >= {"discrimination", "calibration", "curve", "sources"}
    assert empty_tables().keys() >= {name for gone in checks.SOURCES.values() for name in gone}
