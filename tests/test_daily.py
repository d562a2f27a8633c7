"""What cron calls: one moment has one set of predictions, whatever runs twice, arrives late or runs at the same
time."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import configs
from configs.errors import ConfigError, NotReady, StoreBusy, WrongArgument
from features.target import Target, load_target
from models.registry import champion
from pipelines.daily import Day, explain_athlete, moment, score_day
from pipelines.data import Store, read_tables
from pipelines.ingest import ingest
from serving.score import Scores
from tests.squad import MONDAYS, NOW, Squad, stored, strainwatch, write_csv
from tests.trained import small_bundle

DAY = MONDAYS[0]


@pytest.fixture(scope="module")
def target() -> Target:
    return load_target()


def assert_same(before: tuple[pd.DataFrame, ...], after: tuple[pd.DataFrame, ...]) -> None:
    for left, right in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(left, right, check_exact=True)


def hear_late(squad: Squad, folder: Path) -> str:
    """A heavy session of the week before DAY, entered weeks ago elsewhere and brought in only now; whose it is."""
    said = stored(squad)[0]
    athlete = str(said.loc[~said["abstained"], "athlete_id"].iloc[0])
    sessions = read_tables(squad.store)["sessions"]
    one = sessions[(sessions["athlete_id"] == athlete) & (sessions["kind"] == "training")].head(1)
    day = pd.Timestamp(DAY) - pd.Timedelta(days=2)
    known_at = pd.Timestamp(f"{day:%Y-%m-%d} 20:00", tz="UTC")
    row = one.assign(session_id="late", date=day, known_at=known_at, duration_min=240.0, rpe=10.0)
    folder.mkdir()
    assert ingest(squad.store, "csv", write_csv(row, "sessions", folder), now=NOW).added == {"sessions": 1}
    return athlete


def test_a_run_in_words_counts_by_cause_who_was_scored_by_age_and_history_and_who_was_not() -> None:
    few = "too little measured: 70 % of the usual measurements are missing"
    rows = [
        ("a", "model", None),
        ("b", "age and injury history", "no data yet"),
        ("c", "age and injury history", few),
        ("d", "age and injury history", few),
        ("e", None, "injured since 2025-03-01 (known 2025-03-02)"),
        ("f", None, "no data since 2025-03-02"),
        ("g", None, "injured since 2025-02-01 (known 2025-02-02)"),
    ]
    said = pd.DataFrame(rows, columns=["athlete_id", "scored_by", "reason"])
    scores = Scores(said.assign(abstained=said["scored_by"].isna()), pd.DataFrame())
    bundle = replace(small_bundle(), data_cut=pd.Timestamp("2025-03-01"))
    day = Day("scored", pd.Timestamp("2025-03-17 07:00", tz="UTC"), bundle, scores, 0)
    assert day.in_words() == (
        "Scored 4 athletes as of 2025-03-17 07:00 UTC, 3 of them by age and injury history alone "
        "(too little measured 2, no data yet 1); 3 could not be scored (injured 2, no data 1)."
    )
    assert day.facts()["by_age_and_history"] == 3


def test_the_same_day_twice_leaves_one_set_and_says_so(own_squad: Squad) -> None:
    first = own_squad.score(DAY)
    before = stored(own_squad)
    again = own_squad.score(DAY, replace=True)
    assert (first.outcome, again.outcome, again.changed) == ("scored", "unchanged", 0)
    assert "was scored before by this model, with the same result; nothing was added" in again.in_words()
    assert_same(before, stored(own_squad))
    assert not before[0].duplicated(["athlete_id", "horizon_days"]).any()


def test_data_that_come_in_later_do_not_change_what_was_said_unless_replaced(own_squad: Squad, tmp_path: Path) -> None:
    own_squad.score(DAY)
    before = stored(own_squad)
    athlete = hear_late(own_squad, tmp_path / "late")
    kept = own_squad.score(DAY)
    assert (kept.outcome, kept.changed) == ("kept", 1)
    assert "1 athletes would score differently today" in kept.in_words()
    assert_same(before, stored(own_squad))
    replaced = own_squad.score(DAY, replace=True)
    assert (replaced.outcome, replaced.changed) == ("replaced", 1)
    after = stored(own_squad)
    differs = before[0]["fingerprint"] != after[0]["fingerprint"]
    assert set(before[0].loc[differs, "athlete_id"]) == {athlete}
    assert len(after[0]) == len(before[0])
    assert own_squad.score(DAY).outcome == "unchanged"


def test_another_moment_is_another_set(own_squad: Squad) -> None:
    for day in (DAY, f"{DAY}T12:00Z"):
        assert own_squad.score(day).outcome == "scored"
    assert stored(own_squad)[0]["as_of"].nunique() == 2


def test_scores_of_days_that_the_model_learnt_from_are_called_in_sample(own_squad: Squad) -> None:
    learnt, unseen = own_squad.score("2025-03-10"), own_squad.score(DAY)
    assert (learnt.facts()["in_sample"], unseen.facts()["in_sample"]) == (True, False)
    assert "in sample and prove nothing" in learnt.in_words()


@pytest.mark.parametrize(
    ("as_of", "instant"),
    [
        ("2025-03-17", "2025-03-17T07:00Z"),
        ("2025-03-17T00:00", "2025-03-17T00:00Z"),
        ("2025-03-17T09:30Z", "2025-03-17T09:30Z"),
        ("2025-03-17T09:30+02:00", "2025-03-17T07:30Z"),
        ("2025-06-15", "2025-06-15T07:00Z"),
        (None, "2025-06-15T07:00Z"),
    ],
)
def test_a_day_stands_for_its_prediction_hour_and_a_time_for_itself(
    target: Target, as_of: str | None, instant: str
) -> None:
    assert moment(as_of, target, NOW) == pd.Timestamp(instant)


@pytest.mark.parametrize("clock", ["04:30", "06:59"])
def test_without_as_of_nothing_is_scored_before_the_prediction_hour(target: Target, clock: str) -> None:
    early = datetime.fromisoformat(f"2025-06-15T{clock}+00:00")
    with pytest.raises(NotReady, match=f"07:00 UTC, has not come .it is {clock} there.. Run this later, give --as-of"):
        moment(None, target, early)
    assert moment(early.isoformat(), target, early) == pd.Timestamp(early)


def test_without_as_of_every_run_from_the_prediction_hour_on_has_one_moment(target: Target) -> None:
    at = [datetime(2025, 6, 15, hour, minute, tzinfo=UTC) for hour, minute in ((7, 0), (7, 1), (23, 59))]
    assert {moment(None, target, now) for now in at} == {pd.Timestamp("2025-06-15T07:00Z")}


def test_the_prediction_hour_that_has_not_come_is_told_in_its_own_zone(target: Target) -> None:
    oslo = replace(target, time_zone="Europe/Oslo", prediction_time="06:30")
    with pytest.raises(NotReady, match=r"06:30 Europe/Oslo, has not come \(it is 06:00 there\)"):
        moment(None, oslo, datetime(2025, 6, 15, 4, 0, tzinfo=UTC))


@pytest.mark.parametrize("as_of", ["2025-06-16", "2025-06-15T12:01Z", "2099-01-01"])
def test_a_moment_ahead_is_refused(target: Target, as_of: str) -> None:
    with pytest.raises(NotReady, match="lies ahead"):
        moment(as_of, target, NOW)


@pytest.mark.parametrize("as_of", ["yesterday-ish", "2025-13-01", "2025-02-30", "17.03.2025", "", "NaT"])
def test_text_that_is_no_time_is_refused(target: Target, as_of: str) -> None:
    with pytest.raises(WrongArgument, match="is no time"):
        moment(as_of, target, NOW)


def test_a_held_store_is_busy_at_once_or_waited_for(own_squad: Squad) -> None:
    with held(own_squad.store) as release:
        with pytest.raises(StoreBusy, match="another process holds this store"):
            score_day(own_squad.store, DAY, NOW)
        threading.Timer(0.5, release.set).start()
        assert score_day(own_squad.store, DAY, NOW, wait_s=30).outcome == "scored"


@contextmanager
def held(store: Store) -> Iterator[threading.Event]:
    """The store, held by another thread until the event is set."""
    holds, release = threading.Event(), threading.Event()

    def hold() -> None:
        with store.lock():
            holds.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(10)
    try:
        yield release
    finally:
        release.set()
        thread.join()


def test_a_busy_store_ends_the_command_with_its_own_exit_code(own_squad: Squad) -> None:
    with held(own_squad.store):
        ran = strainwatch("score", "--store", own_squad.path, "--as-of", DAY, "--wait", 0)
    assert (ran.code, ran.out) == (6, "")
    assert "another process holds this store (waited 0 s)" in ran.err
    assert not (own_squad.path / "strainwatch.db").exists() or stored(own_squad)[0].empty


@pytest.mark.slow
def test_two_processes_at_once_leave_one_set_and_both_end_well(own_squad: Squad) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.run",
        "score",
        "--store",
        str(own_squad.path),
        "--as-of",
        DAY,
        "--json",
    ]
    root = Path(__file__).parents[1]
    both = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    outcomes = sorted(re.findall(r'"outcome": "(\w+)"', "".join(told)))
    assert outcomes == ["scored", "unchanged"]
    assert not stored(own_squad)[0].duplicated(["athlete_id", "horizon_days"]).any()


def test_an_explanation_says_what_is_stored_and_stores_nothing(own_squad: Squad) -> None:
    day = own_squad.score(DAY)
    before = stored(own_squad)
    athlete = str(before[1]["athlete_id"].iloc[0])
    found = explain_athlete(own_squad.store, athlete, DAY, NOW)
    assert_same(before, stored(own_squad))
    expected = day.scores.explanations[day.scores.explanations["athlete_id"] == athlete]
    pd.testing.assert_frame_equal(found.explanations, expected, check_exact=True)
    assert found.date == pd.Timestamp(DAY)


def test_an_athlete_who_is_unknown_or_not_scored_is_not_explained(squad: Squad) -> None:
    with pytest.raises(NotReady, match="no athlete is called 'Zoe' among those known on 2025-03-17"):
        explain_athlete(squad.store, "Zoe", DAY, NOW)
    with pytest.raises(NotReady, match="'A01' is not scored on 2025-02-10: left the squad on 2025-01-20"):
        explain_athlete(squad.store, "A01", "2025-02-10", NOW)


def test_scoring_reads_the_champions_own_recipe_and_no_configs(own_squad: Squad, tmp_path: Path) -> None:
    """Other features, factors, horizons or model settings in a folder change nothing; the report's bands may."""
    own = tmp_path / "own"
    own.mkdir()
    for name in ("features.toml", "factors.toml", "target.toml", "model.toml"):
        (own / name).write_text("[nonsense]\n", encoding="utf-8")
    day = score_day(own_squad.store, DAY, NOW, configs_folder=own)
    assert day.scores.scored > 4
    assert sorted(day.scores.predictions["horizon_days"].unique()) == [7, 14, 28]
    text = (configs.SHIPPED / "report.toml").read_text(encoding="utf-8")
    (own / "report.toml").write_text(text.replace("most = 3", "mots = 3"), encoding="utf-8")
    with pytest.raises(ConfigError, match="mots"):
        score_day(own_squad.store, DAY, NOW, configs_folder=own)


def test_without_a_champion_there_is_nothing_to_score_with(own_squad: Squad) -> None:
    (own_squad.path / "mlflow" / "mlflow.db").unlink()
    with pytest.raises(NotReady, match="no champion yet: run `strainwatch train`"):
        own_squad.score(DAY)


def test_the_database_of_another_store_is_not_touched(squad: Squad, own_squad: Squad) -> None:
    own_squad.score(DAY)
    assert not (squad.path / "strainwatch.db").exists()
    assert champion(own_squad.path)[0].version == champion(squad.path)[0].version
