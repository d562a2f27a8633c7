"""The search for settings, judged on inner folds of the rows it is given, and whether its best trial is worth taking.

Optuna's sampler proposes; every trial learns and is tested on the same inner folds (unseen athletes at a later time),
so differences between trials are paired by athlete. The best of many trials looks better than it is (the winner's
curse): its interval allows for the choice, as in White's reality check (2000, Econometrica 68(5):1097-1126), with
athletes resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import configs
from configs.errors import ConfigError, NotReady
from models import splits
from models.estimator import Settings, settings_from_json
from models.learner import FittedTrees, Learner, TrainingRows, Trees
from models.metrics import athlete_draws
from models.odds import Floats, Ints

TUNABLE: Mapping[str, type[int] | type[float]] = {
    "learning_rate": float, "trees": int, "leaves": int, "smallest_leaf_share": float, "smallest_leaf_rows": int,
    "feature_fraction": float, "l2": float, "path_smooth": float, "bins": int, "straight_penalty": float,
}  # fmt: skip
"""Settings that a search may change: none that decides how anything is judged."""

CONFIDENCE = 0.95
_SURE = 1e-6
"""Probabilities closer to 0 or 1 than this lose as much as this: one certain error must not decide a search."""

Values = Mapping[str, float | int]


@dataclass(frozen=True)
class Range:
    """Where one setting may lie, ends included; `log` samples its logarithm evenly."""

    name: str
    low: float
    high: float
    log: bool

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Tuning:
    """configs/tuning.toml, where each value is explained."""

    trials: int
    random_trials: int
    members: int
    athlete_folds: int
    time_blocks: int
    resamples: int
    least_injured_athletes: int
    space: tuple[Range, ...]


@dataclass(frozen=True)
class Trial:
    """Settings that were tried: what they change, and the log-loss summed over each athlete's tested rows.

    `losses` is (horizons, athletes), `loss` the mean over horizons of the mean over rows.
    """

    values: Values
    loss: float
    losses: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Gain:
    """By how much the best trial's log-loss is lower than that of the present settings, with 95 % intervals.

    `lower` and `upper` hold for the best of all trials at once; `alone_lower` and `alone_upper` would hold had only
    this one been tried.
    """

    value: float
    lower: float
    upper: float
    alone_lower: float
    alone_upper: float


@dataclass(frozen=True)
class Search:
    """Trials over one set of rows; the first is the present settings. `counts` (horizons, athletes) are tested rows."""

    present: Settings
    tuning: Tuning
    trials: tuple[Trial, ...]
    counts: Floats
    injured: int
    folds: int

    @property
    def best(self) -> Trial:
        """The trial of the lowest loss, the earliest of several."""
        return min(self.trials, key=lambda trial: trial.loss)

    @property
    def is_shown_better(self) -> bool:
        """True if the best trial's gain is above chance after allowing for the choice, over enough injured athletes."""
        enough = self.injured >= self.tuning.least_injured_athletes
        return enough and self.gain is not None and self.gain.lower > 0

    @property
    def recommended(self) -> Settings:
        """The best trial's settings if they are shown to be better, else the present ones."""
        return with_values(self.present, self.best.values) if self.is_shown_better else self.present

    @cached_property
    def gain(self) -> Gain | None:
        """None while nothing but the present settings was tried, or where they are the best."""
        if self.best is self.trials[0]:
            return None
        return _gain(self.trials, self.trials.index(self.best) - 1, self.counts, self.present.seed, self.tuning)

    def sentences(self) -> tuple[str, ...]:
        """What was tried, what the best is worth, and what to do, in plain words."""
        return tuple(_in_words(self))

    def as_json(self) -> dict[str, Any]:
        """The search in plain values: how much was tried, the best and what is recommended."""
        gain = self.gain
        return {
            "trials": len(self.trials),
            "objective": "log-loss of calibrated probabilities on inner folds, mean over horizons",
            "inner_folds": self.folds,
            "athletes": self.counts.shape[1],
            "injured_athletes": self.injured,
            "present": {each.name: getattr(self.present, each.name) for each in self.tuning.space},
            "present_loss": self.trials[0].loss,
            "best": dict(self.best.values),
            "best_loss": self.best.loss,
            "gain": None if gain is None else {each.name: getattr(gain, each.name) for each in fields(gain)},
            "is_shown_better": self.is_shown_better,
            "sentences": list(self.sentences()),
        }


