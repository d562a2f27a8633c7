"""Bags of straight effects alone, for tests that need a model whose answers can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

from models.estimator import Bag, Calibration, HorizonModel
from models.straight import Scale, Straight


def one_leaf(names: Sequence[str]) -> str:
    """A LightGBM model that adds nothing."""
    infos = " ".join("[0:1]" for _ in names)
    return (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={len(names) - 1}\nobjective=binary sigmoid:1\nfeature_names={' '.join(names)}\n"
        f"feature_infos={infos}\n\nTree=0\nnum_leaves=1\nnum_cat=0\nsplit_feature=\nsplit_gain=\nthreshold=\n"
        "decision_type=\nleft_child=\nright_child=\nleaf_value=0\nleaf_weight=\nleaf_count=\ninternal_value=\n"
        "internal_weight=\ninternal_count=\nis_linear=0\nshrinkage=1\n\n\nend of trees\n"
    )


def straight_bag(
    names: Sequence[str],
    *weights: Sequence[float],
    base: float = -3.0,
    slope: float = 1.0,
    spread: Sequence[float] | None = None,
    horizon_days: int = 7,
) -> HorizonModel:
    """One member per row of `weights`, in log-odds per `spread` (default 1) of a feature, each with mean 0."""
    wide = tuple(spread or [1.0] * len(names))
    scale = Scale((-1e9,) * len(names), (1e9,) * len(names), (0.0,) * len(names), wide)
    straight = Straight(scale, tuple(tuple(map(float, member)) for member in weights))
    bag = Bag((one_leaf(names),) * len(weights), tuple(names), base, straight)
    return HorizonModel(horizon_days, bag, Calibration("platt", (0.0, slope)))
