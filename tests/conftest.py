"""What several test files share: a trained store, made once per worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.squad import Squad, make_squad


@pytest.fixture(scope="session")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Squad:
    """A store with a champion. Not to be changed: take `own_squad` for that."""
    return make_squad(tmp_path_factory.mktemp("squad"))


@pytest.fixture
def own_squad(squad: Squad, tmp_path: Path) -> Squad:
    """A copy of `squad` that a test may change."""
    return squad.copy(tmp_path / "store")
