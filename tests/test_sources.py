"""The adapters: each vendor's layout becomes contract rows, with its traps stepped around."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from configs import SHIPPED, load
from configs.errors import ConfigError, FileRefused
from features.tables import SCREENING_TESTS, TABLES
from features.validation import validate
from pipelines.data import open_store, read_tables
from pipelines.ingest import SOURCES, ingest
from pipelines.sources.csv_text import LINE, read_csv_text
from pipelines.sources.source import Export, Request, receipt

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
REAL = Path(__file__).parents[2] / "shared" / "data"


def real(name: str) -> Path:
    if not (REAL / name).exists():
        pytest.skip(f"real data absent: ../shared/data/{name}")
    return REAL / name


def config_of(source: str) -> dict[str, Any]:
    return load(SOURCES[source].config) if SOURCES[source].config else {}


def read(source: str, path: Path, **about: Any) -> Export:
    return SOURCES[source].read(Request(path, config_of(source), **about))


def cells(table: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(table[list(columns)].itertuples(index=False, name=None))


# --- CSV text -------------------------------------------------------------------------------------


def test_lines_are_those_of_the_file_even_after_blank_rows_and_quoted_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfname,note\r\nx,"two\r\nlines"\r\n,,\r\ny,\r\n')
    text = read_csv_text(path)
    assert text.frame["name"].to_list() == ["x", "y"]
    assert text.frame[LINE].to_list() == ["a.csv:3", "a.csv:5"]
    assert text.frame["note"].isna().to_list() == [False, True]


def test_a_line_with_too_few_or_too_many_cells_is_set_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2\n3\n4,5,6\n7,8,,\n")
    text = read_csv_text(path)
    assert text.frame["x"].to_list() == ["1", "7"]
    assert text.ragged == (
        ("a.csv:3", "3", "the line has 1 cells, the header 2"),
        ("a.csv:4", "4,5,6", "the line has 3 cells, the header 2"),
    )


def test_semicolons_are_read_and_mentioned(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x;y\n1;2,5\n")
    text = read_csv_text(path)
    assert text.frame["y"].to_list() == ["2,5"]
    assert text.notes == ("a.csv: cells are separated by ';'; read as such.",)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_unicode_with_its_mark_is_read_and_mentioned(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,Åse\n", encoding=encoding)
    text = read_csv_text(path)
    assert text.frame["y"].to_list() == ["Åse"]
    assert text.notes[0].startswith(f"a.csv: the file is {encoding.upper()}; read as such.")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes"),
        (b" \n\n", "is empty"),
        ("x,y\n1,2\n".encode("utf-16-le"), "looks like UTF-16 without its mark"),
        (b"PK\x03\x04rest", "an Excel workbook or zip archive, not CSV"),
        (b"\x01\x00\xff\x10abc", "binary data"),
        ("x,y\n1,Åse\n".encode("latin-1"), "line 2 is not UTF-8 text (byte 0xC5)"),
        (b'x,y\n1,"open\n2,3\n', "breaks the CSV rules"),
        (b"x,x\n1,2\n", "column x appears twice"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name_and_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "sessions.csv"
    path.write_bytes(content)
    with pytest.raises(FileRefused) as refused:
        read_csv_text(path)
    assert "sessions.csv" in str(refused.value)
    assert message in str(refused.value)


# --- the rule for receipt times -------------------------------------------------------------------


def days(*texts: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts))).astype("datetime64[us]")


def test_history_follows_the_rule_in_local_time_and_a_live_feed_its_real_receipt() -> None:
    rule = receipt({"known_at": "next day 06:00", "time_zone": "Europe/Oslo", "live_within_days": 30}, "x")
    known_at = rule.known_at(days("2025-01-10", "2025-07-10", "2025-12-20"), NOW)
    assert known_at.astype("str").to_list() == [
        "2025-01-11 05:00:00+00:00",
        "2025-07-11 04:00:00+00:00",
        "2026-01-05 09:00:00+00:00",
    ]


def test_nothing_is_known_before_it_can_have_been_recorded() -> None:
    rule = receipt({"known_at": "same day 06:00"}, "x")
    woke = pd.Series(pd.to_datetime(["2025-01-10T12:44", "2025-01-11T05:00"], utc=True))
    known_at = rule.known_at(days("2025-01-10", "2025-01-11"), NOW, woke)
    assert known_at.dt.strftime("%d %H:%M").to_list() == ["10 12:44", "11 06:00"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"known_at": "soon"}, 'Write "same day HH:MM" or "next day HH:MM"'),
        ({"known_at": "next day 25:00"}, "known_at is 'next day 25:00'"),
        ({"known_at": "next day 06:00", "time_zone": "Mars/Base"}, "time_zone 'Mars/Base' is not a zone"),
        ({"known_at": "next day 06:00", "live_within_days": -1}, "live_within_days is -1"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(config: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        receipt(config, "configs/sources/x.toml")


@pytest.mark.parametrize("source", [name for name in SOURCES if SOURCES[name].config])
def test_every_shipped_source_config_declares_a_rule_and_no_unknown_key(source: str) -> None:
    config = config_of(source)
    assert set(config) <= SOURCES[source].known_keys
    assert receipt(config, source).live_within == pd.Timedelta(days=30)


# --- SoccerMon ------------------------------------------------------------------------------------

A, B = "TeamA-11111111-aaaa", "TeamB-22222222-bbbb"
FORM = {
    "wellness/fatigue.csv": ["", "1,", "5,2", ",", ",4"],
    "wellness/soreness.csv": ["", "3,", "4,2", ",", ",4"],
    "wellness/stress.csv": ["", "3,", "4,2", ",", ",4"],
    "wellness/mood.csv": ["", "1,", "5,2", ",", ",4"],
    "wellness/sleep_quality.csv": ["", "3,", "4,2", ",", ",4"],
    "wellness/readiness.csv": ["", "10,", "1,2", ",", ",4"],
    "wellness/sleep_duration.csv": ["", "7.5,", "8,", ",", ",9"],
    "training-load/daily_load.csv": ["0,300", "500,0", "0,400", "0,0", "0,100"],
}


def soccermon(folder: Path) -> Path:
    """Five days of two players: A reports on the 2nd and 3rd, B on the 3rd and 5th."""
    for name, rows in FORM.items():
        filled = [row if row else "," for row in rows]
        lines = [f"Date,{A},{B}", *(f"0{day}.03.2020,{row}" for day, row in enumerate(filled, start=1))]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(lines) + "\n")
    (folder / "injury").mkdir()
    (folder / "injury/injury.csv").write_text(
        "player_name,type,timestamp\n"
        f'{A},"{{""right_thigh"":""minor"",""left_knee"":""major""}}",02.03.2020\n'
        f'{A},"{{""right_thigh"":""minor""}}",02.03.2020\n'
        f"{B},not JSON,03.03.2020\n"
    )
    return folder


def test_soccermon_counts_a_player_from_the_first_form_to_the_last_report_and_zero_load_as_rest(tmp_path: Path) -> None:
    export = read("soccermon", soccermon(tmp_path))
    assert cells(export.tables["sessions"], "athlete_id", "load_au", "session_id") == [
        ("TeamA-11111111", 500.0, "soccermon-TeamA-11111111-2020-03-02"),
        ("TeamB-22222222", 400.0, "soccermon-TeamB-22222222-2020-03-03"),
        ("TeamB-22222222", 100.0, "soccermon-TeamB-22222222-2020-03-05"),
    ]
    assert "1 days of load before a player's first wellness report left out." in export.notes
    spans = export.tables["coverage"].query("table == 'sessions'")
    told = spans.astype({"first_date": "str", "last_date": "str", "rule_day": "str"})
    assert cells(told, "athlete_id", "first_date", "last_date", "rule_day", LINE) == [
        ("TeamA-11111111", "2020-03-02", "2020-03-02", "2020-03-02", "fatigue.csv:3"),
        ("TeamA-11111111", "2020-03-03", "2020-03-03", "2020-03-03", "fatigue.csv:4"),
        ("TeamB-22222222", "2020-03-03", "2020-03-03", "2020-03-03", "fatigue.csv:4"),
        ("TeamB-22222222", "2020-03-04", "2020-03-05", "2020-03-05", "fatigue.csv:6"),
    ]


def test_soccermon_load_after_the_last_form_so_far_counts_since_nobody_knows_that_it_is_the_last(
    tmp_path: Path,
) -> None:
    path = soccermon(tmp_path)
    for name in FORM:
        if name.startswith("wellness/"):
            lines = (path / name).read_text().splitlines()
            (path / name).write_text("\n".join([*lines[:-1], "05.03.2020,,"]) + "\n")
    own = read("soccermon", path).tables["sessions"].query("athlete_id == 'TeamB-22222222'")
    assert own["load_au"].to_list() == [400.0, 100.0]


def test_soccermon_scales_are_turned_so_that_more_is_more_of_the_name(tmp_path: Path) -> None:
    wellness = read("soccermon", soccermon(tmp_path)).tables["wellness"]
    own = wellness[wellness["athlete_id"] == "TeamA-11111111"]
    assert cells(own, "fatigue", "mood", "soreness", "readiness") == [(10, 0, 5, 10), (0, 10, 2.5, 0)]


def test_soccermon_reports_become_sites_repeats_collapse_and_broken_ones_are_refused(tmp_path: Path) -> None:
    export = read("soccermon", soccermon(tmp_path))
    assert cells(export.tables["injury_reports"], "body_area", "side", "severity", LINE) == [
        ("thigh", "right", "minor", "injury.csv:2"),
        ("knee", "left", "major", "injury.csv:2"),
    ]
    assert [(refusal.table, refusal.line) for refusal in export.refused] == [("injury_reports", "injury.csv:4")]


def test_soccermon_text_in_a_number_is_left_for_validation_to_name(tmp_path: Path) -> None:
    path = soccermon(tmp_path)
    file = path / "wellness/fatigue.csv"
    file.write_text(file.read_text().replace("5,2", "five,2"))
    rows = read("soccermon", path).tables["wellness"].assign(known_at=pd.Timestamp("2020-04-01", tz="UTC"))
    result = validate(rows.drop(columns=LINE), "wellness", now=NOW, lines=rows[LINE])
    assert "fatigue: not a number (worst five; 'TeamA-11111111 2020-03-03', line fatigue.csv:4)" in str(
        result.problems[0]
    )
    assert len(result.rows) == 3


def test_soccermon_refuses_a_folder_that_lacks_a_file_and_ids_that_would_merge(tmp_path: Path) -> None:
    path = soccermon(tmp_path)
    injury = path / "injury/injury.csv"
    injury.write_text(injury.read_text() + f'{A}-other,"{{""right_thigh"":""minor""}}",02.03.2020\n')
    with pytest.raises(FileRefused, match="first 8 characters"):
        read("soccermon", path)
    injury.unlink()
    with pytest.raises(FileRefused, match=r"lacks injury/injury\.csv"):
        SOURCES["soccermon"].files(path, config_of("soccermon"))


@pytest.mark.slow
def test_soccermon_real_release_has_the_counted_rows(tmp_path: Path) -> None:
    path = real("soccermon")
    store = open_store(tmp_path / "store")
    result = ingest(store, "soccermon", path, now=NOW)
    assert (result.exit_code, result.problems) == (0, ())
    assert dict(result.added) == {
        "athletes": 50, "sessions": 14178, "wellness": 17007, "wearable_days": 16981, "injury_reports": 299,
        "coverage": 74876,
    }  # fmt: skip
    tables = read_tables(store)
    thigh = tables["injury_reports"].query("body_area == 'thigh'")
    assert len(thigh[["athlete_id", "date"]].drop_duplicates()) == 48
    assert thigh["athlete_id"].nunique() == 9
    starts = tables["coverage"].groupby(tables["coverage"]["athlete_id"].str[:5])["first_date"].min()
    assert starts.astype("str").to_dict() == {"TeamA": "2020-03-17", "TeamB": "2020-01-09"}
    assert (tables["wellness"]["known_at"] - tables["wellness"]["date"].dt.tz_localize("UTC")).unique() == [
        pd.Timedelta(hours=30)
    ]


# --- Jovanovic ------------------------------------------------------------------------------------

JOVANOVIC = """\
"Data.Split","Season","Phase","Date","Player.Name","Injury.Location","Injury.Type","LoadMetric01","LoadMetric02","LoadMetric03"
"Train","Season 1","Pre Season",1,"Athlete 01","","",496,6944,169
"Train","Season 1","Pre Season",2,"Athlete 01","","",0,0,0
"Train","Season 1","Pre Season",3,"Athlete 01","Hamstring","Soft Tissue",500,0,0
"Train","Season 2","Pre Season",1,"Athlete 01","","",480,100,10
"Train","Season 9","Pre Season",1,"Athlete 01","","",480,100,10
"""


def test_jovanovic_day_numbers_become_dates_of_their_season(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    path.write_text(JOVANOVIC)
    export = read("jovanovic", path)
    sessions = export.tables["sessions"].astype({"date": "str"})
    assert cells(sessions, "date", "masked_load_1") == [
        ("2014-06-01", "496"),
        ("2014-06-03", "500"),
        ("2015-06-01", "480"),
    ]
    injuries, returns = export.tables["injuries"], export.tables["returns"]
    assert cells(injuries.astype({"date": "str"}), "date", "body_area", "tissue", "muscle_group") == [
        ("2014-06-03", "thigh", "muscle", "hamstring")
    ]
    assert cells(returns.astype({"date": "str"}), "injury_id", "date") == [
        (injuries["injury_id"].iloc[0], "2014-07-01")
    ]
    assert [refusal.line for refusal in export.refused] == ["sample.csv:6"]
    assert "each injury is taken to end after 28 days" in export.notes[0]


def test_jovanovic_seasons_may_not_overlap(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    path.write_text(JOVANOVIC)
    config = config_of("jovanovic")
    starts = {
        "Season 1": config["season_starts"]["Season 1"],
        "Season 2": config["season_starts"]["Season 1"],
    }
    with pytest.raises(ConfigError, match="seasons overlap"):
        SOURCES["jovanovic"].read(Request(path, {**config, "season_starts": starts}))


def test_jovanovic_real_sample_has_the_counted_rows(tmp_path: Path) -> None:
    result = ingest(open_store(tmp_path / "store"), "jovanovic", real("jovanovic"), now=NOW)
    assert result.exit_code == 0
    assert dict(result.added) == {
        "athletes": 6,
        "sessions": 1683,
        "injuries": 6,
        "returns": 6,
        "coverage": 5972,
    }


def test_jovanovic_names_the_columns_found_and_expected(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    path.write_text(JOVANOVIC.replace("LoadMetric02", "Load2"))
    with pytest.raises(FileRefused, match=r"(?s)no column LoadMetric02.*Found: .*Load2.*Expected: .*configs/sources"):
        read("jovanovic", path)


# --- NordBord -------------------------------------------------------------------------------------

NORDBORD = (
    "\ufeffAthlete,Date,L Reps,R Reps,L Max Force (N),R Max Force (N),Max Imbalance (%),L Max Torque (Nm),"
    "R Max Torque (Nm),L Avg Force (N),R Avg Force (N),Avg Imbalance (%),L Max Impulse (Ns),"
    "R Max Impulse (Ns),Impulse Imbalance (%)\r\n"
)
BLANK = "," * 14 + "\r\n"


def nordbord(folder: Path, *rows: str) -> Path:
    path = folder / "nordbord.csv"
    path.write_text(NORDBORD + "".join(f"{row},,,,,,\r\n" for row in rows) + BLANK * 3, newline="")
    return path


def test_nordbord_row_becomes_a_test_of_either_limb(tmp_path: Path) -> None:
    path = nordbord(tmp_path, "ath-1,05/10/2021,3,3,310,345.5,10.1,110,120", "ath-1,05/10/2021,3,3,320,350,10.1,,")
    tests = read("nordbord", path, known_athletes=frozenset({"ath-1"})).tables["strength_tests"]
    told = tests.astype({"date": "str"}).fillna({"peak_torque_n_m": "-"})
    assert cells(told, "test_id", "date", "limb", "peak_force_n", "peak_torque_n_m", LINE) == [
        ("nordbord-ath-1-2021-10-05", "2021-10-05", "left", "310", "110", "nordbord.csv:2"),
        ("nordbord-ath-1-2021-10-05-2", "2021-10-05", "left", "320", "-", "nordbord.csv:3"),
        ("nordbord-ath-1-2021-10-05", "2021-10-05", "right", "345.5", "120", "nordbord.csv:2"),
        ("nordbord-ath-1-2021-10-05-2", "2021-10-05", "right", "350", "-", "nordbord.csv:3"),
    ]


def test_nordbord_names_become_pseudonyms_or_stay_out_and_are_not_repeated(tmp_path: Path) -> None:
    path = nordbord(
        tmp_path,
        "Ola  NORDMANN,05/10/2021,3,3,310,345,10,,",
        "Kari Nordmann,05/10/2021,3,3,310,345,10,,",
        "ath-1,2021-10-05,3,3,310,345,10,,",
    )
    about = {"known_athletes": frozenset({"ath-1"}), "aliases": {"Ola Nordmann": "ath-2"}}
    export = read("nordbord", path, **about)
    assert export.tables["strength_tests"]["athlete_id"].to_list() == ["ath-2", "ath-2"]
    assert [(refusal.line, refusal.reason) for refusal in export.refused] == [
        ("nordbord.csv:3", "athlete not known: add to aliases.csv"),
        ("nordbord.csv:4", "date not of the form %d/%m/%Y: see date_format in configs/sources/nordbord.toml"),
    ]
    assert "Kari" not in repr(export.refused)


def test_nordbord_limb_without_repetitions_is_no_test(tmp_path: Path) -> None:
    path = nordbord(tmp_path, "ath-1,05/10/2021,3,0,310,0,10,,")
    export = read("nordbord", path, known_athletes=frozenset({"ath-1"}))
    assert export.tables["strength_tests"]["limb"].to_list() == ["left"]
    assert export.notes == ("1 limbs without a repetition or force left out.",)


def test_nordbord_template_without_rows_says_so() -> None:
    with pytest.raises(FileRefused, match="a header but no data rows"):
        read("nordbord", real("vald") / "Nordboard Test Export Template.csv")


# --- WHOOP ----------------------------------------------------------------------------------------

WHOOP = (
    "Cycle start time,Cycle timezone,Wake onset,Asleep duration (min),Sleep efficiency %,"
    "Resting heart rate (bpm),Heart rate variability (ms)\n"
)


def whoop(folder: Path, *rows: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "physiological_cycles.csv"
    path.write_text(WHOOP + "".join(f"2024-11-01 00:00:00,{row}\n" for row in rows))
    return path


def test_whoop_night_is_dated_by_waking_up_and_not_known_before(tmp_path: Path) -> None:
    path = whoop(tmp_path, "UTC-05:00,2024-11-21 09:07:55,330,92,56,63", "UTC+11:00,2024-11-22 06:30:00,450,90,55,60")
    nights = read("whoop", path, athlete="ath-1").tables["wearable_days"]
    assert cells(nights.astype({"date": "str", "not_before": "str"}), "date", "sleep_h", "not_before") == [
        ("2024-11-21", 5.5, "2024-11-21 14:07:55+00:00"),
        ("2024-11-22", 7.5, "2024-11-21 19:30:00+00:00"),
    ]


def test_whoop_keeps_the_longest_sleep_of_a_day_and_skips_cycles_without_one(tmp_path: Path) -> None:
    path = whoop(
        tmp_path,
        "UTC+01:00,2024-11-21 15:00:00,60,80,58,50",
        "UTC+01:00,2024-11-21 07:00:00,420,92,56,63",
        "UTC+01:00,,,,,",
        "Mars,2024-11-23 07:00:00,420,92,56,63",
    )
    export = read("whoop", path, athlete="ath-1")
    assert cells(export.tables["wearable_days"], "sleep_h", "hrv_rmssd_ms", LINE) == [
        (7.0, "63", "physiological_cycles.csv:3")
    ]
    assert export.notes == (
        "1 cycles without sleep values (open, or not worn) left out.",
        "1 further sleeps of a day left out: the longest counts.",
    )
    assert [refusal.line for refusal in export.refused] == ["physiological_cycles.csv:5"]


def test_whoop_folders_name_their_athletes_and_a_lone_file_needs_one(tmp_path: Path) -> None:
    for athlete in ("ath-1", "ath-2"):
        whoop(tmp_path / athlete, "UTC+01:00,2024-11-21 07:00:00,420,92,56,63")
    assert read("whoop", tmp_path).tables["wearable_days"]["athlete_id"].to_list() == ["ath-1", "ath-2"]
    with pytest.raises(FileRefused, match="whose is it"):
        read("whoop", tmp_path / "ath-1")
    own = read("whoop", tmp_path / "ath-1", athlete="ath-9").tables["coverage"].astype({"first_date": "str"})
    assert cells(own, "athlete_id", "table", "source", "first_date") == [
        ("ath-9", "wearable_days", "whoop", "2024-11-21")
    ]


def test_whoop_real_export_has_the_counted_nights(tmp_path: Path) -> None:
    result = ingest(open_store(tmp_path / "store"), "whoop", real("whoop"), now=NOW, athlete="ath-1")
    assert dict(result.added) == {"wearable_days": 49, "coverage": 49}
    assert result.notes[0] == "2 cycles without sleep values (open, or not worn) left out."
    assert "1 athletes have data but no row in athletes" in result.notes[1]


# --- all of them ----------------------------------------------------------------------------------


def test_sites_and_locations_of_the_configs_are_those_of_the_contract() -> None:
    sites = tomllib.loads((SHIPPED / "sources/soccermon.toml").read_text())["sites"].values()
    areas, sides = (TABLES["injury_reports"].column(name).choices for name in ("body_area", "side"))
    assert [site for site in sites if site[0] not in areas or site[1] not in sides] == []
    assert set(TABLES["screenings"].column("test").choices) == set(SCREENING_TESTS)
