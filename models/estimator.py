"""Boosted trees bagged over athletes, their calibration, and predictions that agree across horizons.

Three scales, all log-odds: a member's raw score, the bag's mean raw score, and the calibrated score,
which is the one that users see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

import configs
from configs.errors import ConfigError, IntegrityError, NotReady
from models.odds import Floats, Ints, probability, rate_log_odds
from models.spread import Spread
from models.straight import Straight, fit_weights, scale_of

CalibrationKind = Literal["platt", "beta"]

INTERVAL_PERCENTILES = (5.0, 95.0)
MOST_DRAWS = 100
STEEPEST_SLOPE = 10.0
"""Where few events happen to be ranked perfectly the best slope is infinite; this bounds it (assumption)."""

PREDICTION_THREADS = 2
_ROWS_FOR_THREADS = 2000
"""Below this, waking a second thread costs more than it saves; the numbers are the same."""

_RANGES: Mapping[str, tuple[float, float]] = {
    "learning_rate": (1e-4, 1), "trees": (1, 10_000), "leaves": (2, 1024), "smallest_leaf_share": (0, 0.5),
    "smallest_leaf_rows": (1, 100_000), "feature_fraction": (0.01, 1), "l2": (0, 1e6),
    "path_smooth": (0, 1e6), "straight_penalty": (0, 1e9), "bins": (3, 255), "early_stopping_rounds": (0, 10_000),
    "members": (1, 1000), "seed": (0, 2**31 - 1),
    "threads": (1, 256), "every_days": (1, 365), "athlete_folds": (2, 100), "time_blocks": (1, 100),
    "first_cut_share": (0.1, 0.9), "repeats": (1, 100), "evaluation_members": (1, 1000),
    "least_athletes": (4, 10**6), "least_days": (1, 10**5), "least_event_athletes": (2, 10**6),
    "logistic_c": (1e-9, 1e9), "resamples": (100, 100_000),
    "acceptable_false_alerts": (0.1, 10_000), "squad_shift_events": (1, 10**6), "squad_slope_events": (1, 10**6),
    "squad_shift_sd": (1e-3, 10), "squad_slope_sd": (1e-3, 10), "refits": (2, 10_000), "refit_members": (2, 1000),
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """configs/model.toml, where each value is explained."""

    learning_rate: float
    trees: int
    leaves: int
    smallest_leaf_share: float
    smallest_leaf_rows: int
    feature_fraction: float
    l2: float
    path_smooth: float
    bins: int
    early_stopping_rounds: int
    straight_penalty: float
    members: int
    seed: int
    threads: int
    calibration: CalibrationKind
    squad_shift_events: int
    squad_slope_events: int
    squad_shift_sd: float
    squad_slope_sd: float
    every_days: int
    athlete_folds: int
    time_blocks: int
    first_cut_share: float
    repeats: int
    evaluation_members: int
    least_athletes: int
    least_days: int
    least_event_athletes: int
    logistic_c: float
    resamples: int
    acceptable_false_alerts: float
    refits: int
    refit_members: int

    def as_json(self) -> dict[str, Any]:
        """A plain mapping that `settings_from_json` reads back."""
        return asdict(self)


def load_settings(folder: Path | None = None) -> Settings:
    """The shipped model.toml; values in a user's own copy replace the shipped ones, key by key."""
    own = configs.load("model.toml", folder)
    return settings_from_json({**configs.load("model.toml"), **own}, "model.toml")


def settings_from_json(found: Mapping[str, Any], where: str = "settings") -> Settings:
    """Settings from a plain mapping.

    ConfigError for a key that is unknown, missing, of a wrong type or out of range.
    """
    known = {field.name for field in fields(Settings)}
    configs.reject_unknown(dict(found), known, where)
    if missing := sorted(known - set(found)):
        raise ConfigError(f"{where}: {', '.join(missing)} missing. Add what configs/model.toml ships.")
    checked = {each.name: _checked(each.name, each.type, found[each.name], where) for each in fields(Settings)}
    return Settings(**checked)


def _checked(name: str, kind: Any, value: Any, where: str) -> Any:
    if name == "calibration":
        if value not in ("platt", "beta"):
            raise ConfigError(f'{where}: calibration = {value!r}. Give "platt" or "beta".')
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or (kind == "int" and not isinstance(value, int)):
        expected = "a whole number" if kind == "int" else "a number"
        raise ConfigError(f"{where}: {name} = {value!r}. Give {expected}.")
    low, high = _RANGES[name]
    if not low <= value <= high:
        raise ConfigError(f"{where}: {name} = {value}. Give a value from {low:g} to {high:g}.")
    return value if kind == "int" else float(value)


