"""What was said about whom and when: predictions and explanations, in SQLite or any SQLAlchemy database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

METADATA = sa.MetaData()


def _key(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True)


PREDICTIONS = sa.Table(
    "predictions",
    METADATA,
    _key("as_of", sa.DateTime),
    _key("model_version", sa.String),
    _key("athlete_id", sa.String),
    _key("horizon_days", sa.Integer),
    sa.Column("date", sa.Date, nullable=False),
    sa.Column("probability", sa.Float),
    sa.Column("lower", sa.Float),
    sa.Column("upper", sa.Float),
    sa.Column("log_odds", sa.Float),
    sa.Column("base_log_odds", sa.Float),
    sa.Column("source_horizon", sa.Integer),
    sa.Column("band", sa.String),
    sa.Column("share_missing", sa.Float),
    sa.Column("abstained", sa.Boolean, nullable=False),
    sa.Column("reason", sa.String),
    sa.Column("fingerprint", sa.String, nullable=False),
    sa.Column("made_at", sa.DateTime, nullable=False),
)
"""One row per athlete, moment, model and horizon; `fingerprint` is a hash of the features behind it."""

EXPLANATIONS = sa.Table(
    "explanations",
    METADATA,
    _key("as_of", sa.DateTime),
    _key("model_version", sa.String),
    _key("athlete_id", sa.String),
    _key("horizon_days", sa.Integer),
    _key("feature", sa.String),
    sa.Column("factor", sa.String, nullable=False),
    sa.Column("contribution", sa.Float, nullable=False),
    sa.Column("value", sa.Float),
    sa.Column("unit", sa.String, nullable=False),
    sa.Column("own_usual_value", sa.Float),
    sa.Column("value_date", sa.Date),
    sa.Column("reason_missing", sa.String),
    sqlite_with_rowid=False,  # thousands of rows a morning: keep the long key once
)
"""Contribution of each feature in log-odds; they and `base_log_odds` add up to `log_odds`. Zeros are left out."""

_TIMES = ("as_of", "made_at")
_DATES = ("date", "value_date")


class ScoreStore:
    """Reads and writes both tables. Safe to open from several processes at once."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, connect_args={"timeout": 30} if url.startswith("sqlite") else {})
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _careful_sqlite)
            sa.event.listen(self._engine, "begin", _lock_early)
        with self._writing() as connection:
            METADATA.create_all(connection)

    def close(self) -> None:
        self._engine.dispose()

    def save(self, predictions: pd.DataFrame, explanations: pd.DataFrame) -> None:
        """Replace what is stored for these moments and models: both tables in one transaction, or nothing."""
        moments = predictions[["as_of", "model_version"]].drop_duplicates()
        with self._writing() as connection:
            for as_of, version in moments.itertuples(index=False):
                for table in (PREDICTIONS, EXPLANATIONS):
                    same = (table.c.as_of == _naive(as_of)) & (table.c.model_version == version)
                    connection.execute(table.delete().where(same))
            for table, frame in ((PREDICTIONS, predictions), (EXPLANATIONS, explanations)):
                if len(frame):
                    connection.execute(table.insert(), _records(frame, table))

    def predictions(self, until: pd.Timestamp | None = None) -> pd.DataFrame:
        """All predictions up to and including the instant `until`, oldest first."""
        return self._read(PREDICTIONS, until)

    def explanations(self, until: pd.Timestamp | None = None) -> pd.DataFrame:
        """All explanations up to and including the instant `until`, oldest first."""
        return self._read(EXPLANATIONS, until)

    def _read(self, table: sa.Table, until: pd.Timestamp | None) -> pd.DataFrame:
        query = sa.select(table).order_by(*table.primary_key.columns)
        if until is not None:
            query = query.where(table.c.as_of <= _naive(until))
        with self._engine.connect() as connection:
            return _typed(pd.read_sql(query, connection))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection


def _careful_sqlite(connection: Any, _record: Any) -> None:
    """Let SQLAlchemy begin transactions itself, and let a commit reach the disk before it counts."""
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")


def _lock_early(connection: Connection) -> None:
    """Take the write lock at the start: two writers then wait for each other instead of failing halfway."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _naive(instant: pd.Timestamp) -> Any:
    return instant.tz_convert("UTC").tz_localize(None).to_pydatetime()


def _records(frame: pd.DataFrame, table: sa.Table) -> list[dict[str, Any]]:
    """Rows as the database takes them: naive UTC instants, dates, None for what is missing."""
    columns = {}
    for name in (column.name for column in table.columns):
        column = frame[name]
        if name in _TIMES:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None).dt.to_pydatetime()
            columns[name] = list(column)
        elif name in _DATES:
            columns[name] = [None if pd.isna(day) else day.date() for day in column]
        else:
            columns[name] = [None if pd.isna(item) else item for item in column.tolist()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    times = {name: pd.to_datetime(frame[name], utc=True).dt.as_unit("us") for name in _TIMES if name in frame}
    dates = {name: pd.to_datetime(frame[name]).dt.as_unit("us") for name in _DATES if name in frame}
    return frame.assign(**times, **dates)
