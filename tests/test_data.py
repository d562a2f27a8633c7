"""The store: appended to only, whole or not at all, read the same whatever the order of arrival."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from configs.errors import IntegrityError, NotReady, StoreBusy
from features.tables import as_contract, empty_tables
from pipelines import data
from pipelines.data import (
    Store,
    append,
    data_cut,
    fingerprint,
    open_store,
    quarantine,
    read_tables,
    read_versions,
    with_superseded_at,
    write_aside,
)

MANIFEST = {"source": "csv", "files_sha256": "x", "at": "2021-11-01T00:00:00+00:00"}
NO_REFUSALS = pd.DataFrame(columns=list(data.QUARANTINE_COLUMNS), dtype="str")


def wellness(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """Rows of athlete, date, known_at (day and hour) and fatigue."""
    frame = pd.DataFrame(rows, columns=["athlete_id", "date", "known_at", "fatigue"])
    return as_contract(frame.assign(known_at=pd.to_datetime(frame["known_at"], utc=True)), "wellness")


def add(store: Store, rows: pd.DataFrame, refused: pd.DataFrame = NO_REFUSALS) -> str:
    with store.lock():
        return append(store, "test", {"wellness": rows}, refused, MANIFEST)


def versions(rows: pd.DataFrame) -> list[tuple[float, str, str]]:
    return [
        (
            row.fatigue,
            f"{row.known_at:%d %Hh}",
            "never" if pd.isna(row.superseded_at) else f"{row.superseded_at:%d %Hh}",
        )
        for row in with_superseded_at(rows, "wellness").itertuples()
    ]


def test_a_row_is_superseded_when_the_next_of_its_key_becomes_known() -> None:
    rows = wellness(
        ("a", "2021-10-01", "2021-10-02T06", 3), ("a", "2021-10-02", "2021-10-03T06", 9),
        ("a", "2021-10-01", "2021-10-05T06", 5), ("a", "2021-10-01", "2021-10-04T06", 4),
    )  # fmt: skip
    assert versions(rows) == [
        (3, "02 06h", "04 06h"), (4, "04 06h", "05 06h"), (5, "05 06h", "never"), (9, "03 06h", "never"),
    ]  # fmt: skip


def test_of_two_rows_known_at_one_instant_the_later_arrival_counts_and_the_other_was_never_visible() -> None:
    rows = wellness(
        ("a", "2021-10-01", "2021-10-02T06", 3), ("a", "2021-10-01", "2021-10-04T06", 4),
        ("a", "2021-10-01", "2021-10-04T06", 5),
    )  # fmt: skip
    assert versions(rows) == [(3, "02 06h", "04 06h"), (5, "04 06h", "never")]


def test_tables_read_back_equal_what_was_added_in_whatever_order(tmp_path: Path) -> None:
    first = wellness(("a", "2021-10-01", "2021-10-02T06", 3), ("b", "2021-10-01", "2021-10-02T06", 4))
    second = wellness(("a", "2021-10-01", "2021-10-05T06", 6))
    one, two = open_store(tmp_path / "one"), open_store(tmp_path / "two")
    for rows in (first, second):
        add(one, rows)
    for rows in (second, first.iloc[::-1]):
        add(two, rows)
    pd.testing.assert_frame_equal(read_tables(one)["wellness"], read_tables(two)["wellness"])
    assert read_tables(one)["wellness"]["fatigue"].to_list() == [3, 6, 4]
    assert read_tables(one)["sessions"].dtypes.to_dict() == empty_tables()["sessions"].dtypes.to_dict()


def test_the_fingerprint_follows_content_and_not_order() -> None:
    rows = wellness(("a", "2021-10-01", "2021-10-02T06", 3), ("b", "2021-10-01", "2021-10-02T06", 4))
    tables = {**empty_tables(), "wellness": rows}
    assert fingerprint(tables) == fingerprint({**tables, "wellness": rows.iloc[::-1]})
    changed = [
        rows.assign(fatigue=[3, 5]),
        rows.assign(athlete_id=["a", "c"]),
        rows.iloc[:1],
        rows.assign(known_at=rows["known_at"] + pd.Timedelta(seconds=1)),
        rows.assign(soreness=[0.0, float("nan")]),
    ]
    prints = {fingerprint({**tables, "wellness": other}) for other in (rows, *changed)}
    assert len(prints) == 6


def test_the_data_cut_is_the_last_covered_day_and_an_empty_store_has_none() -> None:
    tables = {**empty_tables(), "wellness": wellness(("a", "2021-10-01", "2021-10-02T06", 3))}
    assert data_cut(tables) == pd.Timestamp("2021-10-01")
    coverage = pd.DataFrame({"athlete_id": ["a"], "first_date": ["2021-09-01"], "last_date": ["2021-10-20"]})
    assert data_cut({**tables, "coverage": as_contract(coverage, "coverage")}) == pd.Timestamp("2021-10-20")
    with pytest.raises(NotReady, match="no data yet"):
        data_cut(empty_tables())


def test_only_the_owner_may_look_into_a_store(tmp_path: Path) -> None:
    store = open_store(tmp_path / "deep" / "store")
    add(store, wellness(("a", "2021-10-01", "2021-10-02T06", 3)))
    folders = [store.path, store.tables, *store.tables.iterdir()]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3


def test_a_folder_with_other_things_in_it_is_not_taken_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("chapter 1")
    with pytest.raises(NotReady, match="not a store, and not empty"):
        open_store(tmp_path)
    with pytest.raises(NotReady, match="a file, not a folder"):
        open_store(tmp_path / "thesis.doc")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_store_of_a_later_format_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path / "s")
    (tmp_path / "s" / "store.json").write_text('{"format": 2}')
    with pytest.raises(NotReady, match="store of format 2"):
        open_store(tmp_path / "s")


def test_a_second_writer_is_told_that_the_store_is_busy(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s")
    message = r"another process holds this store \(waited 0\.1 s\)"
    with store.lock(), pytest.raises(StoreBusy, match=message) as busy, Store(store.path).lock(wait_s=0.1):
        pass
    assert busy.value.exit_code == 6
    with store.lock():
        pass


class Killed(BaseException):
    """Stands for the end of the process at one step of a write."""


def end_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise Killed at the `step`-th call that changes something on disk."""
    count = 0

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count > step:
                raise Killed
            return call(*args, **kwargs)

        return wrapped

    for name in ("fsync", "rename", "replace", "mkdir"):
        monkeypatch.setattr(os, name, deadly(getattr(os, name)))


