"""SIGKILL at any moment leaves a store that reads, and on which the same command then succeeds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

from features.tables import TABLES
from models.promotion import read_log
from models.promotion_log import effective
from models.registry import champion, versions
from pipelines.data import fingerprint, open_store, read_tables
from pipelines.run_log import RUN_LOG
from tests.squad import MONDAYS, Squad, stored, strainwatch

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
DAY = MONDAYS[0]
KILLED = -signal.SIGKILL

Deadly = Callable[[int | None, Sequence[object]], tuple[int, int]]


@pytest.fixture(scope="module")
def deadly() -> Iterator[Deadly]:
    """A command in a process that dies before its n-th write: (exit code, writes done if it lived)."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-m", "tests.deadly"], cwd=ROOT, text=True, **pipes) as server:  # type: ignore[call-overload]

        def run(number: int | None, arguments: Sequence[object]) -> tuple[int, int]:
            server.stdin.write(json.dumps([number, [str(each) for each in arguments]]) + "\n")
            server.stdin.flush()
            code, writes = json.loads(server.stdout.readline())
            return code, writes

        yield run
        server.stdin.close()


def spread(writes: int, count: int, last: int = 0) -> list[int]:
    """Numbers of writes from first to last, evenly, and each of the `last` ones."""
    even = {round(number * (writes - 1) / (count - 1)) for number in range(count)}
    return sorted(even | set(range(writes - last, writes)))


