"""What `mlflow models serve` calls: a bundle as MLflow's pyfunc, features in and probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from models.bundle import Bundle
from models.estimator import HorizonModel, predict


class ServedModel:
    """A bundle's models for rows of features; the caller builds the features, by the bundle's own specs."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Probability and interval per horizon, one row per row of `model_input`; there are no `params`."""
        return as_frame(self.bundle.models, model_input)


def as_frame(models: Sequence[HorizonModel], features: pd.DataFrame) -> pd.DataFrame:
    """Probability and interval per horizon, one row per row of `features`."""
    predicted = predict(models, features)
    parts = {"probability": predicted.probability, "lower": predicted.lower, "upper": predicted.upper}
    columns = {
        f"{part}_{days}d": values[number]
        for number, days in enumerate(predicted.horizons_days)
        for part, values in parts.items()
    }
    return pd.DataFrame(columns, index=features.index)


def input_names(models: Sequence[HorizonModel]) -> list[str]:
    """The features that any horizon reads, in their first order."""
    return list(dict.fromkeys(name for model in models for name in model.bag.feature_names))


def output_names(models: Sequence[HorizonModel]) -> list[str]:
    """The columns that `ServedModel.predict` gives."""
    horizons = sorted(model.horizon_days for model in models)
    return [f"{part}_{days}d" for days in horizons for part in ("probability", "lower", "upper")]


def _load_pyfunc(data_path: str) -> ServedModel:
    """The model of the bundle in `data_path`, checked as `Bundle.load` does; the name is MLflow's."""
    return ServedModel(Bundle.load(Path(data_path)))
