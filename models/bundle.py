"""A trained model with all that scoring needs: a folder of JSON, LightGBM text and replay tables, no pickles.

A bundle holds excerpts of training data (the replay cases: all rows of some athletes, under other names).
Whoever may not see the training data may not see a bundle either.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from configs.errors import IntegrityError
from features import factors as factor_module
from features import target as target_module
from features.factors import Factor
from features.specs import FeatureSpec, specs_as_json, specs_from_json
from features.target import Target
from models import replay as replay_module
from models.durable import sync
from models.estimator import Bag, Calibration, HorizonModel, Settings, settings_from_json
from models.fallback import Fallback, fallback_from_json
from models.recalibration import Recalibration, recalibration_from_json
from models.replay import Replay
from models.spread import Spread
from models.straight import straight_from_json

FORMAT = 3
"""Rises with any change that older readers would misread. 2: scores of athletes without history and by squad."""
CONTENT_FILE = "bundle.json"
_MEMBERS, _REPLAY = "members", "replay"


@dataclass(frozen=True)
class FeatureSummary:
    """A feature in training: median, 1st and 99th percentile (NaN if never known), share missing."""

    median: float
    low: float
    high: float
    share_missing: float


@dataclass(frozen=True)
class Bundle:
    """All that a score depends on, except the athletes' data.

    `metrics` and `fingerprints` are plain JSON values (None where a figure cannot be estimated). `fallback` scores
    whom too little is known of for `models`, `recalibrations` hold what squads with injuries enough add to them.
    `data_cut` is the last local day (midnight) whose outcomes training could see.
    """

    version: str
    trained_at: pd.Timestamp
    data_cut: pd.Timestamp
    models: tuple[HorizonModel, ...]
    specs: tuple[FeatureSpec, ...]
    factors: Mapping[str, Factor]
    target: Target
    settings: Settings
    feature_summary: Mapping[str, FeatureSummary]
    metrics: Mapping[str, Any]
    fingerprints: Mapping[str, Any]
    replay: Replay
    fallback: tuple[Fallback, ...] = ()
    recalibrations: tuple[Recalibration, ...] = ()

    def save(self, folder: Path) -> None:
        """Write the bundle as `folder`, which must not exist: aside, fsync, rename; it is whole or absent."""
        if folder.exists():
            raise FileExistsError(f"{folder} exists; a bundle is never written over.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
        aside.mkdir()
        try:
            self._write(aside)
            aside.rename(folder)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """The bundle in `folder`, once all hashes and replay cases agreed; else IntegrityError."""
        bundle = _read(folder)
        replay_module.check(bundle.replay, bundle.specs, bundle.target, bundle.models)
        return bundle

    def _write(self, folder: Path) -> None:
        (folder / _MEMBERS).mkdir()
        for name, text in _member_files(self.models).items():
            (folder / name).write_bytes(text.encode("utf-8"))
        replay_module.write(self.replay, folder / _REPLAY)
        content = self._content()
        content["files"] = {name: _sha256(folder / name) for name in _files(folder)}
        content["sha256"] = _content_hash(content)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / CONTENT_FILE).write_text(text, encoding="utf-8")
        for path in folder.rglob("*"):
            sync(path)

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": self.version,
            "trained_at": self.trained_at.isoformat(),
            "data_cut": self.data_cut.isoformat(),
            "models": [_model_as_json(model) for model in self.models],
            "fallback": plain([each.as_json() for each in self.fallback]),
            "recalibrations": plain([each.as_json() for each in self.recalibrations]),
            "specs": plain(specs_as_json(self.specs)),
            "factors": [plain(factor.as_json()) for factor in self.factors.values()],
            "target": plain(self.target.as_json()),
            "settings": plain(self.settings.as_json()),
            "feature_summary": {name: plain(asdict(item)) for name, item in self.feature_summary.items()},
            "metrics": plain(self.metrics),
            "fingerprints": plain(self.fingerprints),
        }


def summarise(features: pd.DataFrame) -> dict[str, FeatureSummary]:
    """The summary of each column of `features`."""
    return {str(name): _summary(column.to_numpy(dtype=np.float64)) for name, column in features.items()}


def plain(value: Any) -> Any:
    """`value` as JSON can hold it exactly: mappings, lists, text, whole numbers, floats, None for NaN."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and np.isnan(value):
        return None
    return value


