"""What is recorded of a training is found again: after a kill, after a move, beside another training."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs.errors import IntegrityError, NotReady, StoreBusy
from models import figures, registry
from models.bundle import Bundle
from models.estimator import predict
from models.pyfunc import ServedModel
from tests.trained import small_bundle

ROOT = Path(__file__).parent.parent
NAN = float("nan")
CHILD = """
import sys
from pathlib import Path
from models import registry
from models.bundle import Bundle
bundle = Bundle.load(Path(sys.argv[2]))
registry._import_mlflow()
print("ready", flush=True)
registry.log_training(Path(sys.argv[1]), bundle, {"auroc_7d": (0.6, 0.5, 0.7)}, {"trees": 5}, {}, {}, {})
"""

HOLDER = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def log(store: Path, version: str = "2024-04-01.test") -> registry.RegisteredModel:
    importance = pd.DataFrame({"feature": ["load_7d"], "mean_absolute": [0.25]})
    return registry.log_training(
        store,
        replace(small_bundle(), version=version),
        metrics={"auroc_7d": (0.6, 0.5, NAN), "brier_7d": 0.02, "o/e @7d": 1.0},
        parameters={"trees": 5, "horizons": (7, 14)},
        figures={"factor_importance": figures.importance({"Overload": 0.3}, "Factors")},
        tables={"feature_importance": importance},
        tags={"verdict": "carries a model"},
        documents={"model-card.md": "# Überblick\n"},
    )


def rows(store: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(store / "mlflow" / "mlflow.db")) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trainings, the first is champion; only read. Its name holds what an address must escape."""
    path = tmp_path_factory.mktemp("registry") / "a störe"
    registry.set_alias(path, log(path).version, "champion")
    log(path, "2024-05-01.test")
    return path


