"""The command line: help that teaches, one exit code per cause, messages without a traceback, quiet off a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import configs
from pipelines.cli import app
from pipelines.daily import score_database
from pipelines.data import open_store, read_tables
from pipelines.run_log import last_run
from tests.squad import MONDAYS, Ran, Squad, small_model, stored, strainwatch

DAY = MONDAYS[0]
ROOT = Path(__file__).parents[1]
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x9b]")

HEADER = "session_id,athlete_id,date,known_at,kind,duration_min,distance_m\n"
GOOD = HEADER + "".join(
    f"s{number},a,2021-10-0{number},2021-10-0{number}T20:00:00Z,training,60,{5000 + number}\n" for number in (1, 2, 3)
)


def assert_quiet(ran: Ran) -> None:
    """Nothing on standard error, nothing but text on standard output."""
    assert (ran.code, ran.err) == (0, "")
    assert not CONTROL.search(ran.out)


def assert_refused(ran: Ran, code: int, message: str) -> None:
    """The exit code and a message for people, on standard error alone."""
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err
    assert "Traceback" not in ran.err


# --- help -----------------------------------------------------------------------------------------


def test_the_commands_are_those_that_were_promised() -> None:
    assert set(COMMANDS) >= {"demo", "ingest", "train", "evaluate", "score", "explain", "report", "status"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_explains_itself_and_tells_the_exit_codes(command: str) -> None:
    ran = strainwatch(command, "--help")
    assert_quiet(ran)
    for number in range(10):
        assert re.search(rf"\b{number} [a-z]", ran.out), f"exit code {number}"
    declared = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    assert len(declared.help or "") > 30
    for option in declared.params:
        assert getattr(option, "help", None), f"{command} {option.name}"


def test_the_help_of_the_whole_lists_every_command() -> None:
    ran = strainwatch("--help")
    assert_quiet(ran)
    assert [command for command in COMMANDS if command not in ran.out] == []
    assert "Decision support, not diagnosis" in ran.out


# --- commands that succeed ------------------------------------------------------------------------


def test_score_explain_report_and_status_say_it_in_words_and_are_quiet(own_squad: Squad, tmp_path: Path) -> None:
    store = ("--store", own_squad.path)
    scored = strainwatch("score", *store, "--as-of", DAY)
    assert_quiet(scored)
    assert re.match(
        r"Scored \d+ athletes as of 2025-03-17 07:00 UTC; \d+ could not be scored( \([^)]+\))?\.\n$", scored.out
    )
    explained = strainwatch("explain", *store, "--athlete", someone(own_squad), "--as-of", DAY)
    assert_quiet(explained)
    assert "Contributions describe the score, not the tissue: decision support, not diagnosis." in explained.out
    sums = re.search(r"contributions add up to ([+-][\d.]+); the score is ([+-][\d.]+)", explained.out)
    assert sums is not None and sums[1] == sums[2]
    reported = strainwatch("report", *store, "--as-of", DAY, "--out", tmp_path / "out")
    assert_quiet(reported)
    assert Path(reported.out.strip()) == tmp_path / "out" / f"strainwatch-{DAY}.html"
    told = strainwatch("status", *store)
    assert_quiet(told)
    for words in ("Champion: version 1", "Scored moments: 1", "Last run: report", "exit code 0", "sessions"):
        assert words in told.out


def someone(squad: Squad) -> str:
    """An athlete with a score on DAY."""
    ran = strainwatch("score", "--store", squad.path, "--as-of", DAY, "--json")
    assert ran.code == 0
    said = stored(squad)[0]
    return str(said.loc[~said["abstained"], "athlete_id"].iloc[0])


def test_json_is_one_document_with_the_facts(own_squad: Squad, tmp_path: Path) -> None:
    store = ("--store", own_squad.path)
    who = someone(own_squad)
    runs = {
        "score": strainwatch("score", *store, "--as-of", DAY, "--json"),
        "explain": strainwatch("explain", *store, "--athlete", who, "--as-of", DAY, "--json"),
        "report": strainwatch("report", *store, "--as-of", DAY, "--json"),
        "status": strainwatch("status", *store, "--json"),
        "ingest": strainwatch("ingest", "csv", csv(tmp_path, GOOD), "--store", tmp_path / "new", "--json"),
    }
    for ran in runs.values():
        assert_quiet(ran)
    found = {name: json.loads(ran.out) for name, ran in runs.items()}
    assert found["score"]["outcome"] == "unchanged"
    assert [row["horizon_days"] for row in found["explain"]["predictions"]] == [7, 14, 28]
    assert {row["athlete_id"] for row in found["explain"]["explanations"]} == {who}
    assert Path(found["report"]["report"]).is_file()
    assert found["status"]["last_run"]["command"] == "report"
    assert [model["aliases"] for model in found["status"]["models"]] == [["champion"]]
    assert found["ingest"]["added"] == {"sessions": 3}


def test_the_store_may_come_from_the_environment(own_squad: Squad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRAINWATCH_STORE", str(own_squad.path))
    ran = strainwatch("status")
    assert_quiet(ran)
    assert "Champion: version 1" in ran.out


def test_the_report_is_one_file_that_needs_no_network(own_squad: Squad, tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text("athlete_id,name\n" + "".join(f"A{n:02d},Given Name{n}\n" for n in range(1, 11)))
    ran = strainwatch("report", "--store", own_squad.path, "--as-of", DAY, "--out", tmp_path / "out", "--names", names)
    assert_quiet(ran)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"strainwatch-{DAY}.html"]
    html = Path(ran.out.strip()).read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href|action|poster|data)\s*=\s*[\"']?(?!#|data:|[\"'])\s*[\w/.:]+", html) == []
    assert re.findall(r"url\((?![\"']?data:)|@import|<link|<iframe|<object|fetch\(|XMLHttp", html) == []
    assert "Given Name2" in html
    assert "Given Name" not in (own_squad.path / "runs.jsonl").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_real_process_off_a_terminal_writes_no_progress_and_no_colours(own_squad: Squad) -> None:
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "COLUMNS": "40",
        "STRAINWATCH_STORE": str(own_squad.path),
    }
    command = [sys.executable, "-m", "tests.run", "score", "--as-of", DAY]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert_quiet(Ran(ran.returncode, ran.stdout, ran.stderr))
    assert ran.stdout.startswith("Scored ") and ran.stdout.count("\n") == 1


@pytest.mark.slow
def test_evaluate_and_train_print_every_metric_beside_every_baseline(own_squad: Squad, tmp_path: Path) -> None:
    recipe = ("--store", own_squad.path, "--configs", own_squad.configs)
    ran = strainwatch("evaluate", *recipe)
    assert_quiet(ran)
    for words in (
        "AUROC", "Average precision", "Brier", "Calibration slope", "Calibration intercept", "Net benefit", "lert",
        "95 % interval by athlete bootstrap", "7 days", "14 days", "28 days", "Age and history", "Logistic", "ACWR",
    ):  # fmt: skip
        assert words.lower() in ran.out.lower(), words
    judged = json.loads(strainwatch("evaluate", *recipe, "--no-designs", "--json").out)
    assert "designs" not in judged["evaluation"]
    trained = strainwatch("train", *recipe, "--until", "2025-03-30", "--designs", "--json")
    assert_quiet(trained)
    found = json.loads(trained.out)
    assert found["athletes"] == 10
    designs = {line["design"]: line["n_rows"] for line in found["evaluation"]["designs"] if line["name"] == "auroc"}
    assert designs["unseen athletes, later time"] == designs["later time, athletes seen"] > 0
    status = json.loads(strainwatch("status", "--store", own_squad.path, "--json").out)
    assert [(model["version"], model["aliases"]) for model in status["models"]] == [
        (2, ["challenger"]),
        (1, ["champion"]),
    ]
    assert status["models"][0]["label"] == found["model_version"]
    card = json.loads(strainwatch("card", "--store", own_squad.path, "--version", "2", "--json").out)
    lines = {line["item"]: line["state"] for section in card["sections"] for line in section["lines"]}
    assert lines["V14"] == "met"


# --- commands that are refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scores"], "No such command 'scores'"),
        (["score", "--fast"], "No such option: --fast"),
        (["ingest", "csv"], "Missing argument 'path'"),
        (["explain", "--as-of", DAY], "Missing option '--athlete'"),
        (["train", "--until", "last week"], "'last week' is no day; write it as 2021-10-04."),
        (["train", "--until", ""], "'' is no day"),
        (["score", "--as-of", "04.10.2021"], "--as-of '04.10.2021' is no time"),
        (["report", "--as-of", "tomorrow"], "--as-of 'tomorrow' is no time"),
        (["demo", "--athletes", "3"], "Invalid value for '--athletes'"),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    own_squad: Squad, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setenv("STRAINWATCH_STORE", str(own_squad.path))
    monkeypatch.setenv("COLUMNS", "200")
    assert_refused(strainwatch(*arguments), 2, message)


def test_without_a_store_the_option_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRAINWATCH_STORE", raising=False)
    assert_refused(strainwatch("status"), 2, "Missing option '--store'")


def test_demo_does_not_overwrite_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert_refused(strainwatch("demo", "--out", tmp_path), 2, "holds files that no demo made")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("command", ["train", "evaluate", "score", "report", "status", "explain"])
def test_a_store_that_is_not_there_is_not_made_by_a_typing_error(tmp_path: Path, command: str) -> None:
    more = ["--athlete", "a"] if command == "explain" else []
    ran = strainwatch(command, "--store", tmp_path / "stroe", *more)
    assert_refused(ran, 5, "no store there. `strainwatch ingest` makes one; check --store or STRAINWATCH_STORE.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["train"], "there is nothing to train on"),
        (["evaluate"], "there is nothing to train on"),
        (["score"], "no champion yet: run `strainwatch train`"),
        (["report"], "no champion yet: run `strainwatch train`"),
        (["explain", "--athlete", "a"], "no champion yet: run `strainwatch train`"),
    ],
)
def test_an_empty_store_says_what_it_lacks(tmp_path: Path, command: list[str], message: str) -> None:
    open_store(tmp_path / "store")
    assert_refused(strainwatch(*command, "--store", tmp_path / "store"), 5, message)


def test_status_of_an_empty_store_says_so(tmp_path: Path) -> None:
    open_store(tmp_path / "store")
    ran = strainwatch("status", "--store", tmp_path / "store")
    assert_quiet(ran)
    for words in ("Ingests: 0", "Champion: none yet", "Nothing has been scored yet.", "No run yet."):
        assert words in ran.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "--as-of", "2099-01-01"], "--as-of 2099-01-01 lies ahead"),
        (["score", "--as-of", "2019-01-07"], "No athlete was known on 2019-01-07 07:00 UTC"),
        (["explain", "--athlete", "Zoe", "--as-of", DAY], "no athlete is called 'Zoe' among those known on 2025-03-17"),
        (
            ["explain", "--athlete", "A01", "--as-of", "2025-02-10"],
            "is not scored on 2025-02-10: left the squad",
        ),
    ],
)
def test_what_the_store_cannot_answer_ends_with_5(own_squad: Squad, arguments: list[str], message: str) -> None:
    assert_refused(strainwatch(*arguments, "--store", own_squad.path), 5, message)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("model.toml", ("trees = ", "tress = "), "unknown tress. Known: "),
        ("model.toml", ("trees = 8", "trees = 0"), "trees = 0. Give a value from "),
        ("model.toml", ("trees = 8", "trees = "), "model.toml: not valid TOML"),
        ("features.toml", ('aggregate = "sum"', 'aggregate = "summ"'), "'summ' is not known. Valid: "),
        (
            "features.toml",
            ("window_days = 7", 'window_days = "7"'),
            "window_days = '7': give a whole number.",
        ),
        ("target.toml", ("silent_days", "quiet_days"), "unknown quiet_days. Known: "),
        ("factors.toml", ("[overload]", "[overlaod]"), "factor: 'overload' is not known. Valid: "),
    ],
)
def test_a_wrong_config_ends_with_7_and_lists_what_is_valid(
    own_squad: Squad, tmp_path: Path, name: str, change: tuple[str, str], message: str
) -> None:
    folder = small_model(tmp_path / "own")
    source = folder / name if name == "model.toml" else configs.SHIPPED / name
    text = re.sub(r" +=", " =", source.read_text(encoding="utf-8"))
    assert change[0] in text
    (folder / name).write_text(text.replace(*change, 1), encoding="utf-8")
    assert_refused(strainwatch("train", "--store", own_squad.path, "--configs", folder), 7, message)


def test_a_configs_folder_that_is_not_there_ends_with_7(own_squad: Squad, tmp_path: Path) -> None:
    ran = strainwatch("score", "--store", own_squad.path, "--as-of", DAY, "--configs", tmp_path / "nowhere")
    assert_refused(ran, 7, "no such folder of configs")


# --- broken files, by the command -----------------------------------------------------------------


def csv(folder: Path, content: str | bytes, name: str = "sessions.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FOURTH = "s4,a,2021-10-04,2021-10-04T20:00:00Z,training,60,6000\n"
KILOMETRES = "".join(f"k{i},a,2021-10-{i + 10},2021-10-{i + 10}T20:00:00Z,training,60,5.{i}\n" for i in range(9))


@pytest.mark.parametrize(
    ("content", "message", "good"),
    [
        (HEADER + KILOMETRES + "s1,a,2021-10-30,2021-10-30T20:00:00Z,training,20,\n", "in a wrong unit", 1),
        (GOOD + FOURTH + FOURTH.replace(",6000", ",6001"), "the same session_id and known_at", 3),
        (GOOD + FOURTH.replace("2021-", "2099-"), "date in the future", 3),
        (GOOD + FOURTH.replace(",60,", ",sixty,"), "duration_min: not a number (worst sixty", 3),
    ],
    ids=["wrong unit", "duplicated key", "future date", "text in a number"],
)
def test_a_bad_row_is_named_and_the_good_ones_come_in_with_4(
    tmp_path: Path, content: str, message: str, good: int
) -> None:
    ran = strainwatch("ingest", "csv", csv(tmp_path, content), "--store", tmp_path / "store")
    assert (ran.code, ran.err) == (4, "")
    assert message in ran.out
    assert re.search(r"\b(1 row|[2-9] rows) went to quarantine; the others came in\.", ran.out)
    assert len(read_tables(open_store(tmp_path / "store"))["sessions"]) == good


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.replace("athlete_id", "player"), "column athlete_id is missing"),
        ("\n\n", "sessions.csv: the file is empty"),
        (HEADER, "sessions.csv: a header but no data rows"),
        ("", "sessions.csv: the file has 0 bytes"),
        (GOOD.encode("utf-16-le"), "sessions.csv: this looks like UTF-16 without its mark"),
    ],
    ids=["missing column", "empty", "header only", "0 bytes", "UTF-16 without mark"],
)
def test_an_unusable_file_is_refused_with_3_and_nothing_is_lost(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    store = ("--store", tmp_path / "store")
    assert strainwatch("ingest", "csv", csv(tmp_path, GOOD), *store).code == 0
    assert_refused(strainwatch("ingest", "csv", csv(tmp_path, content), *store), 3, message)
    assert len(read_tables(open_store(tmp_path / "store"))["sessions"]) == 3


def test_utf16_with_its_mark_comes_in_and_is_mentioned(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD.encode("utf-16"))
    ran = strainwatch("ingest", "csv", path, "--store", tmp_path / "store")
    assert_quiet(ran)
    assert "sessions.csv: the file is UTF-16; read as such" in ran.out
    assert len(read_tables(open_store(tmp_path / "store"))["sessions"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["csv", "absent.csv"], "absent.csv: no such file or folder."),
        (["csv", "--strict", "sessions.csv"], "--strict refuses a file with any problem"),
        (["csv", "training.csv"], "training.csv: which table is this?"),
    ],
)
def test_what_cannot_be_ingested_ends_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    csv(tmp_path, GOOD + FOURTH.replace(",60,", ",sixty,"))
    csv(tmp_path, GOOD, "training.csv")
    monkeypatch.chdir(tmp_path)
    assert_refused(strainwatch("ingest", *arguments, "--store", "store"), 3, message)
    assert read_tables(open_store(tmp_path / "store"))["sessions"].empty


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["vald", "sessions.csv"], 2, "no source is called 'vald'. Known: csv, soccermon"),
        (["nordbrod", "sessions.csv"], 2, "no source is called 'nordbrod'. Close: nordbord. Known: csv, soccermon"),
        (["csv", "absent.csv"], 3, "absent.csv: no such file or folder."),
        (["nordbord", "sessions.csv", "--configs", "none"], 7, "no such folder of configs"),
    ],
)
def test_a_typing_error_makes_no_store_but_is_logged_in_one_that_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    csv(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    assert_refused(strainwatch("ingest", *arguments, "--store", "new"), code, message)
    assert not (tmp_path / "new").exists()
    open_store(tmp_path / "store")
    assert_refused(strainwatch("ingest", *arguments, "--store", "store"), code, message)
    assert json.loads((tmp_path / "store" / "runs.jsonl").read_text())["exit_code"] == code


def test_the_same_file_twice_adds_nothing_and_says_so(tmp_path: Path) -> None:
    path, store = csv(tmp_path, GOOD), ("--store", tmp_path / "store")
    assert strainwatch("ingest", "csv", path, *store).code == 0
    again = strainwatch("ingest", "csv", path, *store)
    assert_quiet(again)
    assert "These files are in the store already." in again.out


def test_a_folder_that_is_not_a_store_is_left_alone(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD)
    assert_refused(strainwatch("ingest", "csv", path, "--store", tmp_path), 5, "not a store, and not empty")
    assert [item.name for item in tmp_path.iterdir()] == ["sessions.csv"]


def test_a_morning_on_which_nobody_can_be_scored_ends_with_5_and_keeps_the_reasons(own_squad: Squad) -> None:
    ran = strainwatch("score", "--store", own_squad.path, "--as-of", "2026-01-05")
    assert ran.code == 5
    assert "nobody could be scored" in ran.err
    database = score_database(own_squad.store)
    stored = database.predictions()
    database.close()
    silent = stored[stored["as_of"] == stored["as_of"].max()]
    assert silent["abstained"].all()
    assert silent["reason"].str.startswith("no data since").any()


@pytest.mark.parametrize("command", [["demo"], ["report", "--store", "absent"]])
def test_a_file_where_a_folder_is_to_be_written_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = csv(Path(), GOOD)
    assert_refused(strainwatch(*command, "--out", path), 2, "'sessions.csv' is a file.")
    assert path.read_text(encoding="utf-8") == GOOD


def test_what_the_system_refuses_ends_with_9_and_names_file_and_reason(own_squad: Squad, tmp_path: Path) -> None:
    below = csv(tmp_path, GOOD) / "reports"
    ran = strainwatch("report", "--store", own_squad.path, "--as-of", DAY, "--out", below)
    assert_refused(ran, 9, f"{below}: Not a directory. Check the path, its rights")
    assert (last_run(own_squad.path) or {})["exit_code"] == 9


def test_a_damaged_marker_of_a_store_ends_with_8(tmp_path: Path) -> None:
    (open_store(tmp_path / "store").path / "store.json").write_text("{", encoding="utf-8")
    assert_refused(strainwatch("status", "--store", tmp_path / "store"), 8, "store.json: damaged")


def test_status_creates_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store").path
    before = sorted(store.rglob("*"))
    assert strainwatch("status", "--store", store).code == 0
    assert sorted(store.rglob("*")) == before
