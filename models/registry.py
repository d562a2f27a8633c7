"""The record of every training and of the models that it registered: the one module that talks to MLflow.

A store keeps its own MLflow database and artefacts under <store>/mlflow; MLFLOW_TRACKING_URI puts another
database or server in their place. MLflow is imported inside functions: that takes seconds, and most commands
do without it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import shutil
import sqlite3
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlparse

import pandas as pd
from filelock import FileLock, Timeout

from configs.errors import IntegrityError, NotReady, StoreBusy, WrongArgument
from models.bundle import Bundle, plain
from models.pyfunc import input_names, output_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "strainwatch"
"""Of the experiment and of the registered model."""
SEARCHES = "strainwatch-tuning"
"""Of the experiment that holds searches for settings, so that trainings stay a list of trainings."""
Alias = Literal["champion", "challenger"]
SearchStatus = Literal["FINISHED", "KILLED", "FAILED"]
Interval = tuple[float, float, float]
"""Estimate, lower and upper end."""

LOCK_TIMEOUT_S = 120.0
FIGURE_DPI = 110
_REQUIREMENTS = ("strainwatch", "lightgbm", "numpy", "pandas", "pyarrow")
_PARAMETERS_PER_CALL = 100  # MLflow refuses more
_LONGEST_TAG = 5000
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
class RegisteredModel:
    """A training that was recorded: its run, and the version of the registered model."""

    run_id: str
    name: str
    version: int


@dataclass(frozen=True)
class VersionStatus:
    """One registered version; `label` is the bundle's own version."""

    version: int
    label: str
    aliases: tuple[str, ...]
    run_id: str
    registered_at: pd.Timestamp


def log_training(
    store: Path,
    bundle: Bundle,
    metrics: Mapping[str, float | Interval],
    parameters: Mapping[str, Any],
    figures: Mapping[str, Figure],
    tables: Mapping[str, pd.DataFrame],
    tags: Mapping[str, str],
    predictions: pd.DataFrame | None = None,
    documents: Mapping[str, str] | None = None,
) -> RegisteredModel:
    """Record one training as a run and register its bundle as a new version, last of all.

    A metric with an interval becomes three: auroc_7d, auroc_7d_lower, auroc_7d_upper. What cannot be
    estimated (NaN) is left out of the metrics and named in the tag "not_estimable". Tables become CSV and
    JSON, figures PNG, `predictions` (a row per tested athlete-day) Parquet, `documents` files of that
    name. If this process is killed, the store keeps at most an unfinished run, and no version.
    """
    with _without_deprecations(), _writing(store) as place, _connected(place) as mlflow:
        with mlflow.start_run(experiment_id=_experiment(place), run_name=bundle.version) as run:
            _log_parameters(mlflow, parameters)
            numbers, missing = _flat_metrics(metrics)
            mlflow.log_metrics(numbers)
            mlflow.set_tags(_tags(bundle, tags, missing))
            with _staging(place) as folder:
                _write_artifacts(folder / "artifacts", metrics, figures, tables, predictions, documents or {})
                mlflow.log_artifacts(str(folder / "artifacts"))
                model_id = _log_model(mlflow, bundle, folder / "bundle")
        number = _register(run.info.run_id, model_id, bundle.version)
    return RegisteredModel(run.info.run_id, NAME, number)


