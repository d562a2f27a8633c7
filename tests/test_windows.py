"""Window features agree with an independent loop on random worlds, and with literal tables."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs.errors import SystemRefused
from features import native
from features.build import CHUNK, build_features, build_values
from features.derived import DERIVATIONS
from features.specs import WindowSpec
from features.windows import AGGREGATES, REASONS
from tests import oracle
from tests.worlds import STEADY_LOAD, instant, moments, random_world, rough_moments, rough_world, table_of

BASE = WindowSpec(
    name="x", label="x", factor="overload", unit="AU", direction="+", evidence="D", reference="assumption",
    table="sessions", column="load_au", aggregate="sum", window_days=7,
)  # fmt: skip


OF_OTHER_KINDS: tuple[dict[str, Any], ...] = (
    {"column": "max_speed_m_s", "window_days": 14, "where": {"kind": ("match",)}},
    {"column": "high_speed_distance_m", "window_days": 14},
    {"column": "load_au", "window_days": 10, "at_least": STEADY_LOAD, "min_covered_share": 0.3},
    {"table": "wearable_days", "column": "sleep_h", "window_days": 14},
    {"table": "screenings", "column": "value", "window_days": 14},
    {"table": "strength_tests", "column": "peak_force_n", "window_days": 60, "where": {"limb": ("left", "both")}},
    {"table": "interventions", "column": "dose", "window_days": 21, "where": {"kind": ("nordic",)}},
    {"table": "injuries", "column": "injury_id", "window_days": 365, "min_covered_share": 0.1},
)
"""Beside loads: filters, speeds that must agree, values that must reach something, two devices a night, signed values,
tables in which an absent row means nothing, text."""


def rough_variants() -> list[WindowSpec]:
    """Every aggregate on tables and columns of every kind, with and without a value for windows of rest."""
    specs = variants()
    for aggregate in sorted(AGGREGATES):
        specs += [dataclasses.replace(BASE, aggregate=aggregate, **other) for other in OF_OTHER_KINDS]
    for aggregate in ("sum", "count", "day_count"):
        specs += [dataclasses.replace(BASE, aggregate=aggregate, empty=0.0, **other) for other in OF_OTHER_KINDS]
    return [dataclasses.replace(spec, name=f"f{number}") for number, spec in enumerate(specs)]


def variants() -> list[WindowSpec]:
    """Every aggregate over several windows, lags, filters and rules for empty windows."""
    specs = []
    for aggregate in sorted(set(AGGREGATES) - {"years_since"}):
        for window, lag in ((1, 0), (7, 0), (7, 7), (28, 0)):
            specs.append(dataclasses.replace(BASE, aggregate=aggregate, window_days=window, lag_days=lag))
    for aggregate in ("sum", "count", "day_count"):
        specs.append(dataclasses.replace(BASE, aggregate=aggregate, empty=0.0))
        specs.append(dataclasses.replace(BASE, aggregate=aggregate, empty=0.0, at_least=400.0))
        specs.append(dataclasses.replace(BASE, aggregate=aggregate, empty=0.0, where={"kind": ("match",)}))
    wellness = dataclasses.replace(BASE, table="wellness", column="soreness")
    for aggregate in ("mean", "spread", "covered_share_pct", "longest_run_days", "last"):
        specs.append(dataclasses.replace(wellness, aggregate=aggregate, window_days=14))
    specs.append(
        dataclasses.replace(wellness, aggregate="longest_run_days", at_least=6.0, empty=0.0, min_covered_share=0.3)
    )
    nordic = dataclasses.replace(BASE, table="strength_tests", column="peak_force_n", window_days=60)
    for aggregate in ("last", "max", "days_since"):
        specs.append(dataclasses.replace(nordic, aggregate=aggregate, where={"limb": ("left",)}))
    return [dataclasses.replace(spec, name=f"f{number}") for number, spec in enumerate(specs)]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))])
def test_every_aggregate_equals_an_independent_loop_on_random_worlds(seed: int) -> None:
    tables = random_world(seed)
    index = moments(tables, seed + 100)
    specs = variants()
    built = build_features(index, tables, specs).values
    world = oracle.plain(tables)
    for spec in specs:
        expected = np.array([oracle.value(moment, world, spec) for moment in index.itertuples()])
        np.testing.assert_allclose(
            built[spec.name], expected, rtol=1e-9, atol=0, err_msg=f"seed {seed}, {spec}", equal_nan=True
        )


ROUGH_SEEDS = [
    0, 1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow),
    *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 9)),
]  # fmt: skip


@pytest.mark.parametrize("seed", ROUGH_SEEDS)
def test_every_aggregate_equals_an_independent_loop_on_rough_worlds_and_is_exactly_0_where_the_answer_is(
    seed: int,
) -> None:
    world = rough_world(seed)
    index = rough_moments(world, seed + 100, count=30)
    specs = rough_variants()
    built = build_features(index, world.tables, specs).values
    rows = oracle.plain(world.tables)
    zeros: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    for spec in specs:
        expected = np.array([oracle.value(moment, rows, spec) for moment in index.itertuples()])
        np.testing.assert_allclose(
            built[spec.name], expected, rtol=1e-9, atol=0, err_msg=f"seed {seed}, {spec}", equal_nan=True
        )
        zeros[spec.aggregate] += int((expected == 0).sum())
        filled[spec.aggregate] += int((~np.isnan(expected)).sum())
    assert min(filled[aggregate] for aggregate in AGGREGATES) > 20
    assert min(zeros[aggregate] for aggregate in ("sum", "min", "spread", "daily_spread", "covered_share_pct")) > 0
    assert zeros.total() > 200


def one_athlete(loads: dict[int, float]) -> dict[str, pd.DataFrame]:
    """One session on each of these days, known in the evening; a source in use for 60 days."""
    first = pd.Timestamp("2024-01-01")
    stretch = {"athlete_id": "A0", "table": "sessions", "source": "test", "first_date": first, "known_at": instant(0)}
    rows = [
        {"athlete_id": "A0", "session_id": f"s{day}", "date": first + pd.Timedelta(days=day), "load_au": load,
         "known_at": instant(day + 0.8)}
        for day, load in loads.items()
    ]  # fmt: skip
    return random_world(61) | {
        "coverage": table_of([{**stretch, "last_date": first + pd.Timedelta(days=60)}], "coverage"),
        "sessions": table_of(rows, "sessions"),
    }


def on_days(*days: float) -> pd.DataFrame:
    """Moments of that athlete, as days and fractions of a day since the start."""
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.floor(days), unit="D")
    index = pd.DataFrame({"athlete_id": "A0", "date": dates, "as_of": [instant(day) for day in days]})
    return index.astype({"athlete_id": "str", "date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})


@pytest.mark.parametrize("aggregate", ["spread", "daily_spread", "daily_slope"])
def test_spread_and_slope_of_equal_values_are_exactly_0(aggregate: str) -> None:
    tables = one_athlete(dict.fromkeys(range(7), 123.4))
    spec = dataclasses.replace(BASE, aggregate=aggregate)
    assert build_features(on_days(4.9, 5.9, 6.9), tables, [spec]).values["x"].tolist() == [0.0, 0.0, 0.0]


def test_the_slope_of_equal_values_around_a_day_of_rest_is_exactly_0() -> None:
    tables = one_athlete({day: 123.4 for day in range(7) if day != 3})
    slope = dataclasses.replace(BASE, aggregate="daily_slope")
    assert build_features(on_days(6.9), tables, [slope]).values["x"].tolist() == [0.0]


@pytest.mark.parametrize("corrected", [0.95, 2.5])
def test_a_row_is_seen_from_its_own_instant_on_and_no_longer_at_the_one_that_supersedes_it(corrected: float) -> None:
    tables = one_athlete({0: 100.0})
    gone = instant(corrected)
    old = tables["sessions"].assign(superseded_at=gone).astype({"superseded_at": "datetime64[us, UTC]"})
    new = tables["sessions"].assign(known_at=gone, load_au=300.0)
    tables["sessions"] = pd.concat([old, new.astype({"known_at": "datetime64[us, UTC]"})], ignore_index=True)
    index = on_days(0.8, 0.8, corrected, corrected)
    index["as_of"] -= pd.to_timedelta([1, 0, 1, 0], unit="us")
    built = build_features(index, tables, [dataclasses.replace(BASE, aggregate="sum")]).values["x"]
    np.testing.assert_array_equal(built, [np.nan, 100.0, 100.0, 300.0])


def test_a_slope_takes_days_of_rest_as_0_and_three_days_at_least() -> None:
    tables = one_athlete({0: 300.0, 2: 900.0})
    slope = dataclasses.replace(BASE, aggregate="daily_slope", min_covered_share=0.0)
    built = build_features(on_days(0.9, 1.9, 2.9, 3.9, 4.9), tables, [slope]).values["x"]
    np.testing.assert_allclose(built, [np.nan, np.nan, 300.0, 0.0, -60.0])


def test_days_since_rest_count_from_the_newest_covered_day_without_a_session() -> None:
    tables = one_athlete({0: 300.0, 2: 900.0, 3: 0.0})
    rest = dataclasses.replace(BASE, aggregate="days_since_rest", min_covered_share=0.0)
    lagged = dataclasses.replace(rest, name="y", lag_days=3)
    built = build_features(on_days(0.9, 1.9, 3.9, 4.9), tables, [rest, lagged]).values
    np.testing.assert_array_equal(built["x"], [np.nan, 0, 2, 0])
    np.testing.assert_array_equal(built["y"], [np.nan, np.nan, np.nan, 3])


def test_all_moments_at_once_equal_one_moment_at_a_time_bit_for_bit() -> None:
    tables = random_world(11)
    index = moments(tables, 12)
    together = build_features(index, tables, variants()).values
    for row in range(len(index)):
        alone = build_features(index.iloc[[row]], tables, variants()).values
        pd.testing.assert_frame_equal(together.iloc[[row]], alone, check_exact=True)


def test_many_moments_shared_out_among_threads_equal_a_few_bit_for_bit() -> None:
    tables = random_world(11)
    index = moments(tables, 12).sort_values(["athlete_id", "date"], ignore_index=True)
    few = build_features(index, tables, variants()).values
    times = 3 * CHUNK // len(index) + 1
    many = build_features(pd.concat([index] * times, ignore_index=True), tables, variants()).values
    pd.testing.assert_frame_equal(many, pd.concat([few] * times, ignore_index=True), check_exact=True)


def test_every_build_of_the_kernel_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = random_world(13)
    index = moments(tables, 14)
    plain = build_values(index, tables, variants())
    for level in range(native.library().vector_level() + 1):
        built = native.load(level)
        monkeypatch.setattr(native, "library", lambda built=built: built)
        pd.testing.assert_frame_equal(build_values(index, tables, variants()), plain, check_exact=True)


def test_rows_known_after_the_moment_change_nothing() -> None:
    tables = random_world(21)
    index = moments(tables, 22)
    specs = variants()
    full = build_features(index, tables, specs).values
    for row in range(0, len(index), 5):
        as_of = index["as_of"].iloc[row]
        known = {name: table[table["known_at"] <= as_of] for name, table in tables.items()}
        cut = build_features(index.iloc[[row]], known, specs).values
        pd.testing.assert_frame_equal(full.iloc[[row]], cut, check_exact=True)


def test_a_missing_value_always_has_a_reason_and_a_present_one_a_date() -> None:
    tables = random_world(31)
    built = build_features(moments(tables, 32), tables, variants())
    missing = built.values.isna()
    assert (built.reasons.notna() == missing).all(axis=None)
    dated = [spec.name for spec in variants() if spec.empty is None and spec.aggregate in ("mean", "last", "max")]
    assert (built.value_dates[dated].notna() == ~missing[dated]).all(axis=None)


def test_an_exponential_average_ends_with_the_source_it_lives_on() -> None:
    tables = random_world(41)
    last = tables["coverage"]["last_date"].max()
    day = last + pd.Timedelta(days=40)
    index = pd.DataFrame({"athlete_id": ["A0"], "date": [day], "as_of": [day.tz_localize("UTC")]})
    index = index.astype({"athlete_id": "str", "date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})
    average = dataclasses.replace(BASE, aggregate="exponential", window_days=28)
    built = build_features(index, tables, [average])
    assert built.values["x"].isna().all()
    assert built.reasons["x"].tolist() == ["no source in use on enough days of the window"]


def test_the_prediction_day_is_no_day_of_rest_and_later_coverage_is_not_foreseen() -> None:
    tables = random_world(51)
    first = pd.Timestamp("2024-01-01")
    stretch = {"athlete_id": "A0", "table": "sessions", "source": "test", "first_date": first}
    rows = [{**stretch, "last_date": first + pd.Timedelta(days=90), "known_at": instant(1.25)}]
    session = {"session_id": "s", "athlete_id": "A0", "date": first, "known_at": instant(0.8), "load_au": 600.0}
    tables |= {"coverage": table_of(rows, "coverage"), "sessions": table_of([session], "sessions")}
    index = pd.DataFrame({"athlete_id": ["A0"], "date": [first + pd.Timedelta(days=6)], "as_of": [instant(6.29)]})
    index = index.astype({"athlete_id": "str", "date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})
    mean = dataclasses.replace(BASE, aggregate="daily_mean", window_days=7)
    assert build_features(index, tables, [mean]).values["x"].tolist() == [600.0 / 6]


def test_distances_above_different_speeds_are_refused_and_both_speeds_named() -> None:
    first = pd.Timestamp("2024-01-01")
    stretch = {"athlete_id": "A0", "table": "sessions", "source": "test", "first_date": first, "known_at": instant(0)}
    session = {"athlete_id": "A0", "high_speed_distance_m": 400.0}
    rows = [
        {**session, "session_id": f"s{day}", "date": first + pd.Timedelta(days=day), "known_at": instant(day + 0.8),
         "high_speed_threshold_m_s": speed}
        for day, speed in ((0, 5.5), (5, 7.0))
    ]  # fmt: skip
    tables = random_world(61) | {
        "coverage": table_of([{**stretch, "last_date": first + pd.Timedelta(days=60)}], "coverage"),
        "sessions": table_of(rows, "sessions"),
    }
    days = pd.DatetimeIndex([first + pd.Timedelta(days=6), first + pd.Timedelta(days=9)]).as_unit("us")
    index = pd.DataFrame({"athlete_id": ["A0", "A0"], "date": days, "as_of": [instant(6.29), instant(9.29)]})
    index = index.astype({"athlete_id": "str", "as_of": "datetime64[us, UTC]"})
    distance = dataclasses.replace(BASE, column="high_speed_distance_m", empty=0.0)
    built = build_features(index, tables, [distance])
    assert built.reasons["x"].tolist() == ["thresholds of 5.5 and 7 m/s cannot be added up", None]
    assert built.values["x"].tolist()[1] == 400.0


def gps_club(loads_from: int | None) -> dict[str, pd.DataFrame]:
    """A source in use for sixty days with a session every second day; loads are recorded from one day on, or never."""
    first = pd.Timestamp("2024-01-01")
    stretch = {
        "athlete_id": "A0",
        "table": "sessions",
        "source": "test",
        "first_date": first,
        "known_at": instant(0.25),
    }
    rows = [
        {"athlete_id": "A0", "session_id": f"s{day}", "date": first + pd.Timedelta(days=day), "distance_m": 5000.0,
         "known_at": instant(day + 0.8), "load_au": 300.0 if loads_from is not None and day >= loads_from else np.nan}
        for day in range(0, 50, 2)
    ]  # fmt: skip
    return random_world(61) | {
        "coverage": table_of(
            [{**stretch, "last_date": first + pd.Timedelta(days=60), "known_at": instant(0.25)}], "coverage"
        ),
        "sessions": table_of(rows, "sessions"),
    }


@pytest.mark.parametrize("aggregate", ["sum", "daily_mean", "daily_spread", "daily_slope", "exponential"])
def test_what_was_never_recorded_is_missing_with_a_reason_and_no_day_of_rest(aggregate: str) -> None:
    empty = 0.0 if aggregate == "sum" else None
    spec = dataclasses.replace(BASE, aggregate=aggregate, empty=empty)
    built = build_features(on_days(57.3), gps_club(None), [spec])
    assert built.values["x"].isna().all()
    assert built.reasons["x"].tolist() == ["none recorded for 7 days"]
    rested = build_values(on_days(57.3), gps_club(0), [spec])["x"].item()
    assert rested > 0 if aggregate == "exponential" else rested == 0


def test_an_exponential_average_begins_with_the_column_and_not_with_the_source() -> None:
    average = dataclasses.replace(BASE, aggregate="exponential", window_days=28)
    late = build_values(on_days(45.3), gps_club(20), [average])["x"].tolist()
    keep = 1 - 2 / 29
    weights = {day: keep ** (45 - day) for day in range(20, 46)}
    expected = sum(300 * weight for day, weight in weights.items() if day % 2 == 0) / sum(weights.values())
    np.testing.assert_allclose(late, [expected], rtol=1e-12)


@pytest.mark.parametrize("hours_to_utc", [-12, 0, 8])
def test_the_day_of_receipt_is_no_day_of_rest_in_any_time_zone(hours_to_utc: int) -> None:
    """The session and its coverage arrive at 20:00 of the first day, local time; at 07:00 of the next there is one."""
    first, zone = pd.Timestamp("2024-01-01"), hours_to_utc / 24
    stretch = {"athlete_id": "A0", "table": "sessions", "source": "test", "first_date": first}
    rows = [{**stretch, "last_date": first + pd.Timedelta(days=9), "known_at": instant(20 / 24 + zone)}]
    session = {
        "session_id": "s",
        "athlete_id": "A0",
        "date": first,
        "known_at": instant(20 / 24 + zone),
        "load_au": 300.0,
    }
    tables = random_world(61) | {"coverage": table_of(rows, "coverage"), "sessions": table_of([session], "sessions")}
    index = on_days(1.0).assign(as_of=[instant(1 + 7 / 24 + zone)]).astype({"as_of": "datetime64[us, UTC]"})
    mean = dataclasses.replace(BASE, aggregate="daily_mean", min_covered_share=0.0)
    assert build_values(index, tables, [mean])["x"].tolist() == [300.0]


def test_names_stand_in_the_order_of_the_kernel() -> None:
    folder = Path(native.__file__).parent
    source = (folder / "windows.c").read_text() + (folder / "derived.h").read_text()
    for kind, names in (("Aggregate", AGGREGATES), ("Reason", REASONS), ("Derivation", tuple(DERIVATIONS))):
        listed = re.search(rf"enum {kind} {{(.*?)}}", source, re.S)
        assert listed is not None
        order = [name.strip().lower() for name in listed[1].split(",")]
        spelt = {"mean_of_two": "mean", "none_in_window": "none in window"}
        assert [spelt.get(name, name.replace("_", " ") if kind == "Reason" else name) for name in order] == list(names)


def test_a_library_of_another_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_source_hash", lambda folder: "of other files")
    with pytest.raises(SystemRefused, match="not built from this version"):
        native.load(0)


def test_a_moment_without_an_instant_is_refused() -> None:
    index = on_days(6.9).assign(as_of=pd.Series([pd.NaT], dtype="datetime64[us, UTC]"))
    with pytest.raises(ValueError, match="date and an as_of"):
        build_values(index, random_world(61), [BASE])
