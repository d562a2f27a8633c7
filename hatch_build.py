"""Compile each of SOURCES into a shared library beside it, with the compiler that comes from PyPI (ziglang).

Hatchling runs this when the project is installed or packed; `python hatch_build.py [folder]` does it in a checkout.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
SOURCES = ("features/windows.c", "models/treeshap.c")
FLAGS = ("-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-fvisibility=hidden", "-shared", "-s")
SAME_BITS = "-ffp-contract=off"
"""No fused multiply-add: every machine gets the same bits."""
VECTORS = {"": (), "_avx2": ("-mavx2",), "_avx512": ("-mavx512f", "-mavx512dq", "-mprefer-vector-width=512")}
"""Builds for x86 by what a processor offers; the library is chosen when it is loaded (features/native.py)."""
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
GLIBC = "2.17"
"""The oldest C library that the Linux build runs on."""


def compile_all(root: Path = ROOT) -> list[Path]:
    """Build every library below `root` and return their paths."""
    wide = platform.machine().lower() in ("x86_64", "amd64")
    levels = VECTORS if wide else {"": ()}
    return [_compile(root / source, level, flags) for source in SOURCES for level, flags in levels.items()]


def _compile(source: Path, level: str, vectors: tuple[str, ...]) -> Path:
    library = source.with_name(f"_{source.stem}{level}{SUFFIX}")
    made = library.with_suffix(".new")
    position = [] if sys.platform == "win32" else ["-fPIC"]
    stamp = f'-DSOURCE="{_source_hash(source)}"'
    flags = [*_target(), *FLAGS, SAME_BITS, stamp, *vectors, *position]
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *flags, "-o", str(made), str(source)], check=True)
    made.replace(library)  # whole at once: a process that has the old one loaded keeps it
    return library


def _source_hash(source: Path) -> str:
    """Of the C files beside `source`; features/native.py works out the same."""
    files = sorted(path for path in source.parent.iterdir() if path.suffix in (".c", ".h"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def _target() -> list[str]:
    """The processor's family, not the very processor at hand: the library must run on others."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        return ["-target", f"{platform.machine()}-linux-gnu.{GLIBC}"]
    return ["-mcpu=baseline"]


def _wheel_tag() -> str:
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        return f"py3-none-manylinux_{GLIBC.replace('.', '_')}_{platform.machine()}"
    return f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


class CompiledParts(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled libraries to the wheel, and the platform to its name."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        libraries = compile_all(Path(self.root))
        build_data["pure_python"] = False
        build_data["tag"] = _wheel_tag()
        build_data["artifacts"] += [f"/{path.relative_to(self.root).as_posix()}" for path in libraries]


if __name__ == "__main__":
    compile_all(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
