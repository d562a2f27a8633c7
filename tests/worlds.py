"""Small random worlds of contract tables: late rows, corrections, gaps, several sessions a day, people who come and
go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from features.tables import SUPERSEDED_AT, as_contract, empty_tables

START = pd.Timestamp("2024-01-01")
DAYS = 120


def instant(day: float) -> pd.Timestamp:
    """UTC instant `day` days after the start, to the minute."""
    return (START + pd.Timedelta(minutes=round(day * 1440))).tz_localize("UTC")


def random_world(seed: int, athletes: int = 4) -> dict[str, pd.DataFrame]:
    """Contract tables of one random world."""
    draw = np.random.default_rng(seed)
    names = [f"A{number}" for number in range(athletes)]
    tables = empty_tables()
    spans = {name: (int(draw.integers(0, 30)), int(draw.integers(70, DAYS))) for name in names}
    tables["athletes"] = table_of([_athlete(name, draw) for name in names], "athletes")
    tables["coverage"] = table_of(_coverage(spans, draw), "coverage")
    tables["sessions"] = table_of(_sessions(spans, draw), "sessions")
    tables["wellness"] = table_of(_wellness(spans, draw), "wellness")
    tables["strength_tests"] = table_of(_tests(spans, draw), "strength_tests")
    return tables


def table_of(rows: list[dict[str, object]], name: str) -> pd.DataFrame:
    return as_contract(
        pd.DataFrame(rows).reindex(columns=list(dict.fromkeys([*(key for row in rows for key in row), SUPERSEDED_AT]))),
        name,
    )


def _athlete(name: str, draw: np.random.Generator) -> dict[str, object]:
    birth = pd.Timestamp("1995-01-01") + pd.Timedelta(days=int(draw.integers(0, 3000)))
    return {"athlete_id": name, "known_at": instant(0), "squad": "X", "birth_date": birth}


def _coverage(spans: dict[str, tuple[int, int]], draw: np.random.Generator) -> list[dict[str, object]]:
    rows = []
    for name, (first, last) in spans.items():
        middle = int(draw.integers(first + 10, last - 10))
        for table in ("sessions", "wellness", "injuries"):
            for start, end in ((first, middle), (middle + int(draw.integers(-5, 6)), last)):
                rows.append(
                    {
                        "athlete_id": name,
                        "table": table,
                        "source": "test",
                        "first_date": START + pd.Timedelta(days=start),
                        "last_date": START + pd.Timedelta(days=end),
                        "known_at": instant(start + draw.uniform(0, 2)),
                    }
                )
    return rows


def _sessions(spans: dict[str, tuple[int, int]], draw: np.random.Generator) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name, (first, last) in spans.items():
        for day in range(first, last):
            for number in range(int(draw.choice([0, 1, 1, 2]))):
                row = {
                    "session_id": f"{name}-{day}-{number}",
                    "athlete_id": name,
                    "date": START + pd.Timedelta(days=day),
                    "known_at": instant(day + draw.choice([0.8, 1.2, draw.uniform(1, 12)])),
                    "kind": str(draw.choice(["training", "match"])),
                    "load_au": float(draw.choice([0, 0, draw.integers(50, 900), np.nan], p=[0.3, 0.1, 0.55, 0.05])),
                    "max_speed_m_s": float(draw.uniform(5, 9)),
                }
                rows.append(row)
                if draw.random() < 0.1:
                    _correct(rows, row, day, draw)
    return rows


def _correct(rows: list[dict[str, object]], row: dict[str, object], day: int, draw: np.random.Generator) -> None:
    """A later version of the row, which supersedes it."""
    later = instant(day + 12 + draw.uniform(0, 20))
    rows[-1] = {**row, "superseded_at": later}
    rows.append({**row, "known_at": later, "load_au": float(draw.integers(0, 900))})


def _wellness(spans: dict[str, tuple[int, int]], draw: np.random.Generator) -> list[dict[str, object]]:
    return [
        {
            "athlete_id": name,
            "date": START + pd.Timedelta(days=day),
            "known_at": instant(day + draw.choice([0.25, 0.5, 3.0])),
            "soreness": float(draw.integers(0, 11)),
            "fatigue": float(draw.integers(0, 11)),
        }
        for name, (first, last) in spans.items()
        for day in range(first, last)
        if draw.random() < 0.7
    ]


def _tests(spans: dict[str, tuple[int, int]], draw: np.random.Generator) -> list[dict[str, object]]:
    return [
        {
            "test_id": f"{name}-{day}",
            "athlete_id": name,
            "date": START + pd.Timedelta(days=day),
            "known_at": instant(day + draw.uniform(0.5, 5)),
            "protocol": "nordic",
            "limb": limb,
            "peak_force_n": float(draw.integers(150, 500)),
            "body_mass_kg": 75.0,
        }
        for name, (first, last) in spans.items()
        for day in range(first, last, 17)
        for limb in ("left", "right")
    ]


def moments(tables: dict[str, pd.DataFrame], seed: int, count: int = 60) -> pd.DataFrame:
    """Random prediction moments, some before and some after the data."""
    draw = np.random.default_rng(seed)
    day = draw.integers(-3, DAYS + 10, count)
    return pd.DataFrame(
        {
            "athlete_id": pd.Series(draw.choice([*tables["athletes"]["athlete_id"], "nobody"], count), dtype="str"),
            "date": pd.Series(START + pd.to_timedelta(day, unit="D")).astype("datetime64[us]"),
            "as_of": pd.Series([instant(d + draw.choice([0.29, 0.9])) for d in day]).astype("datetime64[us, UTC]"),
        }
    )


# --- Rough worlds: all that goes wrong in real stores ----------------------------------------------------------------

ZONES = ("Europe/Oslo", "Australia/Sydney", "America/New_York", "Asia/Kolkata")
"""Clocks go forward on day 90 in Oslo and day 69 in New York, and back on day 97 in Sydney."""


STEADY_LOAD = 123.4
"""Of sessions in a stretch without variation; no binary fraction, so that sums and means of it are rounded."""


@dataclass(frozen=True)
class Rough:
    """A random world with what real stores hold; `zones` has each athlete's time zone."""

    tables: dict[str, pd.DataFrame]
    zones: dict[str, str]