def _in_words(search: Search) -> Iterator[str]:
    others, tested = len(search.trials) - 1, search.counts.shape[1]
    yield (
        f"{len(search.trials)} trials: the present settings and {others} others, each on {search.folds} inner folds "
        f"that test {tested} athletes, {search.injured} of them before an injury."
    )
    gain, present = search.gain, search.trials[0].loss
    if gain is None:
        yield f"None of the {others} others has a lower log-loss than the present settings ({present:.5f})."
    else:
        yield (
            f"Log-loss of the best {search.best.loss:.5f}, of the present settings {present:.5f}: lower by "
            f"{gain.value:.5f} (95% interval {gain.lower:.5f} to {gain.upper:.5f}, which allows for choosing the best "
            f"of {others})."
        )
    yield _advice(search)


def _advice(search: Search) -> str:
    least = search.tuning.least_injured_athletes
    if search.is_shown_better:
        return "The best trial is shown to be better than the present settings: take it, and judge it on unseen data."
    if search.gain is not None and search.gain.lower > 0:
        return (
            f"Keep the present settings: {search.injured} injured athletes were tested, and below {least} no choice "
            "among trials can be believed."
        )
    return (
        "Keep the present settings: no trial is shown to be better. The best of many always looks better than it is "
        "(the winner's curse)."
    )


def load_tuning(folder: Path | None = None) -> Tuning:
    """configs/tuning.toml, or the copy in `folder`. ConfigError for what is unknown, missing or out of range."""
    content = configs.load("tuning.toml", folder)
    numbers = [field.name for field in fields(Tuning) if field.name != "space"]
    configs.reject_unknown(content, {*numbers, "space"}, "tuning.toml")
    if missing := sorted({*numbers, "space"} - set(content)):
        raise ConfigError(f"tuning.toml: missing {', '.join(missing)}.")
    for name in numbers:
        if not _is_whole(content[name]) or content[name] < _LEAST.get(name, 1):
            raise ConfigError(
                f"tuning.toml: {name} = {content[name]!r}. Give a whole number from {_LEAST.get(name, 1)}."
            )
    return Tuning(**{name: content[name] for name in numbers}, space=_space(content["space"]))


_LEAST: Mapping[str, int] = {"athlete_folds": 2, "resamples": 100, "least_injured_athletes": 2}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _space(content: Any) -> tuple[Range, ...]:
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"tuning.toml: [space] is {content!r}. Give at least one setting with its range.")
    configs.reject_unknown(content, set(TUNABLE), "tuning.toml, [space]")
    return tuple(_range(name, entry) for name, entry in content.items())


def _range(name: str, entry: Any) -> Range:
    where = f"tuning.toml, [space], {name}"
    if not isinstance(entry, dict) or not {"from", "to"} <= set(entry):
        raise ConfigError(f"{where}: {entry!r}. Write it as {{ from = 1, to = 10 }}, with log = true if factors count.")
    configs.reject_unknown(entry, {"from", "to", "log"}, where)
    is_log, kind = entry.get("log", False), TUNABLE[name]
    ends = (entry["from"], entry["to"])
    is_number = all(_is_whole(end) or (kind is float and isinstance(end, float)) for end in ends)
    if not is_number or not ends[0] < ends[1] or not isinstance(is_log, bool) or (is_log and ends[0] <= 0):
        kinds = "whole numbers" if kind is int else "numbers"
        raise ConfigError(f"{where}: {entry}. Give {kinds} that rise, above 0 where log = true.")
    for end in ends:  # the settings' own range, with its own message
        settings_from_json({**configs.load("model.toml"), name: end}, where)
    return Range(name, float(ends[0]), float(ends[1]), is_log)


def with_values(settings: Settings, values: Values) -> Settings:
    """The settings with a trial's values in place of theirs."""
    return replace(settings, **dict(values))  # type: ignore[arg-type]


