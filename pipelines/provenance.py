"""Where the rows of a store came from: sources, days, counts and file hashes, from the manifests of its ingests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from features.tables import TABLES
from pipelines.data import QUARANTINED, Store, ingested, manifests


def provenance(store: Store, known_by: pd.Timestamp | None = None) -> list[dict[str, Any]]:
    """One plain mapping per source: ingests, files by hash, and the rows known at the instant `known_by`, with their
    days.

    Files are told by SHA-256 alone: the names of an export's files may be names of people.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for manifest in manifests(store):
        found.setdefault(manifest["source"], []).append(manifest)
    return [_source(store, name, own, known_by) for name, own in found.items()]


def _source(store: Store, name: str, own: Sequence[Mapping[str, Any]], known_by: pd.Timestamp | None) -> dict[str, Any]:
    hashes = sorted({file["sha256"] for manifest in own for file in manifest["files"]})
    rows, days = _rows(store, own, known_by)
    return {
        "source": name,
        "ingests": len(own),
        "first_ingest": min(manifest["at"] for manifest in own),
        "last_ingest": max(manifest["at"] for manifest in own),
        "known_at_rule": own[-1]["known_at_rule"],
        "files": len(hashes),
        "sha256": hashes,
        "sha256_of_all": hashlib.sha256("\n".join(hashes).encode()).hexdigest() if hashes else None,
        "rows": rows,
        "first_day": f"{min(days):%Y-%m-%d}" if days else None,
        "last_day": f"{max(days):%Y-%m-%d}" if days else None,
        "quarantined": sum(int(manifest[QUARANTINED]) for manifest in own),
    }


def _rows(
    store: Store, own: Sequence[Mapping[str, Any]], known_by: pd.Timestamp | None
) -> tuple[dict[str, int], list[pd.Timestamp]]:
    """Rows by table, and the first and last day of each file (coverage spans say nothing of their own)."""
    counts: dict[str, int] = {}
    days: list[pd.Timestamp] = []
    for manifest in own:
        for name, table in TABLES.items():
            dated = "date" in table.names
            frame = ingested(store, manifest, name, ["known_at", *(["date"] if dated else [])])
            if frame is None:
                continue
            frame = frame if known_by is None else frame[frame["known_at"] <= known_by]
            counts[name] = counts.get(name, 0) + len(frame)
            if dated and len(frame):
                days += [frame["date"].min(), frame["date"].max()]
    return counts, days
