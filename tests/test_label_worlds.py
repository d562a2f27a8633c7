"""Who is at risk and what happened agree with an independent loop on random worlds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from features.labels import at_risk_index, label
from features.target import Target, load_target
from tests import oracle
from tests.worlds import DAYS, START, Rough, rough_moments, rough_world

SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 10))]
CUT = START + pd.Timedelta(days=DAYS - 5)


def target_of(zone: str) -> Target:
    return Target(**{**load_target().__dict__, "time_zone": zone, "horizons_days": (1, 7, 14, 28)})


def of_zone(world: Rough, zone: str) -> dict[str, pd.DataFrame]:
    """The tables of the athletes of one time zone: a target has one."""
    names = [name for name, own in world.zones.items() if own == zone]
    return {name: table[table["athlete_id"].isin(names)] for name, table in world.tables.items()}


def seven_o_clock(day: pd.Timestamp, zone: str) -> pd.Timestamp:
    wall = datetime.combine(day.date(), time(7), tzinfo=ZoneInfo(zone))
    return pd.Timestamp(wall.astimezone(UTC)).as_unit("us")


@dataclass(frozen=True)
class AtRisk:
    """Athletes of one time zone on every third day: what at_risk_index keeps, and why the loop leaves a row out."""

    kept: pd.DataFrame
    attrition: dict[str, int]
    everyone: pd.DataFrame
    why: list[str | None]


def at_risk(world: Rough, zone: str) -> AtRisk:
    tables, target = of_zone(world, zone), target_of(zone)
    kept, attrition = at_risk_index(tables, target, START, START + pd.Timedelta(days=DAYS), every_days=3)
    rows = oracle.plain(tables)
    dates = pd.date_range(START, START + pd.Timedelta(days=DAYS), freq="3D", unit="us")
    everyone = pd.DataFrame(
        [
            {"athlete_id": name, "date": date, "as_of": seven_o_clock(date, zone)}
            for name in sorted(tables["athletes"]["athlete_id"].unique())
            for date in dates
        ]
    ).astype(kept.dtypes.to_dict())
    return AtRisk(
        kept, attrition, everyone, [oracle.why_not_at_risk(moment, rows, target) for moment in everyone.itertuples()]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_at_risk_equals_an_independent_loop_in_every_time_zone(seed: int) -> None:
    world = rough_world(seed)
    reasons: Counter[str] = Counter()
    for zone in sorted(set(world.zones.values())):
        found = at_risk(world, zone)
        expected = found.everyone[[reason is None for reason in found.why]].reset_index(drop=True)
        pd.testing.assert_frame_equal(found.kept, expected)
        assert found.attrition == dict(Counter(reason for reason in found.why if reason))
        reasons.update(found.attrition)
    assert {"injured", "left the squad", "no data yet"} <= set(reasons)


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_equal_an_independent_loop(seed: int) -> None:
    world = rough_world(seed)
    target = target_of("UTC")
    index = rough_moments(world, seed, count=200)
    found = label(index, world.tables, target, CUT).to_numpy()
    rows = oracle.plain(world.tables)
    expected = np.array([oracle.label(moment, rows, target, CUT) for moment in index.itertuples()])
    np.testing.assert_array_equal(found, expected)
    assert [(expected == value).sum() > 5 for value in (0, 1)] == [True, True]
    assert np.isnan(expected).sum() > 20
