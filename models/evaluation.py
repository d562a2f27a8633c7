"""An honest evaluation: model and baselines on unseen athletes at a later time, with intervals and a verdict.

Predictions of all folds are pooled, except for the AUROC, which compares only scores of the same fold: each fold has
a model of its own. A fold that tests many injuries has few in training, so even the prevalence baseline's scores
differ between folds, and pooled it would seem to rank athletes (`auroc_pooled` shows how much).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import metrics, splits
from models.baselines import BASELINES, LABELS, BaselineFeatures
from models.estimator import Floats, Ints, Settings, fit_horizons, predict
from models.learner import Learner, TrainingRows
from models.metrics import Metric
from models.sample_size import EXPECTED_AUROC, least_events

MODEL = "model"
"""How the model under evaluation is called beside the keys of BASELINES."""

COMPARED = ("auroc", "average_precision", "scaled_brier", "net_benefit", "alert_precision", "alert_recall")
"""Measures whose difference from each baseline gets an interval of its own; higher is better in all of
them."""


@dataclass(frozen=True)
class Score:
    """One metric of one model; with `against`, the model's value less that baseline's in the same
    resamples."""

    horizon_days: int
    model: str
    against: str | None
    metric: Metric


@dataclass(frozen=True)
class Evaluation:
    """`out_of_fold` holds one row per tested athlete-day, repeat and horizon.

    Its columns: row (position in the index), athlete_id, date, squad, repeat, fold, horizon_days, label
    (NaN if censored), and a probability per model.
    """

    out_of_fold: pd.DataFrame
    scores: tuple[Score, ...]
    verdict: tuple[str, ...]
    horizons_days: tuple[int, ...]
    threshold: float
    alert_budget: int
    names: Mapping[str, str] = field(default_factory=dict)
    """How the columns that the model is compared with are called: baselines first, then alternatives."""

    def metric(self, name: str, horizon_days: int, model: str = MODEL, against: str | None = None) -> Metric:
        """One metric; KeyError with its coordinates if there is none."""
        wanted = (name, horizon_days, model, against)
        for score in self.scores:
            if (score.metric.name, score.horizon_days, score.model, score.against) == wanted:
                return score.metric
        raise KeyError(wanted)

    def table(self) -> pd.DataFrame:
        """All metrics: horizon_days, model, against, and the fields of Metric."""
        return pd.DataFrame([_record(score) for score in self.scores])

    def as_json(self) -> dict[str, Any]:
        """Metrics and verdict as plain values; what is not a number becomes None."""
        return {
            "threshold": self.threshold,
            "alert_budget": self.alert_budget,
            "names": dict(self.names),
            "verdict": list(self.verdict),
            "metrics": [{key: _plain(value) for key, value in _record(score).items()} for score in self.scores],
        }


def _record(score: Score) -> dict[str, Any]:
    where = {"horizon_days": score.horizon_days, "model": score.model, "against": score.against}
    return {**where, **asdict(score.metric)}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


@dataclass(frozen=True)
class _Data:
    """What `evaluate` was given; all frames have one row per row of the index."""

    index: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    onsets: pd.DataFrame
    model_features: list[str]
    squads: NDArray[Any]
    horizons_days: tuple[int, ...]

    def label(self, horizon_days: int) -> Floats:
        return self.labels[str(horizon_days)].to_numpy(dtype=np.float64)


def evaluate(
    index: pd.DataFrame,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    onsets: pd.DataFrame,
    settings: Settings,
    monotone: Mapping[str, int],
    baseline_features: BaselineFeatures,
    *,
    model_features: Sequence[str] | None = None,
    horizons_days: Sequence[int] | None = None,
    squads: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    alternatives: Sequence[Learner] = (),
) -> Evaluation:
    """Predictions of unseen athletes at a later time, their metrics beside every baseline's, and a verdict.

    `onsets` (athlete_id, date) are the injuries that the labels count. Without `horizons_days` all
    columns of `labels`, without `model_features` all columns of `features` (a baseline may read others,
    such as ratios that the model is not given), without `squads` (one per row) everybody in one. Training
    rows are thinned to `settings.every_days`, test rows are not. `progress` is called with the folds done
    and their number. `alternatives` learn from the model's own training rows and stand beside the baselines.
    Raises NotReady (see splits.plan).
    """
    if not len(index) == len(features) == len(labels):
        raise ValueError(f"rows differ: index {len(index)}, features {len(features)}, labels {len(labels)}")
    horizons = tuple(sorted(int(each) for each in horizons_days or labels.columns))
    squad = np.asarray(squads if squads is not None else ["all"] * len(index))
    used = list(model_features if model_features is not None else features.columns)
    data = _Data(index.reset_index(drop=True), features, labels, onsets, used, squad, horizons)
    plan = splits.plan(data.index, horizons[-1], settings, data.label(horizons[0]))
    names = replace(baseline_features, regression=tuple(used))
    compared = _names(alternatives)
    out_of_fold, notes = _run_folds(data, plan.folds, settings, monotone, names, alternatives, progress)
    scores = tuple(_score_all(data, out_of_fold, tuple(compared), settings))
    verdict = (*_verdict(data, scores, compared), *plan.notes, *notes)
    return Evaluation(out_of_fold, scores, verdict, horizons, _threshold(settings), settings.alert_budget, compared)


def _names(alternatives: Sequence[Learner]) -> dict[str, str]:
    """Keys and words of what the model is compared with. ValueError for a key that is taken."""
    names = {key: LABELS[key] for key in BASELINES}
    for learner in alternatives:
        if learner.name == MODEL or learner.name in names:
            raise ValueError(f"alternative {learner.name!r}: this name is taken; known: {MODEL}, {', '.join(names)}")
        names[learner.name] = learner.label
    return names


def _threshold(settings: Settings) -> float:
    """The probability at which one injury foreseen outweighs the needless flags that it takes."""
    return 1 / (1 + settings.acceptable_false_alerts)


def _run_folds(
    data: _Data,
    folds: Sequence[splits.Fold],
    settings: Settings,
    monotone: Mapping[str, int],
    names: BaselineFeatures,
    alternatives: Sequence[Learner],
    progress: Callable[[int, int], None] | None,
) -> tuple[pd.DataFrame, list[str]]:
    is_kept = np.zeros(len(data.index), dtype=bool)
    is_kept[splits.thin(data.index, settings.every_days)] = True
    parts: list[pd.DataFrame] = []
    notes: list[str] = []
    constant = 0
    for done, fold in enumerate(folds):
        train = _training_rows(data, fold.train, is_kept)
        predicted, is_constant = _model_predictions(data, train, fold.test, settings, monotone)
        constant += is_constant
        others = _alternative_predictions(data, train, fold.test, settings, monotone, alternatives)
        for position, horizon in enumerate(data.horizons_days):
            columns, remarks = _baseline_predictions(data, train, fold.test, horizon, settings, names)
            columns |= {name: chances[position] for name, chances in others.items()}
            parts.append(_fold_rows(data, fold, done, horizon, {MODEL: predicted[position], **columns}))
            notes += [remark for remark in remarks if remark not in notes]
        if progress:
            progress(done + 1, len(folds))
    if constant:
        fits = len(folds) * len(data.horizons_days)
        notes.append(f"In {constant} of {fits} fits the calibration found nothing and gave the base rate.")
    return pd.concat(parts, ignore_index=True), notes


def _training_rows(data: _Data, train: Ints, is_kept: NDArray[np.bool_]) -> Ints:
    """The thinned rows; all of them where thinning would leave out the last row with an event."""
    kept = train[is_kept[train]]
    has_both = all({0.0, 1.0} <= set(data.label(horizon)[kept]) for horizon in data.horizons_days)
    return kept if has_both else train


def _model_predictions(
    data: _Data, train: Ints, test: Ints, settings: Settings, monotone: Mapping[str, int]
) -> tuple[Floats, int]:
    """(horizons, test rows) probabilities, and for how many horizons the calibration is constant."""
    smaller = replace(settings, members=settings.evaluation_members)
    labels = data.labels[[str(horizon) for horizon in data.horizons_days]].iloc[train]
    athletes = data.index["athlete_id"].to_numpy()[train]
    fitted = fit_horizons(data.features[data.model_features].iloc[train], labels, athletes, smaller, monotone)
    constant = sum(model.calibration.is_constant for model in fitted)
    return predict(fitted, data.features[data.model_features].iloc[test]).probability, constant


def _alternative_predictions(
    data: _Data,
    train: Ints,
    test: Ints,
    settings: Settings,
    monotone: Mapping[str, int],
    alternatives: Sequence[Learner],
) -> dict[str, Floats]:
    """Each alternative's (horizons, test rows) probabilities, from the model's own training rows and bag size."""
    rows = TrainingRows(
        data.features[data.model_features].iloc[train],
        data.labels[[str(horizon) for horizon in data.horizons_days]].iloc[train],
        data.index.iloc[train],
        data.squads[train],
        monotone,
    )
    smaller = replace(settings, members=settings.evaluation_members)
    tested = data.features[data.model_features].iloc[test]
    return {learner.name: learner.fit(rows, smaller).chances(tested) for learner in alternatives}


def _baseline_predictions(
    data: _Data, train: Ints, test: Ints, horizon_days: int, settings: Settings, names: BaselineFeatures
) -> tuple[dict[str, Floats], list[str]]:
    label = data.label(horizon_days)
    rows = train[np.isfinite(label[train])]
    fitted = [fit(data.features.iloc[rows], label[rows], names, settings) for fit in BASELINES.values()]
    tested = data.features.iloc[test]
    return {each.name: each.predict(tested) for each in fitted}, [each.note for each in fitted if each.note]


def _fold_rows(
    data: _Data, fold: splits.Fold, number: int, horizon_days: int, chances: dict[str, Floats]
) -> pd.DataFrame:
    tested = data.index.iloc[fold.test]
    return pd.DataFrame({
        "row": fold.test,
        "athlete_id": tested["athlete_id"].to_numpy(),
        "date": tested["date"].to_numpy(),
        "squad": data.squads[fold.test],
        "repeat": fold.repeat,
        "fold": number,
        "horizon_days": horizon_days,
        "label": data.label(horizon_days)[fold.test],
        **chances,
    })  # fmt: skip


def _score_all(data: _Data, out_of_fold: pd.DataFrame, compared: Sequence[str], settings: Settings) -> Iterator[Score]:
    for horizon in data.horizons_days:
        rows = _complete(out_of_fold[out_of_fold["horizon_days"] == horizon])
        if len(rows):
            yield from _score_horizon(rows, data.onsets, horizon, compared, settings)


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a label, up to the last day on which a non-event is known.

    After it the horizon runs past the data, so that only events have a label: they would look too frequent.
    """
    last = rows.loc[rows["label"] == 0, "date"].max()
    is_known = rows["label"].notna() & (rows["date"] <= last)
    return pd.DataFrame(rows[is_known]).reset_index(drop=True)


