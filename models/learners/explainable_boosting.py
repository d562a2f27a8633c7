"""Explainable boosting machine: one curve per feature, added up, without interactions. Needs the extra `learners`.

Nori, Jenkins, Koch & Caruana 2019, arXiv 1909.09223. Each of its outer bags learns from a bootstrap sample of athletes
and stops by the others, so that its scores of them are held out (but for the stopping).
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from configs.errors import WrongArgument
from models.estimator import Settings, athlete_samples, out_of_bag
from models.learner import TrainingRows
from models.learners.crossfit import FittedParts, Score, fit_parts
from models.learners.trees_alone import alone
from models.odds import Floats

LIBRARY = "interpret"
INSTALL = 'it needs interpret-core, which is not installed. Run: pip install "strainwatch[learners]"'

MOST_ROUNDS = 1000
"""Rounds over all features; where no athlete is left out, nothing stops a bag earlier."""


@dataclass(frozen=True)
class ExplainableBoosting:
    """See the module."""

    name: str = "ebm"
    label: str = "explainable boosting"

    def fit(self, rows: TrainingRows, settings: Settings) -> FittedParts:
        """See `models.learner.Learner`. WrongArgument where its library is not installed."""

        def fit_one(features: pd.DataFrame, label: Floats, athletes: NDArray[Any]) -> tuple[Score, Floats]:
            codes = pd.factorize(athletes)[0]
            is_drawn = athlete_samples(codes, label, settings.members, settings.seed)[:, codes] > 0
            machine = _machine(features, settings, rows)
            values = features.to_numpy(dtype=np.float64)
            with warnings.catch_warnings():
                # Its own plots leave out missing values; nothing here plots.
                warnings.filterwarnings("ignore", message="Missing values detected")
                machine.fit(values, label, bags=np.where(is_drawn, 1, -1).astype(np.int8).T)
            members = np.vstack([_member(machine, each).decision_function(values) for each in range(len(is_drawn))])

            def score(asked: pd.DataFrame) -> Floats:
                return np.asarray(machine.decision_function(asked[features.columns].to_numpy(dtype=np.float64)))

            return score, out_of_bag(members, ~is_drawn)

        return fit_parts(rows, fit_one, settings)


def _machine(features: pd.DataFrame, settings: Settings, rows: TrainingRows) -> Any:
    """An unfitted machine with the bins, shrinkage and smallest leaf of trees alone."""
    try:
        from interpret.glassbox import ExplainableBoostingClassifier
    except ImportError as error:
        raise WrongArgument(f"ebm: {INSTALL}") from error
    return ExplainableBoostingClassifier(
        feature_names=list(features.columns),
        feature_types=["continuous"] * features.shape[1],
        max_bins=settings.bins + 1,  # one of its bins is for missing values
        interactions=0,
        outer_bags=settings.members,
        max_rounds=MOST_ROUNDS,
        min_samples_leaf=max(settings.smallest_leaf_rows, round(settings.smallest_leaf_share * len(features))),
        reg_lambda=alone(settings).l2,
        monotone_constraints=[int(rows.monotone.get(name, 0)) for name in features.columns],
        n_jobs=1,
        random_state=settings.seed,
    )


def _member(machine: Any, number: int) -> Any:
    """The machine with the curves of one outer bag in place of their means."""
    member = copy.copy(machine)
    member.term_scores_ = [scores[number] for scores in machine.bagged_scores_]
    member.intercept_ = machine.bagged_intercept_[number : number + 1]
    return member
