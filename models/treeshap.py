"""Exact Shapley values of a bag's trees, by compiled code (treeshap.c): of features, and of pairs of groups of them.

The numbers are those of LightGBM's `pred_contrib`, some fifty times as fast, and what it has not: against background
rows that are named, and by pairs. Trees are read once from LightGBM's text.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import POINTER, byref, c_int, c_int64, c_void_p
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs.errors import IntegrityError
from features import native
from models.odds import Floats

LANES = 8
"""Rows that the kernel works on at once."""
BLOCK = 128
"""Rows that the kernel takes through one tree after the other, having worked out once what no row changes."""
WORTH_A_THREAD = 4_000_000
"""Rows times nodes times points, some three milliseconds: for less than this a second thread costs what it saves."""

_NODE = np.dtype(
    [
        ("threshold", np.float64),
        ("left_share", np.float64),
        ("feature", np.int32),
        ("child", np.int32, 2),
        ("before", np.int32),
        ("before_side", np.int32),
        ("end", np.int32),
        ("missing_left", np.int32),
        ("zero_is_missing", np.int32),
    ]
)
_TREE = np.dtype([(name, np.int64) for name in ("first_node", "nodes", "first_leaf", "points")])
_REFUSED = {
    1: "its nodes do not form a tree",
    2: "it splits on categories",
    3: "the training rows of its nodes do not add up, as after distributed training",
}
"""The order of enum Refusal in treeshap.c."""

_TYPES = {
    **dict.fromkeys(("num_leaves", "split_feature", "decision_type", "left_child", "right_child"), np.int64),
    **dict.fromkeys(("leaf_count", "internal_count"), np.int64),
    **dict.fromkeys(("threshold", "leaf_value"), np.float64),
}


class _Dump(ctypes.Structure):
    _fields_ = [
        ("trees", c_int64),
        ("features", c_int64),
        *(
            (name, c_void_p)
            for name in (
                "leaves", "feature", "decision", "left", "right", "node_rows", "threshold", "value", "leaf_rows",
            )
        ),
    ]  # fmt: skip


class _Forest(ctypes.Structure):
    _fields_ = [
        *((name, c_int64) for name in ("trees", "features", "most_nodes", "most_points")),
        *((name, c_void_p) for name in ("tree", "node", "leaf", "place", "weight")),
    ]


class _Question(ctypes.Structure):
    _fields_ = [("row", c_void_p), ("background", c_void_p), ("background_rows", c_int64)]


class _Grouping(ctypes.Structure):
    _fields_ = [("group", c_void_p), ("groups", c_int64)]


@cache
def library() -> Any:
    """The kernel's build that suits this processor, with its functions declared."""
    return load(native.vector_level())


def load(level: int) -> Any:
    """The kernel's build of native.LEVELS at this place. Raises SystemRefused where it is missing or stale."""
    loaded = native.build_of(Path(__file__).with_name("treeshap.c"), level)
    loaded.arrange.argtypes = [POINTER(_Dump), c_void_p, c_void_p, POINTER(c_int64)]
    loaded.arrange.restype = c_int
    loaded.explain_rows.argtypes = [
        POINTER(_Forest), POINTER(_Question), POINTER(_Grouping), c_int64, c_int64, c_void_p,
    ]  # fmt: skip
    loaded.explain_rows.restype = c_int
    return loaded


@dataclass(frozen=True)
class Forest:
    """All trees of a bag's members, ready for the kernel.

    `base` is each tree's mean over its training rows, `trees` how many trees each member has.
    """

    trees: tuple[int, ...]
    features: int
    base: Floats
    tree: NDArray[np.void]
    node: NDArray[np.void]
    leaf: Floats
    place: Floats
    weight: Floats

    @property
    def members(self) -> int:
        return len(self.trees)

    @property
    def mean_base(self) -> float:
        """The members' mean score over their training rows."""
        return float(self.base.sum()) / self.members

    def apart(self) -> Iterator[Forest]:
        """Each member by itself."""
        last = 0
        for trees in self.trees:
            first, last = last, last + trees
            yield replace(self, trees=(trees,), base=self.base[first:last], tree=self.tree[first:last])

    def as_native(self) -> _Forest:
        return _Forest(
            trees=len(self.tree),
            features=self.features,
            most_nodes=int(self.tree["nodes"].max(initial=0)),
            most_points=int(self.tree["points"].max(initial=1)),
            **{name: native.address(getattr(self, name)) for name in ("tree", "node", "leaf", "place", "weight")},
        )


@lru_cache(maxsize=64)
def forest_of(members: tuple[str, ...], features: int) -> Forest:
    """The trees of boosters as LightGBM writes them, for rows of `features` values.

    Raises IntegrityError where a tree cannot be explained here: splits on categories, regressions in leaves, several
    trees per round, averaged trees, training rows that do not add up.
    """
    for text in members:
        _require_plain(text)
    return _arranged(_fields(members), tuple(text.count("\nTree=") for text in members), features)


def _require_plain(text: str) -> None:
    head = text[: text.find("\nTree=")]
    if "\nnum_tree_per_iteration=1\n" not in head or "\naverage_output\n" in head or "\nis_linear=1" in text:
        raise IntegrityError(
            "exact explanations need boosted trees with one constant per leaf and one tree per round; a member of the "
            "bag is another model of LightGBM. Train again with `strainwatch train`."
        )


