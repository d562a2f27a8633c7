"""The features commands: the catalogue, a feature's values as known each morning, the problems of a user's file."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import typer

import configs
from features.specs import load_specs
from features.windows import EWM_SPANS
from pipelines import reference
from pipelines.cli import app
from pipelines.data import open_store
from pipelines.feature_words import definition
from pipelines.features_command import Catalogue, Span, load_catalogue, seen
from pipelines.ingest import ingest
from tests.squad import Ran, Squad, small_model, strainwatch

ROOT = Path(__file__).parents[1]
COMMANDS = typer.main.get_command(app).commands["features"].commands  # type: ignore[attr-defined]

SUM = """
label = "load of 3 days"
factor = "overload"
table = "sessions"
column = "load_au"
aggregate = "sum"
window_days = 3
empty = 0.0
unit = "AU"
direction = "+"
evidence = "C"
reference = "Somebody 2020"
"""
RATIO = """
label = "3 days against 6"
factor = "overload"
derive = "ratio"
inputs = ["near", "far"]
in_model = false
unit = "ratio"
direction = "0"
evidence = "assumption"
reference = "assumption"
"""
FAR = SUM.replace("window_days = 3", "window_days = 6").replace("of 3", "of 6")
OWN = f"[near]{SUM}\n[far]{FAR}\n[relation]{RATIO}"

SESSIONS = """\
session_id,athlete_id,date,known_at,kind,load_au
s1,Ann,2021-10-04,2021-10-04T20:00:00Z,training,300
s2,Ann,2021-10-05,2021-10-05T20:00:00Z,training,400
s3,Ann,2021-10-06,2021-10-08T20:00:00Z,training,500
s4,Bea,2021-10-08,2021-10-08T20:00:00Z,match,600
"""
COVERAGE = """\
athlete_id,table,source,first_date,last_date,known_at
Ann,sessions,csv,2021-10-01,2021-10-09,2021-10-01T06:00:00Z
Bea,sessions,csv,2021-10-07,2021-10-09,2021-10-07T06:00:00Z
"""


def own_features(folder: Path, text: str = OWN) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "features.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Ann trained on three days, the third of which became known two days late; Bea joined later."""
    export = tmp_path / "export"
    export.mkdir()
    (export / "sessions.csv").write_text(SESSIONS, encoding="utf-8")
    (export / "coverage.csv").write_text(COVERAGE, encoding="utf-8")
    store = open_store(tmp_path / "store")
    assert ingest(store, "csv", export, now=datetime(2021, 10, 10, 12, tzinfo=UTC)).exit_code == 0
    return store.path


def rows(ran: Ran) -> list[dict[str, str]]:
    assert (ran.code, ran.err) == (0, "")
    return list(csv.DictReader(io.StringIO(ran.out)))


