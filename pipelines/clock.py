"""The clock, in one place so that tests can hand in another."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The current instant, with its zone."""
    return datetime.now(UTC)
