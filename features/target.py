"""What is predicted and for whom: which injuries count, over which horizons, at which hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from configs import load, reject_unknown
from configs.errors import ConfigError
from features.tables import TABLES


@dataclass(frozen=True)
class Target:
    """The settings of configs/target.toml, carried by every bundle so that scoring never reads configs.

    An injury counts if it meets any of `includes` and none of `excludes`; each of those maps a column of `injuries` to
    the values that it may have. An athlete is not scored whose sources were all silent for more than `silent_days`,
    and by age and injury history alone (models/fallback.py) if more than `abstain_share_missing` of the usual
    measurements are missing. `reporting_days` is how long an injury may take to become known: follow-up ends so long
    before the data cut. `report_gap_days` and `onset_lag_days` turn daily self-reports into onsets.
    """

    name: str
    horizons_days: tuple[int, ...]
    prediction_time: str
    time_zone: str
    includes: tuple[Mapping[str, tuple[str, ...]], ...]
    excludes: tuple[Mapping[str, tuple[str, ...]], ...]
    report_gap_days: int
    onset_lag_days: int
    silent_days: int
    reporting_days: int
    abstain_share_missing: float

    def as_of(self, dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """The UTC instants of the prediction hour on local days `dates`."""
        at = time.fromisoformat(self.prediction_time)
        local = dates + pd.Timedelta(hours=at.hour, minutes=at.minute)
        zoned = local.tz_localize(ZoneInfo(self.time_zone), ambiguous=False, nonexistent="shift_forward")
        return zoned.tz_convert("UTC").as_unit("us")

    def local_day(self, instant: pd.Timestamp) -> pd.Timestamp:
        """The squad's local day at a UTC instant (midnight, naive)."""
        return instant.tz_convert(ZoneInfo(self.time_zone)).tz_localize(None).normalize().as_unit("us")

    def counts(self, injuries: pd.DataFrame) -> pd.Series:
        """True for each row of `injuries` that is a target injury; a missing value equals "unknown"."""
        included = pd.Series(False, index=injuries.index)
        for rule in self.includes:
            included |= _meets(injuries, rule)
        for rule in self.excludes:
            included &= ~_meets(injuries, rule)
        return included

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _meets(injuries: pd.DataFrame, rule: Mapping[str, tuple[str, ...]]) -> pd.Series:
    met = pd.Series(True, index=injuries.index)
    for column, values in rule.items():
        met &= injuries[column].fillna("unknown").isin(list(values)).astype(bool)
    return met


def from_json(content: Mapping[str, Any]) -> Target:
    """The target that `Target.as_json` wrote."""
    rules = {
        key: tuple({column: tuple(values) for column, values in rule.items()} for rule in content[key])
        for key in ("includes", "excludes")
    }
    return Target(**{**content, **rules, "horizons_days": tuple(content["horizons_days"])})


def load_target(folder: Path | None = None) -> Target:
    """The target of configs/target.toml. Raises ConfigError that names the wrong entry and the valid ones."""
    content = load("target.toml", folder)
    reject_unknown(content, {field.name for field in fields(Target)}, "target.toml")
    missing = sorted({field.name for field in fields(Target)} - set(content))
    if missing:
        raise ConfigError(f"target.toml: missing {', '.join(missing)}.")
    _check(content)
    return from_json(content)


def _is_rules(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(rule, dict) and all(isinstance(values, list) for values in rule.values()) for rule in value
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_WHOLE_NUMBERS = ("report_gap_days", "onset_lag_days", "silent_days", "reporting_days")


def _check_types(content: Mapping[str, Any]) -> None:
    horizons, share = content["horizons_days"], content["abstain_share_missing"]
    fits = {
        **{name: (isinstance(content[name], str), "text") for name in ("name", "prediction_time", "time_zone")},
        **{name: (_is_whole(content[name]), "a whole number from 0 on") for name in _WHOLE_NUMBERS},
        **{
            name: (_is_rules(content[name]), "a list of columns and their values, as shipped")
            for name in ("includes", "excludes")
        },
        "horizons_days": (isinstance(horizons, list) and all(map(_is_whole, horizons)), "whole numbers"),
        "abstain_share_missing": (
            isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1,
            "a number from 0 to 1",
        ),
    }
    for name, (is_right, wanted) in fits.items():
        if not is_right:
            raise ConfigError(f"target.toml: {name} = {content[name]!r}. Give {wanted}.")


def _check(content: Mapping[str, Any]) -> None:
    _check_types(content)
    injuries = TABLES["injuries"]
    for rule in (*content["includes"], *content["excludes"]):
        reject_unknown(dict(rule), set(injuries.names), "target.toml, includes or excludes")
        for column, values in rule.items():
            choices = injuries.column(column).choices
            if choices:
                reject_unknown(dict.fromkeys(values), {*choices, "unknown"}, f"target.toml, {column}")
    horizons = list(content["horizons_days"])
    if not horizons or horizons != sorted(set(horizons)) or horizons[0] < 1:
        raise ConfigError(f"target.toml: horizons_days must rise from 1 day on, found {horizons}.")
    try:
        ZoneInfo(content["time_zone"])
        time.fromisoformat(content["prediction_time"])
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"target.toml: time_zone or prediction_time: {error}") from error
