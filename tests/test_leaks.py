"""The leak battery: quiet on an honest world, and each planted leak caught by its own check, by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from features.tables import empty_tables
from models import estimator, foresight, leaks
from models.leaks import LeakCheck, Material
from pipelines.leak_battery import absent_by_fact, in_words, leak_battery, mornings
from pipelines.recipe import load_recipe
from pipelines.training_set import TrainingSet, training_set
from tests.squad import Squad

SETTINGS = replace(estimator.load_settings(), trees=20, threads=1)
ATHLETES, DAYS = 30, 180
DAY = pd.Timedelta(days=1)


@cache
def onset_days() -> pd.DataFrame:
    """Twenty injured athletes of thirty, each once, at least a month after the first day."""
    generator = np.random.default_rng(4)
    whose = generator.choice(ATHLETES, 20, replace=False)
    return pd.DataFrame({"athlete": whose, "day": generator.integers(40, DAYS - 20, 20)})


@cache
def honest() -> Material:
    """Every day of everybody; two measurements that wander, one of them with holes."""
    generator = np.random.default_rng(5)
    athlete, day = (each.ravel() for each in np.meshgrid(np.arange(ATHLETES), np.arange(DAYS), indexing="ij"))
    label = np.zeros(len(day))
    for row in onset_days().itertuples():
        label[(athlete == row.athlete) & (day <= row.day) & (day > row.day - 7)] = 1
    dates = pd.Series(pd.Timestamp("2023-01-02") + pd.to_timedelta(day, unit="D"))
    wander = generator.normal(size=(ATHLETES, DAYS)).cumsum(axis=1).ravel()
    form = np.where(generator.random(len(day)) < 0.3, np.nan, generator.normal(size=len(day)))
    order = generator.permutation(ATHLETES)
    return Material(
        index=pd.DataFrame({
            "athlete_id": [f"A{order[each]:02d}" for each in athlete], "date": dates,
            "as_of": dates.dt.tz_localize("UTC") + pd.Timedelta(hours=7),
        }),
        features=pd.DataFrame({"load": wander, "form": form}),
        labels=pd.DataFrame({"7": label}),
        squads=np.full(len(day), "first"),
        facts=frozenset(),
    )  # fmt: skip


def days_until_onset(material: Material) -> np.ndarray:
    """Days from each row to the athlete's injury; negative after it, a thousand without one."""
    label = material.labels["7"].to_numpy()
    last = material.index[label == 1].groupby("athlete_id")["date"].max()
    ahead = (material.index["athlete_id"].map(last) - material.index["date"]) / DAY
    return ahead.fillna(1000).to_numpy()


def tables(material: Material, missing: np.ndarray) -> dict[str, pd.DataFrame]:
    """Contract tables with a session of every athlete-day, but for those that are `missing`."""
    rows = material.index.loc[~missing, ["athlete_id", "date"]]
    found = {name: table.assign(superseded_at=never([])) for name, table in empty_tables().items()}
    return {**found, "sessions": rows.assign(superseded_at=never(rows.index))}


def never(index: Sequence[int] | pd.Index) -> pd.Series:
    """No row was superseded."""
    return pd.Series(pd.NaT, index=index, dtype="datetime64[us, UTC]")


def blocking(checks: Sequence[LeakCheck]) -> tuple[str, ...]:
    """The sentences of failed checks that forbid a promotion."""
    return tuple(check.sentence for check in checks if check.blocks and not check.passed)


def test_an_honest_world_passes_every_check_that_blocks() -> None:
    material = honest()
    nobody = np.zeros(len(material.index), dtype=bool)
    checks = [
        leaks.missingness(material, SETTINGS),
        leaks.row_spacing(material, SETTINGS, tables(material, nobody)),
        leaks.athlete_order(material, SETTINGS),
        leaks.shuffled_labels(material, SETTINGS, {}),
        leaks.single_feature(material),
    ]
    assert blocking(checks) == ()
    assert all(0.2 < check.value < 0.8 for check in checks if np.isfinite(check.value))


def test_missing_values_that_follow_the_label_are_named() -> None:
    material = honest()
    told = np.where(material.labels["7"] == 1, np.nan, material.features["load"])
    found = leaks.missingness(replace(material, features=material.features.assign(form_filled=told)), SETTINGS)
    assert not found.passed and found.blocks
    assert found.columns == ("form_filled",)
    assert found.lower > 0.9
    assert "missing values of form_filled" in found.sentence


