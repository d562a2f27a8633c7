"""Ingest: no good row is lost, no bad one comes in, nothing is known in hindsight, and no crash does harm."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from configs.errors import ConfigError, FileRefused
from pipelines.data import Store, fingerprint, manifests, open_store, quarantine, read_tables
from pipelines.ingest import IngestResult, ingest

NOW = datetime(2021, 11, 1, 9, tzinfo=UTC)
HEADER = "session_id,athlete_id,date,known_at,kind,duration_min,distance_m\n"
ROWS = (
    "s1,a,2021-10-01,2021-10-02T06:00:00Z,training,60,5200\n"
    "s2,a,2021-10-02,2021-10-03T06:00:00Z,match,90,9800\n"
    "s3,a,2021-10-03,2021-10-04T06:00:00Z,training,70,6100\n"
)
GOOD = HEADER + ROWS


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def bring(store: Store, text: str | bytes, table: str = "sessions", now: datetime = NOW) -> IngestResult:
    return ingest(store, "csv", write(store.path.parent / "in", f"{table}.csv", text), now=now)


def sessions(store: Store) -> list[str]:
    return read_tables(store)["sessions"]["session_id"].to_list()


def told(result: IngestResult) -> str:
    return "\n".join(str(problem) for problem in result.problems)


# --- broken files ---------------------------------------------------------------------------------

FOURTH = "s4,a,2021-10-04,2021-10-05T06:00:00Z,training,60,6000\n"


@pytest.mark.parametrize(
    ("row", "message", "good"),
    [
        (FOURTH.replace("2021-10-04", "2022-10-04"), "1 row with date in the future (worst 2022-10-04", 3),
        (FOURTH.replace(",60,", ",sixty,"), "1 row with duration_min: not a number (worst sixty", 3),
        (FOURTH.replace(",6000", ',"6,0"'), "1 row with distance_m: decimal comma (worst 6,0", 3),
        (FOURTH.replace(",6000", ",600000"), "1 row with distance_m outside 0 to 60,000 m (worst 600,000", 3),
        (FOURTH + FOURTH.replace("60,6000", "61,6000"), "2 rows with the same session_id and known_at", 3),
        (FOURTH + FOURTH, "1 row with exactly what an earlier row of the file says", 4),
        ("s4,a,2021-10-04\n", "1 row with the line has 3 cells, the header 7", 3),
    ],
)
def test_a_bad_row_is_quarantined_with_reason_and_line_and_the_good_ones_come_in(
    store: Store, row: str, message: str, good: int
) -> None:
    result = bring(store, GOOD + row)
    assert message in told(result)
    assert sessions(store) == ["s1", "s2", "s3", "s4"][:good]
    refused = quarantine(store)
    assert result.quarantined == len(refused)
    assert result.exit_code == (4 if len(refused) else 0)
    assert set(refused["line"]) <= {"sessions.csv:5", "sessions.csv:6"}


def test_a_wrong_unit_refuses_the_rows_that_carry_it(store: Store) -> None:
    km = "".join(f"k{i},a,2021-10-{i + 10},2021-10-{i + 11}T06:00:00Z,training,60,5.{i}\n" for i in range(9))
    result = bring(store, HEADER + km + "r1,a,2021-10-20,2021-10-21T06:00:00Z,training,20,\n")
    assert "9 rows with distance_m in a wrong unit: median 5.4, usual 500 to 30,000 m" in told(result)
    assert "The values look like km" in told(result)
    assert sessions(store) == ["r1"]
    assert result.exit_code == 4


def test_a_mistyped_column_refuses_the_file_and_erases_nothing_of_what_is_there(store: Store) -> None:
    bring(store, GOOD)
    for wrong in ("durtion_min", "duration_h", "duration"):
        with pytest.raises(FileRefused, match=f"unknown column {wrong}.\n    Did you mean duration_min\\?"):
            bring(store, GOOD.replace("duration_min", wrong))
    assert read_tables(store)["sessions"]["duration_min"].to_list() == [60.0, 90.0, 70.0]


def test_a_column_that_is_none_of_ours_is_told_and_the_rows_come_in(store: Store) -> None:
    result = bring(store, GOOD.replace("distance_m", "weather"))
    assert "unknown column weather" in told(result)
    assert (result.exit_code, sessions(store)) == (0, ["s1", "s2", "s3"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "sessions.csv: the file has 0 bytes"),
        (b"\n", "sessions.csv: the file is empty"),
        (HEADER.encode(), "sessions.csv: a header but no data rows"),
        (GOOD.replace("athlete_id", "player").encode(), "column athlete_id is missing"),
        (GOOD.encode("utf-16-le"), "sessions.csv: this looks like UTF-16 without its mark"),
        (b"\x00\x01\x02garbage\x00", "sessions.csv: "),
    ],
)
def test_an_unreadable_file_is_refused_whole_and_the_store_stays_as_it_was(
    store: Store, content: bytes, message: str
) -> None:
    bring(store, GOOD)
    before = fingerprint(read_tables(store))
    with pytest.raises(FileRefused) as refused:
        bring(store, content)
    assert message in str(refused.value)
    assert refused.value.exit_code == 3
    assert fingerprint(read_tables(store)) == before
    assert len(manifests(store)) == 1


def test_utf16_with_its_mark_comes_in_and_is_mentioned(store: Store) -> None:
    result = bring(store, GOOD.encode("utf-16"))
    assert "sessions.csv: the file is UTF-16; read as such" in result.notes[0]
    assert (result.exit_code, sessions(store)) == (0, ["s1", "s2", "s3"])


def test_trouble_with_several_files_of_a_folder_is_told_together_and_nothing_comes_in(store: Store) -> None:
    folder = store.path.parent / "in"
    write(folder, "sessions.csv", GOOD)
    write(folder, "wellness.csv", b"")
    write(folder, "athletes.csv", b"PK\x03\x04")
    with pytest.raises(FileRefused) as refused:
        ingest(store, "csv", folder, now=NOW)
    assert "wellness.csv: the file has 0 bytes" in str(refused.value)
    assert "athletes.csv: this is an Excel workbook" in str(refused.value)
    assert sessions(store) == []


def test_strict_refuses_a_file_with_one_bad_row_and_tells_every_problem(store: Store) -> None:
    path = write(store.path.parent / "in", "sessions.csv", GOOD + FOURTH.replace(",60,", ",sixty,"))
    with pytest.raises(FileRefused, match=r"(?s)Nothing came in: --strict.*duration_min: not a number"):
        ingest(store, "csv", path, now=NOW, strict=True)
    assert manifests(store) == []
    path.write_text(GOOD + FOURTH + FOURTH)
    assert ingest(store, "csv", path, now=NOW, strict=True).added == {"sessions": 4}


def test_a_mended_file_brings_in_what_was_refused(store: Store) -> None:
    bring(store, GOOD + FOURTH.replace(",60,", ",sixty,"))
    assert quarantine(store)["row_id"].to_list() == ["s4"]
    result = bring(store, GOOD + FOURTH)
    assert (dict(result.added), dict(result.unchanged)) == ({"sessions": 1}, {"sessions": 3})
    assert quarantine(store).empty


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        ("csv", "absent.csv", "no such file or folder"),
        ("csv", "players.csv", "Name the file after one of: athletes, sessions"),
        ("csv", ".", "holds no contract table"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(store: Store, source: str, path: str, message: str) -> None:
    folder = write(store.path.parent / "in", "players.csv", GOOD).parent
    with pytest.raises(FileRefused) as refused:
        ingest(store, source, folder / path, now=NOW)
    assert message in str(refused.value)


def test_files_that_are_no_contract_tables_are_mentioned(store: Store) -> None:
    write(store.path.parent / "in", "diary.csv", "x\n1\n")
    path = write(store.path.parent / "in", "sessions.csv", GOOD)
    assert (
        ingest(store, "csv", path.parent, now=NOW).notes[0] == "diary.csv: not read, no contract table has this name."
    )


def test_a_file_without_the_right_to_read_it_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    path = write(store.path.parent / "in", "sessions.csv", GOOD)
    monkeypatch.setattr(Path, "read_bytes", denied)  # chmod does not keep an administrator out
    with pytest.raises(FileRefused, match=r"sessions\.csv: cannot be read \(Permission denied\)"):
        ingest(store, "csv", path, now=NOW)


# --- append only ----------------------------------------------------------------------------------


def test_a_second_ingest_of_the_same_file_adds_nothing_and_says_so(store: Store) -> None:
    assert bring(store, GOOD).added == {"sessions": 3}
    before = fingerprint(read_tables(store))
    again = bring(store, GOOD, now=NOW + timedelta(days=3))
    assert (again.already_known, again.ingest, dict(again.added)) == (True, None, {})
    assert len(manifests(store)) == 1
    assert fingerprint(read_tables(store)) == before


def test_a_file_with_refused_rows_is_looked_at_again_and_adds_nothing_twice(store: Store) -> None:
    text = GOOD + FOURTH.replace(",60,", ",sixty,")
    bring(store, text)
    again = bring(store, text)
    assert (again.already_known, again.exit_code, again.quarantined) == (True, 4, 1)
    assert len(manifests(store)) == 1


def test_a_longer_export_adds_its_new_rows_only(store: Store) -> None:
    bring(store, GOOD)
    result = bring(store, GOOD + FOURTH)
    assert (dict(result.added), dict(result.unchanged), dict(result.superseded)) == (
        {"sessions": 1}, {"sessions": 3}, {"sessions": 0},
    )  # fmt: skip
    assert sessions(store) == ["s1", "s2", "s3", "s4"]


def history(store: Store, session: str) -> list[tuple[float, str, str]]:
    rows = read_tables(store)["sessions"].query("session_id == @session")
    return [
        (row.duration_min, f"{row.known_at:%m-%d %Hh}",
         "never" if pd.isna(row.superseded_at) else f"{row.superseded_at:%m-%d %Hh}")
        for row in rows.itertuples()
    ]  # fmt: skip


def test_a_changed_row_supersedes_from_the_ingest_on_and_never_in_hindsight(store: Store) -> None:
    bring(store, GOOD)
    result = bring(store, GOOD.replace(",70,", ",75,"))
    assert dict(result.superseded) == {"sessions": 1}
    assert history(store, "s3") == [(70, "10-04 06h", "11-01 09h"), (75, "11-01 09h", "never")]


def test_a_correction_with_its_own_later_receipt_time_is_believed(store: Store) -> None:
    bring(store, GOOD)
    bring(store, HEADER + "s3,a,2021-10-03,2021-10-09T06:00:00Z,training,75,6100\n")
    assert history(store, "s3") == [(70, "10-04 06h", "10-09 06h"), (75, "10-09 06h", "never")]


def test_a_file_that_holds_fact_and_correction_can_be_ingested_again_in_another_export(store: Store) -> None:
    both = GOOD + "s3,a,2021-10-03,2021-10-09T06:00:00Z,training,75,6100\n"
    bring(store, both)
    result = bring(store, both + FOURTH)
    assert dict(result.added) == {"sessions": 1}
    assert history(store, "s3") == [(70, "10-04 06h", "10-09 06h"), (75, "10-09 06h", "never")]


def test_a_later_receipt_of_the_same_content_adds_nothing(store: Store) -> None:
    bring(store, GOOD)
    result = bring(store, GOOD.replace("T06", "T07"))
    assert (dict(result.added), dict(result.unchanged)) == ({"sessions": 0}, {"sessions": 3})


def test_an_id_that_the_store_holds_for_another_athlete_is_refused(store: Store) -> None:
    bring(store, GOOD)
    result = bring(store, HEADER + "s3,b,2021-10-03,2021-10-09T06:00:00Z,training,75,6100\n")
    assert "a session_id that the store holds for another athlete ('s3', line sessions.csv:2)" in told(result)
    assert history(store, "s3") == [(70, "10-04 06h", "never")]


def test_a_clearance_before_its_injury_is_refused_whichever_file_the_injury_came_with(store: Store) -> None:
    injuries = (
        "injury_id,athlete_id,date,known_at,body_area,tissue,side\n"
        "i1,a,2021-10-05,2021-10-06T06:00:00Z,thigh,muscle,left\n"
        "i2,a,2021-10-20,2021-10-21T06:00:00Z,thigh,muscle,left\n"
    )
    bring(store, injuries, "injuries")
    returns = "injury_id,athlete_id,date,known_at\n"
    result = bring(
        store,
        returns + "i1,a,2021-10-15,2021-10-15T12:00:00Z\ni2,a,2021-10-19,2021-10-21T12:00:00Z\n",
        "returns",
    )
    assert "date before the injury's onset ('i2', line returns.csv:3)" in told(result)
    assert read_tables(store)["returns"]["injury_id"].to_list() == ["i1"]


# --- when a row became known ----------------------------------------------------------------------

NORDBORD = "Athlete,Date,L Reps,R Reps,L Max Force (N),R Max Force (N),L Max Torque (Nm),R Max Torque (Nm)\n"


def strength(store: Store, rows: str, now: datetime) -> IngestResult:
    path = write(store.path.parent / "in", "nordbord.csv", NORDBORD + rows)
    return ingest(store, "nordbord", path, now=now)


def left_forces(store: Store) -> list[tuple[float, str]]:
    rows = read_tables(store)["strength_tests"].query("limb == 'left'")
    return [(row.peak_force_n, f"{row.known_at:%Y-%m-%d %Hh}") for row in rows.itertuples()]


def coverage(store: Store) -> list[tuple[str, str, str]]:
    rows = read_tables(store)["coverage"]
    return [
        (f"{row.first_date:%m-%d}", f"{row.last_date:%m-%d}", f"{row.known_at:%m-%d %Hh}") for row in rows.itertuples()
    ]


@pytest.fixture
def squad(store: Store) -> Store:
    bring(store, "athlete_id,squad,known_at\na,first,2020-01-01T00:00:00Z\n", "athletes")
    return store


def test_history_without_receipt_times_follows_the_rule_and_the_last_month_the_ingest(squad: Store) -> None:
    strength(squad, "a,01/06/2021,3,3,300,310,,\na,20/10/2021,3,3,320,330,,\n", NOW)
    assert left_forces(squad) == [(300, "2021-06-01 20h"), (320, "2021-11-01 09h")]
    assert coverage(squad) == [("06-01", "06-01", "06-01 20h"), ("06-02", "10-20", "11-01 09h")]


def test_a_row_inside_what_an_earlier_ingest_covered_arrived_late(squad: Store) -> None:
    strength(squad, "a,01/06/2021,3,3,300,310,,\na,01/08/2021,3,3,320,330,,\n", NOW)
    strength(
        squad,
        "a,01/06/2021,3,3,300,310,,\na,01/07/2021,3,3,311,330,,\n"
        "a,01/08/2021,3,3,320,330,,\na,01/09/2021,3,3,330,330,,\n",
        NOW + timedelta(days=1),
    )
    assert left_forces(squad) == [
        (300, "2021-06-01 20h"), (311, "2021-11-02 09h"), (320, "2021-08-01 20h"), (330, "2021-09-01 20h"),
    ]  # fmt: skip
    assert coverage(squad) == [
        ("06-01", "06-01", "06-01 20h"), ("06-02", "08-01", "08-01 20h"), ("08-02", "09-01", "09-01 20h"),
    ]  # fmt: skip


def test_a_changed_row_without_receipt_time_is_known_from_the_ingest_on(squad: Store) -> None:
    strength(squad, "a,01/06/2021,3,3,300,310,,\n", NOW)
    result = strength(squad, "a,01/06/2021,3,3,400,310,,\n", NOW + timedelta(days=1))
    assert dict(result.superseded) == {"strength_tests": 1, "coverage": 0}
    assert left_forces(squad) == [(300, "2021-06-01 20h"), (400, "2021-11-02 09h")]


def test_tests_of_one_day_in_another_order_correct_nothing(squad: Store) -> None:
    tests = ["a,01/06/2021,3,3,300,310,,\n", "a,01/06/2021,3,3,320,300,,\n", "a,01/06/2021,3,3,300,,,\n"]
    strength(squad, "".join(tests), NOW)
    before = fingerprint(read_tables(squad))
    again = strength(squad, "".join(tests[::-1]), NOW + timedelta(days=1))
    assert (again.added["strength_tests"], again.superseded["strength_tests"]) == (0, 0)
    assert again.unchanged["strength_tests"] == 5
    assert fingerprint(read_tables(squad)) == before


def test_a_renamed_file_is_the_same_file(squad: Store) -> None:
    rows = "a,05/06/2021,3,3,300,310,,\n"
    strength(squad, rows, NOW)
    renamed = write(squad.path.parent / "in", "export (1).csv", NORDBORD + rows)
    again = ingest(squad, "nordbord", renamed, now=NOW)
    assert (again.already_known, again.unchanged, len(manifests(squad))) == (True, {}, 2)
    assert [file["name"] for manifest in manifests(squad) for file in manifest["files"]] == [
        "athletes.csv",
        "nordbord.csv",
    ]


def test_contents_that_change_places_in_a_folder_are_not_the_same_export(store: Store, tmp_path: Path) -> None:
    """Two contract tables whose columns both files satisfy: only the name says which is which."""
    first, second = (f"athlete_id,date,known_at,source\n{who},2021-10-01,2021-10-02T06:00:00Z,x\n" for who in "ab")
    for contents in ((first, second), (second, first)):
        for name, content in zip(("wellness.csv", "wearable_days.csv"), contents, strict=True):
            write(tmp_path / "in", name, content)
        assert not ingest(store, "csv", tmp_path / "in", now=NOW).already_known
    assert set(read_tables(store)["wellness"]["athlete_id"]) == {"a", "b"}


def test_an_export_that_says_nothing_new_leaves_no_ingest(store: Store) -> None:
    bring(store, GOOD)
    shorter = bring(store, GOOD.rsplit("\n", 2)[0] + "\n")
    assert (shorter.already_known, shorter.ingest, shorter.unchanged) == (True, None, {"sessions": 2})
    assert len(manifests(store)) == 1


def test_an_edited_config_makes_the_same_file_worth_a_second_look(squad: Store, tmp_path: Path) -> None:
    rows = "a,05/06/2021,3,3,300,310,,\n"
    strength(squad, rows, NOW)
    shipped = (Path(__file__).parents[1] / "configs/sources/nordbord.toml").read_text()
    write(tmp_path / "own/sources", "nordbord.toml", shipped.replace('"%d/%m/%Y"', '"%m/%d/%Y"', 1))
    path = write(squad.path.parent / "in", "nordbord.csv", NORDBORD + rows)
    result = ingest(squad, "nordbord", path, now=NOW, configs_folder=tmp_path / "own")
    assert (result.already_known, result.added["strength_tests"]) == (False, 2)


def test_a_name_added_to_the_aliases_later_brings_in_the_same_file(squad: Store) -> None:
    rows = "Ola Nordmann,01/06/2021,3,3,300,310,,\n"
    first = strength(squad, rows, NOW)
    assert (first.exit_code, first.added["strength_tests"]) == (4, 0)
    write(squad.path, "aliases.csv", "name,athlete_id\nola nordmann,a\n")
    assert strength(squad, rows, NOW).added["strength_tests"] == 2
    assert left_forces(squad) == [(300, "2021-06-01 20h")]


def test_neither_names_nor_measurements_reach_the_log(squad: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="pipelines")
    strength(squad, "Ola Nordmann,01/06/2021,3,3,301,310,,\na,02/06/2021,3,3,9999,311,,\n", NOW)
    own = [record.getMessage() for record in caplog.records if record.name.startswith("pipelines")]
    assert own == ["nordbord: 2 rows added (0 supersede), 0 unchanged, 2 quarantined"]
    kept = "".join(path.read_bytes().decode("latin-1") for path in squad.tables.rglob("*") if path.is_file())
    assert "Nordmann" not in kept


# --- crashes --------------------------------------------------------------------------------------

SCRIPT = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path

from pipelines.data import open_store
from pipelines.ingest import ingest

step, done = int(sys.argv[1]), 0

def deadly(call):
    def wrapped(*args, **kwargs):
        global done
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        return call(*args, **kwargs)
    return wrapped

for name in ("fsync", "rename", "replace", "mkdir"):
    setattr(os, name, deadly(getattr(os, name)))
print("ready", flush=True)
ingest(open_store(Path(sys.argv[2])), "csv", Path(sys.argv[3]), now=datetime(2021, 11, 1, 9, tzinfo=UTC))
"""


