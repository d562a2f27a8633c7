"""Where a store's record of trainings is and how it is opened: the one module that imports MLflow.

A store keeps its own MLflow database and artefacts under <store>/mlflow; MLFLOW_TRACKING_URI puts another
database or server in their place. MLflow is imported inside functions: that takes seconds, and most commands
do without it.
"""

from __future__ import annotations

import logging
import math
import os
import re
import sqlite3
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from filelock import FileLock, Timeout

from configs.errors import IntegrityError, NotReady, StoreBusy
from models.bundle import plain
from models.durable import sync

NAME = "strainwatch"
"""Of the experiment and of the registered model."""
LOCK_TIMEOUT_S = 120.0
LONGEST_TEXT = 5000
"""Characters of a tag or a parameter that every kind of server takes."""
NO_CHAMPION = "no champion yet: run `strainwatch train`."

_NO_SUCH = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_DEFAULTS: Mapping[str, str] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # it would copy a uv.lock of the working directory into the model
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is gone is told after seconds; by default after minutes
    "GIT_PYTHON_REFRESH": "quiet",  # MLflow looks for a commit and complains where git is not installed
}


@dataclass(frozen=True)
class Place:
    """Where a store's record of trainings is."""

    folder: Path
    tracking_uri: str
    is_local: bool
    """True for the store's own database, False if MLFLOW_TRACKING_URI names another."""

    @classmethod
    def of(cls, store: Path) -> Place:
        folder = store.resolve() / "mlflow"
        given = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
        return cls(folder, given or f"sqlite:///{folder / 'mlflow.db'}", not given)

    @property
    def is_missing(self) -> bool:
        """True before the first training of a store with a record of its own."""
        return self.is_local and not self.database.exists()

    @property
    def database(self) -> Path:
        return self.folder / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"


@dataclass(frozen=True)
class Tracking:
    """An open record: its place, and MLflow set to it."""

    place: Place
    mlflow: Any

    @property
    def client(self) -> Any:
        return self.mlflow.MlflowClient()

    def experiment(self, name: str) -> str:
        """The id of an experiment, made if need be."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(self.client.create_experiment(name, self.place.artifacts.as_uri() if self.place.is_local else None))

    def artifacts_at(self, location: str) -> Any:
        """What writes into a run's artefacts by their address."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(location)

    def if_there(self, ask: Callable[[], Any]) -> Any:
        """What `ask` gives, None where MLflow knows no such run or version."""
        try:
            return ask()
        except self.mlflow.exceptions.MlflowException as error:
            if error.error_code not in _NO_SUCH:
                raise
            return None


@contextmanager
def reading(store: Path) -> Iterator[Tracking]:
    """The record as it is. NotReady before the first training, and if MLflow cannot do what is asked."""
    place = Place.of(store)
    if place.is_missing:
        raise NotReady(NO_CHAMPION)
    _require_whole(place)
    with _without_deprecations(), _connected(place) as mlflow:
        yield Tracking(place, mlflow)


@contextmanager
def writing(store: Path) -> Iterator[Tracking]:
    """The record, made if need be, held against other writers until done. StoreBusy after a long wait."""
    with _without_deprecations(), _held(store) as place, _connected(place) as mlflow:
        yield Tracking(place, mlflow)


@contextmanager
def _held(store: Path) -> Iterator[Place]:
    """The place, with its database made if need be, held against other writers until done.

    SQLite alone would do for short transactions, but not for creating the database or for a training's many;
    the kernel releases the lock of a killed process.
    """
    place = Place.of(store)
    place.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place.folder / ".lock", timeout=LOCK_TIMEOUT_S):
            if place.is_local:
                _create_database(place)
                _require_whole(place)
                _follow_moved_store(place)
            yield place
    except Timeout as error:
        raise StoreBusy(
            f"{place.folder}: another process has been recording a training for {LOCK_TIMEOUT_S:.0f} s. "
            "Wait for it to end, then try again."
        ) from error


def _create_database(place: Place) -> None:
    """Make the database aside and rename it: killed half-way, MLflow's migrations could not be resumed."""
    for left_over in place.folder.glob("new-*"):
        left_over.unlink()
    if place.database.exists():
        return
    import_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    aside = place.folder / f"new-{uuid.uuid4().hex}.db"
    record = SqlAlchemyStore(f"sqlite:///{aside}", place.artifacts.as_uri())
    record.create_experiment(NAME, artifact_location=place.artifacts.as_uri())
    record.engine.dispose()
    sync(aside)
    aside.rename(place.database)
    sync(place.folder)


