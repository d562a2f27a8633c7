"""Sources without a coverage table of their own: what a history says of a morning is what the system could say on that
morning, also of a silence that was still going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.availability import unavailable
from features.build import FeatureSet, build_features
from features.row_facts import prepare
from features.specs import FeatureSpec, load_specs
from features.target import load_target
from pipelines.data import open_store, read_tables
from pipelines.ingest import ingest

LATER = datetime(2026, 1, 5, 9, tzinfo=UTC)
DAY_FORMAT = "%d.%m.%Y"
REAL = Path(__file__).parents[2] / "shared" / "data" / "soccermon"


@cache
def specs() -> tuple[FeatureSpec, ...]:
    return load_specs()


def said(tables: Mapping[str, pd.DataFrame], athletes: Sequence[str], as_of: pd.Timestamp) -> FeatureSet:
    """Every shipped feature of these athletes at `as_of`."""
    day = as_of.tz_localize(None).normalize()
    index = pd.DataFrame({"athlete_id": sorted(athletes), "date": day, "as_of": as_of})
    index = index.astype({"athlete_id": "str", "date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})
    return build_features(index, tables, specs())


def cells_apart(left: FeatureSet, right: FeatureSet) -> int:
    """Cells that differ in a bit of the value, in its day or in why it is missing."""
    bits = [np.where(values.isna(), 0, values.to_numpy().view(np.int64)) for values in (left.values, right.values)]
    apart = (bits[0] != bits[1]) | (left.values.isna() != right.values.isna()).to_numpy()
    apart |= ~(
        (left.value_dates == right.value_dates) | (left.value_dates.isna() & right.value_dates.isna())
    ).to_numpy()
    apart |= (left.reasons.fillna("") != right.reasons.fillna("")).to_numpy()
    return int(apart.sum())


def out_of_sight(tables: Mapping[str, pd.DataFrame], athletes: Sequence[str], as_of: pd.Timestamp) -> list[str]:
    """Why each athlete cannot be scored, without the instant at which an injury became known."""
    day = as_of.tz_localize(None).normalize()
    index = pd.DataFrame({"athlete_id": sorted(athletes), "date": day, "as_of": as_of})
    why = unavailable(index.astype({"date": "datetime64[us]", "as_of": "datetime64[us, UTC]"}), tables, load_target())
    return why.fillna("").str.replace(r" \(known .*", "", regex=True).to_list()


def fed(folder: Path, source: str, export: Path, now: datetime = LATER) -> dict[str, pd.DataFrame]:
    """What the store in `folder` holds, ready for features, once it has taken in `export` at `now`."""
    store = open_store(folder)
    ingest(store, source, export, now=now)
    return prepare(read_tables(store), load_target())


# --- a few literal weeks --------------------------------------------------------------------------

PLAYERS = {
    "TeamA-11111111-aaaa": "xx..xLx.........x.xx",
    "TeamB-22222222-bbbb": "..x.....LL.xxxx.....",
}
"""Per day from 1 March 2020 on: x form and load, L load alone, . silence (of up to 7 days from report to report, or
more)."""
FIRST = pd.Timestamp("2020-03-01")
FORMS = ("fatigue", "soreness", "stress", "mood", "sleep_quality", "readiness", "sleep_duration")


def soccermon(folder: Path, days: int) -> Path:
    """The release as it stood when the first `days` days had been reported."""
    for name in FORMS:
        write(folder / f"wellness/{name}.csv", days, {"x": "4"}, silent="")
    write(folder / "training-load/daily_load.csv", days, {"x": "300", "L": "450"}, silent="0")
    reports = "player_name,type,timestamp\n" + f'{next(iter(PLAYERS))},"{{""left_knee"": ""minor""}}",02.03.2020\n'
    (folder / "injury").mkdir(exist_ok=True)
    (folder / "injury/injury.csv").write_text(reports)
    return folder


def write(path: Path, days: int, marks: Mapping[str, str], silent: str) -> None:
    rows = [
        [f"{FIRST + pd.Timedelta(days=day):{DAY_FORMAT}}", *(marks.get(life[day], silent) for life in PLAYERS.values())]
        for day in range(min(days, 20))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in [["Date", *PLAYERS], *rows]) + "\n")


NIGHTS = {3: "06:10", 4: "06:00", 5: "09:30", 9: "06:30", 10: "11:00", 20: "05:50", 21: "06:20"}
"""Day of waking up, from 1 March 2020 on, to its time: four nights, then ten days, on which nothing was worn."""
WHOOP = (
    "Cycle timezone,Wake onset,Asleep duration (min),Sleep efficiency %,Resting heart rate (bpm),"
    "Heart rate variability (ms)\n"
)


def whoop(folder: Path, days: int) -> Path:
    """The export as it stood at 07:00 of the day after the first `days` days."""
    wakes = [FIRST + pd.Timedelta(days=day) + pd.Timedelta(f"{time}:00") for day, time in NIGHTS.items()]
    told = [wake for wake in wakes if wake <= FIRST + pd.Timedelta(days=days, hours=7)]
    (folder / "ath-1").mkdir(parents=True, exist_ok=True)
    lines = [f"UTC+00:00,{wake:%Y-%m-%d %H:%M:%S},{400 + wake.day},92,{50 + wake.day},60\n" for wake in told]
    (folder / "ath-1/physiological_cycles.csv").write_text(WHOOP + "".join(lines))
    return folder


WORLDS = {
    "soccermon": (soccermon, ("TeamA-11111111", "TeamB-22222222"), (3, 6, 7, 9, 17)),
    "whoop": (whoop, ("ath-1",), (5, 6, 10, 11, 15, 20)),
}
"""The mornings, counted from 1 March 2020, on which a store is fed with what there is and asked."""


@pytest.mark.parametrize("source", [pytest.param("soccermon", marks=pytest.mark.slow), "whoop"])
def test_a_store_fed_morning_by_morning_says_bit_for_bit_what_the_whole_history_says(
    tmp_path: Path, source: str
) -> None:
    export, athletes, mornings = WORLDS[source]
    history = fed(tmp_path / "history", source, export(tmp_path / "whole", 22))
    apart, told = {}, 0
    for day in mornings:
        as_of = (FIRST + pd.Timedelta(days=day, hours=7)).tz_localize("UTC")
        live = fed(tmp_path / "live", source, export(tmp_path / "so far", day), as_of.to_pydatetime())
        now, then = said(live, athletes, as_of), said(history, athletes, as_of)
        apart[day] = cells_apart(now, then)
        told += int(now.values.notna().sum().sum())
        assert out_of_sight(live, athletes, as_of) == out_of_sight(history, athletes, as_of)
    assert told > 50
    assert apart == dict.fromkeys(mornings, 0)


def test_of_a_silence_nothing_is_covered_before_the_report_that_ends_it_is_known(tmp_path: Path) -> None:
    history = fed(tmp_path / "history", "soccermon", soccermon(tmp_path / "whole", 20))
    rows = history["coverage"].query("table == 'sessions' and athlete_id == 'TeamB-22222222'")
    spans = [(f"{row.first_date:%d}", f"{row.last_date:%d}", f"{row.known_at:%d %Hh}") for row in rows.itertuples()]
    assert spans == [
        ("03", "03", "04 06h"), ("04", "09", "10 06h"), ("10", "10", "11 06h"), ("11", "12", "13 06h"),
        ("13", "13", "14 06h"), ("14", "14", "15 06h"), ("15", "15", "16 06h"),
    ]  # fmt: skip


# --- the real release -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """SoccerMon's whole history, as a store holds it that was fed long afterwards."""
    if not REAL.exists():
        pytest.skip("real data absent: ../shared/data/soccermon")
    return fed(tmp_path_factory.mktemp("release") / "store", "soccermon", REAL)


