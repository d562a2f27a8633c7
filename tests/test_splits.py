"""Folds of unseen athletes and later time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from configs.errors import NotReady
from models import estimator, splits

SETTINGS = replace(estimator.load_settings(), athlete_folds=4, time_blocks=2, repeats=2, least_days=20)


def squad(athletes: int, days: int) -> pd.DataFrame:
    dates = pd.Timestamp("2021-01-04") + pd.to_timedelta(np.tile(np.arange(days), athletes), unit="D")
    return pd.DataFrame({"athlete_id": np.repeat([f"A{i:02d}" for i in range(athletes)], days), "date": dates})


def injured(index: pd.DataFrame, who: list[str], every_days: int) -> np.ndarray:
    """1 in the week before every `every_days`-th day of the athletes named."""
    day = (index["date"] - index["date"].min()).dt.days
    return (index["athlete_id"].isin(who) & (day % every_days < 7)).to_numpy().astype(float)


def random_world(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    generator = np.random.default_rng(seed)
    index = squad(int(generator.integers(8, 25)), int(generator.integers(80, 160)))
    index = index[generator.random(len(index)) < 0.7].reset_index(drop=True)
    who = list(generator.choice(index["athlete_id"].unique(), size=6, replace=False))
    return index, injured(index, who, 25)


@pytest.mark.parametrize("seed", range(8))
def test_tested_athletes_and_days_are_unseen_and_training_horizons_end_before_the_cut(seed: int) -> None:
    index, label = random_world(seed)
    for fold in splits.folds(index, 14, SETTINGS, label):
        train, test = index.iloc[fold.train], index.iloc[fold.test]
        assert not set(train["athlete_id"]) & set(test["athlete_id"])
        last_day_looked_at = train["date"].max() + pd.Timedelta(days=13)
        assert last_day_looked_at < fold.cut
        assert fold.cut <= test["date"].min() and test["date"].max() < fold.end
        assert {0.0, 1.0} <= set(label[fold.train])


@pytest.mark.parametrize("seed", range(8))
def test_a_row_is_tested_at_most_once_in_a_repeat_and_all_rows_after_the_first_cut_are(seed: int) -> None:
    index, label = random_world(seed)
    plan = splits.plan(index, 14, SETTINGS, label)
    for repeat in range(2):
        chosen = [fold for fold in plan.folds if fold.repeat == repeat]
        tested = np.concatenate([fold.test for fold in chosen])
        first = min(fold.cut for fold in chosen)
        assert sorted(tested) == list(np.flatnonzero(index["date"] >= first))


def test_every_training_row_that_the_embargo_allows_is_used() -> None:
    index, label = random_world(1)
    for fold in splits.folds(index, 14, SETTINGS, label):
        tested = set(index["athlete_id"].iloc[fold.test])
        allowed = [
            row
            for row, (athlete, date) in enumerate(zip(index["athlete_id"], index["date"], strict=True))
            if athlete not in tested and date <= fold.cut - pd.Timedelta(days=14)
        ]
        assert list(fold.train) == allowed


def test_injured_athletes_are_spread_evenly_over_the_folds() -> None:
    index = squad(20, 100)
    who = ["A00", "A01", "A02", "A03", "A04", "A05", "A06", "A07"]
    for fold in splits.folds(index, 7, SETTINGS, injured(index, who, 20)):
        tested = set(index["athlete_id"].iloc[fold.test])
        assert len(tested) == 5
        assert len(tested & set(who)) == 2


def test_repeats_deal_the_athletes_out_anew() -> None:
    index, label = random_world(2)
    groups = [
        {
            frozenset(index["athlete_id"].iloc[fold.test])
            for fold in splits.folds(index, 7, SETTINGS, label)
            if fold.repeat == r
        }
        for r in (0, 1)
    ]
    assert groups[0] != groups[1]


def test_the_same_data_give_the_same_folds() -> None:
    index, label = random_world(3)
    first, second = (splits.folds(index, 7, SETTINGS, label) for _ in range(2))
    assert [list(fold.test) for fold in first] == [list(fold.test) for fold in second]


def test_three_injured_athletes_of_six_give_three_folds_and_the_plan_says_so() -> None:
    index = squad(6, 200)
    plan = splits.plan(index, 28, replace(SETTINGS, repeats=1), injured(index, ["A00", "A02", "A05"], 60))
    assert {fold.athlete_fold for fold in plan.folds} == {0, 1, 2}
    assert "Only 3 athlete folds instead of 4: 3 of 6 athletes have an injury." in plan.notes


def test_a_later_first_cut_is_taken_where_no_injury_lies_before_the_wanted_one() -> None:
    index = squad(8, 100)
    day = (index["date"] - index["date"].min()).dt.days
    label = ((day >= 55) & (day < 95) & index["athlete_id"].isin(["A00", "A01", "A02", "A03"])).to_numpy()
    plan = splits.plan(index, 7, replace(SETTINGS, repeats=1, athlete_folds=2), label.astype(float))
    assert min(fold.cut for fold in plan.folds) >= pd.Timestamp("2021-01-04") + pd.Timedelta(days=62)
    assert all(label[fold.train].any() for fold in plan.folds)


def test_folds_that_cannot_learn_are_left_out_and_counted() -> None:
    index = squad(8, 100)
    day = (index["date"] - index["date"].min()).dt.days
    early, late = index["athlete_id"] == "A00", index["athlete_id"] == "A01"
    label = ((early & (day < 7)) | (late & (day >= 92))).to_numpy().astype(float)
    plan = splits.plan(index, 7, replace(SETTINGS, repeats=1, athlete_folds=2), label)
    assert [("A01" in set(index["athlete_id"].iloc[fold.test])) for fold in plan.folds] == [True, True]
    assert "2 folds left out: no injury in their training part, so they test nobody." in plan.notes
    assert "single injured athlete" in plan.notes[-1]


def test_too_little_data_is_refused_with_everything_that_is_short() -> None:
    index = squad(3, 30)
    with pytest.raises(NotReady) as error:
        splits.folds(index, 28, SETTINGS, injured(index, ["A00"], 20))
    assert "found 3 athletes (at least 4), 30 days (at least 58), 1 athletes with an injury (at least 2)" in str(
        error.value
    )


def test_injuries_on_one_side_of_every_cut_are_refused() -> None:
    index = squad(8, 100)
    day = (index["date"] - index["date"].min()).dt.days
    label = ((day < 7) & index["athlete_id"].isin(["A00", "A01"])).to_numpy().astype(float)
    with pytest.raises(NotReady, match="2 athletes with an injury, 14 rows before one, embargo 7 days"):
        splits.folds(index, 7, SETTINGS, label)


def test_thinning_keeps_each_athletes_first_row_of_every_period() -> None:
    index = squad(2, 7)
    kept = index.iloc[splits.thin(index, 3)]
    # 2021-01-04 is day 18,631 since 1970, the second of its period of three.
    days = ["2021-01-04", "2021-01-06", "2021-01-09"]
    assert list(kept["date"].dt.strftime("%Y-%m-%d")) == days * 2
    assert list(kept["athlete_id"]) == ["A00"] * 3 + ["A01"] * 3


def test_rows_that_are_far_apart_already_are_not_thinned() -> None:
    index = squad(3, 70).iloc[::7]
    assert list(splits.thin(index, 3)) == list(range(len(index)))


def test_a_fold_counts_what_was_known_on_its_cut_and_is_left_out_if_it_then_knew_of_no_injury() -> None:
    index = squad(8, 100)
    label = injured(index, ["A00", "A01", "A02", "A03"], 20)
    settings = replace(SETTINGS, repeats=1, athlete_folds=2)
    asked: set[pd.Timestamp] = set()

    def nothing_heard_before(day: pd.Timestamp) -> np.ndarray:
        asked.add(day)
        return np.where(day < pd.Timestamp("2021-03-10"), 0.0, label)[:, None]

    whole = splits.plan(index, 7, settings, label)
    heard = splits.plan(index, 7, settings, label, nothing_heard_before)
    assert min(fold.cut for fold in whole.folds) < pd.Timestamp("2021-03-10")
    assert min(fold.cut for fold in heard.folds) >= pd.Timestamp("2021-03-10")
    assert asked >= {fold.cut for fold in heard.folds}


def designs(index: pd.DataFrame, label: np.ndarray, squads: np.ndarray) -> tuple[splits.Plan, dict[str, splits.Design]]:
    chosen = splits.plan(index, 14, SETTINGS, label)
    return chosen, {each.name: each for each in splits.other_designs(index, squads, 14, chosen, label)}


@pytest.mark.parametrize("seed", range(4))
def test_every_design_tests_rows_that_the_evaluation_tests_and_keeps_its_own_half_apart(seed: int) -> None:
    index, label = random_world(seed)
    clubs = np.where(index["athlete_id"] < "A06", "first", "second")
    chosen, others = designs(index, label, clubs)
    tested = set(np.concatenate([fold.test for fold in chosen.folds]))
    for design in others.values():
        assert design.reason is None
        assert set(np.concatenate([fold.test for fold in design.folds])) <= tested
    for fold in others["unseen athletes, any time"].folds:
        train, test = index.iloc[fold.train], index.iloc[fold.test]
        assert not set(train["athlete_id"]) & set(test["athlete_id"])
        assert train["date"].max() >= test["date"].min()
    for name in ("later time, athletes seen", "unseen squad, later time"):
        for fold in others[name].folds:
            assert index["date"].iloc[fold.train].max() + pd.Timedelta(days=13) < index["date"].iloc[fold.test].min()
    assert any(
        set(index["athlete_id"].iloc[fold.train]) >= set(index["athlete_id"].iloc[fold.test])
        for fold in others["later time, athletes seen"].folds
    )
    for fold in others["unseen squad, later time"].folds:
        assert set(clubs[fold.train]) | set(clubs[fold.test]) == {"first", "second"}
        assert not set(clubs[fold.train]) & set(clubs[fold.test])


def test_a_design_that_the_data_cannot_carry_says_why() -> None:
    index, label = random_world(1)
    alone = designs(index, label, np.full(len(index), "first"))[1]["unseen squad, later time"]
    assert (alone.folds, alone.reason) == ((), "needs two squads or more and found 1")
    hurt = set(index["athlete_id"][label == 1])
    clubs = np.where(index["athlete_id"].isin(hurt), "hurt", "sound")
    apart = designs(index, label, clubs)[1]["unseen squad, later time"]
    assert apart.reason == "has no fold with an injury both in its training and in its test part"
