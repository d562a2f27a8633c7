"""The champion is found again and served; an alias moves to what is registered and to nothing else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs.errors import IntegrityError, NotReady
from models import registry
from models.bundle import Bundle
from models.estimator import predict
from models.pyfunc import ServedModel
from tests.recorded import log
from tests.trained import small_bundle

ROOT = Path(__file__).parent.parent


def test_a_store_without_a_training_says_what_to_run_and_stays_untouched(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no champion yet: run `strainwatch train`"):
        registry.champion(tmp_path)
    with pytest.raises(NotReady, match="no champion yet"):
        registry.set_alias(tmp_path, 1, "champion")
    assert registry.versions(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_champion_stays_until_another_is_named(own_record: Path) -> None:
    bundle, version = registry.champion(own_record)
    assert (bundle.version, version) == ("2024-04-01.test", 1)
    registry.set_alias(own_record, 2, "challenger")
    assert [(each.version, each.label, each.aliases) for each in registry.versions(own_record)] == [
        (2, "2024-05-01.test", ("challenger",)),
        (1, "2024-04-01.test", ("champion",)),
    ]
    registry.set_alias(own_record, 2, "champion")
    assert registry.champion(own_record)[0].version == "2024-05-01.test"


@pytest.mark.slow
def test_an_alias_for_a_version_that_is_not_there_is_refused_with_those_that_are(own_record: Path) -> None:
    with pytest.raises(NotReady, match=r"version 7 is not registered\. Registered: 2, 1"):
        registry.set_alias(own_record, 7, "champion")
    assert registry.champion(own_record)[1] == 1


@pytest.mark.slow
def test_a_registered_model_without_champion_says_what_to_run(tmp_path: Path) -> None:
    log(tmp_path)
    with pytest.raises(NotReady, match="no champion yet"):
        registry.champion(tmp_path)


@pytest.mark.slow
def test_the_champion_predicts_what_was_trained(record: Path) -> None:
    features = small_bundle().replay.features
    served = ServedModel(registry.champion(record)[0]).predict(features)
    expected = predict(small_bundle().models, features)
    assert list(served.columns[:4]) == ["probability_7d", "lower_7d", "upper_7d", "probability_14d"]
    np.testing.assert_array_equal(served["probability_28d"], expected.probability[2])
    np.testing.assert_array_equal(served["upper_14d"], expected.upper[1])


@pytest.mark.slow
def test_a_changed_champion_is_refused(own_record: Path) -> None:
    for path in (own_record / "mlflow" / "artifacts" / "models").rglob("members/7-0.txt"):
        path.write_text(path.read_text() + " ")
    with pytest.raises(IntegrityError, match=r"7-0\.txt: changed"):
        registry.champion(own_record)


@pytest.fixture
def server(record: Path) -> Iterator[str]:
    """Address of a running `mlflow models serve` of the champion."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = ["mlflow", "models", "serve", "-m", "models:/strainwatch@champion", "--env-manager", "local"]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{record / 'mlflow' / 'mlflow.db'}",
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "-h", "127.0.0.1", "-p", str(port)],
        env=environment, cwd=record, start_new_session=True,
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


def test_loading_as_mlflow_does_checks_the_bundle(tmp_path: Path) -> None:
    from models.pyfunc import _load_pyfunc

    small_bundle().save(tmp_path / "bundle")
    assert _load_pyfunc(str(tmp_path / "bundle")).bundle.version == Bundle.load(tmp_path / "bundle").version
    with pytest.raises(IntegrityError, match="is no bundle"):
        _load_pyfunc(str(tmp_path))