@pytest.fixture
def own(store: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may change."""
    return Path(shutil.copytree(store, tmp_path / "own"))


def test_metrics_with_intervals_become_three_and_what_cannot_be_estimated_is_named() -> None:
    flat, missing = registry._flat_metrics({"auroc_7d": (0.6, NAN, 0.7), "brier": 0.02, "slope (7 d)": math.inf})
    assert flat == {"auroc_7d": 0.6, "auroc_7d_upper": 0.7, "brier": 0.02}
    assert missing == ["auroc_7d_lower", "slope _7 d_"]


def test_a_store_without_a_training_says_what_to_run_and_stays_untouched(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no champion yet: run `strainwatch train`"):
        registry.champion(tmp_path)
    with pytest.raises(NotReady, match="no champion yet"):
        registry.set_alias(tmp_path, 1, "champion")
    assert registry.versions(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_location_is_sought_within_the_store_first_and_then_where_it_was(tmp_path: Path) -> None:
    place, old = (
        registry._Place.of(tmp_path / "new"),
        tmp_path / "old" / "mlflow" / "artifacts" / "models" / "m-1",
    )
    old.mkdir(parents=True)
    assert registry._local_folder(place, old.as_uri()) == old
    (place.artifacts / "models" / "m-1").mkdir(parents=True)
    assert registry._local_folder(place, old.as_uri()) == place.artifacts / "models" / "m-1"
    assert registry._local_folder(place, "s3://bucket/models/m-1") is None


def test_a_location_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="m-2: the registered model is not there"):
        registry._local_folder(registry._Place.of(tmp_path), "/gone/mlflow/artifacts/models/m-2")


@pytest.mark.slow
def test_a_run_holds_metrics_parameters_and_what_identifies_data_and_code(store: Path) -> None:
    run = rows(store, "SELECT source_run_id FROM logged_models ORDER BY creation_timestamp_ms")[0][0]
    found = dict(rows(store, f"SELECT key, value FROM metrics WHERE run_uuid = '{run}'"))
    assert found == {"auroc_7d": 0.6, "auroc_7d_lower": 0.5, "brier_7d": 0.02, "o/e _7d": 1.0}
    assert dict(rows(store, f"SELECT key, value FROM params WHERE run_uuid = '{run}'")) == {
        "trees": "5",
        "horizons": "[7, 14]",
    }
    tags = dict(rows(store, f"SELECT key, value FROM tags WHERE run_uuid = '{run}'"))
    wanted = {
        "version": "2024-04-01.test",
        "not_estimable": "auroc_7d_upper",
        "fingerprint_data": "d" * 16,
        "fingerprint_code": "0.1.0",
        "verdict": "carries a model",
    }
    assert {key: tags.get(key) for key in wanted} == wanted


@pytest.mark.slow
def test_a_run_holds_figures_and_tables_as_files(store: Path) -> None:
    run = rows(store, "SELECT run_uuid FROM runs ORDER BY start_time")[0][0]
    folder = store / "mlflow" / "artifacts" / run / "artifacts"
    assert json.loads((folder / "metrics.json").read_text())["auroc_7d"] == [0.6, 0.5, None]
    assert (folder / "model-card.md").read_text(encoding="utf-8") == "# Überblick\n"
    assert (folder / "figures" / "factor_importance.png").read_bytes()[:4] == b"\x89PNG"
    assert (folder / "tables" / "feature_importance.csv").read_text() == "feature,mean_absolute\nload_7d,0.25\n"
    assert json.loads((folder / "tables" / "feature_importance.json").read_text())[0]["feature"] == "load_7d"


@pytest.mark.slow
def test_the_champion_stays_until_another_is_named(own: Path) -> None:
    bundle, version = registry.champion(own)
    assert (bundle.version, version) == ("2024-04-01.test", 1)
    registry.set_alias(own, 2, "challenger")
    assert [(each.version, each.label, each.aliases) for each in registry.versions(own)] == [
        (2, "2024-05-01.test", ("challenger",)),
        (1, "2024-04-01.test", ("champion",)),
    ]
    registry.set_alias(own, 2, "champion")
    assert registry.champion(own)[0].version == "2024-05-01.test"


@pytest.mark.slow
def test_an_alias_for_a_version_that_is_not_there_is_refused_with_those_that_are(own: Path) -> None:
    with pytest.raises(NotReady, match=r"version 7 is not registered\. Registered: 2, 1"):
        registry.set_alias(own, 7, "champion")
    assert registry.champion(own)[1] == 1


@pytest.mark.slow
def test_a_registered_model_without_champion_says_what_to_run(tmp_path: Path) -> None:
    log(tmp_path)
    with pytest.raises(NotReady, match="no champion yet"):
        registry.champion(tmp_path)


@pytest.mark.slow
def test_the_champion_predicts_what_was_trained(store: Path) -> None:
    features = small_bundle().replay.features
    served = ServedModel(registry.champion(store)[0]).predict(features)
    expected = predict(small_bundle().models, features)
    assert list(served.columns[:4]) == ["probability_7d", "lower_7d", "upper_7d", "probability_14d"]
    np.testing.assert_array_equal(served["probability_28d"], expected.probability[2])
    np.testing.assert_array_equal(served["upper_14d"], expected.upper[1])


@pytest.mark.slow
def test_a_changed_champion_is_refused(own: Path) -> None:
    for path in (own / "mlflow" / "artifacts" / "models").rglob("members/7-0.txt"):
        path.write_text(path.read_text() + " ")
    with pytest.raises(IntegrityError, match=r"7-0\.txt: changed"):
        registry.champion(own)


@pytest.mark.slow
def test_a_moved_store_keeps_its_champion_and_takes_new_trainings_where_it_is_now(own: Path) -> None:
    moved = own.rename(own.with_name("moved"))
    assert registry.champion(moved)[1] == 1
    assert log(moved).version == 3
    assert not own.exists()
    registry.set_alias(moved, 3, "champion")
    assert registry.champion(moved)[1] == 3
    here = (moved / "mlflow" / "artifacts").as_uri()
    for table, column in registry._LOCATIONS:
        found = [value for (value,) in rows(moved, f"SELECT {column} FROM {table}") if value.startswith("file:")]
        assert all(value.startswith(here) for value in found), (table, column)


@pytest.mark.slow
def test_a_training_in_a_copy_leaves_the_original_as_it_was(store: Path, own: Path) -> None:
    before = sorted(path.relative_to(store) for path in store.rglob("*"))
    log(own)
    assert sorted(path.relative_to(store) for path in store.rglob("*")) == before
    assert [each.version for each in registry.versions(store)] == [2, 1]


@pytest.mark.slow
def test_nothing_of_one_store_is_left_behind_for_the_next(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = tempfile.gettempdir()
    registry.champion(store)
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert tempfile.gettempdir() == before
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert {path.name for path in (store / "mlflow").iterdir()} == {".lock", "artifacts", "mlflow.db"}


@pytest.mark.slow
def test_another_tracking_address_is_used_in_place_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(tmp_path)  # MLflow's own default for artefacts is the working directory
    registry.set_alias(tmp_path / "store", log(tmp_path / "store").version, "champion")
    assert registry.champion(tmp_path / "store")[1] == 1
    assert os.environ["MLFLOW_TRACKING_URI"] == address
    assert not (tmp_path / "store" / "mlflow" / "mlflow.db").exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(NotReady, match="no champion"):
        registry.champion(tmp_path / "store")


def test_a_store_held_by_another_process_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LOCK_TIMEOUT_S", 0.1)
    (tmp_path / "mlflow").mkdir()
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "mlflow" / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreBusy, match="another process"), registry._writing(tmp_path):
            pytest.fail("two writers at once")
        holder.kill()


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("child") / "bundle"
    small_bundle().save(folder)
    return folder


def training(store: Path, bundle_folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD, str(store), str(bundle_folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_trainings_at_once_both_end_well_and_in_silence(tmp_path: Path, bundle_folder: Path) -> None:
    both = [training(tmp_path, bundle_folder) for _ in range(2)]
    assert [process.communicate(timeout=120) for process in both] == [("ready\n", ""), ("ready\n", "")]
    assert [process.returncode for process in both] == [0, 0]
    assert [each.version for each in registry.versions(tmp_path)] == [2, 1]


@pytest.mark.slow
def test_a_training_killed_at_any_moment_leaves_a_store_that_the_next_can_use(
    tmp_path: Path, bundle_folder: Path
) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    draw = random.Random(seed)
    for longest_s in (1.5, 3.0, 3.0, 6.0):  # the first ones mostly while the database is made
        with training(tmp_path, bundle_folder) as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            time.sleep(draw.uniform(0, longest_s))
            process.send_signal(signal.SIGKILL)
    registered = log(tmp_path).version
    for each in registry.versions(tmp_path):
        registry.set_alias(tmp_path, each.version, "champion")
        assert registry.champion(tmp_path)[1] == each.version
    assert registered == max(each.version for each in registry.versions(tmp_path))
    assert {path.name for path in (tmp_path / "mlflow").iterdir()} == {".lock", "artifacts", "mlflow.db"}


@pytest.fixture
def server(store: Path) -> Iterator[str]:
    """Address of a running `mlflow models serve` of the champion."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = ["mlflow", "models", "serve", "-m", "models:/strainwatch@champion", "--env-manager", "local"]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{store / 'mlflow' / 'mlflow.db'}",
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "-h", "127.0.0.1", "-p", str(port)],
        env=environment, cwd=store, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # its own group: MLflow starts the web server as a child
        process.wait(timeout=30)


