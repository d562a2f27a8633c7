"""Real exports the whole way to a report: what a simulated squad records and a real one does not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features.tables import looked_up
from pipelines.data import open_store, read_tables
from tests.squad import small_model, strainwatch

SOCCERMON = Path(__file__).resolve().parents[2] / "shared" / "data" / "soccermon"


def test_a_lookup_among_no_dates_finds_none() -> None:
    keys = pd.Series(["i1", "i2"], index=[7, 3], dtype="str")
    days = pd.Series(pd.to_datetime(["2024-01-08"]), index=["i2"])
    assert looked_up(keys, days).isna().tolist() == [True, False]
    assert looked_up(keys, days.iloc[:0]).isna().tolist() == [True, True]
    assert looked_up(keys, days).index.tolist() == [7, 3]


def test_clearances_without_any_injury_on_file_are_taken(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "athletes.csv").write_text("athlete_id,squad,known_at\nA1,First,2024-01-01T08:00Z\n")
    (folder / "returns.csv").write_text("injury_id,athlete_id,date,known_at\ni1,A1,2024-05-01,2024-05-01T08:00Z\n")
    told = strainwatch("ingest", "csv", folder, "--store", tmp_path / "store")
    assert told.code == 0, told.err
    assert read_tables(open_store(tmp_path / "store"))["returns"]["injury_id"].tolist() == ["i1"]


@pytest.mark.slow
def test_a_squad_that_records_complaints_and_no_injury_is_trained_scored_and_reported(tmp_path: Path) -> None:
    if not SOCCERMON.is_dir():
        pytest.skip("real data absent: ../shared/data/soccermon")
    at, recipe = ("--store", tmp_path / "store"), ("--configs", small_model(tmp_path / "configs"))
    commands: tuple[tuple[object, ...], ...] = (
        ("ingest", "soccermon", SOCCERMON, *at),
        ("train", *at, *recipe, "--until", "2021-10-31"),
        ("score", *at, "--as-of", "2021-11-29"),
        ("score", *at, "--as-of", "2021-12-06"),
        ("report", *at, *recipe, "--as-of", "2021-12-06", "--format", "html,pdf,csv,xlsx"),
    )
    for command in commands:
        told = strainwatch(*command)
        assert told.code == 0, (command[0], told.err)
    assert read_tables(open_store(tmp_path / "store"))["injuries"].empty
