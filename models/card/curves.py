"""The calibration curve and the decision curve as inline SVG, each described in words for those who cannot see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from models.card.facts import Facts, figure
from models.card.lines import CardFigure

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 66, 28, 12, 42
TICKS = 4

Point = tuple[float, float]


def evaluation_figures(facts: Facts) -> tuple[CardFigure, ...]:
    """Those of the shortest horizon that the evaluation has points for."""
    found = (_calibration(facts), _decision(facts))
    return tuple(each for each in found if each)


@dataclass(frozen=True)
class _Plot:
    """Data coordinates to places in the picture; what lies outside is drawn at the edge."""

    x: Point
    y: Point

    def at(self, x: float, y: float) -> str:
        across = _share(x, self.x) * (WIDTH - LEFT - RIGHT)
        up = _share(y, self.y) * (HEIGHT - TOP - BOTTOM)
        return f"{LEFT + across:.1f} {HEIGHT - BOTTOM - up:.1f}"

    def line(self, style: str, points: Sequence[Point]) -> str:
        return f'<path class="{style}" d="M{"L".join(self.at(*point) for point in points)}"/>'

    def band(self, lower: Sequence[Point], upper: Sequence[Point]) -> str:
        around = [*lower, *reversed(upper)]
        return f'<path class="band" d="M{"L".join(self.at(*point) for point in around)}Z"/>'


def _share(value: float, ends: Point) -> float:
    return min(1.0, max(0.0, (value - ends[0]) / (ends[1] - ends[0])))


def _calibration(facts: Facts) -> CardFigure | None:
    days = facts.horizons[0]
    points = [line for line in facts.table("calibration_curve", days) if line["value"] is not None]
    if len(points) < 2:
        return None
    highest = max(max(line["predicted"], line["value"]) for line in points)
    plot = _Plot((0.0, highest), (0.0, highest))
    drawn = [*_curve(plot, points, "predicted"), plot.line("ideal", [(0.0, 0.0), (highest, highest)])]
    first, last = points[0], points[-1]
    words = (
        f"Where {_percent(first['predicted'])} were predicted {_percent(first['value'])} were observed; where "
        f"{_percent(last['predicted'])} were predicted, {_percent(last['value'])}."
    )
    ticks = [(share * highest / TICKS, _percent(share * highest / TICKS)) for share in range(TICKS + 1)]
    svg = _framed(plot, drawn, ticks, ticks, f"Predicted, {days} days", "Observed", words)
    caption = f"{days} days: smoothed calibration curve with its 95 % band; on the dashed line risks are right"
    return CardFigure(caption, svg, words, "metrics.evaluation.calibration_curve")


def _decision(facts: Facts) -> CardFigure | None:
    days = facts.horizons[0]
    lines = [line for line in facts.table("decision_curve", days) if line["value"] is not None]
    places = {alerts: number for number, alerts in enumerate(dict.fromkeys(_alerts(line) for line in lines))}
    own = [{**line, "place": places[_alerts(line)]} for line in lines if line["of"] == "model"]
    if len(own) < 2:
        return None
    everybody = [(float(places[_alerts(line)]), line["value"]) for line in lines if line["of"] == "everybody"]
    reach = max(max(abs(_end(line, end)) for end in ("value", "lower", "upper")) for line in own) or 1.0
    plot = _Plot((0.0, float(len(places) - 1)), (-reach, reach))
    none = plot.line("ideal", [(0.0, 0.0), (float(len(places) - 1), 0.0)])
    drawn = [*_curve(plot, own, "place"), none, *([plot.line("other", everybody)] if everybody else [])]
    best = max(own, key=lambda line: line["value"])
    flags = f"{_alerts(best)} needless flags are worth one injury foreseen"
    words = f"At most {figure(best['value'])} per 1,000 athlete-days, where {flags}."
    across = [(float(place), str(alerts)) for alerts, place in places.items()]
    up = [(share * reach, figure(share * reach)) for share in (-1.0, 0.0, 1.0)]
    title = "Needless flags worth one injury foreseen"
    svg = _framed(plot, drawn, across, up, title, "Net benefit per 1,000", words)
    caption = f"{days} days: decision curve with its 95 % band; dashed: nobody flagged, dotted: everybody"
    return CardFigure(caption, svg, words, "metrics.evaluation.decision_curve")


def _alerts(line: Mapping[str, Any]) -> int:
    return int(line["false_alerts_per_injury"])


def _end(line: Mapping[str, Any], end: str) -> float:
    """An end of the interval; the value itself where there is no interval."""
    return float(line["value"] if line[end] is None else line[end])


def _curve(plot: _Plot, lines: Sequence[Mapping[str, Any]], across: str) -> list[str]:
    """The band of the intervals, and the line of the values on it."""
    lower, upper, value = ([(line[across], _end(line, end)) for line in lines] for end in ("lower", "upper", "value"))
    return [plot.band(lower, upper), plot.line("curve", value)]


def _framed(
    plot: _Plot,
    drawn: Sequence[str],
    across: Sequence[tuple[float, str]],
    up: Sequence[tuple[float, str]],
    x_title: str,
    y_title: str,
    words: str,
) -> Markup:
    """Axes with their ticks, the drawn paths, and the words as the picture's label."""
    floor, middle = HEIGHT - BOTTOM, (HEIGHT - BOTTOM + TOP) / 2
    ticks = [_text(plot.at(x, plot.y[0]), label, "middle", 0, 16) for x, label in across]
    ticks += [_text(plot.at(plot.x[0], y), label, "end", -6, 4) for y, label in up]
    axes = f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}"/>'
    titles = _text(f"{(LEFT + WIDTH - RIGHT) / 2} {HEIGHT}", x_title, "middle", 0, -5)
    titles += f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>'
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(words)}">'
        f"{''.join(drawn)}{axes}{''.join(ticks)}{titles}</svg>"
    )


def _text(place: str, label: str, anchor: str, right: float, down: float) -> str:
    x, y = (float(each) for each in place.split())
    return f'<text x="{x + right:.1f}" y="{y + down:.1f}" text-anchor="{anchor}">{escape(label)}</text>'


def _percent(share: float) -> str:
    return f"{figure(100 * share)} %" if share else "0"
