"""Arithmetic on features already built: each derivation by a small table, and what is undefined is missing."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from features.build import build_features, build_values
from features.derived import DERIVATIONS
from features.specs import DerivedSpec, FeatureSpec, WindowSpec
from features.tables import empty_tables
from tests.worlds import START, instant, moments, random_world, table_of

NAN = math.nan
LOADS = ("masked_load_1", "masked_load_2", "masked_load_3")


def derive(name: str, *inputs: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """One derivation of columns of equal length: each row is an athlete whose one session holds the inputs."""
    columns = [np.asarray(values, dtype=np.float64) for values in inputs]
    who = [f"A{number:03d}" for number in range(len(columns[0]))]
    sessions: list[dict[str, object]] = [
        {"session_id": each, "athlete_id": each, "date": START, "known_at": instant(0.5), "kind": "training",
         **dict(zip(LOADS, row, strict=False))}
        for each, row in zip(who, np.column_stack(columns), strict=True)
    ]  # fmt: skip
    used: dict[str, object] = {"table": "sessions", "source": "x", "first_date": START, "last_date": START}
    coverage = [{"athlete_id": each, "known_at": instant(0.1), **used} for each in who]
    tables = {
        **empty_tables(), "sessions": table_of(sessions, "sessions"), "coverage": table_of(coverage, "coverage")
    }  # fmt: skip
    index = pd.DataFrame({"athlete_id": pd.Series(who, dtype="str"), "date": START, "as_of": instant(0.9)})
    given: list[FeatureSpec] = [
        window(load, column=load, aggregate="last", window_days=1) for load in LOADS[: len(columns)]
    ]
    return build_values(index, tables, [*given, derived("found", name, *LOADS[: len(columns)])])["found"].to_numpy()


@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        ("ratio", (3, 2), 1.5),
        ("ratio", (3, 0), NAN),
        ("ratio", (0, 0), NAN),
        ("ratio", (0, 2), 0),
        ("share_pct", (1, 4), 25),
        ("share_pct", (1, 0), NAN),
        ("difference", (3, 5), -2),
        ("product", (3, 5), 15),
        ("mean", (3, 5), 4),
        ("change_pct", (9, 12), -25),
        ("change_pct", (9, 0), NAN),
        ("asymmetry_pct", (300, 400), 25),
        ("asymmetry_pct", (400, 300), 25),
        ("asymmetry_pct", (0, 0), NAN),
        ("signed_asymmetry_pct", (300, 400), 25),
        ("signed_asymmetry_pct", (400, 300), -25),
        ("z_score", (7, 5, 4), 0.5),
        ("z_score", (7, 5, 0), NAN),
        ("per_week", (2,), 14),
        ("residual_of_week", (60, 5, 2), 6),
        ("residual_of_week", (60, 5, -2), 104),
        ("residual_of_week", (5, 5, 0), 0),
    ],
)
def test_a_derivation_computes_what_it_says(name: str, inputs: tuple[float, ...], expected: float) -> None:
    found = derive(name, *([value] for value in inputs))
    np.testing.assert_array_equal(found, [expected])
    assert DERIVATIONS[name].inputs == len(inputs)


@pytest.mark.parametrize("name", sorted(DERIVATIONS))
def test_a_missing_input_makes_the_result_missing(name: str) -> None:
    count = DERIVATIONS[name].inputs
    for missing in range(count):
        inputs = [[NAN if number == missing else 2.0] for number in range(count)]
        assert np.isnan(derive(name, *inputs)).all(), missing


@pytest.mark.parametrize("name", sorted(DERIVATIONS))
def test_no_derivation_gives_infinity(name: str) -> None:
    draw = np.random.default_rng(1)
    inputs = [draw.choice([-2.0, 0.0, 0.5, 3.0, NAN], 200) for _ in range(DERIVATIONS[name].inputs)]
    assert not np.isinf(derive(name, *inputs)).any()


def window(name: str, **settings: object) -> WindowSpec:
    base = {
        "label": name, "factor": "overload", "unit": "AU", "direction": "0", "evidence": "assumption",
        "reference": "assumption", "table": "sessions", "column": "load_au", "aggregate": "daily_mean",
        "window_days": 7,
    }  # fmt: skip
    return WindowSpec(**{"name": name, **base, **settings})  # type: ignore[arg-type]


def derived(name: str, derive: str, *inputs: str) -> DerivedSpec:
    return DerivedSpec(
        name=name, label=name, factor="overload", unit="1", direction="0", evidence="assumption",
        reference="assumption", derive=derive, inputs=inputs,
    )  # fmt: skip


def test_a_derived_feature_follows_its_inputs_row_by_row_and_takes_their_date_and_reason() -> None:
    tables = random_world(5)
    specs: list[FeatureSpec] = [
        window("week"),
        window("weeks", window_days=28, lag_days=7),
        derived("ratio", "ratio", "week", "weeks"),
        derived("change_of_ratio", "difference", "ratio", "week"),
    ]
    built = build_features(moments(tables, 6), tables, specs)
    values, reasons = built.values, built.reasons
    expected = values["week"] / values["weeks"].where(values["weeks"] != 0)
    pd.testing.assert_series_equal(values["ratio"], expected, check_names=False)
    pd.testing.assert_series_equal(values["change_of_ratio"], expected - values["week"], check_names=False)
    there = values["ratio"].notna()
    assert 10 < there.sum() < len(there)
    assert (built.value_dates.loc[there, "ratio"] == built.value_dates.loc[there, "week"]).all()
    assert built.value_dates.loc[~there, "ratio"].isna().all()
    lacking = values["week"].isna()
    assert (reasons.loc[lacking, "ratio"] == reasons.loc[lacking, "week"]).all()
    only_second = ~lacking & values["weeks"].isna()
    assert (reasons.loc[only_second, "ratio"] == reasons.loc[only_second, "weeks"]).all()


def loads_of_days(loads: list[float]) -> dict[str, pd.DataFrame]:
    """One athlete with a session of each load per day from START on; a load of 0 is a covered day without a session."""
    rows: list[dict[str, object]] = [
        {
            "session_id": f"s{number}", "athlete_id": "A", "date": START + pd.Timedelta(days=number),
            "known_at": instant(number + 0.8), "kind": "training", "load_au": load,
        }
        for number, load in enumerate(loads) if load
    ]  # fmt: skip
    last = START + pd.Timedelta(days=len(loads) - 1)
    span: dict[str, object] = {
        "athlete_id": "A", "table": "sessions", "source": "club", "first_date": START, "last_date": last,
        "known_at": instant(0.1),
    }  # fmt: skip
    return {**empty_tables(), "sessions": table_of(rows, "sessions"), "coverage": table_of([span], "coverage")}


RESIDUAL: list[FeatureSpec] = [
    window("week"),
    window("line_mean", window_days=42, lag_days=7),
    window("line_slope", window_days=42, lag_days=7, aggregate="daily_slope"),
    derived("residual", "residual_of_week", "week", "line_mean", "line_slope"),
]


def residual_of(loads: list[float]) -> float:
    evening = pd.DataFrame(
        {
            "athlete_id": pd.Series(["A"], dtype="str"),
            "date": pd.Series([START + pd.Timedelta(days=len(loads) - 1)]).astype("datetime64[us]"),
            "as_of": pd.Series([instant(len(loads) - 0.1)]).astype("datetime64[us, UTC]"),
        }
    )
    return float(build_features(evening, loads_of_days(loads), RESIDUAL).values["residual"].iloc[0])


def test_a_week_that_goes_on_as_the_six_weeks_before_rose_has_no_residual() -> None:
    assert residual_of([100 + 3 * day for day in range(49)]) == pytest.approx(0, abs=1e-9)


def test_the_residual_of_a_week_is_what_it_lies_above_the_prolonged_line() -> None:
    assert residual_of([100 - 2 * day + (7 if day >= 42 else 0) for day in range(49)]) == pytest.approx(7)
    assert residual_of([60.0] * 42 + [0.0] * 7) == pytest.approx(-60)


def test_the_middle_of_the_week_lies_24_and_a_half_days_after_that_of_the_line() -> None:
    first_middle, last_middle = sum(range(42)) / 42, sum(range(42, 49)) / 7
    distance = derive("residual_of_week", [0], [0], [-1])[0]
    assert distance == last_middle - first_middle == 24.5


def test_a_result_that_cannot_be_computed_says_so() -> None:
    tables = random_world(5)
    specs = [window("none", aggregate="sum", at_least=1e6, empty=0.0), derived("r", "ratio", "none", "none")]
    built = build_features(moments(tables, 6), tables, specs)
    zero = built.values["none"] == 0
    assert zero.any()
    assert (built.reasons.loc[zero, "r"] == "cannot be computed from these values").all()
