"""The contributing factors that every explanation speaks in; each feature belongs to exactly one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from configs import load, reject_unknown
from configs.errors import ConfigError


@dataclass(frozen=True)
class Factor:
    """One contributing factor.

    `label` names a state, as the article does; `measures` names what is measured, for where no measurement shows that
    state. `wording` says in half a sentence what it is; `prompt` is what staff may check first, hedged, never a
    treatment order.
    A factor that is not modifiable is shown apart and never ranked as something to act on.
    """

    key: str
    label: str
    wording: str
    modifiable: bool
    prompt: str
    references: tuple[str, ...]
    measures: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def from_json(content: Mapping[str, Any]) -> Factor:
    """The factor that `Factor.as_json` wrote. What an earlier version did not write yet, `measures`, is as shipped."""
    measures = _shipped_measures().get(content["key"], content["label"])
    return Factor(**{"measures": measures, **content, "references": tuple(content["references"])})


@cache
def _shipped_measures() -> dict[str, str]:
    return {key: content["measures"] for key, content in load("factors.toml").items()}


def load_factors(folder: Path | None = None) -> dict[str, Factor]:
    """The factors of configs/factors.toml by key, in the file's order."""
    known = {field.name for field in fields(Factor)} - {"key"}
    needed = known - {"measures"}  # a file of an earlier version takes those shipped
    factors = {}
    for key, content in load("factors.toml", folder).items():
        if not isinstance(content, dict):
            raise ConfigError(f"factors.toml, [{key}]: found {content!r} where a table of entries is expected.")
        reject_unknown(content, known, f"factors.toml, [{key}]")
        missing = sorted(needed - set(content))
        if missing:
            raise ConfigError(f"factors.toml, [{key}]: missing {', '.join(missing)}.")
        _check_types(content, f"factors.toml, [{key}]")
        factors[key] = from_json({"key": key, **content})
    return factors


def _check_types(content: Mapping[str, Any], where: str) -> None:
    for name, value in content.items():
        if name == "modifiable":
            fits, wanted = isinstance(value, bool), "true or false"
        elif name == "references":
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
            wanted = "a list of texts"
        else:
            fits, wanted = isinstance(value, str), "text"
        if not fits:
            raise ConfigError(f"{where}: {name} = {value!r}. Give {wanted}.")