def start_search(store: Path, name: str, parameters: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Open the run of a search for settings and return its id; its trials are runs nested in it."""
    with _without_deprecations(), _writing(store) as place, _connected(place):
        run = _client().create_run(_experiment(place, SEARCHES), run_name=name, tags=dict(tags))
        _log_batch(run.info.run_id, parameters, {})
    return str(run.info.run_id)


def log_trial(
    store: Path, search_id: str, name: str, parameters: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    """Record one trial of the search as a run of its own."""
    with _without_deprecations(), _writing(store) as place, _connected(place):
        tags = {"mlflow.parentRunId": search_id}
        run = _client().create_run(_experiment(place, SEARCHES), run_name=name, tags=tags)
        _log_batch(run.info.run_id, parameters, metrics)
        _client().set_terminated(run.info.run_id)


def end_search(
    store: Path, search_id: str, metrics: Mapping[str, float], tags: Mapping[str, str], status: SearchStatus
) -> None:
    """Close the run of a search with what it came to."""
    with _without_deprecations(), _writing(store) as place, _connected(place):
        _log_batch(search_id, {}, metrics)
        for key, text in tags.items():
            _client().set_tag(search_id, key, text[:_LONGEST_TAG])
        _client().set_terminated(search_id, status)


def _log_batch(run_id: str, parameters: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    from mlflow.entities import Metric, Param

    at = int(pd.Timestamp.now(tz="UTC").timestamp() * 1000)
    numbers = [Metric(_metric_name(name), value, at, 0) for name, value in metrics.items() if math.isfinite(value)]
    texts = [Param(_metric_name(name), str(plain(value))[:_LONGEST_TAG]) for name, value in parameters.items()]
    _client().log_batch(run_id, metrics=numbers, params=texts)


def set_alias(store: Path, version: int, alias: Alias) -> None:
    """Point `alias` at a registered version, away from the one that had it; NotReady without that version."""
    with held(store) as known:
        if known.is_registered(version):
            known.point(alias, version)
            return
    listed = ", ".join(str(each.version) for each in versions(store)) or "none"
    raise NotReady(f"version {version} is not registered. Registered: {listed}.")


class Aliases:
    """The registered model's aliases and tags, within `aliases` or, for changing them, within `held`."""

    def version_of(self, alias: Alias) -> int | None:
        """Whom the alias points at."""
        return _pointed().get(alias)

    def is_registered(self, version: int) -> bool:
        """False for a version that never was or was deleted."""
        return _registered(version) is not None

    def point(self, alias: Alias, version: int) -> None:
        """Move the alias."""
        _client().set_registered_model_alias(NAME, alias, str(version))

    def drop(self, alias: Alias) -> None:
        """Take the alias away."""
        _client().delete_registered_model_alias(NAME, alias)

    def tag(self, name: str) -> str | None:
        """A tag of the registered model, whatever version."""
        found = _client().search_registered_models(f"name = '{NAME}'")
        return found[0].tags.get(name) if found else None

    def set_tag(self, name: str, text: str) -> None:
        """Tag the registered model."""
        _client().set_registered_model_tag(NAME, name, text)

    def tag_version(self, version: int, name: str, text: str) -> None:
        """Tag one version."""
        _client().set_model_version_tag(NAME, str(version), name, text[:_LONGEST_TAG])


@contextmanager
def aliases(store: Path) -> Iterator[Aliases]:
    """The aliases to look at. NotReady before the first training."""
    _require_record(_Place.of(store))
    with _without_deprecations(), _connected(_Place.of(store)):
        yield Aliases()


@contextmanager
def held(store: Path) -> Iterator[Aliases]:
    """The aliases, held against every other writer. NotReady before the first training, StoreBusy after a long wait."""
    _require_record(_Place.of(store))
    with _without_deprecations(), _writing(store) as place, _connected(place):
        yield Aliases()


def beside(store: Path) -> str:
    """What tells this record of trainings from others in names of files: nothing for the store's own."""
    place = _Place.of(store)
    return "" if place.is_local else f"-{hashlib.sha256(place.tracking_uri.encode()).hexdigest()[:8]}"


def champion(store: Path) -> tuple[Bundle, int]:
    """The champion and its version, checked as `Bundle.load` does. NotReady if there is none."""
    with aliases(store) as known:
        version = known.version_of("champion")
    if version is None:
        raise NotReady(_NO_CHAMPION)
    return bundle_of(store, version), version


def bundle_of(store: Path, version: int) -> Bundle:
    """A registered version's bundle, checked as `Bundle.load` does; NotReady without that version."""
    place = _Place.of(store)
    _require_record(place)
    with _without_deprecations(), _connected(place) as mlflow:
        try:
            location = _client().get_model_version_download_uri(NAME, str(version))
        except mlflow.exceptions.MlflowException as error:
            if error.error_code not in _NO_SUCH:
                raise
            raise NotReady(f"version {version} is not registered.") from error
        return _load(mlflow, place, location)


def add_to_run(store: Path, version: int, folder: str, files: Sequence[Path]) -> None:
    """Put files beside what a version's training left, into `folder` of its run's artifacts; same names are replaced.

    NotReady without that version.
    """
    with _without_deprecations(), _writing(store) as place, _connected(place):
        found = _registered(version)
        if found is None:
            raise NotReady(f"version {version} is not registered.")
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        # Not by the client: it remembers where a run's artifacts lay before this store was copied.
        run = _client().get_run(found.run_id)
        artifacts = get_artifact_repository(run.info.artifact_uri)
        for path in files:
            artifacts.log_artifact(str(path), folder)


def _registered(version: int) -> Any:
    """MLflow's entry of a version, None for one that never was or was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return _client().get_model_version(NAME, str(version))
    except MlflowException as error:
        if error.error_code not in _NO_SUCH:
            raise
        return None


def _pointed() -> dict[str, int]:
    registered = _client().search_registered_models(f"name = '{NAME}'")
    return {name: int(number) for name, number in registered[0].aliases.items()} if registered else {}


@dataclass(frozen=True)
class Recorded:
    """What MLflow keeps of one training; `version` is None if it was never registered.

    `tables` are those given to `log_training`, `predictions` is None where none were.
    """

    run_id: str
    version: int | None
    label: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame]
    predictions: pd.DataFrame | None


def recorded(store: Path, name: str) -> Recorded:
    """The training that `name` stands for: champion, challenger, a version's number or label, or a run's id.

    Raises WrongArgument for anything else, with what there is; NotReady before the first training.
    """
    place = _Place.of(store)
    _require_record(place)
    known = versions(store)
    registered = next((each for each in known if name in (*each.aliases, str(each.version), each.label)), None)
    run_id = registered.run_id if registered else name
    with _without_deprecations(), _connected(place) as mlflow:
        try:
            run = _client().get_run(run_id)
        except mlflow.exceptions.MlflowException as error:
            if error.error_code not in _NO_SUCH:
                raise
            listed = ", ".join(f"{each.version} ({each.label})" for each in known) or "none"
            raise WrongArgument(
                f"'{name}' is no run, no registered version and no alias in use. Registered: {listed}."
            ) from error
        version = next((each.version for each in known if each.run_id == run.info.run_id), None)
        with _artifacts_of(mlflow, place, run.info.artifact_uri) as folder:
            tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("tables/*.csv"))}
            path = folder / _PREDICTIONS
            predictions = pd.read_parquet(path) if path.is_file() else None
    data = run.data
    return Recorded(run.info.run_id, version, run.info.run_name or "", data.params, data.tags, tables, predictions)


@contextmanager
def _artifacts_of(mlflow: Any, place: _Place, location: str) -> Iterator[Path]:
    """A run's artefacts as a folder on this disk."""
    local = _local_folder(place, location)
    if local is not None:
        yield local
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(mlflow.artifacts.download_artifacts(location, dst_path=folder))


def versions(store: Path) -> tuple[VersionStatus, ...]:
    """Every registered version, newest first; empty before the first training."""
    place = _Place.of(store)
    if place.is_local and not place.database.exists():
        return ()
    with _without_deprecations(), _connected(place):
        pointed = _pointed()
        found = _client().search_model_versions(f"name = '{NAME}'")
    rows = [_status(item, pointed) for item in found]
    return tuple(sorted(rows, key=lambda row: -row.version))


_NO_SUCH = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_NO_CHAMPION = "no champion yet: run `strainwatch train`."


@dataclass(frozen=True)
class _Place:
    """Where a store's record of trainings is."""

    folder: Path
    tracking_uri: str
    is_local: bool
    """True for the store's own database, False if MLFLOW_TRACKING_URI names another."""

    @classmethod
    def of(cls, store: Path) -> _Place:
        folder = store.resolve() / "mlflow"
        given = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
        return cls(folder, given or f"sqlite:///{folder / 'mlflow.db'}", not given)

    @property
    def database(self) -> Path:
        return self.folder / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"


def _status(item: Any, aliases: Mapping[str, int]) -> VersionStatus:
    held = tuple(sorted(name for name, number in aliases.items() if number == int(item.version)))
    at = pd.Timestamp(item.creation_timestamp, unit="ms", tz="UTC")
    return VersionStatus(int(item.version), item.tags.get("version", ""), held, item.run_id, at)


def _require_record(place: _Place) -> None:
    if place.is_local and not place.database.exists():
        raise NotReady(_NO_CHAMPION)


@contextmanager
def _writing(store: Path) -> Iterator[_Place]:
    """The place, with its database made if need be, held against other writers until done.

    SQLite alone would do for short transactions, but not for creating the database or for a training's many;
    the kernel releases the lock of a killed process.
    """
    place = _Place.of(store)
    place.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place.folder / ".lock", timeout=LOCK_TIMEOUT_S):
            if place.is_local:
                _create_database(place)
                _follow_moved_store(place)
            yield place
    except Timeout as error:
        raise StoreBusy(
            f"{place.folder}: another process has been recording a training for {LOCK_TIMEOUT_S:.0f} s. "
            "Wait for it to end, then try again."
        ) from error


