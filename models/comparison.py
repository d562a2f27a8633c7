"""Challenger against champion on the same later data: both as they are on days that neither has learnt from, or, where
these hold too few injuries, what their recipes give on unseen athletes at later times, in the same folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from configs.errors import NotReady
from models import metrics, splits
from models.baselines import BASELINES, BaselineFeatures
from models.bundle import Bundle
from models.estimator import Settings
from models.fallback import can_score, predict_fallback, share_missing
from models.gate import BASELINE, Judged, Limits, refused, subgroups, with_interval
from models.learner import TrainingRows, Trees
from models.metrics import Metric
from models.odds import Floats, Ints
from models.recalibration import predict_squads
from models.tested import Tested, tested_rows

CHALLENGER, CHAMPION = "challenger", "champion"
HIGHER_IS_BETTER = ("auroc", "net_benefit", "average_precision", "scaled_brier")
WORDS = {"auroc": "AUROC", "net_benefit": "net benefit"}
DECIDING = tuple(WORDS)
Kind = Literal["later days", "same folds"]


@dataclass(frozen=True)
class Material:
    """The store's athlete-days at risk as both models' target has them; all frames with one row per day.

    `features` hold what the baseline reads, `groups` the subgroups that each day belongs to, a column per
    kind.
    """

    index: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    onsets: pd.DataFrame
    squads: NDArray[Any]
    groups: pd.DataFrame

    def label(self, horizon_days: int) -> Floats:
        return self.labels[str(horizon_days)].to_numpy(dtype=np.float64)

    @property
    def horizons_days(self) -> tuple[int, ...]:
        return tuple(sorted(int(days) for days in self.labels.columns))


@dataclass(frozen=True)
class Side:
    """One of the two: what it reads of the same days (only what its model uses), and how it learns from them.

    `older_days`: so many days older than the other's were the data that it learnt from.
    """

    name: str
    features: pd.DataFrame
    monotone: Mapping[str, int]
    settings: Settings
    older_days: int = 0


@dataclass(frozen=True)
class Ground:
    """Days with a probability per model: rows as `tested_rows` takes them, and why it is these."""

    rows: pd.DataFrame
    kind: Kind
    why: str


@dataclass(frozen=True)
class Compared:
    """One measure of both and the paired difference, challenger less champion."""

    name: str
    challenger: Metric
    champion: Metric
    difference: Metric


@dataclass(frozen=True)
class Comparison:
    """What was found; `why` says which days were used for which reason."""

    horizon_days: int
    ground: Kind
    why: str
    judged: Judged
    scores: tuple[Compared, ...]

    def refusals(self, leaks: Sequence[str], limits: Limits) -> tuple[str, ...]:
        """Why the champion stays; empty if the challenger may replace it."""
        return (*refused(self.judged, leaks, limits), *self._not_better())

    def _not_better(self) -> Iterator[str]:
        deciding = [score for score in self.scores if score.name in DECIDING]
        for score in deciding:
            if score.difference.upper < 0:
                yield f"shown to be worse than the champion: {WORDS[score.name]} by {with_interval(score.difference)}"
        if deciding and not any(score.difference.value > 0 for score in deciding):
            told = ", ".join(f"{WORDS[score.name]} by {with_interval(score.difference)}" for score in deciding)
            yield f"not estimated to be better than the champion: {told}"


def later_rows(
    material: Material,
    horizon_days: int,
    challenger: tuple[Bundle, pd.DataFrame],
    champion: tuple[Bundle, pd.DataFrame] | None,
    names: BaselineFeatures,
    settings: Settings,
) -> pd.DataFrame:
    """Days after the data of all, scored by the bundles as they are (each with its own features of all days).

    The baseline learns from the days before. NotReady where it cannot.
    """
    sides = {CHALLENGER: challenger} | ({CHAMPION: champion} if champion else {})
    cut = max(bundle.data_cut for bundle, _ in sides.values())
    day, label = material.index["date"], material.label(horizon_days)
    is_known = np.isfinite(label)
    before = np.flatnonzero(is_known & (day <= cut - pd.Timedelta(days=horizon_days)).to_numpy())
    later = np.flatnonzero(is_known & (day > cut).to_numpy())
    chances = {
        name: _as_served(bundle, material, values, later, horizon_days) for name, (bundle, values) in sides.items()
    }
    chances[BASELINE] = _baseline(material, before, later, label, names, settings)
    return _rows(material, later, 0, horizon_days, chances)


def _as_served(bundle: Bundle, material: Material, values: pd.DataFrame, rows: Ints, horizon_days: int) -> Floats:
    """Probabilities as a morning's scores have them: by squad, and by age and history where too little is measured.

    The latter without the squad's own rate.
    """
    own, squads = values.iloc[rows], material.squads[rows]
    predicted = predict_squads(bundle.models, bundle.recalibrations, own, squads)
    place = predicted.horizons_days.index(horizon_days)
    missed = {name: summary.share_missing for name, summary in bundle.feature_summary.items()}
    share = share_missing(own, bundle.models[0].bag.feature_names, missed)
    by_age = (share > bundle.target.abstain_share_missing) & can_score(bundle.fallback, own)
    chance = predicted.probability[place].copy()
    if by_age.any():
        chance[by_age] = predict_fallback(bundle.fallback, own[by_age]).probability[place]
    return np.asarray(chance)


def fold_rows(
    material: Material,
    horizon_days: int,
    sides: Sequence[Side],
    names: BaselineFeatures,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Tested days of the folds of an evaluation by `settings`, each recipe fitted in every fold.

    Raises NotReady where the data carry no such folds, or where older data leave a side nothing to learn from.
    """
    horizons = material.horizons_days
    plan = splits.plan(material.index, horizons[-1], settings, material.label(horizons[0]))
    label, parts = material.label(horizon_days), []
    for number, fold in enumerate(plan.folds):
        test = fold.test[np.isfinite(label[fold.test])]
        chances = {side.name: _refitted(material, side, fold, test, horizon_days, settings) for side in sides}
        chances[BASELINE] = _baseline(
            material, fold.train[np.isfinite(label[fold.train])], test, label, names, settings
        )
        parts.append(_rows(material, test, number, horizon_days, chances))
        if progress:
            progress(number + 1, len(plan.folds))
    return pd.concat(parts, ignore_index=True)


