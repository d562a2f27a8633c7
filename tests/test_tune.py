"""`strainwatch tune` on a store: trials outlive a kill and are runs in MLflow; every training says how many."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from configs.errors import ConfigError, StoreBusy, WrongArgument
from models.estimator import load_settings
from models.tuning import Search, Trial, load_tuning
from models.tuning_record import UNSEARCHED, TuningRecord, load_record, tuning_facts
from pipelines.data import Store, open_store
from pipelines.recipe import load_recipe
from pipelines.tune import FOLDER, TunedRecipe, tune, write_recipe
from tests.squad import Squad, small_model, strainwatch

SMALL_SEARCH = (
    "trials = 4\nrandom_trials = 2\nmembers = 1\nathlete_folds = 2\ntime_blocks = 1\nresamples = 100\n"
    "least_injured_athletes = 3\n[space]\nleaves = { from = 2, to = 6 }\n"
    "learning_rate = { from = 0.01, to = 0.2, log = true }\n"
)


def record_of(losses: list[float], injured: int = 12, nested: dict[str, object] | None = None) -> TuningRecord:
    return TuningRecord.of(search_of(losses, injured), "d" * 64, "2025-03-16", nested)


def search_of(losses: list[float], injured: int = 12) -> Search:
    """A search in which each of 20 athletes has the same loss, so that every difference is certain."""
    import numpy as np

    trials = tuple(
        Trial({"leaves": 2 + number} if number else {}, loss, ((loss,) * 20,)) for number, loss in enumerate(losses)
    )
    tuning = replace(load_tuning(), space=tuple(each for each in load_tuning().space if each.name == "leaves"))
    return Search(load_settings(), tuning, trials, np.ones((1, 20)), injured, 5)


def test_figures_on_the_data_that_chose_the_settings_are_called_optimistic() -> None:
    record, settings = record_of([0.5, 0.4]), load_settings()
    assert record.is_shown_better and record.settings == {"leaves": 3}
    chosen = replace(settings, leaves=3)
    assert record.caution(chosen, "d" * 64) == (
        "The settings are the best of 2 trials on this very data: figures on the data that chose them are optimistic. "
        "Days after it, or the nested figures of `strainwatch tune --nested`, are not."
    )
    assert "best of 2 trials on data up to 2025-03-16:" in record.caution(chosen, "another")
    assert record.caution(settings, "d" * 64) == (
        "The settings were changed after a search of 2 trials on data up to 2025-03-16."
    )
    kept = record_of([0.4, 0.5, 0.6])
    assert kept.settings == {"leaves": settings.leaves}
    assert kept.caution(settings, "d" * 64) == (
        "A search of 3 trials on data up to 2025-03-16 gave no reason to change the settings."
    )


def test_a_bundle_holds_the_number_of_trials_with_or_without_a_search() -> None:
    settings = load_settings()
    assert tuning_facts(None, settings, "d") == {"trials": 1, "searched": False, "caution": UNSEARCHED}
    facts = tuning_facts(record_of([0.5, 0.4, 0.45]), settings, "d")
    assert (facts["trials"], facts["searched"], facts["inner_folds"]) == (3, True, 5)
    assert json.loads(json.dumps(facts)) == json.loads(json.dumps(facts, allow_nan=False))


def test_the_recommended_model_toml_is_one_that_training_reads_with_its_record_beside_it(tmp_path: Path) -> None:
    found = search_of([0.5, 0.4])
    tuned = TunedRecipe(found, TuningRecord.of(found, "d" * 64, "2025-03-16", None), "run", 0, None)
    write_recipe(tuned, tmp_path / "mine" / "model.toml")
    recipe = load_recipe(tmp_path / "mine")
    assert recipe.settings == replace(load_settings(), leaves=3)
    assert recipe.tuning == tuned.record == load_record(tmp_path / "mine")
    write_recipe(tuned, tmp_path / "mine" / "model.toml")  # its own file may be written anew
    for path, said in (
        (tmp_path / "other.toml", "ends in model.toml"),
        (tmp_path / "model.toml", "not written by tune"),
    ):
        path.write_text("leaves = 3\n", encoding="utf-8")
        with pytest.raises(WrongArgument, match=said):
            write_recipe(tuned, path)
    (tmp_path / "mine" / "tuning.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="not what `strainwatch tune` writes"):
        load_record(tmp_path / "mine")


def small_configs(folder: Path) -> Path:
    (small_model(folder) / "tuning.toml").write_text(SMALL_SEARCH, encoding="utf-8")
    return folder


def searches(store: Path) -> list[Path]:
    return sorted((store / "mlflow" / FOLDER).glob("*.json"))


def done(store: Path) -> list[dict[str, object]]:
    """The trials on disk, none before the search has begun."""
    found = searches(store)
    return json.loads(found[0].read_text(encoding="utf-8"))["trials"] if found else []


def search_in(store: Store, configs: Path, trials: int) -> TunedRecipe:
    recipe = load_recipe(configs)
    recipe = replace(recipe, settings=replace(recipe.settings, every_days=7))
    return tune(store, recipe, load_tuning(configs), trials, pd.Timestamp("2025-03-16"), lambda *_: None)


@pytest.mark.slow
def test_a_killed_search_goes_on_and_ends_as_one_that_was_not(squad: Squad, tmp_path: Path) -> None:
    configs = small_configs(tmp_path / "configs")
    whole = search_in(squad.copy(tmp_path / "whole").store, configs, 4)
    own = squad.copy(tmp_path / "killed")
    command = (
        "from pathlib import Path; from pipelines.data import open_store; from tests.test_tune import search_in; "
        f"search_in(open_store(Path({str(own.path)!r})), Path({str(configs)!r}), 4)"
    )
    process = subprocess.Popen([sys.executable, "-c", command], cwd=Path(__file__).parents[1])
    while process.poll() is None and len(done(own.path)) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = done(own.path)
    assert 2 <= len(before) <= 4
    again = search_in(open_store(own.path), configs, 4)
    assert again.resumed == len(before)
    assert again.search.trials == whole.search.trials
    assert whole.resumed == 0 and len(searches(own.path)) == 1
    assert_every_trial_is_a_run(own.path, again)


def assert_every_trial_is_a_run(store: Path, tuned: TunedRecipe) -> None:
    """One run per trial, nested in the search's; a kill between the two records can leave one run more."""
    client = mlflow.MlflowClient(f"sqlite:///{store.resolve()}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("strainwatch-tuning")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{tuned.run_id}'")
    losses = {run.data.metrics["log_loss"] for run in runs}
    assert losses == {trial.loss for trial in tuned.search.trials}
    assert len(runs) - len(tuned.search.trials) in (0, 1)
    leaves = {run.data.params["leaves"] for run in runs if "leaves" in run.data.params}
    assert leaves == {str(trial.values["leaves"]) for trial in tuned.search.trials[1:]}
    parent = client.get_run(tuned.run_id)
    assert parent.info.status == "FINISHED" and parent.data.metrics["trials"] == 4
    assert parent.data.tags["advice"] == " ".join(tuned.record.sentences)


@pytest.mark.slow
def test_an_interrupted_search_keeps_its_trials_and_a_second_process_is_turned_away(
    squad: Squad, tmp_path: Path
) -> None:
    configs, own = small_configs(tmp_path / "configs"), squad.copy(tmp_path / "own")
    options = ("tune", "--store", str(own.path), "--configs", str(configs))
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", *options, "--trials", "500"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not done(own.path):
        time.sleep(0.05)
    with pytest.raises(StoreBusy, match="the same search is under way"):
        tune(own.store, load_recipe(configs), load_tuning(configs), 4, None, lambda *_: None)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "finished trials are kept, the same command goes on" in said
    before = len(done(own.path))
    ran = strainwatch(*options, "--trials", before + 1, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["trials"], told["resumed"]) == (before + 1, before)
