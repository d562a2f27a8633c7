"""What a score is compared with: the squad today, the athlete's own usual, and what that is in percentage points.

Contributions stand against the mean of the data that the model learnt from. What one row's contributions have above
those of a reference adds up to what its score lies above the reference's score, so a comparison stays exact.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from configs.errors import IntegrityError
from models.estimator import HorizonModel
from models.explain import LARGEST_GAP, contributions
from models.odds import Floats, Ints, probability

USUAL_WEEKS = 26
"""How far back an athlete's own values count as usual."""


def at_own_usual(values: pd.DataFrame, usual: pd.DataFrame, fixed: Collection[str]) -> pd.DataFrame:
    """`values` (rows x features) with each feature at the athlete's own usual value, row by row.

    Where none is known, and for the features named in `fixed`, today's value stays: there is nothing to compare with.
    """
    moved = usual.set_axis(values.index).reindex(columns=values.columns)
    keep = moved.isna() | np.isin(values.columns, sorted(fixed))
    return moved.where(~keep, values)


def explained_at(models: Sequence[HorizonModel], source: Ints, features: pd.DataFrame) -> tuple[Floats, pd.DataFrame]:
    """Calibrated log-odds (rows) and contributions (rows x features) of each row by the model of its `source` horizon.

    Raises IntegrityError where contributions do not add up.
    """
    log_odds = np.empty(len(features))
    shares = pd.DataFrame(0.0, index=features.index, columns=list(models[0].bag.feature_names))
    for model in models:
        rows = np.flatnonzero(source == model.horizon_days)
        if len(rows):
            base, part = contributions(model, features.iloc[rows])
            shares.iloc[rows] = part[shares.columns].to_numpy()
            log_odds[rows] = base + part.to_numpy().sum(axis=1)
    return log_odds, shares


def mean_by_factor(explanations: pd.DataFrame, athletes: Collection[str]) -> dict[str, float]:
    """Each factor's mean contribution over `athletes`, from rows with athlete_id, factor and contribution.

    A feature that does not move an athlete's score has no row and counts as 0.
    """
    rows = explanations[explanations["athlete_id"].isin(list(athletes))]
    total = rows.groupby("factor")["contribution"].sum()
    return {str(factor): float(each) / len(athletes) for factor, each in total.items()}


def percentage_points(contributions: Floats, log_odds: float, reference: float) -> Floats:
    """What each contribution is in percentage points: its share of the way in log-odds from reference to score.

    A probability bends, so no split of it is exact factor by factor; this one gives every factor its sign and its
    proportion, and all of them together what the score's probability lies above the reference's. That sum is checked:
    IntegrityError if it is missed.
    """
    way = log_odds - reference
    middle = probability(np.array([reference + way / 2]))[0]
    risen = float(probability(np.array([log_odds]))[0] - probability(np.array([reference]))[0])
    slope = risen / way if abs(way) > LARGEST_GAP else float(middle * (1 - middle))
    points = 100 * slope * np.asarray(contributions, dtype=np.float64)
    gap = abs(float(points.sum()) - 100 * risen)
    if not gap <= 100 * LARGEST_GAP:
        raise IntegrityError(
            f"percentage points add up to {gap:.2g} more or less than the score lies from its reference. "
            "The contributions are not those of this score: score the moment again."
        )
    return points
