"""Nothing that was not known at a moment can change what is said of it: deleted, falsified, or counted again by
hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.build import build_features
from features.row_facts import prepare
from features.specs import WindowSpec, load_specs
from features.tables import TABLES
from features.target import load_target
from models.bundle import Bundle
from models.registry import champion
from pipelines.daily import moment, score_database
from pipelines.data import Store, read_tables
from serving.report.settings import load_report_settings
from serving.score import Scores, score
from tests import oracle
from tests.squad import MONDAYS, NOW, Squad

INSTANTS = [pd.Timestamp(f"{day} 07:00", tz="UTC") for day in (*MONDAYS, "2025-02-26")]
ABSURD_NUMBER = -987654.0


@pytest.fixture(scope="module")
def bundle(squad: Squad) -> Bundle:
    return champion(squad.path)[0]


def rewrite(store: Store, change: Callable[[pd.DataFrame, str], pd.DataFrame]) -> None:
    """Every Parquet file of a contract table becomes what `change(rows, table)` makes of it, and its count as well."""
    for manifest in store.tables.glob("*/manifest.json"):
        content = json.loads(manifest.read_text(encoding="utf-8"))
        for path in manifest.parent.glob("*.parquet"):
            if path.stem in TABLES:
                rows = change(pd.read_parquet(path), path.stem)
                rows.to_parquet(path, index=False)
                content["added"][path.stem] = len(rows)
        manifest.write_text(json.dumps(content), encoding="utf-8")


def without_later_rows(as_of: pd.Timestamp) -> Callable[[pd.DataFrame, str], pd.DataFrame]:
    return lambda rows, _: rows[rows["known_at"] <= as_of]


def with_later_rows_falsified(as_of: pd.Timestamp) -> Callable[[pd.DataFrame, str], pd.DataFrame]:
    """Absurd numbers, other choices, flags turned round, and all of it about the days just before `as_of`."""
    day = as_of.tz_localize(None).normalize()

    def falsify(rows: pd.DataFrame, table: str) -> pd.DataFrame:
        later = rows["known_at"] > as_of
        changed = rows.copy()
        for column in TABLES[table].columns:
            if column.kind == "number":
                changed.loc[later, column.name] = ABSURD_NUMBER
            if column.kind == "date":
                changed.loc[later, column.name] = day - pd.Timedelta(days=2)
            if column.kind == "flag":
                changed.loc[later, column.name] = ~rows.loc[later, column.name].astype("boolean")
            if column.kind == "choice" and column.name not in TABLES[table].key:
                changed.loc[later, column.name] = column.choices[0]
        return changed

    return falsify


def table_copy(squad: Squad, folder: Path) -> Store:
    """The store's tables alone, elsewhere."""
    shutil.copytree(squad.path / "tables", folder / "tables")
    return Store(folder)


def said(tables: dict[str, pd.DataFrame], as_of: pd.Timestamp, bundle: Bundle) -> Scores:
    return score(tables, as_of, bundle, load_report_settings(), made_at=pd.Timestamp(NOW).as_unit("us"))


def assert_same_bytes(left: Scores, right: Scores) -> None:
    """Equal to the last bit of every float."""
    for before, after in (
        (left.predictions, right.predictions),
        (left.explanations, right.explanations),
    ):
        pd.testing.assert_frame_equal(before, after, check_exact=True)
        for name in before.select_dtypes("float64"):
            assert before[name].to_numpy().tobytes() == after[name].to_numpy().tobytes(), name


@pytest.mark.parametrize("as_of", INSTANTS, ids=str)
def test_this_squad_has_late_rows_and_corrections_that_could_leak(squad: Squad, as_of: pd.Timestamp) -> None:
    tables = read_tables(squad.store)
    day = as_of.tz_localize(None).normalize()
    for name in ("sessions", "strength_tests", "screenings", "wearable_days", "wellness", "interventions"):
        table = tables[name]
        recent = table["date"].between(day - pd.Timedelta(days=28), day)
        assert (recent & (table["known_at"] > as_of)).sum() >= 5, name
        assert (recent & (table["known_at"] <= as_of) & (table["superseded_at"] > as_of)).sum() >= 2, name
    for name in ("athletes", "injuries", "returns"):
        assert ((tables[name]["known_at"] > as_of) & tables[name].duplicated(TABLES[name].key[0])).any(), name


