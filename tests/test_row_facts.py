"""Facts that follow from a row hold what was known when the row arrived, and nothing later."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from features.row_facts import ROW_FACTS, prepare
from features.tables import SUPERSEDED_AT, TABLES, as_contract, empty_tables
from features.target import load_target
from features.windows import known_by
from tests.worlds import START, instant, random_world

TARGET = load_target()
NAN = math.nan


def day(number: int) -> pd.Timestamp:
    return START + pd.Timedelta(days=number)


def table(name: str, *rows: dict[str, object]) -> pd.DataFrame:
    columns = [*TABLES[name].names, SUPERSEDED_AT]
    return as_contract(pd.DataFrame([{"athlete_id": "A", **row} for row in rows]).reindex(columns=columns), name)


def prepared(**tables: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return prepare({**empty_tables(), **tables}, TARGET)


def session(
    number: int, on: int, known: float, speed: float | None, gone: float | None = None, **more: object
) -> dict[str, object]:
    return {
        "session_id": f"s{number}", "date": day(on), "known_at": instant(known), "kind": "training",
        "max_speed_m_s": speed, SUPERSEDED_AT: None if gone is None else instant(gone), **more,
    }  # fmt: skip


def shares(*sessions: dict[str, object]) -> list[float]:
    found: list[float] = prepared(sessions=table("sessions", *sessions))["sessions"]["share_of_best_speed_pct"].tolist()
    return found


def test_load_is_rating_times_minutes_where_the_source_gives_none() -> None:
    sessions = table(
        "sessions",
        session(1, 1, 1.8, None, load_au=300.0, rpe=5.0, duration_min=50.0),
        session(2, 2, 2.8, None, rpe=5.0, duration_min=50.0),
        session(3, 3, 3.8, None, rpe=5.0),
        session(4, 4, 4.8, None, rpe=0.0, duration_min=50.0),
    )
    np.testing.assert_array_equal(prepared(sessions=sessions)["sessions"]["load_au"], [300, 250, NAN, 0])


def test_a_speed_is_a_share_of_the_best_of_earlier_days() -> None:
    np.testing.assert_array_equal(
        shares(
            session(1, 1, 1.8, 8.0),
            session(2, 2, 2.8, 6.0),
            session(3, 3, 3.8, 10.0),
            session(4, 4, 4.8, 5.0),
        ),
        [NAN, 75, 125, 50],
    )


def test_another_session_of_the_same_day_is_no_earlier_best() -> None:
    np.testing.assert_array_equal(shares(session(1, 1, 1.5, 8.0), session(2, 1, 1.8, 4.0)), [NAN, NAN])


def test_a_best_speed_that_was_uploaded_later_does_not_count_yet() -> None:
    np.testing.assert_array_equal(
        shares(session(1, 1, 9.0, 10.0), session(2, 2, 2.8, 8.0), session(3, 9, 9.5, 5.0)), [NAN, NAN, 50]
    )


def test_a_corrected_best_speed_counts_until_the_correction_only() -> None:
    found = shares(
        session(1, 1, 1.8, 10.0, gone=5.0),
        session(1, 1, 5.0, 8.0),
        session(2, 3, 3.8, 5.0),
        session(3, 6, 6.8, 4.0),
    )
    np.testing.assert_array_equal(found, [NAN, NAN, 50, 50])


def test_another_athletes_speed_and_a_device_that_measures_nothing_are_no_best() -> None:
    np.testing.assert_array_equal(
        shares(
            {**session(1, 1, 1.8, 10.0), "athlete_id": "B"}, session(2, 2, 2.8, 0.0), session(3, 3, 3.8, None),
            session(4, 4, 4.8, 8.0), session(5, 5, 5.8, 6.0),
        ),
        [NAN, NAN, NAN, NAN, 75],
    )  # fmt: skip


def form(on: int, known: float, discomfort: float | None, gone: float | None = None) -> dict[str, object]:
    return {
        "date": day(on), "known_at": instant(known), "hamstring_discomfort": discomfort,
        SUPERSEDED_AT: None if gone is None else instant(gone),
    }  # fmt: skip


def above_usual(*forms: dict[str, object]) -> list[float]:
    found: list[float] = prepared(wellness=table("wellness", *forms))["wellness"]["discomfort_above_usual"].tolist()
    return found


WEEK = [form(on, on + 0.3, 1.0) for on in range(7)]


def test_discomfort_is_set_against_the_mean_of_the_reports_before() -> None:
    np.testing.assert_array_equal(above_usual(*WEEK, form(7, 7.3, 4.0), form(8, 8.3, 1.0)), [NAN] * 7 + [3, 1 - 11 / 8])


def test_fewer_than_seven_reports_tell_no_usual() -> None:
    np.testing.assert_array_equal(above_usual(*WEEK[:6], form(7, 7.3, 4.0)), [NAN] * 7)
    np.testing.assert_array_equal(above_usual(*WEEK[:6], form(6, 6.3, None), form(7, 7.3, 4.0)), [NAN] * 8)


def test_usual_reaches_back_sixty_days_and_not_to_the_report_itself() -> None:
    np.testing.assert_array_equal(above_usual(*WEEK, form(60, 60.3, 4.0))[7:], [3])
    np.testing.assert_array_equal(above_usual(*WEEK, form(61, 61.3, 4.0))[7:], [NAN])


def test_a_form_that_came_in_late_is_no_part_of_what_was_usual_before() -> None:
    late = [form(on, 20.0, 8.0) for on in range(7, 14)]
    found = above_usual(*WEEK, *late, form(14, 14.3, 4.0), form(20, 20.3, 4.0))
    np.testing.assert_array_equal(found[-2:], [3, 4 - (7 * 1 + 7 * 8 + 4) / 15])


def test_a_late_form_is_judged_by_all_that_was_known_when_it_came_and_lies_before_its_day() -> None:
    found = above_usual(*WEEK, form(7, 9.0, 4.0), form(8, 8.3, 9.0))
    np.testing.assert_array_equal(found[7:], [3, 8])


def test_a_corrected_form_counts_as_first_told_until_it_was_corrected() -> None:
    first, corrected = form(6, 6.3, 8.0, gone=10.0), form(6, 10.0, 1.0)
    found = above_usual(*WEEK[:6], first, corrected, form(7, 7.3, 4.0), form(11, 11.3, 4.0))
    np.testing.assert_array_equal(found[-2:], [2, 4 - 11 / 8])


def test_another_athletes_forms_are_not_ones_own_usual_whatever_the_order_of_the_rows() -> None:
    other = [{**each, "athlete_id": "B", "hamstring_discomfort": 9.0} for each in WEEK]
    mixed = [each for pair in zip(other, reversed(WEEK), strict=True) for each in pair]
    np.testing.assert_array_equal(above_usual(form(7, 7.3, 4.0), *mixed)[0], 3)


def test_force_and_torque_are_given_per_kg_where_the_mass_is_known() -> None:
    test = {"date": day(1), "known_at": instant(1.8), "protocol": "nordic", "limb": "left"}
    found = prepared(
        strength_tests=table(
            "strength_tests",
            {**test, "test_id": "1", "peak_force_n": 300.0, "body_mass_kg": 75.0},
            {**test, "test_id": "2", "peak_torque_n_m": 150.0, "body_mass_kg": 75.0},
            {**test, "test_id": "3", "peak_force_n": 300.0},
        )
    )["strength_tests"]
    np.testing.assert_array_equal(found["force_n_kg"], [4, NAN, NAN])
    np.testing.assert_array_equal(found["torque_n_m_kg"], [NAN, 2, NAN])


def test_a_night_that_was_not_worn_loses_its_values_and_stays_a_row() -> None:
    night = {"source": "whoop", "sleep_h": 7.5, "hrv_rmssd_ms": math.e, "resting_heart_rate_bpm": 50.0}
    found = prepared(
        wearable_days=table(
            "wearable_days",
            {**night, "date": day(1), "known_at": instant(1.3), "worn_h": 0.5, "steps": 12.0},
            {**night, "date": day(2), "known_at": instant(2.3), "worn_h": 8.0},
            {**night, "date": day(3), "known_at": instant(3.3)},
        )
    )["wearable_days"]
    np.testing.assert_array_equal(found["sleep_h"], [NAN, 7.5, 7.5])
    np.testing.assert_array_equal(found["resting_heart_rate_bpm"], [NAN, 50, 50])
    np.testing.assert_allclose(found["hrv_ln_ms"], [NAN, 1, 1])
    np.testing.assert_array_equal(found["steps"], [12, NAN, NAN])


def test_sex_and_position_become_0_or_1_and_stay_missing_where_not_stated() -> None:
    who = {"known_at": instant(0), "squad": "X"}
    found = prepared(
        athletes=table(
            "athletes",
            {**who, "athlete_id": "A", "sex": "female", "position": "Centre-back"},
            {**who, "athlete_id": "B", "sex": "male", "position": "defender"},
            {**who, "athlete_id": "C", "position": "winger"},
            {**who, "athlete_id": "D", "sex": "male"},
        )
    )["athletes"]
    np.testing.assert_array_equal(found["is_female"], [1, 0, NAN, 0])
    np.testing.assert_array_equal(found["is_defender"], [1, 1, 0, NAN])
    np.testing.assert_array_equal(found["is_forward"], [0, 0, 1, NAN])
    np.testing.assert_array_equal(found["is_goalkeeper"], [0, 0, 0, NAN])


def test_an_injury_tells_what_it_was_of_or_leaves_it_open() -> None:
    columns = ("body_area", "tissue", "muscle_group", "ligament")
    cases: list[tuple[tuple[str | None, ...], list[float]]] = [
        (("thigh", "muscle", "hamstring", None), [1, 0, 0, 1]),
        (("hip_groin", "muscle", "hamstring", None), [1, 0, 0, 1]),
        (("lower_leg", "muscle", "calf", None), [0, 1, 0, 1]),
        (("knee", "ligament", None, "anterior_cruciate"), [0, 0, 1, 0]),
        (("knee", "ligament", None, "other"), [0, 0, 0, 0]),
        (("knee", "ligament", None, None), [0, 0, NAN, 0]),
        (("thigh", "unknown", "unknown", None), [NAN, 0, 0, NAN]),
        (("thigh", "muscle", None, None), [NAN, 0, 0, 1]),
        (("thigh", "bone", None, None), [0, 0, 0, 0]),
        (("unknown", "unknown", None, None), [NAN, NAN, NAN, NAN]),
    ]
    rows: list[dict[str, object]] = [
        {"injury_id": str(number), "date": day(1), "known_at": instant(1.9), **dict(zip(columns, case, strict=True))}
        for number, (case, _) in enumerate(cases)
    ]
    found = prepared(injuries=table("injuries", *rows))["injuries"]
    facts = found[["is_hamstring", "is_calf", "is_acl", "is_muscle"]].to_numpy()
    np.testing.assert_array_equal(facts, [expected for _, expected in cases])


def test_a_return_carries_its_injury_as_it_stood_when_the_return_was_told() -> None:
    injury = {
        "injury_id": "1", "date": day(1), "body_area": "thigh", "muscle_group": "hamstring", "ligament": "unknown",
    }  # fmt: skip
    injuries = table(
        "injuries",
        {**injury, "known_at": instant(1.9), "muscle_group": "quadriceps", SUPERSEDED_AT: instant(9.0)},
        {**injury, "known_at": instant(9.0), SUPERSEDED_AT: instant(30.0)},
        {**injury, "known_at": instant(30.0), "body_area": "knee"},
    )
    returns = table(
        "returns",
        {"injury_id": "1", "date": day(20), "known_at": instant(5.0), SUPERSEDED_AT: instant(21.0)},
        {"injury_id": "1", "date": day(21), "known_at": instant(21.0)},
        {"injury_id": "unheard of", "date": day(21), "known_at": instant(21.0)},
    )
    found = prepared(injuries=injuries, returns=returns)["returns"].sort_values(["injury_id", "known_at"])
    facts = ["body_area", "muscle_group", "ligament"]
    carried = found[facts].astype(object).where(found["body_area"].notna(), None)
    assert carried.to_numpy().tolist() == [
        ["thigh", "quadriceps", "unknown"], ["thigh", "hamstring", "unknown"], [None, None, None],
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_facts_of_rows_known_by_any_instant_need_no_row_that_came_later(seed: int) -> None:
    tables = with_reports(random_world(seed), seed)
    tables["wellness"] = tables["wellness"].assign(hamstring_discomfort=tables["wellness"]["soreness"])
    whole = prepare(tables, TARGET)
    for number in (20.29, 55.9, 88.5):
        then = instant(number)
        cut = prepare(known_by(tables, then), TARGET)
        for name, facts in {
            **ROW_FACTS,
            "sessions": ("load_au", "share_of_best_speed_pct"),
        }.items():
            columns = [*TABLES[name].names, *facts]
            before, after = (ordered(each[name], name, then)[columns] for each in (whole, cut))
            pd.testing.assert_frame_equal(before, after, check_exact=True)
    assert len(whole["injuries"]) > 3 and len(whole["returns"]) > 3
    assert whole["wellness"]["discomfort_above_usual"].notna().sum() > 20


def ordered(rows: pd.DataFrame, name: str, then: pd.Timestamp) -> pd.DataFrame:
    key = [*TABLES[name].key, "known_at", *filter(None, [TABLES[name].day_column])]
    return rows[rows["known_at"] <= then].sort_values(key, ignore_index=True)


def with_reports(tables: dict[str, pd.DataFrame], seed: int) -> dict[str, pd.DataFrame]:
    """The world with daily self-reports of thigh trouble, some of them late."""
    draw = np.random.default_rng(seed)
    rows: list[dict[str, object]] = [
        {
            "athlete_id": name, "date": day(int(on)), "known_at": instant(float(on) + draw.choice([0.3, 2.0, 20.0])),
            "body_area": "thigh", "side": "left", "severity": "minor",
        }
        for name in tables["athletes"]["athlete_id"]
        for on in np.unique(draw.integers(0, 110, 9))
    ]  # fmt: skip
    return {**tables, "injury_reports": table("injury_reports", *rows)}


def test_preparing_leaves_the_given_tables_as_they_are_and_adds_only_what_is_declared() -> None:
    tables = random_world(3)
    before = {name: frame.copy(deep=True) for name, frame in tables.items()}
    found = prepare(tables, TARGET)
    for name, frame in tables.items():
        pd.testing.assert_frame_equal(frame, before[name], check_exact=True)
        assert set(found[name]) - set(frame) == set(ROW_FACTS.get(name, ())) - set(frame), name
