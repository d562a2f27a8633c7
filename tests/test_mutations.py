"""The suite notices every bug of tests/mutations.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations import MUTATIONS, ROOT, Mutation, planted, survivors


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_mutation_fits_the_code_as_it_is(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text(encoding="utf-8")
    assert mutation.planted(text) != text


def test_a_mutation_whose_text_is_gone_is_refused_and_names_its_file() -> None:
    with pytest.raises(ValueError, match=r"'x': its text stands 0 times in a\.py, expected once"):
        Mutation("x", "a.py", "old", "new", ()).planted("other")


def test_a_planted_bug_is_taken_out_again(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one = 1\n")
    with planted(tmp_path, Mutation("x", "a.py", "= 1", "= 2", ())):
        assert (tmp_path / "a.py").read_text() == "one = 2\n"
    assert (tmp_path / "a.py").read_text() == "one = 1\n"


@pytest.mark.slow
def test_the_suite_catches_every_mutation() -> None:
    assert len(MUTATIONS) >= 40
    assert survivors(MUTATIONS) == []