def _refitted(
    material: Material, side: Side, fold: splits.Fold, test: Ints, horizon_days: int, settings: Settings
) -> Floats:
    """Probabilities of a side that learns as its recipe says, with the bag of an evaluation."""
    days = [str(each) for each in material.horizons_days if each <= horizon_days]
    smaller = replace(side.settings, members=settings.evaluation_members)
    last = fold.cut - pd.Timedelta(days=material.horizons_days[-1] + side.older_days)
    train = fold.train[(material.index["date"].iloc[fold.train] <= last).to_numpy()]
    train = _thinned(material, train, days, smaller.every_days)
    rows = TrainingRows(
        side.features.iloc[train],
        material.labels[days].iloc[train],
        material.index.iloc[train],
        material.squads[train],
        side.monotone,
    )
    return np.asarray(Trees().fit(rows, smaller).chances(side.features.iloc[test])[-1])


def _thinned(material: Material, train: Ints, days: Sequence[str], every_days: int) -> Ints:
    """The thinned rows; all of them where thinning would leave out the last row with an event."""
    kept = train[splits.thin(material.index.iloc[train], every_days)]
    has_both = all({0.0, 1.0} <= set(material.labels[each].iloc[kept]) for each in days)
    return kept if has_both else train


def _baseline(
    material: Material, train: Ints, test: Ints, label: Floats, names: BaselineFeatures, settings: Settings
) -> Floats:
    if not len(train):
        raise NotReady("no earlier day with a known outcome: age and history cannot be learnt.")
    fitted = BASELINES[BASELINE](material.features.iloc[train], label[train], names, settings)
    return fitted.predict(material.features.iloc[test])


