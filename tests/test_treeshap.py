"""The compiled explanations against LightGBM's own, the shap library's, and a plain sum over all sets of features."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator
from functools import cache
from threading import Thread
from typing import Any

import lightgbm
import numpy as np
import pytest

from configs.errors import IntegrityError
from features import native
from models import treeshap

Floats = np.ndarray
FEATURES = 6
ODD = np.array([0.0, -0.0, 1e-36, -1e-36, 1e-30, np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324])
"""Values that readers of thresholds get wrong."""


def rows_of(seed: int, rows: int = 400) -> Floats:
    """Continuous, tied, constant, mostly missing and odd columns."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(rows, FEATURES))
    values[:, 1] = np.round(values[:, 1])
    values[:, 2] = np.where(generator.random(rows) < 0.5, 0.0, values[:, 2])
    values[:, 3] = 7.0
    values[generator.random((rows, FEATURES)) < 0.15] = np.nan
    values[:, 4] = np.where(generator.random(rows) < 0.3, generator.choice(ODD, rows), values[:, 4])
    return values


def label_of(values: Floats, seed: int) -> Floats:
    known = np.nan_to_num(values, posinf=2.0, neginf=-2.0).clip(-3, 3)
    score = known[:, 0] * known[:, 1] + known[:, 2] - known[:, 4] + np.isnan(values[:, 5])
    return (score + np.random.default_rng(seed).normal(size=len(values)) > 0).astype(float)


KINDS: dict[str, dict[str, Any]] = {
    "shallow": {"num_leaves": 4},
    "usual": {"num_leaves": 15},
    "deep chains": {"num_leaves": 120, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0},
    "monotone": {"num_leaves": 15, "monotone_constraints": [1, 0, -1, 0, 1, 0]},
    "one leaf": {"num_leaves": 8, "min_data_in_leaf": 10_000},
    "zero as missing": {"num_leaves": 15, "zero_as_missing": True},
    "missing is zero": {"num_leaves": 15, "use_missing": False},
    "one feature": {"num_leaves": 15, "interaction_constraints": [[0]], "min_data_in_leaf": 2},
}


@cache
def member(kind: str, seed: int, rounds: int = 12) -> str:
    values = rows_of(seed)
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, **KINDS[kind]}
    booster = lightgbm.train(parameters, lightgbm.Dataset(values, label_of(values, seed)), rounds)
    return str(booster.model_to_string())


def booster_of(text: str) -> Any:
    return lightgbm.Booster(model_str=text)


def expectation(node: dict[str, Any], row: Floats, known: frozenset[int], other: Floats | None) -> float:
    """What a tree says of a row of which only some features are known; of the others, `other` or the training rows."""
    if "leaf_value" in node:
        return float(node["leaf_value"])
    feature = node["split_feature"]
    left, right = node["left_child"], node["right_child"]
    if feature in known or other is not None:
        value = row[feature] if feature in known else other[feature]  # type: ignore[index]
        return expectation(left if goes_left(node, value) else right, row, known, other)
    counts = [child.get("internal_count", child.get("leaf_count")) for child in (left, right)]
    parts = [expectation(child, row, known, other) for child in (left, right)]
    return float(np.average(parts, weights=counts))


def goes_left(node: dict[str, Any], value: float) -> bool:
    if node["missing_type"] != "NaN" and np.isnan(value):
        value = 0.0
    if (node["missing_type"] == "NaN" and np.isnan(value)) or (node["missing_type"] == "Zero" and abs(value) <= 1e-35):
        return bool(node["default_left"])
    return bool(value <= node["threshold"])


def sets_without(*left_out: int) -> Iterator[frozenset[int]]:
    rest = [each for each in range(FEATURES) if each not in left_out]
    for size in range(len(rest) + 1):
        yield from map(frozenset, itertools.combinations(rest, size))


def game(text: str, row: Floats, background: Floats | None) -> dict[frozenset[int], float]:
    """The score for every set of features that is known."""
    trees = [each["tree_structure"] for each in booster_of(text).dump_model()["tree_info"]]
    others = [None] if background is None else list(background)
    return {
        known: float(np.mean([sum(expectation(tree, row, known, other) for tree in trees) for other in others]))
        for known in sets_without()
    }


