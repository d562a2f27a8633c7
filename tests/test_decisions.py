"""Staff's decisions: kept as written beside the scores, shown on the athlete's page, refused where they say nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from configs.errors import NotReady, WrongArgument
from pipelines.daily import score_database
from pipelines.data import Store, open_store
from pipelines.decisions import LONGEST, decide
from pipelines.ingest import ingest
from serving.report import build_report, render_html
from tests.report_fixture import arguments

NOW = datetime(2025, 4, 21, 9, 30, tzinfo=UTC)
MARCH, MAY = pd.Timestamp("2025-03-01"), pd.Timestamp("2025-05-01")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "athletes.csv").write_text(
        "athlete_id,squad,known_at\nA1,first,2024-07-01T08:00:00Z\n", encoding="utf-8"
    )
    opened = open_store(tmp_path / "store")
    ingest(opened, "csv", tmp_path / "athletes.csv", now=NOW)
    return opened


def kept(store: Store) -> list[tuple[str, str, str]]:
    database = score_database(store)
    try:
        found = database.decisions(MARCH, MAY)
    finally:
        database.close()
    return [(f"{row.date:%Y-%m-%d}", row.text, row.decided_by) for row in found.itertuples()]


def test_decisions_are_kept_as_written_in_the_order_of_entry(store: Store) -> None:
    assert kept(store) == []
    assert f"{decide(store, 'A1', 'Sprints on Tuesday  shortened', None, 'kim', NOW)}" == "2025-04-21"
    decide(store, "A1", "Nordic test repeated", "2025-04-14", "lee", NOW)
    decide(store, "A1", "Of another season", "2024-04-14", "lee", NOW)
    assert kept(store) == [
        ("2025-04-21", "Sprints on Tuesday shortened", "kim"),
        ("2025-04-14", "Nordic test repeated", "lee"),
    ]


@pytest.mark.parametrize(
    ("athlete", "text", "day", "error", "said"),
    [
        ("A9", "rest", None, NotReady, "no athlete is called .A9. in this store"),
        ("A1", "  ", None, WrongArgument, "this one 0"),
        ("A1", "x" * (LONGEST + 1), None, WrongArgument, "this one 501"),
        ("A1", "rest", "2025-04-23", WrongArgument, "--date 2025-04-23 lies after today, 2025-04-21"),
        ("A1", "rest", "21.04.2025", WrongArgument, "--date '21.04.2025' is no day"),
    ],
)
def test_what_says_nothing_or_of_nobody_is_refused_and_nothing_is_kept(
    store: Store, athlete: str, text: str, day: str | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        decide(store, athlete, text, day, "kim", NOW)
    assert kept(store) == []


def test_the_athletes_page_shows_staffs_decisions_the_latest_first_and_escaped() -> None:
    given = arguments()
    flagged = build_report(**given).pages[0].account.row.athlete_id
    decisions = pd.DataFrame(
        {
            "athlete_id": [flagged, flagged, "nobody"],
            "date": pd.to_datetime(["2025-04-14", "2025-04-21", "2025-04-21"]),
            "text": ["Nordic test repeated", "Sprints <b>shortened</b>", "of somebody else"],
            "decided_by": ["lee", "kim", "kim"],
            "made_at": pd.to_datetime(["2025-04-14", "2025-04-21", "2025-04-21"], utc=True),
        }
    )
    page = render_html(build_report(**given, decisions=decisions))
    first = page.index("Sprints &lt;b&gt;shortened&lt;/b&gt;")
    assert first < page.index("Nordic test repeated")
    assert "of somebody else" not in page
