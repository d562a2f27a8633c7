"""docs/data-contracts.md, from the declarations of features/tables.py."""

from __future__ import annotations

from collections.abc import Iterable

from features.build import COVERED_BY
from features.checks import EARLIEST_DATE
from features.parsing import MISSING_WORDS
from features.row_facts import ROW_FACTS
from features.tables import INTERVENTIONS, SCREENING_TESTS, TABLES, Column, Table
from pipelines.reference.markdown import grid, page, span, words

_CONTRACTS_INTRO = f"""\
Every table that Strainwatch reads, declared once in `features/tables.py`: the declaration validates an
ingest, types the table in memory, and gives this page. `strainwatch ingest csv` takes these tables as CSV
files named after them; every other source is turned into them (see [adapters.md](adapters.md)).

**The plausible ranges are engineering judgement**: a value outside is put in quarantine, not believed.
They are no clinical thresholds, and no study stands behind them. "Usual median" bounds the median of a
file's values that are not 0: a median outside means that the whole column is in another unit, so every
row with such a value goes to quarantine and the message guesses the unit. Nothing is ever converted by a
guess.

## The two clocks

`date` is the athlete's local day that a fact is about; `known_at` is the instant (UTC) at which this
system had it. A correction is a later row of the same key: the store works out `superseded_at` for the
row that it replaces, and keeps both. A prediction at `as_of` sees a row if and only if

    known_at <= as_of < superseded_at

(never superseded counts as for ever) and `date` lies in the window of the feature. So what came in late
or was corrected later is never seen early, and the same model gives an old day the same scores again.
`known_at` is a column of the CSV files; for sources without receipt times a declared rule gives it.

## Writing the files

Dates are `YYYY-MM-DD`, no earlier than {EARLIEST_DATE:%Y-%m-%d}; times are `2021-10-04T06:00:00Z`,
always with Z or an offset; numbers have a decimal point; flags are `true` or `false`. An empty cell is
"not recorded", as are {words(MISSING_WORDS)} (but not in ids and free text). 0 is a fact. A column that
is not required may be left out of a file. Athletes go by pseudonym: no column is for names."""


def contracts_page() -> str:
    """The contract tables, column by column."""
    return page(
        "Data contracts",
        _CONTRACTS_INTRO,
        "## Tables",
        grid(
            ("table", "key", "what a row is"),
            ((f"[{name}](#{name})", words(table.key), table.meaning) for name, table in TABLES.items()),
        ),
        *(part for table in TABLES.values() for part in _contract(table)),
    )


def _contract(table: Table) -> Iterable[str]:
    yield f"## {table.name}"
    yield f"{table.meaning} Key: {words(table.key)}."
    header = ("column", "type", "unit", "plausible range", "usual median", "required", "meaning")
    yield grid(header, (_column(column) for column in table.columns))
    yield "\n".join(f"- {rule}" for rule in _rules(table))
    yield _VALUES_BY_KIND.get(table.name, "")


def _column(column: Column) -> tuple[str, ...]:
    meaning = column.meaning
    if column.choices:
        meaning += f" One of {words(column.choices)}."
    if column.comparable_by:
        meaning += f" Rows are added up only where `{column.comparable_by}` agrees."
    if column.may_lie_ahead:
        meaning += " May lie in the future."
    usual = span(*column.typical) if column.typical else ""
    plausible = "" if column.unit.startswith("by ") else span(column.low, column.high)
    return (
        f"`{column.name}`",
        column.kind,
        column.unit,
        plausible,
        usual,
        "yes" if column.required else "",
        meaning,
    )


def _rules(table: Table) -> Iterable[str]:
    if table.one_of:
        yield f"Each row holds at least one of {words(table.one_of)}."
    for part, whole in table.not_above:
        yield f"`{part}` may not exceed `{whole}`."
    if table.name in COVERED_BY:
        covered = words(COVERED_BY[table.name])
        yield f"Inside the dates of `coverage` for {covered} no row means rest or nothing filled in."
        yield "Outside them it means no data."
    if table.name in ROW_FACTS:
        yield f"Features may also read {words(ROW_FACTS[table.name])}, which `features/row_facts.py` adds."


def _screening_values() -> str:
    rows = ((f"`{test}`", unit, span(low, high)) for test, (unit, low, high) in SCREENING_TESTS.items())
    return grid(("test", "unit of `value`", "plausible range"), rows)


def _intervention_doses() -> str:
    dose = TABLES["interventions"].column("dose")
    rows = ((f"`{kind}`", unit, span(dose.low, dose.high)) for kind, unit in INTERVENTIONS.items())
    return grid(("kind", "unit of `dose`", "plausible range"), rows)


_VALUES_BY_KIND = {"screenings": _screening_values(), "interventions": _intervention_doses()}