@dataclass(frozen=True)
class Bag:
    """LightGBM models as text, one per bootstrap sample of athletes, and the straight effects that each starts from.

    Trees and straight effects give the deviation from `base_log_odds`, the log-odds of the event rate in training.
    Each member starts from the rate of its own sample: otherwise the members that never saw an injured
    athlete would score that athlete low merely because their sample held fewer injuries.
    """

    members: tuple[str, ...]
    feature_names: tuple[str, ...]
    base_log_odds: float
    straight: Straight | None = None


@dataclass(frozen=True)
class Calibration:
    """A rising map from raw to calibrated log-odds.

    platt: intercept + slope x raw, coefficients (intercept, slope).
    beta: intercept + a x ln(p) - b x ln(1 - p) with p the raw probability, coefficients (intercept, a, b);
    Kull, Silva Filho & Flach 2017, Electron. J. Statist. 11(2).
    """

    kind: CalibrationKind
    coefficients: tuple[float, ...]

    def log_odds(self, raw: Floats) -> Floats:
        """Calibrated log-odds of raw ones, of any shape."""
        return np.asarray(self.coefficients[0] + _basis(raw, self.kind) @ np.array(self.coefficients[1:]))

    @property
    def is_constant(self) -> bool:
        """True if the out-of-bag scores carried nothing: every athlete gets the base rate."""
        return not any(self.coefficients[1:])


@dataclass(frozen=True)
class HorizonModel:
    """What predicts one horizon."""

    horizon_days: int
    bag: Bag
    calibration: Calibration
    spread: Spread | None = None
    """What its intervals are made of, once the pipeline was refitted (models/instability.py)."""


@dataclass(frozen=True)
class Predicted:
    """Predictions of all horizons: every array is (horizons, rows), horizons in ascending order.

    `lower` to `upper` is a 90 % interval of the score that the pipeline gives on average over squads to learn from
    (models/spread.py; not the chance that the true risk lies inside); NaN for models that were never refitted.
    `source_horizon` is the horizon in days whose model set the score: a shorter one where the own model scored lower.
    """

    horizons_days: tuple[int, ...]
    log_odds: Floats
    probability: Floats
    lower: Floats
    upper: Floats
    source_horizon: Ints


def require_both_classes(label: Floats, what: str) -> None:
    """Raise NotReady unless `label` holds events and non-events."""
    events = int(np.sum(label == 1))
    if 0 < events < len(label):
        return
    raise NotReady(
        f"{what}: {events} of {len(label)} rows have an event; learning needs rows with and rows without. "
        "Ingest injuries (and days without) of more athletes or of a longer time, or choose a wider target."
    )


def fit_bag(
    features: pd.DataFrame,
    label: Floats,
    athletes: NDArray[Any],
    settings: Settings,
    monotone: Mapping[str, int],
    start: Floats | None = None,
) -> tuple[Bag, Floats]:
    """A bag, and each row's mean raw log-odds over the members that never saw its athlete.

    The second is NaN where every member saw the athlete. `label` is 1 or 0. `monotone` maps a feature to +1
    (a rise never lowers the score), -1 or 0; a feature that it does not name is free. With `start`, the rows' own
    log-odds to begin from, the bag scores what is to be added to them, by trees alone.
    """
    require_both_classes(label, "training")
    values, codes = features.to_numpy(dtype=np.float64), pd.factorize(np.asarray(athletes))[0]
    names = tuple(features.columns)
    parameters = tree_parameters(names, len(label), settings, monotone)
    samples = athlete_samples(codes, label, settings.members, settings.seed)
    from_rate = rate_log_odds(label)
    copies = samples[:, codes]
    straight, offset = None, np.zeros(copies.shape)
    with ThreadPoolExecutor(settings.threads) as pool:
        if start is not None:
            offset += start - from_rate
        elif settings.straight_penalty:
            directions = [monotone.get(name, 0) for name in names]
            straight, offset = _fit_straight(values, label, copies, directions, settings.straight_penalty, pool)
        task = _Task(label, offset, _binned(values, label, names, parameters))
        fitted = pool.map(
            lambda member: _fit_member(task, member, copies[member], {**parameters, "seed": settings.seed + member}),
            range(settings.members),
        )
    bag = Bag(tuple(fitted), names, from_rate if start is None else 0.0, straight)
    return bag, out_of_bag(member_log_odds(bag, features), samples[:, codes] == 0)


