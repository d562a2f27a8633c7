"""`strainwatch decide`: what staff decided about an athlete, kept beside the scores and shown on the athlete's page."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd

from configs.errors import WrongArgument
from pipelines.daily import score_database
from pipelines.data import Store, read_tables
from pipelines.meant import athlete_of

LONGEST = 500
"""Characters: a decision, not a file."""
_FARTHEST_EAST = timedelta(hours=14)
"""Where `now` in UTC may already be a day later: the athlete's local day counts."""


def decide(store: Store, athlete_id: str, text: str, day: str | None, by: str, now: datetime) -> date:
    """Keep a decision about the local day `day` (default: today); returns that day.

    Raises WrongArgument for a text that is empty or too long and for what is no day or one to come, NotReady for an
    athlete whom the store does not know.
    """
    words = " ".join(text.split())
    if not 0 < len(words) <= LONGEST:
        raise WrongArgument(f"a decision has 1 to {LONGEST} characters, this one {len(words)}. Say what was decided.")
    about = _day(day, now)
    athlete_of(athlete_id, set(read_tables(store)["athletes"]["athlete_id"]), "in this store")
    database = score_database(store)
    try:
        database.keep_decision(_row(athlete_id, words, about, by, now))
    finally:
        database.close()
    return about.date()


def _day(day: str | None, now: datetime) -> pd.Timestamp:
    try:
        about = now.date() if day is None else date.fromisoformat(day)
    except ValueError as error:
        raise WrongArgument(f"--date '{day}' is no day; write 2021-10-04.") from error
    if about > (now + _FARTHEST_EAST).date():
        raise WrongArgument(f"--date {about} lies after today, {now:%Y-%m-%d}. Give the day that was decided about.")
    return pd.Timestamp(about)


def _row(athlete_id: str, text: str, about: pd.Timestamp, by: str, now: datetime) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "athlete_id": [athlete_id],
            "date": pd.Series([about]).astype("datetime64[us]"),
            "text": [text],
            "decided_by": [by],
            "made_at": pd.Series([now]).astype("datetime64[us, UTC]"),
        }
    )
