"""The whole job on small squads gives the numbers that it gave before; a change of numbers shows up as a diff.

After an intended change of numbers, write the golden file anew and look at the diff:

    python -m tests.test_golden_demo
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.build import build_features
from features.row_facts import prepare
from features.specs import load_specs
from features.tables import SUPERSEDED_AT, TABLES, as_contract
from features.target import load_target
from models.gate import load_limits
from pipelines.daily import score_database, score_day
from pipelines.data import Store, open_store, read_tables
from pipelines.ingest import ingest
from pipelines.promote import train_and_ask
from pipelines.recipe import load_recipe
from tests.squad import write_csv
from tests.worlds import START, instant, random_world

ROOT = Path(__file__).parents[1]
CONFIGS = Path(__file__).parent / "golden" / "configs"
GOLDEN = Path(__file__).parent / "golden" / "expected.json"
DATE = START + pd.Timedelta(days=64)
ATHLETES = ("A2", "A4")
MADE_AT = datetime(2024, 6, 1, 12, tzinfo=UTC)

INJURIES = (("A0", 33), ("A1", 47), ("A2", 41), ("A3", 52), ("A5", 55))
"""Athlete and day of onset; each is out for eight days."""


# --- golden numbers -------------------------------------------------------------------------------


def golden_store(folder: Path) -> Store:
    """Six random athletes with late and corrected rows and five hamstring injuries, ingested from CSV files.

    Thirty-one sessions say nothing but a speed: they are quarantined.
    """
    tables = {**random_world(7, athletes=6), **injuries()}
    source = folder / "exports"
    source.mkdir()
    for name, rows in tables.items():
        if len(rows):
            write_csv(rows, name, source)
    store = open_store(folder / "store")
    assert ingest(store, "csv", source, now=MADE_AT).quarantined == 31
    return store


def injuries() -> dict[str, pd.DataFrame]:
    rows = [
        {
            "injury_id": f"I{number}", "athlete_id": athlete, "date": START + pd.Timedelta(days=day),
            "known_at": instant(day + 0.8), "body_area": "thigh", "tissue": "muscle", "muscle_group": "hamstring",
            "side": "left", "contact": "none",
        }
        for number, (athlete, day) in enumerate(INJURIES)
    ]  # fmt: skip
    returns = [
        {
            **{key: row[key] for key in ("injury_id", "athlete_id")},
            "date": START + pd.Timedelta(days=day + 8),
            "known_at": instant(day + 8.2),
        }
        for row, (_, day) in zip(rows, INJURIES, strict=True)
    ]
    frames = {"injuries": pd.DataFrame(rows), "returns": pd.DataFrame(returns)}
    return {
        name: as_contract(frame.reindex(columns=[*TABLES[name].names, SUPERSEDED_AT]), name)
        for name, frame in frames.items()
    }


def features_of(store: Store) -> dict[str, dict[str, float | None]]:
    """The features of ATHLETES on DATE, None where missing."""
    target = load_target(CONFIGS)
    date = pd.DatetimeIndex([DATE] * len(ATHLETES)).as_unit("us")
    index = pd.DataFrame({"athlete_id": ATHLETES, "date": date, "as_of": target.as_of(date)})
    built = build_features(index, prepare(read_tables(store), target), load_specs(CONFIGS)).values
    rows = built.astype(object).where(built.notna(), None).to_dict("records")
    return {name: {str(key): value for key, value in row.items()} for name, row in zip(ATHLETES, rows, strict=True)}


def scores_of(store: Store) -> dict[str, dict[str, dict[str, float]]]:
    """Probability, bounds, base and sum of contributions of ATHLETES on DATE, by horizon, from the database."""
    until = START + pd.Timedelta(days=62)
    train_and_ask(store, load_recipe(CONFIGS), until, MADE_AT, lambda *_: None, load_limits())
    score_day(store, f"{DATE:%Y-%m-%d}", MADE_AT)
    database = score_database(store)
    try:
        said, why = database.predictions(), database.explanations()
    finally:
        database.close()
    total = why.groupby(["athlete_id", "horizon_days"])["contribution"].sum()
    said = said.set_index(["athlete_id", "horizon_days"]).join(total.rename("contributions"))
    shown = said[["probability", "lower", "upper", "base_log_odds", "contributions"]].fillna({"contributions": 0.0})
    rows = dict(zip(shown.index, shown.to_dict("records"), strict=True))
    return {name: {str(horizon): rows[name, horizon] for horizon in (7, 14, 28)} for name in ATHLETES}


def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


def test_features_are_those_of_the_golden_file(tmp_path: Path) -> None:
    found, golden = features_of(golden_store(tmp_path)), expected()["features"]
    assert {name: list(row) for name, row in found.items()} == {name: list(row) for name, row in golden.items()}
    for athlete in ATHLETES:
        for name, value in golden[athlete].items():
            if value is None:
                assert found[athlete][name] is None, (athlete, name)
            else:
                assert found[athlete][name] == pytest.approx(value, rel=1e-9, abs=1e-12), (athlete, name)


@pytest.mark.slow
def test_probabilities_and_explanations_are_those_of_the_golden_file(tmp_path: Path) -> None:
    found, golden = scores_of(golden_store(tmp_path)), expected()["scores"]
    for athlete in ATHLETES:
        for horizon, numbers in golden[athlete].items():
            for name, value in numbers.items():
                assert found[athlete][horizon][name] == pytest.approx(value, abs=1e-6), (athlete, horizon, name)


def test_the_golden_file_tells_something() -> None:
    golden = expected()
    values = [value for row in golden["features"].values() for value in row.values()]
    assert sum(value is not None for value in values) > 0.8 * len(values)
    probabilities = {row["28"]["probability"] for row in golden["scores"].values()}
    assert len(probabilities) == len(ATHLETES)


# --- the demo -------------------------------------------------------------------------------------


def told(out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All that a demo's store says, but for the version and the clock."""
    database = score_database(open_store(out / "store"))
    try:
        frames = database.predictions(), database.explanations()
    finally:
        database.close()
    said, why = (frame.drop(columns=["model_version", "made_at"], errors="ignore") for frame in frames)
    return said, why


