"""Real beside simulated: the statistics on small literal tables, and how near the simulated squad comes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.tables import as_contract, empty_tables
from pipelines.simulate import simulate
from pipelines.simulation.marginals import Figure, Panel, main, panel, real_panels, summary, table

SHARED = Path(__file__).parents[2] / "shared" / "data"
DAYS = pd.date_range("2024-01-01", periods=70, unit="us")

NEAR = {
    "load: coefficient of variation of training days": 0.1,
    "load: share of zero days, form filled in": 0.1,
    "load: autocorrelation, 7 d": 0.1,
    "form: share of days without": 0.1,
    "fatigue: spread within an athlete": 0.25,
    "fatigue: autocorrelation, 1 d": 0.08,
    "fatigue: autocorrelation, 7 d": 0.08,
    "soreness: spread within an athlete": 0.25,
    "soreness: autocorrelation, 1 d": 0.1,
    "stress: autocorrelation, 1 d": 0.1,
    "mood: autocorrelation, 1 d": 0.1,
    "sleep h: spread within an athlete": 0.15,
}
"""How far from SoccerMon's value the simulated squad's may lie."""


def wide(values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"A": values}, index=DAYS[: len(values)])


def test_load_statistics_of_a_week_that_repeats() -> None:
    figures = summary(Panel({"load": wide([100.0, 0.0, 300.0, 0.0, 200.0, 0.0, 0.0] * 10)}))
    assert figures["load: share of zero days"].value == pytest.approx(4 / 7)
    assert figures["load: mean of a training day"].value == pytest.approx(200)
    assert figures["load: autocorrelation, 7 d"].value == pytest.approx(1)
    means = np.array([100, 0, 300, 0, 200, 0, 0])
    assert figures["load: spread of the weekday means / mean"].value == pytest.approx(means.std() / means.mean())


def test_forms_are_missing_between_the_first_and_the_last_one_only() -> None:
    forms = wide([np.nan, 5.0, np.nan, np.nan, 4.0, 5.0, np.nan])
    figures = summary(Panel({"fatigue": forms}))
    assert figures["form: share of days without"].value == pytest.approx(2 / 5)
    assert figures["form: missing after a missing day"].value == pytest.approx(1 / 2)


def test_a_day_is_zero_without_a_session_and_unknown_where_its_load_is() -> None:
    sessions = pd.DataFrame(
        {
            "session_id": ["S1", "S2", "S3"],
            "athlete_id": "A",
            "date": DAYS[[0, 0, 2]],
            "load_au": [100.0, 50.0, np.nan],
        }
    )
    coverage = pd.DataFrame({"athlete_id": ["A"], "table": "sessions", "first_date": DAYS[[0]], "last_date": DAYS[[3]]})
    contract = {"sessions": as_contract(sessions, "sessions"), "coverage": as_contract(coverage, "coverage")}
    tables = empty_tables() | {name: rows.assign(superseded_at=pd.NaT) for name, rows in contract.items()}
    load = panel(tables, "load_au").measures["load"]["A"]
    np.testing.assert_array_equal(load, [150, 0, np.nan, 0])


def test_the_table_shows_an_interval_where_there_is_one_and_nothing_where_there_is_no_figure() -> None:
    text = table({"one": {"x": Figure(0.5, 0.25, 0.75)}, "two": {"y": Figure(123.4, np.nan, np.nan)}})
    assert text.splitlines() == [
        "| | one | two |",
        "|---|---|---|",
        "| x | 0.50 (0.25 to 0.75) |  |",
        "| y |  | 123 |",
    ]


@pytest.mark.slow
def test_the_simulated_squad_comes_near_the_real_one_in_what_is_compared() -> None:
    if not (SHARED / "soccermon").exists():
        pytest.skip("real data absent: ../shared/data/soccermon")
    real = summary(real_panels(SHARED)["soccermon"])
    simulated = summary(panel(simulate(60, 1, 2).tables, "load_au"))
    off = {name: (simulated[name].value, real[name].value) for name in NEAR}
    assert {name: both for name, both in off.items() if abs(both[0] - both[1]) > NEAR[name]} == {}


def test_the_command_writes_table_and_figure_without_any_real_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--athletes", "6", "--seasons", "1"])
    text = (tmp_path / "out" / "marginals.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    assert text.startswith("| | simulated |\n")
    assert (tmp_path / "out" / "marginals.svg").read_text(encoding="utf-8").startswith("<?xml")
