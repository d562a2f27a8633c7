"""Small pictures as inline SVG text: readable without colour, and described in words for screen readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

from serving.report.language import _, decimal, ngettext
from serving.report.reasons import Reason
from serving.report.thresholds import Threshold
from serving.report.timeline import DayLoad, FactorTrack, Mark, ScorePoint, Timeline
from serving.report.wording import day, number, percent, short_day

WIDTH = 440
LEFT, RIGHT = 46, 70
PLOT = WIDTH - LEFT - RIGHT
LOAD_HEIGHT, SCORE_HEIGHT, STACK_HEIGHT, LEGEND_ROW = 74, 96, 120, 15
GAP = 30

Cut = tuple[float, str]
"""Where a band starts, and its label."""


def band_mark(rank: int, bands: int) -> Markup:
    """Rising bars, as many filled as the band's rank: the band without colour."""
    bars = []
    for place in range(bands):
        height = 4 + 8 * place / max(1, bands - 1)
        style = "on" if place <= rank else "off"
        bars.append(_bar(style, place * 5 + 0.5, 12.5 - height, 3.5, height))
    return Markup(
        f'<svg class="mark" viewBox="0 0 {bands * 5} 13" width="{bands * 5}" height="13" aria-hidden="true">'
        f"{''.join(bars)}</svg>"
    )


def interval_bar(
    probability: float, lower: float, upper: float, cuts: Sequence[Cut], axis: Doublings, words: str
) -> Markup:
    """The score as a dot on its interval, over ticks where the bands start; `words` for those who do not see it."""
    width, height = 120, 18

    def x(value: float) -> float:
        return 5 + axis.share(value) * (width - 10)

    ticks = "".join(f'<path class="cut" d="M{x(cut):.1f} 1V17"/>' for cut, _ in cuts)
    return Markup(
        f'<svg class="interval" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(words)}"><path class="axis" d="M3 9H{width - 3}"/>{ticks}'
        f'<path class="range" d="M{x(lower):.1f} 9H{x(upper):.1f}"/>'
        f'<circle class="dot" cx="{x(probability):.1f}" cy="9" r="4.2"/></svg>'
    )


def odds_bar(contribution: float, most: float) -> Markup:
    """A bar to the right (filled: raises) or left (hollow: lowers) of a middle line, beside its figure."""
    half = 44
    length = half * min(1.0, abs(contribution) / most) if most > 0 else 0.0
    start = half + 1 if contribution >= 0 else half + 1 - length
    style = "up" if contribution >= 0 else "down"
    width = 2 * half + 2
    return Markup(
        f'<svg class="odds" viewBox="0 0 {width} 12" width="{width}" height="12" aria-hidden="true">'
        f"{_bar(style, start, 2, max(length, 0.6), 8)}"
        f'<path class="axis" d="M{half + 1} 0V12"/></svg>'
    )


