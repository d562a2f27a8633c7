"""What several test files share: a trained store, made once per worker."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.registry import set_alias
from tests.recorded import log
from tests.squad import Squad, make_squad


@pytest.fixture(scope="session")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Squad:
    """A store with a champion. Not to be changed: take `own_squad` for that."""
    return make_squad(tmp_path_factory.mktemp("squad"))


@pytest.fixture
def own_squad(squad: Squad, tmp_path: Path) -> Squad:
    """A copy of `squad` that a test may change."""
    return squad.copy(tmp_path / "store")


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two trainings, the first is champion; only read. Its name holds what an address must escape."""
    path = tmp_path_factory.mktemp("record") / "a störe"
    set_alias(path, log(path).version, "champion")
    log(path, "2024-05-01.test")
    return path


@pytest.fixture
def own_record(record: Path, tmp_path: Path) -> Path:
    """A copy of `record` that a test may change."""
    return Path(shutil.copytree(record, tmp_path / "own"))
