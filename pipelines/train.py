"""From a training set to a registered model: honest evaluation, final bag, explanations' summary, MLflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from configs.errors import NotReady
from features.specs import fingerprint as specs_fingerprint
from models import splits
from models.bundle import Bundle, summarise
from models.distance import training_reach
from models.estimator import HorizonModel, fit_horizons
from models.evaluation import Evaluation, evaluate
from models.fallback import Fallback, fit_fallback, floor_in_words, share_missing
from models.learner import Learner
from models.recalibration import Recalibration, fit_recalibrations, unseen_scores
from models.registry import set_alias
from models.replay import Replay, make_replay
from models.training_runs import RegisteredModel, log_training
from models.tuning_record import tuning_facts
from pipelines.card import card_files, card_table, new_card, with_facts
from pipelines.console import Report, silent
from pipelines.data import Store, fingerprint
from pipelines.judging import labels_as_known, subgroups, with_weekly
from pipelines.recipe import BASELINE_FEATURES, Recipe
from pipelines.scrutiny import scrutinise
from pipelines.training_record import (
    code_version,
    figures_of,
    named_metrics,
    parameters_of,
    predictions_of,
    tables_of,
    weights_of,
)
from pipelines.training_set import TrainingSet, directions, training_set


@dataclass(frozen=True)
class Trained:
    """A training's outcome. `evaluation` is None where the data cannot carry one; `verdict` then says why."""

    bundle: Bundle
    registered: RegisteredModel
    evaluation: Evaluation | None
    verdict: tuple[str, ...]
    training: TrainingSet

    def facts(self) -> dict[str, Any]:
        """What identifies it."""
        registered = self.registered
        return {"model_version": self.bundle.version, "run_id": registered.run_id, "version": registered.version}

    def in_words(self) -> str:
        """Which version came of how much."""
        return (
            f"Registered: version {self.registered.version} ({self.bundle.version}), "
            f"{len(self.training.model_features)} features, data up to {self.bundle.data_cut:%Y-%m-%d}."
        )


def train(
    store: Store,
    recipe: Recipe,
    until: pd.Timestamp | None,
    now: datetime,
    progress: Report,
    designs: bool = False,
) -> Trained:
    """Fit, evaluate, register as challenger. With `until`, only what was known by the end of that day is used.

    With `designs` the evaluation also judges under easier splits, which makes it twice as long. Who becomes champion is
    decided in pipelines/promote.py. Raises NotReady where the store holds too little to learn from, IntegrityError
    where a self-check fails.
    """
    training = training_set(store, recipe, until, progress)
    evaluation, verdict = try_evaluation(training, recipe, progress, designs)
    fitted = _fit(training, recipe, progress)
    models, scrutiny = scrutinise(training, recipe, fitted, directions(training), progress)
    verdict = (*verdict, *scrutiny.sentences())
    bundle = _bundle(training, recipe, models, evaluation, verdict, now)
    bundle = replace(bundle, metrics={**bundle.metrics, **scrutiny.as_json()})
    bundle = with_facts(bundle, store, training, recipe, evaluation, until)
    progress("logging to MLflow", 0, 1)
    weights = weights_of(training, models)
    card = new_card(store, bundle)
    registered = log_training(
        store.path,
        bundle,
        metrics=named_metrics(evaluation),
        parameters=parameters_of(training, recipe),
        figures={**figures_of(weights, training, evaluation, recipe), **scrutiny.figures()},
        tables={**tables_of(weights, evaluation), "model_card": card_table(card)},
        documents=card_files(card),
        predictions=predictions_of(evaluation),
        tags={"verdict": " ".join(verdict)[:4000], "target": recipe.target.name},
    )
    set_alias(store.path, registered.version, "challenger")
    progress("logging to MLflow", 1, 1)
    return Trained(bundle, registered, evaluation, verdict, training)


def try_evaluation(
    training: TrainingSet,
    recipe: Recipe,
    progress: Report = silent,
    designs: bool = False,
    alternatives: Sequence[Learner] = (),
) -> tuple[Evaluation | None, tuple[str, ...]]:
    """The evaluation, or None and the reason in words where the data cannot carry one.

    With `designs` the model is also judged under easier splits, which takes as long again; `alternatives` learn in the
    model's own folds.
    """
    monotone, tuning = directions(training), recipe.tuning
    caution = (tuning.caution(recipe.settings, fingerprint(training.tables)),) if tuning else ()
    try:
        found = evaluate(
            training.index,
            training.features,
            training.labels,
            training.onsets,
            recipe.settings,
            monotone,
            with_weekly(BASELINE_FEATURES, training),
            model_features=training.model_features,
            squads=training.squads,
            labels_as_known=labels_as_known(training, recipe),
            alerts=recipe.alerts,
            subgroups=subgroups(training, BASELINE_FEATURES),
            designs=designs,
            alternatives=alternatives,
            progress=lambda done, total: progress("evaluating on unseen athletes at later times", done, total),
        )
    except NotReady as error:
        return None, (f"No evaluation: {error}", *caution)
    missing = share_missing(training.features, training.model_features, dict(training.features.isna().mean()))
    floor = floor_in_words(found.out_of_fold, missing, recipe.target.abstain_share_missing)
    return found, (*found.verdict, floor, *caution)


