"""Every engine of the first table by name: what it needs, its frame, the build that is timed, and its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from benchmarks import floor, ours, peers
from benchmarks.world import Floats, World


@dataclass(frozen=True)
class Engine:
    """`frame` and `ordered` are not timed: they make what a user has before and look at what a user has after."""

    title: str
    needs: str
    frame: Callable[[World], Any]
    build: Callable[[Any], Any]
    column: Callable[[Any, str], Floats]
    ordered: Callable[[Any], Any] = lambda result: result

    @property
    def installed(self) -> bool:
        return find_spec(self.needs) is not None

    @property
    def version(self) -> str:
        return version("strainwatch" if self.needs == "features" else self.needs)


ENGINES: Mapping[str, Engine] = {
    "strainwatch": Engine("Strainwatch, two clocks", "features", ours.frame, ours.build, ours.column),
    "strainwatch-why": Engine(
        "  the same with dates and reasons", "features", ours.frame, ours.build_with_reasons, ours.column
    ),
    "c": Engine("C loop, the floor", "ziglang", peers.long_arrays, floor.c_build, peers.array_column),
    "numpy": Engine("NumPy and SciPy, in blocks", "scipy", peers.long_arrays, floor.numpy_build, peers.array_column),
    "coreforecast": Engine(
        "coreforecast, rest in NumPy", "coreforecast", peers.long_arrays, peers.coreforecast_build, peers.array_column
    ),
    "polars": Engine("Polars, over", "polars", peers.polars_frame, peers.polars_build, peers.polars_column),
    "polars-grouped": Engine(
        "Polars, group_by and explode", "polars", peers.polars_frame, peers.polars_grouped_build, peers.polars_column
    ),
    "duckdb": Engine(
        "DuckDB windows", "duckdb", peers.duckdb_frame, peers.duckdb_build, peers.duckdb_column,
        ordered=peers.duckdb_ordered,
    ),
    "pandas": Engine("pandas groupby, rolling", "pandas", peers.pandas_frame, peers.pandas_build, peers.pandas_column),
}  # fmt: skip