def test_absence_that_is_itself_a_fact_is_no_missing_value() -> None:
    material = honest()
    told = np.where(material.labels["7"] == 1, np.nan, material.features["load"])
    known = replace(material, features=material.features.assign(since_injury=told), facts=frozenset({"since_injury"}))
    assert leaks.missingness(known, SETTINGS).passed


def test_rows_left_out_before_injuries_alone_are_told_by_their_gaps() -> None:
    """As in the public data of Loevdal et al. 2021, which lack the 22 days before every injury."""
    material = honest()
    ahead = days_until_onset(material)
    left_out = (ahead >= 1) & (ahead <= 22)
    nobody = np.zeros(len(material.index), dtype=bool)
    found = leaks.row_spacing(material.rows(np.flatnonzero(~left_out)), SETTINGS, tables(material, nobody))
    assert not found.passed and found.blocks
    assert found.columns[0] == "days since the previous row"  # the rows in the last 28 days tell the same
    assert "days since the previous row (23 before injuries, 1 otherwise)" in found.sentence


def test_records_left_out_before_injuries_alone_are_told_by_their_number() -> None:
    material = honest()
    ahead = days_until_onset(material)
    found = leaks.row_spacing(material, SETTINGS, tables(material, (ahead >= 1) & (ahead <= 22)))
    assert not found.passed
    assert "records in sessions" in found.columns


def test_ids_given_in_the_order_of_injury_are_told() -> None:
    material = honest()
    is_injured = material.index["athlete_id"].isin(material.index.loc[material.labels["7"] == 1, "athlete_id"])
    renamed = np.where(is_injured, "0", "9") + material.index["athlete_id"]
    found = leaks.athlete_order(replace(material, index=material.index.assign(athlete_id=renamed)), SETTINGS)
    assert not found.passed
    assert found.columns == ("athlete_id",)
    assert found.value == 1.0


def test_shuffled_labels_keep_their_runs_and_belong_to_other_rows() -> None:
    material = honest()
    label = material.labels["7"].to_numpy()
    found = leaks.shuffled(label, material.index, 1)
    assert found.sum() == label.sum()
    starts = [int((np.diff(each) == 1).sum()) for each in (label, found)]
    assert abs(starts[0] - starts[1]) <= 1
    assert (found * label).sum() < 0.2 * label.sum()


def test_a_pipeline_that_finds_shuffled_labels_fails() -> None:
    material = honest()
    told = leaks.shuffled(material.labels["7"].to_numpy(), material.index, SETTINGS.seed)
    found = leaks.shuffled_labels(replace(material, features=material.features.assign(told=told)), SETTINGS, {})
    assert not found.passed and found.blocks
    assert found.lower > 0.5
    assert "labels that were shuffled" in found.sentence


def test_too_few_injured_athletes_are_not_tested_and_pass() -> None:
    material = honest()
    injured = material.index.loc[material.labels["7"] == 1, "athlete_id"].unique()[:2]
    few = replace(material, labels=material.labels[["7"]] * material.index[["athlete_id"]].isin(injured).to_numpy())
    found = leaks.missingness(few, SETTINGS)
    assert found.passed and "Not tested" in found.sentence
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["value"] is None


def test_days_that_differ_from_those_learnt_from_are_a_warning_that_names_the_column() -> None:
    material = honest()
    aged = material.features.assign(age=(material.index["date"] - pd.Timestamp("2000-01-01")) / DAY)
    found = leaks.train_against_test(replace(material, features=aged), SETTINGS)
    assert not found.passed and not found.blocks
    assert found.columns[0] == "age"
    assert blocking([found]) == ()
    assert list(in_words([found]))[1].startswith("Warning: Tested days differ")


def test_a_feature_that_alone_knows_the_outcome_is_too_good() -> None:
    material = honest()
    ahead = days_until_onset(material)
    found = leaks.single_feature(
        replace(material, features=material.features.assign(days_left=np.where(ahead < 0, 1000, ahead)))
    )
    assert not found.passed
    assert found.columns == ("days_left",)
    assert "days_left (0." in found.sentence or "days_left (1." in found.sentence


