"""A small training as it is recorded, and what stands in the record."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from models import figures
from models.training_runs import RegisteredModel, log_training
from tests.trained import small_bundle

NAN = float("nan")


def log(store: Path, version: str = "2024-04-01.test") -> RegisteredModel:
    importance = pd.DataFrame({"feature": ["load_7d"], "mean_absolute": [0.25]})
    return log_training(
        store,
        replace(small_bundle(), version=version),
        metrics={"auroc_7d": (0.6, 0.5, NAN), "brier_7d": 0.02, "o/e @7d": 1.0},
        parameters={"trees": 5, "horizons": (7, 14)},
        figures={"factor_importance": figures.importance({"Overload": 0.3}, "Factors")},
        tables={"feature_importance": importance},
        tags={"verdict": "carries a model"},
        documents={"model-card.md": "# Überblick\n"},
    )


def rows(store: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(store / "mlflow" / "mlflow.db")) as connection:
        return connection.execute(query).fetchall()
