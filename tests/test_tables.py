"""The contracts themselves: consistent declarations, and frames of the right types."""

from __future__ import annotations

import pandas as pd
import pytest

from features.tables import SUPERSEDED_AT, TABLES, Table, as_contract, empty_tables

EVERY_TABLE = pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)


@EVERY_TABLE
def test_every_column_that_a_table_refers_to_exists(table: Table) -> None:
    pairs = [name for pair in table.not_above for name in pair]
    thresholds = [column.comparable_by for column in table.columns if column.comparable_by]
    assert {*table.key, *table.one_of, *pairs, *thresholds} - set(table.names) == set()


@EVERY_TABLE
def test_every_key_column_is_required(table: Table) -> None:
    assert [name for name in table.key if not table.column(name).required] == []


@EVERY_TABLE
def test_the_usual_median_lies_within_the_plausible_range(table: Table) -> None:
    for column in table.columns:
        if column.typical is not None:
            assert column.low is not None and column.high is not None
            assert column.low <= column.typical[0] < column.typical[1] <= column.high, column.name


@EVERY_TABLE
def test_every_table_has_a_receipt_time_and_an_athlete(table: Table) -> None:
    assert {"athlete_id", "known_at"} <= set(table.names)


def test_the_day_of_a_row_is_its_date_or_its_first_date() -> None:
    days = {name: table.day_column for name, table in TABLES.items()}
    assert days.pop("athletes") is None
    assert days.pop("coverage") == "first_date"
    assert set(days.values()) == {"date"}


def test_empty_tables_have_every_column_in_its_type() -> None:
    sessions = empty_tables()["sessions"]
    assert list(sessions.columns) == [*TABLES["sessions"].names, SUPERSEDED_AT]
    assert {name: str(sessions[name].dtype) for name in ("session_id", "date", "known_at", "rpe", SUPERSEDED_AT)} == {
        "session_id": "str",
        "date": "datetime64[us]",
        "known_at": "datetime64[us, UTC]",
        "rpe": "float64",
        SUPERSEDED_AT: "datetime64[us, UTC]",
    }
    assert str(empty_tables()["injuries"]["is_recurrence"].dtype) == "boolean"


def test_a_column_that_a_frame_lacks_comes_out_empty_and_the_argument_is_left_alone() -> None:
    frame = pd.DataFrame({"athlete_id": ["a"], "squad": ["first"], "extra": [1]})
    contract = as_contract(frame, "athletes")
    assert list(contract.columns) == list(TABLES["athletes"].names)
    assert contract.loc[0, ["athlete_id", "squad"]].to_list() == ["a", "first"]
    assert contract["birth_date"].isna().all()
    assert list(frame.columns) == ["athlete_id", "squad", "extra"]