def _score_horizon(
    rows: pd.DataFrame, onsets: pd.DataFrame, horizon_days: int, compared: Sequence[str], settings: Settings
) -> Iterator[Score]:
    covered = metrics.covered_injuries(rows, onsets, horizon_days)
    injuries = len(covered[["athlete_id", "onset"]].drop_duplicates())
    label = rows["label"].to_numpy(dtype=np.float64)
    clustered = metrics.clusters(label, rows["athlete_id"], settings.resamples, settings.seed, injuries)
    draws = {
        model: _draws(clustered, rows.assign(probability=rows[model]), covered, settings)
        for model in (MODEL, *compared)
    }
    for model, measured in draws.items():
        for name, values in measured.items():
            yield Score(horizon_days, model, None, metrics.summarise(name, values, clustered))
    for other in compared:
        for name in COMPARED:
            difference = draws[MODEL][name] - draws[other][name]
            yield Score(horizon_days, MODEL, other, metrics.summarise(name, difference, clustered))


def _draws(
    clustered: metrics.Clusters, rows: pd.DataFrame, covered: pd.DataFrame, settings: Settings
) -> dict[str, Floats]:
    chance = rows["probability"].to_numpy(dtype=np.float64)
    pooled = metrics.measure(clustered, chance, _threshold(settings))
    return {
        **pooled,
        "auroc": metrics.auroc(clustered, chance, rows["fold"].to_numpy()),
        "auroc_pooled": pooled["auroc"],
        **metrics.alert_budget(clustered, rows, covered, settings.alert_budget),
    }


