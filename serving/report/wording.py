"""Measurements, ages and odds in the words and number formats that staff read."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date as Date

import pandas as pd

from features.specs import DerivedSpec, FeatureSpec, WindowSpec
from serving.report.language import N_, _, date_text, decimal, dynamic, ngettext

GRADES = {
    "A": N_("grade A: meta-analysis"),
    "B": N_("grade B: two or more cohorts"),
    "C": N_("grade C: one cohort"),
    "D": N_("grade D: practice"),
    "assumption": N_("an assumption, untested"),
}
"""Evidence grade of a feature, in words; `_` translates."""

SHORT_GRADES = {
    "A": N_("A, meta-analysis"),
    "B": N_("B, cohorts"),
    "C": N_("C, one cohort"),
    "D": N_("D, practice"),
    "assumption": N_("Assumption"),
}
"""The same for a column of a table."""

RECENT_DAYS = 2
"""A measurement up to this old needs no age in a sentence."""

WITHOUT_USUAL = ("context", "injury_history")
"""Factors whose measurements are facts: nobody has a usual age."""

ABOUT_USUAL = 0.05
"""A value nearer to own usual than this share of it is not called above or below."""

_FLAG = ("0/1", "yes/no")
_TIME = ("d", "y")
_WHOLE = ("m", "AU")
_DECIMALS = {"ratio": 2, "N/kg": 2, "N m/kg": 2, "m/s": 2, "h": 1, "SD": 1, "ln ms": 2}
_BARE = ("ratio", "count", "masked", "")
_UNITS = {
    "AU": N_("{n} AU"),
    "SD": N_("{n} SD"),
    "AU/day": N_("{n} AU a day"),
    "AU/day/day": N_("{n} AU a day, each day"),
    "bpm": N_("{n} bpm"),
    "count/day": N_("{n} a day"),
    "count/day/day": N_("{n} a day, each day"),
    "days": N_("{n} days"),
    "days/day": N_("{n} days a day"),
    "days/week": N_("{n} days a week"),
    "deg/(N/kg)": N_("{n}° per N/kg"),
    "deg/N": N_("{n}° per N"),
    "m/day": N_("{n} m a day"),
    "m/day/day": N_("{n} m a day, each day"),
    "min/day": N_("{n} min a day"),
    "min/week": N_("{n} min a week"),
    "reps": N_("{n} reps"),
    "sets": N_("{n} sets"),
    "sets/day": N_("{n} sets a day"),
    "sets/week": N_("{n} sets a week"),
}
"""Units with words in them; symbols such as N m/kg are the same everywhere."""
_NO_RATIO = ("%", "ratio", "", "deg", "deg/N", "1/N", "d", "y", "bpm", "SD", "ln ms", *_FLAG)
_MULTIPLE = " as multiple of "
_TESTED = ("strength_tests", "screenings")
_COUNTED, _HAPPENED = ("sum", "count", "day_count"), ("sessions", "interventions")
"""Aggregates and tables of what happened: the age is that of the last one, and nothing was measured on that day."""


def number(value: float, decimals: int = 0) -> str:
    """`value` with thousands separators and a true minus sign; zeros after the point are dropped."""
    return decimal(value, decimals)


def measure(value: float, unit: str) -> str:
    """A value with its unit, such as "1,240 m", "4.5 of 10", "yes" or "6 days"."""
    if math.isnan(value):
        return _("not measured")
    if unit in _FLAG:
        return _("yes") if value >= 0.5 else _("no")
    if scale := re.fullmatch(r"0-(\d+)", unit):
        return _("{n} of {most}", n=number(value, 1), most=scale[1])
    if unit in _TIME:
        return _counted(value, unit)
    return with_unit(number(value, _decimals(value, unit)), unit)


def with_unit(shown: str, unit: str) -> str:
    """A figure with its unit: "1,240 m", "72°", "3 a day"."""
    if unit == "deg":
        return f"{shown}°"
    if unit in _BARE:
        return shown
    return _(_UNITS[unit], n=shown) if unit in _UNITS else f"{shown} {unit}"


def _counted(value: float, unit: str) -> str:
    count = round(value, 0 if value >= 10 or unit == "d" else 1)
    if unit == "d":
        return ngettext("{n} day", "{n} days", count)
    return ngettext("{n} year", "{n} years", count)


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
        return _("today") if days <= 0 else _("yesterday")
    if days < 90:
        return ngettext("{n} day ago", "{n} days ago", days)
    if days < 730:
        return ngettext("{n} month ago", "{n} months ago", round(days / 30.44))
    return ngettext("{n} year ago", "{n} years ago", days // 365)


def phrase(
    spec: FeatureSpec,
    value: float,
    own_usual: float,
    value_date: pd.Timestamp | None,
    date: pd.Timestamp,
    other: Other | None = None,
    ordinary_squad: float = math.nan,
) -> str:
    """A measurement in words, for use within a sentence, against own usual or against `other`.

    "sprint distance, last 7 days: 1.9 times own usual (1,240 m against 650 m)". `ordinary_squad` is the squad's value
    today where the measurement differs from own usual but not from the squad.
    """
    label, body, bracket = _described(spec, value, own_usual)
    if other is not None:
        shown = body if multiple_of(spec.label) else _held(spec, value)
        body, bracket = _against_other(spec, value, own_usual, other, shown)
    ordinary = "" if math.isnan(ordinary_squad) else _ordinary_squad(spec, ordinary_squad)
    notes = [note for note in (bracket, ordinary, _age_note(spec, value_date, date)) if note]
    return f"{label}: {body}" + (f" ({'; '.join(notes)})" if notes else "")


def not_measured(spec: FeatureSpec, reason: str, contribution: float) -> str:
    """A measurement that is missing: why, and what the model does without it. It says nothing about the athlete."""
    label = dynamic(spec.label)
    if spec.factor in WITHOUT_USUAL:
        return _("{label}: {reason}", label=label, reason=reason or _("not known"))
    if reason:
        said = _("{label}: not measured ({reason})", label=label, reason=reason)
    else:
        said = _("{label}: not measured", label=label)
    if contribution > 0:
        return _(
            "{not_measured}. The model takes the average of those not measured; this raises the score and says "
            "nothing about the athlete",
            not_measured=said,
        )
    return _(
        "{not_measured}. The model takes the average of those not measured; this lowers the score and says nothing "
        "about the athlete",
        not_measured=said,
    )


def _described(spec: FeatureSpec, value: float, own_usual: float) -> tuple[str, str, str]:
    """The label, what is said of it, and what stands in brackets behind it."""
    derived, label = spec.derive if isinstance(spec, DerivedSpec) else "", dynamic(spec.label)
    if parts := multiple_of(spec.label):
        subject, yardstick = (dynamic(part) for part in parts)
        return subject, _("{n} times {yardstick}", n=number(value, 1), yardstick=yardstick), ""
    if derived == "signed_asymmetry_pct":
        return label, _right_to_left(value), _usual(own_usual, _above_or_below(own_usual, "%"))
    if derived == "change_pct" or spec.unit == "SD":
        if "own " in spec.label:
            return label, _above_or_below(value, spec.unit), ""
        return label, _against_usual(value, spec.unit), ""
    if derived == "difference":
        return label, _signed(value, spec.unit), _usual(own_usual, _signed(own_usual, spec.unit))
    if spec.unit in _FLAG or spec.factor in WITHOUT_USUAL:
        return label, measure(value, spec.unit), ""
    if is_amount(spec.unit) and value > 0 and own_usual > 0:
        if abs(value / own_usual - 1) < ABOUT_USUAL:
            return label, measure(value, spec.unit), _("about own usual")
        shown, usual = measure(value, spec.unit), measure(own_usual, spec.unit)
        return label, times_usual(value / own_usual), _("{value} against {usual}", value=shown, usual=usual)
    return label, measure(value, spec.unit), _usual(own_usual, measure(own_usual, spec.unit))


@dataclass(frozen=True)
class Other:
    """Another reference than own usual: the squad today or the model's data, and the middle value there.

    `is_as_usual` is True where the measurement is an ordinary one for the athlete.
    """

    value: float
    is_squad: bool
    is_as_usual: bool = False


def _against_other(spec: FeatureSpec, value: float, own_usual: float, other: Other, shown: str) -> tuple[str, str]:
    """What is said against the squad or the model's data, and what stands in brackets behind it."""
    theirs, usual = (_held(spec, each) for each in (other.value, own_usual))
    if spec.unit in _FLAG:
        body, against = shown, _("squad today {value}", value=theirs) if other.is_squad else ""
    else:
        body, against = _beside(shown, value > other.value, other.is_squad), theirs
    if math.isnan(own_usual) or is_own_comparison(spec):
        return body, against
    if other.is_as_usual:
        return body, "; ".join(filter(None, (against, _("ordinary for this athlete: {value}", value=usual))))
    return body, "; ".join(filter(None, (against, _own_beside(usual, value > own_usual))))


