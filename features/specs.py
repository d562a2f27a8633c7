"""What a feature is: one frozen spec per table of configs/features.toml, checked against the contracts when loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from configs import load, reject_unknown
from configs.errors import ConfigError
from features.derived import DERIVATIONS
from features.factors import load_factors
from features.row_facts import ROW_FACTS
from features.tables import TABLES
from features.windows import AGGREGATES

DIRECTIONS = {"+": "higher raises", "-": "lower raises", "u": "both ends raise", "0": "not claimed"}
EVIDENCE = {"A": "meta-analysis", "B": "two or more cohorts", "C": "one cohort", "D": "practice"}


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
        try:
            specs[name] = _spec(name, entry)
            _check(specs[name], specs, set(factors))
        except ConfigError as error:
            problems.append(str(error))
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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
    "at_least": ("a number", lambda value: value is None or _is_number(value)),
    "empty": ("a number", lambda value: value is None or _is_number(value)),
    "min_covered_share": ("a number", _is_number),
    "where": ('columns and their values, as in { limb = "left" }', _is_filter),
    "inputs": ("a list of names", _is_names),
}


def _check_types(entry: Mapping[str, Any], where: str) -> None:
    for key, value in entry.items():
        wanted, fits = _OTHER_THAN_TEXT.get(key, ("text", lambda value: isinstance(value, str)))
        if not fits(value):
            raise ConfigError(f"{where}: {key} = {value!r}. Give {wanted}.")


def _spec(name: str, entry: Mapping[str, Any]) -> FeatureSpec:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"features.toml, [{name}]: found {entry!r} where a table of entries is expected.")
    kind = DerivedSpec if "derive" in entry else WindowSpec
    known = {item.name for item in fields(kind)} - {"name"}
    reject_unknown(dict(entry), known, f"features.toml, [{name}]")
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING} - {"name"}
    missing = sorted(needed - set(entry))
    if missing:
        raise ConfigError(f"features.toml, [{name}]: missing {', '.join(missing)}.")
    _check_types(entry, f"features.toml, [{name}]")
    content = dict(entry)
    if kind is DerivedSpec:
        return DerivedSpec(name=name, **{**content, "inputs": tuple(content["inputs"])})
    where = {
        column: (values,) if isinstance(values, str) else tuple(values)
        for column, values in content.pop("where", {}).items()
    }
    return WindowSpec(name=name, where=where, **content)


def _check(spec: FeatureSpec, earlier: Mapping[str, FeatureSpec], factors: set[str]) -> None:
    where = f"features.toml, [{spec.name}]"
    _one_of(spec.factor, factors, f"{where}: factor")
    _one_of(spec.direction, set(DIRECTIONS), f"{where}: direction")
    _one_of(spec.evidence, {*EVIDENCE, "assumption"}, f"{where}: evidence")
    if isinstance(spec, WindowSpec):
        _check_window(spec, where)
    if isinstance(spec, DerivedSpec):
        _check_derived(spec, earlier, where)


def _check_derived(spec: DerivedSpec, earlier: Mapping[str, FeatureSpec], where: str) -> None:
    _one_of(spec.derive, set(DERIVATIONS), f"{where}: derive")
    for name in spec.inputs:
        _one_of(name, set(earlier) - {spec.name}, f"{where}: inputs (must stand above)")
    derivation = DERIVATIONS[spec.derive]
    if len(spec.inputs) != derivation.inputs:
        raise ConfigError(f"{where}: {spec.derive} takes {derivation.inputs} inputs, found {len(spec.inputs)}.")
    for name, (days, lag) in zip(spec.inputs, derivation.windows, strict=False):
        source = earlier[name]
        if not isinstance(source, WindowSpec) or (source.window_days, source.lag_days) != (days, lag):
            raise ConfigError(f"{where}: {spec.derive} needs {name} over window_days = {days} with lag_days = {lag}.")


def _check_window(spec: WindowSpec, where: str) -> None:
    _one_of(spec.table, set(TABLES), f"{where}: table")
    columns = {*TABLES[spec.table].names, *ROW_FACTS.get(spec.table, ())}
    _one_of(spec.column, columns, f"{where}: column")
    _one_of(spec.aggregate, set(AGGREGATES), f"{where}: aggregate")
    for column, values in spec.where.items():
        _one_of(column, columns, f"{where}: where")
        choices = TABLES[spec.table].column(column).choices if column in TABLES[spec.table].names else ()
        for value in values:
            if choices:
                _one_of(value, set(choices), f"{where}: where, {column}")
    if spec.window_days < 1 or spec.lag_days < 0 or not 0 <= spec.min_covered_share <= 1:
        raise ConfigError(
            f"{where}: window_days must be 1 or more, lag_days 0 or more, min_covered_share within 0 and 1."
        )


def _one_of(found: str, valid: set[str], where: str) -> None:
    if found not in valid:
        raise ConfigError(f"{where}: '{found}' is not known. Valid: {', '.join(sorted(valid))}.")
