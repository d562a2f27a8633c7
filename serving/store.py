"""What was said about whom and when, and what staff decided: in SQLite or any SQLAlchemy database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from configs.errors import IntegrityError, StoreBusy
from serving.packing import EXPLANATION, KEY, MOMENT, as_explanations, packed, unpacked

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
    sa.Column("squad_log_odds", sa.Float),
    sa.Column("usual_log_odds", sa.Float),
    sa.Column("source_horizon", sa.Integer),
    sa.Column("band", sa.String),
    sa.Column("share_missing", sa.Float),
    sa.Column("distance", sa.Float),
    sa.Column("abstained", sa.Boolean, nullable=False),
    sa.Column("scored_by", sa.String),
    sa.Column("reason", sa.String),
    sa.Column("fingerprint", sa.String, nullable=False),
    sa.Column("made_at", sa.DateTime, nullable=False),
)
"""One row per athlete, moment, model and horizon; `fingerprint` is a hash of the features behind it.

`scored_by` is "model" or "age and injury history", and `reason` says why it is the latter, or why nothing was said.
`squad_log_odds` is the part of the base that is the squad's own rate; `usual_log_odds` what the score would be at the
athlete's own usual values; `distance` the share of training rows that lie nearer to the middle of training
(models/distance.py). A database older than a column gets it empty.
"""

EXPLANATIONS = sa.Table(
    "explanation_sets",
    METADATA,
    _key("as_of", sa.DateTime),
    _key("model_version", sa.String),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
"""The explanations of each moment and model as one Parquet file (serving/packing.py)."""

DECISIONS = sa.Table(
    "decisions",
    METADATA,
    sa.Column("decision_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("athlete_id", sa.String, nullable=False),
    sa.Column("date", sa.Date, nullable=False),
    sa.Column("text", sa.String, nullable=False),
    sa.Column("decided_by", sa.String, nullable=False),
    sa.Column("made_at", sa.DateTime, nullable=False),
)
"""What staff decided about an athlete, in their own words; kept as written, never changed."""

_EARLIER = sa.table("explanations", *(sa.column(name) for name in EXPLANATION))
"""Where databases of earlier versions hold explanations, a row each: read as they are, moved by the next save."""

_TIMES = ("as_of", "made_at")
_DATES = ("date",)


@dataclass(frozen=True)
class Moments:
    """How many moments are stored, and the last of them (None if there are none)."""

    count: int
    last: pd.Timestamp | None


class ScoreStore:
    """Reads and writes these tables. Safe to open from several processes at once.

    The first save makes database and tables; reading makes nothing and holds up no writer. Raises StoreBusy where
    another process writes for longer than `wait_s`, IntegrityError where the database cannot be used.
    """

    def __init__(self, url: str, wait_s: float = 30.0) -> None:
        self._engine = sa.create_engine(url, connect_args={"timeout": wait_s} if url.startswith("sqlite") else {})
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _careful_sqlite)
            sa.event.listen(self._engine, "begin", _begin)

    def close(self) -> None:
        self._engine.dispose()

    def save(self, predictions: pd.DataFrame, explanations: pd.DataFrame) -> None:
        """Replace what is stored for these moments and models: both tables in one transaction, or nothing."""
        moments = predictions[["as_of", "model_version"]].drop_duplicates()
        with self._writing() as connection:
            METADATA.create_all(connection)
            _add_columns(connection)
            has_moved = _move_earlier(connection)
            for as_of, version in moments.itertuples(index=False):
                for table in (PREDICTIONS, EXPLANATIONS):
                    same = (table.c.as_of == _naive(as_of)) & (table.c.model_version == version)
                    connection.execute(table.delete().where(same))
            if len(predictions):
                connection.execute(PREDICTIONS.insert(), _records(predictions, PREDICTIONS))
            _insert_sets(connection, explanations)
        if has_moved:
            self._give_space_back()

    def predictions(
        self,
        until: pd.Timestamp | None = None,
        *,
        since: pd.Timestamp | None = None,
        at: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """Predictions from the instant `since` up to `until`, both included, or of the instant `at`; oldest first."""
        return self._read(PREDICTIONS, _within(PREDICTIONS, until, since, at))

    def explanations(
        self,
        until: pd.Timestamp | None = None,
        *,
        since: pd.Timestamp | None = None,
        at: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """Explanations from the instant `since` up to `until`, both included, or of the instant `at`; oldest first."""
        parts = [as_explanations(pd.DataFrame())]
        with self._reading(PREDICTIONS) as connection:
            for table, read in ((EXPLANATIONS, _sets), (_EARLIER, _earlier)):
                if connection is not None and sa.inspect(connection).has_table(table.name):
                    parts += read(connection, _within(table, until, since, at))
        return pd.concat([part for part in parts if len(part)] or parts).sort_values(
            [*MOMENT, *KEY], kind="stable", ignore_index=True
        )

    def keep_decision(self, decision: pd.DataFrame) -> None:
        """Add staff's decisions: athlete_id, date (the day that each is about), text, decided_by, made_at."""
        with self._writing() as connection:
            METADATA.create_all(connection, tables=[DECISIONS])
            connection.execute(DECISIONS.insert(), _records(decision, DECISIONS))

    def decisions(self, since: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
        """Staff's decisions about the local days from `since` to `until`, both included, as they were entered."""
        days = DECISIONS.c.date.between(since.date(), until.date())
        return self._read(DECISIONS, [days])

    def moments(self) -> Moments:
        """The count of moments with predictions and the last one, without loading them."""
        column = PREDICTIONS.c.as_of
        with self._reading(PREDICTIONS) as connection:
            if connection is None:
                return Moments(0, None)
            query = sa.select(sa.func.count(column.distinct()), sa.func.max(column))
            count, last = connection.execute(query).one()
        return Moments(count, None if last is None else pd.Timestamp(last).tz_localize("UTC"))

    def _give_space_back(self) -> None:
        """Shrink the file of an SQLite database. Who finds it busy leaves it large: the space is used again."""
        if self._file() is not None:
            with closing(self._engine.raw_connection()) as connection, suppress(sqlite3.OperationalError):
                connection.cursor().execute("VACUUM")

    def _read(self, table: sa.Table, conditions: list[sa.ColumnElement[bool]]) -> pd.DataFrame:
        with self._reading(table) as connection:
            held = _held(connection, table) if connection is not None else set()
            shown = [column if column.name in held else sa.null().label(column.name) for column in table.columns]
            query = sa.select(*shown).select_from(table).where(*conditions).order_by(*table.primary_key.columns)
            rows = connection.execute(query).all() if connection is not None else []
        return _typed(pd.DataFrame.from_records(rows, columns=[column.name for column in table.columns]))

    @contextmanager
    def _reading(self, table: sa.Table) -> Iterator[Connection | None]:
        """A connection that takes no write lock; None if nothing has been saved, as connecting would make the file."""
        file = self._file()
        if file is not None and not file.is_file():
            yield None
            return
        with self._explained(), self._engine.connect() as connection:
            yield connection if sa.inspect(connection).has_table(table.name) else None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._explained(), self._engine.execution_options(**{_WRITES: True}).begin() as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the database as what a user can mend; those of our own statements stay as they are."""
        try:
            yield
        except sa.exc.DatabaseError as error:
            if not isinstance(error, sa.exc.OperationalError) and type(error) is not sa.exc.DatabaseError:
                raise
            raise self._in_words(error) from error
        except sqlite3.DatabaseError as error:  # while connecting, before SQLAlchemy wraps anything
            raise self._in_words(error) from error

    def _in_words(self, error: Exception) -> StoreBusy | IntegrityError:
        place = self._file() or self._engine.url.render_as_string(hide_password=True)
        reason = getattr(error, "orig", None) or error
        if "locked" in str(reason):
            return StoreBusy(f"{place}: another process holds this database ({reason}). Try again later.")
        return IntegrityError(
            f"{place}: cannot be used as the database of scores: {reason}. Check its rights and the space on the disk; "
            "if it is damaged, restore it from a backup, or move it away and score again."
        )

    def _file(self) -> Path | None:
        """The file of an SQLite database; None of any other."""
        name = self._engine.url.database
        on_disk = self._engine.dialect.name == "sqlite" and name not in (None, "", ":memory:")
        return Path(str(name)) if on_disk else None


_WRITES = "strainwatch_writes"
"""Execution option of a connection that is going to write."""


def _held(connection: Connection, table: sa.TableClause) -> set[str]:
    """The columns that the database has of `table`."""
    return {column["name"] for column in sa.inspect(connection).get_columns(table.name)}


def _add_columns(connection: Connection) -> None:
    """Columns that came after this database was made; every one of them may be empty."""
    held = _held(connection, PREDICTIONS)
    for column in PREDICTIONS.columns:
        if column.name not in held:
            kind = column.type.compile(connection.dialect)
            connection.execute(sa.text(f"ALTER TABLE {PREDICTIONS.name} ADD COLUMN {column.name} {kind}"))


def _insert_sets(connection: Connection, found: pd.DataFrame) -> None:
    for _, rows in found.groupby(list(MOMENT)):
        as_of, version = rows["as_of"].iloc[0], rows["model_version"].iloc[0]
        content = {"as_of": _naive(as_of), "model_version": version, "rows": len(rows), "content": packed(rows)}
        connection.execute(EXPLANATIONS.insert(), content)


def _move_earlier(connection: Connection) -> bool:
    """Pack what a database of an earlier version holds row by row, moment by moment; True if there was any."""
    if not sa.inspect(connection).has_table(_EARLIER.name):
        return False
    moments = connection.execute(sa.select(_EARLIER.c.as_of).distinct()).scalars().all()
    for as_of in moments:
        for rows in _earlier(connection, [_EARLIER.c.as_of == as_of]):
            _insert_sets(connection, rows)
    connection.execute(sa.text(f"DROP TABLE {_EARLIER.name}"))
    return True


def _sets(connection: Connection, conditions: list[sa.ColumnElement[bool]]) -> list[pd.DataFrame]:
    found = connection.execute(sa.select(EXPLANATIONS).where(*conditions)).all()
    return [unpacked(row.content, pd.Timestamp(row.as_of, tz="UTC"), row.model_version) for row in found]


def _earlier(connection: Connection, conditions: list[sa.ColumnElement[bool]]) -> list[pd.DataFrame]:
    held = _held(connection, _EARLIER)
    names = [column.name for column in _EARLIER.columns if column.name in held]
    found = connection.execute(sa.select(*(_EARLIER.c[name] for name in names)).where(*conditions)).all()
    return [as_explanations(pd.DataFrame.from_records(found, columns=names))]


def _within(
    table: sa.TableClause, until: pd.Timestamp | None, since: pd.Timestamp | None, at: pd.Timestamp | None
) -> list[sa.ColumnElement[bool]]:
    conditions = []
    if until is not None:
        conditions.append(table.c.as_of <= _naive(until))
    if since is not None:
        conditions.append(table.c.as_of >= _naive(since))
    if at is not None:
        conditions.append(table.c.as_of == _naive(at))
    return conditions


def _careful_sqlite(connection: Any, _record: Any) -> None:
    """Let SQLAlchemy begin transactions itself, and let a commit reach the disk before it counts."""
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    """Who writes takes the write lock at the start: two writers then wait for each other instead of failing halfway.

    Who reads takes none, so that a report never holds up the morning's scoring.
    """
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _naive(instant: pd.Timestamp) -> Any:
    return instant.tz_convert("UTC").tz_localize(None).to_pydatetime()


def _records(frame: pd.DataFrame, table: sa.Table) -> list[dict[str, Any]]:
    """Rows as the database takes them: naive UTC instants, dates, None for what is missing."""
    columns = {}
    for name in (column.name for column in table.columns if column.autoincrement is not True):
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