def _summary(values: np.ndarray[Any, np.dtype[np.float64]]) -> FeatureSummary:
    known = values[~np.isnan(values)]
    missing = 1 - known.size / values.size if values.size else float("nan")
    if not known.size:
        return FeatureSummary(float("nan"), float("nan"), float("nan"), missing)
    low, median, high = (float(value) for value in np.percentile(known, [1, 50, 99]))
    return FeatureSummary(median, low, high, missing)


def _member_names(model: HorizonModel) -> list[str]:
    return [f"{_MEMBERS}/{model.horizon_days}-{number}.txt" for number in range(len(model.bag.members))]


def _member_files(models: Sequence[HorizonModel]) -> dict[str, str]:
    return {name: text for model in models for name, text in zip(_member_names(model), model.bag.members, strict=True)}


def _model_as_json(model: HorizonModel) -> dict[str, Any]:
    return {
        "horizon_days": model.horizon_days,
        "feature_names": list(model.bag.feature_names),
        "base_log_odds": model.bag.base_log_odds,
        "straight": model.bag.straight.as_json() if model.bag.straight else None,
        "members": _member_names(model),
        "calibration": {
            "kind": model.calibration.kind,
            "coefficients": list(model.calibration.coefficients),
        },
        "spread": None if model.spread is None else model.spread.as_json(),
    }


def _model_from_json(content: Mapping[str, Any], folder: Path) -> HorizonModel:
    members = tuple((folder / name).read_bytes().decode("utf-8") for name in content["members"])
    straight = straight_from_json(content["straight"]) if content["straight"] else None
    bag = Bag(members, tuple(content["feature_names"]), content["base_log_odds"], straight)
    found = content["calibration"]
    calibration = Calibration(found["kind"], tuple(found["coefficients"]))
    spread = None if content["spread"] is None else Spread(**content["spread"])
    return HorizonModel(content["horizon_days"], bag, calibration, spread)


def _read(folder: Path) -> Bundle:
    content = _read_content(folder)
    _check_files(folder, content["files"])
    factors = [factor_module.from_json(item) for item in content["factors"]]
    return Bundle(
        version=content["version"],
        trained_at=pd.Timestamp(content["trained_at"]),
        data_cut=pd.Timestamp(content["data_cut"]),
        models=tuple(_model_from_json(item, folder) for item in content["models"]),
        specs=specs_from_json(content["specs"]),
        factors={factor.key: factor for factor in factors},
        target=target_module.from_json(content["target"]),
        settings=settings_from_json(content["settings"], f"{folder.name}, settings"),
        feature_summary={name: _summary_from_json(item) for name, item in content["feature_summary"].items()},
        metrics=content["metrics"],
        fingerprints=content["fingerprints"],
        replay=replay_module.read(folder / _REPLAY),
        fallback=tuple(fallback_from_json(item) for item in content["fallback"]),
        recalibrations=tuple(recalibration_from_json(item) for item in content["recalibrations"]),
    )


def _read_content(folder: Path) -> dict[str, Any]:
    path = folder / CONTENT_FILE
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise IntegrityError(f"{path}: not there, so {folder} is no bundle. Train again.") from error
    except ValueError as error:
        raise IntegrityError(f"{path}: not readable as JSON ({error}). Train again.") from error
    if not isinstance(content, dict):
        raise IntegrityError(f"{path}: not the content of a bundle. Train again.")
    if content.get("format") != FORMAT:
        raise IntegrityError(
            f"{path}: format {content.get('format')!r}, this Strainwatch reads {FORMAT}. "
            "Install the version that trained the model, or train again."
        )
    if content.get("sha256") != _content_hash(content):
        raise IntegrityError(f"{path}: changed since it was written. Restore it from a backup, or train again.")
    return content


def _check_files(folder: Path, hashes: Mapping[str, str]) -> None:
    for name, expected in hashes.items():
        path = folder / name
        if not path.is_file():
            raise IntegrityError(f"{path}: missing. Restore it from a backup, or train again.")
        if _sha256(path) != expected:
            raise IntegrityError(f"{path}: changed since it was written. Restore it from a backup, or train again.")


def _summary_from_json(content: Mapping[str, float | None]) -> FeatureSummary:
    return FeatureSummary(**{name: float("nan") if value is None else value for name, value in content.items()})


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _content_hash(content: Mapping[str, Any]) -> str:
    """Hash of all but itself, whatever the order and spacing of the file."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
