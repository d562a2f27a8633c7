"""The explanations of one moment as one Parquet file, which is how the database holds them.

As rows of a table they took eight times the space: long keys on each of thousands of rows, and the same value, unit and
age once per horizon. Any tool that reads Parquet reads them.
"""

from __future__ import annotations

import io

import pandas as pd

from configs.errors import IntegrityError

MOMENT = ("as_of", "model_version")
KEY = ("athlete_id", "horizon_days", "feature")
EXPLANATION = (
    *MOMENT, *KEY, "factor", "contribution", "usual_contribution", "steadiness", "value", "unit", "own_usual_value",
    "own_low_value", "own_high_value", "squad_value", "training_value", "value_date", "reason_missing",
)  # fmt: skip
"""Columns of an explanation: `contribution` in log-odds against the mean of the training data, `usual_contribution`
what it would be at own usual, `steadiness` the share of members that name its factor as the bag does,
and the value beside own usual (median and middle half of the last 26 weeks), the median of those scored at the same
moment, and that of the training data.

Contributions and `base_log_odds` of the prediction add up to its `log_odds`. Rows that say nothing are left out."""

_TEXTS = ("athlete_id", "feature", "factor", "unit", "reason_missing")
_SINGLE = ("usual_contribution", "steadiness", "own_low_value", "own_high_value")
_NUMBERS = ("contribution", "value", "own_usual_value", "squad_value", "training_value")


def packed(moment: pd.DataFrame) -> bytes:
    """The explanations of one moment and model as Parquet. Raises IntegrityError if one comes twice."""
    if (twice := moment.duplicated(list(KEY))).any():
        raise IntegrityError(
            f"explanations: {int(twice.sum())} rows come twice (one athlete, horizon and feature); nothing was written."
        )
    buffer = io.BytesIO()
    shown = moment[[name for name in EXPLANATION if name not in MOMENT]].sort_values(list(KEY))
    shown.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def unpacked(content: bytes, as_of: pd.Timestamp, model_version: str) -> pd.DataFrame:
    """What `packed` packed, with the moment's own columns. Raises IntegrityError for what is no such file."""
    try:
        found = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            f"explanations of {as_of:%Y-%m-%d %H:%M} UTC cannot be read: {error}. Restore the database from a backup, "
            "or score that moment again with --replace."
        ) from error
    return as_explanations(found.assign(as_of=as_of, model_version=model_version))


def as_explanations(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with every column of an explanation in its order and type; a column that they lack is missing."""
    found = rows.reindex(columns=list(EXPLANATION))
    dates = pd.to_datetime(found["value_date"]).astype("datetime64[us]")
    moments = pd.to_datetime(found["as_of"], utc=True).astype("datetime64[us, UTC]")
    numbers = {name: found[name].astype("float64") for name in _NUMBERS}
    single = {name: found[name].astype("float32") for name in _SINGLE}
    texts = {name: found[name].astype("str").where(found[name].notna()) for name in (*_TEXTS, "model_version")}
    return found.assign(as_of=moments, value_date=dates, **numbers, **single, **texts)