def _create_database(place: _Place) -> None:
    """Make the database aside and rename it: killed half-way, MLflow's migrations could not be resumed."""
    for left_over in place.folder.glob("new-*"):
        left_over.unlink()
    if place.database.exists():
        return
    _import_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    aside = place.folder / f"new-{uuid.uuid4().hex}.db"
    record = SqlAlchemyStore(f"sqlite:///{aside}", place.artifacts.as_uri())
    record.create_experiment(NAME, artifact_location=place.artifacts.as_uri())
    record.engine.dispose()
    _fsync(aside)
    aside.rename(place.database)
    _fsync(place.folder)


def _follow_moved_store(place: _Place) -> None:
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
        for table, column in _LOCATIONS:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, length(?) + 1) "
                f"WHERE substr({column}, 1, length(?)) = ?",
                (here, found[0], found[0], found[0]),
            )


_LOCATIONS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("experiments", "artifact_location"),
)


@contextmanager
def _connected(place: _Place) -> Iterator[Any]:
    """The mlflow module with `place` as its tracking server, and its own state put back afterwards.

    MLflow keeps the address in a global and in the environment; left there, it would win over the next store.
    """
    mlflow = _import_mlflow()
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


def _no_answer(place: _Place, error: Exception) -> str:
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


def _import_mlflow() -> Any:
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