def start(step: int, store: Path, source: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, str(step), str(store), str(source)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE)


def check_all_or_nothing(folder: Path, source: Path, end: Callable[[], int]) -> int:
    """Let an ingest end as it may: the store reads, the same ingest succeeds. Returns its exit code."""
    code = end()
    store = open_store(folder)
    found = len(sessions(store))
    result = ingest(store, "csv", source, now=NOW)
    assert found in (0, 2000)
    assert result.already_known == (found == 2000)
    assert len(sessions(store)) == 2000
    assert [path.name for path in store.tables.iterdir() if path.name.startswith(".")] == []
    return code


def many(folder: Path) -> Path:
    rows = [
        f"s{i},a{i % 20},2021-0{1 + i % 9}-1{i % 10},2021-10-01T06:00:00Z,training,60,{5000 + i}\n" for i in range(2000)
    ]
    return write(folder, "sessions.csv", HEADER + "".join(rows))


@pytest.mark.slow
def test_sigkill_at_every_step_of_a_write_leaves_a_store_on_which_the_same_ingest_succeeds(
    tmp_path: Path,
) -> None:
    source = many(tmp_path / "in")
    codes = []
    for step in range(40):
        folder = tmp_path / str(step)
        with start(step, folder, source) as process:
            codes.append(check_all_or_nothing(folder, source, process.wait))
        if codes[-1] == 0:
            break
    assert codes == [-9] * (len(codes) - 1) + [0]
    assert len(codes) > 10


