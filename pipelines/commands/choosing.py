"""Commands about registered models: promote, rollback, card, models, runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from configs.errors import CHAMPION_KEPT, WrongArgument
from pipelines.commands.shared import (
    EXIT_CODES,
    ConfigsOption,
    FormatOption,
    JsonOption,
    ReasonOption,
    StoreOption,
    say,
    store_run,
)
from pipelines.formats import Format

models_app = typer.Typer(
    help="The registered models: which there are, and who became champion when, by whom and why.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
)
runs_app = typer.Typer(help="Recorded trainings, side by side.", epilog=EXIT_CODES, no_args_is_help=True)


def promote(
    store: StoreOption,
    version: Annotated[
        int | None,
        typer.Option("--version", min=1, help="A registered version. Default: the challenger.", show_default=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote whatever the gate says; needs --reason, and is logged as forced.")
    ] = False,
    reason: ReasonOption = None,
    configs: ConfigsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a challenger with the champion on the same later data; it becomes champion only if the gate lets it.

    Either way the promotion log gets a line. Ends with 10 if the champion stays.
    """
    from models.gate import load_limits
    from pipelines.clock import utc_now
    from pipelines.console import print_json, progress
    from pipelines.promote import promote as run

    if force != bool((reason or "").strip()):
        raise WrongArgument("--force and --reason go together: who overrules the gate says why.")
    limits = load_limits(configs)
    with store_run(store, "promote") as (opened, facts), progress() as report:
        outcome = run(opened, version, utc_now(), report, limits, reason)
        facts |= outcome.facts()
        code = facts["exit_code"] = 0 if outcome.is_champion else CHAMPION_KEPT
    if as_json:
        print_json(outcome.as_json())
    else:
        outcome.show()
    raise typer.Exit(code)


def rollback(store: StoreOption, reason: ReasonOption = None, as_json: JsonOption = False) -> None:
    """Make the previous champion champion again. Repeated, it goes further back in the promotion log."""
    from pipelines.clock import utc_now
    from pipelines.console import print_json, working
    from pipelines.promote import roll_back

    with store_run(store, "rollback") as (opened, facts), working("checking the earlier champion"):
        outcome = roll_back(opened, reason, utc_now())
        facts |= outcome.facts()
    if as_json:
        print_json(outcome.as_json())
    else:
        outcome.show()


def card(
    store: StoreOption,
    version: Annotated[
        str, typer.Option("--version", help="Whose card: champion, challenger or the number of a registered version.")
    ] = "champion",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for both files. Default: cards/ in the store.", file_okay=False),
    ] = None,
    configs: ConfigsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model's card as HTML and Markdown: each item of the standards with its source, or NOT MET and why.

    With --configs, the words of that folder's card.toml are printed in place of those kept at training.
    """
    from pipelines.card import card_of, write_card
    from pipelines.console import print_json, working

    with store_run(store, "card") as (opened, facts), working("writing the card"):
        found = card_of(opened, version, configs)
        written = write_card(found, out or opened.path / "cards")
        facts |= {"model_version": found.version, "not_met": found.count("not met")}
    if as_json:
        print_json({"html": str(written.html), "markdown": str(written.markdown), **found.as_json()})
        return
    for line in written.in_words():
        say(line)


@models_app.command("list", epilog=EXIT_CODES)
def models_list(store: StoreOption, form: FormatOption = Format.text) -> None:
    """Every registered version, newest first: its label, its run in MLflow, and who is champion and challenger."""
    from pipelines.console import working
    from pipelines.models_command import listed, show_list

    with store_run(store, "models list") as (opened, _), working("looking"):
        found = listed(opened)
    show_list(found, form)


@models_app.command("log", epilog=EXIT_CODES)
def models_log(store: StoreOption, form: FormatOption = Format.text) -> None:
    """The promotion log: who became champion or did not, when, on whose word, why, and by which figures.

    Says so if a line was changed (exit code 8), or if the champion is not the one that the log names.
    """
    from pipelines.console import working
    from pipelines.models_command import logged, show_log

    with store_run(store, "models log") as (opened, _), working("looking"):
        found = logged(opened)
    show_log(found, form)


@models_app.command("explain", epilog=EXIT_CODES)
def models_explain(
    store: StoreOption,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for pictures and tables; made if need be.", file_okay=False)
    ],
    version: Annotated[
        int | None,
        typer.Option("--version", min=1, help="A registered version. Default: the champion.", show_default=False),
    ] = None,
    against: Annotated[
        int | None,
        typer.Option("--against", min=1, help="Another version, on the same athlete-days.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What a version does with the athlete-days that it learnt from, in pictures and tables (docs/explanations.md).

    Importance with intervals, beeswarm, dependence, pairs of factors; also logged to the version's run in MLflow.
    """
    from pipelines.console import print_json, progress
    from pipelines.overview import in_words, keep, overview

    with store_run(store, "models explain") as (opened, facts), progress() as report:
        found = overview(opened, version, against, report)
        written = keep(opened, found, out)
        facts |= found.facts()
    if as_json:
        print_json({**found.facts(), "files": [str(path) for path in written]})
        return
    for line in in_words(found, out):
        say(line)


@runs_app.command("compare", epilog=EXIT_CODES)
def runs_compare(
    first: Annotated[str, typer.Argument(help="champion, challenger, a version's number or label, or an MLflow run.")],
    second: Annotated[str, typer.Argument(help="What to compare it with.")],
    store: StoreOption,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for an HTML page and figures.", file_okay=False, show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Two trainings side by side: parameters, features, metrics with intervals, and what moves their scores."""
    from pipelines.compare_runs import compare, show, write
    from pipelines.console import print_json, working

    with store_run(store, "runs compare") as (opened, _), working("comparing"):
        found = compare(opened, first, second)
        page = None if out is None else write(found, out)
    if as_json:
        print_json(found.as_json())
        return
    show(found)
    if page is not None:
        say(f"Report: {page}")
