"""When a fact reaches the system, and how simulated columns become a contract table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables import SUPERSEDED_AT, TABLES, as_contract
from pipelines.data import with_superseded_at
from pipelines.simulation.calendar import Dates, Flags, Floats, Ints
from pipelines.simulation.people import People

EVENING = (18 * 60, 22 * 60)  # minutes after midnight UTC
MORNING = (6 * 60, 6 * 60 + 45)
OFFICE_HOURS = (8 * 60, 20 * 60)
FIRST_KNOWN = 5 * 60

Times = npt.NDArray[np.datetime64]


def at(days: Dates, span_min: tuple[int, int], rng: np.random.Generator) -> Times:
    """Instants (UTC) on `days`, at whole minutes spread evenly over `span_min` minutes after midnight."""
    return at_minute(days, rng.integers(span_min[0], span_min[1], len(days), endpoint=True))


def at_minute(days: Dates, minute: int | Ints) -> Times:
    """Instants (UTC) on `days`, `minute` minutes after midnight."""
    # In whole numbers: NumPy's types cannot tell an instant plus a span from a span.
    since_epoch = days.astype("datetime64[m]").astype(np.int64) + minute
    return since_epoch.astype("datetime64[m]").astype("datetime64[us]")


def delayed(times: Times, share: float, most_days: int, rng: np.random.Generator) -> Times:
    """`times`, a `share` of them one to `most_days` days later."""
    late = rng.random(len(times)) < share
    waits = rng.integers(1, most_days, len(times), endpoint=True)
    arrived: Times = times + np.where(late, waits, 0).astype("timedelta64[D]")
    return arrived


def in_a_gap(
    shape: tuple[int, ...], starts_per_day: float | Floats, mean_days: float, rng: np.random.Generator
) -> Flags:
    """Days x athletes: within one of the stretches that begin at random and last `mean_days` on average."""
    starts = rng.random(shape) < starts_per_day
    length = np.ceil(mean_days * rng.standard_exponential(shape)).astype(np.int64)
    position = np.arange(shape[0])[:, None]
    gap: Flags = position < np.maximum.accumulate(np.where(starts, position + length, 0), axis=0)
    return gap


def names(people: People, athlete: Ints) -> pd.Series[str]:
    """The pseudonyms of athletes given by position."""
    return pd.Series(people.ids[athlete], dtype="str")


def keys(people: People, athlete: Ints, days: Dates, prefix: str) -> npt.NDArray[np.str_]:
    """Identifiers such as "S-A01-20240703"."""
    unique, where = np.unique(days, return_inverse=True)
    text = np.array([f"-{str(day).replace('-', '')}" for day in unique])
    return np.char.add(np.char.add(f"{prefix}-", people.ids[athlete]), text[where])


def contract_frame(table: str, columns: Mapping[str, Any] | pd.DataFrame, last_day: np.datetime64) -> pd.DataFrame:
    """`columns` as the contract table, without what came after `last_day`.

    A later row of the same key supersedes the earlier. Columns left out are empty.
    Rows are in order of athlete and day.
    """
    frame = pd.DataFrame(columns)
    frame["known_at"] = frame["known_at"].astype("datetime64[us]").dt.tz_localize("UTC")
    frame = as_contract(frame, table)
    arrived = frame["known_at"] < pd.Timestamp(last_day + np.timedelta64(1, "D"), tz="UTC")
    frame = frame[arrived]
    if frame.duplicated(list(TABLES[table].key)).any():
        return with_superseded_at(frame, table)
    never = pd.Series(pd.NaT, index=frame.index, dtype=frame["known_at"].dtype)
    order = [name for name in ("athlete_id", TABLES[table].day_column) if name]
    frame = frame.sort_values(order, kind="stable", ignore_index=True)
    return as_contract(frame.assign(**{SUPERSEDED_AT: never}), table)


def rounded(values: Floats, digits: int, missing: Flags | None = None) -> Floats:
    """`values` at the precision that the device reports, NaN where `missing`."""
    shown = np.round(values, digits)
    return shown if missing is None else np.where(missing, np.nan, shown)
