"""An honest evaluation: model, baselines, alternatives on unseen athletes at a later time, with intervals and verdict.

Which measures pool the folds and which compare within them is told and justified in models/metrics.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from models import breakdown, splits
from models.alerts import AlertPolicy, load_alert_policy
from models.baselines import BASELINES, LABELS, BaselineFeatures
from models.calibration_curve import smoothed
from models.designs import design_table
from models.estimator import Settings
from models.learner import Learner
from models.metrics import Metric
from models.odds import Floats
from models.out_of_fold import Data, LabelsAsKnown, Learning, predictions
from models.tested import MODEL, Tested, tested_rows
from models.verdict import verdict

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
    (NaN if censored), and a probability per model. `names` says how the columns that the model is compared with
    are called, baselines first. `tables` are those of models/breakdown.py and models/designs.py by name.
    """

    out_of_fold: pd.DataFrame
    scores: tuple[Score, ...]
    verdict: tuple[str, ...]
    horizons_days: tuple[int, ...]
    threshold: float
    alerts: AlertPolicy
    names: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    members: int = 0
    shipped_members: int = 0

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
        """Everything but the rows as plain values, each table a list of records; no number becomes None."""
        return {
            "threshold": self.threshold,
            "alert_policy": asdict(self.alerts),
            "members": self.members,
            "shipped_members": self.shipped_members,
            "names": dict(self.names),
            "verdict": list(self.verdict),
            "metrics": _plain([_record(score) for score in self.scores]),
            **{name: _plain(table.to_dict("records")) for name, table in self.tables.items()},
        }


def _record(score: Score) -> dict[str, Any]:
    where = {"horizon_days": score.horizon_days, "model": score.model, "against": score.against}
    return {**where, **asdict(score.metric)}


def _plain(records: Sequence[Mapping[Any, Any]]) -> list[dict[str, Any]]:
    return [{str(key): _plain_value(value) for key, value in record.items()} for record in records]


def _plain_value(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


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
    labels_as_known: LabelsAsKnown | None = None,
    alerts: AlertPolicy | None = None,
    subgroups: pd.DataFrame | None = None,
    designs: bool = False,
) -> Evaluation:
    """Predictions of unseen athletes at a later time, their metrics beside every baseline's, and a verdict.

    `onsets` (athlete_id, date) are the injuries that the labels count. Without `horizons_days` all
    columns of `labels`, without `model_features` all columns of `features` (a baseline may read others,
    such as ratios that the model is not given), without `squads` (one per row) everybody in one. Training
    rows are thinned to `settings.every_days`, test rows are not; with `labels_as_known` they learn what was known
    on their fold's cut and not what became known later. `alternatives` learn from the model's own training rows and
    stand beside the baselines. `alerts` is the policy of configs/report.toml unless given. Each column of `subgroups`
    (one row per row) breaks the figures down. `designs` judges the model under easier splits, too. `progress` is
    called with the fits done and their number. Raises NotReady (see splits.plan).
    """
    if not len(index) == len(features) == len(labels):
        raise ValueError(f"rows differ: index {len(index)}, features {len(features)}, labels {len(labels)}")
    horizons = tuple(sorted(int(each) for each in horizons_days or labels.columns))
    squad = np.asarray(squads if squads is not None else ["all"] * len(index))
    used = list(model_features if model_features is not None else features.columns)
    policy, compared = alerts or load_alert_policy(), _names(alternatives)
    data = Data(index.reset_index(drop=True), features, labels, onsets, used, squad, horizons, labels_as_known)
    names = replace(baseline_features, regression=tuple(used))
    learning = Learning(settings, monotone, names, alternatives=alternatives)
    plan = splits.plan(data.index, horizons[-1], settings, data.label(horizons[0]), data.known_values)
    out_of_fold, notes = predictions(data, plan.folds, learning, progress)
    tested = [rows for days in horizons if (rows := tested_rows(out_of_fold, onsets, days, settings))]
    by_squad = _with_squads(subgroups, data)
    judged = [judge(each, tuple(compared), by_squad, policy, settings) for each in tested]
    scores = tuple(score for each in judged for score in each.scores)
    tables = _joined([each.tables for each in judged])
    if designs:
        tables["designs"] = pd.DataFrame(design_table(data, plan, out_of_fold, learning, progress))
    sentences = (*verdict(data, _found(scores), compared, settings), *plan.notes, *notes)
    threshold = _threshold(settings)
    return Evaluation(
        out_of_fold, scores, sentences, horizons, threshold, policy, compared, tables,
        settings.evaluation_members, settings.members,
    )  # fmt: skip


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


def _with_squads(subgroups: pd.DataFrame | None, data: Data) -> pd.DataFrame:
    given = pd.DataFrame(index=data.index.index) if subgroups is None else subgroups.reset_index(drop=True)
    return given.assign(squad=data.squads)


def _found(scores: Sequence[Score]) -> dict[int, dict[tuple[str | None, str], Metric]]:
    """The model's own metrics and differences by horizon."""
    found: dict[int, dict[tuple[str | None, str], Metric]] = {}
    for score in scores:
        if score.model == MODEL:
            found.setdefault(score.horizon_days, {})[score.against, score.metric.name] = score.metric
    return found


@dataclass(frozen=True)
class Judged:
    """Everything that is said of one horizon."""

    scores: tuple[Score, ...]
    tables: Mapping[str, pd.DataFrame]


def judge(
    tested: Tested, compared: Sequence[str], subgroups: pd.DataFrame, policy: AlertPolicy, settings: Settings
) -> Judged:
    """Scores and tables of one horizon: the model's, those of the columns `compared`, and their differences."""
    curve = smoothed(tested.clustered, tested.chance())
    draws = {model: tested.draws(model, _threshold(settings), policy) for model in (MODEL, *compared)}
    draws[MODEL] |= curve.distances()
    scores = tuple(_scores(tested, draws, compared))
    lines: dict[str, Iterator[breakdown.Line]] = {
        "alerts": breakdown.alert_table(tested, policy),
        "lead_days": breakdown.lead_table(tested),
        "subgroups": breakdown.subgroup_table(tested, subgroups, policy),
        "risk_distribution": breakdown.risk_distribution(tested),
        "decision_curve": breakdown.decision_curve(tested),
        "calibration_curve": breakdown.calibration_lines(tested, curve),
    }
    tables = {name: pd.DataFrame(each) for name, each in lines.items()}
    return Judged(scores, tables | {"athletes": breakdown.athlete_table(tested, policy)})


def _scores(tested: Tested, draws: Mapping[str, Mapping[str, Floats]], compared: Sequence[str]) -> Iterator[Score]:
    for model, measured in draws.items():
        for name, values in measured.items():
            yield Score(tested.horizon_days, model, None, tested.summary(name, values))
    for other in compared:
        for name in COMPARED:
            difference = draws[MODEL][name] - draws[other][name]
            yield Score(tested.horizon_days, MODEL, other, tested.summary(name, difference))


def _joined(parts: Sequence[Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Each table with the lines of all horizons."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in names}
