"""The command line: `strainwatch`, what staff's scripts, cron and data scientists call."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from configs.errors import NotReady, StrainwatchError, SystemRefused
from pipelines.commands.catalogue import features_app
from pipelines.commands.choosing import card, models_app, promote, rollback, runs_app
from pipelines.commands.learning import evaluate, replay, train, tune
from pipelines.commands.shared import (
    EXIT_CODES,
    INTERRUPTED,
    AsOfOption,
    ConfigsOption,
    JsonOption,
    StoreOption,
    WaitOption,
    existing,
    say,
    store_run,
)

app = typer.Typer(
    name="strainwatch",
    help="Hamstring strain risk for sports staff: who is drifting, how likely, and why. "
    "Decision support, not diagnosis.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(features_app, name="features")
app.add_typer(models_app, name="models")
app.add_typer(runs_app, name="runs")


def main() -> None:
    """Run the command line; user-caused errors end with their message and exit code, not with a traceback."""
    try:
        _run_app()
    except StrainwatchError as error:
        print(f"strainwatch: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("strainwatch: interrupted; the store is as it was.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _run_app() -> None:
    """The command; what the system refuses becomes an error with file and reason."""
    try:
        app()
    except OSError as error:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        reason = error.strerror or error
        advice = "Check the path, its rights and the space on the disk."
        raise SystemRefused(f"{' -> '.join(names) or 'a file'}: {reason}. {advice}") from error


@app.callback()
def common(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done, in counts.")] = False,
) -> None:
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for package in ("features", "models", "serving", "pipelines"):
        logging.getLogger(package).setLevel(level)


@app.command(epilog=EXIT_CODES)
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for exports, store and report; made anew.", file_okay=False)
    ] = Path("demo"),
    athletes: Annotated[int, typer.Option(min=8, help="Size of the squad.")] = 40,
    seasons: Annotated[int, typer.Option(min=1, help="How many seasons.")] = 2,
    seed: Annotated[int, typer.Option(help="Another seed, another squad.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Simulate a squad, ingest its exports, train, score the last Mondays, write the report.

    Everything is made up; the way it goes is the way that real exports go.
    """
    from pipelines.clock import utc_now
    from pipelines.console import err, print_json, progress
    from pipelines.console import out as console
    from pipelines.demo import run_demo

    with progress() as report:
        done = run_demo(out, athletes, seasons, seed, utc_now(), report)
    if as_json:
        print_json(done.as_json())
        return
    console().print(f"Report: {done.report}", soft_wrap=True)
    for line in done.highest:
        console().print(line, soft_wrap=True, markup=False)
    for sentence in done.notes:
        err().print(sentence, soft_wrap=True, markup=False)


