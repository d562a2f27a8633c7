"""Counts of who took part and how injuries were recorded, on small tables."""

from __future__ import annotations

import pandas as pd
import pytest

from features.tables import as_contract, empty_tables
from features.target import load_target
from models.participants import outcomes, participants

KNOWN = "2024-01-02T08:00Z"
DAYS = pd.date_range("2024-01-01", "2024-01-31", freq="D")
INDEX = pd.DataFrame({"athlete_id": [*["a"] * 31, *["b"] * 31], "date": [*DAYS, *DAYS]})
LABELS = pd.DataFrame({"7": [1.0] * 7 + [0.0] * 50 + [float("nan")] * 5})


def rows(table: str, *records: dict[str, object]) -> pd.DataFrame:
    frame = pd.DataFrame([{"known_at": KNOWN, "superseded_at": None, **record} for record in records])
    for name in frame:
        if name in ("known_at", "superseded_at"):
            frame[name] = pd.to_datetime(frame[name], utc=True)
        elif name in ("date", "birth_date", "left_date"):
            frame[name] = pd.to_datetime(frame[name])
    return as_contract(frame, table)


def injury(number: str, day: str, **own: object) -> dict[str, object]:
    return {"injury_id": number, "athlete_id": "a", "date": day, "body_area": "thigh", "tissue": "muscle",
            "muscle_group": "hamstring", "side": "left", "setting": "match", "known_at": f"{day}T13:00Z",
            **own}  # fmt: skip


TABLES = {
    **empty_tables(),
    "athletes": rows(
        "athletes",
        {"athlete_id": "a", "squad": "First", "sex": "female", "birth_date": "2000-01-01"},
        {"athlete_id": "b", "squad": "Old", "superseded_at": "2024-01-05T08:00Z"},
        {"athlete_id": "b", "squad": "First", "known_at": "2024-01-05T08:00Z", "left_date": "2024-02-01"},
        {"athlete_id": "stranger", "squad": "Other"},
    ),
    "sessions": rows(
        "sessions",
        {"session_id": "1", "athlete_id": "a", "date": "2024-01-03", "kind": "match", "duration_min": 90.0},
        {"session_id": "2", "athlete_id": "b", "date": "2024-01-04", "kind": "training", "duration_min": 60.0},
        {"session_id": "3", "athlete_id": "a", "date": "2023-12-01", "kind": "match", "duration_min": 90.0},
        {"session_id": "4", "athlete_id": "stranger", "date": "2024-01-04", "kind": "match", "duration_min": 90.0},
    ),
    "interventions": rows(
        "interventions",
        {"intervention_id": "1", "athlete_id": "a", "date": "2024-01-03", "kind": "nordic", "dose": 3.0},
        {"intervention_id": "2", "athlete_id": "a", "date": "2024-01-05", "kind": "nordic", "dose": 3.0},
    ),
    "injuries": rows(
        "injuries",
        injury("i1", "2024-01-08"),
        injury("i2", "2024-01-20", side="left", code="TM1"),
        injury("i3", "2024-01-25", side="unknown", setting="training", is_recurrence=True),
        injury("early", "2023-06-01"),
    ),
    "returns": rows("returns", {"injury_id": "i1", "athlete_id": "a", "date": "2024-01-22"}),
}
ONSETS = pd.DataFrame({
    "athlete_id": ["a", "a", "a", "a", "b"], "injury_id": ["i1", "i2", "i3", "early", "report-1"],
    "date": pd.to_datetime(["2024-01-08", "2024-01-20", "2024-01-25", "2023-06-01", "2024-01-10"]),
})  # fmt: skip


def test_athletes_are_counted_by_their_newest_row_and_only_those_at_risk() -> None:
    found = participants(TABLES, INDEX)
    assert found["athletes"] == 2
    assert found["squads"] == {"First": 2}
    assert found["sex"] == {"female": 1, "not recorded": 1}
    assert found["left"] == 1
    assert found["age_years"]["known"] == 1
    assert found["age_years"]["median"] == pytest.approx(24.0, abs=0.01)
    assert (found["first_day"], found["last_day"], found["athlete_days"]) == ("2024-01-01", "2024-01-31", 62)


def test_exposure_and_doses_are_those_of_the_athletes_within_the_days() -> None:
    found = participants(TABLES, INDEX)
    assert found["exposure_h"] == {"match": 1.5, "training": 1.0}
    assert found["interventions"] == {"nordic": {"doses": 2, "athletes": 1}}


def test_injuries_are_those_of_the_target_within_the_days_and_self_reports_are_told_apart() -> None:
    found = outcomes(TABLES, INDEX, LABELS, ONSETS, load_target())
    assert (found["injuries"], found["athletes"], found["most_per_athlete"]) == (4, 2, 3)
    assert (found["self_reported"], found["described"]) == (1, 3)
    assert found["rows"] == {"7": {"event": 7, "none": 50, "censored": 5}}


def test_a_field_that_says_unknown_is_not_recorded() -> None:
    recorded = outcomes(TABLES, INDEX, LABELS, ONSETS, load_target())["recorded"]
    assert recorded == {"side": 2, "body_area": 3, "tissue": 3, "code": 1, "mode_of_onset": 0, "contact": 0,
                        "setting": 3, "is_recurrence": 1, "activity": 0, "imaging": 0}  # fmt: skip


def test_what_an_image_showed_days_later_counts_and_the_report_keeps_its_day() -> None:
    first = injury("i1", "2024-01-08", activity="sprinting") | {"superseded_at": "2024-01-11T13:00Z"}
    seen = first | {"known_at": "2024-01-11T13:00Z", "superseded_at": None, "imaging": "mri", "imaging_grade": "2b"}
    other = [injury("i2", "2024-01-20", imaging="ultrasound"), injury("i3", "2024-01-25", imaging="none")]
    tables = TABLES | {"injuries": rows("injuries", first, seen, *other)}
    found = outcomes(tables, INDEX, LABELS, ONSETS, load_target())
    assert (found["recorded"]["activity"], found["recorded"]["imaging"]) == (1, 3)
    assert (found["imaged"], found["graded"]) == (2, 1)
    assert found["reported_after_days"]["high"] == pytest.approx(0.25)


def test_days_lost_fall_into_the_categories_of_the_consensus() -> None:
    found = outcomes(TABLES, INDEX, LABELS, ONSETS, load_target())
    assert found["time_loss"] == {"0": 0, "1-7": 0, "8-28": 1, "over 28": 0}
    assert (found["returns"], found["days_lost"], found["recurrences"]) == (1, 14.0, 1)
    assert found["reported_after_days"]["median"] == pytest.approx(0.25)  # 13:00 against 07:00


def test_an_injury_on_a_side_that_was_not_cleared_is_counted() -> None:
    assert outcomes(TABLES, INDEX, LABELS, ONSETS, load_target())["open_twice"] == 1
    cleared = TABLES | {"returns": rows("returns", {"injury_id": "i1", "athlete_id": "a", "date": "2024-01-19"})}
    assert outcomes(cleared, INDEX, LABELS, ONSETS, load_target())["open_twice"] == 0
