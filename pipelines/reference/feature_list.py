"""docs/features.md, from configs/features.toml and configs/factors.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from features.build import NOT_FOUND
from features.derived import DERIVATIONS
from features.factors import Factor, load_factors
from features.specs import DIRECTIONS, EVIDENCE, DerivedSpec, FeatureSpec, WindowSpec, load_specs
from features.windows import ADDS_UP, EMPTY_BY_NATURE, EWM_SPANS
from pipelines.reference.markdown import grid, page, words

ALL_TIME_DAYS = 36500
"""A window of this many days reaches back to the first record."""


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
    "exponential": "exponentially weighted {column} per day in use, the newest day heaviest",
    "days_since": "days since the newest {column}",
    "longest_run_days": "longest run of consecutive days with {column}",
    "years_since": "years since {column}",
}
"""Every aggregate of features/windows.py in the words of docs/features.md."""


_GRADES = "; ".join(f"{grade}: {meaning}" for grade, meaning in EVIDENCE.items())


_FEATURES_INTRO = f"""\
What the model may look at and what staff read beside a score: `configs/features.toml`, grouped by the
contributing factors of `configs/factors.toml`. Each feature belongs to exactly one factor.

**Windows.** "Last 7 days" is the prediction day and the 6 days before it, seen at the prediction hour: of
the day itself only what was known by then. A feature sees a row only if `known_at <= as_of <
superseded_at` ([data-contracts.md](data-contracts.md)).

**Missing.** Rest, not recorded and not worn are three things. "0 if nothing happened" holds only where a
source was in use that records the column for this athlete; otherwise the feature is missing, with the
reason kept. "Needs 70 %" means: on at least that share of the window's days a source was in use, and of
the rows at least that share hold the column. Sums over distances above different speeds are missing too.
An exponential average looks back {EWM_SPANS} times its span. A derived feature is missing if one of its
inputs is, or where it would divide by 0.

**Direction.** What is claimed of a higher value. "Held": the claim also binds the model, which cannot learn
the opposite; the head of `configs/features.toml` says when. **Use.** "Model": the model may use it. "Input
only": a derived feature is made of it. "Not in the model": computed and kept for comparison.

**Evidence.** {_GRADES}; "assumption": our judgement.
Grades are about hamstring injury in published research, not about your athletes."""


def features_page() -> str:
    """The features by factor, with counts on top."""
    specs, factors = load_specs(), load_factors()
    used = sum(spec.in_model for spec in specs)
    held = sum(spec.monotone != 0 for spec in specs)
    counts = (
        f"{len(specs)} features of {len(factors)} factors: {used} that the model may use, "
        f"{len(specs) - used} that serve as inputs or for comparison. {held} have their direction held."
    )
    rows = [_factor_counts(factor, [spec for spec in specs if spec.factor == key]) for key, factor in factors.items()]
    return page(
        "Features",
        _FEATURES_INTRO,
        "## Counts",
        counts,
        grid(("factor", "features", "in the model", "direction held"), rows),
        *(part for factor in factors.values() for part in _factor(factor, specs)),
    )


def _factor_counts(factor: Factor, specs: Sequence[FeatureSpec]) -> tuple[object, ...]:
    held = sum(spec.monotone != 0 for spec in specs)
    return (
        f"[{factor.label}](#{_anchor(factor.label)})",
        len(specs),
        sum(spec.in_model for spec in specs),
        held,
    )


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _factor(factor: Factor, specs: Sequence[FeatureSpec]) -> Iterable[str]:
    inputs = {name for spec in specs if isinstance(spec, DerivedSpec) for name in spec.inputs}
    yield f"## {factor.label}"
    yield f"`{factor.key}`: {factor.wording}."
    yield "" if factor.modifiable else "Cannot be changed: shown apart, never ranked as something to act on."
    yield f"What staff are told to check first: {factor.prompt}"
    yield f"References: {'; '.join(factor.references) or 'none'}."
    header = (
        "feature",
        "name in a report",
        "unit",
        "how it is computed",
        "higher",
        "evidence",
        "reference",
        "use",
    )
    yield grid(header, (_feature(spec, inputs) for spec in specs if spec.factor == factor.key))


def _feature(spec: FeatureSpec, inputs: set[str]) -> tuple[str, ...]:
    direction = DIRECTIONS[spec.direction].removeprefix("higher ").replace("lower raises", "lowers")
    return (
        f"`{spec.name}`",
        spec.label,
        spec.unit,
        in_words(spec),
        direction + (", held" if spec.monotone else ""),
        spec.evidence,
        spec.reference,
        "model" if spec.in_model else "input only" if spec.name in inputs else "not in the model",
    )


def in_words(spec: FeatureSpec) -> str:
    """How a feature is computed, in a sentence."""
    if isinstance(spec, DerivedSpec):
        return f"{DERIVATIONS[spec.derive].meaning.partition(':')[0]}: {words(spec.inputs)}"
    assert isinstance(spec, WindowSpec)
    what = AGGREGATES_IN_WORDS[spec.aggregate].format(column=f"`{spec.table}.{spec.column}`")
    return f"{what}{_filter(spec)}, {_window(spec)}; {_when_empty(spec)}"


def _filter(spec: WindowSpec) -> str:
    kept = [f"`{column}` {' or '.join(values)}" for column, values in spec.where.items()]
    kept += [f"values of at least {spec.at_least:g}"] if spec.at_least is not None else []
    return f" (only {', '.join(kept)})" if kept else ""


def _window(spec: WindowSpec) -> str:
    if spec.window_days >= ALL_TIME_DAYS:
        return "over all time"
    days = f"{spec.window_days} days"
    if spec.aggregate == "exponential":
        return f"span {days}"
    if not spec.lag_days:
        return f"last {days}"
    return f"{days} up to {spec.lag_days} day{'s' if spec.lag_days > 1 else ''} before"


def _when_empty(spec: WindowSpec) -> str:
    needs = f"needs {spec.min_covered_share:.0%}".replace("%", " %")
    if spec.empty is not None:
        return f"{spec.empty:g} if nothing happened, {needs}"
    if spec.aggregate in EMPTY_BY_NATURE | ADDS_UP:
        return f"missing without data, {needs}"
    return f"missing if {NOT_FOUND.get(spec.table, 'none recorded')}"