def _verdict(data: _Data, scores: Sequence[Score], compared: Mapping[str, str]) -> Iterator[str]:
    """What this data can and cannot carry, in plain sentences."""
    yield from _amount(data)
    for horizon in data.horizons_days:
        chosen = [score for score in scores if score.horizon_days == horizon and score.model == MODEL]
        found = {(score.against, score.metric.name): score.metric for score in chosen}
        if not found:
            yield f"{horizon} days: no tested day has a known outcome, so there is no figure."
            continue
        yield _discrimination(horizon, found[None, "auroc"])
        yield from _against_others(horizon, found, compared)


def _amount(data: _Data) -> Iterator[str]:
    longest = data.horizons_days[-1]
    labelled = data.index.assign(label=data.label(longest))
    covered = metrics.covered_injuries(labelled, data.onsets, longest)
    injuries = covered[["athlete_id", "onset"]].drop_duplicates()
    used = int(data.features[data.model_features].notna().any().sum())
    yield (
        f"{len(injuries)} injuries of {injuries['athlete_id'].nunique()} athletes among "
        f"{data.index['athlete_id'].nunique()}, for {used} features: "
        f"{len(injuries) / max(used, 1):.2g} injuries per feature."
    )
    rate = float(np.nanmean(data.label(longest)))
    needed = least_events(max(used, 1), rate, EXPECTED_AUROC)
    met = "met" if len(injuries) >= needed else "not met, so scores may fit chance and need an independent check"
    yield (
        f"To learn from so many features Riley's criteria ask for about {needed:,} injuries at an expected "
        f"AUROC of {EXPECTED_AUROC:.2f} ({longest}-day horizon): {met}."
    )