def answer(address: str, content: Any, patience_s: float = 180) -> Any:
    request = urllib.request.Request(address, json.dumps(content).encode(), {"Content-Type": "application/json"})
    until = time.monotonic() + patience_s
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.load(reply)
        except urllib.error.URLError as error:
            if isinstance(error, urllib.error.HTTPError) or time.monotonic() > until:
                raise
            time.sleep(0.3)


@pytest.mark.slow
def test_mlflow_serves_the_champion_and_takes_missing_features_as_null(server: str) -> None:
    features = small_bundle().replay.features.head(2)
    assert features.isna().any(axis=None)
    cells = features.astype(object).where(features.notna(), None)
    content = {"dataframe_split": {"columns": list(cells.columns), "data": cells.to_numpy().tolist()}}
    found = pd.DataFrame(answer(f"{server}/invocations", content)["predictions"])
    pd.testing.assert_frame_equal(found, ServedModel(small_bundle()).predict(features), rtol=1e-12)


def test_loading_as_mlflow_does_checks_the_bundle(bundle_folder: Path) -> None:
    from models.pyfunc import _load_pyfunc

    assert _load_pyfunc(str(bundle_folder)).bundle.version == Bundle.load(bundle_folder).version
    with pytest.raises(IntegrityError, match="is no bundle"):
        _load_pyfunc(str(bundle_folder.parent))


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