def _rows(material: Material, test: Ints, fold: int, horizon_days: int, chances: Mapping[str, Floats]) -> pd.DataFrame:
    tested = material.index.iloc[test]
    return pd.DataFrame({
        "row": test,
        "athlete_id": tested["athlete_id"].to_numpy(),
        "date": tested["date"].to_numpy(),
        "squad": material.squads[test],
        "repeat": 0,
        "fold": fold,
        "horizon_days": horizon_days,
        "label": material.label(horizon_days)[test],
        **chances,
    })  # fmt: skip


def injuries_in(rows: pd.DataFrame, onsets: pd.DataFrame, horizon_days: int) -> int:
    """Different injuries that lie in the horizon of the rows."""
    covered = metrics.covered_injuries(rows, onsets, horizon_days)
    return len(covered[["athlete_id", "onset"]].drop_duplicates())


def own_level(material: Material, bundle: Bundle, values: pd.DataFrame, horizon_days: int, settings: Settings) -> float:
    """Observed over expected of a bundle as it is, over the days that it learnt from, thinned; NaN without any.

    A recipe may be sound and what was registered under its name not: folds would not notice. A sound model foretells
    about as many events as it learnt from.
    """
    label = material.label(horizon_days)
    rows = splits.thin(material.index, settings.every_days)
    learnt = (material.index["date"] <= bundle.data_cut - pd.Timedelta(days=horizon_days)).to_numpy()
    rows = rows[np.isfinite(label[rows]) & learnt[rows]]
    if not len(rows):
        return np.nan
    return float(label[rows].sum() / _as_served(bundle, material, values, rows, horizon_days).sum())


def compare(ground: Ground, material: Material, horizon_days: int, settings: Settings) -> Comparison:
    """Measures of both on the same days, with paired differences, and what the gate asks of the challenger.

    Without a champion's column there is nothing to differ from: `scores` is empty. Raises NotReady without an event.
    """
    tested = tested_rows(ground.rows, material.onsets, horizon_days, settings)
    if tested is None or set(tested.rows["label"]) != {0.0, 1.0}:
        raise NotReady("the tested days hold no injury, or nothing else: there is nothing to compare by.")
    models = [name for name in (CHALLENGER, CHAMPION, BASELINE) if name in tested.rows]
    draws = {model: _draws(tested, model, settings) for model in models}
    gains = {name: tested.summary(name, draws[CHALLENGER][name] - draws[BASELINE][name]) for name in DECIDING}
    chance = tested.chance(CHALLENGER)
    judged = Judged(
        gains["auroc"],
        gains["net_benefit"],
        tested.summary("calibration_slope", metrics.calibration_slope(tested.clustered, chance, tested.fold)),
        tested.summary("observed_expected", metrics.observed_expected(tested.clustered, chance)),
        subgroups(tested.rows, CHALLENGER, material.groups.iloc[tested.rows["row"]]),
    )
    scores = [_compared(name, draws, tested) for name in HIGHER_IS_BETTER] if CHAMPION in models else []
    return Comparison(horizon_days, ground.kind, ground.why, judged, tuple(scores))


def _draws(tested: Tested, model: str, settings: Settings) -> dict[str, Floats]:
    rows, chance = tested.clustered, tested.chance(model)
    return {
        "auroc": metrics.auroc(rows, chance, tested.fold),
        "net_benefit": metrics.net_benefit(rows, chance, 1 / (1 + settings.acceptable_false_alerts)),
        "average_precision": metrics.average_precision(rows, chance, tested.fold),
        "scaled_brier": metrics.scaled_brier(rows, chance),
    }


def _compared(name: str, draws: Mapping[str, Mapping[str, Floats]], tested: Tested) -> Compared:
    challenger, champion = draws[CHALLENGER][name], draws[CHAMPION][name]
    summed = [tested.summary(name, each) for each in (challenger, champion, challenger - champion)]
    return Compared(name, *summed)
