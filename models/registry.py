"""The registered models of a store: which versions there are, whom the aliases point at, and their bundles."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from configs.errors import NotReady
from models.bundle import Bundle
from models.tracking import LONGEST_TEXT, NAME, NO_CHAMPION, Place, Tracking, local_folder, reading, writing

Alias = Literal["champion", "challenger"]

_BUNDLE = Path("data") / "bundle"
"""Where MLflow puts the bundle within a logged model."""


@dataclass(frozen=True)
class VersionStatus:
    """One registered version; `label` is the bundle's own version."""

    version: int
    label: str
    aliases: tuple[str, ...]
    run_id: str
    registered_at: pd.Timestamp


class Aliases:
    """The registered model's aliases and tags, within `aliases` or, for changing them, within `held`."""

    def __init__(self, record: Tracking) -> None:
        self._record = record

    def version_of(self, alias: Alias) -> int | None:
        """Whom the alias points at."""
        return _pointed(self._record).get(alias)

    def is_registered(self, version: int) -> bool:
        """False for a version that never was or was deleted."""
        return registered_version(self._record, version) is not None

    def point(self, alias: Alias, version: int) -> None:
        """Move the alias."""
        self._record.client.set_registered_model_alias(NAME, alias, str(version))

    def drop(self, alias: Alias) -> None:
        """Take the alias away."""
        self._record.client.delete_registered_model_alias(NAME, alias)

    def tag(self, name: str) -> str | None:
        """A tag of the registered model, whatever version."""
        found = self._record.client.search_registered_models(f"name = '{NAME}'")
        return found[0].tags.get(name) if found else None

    def set_tag(self, name: str, text: str) -> None:
        """Tag the registered model."""
        self._record.client.set_registered_model_tag(NAME, name, text)

    def tag_version(self, version: int, name: str, text: str) -> None:
        """Tag one version."""
        self._record.client.set_model_version_tag(NAME, str(version), name, text[:LONGEST_TEXT])


@contextmanager
def aliases(store: Path) -> Iterator[Aliases]:
    """The aliases to look at. NotReady before the first training."""
    with reading(store) as record:
        yield Aliases(record)


@contextmanager
def held(store: Path) -> Iterator[Aliases]:
    """The aliases, held against every other writer. NotReady before the first training, StoreBusy after a long wait."""
    if Place.of(store).is_missing:
        raise NotReady(NO_CHAMPION)
    with writing(store) as record:
        yield Aliases(record)


def set_alias(store: Path, version: int, alias: Alias) -> None:
    """Point `alias` at a registered version, away from the one that had it; NotReady without that version."""
    with held(store) as known:
        if known.is_registered(version):
            known.point(alias, version)
            return
    listed = ", ".join(str(each.version) for each in versions(store)) or "none"
    raise NotReady(f"version {version} is not registered. Registered: {listed}.")


def beside(store: Path) -> str:
    """What tells this record of trainings from others in names of files: nothing for the store's own."""
    place = Place.of(store)
    return "" if place.is_local else f"-{hashlib.sha256(place.tracking_uri.encode()).hexdigest()[:8]}"


def champion(store: Path) -> tuple[Bundle, int]:
    """The champion and its version, checked as `Bundle.load` does. NotReady if there is none."""
    with aliases(store) as known:
        version = known.version_of("champion")
    if version is None:
        raise NotReady(NO_CHAMPION)
    return bundle_of(store, version), version


def bundle_of(store: Path, version: int) -> Bundle:
    """A registered version's bundle, checked as `Bundle.load` does; NotReady without that version."""
    with reading(store) as record:
        location = record.if_there(lambda: record.client.get_model_version_download_uri(NAME, str(version)))
        if location is None:
            raise NotReady(f"version {version} is not registered.")
        return _load(record, location)


def versions(store: Path) -> tuple[VersionStatus, ...]:
    """Every registered version, newest first; empty before the first training."""
    if Place.of(store).is_missing:
        return ()
    with reading(store) as record:
        pointed = _pointed(record)
        found = record.client.search_model_versions(f"name = '{NAME}'")
    rows = [_status(item, pointed) for item in found]
    return tuple(sorted(rows, key=lambda row: -row.version))


def register(record: Tracking, run_id: str, model_id: str, label: str) -> int:
    """A new version for a model that was logged; returns its number."""
    try:
        record.client.create_registered_model(NAME)
    except record.mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = record.client.create_model_version(
        NAME, f"models:/{model_id}", run_id, tags={"version": label}, await_creation_for=0, model_id=model_id
    )
    return int(version.version)


def registered_version(record: Tracking, version: int) -> Any:
    """MLflow's entry of a version, None for one that never was or was deleted."""
    return record.if_there(lambda: record.client.get_model_version(NAME, str(version)))


def _pointed(record: Tracking) -> dict[str, int]:
    registered = record.client.search_registered_models(f"name = '{NAME}'")
    return {name: int(number) for name, number in registered[0].aliases.items()} if registered else {}


def _status(item: Any, aliases: Mapping[str, int]) -> VersionStatus:
    held = tuple(sorted(name for name, number in aliases.items() if number == int(item.version)))
    at = pd.Timestamp(item.creation_timestamp, unit="ms", tz="UTC")
    return VersionStatus(int(item.version), item.tags.get("version", ""), held, item.run_id, at)


def _load(record: Tracking, location: str) -> Bundle:
    local = local_folder(record.place, location)
    if local is not None:
        return Bundle.load(local / _BUNDLE)
    with tempfile.TemporaryDirectory() as folder:
        return Bundle.load(Path(record.mlflow.artifacts.download_artifacts(location, dst_path=folder)) / _BUNDLE)