def usual_strip(reason: Reason, cited: Threshold | None) -> Markup:
    """A measurement on the middle half of own usual, with squad today and a cited threshold; "" without own usual."""
    at = reason.figures
    if not reason.is_measured or reason.own_usual == "–" or math.isnan(at.low):
        return Markup("")
    shown = [at.value, at.own_usual, at.low, at.high, at.squad, *([cited.value] if cited else [])]
    known = [value for value in shown if not math.isnan(value)]
    least, most, width = min(known), max(known), 84

    def x(value: float) -> float:
        return 6 + (width - 12) * (0.5 if most == least else (value - least) / (most - least))

    parts = [
        f'<path class="axis" d="M2 8H{width - 2}"/>',
        _bar("band", x(at.low) - 1, 3, max(2.0, x(at.high) - x(at.low) + 2), 10),
        f'<path class="usual" d="M{x(at.own_usual):.1f} 2V14"/>',
    ]
    if not math.isnan(at.squad):
        parts.append(f'<path class="squad" d="M{x(at.squad) - 3:.1f} 1h6l-3 4z"/>')
    if cited:
        parts.append(f'<path class="cut" d="M{x(cited.value):.1f} 1V15"/>')
    parts.append(f'<circle class="dot" cx="{x(at.value):.1f}" cy="8" r="3.4"/>')
    words = _("now {value}, own usual {usual}, squad today {squad}", value=reason.value, usual=reason.own_usual,
              squad=reason.squad)  # fmt: skip
    return Markup(
        f'<svg class="strip" viewBox="0 0 {width} 16" width="{width}" height="16" role="img" '
        f'aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )


def season(line: Timeline, name: str, cuts: Sequence[Cut], axis: Doublings, shows_percent: bool) -> Markup:
    """The score with its interval over the season, a point a week."""
    x = _Days(line.season_first, PLOT / ((line.last - line.season_first).days + 1))
    bottom = 18 + SCORE_HEIGHT + 4
    body = [
        _weeks(line.season_first, line.last, x, bottom),
        _mark_lines(line.marks, x, bottom),
        _scores(line.scores, x, 18, cuts, axis, shows_percent),
        _mark_heads(line.marks, x),
    ]
    return _chart(body, bottom, _season_in_words(line, name, shows_percent))


def timeline(line: Timeline, name: str) -> Markup:
    """Load and factors of the last weeks under each other, on one time axis."""
    x = _Days(line.first, PLOT / ((line.last - line.first).days + 1))
    stack_top = LOAD_HEIGHT + GAP + 18
    bottom = stack_top + STACK_HEIGHT + 4
    marks = [mark for mark in line.marks if mark.date >= line.first]
    body = [
        _weeks(line.first, line.last, x, bottom),
        _mark_lines(marks, x, bottom),
        _loads(line, x, 18),
        _stack(line.tracks, x, stack_top),
        _mark_heads(marks, x),
        _legend(line.tracks, bottom + 26),
    ]
    return _chart(body, bottom + LEGEND_ROW * len(line.tracks) + 10, _weeks_in_words(line, name))


def _chart(body: Sequence[str], bottom: float, words: str) -> Markup:
    return Markup(
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {bottom + 20:.0f}" role="img" aria-label="{escape(words)}">'
        f"{''.join(body)}</svg>"
    )


@dataclass(frozen=True)
class _Days:
    """The time axis: a call gives the middle of a day's column."""

    first: pd.Timestamp
    step: float

    def __call__(self, date: pd.Timestamp) -> float:
        return LEFT + ((date - self.first).days + 0.5) * self.step


@dataclass(frozen=True)
class Doublings:
    """A probability axis on which each doubling has the same length; values beyond stop at its ends."""

    least: float
    most: float

    def share(self, value: float) -> float:
        """Place of a value, from 0 at `least` to 1 at `most`."""
        span = math.log(self.most / self.least)
        return min(max(math.log(max(value, self.least) / self.least) / span, 0.0), 1.0)


@dataclass(frozen=True)
class _Scale:
    """A linear axis from `start` at value 0 to `end` at value `most`; values beyond stop at its end."""

    most: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = min(max(value / self.most, 0.0), 1.0) if self.most > 0 else 0.0
        return self.start + share * (self.end - self.start)


def _bar(style: str, left: float, top: float, width: float, height: float) -> str:
    size = f'width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{style}" x="{left:.1f}" y="{top:.1f}" {size}/>'


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _weeks(first: pd.Timestamp, last: pd.Timestamp, x: _Days, bottom: float) -> str:
    """A fine line each week, counted back from the last day, with the date under some of them."""
    parts, weeks = [], (last - first).days // 7
    every = max(1, math.ceil(weeks / 4))
    for back in range(weeks + 1):
        date = last - pd.Timedelta(weeks=back)
        parts.append(f'<path class="grid" d="M{x(date):.1f} 16V{bottom:.1f}"/>')
        if back % every == 0:
            parts.append(_text(x(date), bottom + 14, short_day(date), "tick", "middle"))
    return "".join(parts)


def _loads(line: Timeline, x: _Days, top: float) -> str:
    most = max((load.value for load in line.loads if load.value is not None), default=0.0)
    bottom = top + LOAD_HEIGHT
    y = _Scale(most, bottom, top + 4)
    head = _("{load} ({unit} a day)", load=line.load_label, unit=line.load_unit)
    if not line.load_unit:
        head = _("{load} a day", load=line.load_label)
    parts = [_text(LEFT, top - 7, head, "head"), _unknown(line.loads, x, top, bottom)]
    for load in line.loads:
        if load.value:
            height = bottom - y(load.value)
            left, width = x(load.date) - 0.38 * x.step, 0.76 * x.step
            parts.append(_bar("load", left, y(load.value), width, height))
    parts.append(f'<path class="axis" d="M{LEFT} {bottom}H{WIDTH - RIGHT}"/>')
    if most:
        parts.append(_text(LEFT - 5, top + 9, number(most), "tick", "end"))
    return "".join(parts) + _text(LEFT - 5, bottom, "0", "tick", "end")


def _unknown(loads: Sequence[DayLoad], x: _Days, top: float, bottom: float) -> str:
    """A grey field over days without data, so that they are not read as rest."""
    parts, start = [], None
    for load in [*loads, None]:
        if load is not None and load.value is None:
            start = start or load.date
            end = load.date
        elif start is not None:
            left, right = x(start) - x.step / 2, x(end) + x.step / 2
            parts.append(_bar("unknown", left, top, right - left, bottom - top))
            if right - left > 42:
                parts.append(_text((left + right) / 2, (top + bottom) / 2 + 3, _("no data"), "tick", "middle"))
            start = None
    return "".join(parts)


def _scores(
    scores: Sequence[ScorePoint], x: _Days, top: float, cuts: Sequence[Cut], axis: Doublings, shows_percent: bool
) -> str:
    bottom = top + SCORE_HEIGHT

    def y(value: float) -> float:
        return bottom - axis.share(value) * SCORE_HEIGHT

    parts = [_text(LEFT, top - 7, _("Score with its interval (each doubling has the same height)"), "head")]
    for cut, label in cuts:
        parts.append(f'<path class="cut" d="M{LEFT} {y(cut):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(_text(WIDTH - RIGHT + 4, y(cut) - 2, f"▲ {label}", "tick"))
        if shows_percent:
            parts.append(_text(LEFT - 5, y(cut) + 3, percent(cut), "tick", "end"))
    points = [(x(point.date), y(point.probability)) for point in scores]
    parts.append(f'<polyline class="score" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>')
    for point in scores:
        at = x(point.date)
        parts.append(f'<path class="range" d="M{at:.1f} {y(point.lower):.1f}V{y(point.upper):.1f}"/>')
        parts.append(f'<circle class="dot" cx="{at:.1f}" cy="{y(point.probability):.1f}" r="3"/>')
    parts.append(f'<path class="axis" d="M{LEFT} {bottom}H{WIDTH - RIGHT}"/>')
    return "".join(parts)


def _stack(tracks: Sequence[FactorTrack], x: _Days, top: float) -> str:
    """The factors of each scored day stacked: above the line what raises the score, below it what lowers it."""
    days = sorted({date for track in tracks for date, _size in track.points})
    sizes = [[dict(track.points).get(date, 0.0) for track in tracks] for date in days]
    highest = max([math.fsum(max(size, 0) for size in each) for each in sizes] + [0.1])
    lowest = max([math.fsum(max(-size, 0) for size in each) for each in sizes] + [0.1])
    scale = STACK_HEIGHT / (highest + lowest)
    middle, width = top + highest * scale, min(16.0, max(2.5, 4 * x.step))
    parts = [_text(LEFT, top - 7, _("Factors stacked: above the line raises, below lowers the score"), "head")]
    for date, each in zip(days, sizes, strict=True):
        above = below = middle
        for place, size in enumerate(each):
            height = abs(size) * scale
            above -= height if size > 0 else 0
            parts.append(_bar(_layer(place, tracks), x(date) - width / 2, above if size > 0 else below, width, height))
            below += height if size < 0 else 0
    parts.append(f'<path class="axis" d="M{LEFT} {middle:.1f}H{WIDTH - RIGHT}"/>')
    return "".join(parts)


def _layer(place: int, tracks: Sequence[FactorTrack]) -> str:
    """From dark to light, so that the order in a stack and in the legend tells layers apart without colour."""
    return f"layer layer-{min(place, len(tracks) - 1)}"


def _legend(tracks: Sequence[FactorTrack], top: float) -> str:
    """A row per layer, with its last value as a multiple of the odds."""
    parts = []
    for place, track in enumerate(tracks):
        y = top + place * LEGEND_ROW
        label = track.label
        if track.points:
            times = decimal(math.exp(track.points[-1][1]), 2, fixed=True)
            label = _("{factor}: now × {n} odds", factor=track.label, n=times)
        parts.append(_bar(_layer(place, tracks), LEFT + 2, y, 9, 9) + _text(LEFT + 17, y + 8.5, label, "label"))
    return "".join(parts)


def _mark_lines(marks: Sequence[Mark], x: _Days, bottom: float) -> str:
    """A line through all panels for each injury and return, under titles and data."""
    kinds = [("back" if mark.is_return else "hurt", x(mark.date)) for mark in marks]
    return "".join(f'<path class="{kind}" d="M{at:.1f} 18V{bottom:.1f}"/>' for kind, at in kinds)


def _mark_heads(marks: Sequence[Mark], x: _Days) -> str:
    """At the head of its line, below the title and over the data, a cross for an injury or a ring for a return."""
    return "".join(
        f'<circle class="ring" cx="{x(mark.date):.1f}" cy="22" r="3.6"/>'
        if mark.is_return
        else f'<path class="cross" d="M{x(mark.date) - 4:.1f} 18l8 8m0 -8l-8 8"/>'
        for mark in marks
    )


def _season_in_words(line: Timeline, name: str, shows_percent: bool) -> str:
    """What the picture shows, for those who do not see it; the figures stand in the tables beside it."""
    found = [_("{name}, {first} to {last}.", name=name, first=day(line.season_first), last=day(line.last))]
    for point in dict.fromkeys((line.scores[0], line.scores[-1]) if line.scores else ()):
        score = percent(point.probability) if shows_percent else point.band.label.lower()
        found.append(_("Score {score} on {day}.", score=score, day=day(point.date)))
    return " ".join([*found, *(f"{day(mark.date)}: {mark.text}." for mark in line.marks)])


def _weeks_in_words(line: Timeline, name: str) -> str:
    found = [_("{name}, {first} to {last}: load and factors.", name=name, first=day(line.first), last=day(line.last))]
    unknown = sum(load.value is None for load in line.loads)
    if unknown:
        found.append(ngettext("{n} day without load data.", "{n} days without load data.", unknown))
    return " ".join(found)
