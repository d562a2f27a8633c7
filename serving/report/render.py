"""The weekly report as one self-contained HTML file."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from serving.report import svg
from serving.report.content import AthletePage, AthleteRow, WeeklyReport
from serving.report.facts import Metric, model_label
from serving.report.language import _, clock_text, decimal, gettext_calls, list_text, ngettext, speaking, spoken_tag
from serving.report.outcomes import FlagOutcome, Rate
from serving.report.reasons import FactorShare, Reason, moves_score
from serving.report.svg import Cut, Doublings
from serving.report.wording import (
    GRADES,
    as_title,
    day,
    number,
    percent,
    percent_range,
    short_day,
    times_odds,
)

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_FACTORS, SHOWN_REASONS = 5, 3
"""Factors of an athlete's table, and measurements of each; the others are summed up and listed on request."""
LISTED_FLAGS = 12
SMALL_ODDS = 1.03
"""A measurement that multiplies the odds by less, up or down, is summed up with the others of its kind."""


def render_html(report: WeeklyReport) -> str:
    """The report as HTML that needs no network, no font and no script from elsewhere."""
    with speaking(report.settings.language, report.settings.own_words):
        page = environment().get_template("report.html.j2")
        return page.render(
            report=report,
            cuts=cuts(report),
            axis=axis(report),
            grades=[_(words) for words in GRADES.values()],
            css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
            script=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
        )


def cuts(report: WeeklyReport) -> list[Cut]:
    """Where each band above the lowest starts, as a probability."""
    return [(band.from_times_base_rate * report.base_rate, band.label) for band in report.settings.bands[1:]]


def axis(report: WeeklyReport) -> Doublings:
    """The common axis of all scores, from a quarter of the base rate to the end of the longest interval."""
    uppers = [row.upper for row in report.rows] + [
        point.upper for page in report.pages for point in page.timeline.scores
    ]
    return Doublings(report.base_rate / 4, max([*uppers, 2 * cuts(report)[-1][0]]))


def rate_words(rate: Rate, too_few_below: int) -> str:
    """ "2 of 14 (14 %; 95 % interval 4 to 40 %)"; too few cases give the count alone."""
    if rate.n == 0:
        return _("no cases yet")
    counts = {"hits": number(rate.hits), "cases": number(rate.n)}
    if rate.n < too_few_below:
        return _("{hits} of {cases} (too few to say more)", **counts)
    share, interval = percent(rate.hits / rate.n), percent_range(rate.lower, rate.upper)
    return _("{hits} of {cases} ({share}; 95 % interval {interval})", **counts, share=share, interval=interval)


def false_alerts(precision: Rate, too_few_below: int) -> str:
    """Flags without an injury per flag with one, and its interval: that of the precision, seen from the other side."""
    if not precision.hits:
        return _("no flag has been followed by an injury yet")
    found = decimal((precision.n - precision.hits) / precision.hits, 1)
    if precision.n < too_few_below:
        return _("{count} (too few to say more)", count=found)
    least, most = (decimal((1 - share) / share, 1) for share in (precision.upper, precision.lower))
    return _("{n} (95 % interval {lower} to {upper})", n=found, lower=least, upper=most)


def metric_words(metric: Metric | None) -> str:
    """ "0.61 (0.52 to 0.70)"."""
    if metric is None or math.isnan(metric.value):
        return "–"
    decimals = _decimals(metric)
    value, lower, upper = (_fixed(each, decimals) for each in (metric.value, metric.lower, metric.upper))
    if math.isnan(metric.lower) or math.isnan(metric.upper):
        return _("{value} (no interval)", value=value)
    return _("{value} ({lower} to {upper})", value=value, lower=lower, upper=upper)


def _fixed(value: float, decimals: int) -> str:
    return "" if math.isnan(value) else decimal(value, decimals, fixed=True)


def _decimals(metric: Metric) -> int:
    """Enough for a small figure to differ from 0, no more than two for an ordinary one; days are whole."""
    if metric.name == "warning_days":
        return 0
    size = max(abs(each) for each in (metric.value, metric.lower, metric.upper) if not math.isnan(each))
    return 1 if size >= 10 else 2 if size >= 0.1 or size == 0 else 3 if size >= 0.02 else 4


def main_shares(row: AthleteRow) -> tuple[list[FactorShare], list[FactorShare]]:
    """The factors of the athlete's table, the one that raises most first, and those left to one line."""
    by_size = sorted(row.shares, key=lambda share: -abs(share.contribution))
    shown = {share.factor.key for share in by_size[:SHOWN_FACTORS]}
    main = [share for share in row.shares if share.factor.key in shown]
    return main, [share for share in row.shares if share.factor.key not in shown]


