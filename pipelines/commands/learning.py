"""Commands that learn from a store: train, evaluate, replay, tune."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.shared import (
    INTERRUPTED,
    ConfigsOption,
    JsonOption,
    StoreOption,
    day,
    say,
    store_run,
)


def train(
    store: StoreOption,
    configs: ConfigsOption = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            help="Learn only from this day and those before it, as known the next morning: "
            "later scores then prove something.",
        ),
    ] = None,
    challenger: Annotated[
        bool, typer.Option("--challenger", help="Only register, as challenger: the gate is not asked.")
    ] = False,
    designs: Annotated[
        bool,
        typer.Option(
            "--designs",
            help="Judge under easier splits as well, for the model card. The evaluation takes twice as long.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train on everything in the store, evaluate honestly, register in MLflow, and let the gate choose the champion.

    The first model of a store becomes champion. A later one replaces it only if it passes the gate (see promote).
    """
    from models.gate import load_limits
    from pipelines.clock import utc_now
    from pipelines.console import print_json, progress
    from pipelines.evaluation_output import show_evaluation
    from pipelines.promote import train_and_ask
    from pipelines.recipe import load_recipe
    from pipelines.train import train as run

    last = None if until is None else day(until)
    limits = load_limits(configs)
    with store_run(store, "train") as (opened, facts), progress() as report:
        recipe, now, outcome = load_recipe(configs), utc_now(), None
        if challenger:
            trained = run(opened, recipe, last, now, report, designs)
        else:
            trained, outcome = train_and_ask(opened, recipe, last, now, report, limits, designs)
        facts |= {"model_version": trained.bundle.version, "athlete_days": len(trained.training.index)}
        facts |= outcome.facts() if outcome else {}
    if as_json:
        promotion = outcome.as_json() if outcome else None
        print_json({**trained.facts(), **trained.bundle.metrics, "promotion": promotion})
        return
    show_evaluation(trained.evaluation, trained.verdict)
    say(trained.in_words())
    if outcome:
        outcome.show()


