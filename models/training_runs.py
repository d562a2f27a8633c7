"""What MLflow keeps of each training: a run with parameters, figures, tables and the model, which it registers."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from configs.errors import NotReady, WrongArgument
from models.bundle import Bundle, plain
from models.parquet import read_own
from models.pyfunc import input_names, output_names
from models.registry import register, registered_version, versions
from models.tracking import LONGEST_TEXT, NAME, Place, Tracking, local_folder, name_of, reading, texts_of, writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Interval = tuple[float, float, float]
"""Estimate, lower and upper end."""

FIGURE_DPI = 110
_REQUIREMENTS = ("strainwatch", "lightgbm", "numpy", "pandas", "pyarrow")
_PARAMETERS_PER_CALL = 100  # MLflow refuses more
_PREDICTIONS = "predictions.parquet"
_RESTORE = "Restore it from a backup, or compare with another training."


@dataclass(frozen=True)
class RegisteredModel:
    """A training that was recorded: its run, and the version of the registered model."""

    run_id: str
    name: str
    version: int


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
    with writing(store) as record:
        mlflow = record.mlflow
        with mlflow.start_run(experiment_id=record.experiment(NAME), run_name=bundle.version) as run:
            _log_parameters(mlflow, parameters)
            numbers, missing = flat_metrics(metrics)
            mlflow.log_metrics(numbers)
            mlflow.set_tags(_tags(bundle, tags, missing))
            with _staging(record.place) as folder:
                _write_artifacts(folder / "artifacts", metrics, figures, tables, predictions, documents or {})
                mlflow.log_artifacts(str(folder / "artifacts"))
                model_id = _log_model(mlflow, bundle, folder / "bundle")
        number = register(record, run.info.run_id, model_id, bundle.version)
    return RegisteredModel(run.info.run_id, NAME, number)


def add_to_run(store: Path, version: int, folder: str, files: Sequence[Path]) -> None:
    """Put files beside what a version's training left, into `folder` of its run's artifacts; same names are replaced.

    NotReady without that version.
    """
    with writing(store) as record:
        found = registered_version(record, version)
        if found is None:
            raise NotReady(f"version {version} is not registered.")
        # Not by the client: it remembers where a run's artifacts lay before this store was copied.
        artifacts = record.artifacts_at(record.client.get_run(found.run_id).info.artifact_uri)
        for path in files:
            artifacts.log_artifact(str(path), folder)


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
    known = versions(store)
    registered = next((each for each in known if name in (*each.aliases, str(each.version), each.label)), None)
    with reading(store) as record:
        run = record.if_there(lambda: record.client.get_run(registered.run_id if registered else name))
        if run is None:
            listed = ", ".join(f"{each.version} ({each.label})" for each in known) or "none"
            raise WrongArgument(f"'{name}' is no run, no registered version and no alias in use. Registered: {listed}.")
        with _artifacts_of(record, run.info.artifact_uri) as folder:
            tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("tables/*.csv"))}
            path = folder / _PREDICTIONS
            predictions = read_own(path, _RESTORE) if path.is_file() else None
    version = next((each.version for each in known if each.run_id == run.info.run_id), None)
    data = run.data
    return Recorded(run.info.run_id, version, run.info.run_name or "", data.params, data.tags, tables, predictions)


@contextmanager
def _artifacts_of(record: Tracking, location: str) -> Iterator[Path]:
    """A run's artefacts as a folder on this disk."""
    local = local_folder(record.place, location)
    if local is not None:
        yield local
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(record.mlflow.artifacts.download_artifacts(location, dst_path=folder))


def _log_parameters(mlflow: Any, parameters: Mapping[str, Any]) -> None:
    items = list(texts_of(parameters).items())
    for start in range(0, len(items), _PARAMETERS_PER_CALL):
        mlflow.log_params(dict(items[start : start + _PARAMETERS_PER_CALL]))


def flat_metrics(metrics: Mapping[str, float | Interval]) -> tuple[dict[str, float], list[str]]:
    """Names and numbers for MLflow, and the names without a number."""
    flat: dict[str, float] = {}
    for name, value in metrics.items():
        parts = value if isinstance(value, tuple) else (value,)
        flat |= {name_of(name) + end: float(part) for end, part in zip(("", "_lower", "_upper"), parts, strict=False)}
    return {k: v for k, v in flat.items() if math.isfinite(v)}, [k for k, v in flat.items() if not math.isfinite(v)]


def _tags(bundle: Bundle, tags: Mapping[str, str], missing: Sequence[str]) -> dict[str, str]:
    """The caller's tags and what identifies data, code and configs."""
    own = {
        "version": bundle.version,
        "trained_at": bundle.trained_at.isoformat(),
        "data_cut": bundle.data_cut.isoformat(),
        "not_estimable": ", ".join(missing),
        **{f"fingerprint_{name}": str(value) for name, value in bundle.fingerprints.items()},
    }
    return {name: value[:LONGEST_TEXT] for name, value in {**own, **tags}.items() if value}


@contextmanager
def _staging(place: Place) -> Iterator[Path]:
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


def _log_model(mlflow: Any, bundle: Bundle, folder: Path) -> str:
    """Log the bundle as a pyfunc model by its loader module, and return the logged model's id."""
    bundle.save(folder)
    logged = mlflow.pyfunc.log_model(
        name="model",
        loader_module="models.pyfunc",
        data_path=str(folder),
        signature=_signature(mlflow, bundle),
        input_example=_input_example(bundle),
        pip_requirements=_requirements(),
    )
    return str(logged.model_id)


def _signature(mlflow: Any, bundle: Bundle) -> Any:
    types = mlflow.types

    def schema(names: Sequence[str]) -> Any:
        return types.Schema([types.ColSpec(types.DataType.double, name) for name in names])

    return mlflow.models.ModelSignature(schema(input_names(bundle.models)), schema(output_names(bundle.models)))


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
