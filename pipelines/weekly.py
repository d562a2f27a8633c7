"""The weekly report: what was said at a moment and before, beside the data as they stood then, as one HTML file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from configs.errors import FileRefused
from features.labels import onsets
from features.row_facts import prepare
from features.windows import known_by
from models.bundle import Bundle
from models.registry import champion
from pipelines.daily import moment, score_database, score_day
from pipelines.data import Store, read_tables, write_aside
from serving.report import WeeklyReport, build_report, load_report_settings, render_html


@dataclass(frozen=True)
class Written:
    """A report on disk and what it says."""

    path: Path
    report: WeeklyReport


def write_report(
    store: Store,
    as_of: str | None,
    now: datetime,
    *,
    out: Path | None = None,
    names: Path | None = None,
    configs_folder: Path | None = None,
    wait_s: float = 0.0,
) -> Written:
    """Write the report of one moment into `out` (default: the store's own folder), scoring the moment if need be.

    `names` is a CSV file with the columns athlete_id and name: pseudonyms turn into names in this file only.
    Raises NotReady without champion or data, FileRefused for a names file that cannot be read.
    """
    bundle, _ = champion(store.path)
    instant = moment(as_of, bundle.target, now)
    given = read_names(names) if names else {}
    if not _is_scored(store, instant, bundle):
        score_day(store, instant.isoformat(), now, wait_s=wait_s, configs_folder=configs_folder)
    report = _build(store, instant, bundle, given, configs_folder)
    folder = out or store.path / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"strainwatch-{report.date:%Y-%m-%d}.html"
    write_aside(path, render_html(report).encode("utf-8"))
    return Written(path, report)


def _is_scored(store: Store, instant: pd.Timestamp, bundle: Bundle) -> bool:
    database = score_database(store)
    try:
        stored = database.predictions(at=instant)
    finally:
        database.close()
    return bool((stored["model_version"] == bundle.version).any())


def _build(
    store: Store,
    instant: pd.Timestamp,
    bundle: Bundle,
    names: Mapping[str, str],
    configs_folder: Path | None,
) -> WeeklyReport:
    then = prepare(known_by(read_tables(store), instant), bundle.target)
    happened = onsets(then, bundle.target)
    first_known = then["injuries"].groupby("injury_id")["known_at"].min()
    settings = load_report_settings(configs_folder)
    database = score_database(store)
    try:
        since = instant - pd.Timedelta(weeks=settings.track_record_weeks + 1)
        predictions = database.predictions(instant, since=since)
        charted = instant - pd.Timedelta(weeks=settings.timeline_weeks + 1)
        explanations = database.explanations(instant, since=charted)
    finally:
        database.close()
    return build_report(
        as_of=instant,
        date=bundle.target.local_day(instant),
        predictions=predictions,
        explanations=explanations,
        specs={spec.name: spec for spec in bundle.specs},
        factors=bundle.factors,
        tables={name: table[table["superseded_at"].isna()] for name, table in then.items()},
        onsets=happened.assign(known_at=happened["injury_id"].map(first_known)),
        model=model_facts(bundle),
        settings=settings,
        names=names,
    )


def model_facts(bundle: Bundle) -> dict[str, Any]:
    """What a bundle says of itself, as the report takes it."""
    evaluation = bundle.metrics["evaluation"] or {}
    return {
        "version": bundle.version,
        "trained_at": bundle.trained_at,
        "data_cut": bundle.data_cut,
        "fingerprint": bundle.fingerprints["data"],
        "target": bundle.target.name,
        "base_rates": bundle.metrics["base_rates"],
        "metrics": evaluation.get("metrics", []),
        "verdict": bundle.metrics["verdict"],
    }


def read_names(path: Path) -> dict[str, str]:
    """athlete_id -> name from a CSV file with these two columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise FileRefused(f"{path}: cannot be read as UTF-8 text: {error}") from error
    if not rows or not {"athlete_id", "name"} <= set(rows[0]):
        raise FileRefused(f"{path}: a header with athlete_id and name is expected, and at least one row.")
    return {row["athlete_id"]: row["name"] for row in rows}
