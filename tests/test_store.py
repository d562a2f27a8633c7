"""The store of scores: reading makes nothing and holds up nobody, and a database that is of no use is told so."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from configs.errors import IntegrityError, StoreBusy
from serving.store import ScoreStore

MONDAYS = [pd.Timestamp(f"2025-03-{day:02d} 07:00", tz="UTC") for day in (3, 10, 17)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "scores.db"


@pytest.fixture
def database(file: Path) -> Iterator[ScoreStore]:
    store = ScoreStore(f"sqlite:///{file}", wait_s=0.1)
    yield store
    store.close()


def said(as_of: pd.Timestamp) -> pd.DataFrame:
    """One prediction."""
    return pd.DataFrame(
        {
            "as_of": pd.Series([as_of]).astype("datetime64[us, UTC]"),
            "made_at": pd.Series([as_of]).astype("datetime64[us, UTC]"),
            "date": pd.Series([as_of.tz_localize(None).normalize()]).astype("datetime64[us]"),
            **{name: ["a"] for name in ("model_version", "athlete_id", "band", "fingerprint")},
            **{name: [0.1] for name in ("probability", "lower", "upper", "log_odds", "base_log_odds")},
            **{
                "share_missing": [0.0],
                "distance": [0.4],
                "horizon_days": [7],
                "source_horizon": [7],
                "abstained": [False],
            },
            "scored_by": ["model"],
            "squad_log_odds": [0.0],
            "usual_log_odds": [-2.3],
            "reason": [None],
        }
    )


def why(as_of: pd.Timestamp) -> pd.DataFrame:
    """Its explanation: one feature."""
    return said(as_of)[["as_of", "model_version", "athlete_id", "horizon_days"]].assign(
        feature="load_7d", factor="load", contribution=0.2, value=1.0, unit="AU", own_usual_value=1.0,
        value_date=pd.Timestamp("2025-03-02"), reason_missing=None, usual_contribution=0.1, steadiness=0.75,
        own_low_value=0.5, own_high_value=1.5, squad_value=1.0, training_value=1.0,
    )  # fmt: skip


def filled(database: ScoreStore) -> ScoreStore:
    for monday in MONDAYS:
        database.save(said(monday), why(monday))
    return database


def test_reading_before_anything_was_saved_is_empty_and_creates_nothing(database: ScoreStore, file: Path) -> None:
    assert (len(database.predictions()), len(database.explanations(at=MONDAYS[0]))) == (0, 0)
    assert (database.moments().count, database.moments().last) == (0, None)
    assert list(file.parent.iterdir()) == []


def test_reading_a_database_without_our_tables_is_empty_and_makes_none(database: ScoreStore, file: Path) -> None:
    file.touch()
    assert (len(database.predictions()), database.moments().count) == (0, 0)
    assert file.read_bytes() == b""


def test_an_empty_reading_has_the_columns_and_times_of_a_full_one(database: ScoreStore) -> None:
    empty = database.predictions(), database.explanations()
    filled(database)
    for before, after in zip(empty, (database.predictions(), database.explanations()), strict=True):
        assert list(before) == list(after)
        times = after.select_dtypes(["datetime", "datetimetz"])
        assert before[times.columns].dtypes.to_dict() == times.dtypes.to_dict()


def test_reading_goes_on_while_another_process_holds_the_write_lock_and_saving_is_told_busy(
    database: ScoreStore, file: Path
) -> None:
    filled(database)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(database.predictions()) == database.moments().count == 3
        with pytest.raises(StoreBusy, match=r"scores\.db: another process holds this database"):
            database.save(said(MONDAYS[0]), why(MONDAYS[0]))


def test_a_reader_does_not_hold_the_write_lock(database: ScoreStore, file: Path) -> None:
    with filled(database)._engine.connect() as reader, closing(sqlite3.connect(file, timeout=0.1)) as writer:
        reader.exec_driver_sql("SELECT 1")
        writer.execute("BEGIN IMMEDIATE")


@pytest.mark.parametrize("damage", [b"no database at all " * 300, None])
def test_a_damaged_database_is_named_with_what_to_do(database: ScoreStore, file: Path, damage: bytes | None) -> None:
    filled(database)
    database.close()
    whole = file.read_bytes()
    file.write_bytes(damage or whole[:4096] + b"\xff" * (len(whole) - 4096))
    for use in (database.predictions, lambda: database.save(said(MONDAYS[0]), why(MONDAYS[0]))):
        with pytest.raises(IntegrityError, match=r"scores\.db: cannot be used .* restore it from a backup"):
            use()


def test_readings_are_limited_to_a_span_or_to_one_moment(database: ScoreStore) -> None:
    filled(database)
    first, second, third = MONDAYS
    for read in (database.predictions, database.explanations):
        assert read(second)["as_of"].to_list() == [first, second]
        assert read(since=second)["as_of"].to_list() == [second, third]
        assert read(second, since=second)["as_of"].to_list() == [second]
        assert read(at=third)["as_of"].to_list() == [third]
        assert read(at=third + pd.Timedelta(hours=1)).empty


def test_moments_are_counted_once_however_many_rows_they_have(database: ScoreStore) -> None:
    filled(database).save(said(MONDAYS[2]).assign(model_version="b"), why(MONDAYS[2]).assign(model_version="b"))
    assert (database.moments().count, database.moments().last) == (3, MONDAYS[2])


def test_a_database_older_than_a_column_is_read_with_it_empty_and_gets_it_when_next_written(
    database: ScoreStore, file: Path
) -> None:
    filled(database)
    database.close()
    with closing(sqlite3.connect(file)) as old:
        for column in ("scored_by", "squad_log_odds"):
            old.execute(f"ALTER TABLE predictions DROP COLUMN {column}")
    before = database.predictions()
    assert before["scored_by"].isna().all() and before["probability"].to_list() == [0.1] * 3
    database.save(said(MONDAYS[2]), why(MONDAYS[2]))
    assert database.predictions()["scored_by"].fillna("").to_list() == ["", "", "model"]


EARLIER = """
    CREATE TABLE explanations (as_of DATETIME, model_version VARCHAR, athlete_id VARCHAR, horizon_days INTEGER,
    feature VARCHAR, factor VARCHAR, contribution FLOAT, value FLOAT, unit VARCHAR, own_usual_value FLOAT,
    value_date DATE, reason_missing VARCHAR,
    PRIMARY KEY (as_of, model_version, athlete_id, horizon_days, feature)) WITHOUT ROWID
