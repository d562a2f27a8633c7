"""The feature engine beside its peers: seconds, memory and wrong cells, in one run.

    python -m benchmarks.features [--quick] [--rounds 3]                                       every table
    python -m benchmarks.features --league [--rows 1e6 --rows 1e7] [--engines strainwatch,polars]    one clock is enough
    python -m benchmarks.features --late                                                       rows late or corrected
    python -m benchmarks.features --morning                                                    a squad of 40, one day

Twenty features (benchmarks/catalogue.py) of eight metrics on
every athlete-day; every engine starts from its own kind of frame, sorted, and holds its results in memory. Each run is
a process of its own with two threads, engines in turn, rounds interleaved; a small build before it loads code. Wrong
cells are counted against exact sums (benchmarks/reference.py). Times are of a shared machine: read the ratios.
Each line also goes to build/bench/features.jsonl. Peers: benchmarks/requirements.lock.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import isolation, late, morning, report
from benchmarks.engines import ENGINES

DAYS = 1000
CHECKED_ATHLETES = 1000
"""Of a larger league only so many athletes, evenly spread, are compared with the exact answers."""


def main() -> None:
    asked = _arguments()
    every = not (asked.league or asked.late or asked.morning)
    if every or asked.league:
        for rows in asked.rows:
            one_clock(int(rows), asked.rounds, asked.engines)
    if every or asked.late:
        late.table(athletes=10 if asked.quick else 50, rounds=asked.rounds)
    if every or asked.morning:
        morning.table(rounds=5 if asked.quick else 30)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, action="append", help="athlete-days; may be given several times")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--engines", type=lambda text: text.split(","), default=list(ENGINES), help=", ".join(ENGINES))
    parser.add_argument("--quick", action="store_true", help="100,000 athlete-days, one round")
    parser.add_argument("--league", action="store_true")
    parser.add_argument("--late", action="store_true")
    parser.add_argument("--morning", action="store_true")
    asked = parser.parse_args()
    unknown = set(asked.engines) - set(ENGINES)
    if unknown:
        parser.error(f"--engines: {', '.join(sorted(unknown))} not known. Valid: {', '.join(ENGINES)}.")
    asked.rows = asked.rows or ([1e5] if asked.quick else [1e6, 1e7])
    asked.rounds = asked.rounds or (1 if asked.quick else 3)
    return asked


def one_clock(rows: int, rounds: int, engines: Sequence[str]) -> None:
    """Every row known the next morning, so that all engines have the same true answer."""
    athletes = max(1, rows // DAYS)
    with tempfile.TemporaryDirectory(prefix="strainwatch-bench-") as folder:
        report.note(f"{athletes:,} athletes x {DAYS:,} days: loads and exact answers")
        isolation.run("benchmarks.worker", "prepare", folder, str(athletes), str(DAYS), str(CHECKED_ATHLETES))
        runs = _runs(Path(folder), rounds, engines)
    lines = [_summary(name, runs[name], athletes * DAYS) for name in engines]
    slowest = next((line["seconds"] for line in lines if line["engine"] == "pandas"), None)
    for line in lines:
        line["pandas_over_it"] = slowest / line["seconds"] if slowest and line["seconds"] else None
    report.keep("features.jsonl", "one clock", lines)
    checked = max((line["checked"] or 0) for line in lines)
    report.show(
        f"{athletes * DAYS:,} athlete-days x 8 metrics x 20 features, one clock is enough; medians of {rounds}; "
        f"{checked:,} cells checked",
        ("", "version", "s", "least s", "CPU s", "s per M rows", "pandas / it", "peak / output", "wrong cells"),
        [_cells(line) for line in lines],
    )


def _runs(folder: Path, rounds: int, engines: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Engines in turn, another first in each round. An engine that fails is not tried again."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in engines}
    for number in range(rounds):
        for name in (*engines[number % len(engines) :], *engines[: number % len(engines)]):
            if not ENGINES[name].installed:
                runs[name] = [{"failed": "not installed"}]
            elif not any("failed" in run for run in runs[name]):
                runs[name].append(_run(name, folder, check=number == 0))
                report.note(f"  round {number + 1}, {name}: {runs[name][-1]}")
    return runs


def _run(name: str, folder: Path, check: bool) -> dict[str, Any]:
    try:
        return isolation.run("benchmarks.worker", name, str(folder), *(["--check"] if check else []))
    except isolation.Failed as failure:
        return {"failed": str(failure)}


def _summary(name: str, runs: list[dict[str, Any]], rows: int) -> dict[str, Any]:
    failed = next((run["failed"] for run in runs if "failed" in run), None)
    done = [run for run in runs if "failed" not in run]
    engine = ENGINES[name]
    return {
        "engine": name,
        "version": engine.version if engine.installed else None,
        "rows": rows,
        "failed": failed,
        "seconds": float(np.median([run["seconds"] for run in done])) if done else None,
        "processor_seconds": float(np.median([run["processor_seconds"] for run in done])) if done else None,
        "system_seconds": float(np.median([run["system_seconds"] for run in done])) if done else None,
        "least_seconds": min(run["seconds"] for run in done) if done else None,
        "all_seconds": [run["seconds"] for run in done],
        "peak_over_output": float(np.median([run["peak_bytes"] / run["output_bytes"] for run in done]))
        if done
        else None,
        "wrong": done[0].get("wrong") if done else None,
        "wrong_by_feature": done[0].get("wrong_by_feature") if done else None,
        "checked": done[0].get("checked") if done else None,
    }


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    title = ENGINES[line["engine"]].title
    if line["seconds"] is None:
        return (title, line["version"] or "", "", "", "", "", "", "", (line["failed"] or "")[:40])
    return (
        title,
        line["version"],
        f"{line['seconds']:.2f}",
        f"{line['least_seconds']:.2f}",
        f"{line['processor_seconds']:.2f}",
        f"{line['seconds'] / line['rows'] * 1e6:.2f}",
        f"{line['pandas_over_it']:.1f}" if line["pandas_over_it"] else "",
        f"{line['peak_over_output']:.2f}",
        f"{line['wrong']:,}",
    )


if __name__ == "__main__":
    main()
