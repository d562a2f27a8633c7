"""A simulated squad whose true risk is known: contract tables, exports in the sources' layouts, sealed truth.

    world = simulate(athletes=40, seasons=2, seed=7)
    for export in write_exports(world, folder):
        ...                                     # ingest export.path as export.source, in this order
    write_truth(world, other_folder)            # only the recovery checks read it

Settings are in configs/simulation.toml. The same arguments and settings give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from configs.errors import StrainwatchError
from features.tables import empty_tables
from pipelines.simulation import daily_records, nights, records, tests_done
from pipelines.simulation.calendar import season_days
from pipelines.simulation.exports import Export, write_exports_of, write_truth_of
from pipelines.simulation.life import Life, calibrated_base, exposure_hours, live
from pipelines.simulation.settings import Settings, load_settings, planted
from pipelines.simulation.truth import truth_table

__all__ = ["Export", "World", "simulate", "write_exports", "write_truth"]

LAST_DAY = date(2025, 6, 1)


class ImpossibleSquad(StrainwatchError):
    """The size asked for cannot be simulated."""

    exit_code = 2


@dataclass(frozen=True)
class World:
    """A squad. `tables` is what a store would hold, `cycles` the wearable's nights, `truth` is sealed.

    `truth` is that of pipelines.simulation.truth: one row per athlete and day, log_hazard = base + frailty + every
    term, each factor's centred share of it, and the oracle's probability over 7, 14 and 28 days.
    """

    tables: Mapping[str, pd.DataFrame]
    cycles: pd.DataFrame
    truth: pd.DataFrame
    exposure_h: float
    utc_offset_h: int


def simulate(
    athletes: int = 40,
    seasons: int = 2,
    seed: int = 7,
    last_day: date = LAST_DAY,
    folder: Path | None = None,
    *,
    effects: bool = True,
    interactions: bool = True,
    exposure: bool = True,
) -> World:
    """`athletes` athletes over `seasons` seasons up to `last_day`. `folder` may hold a simulation.toml.

    Without `effects` the hazard depends on exposure only (no factor, no frailty); without `exposure` too, nothing
    foretells a strain. Without `interactions` only the factors' own terms are left.
    """
    if athletes < 1 or seasons < 1:
        raise ImpossibleSquad(f"{athletes} athletes over {seasons} seasons: give at least 1 of each.")
    settings = planted(load_settings(folder), effects=effects, interactions=interactions, exposure=exposure)
    days = season_days(seasons, last_day, settings.calendar)
    life = live(athletes, days, seed, settings, calibrated_base(settings))
    cycles = nights.cycles_table(life, settings, np.random.default_rng([seed, 10]))
    return World(
        tables=_tables(life, cycles, seed, settings),
        cycles=cycles,
        truth=truth_table(life, settings),
        exposure_h=exposure_hours(life),
        utc_offset_h=settings.recording.local_utc_offset_h,
    )


def write_exports(world: World, folder: Path) -> list[Export]:
    """The squad's data as its sources would export them, below `folder`, in the order to ingest them."""
    return write_exports_of(world.tables, world.cycles, world.utc_offset_h, folder)


def write_truth(world: World, folder: Path) -> Path:
    """The sealed truth as Parquet in `folder`; keep it apart from the exports."""
    return write_truth_of(world.truth, folder)


def _tables(life: Life, cycles: pd.DataFrame, seed: int, settings: Settings) -> dict[str, pd.DataFrame]:
    """All contract tables, each drawn from its own stream of randomness."""
    rng = [np.random.default_rng([seed, stream]) for stream in range(11, 17)]
    worn = nights.wearable_table(cycles, life, settings)
    injuries, returns = records.injury_tables(life, settings, rng[0])
    return empty_tables() | {
        "athletes": records.athletes_table(life, settings),
        "sessions": daily_records.sessions_table(life, settings, rng[1]),
        "strength_tests": tests_done.strength_table(life, settings, rng[2]),
        "screenings": tests_done.screenings_table(life, settings, rng[3]),
        "wearable_days": worn,
        "wellness": daily_records.wellness_table(life, settings, rng[4]),
        "interventions": daily_records.interventions_table(life, settings, rng[5]),
        "injuries": injuries,
        "returns": returns,
        "coverage": records.coverage_table(life, worn),
    }
