"""The catalogue of features, and what one feature was for an athlete or the squad on past mornings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from configs.errors import NotReady, WrongArgument
from features.build import build_features
from features.factors import Factor, load_factors
from features.row_facts import prepare
from features.specs import FeatureSpec, WindowSpec, load_specs, with_inputs
from features.tables import TABLES, Tables
from features.target import Target, load_target
from features.windows import known_by
from pipelines.console import out, print_json, right
from pipelines.data import Store, data_cut, read_tables
from pipelines.feature_words import definition, direction, evidence, in_words, plain, use, window
from pipelines.formats import Format
from pipelines.meant import athlete_of, one_of
from serving.report.wording import measure

MORNINGS_SHOWN = 28
"""How far one athlete's values reach back unless --from says otherwise."""

MIN_REST = 36
"""Columns for what stands beside a feature's name, however narrow the terminal."""

WHOLE_WIDTH = 1000
"""Columns where standard output is no terminal: one line per feature, whatever it holds."""

COLUMNS = (
    "name", "label", "unit", "factor", "tables", "window", "direction", "evidence", "use", "reference", "computed",
)  # fmt: skip
DAY = pd.Timedelta(days=1)

Row = dict[str, Any]


@dataclass(frozen=True)
class Catalogue:
    """All features of one file in its order, and the factors that they belong to."""

    specs: tuple[FeatureSpec, ...]
    factors: Mapping[str, Factor]

    def spec(self, name: str) -> FeatureSpec:
        """Raises WrongArgument that names what is close."""
        return self._by_name[one_of(name, list(self._by_name), "feature", "`strainwatch features list` shows all.")]

    def with_inputs(self, names: Iterable[str]) -> tuple[FeatureSpec, ...]:
        """These features and all that they are derived from, inputs first."""
        return with_inputs(self.specs, names)

    def tables(self, spec: FeatureSpec) -> list[str]:
        """The contract tables that its rows come from."""
        return sorted({other.table for other in self.with_inputs([spec.name]) if isinstance(other, WindowSpec)})

    @property
    def _by_name(self) -> dict[str, FeatureSpec]:
        return {spec.name: spec for spec in self.specs}


def load_catalogue(folder: Path | None) -> Catalogue:
    """The shipped features, or those of a user's folder. Raises ConfigError for anything that is wrong there."""
    return Catalogue(load_specs(folder), load_factors(folder))


# --- list -----------------------------------------------------------------------------------------


def listed(catalogue: Catalogue, factor: str | None, table: str | None, *, in_model: bool) -> list[Row]:
    """One row per feature that fits, grouped by factor. Raises WrongArgument for an unknown factor or table."""
    if factor is not None:
        one_of(factor, list(catalogue.factors), "factor", f"Known: {', '.join(catalogue.factors)}.")
    if table is not None:
        one_of(table, list(TABLES), "table", f"Known: {', '.join(TABLES)}.")
    chosen = [
        spec
        for key in catalogue.factors
        for spec in catalogue.specs
        if spec.factor == key
        and factor in (None, key)
        and (table is None or table in catalogue.tables(spec))
        and (spec.in_model or not in_model)
    ]
    return [_entry(spec, catalogue) for spec in chosen]


def _entry(spec: FeatureSpec, catalogue: Catalogue) -> Row:
    return {
        "name": spec.name,
        "label": spec.label,
        "unit": spec.unit,
        "factor": spec.factor,
        "tables": " ".join(catalogue.tables(spec)),
        "window": window(spec),
        "direction": direction(spec),
        "evidence": evidence(spec),
        "use": use(spec, catalogue.specs),
        "reference": spec.reference,
        "computed": plain(in_words(spec)),
    }


def show_list(rows: Sequence[Row], factors: Mapping[str, Factor], form: Format) -> None:
    """Print the rows: on a terminal by factor, elsewhere one whole line per feature."""
    if form is Format.json:
        print_json(list(rows))
    elif form is Format.csv:
        print_csv(rows, COLUMNS)
    elif not rows:
        say("No feature fits.")
    elif out().is_terminal:
        for key in dict.fromkeys(row["factor"] for row in rows):
            _show_factor(factors[key], [row for row in rows if row["factor"] == key])
    else:
        print_table(_flat(rows))


def _show_factor(factor: Factor, rows: Sequence[Row]) -> None:
    """Lines under each other in four columns, so that eighty columns hold them."""
    widest = max(len(row["name"]) for row in rows)
    rest = max(out().width - widest - 6, MIN_REST)
    widths = (widest, rest * 3 // 10, rest * 4 // 10, rest * 3 // 10)
    headings = ("feature", "unit, days", "direction, evidence, use", "reference")
    columns = (Column(heading, width=width, overflow="fold") for heading, width in zip(headings, widths, strict=True))
    table = Table(*columns, title=f"{factor.label} ({factor.key})", title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            f"[bold]{escape(row['name'])}[/bold]\n{escape(row['label'])}\n",
            escape(f"{row['unit']}\n{row['window']}"),
            escape(f"{row['direction']}\n{row['evidence']}\n{row['use']}"),
            escape(row["reference"]),
        )
    print_table(table)


def _flat(rows: Sequence[Row]) -> Table:
    columns = [column for column in COLUMNS if column not in ("tables", "computed")]
    table = Table(*columns, box=None, show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(str(row[column])) for column in columns))
    return table