@dataclass(frozen=True)
class _Life:
    """One athlete: zone, first and last day with the squad, what the device never records."""

    name: str
    zone: str
    first: int
    last: int
    draw: np.random.Generator
    has_no: str = ""

    def utc(self, day: float, clock: float) -> pd.Timestamp:
        """The instant at which the athlete's clock shows `clock` hours on local day `day`."""
        wall = (START + pd.Timedelta(days=day)).to_pydatetime() + timedelta(minutes=round(clock * 60))
        return pd.Timestamp(wall.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)).as_unit("us")

    def local_day(self, instant: pd.Timestamp) -> pd.Timestamp:
        return pd.Timestamp(instant.to_pydatetime().astimezone(ZoneInfo(self.zone)).date())

    def arrival(self, instant: pd.Timestamp) -> pd.Timestamp:
        """Soon, at the athlete's next midnight, at the hour of prediction, or up to two weeks late."""
        day = (self.local_day(instant) - START).days
        choices = [instant + pd.Timedelta(hours=1), self.utc(day + 1, 0), self.utc(day + 1, 7)]
        late = instant + pd.Timedelta(minutes=int(self.draw.integers(0, 14 * 1440)))
        return pd.Timestamp([*choices, late][int(self.draw.choice(4, p=[0.4, 0.15, 0.15, 0.3]))])


def rough_world(seed: int) -> Rough:
    """Late rows, corrections of corrections, gaps, duplicates, several sessions a day, time zones with daylight saving,
    people who come and go, columns never recorded, mixed speed thresholds, zeros and signed values."""
    draw = np.random.default_rng(seed)
    lives = _lives(draw)
    tables = empty_tables()
    for name, make in _MAKERS.items():
        rows = [row for life in lives for row in make(life)]
        tables[name] = table_of([rows[at] for at in draw.permutation(len(rows))], name)
    return Rough(tables, {life.name: life.zone for life in lives})


