"""What is recorded of a training is found again: after a kill, after a move, beside another training."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from configs.errors import NotReady
from models import registry
from models.tracking import LOCATIONS
from models.training_runs import flat_metrics
from tests.children import children
from tests.recorded import NAN, log, rows
from tests.trained import small_bundle


def test_metrics_with_intervals_become_three_and_what_cannot_be_estimated_is_named() -> None:
    flat, missing = flat_metrics({"auroc_7d": (0.6, NAN, 0.7), "brier": 0.02, "slope (7 d)": math.inf})
    assert flat == {"auroc_7d": 0.6, "auroc_7d_upper": 0.7, "brier": 0.02}
    assert missing == ["auroc_7d_lower", "slope _7 d_"]


@pytest.mark.slow
def test_a_run_holds_metrics_parameters_and_what_identifies_data_and_code(record: Path) -> None:
    run = rows(record, "SELECT source_run_id FROM logged_models ORDER BY creation_timestamp_ms")[0][0]
    found = dict(rows(record, f"SELECT key, value FROM metrics WHERE run_uuid = '{run}'"))
    assert found == {"auroc_7d": 0.6, "auroc_7d_lower": 0.5, "brier_7d": 0.02, "o/e _7d": 1.0}
    assert dict(rows(record, f"SELECT key, value FROM params WHERE run_uuid = '{run}'")) == {
        "trees": "5",
        "horizons": "[7, 14]",
    }
    tags = dict(rows(record, f"SELECT key, value FROM tags WHERE run_uuid = '{run}'"))
    wanted = {
        "version": "2024-04-01.test",
        "not_estimable": "auroc_7d_upper",
        "fingerprint_data": "d" * 16,
        "fingerprint_code": "0.1.0",
        "verdict": "carries a model",
    }
    assert {key: tags.get(key) for key in wanted} == wanted


@pytest.mark.slow
def test_a_run_holds_figures_and_tables_as_files(record: Path) -> None:
    run = rows(record, "SELECT run_uuid FROM runs ORDER BY start_time")[0][0]
    folder = record / "mlflow" / "artifacts" / run / "artifacts"
    assert json.loads((folder / "metrics.json").read_text())["auroc_7d"] == [0.6, 0.5, None]
    assert (folder / "model-card.md").read_text(encoding="utf-8") == "# Überblick\n"
    assert (folder / "figures" / "factor_importance.png").read_bytes()[:4] == b"\x89PNG"
    assert (folder / "tables" / "feature_importance.csv").read_text() == "feature,mean_absolute\nload_7d,0.25\n"
    assert json.loads((folder / "tables" / "feature_importance.json").read_text())[0]["feature"] == "load_7d"


@pytest.mark.slow
def test_a_moved_store_keeps_its_champion_and_takes_new_trainings_where_it_is_now(own_record: Path) -> None:
    moved = own_record.rename(own_record.with_name("moved"))
    assert registry.champion(moved)[1] == 1
    assert log(moved).version == 3
    assert not own_record.exists()
    registry.set_alias(moved, 3, "champion")
    assert registry.champion(moved)[1] == 3
    here = (moved / "mlflow" / "artifacts").as_uri()
    for table, column in LOCATIONS:
        found = [value for (value,) in rows(moved, f"SELECT {column} FROM {table}") if value.startswith("file:")]
        assert all(value.startswith(here) for value in found), (table, column)


@pytest.mark.slow
def test_a_training_in_a_copy_leaves_the_original_as_it_was(record: Path, own_record: Path) -> None:
    before = sorted(path.relative_to(record) for path in record.rglob("*"))
    log(own_record)
    assert sorted(path.relative_to(record) for path in record.rglob("*")) == before
    assert [each.version for each in registry.versions(record)] == [2, 1]


@pytest.mark.slow
def test_nothing_of_one_store_is_left_behind_for_the_next(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = tempfile.gettempdir()
    registry.champion(record)
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert tempfile.gettempdir() == before
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert {path.name for path in (record / "mlflow").iterdir()} == {".lock", "artifacts", "mlflow.db"}


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


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("child") / "bundle"
    small_bundle().save(folder)
    return folder


@pytest.mark.slow
def test_two_trainings_at_once_both_end_well_and_in_silence(tmp_path: Path, bundle_folder: Path) -> None:
    with children() as forked:
        forked.start(*[("training", str(tmp_path), str(bundle_folder))] * 2)
        assert forked.ended() == [0, 0]
        assert forked.said() == ""
    assert [each.version for each in registry.versions(tmp_path)] == [2, 1]


@pytest.mark.slow
def test_a_training_killed_at_any_moment_leaves_a_store_that_the_next_can_use(
    tmp_path: Path, bundle_folder: Path
) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    draw = random.Random(seed)
    with children() as forked:
        for longest_s in (1.0, 2.0, 2.0, 4.0):  # the first ones mostly while the database is made
            (process,) = forked.start(("training", str(tmp_path), str(bundle_folder)))
            time.sleep(draw.uniform(0, longest_s))
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            assert forked.ended()[0] in (0, -signal.SIGKILL)
    registered = log(tmp_path).version
    for each in registry.versions(tmp_path):
        registry.set_alias(tmp_path, each.version, "champion")
        assert registry.champion(tmp_path)[1] == each.version
    assert registered == max(each.version for each in registry.versions(tmp_path))
    assert {path.name for path in (tmp_path / "mlflow").iterdir()} == {".lock", "artifacts", "mlflow.db"}