def refused(ran: Ran, code: int, *messages: str) -> None:
    assert (ran.code, ran.out) == (code, "")
    assert "Traceback" not in ran.err
    for message in messages:
        assert message in ran.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_explains_itself(command: str) -> None:
    ran = strainwatch("features", command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert all(re.search(rf"\b{number} [a-z]", ran.out) for number in range(10))
    assert [option.name for option in COMMANDS[command].params if not getattr(option, "help", None)] == []


# --- list -----------------------------------------------------------------------------------------


def test_list_off_a_terminal_is_one_whole_line_per_feature() -> None:
    ran = strainwatch("features", "list")
    assert (ran.code, ran.err) == (0, "")
    header, *lines = ran.out.splitlines()
    assert header.split() == ["name", "label", "unit", "factor", "window", "direction", "evidence", "use", "reference"]
    assert sorted(line.split()[0] for line in lines) == sorted(spec.name for spec in load_specs())
    assert "…" not in ran.out
    assert [line for line in ran.out.splitlines() if line != line.rstrip()] == []


def test_list_as_csv_says_everything_in_words(tmp_path: Path) -> None:
    near, far, relation = rows(strainwatch("features", "list", "--configs", own_features(tmp_path), "--format", "csv"))
    assert near == {
        "name": "near", "label": "load of 3 days", "unit": "AU", "factor": "overload", "tables": "sessions",
        "window": "last 3 days", "direction": "higher raises, held", "evidence": "C: one cohort", "use": "model",
        "reference": "Somebody 2020",
        "computed": "sum of sessions.load_au, last 3 days; 0 if nothing happened, needs 70 %",
    }  # fmt: skip
    assert far["window"] == "last 6 days"
    assert (relation["use"], relation["computed"]) == ("not in the model", "first over second: near, far")
    assert (relation["tables"], relation["window"]) == ("sessions", "as its inputs")


def test_list_keeps_the_features_of_a_factor_of_a_table_and_of_the_model(tmp_path: Path) -> None:
    specs = load_specs()
    of_factor = rows(strainwatch("features", "list", "--factor", "laxity", "--format", "csv"))
    assert [row["name"] for row in of_factor] == [spec.name for spec in specs if spec.factor == "laxity"]
    in_model = rows(strainwatch("features", "list", "--in-model", "--format", "csv"))
    assert {row["name"] for row in in_model} == {spec.name for spec in specs if spec.in_model}
    of_table = rows(strainwatch("features", "list", "--table", "screenings", "--format", "csv"))
    assert {"screenings"} == set.intersection(*(set(row["tables"].split()) & {"screenings"} for row in of_table))
    none = strainwatch("features", "list", "--configs", own_features(tmp_path), "--table", "wellness")
    assert (none.code, none.out) == (0, "No feature fits.\n")


def test_list_as_json_is_one_document(tmp_path: Path) -> None:
    ran = strainwatch("features", "list", "--configs", own_features(tmp_path), "--format", "json")
    assert [entry["name"] for entry in json.loads(ran.out)] == ["near", "far", "relation"]


def test_an_unknown_factor_or_table_is_refused_with_the_known_ones() -> None:
    refused(strainwatch("features", "list", "--factor", "laxities"), 2, "no factor is called 'laxities'. Close: laxity")
    refused(strainwatch("features", "list", "--table", "session"), 2, "Close: sessions", "Known: athletes, sessions")
    refused(strainwatch("features", "list", "--format", "xml"), 2, "'xml' is not one of")


# --- show: what it is -----------------------------------------------------------------------------


def words_of(name: str, folder: Path) -> dict[str, str]:
    catalogue = load_catalogue(folder)
    return dict(definition(catalogue.spec(name), catalogue.specs, catalogue.factors))


def test_a_window_is_defined_by_rows_days_emptiness_and_what_makes_it_missing(tmp_path: Path) -> None:
    said = words_of("near", own_features(tmp_path))
    assert said["factor"].startswith("Acute overload: ")
    assert said | {"factor": ""} == {
        "factor": "",
        "computed": "sum of sessions.load_au",
        "rows": "every row that holds the column",
        "days": "last 3 days: the prediction day and the 2 days before it; "
        "of the day itself what was known by the prediction hour",
        "empty window": "0 where a source that records the column was in use; otherwise missing",
        "missing when": "a source was in use on fewer than 70 % of the days; fewer than 70 % of the rows hold the "
        "column; no source has ever recorded the column for this athlete",
        "unit": "AU",
        "direction": "a higher value raises the score; held: the model cannot learn the opposite",
        "evidence": "C: one cohort",
        "reference": "Somebody 2020",
        "use": "model",
        "input of": "relation",
    }


@pytest.mark.parametrize(
    ("change", "heading", "text"),
    [
        (("window_days = 3", "window_days = 7\nlag_days = 7"), "days",
         "7 days up to 7 days before: from 13 to 7 days before"),
        (("window_days = 3", "window_days = 36500"), "days",
         "over all time, up to the prediction day; of the day itself what was known by the prediction hour"),
        (("window_days = 3", "window_days = 1"), "days",
         "the prediction day; of the day itself what was known by the prediction hour"),
        (('"sum"', '"exponential"'), "days",
         f"span 3 days, looking back {3 * EWM_SPANS} days; of the day itself what was known by the prediction hour"),
        (("empty = 0.0", ""), "empty window", "missing"),
        (('"sum"\nwindow_days = 3\nempty = 0.0', '"daily_mean"\nwindow_days = 3'), "empty window",
         "its covered days count as days of rest"),
        (("empty = 0.0", 'at_least = 8\nwhere = { kind = ["match", "training"] }'), "rows",
         "only kind match or training, and values of at least 8"),
        (("load_au", "sprint_distance_m"), "missing when",
         "a source was in use on fewer than 70 % of the days; fewer than 70 % of the rows hold the column; the rows "
         "differ in sprint_threshold_m_s; no source has ever recorded the column for this athlete"),
        (('"sum"\nwindow_days = 3\nempty = 0.0', '"spread"\nwindow_days = 3'), "missing when",
         "fewer than 2 rows hold it"),
        (('"sum"\nwindow_days = 3\nempty = 0.0', '"max"\nwindow_days = 3'), "missing when", "none recorded"),
    ],
)  # fmt: skip
def test_each_key_of_a_window_has_its_words(tmp_path: Path, change: tuple[str, str], heading: str, text: str) -> None:
    assert change[0] in SUM
    assert words_of("near", own_features(tmp_path, f"[near]{SUM.replace(*change)}"))[heading] == text


def test_a_derived_feature_is_defined_by_its_inputs(tmp_path: Path) -> None:
    said = words_of("relation", own_features(tmp_path))
    assert said["computed"] == "first over second: near, far"
    assert said["input near"] == "sum of sessions.load_au, last 3 days; 0 if nothing happened, needs 70 % [AU]"
    assert (
        said["missing when"] == "an input is, for the input's reason; or the arithmetic has no result (a division by 0)"
    )
    assert (said["direction"], said["use"], said["input of"]) == ("nothing is claimed", "not in the model", "none")


def test_show_without_a_store_prints_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRAINWATCH_STORE", raising=False)
    ran = strainwatch("features", "show", "load_7d")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("load_7d: session-RPE load, last 7 days\n  factor        Acute overload: ")
    assert "\n  computed      sum of sessions.load_au\n" in ran.out
    as_json = json.loads(strainwatch("features", "show", "load_7d", "--format", "json").out)
    assert as_json["definition"]["unit"] == "AU" and as_json["mornings"] is None
    as_csv = rows(strainwatch("features", "show", "load_7d", "--format", "csv"))
    assert as_csv[1] == {"entry": "computed", "text": "sum of sessions.load_au"}


def test_every_shipped_feature_has_a_definition() -> None:
    catalogue = load_catalogue(None)
    for spec in catalogue.specs:
        assert all(text for _, text in definition(spec, catalogue.specs, catalogue.factors)), spec.name


# --- show: what it was ----------------------------------------------------------------------------


def shown(store: Path, configs_folder: Path, *more: object) -> list[dict[str, str]]:
    command = ("features", "show", "near", "--configs", configs_folder, "--store", store, "--format", "csv")
    return rows(strainwatch(*command, *more))


def test_values_are_those_known_each_morning_with_their_newest_row_and_the_reason_where_missing(
    tiny: Path, tmp_path: Path
) -> None:
    found = shown(tiny, own_features(tmp_path / "own"), "--athlete", "Ann", "--from", "2021-10-01")
    assert [(row["date"], row["value"], row["newest_row"]) for row in found] == [
        ("2021-10-01", "", ""),
        ("2021-10-02", "", ""),
        ("2021-10-03", "", ""),
        ("2021-10-04", "", ""),
        ("2021-10-05", "300.0", "2021-10-04"),
        ("2021-10-06", "700.0", "2021-10-05"),
        ("2021-10-07", "400.0", "2021-10-05"),
        ("2021-10-08", "0.0", ""),
        ("2021-10-09", "0.0", ""),
        ("2021-10-10", "", ""),
    ]
    assert found[-1]["missing_because"] == "no source in use on enough days of the window"
    assert [row["missing_because"] for row in found[4:9]] == ["", "", "", "", ""]
    assert {(row["unit"], row["as_of"][-6:]) for row in found} == {("AU", "07:00Z")}


def test_mornings_are_counted_back_from_the_last_one(tiny: Path, tmp_path: Path) -> None:
    own = own_features(tmp_path / "own")
    found = shown(tiny, own, "--athlete", "Ann", "--from", "2021-10-01", "--until", "2021-10-06", "--every", "2")
    assert [row["date"] for row in found] == ["2021-10-02", "2021-10-04", "2021-10-06"]
    assert len(shown(tiny, own, "--athlete", "Ann")) == 28


def test_a_derived_feature_is_shown_with_its_inputs_reason(tiny: Path, tmp_path: Path) -> None:
    command = ("features", "show", "relation", "--configs", own_features(tmp_path / "own"), "--store", tiny)
    ran = strainwatch(*command, "--athlete", "Ann", "--from", "2021-10-07", "--until", "2021-10-08")
    assert (ran.code, ran.err) == (0, "")
    *_, first, second = ran.out.splitlines()
    assert first.split() == ["2021-10-07", "0.57", "2021-10-05"]
    assert second.split() == ["2021-10-08", "0"]


def test_without_an_athlete_the_squad_is_summed_up(tiny: Path, tmp_path: Path) -> None:
    ran = strainwatch(
        "features", "show", "near", "--configs", own_features(tmp_path / "own"), "--store", tiny,
        "--from", "2021-10-06", "--until", "2021-10-09", "--format", "json",
    )  # fmt: skip
    joined = [(row["date"], row["athletes"], row["with_value"]) for row in json.loads(ran.out)["mornings"]]
    assert joined == [("2021-10-06", 1, 1), ("2021-10-07", 2, 1), ("2021-10-08", 2, 1), ("2021-10-09", 2, 2)]
    last = json.loads(ran.out)["mornings"][-1]
    assert (last["min"], last["median"], last["max"], last["missing_because"]) == (0.0, 300.0, 600.0, {})
    (newest,) = shown(tiny, tmp_path / "own")
    assert (newest["date"], newest["athletes"], newest["with_value"], newest["median"]) == ("2021-10-10", "2", "0", "")
    assert newest["missing_because"] == "no source in use on enough days of the window (2)"


def test_who_has_left_is_of_the_squad_until_that_is_known(tiny: Path, tmp_path: Path) -> None:
    left = "athlete_id,squad,left_date,known_at\nBea,first,2021-10-08,2021-10-09T20:00:00Z\n"
    (tmp_path / "athletes.csv").write_text(left, encoding="utf-8")
    now = datetime(2021, 10, 10, 12, tzinfo=UTC)
    assert ingest(open_store(tiny), "csv", tmp_path / "athletes.csv", now=now).exit_code == 0
    squad = shown(tiny, own_features(tmp_path / "own"), "--from", "2021-10-08")
    assert [(row["date"], row["athletes"]) for row in squad] == [
        ("2021-10-08", "2"),
        ("2021-10-09", "2"),
        ("2021-10-10", "1"),
    ]


def test_without_a_choice_the_newest_morning_is_the_one_after_the_data_or_the_last_that_has_come(
    tiny: Path, tmp_path: Path
) -> None:
    catalogue: Catalogue = load_catalogue(own_features(tmp_path / "own"))

    def newest(now: str) -> str:
        found = seen(open_store(tiny), catalogue, catalogue.spec("near"), "Ann", Span(None, None, 1), pd.Timestamp(now))
        return str(found.rows()[-1]["date"])

    assert newest("2021-10-20T12:00Z") == "2021-10-10"
    assert newest("2021-10-10T06:59Z") == "2021-10-09"


def test_the_run_log_holds_no_measurement(tiny: Path, tmp_path: Path) -> None:
    shown(tiny, own_features(tmp_path / "own"), "--athlete", "Ann", "--from", "2021-10-06", "--until", "2021-10-07")
    line = json.loads((tiny / "runs.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert set(line) == {"command", "started_at", "seconds", "exit_code", "feature", "rows"}
    assert (line["command"], line["feature"], line["rows"]) == ("features show", "near", 2)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (
            ["--athlete", "ann"],
            5,
            "no athlete is called 'ann' in this store. Close: Ann. A report without --names shows",
        ),
        (["--until", "2999-01-01"], 5, "--until 2999-01-01 lies ahead"),
        (["--until", "2001-01-01"], 5, "no athlete was known on 2001-01-01"),
        (["--from", "2021-10-09", "--until", "2021-10-08"], 2, "no morning lies between --from 2021-10-09"),
        (["--from", "yesterday"], 2, "'yesterday' is no day"),
        (["--every", "0"], 2, "'--every'"),
    ],
)
def test_what_cannot_be_shown_is_refused(tiny: Path, more: list[str], code: int, message: str) -> None:
    refused(strainwatch("features", "show", "load_7d", "--store", tiny, *more), code, message)


def test_an_unknown_feature_is_refused_with_those_that_are_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRAINWATCH_STORE", raising=False)
    refused(strainwatch("features", "show", "lod_7d"), 2, "no feature is called 'lod_7d'. Close: load_7d")
    refused(strainwatch("features", "show", "load_7d", "--athlete", "a"), 2, "give --store, or set STRAINWATCH_STORE")


def test_an_empty_or_absent_store_says_so(tmp_path: Path) -> None:
    open_store(tmp_path / "store")
    refused(strainwatch("features", "show", "load_7d", "--store", tmp_path / "store"), 5, "holds no data yet")
    refused(strainwatch("features", "show", "load_7d", "--store", tmp_path / "stroe"), 5, "no store there")


# --- check ----------------------------------------------------------------------------------------


def checked(folder: Path, text: str = OWN, *more: object) -> tuple[int, list[str]]:
    """Exit code and lines of a check of this features.toml."""
    ran = strainwatch("features", "check", own_features(folder, text), *more)
    assert ran.err == ""
    return ran.code, [line.replace(f"{folder}", "OWN") for line in ran.out.splitlines()]


def test_a_file_without_a_problem_ends_with_0_and_a_summary(tmp_path: Path) -> None:
    absent = len(load_specs())
    summary = (
        "OWN: no problem and no warnings. 3 features, 2 for the model; "
        f"against the shipped ones 3 new, 0 changed, {absent} left out."
    )
    assert checked(tmp_path) == (0, [summary])
    assert strainwatch("features", "check", tmp_path / "features.toml").code == 0


def test_a_table_added_to_a_copy_of_the_shipped_file_is_the_one_new_feature(tmp_path: Path) -> None:
    shipped = (configs.SHIPPED / "features.toml").read_text(encoding="utf-8")
    code, lines = checked(tmp_path, f"{shipped}\n[my_own]{SUM}")
    assert (code, "1 new, 0 changed, 0 left out." in lines[-1]) == (0, True)


def test_every_wrong_table_is_named_with_what_was_found_and_what_is_valid(tmp_path: Path) -> None:
    wrong = f"[a]{SUM.replace('load_au', 'load')}\n[b]{FAR}\n[c]{SUM.replace('sum', 'summ')}\nx = 1\n"
    code, lines = checked(tmp_path, wrong)
    assert code == 7
    assert lines[0].startswith("features.toml, [a]: column: 'load' is not known. Close: load_au, ")
    assert " Valid: acceleration_count, " in lines[0]
    assert lines[1].startswith("features.toml, [c]: unknown x. Known: aggregate, ")
    assert lines[2:] == ["OWN: 2 problems."]


def test_of_hundreds_of_valid_names_only_the_near_ones_are_shown(tmp_path: Path) -> None:
    shipped = (configs.SHIPPED / "features.toml").read_text(encoding="utf-8")
    wrong = RATIO.replace('"near", "far"', '"load_7e", "load_7d"')
    code, lines = checked(tmp_path, f"{shipped}\n[mine]{wrong}")
    assert code == 7
    assert re.match(r"features.toml, \[mine\]: inputs: 'load_7e' is not known. Close: load_7d, ", lines[0])
    assert len(lines[0]) < 200


def test_an_input_below_its_feature_is_told_to_move(tmp_path: Path) -> None:
    code, lines = checked(tmp_path, f"[near]{SUM}\n[relation]{RATIO}\n[far]{FAR}")
    assert code == 7
    assert lines == [
        "features.toml, [relation]: inputs: 'far' stands below; move [far] above [relation].",
        "OWN: 1 problem.",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"sum"', '"summ"'), "aggregate: 'summ' is not known. Close: sum. Valid: count, "),
        (('"sessions"', '"session"'), "table: 'session' is not known. Close: sessions. Valid: athletes, "),
        (('"overload"', '"overlod"'), "factor: 'overlod' is not known. Close: overload. Valid: chronic_loading, "),
        (('"+"', '"more"'), "direction: 'more' is not known. Valid: +, -, 0, u."),
    ],
)
def test_a_slip_is_told_with_what_is_close(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    code, lines = checked(tmp_path, f"[near]{SUM.replace(*change)}")
    assert (code, len(lines)) == (7, 2)
    assert lines[0].startswith(f"features.toml, [near]: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a\n", "not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 3)"),
        ("[a]\nlabel = x\n", "not valid TOML: Invalid value (at line 2, column 9)"),
        (f"[a]{SUM}[a]{SUM}", "not valid TOML: Cannot declare ('a',) twice (at line 13, column 3)"),
    ],
)
def test_what_is_no_toml_is_told_with_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    assert checked(tmp_path, text) == (7, [f"OWN/features.toml: {message}", "OWN: 1 problem."])


