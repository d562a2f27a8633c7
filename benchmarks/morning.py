"""One morning of a squad of 40 with two seasons behind it: every feature of configs/features.toml, and a cold start.

python -m benchmarks.morning FOLDER      one cold process: tables from Parquet, prepared, features built
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import report
from features.build import build_features
from features.row_facts import prepare
from features.specs import load_specs
from features.tables import TABLES
from features.target import load_target

ATHLETES, SEASONS = 40, 2
GOAL_MS = 50


def morning(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Every athlete on the last day of the data."""
    last = tables["sessions"]["date"].max()
    athletes = np.sort(tables["athletes"]["athlete_id"].unique())
    as_of = load_target().as_of(pd.DatetimeIndex([last]))[0]
    index = pd.DataFrame({"athlete_id": pd.array(athletes, dtype="str"), "date": last, "as_of": as_of})
    return index.astype({"date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})


def table(rounds: int) -> None:
    from pipelines.simulate import simulate

    tables = dict(simulate(ATHLETES, SEASONS).tables)
    target, specs = load_target(), load_specs()
    prepared, index = prepare(tables, target), morning(tables)
    lines = [
        _line("features of the morning", rounds, lambda: build_features(index, prepared, specs)),
        _line("  row facts before them", rounds, lambda: prepare(tables, target)),
    ]
    with tempfile.TemporaryDirectory(prefix="strainwatch-bench-") as folder:
        for name, rows in tables.items():
            rows.to_parquet(Path(folder) / f"{name}.parquet")
        starts = max(3, rounds // 5)
        lines.append(_line("an empty Python process", starts, lambda: _process("-c", "pass")))
        lines.append(_line("  that imports pandas", starts, lambda: _process("-c", "import pandas")))
        lines.append(_line("  that imports features.build", starts, lambda: _process("-c", "import features.build")))
        lines.append(
            _line("  that reads Parquet and builds", starts, lambda: _process("-m", "benchmarks.morning", folder))
        )
    report.keep("features.jsonl", "morning", lines)
    report.show(
        f"One morning: {ATHLETES} athletes, {SEASONS} seasons, {len(tables['sessions']):,} sessions, {len(specs)} "
        f"features, dates and reasons (goal of the first line: under {GOAL_MS} ms)",
        ("", "median ms", "least ms", "runs"),
        [(one["what"], f"{one['median_ms']:.1f}", f"{one['least_ms']:.1f}", str(one["runs"])) for one in lines],
    )


def _line(what: str, rounds: int, task: Callable[[], Any]) -> dict[str, Any]:
    task()
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        task()
        took.append(1000 * (time.perf_counter() - start))
    return {"what": what, "median_ms": float(np.median(took)), "least_ms": min(took), "runs": rounds}


def _process(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    folder = Path(sys.argv[1])
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    built = build_features(morning(tables), prepare(tables, load_target()), load_specs())
    print(json.dumps({"features": built.values.shape[1]}))


if __name__ == "__main__":
    main()
