"""What the entries of a TOML table may be, checked in one place and told in the same words."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from configs import reject_unknown
from configs.errors import ConfigError


@dataclass(frozen=True)
class Kind:
    """What fits, and the words for it that end "give ..."."""

    fits: Callable[[Any], bool]
    words: str


TEXT = Kind(lambda value: isinstance(value, str), "a text")
TEXTS = Kind(lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value), "a list of texts")
TABLE = Kind(lambda value: isinstance(value, dict), "a table")
WORDS = Kind(
    lambda value: isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
    "a table of texts",
)


def whole(least: int, most: float = math.inf) -> Kind:
    """A whole number between two ends, both included."""
    ends = f"from {least} to {most}" if math.isfinite(most) else f"from {least} up"
    return Kind(
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
        f"a whole number {ends}",
    )


def number(least: float = -math.inf, most: float = math.inf) -> Kind:
    """A number between two ends, both included."""
    ends = f" from {least:g} to {most:g}" if math.isfinite(most) else f" from {least:g} up"
    return Kind(
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most,
        f"a number{ends if math.isfinite(least) else ''}",
    )


def one_of(*choices: str) -> Kind:
    """One of a few words."""
    return Kind(lambda value: isinstance(value, str) and value in choices, " or ".join(choices))


def some_of(*choices: str) -> Kind:
    """A list of some of them, or of none."""
    return Kind(
        lambda value: isinstance(value, list) and all(each in choices for each in value),
        f"a list of some of {', '.join(choices)}",
    )


def checked(found: Any, kinds: Mapping[str, Kind], where: str, optional: Collection[str] = ()) -> dict[str, Any]:
    """`found` as it is, once it is a table of these entries, each of its kind and none but the `optional` missing.

    Raises ConfigError that names the first entry that is not.
    """
    if not isinstance(found, Mapping):
        raise ConfigError(f"{where}: found {found!r} where a table of entries is expected.")
    reject_unknown(dict(found), set(kinds), where)
    if missing := [key for key in kinds if key not in found and key not in optional]:
        raise ConfigError(f"{where}: missing {', '.join(missing)}.")
    for key, value in found.items():
        if not kinds[key].fits(value):
            raise ConfigError(f"{where}: {key} is {value!r}; give {kinds[key].words}.")
    return dict(found)
