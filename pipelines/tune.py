"""The search for settings on a store's data: trials that survive a kill, a run in MLflow for each, and the configs that
come of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

import configs
from configs.errors import StoreBusy, WrongArgument
from features.specs import fingerprint as specs_fingerprint
from models import search_runs
from models.evaluation import Evaluation
from models.measures import MEASURES
from models.metrics import Metric
from models.registry import beside
from models.tested import MODEL
from models.tuning import Search, Trial, Tuned, Tuning, search
from models.tuning_record import RECORD, TuningRecord
from pipelines.console import Report
from pipelines.data import Store, fingerprint, write_aside
from pipelines.recipe import Recipe
from pipelines.stability import rows_to_learn_from
from pipelines.train import try_evaluation
from pipelines.training_set import TrainingSet, directions, training_set

FOLDER = "searches"
"""Where a store keeps unfinished and finished searches, in its mlflow/."""
TARGET_FILE = "model.toml"
_SIGNED = "# Written by `strainwatch tune`"
_JUDGED_BY = ("auroc", "average_precision", "scaled_brier")


@dataclass(frozen=True)
class TunedRecipe:
    """What a search came to. `resumed` trials had been done before; `evaluation` is the nested one, if asked for."""

    search: Search
    record: TuningRecord
    run_id: str
    resumed: int
    evaluation: Evaluation | None

    def in_words(self) -> tuple[str, ...]:
        """The advice and what it rests on."""
        taken_up = f"{self.resumed} trials were done before; the search went on from there."
        return (*((taken_up,) if self.resumed else ()), *self.record.sentences)

    def as_json(self) -> dict[str, Any]:
        """The record, and where its trials are."""
        return {**asdict(self.record), "run_id": self.run_id, "resumed": self.resumed}


def tune(
    store: Store,
    recipe: Recipe,
    tuning: Tuning,
    trials: int,
    until: pd.Timestamp | None,
    progress: Report,
    nested: bool = False,
) -> TunedRecipe:
    """Search for settings on what the store knows, or knew by the end of `until`; the same call again goes on.

    Every finished trial is kept on disk and as a run in MLflow; a search that is killed or interrupted loses the trial
    under way. Raises NotReady where the data cannot carry inner folds, StoreBusy if the same search runs already.
    """
    training = training_set(store, recipe, until, progress)
    data = fingerprint(training.tables)
    with _kept(store, _key(training, recipe, tuning, data), tuning) as kept:
        resumed = min(len(kept.trials), trials)
        found = _searched(training, recipe, tuning, trials, kept, progress)
        evaluation = _nested(training, recipe, tuning, trials, progress) if nested else None
        told = outer_folds(evaluation, trials) if nested else None
        record = TuningRecord.of(found, data, f"{training.data_cut:%Y-%m-%d}", told)
        kept.close(record)
        return TunedRecipe(found, record, kept.run_id, resumed, evaluation)


def _key(training: TrainingSet, recipe: Recipe, tuning: Tuning, data: str) -> str:
    """What makes two searches the same: data, features, target, present settings, space, and this version."""
    space = {name: value for name, value in asdict(tuning).items() if name != "trials"}
    content = [data, specs_fingerprint(training.specs), recipe.target.as_json(), recipe.settings.as_json(), space]
    text = json.dumps(
        [*content, f"{training.data_cut:%Y-%m-%d}", package_version("strainwatch")], sort_keys=True, default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass
class _Kept:
    """The trials of one search on disk; changes as they come in."""

    store: Store
    path: Path
    run_id: str
    trials: list[Trial]

    def keep(self, trial: Trial) -> None:
        """Record one more trial: in MLflow first, since only what the file holds is not tried again."""
        name = f"trial {len(self.trials)}" if self.trials else "present settings"
        search_runs.log_trial(self.store.path, self.run_id, name, trial.values, {"log_loss": trial.loss})
        self.trials.append(trial)
        self.write()

    def write(self) -> None:
        content = {"run_id": self.run_id, "trials": [asdict(trial) for trial in self.trials]}
        write_aside(self.path, json.dumps(content).encode())

    def close(self, record: TuningRecord) -> None:
        """Say in MLflow what the search came to."""
        gain = record.search["gain"] or {}
        metrics = {"trials": float(record.trials), "best_log_loss": record.search["best_loss"]}
        metrics |= {f"gain_{name}" if name != "value" else "gain": value for name, value in gain.items()}
        tags = {"advice": " ".join(record.sentences), "recommended": json.dumps(record.settings)}
        search_runs.end_search(self.store.path, self.run_id, metrics, tags, "FINISHED")


@contextmanager
def _kept(store: Store, key: str, tuning: Tuning) -> Iterator[_Kept]:
    """The search under this key, held against another process; its MLflow run is closed however it ends."""
    folder = store.path / "mlflow" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{key}{beside(store.path)}"
    try:
        with FileLock(folder / f"{name}.lock", timeout=0):
            kept = _opened(store, folder / f"{name}.json", tuning)
            try:
                yield kept
            except BaseException as error:
                status: search_runs.SearchStatus = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
                search_runs.end_search(store.path, kept.run_id, {"trials": float(len(kept.trials))}, {}, status)
                raise
    except Timeout as error:
        raise StoreBusy(f"{folder}: the same search is under way in another process. Wait for it to end.") from error


def _opened(store: Store, path: Path, tuning: Tuning) -> _Kept:
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
        return _Kept(store, path, content["run_id"], [_trial(each) for each in content["trials"]])
    parameters = {f"{each.name}_from_to": f"{each.low:g} to {each.high:g}" for each in tuning.space}
    run_id = search_runs.start_search(store.path, f"search {path.stem}", parameters, {"search": path.stem})
    kept = _Kept(store, path, run_id, [])
    kept.write()
    return kept


def _trial(content: Mapping[str, Any]) -> Trial:
    return Trial(content["values"], content["loss"], tuple(tuple(row) for row in content["losses"]))


def _searched(
    training: TrainingSet, recipe: Recipe, tuning: Tuning, trials: int, kept: _Kept, progress: Report
) -> Search:
    what = "trying settings on inner folds"

    def keep(trial: Trial) -> None:
        kept.keep(trial)
        progress(what, len(kept.trials), trials)

    finished = tuple(kept.trials)
    progress(what, min(len(finished), trials), trials)
    rows = rows_to_learn_from(training, recipe, directions(training))
    return search(rows, recipe.settings, tuning, trials, finished=finished, keep=keep)


def _nested(training: TrainingSet, recipe: Recipe, tuning: Tuning, trials: int, progress: Report) -> Evaluation | None:
    """The evaluation with a search inside every outer fold; None where the data cannot carry one."""
    searches: list[Search | None] = []
    told: Callable[[Search | None], None] = searches.append
    found, _ = try_evaluation(training, recipe, progress, alternatives=(Tuned(tuning, trials, told),))
    return found


def outer_folds(evaluation: Evaluation | None, trials: int) -> dict[str, Any]:
    """What taking the best trial is worth on the outer folds, which no search saw; says so where there are none."""
    if evaluation is None:
        sentence = "Nested: the data cannot carry outer folds, so what the search is worth is not known."
        return {"trials": trials, "metrics": [], "sentences": [sentence]}
    rows = [row for horizon in evaluation.horizons_days for row in _differences(evaluation, horizon)]
    said = [
        f"Nested, on outer folds that no search touched: the best of {trials} trials changes "
        f"{MEASURES[row['metric']]} ({row['horizon_days']} days) by {row['words']}."
        for row in rows
        if row["metric"] in ("auroc", "scaled_brier")
    ]
    return {"trials": trials, "metrics": rows, "sentences": said}


def _differences(evaluation: Evaluation, horizon_days: int) -> Iterator[dict[str, Any]]:
    for name in _JUDGED_BY:
        try:
            present, tuned, less = (
                evaluation.metric(name, horizon_days, model, against)
                for model, against in ((MODEL, None), ("tuned", None), (MODEL, "tuned"))
            )
        except KeyError:  # a horizon without an outcome, or a measure that is not compared
            continue
        more = _turned(less)
        yield {
            "horizon_days": horizon_days, "metric": name, "present": present.value, "tuned": tuned.value,
            "change": more.value, "lower": more.lower, "upper": more.upper, "words": _in_words(more),
        }  # fmt: skip


def _in_words(more: Metric) -> str:
    """Such as "-0.012 (-0.091 to 0.054)": gains of tuning are small."""
    if more.reason:
        return f"{more.value:.4f} ({more.reason})"
    return f"{more.value:.4f} ({more.lower:.4f} to {more.upper:.4f})"


def _turned(less: Metric) -> Metric:
    """The difference seen from the other side."""
    return Metric(
        less.name, -less.value, -less.upper, -less.lower, less.n_rows, less.n_events, less.n_athletes, less.reason
    )


def write_recipe(tuned: TunedRecipe, path: Path) -> None:
    """`path`, a model.toml, with the recommended settings, and the record of the search beside it.

    Settings that the search did not touch stay as they are. Raises WrongArgument for another name, since configs are
    found by it, and for a file that tune did not write.
    """
    check_target(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, _toml(tuned).encode("utf-8"))
    write_aside(path.with_name(RECORD), tuned.record.text().encode("utf-8"))


def check_target(path: Path) -> None:
    """Raise WrongArgument unless tune may write `path`."""
    if path.name != TARGET_FILE:
        raise WrongArgument(f"--out {path}: configs are found by their names. Give a path that ends in {TARGET_FILE}.")
    if path.exists() and not path.read_text(encoding="utf-8").startswith(_SIGNED):
        raise WrongArgument(f"--out {path}: this file was not written by tune. Give another folder, or move it away.")


def _toml(tuned: TunedRecipe) -> str:
    chosen, shipped = tuned.search.recommended.as_json(), configs.load(TARGET_FILE)
    names = [each.name for each in tuned.search.tuning.space]
    kept = [name for name in chosen if name in names or chosen[name] != shipped.get(name)]
    lines = [f"{_SIGNED} after {tuned.record.trials} trials on data up to {tuned.record.data_cut}; see {RECORD}."]
    lines += [f"# {sentence}" for sentence in tuned.record.sentences]
    lines += [f"{name} = {json.dumps(chosen[name])}" for name in kept]
    return "\n".join(lines) + "\n"