def _require_whole(place: Place) -> None:
    """Raise IntegrityError if the store's own database is damaged; an empty one too, which MLflow would fill anew."""
    if not place.is_local:
        return
    try:
        # Not read-only: SQLite then takes back what a killed process had half written, as every other opening would.
        with closing(sqlite3.connect(f"{place.database.as_uri()}?mode=rw", timeout=30, uri=True)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            held = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'registered_models'").fetchone()
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise StoreBusy(f"{place.database}: another process holds this database. Try again later.") from error
        found, held = str(error), None
    if found != "ok" or held is None:
        reason = "holds no record of trainings" if found == "ok" else f"is damaged ({found})"
        raise IntegrityError(
            f"{place.database}: {reason}. Restore the folder mlflow from a backup. Without one, move it away and train "
            "again: the first model is champion then."
        )


def _follow_moved_store(place: Place) -> None:
    """Put the present folder into the locations that the database recorded, if the store was moved or copied.

    MLflow keeps absolute locations: without this, training in a copy would write into the original's folder,
    and `mlflow ui` would look there.
    """
    here = place.artifacts.as_uri()
    with closing(sqlite3.connect(place.database, timeout=30)) as connection, connection:
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        found = connection.execute(query, (NAME,)).fetchone()
        if found is None or found[0] == here:
            return
        for table, column in LOCATIONS:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, length(?) + 1) "
                f"WHERE substr({column}, 1, length(?)) = ?",
                (here, found[0], found[0], found[0]),
            )


LOCATIONS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("experiments", "artifact_location"),
)


@contextmanager
def _connected(place: Place) -> Iterator[Any]:
    """The mlflow module with `place` as its tracking server, and its own state put back afterwards.

    MLflow keeps the address in a global and in the environment; left there, it would win over the next store.
    """
    mlflow = import_mlflow()
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(place.tracking_uri)
    try:
        yield mlflow
    except mlflow.exceptions.MlflowException as error:
        raise NotReady(_no_answer(place, error)) from error
    finally:
        mlflow.set_tracking_uri(None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


def _no_answer(place: Place, error: Exception) -> str:
    """What MLflow said, in one line and without a password that the address may hold."""
    address = _PASSWORD.sub("//", place.tracking_uri)
    reason = _PASSWORD.sub("//", " ".join(str(error).split()))
    return f"{address}: MLflow cannot do this: {reason[:_LONGEST_REASON]}. Check MLFLOW_TRACKING_URI and its server."


_PASSWORD = re.compile(r"//[^/@\s]*@")
_LONGEST_REASON = 500


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """Without the warnings that MLflow's own code sets off in its dependencies: nothing we could change."""
    with warnings.catch_warnings():
        for message, category in _OF_OTHERS:
            warnings.filterwarnings("ignore", message, category)
        yield


_OF_OTHERS: tuple[tuple[str, type[Warning]], ...] = (
    ("The ``noload`` loader strategy is deprecated", DeprecationWarning),  # SQLAlchemy 2.1
    (".*Any type hint is inferred as AnyType", UserWarning),  # MLflow about its own class, on import
    ("Operation with range is deprecated", DeprecationWarning),  # pandas 3 about MLflow's input example
)


def import_mlflow() -> Any:
    """MLflow without telemetry, progress bars and news of its doings; its warnings and errors still come."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns wherever pip is not installed, as in environments made by uv, and nothing comes of it.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    return mlflow


def name_of(name: str) -> str:
    """`name` with what MLflow refuses in a name replaced by an underscore."""
    return re.sub(r"[^A-Za-z0-9_\-. /]", "_", name)


def texts_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as MLflow takes them."""
    return {name_of(name): str(plain(value))[:LONGEST_TEXT] for name, value in values.items()}


def numbers_of(values: Mapping[str, float]) -> dict[str, float]:
    """Metrics as MLflow takes them, without those that are no finite number."""
    return {name_of(name): value for name, value in values.items() if math.isfinite(value)}


def local_folder(place: Place, location: str) -> Path | None:
    """The model's folder on this disk, None if the location is not on a disk.

    It is looked for within this store first, and where the database says after that: of a store that was
    moved or copied, the old place may still exist and hold something else.
    """
    address = urlparse(location)
    if address.scheme not in ("", "file"):
        return None
    recorded = Path(unquote(address.path)) if address.scheme else Path(location)
    within = recorded.as_posix().rpartition("/mlflow/artifacts/")[2]
    for path in (place.artifacts / within, recorded):
        if path.is_dir():
            return path
    raise IntegrityError(f"{recorded}: the registered model is not there. Restore the store, or train again.")
