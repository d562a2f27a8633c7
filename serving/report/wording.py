"""Measurements, ages and odds in the words and number formats that staff read."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date as Date

import pandas as pd

from features.specs import DerivedSpec, FeatureSpec, WindowSpec

GRADES = {
    "A": "grade A: meta-analysis",
    "B": "grade B: two or more cohorts",
    "C": "grade C: one cohort",
    "D": "grade D: practice",
    "assumption": "an assumption, untested",
}
"""Evidence grade of a feature, in words."""

SHORT_GRADES = {
    "A": "A, meta-analysis",
    "B": "B, cohorts",
    "C": "C, one cohort",
    "D": "D, practice",
    "assumption": "Assumption",
}
"""The same for a column of a table."""

RECENT_DAYS = 2
"""A measurement up to this old needs no age in a sentence."""

WITHOUT_USUAL = ("context", "injury_history")
"""Factors whose measurements are facts: nobody has a usual age."""

ABOUT_USUAL = 0.05
"""A value nearer to own usual than this share of it is not called above or below."""

_FLAG = ("0/1", "yes/no")
_TIME = {"d": "day", "y": "year"}
_WHOLE = ("m", "AU")
_DECIMALS = {"ratio": 2, "N/kg": 2, "N m/kg": 2, "m/s": 2, "h": 1, "SD": 1, "ln ms": 2}
_SHOWN = {
    "ratio": "",
    "count": "",
    "masked": "",
    "count/day": "a day",
    "m/day": "m a day",
    "AU/day": "AU a day",
}
_NO_RATIO = ("%", "ratio", "", "deg", "deg/N", "1/N", "d", "y", "bpm", "SD", "ln ms", *_FLAG)
_MULTIPLE = " as multiple of "
_TESTED = ("strength_tests", "screenings")


def number(value: float, decimals: int = 0) -> str:
    """`value` with thousands separators and a true minus sign; zeros after the point are dropped."""
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "0") else text.replace("-", "−")


def measure(value: float, unit: str) -> str:
    """A value with its unit, such as "1,240 m", "4.5 of 10", "yes" or "6 days"."""
    if math.isnan(value):
        return "not measured"
    if unit in _FLAG:
        return "yes" if value >= 0.5 else "no"
    if scale := re.fullmatch(r"0-(\d+)", unit):
        return f"{number(value, 1)} of {scale[1]}"
    if unit in _TIME:
        return _counted(value, _TIME[unit])
    shown = number(value, _decimals(value, unit))
    if unit == "deg":
        return f"{shown}°"
    return f"{shown} {_SHOWN.get(unit, unit)}".strip()


def _counted(value: float, one: str) -> str:
    shown = number(value, 0 if value >= 10 or one == "day" else 1)
    return f"{shown} {one}" if shown == "1" else f"{shown} {one}s"


def _decimals(value: float, unit: str) -> int:
    if unit in _DECIMALS:
        return _DECIMALS[unit]
    if 0 < abs(value) < 0.1:
        return 1 - math.floor(math.log10(abs(value)))
    return 0 if abs(value) >= 10 or unit in _WHOLE else 1


def age(value_date: pd.Timestamp | None, date: pd.Timestamp) -> str:
    """How long before `date` a measurement was made, such as "12 days ago"; "" if it has no date."""
    if value_date is None or pd.isna(value_date):
        return ""
    days = (date - value_date).days
    if days < 2:
        return "today" if days <= 0 else "yesterday"
    if days < 90:
        return f"{days} days ago"
    if days < 730:
        return f"{round(days / 30.44)} months ago"
    return f"{days // 365} years ago"


def phrase(
    spec: FeatureSpec,
    value: float,
    own_usual: float,
    value_date: pd.Timestamp | None,
    date: pd.Timestamp,
    reason_missing: str | None = None,
) -> str:
    """A measurement in words, for use within a sentence.

    "sprint distance, last 7 days: 1.9 times own usual (1,240 m against 650 m)"
    """
    if math.isnan(value):
        return f"{spec.label}: not measured" + (f" ({reason_missing})" if reason_missing else "")
    label, body, bracket = _described(spec, value, own_usual)
    notes = [note for note in (bracket, _age_note(spec, value_date, date)) if note]
    return f"{label}: {body}" + (f" ({'; '.join(notes)})" if notes else "")


def _described(spec: FeatureSpec, value: float, own_usual: float) -> tuple[str, str, str]:
    """The label, what is said of it, and what stands in brackets behind it."""
    derived = spec.derive if isinstance(spec, DerivedSpec) else ""
    if _MULTIPLE in spec.label:
        subject, _, yardstick = spec.label.partition(_MULTIPLE)
        return subject, f"{number(value, 1)} times {yardstick}", ""
    if derived == "signed_asymmetry_pct":
        return spec.label, f"right {_side(value, '%')} left", _usual(own_usual, _side(own_usual, "%"))
    if derived == "change_pct" or spec.unit == "SD":
        way = _side(value, spec.unit)
        if "own " in spec.label:
            return spec.label, way.replace("level with", "no difference"), ""
        return spec.label, f"{way} own usual", ""
    if derived == "difference":
        return spec.label, _signed(value, spec.unit), _usual(own_usual, _signed(own_usual, spec.unit))
    if spec.unit in _FLAG or spec.factor in WITHOUT_USUAL:
        return spec.label, measure(value, spec.unit), ""
    if is_amount(spec.unit) and value >= 0 and own_usual > 0:
        if abs(value / own_usual - 1) < ABOUT_USUAL:
            return spec.label, measure(value, spec.unit), "about own usual"
        both = f"{measure(value, spec.unit)} against {measure(own_usual, spec.unit)}"
        return spec.label, times_usual(value / own_usual), both
    return spec.label, measure(value, spec.unit), _usual(own_usual, measure(own_usual, spec.unit))


def _usual(own_usual: float, words: str) -> str:
    return "" if math.isnan(own_usual) else f"own usual {words}"


def _side(value: float, unit: str) -> str:
    """ "14 % below", "1.8 SD above"."""
    shown = number(abs(value), 1 if unit == "SD" else 0)
    return "level with" if shown == "0" else f"{shown} {unit} {'below' if value < 0 else 'above'}"


def _signed(value: float, unit: str) -> str:
    return ("+" if value > 0 else "") + measure(value, unit)


def is_amount(unit: str) -> bool:
    """True if a ratio of two values of this unit means something: of metres, but not of degrees."""
    return unit not in _NO_RATIO and re.fullmatch(r"0-\d+", unit) is None


def times_usual(ratio: float) -> str:
    """A ratio to own usual, such as "1.9 times own usual" or "18 % above own usual"."""
    if ratio >= 1.495:
        return f"{number(ratio, 1)} times own usual"
    return f"{round(100 * abs(ratio - 1))} % {'above' if ratio > 1 else 'below'} own usual"


def measured_age(spec: FeatureSpec, value_date: pd.Timestamp | None, date: pd.Timestamp) -> str:
    """Age of a measurement; "" for facts such as age and for values that are themselves a time."""
    return "" if spec.factor == "context" or spec.unit in _TIME else age(value_date, date)


def _age_note(spec: FeatureSpec, value_date: pd.Timestamp | None, date: pd.Timestamp) -> str:
    found = measured_age(spec, value_date, date)
    if not found or value_date is None or (date - value_date).days <= RECENT_DAYS:
        return ""
    return f"{_measured(spec)} {found}"


def _measured(spec: FeatureSpec) -> str:
    if spec.factor == "injury_history":
        return "latest"
    if isinstance(spec, DerivedSpec):
        return "tested" if "asymmetry" in spec.derive else "measured"
    return "tested" if isinstance(spec, WindowSpec) and spec.table in _TESTED else "measured"


def as_title(text: str) -> str:
    return text[:1].upper() + text[1:]


def percent(probability: float) -> str:
    """A probability with two significant digits: "0.34 %", "3.4 %", "12 %"."""
    if 0 < probability < 0.0001:
        return "under 0.01 %"
    decimals = 2 if probability < 0.00995 else 1 if probability < 0.0995 else 0
    return f"{number(100 * probability, decimals)} %"


def percent_range(lower: float, upper: float) -> str:
    """An interval as "1.8 to 6.1 %"."""
    return f"{percent(lower).removesuffix(' %')} to {percent(upper)}"


def times_odds(contribution: float) -> str:
    """A contribution in log-odds as "1.35 times the odds"."""
    return f"{math.exp(contribution):.2f} times the odds"


def day(date: pd.Timestamp | Date) -> str:
    """A day as "2 June 2025"."""
    return f"{date.day} {date:%B %Y}"


def short_day(date: pd.Timestamp | Date) -> str:
    """A day as "2 Jun"."""
    return f"{date.day} {date:%b}"


def spoken(text: str) -> str:
    """The text with each date such as 2025-05-12 as "12 May 2025"."""
    return re.sub(r"\d{4}-\d{2}-\d{2}", lambda found: _day_or_same(found[0]), text)


def _day_or_same(text: str) -> str:
    try:
        return day(Date.fromisoformat(text))
    except ValueError:
        return text


def listed(items: Sequence[str], last: str = "and") -> str:
    """ "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """ "1 athlete", "1,204 athletes"."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"
