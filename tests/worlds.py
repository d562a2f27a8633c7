"""Small random worlds of contract tables: late rows, corrections, gaps, several sessions a day, people who come and
go."""

from __future__ import annotations

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