def _fit_straight(
    values: Floats, label: Floats, copies: Ints, directions: Sequence[int], penalty: float, pool: ThreadPoolExecutor
) -> tuple[Straight, Floats]:
    """The straight effects of each member, and what they add to each row: (members, rows)."""
    scale = scale_of(values)
    scaled = scale.of(values)
    # Members are fitted side by side; each call of BLAS with threads of its own would wait for the others'.
    with threadpool_limits(limits=1, user_api="blas"):
        near = fit_weights(scaled, directions, label, np.ones(len(label)), penalty)
        found = pool.map(lambda own: fit_weights(scaled, directions, label, own.astype(float), penalty, near), copies)
        weights = np.vstack(list(found))
    return Straight(scale, tuple(map(tuple, weights.tolist()))), weights @ scaled.T


def out_of_bag(scores: Floats, is_unseen: NDArray[np.bool_]) -> Floats:
    """What the bag may be expected to score each row, from those of its `scores` (members, rows) that never saw it.

    NaN where every member saw it. The mean of a few members strays further than the mean of all that scores a new
    athlete, and a calibration fitted to it would have too small a slope. So each row's mean is drawn to the mean of
    all rows by as much as its members differ (regression calibration; Carroll et al. 2006, Measurement Error in
    Nonlinear Models, ch. 4).
    """
    count = is_unseen.sum(axis=0)
    total = np.where(is_unseen, scores, 0.0).sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    several = count > 1
    if not several.any():
        return mean
    strays = np.where(is_unseen, scores - mean, 0.0)[:, several]
    noise = float((strays**2).sum() / (count[several] - 1).sum())  # variance of one member around the whole bag
    scored = count > 0
    centre = mean[scored].mean()
    signal = max(float(mean[scored].var() - (noise / count[scored]).mean()), 0.0)
    if signal + noise == 0:
        return mean
    kept = (signal + noise / len(scores)) / (signal + noise / np.maximum(count, 1))
    return np.asarray(centre + kept * (mean - centre))


def athlete_samples(codes: NDArray[Any], label: Floats, members: int, seed: int) -> Ints:
    """How often each member's sample holds each athlete: (members, athletes), drawn with replacement.

    Each sample holds an event and a non-event. Every athlete is left out by at least one member, unless the
    others have no event (or no non-event) to learn from.
    """
    generator = np.random.default_rng(seed)
    has_event, has_none = (np.bincount(codes, weights=label == value) > 0 for value in (1, 0))

    def can_learn(sample: Ints) -> bool:
        return bool(has_event[sample > 0].any() and has_none[sample > 0].any())

    athletes = len(has_event)
    each_once = np.ones(athletes, dtype=np.int64)
    samples = np.empty((members, athletes), dtype=np.int64)
    for member in range(members):
        draws = (generator.multinomial(athletes, each_once / athletes) for _ in range(MOST_DRAWS))
        samples[member] = next((draw for draw in draws if can_learn(draw)), each_once)
    for athlete in range(athletes):
        if (samples[:, athlete] > 0).all():
            members_in_turn = (draw % members for draw in range(MOST_DRAWS))
            options = ((member, _without(samples, member, athlete, generator)) for member in members_in_turn)
            member, option = next((each for each in options if can_learn(each[1])), (0, samples[0]))
            samples[member] = option
    return samples


def _without(samples: Ints, member: int, athlete: int, generator: np.random.Generator) -> Ints:
    """A member's sample with the athlete's copies handed to others whom some member still leaves out."""
    sample: Ints = samples[member].copy()
    can_take = (sample > 0) | ((samples == 0).sum(axis=0) > 1)
    can_take[athlete] = False
    others, copies = np.flatnonzero(can_take), sample[athlete]
    sample[athlete] = 0
    if len(others):
        sample[others] += generator.multinomial(copies, np.full(len(others), 1 / len(others)))
    return sample


