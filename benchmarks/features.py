"""Windowed sums and means of a simulated squad's sessions: ours with two clocks beside pandas with one.

    python -P benchmarks/features.py [--athletes 40] [--seasons 2] [--rounds 5]

Both build the same features for every athlete and day at the morning's prediction hour, interleaved in one run.
pandas knows
one clock: today's sessions are shifted away by hand, but a session counts from the next morning on even if its
upload or
its correction came days later. Cells where the two differ are counted: they are what one clock gets wrong.
Times are of a shared machine; read the ratio. Each line also goes to build/bench/features.jsonl.
`-P` keeps this folder off the path, where this file would hide the package of the same name.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from features.build import build_features
from features.row_facts import prepare
from features.specs import WindowSpec
from features.target import load_target
from pipelines.simulate import simulate

WINDOWS = (3, 7, 14, 21, 28, 42)
COLUMNS = ("load_au", "distance_m", "high_speed_distance_m", "sprint_distance_m", "acceleration_count")


def specs() -> list[WindowSpec]:
    return [
        WindowSpec(
            name=f"{column}_{window}", label="", factor="overload", unit="", direction="0", evidence="D",
            reference="assumption", table="sessions", column=column, aggregate="sum", window_days=window,
            empty=0.0, min_covered_share=0.0,
        )
        for column in COLUMNS
        for window in WINDOWS
    ]  # fmt: skip


def moments(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Every athlete on every day of the data, at the prediction hour."""
    sessions = tables["sessions"]
    dates = pd.date_range(sessions["date"].min(), sessions["date"].max(), unit="us")
    athletes = np.sort(sessions["athlete_id"].unique())
    index = pd.MultiIndex.from_product([athletes, dates], names=["athlete_id", "date"]).to_frame(index=False)
    as_of = load_target().as_of(pd.DatetimeIndex(index["date"]))
    return index.assign(as_of=as_of).astype({"athlete_id": "str"})


def with_pandas(tables: dict[str, pd.DataFrame], index: pd.DataFrame) -> pd.DataFrame:
    """The same sums by day grid and groupby-rolling: the newest version of each row, from the next morning on."""
    sessions = tables["sessions"]
    newest = sessions[sessions["superseded_at"].isna()]
    daily = newest.groupby(["athlete_id", "date"])[list(COLUMNS)].sum()
    grid = daily.reindex(pd.MultiIndex.from_frame(index[["athlete_id", "date"]]), fill_value=0.0)
    parts = {}
    for window in WINDOWS:
        rolled = grid.groupby(level=0, sort=False).rolling(window - 1, min_periods=1).sum().droplevel(0)
        before = rolled.groupby(level=0, sort=False).shift(1, fill_value=0.0)
        parts |= {f"{column}_{window}": before[column].to_numpy() for column in COLUMNS}
    return pd.DataFrame(parts)


def timed(task: Callable[[], pd.DataFrame]) -> tuple[float, pd.DataFrame]:
    start = time.perf_counter()
    result = task()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--athletes", type=int, default=40)
    parser.add_argument("--seasons", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    tables = prepare(simulate(asked.athletes, asked.seasons).tables, load_target())
    index, wanted = moments(tables), specs()
    seconds: dict[str, list[float]] = {"strainwatch, two clocks": [], "pandas, one clock": []}
    for _ in range(asked.rounds):
        ours_s, ours = timed(lambda: build_features(index, tables, wanted).values)
        pandas_s, theirs = timed(lambda: with_pandas(tables, index))
        for name, took in zip(seconds, (ours_s, pandas_s), strict=True):
            seconds[name].append(took)
    shared = ours.notna()
    differ = int((np.abs(ours - theirs[ours.columns]) > 1e-6)[shared].sum(axis=None))
    print(f"{len(index):,} athlete-days x {len(wanted)} features; {asked.rounds} rounds, interleaved")
    slowest = np.median(seconds["pandas, one clock"])
    lines = []
    for name, took in seconds.items():
        median = float(np.median(took))
        lines.append({"engine": name, "seconds": median, "pandas_over_it": slowest / median})
        print(f"{name:26s} median {median:7.3f} s   pandas / it {slowest / median:5.2f}")
    print(f"cells where one clock differs from two: {differ:,} of {int(shared.sum(axis=None)):,}")
    folder = Path("build/bench")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "features.jsonl").open("a", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps({**line, "athlete_days": len(index), "cells_that_differ": differ}) + "\n")


if __name__ == "__main__":
    main()