def _held(spec: FeatureSpec, value: float) -> str:
    """A value beside that of others; one that is itself a difference keeps its sign."""
    is_difference = isinstance(spec, DerivedSpec) and spec.derive in (
        "difference",
        "change_pct",
        "signed_asymmetry_pct",
    )
    return _signed(value, spec.unit) if is_difference or spec.unit == "SD" else measure(value, spec.unit)


def _beside(shown: str, is_above: bool, is_squad: bool) -> str:
    if is_squad and is_above:
        return _("{value}, above the squad today", value=shown)
    if is_squad:
        return _("{value}, below the squad today", value=shown)
    if is_above:
        return _("{value}, above the middle of the model's data", value=shown)
    return _("{value}, below the middle of the model's data", value=shown)


def _own_beside(usual: str, is_above: bool) -> str:
    return _("above own usual: {value}", value=usual) if is_above else _("below own usual: {value}", value=usual)


def _ordinary_squad(spec: FeatureSpec, squad: float) -> str:
    return _("ordinary for this squad: {value}", value=measure(squad, spec.unit))


def is_own_comparison(spec: FeatureSpec) -> bool:
    """True for a measurement that already says how far it is from the athlete's own usual."""
    is_change = isinstance(spec, DerivedSpec) and spec.derive == "change_pct"
    return is_change or spec.unit == "SD" or multiple_of(spec.label) is not None


