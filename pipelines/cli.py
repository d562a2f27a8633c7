"""The command line: `strainwatch`, what staff's scripts, cron and data scientists call."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from configs.errors import CHAMPION_KEPT, NotReady, StrainwatchError, SystemRefused, WrongArgument
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
10 the gate kept the champion; 130 interrupted."""

app = typer.Typer(
    name="strainwatch",
    help="Hamstring strain risk for sports staff: who is drifting, how likely, and why. "
    "Decision support, not diagnosis.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

features_app = typer.Typer(
    help="The catalogue of features: what there is, what one of them says, and whether your own file is right.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
)
app.add_typer(features_app, name="features")
models_app = typer.Typer(
    help="The registered models: which there are, and who became champion when, by whom and why.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
)
app.add_typer(models_app, name="models")
runs_app = typer.Typer(help="Recorded trainings, side by side.", epilog=EXIT_CODES, no_args_is_help=True)
app.add_typer(runs_app, name="runs")

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


def main() -> None:
    """Run the command line; user-caused errors end with their message and exit code, not with a traceback."""
    try:
        _run_app()
    except StrainwatchError as error:
        print(f"strainwatch: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("strainwatch: interrupted; the store is as it was.", file=sys.stderr)
        sys.exit(130)


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


def _existing(path: Path) -> Store:
    """The store at `path`; only `ingest` and `demo` make a new one, so that a typing error makes none."""
    from pipelines.data import open_store

    if not (path / "store.json").is_file():
        raise NotReady(f"{path}: no store there. `strainwatch ingest` makes one; check --store or STRAINWATCH_STORE.")
    return open_store(path)


@contextmanager
def _run(path: Path, command: str) -> Iterator[tuple[Store, dict[str, Any]]]:
    """Open the store, and leave a line in its run log however the command ends."""
    from pipelines.clock import utc_now
    from pipelines.data import open_store
    from pipelines.run_log import append_run

    facts: dict[str, Any] = {}
    started, code = utc_now(), 1
    store = open_store(path) if command == "ingest" else _existing(path)
    try:
        yield store, facts
        code = int(facts.pop("exit_code", 0))
    except StrainwatchError as error:
        code = error.exit_code
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
    from pipelines.ingest import ingest as run

    with _run(store, "ingest") as (opened, facts), working("reading and checking"):
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


@app.command(epilog=EXIT_CODES)
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
    from pipelines.train import load_recipe
    from pipelines.train import train as run

    last = None if until is None else _day(until)
    limits = load_limits(configs)
    with _run(store, "train") as (opened, facts), progress() as report:
        recipe, now, outcome = load_recipe(configs), utc_now(), None
        if challenger:
            trained = run(opened, recipe, last, now, report)
        else:
            trained, outcome = train_and_ask(opened, recipe, last, now, report, limits)
        facts |= {"model_version": trained.bundle.version, "athlete_days": len(trained.training.index)}
        facts |= outcome.facts() if outcome else {}
    if as_json:
        promotion = outcome.as_json() if outcome else None
        print_json({**trained.facts(), **trained.bundle.metrics, "promotion": promotion})
        return
    show_evaluation(trained.evaluation, trained.verdict)
    _say(trained.in_words())
    if outcome:
        outcome.show()


@app.command(epilog=EXIT_CODES)
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
    from pipelines.scrutiny import examine, write_scrutiny
    from pipelines.train import directions, load_recipe, training_set, try_evaluation

    alternatives = chosen(learners) if learners else ()
    recipe = load_recipe(configs)
    with _run(store, "evaluate") as (opened, facts), progress() as report:
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
        _say(f"Left out, not installed: {', '.join(not_installed())}. Run: pip install 'strainwatch[learners]'")
    if page is not None:
        _say(f"Tables and figures: {page}")


@app.command(epilog=EXIT_CODES)
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
    from pipelines.season_report import as_json as plain
    from pipelines.season_report import show_season, write_season
    from pipelines.train import load_recipe
    from pipelines.walk_forward import replay as run
    from pipelines.walk_forward import schedule
    from serving.report.settings import load_report_settings

    recipe, report_settings = load_recipe(configs), load_report_settings(configs)
    start, end = (None if each is None else _day(each) for each in (first, last))
    with _run(store, "replay") as (opened, facts), progress() as report:
        tables = read_tables(opened)
        season = run(tables, recipe, schedule(tables, start, end, retrain_weeks), report_settings, report)
        facts |= {"mondays": len(season.weeks), "trainings": int(season.weeks["trained"].sum())}
    written = [] if out is None else write_season(season, out)
    if as_json:
        print_json(plain(season))
        return
    show_season(season)
    for path in written:
        _say(str(path))


@app.command(epilog=EXIT_CODES)
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
    from pipelines.train import load_recipe
    from pipelines.tune import check_target, write_recipe
    from pipelines.tune import tune as run

    if out is not None:
        check_target(out)
    recipe, tuning = load_recipe(configs), load_tuning(configs)
    last = None if until is None else _day(until)
    with _run(store, "tune") as (opened, facts), progress() as report:
        try:
            found = run(opened, recipe, tuning, trials or tuning.trials, last, report, nested)
        except KeyboardInterrupt:
            print("strainwatch: interrupted; finished trials are kept, the same command goes on.", file=sys.stderr)
            raise typer.Exit(130) from None
        facts |= {"trials": found.record.trials, "resumed": found.resumed}
    if out is not None:
        write_recipe(found, out)
    if as_json:
        print_json(found.as_json())
        return
    for sentence in found.in_words():
        _say(sentence)
    if out is not None:
        _say(f"Written: {out}")


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

    with _run(store, "score") as (opened, facts), working("scoring"):
        day = score_day(opened, as_of, utc_now(), replace=replace, wait_s=wait, configs_folder=configs)
        facts |= day.facts()
        code = 0 if day.scores.scored else NotReady.exit_code
        facts["exit_code"] = code
    if as_json:
        print_json(facts)
    else:
        _say(day.in_words())
    if code:
        print("strainwatch: nobody could be scored; is a source silent? See `strainwatch status`.", file=sys.stderr)
        raise typer.Exit(code)


@app.command(epilog=EXIT_CODES)
def explain(
    store: StoreOption,
    athlete: Annotated[str, typer.Option("--athlete", help="The athlete's id.")],
    as_of: AsOfOption = None,
    configs: ConfigsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why one athlete's score is where it is: every factor with what it does to the odds."""
    from pipelines.clock import utc_now
    from pipelines.console import print_json, working
    from pipelines.daily import explain_athlete
    from pipelines.show import show_explanation

    with _run(store, "explain") as (opened, _), working("explaining"):
        found = explain_athlete(opened, athlete, as_of, utc_now(), configs)
    if as_json:
        print_json(
            {
                "predictions": found.predictions.to_dict("records"),
                "explanations": found.explanations.to_dict("records"),
            }
        )
    else:
        show_explanation(found.predictions, found.explanations, found.bundle, found.date)


@app.command(epilog=EXIT_CODES)
def report(
    store: StoreOption,
    as_of: AsOfOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the file. Default: reports/ in the store.", file_okay=False)
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option("--names", help="CSV with athlete_id and name, to print names instead of pseudonyms."),
    ] = None,
    configs: ConfigsOption = None,
    wait: WaitOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Write the weekly report as one HTML file that needs no network. Scores the moment first if nobody has."""
    from pipelines.clock import utc_now
    from pipelines.console import print_json, working
    from pipelines.weekly import write_report

    with _run(store, "report") as (opened, facts), working("writing the report"):
        written = write_report(opened, as_of, utc_now(), out=out, names=names, configs_folder=configs, wait_s=wait)
        facts |= {"as_of": f"{written.report.as_of.isoformat()}"}
    if as_json:
        print_json({"report": str(written.path)})
    else:
        _say(str(written.path))


@app.command(epilog=EXIT_CODES)
def status(store: StoreOption, as_json: JsonOption = False) -> None:
    """What is in the store, how fresh it is, which model is champion, and how the last run went."""
    from pipelines.console import print_json, working
    from pipelines.status import status_of

    with working("looking"):
        found = status_of(_existing(store))
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
        bool, typer.Option("--full", help="40 to 1,000 athletes over three seasons, bags as shipped: an hour or more.")
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
    from pipelines.train import load_recipe
    from pipelines.verification.report import show
    from pipelines.verify import as_sections, full_plan, quick_plan, write
    from pipelines.verify import verify as run

    recipe = load_recipe(configs)
    plan = full_plan(seeds, first_seed, recipe.settings.members) if full else None
    with progress() as report:
        found = run(plan or quick_plan(athletes, seasons, seeds, first_seed), recipe, report)
    page = None if out is None else write(found, out)
    if as_json:
        print_json(found.as_json())
        return
    show(as_sections(found))
    if page is not None:
        _say(f"Report: {page}")


@app.command(epilog=EXIT_CODES)
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
    with _run(store, "promote") as (opened, facts), progress() as report:
        outcome = run(opened, version, utc_now(), report, limits, reason)
        facts |= outcome.facts()
        code = facts["exit_code"] = 0 if outcome.is_champion else CHAMPION_KEPT
    if as_json:
        print_json(outcome.as_json())
    else:
        outcome.show()
    raise typer.Exit(code)


@app.command(epilog=EXIT_CODES)
def rollback(store: StoreOption, reason: ReasonOption = None, as_json: JsonOption = False) -> None:
    """Make the previous champion champion again. Repeated, it goes further back in the promotion log."""
    from pipelines.clock import utc_now
    from pipelines.console import print_json, working
    from pipelines.promote import roll_back

    with _run(store, "rollback") as (opened, facts), working("checking the earlier champion"):
        outcome = roll_back(opened, reason, utc_now())
        facts |= outcome.facts()
    if as_json:
        print_json(outcome.as_json())
    else:
        outcome.show()


@app.command(epilog=EXIT_CODES)
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

    with _run(store, "card") as (opened, facts), working("writing the card"):
        found = card_of(opened, version, configs)
        written = write_card(found, out or opened.path / "cards")
        facts |= {"model_version": found.version, "not_met": found.count("not met")}
    if as_json:
        print_json({"html": str(written.html), "markdown": str(written.markdown), **found.as_json()})
        return
    for line in written.in_words():
        _say(line)


@models_app.command("list", epilog=EXIT_CODES)
def models_list(store: StoreOption, form: FormatOption = Format.text) -> None:
    """Every registered version, newest first: its label, its run in MLflow, and who is champion and challenger."""
    from pipelines.console import working
    from pipelines.models_command import listed, show_list

    with _run(store, "models list") as (opened, _), working("looking"):
        found = listed(opened)
    show_list(found, form)


@models_app.command("log", epilog=EXIT_CODES)
def models_log(store: StoreOption, form: FormatOption = Format.text) -> None:
    """The promotion log: who became champion or did not, when, on whose word, why, and by which figures.

    Says so if a line was changed (exit code 8), or if the champion is not the one that the log names.
    """
    from pipelines.console import working
    from pipelines.models_command import logged, show_log

    with _run(store, "models log") as (opened, _), working("looking"):
        found = logged(opened)
    show_log(found, form)


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

    with _run(store, "runs compare") as (opened, _), working("comparing"):
        found = compare(opened, first, second)
        page = None if out is None else write(found, out)
    if as_json:
        print_json(found.as_json())
        return
    show(found)
    if page is not None:
        _say(f"Report: {page}")


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
    span = Span(None if first is None else _day(first), None if last is None else _day(last), every_days)
    found = None
    if store is not None:
        with _run(store, "features show") as (opened, facts), working("looking back"):
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
        found = check(path, None if store is None else _existing(store))
    found.show()
    raise typer.Exit(found.exit_code)


def _day(text: str) -> Any:
    import pandas as pd

    try:
        return pd.Timestamp(date.fromisoformat(text.strip())).as_unit("us")
    except ValueError as error:
        raise WrongArgument(f"'{text}' is no day; write it as 2021-10-04.") from error


def _say(text: str) -> None:
    from pipelines.console import out

    out().print(text, soft_wrap=True, markup=False)
