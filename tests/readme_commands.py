"""Run a page's commands: every line that starts with "$ " in its ```console blocks, in a new folder, in order.

    python tests/readme_commands.py README.md FOLDER

The interpreter's own folder comes first on PATH, so the installation that runs this is the one that is tried.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def commands(page: str) -> list[str]:
    """The commands of a page, without their prompt."""
    blocks = re.findall(r"^```console\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def main(page: Path, folder: Path) -> int:
    found = commands(page.read_text(encoding="utf-8"))
    if not found:
        print(f"{page}: no commands in ```console blocks.")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in found:
        print(f"$ {command}", flush=True)
        done = subprocess.run(command, shell=True, cwd=folder, env={**os.environ, "PATH": path}, check=False)
        if done.returncode:
            print(f"{page}: '{command}' ended with exit code {done.returncode}.")
            return 1
    print(f"{len(found)} commands of {page} ran.")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
