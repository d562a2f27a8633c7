"""Compiles a C file of this folder for this machine, once for each version of it."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import sys
from pathlib import Path


def compiled(source: Path) -> ctypes.CDLL:
    """The library of a C file, compiled for this machine unless the same source was."""
    folder = Path("build/bench")
    mark = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    library = (folder / f"{source.stem}-{mark}.so").resolve()
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        flags = ["-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC"]
        subprocess.run(
            [sys.executable, "-m", "ziglang", "cc", *flags, str(source), "-o", str(library)],
            check=True,
            capture_output=True,
            text=True,
        )
    return ctypes.CDLL(str(library))