def evaluate(
    store: StoreOption,
    designs: Annotated[
        bool,
        typer.Option(
            "--designs/--no-designs", help="Also under easier splits and with squads held out, to see what flatters."
        ),
    ] = True,
    learners: Annotated[
        str | None,
        typer.Option(
            "--learners",
            help="Alternatives to judge in the same folds: all, or names with commas between (docs/learners.md).",
            show_default=False,
        ),
    ] = None,
    refits: Annotated[
        int | None,
        typer.Option(
            "--refits",
            min=2,
            help="How often the whole pipeline is fitted again, to other athletes, to see how stable it is: 200 are "
            "advised. Default: refits of model.toml, a rough idea.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for tables (Markdown, CSV, JSON) and figures.", file_okay=False, show_default=False
        ),
    ] = None,
    configs: ConfigsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge this recipe on the store's data: unseen athletes at later times, beside every baseline, with intervals.

    Nothing is registered. Where the data cannot carry a figure, the output says so.
    """
    from models.learners import EVERY, chosen, not_installed
    from pipelines.console import print_json, progress
    from pipelines.evaluation_output import show_evaluation, write_evaluation
    from pipelines.recipe import load_recipe
    from pipelines.scrutiny import examine, write_scrutiny
    from pipelines.train import try_evaluation
    from pipelines.training_set import directions, training_set

    alternatives = chosen(learners) if learners else ()
    recipe = load_recipe(configs)
    with store_run(store, "evaluate") as (opened, facts), progress() as report:
        training = training_set(opened, recipe, None, report)
        found, verdict = try_evaluation(training, recipe, report, designs, alternatives)
        scrutiny = examine(training, recipe, directions(training), refits, report)
        facts |= {"athlete_days": len(training.index), "evaluated": found is not None}
    verdict = (*verdict, *scrutiny.sentences())
    page = None if out is None or found is None else write_evaluation(found, verdict, out)
    if out is not None:
        write_scrutiny(scrutiny, out)
    if as_json:
        evaluation = found.as_json() if found else None
        print_json({"verdict": list(verdict), "evaluation": evaluation, **scrutiny.as_json()})
        return
    show_evaluation(found, verdict)
    if learners == EVERY and not_installed():
        say(f"Left out, not installed: {', '.join(not_installed())}. Run: pip install 'strainwatch[learners]'")
    if page is not None:
        say(f"Tables and figures: {page}")


def replay(
    store: StoreOption,
    first: Annotated[
        str | None,
        typer.Option(
            "--from", help="First day, such as 2024-07-01. Default: a year before the last.", show_default=False
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", help="Last day. Default: the newest that the data can tell of.", show_default=False),
    ] = None,
    retrain_weeks: Annotated[
        int, typer.Option("--retrain-weeks", min=1, help="Mondays from one training to the next.")
    ] = 4,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for tables, JSON and the season's figure.", file_okay=False, show_default=False
        ),
    ] = None,
    configs: ConfigsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk a past season Monday by Monday as it was known then: who would have been flagged, and what became of it.

    Trains anew every few weeks from what was known that morning, with bags of evaluation_members. Nothing is registered
    and nothing is stored; the only files written are those of --out.
    """
    from pipelines.console import print_json, progress
    from pipelines.data import read_tables
    from pipelines.recipe import load_recipe
    from pipelines.season_report import as_json as plain
    from pipelines.season_report import show_season, write_season
    from pipelines.walk_forward import replay as run
    from pipelines.walk_forward import schedule
    from serving.report.settings import load_report_settings

    recipe, report_settings = load_recipe(configs), load_report_settings(configs)
    start, end = (None if each is None else day(each) for each in (first, last))
    with store_run(store, "replay") as (opened, facts), progress() as report:
        tables = read_tables(opened)
        season = run(tables, recipe, schedule(tables, start, end, retrain_weeks), report_settings, report)
        facts |= {"mondays": len(season.weeks), "trainings": int(season.weeks["trained"].sum())}
    written = [] if out is None else write_season(season, out)
    if as_json:
        print_json(plain(season))
        return
    show_season(season)
    for path in written:
        say(str(path))


def tune(
    store: StoreOption,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=2, help="Settings tried, the present ones among them. Default: that of tuning.toml."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Where to write the recommended model.toml, such as my-configs/model.toml; tuning.json, the record of "
            "the search, comes beside it.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            help="Look only at this day and those before it, as known the next morning: later days then judge the "
            "choice.",
            show_default=False,
        ),
    ] = None,
    nested: Annotated[
        bool,
        typer.Option("--nested", help="Also search inside every outer fold, to say what it is worth. Takes long."),
    ] = False,
    configs: ConfigsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for better settings of model.toml on inner folds, and say whether the best is better than luck.

    Every trial is kept at once: after Ctrl-C or a kill the same command goes on. Trials are runs in MLflow, in the
    experiment strainwatch-tuning. Nothing is registered.
    """
    from models.tuning import load_tuning
    from pipelines.console import print_json, progress
    from pipelines.recipe import load_recipe
    from pipelines.tune import check_target, write_recipe
    from pipelines.tune import tune as run

    if out is not None:
        check_target(out)
    recipe, tuning = load_recipe(configs), load_tuning(configs)
    last = None if until is None else day(until)
    with store_run(store, "tune") as (opened, facts), progress() as report:
        try:
            found = run(opened, recipe, tuning, trials or tuning.trials, last, report, nested)
        except KeyboardInterrupt:
            print("strainwatch: interrupted; finished trials are kept, the same command goes on.", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        facts |= {"trials": found.record.trials, "resumed": found.resumed}
    if out is not None:
        write_recipe(found, out)
    if as_json:
        print_json(found.as_json())
        return
    for sentence in found.in_words():
        say(sentence)
    if out is not None:
        say(f"Written: {out}")
