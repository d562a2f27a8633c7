"""Who becomes champion through the real commands: never unseen, never by a kill, never a model of noise, of a leak, or
one that promises too much."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from features.labels import onsets
from features.row_facts import prepare
from models import promotion, registry
from models.bundle import Bundle
from models.gate import load_limits
from models.promotion import Decision, read_log
from models.promotion_log import champions
from models.registry import versions
from models.replay import make_replay
from models.training_runs import log_training
from pipelines.data import open_store
from pipelines.ingest import ingest
from pipelines.promote import promote, train_and_ask
from pipelines.recipe import Recipe, load_recipe
from pipelines.simulate import World, simulate, write_exports
from pipelines.training_set import training_set
from tests.children import children
from tests.squad import NOW, Squad, injured_often, small_model, strainwatch
from tests.test_crash import KILLED, Deadly, deadly
from tests.trained import small_bundle

pytestmark = pytest.mark.slow
LIMITS = load_limits()

__all__ = ["deadly"]  # the fixture, for pytest


def register(store: Path, bundle: Bundle) -> int:
    """A bundle as a training would leave it; its version."""
    return log_training(store, bundle, {}, {}, {}, {}, {}).version


def aliases(store: Path) -> dict[str, int]:
    return {alias: each.version for each in versions(store) for alias in each.aliases}


def log_of(store: Path) -> list[tuple[str, int | None, int | None, bool]]:
    return [(entry.action, entry.before, entry.after, entry.forced) for entry in read_log(store)]


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three registered versions, the first and then, forced, the second champion. Only to be copied."""
    store = open_store(tmp_path_factory.mktemp("twice") / "store").path
    for number in (1, 2, 3):
        register(store, replace(small_bundle(), version=f"2024-04-0{number}.test"))
    promotion.decide(store, Decision("first", None, 1, 1, "first model"), "ana", NOW)
    promotion.decide(store, Decision("promoted", 1, 2, 2, "season begins", True), "ana", NOW)
    return store


@pytest.fixture
def own(twice: Path, tmp_path: Path) -> Path:
    return Path(subprocess.run(["cp", "-r", twice, tmp_path / "store"], check=True).args[-1])


# --- the log and the commands ------------------------------------------------------------------------


def test_rollback_goes_back_one_champion_at_a_time_and_says_when_there_is_none(own: Path) -> None:
    assert aliases(own) == {"champion": 2}
    ran = strainwatch("rollback", "--store", own, "--reason", "flags too many")
    assert (ran.code, ran.err) == (0, "")
    assert "Champion: version 1 (2024-04-01.test). Flags too many." in ran.out
    assert aliases(own) == {"champion": 1}
    assert log_of(own)[-1] == ("rolled back", 2, 1, False)
    again = strainwatch("rollback", "--store", own)
    assert again.code == 5
    assert "no earlier champion to go back to" in again.err
    listed = json.loads(strainwatch("models", "list", "--store", own, "--format", "json").out)
    assert [(row["version"], row["aliases"]) for row in listed] == [(3, ""), (2, ""), (1, "champion")]
    shown = strainwatch("models", "log", "--store", own, "--format", "csv").out.splitlines()
    assert [line.split(",")[3] for line in shown[1:]] == ["first", "promoted", "rolled back"]


def test_an_alias_moved_by_other_means_is_told_and_then_written_down(own: Path) -> None:
    registry.set_alias(own, 3, "champion")
    told = strainwatch("models", "log", "--store", own)
    assert "the champion is version 2, and it is version 3" in told.out
    assert "is version 3" in strainwatch("status", "--store", own).out
    ran = strainwatch("rollback", "--store", own)
    assert (ran.code, aliases(own)) == (0, {"champion": 2})
    assert "Mended in the promotion log: the alias was moved by other means" in ran.out
    assert log_of(own)[2:] == [("found", 2, 3, False), ("rolled back", 3, 2, False)]


def test_a_line_cut_off_at_the_end_is_noticed_and_nothing_moves(own: Path) -> None:
    path = promotion.log_path(own)
    path.write_text(path.read_text(encoding="utf-8").splitlines(keepends=True)[0], encoding="utf-8")
    for command in (["models", "log"], ["rollback"], ["promote", "--version", "3"]):
        ran = strainwatch(*command, "--store", own)
        assert ran.code == 8
        assert "lines at its end are gone or were changed. Restore it from a backup" in ran.err
    path.write_bytes(b"")
    ran = strainwatch("models", "log", "--store", own)
    assert (ran.code, "lines at its end are gone" in ran.err) == (8, True)
    assert aliases(own) == {"champion": 2}
    path.unlink()
    ran = strainwatch("models", "log", "--store", own)
    assert (ran.code, "is gone, although the registry holds the hash of its last line" in ran.err) == (8, True)
    strainwatch("rollback", "--store", own)
    assert [entry.reason for entry in read_log(own)] == [promotion.LOST]


