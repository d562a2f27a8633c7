"""The forms in which a command prints a table: for people, for spreadsheets, for scripts."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    text = "text"
    csv = "csv"
    json = "json"
