"""Write the generated pages of docs/, or check that they are fresh.

python -m pipelines.reference            # write them
python -m pipelines.reference --check    # exit 1 and name each page that is stale
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from configs.errors import NotReady, StrainwatchError
from pipelines.console import err, out
from pipelines.reference import DOCS, stale, write


def main(arguments: Sequence[str] | None = None, folder: Path = DOCS) -> int:
    """Write or check the pages of `folder`; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.reference")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is stale")
    only_check = parser.parse_args(arguments).check
    if not folder.is_dir():
        raise NotReady(f"{folder}: no such folder. Run this in a source checkout, not in an installation.")
    return _check(folder) if only_check else _write(folder)


def _check(folder: Path) -> int:
    names = stale(folder)
    for name in names:
        err().print(f"docs/{name} is stale: run `make docs` and commit it.", soft_wrap=True)
    return 1 if names else 0


def _write(folder: Path) -> int:
    for name in write(folder):
        out().print(f"docs/{name} written", soft_wrap=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StrainwatchError as error:
        err().print(str(error), soft_wrap=True, markup=False)
        sys.exit(error.exit_code)