def test_force_needs_a_reason_and_a_reason_needs_force(own: Path) -> None:
    for option in (["--force"], ["--reason", "because"], ["--force", "--reason", " "]):
        ran = strainwatch("promote", "--store", own, *option)
        assert (ran.code, aliases(own)) == (2, {"champion": 2})
        assert "--force and --reason go together" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 5, "no challenger: `strainwatch train --challenger` registers one"),
        (["--version", "2"], 2, "version 2 is the champion already"),
        (["--version", "9"], 5, "version 9 is not registered"),
    ],
)
def test_promote_names_what_is_missing(own: Path, arguments: list[str], code: int, said: str) -> None:
    ran = strainwatch("promote", "--store", own, *arguments)
    assert ran.code == code
    assert said in ran.err


def assert_settled(store: Path) -> None:
    """Log and alias agree, the chain holds, and the seal is that of the last line."""
    entries = read_log(store)
    with registry.aliases(store) as known:
        assert known.tag(promotion.SEAL) == entries[-1].sha256
    assert aliases(store)["champion"] == entries[-1].after == champions(entries)[-1]


def test_a_rollback_killed_at_its_writes_leaves_the_one_or_the_other_champion_and_the_next_command_mends_the_log(
    twice: Path, deadly: Deadly, tmp_path: Path
) -> None:
    def copied(name: str) -> Path:
        subprocess.run(["cp", "-r", twice, tmp_path / name], check=True)
        return tmp_path / name

    code, writes = deadly(None, ["rollback", "--store", copied("whole")])
    assert code == 0
    actions = set()
    for before_the_end in (1, 24, 47, 52, 58):  # the alias is moved 48 writes before the end
        number = writes - before_the_end
        store = copied(str(number))
        assert deadly(number, ["rollback", "--store", store]) == (KILLED, -1)
        assert aliases(store)["champion"] in (1, 2)
        assert strainwatch("models", "log", "--store", store).code == 0
        promotion.settle(store, "ana", NOW)
        assert_settled(store)
        actions.add(read_log(store)[-1].action)
    assert actions == {"void", "rolled back"}


# --- train and promote -------------------------------------------------------------------------------