def _beside(
    training: TrainingSet, recipe: Recipe, models: tuple[HorizonModel, ...]
) -> tuple[tuple[Fallback, ...], tuple[Recalibration, ...]]:
    """What scores athletes without history, and what squads add to their scores, from the rows of the fit."""
    rows = splits.thin(training.index, recipe.settings.every_days)
    index, labels, features = (each.iloc[rows] for each in (training.index, training.labels, training.features))
    athletes = index["athlete_id"].to_numpy()
    unseen = unseen_scores(models, features, labels, athletes, recipe.settings)
    return (
        fit_fallback(unseen, features, labels, athletes, BASELINE_FEATURES, recipe.settings),
        fit_recalibrations(models, unseen, labels, index, np.asarray(training.squads)[rows], recipe.settings),
    )


def _fit(training: TrainingSet, recipe: Recipe, progress: Report) -> tuple[HorizonModel, ...]:
    progress("fitting the final bag", 0, 1)
    rows = splits.thin(training.index, recipe.settings.every_days)
    models = fit_horizons(
        training.features[training.model_features].iloc[rows],
        training.labels.iloc[rows],
        training.index["athlete_id"].to_numpy()[rows],
        recipe.settings,
        directions(training),
    )
    progress("fitting the final bag", 1, 1)
    return models


def unsaved_bundle(training: TrainingSet, recipe: Recipe, now: datetime, progress: Report) -> Bundle:
    """What `train` would register of this training set, neither evaluated nor with replay cases nor with a fingerprint
    of the data: for scores that are not kept."""
    models = _fit(training, recipe, progress)
    nothing = Replay({}, training.index.iloc[:0], training.features.iloc[:0], pd.DataFrame())
    return _bundle(training, recipe, models, None, (), now, nothing)


def _bundle(
    training: TrainingSet,
    recipe: Recipe,
    models: tuple[HorizonModel, ...],
    evaluation: Evaluation | None,
    verdict: tuple[str, ...],
    now: datetime,
    replay: Replay | None = None,
) -> Bundle:
    """With `replay`, that instead of cases made anew, and no fingerprint of the tables, which takes long too."""
    data = "" if replay else fingerprint(training.tables)
    trained_at = pd.Timestamp(now).as_unit("us")
    content = json.dumps(
        [data, specs_fingerprint(training.specs), recipe.target.as_json(), recipe.settings.as_json()],
        default=str,
    )
    fallback, recalibrations = _beside(training, recipe, models)
    label_hash = hashlib.sha256(content.encode()).hexdigest()[:8]
    summary = summarise(training.features)
    return Bundle(
        version=f"{trained_at:%Y%m%d-%H%M%S}-{label_hash}",
        trained_at=trained_at,
        data_cut=training.data_cut,
        models=models,
        specs=training.specs,
        factors=recipe.factors,
        target=recipe.target,
        settings=recipe.settings,
        feature_summary=summary,
        metrics=_metrics(training, evaluation, verdict)
        | {
            "tuning": tuning_facts(recipe.tuning, recipe.settings, data),
            "reach": training_reach(training.features[training.model_features], summary),
        },
        fingerprints={
            "data": data,
            "specs": specs_fingerprint(training.specs),
            "code": code_version(),
        },
        replay=replay
        or make_replay(training.tables, training.index, training.features, training.specs, recipe.target, models),
        fallback=fallback,
        recalibrations=recalibrations,
    )


def _metrics(training: TrainingSet, evaluation: Evaluation | None, verdict: tuple[str, ...]) -> dict[str, Any]:
    """What a bundle says of itself: base rates, evaluation, verdict, attrition."""
    return {
        "base_rates": {days: float(training.labels[days].mean()) for days in training.labels},
        "evaluation": evaluation.as_json() if evaluation else None,
        "verdict": list(verdict),
        "attrition": dict(training.attrition),
        "athlete_days": len(training.index),
        "athletes": int(training.index["athlete_id"].nunique()),
    }
