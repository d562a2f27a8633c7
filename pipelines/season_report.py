"""A replayed season for people and programs: sentences, tables on a terminal, and files in a folder."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype
from rich.markup import escape
from rich.table import Table

from models.baselines import LABELS
from models.gate import with_interval
from models.measures import MEASURES
from models.metrics import Metric
from models.season import AGAINST, BESIDE
from models.season_figure import season_figure
from models.tested import MODEL
from pipelines.console import out, right
from pipelines.data import write_aside
from pipelines.walk_forward import ALREADY, Replayed

TOO_FEW = 10
"""Below so many injuries no share of them is worth a claim; the weekly report draws its line there too."""
_SHOWN = (
    "auroc", "average_precision", "scaled_brier", "observed_expected", "alert_precision", "alert_recall",
    "false_alerts_per_injury", "warning_days",
)  # fmt: skip
_DPI = 110


def in_words(season: Replayed) -> tuple[str, ...]:
    """What was replayed, what it came to and what it cannot show, in plain sentences."""
    return (*_what(season), *_flags_in_words(season), *_injuries_in_words(season), *_ranking(season), _LIMIT)


_LIMIT = (
    "Each Monday saw only what was known that morning, but the recipe (features, directions, settings) was chosen "
    "later: a season that took part in choosing it flatters."
)


def _what(season: Replayed) -> Iterator[str]:
    weeks, plan = season.weeks, season.schedule
    yield (
        f"{len(weeks)} Mondays from {plan.first:%Y-%m-%d} to {plan.last:%Y-%m-%d}; {int(weeks['trained'].sum())} "
        f"trainings, every {plan.retrain_weeks} weeks, each from what was known that morning."
    )
    silent = weeks[weeks["scored"] == 0]
    if len(silent):
        first = silent["why_none"].iloc[0]
        yield f"{len(silent)} of them without a report, the first on {silent['date'].iloc[0]:%Y-%m-%d}: {first}"
    kept = weeks[(weeks["scored"] > 0) & (weeks["why_none"] != "")]
    if len(kept):
        yield f"On {len(kept)} Mondays training failed and the model before stayed: {kept['why_none'].iloc[-1]}"


def _flags_in_words(season: Replayed) -> Iterator[str]:
    rows = season.said[(season.said["horizon_days"] == season.horizon_days) & season.said["is_flagged"]]
    counts, none = rows["outcome"].value_counts(), season.weeks[season.weeks["scored"] > 0]["flagged"].eq(0).sum()
    parts = [f"{counts.get('injured', 0)} followed by an injury within {season.horizon_days} days"]
    parts += [f"{counts.get('not injured', 0)} not"]
    parts += [f"{counts[name]} {word}" for name, word in _UNSETTLED.items() if name in counts]
    yield f"{len(rows)} flags: {', '.join(parts)}."
    if none:
        yield f"On {none} Mondays with a report nobody was flagged: no score rose above the lowest band."


_UNSETTLED = {"open": "still open", ALREADY: "on athletes who were already injured without anybody knowing"}


def _injuries_in_words(season: Replayed) -> Iterator[str]:
    told = season.injuries["told"]
    flagged, missed = int((told == "flagged").sum()), int((told == "scored, not flagged").sum())
    others = len(told) - flagged - missed
    yield (
        f"{len(told)} injuries: {flagged} of athletes flagged beforehand, {missed} of athletes scored and not flagged, "
        f"{others} of athletes whom no report scored."
    )
    if flagged:
        days = season.injuries["warning_days"].dropna()
        yield f"Warning: {days.median():g} days in the median, from {days.min():g} to {days.max():g}."
    if len(told) < TOO_FEW:
        yield f"Fewer than {TOO_FEW} injuries: too few to say what share of them is foreseen."


def _ranking(season: Replayed) -> Iterator[str]:
    found = _found(season, season.horizon_days)
    auroc = found.get(("auroc", MODEL))
    if auroc is None:
        yield "No Monday has a known outcome yet, so there is no figure."
        return
    yield f"AUROC among the athletes of one Monday {with_interval(auroc)}: {_meaning(auroc)}."
    difference = _difference(season, "auroc")
    if difference is not None:
        verdict = (
            "shown to be higher" if difference.lower > 0 else "shown to be lower" if difference.upper < 0 else None
        )
        words = verdict or "not shown to be higher"
        beside = f"{LABELS[AGAINST]} on the same Mondays"
        yield f"It is {words} than that of {beside}: difference {with_interval(difference)}."


def _meaning(auroc: Metric) -> str:
    if auroc.lower > 0.5:
        return "better than chance"
    return "worse than chance" if auroc.upper < 0.5 else "not told from chance (0.5)"


def _found(season: Replayed, horizon_days: int) -> dict[tuple[str, str], Metric]:
    return {
        (each.metric.name, each.model): each.metric
        for each in season.scores
        if each.horizon_days == horizon_days and each.against is None
    }


def _difference(season: Replayed, name: str) -> Metric | None:
    return next(
        (
            each.metric
            for each in season.scores
            if (each.horizon_days, each.against, each.metric.name) == (season.horizon_days, AGAINST, name)
        ),
        None,
    )


def show_season(season: Replayed) -> None:
    """Flags week by week, injuries, months, metrics beside the baselines, then the sentences."""
    console = out()
    for table in (_flags_table(season), _injuries_table(season), _months_table(season), *_metric_tables(season)):
        if table.row_count:
            console.print(table)
    for sentence in in_words(season):
        console.print(f"- {escape(sentence)}", soft_wrap=True)


def _flags_table(season: Replayed) -> Table:
    table = Table("Monday", "learnt until", right("scored"), "flagged: band, what became of it", title="Weeks")
    flagged = season.said[season.said["is_flagged"] & (season.said["horizon_days"] == season.horizon_days)]
    for week in season.weeks.to_dict("records"):
        rows = flagged[flagged["date"] == week["date"]].sort_values(MODEL, ascending=False)
        names = "; ".join(_flag(row) for row in rows.to_dict("records"))
        learnt = f"{week['learnt_until']:%Y-%m-%d}" if week["scored"] else "–"
        said = names or (f"no report: {week['why_none']}" if not week["scored"] else "nobody")
        table.add_row(f"{week['date']:%Y-%m-%d}", learnt, str(week["scored"]), escape(said))
    return table


def _flag(row: Mapping[Any, Any]) -> str:
    """Bands alone: nobody unseen was kept apart to show that the percentages of these weeks' models are right."""
    became = f"injured {row['onset']:%m-%d}" if row["outcome"] == "injured" else row["outcome"]
    return f"{row['athlete_id']} {row['band']}, {became}"


