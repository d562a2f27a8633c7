"""Jobs in children forked from one process that has imported what takes seconds: side by side, or to be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from models.tracking import import_mlflow

ROOT = Path(__file__).parent.parent


def command(*arguments: str) -> None:
    """`strainwatch` with these arguments; what it prints is not kept."""
    from pipelines.cli import main

    sys.argv = ["strainwatch", *arguments]
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the real one carries the answers
    main()


def training(store: str, bundle: str) -> None:
    """Record the bundle of a folder as a training; anything printed counts as an error's message."""
    from models.bundle import Bundle
    from models.training_runs import log_training

    os.dup2(2, 1)
    log_training(Path(store), Bundle.load(Path(bundle)), {"auroc_7d": (0.6, 0.5, 0.7)}, {"trees": 5}, {}, {}, {})


JOBS: dict[str, Callable[..., None]] = {"strainwatch": command, "training": training}


def fork(name: str, arguments: list[str]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        JOBS[name](*arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


HEAVY = (
    "matplotlib.figure", "mlflow.models.model", "mlflow.pyfunc", "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store", "pipelines.promote",
)  # fmt: skip


def serve() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of others, while they are imported; the jobs run with warnings as errors
        import_mlflow()  # first: without telemetry
        for name in HEAVY:
            import_module(name)
    for line in sys.stdin:
        started = [fork(name, arguments) for name, *arguments in json.loads(line)]
        print(json.dumps(started), flush=True)
        ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in started]
        print(json.dumps(ended), flush=True)


class Children:
    """The forking process as its caller sees it: `start` gives process ids, and `ended` then their exit codes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, *jobs: tuple[str, ...]) -> list[int]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(jobs) + "\n")
        self._process.stdin.flush()
        return list(self._answer())

    def ended(self) -> list[int]:
        return list(self._answer())

    def said(self) -> str:
        """Everything on standard error, once all is done; nothing can be started after that."""
        return self._process.communicate(timeout=60)[1]

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def children() -> Iterator[Children]:
    server = [sys.executable, "-W", "error", "-m", "tests.children"]
    pipe = subprocess.PIPE
    with subprocess.Popen(server, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield Children(process)
        finally:
            process.kill()


if __name__ == "__main__":
    serve()
