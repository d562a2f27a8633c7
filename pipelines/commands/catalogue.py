"""Commands about features: list, show, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from configs.errors import WrongArgument
from pipelines.commands.shared import (
    EXIT_CODES,
    ConfigsOption,
    FormatOption,
    OptionalStoreOption,
    day,
    existing,
    store_run,
)
from pipelines.formats import Format

features_app = typer.Typer(
    help="The catalogue of features: what there is, what one of them says, and whether your own file is right.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
)


@features_app.command("list", epilog=EXIT_CODES)
def features_list(
    factor: Annotated[
        str | None, typer.Option("--factor", help="Only those of one factor, such as overload.", show_default=False)
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", help="Only those that are computed from this table.", show_default=False),
    ] = None,
    in_model: Annotated[bool, typer.Option("--in-model", help="Only those that the model may use.")] = False,
    configs: ConfigsOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Every feature with unit, window, direction, evidence and reference."""
    from pipelines.features_command import listed, load_catalogue, show_list

    catalogue = load_catalogue(configs)
    show_list(listed(catalogue, factor, table, in_model=in_model), catalogue.factors, form)


@features_app.command("show", epilog=EXIT_CODES)
def features_show(
    name: Annotated[str, typer.Argument(help="The feature's name, such as load_7d.")],
    store: OptionalStoreOption = None,
    athlete: Annotated[
        str | None,
        typer.Option("--athlete", help="The athlete's id. Default: a summary of the squad.", show_default=False),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="First day, such as 2021-10-04. Default: four weeks of an athlete, one morning of the squad.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--until", help="Last day. Default: the newest that the data can tell of.", show_default=False),
    ] = None,
    every_days: Annotated[int, typer.Option("--every", min=1, help="Days from one morning to the next.")] = 1,
    configs: ConfigsOption = None,
    form: FormatOption = Format.text,
) -> None:
    """What a feature is, and with a store what it was at each morning's prediction hour, from what was known then.

    A missing value comes with its reason.
    """
    from pipelines.clock import utc_now
    from pipelines.console import working
    from pipelines.features_command import Span, load_catalogue, seen, show_feature

    catalogue = load_catalogue(configs)
    spec = catalogue.spec(name)
    span = Span(None if first is None else day(first), None if last is None else day(last), every_days)
    found = None
    if store is not None:
        with store_run(store, "features show") as (opened, facts), working("looking back"):
            found = seen(opened, catalogue, spec, athlete, span, utc_now(), configs)
            facts |= {"feature": name, "rows": len(found.index)}
    elif athlete is not None or first is not None or last is not None:
        raise WrongArgument("--athlete, --from and --until look into a store: give --store, or set STRAINWATCH_STORE.")
    show_feature(spec, catalogue, found, form)


@features_app.command("check", epilog=EXIT_CODES)
def features_check(
    path: Annotated[Path, typer.Argument(help="Your features.toml, or the folder with it.")],
    store: OptionalStoreOption = None,
) -> None:
    """Every problem of your own features.toml, and what is right but hardly meant.

    With a store: also which features would never have a value there. Ends with 7 if there is a problem.
    """
    from pipelines.console import working
    from pipelines.features_check import check

    with working("checking"):
        found = check(path, None if store is None else existing(store))
    found.show()
    raise typer.Exit(found.exit_code)