@pytest.mark.parametrize("as_of", INSTANTS, ids=str)
def test_deleting_all_that_arrived_later_changes_no_byte_of_scores_and_explanations(
    squad: Squad, bundle: Bundle, tmp_path: Path, as_of: pd.Timestamp
) -> None:
    before = said(read_tables(squad.store), as_of, bundle)
    store = table_copy(squad, tmp_path)
    rewrite(store, without_later_rows(as_of))
    tables = read_tables(store)
    assert max(table["known_at"].max() for table in tables.values() if len(table)) <= as_of
    assert before.predictions["probability"].nunique() > 3
    assert_same_bytes(before, said(tables, as_of, bundle))


@pytest.mark.parametrize("as_of", INSTANTS, ids=str)
def test_falsifying_all_that_arrived_later_changes_no_byte_of_scores_and_explanations(
    squad: Squad, bundle: Bundle, tmp_path: Path, as_of: pd.Timestamp
) -> None:
    before = said(read_tables(squad.store), as_of, bundle)
    store = table_copy(squad, tmp_path)
    rewrite(store, with_later_rows_falsified(as_of))
    assert (read_tables(store)["sessions"]["distance_m"] == ABSURD_NUMBER).sum() > 100
    assert_same_bytes(before, said(read_tables(store), as_of, bundle))


def test_falsifying_what_was_known_does_change_the_scores(squad: Squad, bundle: Bundle, tmp_path: Path) -> None:
    store = table_copy(squad, tmp_path)
    rewrite(store, with_later_rows_falsified(INSTANTS[0] - pd.Timedelta(days=14)))
    before, after = (
        said(read_tables(squad.store), INSTANTS[0], bundle),
        said(read_tables(store), INSTANTS[0], bundle),
    )
    assert (before.predictions["fingerprint"] != after.predictions["fingerprint"]).any()


def test_a_store_without_what_arrived_later_scores_a_past_day_with_the_same_bytes_on_disk(
    squad: Squad, tmp_path: Path
) -> None:
    whole, cut = squad.copy(tmp_path / "whole"), squad.copy(tmp_path / "cut")
    rewrite(cut.store, without_later_rows(moment(MONDAYS[1], champion(squad.path)[0].target, NOW)))
    assert {each.score(MONDAYS[1]).outcome for each in (whole, cut)} == {"scored"}
    assert dump(whole) == dump(cut)


def dump(squad: Squad) -> tuple[str, str]:
    database = score_database(squad.store)
    try:
        found = database.predictions(), database.explanations()
    finally:
        database.close()
    assert len(found[1]) > 100
    return found[0].to_csv(float_format="%.17g"), found[1].to_csv(float_format="%.17g")


@pytest.mark.slow
def test_the_shipped_window_specs_equal_an_independent_loop_on_a_simulated_squad(squad: Squad) -> None:
    specs = [spec for spec in load_specs() if isinstance(spec, WindowSpec)]
    target = load_target()
    tables = prepare(read_tables(squad.store), target)
    index = some_moments(tables["athletes"]["athlete_id"])
    built = build_features(index, tables, specs).values
    world = oracle.plain(tables)
    filled = 0
    for spec in specs:
        expected = np.array([oracle.value(row, world, spec) for row in index.itertuples()])
        filled += int((~np.isnan(expected)).sum())
        np.testing.assert_allclose(built[spec.name], expected, rtol=1e-9, atol=1e-12, err_msg=str(spec), equal_nan=True)
    assert filled > 0.5 * len(specs) * len(index)


def some_moments(athletes: pd.Series) -> pd.DataFrame:
    """Six moments of several athletes, at odd hours as well."""
    ids = np.resize(np.sort(athletes.unique()), 6)
    as_of = pd.Series(
        pd.to_datetime(
            ["2024-08-20 07:00", "2024-11-04 21:30", "2025-01-13 07:00", "2025-03-03 04:59", "2025-04-07 07:00",
             "2025-05-23 12:00"], utc=True,
        )
    ).astype("datetime64[us, UTC]")  # fmt: skip
    date = as_of.dt.tz_localize(None).dt.normalize()
    return pd.DataFrame({"athlete_id": pd.Series(ids, dtype="str"), "date": date, "as_of": as_of})