def as_it_stood(folder: Path, day: pd.Timestamp) -> Path:
    """The release without what is dated on `day` or later: its rows reach us on the morning after."""
    for name, column in (("wellness", ""), ("training-load", ""), ("injury", "timestamp")):
        for path in sorted((REAL / name).glob("*.csv")):
            rows = pd.read_csv(path, dtype=str, keep_default_na=False)
            dates = pd.to_datetime(rows[column or rows.columns[0]], format=DAY_FORMAT)
            (folder / name).mkdir(parents=True, exist_ok=True)
            rows[dates < day].to_csv(folder / name / path.name, index=False)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("day", ["2020-04-02", "2020-09-10", "2021-03-03", "2021-07-12"])
@pytest.mark.parametrize("when", ["that morning", "long afterwards"])
def test_what_the_release_held_on_a_morning_gives_all_its_players_the_features_of_the_whole_history(
    release: dict[str, pd.DataFrame], tmp_path: Path, day: str, when: str
) -> None:
    as_of = pd.Timestamp(f"{day} 07:00", tz="UTC")
    now = as_of.to_pydatetime() if when == "that morning" else LATER
    then = fed(tmp_path / "store", "soccermon", as_it_stood(tmp_path / "cut", pd.Timestamp(day)), now)
    athletes = then["athletes"]["athlete_id"].to_list()
    assert len(athletes) > 25
    assert cells_apart(said(then, athletes, as_of), said(release, athletes, as_of)) == 0
    assert out_of_sight(then, athletes, as_of) == out_of_sight(release, athletes, as_of)
