"""Why the engine is a small C library: one two-clock kernel as NumPy, numba and C, on start, speed and installation.

    python -m benchmarks.engine_choice [--moments 1e6] [--rounds 5] [--install]

Cold start is a whole process (interpreter, imports, tables of 4,000 moments, first call) as a cron job pays it; numba
is given once with its cache and once without. C is compiled for every processor of the family, as a wheel is. The bulk
is the second call of a process, two threads each, results equal to the last bit. `--install` also installs numba
beside NumPy into an empty folder, from the package index.
Each line also goes to build/bench/engine_choice.jsonl.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import isolation, report
from benchmarks.compiler import compiled
from benchmarks.visible_sums import KERNELS, rows_of

DAYS = 1000
ADDS = {"numpy": (), "numba": ("numba", "llvmlite"), "c": ()}
"""What a user must install beside NumPy."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=float, default=1e6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--install", action="store_true")
    asked = parser.parse_args()
    source = Path(__file__).with_name("visible_sums.c")
    compiled(source, "baseline")
    compile_s = _compile_s(source)
    with tempfile.TemporaryDirectory(prefix="strainwatch-bench-") as folder:
        many, few = Path(folder, "many.npz"), Path(folder, "few.npz")
        rows_of(max(1, int(asked.moments) // DAYS), DAYS).save(many)
        rows_of(40, 100).save(few)
        lines = _measure(many, few, asked.rounds)
    for line in lines:
        line["installed_bytes"] = _installed_bytes(line["kernel"], source)
    report.keep("engine_choice.jsonl", "engine choice", lines)
    report.show(
        f"{int(asked.moments):,} moments, 5 windows x 8 columns, two clocks; medians of {asked.rounds}",
        (
            "",
            "cold start ms",
            "no cache",
            "its CPU ms",
            "over import numpy",
            "bulk s",
            "C is faster by",
            "adds on disk MB",
        ),
        [_cells(line, lines[-1]["bulk_s"]) for line in lines],
    )
    print(f"\nThe first compilation on a machine takes {compile_s:.1f} s, once, when the wheel is built.")
    if asked.install:
        numba_s, ziglang_s = _install_s("numba", "llvmlite"), _install_s("ziglang")
        print(f"Installing numba beside NumPy took {numba_s:.0f} s, ziglang (only to build) {ziglang_s:.0f} s.")


def _measure(many: Path, few: Path, rounds: int) -> list[dict[str, Any]]:
    """Kernels in turn in each round; the first call of each fills caches and is not counted."""
    took: dict[str, dict[str, list[float]]] = {
        name: {"cold": [], "cpu": [], "anew": [], "bulk": []} for name in KERNELS
    }
    bare: list[float] = []
    for name in KERNELS:
        _cold(name, few)
    for _ in range(rounds):
        bare.append(_process("-c", "import numpy")[1])
        for name, measured in took.items():
            wall_s, processor_s = _cold(name, few)
            measured["cold"].append(wall_s)
            measured["cpu"].append(processor_s)
            measured["bulk"].append(isolation.run("benchmarks.visible_sums", name, str(many))["second_s"])
    with tempfile.TemporaryDirectory() as empty:
        took["numba"]["anew"].append(_cold("numba", few, NUMBA_CACHE_DIR=empty)[0])
    return [
        {
            "kernel": name,
            "cold_ms": 1000 * float(np.median(measured["cold"])),
            "cold_without_cache_ms": 1000 * measured["anew"][0] if measured["anew"] else None,
            "cold_cpu_ms": 1000 * float(np.median(measured["cpu"])),
            "bare_numpy_cpu_ms": 1000 * float(np.median(bare)),
            "bulk_s": float(np.median(measured["bulk"])),
        }
        for name, measured in took.items()
    ]


def _cold(name: str, few: Path, **environment: str) -> tuple[float, float]:
    return _process("-m", "benchmarks.visible_sums", name, str(few), **environment)


def _process(*arguments: str, **environment: str) -> tuple[float, float]:
    """Seconds on the clock and of the processors that `python arguments` takes."""
    before, start = os.times(), time.perf_counter()
    limits = dict.fromkeys(isolation.LIMITS, str(isolation.THREADS))
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env={**os.environ, **limits, **environment}
    )
    wall_s, after = time.perf_counter() - start, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return wall_s, spent


def _installed_bytes(kernel: str, source: Path) -> int:
    """Bytes on a user's disk: packages with their files, or the compiled library."""
    if kernel == "c":
        return max(library.stat().st_size for library in report.FOLDER.glob(f"{source.stem}-*.so"))
    try:
        files = [file for name in ADDS[kernel] for file in distribution(name).files or ()]
    except PackageNotFoundError:
        return 0
    return sum(Path(str(file.locate())).stat().st_size for file in files if Path(str(file.locate())).exists())


def _compile_s(source: Path) -> float:
    """With the compiler's own caches empty, as on a bare machine."""
    with tempfile.TemporaryDirectory() as empty:
        library = str(Path(empty, "library.so"))
        compiler = ["-m", "ziglang", "cc", "-O3", "-shared", "-fPIC", str(source), "-o", library]
        return _process(*compiler, ZIG_GLOBAL_CACHE_DIR=empty, ZIG_LOCAL_CACHE_DIR=empty)[0]


def _install_s(*packages: str) -> float:
    with tempfile.TemporaryDirectory() as target:
        pip = ["-m", "pip", "install", "-q", "--no-cache-dir", "--no-deps", "--target", target]
        return _process(*pip, *packages)[0]


def _cells(line: dict[str, Any], c_s: float) -> tuple[str, ...]:
    anew = line["cold_without_cache_ms"]
    return (
        {"numpy": "NumPy in blocks", "numba": "numba", "c": "C, compiled beforehand"}[line["kernel"]],
        f"{line['cold_ms']:.0f}",
        f"{anew:.0f}" if anew else "",
        f"{line['cold_cpu_ms']:.0f}",
        f"{line['cold_cpu_ms'] - line['bare_numpy_cpu_ms']:.0f}",
        f"{line['bulk_s']:.2f}",
        f"{line['bulk_s'] / c_s:.1f}",
        f"{line['installed_bytes'] / 1e6:.2f}",
    )


if __name__ == "__main__":
    main()