def test_a_file_that_is_not_utf_8_is_told_with_its_line_and_notepads_mark_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "features.toml").write_bytes(b'[a]\nlabel = "caf\xe9"\n')
    ran = strainwatch("features", "check", tmp_path)
    assert (ran.code, ran.out.splitlines()[0]) == (
        7,
        f"{tmp_path}/features.toml: line 2 is not UTF-8 text. Save the file as UTF-8.",
    )
    (tmp_path / "features.toml").write_text(OWN, encoding="utf-8-sig")
    assert strainwatch("features", "check", tmp_path).code == 0


def test_twins_and_equal_labels_and_an_empty_file_are_warned_of(tmp_path: Path) -> None:
    code, lines = checked(tmp_path, f"[near]{SUM}\n[twin]{SUM}")
    assert (code, lines[:2]) == (
        0,
        [
            "warning: [twin]: computes the same as [near]. Is one of them meant otherwise?",
            "warning: [near], [twin]: have the same label, 'load of 3 days', so nobody can tell them "
            "apart in a report.",
        ],
    )
    code, lines = checked(tmp_path, "")
    assert code == 0 and lines[0].startswith("warning: holds no feature that a model may use.")


def test_a_feature_without_any_value_in_the_store_or_always_the_same_is_warned_of(tiny: Path, tmp_path: Path) -> None:
    never = SUM.replace("load_au", "distance_m").replace("of 3", "of metres")
    always = (
        SUM.replace("sum", "count")
        .replace("of 3", "of rehabilitation, 3")
        .replace("empty", "where.kind = 'rehabilitation'\nempty")
    )
    code, lines = checked(tmp_path / "own", f"{OWN}\n[metres]{never}\n[light]{always}", "--store", tiny)
    assert code == 0
    assert lines[0].startswith("warning: [metres]: never has a value in this store: ")
    assert lines[1] == (
        "warning: [light]: has one and the same value throughout this store, so a model cannot learn from it."
    )
    assert "no problem and 2 warnings" in lines[2]