@pytest.mark.slow
def test_a_demo_made_anew_in_its_folder_says_the_same_and_names_the_highest_scores(tmp_path: Path) -> None:
    """Each run in a process of its own: MLflow keeps a database open that the second run deletes."""
    out = tmp_path / "demo"
    command = ["-m", "tests.run", "demo", "--out", str(out), "--athletes", "8", "--seasons", "1", "--json"]
    demos, stored = [], []
    for _ in range(2):
        ran = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert (ran.returncode, ran.stderr) == (0, "")
        demos.append(json.loads(ran.stdout))
        stored.append(told(out))
    assert [demos[0][key] for key in ("highest", "notes")] == [demos[1][key] for key in ("highest", "notes")]
    for left, right in zip(*stored, strict=True):
        pd.testing.assert_frame_equal(left, right, check_exact=True)
    assert_names_the_highest(demos[1], stored[1][0])
    assert [path.name for path in (out / "store" / "reports").iterdir()] == [Path(demos[1]["report"]).name]


def assert_names_the_highest(demo: dict[str, Any], said: pd.DataFrame) -> None:
    """The three highest scores of the last of nine Mondays, each with reasons; all who are scored are in the report."""
    assert said["as_of"].nunique() == 9
    last = said[(said["as_of"] == said["as_of"].max()) & (said["horizon_days"] == 7) & ~said["abstained"]]
    assert len(demo["highest"]) == 3
    top = last.nlargest(3, "probability", keep="all")["athlete_id"]
    assert {line.split(":")[0] for line in demo["highest"]} <= set(top)
    assert all(" in 7 days, raised by " in line for line in demo["highest"])
    html = Path(demo["report"]).read_text(encoding="utf-8")
    assert [name for name in last["athlete_id"] if name not in html] == []
    assert "say nothing about real athletes" in demo["notes"][0]


def write_golden() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = golden_store(Path(folder))
        content = {"features": features_of(store), "scores": scores_of(store)}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_golden()