@pytest.mark.slow
def test_sigkill_at_any_time_leaves_a_store_on_which_the_same_ingest_succeeds(tmp_path: Path) -> None:
    source = many(tmp_path / "in")
    for turn in range(5):
        folder = tmp_path / str(turn)
        with start(-1, folder, source) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.05 * turn)
            process.kill()
            check_all_or_nothing(folder, source, process.wait)


def test_a_source_config_with_one_key_keeps_the_shipped_rest(squad: Store, tmp_path: Path) -> None:
    write(tmp_path / "own/sources", "nordbord.toml", 'date_format = "%m/%d/%Y"\n')
    path = write(tmp_path / "in", "nordbord.csv", NORDBORD + "a,05/30/2021,3,3,300,310,,\n")
    assert ingest(squad, "nordbord", path, now=NOW, configs_folder=tmp_path / "own").added["strength_tests"] == 2


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ('[columns]\nathlete = "Athlete"\n', "columns.date missing"),
        ('[limbs.left]\nreps = "L Reps"\n', "limbs.*.peak_force_n missing"),
        ("columns = 3\n", "columns.athlete, columns.date missing"),
    ],
)
def test_a_source_config_that_lacks_a_needed_entry_is_told_which(
    squad: Store, tmp_path: Path, config: str, missing: str
) -> None:
    write(tmp_path / "own/sources", "nordbord.toml", config)
    path = write(tmp_path / "in", "nordbord.csv", NORDBORD + "a,05/10/2021,3,3,300,310,,\n")
    with pytest.raises(ConfigError, match=re.escape(f"configs/sources/nordbord.toml: {missing}")):
        ingest(squad, "nordbord", path, now=NOW, configs_folder=tmp_path / "own")