def _client() -> Any:
    from mlflow import MlflowClient

    return MlflowClient()


def _experiment(place: _Place, name: str = NAME) -> str:
    found = _client().get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(_client().create_experiment(name, place.artifacts.as_uri() if place.is_local else None))


def _log_parameters(mlflow: Any, parameters: Mapping[str, Any]) -> None:
    items = [(_metric_name(name), str(plain(value))[:_LONGEST_TAG]) for name, value in parameters.items()]
    for start in range(0, len(items), _PARAMETERS_PER_CALL):
        mlflow.log_params(dict(items[start : start + _PARAMETERS_PER_CALL]))


def _flat_metrics(metrics: Mapping[str, float | Interval]) -> tuple[dict[str, float], list[str]]:
    """Names and numbers for MLflow, and the names without a number."""
    flat: dict[str, float] = {}
    for name, value in metrics.items():
        parts = value if isinstance(value, tuple) else (value,)
        flat |= {
            _metric_name(name) + end: float(part) for end, part in zip(("", "_lower", "_upper"), parts, strict=False)
        }
    return {k: v for k, v in flat.items() if math.isfinite(v)}, [k for k, v in flat.items() if not math.isfinite(v)]


def _metric_name(name: str) -> str:
    """`name` with what MLflow refuses in a name replaced by an underscore."""
    return re.sub(r"[^A-Za-z0-9_\-. /]", "_", name)


