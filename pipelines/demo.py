"""The main job on a simulated squad: exports, ingest, training, eight weeks of Mondays, the report."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

import configs
from configs.errors import WrongArgument
from models.gate import load_limits
from pipelines.console import Report
from pipelines.daily import score_days
from pipelines.data import Store, open_store
from pipelines.ingest import ingest
from pipelines.promote import train_and_ask
from pipelines.recipe import load_recipe
from pipelines.run_log import append_run
from pipelines.show import reasons_in_words
from pipelines.simulate import simulate, write_exports, write_truth
from pipelines.train import Trained
from pipelines.weekly import Order, write_report
from serving.report.content import WeeklyReport

MARKER = ".strainwatch-demo"
"""Tells a folder that a demo made, and may make anew, from one that holds anything else."""
WEEKS = 8
"""The model learns from what was known this many weeks before the last Monday; the Mondays since are scored as they
came."""
MONDAY = 0
LAST_DAY = date(2025, 4, 27)
"""A Sunday a month before the season ends: the report then speaks of a week with matches."""


@dataclass(frozen=True)
class Demo:
    """What a demo leaves and says."""

    report: Path
    store: Path
    model_version: str
    highest: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "report": str(self.report),
            "store": str(self.store),
            "model_version": self.model_version,
            "highest": list(self.highest),
            "notes": list(self.notes),
        }


def run_demo(out: Path, athletes: int, seasons: int, seed: int, now: datetime, progress: Report) -> Demo:
    """Make `out` anew with exports/, truth/ and store/, and go the way of real exports to the report.

    Raises WrongArgument if `out` holds something that no demo made.
    """
    _make_anew(out)
    progress("simulating the squad", 0, 1)
    world = simulate(athletes, seasons, seed, LAST_DAY)
    exports = write_exports(world, out / "exports")
    write_truth(world, out / "truth")
    progress("simulating the squad", 1, 1)
    store = open_store(out / "store")
    for number, export in enumerate(exports):
        progress("ingesting its exports", number, len(exports))
        ingest(store, export.source, export.path, now=now)
    progress("ingesting its exports", len(exports), len(exports))
    mondays = _mondays(world.tables["sessions"]["date"].max())
    until = mondays[0] - pd.Timedelta(days=1)
    trained, _ = train_and_ask(store, load_recipe(), until, now, progress, load_limits())
    _score_all(store, mondays, now, progress)
    written = write_report(store, f"{mondays[-1]:%Y-%m-%d}", now, Order(configs_folder=_titled(out / "configs")))
    append_run(store.path, "demo", now, 0, {"athletes": athletes, "seasons": seasons, "seed": seed})
    return Demo(written.path, store.path, trained.bundle.version, _highest(written.report), _notes(trained, seed))


def _make_anew(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise WrongArgument(f"{out}: holds files that no demo made. Give --out a new or an empty folder.")
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARKER).touch()


def _titled(folder: Path) -> Path:
    """A configs folder whose report says in its title that nobody in it exists."""
    folder.mkdir()
    shipped = (configs.SHIPPED / "report.toml").read_text(encoding="utf-8")
    (folder / "report.toml").write_text(shipped.replace(*titles(), 1), encoding="utf-8")
    return folder


def titles() -> tuple[str, str]:
    """The report's title as shipped, and as the demo prints it."""
    shipped = configs.load("report.toml")["title"]
    return shipped, f"{shipped} (simulated squad)"


def _mondays(last_day: pd.Timestamp) -> pd.DatetimeIndex:
    """The last Monday of the data and the weeks before it, oldest first."""
    last = last_day - pd.Timedelta(days=(last_day.weekday() - MONDAY) % 7)
    return pd.date_range(end=last, periods=WEEKS + 1, freq="7D")


def _score_all(store: Store, mondays: pd.DatetimeIndex, now: datetime, progress: Report) -> None:
    scored = score_days(store, [f"{monday:%Y-%m-%d}" for monday in mondays], now)
    for number, _ in enumerate(scored, start=1):
        progress("scoring Monday by Monday", number, len(mondays))


def _highest(report: WeeklyReport, most: int = 3) -> tuple[str, ...]:
    """The report's highest scores, each with its reasons in words."""
    settings = report.settings
    days = settings.horizon_days
    return tuple(
        f"{row.athlete_id}: {report.told(row, days)} in {days} days, raised by {reasons_in_words(row.shares, settings)}"
        for row in report.rows[:most]
    )


def _notes(trained: Trained, seed: int) -> tuple[str, ...]:
    return (f"Simulated squad, seed {seed}: its figures say nothing about real athletes.", *trained.verdict)