# --- show -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """The mornings asked for; a missing end stands for the newest morning that the store can tell of."""

    first: pd.Timestamp | None
    last: pd.Timestamp | None
    every_days: int


@dataclass(frozen=True)
class Seen:
    """Values of one feature, row by row beside the index, and whose they are (None: the squad)."""

    spec: FeatureSpec
    athlete: str | None
    index: pd.DataFrame
    values: pd.Series
    dates: pd.Series
    reasons: pd.Series

    def rows(self) -> list[Row]:
        """One row per morning: of the athlete, or counts and quantiles over the squad."""
        return self._of_athlete() if self.athlete is not None else self._of_squad()

    def _of_athlete(self) -> list[Row]:
        return [
            {
                "date": f"{day:%Y-%m-%d}",
                "as_of": f"{instant:%Y-%m-%dT%H:%MZ}",
                "value": None if pd.isna(value) else float(value),
                "unit": self.spec.unit,
                "newest_row": "" if pd.isna(newest) else f"{newest:%Y-%m-%d}",
                "missing_because": reason or "",
            }
            for day, instant, value, newest, reason in zip(
                self.index["date"], self.index["as_of"], self.values, self.dates, self.reasons, strict=True
            )
        ]

    def _of_squad(self) -> list[Row]:
        return [
            {
                "date": f"{day:%Y-%m-%d}",
                "as_of": f"{rows['as_of'].iloc[0]:%Y-%m-%dT%H:%MZ}",
                "athletes": len(rows),
                "with_value": int(self.values[rows.index].notna().sum()),
                **_quantiles(self.values[rows.index].dropna()),
                "unit": self.spec.unit,
                "missing_because": self.reasons[rows.index].dropna().value_counts().to_dict(),
            }
            for day, rows in self.index.groupby("date")
        ]


def _quantiles(values: pd.Series) -> Row:
    found = (values.min(), values.median(), values.max()) if len(values) else (None, None, None)
    return dict(zip(("min", "median", "max"), (None if x is None else float(x) for x in found), strict=True))


def seen(
    store: Store,
    catalogue: Catalogue,
    spec: FeatureSpec,
    athlete: str | None,
    span: Span,
    now: datetime,
    configs_folder: Path | None = None,
) -> Seen:
    """What the feature was at the prediction hour of each morning, from what was known then.

    Raises NotReady for an athlete of whom the store holds nothing and for mornings that lie ahead.
    """
    target, name = load_target(configs_folder), spec.name
    tables = read_tables(store)
    newest = min(data_cut(tables) + pd.Timedelta(days=1), last_morning(target, now))
    _reject_ahead(span, last_morning(target, now))
    days = _mornings(span, newest, 1 if athlete is None else MORNINGS_SHOWN)
    index = squad_index(tables, days, target) if athlete is None else _alone(athlete, tables, days, target)
    kept = tables if athlete is None else _rows_of(athlete, tables)
    built = build_features(index, prepare(kept, target), catalogue.with_inputs([spec.name]))
    return Seen(spec, athlete, index, built.values[name], built.value_dates[name], built.reasons[name])


def last_morning(target: Target, now: datetime) -> pd.Timestamp:
    """The newest local day whose prediction hour has come."""
    current = pd.Timestamp(now).as_unit("us")
    today = target.local_day(current)
    return today if target.as_of(pd.DatetimeIndex([today]))[0] <= current else today - pd.Timedelta(days=1)


def _reject_ahead(span: Span, last: pd.Timestamp) -> None:
    for option, day in (("--from", span.first), ("--until", span.last)):
        if day is not None and day > last:
            raise NotReady(
                f"{option} {day:%Y-%m-%d} lies ahead (the last prediction hour was on {last:%Y-%m-%d}): nobody can "
                "know that data yet."
            )