def _tags(bundle: Bundle, tags: Mapping[str, str], missing: Sequence[str]) -> dict[str, str]:
    """The caller's tags and what identifies data, code and configs."""
    own = {
        "version": bundle.version,
        "trained_at": bundle.trained_at.isoformat(),
        "data_cut": bundle.data_cut.isoformat(),
        "not_estimable": ", ".join(missing),
        **{f"fingerprint_{name}": str(value) for name, value in bundle.fingerprints.items()},
    }
    return {name: value[:_LONGEST_TAG] for name, value in {**own, **tags}.items() if value}


@contextmanager
def _staging(place: _Place) -> Iterator[Path]:
    """A folder within the store for files on their way to MLflow, cleared even after a kill.

    MLflow's own temporary copies go there as well: they hold excerpts of training data, which a killed
    process must not leave in the machine's common folder.
    """
    folder = place.folder / "staging"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)


def _write_artifacts(
    folder: Path,
    metrics: Mapping[str, float | Interval],
    figures: Mapping[str, Figure],
    tables: Mapping[str, pd.DataFrame],
    predictions: pd.DataFrame | None,
    documents: Mapping[str, str],
) -> None:
    for part in ("figures", "tables"):
        (folder / part).mkdir(parents=True)
    for name, figure in figures.items():
        figure.savefig(folder / "figures" / f"{name}.png", dpi=FIGURE_DPI)
    for name, table in tables.items():
        table.to_csv(folder / "tables" / f"{name}.csv", index=False)
        table.to_json(folder / "tables" / f"{name}.json", orient="records", indent=1)
    for name, document in documents.items():
        (folder / name).write_text(document, encoding="utf-8", newline="\n")
    if predictions is not None:
        predictions.to_parquet(folder / _PREDICTIONS, index=False)
    text = json.dumps(plain(metrics), indent=1, allow_nan=False)
    (folder / "metrics.json").write_text(text, encoding="utf-8")


_PREDICTIONS = "predictions.parquet"


def _log_model(mlflow: Any, bundle: Bundle, folder: Path) -> str:
    """Log the bundle as a pyfunc model by its loader module, and return the logged model's id."""
    bundle.save(folder)
    logged = mlflow.pyfunc.log_model(
        name="model",
        loader_module="models.pyfunc",
        data_path=str(folder),
        signature=_signature(bundle),
        input_example=_input_example(bundle),
        pip_requirements=_requirements(),
    )
    return str(logged.model_id)


def _signature(bundle: Bundle) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    def schema(names: Sequence[str]) -> Any:
        return Schema([ColSpec(DataType.double, name) for name in names])

    return ModelSignature(schema(input_names(bundle.models)), schema(output_names(bundle.models)))


def _input_example(bundle: Bundle) -> pd.DataFrame:
    """One row of training medians: an example that is nobody's."""
    return pd.DataFrame([{name: bundle.feature_summary[name].median for name in input_names(bundle.models)}])


def _requirements() -> list[str]:
    """Named outright: left to itself, MLflow loads the model in a new process and asks a package index."""
    found = []
    for name in _REQUIREMENTS:
        try:
            found.append(f"{name}=={installed_version(name)}")
        except PackageNotFoundError:  # Strainwatch itself, run from a source folder
            continue
    return found


def _register(run_id: str, model_id: str, label: str) -> int:
    from mlflow.exceptions import MlflowException

    client = _client()
    try:
        client.create_registered_model(NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        NAME, f"models:/{model_id}", run_id, tags={"version": label}, await_creation_for=0, model_id=model_id
    )
    return int(version.version)


def _load(mlflow: Any, place: _Place, location: str) -> Bundle:
    local = _local_folder(place, location)
    if local is not None:
        return Bundle.load(local / _BUNDLE)
    with tempfile.TemporaryDirectory() as folder:
        return Bundle.load(Path(mlflow.artifacts.download_artifacts(location, dst_path=folder)) / _BUNDLE)


_BUNDLE = Path("data") / "bundle"
"""Where MLflow puts the bundle within a logged model."""


def _local_folder(place: _Place, location: str) -> Path | None:
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


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
