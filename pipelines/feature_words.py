"""What a feature is, in words: the one wording of docs/features.md and of `strainwatch features`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from features.build import COVERED_BY, NOT_FOUND
from features.derived import DERIVATIONS
from features.factors import Factor
from features.specs import ALL_TIME_DAYS, DIRECTIONS, EVIDENCE, DerivedSpec, FeatureSpec, WindowSpec
from features.tables import TABLES
from features.windows import ADDS_UP, EMPTY_BY_NATURE, EWM_SPANS

AGGREGATES_IN_WORDS: Mapping[str, str] = {
    "sum": "sum of {column}",
    "mean": "mean of {column} over the rows",
    "max": "highest {column}",
    "min": "lowest {column}",
    "last": "newest {column}",
    "last_day_mean": "mean of {column} over the newest day's rows",
    "mean_before_last_day": "mean of {column} over the rows before the newest day",
    "spread": "standard deviation of {column} over the rows",
    "count": "number of rows with {column}",
    "day_count": "number of days with {column}",
    "covered_share_pct": "share of the days in use that have {column}",
    "daily_mean": "mean {column} per day in use, a day of rest as 0",
    "daily_spread": "standard deviation of {column} over the days in use, a day of rest as 0",
    "daily_slope": "slope per day of the line through {column} of the days in use, a day of rest as 0",
    "exponential": "exponentially weighted {column} per day in use, the newest day heaviest",
    "days_since": "days since the newest {column}",
    "days_since_rest": "days since the newest covered day without {column}",
    "longest_run_days": "longest run of consecutive days with {column}",
    "years_since": "years since {column}",
}
"""Every aggregate of features/windows.py."""

TOO_LITTLE: Mapping[str, str] = {
    "mean_before_last_day": "no row lies before the newest day",
    "spread": "fewer than 2 rows hold it",
    "daily_spread": "fewer than 2 days were in use",
    "daily_slope": "fewer than 3 days were in use",
    "days_since_rest": "no covered day of the window was one of rest",
}
"""Aggregates that need more than one row, and what they lack without."""


RECORDED_BY_ABSENCE = ("interventions", "injuries", "returns")
"""Tables of which a source in use is enough to know that nothing happened."""


def plain(text: str) -> str:
    """The words without the marks of code that Markdown shows."""
    return text.replace("`", "")


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def in_words(spec: FeatureSpec) -> str:
    """How a feature is computed, in a sentence."""
    if isinstance(spec, DerivedSpec):
        return f"{what(spec)}: {_code(spec.inputs)}"
    assert isinstance(spec, WindowSpec)
    kept = ", ".join(_kept(spec))
    return f"{what(spec)}{f' (only {kept})' if kept else ''}, {window(spec)}; {_when_empty(spec)}"


def what(spec: FeatureSpec) -> str:
    """The arithmetic alone: which aggregate of which column, or which derivation."""
    if isinstance(spec, DerivedSpec):
        return DERIVATIONS[spec.derive].meaning.partition(":")[0]
    assert isinstance(spec, WindowSpec)
    return AGGREGATES_IN_WORDS[spec.aggregate].format(column=_column(spec))


def _column(spec: WindowSpec) -> str:
    return f"`{spec.table}.{spec.column}`"


def _kept(spec: WindowSpec) -> list[str]:
    """The filters on rows."""
    kept = [f"`{column}` {' or '.join(values)}" for column, values in spec.where.items()]
    return kept + ([f"values of at least {spec.at_least:g}"] if spec.at_least is not None else [])


def window(spec: FeatureSpec) -> str:
    """Over which days, in a few words."""
    if not isinstance(spec, WindowSpec):
        return "as its inputs"
    if spec.window_days >= ALL_TIME_DAYS:
        return "over all time"
    days = _days(spec.window_days)
    if spec.aggregate == "exponential":
        return f"span {days}"
    return f"{days} up to {_days(spec.lag_days)} before" if spec.lag_days else f"last {days}"


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _when_empty(spec: WindowSpec) -> str:
    needs = f"needs {_percent(spec.min_covered_share)}"
    if spec.empty is not None:
        return f"{spec.empty:g} if nothing happened, {needs}"
    if spec.aggregate in EMPTY_BY_NATURE | ADDS_UP:
        return f"missing without data, {needs}"
    if spec.aggregate in TOO_LITTLE:
        return f"missing if {TOO_LITTLE[spec.aggregate]}"
    return f"missing if {_not_found(spec)}"


def _not_found(spec: WindowSpec) -> str:
    return NOT_FOUND.get(spec.table, "none recorded")


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def direction(spec: FeatureSpec) -> str:
    """What is claimed of the score, and whether the claim binds the model."""
    return DIRECTIONS[spec.direction] + (", held" if spec.monotone else "")


def evidence(spec: FeatureSpec) -> str:
    """The grade and what it means."""
    return f"{spec.evidence}: {EVIDENCE[spec.evidence]}" if spec.evidence in EVIDENCE else spec.evidence


def use(spec: FeatureSpec, specs: Sequence[FeatureSpec]) -> str:
    """Whether the model may use it, or what else it is there for."""
    return "model" if spec.in_model else "input only" if users(spec, specs) else "not in the model"


def users(spec: FeatureSpec, specs: Sequence[FeatureSpec]) -> list[str]:
    """The names of the features that are derived from it."""
    return [other.name for other in specs if isinstance(other, DerivedSpec) and spec.name in other.inputs]


def definition(
    spec: FeatureSpec, specs: Sequence[FeatureSpec], factors: Mapping[str, Factor]
) -> tuple[tuple[str, str], ...]:
    """(heading, text) for everything that a feature is, in plain words; `specs` are all of its file."""
    factor = factors[spec.factor]
    entries = (
        ("factor", f"{factor.label}: {factor.wording}"),
        *(_of_derived(spec, specs) if isinstance(spec, DerivedSpec) else _of_window(spec)),
        ("unit", spec.unit),
        ("direction", _claim(spec)),
        ("evidence", evidence(spec)),
        ("reference", spec.reference),
        ("use", use(spec, specs)),
        ("input of", ", ".join(users(spec, specs)) or "none"),
    )
    return tuple((heading, plain(text)) for heading, text in entries)


def _of_derived(spec: DerivedSpec, specs: Sequence[FeatureSpec]) -> Iterable[tuple[str, str]]:
    by_name = {other.name: other for other in specs}
    yield "computed", in_words(spec)
    for name in spec.inputs:
        yield f"input {name}", f"{in_words(by_name[name])} [{by_name[name].unit}]"
    yield "missing when", "an input is, for the input's reason; or the arithmetic has no result (a division by 0)"


def _of_window(spec: FeatureSpec) -> Iterable[tuple[str, str]]:
    assert isinstance(spec, WindowSpec)
    kept = _kept(spec)
    yield "computed", what(spec)
    yield "rows", f"only {', and '.join(kept)}" if kept else "every row that holds the column"
    yield "days", _which_days(spec)
    yield "empty window", _empty(spec)
    yield "missing when", "; ".join(_missing_when(spec))


def _which_days(spec: WindowSpec) -> str:
    seen = "; of the day itself what was known by the prediction hour"
    if spec.window_days >= ALL_TIME_DAYS:
        return f"{window(spec)}, up to the prediction day{seen}"
    if spec.aggregate == "exponential":
        return f"{window(spec)}, looking back {_days(EWM_SPANS * spec.window_days)}{'' if spec.lag_days else seen}"
    if spec.lag_days:
        return f"{window(spec)}: from {spec.lag_days + spec.window_days - 1} to {spec.lag_days} days before"
    if spec.window_days == 1:
        return f"the prediction day{seen}"
    return f"{window(spec)}: the prediction day and the {_days(spec.window_days - 1)} before it{seen}"


def _empty(spec: WindowSpec) -> str:
    if spec.empty is None:
        by_nature = spec.aggregate in EMPTY_BY_NATURE
        return "its covered days count as days of rest" if by_nature else "missing"
    recording = "" if spec.table in RECORDED_BY_ABSENCE else " that records the column"
    return f"{spec.empty:g} where a source{recording} was in use; otherwise missing"


def _missing_when(spec: WindowSpec) -> Iterable[str]:
    """The rules by which features/build.py withholds a value."""
    share = _percent(spec.min_covered_share)
    if spec.table in COVERED_BY and (spec.empty is not None or spec.aggregate in EMPTY_BY_NATURE):
        yield f"a source was in use on fewer than {share} of the days"
    if spec.aggregate in ADDS_UP:
        yield f"fewer than {share} of the rows hold the column"
        if spec.column in TABLES[spec.table].names and TABLES[spec.table].column(spec.column).comparable_by:
            yield f"the rows differ in {TABLES[spec.table].column(spec.column).comparable_by}"
    if spec.aggregate in TOO_LITTLE:
        yield TOO_LITTLE[spec.aggregate]
    elif spec.empty is None and spec.aggregate not in EMPTY_BY_NATURE:
        yield _not_found(spec)
    elif spec.empty is not None and spec.table not in RECORDED_BY_ABSENCE:
        yield "no source has ever recorded the column for this athlete"


def _claim(spec: FeatureSpec) -> str:
    claim = {
        "+": "a higher value raises the score",
        "-": "a lower value raises the score",
        "u": "both a high and a low value raise the score",
        "0": "nothing is claimed",
    }[spec.direction]
    return f"{claim}; held: the model cannot learn the opposite" if spec.monotone else claim