def _mornings(span: Span, newest: pd.Timestamp, shown: int) -> pd.DatetimeIndex:
    """From the last one backwards, so that it is shown whatever the step."""
    last = newest if span.last is None else span.last
    first = last - (shown - 1) * DAY if span.first is None else span.first
    if first > last:
        raise WrongArgument(f"no morning lies between --from {first:%Y-%m-%d} and the last one, {last:%Y-%m-%d}.")
    return pd.date_range(end=last, periods=(last - first).days // span.every_days + 1, freq=span.every_days * DAY)


def _alone(athlete: str, tables: Tables, days: pd.DatetimeIndex, target: Target) -> pd.DataFrame:
    known = sorted(_known_since(tables).index)
    athlete_of(athlete, known, "in this store")
    index = pd.DataFrame({"athlete_id": athlete, "date": days, "as_of": target.as_of(days)})
    return index.astype({"athlete_id": "str"})


def _rows_of(athlete: str, tables: Tables) -> dict[str, pd.DataFrame]:
    return {name: table[table["athlete_id"] == athlete].reset_index(drop=True) for name, table in tables.items()}


def squad_index(tables: Tables, days: pd.DatetimeIndex, target: Target) -> pd.DataFrame:
    """Every morning of every athlete who was known by then and not known to have left."""
    known_since = _known_since(tables)
    mornings = []
    for day, instant in zip(days, target.as_of(days), strict=True):
        known = known_since.index[known_since <= instant].difference(_left(tables["athletes"], day, instant))
        mornings.append(pd.DataFrame({"athlete_id": known, "date": day, "as_of": instant}))
    index = pd.concat(mornings, ignore_index=True)
    if index.empty:
        raise NotReady(f"no athlete was known on {days[-1]:%Y-%m-%d}. `strainwatch status` says what the store holds.")
    return index.astype({"athlete_id": "str", "date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})


def _known_since(tables: Tables) -> pd.Series:
    rows = pd.concat([table[["athlete_id", "known_at"]] for table in tables.values()])
    return rows.groupby("athlete_id")["known_at"].min()


def _left(athletes: pd.DataFrame, day: pd.Timestamp, instant: pd.Timestamp) -> list[str]:
    stood = known_by({"athletes": athletes}, instant)["athletes"]
    return list(stood.loc[stood["superseded_at"].isna() & (stood["left_date"] < day), "athlete_id"])


def show_feature(spec: FeatureSpec, catalogue: Catalogue, found: Seen | None, form: Format) -> None:
    """Print the definition and what was found in a store; as CSV the second where there is one, else the first."""
    entries = definition(spec, catalogue.specs, catalogue.factors)
    if form is Format.json:
        print_json(
            {
                "feature": _entry(spec, catalogue),
                "definition": dict(entries),
                "athlete": found.athlete if found else None,
                "mornings": found.rows() if found else None,
            }
        )
    elif form is Format.csv:
        print_csv([{"entry": heading, "text": text} for heading, text in entries] if found is None else found.rows())
    else:
        _show_definition(spec, entries)
        if found is not None:
            _show_seen(found)


def _show_definition(spec: FeatureSpec, entries: Sequence[tuple[str, str]]) -> None:
    say(f"{spec.name}: {spec.label}")
    table = Table(box=None, show_header=False, pad_edge=False)
    for heading, text in entries:
        table.add_row(f"  {escape(heading)}", escape(text))
    print_table(table)


def _show_seen(found: Seen) -> None:
    rows, unit = found.rows(), found.spec.unit
    whose = f"Athlete {found.athlete}" if found.athlete else "The squad"
    say(f"\n{whose}, as known at the prediction hour of each day:")
    numbers = ("value",) if found.athlete else ("athletes", "with_value", "min", "median", "max")
    headings = ["date", *numbers, *(["newest_row"] if found.athlete else []), "missing_because"]
    table = Table(
        *(right(name.replace("_", " ")) if name in numbers else name.replace("_", " ") for name in headings), box=None
    )
    for row in rows:
        table.add_row(*(escape(_cell(name, row[name], unit)) for name in headings))
    print_table(table)


def _cell(name: str, value: Any, unit: str) -> str:
    if name in ("value", "min", "median", "max"):
        return "–" if value is None else measure(value, unit)
    return counted(value) if isinstance(value, Mapping) else str(value)


# --- printing -------------------------------------------------------------------------------------


def say(text: str) -> None:
    """A line as it is, however wide the terminal."""
    out().print(text, soft_wrap=True, markup=False, emoji=False)


def counted(counts: Mapping[str, int]) -> str:
    """Reasons with how often each was given, the commonest first."""
    return "; ".join(f"{reason} ({count})" for reason, count in counts.items())


def print_table(table: Table) -> None:
    """The table, folded to a terminal's width; elsewhere whole, without spaces at the ends of lines."""
    if out().is_terminal:
        out().print(table)
        return
    text = io.StringIO()
    Console(file=text, highlight=False, width=WHOLE_WIDTH, color_system=None).print(table)
    say("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def print_csv(rows: Sequence[Row], columns: Sequence[str] | None = None) -> None:
    """The rows as CSV with a header; a missing value is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: counted(value) if isinstance(value, Mapping) else value for key, value in row.items()})
    out().print(text.getvalue(), soft_wrap=True, markup=False, emoji=False, end="")
