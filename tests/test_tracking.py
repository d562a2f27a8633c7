"""A record of trainings is found where it is, held by one writer, and said to be out of reach where it is."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from configs.errors import IntegrityError, NotReady, StoreBusy
from models import registry, tracking

HOLDER = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""

HALF_WRITTEN = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("CREATE TABLE half (written BLOB)")
database.executemany("INSERT INTO half VALUES (zeroblob(4000))", [()] * 500)
os._exit(9)
"""


def test_a_location_is_sought_within_the_store_first_and_then_where_it_was(tmp_path: Path) -> None:
    place, old = (
        tracking.Place.of(tmp_path / "new"),
        tmp_path / "old" / "mlflow" / "artifacts" / "models" / "m-1",
    )
    old.mkdir(parents=True)
    assert tracking.local_folder(place, old.as_uri()) == old
    (place.artifacts / "models" / "m-1").mkdir(parents=True)
    assert tracking.local_folder(place, old.as_uri()) == place.artifacts / "models" / "m-1"
    assert tracking.local_folder(place, "s3://bucket/models/m-1") is None


def test_a_location_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="m-2: the registered model is not there"):
        tracking.local_folder(tracking.Place.of(tmp_path), "/gone/mlflow/artifacts/models/m-2")


def test_a_store_held_by_another_process_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "LOCK_TIMEOUT_S", 0.1)
    (tmp_path / "mlflow").mkdir()
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "mlflow" / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreBusy, match="another process"), tracking.writing(tmp_path):
            pytest.fail("two writers at once")
        holder.kill()


@pytest.mark.parametrize(
    ("kept", "found"),
    [(0.0, "holds no record of trainings"), (0.5, r"is damaged \(.*malformed"), (0.01, "is damaged")],
)
def test_a_cut_database_is_named_by_readers_and_writers_before_mlflow_opens_it(
    tmp_path: Path, kept: float, found: str
) -> None:
    place = tracking.Place.of(tmp_path)
    place.folder.mkdir()
    with closing(sqlite3.connect(place.database)) as connection, connection:
        connection.execute("CREATE TABLE registered_models (name TEXT)")
        connection.executemany("INSERT INTO registered_models VALUES (?)", [("m" * 1000,)] * 100)
    whole = place.database.read_bytes()
    tracking._require_whole(place)
    place.database.write_bytes(whole[: int(len(whole) * kept)])
    for opened in (tracking.reading, tracking.writing):
        with pytest.raises(IntegrityError, match=f"mlflow.db: {found}.*Restore the folder mlflow"), opened(tmp_path):
            pytest.fail("a damaged database was opened")


def test_a_server_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        free_port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:secret@127.0.0.1:{free_port}")
    told = rf"^http://127\.0\.0\.1:{free_port}: MLflow cannot do this: .*Connection refused.*MLFLOW_TRACKING_URI"
    for use in (registry.champion, registry.versions):
        with pytest.raises(NotReady, match=told) as caught:
            use(tmp_path)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_a_killed_training_had_half_written_is_taken_back(own_record: Path) -> None:
    database = own_record / "mlflow" / "mlflow.db"
    killed = subprocess.run([sys.executable, "-c", HALF_WRITTEN, str(database)], check=False)
    assert killed.returncode == 9 and database.with_name("mlflow.db-journal").stat().st_size > 0
    assert registry.champion(own_record)[1] == 1
    assert not database.with_name("mlflow.db-journal").exists()
