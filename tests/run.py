"""The command line as a module: the process that other tests start, time and kill."""

from __future__ import annotations

from pipelines.cli import main

if __name__ == "__main__":
    main()