def told_apart(share: FactorShare) -> tuple[list[Reason], list[Reason]]:
    """The measurements worth a row each, and the small ones that are summed up; the leading one is never summed up.

    A factor of many small measurements would otherwise stand without any, and the one told on the first page nowhere.
    """
    by_size = sorted(share.reasons, key=lambda reason: -abs(reason.contribution))
    large = [reason for reason in by_size[:SHOWN_REASONS] if abs(reason.contribution) >= math.log(SMALL_ODDS)]
    if share.leading not in large:
        large.append(share.leading)
    return large, [reason for reason in by_size if reason not in large]


def strongest_factor(row: AthleteRow) -> float:
    """The largest contribution of a factor: the length of a full bar in the table of factors."""
    return max((abs(share.contribution) for share in row.shares), default=0.0)


def against_words(row: AthleteRow) -> str:
    """How many times the squad's middle odds, and the odds at own usual, a score is."""
    found = []
    if not math.isnan(row.comparison.squad_odds):
        found.append(_("{n} times the odds of the squad's middle score", n=decimal(row.comparison.squad_odds, 1)))
    if not math.isnan(row.comparison.usual_odds):
        found.append(_("{n} times the odds at own usual", n=decimal(row.comparison.usual_odds, 1)))
    return "; ".join(filter(None, (*found, row.standing))) or "–"


def points(value: float) -> str:
    """Percentage points with a sign: "+0.62"."""
    return ("+" if value > 0 else "") + decimal(value, 2, fixed=True)


def cited_words(report: WeeklyReport, reason: Reason) -> str:
    """The threshold that is cited for a measurement, with the people it comes from."""
    return report.settings.thresholds[reason.feature].in_words(report.specs[reason.feature], reason.figures.value)


def together(items: Sequence[Reason] | Sequence[FactorShare]) -> float:
    return math.fsum(item.contribution for item in items)


def strongest(row: AthleteRow) -> float:
    """The largest contribution of a single measurement: the length of a full bar in the athlete's table."""
    return max((abs(reason.contribution) for share in row.shares for reason in share.reasons), default=0.0)


def other_auroc(report: WeeklyReport) -> list[Metric]:
    """The model's AUROC at the horizons that have no table of their own on paper."""
    found = [report.facts.auroc(table.horizon_days) for table in report.metrics]
    return [metric for metric in found if metric and metric.horizon_days != report.settings.horizon_days]


def flags_to_list(report: WeeklyReport) -> list[FlagOutcome]:
    """The newest flags, and every older one that an injury followed."""
    flags = report.record.flags
    return [flag for place, flag in enumerate(flags) if place < LISTED_FLAGS or flag.status == "injured"]


def charts(page: AthletePage, report: WeeklyReport) -> Markup:
    line, name = page.timeline, page.account.row.name
    return svg.season(line, name, cuts(report), axis(report), report.shows_percent) + svg.timeline(line, name)


def odds(contribution: float) -> str:
    """A contribution in log-odds as a factor of the odds, "1.35"."""
    return decimal(math.exp(contribution), 2, fixed=True)


def css_text(text: str) -> Markup:
    """A text that stands between quotation marks in a style sheet."""
    return Markup(re.sub(r"[^\w ,.;:()-]", lambda found: f"\\{ord(found[0]):x} ", text))


def tied(text: str) -> Markup:
    """The text with each number kept on one line with the unit that follows it."""
    return Markup(
        re.sub(r"(\d) (?=(?:%|m|km|min|AU|N|cm|h|SD|days?|years?|times|bpm)\b|%)", "\\1\u00a0", str(escape(text)))
    )


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    found.policies["ext.i18n.trimmed"] = True
    found.install_gettext_callables(*gettext_calls(), newstyle=True)  # type: ignore[attr-defined]
    filters: dict[str, Any] = {
        "as_title": as_title,
        "css_text": css_text,
        "day": day,
        "fixed": _fixed,
        "metric_words": metric_words,
        "model_label": model_label,
        "number": number,
        "odds": odds,
        "percent": percent,
        "rate_words": rate_words,
        "short_day": short_day,
        "tied": tied,
        "times_odds": times_odds,
    }
    found.filters.update(filters)
    found.globals.update(_=_, ngettext=ngettext)
    found.globals.update(
        band_mark=svg.band_mark,
        interval_bar=svg.interval_bar,
        odds_bar=svg.odds_bar,
        charts=charts,
        clock_text=clock_text,
        list_text=list_text,
        spoken_tag=spoken_tag,
        percent_range=percent_range,
        main_shares=main_shares,
        told_apart=told_apart,
        moves_score=moves_score,
        together=together,
        strongest=strongest,
        strongest_factor=strongest_factor,
        against_words=against_words,
        points=points,
        cited_words=cited_words,
        usual_strip=svg.usual_strip,
        false_alerts=false_alerts,
        other_auroc=other_auroc,
        flags_to_list=flags_to_list,
        isnan=math.isnan,
    )
    return found


@cache
def environment() -> Environment:
    """The templates, with the filters and words that they use; each text in the language in use."""
    return _environment()