def test_a_later_model_waits_as_challenger_until_a_person_forces_it(own_squad: Squad, tmp_path: Path) -> None:
    store, recipe = ("--store", own_squad.path), ("--configs", own_squad.configs)
    assert log_of(own_squad.path) == [("first", None, 1, False)]
    assert read_log(own_squad.path)[0].figures["gate"]
    trained = strainwatch("train", *store, *recipe, "--until", "2025-03-30", "--challenger", "--json")
    assert (trained.code, trained.err) == (0, "")
    assert json.loads(trained.out)["promotion"] is None
    assert aliases(own_squad.path) == {"champion": 1, "challenger": 2}
    asked = strainwatch("promote", *store, *recipe, "--json")
    assert (asked.code, asked.err) == (10, "")
    answer = json.loads(asked.out)
    assert (answer["champion"], answer["candidate"], answer["promoted"]) == (1, 2, False)
    assert answer["line"]["figures"]["ground"] == "same folds"
    assert "judging the models as they are takes 20" in answer["line"]["figures"]["why"]
    assert "14 days older" in answer["line"]["figures"]["why"]
    assert any("age and history" in each for each in answer["refusals"])
    forced = strainwatch("promote", *store, *recipe, "--force", "--reason", "the coach insists")
    assert forced.code == 0
    assert re.search(r"Champion: version 2 \(.*\), forced by .*\. The coach insists\.", forced.out)
    assert log_of(own_squad.path)[1:] == [("kept", 1, 1, False), ("promoted", 1, 2, True)]
    assert aliases(own_squad.path) == {"champion": 2}
    assert_settled(own_squad.path)
    compared = strainwatch("runs", "compare", "1", "champion", *store, "--out", tmp_path / "out")
    assert (compared.code, compared.err) == (0, "")
    for words in ("data_cut", "2025-03-16", "2025-03-30", "AUROC", "learnt from different data", "tested by both"):
        assert words in compared.out
    drawn = {path.name for path in (tmp_path / "out").iterdir()}
    assert drawn >= {"comparison.html", "metrics.png", "scores.png", "calibration.png"}
    assert (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8").count("data:image/png") == len(drawn) - 1
    found = json.loads(strainwatch("runs", "compare", "1", "2", *store, "--json").out)
    assert {row["parameter"] for row in found["parameters"]} >= {"data_cut", "athlete_days"}
    unknown = strainwatch("runs", "compare", "1", "nobody", *store)
    assert unknown.code == 2
    assert "'nobody' is no run, no registered version and no alias in use. Registered: 2 (" in unknown.err


def test_two_trainings_and_a_promotion_at_once_all_end_well_and_the_log_tells_them_one_after_another(
    own_squad: Squad,
) -> None:
    recipe = ["--store", str(own_squad.path), "--configs", str(own_squad.configs)]
    before = registry.bundle_of(own_squad.path, 1)
    register(own_squad.path, replace(before, version="20250101-000000-challenge"))
    commands = [
        ["train", *recipe, "--until", "2025-03-30"],
        ["train", *recipe, "--until", "2025-04-13"],
        ["promote", *recipe, "--version", "2", "--force", "--reason", "both at once"],
    ]
    with children() as forked:
        forked.start(*[("strainwatch", *each) for each in commands])
        ended = forked.ended()
        assert ended == [0, 0, 0], forked.said()
    assert sorted(each.version for each in versions(own_squad.path)) == [1, 2, 3, 4]
    assert sorted(entry.candidate or 0 for entry in read_log(own_squad.path)) == [1, 2, 3, 4]
    assert_settled(own_squad.path)
    assert aliases(own_squad.path)["champion"] == 2


# --- what the gate must refuse -----------------------------------------------------------------------


def store_of(world: World, folder: Path, champion: Bundle) -> Squad:
    """A store of this world, with the champion of another squad."""
    store = open_store(folder / "store")
    for export in write_exports(world, folder / "exports"):
        ingest(store, export.source, export.path, now=NOW)
    register(store.path, champion)
    promotion.decide(store.path, Decision("first", None, 1, 1, "another squad's"), "ana", NOW)
    return Squad(store.path, small_model(folder / "configs"), folder / "exports")


def trained_on(squad: Squad) -> tuple[str, ...]:
    """What the gate says against a model trained on the whole store; the champion stays, and the log says why."""
    _, outcome = train_and_ask(squad.store, load_recipe(squad.configs), None, NOW, lambda *_: None, LIMITS)
    assert aliases(squad.path) == {"champion": 1, "challenger": 2}
    assert log_of(squad.path)[-1] == ("kept", 1, 1, False)
    assert read_log(squad.path)[-1].reason == "; ".join(outcome.refusals)
    return outcome.refusals


def test_a_model_trained_on_noise_is_refused(squad: Squad, tmp_path: Path) -> None:
    world = simulate(10, 1, 8, folder=injured_often(tmp_path / "simulation"), effects=False)
    refusals = trained_on(store_of(world, tmp_path, registry.bundle_of(squad.path, 1)))
    assert any("not shown to be better than age and history" in each for each in refusals)


def with_a_diary_that_knows(world: World, recipe: Recipe) -> World:
    """The same, but soreness of the week before a strain was filled in afterwards, under the old dates."""
    diary = world.tables["wellness"]
    happened = onsets(prepare(world.tables, recipe.target), recipe.target)[["athlete_id", "date"]]
    pairs = diary[["athlete_id", "date"]].reset_index(names="row").merge(
        happened.rename(columns={"date": "onset"}), on="athlete_id"
    )  # fmt: skip
    ahead = (pairs["onset"] - pairs["date"]).dt.days
    told = diary.index.isin(pairs.loc[(ahead > 0) & (ahead <= 7), "row"])
    usual = diary["hamstring_discomfort"].clip(upper=3)
    tables = {**world.tables, "wellness": diary.assign(hamstring_discomfort=usual.mask(told, 10.0))}
    return replace(world, tables=tables)


def test_a_model_with_a_leak_is_refused_and_the_column_named(squad: Squad, tmp_path: Path) -> None:
    world = simulate(10, 1, 8, folder=injured_often(tmp_path / "simulation"))
    leaking = with_a_diary_that_knows(world, load_recipe())
    refusals = trained_on(store_of(leaking, tmp_path, registry.bundle_of(squad.path, 1)))
    assert any(each.startswith("leak: ") and "discomfort" in each for each in refusals)


def promising(squad: Squad, log_odds: float) -> Bundle:
    """The champion with every calibrated score raised, its replay cases made anew so that it loads."""
    bundle = registry.bundle_of(squad.path, 1)
    models = tuple(
        replace(
            model,
            calibration=replace(
                model.calibration,
                coefficients=(model.calibration.coefficients[0] + log_odds, *model.calibration.coefficients[1:]),
            ),
        )
        for model in bundle.models
    )
    recipe = Recipe(bundle.specs, bundle.factors, bundle.target, bundle.settings)
    training = training_set(squad.store, recipe, pd.Timestamp("2025-03-16"), lambda *_: None)
    replayed = make_replay(
        training.tables, training.index, training.features, bundle.specs, bundle.target, models, cases=4
    )
    return replace(bundle, version="20250101-000000-promising", models=models, replay=replayed)


@pytest.mark.parametrize(
    ("least_later_events", "said"),
    [
        (1000, r"the registered model as it is: observed : expected is 0\.[0-4]\d on the days that it learnt from"),
        (2, r"observed : expected is 0\.[0-4]\d$"),
    ],
    ids=["in folds", "on later days"],
)
def test_a_model_that_promises_too_much_is_refused(own_squad: Squad, least_later_events: int, said: str) -> None:
    candidate = register(own_squad.path, promising(own_squad, 1.5))
    limits = replace(LIMITS, least_later_events=least_later_events)
    outcome = promote(own_squad.store, candidate, NOW, lambda *_: None, limits)
    assert not outcome.is_champion
    assert aliases(own_squad.path)["champion"] == 1
    assert any(re.search(said, each) for each in outcome.refusals), outcome.refusals
    assert outcome.comparison is not None
    assert outcome.comparison.ground == ("later days" if least_later_events == 2 else "same folds")
