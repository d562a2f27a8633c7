"""Searches for settings in MLflow: a run per search, and in it a run per trial."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from models.tracking import LONGEST_TEXT, Tracking, numbers_of, texts_of, writing

SEARCHES = "strainwatch-tuning"
"""Of the experiment that holds searches for settings, so that trainings stay a list of trainings."""
SearchStatus = Literal["FINISHED", "KILLED", "FAILED"]


def start_search(store: Path, name: str, parameters: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Open the run of a search for settings and return its id; its trials are runs nested in it."""
    with writing(store) as record:
        run = record.client.create_run(record.experiment(SEARCHES), run_name=name, tags=dict(tags))
        _log_batch(record, run.info.run_id, parameters, {})
    return str(run.info.run_id)


def log_trial(
    store: Path, search_id: str, name: str, parameters: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    """Record one trial of the search as a run of its own."""
    with writing(store) as record:
        tags = {"mlflow.parentRunId": search_id}
        run = record.client.create_run(record.experiment(SEARCHES), run_name=name, tags=tags)
        _log_batch(record, run.info.run_id, parameters, metrics)
        record.client.set_terminated(run.info.run_id)


def end_search(
    store: Path, search_id: str, metrics: Mapping[str, float], tags: Mapping[str, str], status: SearchStatus
) -> None:
    """Close the run of a search with what it came to."""
    with writing(store) as record:
        _log_batch(record, search_id, {}, metrics)
        for key, text in tags.items():
            record.client.set_tag(search_id, key, text[:LONGEST_TEXT])
        record.client.set_terminated(search_id, status)


def _log_batch(record: Tracking, run_id: str, parameters: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    entities = record.mlflow.entities
    at = int(pd.Timestamp.now(tz="UTC").timestamp() * 1000)
    numbers = [entities.Metric(name, value, at, 0) for name, value in numbers_of(metrics).items()]
    texts = [entities.Param(name, text) for name, text in texts_of(parameters).items()]
    record.client.log_batch(run_id, metrics=numbers, params=texts)
