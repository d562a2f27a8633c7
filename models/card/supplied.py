"""What only people can say of a model: the entries of configs/card.toml, each printed as "not supplied" until given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from configs import load, reject_unknown
from configs.errors import ConfigError


@dataclass(frozen=True)
class Supplied:
    """configs/card.toml, where each entry is explained; empty text is "not supplied"."""

    context: str = ""
    intended_users: str = ""
    user_expertise: str = ""
    inequalities: str = ""
    setting: str = ""
    recorders: str = ""
    testers: str = ""
    legal_basis: str = ""
    ethics_approval: str = ""
    funding: str = ""
    conflicts: str = ""
    protocol: str = ""
    protocol_date: str = ""
    protocol_sha256: str = ""
    registration: str = ""
    data_availability: str = ""
    code_availability: str = ""
    involvement: str = ""

    def as_json(self) -> dict[str, str]:
        """A plain mapping that `supplied_from_json` reads back."""
        return asdict(self)

    @property
    def protocol_day(self) -> date | None:
        return date.fromisoformat(self.protocol_date) if self.protocol_date else None


def load_supplied(folder: Path | None = None) -> Supplied:
    """The entries of card.toml, from `folder` where it has its own copy.

    ConfigError for an unknown entry, one that is no text, and a date or hash that is none.
    """
    return supplied_from_json(load("card.toml", folder), "card.toml")


def supplied_from_json(found: Mapping[str, Any], where: str) -> Supplied:
    """What `Supplied.as_json` wrote, or the content of a card.toml; entries may be left out."""
    reject_unknown(dict(found), {field.name for field in fields(Supplied)}, where)
    texts = {name: _text(name, value, where) for name, value in found.items()}
    supplied = Supplied(**texts)
    _check(supplied, where)
    return supplied


def _text(name: str, value: Any, where: str) -> str:
    if isinstance(value, date):  # TOML has dates of its own
        return value.isoformat()
    if not isinstance(value, str):
        raise ConfigError(f"{where}: {name} = {value!r}. Give text in quotes.")
    return " ".join(value.split())


def _check(supplied: Supplied, where: str) -> None:
    try:
        _ = supplied.protocol_day
    except ValueError as error:
        raise ConfigError(
            f"{where}: protocol_date = {supplied.protocol_date!r} is no day; write it as 2026-01-31."
        ) from error
    digest = supplied.protocol_sha256
    if digest and (len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef")):
        raise ConfigError(f"{where}: protocol_sha256 = {digest!r} is no SHA-256; `sha256sum FILE` prints one.")
