"""Validation: each rule finds its rows, names them and what to do, and loses no other row."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pandas as pd
import pytest

from features.tables import TABLES
from features.validation import Validation, validate

NOW = datetime(2021, 10, 31, 12, tzinfo=UTC)


def check(text: str, table: str = "sessions") -> Validation:
    """Validate a table written out: one row per line, blanks between cells, `-` for an empty cell."""
    csv = "\n".join(",".join(line.split()) for line in text.strip().splitlines())
    raw = pd.read_csv(io.StringIO(csv), dtype="str", na_values=["-"], keep_default_na=False)
    return validate(raw, table, now=NOW)


SESSIONS = """
    session_id athlete_id date       known_at             kind     duration_min distance_m
    s1         a          2021-10-01 2021-10-02T06:00:00Z training 60           5200
    s2         a          2021-10-02 2021-10-03T06:00:00Z match    90           9800
    s3         a          2021-10-03 2021-10-04T06:00:00Z training 70           6100
"""


def with_row(row: str) -> Validation:
    return check(SESSIONS + row)


def only(result: Validation) -> str:
    assert len(result.problems) == 1, [str(problem) for problem in result.problems]
    return str(result.problems[0])


def ids(result: Validation) -> list[str]:
    return result.rows["session_id"].to_list()


def test_good_rows_come_out_in_contract_types_without_superseded_at() -> None:
    result = check(SESSIONS)
    assert result.problems == ()
    assert result.rejected.empty
    assert list(result.rows.columns) == list(TABLES["sessions"].names)
    assert result.rows["distance_m"].to_list() == [5200.0, 9800.0, 6100.0]
    assert result.rows["rpe"].isna().all()
    assert str(result.rows["known_at"].dtype) == "datetime64[us, UTC]"
    assert str(result.rows["date"].dtype) == "datetime64[us]"
    assert str(result.rows["kind"].dtype) == "str"


def test_text_in_a_number_refuses_that_row_only_and_names_cell_and_line() -> None:
    result = with_row("s4 a 2021-10-04 2021-10-05T06:00:00Z training sixty 6000")
    assert only(result).startswith(
        "sessions: 1 row with duration_min: not a number (worst sixty; 's4', line 5).\n    Give a number"
    )
    assert ids(result) == ["s1", "s2", "s3"]
    assert result.rejected.loc[0, ["line", "row_id", "column"]].to_list() == ["5", "s4", "duration_min"]
    assert '"duration_min": "sixty"' in result.rejected.loc[0, "raw"]


def test_a_decimal_comma_is_named_and_not_guessed_at() -> None:
    raw = pd.DataFrame(
        {
            "athlete_id": ["a"],
            "date": ["2021-10-01"],
            "known_at": ["2021-10-02T06:00:00Z"],
            "source": ["ring"],
            "sleep_h": ["7,5"],
        }
    )
    result = validate(raw, "wearable_days", now=NOW)
    assert "sleep_h: decimal comma (worst 7,5" in only(result)
    assert "Write a point" in only(result)
    assert result.rows.empty


def test_a_value_out_of_range_shows_count_worst_value_and_row() -> None:
    result = with_row(
        "s4 a 2021-10-04 2021-10-05T06:00:00Z training 60 75000\n"
        "s5 a 2021-10-05 2021-10-06T06:00:00Z training 60 120000\n"
    )
    assert only(result).startswith(
        "sessions: 2 rows with distance_m outside 0 to 60,000 m (worst 120,000; 's5', line 6, 's4', line 5)."
    )
    assert ids(result) == ["s1", "s2", "s3"]


def test_a_column_of_kilometres_is_refused_and_the_unit_guessed_in_the_message() -> None:
    text = SESSIONS.replace("5200", "5.2").replace("9800", "9.8").replace("6100", "6.1")
    result = check(text)
    assert "distance_m in a wrong unit: median 6.1, usual 500 to 30,000 m" in only(result)
    assert "look like km" in only(result)
    assert len(result.rejected) == 3
    assert result.rows.empty


def test_zero_metres_are_no_wrong_unit() -> None:
    result = check(SESSIONS.replace("5200", "0").replace("9800", "0").replace("6100", "0"))
    assert result.problems == ()
    assert len(result.rows) == 3


def test_three_short_sessions_are_unusual_but_no_wrong_unit() -> None:
    assert check(SESSIONS.replace("5200", "300").replace("9800", "280").replace("6100", "310")).problems == ()


def test_an_unknown_column_in_another_unit_is_explained() -> None:
    text = SESSIONS.replace("distance_m", "distance_km").replace("5200", "5.2").replace("9800", "9.8")
    result = check(text.replace("6100", "6.1"))
    assert only(result) == (
        "sessions: unknown column distance_km.\n    Did you mean distance_m? Values look like km; "
        "m expected: convert, then rename. Take it out if it means something else."
    )
    assert ids(result) == ["s1", "s2", "s3"]


def test_an_unknown_column_that_means_nothing_to_us_lists_the_known_ones() -> None:
    message = only(check(SESSIONS.replace("distance_m", "weather")))
    assert "unknown column weather" in message
    assert "session_id, athlete_id, date" in message


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("duration_min", "durtion_min", "mistyped column"),
        ("duration_min", "duration", "mistyped column"),
        ("duration_min", "duration_of_last_warm_up", "unknown column"),
        ("distance_m", "durtion_min", "unknown column"),
        ("duration_min", "weather", "unknown column"),
    ],
)
def test_a_name_close_to_a_column_that_the_file_lacks_is_a_slip_and_no_other_unknown_name_is(
    old: str, new: str, rule: str
) -> None:
    assert [problem.rule for problem in check(SESSIONS.replace(old, new)).problems] == [rule]


def test_a_missing_required_column_leaves_no_good_row_and_lists_what_was_found() -> None:
    result = check(SESSIONS.replace("athlete_id", "player"))
    assert [problem.rule for problem in result.problems] == ["missing column", "unknown column"]
    assert "column athlete_id is missing" in str(result.problems[0])
    assert "Found: session_id, player, date" in str(result.problems[0])
    assert result.rejected["reason"].to_list() == ["column athlete_id is missing"] * 3


def test_identical_repeats_are_taken_once_with_a_note() -> None:
    result = with_row("s3 a 2021-10-03 2021-10-04T06:00:00Z training 70 6100")
    assert result.problems[0].is_note
    assert ids(result) == ["s1", "s2", "s3"]
    assert result.rejected.empty


def test_a_key_with_two_contents_at_one_time_is_refused_in_both_rows() -> None:
    result = with_row("s3 a 2021-10-03 2021-10-04T06:00:00Z training 75 6100")
    assert "the same session_id and known_at but different content" in only(result)
    assert result.rejected["line"].to_list() == ["4", "5"]
    assert ids(result) == ["s1", "s2"]


def test_a_key_with_a_later_known_at_is_a_correction_and_comes_in() -> None:
    result = with_row("s3 a 2021-10-03 2021-10-09T06:00:00Z training 75 6100")
    assert result.problems == ()
    assert ids(result) == ["s1", "s2", "s3", "s3"]


def test_a_session_id_that_two_athletes_share_is_refused() -> None:
    result = with_row("s3 b 2021-10-03 2021-10-05T06:00:00Z training 75 6100")
    assert "a session_id that two athletes share" in only(result)
    assert ids(result) == ["s1", "s2"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("s4 a 2022-10-04 2021-10-05T06:00:00Z training 60 6000", "date in the future (worst 2022-10-04"),
        ("s4 a 2021-10-04 2022-10-05T06:00:00Z training 60 6000", "known_at in the future"),
        ("s4 a 2021-10-04 2021-10-02T06:00:00Z training 60 6000", "known_at before date"),
        ("s4 a 0021-10-04 2021-10-05T06:00:00Z training 60 6000", "date implausibly early (worst 0021-10-04"),
        ("s4 a 04.10.2021 2021-10-05T06:00:00Z training 60 6000", "date: not a date (worst 04.10.2021"),
        ("s4 a 2021-10-04 2021-10-05T06:00:00 training 60 6000", "known_at: no time zone"),
        ("s4 a 2021-10-04 yesterday training 60 6000", "known_at: not a time"),
        ("s4 a 2021-10-04 2021-10-05T06:00:00Z friendly 60 6000", "kind: wrong choice (worst friendly"),
        ("s4 - 2021-10-04 2021-10-05T06:00:00Z training 60 6000", "no athlete_id"),
        ("s4 a 2021-10-04 2021-10-05T06:00:00Z training - -", "none of duration_min, load_au, distance_m"),
        (
            "s4 a 2021-10-04 2021-10-05T06:00:00Z training -5 6000",
            "duration_min outside 0 to 400 min (worst -5",
        ),
        ("s4 a 2021-10-04 2021-10-05T06:00:00Z training inf 6000", "duration_min: not a number"),
    ],
)
def test_a_bad_row_is_refused_for_its_reason_and_the_others_come_in(row: str, message: str) -> None:
    result = with_row(row)
    assert message in "\n".join(str(problem) for problem in result.problems)
    assert ids(result) == ["s1", "s2", "s3"]
    assert result.rejected["line"].to_list() == ["5"]


def test_a_wrong_choice_lists_the_valid_ones() -> None:
    message = only(with_row("s4 a 2021-10-04 2021-10-05T06:00:00Z friendly 60 6000"))
    assert "Valid: training, match, rehabilitation, unspecified." in message


def test_all_problems_of_a_file_are_told_at_once() -> None:
    result = with_row(
        "s4 a 2022-10-04 2021-10-05T06:00:00Z training 60 6000\ns5 a 2021-10-04 2021-10-05T06:00:00Z friendly x 6000\n"
    )
    assert sorted(problem.column for problem in result.problems) == [
        "date",
        "duration_min",
        "kind",
        "known_at",
    ]
    assert result.rejected["reason"].to_list() == [
        "date in the future; known_at before date",
        "kind: wrong choice; duration_min: not a number",
    ]


def test_a_part_above_its_whole_is_refused() -> None:
    result = check(SESSIONS.replace("duration_min", "sprint_distance_m").replace(" 60 ", " 5300 "))
    assert "sprint_distance_m above distance_m" in only(result)
    assert ids(result) == ["s2", "s3"]


def test_the_range_of_a_screening_is_that_of_its_test() -> None:
    result = check(
        """
        screening_id athlete_id date       known_at             test               limb  value
        1            a          2021-10-01 2021-10-01T12:00:00Z straight_leg_raise left  85
        2            a          2021-10-01 2021-10-01T12:00:00Z beighton           both  85
        """,
        "screenings",
    )
    assert "beighton value outside 0 to 9 (worst 85" in only(result)
    assert result.rows["screening_id"].to_list() == ["1"]


def test_words_for_missing_are_empty_cells_in_numbers_but_ids_are_taken_as_they_are() -> None:
    result = with_row("NA NA 2021-10-04 2021-10-05T06:00:00Z training 60 NA")
    assert result.problems == ()
    assert result.rows.loc[3, ["session_id", "athlete_id"]].to_list() == ["NA", "NA"]
    assert pd.isna(result.rows.loc[3, "distance_m"])


def test_a_planned_departure_may_lie_ahead_but_a_birth_may_not() -> None:
    result = check(
        """
        athlete_id squad known_at             birth_date left_date
        a          first 2021-10-01T12:00:00Z 1999-01-01 2022-06-30
        b          first 2021-10-01T12:00:00Z 2029-01-01 -
        """,
        "athletes",
    )
    assert "birth_date in the future (worst 2029-01-01; 'b', line 3)" in only(result)
    assert result.rows["athlete_id"].to_list() == ["a"]


def test_a_recurrence_flag_takes_the_usual_words_and_no_others() -> None:
    header = "injury_id athlete_id date known_at body_area tissue side is_recurrence\n"
    rows = [f"{i} a 2021-10-0{i} 2021-10-09T12:00:00Z thigh muscle left {flag}" for i, flag in
            enumerate(["TRUE", "no", "-", "maybe"], start=1)]  # fmt: skip
    result = check(header + "\n".join(rows), "injuries")
    assert result.rows["is_recurrence"].to_list() == [True, False, pd.NA]
    assert "is_recurrence: not true or false (worst maybe" in only(result)


def test_a_grade_of_imaging_is_one_of_the_classification() -> None:
    header = "injury_id athlete_id date known_at body_area tissue side activity imaging imaging_grade\n"
    rows = [f"{i} a 2021-10-0{i} 2021-10-09T12:00:00Z thigh muscle left sprinting mri {grade}" for i, grade in
            enumerate(["2b", "-", "5"], start=1)]  # fmt: skip
    result = check(header + "\n".join(rows), "injuries")
    assert result.rows[["activity", "imaging"]].drop_duplicates().to_numpy().tolist() == [["sprinting", "mri"]]
    assert result.rows["imaging_grade"].fillna("").to_list() == ["2b", ""]
    assert "imaging_grade" in only(result)
    assert "5" in only(result)


def test_typed_columns_of_an_adapter_pass_as_they_are() -> None:
    raw = pd.DataFrame(
        {
            "athlete_id": ["a", "a"],
            "date": pd.to_datetime(["2021-10-01", "2021-10-02"]),
            "known_at": pd.to_datetime(["2021-10-02T06:00Z", "2021-10-03T06:00Z"], utc=True),
            "fatigue": [2.5, 11.0],
        }
    )
    result = validate(raw, "wellness", now=NOW, lines=["fatigue.csv:2", "fatigue.csv:3"])
    assert result.rows["fatigue"].to_list() == [2.5]
    assert "(worst 11; 'a 2021-10-02', line fatigue.csv:3)" in only(result)


def test_very_many_refused_rows_are_told_in_one_problem() -> None:
    n = 20_000
    raw = pd.DataFrame(
        {
            "session_id": [f"s{i}" for i in range(n)],
            "athlete_id": "a",
            "date": "2021-10-01",
            "known_at": "2021-10-02T06:00:00Z",
            "kind": "training",
            "distance_m": "5.5",
        }
    )
    result = validate(raw, "sessions", now=NOW)
    assert only(result).startswith("sessions: 20,000 rows with distance_m in a wrong unit")
    assert len(result.rejected) == n