def late_sessions() -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """One prediction on the 10th at 7:00; sessions of the 8th and 9th, the second known only at noon of the 10th."""
    index = pd.DataFrame({
        "athlete_id": ["a"], "date": [pd.Timestamp("2024-01-10")], "as_of": [pd.Timestamp("2024-01-10T07:00Z")],
    })  # fmt: skip
    sessions = empty_tables()["sessions"].reindex([0, 1]).assign(
        athlete_id="a", date=pd.to_datetime(["2024-01-08", "2024-01-09"]), duration_min=[30.0, 60.0],
        known_at=pd.to_datetime(["2024-01-08T20:00Z", "2024-01-10T12:00Z"]), superseded_at=never([0, 1]),
    )  # fmt: skip
    return index, {"sessions": sessions}


def built_from(sessions: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"longest": [sessions["duration_min"].max()], "shortest": [sessions["duration_min"].min()]})


def test_a_feature_that_reads_late_rows_changes_when_they_are_deleted_or_falsified() -> None:
    index, tables = late_sessions()
    found = foresight.sees_the_future(lambda _, given: built_from(given["sessions"]), index, tables)
    assert found == ("longest", "shortest")  # deleted: 30 in place of 60; falsified: absurd in place of 30


def test_a_feature_that_reads_both_clocks_does_not_change_and_one_that_cannot_be_rebuilt_is_named() -> None:
    index, tables = late_sessions()

    def build(index: pd.DataFrame, given: foresight.Tables) -> pd.DataFrame:
        sessions = given["sessions"]
        return built_from(sessions[sessions["known_at"] <= index["as_of"].iloc[0]])

    assert foresight.sees_the_future(build, index, tables) == ()
    learnt = build(index, tables).assign(pasted=[1.0])
    assert foresight.sees_the_future(build, index, tables, learnt) == ("pasted",)


def test_a_value_of_a_day_after_the_predictions_own_is_named() -> None:
    date = pd.Series(pd.to_datetime(["2024-01-10", "2024-01-11"]))
    dates = pd.DataFrame({
        "same": pd.to_datetime(["2024-01-10", "2024-01-11"]), "never": pd.to_datetime([None, None]),
        "ahead": pd.to_datetime(["2024-01-09", "2024-01-12"]),
    })  # fmt: skip
    assert foresight.dated_ahead(dates, date) == ("ahead",)


def test_a_failed_check_that_does_not_block_warns() -> None:
    checks = [LeakCheck("a", False, "one"), LeakCheck("b", True, "two"), LeakCheck("c", False, "three", blocks=False)]
    assert list(in_words(checks)) == ["Leak battery: 1 of 3 checks passed.", "Leak: one", "Warning: three"]


def test_features_that_are_missing_where_nothing_happened_are_facts() -> None:
    facts = absent_by_fact(load_recipe().specs)
    assert {"days_since_hamstring_injury", "days_since_nordic"} <= facts
    assert not {"load_7d", "sleep_7d", "fatigue_z"} & facts


def test_moments_built_again_are_everybodys_just_before_an_injury() -> None:
    material = honest()
    rows = mornings(material.index, material.labels)
    chosen = material.index.iloc[rows]
    assert chosen["as_of"].nunique() == 4
    assert (chosen.groupby("as_of").size() == ATHLETES).all()
    assert material.labels["7"].iloc[rows].groupby(chosen["as_of"].to_numpy()).max().eq(1).all()


@pytest.fixture(scope="module")
def trained(squad: Squad) -> TrainingSet:
    return training_set(squad.store, load_recipe(squad.configs), None, lambda *_: None)


@pytest.mark.slow
def test_the_features_of_a_store_with_late_rows_and_corrections_pass_the_checks_that_block(
    trained: TrainingSet, squad: Squad
) -> None:
    checks = leak_battery(trained, load_recipe(squad.configs), {})
    assert blocking(checks) == ()
    assert [check.name for check in checks] == [
        "missingness", "row_spacing", "athlete_order", "shuffled_labels", "future_rows", "value_dates",
        "single_feature", "train_against_test",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_column_that_sees_tomorrow_fails_and_is_named(trained: TrainingSet, squad: Squad) -> None:
    tomorrow = trained.features.groupby(trained.index["athlete_id"].to_numpy())["load_7d"].shift(-1)
    planted = replace(
        trained,
        features=trained.features.assign(load_tomorrow=tomorrow),
        model_features=[*trained.model_features, "load_tomorrow"],
    )
    checks = {check.name: check for check in leak_battery(planted, load_recipe(squad.configs), {})}
    assert checks["future_rows"].columns == ("load_tomorrow",)
    assert not checks["future_rows"].passed