def search(
    rows: TrainingRows,
    settings: Settings,
    tuning: Tuning,
    trials: int,
    *,
    finished: Sequence[Trial] = (),
    keep: Callable[[Trial], None] | None = None,
    learner: Learner | None = None,
) -> Search:
    """Try settings until `trials` of them are done, the present ones first; the same seed tries the same.

    `finished` are the trials of a search that was interrupted: it goes on as if it never had been. `keep` is called
    with each new trial. Nothing but `rows` is looked at. Raises NotReady where they cannot be split again.
    """
    judge = _Judge.of(rows, settings, tuning, learner or Trees())
    done = list(finished[:trials])
    while len(done) < trials:
        values = _proposed(done, settings, tuning) if done else {}
        trial = judge.trial(values)
        done.append(trial)
        if keep:
            keep(trial)
    return Search(settings, tuning, tuple(done), judge.counts, judge.injured, len(judge.folds))


@dataclass(frozen=True)
class _Judge:
    """Inner folds of the rows, and what every trial is tested on."""

    rows: TrainingRows
    settings: Settings
    learner: Learner
    folds: tuple[tuple[Ints, Ints], ...]
    athlete: Ints
    counts: Floats
    injured: int

    @classmethod
    def of(cls, rows: TrainingRows, settings: Settings, tuning: Tuning, learner: Learner) -> _Judge:
        folds_of = {"athlete_folds": tuning.athlete_folds, "time_blocks": tuning.time_blocks, "repeats": 1}
        inner = with_values(settings, {**folds_of, "members": tuning.members})
        folds = _inner_folds(rows, inner)
        tested = np.concatenate([test for _, test in folds])
        names, athlete = np.unique(rows.athletes[tested].astype(str), return_inverse=True)
        code = np.full(len(rows.index), -1, dtype=np.int64)
        code[tested] = athlete
        label = rows.labels.iloc[tested, _places(rows)].to_numpy(dtype=np.float64)
        counts = [np.bincount(athlete[np.isfinite(each)], minlength=len(names)) for each in label.T]
        injured = len(np.unique(athlete[(label == 1).any(axis=1)]))
        return cls(rows, inner, learner, folds, code, np.array(counts, dtype=np.float64), injured)

    def trial(self, values: Values) -> Trial:
        """One set of settings, learnt and tested on every inner fold."""
        total = np.zeros(self.counts.shape)
        for train, test in self.folds:
            fitted = self.learner.fit(_part(self.rows, train), with_values(self.settings, values))
            chances = fitted.chances(self.rows.features.iloc[test])
            for number, place in enumerate(_places(self.rows)):
                label = self.rows.labels.iloc[test, place].to_numpy(dtype=np.float64)
                total[number] += self._by_athlete(test, label, chances[number])
        return Trial(dict(values), _mean_loss(total, self.counts), tuple(tuple(map(float, row)) for row in total))

    def _by_athlete(self, test: Ints, label: Floats, chance: Floats) -> Floats:
        known = np.isfinite(label)
        inside = np.clip(chance[known], _SURE, 1 - _SURE)
        loss = -np.where(label[known] == 1, np.log(inside), np.log1p(-inside))
        summed = np.bincount(self.athlete[test[known]], weights=loss, minlength=self.counts.shape[1])
        return summed.astype(np.float64)


def _places(rows: TrainingRows) -> list[int]:
    """Columns of the labels, horizons ascending."""
    return [list(rows.labels.columns).index(str(days)) for days in rows.horizons_days]


def _part(rows: TrainingRows, chosen: Ints) -> TrainingRows:
    return replace(
        rows,
        features=rows.features.iloc[chosen],
        labels=rows.labels.iloc[chosen],
        index=rows.index.iloc[chosen],
        squads=rows.squads[chosen],
    )


def _inner_folds(rows: TrainingRows, settings: Settings) -> tuple[tuple[Ints, Ints], ...]:
    """Training and test positions of each fold that has something to learn from. NotReady without a tested injury."""
    shortest, longest = rows.horizons_days[0], rows.horizons_days[-1]
    label = rows.labels[str(shortest)].to_numpy(dtype=np.float64)
    plan = splits.plan(rows.index.reset_index(drop=True), longest, settings, label)
    folds = tuple((fold.train, fold.test) for fold in plan.folds if _can_teach(rows, fold.train))
    events = [(rows.labels.iloc[test] == 1).any().to_numpy() for _, test in folds]
    if not folds or not np.any(events, axis=0).all():
        raise NotReady(
            "too few injuries to search for settings: inner folds need some to learn from and others to test, at every "
            "horizon. Ingest injuries of more athletes or of a longer time, or widen the target."
        )
    return folds