def _discrimination(horizon_days: int, auroc: Metric) -> str:
    tested = (
        f"{horizon_days} days: {auroc.n_rows:,} tested athlete-days of {auroc.n_athletes} athletes "
        f"before {auroc.n_events} injuries."
    )
    if not np.isfinite(auroc.value):
        return f"{tested} AUROC is {auroc.reason}."
    if not np.isfinite(auroc.lower):
        return f"{tested} AUROC {auroc.value:.2f}, {auroc.reason}."
    half_width = (auroc.upper - auroc.lower) / 2
    if auroc.lower > 0.5:
        meaning = "the interval excludes 0.5, so it ranks athletes better than chance"
    elif auroc.upper < 0.5:
        meaning = "the whole interval is below 0.5, so it ranks athletes worse than chance"
    else:
        meaning = "the interval includes 0.5, so this data cannot tell the ranking from chance"
    interval = f"95% interval {auroc.lower:.2f} to {auroc.upper:.2f}, half-width {half_width:.2f}"
    return f"{tested} AUROC {auroc.value:.2f} ({interval}): {meaning}."


def _against_others(
    horizon_days: int, found: Mapping[tuple[str | None, str], Metric], compared: Mapping[str, str]
) -> Iterator[str]:
    gains = {other: found[other, "auroc"] for other in compared if other != "prevalence"}
    better = [name for name, gain in gains.items() if gain.lower > 0]
    worse = [name for name, gain in gains.items() if gain.upper < 0]
    unproven = [name for name in gains if name not in (*better, *worse)]
    for names, claim in (
        (better, "shown to be higher"),
        (worse, "shown to be lower"),
        (unproven, "not shown to be higher"),
    ):
        if names:
            listed = ", ".join(compared[name] for name in names)
            yield f"{horizon_days} days: AUROC is {claim} than that of {listed}."
    ahead = min(gains, key=lambda name: gains[name].value if np.isfinite(gains[name].value) else np.inf)
    if gains[ahead].value < 0:
        estimate = found[None, "auroc"].value - gains[ahead].value
        better_one = f"{compared[ahead]} ranks better here (AUROC {estimate:.2f})"
        yield f"{horizon_days} days: {better_one}: prefer it to this model."