def shapley(value: dict[frozenset[int], float], feature: int) -> float:
    """By the definition: the mean gain over all orders in which features become known."""
    return sum(
        math.factorial(len(known)) * math.factorial(FEATURES - 1 - len(known)) / math.factorial(FEATURES)
        * (value[known | {feature}] - value[known])
        for known in sets_without(feature)
    )  # fmt: skip


def interaction(value: dict[frozenset[int], float], one: int, two: int) -> float:
    """Half the Shapley interaction index of two features: what stands on each side."""
    return sum(
        math.factorial(len(known)) * math.factorial(FEATURES - 2 - len(known)) / math.factorial(FEATURES - 1) / 2
        * (value[known | {one, two}] - value[known | {one}] - value[known | {two}] + value[known])
        for known in sets_without(one, two)
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_contributions_equal_those_of_lightgbm(kind: str, seed: int) -> None:
    members = (member(kind, seed), member(kind, seed, 5))
    values = rows_of(seed + 10, 131)
    forest = treeshap.forest_of(members, FEATURES)
    theirs = sum(booster_of(text).predict(values, pred_contrib=True, num_threads=1) for text in members) / 2
    ours = treeshap.contributions(forest, values, 1)
    np.testing.assert_allclose(ours, theirs[:, :-1], rtol=0, atol=1e-12)
    assert forest.mean_base == pytest.approx(theirs[0, -1], abs=1e-12)
    assert (np.abs(ours).max() > 0.1) == (kind != "one leaf")


@pytest.mark.parametrize("kind", ["usual", "zero as missing"])
@pytest.mark.parametrize("background_rows", [0, 3])
def test_contributions_and_interactions_equal_the_sum_over_all_sets_of_features(
    kind: str, background_rows: int
) -> None:
    text, rows = member(kind, 4, 3), rows_of(14, 2)
    background = rows_of(15, background_rows) if background_rows else None
    forest, each_alone = treeshap.forest_of((text,), FEATURES), np.arange(FEATURES, dtype=np.int32)
    shares = treeshap.contributions(forest, rows, 1, background)
    pairs = treeshap.interactions(forest, rows, each_alone, 1, background)
    for row, share, pair in zip(rows, shares, pairs, strict=True):
        value = game(text, row, background)
        assert share == pytest.approx([shapley(value, feature) for feature in range(FEATURES)], abs=1e-12)
        for one, two in itertools.combinations(range(FEATURES), 2):
            assert pair[one, two] == pair[two, one] == pytest.approx(interaction(value, one, two), abs=1e-12)
        assert pair.sum(axis=1) == pytest.approx(share, abs=1e-12)
    assert np.abs(pairs - pairs * np.eye(FEATURES)).max() > 0.01


def test_interactions_of_groups_are_the_sums_of_those_of_their_features() -> None:
    forest, values = treeshap.forest_of((member("deep chains", 1),), FEATURES), rows_of(11, 20)
    group = np.array([1, 0, 1, 2, 0, 1], dtype=np.int32)
    single = treeshap.interactions(forest, values, np.arange(FEATURES, dtype=np.int32), 1)
    summed = np.array([[single[:, group == a][:, :, group == b].sum(axis=(1, 2)) for b in range(3)] for a in range(3)])
    found = treeshap.interactions(forest, values, group, 1)
    np.testing.assert_allclose(found, summed.transpose(2, 0, 1), rtol=0, atol=1e-12)


def test_any_number_of_threads_and_every_build_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    forest, values = treeshap.forest_of((member("usual", 2),), FEATURES), rows_of(12, 1000)
    group, background = np.arange(FEATURES, dtype=np.int32) // 2, rows_of(13, 3)
    monkeypatch.setattr(treeshap, "WORTH_A_THREAD", 1)
    found, woken, start = set(), [], Thread.start
    monkeypatch.setattr(Thread, "start", lambda thread: (woken.append(thread), start(thread)))
    for level in range(native.vector_level() + 1):
        built = treeshap.load(level)
        monkeypatch.setattr(treeshap, "library", lambda built=built: built)
        for threads in (1, 2, 5):
            parts = (
                treeshap.contributions(forest, values, threads),
                treeshap.interactions(forest, values, group, threads, background),
            )
            found.add(b"".join(part.tobytes() for part in parts))
    assert len(found) == 1
    assert woken


def test_a_job_of_a_millisecond_wakes_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    forest, values = treeshap.forest_of((member("usual", 2),), FEATURES), rows_of(12, 40)
    monkeypatch.setattr(Thread, "start", lambda thread: pytest.fail(f"{thread.name} was woken"))
    alone = treeshap.contributions(forest, values, 2)
    monkeypatch.undo()
    assert alone.tobytes() == treeshap.contributions(forest, values, 1).tobytes()


def test_a_rows_explanation_does_not_depend_on_the_other_rows() -> None:
    forest, values = treeshap.forest_of((member("usual", 2),), FEATURES), rows_of(12, 300)
    whole = treeshap.contributions(forest, values, 1)
    for row in (0, 7, 127, 128, 299):
        assert treeshap.contributions(forest, values[row : row + 1], 1).tobytes() == whole[row].tobytes()
    assert treeshap.contributions(forest, values[:0], 2).shape == (0, FEATURES)


def test_splits_on_categories_are_refused() -> None:
    values = np.random.default_rng(3).integers(0, 9, (300, 2)).astype(float)
    data = lightgbm.Dataset(values, (values[:, 0] % 3 == 1).astype(float), categorical_feature=[0])
    text = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 2).model_to_string()
    with pytest.raises(IntegrityError, match=r"tree 1 of 2 of the bag cannot be explained exactly: it splits on cat"):
        treeshap.forest_of((text,), 2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\nleaf_count=", "\nleaf_count=1", "training rows of its nodes do not add up"),
        ("\nleft_child=", "\nleft_child=1", "do not form a tree|training rows"),
        ("\nthreshold=", "\nthreshold=0.5 ", r"values of threshold: the model is damaged"),
        ("\nnum_tree_per_iteration=1", "\nnum_tree_per_iteration=3", "one tree per round"),
        ("\nobjective=", "\naverage_output\nobjective=", "one tree per round"),
        ("\nis_linear=0", "\nis_linear=1", "one constant per leaf"),
    ],
)
def test_trees_that_are_damaged_or_of_another_kind_are_refused(old: str, new: str, said: str) -> None:
    text = member("usual", 2)
    assert old in text
    with pytest.raises(IntegrityError, match=said):
        treeshap.forest_of((text.replace(old, new, 1),), FEATURES)