def _can_teach(rows: TrainingRows, train: Ints) -> bool:
    """True if every horizon has rows before an injury and rows before none."""
    labels = rows.labels.iloc[train]
    return bool((labels == 1).any().all() and (labels == 0).any().all())


def _mean_loss(losses: Floats, counts: Floats) -> float:
    return float((losses.sum(axis=1) / counts.sum(axis=1)).mean())


def _proposed(done: Sequence[Trial], settings: Settings, tuning: Tuning) -> dict[str, float | int]:
    """What Optuna's sampler asks for after the trials done so far.

    Each proposal has a study and a seed of its own, so that a search taken up again goes on as it would have.
    """
    optuna = _import_optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        sampler = optuna.samplers.TPESampler(n_startup_trials=tuning.random_trials + 1, seed=settings.seed + len(done))
        study = optuna.create_study(direction="minimize", sampler=sampler)
        distributions = {each.name: _distribution(each) for each in tuning.space}
        for trial in done:
            found = {each.name: trial.values.get(each.name, getattr(settings, each.name)) for each in tuning.space}
            if all(each.holds(found[each.name]) for each in tuning.space):
                study.add_trial(optuna.create_trial(params=found, distributions=distributions, value=trial.loss))
        return dict(study.ask(distributions).params)
    finally:
        optuna.logging.set_verbosity(before)


def _import_optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise NotReady("tuning needs Optuna, which is not installed: pip install 'strainwatch[tune]'.") from error
    return optuna


def _distribution(each: Range) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    if TUNABLE[each.name] is int:
        return IntDistribution(int(each.low), int(each.high), log=each.log)
    return FloatDistribution(each.low, each.high, log=each.log)


def _gain(trials: Sequence[Trial], best: int, counts: Floats, seed: int, tuning: Tuning) -> Gain:
    """The gain of the trial at position `best` among those after the first, with intervals over athletes."""
    losses = np.array([trial.losses for trial in trials])
    lower_by = losses[0] - losses[1:]
    athletes = counts.shape[1]
    weights = athlete_draws(athletes, tuning.resamples, seed)
    value, draws = _means(lower_by, np.ones((1, athletes)), counts)[:, 0], _means(lower_by, weights, counts)
    spread = draws.std(axis=1)
    usable = spread > 0  # settings that predict alike everywhere differ in nothing that could be chosen
    far = np.abs(draws[usable] - value[usable, None]) / spread[usable, None]
    reach = float(np.quantile(far.max(axis=0, initial=0.0), CONFIDENCE)) * spread[best]
    alone = np.quantile(draws[best], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Gain(float(value[best]), float(value[best] - reach), float(value[best] + reach), *map(float, alone))


def _means(sums: Floats, weights: Floats | Ints, counts: Floats) -> Floats:
    """(trials, resamples): mean over horizons of a per-row mean, from sums (trials, horizons, athletes)."""
    rows = weights @ counts.T
    return np.asarray(((sums @ weights.T).transpose(0, 2, 1) / rows).mean(axis=2))


@dataclass(frozen=True)
class Tuned:
    """Trees with the best settings of a search in their own training rows: what the evaluation judges as one procedure.

    It takes the best trial even where `search` would recommend against it, and so shows on unseen athletes and later
    time what choosing the best is worth. `told` is called with every search, or with None where the rows were too few
    for one.
    """

    tuning: Tuning
    trials: int
    told: Callable[[Search | None], None]
    name: str = "tuned"

    @property
    def label(self) -> str:
        return f"best of {self.trials} trials"

    def fit(self, rows: TrainingRows, settings: Settings) -> FittedTrees:
        """See `Learner`."""
        try:
            found = search(rows, settings, self.tuning, self.trials)
        except NotReady:
            self.told(None)
            return Trees().fit(rows, settings)
        self.told(found)
        return Trees().fit(rows, with_values(settings, found.best.values))