def _fields(members: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The values of each field of all trees, one after the other."""
    written: dict[str, list[str]] = {name: [] for name in _TYPES}
    for text in members:
        for line in text.split("\n"):
            name, _, values = line.partition("=")
            if name in written:
                written[name].append(values)
    return {name: np.fromstring(" ".join(lines).strip(), _TYPES[name], sep=" ") for name, lines in written.items()}


def _arranged(dumped: dict[str, NDArray[Any]], trees: tuple[int, ...], features: int) -> Forest:
    leaves = dumped["num_leaves"]
    tree, node = np.zeros(len(leaves), _TREE), np.zeros(int(leaves.sum()) - len(leaves), _NODE)
    fields = {
        "leaves": leaves, "feature": dumped["split_feature"], "decision": dumped["decision_type"],
        "left": dumped["left_child"], "right": dumped["right_child"], "node_rows": dumped["internal_count"],
        "threshold": dumped["threshold"], "value": dumped["leaf_value"], "leaf_rows": dumped["leaf_count"],
    }  # fmt: skip
    _require_lengths(dumped, leaves)
    dump = _Dump(len(leaves), features, **{name: native.address(array) for name, array in fields.items()})
    refused = c_int64(0)
    refusal = library().arrange(byref(dump), native.address(tree), native.address(node), byref(refused))
    if refusal in _REFUSED:
        raise IntegrityError(
            f"tree {refused.value + 1} of {len(leaves)} of the bag cannot be explained exactly: {_REFUSED[refusal]}. "
            "Train again with `strainwatch train`."
        )
    native.check(refusal)
    place, weight = _rules(int(tree["points"].max(initial=1)))
    return Forest(trees, features, _base(dumped), tree, node, dumped["leaf_value"], place, weight)


def _require_lengths(dumped: dict[str, NDArray[Any]], leaves: NDArray[Any]) -> None:
    nodes = int(leaves.sum()) - len(leaves)
    for name, array in dumped.items():
        expected = {"num_leaves": len(leaves), "leaf_value": nodes + len(leaves), "leaf_count": nodes + len(leaves)}
        if len(array) != expected.get(name, nodes):
            raise IntegrityError(
                f"the bag's trees have {nodes + len(leaves):,} leaves, but {len(array):,} values of {name}: the model "
                "is damaged. Train again with `strainwatch train`."
            )


def _base(dumped: dict[str, NDArray[Any]]) -> Floats:
    """Each tree's mean over its training rows."""
    starts = np.cumsum(dumped["num_leaves"]) - dumped["num_leaves"]
    rows = dumped["leaf_count"].astype(np.float64)
    total, weighted = (np.add.reduceat(each, starts) for each in (rows, rows * dumped["leaf_value"]))
    alone = dumped["leaf_value"][starts]  # a tree of one leaf says nothing of its rows
    return np.where(total > 0, weighted / np.where(total > 0, total, 1.0), alone)


@cache
def _rules(most: int) -> tuple[Floats, Floats]:
    """Places and weights of Gauss and Legendre's rules of 1, 2, ... `most` points on [0, 1], one after the other."""
    rules = [np.polynomial.legendre.leggauss(points) for points in range(1, most + 1)]
    places, weights = zip(*rules, strict=True)
    return (np.concatenate(places) + 1) / 2, np.concatenate(weights) / 2


def contributions(forest: Forest, values: Floats, threads: int, background: Floats | None = None) -> Floats:
    """Shapley values of the members' mean raw log-odds (rows, features).

    A feature that is not known takes the share of each tree's training rows on either side (path-dependent TreeSHAP),
    or with `background` (rows, features) the values of each of these rows in turn, the mean over them (interventional).
    Any number of threads gives the same bits.
    """
    return _explained(forest, values, threads, background, None, values.shape[1:])


def interactions(
    forest: Forest, values: Floats, group: NDArray[np.int32], threads: int, background: Floats | None = None
) -> Floats:
    """Shapley interaction values between groups of features (rows, groups, groups); `group` has one for each feature.

    Symmetric: a pair's effect stands half on each side, and a row adds up to the group's contribution, so that the
    diagonal is what the group adds by itself. Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9.
    """
    groups = int(group.max(initial=-1)) + 1
    grouping = _Grouping(native.address(group), groups)
    return _explained(forest, values, threads, background, grouping, (groups, groups))


def _explained(
    forest: Forest,
    values: Floats,
    threads: int,
    background: Floats | None,
    grouping: _Grouping | None,
    shape: tuple[int, ...],
) -> Floats:
    if background is not None and not len(background):
        raise ValueError("no background rows to explain against")
    rows, found = np.ascontiguousarray(values), np.empty((len(values), *shape))
    against = np.ascontiguousarray(values[:0] if background is None else background)
    question = _Question(native.address(rows), native.address(against), len(against))
    task = (byref(forest.as_native()), byref(question), None if grouping is None else byref(grouping))
    used = _worth(forest, len(rows) * max(len(against), 1), threads)
    waiting = deque(_parts(len(rows), used))

    def explain() -> None:
        while waiting:
            try:
                part = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            native.check(library().explain_rows(*task, *part, native.address(found)))

    with ThreadPoolExecutor(used) as pool:  # the kernel lets others run meanwhile
        helpers = [pool.submit(explain) for _ in range(used - 1)]
        explain()
        for each in helpers:
            each.result()
    return found / (forest.members * max(len(against), 1))


def _worth(forest: Forest, rows: int, threads: int) -> int:
    """How many of the threads so many rows (of each background row) are worth."""
    work = rows * int((forest.tree["nodes"] * forest.tree["points"]).sum())
    return max(min(threads, work // WORTH_A_THREAD), 1)


def _parts(rows: int, threads: int) -> list[tuple[int, int]]:
    """Parts of one size, no larger than BLOCK, for the threads to take one after the other: who is held up takes fewer.

    One thread takes all at once.
    """
    blocks = -(-rows // BLOCK) if threads > 1 else 1
    parts = -(-blocks // threads) * threads
    share = max(-(-rows // (parts * LANES)), 1) * LANES
    return [(start, min(start + share, rows)) for start in range(0, max(rows, 1), share)]
