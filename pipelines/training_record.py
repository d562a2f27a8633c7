"""What a training leaves in MLflow beside its bundle: parameters, metrics under one name each, figures and tables."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from models import splits
from models.estimator import HorizonModel
from models.evaluation import Evaluation
from models.evaluation_figures import evaluation_figures
from models.explain import by_factor, contributions
from models.figures import importance
from models.tested import MODEL

if TYPE_CHECKING:
    from pipelines.recipe import Recipe
    from pipelines.training_set import TrainingSet

CHECKOUT = Path(__file__).parents[1]
IMPORTANCE_EVERY_DAYS = 14


def parameters_of(training: TrainingSet, recipe: Recipe) -> dict[str, Any]:
    """Settings and sizes, for MLflow's table of runs."""
    return {
        **recipe.settings.as_json(),
        "target": recipe.target.name,
        "horizons_days": list(recipe.target.horizons_days),
        "features": len(training.model_features),
        "athlete_days": len(training.index),
        "data_cut": f"{training.data_cut:%Y-%m-%d}",
        "tuning_trials": recipe.tuning.trials if recipe.tuning else 1,
    }


def named_metrics(evaluation: Evaluation | None) -> dict[str, tuple[float, float, float]]:
    """Each metric with its interval under one name: auroc_7d, auroc_7d_logistic, auroc_7d_above_logistic."""
    named = {}
    for score in evaluation.scores if evaluation else ():
        parts = [score.metric.name, f"{score.horizon_days}d"]
        parts += [] if score.model == MODEL else [score.model]
        parts += [f"above_{score.against}"] if score.against else []
        named["_".join(parts)] = (score.metric.value, score.metric.lower, score.metric.upper)
    return named


@dataclass(frozen=True)
class Weights:
    """Mean absolute contribution in log-odds, by feature and by factor, one column per horizon."""

    features: pd.DataFrame
    factors: pd.DataFrame


def weights_of(training: TrainingSet, models: tuple[HorizonModel, ...]) -> Weights:
    """How far features and factors move the scores of athlete-days two weeks apart."""
    values = training.features.iloc[splits.thin(training.index, IMPORTANCE_EVERY_DAYS)]
    by_feature, factors = {}, {}
    for model in models:
        _, shares = contributions(model, values)
        by_feature[str(model.horizon_days)] = shares.abs().mean()
        factors[str(model.horizon_days)] = by_factor(shares, training.specs).abs().mean()
    return Weights(pd.DataFrame(by_feature), pd.DataFrame(factors))


def figures_of(
    weights: Weights, training: TrainingSet, evaluation: Evaluation | None, recipe: Recipe
) -> dict[str, Any]:
    """Importance at the shortest horizon, and the curves of each horizon that was evaluated."""
    days = str(recipe.target.horizons_days[0])
    labels = {spec.name: spec.label for spec in training.specs}
    named = {key: factor.label for key, factor in recipe.factors.items()}
    drawn = {
        "feature_importance": importance(weights.features[days].rename(labels), f"Features, {days} days"),
        "factor_importance": importance(weights.factors[days].rename(named), f"Factors, {days} days"),
    }
    return drawn | (evaluation_figures(evaluation) if evaluation else {})


def tables_of(weights: Weights, evaluation: Evaluation | None) -> dict[str, pd.DataFrame]:
    """Importance of features and factors, every metric, and the tables behind them."""
    kept = {
        "feature_importance": weights.features.reset_index(names="feature"),
        "factor_importance": weights.factors.reset_index(names="factor"),
    }
    return kept | ({"metrics": evaluation.table(), **evaluation.tables} if evaluation else {})


def predictions_of(evaluation: Evaluation | None) -> pd.DataFrame | None:
    """Every tested athlete-day with its outcome and a probability per model, for comparing runs day by day.

    Athletes go by a hash of their id: the same in every run of a store, and nobody's pseudonym.
    """
    if evaluation is None:
        return None
    rows = evaluation.out_of_fold.drop(columns=["row"])
    codes = {name: hashlib.sha256(str(name).encode()).hexdigest()[:12] for name in rows["athlete_id"].unique()}
    return rows.assign(athlete_id=rows["athlete_id"].map(codes))


def code_version() -> str:
    """The installed version, with the commit where the code runs from a checkout."""
    installed = package_version("strainwatch")
    if not (CHECKOUT / ".git").exists():
        return installed
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return installed
    return f"{installed}+{commit}"
