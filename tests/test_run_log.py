"""Every run leaves one line: how it ended, in counts, and never a measurement of a person."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from pipelines.commands.shared import store_run
from pipelines.data import open_store
from pipelines.run_log import RUN_LOG, append_run, last_run
from tests.squad import MONDAYS, Squad, strainwatch

START = datetime(2025, 1, 6, 7, tzinfo=UTC)


def lines(store: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (store / RUN_LOG).read_text(encoding="utf-8").splitlines()]


def test_a_run_is_one_line_with_command_start_seconds_and_exit_code(tmp_path: Path) -> None:
    append_run(tmp_path, "score", START, 0, {"scored": 7})
    append_run(tmp_path, "score", START, 5, {})
    first, second = lines(tmp_path)
    assert first.pop("seconds") > 0  # type: ignore[operator]
    assert first == {
        "command": "score",
        "started_at": "2025-01-06T07:00:00+00:00",
        "exit_code": 0,
        "scored": 7,
    }
    assert second["exit_code"] == 5


def test_the_last_run_is_the_newest_whole_line(tmp_path: Path) -> None:
    assert last_run(tmp_path) is None
    append_run(tmp_path, "ingest", START, 4, {})
    with (tmp_path / RUN_LOG).open("a", encoding="utf-8") as log:
        log.write('{"command": "score", "star')  # killed while writing
    found = last_run(tmp_path)
    assert found is not None and (found["command"], found["exit_code"]) == ("ingest", 4)


def test_a_run_after_a_torn_line_is_found_again(tmp_path: Path) -> None:
    (tmp_path / RUN_LOG).write_text('{"command": "score", "star', encoding="utf-8")
    append_run(tmp_path, "train", START, 0, {})
    found = last_run(tmp_path)
    assert found is not None and found["command"] == "train"


def test_the_log_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    append_run(tmp_path, "score", START, 0, {})
    assert (tmp_path / RUN_LOG).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("end", [KeyboardInterrupt(), typer.Exit(130)])
def test_a_run_that_was_interrupted_is_logged_as_such(tmp_path: Path, end: BaseException) -> None:
    open_store(tmp_path / "store")
    with pytest.raises(type(end)), store_run(tmp_path / "store", "tune"):
        raise end
    assert [(line["command"], line["exit_code"]) for line in lines(tmp_path / "store")] == [("tune", 130)]


def test_commands_leave_a_line_each_however_they_end_and_no_athletes_data(own_squad: Squad) -> None:
    store = own_squad.path
    assert strainwatch("score", "--store", store, "--as-of", MONDAYS[0]).code == 0
    assert strainwatch("explain", "--store", store, "--athlete", "nobody", "--as-of", MONDAYS[0]).code == 5
    assert strainwatch("ingest", "csv", store / "absent.csv", "--store", store).code == 3
    found = lines(store)
    assert [(line["command"], line["exit_code"]) for line in found] == [
        ("score", 0),
        ("explain", 5),
        ("ingest", 3),
    ]
    allowed = {
        "command", "started_at", "seconds", "exit_code", "as_of", "model_version", "outcome", "scored", "not_scored",
        "changed", "in_sample", "by_age_and_history",
    }  # fmt: skip
    assert set().union(*found) <= allowed
    assert isinstance(found[0]["scored"], int)
    assert "A01" not in (store / RUN_LOG).read_text(encoding="utf-8")


def test_a_defect_is_logged_with_exit_code_1(own_squad: Squad, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = own_squad.path / "tables" / "999999-broken"
    broken.mkdir()
    manifest = {"ingest": broken.name, "added": {}}  # nothing of ours leaves such a manifest
    (broken / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(KeyError):
        strainwatch("ingest", "csv", own_squad.exports / "contract", "--store", own_squad.path)
    assert lines(own_squad.path)[-1]["exit_code"] == 1
