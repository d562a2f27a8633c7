"""What a sports scientist may edit: TOML files, and the one loader that reads them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from configs.errors import ConfigError

SHIPPED = Path(__file__).parent


def load(name: str, folder: Path | None = None) -> dict[str, Any]:
    """The content of `name` (for instance "target.toml"), from `folder` where it has its own copy.

    A folder needs only the files that it changes; the shipped ones stand in for the rest.
    Raises ConfigError for a missing folder or for text that is not TOML, with the line.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of configs. Give a folder that exists, or leave --configs out.")
    if folder is not None:
        _reject_strangers(folder)
    own = folder / name if folder is not None else None
    path = own if own is not None and own.is_file() else SHIPPED / name
    if not path.is_file():
        raise ConfigError(f"{name}: not among the shipped configs ({', '.join(names())}).")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Notepad marks the beginning of a file
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line} is not UTF-8 text. Save the file as UTF-8.") from error


def _reject_strangers(folder: Path) -> None:
    """A misspelt file would leave the shipped one in force without a word."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.t*ml")}
    strangers = sorted(found - set(names()))
    if strangers:
        raise ConfigError(f"{folder}: no config file is called {', '.join(strangers)}. Known: {', '.join(names())}.")


def names() -> list[str]:
    """The shipped files, relative to configs/."""
    return sorted(path.relative_to(SHIPPED).as_posix() for path in SHIPPED.rglob("*.toml"))


def reject_unknown(found: dict[str, Any], known: set[str], where: str) -> None:
    """Raise ConfigError if `found` has a key outside `known`; the message lists the valid ones."""
    unknown = sorted(set(found) - known)
    if unknown:
        raise ConfigError(f"{where}: unknown {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