@app.command(epilog=EXIT_CODES)
def ingest(
    source: Annotated[str, typer.Argument(help="soccermon, jovanovic, csv, nordbord or whoop.")],
    path: Annotated[Path, typer.Argument(help="The export: a file or a folder, as the source has it.")],
    store: StoreOption,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse the whole file if any row has a problem.")] = False,
    athlete: Annotated[
        str | None, typer.Option("--athlete", help="Whose file it is, where the export does not say.")
    ] = None,
    configs: ConfigsOption = None,
    wait: WaitOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Bring an export into the store. The same file twice adds nothing; a changed row supersedes the old one.

    Rows that fail go to quarantine with their reason and line, and the rest comes in (exit code 4).
    """
    from dataclasses import asdict

    from pipelines.clock import utc_now
    from pipelines.console import print_json, show_ingest, working
    from pipelines.data import is_store
    from pipelines.ingest import ingest as run
    from pipelines.ingest import require_usable

    if not is_store(store):  # a typing error leaves no empty one behind
        require_usable(source, path, configs)
    with store_run(store, "ingest") as (opened, facts), working("reading and checking"):
        result = run(
            opened,
            source,
            path,
            now=utc_now(),
            strict=strict,
            athlete=athlete,
            configs_folder=configs,
            wait_s=wait,
        )
        facts |= {"source": source, "added": dict(result.added), "quarantined": result.quarantined}
        facts["exit_code"] = result.exit_code
    if as_json:
        print_json(asdict(result))
    else:
        show_ingest(result)
    raise typer.Exit(result.exit_code)


app.command(epilog=EXIT_CODES)(train)
app.command(epilog=EXIT_CODES)(evaluate)
app.command(epilog=EXIT_CODES)(replay)
app.command(epilog=EXIT_CODES)(tune)


@app.command(epilog=EXIT_CODES)
def score(
    store: StoreOption,
    as_of: AsOfOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what was said of this moment before.")] = False,
    configs: ConfigsOption = None,
    wait: WaitOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Score everybody at one moment, with explanations. This is what cron calls.

    The same moment twice leaves one set of predictions. Predictions and explanations land together or not at all.
    """
    from pipelines.clock import utc_now
    from pipelines.console import print_json, working
    from pipelines.daily import score_day

    with store_run(store, "score") as (opened, facts), working("scoring"):
        day = score_day(opened, as_of, utc_now(), replace=replace, wait_s=wait, configs_folder=configs)
        facts |= day.facts()
        code = 0 if day.scores.scored else NotReady.exit_code
        facts["exit_code"] = code
    if as_json:
        print_json(facts)
    else:
        say(day.in_words())
    if code:
        print("strainwatch: nobody could be scored; is a source silent? See `strainwatch status`.", file=sys.stderr)
        raise typer.Exit(code)


@app.command(epilog=EXIT_CODES)
def explain(
    store: StoreOption,
    athlete: Annotated[str, typer.Option("--athlete", help="The athlete's id.")],
    as_of: AsOfOption = None,
    background: Annotated[
        str | None,
        typer.Option(
            "--background",
            help="Also explain the score anew, these athlete-days standing for what is not known: squad (the others "
            "this morning), own (the athlete's last 26 weeks) or training. See docs/explanations.md.",
            show_default=False,
        ),
    ] = None,
    interactions: Annotated[
        bool, typer.Option("--interactions", help="Also which pairs of factors do more together than alone.")
    ] = False,
    configs: ConfigsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why one athlete's score is where it is: every factor with what it does to the odds."""
    from pipelines.clock import utc_now
    from pipelines.console import print_json, working
    from pipelines.daily import explain_athlete
    from pipelines.explaining import background_named, show_parts, take_apart
    from pipelines.show import explanation_as_json, names_of, show_explanation, teller

    chosen = background_named(background)
    with store_run(store, "explain") as (opened, _), working("explaining"):
        found = explain_athlete(opened, athlete, as_of, utc_now(), configs)
        is_asked = chosen is not None or interactions
        parts = take_apart(opened, found, athlete, chosen, interactions) if is_asked else None
    if as_json:
        print_json(explanation_as_json(found) | ({"parts": parts.as_json()} if parts else {}))
        return
    show_explanation(found)
    if parts:
        show_parts(parts, names_of(found), teller(found.bundle, found.settings))


@app.command(epilog=EXIT_CODES)
def report(
    store: StoreOption,
    as_of: AsOfOption = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="What to write, with commas between: html (one file that needs no network), pdf, csv, xlsx, mail.",
        ),
    ] = "html",
    language: Annotated[
        str | None,
        typer.Option("--language", help="en or de, also with a region, as in en_US. Default: as report.toml says."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write the mail as a file (.eml) instead of sending it.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the files. Default: reports/ in the store.", file_okay=False),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option("--names", help="CSV with athlete_id and name, to print names instead of pseudonyms."),
    ] = None,
    configs: ConfigsOption = None,
    wait: WaitOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Write the weekly report as files or mail it. Scores the moment first if nobody has.

    Mail goes out as [delivery] of report.toml says; the password comes from STRAINWATCH_SMTP_PASSWORD.
    """
    from pipelines.clock import utc_now
    from pipelines.console import print_json, working
    from pipelines.weekly import Order, formats_of, write_report

    order = Order(formats_of(formats), language, out, names, configs, dry_run, wait)
    with store_run(store, "report") as (opened, facts), working("writing the report"):
        written = write_report(opened, as_of, utc_now(), order)
        facts |= {"as_of": f"{written.report.as_of.isoformat()}"}
    if as_json:
        files = [str(path) for path in written.files]
        print_json({"report": files[0] if files else None, "files": files, "mailed": written.mailed})
        return
    for path in written.files:
        say(str(path))
    if written.mailed is not None:
        say(f"Mailed to {written.mailed}.")


@app.command(epilog=EXIT_CODES)
def decide(
    store: StoreOption,
    athlete: Annotated[str, typer.Option("--athlete", help="The athlete's id.")],
    text: Annotated[str, typer.Argument(help="What was decided, in a sentence of your own.")],
    day: Annotated[
        str | None, typer.Option("--date", help="The day that it is about. Default: today.", show_default=False)
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who decided. Default: the system's account.", show_default=False)
    ] = None,
) -> None:
    """Keep what staff decided about an athlete: the report shows it on the athlete's page. It changes no score."""
    from pipelines.clock import utc_now
    from pipelines.decisions import decide as keep
    from pipelines.promote import user

    with store_run(store, "decide") as (opened, _):
        about = keep(opened, athlete, text, day, by or user(), utc_now())
    say(f"Kept for {athlete}, {about:%Y-%m-%d}.")


@app.command(epilog=EXIT_CODES)
def status(store: StoreOption, as_json: JsonOption = False) -> None:
    """What is in the store, how fresh it is, which model is champion, and how the last run went."""
    from pipelines.console import print_json, working
    from pipelines.status import status_of

    with working("looking"):
        found = status_of(existing(store))
    if as_json:
        print_json(found.as_json())
    else:
        found.show()


@app.command(epilog=EXIT_CODES)
def verify(
    athletes: Annotated[int, typer.Option(min=8, help="Size of the squad to learn from.")] = 200,
    seasons: Annotated[int, typer.Option(min=1, help="How many seasons to learn from.")] = 2,
    seeds: Annotated[int, typer.Option(min=1, help="How many pairs of squads; intervals are over them.")] = 4,
    first_seed: Annotated[int, typer.Option(help="Other seeds, other squads.")] = 1,
    full: Annotated[
        bool, typer.Option("--full", help="40 to 1,000 athletes over three seasons: some ten minutes a pair.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for report, figures and JSON.", file_okay=False, show_default=False),
    ] = None,
    configs: ConfigsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate squads whose true risk is known, and measure how much of it model and explanations recover.

    What comes out holds for simulated athletes only.
    """
    from pipelines.console import print_json, progress
    from pipelines.recipe import load_recipe
    from pipelines.verification.report import show
    from pipelines.verify import as_sections, full_plan, quick_plan, write
    from pipelines.verify import verify as run

    recipe = load_recipe(configs)
    plan = full_plan(seeds, first_seed) if full else None
    with progress() as report:
        found = run(plan or quick_plan(athletes, seasons, seeds, first_seed), recipe, report)
    page = None if out is None else write(found, out)
    if as_json:
        print_json(found.as_json())
        return
    show(as_sections(found))
    if page is not None:
        say(f"Report: {page}")


app.command(epilog=EXIT_CODES)(promote)
app.command(epilog=EXIT_CODES)(rollback)
app.command(epilog=EXIT_CODES)(card)
