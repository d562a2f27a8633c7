"""From daily self-reports to injury episodes, causally: a report is judged by the reports known when it arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from features.tables import as_contract
from features.target import Target


@dataclass
class _Episode:
    """One run of reports; `ends` holds (last report's date, instant at which it became known)."""

    injury_id: str
    first: Any
    ends: list[tuple[Any, Any]] = field(default_factory=list)


def with_onsets(tables: Mapping[str, pd.DataFrame], target: Target) -> dict[str, pd.DataFrame]:
    """The tables with the episodes of `injury_reports` added to `injuries` and `returns`.

    A report opens an episode unless one of the same athlete and body area within `report_gap_days` (either side) is
    known when it arrives; otherwise it prolongs that episode. Onset: the report's date less `onset_lag_days`.
    Return: the
    last report's date plus `report_gap_days`, known once that day has begun and the report is known. A later report
    supersedes the return that was foreseen.
    """
    episodes = _episodes(tables["injury_reports"], target)
    onsets = pd.DataFrame([_onset(episode, target) for episode in episodes], dtype=object)
    ends = pd.DataFrame([row for episode in episodes for row in _returns(episode, target)], dtype=object)
    added = {"injuries": onsets, "returns": ends}
    return {name: _append(table, added.get(name), name) for name, table in tables.items()}


def _append(table: pd.DataFrame, rows: pd.DataFrame | None, name: str) -> pd.DataFrame:
    if rows is None or rows.empty:
        return table
    typed = as_contract(rows, name)
    return pd.concat([table[typed.columns], typed], ignore_index=True) if len(table) else typed


def _episodes(reports: pd.DataFrame, target: Target) -> list[_Episode]:
    gap = pd.Timedelta(days=target.report_gap_days)
    ordered = reports.sort_values(["known_at", "date", "body_area", "side"], kind="stable")
    known_by_site: dict[tuple[Any, Any], list[tuple[Any, _Episode]]] = {}
    episodes: list[_Episode] = []
    row: Any
    for row in ordered.itertuples(index=False):
        seen = known_by_site.setdefault((row.athlete_id, row.body_area), [])
        near = [(abs(row.date - date), episode) for date, episode in seen if abs(row.date - date) <= gap]
        if near:
            episode = min(near, key=lambda pair: pair[0])[1]
        else:
            episode = _Episode(f"report:{row.athlete_id}:{row.body_area}:{row.date:%Y-%m-%d}", row)
            episodes.append(episode)
        if not episode.ends or row.date > episode.ends[-1][0]:
            episode.ends.append((row.date, row.known_at))
        seen.append((row.date, episode))
    return episodes


def _onset(episode: _Episode, target: Target) -> dict[str, Any]:
    report = episode.first
    return {
        "injury_id": episode.injury_id,
        "athlete_id": report.athlete_id,
        "date": report.date - pd.Timedelta(days=target.onset_lag_days),
        "known_at": report.known_at,
        "body_area": report.body_area,
        "tissue": "unknown",
        "muscle_group": "unknown",
        "side": report.side,
        "superseded_at": pd.NaT,
    }


def _returns(episode: _Episode, target: Target) -> list[dict[str, Any]]:
    gap = pd.Timedelta(days=target.report_gap_days)
    rows: list[dict[str, Any]] = []
    later: list[Any] = [known for _, known in episode.ends[1:]]
    for (last, known), superseded in zip(episode.ends, [*later, pd.NaT], strict=True):
        back = last + gap
        visible_from = max(known, target.as_of(pd.DatetimeIndex([back]))[0])
        if pd.isna(superseded) or visible_from < superseded:
            rows.append(
                {
                    "injury_id": episode.injury_id,
                    "athlete_id": episode.first.athlete_id,
                    "date": back,
                    "known_at": visible_from,
                    "superseded_at": superseded,
                }
            )
    return rows
