"""What a feature is: one frozen spec per table of configs/features.toml, checked against the contracts when loaded."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from configs import load
from configs.errors import ConfigError
from features.derived import DERIVATIONS
from features.factors import load_factors
from features.row_facts import ROW_FACTS
from features.tables import TABLES, Column, Kind
from features.windows import AGGREGATES, EWM_SPANS

DIRECTIONS = {"+": "higher raises", "-": "lower raises", "u": "both ends raise", "0": "not claimed"}
EVIDENCE = {"A": "meta-analysis", "B": "two or more cohorts", "C": "one cohort", "D": "practice"}
ASSUMPTION = "assumption"

ALL_TIME_DAYS = 36500
"""The longest window; it reaches back to the first record."""
LONGEST_SPAN_DAYS = 365
"""The longest span of an exponential average, which looks back EWM_SPANS times as far."""
TAKES_ANY_COLUMN = frozenset(
    {"count", "day_count", "covered_share_pct", "days_since", "years_since", "days_since_rest", "longest_run_days"}
)
"""Aggregates that ask only whether a column holds something; all others calculate with its numbers."""


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """What every feature states about itself; `in_model` is False for one that the model is not given."""

    name: str
    label: str
    factor: str
    unit: str
    direction: str
    evidence: str
    reference: str
    in_model: bool = True

    @property
    def monotone(self) -> int:
        """1, -1 or 0: the constraint on the model, from the direction of a feature in it whose evidence is graded."""
        is_held = self.in_model and self.evidence in EVIDENCE
        return {"+": 1, "-": -1}.get(self.direction, 0) if is_held else 0


@dataclass(frozen=True, kw_only=True)
class WindowSpec(FeatureSpec):
    """An aggregate of one column over the local days `(day - lag_days - window_days, day - lag_days]`.

    `where` keeps rows with these values, `at_least` rows whose column reaches it. `empty` is the value of a window
    that is
    covered but holds no row (rest); without it such a window is missing. `min_covered_share` is the share of
    the window's days that a source must have been in use for.
    """

    table: str
    column: str
    aggregate: str
    window_days: int
    lag_days: int = 0
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    at_least: float | None = None
    empty: float | None = None
    min_covered_share: float = 0.7


@dataclass(frozen=True, kw_only=True)
class DerivedSpec(FeatureSpec):
    """Arithmetic on features already built; `inputs` are their names in the order that the derivation documents."""

    derive: str
    inputs: tuple[str, ...]


def load_specs(folder: Path | None = None) -> tuple[FeatureSpec, ...]:
    """The specs of configs/features.toml in file order, inputs before what is derived from them.

    Raises ConfigError that lists every problem of the file at once.
    """
    content = load("features.toml", folder)
    factors = load_factors(folder)
    problems: list[str] = []
    specs: dict[str, FeatureSpec] = {}
    for name, entry in content.items():
        where = f"features.toml, [{name}]"
        shape = list(_wrong_shape(entry))
        if not shape:
            specs[name] = _spec(name, entry)
        found = shape or _wrong_content(specs[name], specs, list(content), set(factors))
        problems += dict.fromkeys(f"{where}: {problem}" for problem in (*_wrong_name(name), *found))
    if problems:
        raise ConfigError("\n".join(problems))
    return tuple(specs.values())


def specs_as_json(specs: Sequence[FeatureSpec]) -> list[dict[str, Any]]:
    """Plain values that `specs_from_json` reads back."""
    return [asdict(spec) for spec in specs]


def specs_from_json(content: Sequence[Mapping[str, Any]]) -> tuple[FeatureSpec, ...]:
    return tuple(_spec(entry["name"], {k: v for k, v in entry.items() if k != "name"}) for entry in content)


def fingerprint(specs: Sequence[FeatureSpec]) -> str:
    """Sixteen hex digits that change with any entry of any spec."""
    return hashlib.sha256(json.dumps(specs_as_json(specs), sort_keys=True).encode()).hexdigest()[:16]


def model_features(specs: Sequence[FeatureSpec]) -> list[str]:
    """Names of the features that the model may use."""
    return [spec.name for spec in specs if spec.in_model]


def with_inputs(specs: Sequence[FeatureSpec], names: Iterable[str]) -> tuple[FeatureSpec, ...]:
    """The specs of these features and of all that they are derived from, inputs first, as `specs` have them."""
    needed = set(names)
    for spec in reversed(specs):
        if isinstance(spec, DerivedSpec) and spec.name in needed:
            needed |= set(spec.inputs)
    return tuple(spec for spec in specs if spec.name in needed)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and abs(value) <= sys.float_info.max


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _is_filter(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(v, str) or _is_names(v) for v in value.values())


_OTHER_THAN_TEXT: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "in_model": ("true or false", lambda value: isinstance(value, bool)),
    "window_days": ("a whole number", _is_whole),
    "lag_days": ("a whole number", _is_whole),
    "at_least": ("a finite number", lambda value: value is None or _is_finite(value)),
    "empty": ("a finite number", lambda value: value is None or _is_finite(value)),
    "min_covered_share": ("a number", _is_number),
    "where": ('columns and their values, as in { limb = "left" }', _is_filter),
    "inputs": ("a list of names", _is_names),
}


def _kind(entry: Mapping[str, Any]) -> type[DerivedSpec] | type[WindowSpec]:
    return DerivedSpec if "derive" in entry else WindowSpec


def _wrong_shape(entry: Any) -> Iterator[str]:
    """Why the entries of a table make no spec: unknown or missing ones, values of a wrong type."""
    if not isinstance(entry, Mapping):
        yield f"found {entry!r} where a table of entries is expected."
        return
    declared = [item for item in fields(_kind(entry)) if item.name != "name"]
    known = {item.name for item in declared}
    needed = {item.name for item in declared if item.default is MISSING and item.default_factory is MISSING}
    if unknown := sorted(set(entry) - known):
        yield f"unknown {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
    if missing := sorted(needed - set(entry)):
        yield f"missing {', '.join(missing)}."
    for key in (key for key in entry if key in known):
        wanted, fits = _OTHER_THAN_TEXT.get(key, ("text", lambda value: isinstance(value, str)))
        if not fits(entry[key]):
            yield f"{key} = {entry[key]!r}: give {wanted}."


def _spec(name: str, entry: Mapping[str, Any]) -> FeatureSpec:
    content = dict(entry)
    if _kind(entry) is DerivedSpec:
        return DerivedSpec(name=name, **{**content, "inputs": tuple(content["inputs"])})
    where = {
        column: (values,) if isinstance(values, str) else tuple(values)
        for column, values in content.pop("where", {}).items()
    }
    return WindowSpec(name=name, where=where, **content)


def _wrong_name(name: str) -> Iterator[str]:
    if not name.strip():
        yield "its name is blank: give one in the brackets, as in [load_7d]."


def _wrong_content(
    spec: FeatureSpec, earlier: Mapping[str, FeatureSpec], names: Sequence[str], factors: set[str]
) -> Iterator[str]:
    """Every value of a spec that names nothing known or cannot be meant; `names` are all of the file, in order."""
    yield from _not_one_of(spec.factor, factors, "factor")
    yield from _not_one_of(spec.direction, set(DIRECTIONS), "direction")
    yield from _not_one_of(spec.evidence, {*EVIDENCE, ASSUMPTION}, "evidence")
    yield from _wrong_words(spec)
    if isinstance(spec, WindowSpec):
        yield from _wrong_window(spec)
    if isinstance(spec, DerivedSpec):
        yield from _wrong_derivation(spec, earlier, names)


def _wrong_words(spec: FeatureSpec) -> Iterator[str]:
    """Words that are blank, and a reference that does not go with the evidence."""
    needed = {
        "label": (spec.label, "the words that staff read"),
        "unit": (spec.unit, "a unit; of a number without one 'ratio' or 'count'"),
        "reference": (spec.reference, f"where the claim comes from, or '{ASSUMPTION}'"),
    }
    blank = [key for key, (text, _) in needed.items() if not text.strip()]
    for key in blank:
        yield f"{key} = {needed[key][0]!r}: give {needed[key][1]}."
    if "reference" not in blank:
        yield from _wrong_reference(spec)


def _wrong_reference(spec: FeatureSpec) -> Iterator[str]:
    """A grade above practice needs a source; what has a source has a grade."""
    found = f"evidence = '{spec.evidence}' with reference = '{spec.reference}'"
    is_assumed = spec.reference.strip().lower() == ASSUMPTION
    if spec.evidence in ("A", "B", "C") and is_assumed:
        yield f"{found}: give the source, or the evidence 'D' (practice) or '{ASSUMPTION}'."
    if spec.evidence == ASSUMPTION and not is_assumed:
        yield f"{found}: give the evidence that the source has (A, B, C or D), or the reference '{ASSUMPTION}'."


def _wrong_derivation(spec: DerivedSpec, earlier: Mapping[str, FeatureSpec], names: Sequence[str]) -> Iterator[str]:
    yield from _not_one_of(spec.derive, set(DERIVATIONS), "derive")
    for name in spec.inputs:
        yield from _wrong_input(name, spec.name, names)
    if spec.derive not in DERIVATIONS:
        return
    derivation = DERIVATIONS[spec.derive]
    if len(spec.inputs) != derivation.inputs:
        yield f"{spec.derive} takes {derivation.inputs} inputs, found {len(spec.inputs)}."
    for name, (days, lag) in zip(spec.inputs, derivation.windows, strict=False):
        source = earlier.get(name) if name != spec.name else None
        is_such = isinstance(source, WindowSpec) and (source.window_days, source.lag_days) == (days, lag)
        if source is not None and not is_such:
            yield f"{spec.derive} needs {name} over window_days = {days} with lag_days = {lag}."


def _wrong_input(name: str, of: str, names: Sequence[str]) -> Iterator[str]:
    """An input that is not the name of a table above, whatever else may be wrong with that table."""
    place = names.index(of)
    if name == of:
        yield f"inputs: '{name}' is the feature itself; give features that stand above it."
    elif name in names[place:]:
        yield f"inputs: '{name}' stands below; move [{name}] above [{of}]."
    elif not place:
        yield f"inputs: '{name}' is not known; no feature stands above [{of}]."
    else:
        yield from _not_one_of(name, set(names[:place]), "inputs")


def _wrong_window(spec: WindowSpec) -> Iterator[str]:
    yield from _not_one_of(spec.table, set(TABLES), "table")
    yield from _not_one_of(spec.aggregate, set(AGGREGATES), "aggregate")
    if spec.table in TABLES:
        yield from _wrong_columns(spec)
    yield from _wrong_days(spec)
    if not 0 <= spec.min_covered_share <= 1:
        yield f"min_covered_share = {spec.min_covered_share}: give a number from 0 to 1."


def _wrong_days(spec: WindowSpec) -> Iterator[str]:
    is_span = spec.aggregate == "exponential"
    longest = LONGEST_SPAN_DAYS if is_span else ALL_TIME_DAYS
    if not 1 <= spec.window_days <= longest:
        why = f"; an exponential average looks back {EWM_SPANS} times as far" if is_span else ""
        yield f"window_days = {spec.window_days}: give a whole number from 1 to {longest}{why}."
    if not 0 <= spec.lag_days <= ALL_TIME_DAYS:
        yield f"lag_days = {spec.lag_days}: give a whole number from 0 to {ALL_TIME_DAYS}."


def _wrong_columns(spec: WindowSpec) -> Iterator[str]:
    columns = {*TABLES[spec.table].names, *ROW_FACTS.get(spec.table, ())}
    yield from _not_one_of(spec.column, columns, "column")
    if spec.column in columns:
        yield from _no_numbers(spec)
    words = {column for column in columns if _kind_of(spec.table, column) in _WORDS}
    for column, values in spec.where.items():
        yield from _not_one_of(column, columns, "where")
        if column in columns - words:
            yield f"where, {column}: found {_holds(spec.table, column)}; give a column of words: {_listed(words)}."
        if not values:
            yield f"where, {column} = []: give the values to keep, or leave {column} out."
        choices = _choices(spec.table, column)
        for value in values if choices else ():
            yield from _not_one_of(value, set(choices), f"where, {column}")


def _no_numbers(spec: WindowSpec) -> Iterator[str]:
    """What is asked of a column that only numbers can answer."""
    if _kind_of(spec.table, spec.column) in _NUMBERS:
        return
    found = f"{spec.table}.{spec.column} is {_holds(spec.table, spec.column)}"
    if spec.aggregate in set(AGGREGATES) - TAKES_ANY_COLUMN:
        others = _listed(TAKES_ANY_COLUMN)
        yield f"aggregate = '{spec.aggregate}': {found}; give a column of numbers, or one of {others}."
    if spec.at_least is not None:
        yield f"at_least = {spec.at_least:g}: {found}; give a column of numbers, or leave at_least out."


_NUMBERS = ("number", "flag")
_WORDS = ("id", "text", "choice")


def _contract(table: str, column: str) -> Column | None:
    """The declaration of a column; of a return's injury, that of `injuries`. None: a number added to the rows."""
    declared = (TABLES[table], TABLES["injuries"])
    return next((contract.column(column) for contract in declared if column in contract.names), None)


def _kind_of(table: str, column: str) -> Kind:
    contract = _contract(table, column)
    return contract.kind if contract else "number"


def _choices(table: str, column: str) -> tuple[str, ...]:
    contract = _contract(table, column)
    return contract.choices if contract else ()


def _holds(table: str, column: str) -> str:
    kind = _kind_of(table, column)
    return {"number": "a number", "flag": "a yes or no", "date": "a date", "time": "a time"}.get(kind, "words")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _not_one_of(found: str, valid: set[str], where: str) -> Iterator[str]:
    if found not in valid:
        yield f"{where}: '{found}' is not known. Valid: {_listed(valid)}."
