"""The store's tables: one folder that ingests are only ever added to, and the contract tables read from it.

    store.json             what makes a folder a store
    tables/<ingest>/       one ingest: <table>.parquet, quarantine.parquet, manifest.json
    .lock                  held while something is written

An ingest is written into `tables/.tmp-...`, every file and folder fsynced, and then renamed once. A process
that is killed at any moment leaves the store as it was; the next writer clears up what it left behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from configs.errors import IntegrityError, NotReady, StoreBusy
from features.tables import SUPERSEDED_AT, TABLES, Tables, as_contract, empty_table
from models.durable import sync
from models.parquet import read_own

FORMAT = 1
MARKER = "store.json"
INGEST = "ingest"
"""Extra column of `read_versions`: the ingest that a row came with."""

ADDED = "added"
QUARANTINED = "quarantined"
"""Entries of a manifest: the rows that an ingest brought by table, and how many it refused."""
QUARANTINE = "quarantine"

QUARANTINE_COLUMNS = ("table", "line", "row_id", "column", "reason", "raw")

_MAY_BE_THERE_BEFORE = {"aliases.csv"}
_SELF_WRITTEN = ".tmp-"
_OPENING_S = 60.0


@dataclass(frozen=True)
class Store:
    """A store's folder. Make one with `open_store`."""

    path: Path

    @property
    def tables(self) -> Path:
        return self.path / "tables"

    @contextlib.contextmanager
    def lock(self, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the store for writing; raise StoreBusy if another process still does after `wait_s` seconds.

        The kernel releases the lock when its holder ends, however it ends.
        """
        lock = FileLock(self.path / ".lock", timeout=wait_s, mode=0o600)
        try:
            lock.acquire()
        except Timeout as error:
            raise StoreBusy(
                f"{self.path}: another process holds this store (waited {wait_s:g} s). Try again later."
            ) from error
        try:
            yield
        finally:
            lock.release()


def is_store(path: Path) -> bool:
    """Whether a store was made in folder `path`."""
    return (path / MARKER).is_file()


def open_store(path: Path) -> Store:
    """The store in folder `path`, created there on first use (readable by its owner only)."""
    store = Store(path)
    marker = path / MARKER
    if is_store(path):
        _check_format(marker)
    else:
        _check_free(path)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        with store.lock(_OPENING_S):  # or another's ingest would clear the file aside
            write_aside(marker, json.dumps({"format": FORMAT}).encode())
    store.tables.mkdir(exist_ok=True, mode=0o700)
    return store


def _check_format(marker: Path) -> None:
    try:
        found = dict(json.loads(marker.read_text(encoding="utf-8"))).get("format")
    except (ValueError, TypeError) as error:
        raise IntegrityError(
            f'{marker}: damaged, not what Strainwatch writes ({error}). Restore it from a backup, or write {{"format": '
            f"{FORMAT}}} into it: it holds nothing else."
        ) from error
    if found != FORMAT:
        raise NotReady(f"{marker.parent}: store of format {found}; this version reads {FORMAT}. Upgrade Strainwatch.")


def _check_free(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise NotReady(f"{path}: a file, not a folder. A store is a folder; give a new name or an empty folder.")
    others = [item.name for item in path.iterdir() if not item.name.startswith(".")] if path.is_dir() else []
    if set(others) - _MAY_BE_THERE_BEFORE:
        raise NotReady(f"{path}: not a store, and not empty. Give the folder of a store, a new or an empty one.")


def write_aside(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all: into a file beside it, fsync, rename over it."""
    aside = path.with_name(f"{_SELF_WRITTEN}{path.name}-{os.getpid()}")
    _write(aside, content)
    aside.replace(path)
    sync(path.parent)


def write_folder_aside(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder with `files` whole or not at all, in the manner of `write_aside`."""
    aside = path.with_name(f"{_SELF_WRITTEN}{path.name}-{os.getpid()}")
    aside.mkdir(mode=0o700)
    for name, content in files.items():
        _write(aside / name, content)
    sync(aside)
    aside.rename(path)
    sync(path.parent)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def append(store: Store, name: str, tables: Tables, refused: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    """Add one ingest and return its id; call it inside `store.lock()`. `name` tells where it came from."""
    _clear_leftovers(store)
    number = max((int(past[:6]) for past in ingests(store)), default=0) + 1
    ingest = f"{number:06d}-{name}"
    files = {f"{table}.parquet": _parquet(rows) for table, rows in tables.items() if len(rows)}
    if len(refused):
        files[f"{QUARANTINE}.parquet"] = _parquet(refused)
    counts = {ADDED: {table: len(rows) for table, rows in tables.items()}, QUARANTINED: len(refused)}
    files["manifest.json"] = json.dumps({**manifest, **counts, INGEST: ingest}, indent=1, sort_keys=True).encode()
    write_folder_aside(store.tables / ingest, files)
    return ingest


def _clear_leftovers(store: Store) -> None:
    for leftover in store.tables.glob(f"{_SELF_WRITTEN}*"):
        shutil.rmtree(leftover)
    for leftover in store.path.glob(f"{_SELF_WRITTEN}*"):
        leftover.unlink()


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def ingests(store: Store) -> list[str]:
    """The ids of all ingests, oldest first."""
    return sorted(path.name for path in store.tables.iterdir() if not path.name.startswith("."))


def manifests(store: Store) -> list[dict[str, Any]]:
    """What each ingest brought, oldest first. Raises IntegrityError where a manifest is gone or damaged."""
    return [_manifest(store.tables / ingest / "manifest.json") for ingest in ingests(store)]


def _manifest(path: Path) -> dict[str, Any]:
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8")))
        if found.get(INGEST) != path.parent.name or not isinstance(found.get(ADDED), dict):
            raise ValueError("it does not tell what this ingest brought")
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError) as error:
        reason = "is not there" if isinstance(error, OSError) else f"is damaged ({error})"
        raise IntegrityError(f"{path}: {reason}. {_mending(path)}") from error
    return found


def _mending(path: Path) -> str:
    ingest = path.parent.name
    return (
        f"Restore the folder {ingest} from a backup. Without one, move {ingest} out of tables/ and ingest its export "
        "again (docs/operations.md)."
    )


def ingested(
    store: Store, manifest: Mapping[str, Any], table: str, columns: Sequence[str] | None = None
) -> pd.DataFrame | None:
    """The rows of a table, or of `quarantine`, as one ingest left them; None if it brought none.

    Raises IntegrityError where the file is gone, damaged, or holds another number of rows than the manifest says:
    with injuries missing, the injured would be scored as fit.
    """
    path = store.tables / manifest[INGEST] / f"{table}.parquet"
    said = int(manifest[QUARANTINED] if table == QUARANTINE else manifest[ADDED].get(table, 0))
    if not said and not path.exists():
        return None
    rows = read_own(path, f"The ingest's manifest says that it holds {said:,} rows. {_mending(path)}", columns)
    if len(rows) != said:
        raise IntegrityError(f"{path}: holds {len(rows):,} rows, its manifest says {said:,}. {_mending(path)}")
    return rows


def quarantine(store: Store) -> pd.DataFrame:
    """The rows that are still refused, with the ingest and source they came with.

    A row is told once however often its file was ingested, and no more once a later ingest brought it in.
    """
    frames = [
        rows.assign(ingest=manifest[INGEST], source=manifest["source"], at=manifest["at"])
        for manifest in manifests(store)
        if (rows := ingested(store, manifest, QUARANTINE)) is not None
    ]
    columns = [*QUARANTINE_COLUMNS, INGEST, "source", "at"]
    if not frames:
        return pd.DataFrame({name: pd.Series([], dtype="str") for name in columns})
    refused = pd.concat(frames, ignore_index=True)[columns].astype("str")
    refused = refused.drop_duplicates(list(QUARANTINE_COLUMNS), keep="last")
    return refused[~_is_mended(store, refused)].reset_index(drop=True)


def _is_mended(store: Store, refused: pd.DataFrame) -> pd.Series:
    mended = pd.Series(False, index=refused.index)
    for table, rows in refused.groupby("table"):
        versions = read_versions(store, str(table)).sort_values(INGEST)
        last = pd.Series(versions[INGEST].to_numpy(), index=key_text(versions, str(table))).groupby(level=0).last()
        mended.loc[rows.index] = (rows["row_id"].map(last).astype("str") > rows[INGEST]).fillna(False).astype(bool)
    return mended


def key_text(rows: pd.DataFrame, table: str) -> pd.Series:
    """The key of each row as quarantine writes it (`row_id`)."""
    text = pd.Series("", index=rows.index, dtype="str")
    for name in TABLES[table].key:
        column = rows[name]
        is_date = pd.api.types.is_datetime64_any_dtype(column.dtype)
        text = text + " " + (column.dt.strftime("%Y-%m-%d") if is_date else column)
    return text.str.strip()


def read_versions(store: Store, table: str, among: Sequence[Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """Every version of every row of `table` in the order of arrival, with the column `ingest`.

    `among` are the manifests of the ingests to read (default: all that are there now). Raises as `ingested`.
    """
    frames = [
        as_contract(rows, table).assign(**{INGEST: manifest[INGEST]})
        for manifest in (manifests(store) if among is None else among)
        if (rows := ingested(store, manifest, table)) is not None
    ]
    if not frames:
        return empty_table(table).drop(columns=SUPERSEDED_AT).assign(**{INGEST: pd.Series([], dtype="str")})
    return pd.concat(frames, ignore_index=True)


def read_tables(store: Store) -> dict[str, pd.DataFrame]:
    """The contract tables with `superseded_at`, in an order that does not depend on the order of ingests.

    Of rows with one key, ordered by `known_at` and then by arrival, each is superseded when the next becomes
    known. A row that was never visible (superseded no later than it became known) is left out. An ingest that
    lands meanwhile is in all tables or in none. Raises as `ingested`.
    """
    listed = manifests(store)
    return {name: with_superseded_at(read_versions(store, name, listed).drop(columns=INGEST), name) for name in TABLES}


def with_superseded_at(versions: pd.DataFrame, name: str) -> pd.DataFrame:
    """Rows of table `name`, in order of arrival, with `superseded_at` from their keys and `known_at`."""
    key = list(TABLES[name].key)
    rows = versions.sort_values([*key, "known_at"], kind="stable", ignore_index=True)
    rows[SUPERSEDED_AT] = rows.groupby(key, sort=False)["known_at"].shift(-1).astype(rows["known_at"].dtype)
    visible = ~(rows[SUPERSEDED_AT] <= rows["known_at"])
    first = [column for column in ("athlete_id", TABLES[name].day_column) if column]
    return as_contract(rows[visible].sort_values(first, kind="stable", ignore_index=True), name)


def fingerprint(tables: Tables) -> str:
    """SHA-256 of the content of the contract tables, whatever the order of their rows."""
    digest = hashlib.sha256()
    for name in sorted(TABLES):
        rows = as_contract(tables[name].drop(columns=SUPERSEDED_AT, errors="ignore"), name)
        rows = rows.sort_values([*TABLES[name].key, "known_at"], kind="stable", ignore_index=True)
        digest.update(f"{name} {len(rows)}\n".encode())
        for column in rows:
            digest.update(f"{column}\n".encode())
            digest.update(_column_bytes(rows[column]))
    return digest.hexdigest()


def _column_bytes(column: pd.Series) -> bytes:
    if pd.api.types.is_float_dtype(column.dtype):
        numbers = column.to_numpy(dtype="float64") + 0.0  # -0.0 and 0.0 are the same content
        return np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column.to_numpy(dtype="datetime64[us]").astype("<i8").tobytes()
    cells = ["\x00" if pd.isna(cell) else str(cell) for cell in column]
    return "\x1f".join(cells).encode()


def data_cut(tables: Tables) -> pd.Timestamp:
    """The last day that the data cover: of `coverage`, or of dated rows where nothing declares a coverage."""
    covered = tables["coverage"]["last_date"]
    last = covered.max() if len(covered) else max(_last_days(tables), default=pd.NaT)
    if pd.isna(last):
        raise NotReady("The store holds no data yet. Bring some in with `strainwatch ingest`.")
    return pd.Timestamp(last)


def _last_days(tables: Tables) -> list[pd.Timestamp]:
    return [frame["date"].max() for name, frame in tables.items() if TABLES[name].day_column == "date" and len(frame)]
