"""Exact explanations of boosted trees: ours beside LightGBM's `pred_contrib`, shap and woodelf-explainer, in one run.

    python -m benchmarks.explain

Engines take turns on the same rows, so that a busy machine slows all alike; the median of the rounds counts. The
largest difference is from `pred_contrib`, or from shap where LightGBM has no such thing. What an engine needs once per
model, before its first row, is a column of its own.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from benchmarks import report
from models import treeshap
from models.odds import Floats

FILE = "explain.jsonl"
TRAINING_ROWS = 20_000
BACKGROUND_ROWS = 100
MOST_ROWS = 400
"""Of those that take the same time for each row, however many there are."""
REFERENCE = "LightGBM pred_contrib"


@dataclass(frozen=True)
class Shape:
    """A bag: its size, and that of its trees; and how many rows are explained."""

    rows: int = 400
    members: int = 1
    trees: int = 400
    leaves: int = 31
    features: int = 120

    @property
    def title(self) -> str:
        bag = f"{self.members} x " if self.members > 1 else ""
        return f"{bag}{self.trees} trees x {self.leaves} leaves x {self.features} features, {self.rows:,} rows"


MAIN = Shape()
SHAPES = (
    MAIN,
    replace(MAIN, rows=40),
    replace(MAIN, rows=10_000),
    replace(MAIN, leaves=8),
    replace(MAIN, leaves=127, rows=100),
    replace(MAIN, features=30),
    replace(MAIN, features=500),
    Shape(rows=2000, members=20, trees=150, leaves=4, features=114),
)
"""Rows, depth and features are varied one at a time; the last is the bag that ships."""


@dataclass(frozen=True)
class Engine:
    """`prepare` makes of the members' texts what explains rows; of more rows than `most_rows` it explains the first."""

    name: str
    threads: int
    prepare: Callable[[Sequence[str]], Callable[[Floats], Floats]]
    most_rows: int = 1_000_000


def engines(threads: int) -> list[Engine]:
    return [
        Engine(REFERENCE, threads, lambda texts: _by_lightgbm(texts, threads), MOST_ROWS),
        Engine("Strainwatch", threads, lambda texts: _ours(texts, threads)),
    ]


def peers() -> list[Engine]:
    return [Engine("shap TreeExplainer", 1, _by_shap, MOST_ROWS), Engine("woodelf-explainer", 1, _by_woodelf)]


def _by_lightgbm(texts: Sequence[str], threads: int) -> Callable[[Floats], Floats]:
    boosters = [lightgbm.Booster(model_str=text) for text in texts]
    return lambda rows: _mean([each.predict(rows, pred_contrib=True, num_threads=threads) for each in boosters])[:, :-1]


def _ours(texts: Sequence[str], threads: int) -> Callable[[Floats], Floats]:
    treeshap.forest_of.cache_clear()
    features = lightgbm.Booster(model_str=texts[0]).num_feature()
    forest = treeshap.forest_of(tuple(texts), features)
    return lambda rows: treeshap.contributions(forest, rows, threads)


def _by_shap(texts: Sequence[str]) -> Callable[[Floats], Floats]:
    explainers = [_shap_of(text) for text in texts]
    return lambda rows: _mean([each.shap_values(rows, check_additivity=False) for each in explainers])


def _shap_of(text: str, background: Floats | None = None) -> Any:
    """Its own code: left alone it would ask LightGBM."""
    import shap

    kind = {} if background is None else {"data": background, "feature_perturbation": "interventional"}
    explainer = shap.TreeExplainer(lightgbm.Booster(model_str=text), **kind)
    explainer.model.model_type = "internal"
    return explainer


def _by_woodelf(texts: Sequence[str]) -> Callable[[Floats], Floats]:
    from woodelf import WoodelfExplainer

    boosters = [lightgbm.Booster(model_str=text) for text in texts]
    explainers = [WoodelfExplainer(each, feature_perturbation="tree_path_dependent") for each in boosters]
    names = boosters[0].feature_name()
    return lambda rows: _mean([each.shap_values(pd.DataFrame(rows, columns=names)) for each in explainers])


def _mean(found: Sequence[Any]) -> Floats:
    return np.mean([np.asarray(each, dtype=np.float64) for each in found], axis=0)


def trained(shape: Shape, seed: int = 5) -> tuple[list[str], Floats]:
    """The members' texts, and rows to explain; a tenth of the values is missing."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(TRAINING_ROWS, shape.features))
    score = values @ generator.normal(size=shape.features) * 0.3 + values[:, 0] * values[:, 1]
    label = (score + generator.normal(size=TRAINING_ROWS) > 0).astype(float)
    values[generator.random(values.shape) < 0.1] = np.nan
    parameters = {
        "objective": "binary", "num_leaves": shape.leaves, "learning_rate": 0.05, "feature_fraction": 0.3,
        "verbosity": -1, "num_threads": 2, "deterministic": True, "max_bin": 31,
    }  # fmt: skip
    data = lightgbm.Dataset(values, label, params=parameters).construct()
    members = [
        lightgbm.train({**parameters, "seed": member}, data, shape.trees).model_to_string()
        for member in range(shape.members)
    ]
    return members, values[: shape.rows]


@contextmanager
def peers_hushed() -> Iterator[None]:
    """Without their warnings, progress bars and prints; imported before anything is timed."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        for name in ("shap", "woodelf"):
            import_module(name)
        yield


