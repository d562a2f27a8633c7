"""The contributing factors that every explanation speaks in; each feature belongs to exactly one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from configs import load, reject_unknown
from configs.errors import ConfigError


@dataclass(frozen=True)
class Factor:
    """One contributing factor.

    `wording` says in half a sentence what it is; `prompt` is what staff may check first, hedged, never a treatment order.
    A factor that is not modifiable is shown apart and never ranked as something to act on.
    """

    key: str
    label: str
    wording: str
    modifiable: bool
    prompt: str
    references: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def from_json(content: Mapping[str, Any]) -> Factor:
    """The factor that `Factor.as_json` wrote."""
    return Factor(**{**content, "references": tuple(content["references"])})


def load_factors(folder: Path | None = None) -> dict[str, Factor]:
    """The factors of configs/factors.toml by key, in the file's order."""
    needed = {field.name for field in fields(Factor)} - {"key"}
    factors = {}
    for key, content in load("factors.toml", folder).items():
        reject_unknown(content, needed, f"factors.toml, [{key}]")
        missing = sorted(needed - set(content))
        if missing:
            raise ConfigError(f"factors.toml, [{key}]: missing {', '.join(missing)}.")
        factors[key] = from_json({"key": key, **content})
    return factors
