"""The default's trees without the straight effects that it starts from: what trees make of the rows by themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.estimator import Settings
from models.learner import FittedTrees, TrainingRows, Trees

L2_ALONE = 10.0
"""The default's own l2 lets trees add next to nothing to straight effects from few injuries; alone they need less
(assumption: what was shipped before straight effects were)."""


def alone(settings: Settings) -> Settings:
    """`settings` for boosting that starts from the event rate."""
    return replace(settings, straight_penalty=0.0, l2=L2_ALONE)


@dataclass(frozen=True)
class TreesAlone:
    """See the module."""

    name: str = "trees"
    label: str = "trees alone"

    def fit(self, rows: TrainingRows, settings: Settings) -> FittedTrees:
        """See `models.learner.Learner`."""
        return Trees().fit(rows, alone(settings))
