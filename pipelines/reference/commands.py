"""docs/command-line.md, from the Typer app."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, get_type_hints

from pipelines.cli import app
from pipelines.commands.shared import EXIT_CODES
from pipelines.reference.markdown import grid, page, words

_COMMANDS_INTRO = """\
Every command of `strainwatch`, from the program itself. Commands that change a store leave a line in its
run log ([operations.md](operations.md)). Results go to standard output, progress bars and warnings to
standard error; without a terminal there are no colours and no bars."""


def commands_page() -> str:
    """Every command with its help and options, and the exit codes."""
    shared = app.registered_callback
    assert shared is not None and shared.callback is not None
    return page(
        "Command line",
        _COMMANDS_INTRO,
        "Before a command:",
        _options(shared.callback),
        "## Exit codes",
        grid(("code", "meaning"), exit_codes()),
        *(part for name, call in commands().items() for part in _command(name, call)),
    )


def commands() -> dict[str, Callable[..., Any]]:
    """Name -> function of every command, in the order of the help; "features list" is one of a group."""
    found = dict(_of(app))
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found |= {f"{group.name} {name}": call for name, call in _of(group.typer_instance)}
    return found


def _of(group: Any) -> Iterable[tuple[str, Callable[..., Any]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield command.name or command.callback.__name__, command.callback


def exit_codes() -> list[tuple[str, str]]:
    """(code, meaning) as the help of every command says it."""
    text = " ".join(EXIT_CODES.split()).removeprefix("Exit codes: ").removesuffix(".")
    parted = (part.strip().partition(" ") for part in text.split(";"))
    return [(code, meaning) for code, _, meaning in parted]


def _command(name: str, call: Callable[..., Any]) -> Iterable[str]:
    arguments = [item.upper() for item, info, _ in parameters(call) if not option_names(item, info)]
    yield f"## {name}"
    yield f"    strainwatch {' '.join((name, *arguments))} [OPTIONS]"
    yield inspect.getdoc(call) or ""
    yield _options(call)


def parameters(call: Callable[..., Any]) -> list[tuple[str, Any, inspect.Parameter]]:
    """(name, what the command line says of it, parameter) of a command's function."""
    hints = get_type_hints(call, include_extras=True)
    signature = inspect.signature(call).parameters
    return [(name, hints[name].__metadata__[0], parameter) for name, parameter in signature.items()]


def option_names(name: str, info: Any) -> tuple[str, ...]:
    """Such as ("--verbose", "-v"); empty for an argument. Typer keeps the first name given as a default."""
    if type(info).__name__ == "ArgumentInfo":
        return ()
    first = (info.default,) if isinstance(info.default, str) else ()
    return (*first, *(info.param_decls or ())) or (f"--{name.replace('_', '-')}",)


def _options(call: Callable[..., Any]) -> str:
    rows = [_option(name, info, parameter) for name, info, parameter in parameters(call)]
    return grid(("option", "default", "meaning"), rows)


def _option(name: str, info: Any, parameter: inspect.Parameter) -> tuple[str, str, str]:
    shown = words(option_names(name, info)) or name.upper()
    if parameter.default is inspect.Parameter.empty:
        default = "required"
    else:
        default = "" if parameter.default in (None, False) else f"`{parameter.default}`"
    meaning = info.help + (f" Or set `{info.envvar}`." if info.envvar else "")
    return shown, default, meaning