def compare(shape: Shape, chosen: Sequence[Engine], rounds: int) -> list[dict[str, Any]]:
    texts, rows = trained(shape)
    tasks: dict[Engine, Callable[[], Floats]] = {}
    found, ready_ms = {}, {}
    for each in chosen:
        begin = time.perf_counter()
        explain = each.prepare(texts)
        ready_ms[each] = 1000 * (time.perf_counter() - begin)
        tasks[each] = lambda explain=explain, own=rows[: each.most_rows]: explain(own)
        found[each] = tasks[each]()[:MOST_ROWS]
    took = interleaved(tasks, rounds)
    speed = {each: min(len(rows), each.most_rows) / took[each] for each in chosen}
    reference = {each.threads: speed[each] for each in chosen if each.name == REFERENCE}
    return [
        {
            **asdict(shape), "engine": each.name, "threads": each.threads, "rows_per_s": speed[each],
            "times": speed[each] / reference[each.threads], "ready_ms": ready_ms[each],
            "difference": float(np.abs(found[each] - found[chosen[0]]).max()),
        }
        for each in chosen
    ]  # fmt: skip


def interleaved(tasks: Mapping[Any, Callable[[], Any]], rounds: int) -> dict[Any, float]:
    """Median seconds of each."""
    took: dict[Any, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            begin = time.perf_counter()
            task()
            took[name].append(time.perf_counter() - begin)
    return {name: float(np.median(seconds)) for name, seconds in took.items()}


def show(shape: Shape, lines: Sequence[Mapping[str, Any]]) -> None:
    report.keep(FILE, "contributions", lines)
    report.show(
        shape.title,
        ("", "threads", "rows/s", "times pred_contrib", "largest difference", "ready after ms"),
        [
            (
                one["engine"], str(one["threads"]), f"{one['rows_per_s']:,.0f}", f"{one['times']:.1f}",
                f"{one['difference']:.1g}", f"{one['ready_ms']:.0f}",
            )
            for one in lines
        ],
    )  # fmt: skip


def compare_others(rows: int, rounds: int) -> list[dict[str, Any]]:
    """Pairs of features, and contributions against named background rows: ours beside shap's."""
    shape = replace(MAIN, rows=rows)
    (text,), values = trained(shape)
    forest = treeshap.forest_of((text,), shape.features)
    background = trained(replace(shape, rows=2 * BACKGROUND_ROWS))[1][BACKGROUND_ROWS:]
    alone, path, against = np.arange(shape.features, dtype=np.int32), _shap_of(text), _shap_of(text, background)
    asked: dict[tuple[str, str], Callable[[], Floats]] = {
        ("pairs", "shap TreeExplainer"): lambda: path.shap_interaction_values(values),
        ("pairs", "Strainwatch"): lambda: treeshap.interactions(forest, values, alone, 1),
        ("background", "shap TreeExplainer"): lambda: against.shap_values(values, check_additivity=False),
        ("background", "Strainwatch"): lambda: treeshap.contributions(forest, values, 1, background),
    }
    found, took = {name: task() for name, task in asked.items()}, interleaved(asked, rounds)
    return [
        {
            **asdict(shape), "what": what, "engine": engine, "rows_per_s": rows / took[what, engine],
            "times": took[what, "shap TreeExplainer"] / took[what, engine],
            "difference": float(np.abs(found[what, engine] - found[what, "shap TreeExplainer"]).max()),
        }
        for what, engine in asked
    ]  # fmt: skip


def show_others(lines: Sequence[Mapping[str, Any]]) -> None:
    report.keep(FILE, "pairs and backgrounds", lines)
    words = {"pairs": "pairs of all features", "background": f"against {BACKGROUND_ROWS} background rows"}
    report.show(
        f"{MAIN.trees} trees x {MAIN.leaves} leaves x {MAIN.features} features, one thread",
        ("", "", "rows/s", "times shap", "largest difference"),
        [
            (
                words[one["what"]], one["engine"], f"{one['rows_per_s']:,.1f}", f"{one['times']:.1f}",
                f"{one['difference']:.1g}",
            )
            for one in lines
        ],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--rows", type=int, default=40, help="rows for pairs and backgrounds, which shap takes long for"
    )
    parser.add_argument("--shapes", type=int, nargs="+", default=list(range(len(SHAPES))), help="places in SHAPES")
    given = parser.parse_args()
    for place in given.shapes:
        with peers_hushed():
            lines = compare(SHAPES[place], [*engines(1), *engines(2), *peers()], given.rounds)
        show(SHAPES[place], lines)
    with peers_hushed():
        lines = compare_others(given.rows, given.rounds)
    show_others(lines)


if __name__ == "__main__":
    main()
