"""May a model be promoted? The conditions of a promotion, held against predictions of unseen athletes or later days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

import configs
from configs.errors import ConfigError
from models.evaluation import Evaluation
from models.metrics import Metric
from models.tested import MODEL

BASELINE = "age_history"
"""What a model must rank or serve better than, to be worth its complexity."""


@dataclass(frozen=True)
class Limits:
    """configs/promotion.toml, where each value is explained."""

    horizon_days: int
    least_later_events: int
    observed_expected: tuple[float, float]
    least_subgroup_events: int
    subgroup_observed_expected: tuple[float, float]

    def horizon(self, horizons_days: Sequence[int]) -> int:
        """The one of a model's horizons at which it is judged: the nearest, of two the shorter."""
        return min(sorted(horizons_days), key=lambda days: abs(days - self.horizon_days))


def load_limits(folder: Path | None = None) -> Limits:
    """The shipped promotion.toml, or a user's own. ConfigError for what is unknown, missing or cannot be meant."""
    found = configs.load("promotion.toml", folder)
    names = {field.name for field in fields(Limits)}
    configs.reject_unknown(found, names, "promotion.toml")
    if missing := sorted(names - set(found)):
        raise ConfigError(f"promotion.toml: {', '.join(missing)} missing. Add what configs/promotion.toml ships.")
    return Limits(**{name: _checked(name, found[name]) for name in found})


def _checked(name: str, value: Any) -> Any:
    if name.endswith("observed_expected"):
        numbers = value if isinstance(value, list) and len(value) == 2 else []
        if not numbers or not all(_is_positive(each) for each in numbers) or numbers[0] > numbers[1]:
            raise ConfigError(f"promotion.toml: {name} = {value!r}. Give two numbers above 0, the lower one first.")
        return tuple(float(each) for each in numbers)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"promotion.toml: {name} = {value!r}. Give a whole number from 1 up.")
    return value


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


@dataclass(frozen=True)
class Subgroup:
    """Athletes of one kind: injuries that the tested days precede, and observed over expected event days."""

    name: str
    injuries: int
    observed_expected: float


@dataclass(frozen=True)
class Judged:
    """What the gate looks at, at one horizon; gains are over age and injury history, paired."""

    auroc_gain: Metric
    net_benefit_gain: Metric
    slope: Metric
    observed_expected: Metric
    subgroups: tuple[Subgroup, ...]


def refusals(
    evaluation: Evaluation | None, horizon_days: int, leaks: Sequence[str], limits: Limits | None = None
) -> tuple[str, ...]:
    """Why the model must not be promoted, in sentences; empty if it may. `leaks` are the checks that failed.

    It must rank better than age and injury history, or have a higher net benefit, each shown by the lower end of the
    interval; its calibration slope's interval must hold 1, its observed:expected lie within the limits, also in every
    subgroup with injuries enough, and no leak check may fail.
    """
    if evaluation is None:
        return ("no evaluation is possible",)
    rows = evaluation.out_of_fold
    rows = rows[(rows["horizon_days"] == horizon_days) & rows["label"].notna()]
    judged = Judged(
        evaluation.metric("auroc", horizon_days, against=BASELINE),
        evaluation.metric("net_benefit", horizon_days, against=BASELINE),
        evaluation.metric("calibration_slope", horizon_days),
        evaluation.metric("observed_expected", horizon_days),
        (*subgroups(rows, MODEL, rows[["squad"]]), *_other_subgroups(evaluation, horizon_days)),
    )
    return refused(judged, leaks, limits or load_limits())


def _other_subgroups(evaluation: Evaluation, horizon_days: int) -> Iterator[Subgroup]:
    """Sex, age band, position and so on, where the evaluation looked at them and had injuries enough to say."""
    table = evaluation.tables.get("subgroups")
    if table is None or table.empty:
        return
    own = table[(table["horizon_days"] == horizon_days) & (table["name"] == "observed_expected")]
    for line in own[(own["by"] != "squad") & own["value"].notna()].to_dict("records"):
        yield Subgroup(f"{line['by']} {line['subgroup']}", int(line["n_events"]), float(line["value"]))


def refused(judged: Judged, leaks: Sequence[str], limits: Limits) -> tuple[str, ...]:
    """The sentences of `refusals`, for figures from whatever days."""
    return (
        *_no_gain(judged),
        *_miscalibrated(judged, limits),
        *_uneven(judged, limits),
        *(f"leak: {each}" for each in leaks),
    )


def subgroups(rows: pd.DataFrame, model: str, groups: pd.DataFrame) -> tuple[Subgroup, ...]:
    """Each value of each column of `groups` (one row per row) with its injuries and its observed:expected.

    `rows` has athlete_id, date, label (1 or 0) and the model's probability.
    """
    found = []
    for kind, values in groups.items():
        for value, own in rows.groupby(values.to_numpy()):
            name = str(value) if kind == "squad" else f"{kind} {value}"
            ratio = float(own["label"].sum() / own[model].sum()) if own[model].sum() else float("inf")
            found.append(Subgroup(name, _onset_like_events(own), ratio))
    return tuple(found)


def _no_gain(judged: Judged) -> Iterator[str]:
    gains = (judged.auroc_gain, judged.net_benefit_gain)
    if not any(gain.lower > 0 for gain in gains):
        auroc, benefit = (with_interval(gain) for gain in gains)
        yield f"not shown to be better than age and history: AUROC by {auroc}, net benefit by {benefit}"


def _miscalibrated(judged: Judged, limits: Limits) -> Iterator[str]:
    slope = judged.slope
    if not slope.lower <= 1 <= slope.upper:
        yield f"calibration slope {with_interval(slope)} does not hold 1"
    ratio, (low, high) = judged.observed_expected.value, limits.observed_expected
    if not low <= ratio <= high:
        yield f"observed : expected is {ratio:.2f}"


def _uneven(judged: Judged, limits: Limits) -> Iterator[str]:
    low, high = limits.subgroup_observed_expected
    for group in judged.subgroups:
        if group.injuries >= limits.least_subgroup_events and not low <= group.observed_expected <= high:
            yield f"observed : expected is {group.observed_expected:.2f} in {group.name}"


def _onset_like_events(rows: pd.DataFrame) -> int:
    """Runs of days with an event: each is one injury seen from the days before it."""
    ordered = rows.sort_values(["athlete_id", "date"])
    event = ordered["label"] == 1
    same = ordered["athlete_id"].eq(ordered["athlete_id"].shift())
    return int((event & ~(event.shift(fill_value=False) & same)).sum())


def with_interval(metric: Metric) -> str:
    """Such as "0.02 (-0.01 to 0.05)"; a net benefit, which is tiny, with four decimals."""
    places = 4 if metric.name == "net_benefit" else 2
    value, low, high = (f"{each:z.{places}f}" for each in (metric.value, metric.lower, metric.upper))
    return f"{value} ({low} to {high})" if metric.reason is None else f"{value} ({metric.reason})"