def test_shipped_features_without_any_value_are_listed_together(tiny: Path, tmp_path: Path) -> None:
    shipped = (configs.SHIPPED / "features.toml").read_text(encoding="utf-8")
    code, lines = checked(tmp_path / "own", shipped, "--store", tiny)
    assert code == 0
    told = [line for line in lines if re.match(r"warning: \d+ of the shipped features never have a value", line)]
    assert any("hamstring_discomfort" in line or "discomfort_7d" in line for line in told)
    assert len(lines) < 40


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "no such file or folder"), ("other", "holds no features.toml"), ("feature.toml", "is never read")],
)
def test_a_path_without_a_features_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "feature.toml").write_text(OWN, encoding="utf-8")
    refused(strainwatch("features", "check", tmp_path / name), 7, message)


# --- as a user ------------------------------------------------------------------------------------


def started(arguments: Iterable[object], **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.run", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(tiny: Path) -> None:
    more = ("--athlete", "Ann", "--from", "1990-01-01", "--store", tiny)
    with started(("features", "show", "load_7d", *more)) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("load_7d: ")
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == ("", 0)


@pytest.mark.slow
def test_eighty_columns_of_a_terminal_hold_the_list() -> None:
    with started(("features", "list"), FORCE_COLOR="1", TERM="xterm", COLUMNS="80") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    lines = re.sub(r"\x1b\[[\d;]*m", "", out).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("Acute overload (overload)") for line in lines)
    assert any(line.startswith("load_7d ") for line in lines)
    assert "…" not in out


@pytest.mark.slow
def test_the_documented_way_to_add_a_feature_works_without_a_line_of_code(squad: Squad, tmp_path: Path) -> None:
    page = reference.PAGES["features.md"]()
    block = re.search(r"## Adding a feature\n[^`]*?\n\n((?:    .*\n|\n)+)", page)
    assert block is not None
    commands = re.sub(r"(?m)^    ", "", block[1]).replace("strainwatch ", f"'{sys.executable}' -m tests.run ")
    own = squad.copy(tmp_path / "demo" / "store")
    small_model(tmp_path / "my-configs")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    ran = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=tmp_path, env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "1 new, 0 changed, 0 left out." in ran.stdout
    assert re.search(r"^my_hard_sessions_10d +sessions rated 8 or harder", ran.stdout, re.M)
    assert re.search(r"^my_hard_sessions_10d: .*(?s:.*)^ 20\d\d-\d\d-\d\d +9 +\d", ran.stdout, re.M)
    assert re.search(r"^Registered: version 2 ", ran.stdout, re.M)
    importance = list(own.path.glob("mlflow/**/feature_importance.csv")) + list(own.path.glob("mlflow/**/*.json"))
    assert any("my_hard_sessions_10d" in path.read_text(encoding="utf-8") for path in importance)
