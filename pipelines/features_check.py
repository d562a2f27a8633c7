"""What is wrong in a user's features.toml, and what is right but hardly meant."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from configs.errors import ConfigError
from features.build import build_features
from features.row_facts import prepare
from features.specs import FeatureSpec, load_specs
from features.target import load_target
from pipelines.data import Store, data_cut, read_tables
from pipelines.features_command import DAY, Catalogue, load_catalogue, say, squad_index
from pipelines.meant import close_to

NAME = "features.toml"
MOST_LISTED = 40
"""More valid names than this are not shown: nobody reads hundreds."""

SAMPLED_EVERY_DAYS = 7
"""A feature that has a value on one of these mornings needs no closer look."""


@dataclass(frozen=True)
class Checked:
    """The outcome: problems make the file useless, warnings do not."""

    path: Path
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    summary: str

    @property
    def exit_code(self) -> int:
        return ConfigError.exit_code if self.problems else 0

    def show(self) -> None:
        for problem in self.problems:
            say(problem)
        for warning in self.warnings:
            say(f"warning: {warning}")
        say(self.summary)


def check(path: Path, store: Store | None) -> Checked:
    """Everything to be said of a features.toml, or of the folder with it; with a store, of its data too.

    Raises ConfigError where there is no such file, or none that would be read.
    """
    folder = _folder(path)
    try:
        catalogue = load_catalogue(folder)
    except ConfigError as error:
        problems = tuple(_with_near_names(line) for line in str(error).splitlines())
        return Checked(path, problems, (), f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}.")
    warnings = [*_nothing(catalogue.specs), *_same_content(catalogue.specs), *_same_label(catalogue.specs)]
    if store is not None:
        warnings += _without_use(store, catalogue, folder)
    return Checked(path, (), tuple(warnings), _summary(path, catalogue.specs, len(warnings)))


def _folder(path: Path) -> Path:
    if path.is_dir():
        if not (path / NAME).is_file():
            raise ConfigError(f"{path}: holds no {NAME}, so the shipped features are in force.")
        return path
    if not path.is_file():
        raise ConfigError(f"{path}: no such file or folder. Give your {NAME}, or the folder with it.")
    if path.name != NAME:
        raise ConfigError(f"{path}: a file of this name is never read. Call it {NAME}, in a folder of its own.")
    return path.parent


# --- problems -------------------------------------------------------------------------------------


def _with_near_names(problem: str) -> str:
    """The message with the valid names that look like what was found; a long list of all is left out."""
    told = re.fullmatch(r"(?P<start>.*'(?P<found>[^']*)' is not known\.) Valid: (?P<valid>.*)\.", problem)
    if told is None:
        return problem
    valid = told["valid"].split(", ")
    near = close_to(told["found"], valid)
    if len(valid) <= MOST_LISTED:
        return f"{told['start']}{near} Valid: {told['valid']}."
    return told["start"] + (near or f" None of {len(valid)} is like it.")


# --- warnings about the file ----------------------------------------------------------------------


def _nothing(specs: Sequence[FeatureSpec]) -> Iterable[str]:
    if not any(spec.in_model for spec in specs):
        yield "holds no feature that a model may use. It replaces the shipped file as a whole: begin with a copy of it."


def _same_content(specs: Sequence[FeatureSpec]) -> Iterable[str]:
    first: dict[str, str] = {}
    for spec in specs:
        name = first.setdefault(repr(_content(spec)), spec.name)
        if name != spec.name:
            yield f"[{spec.name}]: computes the same as [{name}]. Is one of them meant otherwise?"


def _content(spec: FeatureSpec) -> dict[str, Any]:
    """What it computes, without what is said about it."""
    said = {item.name for item in fields(FeatureSpec)}
    return {key: value for key, value in asdict(spec).items() if key not in said}


def _same_label(specs: Sequence[FeatureSpec]) -> Iterable[str]:
    for label, count in Counter(spec.label for spec in specs).items():
        if count > 1:
            names = ", ".join(f"[{spec.name}]" for spec in specs if spec.label == label)
            yield f"{names}: have the same label, '{label}', so nobody can tell them apart in a report."


def _summary(path: Path, specs: Sequence[FeatureSpec], warnings: int) -> str:
    shipped, own = _by_name(load_specs()), _by_name(specs)
    new, absent = own.keys() - shipped.keys(), shipped.keys() - own.keys()
    changed = [name for name in own.keys() & shipped.keys() if own[name] != shipped[name]]
    return (
        f"{path}: no problem and {warnings or 'no'} warning{'' if warnings == 1 else 's'}. {len(specs)} features, "
        f"{sum(spec.in_model for spec in specs)} for the model; against the shipped ones {len(new)} new, "
        f"{len(changed)} changed, {len(absent)} left out."
    )


def _by_name(specs: Sequence[FeatureSpec]) -> dict[str, FeatureSpec]:
    return {spec.name: spec for spec in specs}


# --- warnings about a store -----------------------------------------------------------------------


def _without_use(store: Store, catalogue: Catalogue, folder: Path) -> Iterable[str]:
    """Features that never have a value in the store, or the same one always: own ones first, one by one."""
    never, constant = _useless(store, catalogue, folder)
    shipped = _by_name(load_specs())
    own = {spec.name for spec in catalogue.specs if shipped.get(spec.name) != spec}
    for name in (name for name in never if name in own):
        yield f"[{name}]: never has a value in this store: {never[name]}."
    for name in (name for name in constant if name in own):
        yield f"[{name}]: has one and the same value throughout this store, so a model cannot learn from it."
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name in never.keys() - own:
        by_reason[never[name]].append(name)
    for reason, names in sorted(by_reason.items()):
        yield f"{len(names)} of the shipped features never have a value in this store ({reason}): {_listing(names)}."
    if others := [name for name in constant if name not in own]:
        yield f"{len(others)} of the shipped features always have one and the same value here: {_listing(others)}."


def _listing(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _useless(store: Store, catalogue: Catalogue, folder: Path) -> tuple[Mapping[str, str], Sequence[str]]:
    """(name -> commonest reason of those without any value, names of those that never vary).

    Looks at every athlete's mornings week by week, and day by day at those features alone that need it.
    """
    target, tables = load_target(folder), read_tables(store)
    last = data_cut(tables)
    prepared = prepare(tables, target)
    specs = catalogue.specs
    doubtful = [spec.name for spec in specs]
    for step in (SAMPLED_EVERY_DAYS, 1):
        days = pd.date_range(_first_day(tables), last, freq=step * DAY, unit="us")
        built = build_features(squad_index(tables, days, target), prepared, specs)
        varies = built.values.min() < built.values.max()
        doubtful = [str(name) for name in varies.index[~varies] if name in doubtful]
        specs = catalogue.with_inputs(doubtful)
    never = {name: built.reasons[name].mode()[0] for name in doubtful if built.values[name].isna().all()}
    return never, [name for name in doubtful if name not in never]


def _first_day(tables: Mapping[str, pd.DataFrame]) -> pd.Timestamp:
    covered = tables["coverage"]["first_date"]
    dated = [table["date"].min() for name, table in tables.items() if "date" in table and len(table)]
    return pd.Timestamp(covered.min() if len(covered) else min(dated))
