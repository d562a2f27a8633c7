"""The compiled part of features: windows.c, built when the project is installed (hatch_build.py)."""

from __future__ import annotations

import ctypes
import hashlib
import sys
from ctypes import POINTER, c_double, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import numpy.typing as npt

from configs.errors import SystemRefused

LANES = 8
"""Columns that the kernel works on at once."""
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
LEVELS = ("", "_avx2", "_avx512")
"""Builds of the same source, by the vectors that they use; all give the same bits (hatch_build.py)."""

BUILD = "Install the project again (`pip install .`), or in a checkout run `python hatch_build.py`."


class History(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in ("start", "day", "known_at", "superseded_at")]


class Coverage(ctypes.Structure):
    _fields_ = [
        ("slots", c_int64),
        *((name, c_void_p) for name in ("first", "last", "known_at", "superseded_at", "reach")),
    ]


class Task(ctypes.Structure):
    _fields_ = [
        *(
            (name, c_int64)
            for name in ("aggregate", "adds_up", "needs_record", "counts", "reads_window", "lag_days", "window_days")
        ),
        ("at_least", c_double),
        ("weight", c_void_p),
        ("weights", c_int64),
        ("memory", c_int64),
        ("feature", c_int64 * LANES),
        ("wanted", c_int64 * LANES),
        ("empty", c_double * LANES),
        ("most_covered_days", c_double),
        *((name, c_double * LANES) for name in ("least_covered_days", "least_held_share")),
    ]


class Panel(ctypes.Structure):
    _fields_ = [
        ("history", History),
        ("coverage", Coverage),
        ("always_in_use", c_int64),
        ("values", c_void_p),
        ("recorded", c_void_p),
        ("speeds", c_int64),
        ("speed", POINTER(c_void_p)),
        ("speed_of", c_void_p),
        *((name, c_int64) for name in ("most_rows", "tasks", "memories")),
        ("task", POINTER(Task)),
    ]


class Derived(ctypes.Structure):
    _fields_ = [("derivation", c_int64), ("feature", c_int64), ("input", c_int64 * 3)]


class Plan(ctypes.Structure):
    _fields_ = [
        *((name, c_int64) for name in ("features", "panels", "derivations")),
        ("panel", POINTER(Panel)),
        ("derived", POINTER(Derived)),
    ]


class Moments(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in ("athlete", "day", "as_of")]


class Results(ctypes.Structure):
    _fields_ = [
        ("moments", c_int64),
        ("stride", c_int64),
        *((name, c_void_p) for name in ("value", "day", "reason")),
    ]


@cache
def library() -> Any:
    """The build of the kernel that suits this processor, with its functions declared."""
    return load(vector_level())


def load(level: int) -> Any:
    """The kernel's build of LEVELS at this place. Raises SystemRefused where it is missing or stale."""
    loaded = build_of(Path(__file__).with_name("windows.c"), level)
    loaded.window_features.argtypes = [POINTER(Plan), POINTER(Moments), c_int64, c_int64, POINTER(Results)]
    loaded.window_features.restype = c_int
    loaded.visible_pairs.argtypes = [POINTER(History), POINTER(Moments), c_int64, c_int64, c_void_p, c_void_p]
    loaded.visible_pairs.restype = c_int64
    loaded.last_covered.argtypes = [POINTER(Coverage), POINTER(Moments), c_int64, c_void_p]
    loaded.last_covered.restype = c_int
    return loaded


def build_of(source: Path, level: int) -> Any:
    """The library compiled from a C file, in the build of LEVELS at this place; its functions are not declared.

    Raises SystemRefused where it is missing, or was built from other files than lie there now.
    """
    path = source.with_name(f"_{source.stem}{LEVELS[level]}{SUFFIX}")
    if not path.exists():
        raise SystemRefused(f"{path} is missing: the compiled part of Strainwatch was not built. {BUILD}")
    try:
        loaded = ctypes.CDLL(str(path))
        loaded.built_from.restype = ctypes.c_char_p
        fits = loaded.built_from().decode() == _source_hash(source.parent)
    except (OSError, AttributeError):
        fits = False
    if not fits:
        raise SystemRefused(f"{path} was not built from this version of Strainwatch. {BUILD}")
    return loaded


@cache
def vector_level() -> int:
    """The place in LEVELS of the builds that suit this processor best."""
    return int(load(0).vector_level())


@cache
def _source_hash(folder: Path) -> str:
    """Of the C files that were installed in `folder`; hatch_build.py puts it into the libraries built from them."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".c", ".h"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def address(array: npt.NDArray[Any]) -> int:
    """Where the data of a contiguous array begin; the caller keeps the array alive."""
    if not array.flags.c_contiguous:
        raise ValueError("the kernel reads contiguous arrays only")
    return int(array.ctypes.data)


def check(failed: int) -> None:
    if failed:
        raise MemoryError("no memory left")