def test_a_write_that_ends_at_any_step_leaves_all_or_nothing_and_the_next_one_succeeds(
    tmp_path: Path,
) -> None:
    before = wellness(("a", "2021-10-01", "2021-10-02T06", 3))
    after = wellness(("b", "2021-10-01", "2021-10-02T06", 4))
    outcomes = []
    for step in range(20):
        store = open_store(tmp_path / str(step))
        add(store, before)
        with pytest.MonkeyPatch.context() as patch:
            end_at(step, patch)
            try:
                add(store, after)
            except Killed:
                outcomes.append(read_versions(store, "wellness")["athlete_id"].to_list())
            else:
                break
        add(store, after)
        assert sorted(set(read_versions(store, "wellness")["athlete_id"])) == ["a", "b"]
        assert [path.name for path in store.tables.iterdir() if path.name.startswith(".")] == []
    # Before the rename nothing is there, after it everything: only the last fsync is left then.
    assert outcomes == [["a"]] * (len(outcomes) - 1) + [["a", "b"]]
    assert len(outcomes) >= 6


def test_a_file_written_aside_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_aside(path, b"old")
    for step, expected in enumerate([b"old", b"old", b"new"]):
        path.write_bytes(b"old")
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            end_at(step, patch)
            write_aside(path, b"new")
        assert path.read_bytes() == expected


