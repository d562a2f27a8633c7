"""Labels, episodes and who is at risk, on literal tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.availability import unavailable
from features.labels import at_risk_index, label, onsets
from features.row_facts import prepare
from features.tables import SUPERSEDED_AT, as_contract, empty_tables
from features.target import Target, load_target

TARGET = load_target()
DAY = pd.Timedelta(days=1)


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(f"2024-{text}")


def known(text: str, hour: int = 6) -> pd.Timestamp:
    return (day(text) + pd.Timedelta(hours=hour)).tz_localize("UTC")


def rows(name: str, *found: dict[str, Any]) -> pd.DataFrame:
    columns = list(dict.fromkeys([*(key for row in found for key in row), SUPERSEDED_AT]))
    return as_contract(pd.DataFrame(list(found)).reindex(columns=columns), name)


def squad(**tables: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """One athlete, covered from 1 January to 31 March 2024, with the given tables."""
    athlete = {"athlete_id": "A1", "known_at": known("01-01"), "squad": "X"}
    coverage = {
        "athlete_id": "A1", "table": "sessions", "source": "test", "first_date": day("01-01"),
        "last_date": day("03-31"), "known_at": known("01-01"),
    }  # fmt: skip
    base = {"athletes": rows("athletes", athlete), "coverage": rows("coverage", coverage)}
    return prepare({**empty_tables(), **base, **tables}, TARGET)


def injury(number: int, date: str, known_on: str, **other: Any) -> dict[str, Any]:
    base = {
        "injury_id": f"I{number}", "athlete_id": "A1", "date": day(date), "known_at": known(known_on, 20),
        "body_area": "thigh", "tissue": "muscle", "muscle_group": "hamstring", "side": "left", "contact": "none",
    }  # fmt: skip
    return {**base, **other}


def back(number: int, date: str) -> dict[str, Any]:
    return {"injury_id": f"I{number}", "athlete_id": "A1", "date": day(date), "known_at": known(date, 5)}


def index(*dates: str) -> pd.DataFrame:
    days = pd.DatetimeIndex([day(text) for text in dates]).as_unit("us")
    frame = pd.DataFrame({"athlete_id": "A1", "date": days, "as_of": TARGET.as_of(days)})
    return frame.astype({"athlete_id": "str"})


def labels_of(tables: dict[str, pd.DataFrame], *dates: str, cut: str = "03-31") -> list[list[float]]:
    return label(index(*dates), tables, TARGET, day(cut)).to_numpy().tolist()


def reports(*found: tuple[str, str, str]) -> pd.DataFrame:
    return rows(
        "injury_reports",
        *(
            {"athlete_id": "A1", "date": day(date), "known_at": known(on), "body_area": area, "side": "left",
             "severity": "minor"}
            for date, on, area in found
        ),
    )  # fmt: skip


def test_the_horizon_holds_the_prediction_day_and_ends_before_day_h() -> None:
    tables = squad(injuries=rows("injuries", injury(1, "02-10", "02-10")), returns=rows("returns", back(1, "03-01")))
    assert labels_of(tables, "02-10", "02-04", "02-03", "01-28", "01-27") == [
        [1, 1, 1],
        [1, 1, 1],
        [0, 1, 1],
        [0, 1, 1],
        [0, 0, 1],
    ]


def test_a_horizon_past_the_data_is_censored_with_an_onset_or_without() -> None:
    tables = squad(injuries=rows("injuries", injury(1, "02-10", "02-10")))
    with_onset = labels_of(tables, "02-05", cut="02-14")[0]  # reports take 3 days: followed up to 11 February
    assert with_onset[0] == 1 and np.isnan(with_onset[1:]).all()
    assert np.isnan(labels_of(tables, "02-05", cut="02-13")[0]).all()
    assert labels_of(tables, "01-25", cut="02-10")[0][:2] == [0, 0]


def test_a_season_break_ends_the_follow_up_whatever_other_sources_cover() -> None:
    tables = squad()
    late = tables["coverage"].assign(first_date=day("05-01"), last_date=day("06-30"))
    test = late.assign(table="strength_tests", first_date=day("04-10"), last_date=day("04-10"))
    both = pd.concat([tables["coverage"], late, test], ignore_index=True).astype(tables["coverage"].dtypes.to_dict())
    found = label(index("03-25", "03-26"), {**tables, "coverage": both}, TARGET, day("06-30"))
    assert found["7"].iloc[0] == 0 and np.isnan(found["7"].iloc[1])


def test_a_store_without_clearances_can_be_labelled() -> None:
    tables = squad(injuries=rows("injuries", injury(1, "02-10", "02-10")))
    assert tables["returns"].empty
    kept, _ = at_risk_index(tables, TARGET, day("02-01"), day("02-12"))
    assert kept["date"].max() == day("02-10")


def test_follow_up_ends_where_the_athlete_left() -> None:
    tables = squad()
    left = tables["athletes"].assign(left_date=day("02-10")).astype({"left_date": "datetime64[us]"})
    found = label(index("02-05"), {**tables, "athletes": left}, TARGET, day("03-31")).to_numpy()
    assert np.isnan(found).all()


def test_only_target_injuries_are_onsets() -> None:
    tables = squad(
        injuries=rows(
            "injuries",
            injury(1, "02-01", "02-01", muscle_group="quadriceps"),
            injury(2, "02-05", "02-05", contact="direct"),
            injury(3, "02-09", "02-09"),
            injury(4, "02-12", "02-12", muscle_group=None, tissue="unknown", contact=None),
        )
    )
    assert onsets(tables, TARGET)["injury_id"].tolist() == ["I3", "I4"]


def test_an_injured_athlete_is_not_at_risk_until_the_return() -> None:
    tables = squad(injuries=rows("injuries", injury(1, "02-10", "02-10")), returns=rows("returns", back(1, "02-20")))
    kept, attrition = at_risk_index(tables, TARGET, day("02-09"), day("02-21"))
    assert kept["date"].tolist() == [day(text) for text in ("02-09", "02-10", "02-20", "02-21")]
    assert attrition == {"injured": 9}


def test_an_injury_that_nobody_knows_of_yet_is_left_out_of_training_but_scored_then() -> None:
    tables = squad(injuries=rows("injuries", injury(1, "02-10", "02-13")), returns=rows("returns", back(1, "02-20")))
    kept, attrition = at_risk_index(tables, TARGET, day("02-10"), day("02-14"))
    assert kept["date"].tolist() == [day("02-10")]
    assert attrition == {"injured": 1, "injured, not known yet": 3}
    assert unavailable(index("02-12", "02-14"), tables, TARGET).tolist() == [
        None,
        "injured since 2024-02-10 (known 2024-02-13)",
    ]


def test_silent_sources_and_leavers_are_named() -> None:
    tables = squad()
    left = tables["athletes"].assign(left_date=day("03-05")).astype({"left_date": "datetime64[us]"})
    moments = index("04-07", "04-08")
    assert unavailable(moments, tables, TARGET).tolist() == [None, "no data since 2024-03-31"]
    gone = unavailable(index("03-05", "03-06"), {**tables, "athletes": left}, TARGET)
    assert gone.tolist() == [None, "left the squad on 2024-03-05"]


def test_daily_reports_become_one_onset_dated_the_day_before_the_first() -> None:
    tables = squad(
        injury_reports=reports(("02-10", "02-11", "thigh"), ("02-11", "02-12", "thigh"), ("02-20", "02-21", "thigh"))
    )
    assert onsets(tables, TARGET)["date"].tolist() == [day("02-09")]
    returns = tables["returns"]
    assert returns[returns["superseded_at"].isna()]["date"].tolist() == [day("03-05")]


def test_a_report_after_the_gap_opens_a_new_episode_and_another_site_its_own() -> None:
    tables = squad(
        injury_reports=reports(("02-01", "02-02", "thigh"), ("02-16", "02-17", "thigh"), ("02-16", "02-17", "knee"))
    )
    assert tables["injuries"]["date"].tolist() == [day("01-31"), day("02-15"), day("02-15")]
    assert onsets(tables, TARGET)["date"].tolist() == [day("01-31"), day("02-15")]


def test_a_report_that_arrives_late_joins_the_episode_and_changes_nothing_before_it_was_known() -> None:
    found = [("02-10", "02-11", "thigh"), ("02-05", "02-20", "thigh")]
    early, both = squad(injury_reports=reports(found[0])), squad(injury_reports=reports(*found))
    pd.testing.assert_frame_equal(early["injuries"], both["injuries"])
    pd.testing.assert_frame_equal(early["returns"], both["returns"])


def test_as_of_is_the_local_prediction_hour_on_days_when_clocks_change() -> None:
    target = Target(**{**TARGET.__dict__, "time_zone": "Europe/Oslo", "prediction_time": "02:30"})
    days = pd.DatetimeIndex(["2024-03-30", "2024-03-31", "2024-10-27"])
    assert [str(at) for at in target.as_of(days)] == [
        "2024-03-30 01:30:00+00:00",
        "2024-03-31 01:00:00+00:00",  # 02:30 does not exist: the clock jumps to 03:00
        "2024-10-27 01:30:00+00:00",  # the second of two 02:30
    ]
    assert target.local_day(pd.Timestamp("2024-06-30 22:30", tz="UTC")) == pd.Timestamp("2024-07-01")