def tree_parameters(names: Sequence[str], rows: int, settings: Settings, monotone: Mapping[str, int]) -> dict[str, Any]:
    """LightGBM's parameters for one member. ConfigError for a monotone direction of a feature not among `names`."""
    if unknown := sorted(set(monotone) - set(names)):
        raise ConfigError(f"monotone direction for {', '.join(unknown)}: not among the features given.")
    return {
        "objective": "binary",
        "boost_from_average": False,  # see Bag: each member starts from its own sample's rate
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": max(settings.smallest_leaf_rows, round(settings.smallest_leaf_share * rows)),
        "feature_fraction": settings.feature_fraction,
        "lambda_l2": settings.l2,
        "path_smooth": settings.path_smooth,
        "max_bin": settings.bins,
        "monotone_constraints": [int(monotone.get(name, 0)) for name in names],
        "num_iterations": settings.trees,
        "early_stopping_round": settings.early_stopping_rounds,
        "num_threads": 1,  # members are fitted side by side: threads within one small tree mostly wait
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _binned(values: Floats, label: Floats, names: Sequence[str], parameters: Mapping[str, Any]) -> Any:
    """All rows cut into LightGBM's bins: once, as it takes as long as to fit a member."""
    import lightgbm  # here, so that reading a report or a help text does not wait for it

    return lightgbm.Dataset(values, label, feature_name=list(names), params=dict(parameters)).construct()


@dataclass(frozen=True)
class _Task:
    """What the members learn from, row by row; `offset` (members, rows) is each row's start above the event rate's."""

    label: Floats
    offset: Floats
    binned: Any

    def data(self, member: int, rows: Ints, start: float, parameters: Mapping[str, Any]) -> Any:
        """The `rows` (ascending, any of them repeatedly) with the log-odds that they start from."""
        part = self.binned.subset(rows, params=dict(parameters)).construct()
        return part.set_init_score(self.offset[member, rows] + start)


def _fit_member(task: _Task, member: int, copies: Ints, parameters: Mapping[str, Any]) -> str:
    """A member that holds each row as often as `copies` says, stopped by the rows that it does not hold."""
    import lightgbm

    rows = np.repeat(np.arange(len(copies)), copies)
    start = rate_log_odds(task.label[rows])  # see Bag: each member starts from its own sample's rate
    data = task.data(member, rows, start, parameters)
    unseen = np.flatnonzero(copies == 0)
    rounds = parameters["early_stopping_round"]
    if not rounds or not 0 < task.label[unseen].sum() < len(unseen):
        return str(lightgbm.train({**parameters, "early_stopping_round": 0}, data).model_to_string())
    held_out = task.data(member, unseen, start, parameters)
    booster = lightgbm.train(dict(parameters), data, valid_sets=[held_out])
    return str(booster.model_to_string(num_iteration=booster.best_iteration))


@lru_cache(maxsize=256)
def _booster(text: str) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=text)


def boosters(bag: Bag) -> tuple[Any, ...]:
    """The members as LightGBM boosters, for checks by other libraries."""
    return tuple(_booster(text) for text in bag.members)


def values_of(bag: Bag, features: pd.DataFrame) -> Floats:
    """The bag's features in its order. Raises IntegrityError for one that is absent."""
    if missing := [name for name in bag.feature_names if name not in features.columns]:
        raise IntegrityError(
            f"the model needs {len(missing)} features that were not built: {', '.join(missing[:5])}. "
            "Build features with the specs of the model's own bundle."
        )
    return features[list(bag.feature_names)].to_numpy(dtype=np.float64)


def member_log_odds(bag: Bag, features: pd.DataFrame) -> Floats:
    """Raw log-odds (members, rows)."""
    values = values_of(bag, features)
    if not len(values):
        return np.empty((len(bag.members), 0))
    straight = bag.straight.log_odds(values) if bag.straight else 0.0
    return np.asarray(bag.base_log_odds + straight + tree_scores(bag, values))


def tree_scores(bag: Bag, values: Floats) -> Floats:
    """What the trees of each member add to rows of `values` (rows, features): (members, rows)."""
    threads = PREDICTION_THREADS if len(values) >= _ROWS_FOR_THREADS else 1
    scores = [each.predict(values, raw_score=True, num_threads=threads) for each in boosters(bag)]
    return np.vstack(scores).astype(np.float64)


def fit_calibration(raw: Floats, label: Floats, kind: CalibrationKind = "platt") -> Calibration:
    """The calibration with the highest likelihood among those that never fall.

    Rows without a raw score are left out. Where the best map would fall, or the scored rows hold no event,
    it is constant at the rate of all rows.
    """
    constant = Calibration(kind, (rate_log_odds(label),) + (0.0,) * (1 if kind == "platt" else 2))
    scored = np.isfinite(raw)
    events = label[scored].sum()
    if not 0 < events < scored.sum():
        return constant
    columns = _basis(raw[scored], kind)
    spread = columns.std(axis=0)
    if not (spread > 1e-9).all():
        return constant
    fitted = _rising_logistic(columns, label[scored], spread)
    return Calibration(kind, fitted) if any(fitted[1:]) else constant


def _basis(raw: Floats, kind: CalibrationKind) -> Floats:
    """The columns that a calibration weighs, on a new last axis; each rises with the raw log-odds."""
    columns = (raw,) if kind == "platt" else (-np.logaddexp(0.0, -raw), np.logaddexp(0.0, raw))
    return np.stack(columns, axis=-1)


