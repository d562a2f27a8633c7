"""Compiles a C file of this folder, once for each version of it."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import sys
from pathlib import Path


def compiled(source: Path, processor: str = "native") -> ctypes.CDLL:
    """The library of a C file, for the very processor at hand or, with "baseline", for every one of its family."""
    folder = Path("build/bench")
    mark = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    library = (folder / f"{source.stem}-{processor}-{mark}.so").resolve()
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        flags = ["-O3", f"-mcpu={processor}", "-fno-math-errno", "-shared", "-fPIC"]
        subprocess.run(
            [sys.executable, "-m", "ziglang", "cc", *flags, str(source), "-o", str(library)],
            check=True,
            capture_output=True,
            text=True,
        )
    return ctypes.CDLL(str(library))