def test_a_feature_that_the_rows_do_not_have_is_refused() -> None:
    with pytest.raises(IntegrityError, match="cannot be explained exactly: its nodes do not form a tree"):
        treeshap.forest_of((member("usual", 2),), 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"one leaf", "zero as missing", "missing is zero"}))
def test_everything_equals_the_shap_librarys(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its plotting modules call is about to be retired
        import shap
    text, values, background = member(kind, 5), rows_of(16, 40), rows_of(17, 30)
    forest, each_alone = treeshap.forest_of((text,), FEATURES), np.arange(FEATURES, dtype=np.int32)
    own = shap.TreeExplainer(booster_of(text))
    own.model.model_type = "internal"  # else it asks LightGBM
    theirs = own.shap_values(values, check_additivity=False)
    np.testing.assert_allclose(treeshap.contributions(forest, values, 1), theirs, rtol=0, atol=1e-9)
    theirs = own.shap_interaction_values(values)
    np.testing.assert_allclose(treeshap.interactions(forest, values, each_alone, 1), theirs, rtol=0, atol=1e-9)
    against = shap.TreeExplainer(booster_of(text), background, feature_perturbation="interventional")
    against.model.model_type = "internal"
    theirs = against.shap_values(values, check_additivity=False)
    ours = treeshap.contributions(forest, values, 1, background)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
