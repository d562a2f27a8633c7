"""A small simulated squad in a store with a champion, for the tests of the whole spine, and the command line run in
process."""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import configs
from features.tables import TABLES
from models.gate import load_limits
from pipelines.cli import main
from pipelines.daily import Day, score_database, score_day
from pipelines.data import Store, open_store, read_tables
from pipelines.ingest import ingest
from pipelines.promote import train_and_ask
from pipelines.recipe import load_recipe
from pipelines.run_log import RUN_LOG
from pipelines.simulate import simulate, write_exports

NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)
"""When everything in these tests is done: two weeks after the simulated season."""
UNTIL = pd.Timestamp("2025-03-16")
"""What the champion has learnt from; the Mondays after it are unseen."""
MONDAYS = ("2025-03-17", "2025-04-14", "2025-05-12")
SMALL = {
    "trees": 8, "members": 3, "evaluation_members": 2, "resamples": 100, "athlete_folds": 2, "time_blocks": 1,
    "threads": 1, "refits": 3,
}  # fmt: skip


def small_model(folder: Path) -> Path:
    """`folder` with a model.toml that trains in a second: the shipped one with few trees, members and resamples."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (configs.SHIPPED / "model.toml").read_text(encoding="utf-8")
    for key, value in SMALL.items():
        text, found = re.subn(rf"(?m)^{key} = \S+", f"{key} = {value}", text)
        assert found == 1, key
    (folder / "model.toml").write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Squad:
    """A store with a champion, the configs folder it was trained with, and the exports that it came from."""

    path: Path
    configs: Path
    exports: Path

    @property
    def store(self) -> Store:
        return open_store(self.path)

    def copy(self, folder: Path) -> Squad:
        """The same with a store of its own, for a test that changes it."""
        shutil.copytree(self.path, folder, ignore=shutil.ignore_patterns(RUN_LOG))  # other tests' commands
        return Squad(folder, self.configs, self.exports)

    def score(self, as_of: str, *, replace: bool = False) -> Day:
        return score_day(self.store, as_of, NOW, replace=replace)


def make_squad(folder: Path) -> Squad:
    """Ten athletes over one season with corrections and late rows in every table, and a champion."""
    store = open_store(folder / "store")
    world = simulate(10, 1, 8, folder=injured_often(folder / "simulation"))
    for export in write_exports(world, folder / "exports"):
        ingest(store, export.source, export.path, now=NOW)
    result = ingest(store, "csv", write_afterthoughts(read_tables(store), folder / "afterthoughts"), now=NOW)
    assert result.exit_code == 0, [str(problem) for problem in result.problems]
    recipe = load_recipe(small_model(folder / "configs"))
    train_and_ask(store, recipe, UNTIL, NOW, lambda *_: None, load_limits())
    return Squad(store.path, folder / "configs", folder / "exports")


def injured_often(folder: Path) -> Path:
    """`folder` with a simulation.toml of eight times the hamstring injuries: else ten athletes have too few to learn
    from."""
    folder.mkdir()
    text = (configs.SHIPPED / "simulation.toml").read_text(encoding="utf-8")
    changed = re.sub(r"(?m)^per_1000_h = 1\.0", "per_1000_h = 8.0", text, count=1)
    assert changed != text
    (folder / "simulation.toml").write_text(changed, encoding="utf-8")
    return folder


def write_afterthoughts(tables: Mapping[str, pd.DataFrame], folder: Path) -> Path:
    """Contract CSVs with what a club hears later: every fifth row corrected, every seventh told twice under another
    key."""
    folder.mkdir()
    for name in set(TABLES) - {"athletes", "coverage", "injury_reports"}:
        rows = tables[name][tables[name]["superseded_at"].isna()].reset_index(drop=True)
        corrected = _later(rows[rows.index % 5 == 2], name)
        write_csv(pd.concat([corrected, _late(rows[rows.index % 7 == 3], name)]), name, folder)
    write_csv(_departures(tables["athletes"]), "athletes", folder)
    return folder


def _later(rows: pd.DataFrame, table: str) -> pd.DataFrame:
    """The rows with other numbers, known 10 to 40 days after the first version; injuries up to a year."""
    step = 33 if table in ("injuries", "returns") else 3  # many are from before the season, known at its start
    waits = pd.Series(pd.to_timedelta(10 + step * (np.arange(len(rows)) % 11), unit="D"), index=rows.index)
    later = rows.assign(known_at=rows["known_at"] + waits, **_otherwise(rows, table))
    return later[later["known_at"] <= pd.Timestamp(NOW)]


def _otherwise(rows: pd.DataFrame, table: str) -> dict[str, pd.Series]:
    """Columns that say something else than before."""
    if table == "injuries":
        return {"is_recurrence": ~rows["is_recurrence"]}
    if table == "returns":
        return {"date": rows["date"] + pd.Timedelta(days=4)}
    thresholds = {column.comparable_by for column in TABLES[table].columns}
    numbers = {column.name for column in TABLES[table].columns if column.kind == "number"} - thresholds
    return {name: rows[name] * 0.96 for name in numbers}


def _late(rows: pd.DataFrame, table: str) -> pd.DataFrame:
    """Facts about the same days under keys of their own, known 10 to 40 days after the day."""
    key = TABLES[table].key[0]
    if key in ("athlete_id", "injury_id"):
        return rows.head(0)
    return _later(rows.assign(**{key: rows[key] + "-late"}), table)


def _departures(athletes: pd.DataFrame) -> pd.DataFrame:
    """One athlete left in January, which is known to be in April only from May on."""
    one = athletes.drop_duplicates("athlete_id", keep="last").head(1)
    first = one.assign(left_date=pd.Timestamp("2025-01-20"), known_at=pd.Timestamp("2025-01-20T20:00Z"))
    then = one.assign(left_date=pd.Timestamp("2025-04-30"), known_at=pd.Timestamp("2025-05-20T20:00Z"))
    return pd.concat([first, then])


def write_csv(rows: pd.DataFrame, table: str, folder: Path) -> Path:
    """Contract rows as our own CSV format."""
    shown = rows[list(TABLES[table].names)].copy()
    for column in TABLES[table].columns:
        if column.kind in ("date", "time"):
            form = "%Y-%m-%d" if column.kind == "date" else "%Y-%m-%dT%H:%M:%S.%fZ"
            shown[column.name] = shown[column.name].dt.strftime(form)
        if column.kind == "flag":
            shown[column.name] = shown[column.name].map({True: "true", False: "false"})
    path = folder / f"{table}.csv"
    shown.to_csv(path, index=False)
    return path


def stored(squad: Squad) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All predictions and explanations of its store."""
    database = score_database(squad.store)
    try:
        return database.predictions(), database.explanations()
    finally:
        database.close()


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def strainwatch(*arguments: object, where: Callable[[], object] = main) -> Ran:
    """The command line, in this process: not on a terminal."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["strainwatch", *map(str, arguments)])
        try:
            where()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Ran(code, out.getvalue(), err.getvalue())
