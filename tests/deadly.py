"""Runs the command line in forked children, each of which kills itself right before its n-th write.

One JSON line per run on standard input: [n or null, arguments]; one on standard output: [exit code, writes done].
A write is a call that changes what is on disk: fsync, rename, replace, mkdir, and each statement or commit of a
database.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import mlflow  # noqa: F401 - heavy modules once, before forking
from sqlalchemy.engine.default import DefaultDialect

import pipelines.train  # noqa: F401
from pipelines.cli import main

WRITES = (
    (os, ("fsync", "rename", "replace", "mkdir")),
    (DefaultDialect, ("do_execute", "do_executemany", "do_commit")),
)


def arm(deadly: int | None, done: list[int]) -> None:
    """Count every write in `done[0]`, and die before number `deadly`."""

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **more: Any) -> Any:
            if done[0] == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            done[0] += 1
            return call(*arguments, **more)

        return wrapped

    for owner, names in WRITES:
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))


def run(deadly: int | None, arguments: list[str], report: int) -> None:
    done = [0]
    arm(deadly, done)
    sys.argv = ["strainwatch", *arguments]
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the real one carries the answers
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    os.write(report, str(done[0]).encode())
    os._exit(code)


def serve() -> None:
    for line in sys.stdin:
        deadly, arguments = json.loads(line)
        back, report = os.pipe()
        child = os.fork()
        if child == 0:
            run(deadly, arguments, report)
        os.close(report)
        _, status = os.waitpid(child, 0)
        writes = os.read(back, 20)
        os.close(back)
        print(json.dumps([os.waitstatus_to_exitcode(status), int(writes or -1)]), flush=True)


if __name__ == "__main__":
    serve()