"""


def with_earlier(file: Path, moments: int, athletes: int, features: int) -> None:
    """Add the table of an earlier version: three horizons of each athlete at each of the moments."""
    rows = [
        (f"2025-03-{3 + moment:02d} 07:00:00.000000", "20250301-070000-6f30e7ad", f"A{athlete:02d}", days,
         f"hamstring_feature_{number:03d}", "load", (athlete + number) / 7, number / 3, "AU", 1.0, "2025-03-02", None)
        for moment in range(moments) for athlete in range(athletes)
        for days in (7, 14, 28) for number in range(features)
    ]  # fmt: skip
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(EARLIER)
        connection.executemany(f"INSERT INTO explanations VALUES ({', '.join('?' * 12)})", rows)


def test_explanations_of_an_earlier_version_are_read_as_they_are_and_moved_by_the_next_save(
    database: ScoreStore, file: Path
) -> None:
    database.save(said(MONDAYS[0]), why(MONDAYS[0]).iloc[:0])
    with_earlier(file, 1, 1, 2)
    before = database.explanations()
    assert before["feature"].to_list() == ["hamstring_feature_000", "hamstring_feature_001"] * 3
    assert before["contribution"].to_list() == [0, 1 / 7] * 3
    assert before["value"].to_list() == [0, 1 / 3] * 3 and before["steadiness"].isna().all()
    database.save(said(MONDAYS[1]), why(MONDAYS[1]))
    after = database.explanations()
    pd.testing.assert_frame_equal(after.iloc[:6], before, check_exact=True)
    assert after["as_of"].to_list() == [MONDAYS[0]] * 6 + [MONDAYS[1]]
    with closing(sqlite3.connect(file)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"predictions", "explanation_sets", "decisions"}


def test_moving_explanations_shrinks_the_file_to_a_fifth(database: ScoreStore, file: Path) -> None:
    database.save(said(MONDAYS[0]), why(MONDAYS[0]).iloc[:0])
    with_earlier(file, 2, 20, 50)
    before = file.stat().st_size
    database.save(said(MONDAYS[2]), why(MONDAYS[2]))
    assert file.stat().st_size < before / 5
    assert len(database.explanations()) == 2 * 20 * 3 * 50 + 1


def test_a_set_of_explanations_that_is_no_parquet_is_named_with_what_to_do(database: ScoreStore, file: Path) -> None:
    filled(database)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE explanation_sets SET content = X'00' WHERE as_of LIKE '2025-03-10%'")
    with pytest.raises(IntegrityError, match=r"explanations of 2025-03-10 07:00 UTC cannot be read.*--replace"):
        database.explanations()
