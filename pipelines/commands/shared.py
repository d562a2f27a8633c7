"""What commands share: options, exit codes, the store that they open and the line that they leave in its run log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from configs.errors import NotReady, StrainwatchError, SystemRefused, WrongArgument
from pipelines.formats import Format

if TYPE_CHECKING:
    from pipelines.data import Store

EXIT_CODES = """Exit codes: 0 done; 1 a defect of Strainwatch; 2 wrong command line;
3 a file was refused, nothing came in;
4 some rows were quarantined, the rest came in;
5 the store lacks what the command needs, or nobody could be scored;
6 another process holds the store; 7 a config file is wrong;
8 a self-check failed, nothing was written;
9 the system refused a file or folder;
10 the gate kept the champion;
11 the mail server refused the report or could not be reached; 130 interrupted."""

INTERRUPTED = 130
"""The exit code of a run that Ctrl-C ended."""

READ_ONLY = ("evaluate", "replay", "explain", "features show", "models list", "models log", "runs compare")
"""Commands that write nothing but their line in the run log: they work on a store that cannot be written to."""

StoreOption = Annotated[
    Path,
    typer.Option(
        "--store",
        envvar="STRAINWATCH_STORE",
        help="The store's folder; created on first use.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, for scripts.")]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="The moment to look from: a day (its prediction hour) or a time such as 2021-10-04T09:00Z. "
        "Default: today's prediction hour, once it has come.",
        show_default=False,
    ),
]
ConfigsOption = Annotated[
    Path | None,
    typer.Option("--configs", help="Folder with your own copies of shipped config files.", show_default=False),
]
OptionalStoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        envvar="STRAINWATCH_STORE",
        help="The store's folder, to look into its data as well.",
        show_default=False,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="text for people, csv or json for programs.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Why, in your own words, for the promotion log.", show_default=False)
]
WaitOption = Annotated[float, typer.Option("--wait", help="Seconds to wait while another process holds the store.")]


def existing(path: Path) -> Store:
    """The store at `path`; only `ingest` and `demo` make a new one, so that a typing error makes none."""
    from pipelines.data import is_store, open_store

    if not is_store(path):
        raise NotReady(f"{path}: no store there. `strainwatch ingest` makes one; check --store or STRAINWATCH_STORE.")
    return open_store(path)


@contextmanager
def store_run(path: Path, command: str) -> Iterator[tuple[Store, dict[str, Any]]]:
    """Open the store, and leave a line in its run log however the command ends."""
    from pipelines.clock import utc_now
    from pipelines.data import open_store
    from pipelines.run_log import append_run

    facts: dict[str, Any] = {}
    started, code = utc_now(), 1
    store = open_store(path) if command == "ingest" else existing(path)
    try:
        yield store, facts
        code = int(facts.pop("exit_code", 0))
    except StrainwatchError as error:
        code = error.exit_code
        raise
    except KeyboardInterrupt:
        code = INTERRUPTED
        raise
    except typer.Exit as ended:
        code = ended.exit_code
        raise
    except OSError:
        code = SystemRefused.exit_code
        raise
    finally:
        try:
            append_run(store.path, command, started, code, facts)
        except OSError:
            if command not in READ_ONLY:
                raise


def day(text: str) -> Any:
    import pandas as pd

    try:
        return pd.Timestamp(date.fromisoformat(text.strip())).as_unit("us")
    except ValueError as error:
        raise WrongArgument(f"'{text}' is no day; write it as 2021-10-04.") from error


def say(text: str) -> None:
    from pipelines.console import out

    out().print(text, soft_wrap=True, markup=False)