def _lives(draw: np.random.Generator) -> list[_Life]:
    """Four ordinary athletes of four zones, one who stays two days, and one whom no device ever saw."""
    ordinary = [
        _Life(f"A{number}", zone, int(draw.integers(0, 40)), int(draw.integers(80, DAYS)), draw,
              has_no=("load_au", "", "high_speed_distance_m", "")[number])
        for number, zone in enumerate(ZONES)
    ]  # fmt: skip
    return [*ordinary, _Life("short", ZONES[0], 60, 61, draw), _Life("unseen", ZONES[1], 30, 29, draw)]


def _versions(life: _Life, row: dict[str, Any], change: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    """The row and, at times, up to three corrections; now and then it is taken back in the end, or arrives twice."""
    versions = [row]
    while len(versions) < 4 and life.draw.random() < 0.15:
        later = versions[-1]["known_at"] + pd.Timedelta(minutes=int(life.draw.integers(1, 20 * 1440)))
        versions[-1] = {**versions[-1], SUPERSEDED_AT: later}
        versions.append({**row, **change(), "known_at": later})
    if life.draw.random() < 0.03:
        later = versions[-1]["known_at"] + pd.Timedelta(minutes=int(life.draw.integers(1, 20 * 1440)))
        versions[-1] = {**versions[-1], SUPERSEDED_AT: later}
    if life.draw.random() < 0.03:
        versions.append(versions[-1])
    return versions


def _rough_athletes(life: _Life) -> list[dict[str, Any]]:
    joined = {"athlete_id": life.name, "squad": "X", "birth_date": pd.Timestamp("1999-03-01"), "known_at": instant(0)}
    if life.draw.random() < 0.5:
        return [joined]
    told = life.utc(max(life.last, 1), 12)
    return [
        {**joined, SUPERSEDED_AT: told},
        {**joined, "known_at": told, "left_date": START + pd.Timedelta(days=life.last)},
    ]


def _rough_coverage(life: _Life) -> list[dict[str, Any]]:
    """Stretches with gaps and overlaps, of two sources, known early, late, or only for a while."""
    rows = []
    draw = life.draw
    injuries = [] if life.name == "A3" else [str(draw.choice(["injuries", "injury_reports"]))]
    for table in ("sessions", "wellness", "wearable_days", "interventions", *injuries):
        day = life.first
        while day <= life.last:
            end = min(life.last, day + int(draw.integers(5, 60)))
            row = {"athlete_id": life.name, "table": table, "source": str(draw.choice(["a", "b"])),
                   "first_date": START + pd.Timedelta(days=day), "last_date": START + pd.Timedelta(days=end),
                   "known_at": life.utc(day + int(draw.choice([0, 1, 1, 15])), draw.uniform(0, 24))}  # fmt: skip
            if draw.random() < 0.1:
                row[SUPERSEDED_AT] = row["known_at"] + pd.Timedelta(days=int(draw.integers(1, 30)))
            rows.append(row)
            day = end + int(draw.choice([-4, 1, 3, 12]))
            day = max(day, life.first + len(rows))
    return rows


def _rough_sessions(life: _Life) -> list[dict[str, Any]]:
    draw, steady = life.draw, int(life.draw.integers(life.first, max(life.first + 1, life.last - 12)))
    rows = []
    for day in range(life.first, life.last + 1):
        is_steady = steady <= day < steady + 12
        for number in range(1 if is_steady else int(draw.choice([0, 1, 1, 2, 3]))):
            start = life.utc(day, float(draw.choice([0.0, 2.5, 9.0, 18.0, 23.9])))
            row = {"session_id": f"{life.name}-{day}-{number}", "athlete_id": life.name, "date": life.local_day(start),
                   "known_at": life.arrival(start), **_measures(life, day, is_steady)}  # fmt: skip
            rows += _versions(
                life, row, lambda day=day, row=row: {**_measures(life, day, False), "date": _moved(life, row)}
            )
            if draw.random() < 0.03:
                rows.append({**row, "session_id": f"{row['session_id']}-again"})
    return rows


def _moved(life: _Life, row: dict[str, Any]) -> pd.Timestamp:
    """A correction may move the session to another day."""
    return row["date"] + pd.Timedelta(days=int(life.draw.choice([0, 0, 0, -2, 1])))


def _measures(life: _Life, day: int, is_steady: bool) -> dict[str, Any]:
    draw = life.draw
    load = STEADY_LOAD if is_steady else float(draw.choice([0, draw.integers(50, 900), draw.uniform(1, 900), np.nan],
                                                     p=[0.2, 0.4, 0.35, 0.05]))  # fmt: skip
    threshold = 7.0 if day > 70 and life.name == "A1" else 5.5
    measures = {
        "kind": str(draw.choice(["training", "match"])),
        "load_au": load,
        "max_speed_m_s": float(draw.choice([draw.uniform(5, 9), np.nan], p=[0.8, 0.2])),
        "high_speed_distance_m": float(draw.choice([0, draw.integers(0, 900), np.nan], p=[0.2, 0.7, 0.1])),
        "high_speed_threshold_m_s": float(draw.choice([threshold, np.nan], p=[0.9, 0.1])),
    }
    return {**measures, **({life.has_no: np.nan} if life.has_no else {})}


def _days_with(life: _Life, share: float) -> list[int]:
    return [day for day in range(life.first, life.last + 1) if life.draw.random() < share]


def _rough_wellness(life: _Life) -> list[dict[str, Any]]:
    def answers() -> dict[str, Any]:
        return {"soreness": float(life.draw.integers(0, 11)), "fatigue": float(life.draw.choice([0, 3, 7, np.nan]))}

    rows = []
    for day in _days_with(life, 0.7):
        at = life.utc(day, float(life.draw.choice([6.5, 7.0, 23.99])))
        row = {"athlete_id": life.name, "date": life.local_day(at), "known_at": life.arrival(at), **answers()}
        rows += _versions(life, row, answers)
    return rows


def _rough_nights(life: _Life) -> list[dict[str, Any]]:
    """Two devices, so two rows for some nights."""
    rows = []
    for source in ("ring", "watch"):
        for day in _days_with(life, 0.6):
            at = life.utc(day, 6.0)
            row = {"athlete_id": life.name, "date": life.local_day(at), "known_at": life.arrival(at), "source": source,
                   "sleep_h": float(life.draw.choice([7.1, 8.0, np.nan])), "worn_h": 20.0}  # fmt: skip
            rows += _versions(life, row, lambda: {"sleep_h": float(life.draw.uniform(4, 9))})
    return rows


def _rough_tests(life: _Life) -> list[dict[str, Any]]:
    rows = []
    for day in _days_with(life, 0.06):
        for limb in life.draw.choice(["left", "right", "both"], int(life.draw.integers(1, 3)), replace=False):
            row = {"test_id": f"{life.name}-{day}", "athlete_id": life.name, "date": START + pd.Timedelta(days=day),
                   "known_at": life.arrival(life.utc(day, 15)), "protocol": "nordic", "limb": str(limb),
                   "peak_force_n": float(life.draw.integers(150, 500)), "body_mass_kg": 75.0}  # fmt: skip
            rows += _versions(life, row, lambda: {"peak_force_n": float(life.draw.choice([260, np.nan]))})
    return rows


def _rough_screenings(life: _Life) -> list[dict[str, Any]]:
    """Tilts on both sides of 0 that cancel at times."""
    rows = []
    for day in _days_with(life, 0.3):
        row = {"screening_id": f"{life.name}-{day}", "athlete_id": life.name, "date": START + pd.Timedelta(days=day),
               "known_at": life.arrival(life.utc(day, 15)), "test": "anterior_pelvic_tilt", "limb": "both",
               "value": float(life.draw.integers(-3, 4))}  # fmt: skip
        rows += _versions(life, row, lambda: {"value": float(life.draw.integers(-3, 4))})
    return rows


def _rough_doses(life: _Life) -> list[dict[str, Any]]:
    rows = []
    for day in _days_with(life, 0.15):
        row = {"intervention_id": f"{life.name}-{day}", "athlete_id": life.name, "date": START + pd.Timedelta(days=day),
               "known_at": life.arrival(life.utc(day, 15)), "kind": str(life.draw.choice(["nordic", "gluteal"])),
               "dose": float(life.draw.integers(0, 5))}  # fmt: skip
        rows += _versions(life, row, lambda: {"dose": float(life.draw.integers(0, 5))})
    return rows


def _injury_days(life: _Life) -> list[int]:
    """Days that depend on the athlete alone, so that injuries and returns agree on them."""
    return [-300, -20, *range(life.first + len(life.name), life.last, 23)]


def _rough_injuries(life: _Life) -> list[dict[str, Any]]:
    def diagnosis() -> dict[str, Any]:
        draw = life.draw
        return {"body_area": str(draw.choice(["thigh", "thigh", "knee"])), "side": "left",
                "tissue": str(draw.choice(["muscle", "unknown"])),
                "muscle_group": draw.choice(["hamstring", "quadriceps", None], p=[0.6, 0.2, 0.2]),
                "contact": draw.choice(["none", "direct", None])}  # fmt: skip

    rows = []
    for number, day in enumerate(_injury_days(life)):
        prefix = "report:" if number % 3 == 2 else ""
        row = {"injury_id": f"{prefix}{life.name}-{number}", "athlete_id": life.name,
               "date": START + pd.Timedelta(days=day), "known_at": life.arrival(life.utc(day, 20)),
               **diagnosis()}  # fmt: skip
        rows += _versions(life, row, lambda row=row: {**diagnosis(), "date": _moved(life, row)})
    return rows


def _rough_returns(life: _Life) -> list[dict[str, Any]]:
    rows = []
    for number, day in enumerate(_injury_days(life)):
        if life.draw.random() < 0.2:
            continue
        back = day + int(life.draw.integers(1, 20))
        row = {"injury_id": f"{'report:' if number % 3 == 2 else ''}{life.name}-{number}", "athlete_id": life.name,
               "date": START + pd.Timedelta(days=back), "known_at": life.arrival(life.utc(back, 5))}  # fmt: skip
        rows += _versions(life, row, lambda row=row: {"date": _moved(life, row)})
    return rows


_MAKERS: dict[str, Callable[[_Life], list[dict[str, Any]]]] = {
    "athletes": _rough_athletes,
    "coverage": _rough_coverage,
    "sessions": _rough_sessions,
    "wellness": _rough_wellness,
    "wearable_days": _rough_nights,
    "strength_tests": _rough_tests,
    "screenings": _rough_screenings,
    "interventions": _rough_doses,
    "injuries": _rough_injuries,
    "returns": _rough_returns,
}


def rough_moments(world: Rough, seed: int, count: int = 60) -> pd.DataFrame:
    """Moments at the athletes' own 7 o'clock, around their midnights and clock changes, and at the very instants at
    which rows became known or were superseded."""
    draw = np.random.default_rng(seed)
    edges = _edges(world)
    rows = []
    for _ in range(count):
        name = str(draw.choice([*world.zones, "nobody"], p=[0.22, 0.22, 0.22, 0.22, 0.06, 0.02, 0.04]))
        life = _Life(name, world.zones.get(name, "UTC"), 0, DAYS, draw)
        if name in edges and draw.random() < 0.3:
            as_of = pd.Timestamp(draw.choice(edges[name]), tz="UTC") - pd.Timedelta(
                microseconds=int(draw.integers(0, 2))
            )
        else:
            day = int(draw.choice([draw.integers(-3, DAYS + 10), draw.choice([69, 70, 90, 91, 97, 98])], p=[0.8, 0.2]))
            as_of = life.utc(day, float(draw.choice([0.0, 2.5, 7.0, 7.0, 23.99])))
        rows.append({"athlete_id": name, "date": life.local_day(as_of), "as_of": as_of})
    dtypes = {"athlete_id": "str", "date": "datetime64[us]", "as_of": "datetime64[us, UTC]"}
    return pd.DataFrame(rows).astype(dtypes)


def _edges(world: Rough) -> dict[str, np.ndarray]:
    """Per athlete the instants at which something became known or was superseded."""
    found = [
        table[["athlete_id", column]].dropna().rename(columns={column: "at"})
        for table in world.tables.values()
        for column in ("known_at", SUPERSEDED_AT)
    ]
    both = pd.concat([each for each in found if len(each)])
    return {str(name): rows["at"].dt.tz_localize(None).to_numpy() for name, rows in both.groupby("athlete_id")}