def _rising_logistic(columns: Floats, label: Floats, spread: Floats) -> tuple[float, ...]:
    """Intercept and slopes of a logistic regression with slopes from 0 to STEEPEST_SLOPE."""
    centre = columns.mean(axis=0)
    scaled = np.column_stack([np.ones(len(label)), (columns - centre) / spread])

    def loss(weights: Floats) -> tuple[float, Floats]:
        score = scaled @ weights
        gradient = scaled.T @ (probability(score) - label)
        return float((np.logaddexp(0.0, score) - label * score).sum()), gradient

    start = np.array([rate_log_odds(label), *np.zeros(len(spread))])
    bounds = [(None, None), *((0.0, STEEPEST_SLOPE * width) for width in spread)]
    stop = {"ftol": 1e-14, "gtol": 1e-8}
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=stop).x
    slopes = best[1:] / spread
    return (float(best[0] - slopes @ centre), *(float(slope) for slope in slopes))


def fit_horizons(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    athletes: NDArray[Any],
    settings: Settings,
    monotone: Mapping[str, int],
) -> tuple[HorizonModel, ...]:
    """One calibrated bag per column of `labels` (the horizon in days), ascending.

    Censored rows (NaN) are left out. Neighbouring days say almost the same: see `splits.thin`.
    """
    horizons = sorted(int(column) for column in labels.columns)
    values = {horizon: labels[str(horizon)].to_numpy(dtype=np.float64) for horizon in horizons}
    return tuple(_fit_horizon(horizon, features, values[horizon], athletes, settings, monotone) for horizon in horizons)


def _fit_horizon(
    horizon_days: int,
    features: pd.DataFrame,
    label: Floats,
    athletes: NDArray[Any],
    settings: Settings,
    monotone: Mapping[str, int],
) -> HorizonModel:
    rows = np.flatnonzero(np.isfinite(label))
    require_both_classes(label[rows], f"training the {horizon_days}-day horizon")
    bag, raw = fit_bag(features.iloc[rows], label[rows], np.asarray(athletes)[rows], settings, monotone)
    return HorizonModel(horizon_days, bag, fit_calibration(raw, label[rows], settings.calibration))


def out_of_bag_log_odds(
    model: HorizonModel, features: pd.DataFrame, label: Floats, athletes: NDArray[Any], settings: Settings
) -> Floats:
    """Calibrated log-odds of the rows that the model was fitted on, each by the members that never saw its athlete.

    The arguments are those of the fit. NaN where every member saw the athlete and where the label is censored.
    """
    rows = np.flatnonzero(np.isfinite(label))
    codes = pd.factorize(np.asarray(athletes)[rows])[0]
    samples = athlete_samples(codes, label[rows], settings.members, settings.seed)
    found = np.full(len(label), np.nan)
    raw = out_of_bag(member_log_odds(model.bag, features.iloc[rows]), samples[:, codes] == 0)
    found[rows] = model.calibration.log_odds(raw)
    return found


def predict(models: Sequence[HorizonModel], features: pd.DataFrame) -> Predicted:
    """Probabilities and intervals of all horizons; a longer horizon never scores lower than a shorter one."""
    ordered = sorted(models, key=lambda model: model.horizon_days)
    raw = [member_log_odds(model.bag, features) for model in ordered]
    pairs = list(zip(ordered, raw, strict=True))
    own = np.vstack([model.calibration.log_odds(scores.mean(axis=0)) for model, scores in pairs])
    reach = np.vstack([_reach(model, scores) for model, scores in pairs])
    log_odds, lower, upper = (np.maximum.accumulate(each, axis=0) for each in (own, own - reach, own + reach))
    horizons = tuple(model.horizon_days for model in ordered)
    return Predicted(
        horizons, log_odds, probability(log_odds), probability(lower), probability(upper), sources(own, horizons)
    )


def _reach(model: HorizonModel, raw: Floats) -> Floats:
    return np.full(raw.shape[1], np.nan) if model.spread is None else model.spread.reach(raw)


def sources(own: Floats, horizons_days: tuple[int, ...]) -> Ints:
    """The horizon whose own score is the highest up to each horizon, (horizons, rows), as `own`."""
    source = np.empty(own.shape, dtype=np.int64)
    best = own[0]
    for position, horizon in enumerate(horizons_days):
        is_own = own[position] >= best
        source[position] = np.where(is_own, horizon, source[max(position - 1, 0)])
        best = np.maximum(best, own[position])
    return source
