"""An entry of a TOML table is of its kind, or is named with what to give instead."""

from __future__ import annotations

import re
from typing import Any

import pytest

from configs.checks import TEXT, TEXTS, WORDS, checked, number, one_of, some_of, whole
from configs.errors import ConfigError

KINDS = {
    "name": TEXT, "columns": TEXTS, "where": WORDS, "days": whole(1), "port": whole(1, 65535), "share": number(0, 1),
    "value": number(), "side": one_of("above", "below"), "attach": some_of("html", "pdf"),
}  # fmt: skip
RIGHT: dict[str, Any] = {
    "name": "x", "columns": ["a"], "where": {"kind": "match"}, "days": 7, "port": 587, "share": 0.5, "value": -3.5,
    "side": "above", "attach": [],
}  # fmt: skip


def test_a_table_that_fits_comes_back_as_it_is() -> None:
    assert checked(RIGHT, KINDS, "x.toml") == RIGHT
    assert checked({"name": "x"}, {"name": TEXT, "days": whole(1)}, "x.toml", optional=("days",)) == {"name": "x"}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("name", 3, "name is 3; give a text"),
        ("columns", "a", "columns is 'a'; give a list of texts"),
        ("columns", [1], "columns is [1]; give a list of texts"),
        ("where", {"kind": 1}, "give a table of texts"),
        ("days", 0, "days is 0; give a whole number from 1 up"),
        ("days", True, "days is True; give a whole number from 1 up"),
        ("days", 7.0, "days is 7.0; give a whole number from 1 up"),
        ("port", 65536, "port is 65536; give a whole number from 1 to 65535"),
        ("share", 1.5, "share is 1.5; give a number from 0 to 1"),
        ("share", float("nan"), "share is nan; give a number from 0 to 1"),
        ("value", "3", "value is '3'; give a number."),
        ("side", "over", "side is 'over'; give above or below"),
        ("attach", ["docx"], "attach is ['docx']; give a list of some of html, pdf"),
        ("attach", "html", "attach is 'html'; give a list"),
    ],
)
def test_an_entry_of_another_kind_is_named_with_what_to_give(key: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"x.toml, [part]: {key} is ") + ".*") as caught:
        checked(RIGHT | {key: value}, KINDS, "x.toml, [part]")
    assert said in str(caught.value)


def test_what_is_missing_unknown_or_no_table_is_named() -> None:
    for found, said in (
        ({}, "x.toml: missing name."),
        ({"name": "x", "nam": "y"}, "x.toml: unknown nam. Known: name."),
        (3, "x.toml: found 3 where a table of entries is expected."),
    ):
        with pytest.raises(ConfigError, match=re.escape(said)):
            checked(found, {"name": TEXT}, "x.toml")