def killed_at(fraction: float, lasts_s: float, arguments: Sequence[object]) -> int:
    """A real process of the command line, killed at a fraction of its run time: its exit code."""
    command = [sys.executable, "-m", "tests.run", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            return process.wait(fraction * lasts_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def lasting(arguments: Sequence[object]) -> float:
    """Seconds that the command takes undisturbed."""
    start = time.monotonic()
    assert killed_at(1, 300, arguments) == 0
    return time.monotonic() - start


def assert_readable(squad: Squad) -> None:
    """The run log parses line by line, tables and status read, no more than one version is champion."""
    path = squad.path / RUN_LOG
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        json.loads(line)
    assert set(read_tables(squad.store)) == set(TABLES)
    assert sum("champion" in each.aliases for each in versions(squad.path)) <= 1
    assert strainwatch("status", "--store", squad.path).code == 0


def assert_same(before: tuple[pd.DataFrame, ...], after: tuple[pd.DataFrame, ...]) -> None:
    for left, right in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(
            left.drop(columns="made_at", errors="ignore"),
            right.drop(columns="made_at", errors="ignore"),
            check_exact=True,
        )


# --- score ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expected(squad: Squad, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What an undisturbed score leaves."""
    own = squad.copy(tmp_path_factory.mktemp("undisturbed") / "store")
    own.score(DAY)
    return stored(own)


def assert_scores_after_a_kill(squad: Squad, expected: tuple[pd.DataFrame, pd.DataFrame]) -> str:
    """Predictions and explanations are both whole or both absent; the same command then completes them."""
    assert_readable(squad)
    found = stored(squad)
    if len(found[0]) or len(found[1]):
        assert_same(found, expected)
    ran = strainwatch("score", "--store", squad.path, "--as-of", DAY, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert_same(stored(squad), expected)
    outcome: str = json.loads(ran.out)["outcome"]
    assert outcome == ("unchanged" if len(found[0]) else "scored")
    return outcome


def test_score_killed_at_its_writes(
    squad: Squad, deadly: Deadly, expected: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    def command(own: Squad) -> list[object]:
        return ["score", "--store", own.path, "--as-of", DAY]

    code, writes = deadly(None, command(squad.copy(tmp_path / "undisturbed")))
    assert code == 0 and writes > 8
    outcomes = []
    for number in spread(writes, 4, last=6):
        own = squad.copy(tmp_path / str(number))
        assert deadly(number, command(own)) == (KILLED, -1), number
        outcomes.append(assert_scores_after_a_kill(own, expected))
    assert outcomes[0] == "scored"


def test_score_killed_at_any_time(squad: Squad, expected: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path) -> None:
    lasts_s = lasting(["score", "--store", squad.copy(tmp_path / "undisturbed").path, "--as-of", DAY])
    for fraction in (0.6, 0.85):
        own = squad.copy(tmp_path / str(fraction))
        assert killed_at(fraction, lasts_s, ["score", "--store", own.path, "--as-of", DAY]) in (KILLED, 0)
        assert_scores_after_a_kill(own, expected)


def test_score_killed_while_it_replaces_keeps_what_was_said(
    squad: Squad, deadly: Deadly, expected: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    own = squad.copy(tmp_path / "store")
    own.score(DAY)
    later = tmp_path / "sessions.csv"
    last = read_tables(own.store)["sessions"].iloc[-1]
    later.write_text(
        "session_id,athlete_id,date,known_at,kind,duration_min,rpe\n"
        + "".join(
            f"late-{name},{name},2025-03-15,2025-03-15T20:00:00Z,{last['kind']},240,10\n"
            for name in expected[1]["athlete_id"].unique()
        )
    )
    assert strainwatch("ingest", "csv", later, "--store", own.path).code == 0
    command = ["score", "--store", own.path, "--as-of", DAY, "--replace"]
    whole = own.copy(tmp_path / "whole")
    _, writes = deadly(None, ["score", "--store", whole.path, "--as-of", DAY, "--replace"])
    replaced = stored(whole)
    assert (replaced[0]["fingerprint"] != expected[0]["fingerprint"]).any()
    for number in spread(writes, 2, last=5)[1:]:
        assert deadly(number, command) == (KILLED, -1)
        found = stored(own)
        assert_same(found, replaced if found[0]["fingerprint"].equals(replaced[0]["fingerprint"]) else expected)
    assert deadly(None, command)[0] == 0
    assert_same(stored(own), replaced)


# --- ingest ---------------------------------------------------------------------------------------


def test_ingest_killed_at_its_writes_and_at_any_time(squad: Squad, deadly: Deadly, tmp_path: Path) -> None:
    source = squad.exports / "contract"
    command: list[object] = ["ingest", "csv", source, "--store"]
    code, writes = deadly(None, [*command, tmp_path / "whole"])
    assert code == 0 and writes > 8
    whole = fingerprint(read_tables(open_store(tmp_path / "whole")))
    empty = fingerprint(read_tables(open_store(tmp_path / "empty")))
    lasts_s = lasting([*command, tmp_path / "timed"])
    kills: list[Callable[[Path], int]] = [
        *(lambda store, n=n: deadly(n, [*command, store])[0] for n in spread(writes, 4, last=3)),
        *(lambda store, f=f: killed_at(f, lasts_s, [*command, store]) for f in (0.6, 0.85)),
    ]
    for number, kill in enumerate(kills):
        store = tmp_path / str(number)
        assert kill(store) in (KILLED, 0)
        assert fingerprint(read_tables(open_store(store))) in (whole, empty)
        assert strainwatch(*command, store).code == 0
        assert fingerprint(read_tables(open_store(store))) == whole
        assert [path.name for path in (store / "tables").iterdir() if path.name.startswith(".")] == []
        json.loads((store / RUN_LOG).read_text(encoding="utf-8").splitlines()[-1])


# --- train ----------------------------------------------------------------------------------------


def test_train_killed_again_and_again_leaves_the_champion_and_the_same_command_then_registers_and_asks_the_gate(
    squad: Squad, deadly: Deadly, tmp_path: Path
) -> None:
    own = squad.copy(tmp_path / "store")
    old, _ = champion(own.path)
    first = read_log(own.path)
    command = ["train", "--store", own.path, "--configs", own.configs, "--until", "2025-03-30"]
    code, writes = deadly(None, ["train", "--store", squad.copy(tmp_path / "whole").path, *command[3:]])
    assert code == 0 and writes > 20
    for number in spread(writes, 3, last=2)[1:]:
        assert deadly(number, command) == (KILLED, -1), number
        assert_readable(own)
        assert champion(own.path)[0].version == old.version
        assert read_log(own.path)[:1] == first
        assert all(entry.action == "kept" for entry in read_log(own.path)[1:])
        assert own.score(DAY).outcome in ("scored", "unchanged")
    ran = strainwatch(*command, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert_one_champion(own, old.version)
    told = json.loads(ran.out)
    assert [each.label for each in versions(own.path) if "challenger" in each.aliases] == [told["model_version"]]
    assert (read_log(own.path)[-1].action, read_log(own.path)[-1].candidate) == ("kept", told["version"])


def test_the_first_train_killed_at_any_time_leaves_a_store_that_trains(squad: Squad, tmp_path: Path) -> None:
    """The first training makes MLflow's database as well."""
    own = squad.copy(tmp_path / "store")
    for leftover in sorted((own.path / "mlflow").rglob("*"), reverse=True):
        leftover.rmdir() if leftover.is_dir() else leftover.unlink()
    whole = own.copy(tmp_path / "whole")
    command = ["train", "--store", own.path, "--configs", own.configs, "--until", "2025-03-16"]
    lasts_s = lasting(["train", "--store", whole.path, *command[3:]])
    for fraction in (0.55, 0.85):
        assert killed_at(fraction, lasts_s, command) in (KILLED, 0)
        assert_readable(own)
    ran = strainwatch(*command, "--json")
    assert (ran.code, ran.err) == (0, "")
    told = json.loads(ran.out)
    first = effective(read_log(own.path))[0]
    assert (first.action, first.after) == ("first", told["promotion"]["champion"])
    assert_one_champion(own, next(each.label for each in versions(own.path) if each.version == first.after))


def assert_one_champion(squad: Squad, version: str) -> None:
    assert_readable(squad)
    assert [each.label for each in versions(squad.path) if "champion" in each.aliases] == [version]
    assert champion(squad.path)[0].version == version
    assert squad.score(MONDAYS[1]).outcome == "scored"
    leftovers = {path.name for path in (squad.path / "mlflow").iterdir()} - {
        ".lock",
        "artifacts",
        "mlflow.db",
        "promotions.jsonl",
    }
    assert leftovers == set()
    assert list((squad.path / "tables").iterdir())