def multiple_of(label: str) -> tuple[str, str] | None:
    """Subject and yardstick of a label such as "distance of 7 days as multiple of own usual week"."""
    subject, found, yardstick = label.partition(_MULTIPLE)
    return (subject, yardstick) if found else None


def _usual(own_usual: float, words: str) -> str:
    return "" if math.isnan(own_usual) else _("own usual {value}", value=words)


def _amount(value: float, unit: str) -> str:
    """The size of a difference, such as "14 %" or "1.8 SD"; "" for one that rounds to nothing."""
    shown = number(abs(value), 1 if unit == "SD" else 0)
    return "" if shown == "0" else with_unit(shown, unit)


def _right_to_left(value: float) -> str:
    amount = _amount(value, "%")
    if not amount:
        return _("right level with left")
    return _("right {amount} below left", amount=amount) if value < 0 else _("right {amount} above left", amount=amount)


def _above_or_below(value: float, unit: str) -> str:
    amount = _amount(value, unit)
    if not amount:
        return _("no difference")
    return _("{amount} below", amount=amount) if value < 0 else _("{amount} above", amount=amount)


def _against_usual(value: float, unit: str) -> str:
    amount = _amount(value, unit)
    if not amount:
        return _("level with own usual")
    return _("{amount} below own usual", amount=amount) if value < 0 else _("{amount} above own usual", amount=amount)


def _signed(value: float, unit: str) -> str:
    return ("+" if value > 0 else "") + measure(value, unit)


def is_amount(unit: str) -> bool:
    """True if a ratio of two values of this unit means something: of metres, but not of degrees."""
    return unit not in _NO_RATIO and re.fullmatch(r"0-\d+", unit) is None


def times_usual(ratio: float) -> str:
    """A ratio to own usual, such as "1.9 times own usual" or "18 % above own usual"."""
    if ratio >= 1.495:
        return _("{n} times own usual", n=number(ratio, 1))
    return _against_usual(100 * (ratio - 1), "%")


def measured_age(spec: FeatureSpec, value_date: pd.Timestamp | None, date: pd.Timestamp) -> str:
    """Age of a measurement; "" for facts such as age and for values that are themselves a time."""
    return "" if spec.factor == "context" or spec.unit in _TIME else age(value_date, date)


def _age_note(spec: FeatureSpec, value_date: pd.Timestamp | None, date: pd.Timestamp) -> str:
    found = measured_age(spec, value_date, date)
    if not found or value_date is None or (date - value_date).days <= RECENT_DAYS:
        return ""
    if spec.factor == "injury_history":
        return _("latest {age}", age=found)
    if isinstance(spec, WindowSpec) and spec.aggregate in _COUNTED and spec.table in _HAPPENED:
        is_load = spec.table == "sessions" and spec.aggregate == "sum"
        return _("last session {age}", age=found) if is_load else _("last one {age}", age=found)
    return _("tested {age}", age=found) if _is_test(spec) else _("measured {age}", age=found)


def _is_test(spec: FeatureSpec) -> bool:
    if isinstance(spec, DerivedSpec):
        return "asymmetry" in spec.derive
    return isinstance(spec, WindowSpec) and spec.table in _TESTED


def as_title(text: str) -> str:
    return text[:1].upper() + text[1:]


def percent(probability: float) -> str:
    """A probability with two significant digits: "0.34 %", "3.4 %", "12 %"."""
    if 0 < probability < 0.0001:
        return _("under {percent}", percent=with_unit(number(0.01, 2), "%"))
    return with_unit(_percent_figure(probability), "%")


def _percent_figure(probability: float) -> str:
    decimals = 2 if probability < 0.00995 else 1 if probability < 0.0995 else 0
    return number(100 * probability, decimals)


def percent_range(lower: float, upper: float) -> str:
    """An interval as "1.8 to 6.1 %"."""
    least = percent(lower) if 0 < lower < 0.0001 else _percent_figure(lower)
    return _("{lower} to {upper}", lower=least, upper=percent(upper))


def times_odds(contribution: float) -> str:
    """A contribution in log-odds as "1.35 times the odds"."""
    return _("{n} times the odds", n=decimal(math.exp(contribution), 2, fixed=True))


def day(date: pd.Timestamp | Date) -> str:
    """A day as "2 June 2025"."""
    return date_text(date)


def short_day(date: pd.Timestamp | Date) -> str:
    """A day as "2 Jun"."""
    return date_text(date, short=True)


def day_in_text(text: str) -> str:
    """The text with each date such as 2025-05-12 as "12 May 2025"."""
    return re.sub(r"\d{4}-\d{2}-\d{2}", lambda found: _day_or_same(found[0]), text)


def _day_or_same(text: str) -> str:
    try:
        return day(Date.fromisoformat(text))
    except ValueError:
        return text