def _injuries_table(season: Replayed) -> Table:
    table = Table("injury", "athlete", "before it", right("days of warning"), title="Injuries")
    for row in season.injuries.to_dict("records"):
        warning = "–" if pd.isna(row["warning_days"]) else f"{row['warning_days']:g}"
        table.add_row(f"{row['date']:%Y-%m-%d}", row["athlete_id"], escape(row["told"]), warning)
    return table


def _months_table(season: Replayed) -> Table:
    title = f"Injuries within {season.horizon_days} days of a Monday's score"
    table = Table("month", right("observed"), right("expected"), right("observed : expected"), title=title)
    for each in season.months:
        ratio = f"{each.ratio.value:.1f} (no interval)" if each.ratio.reason else with_interval(each.ratio)
        table.add_row(each.month, str(each.observed), f"{each.expected:.2f}", ratio)
    return table


def _metric_tables(season: Replayed) -> Iterator[Table]:
    for horizon in sorted({each.horizon_days for each in season.scores}):
        found = _found(season, horizon)
        sizes = found["auroc", MODEL]
        title = (
            f"{horizon} days: {sizes.n_rows:,} athlete-Mondays of {sizes.n_athletes} athletes before {sizes.n_events} "
            "injuries (95 % interval by athlete bootstrap)"
        )
        names = {MODEL: "this model", **{name: LABELS[name] for name in BESIDE}}
        table = Table("", *(right(label) for label in names.values()), title=title)
        for metric in (name for name in _SHOWN if (name, MODEL) in found):
            cells = (_cell(found[metric, model]) for model in names)
            table.add_row(MEASURES.get(metric, metric.replace("_", " ")), *cells)
        yield table


def _cell(metric: Metric) -> str:
    if math.isnan(metric.value):
        return "–"
    places = 2 if abs(metric.value) >= 0.1 or not metric.value else 4
    value, lower, upper = (f"{each:.{places}f}" for each in (metric.value, metric.lower, metric.upper))
    return f"{value} (no interval)" if math.isnan(metric.lower) else f"{value} ({lower} to {upper})"


def as_json(season: Replayed) -> dict[str, Any]:
    """The whole replay in plain values, flags with their reasons."""
    flagged = season.said[season.said["is_flagged"] & (season.said["horizon_days"] == season.horizon_days)]
    kept = ["date", "athlete_id", MODEL, "band", "reasons", "outcome", "onset", "lead_days"]
    plan = season.schedule
    return {
        "first": f"{plan.first:%Y-%m-%d}",
        "last": f"{plan.last:%Y-%m-%d}",
        "retrain_weeks": plan.retrain_weeks,
        "horizon_days": season.horizon_days,
        "weeks": _records(season.weeks),
        "flags": _records(flagged[kept].rename(columns={MODEL: "probability"})),
        "injuries": _records(season.injuries),
        "months": [
            {"month": each.month, "observed": each.observed, "expected": each.expected, **asdict(each.ratio)}
            for each in season.months
        ],
        "metrics": _records(_metrics(season)),
        "verdict": list(in_words(season)),
    }


def _metrics(season: Replayed) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"horizon_days": each.horizon_days, "model": each.model, "against": each.against, **asdict(each.metric)}
            for each in season.scores
        ]
    )


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values: days as text, what is missing as None."""
    days = [str(name) for name, column in frame.items() if is_datetime64_any_dtype(column.dtype)]
    told = frame.assign(**{name: frame[name].dt.strftime("%Y-%m-%d") for name in days})
    return [{str(key): _plain(value) for key, value in row.items()} for row in told.to_dict("records")]


def _plain(value: Any) -> Any:
    return None if pd.isna(value) else value


def write_season(season: Replayed, folder: Path) -> list[Path]:
    """season.json, season.png and one CSV file per table, each whole or not at all; returns their paths."""
    import json

    figure = io.BytesIO()
    said = season.said[season.said["horizon_days"] == season.horizon_days]
    season_figure(said, season.injuries, season.horizon_days).savefig(figure, format="png", dpi=_DPI)
    tables = {"weeks": season.weeks, "said": season.said, "injuries": season.injuries, "metrics": _metrics(season)}
    files = {f"{name}.csv": table.to_csv(index=False).encode() for name, table in tables.items()}
    files |= {"season.json": json.dumps(as_json(season), indent=1).encode(), "season.png": figure.getvalue()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_aside(folder / name, content)
    return [folder / name for name in files]