def test_a_refused_row_is_told_once_and_no_more_once_it_was_mended(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s")
    refused = pd.DataFrame(
        [("wellness", "5", "a 2021-10-01", "fatigue", "fatigue outside 0 to 10", "{}"),
         ("wellness", "6", "b 2021-10-01", "fatigue", "fatigue outside 0 to 10", "{}")],
        columns=list(data.QUARANTINE_COLUMNS), dtype="str",
    )  # fmt: skip
    assert quarantine(store).empty
    add(store, wellness(), refused)
    add(store, wellness(), refused)
    assert quarantine(store)["row_id"].to_list() == ["a 2021-10-01", "b 2021-10-01"]
    add(store, wellness(("a", "2021-10-01", "2021-10-02T06", 3)))
    assert quarantine(store)["row_id"].to_list() == ["b 2021-10-01"]


def test_an_ingest_that_lands_while_tables_are_read_is_in_all_of_them_or_in_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "store")
    rows = wellness(("a", "2021-10-01", "2021-10-02T06", 3))
    athletes = as_contract(
        pd.DataFrame({"athlete_id": ["a"], "known_at": pd.to_datetime(["2021-10-01"], utc=True)}), "athletes"
    )
    real = data.read_versions

    def landing_meanwhile(*arguments: Any) -> pd.DataFrame:
        found = real(*arguments)
        if not data.ingests(store):
            with store.lock():
                append(store, "test", {"athletes": athletes, "wellness": rows}, NO_REFUSALS, MANIFEST)
        return found

    monkeypatch.setattr(data, "read_versions", landing_meanwhile)
    assert {name for name, table in read_tables(store).items() if len(table)} == set()
    assert {name for name, table in read_tables(store).items() if len(table)} == {"athletes", "wellness"}


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_a_row(path: Path) -> None:
    pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)


@pytest.mark.parametrize(
    ("name", "harm", "found"),
    [
        ("wellness.parquet", Path.unlink, "is not there"),
        ("wellness.parquet", halved, "is damaged"),
        ("wellness.parquet", without_a_row, "holds 1 rows, its manifest says 2"),
        ("quarantine.parquet", Path.unlink, "is not there"),
        ("manifest.json", Path.unlink, "is not there"),
        ("manifest.json", halved, "is damaged"),
        ("manifest.json", lambda path: path.write_text("{}"), "it does not tell what this ingest brought"),
    ],
)
def test_a_lost_or_damaged_file_of_an_ingest_is_told_instead_of_read_past(
    tmp_path: Path, name: str, harm: Callable[[Path], object], found: str
) -> None:
    store = open_store(tmp_path / "store")
    refused = pd.DataFrame(
        [("wellness", "5", "c 2021-10-01", "fatigue", "outside", "{}")],
        columns=list(data.QUARANTINE_COLUMNS), dtype="str",
    )  # fmt: skip
    rows = wellness(("a", "2021-10-01", "2021-10-02T06", 3), ("b", "2021-10-01", "2021-10-02T06", 4))
    path = store.tables / add(store, rows, refused) / name
    harm(path)
    with pytest.raises(IntegrityError) as told:
        read_tables(store)
        quarantine(store)
    assert str(told.value).startswith(str(path))
    assert found in str(told.value)
    assert "Restore the folder 000001-test from a backup" in str(told.value)


def test_the_next_ingest_clears_what_a_killed_writer_left_in_the_root(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    (store.path / ".tmp-store.json-4711").write_text("{", encoding="utf-8")
    add(store, wellness(("a", "2021-10-01", "2021-10-02T06", 3)))
    assert sorted(path.name for path in store.path.iterdir()) == [".lock", "store.json", "tables"]


@pytest.mark.parametrize("content", [b"", b'{"form', b"[1]", b"7", b"\xff\xfe"])
def test_a_damaged_marker_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    marker = open_store(tmp_path / "store").path / "store.json"
    marker.write_bytes(content)
    with pytest.raises(
        IntegrityError, match=r"store\.json: damaged, .*Restore it from a backup, or write .\"format\": 1"
    ):
        open_store(tmp_path / "store")
