"""What a source hands over, and the rule for when data without receipt times became known."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from configs.errors import ConfigError, FileRefused

RULE_DAY = "rule_day"
"""Extra column of a raw frame: the day that the known_at rule counts from, where the table has none."""

NOT_BEFORE = "not_before"
"""Extra column of a raw frame: the instant (UTC) before which the row cannot have been known."""

RULE_KEYS = {"known_at", "time_zone", "live_within_days"}


@dataclass(frozen=True)
class Refusal:
    """A line of a file that cannot even become a row of a table. `raw` must not hold a person's name."""

    table: str
    line: str
    reason: str
    raw: str = ""


@dataclass(frozen=True)
class Export:
    """A source's files as raw contract tables (text or typed columns, plus LINE), not yet validated."""

    tables: Mapping[str, pd.DataFrame]
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What a source is asked to read: `path`, its resolved config and what the store already knows."""

    path: Path
    config: Mapping[str, Any]
    known_athletes: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    athlete: str | None = None


@dataclass(frozen=True)
class Source:
    """One kind of export. `files` lists what it would read; `config` is its file in configs/ if any."""

    name: str
    files: Callable[[Path, Mapping[str, Any]], list[Path]]
    read: Callable[[Request], Export]
    config: str = ""
    known_keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Receipt:
    """The rule by which a row of a source without receipt times became known.

    History became known `day_offset` days after its day at `hour_minute` in `zone`. Where that instant lies
    less than `live_within` before the ingest, the data come from a live feed: known when they were ingested.
    """

    text: str
    day_offset: int
    hour_minute: pd.Timedelta
    zone: ZoneInfo
    live_within: pd.Timedelta

    def rule_time(self, days: pd.Series) -> pd.Series:
        """When rows about these local days became known if they are history (UTC)."""
        local = days + pd.Timedelta(days=self.day_offset) + self.hour_minute
        # A clock change may skip or repeat the hour: the later reading is the one that leaks nothing.
        zoned = local.dt.tz_localize(self.zone, ambiguous=False, nonexistent="shift_forward")
        return zoned.dt.tz_convert("UTC").astype("datetime64[us, UTC]")

    def known_at(self, days: pd.Series, now: datetime, not_before: pd.Series | None = None) -> pd.Series:
        """When rows about these local days became known (UTC); `now` where the day is missing."""
        times = self.rule_time(days)
        if not_before is not None:
            times = times.mask(not_before > times, not_before)
        instant = pd.Timestamp(now).tz_convert("UTC").as_unit("us")
        return times.where(times <= instant - self.live_within, instant)


def receipt(config: Mapping[str, Any], where: str) -> Receipt:
    """The rule that a source's config declares; `where` names the file in errors."""
    text = str(config.get("known_at", ""))
    match = re.fullmatch(r"(same|next) day ([01]\d|2[0-3]):([0-5]\d)", text)
    if not match:
        raise ConfigError(f'{where}: known_at is {text!r}. Write "same day HH:MM" or "next day HH:MM".')
    days = config.get("live_within_days", 30)
    if not isinstance(days, int) or days < 0:
        raise ConfigError(f"{where}: live_within_days is {days!r}. Write a whole number of days, 0 or more.")
    return Receipt(
        text,
        1 if match[1] == "next" else 0,
        pd.Timedelta(hours=int(match[2]), minutes=int(match[3])),
        _zone(str(config.get("time_zone", "UTC")), where),
        pd.Timedelta(days=days),
    )


def _zone(name: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"{where}: time_zone {name!r} is not a zone such as Europe/Oslo or UTC.") from error


def files_below(path: Path, names: tuple[str, ...]) -> list[Path]:
    """The files `names` of folder `path`; FileRefused names every one that is absent."""
    if not path.is_dir():
        raise FileRefused(f"{path}: not a folder. Give the folder that holds {', '.join(names)}.")
    absent = [name for name in names if not (path / name).is_file()]
    if absent:
        raise FileRefused(f"{path}: lacks {', '.join(absent)}. Give the folder of a whole release.")
    return [path / name for name in names]
