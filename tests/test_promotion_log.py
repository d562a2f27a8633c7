"""The promotion log only grows, tells when somebody changed it, and knows who was champion before whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from configs.errors import IntegrityError
from models.promotion import KILLED, OUTSIDE, Decision, _require_whole, _to_mend
from models.promotion_log import Action, Entry, append, champions, effective, read

MOVES: tuple[tuple[Action, int | None, int | None], ...] = (
    ("first", None, 1), ("kept", 1, 1), ("promoted", 1, 3), ("promoted", 3, 4), ("rolled back", 4, 3),
)  # fmt: skip


def entries(*moves: tuple[Action, int | None, int | None]) -> list[Entry]:
    """Lines with these actions and champions before and after, chained."""
    made: list[Entry] = []
    for number, (action, before, after) in enumerate(moves, start=1):
        previous = made[-1].sha256 if made else ""
        made.append(
            Entry(number, "2026-11-22T10:00:00+00:00", "ana", action, before, after, after, False, "why", {}, previous)
        )
    return made


def written(folder: Path, *moves: tuple[Action, int | None, int | None]) -> Path:
    path = folder / "promotions.jsonl"
    for entry in entries(*moves):
        append(path, entry)
    return path


def test_what_was_appended_is_read_and_each_line_holds_the_hash_of_the_one_before(tmp_path: Path) -> None:
    path = written(tmp_path, *MOVES)
    found = read(path)
    assert found == tuple(entries(*MOVES))
    assert [entry.previous for entry in found] == ["", *(entry.sha256 for entry in found[:-1])]
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert (first["from"], first["to"], first["user"], first["action"]) == (None, 1, "ana", "first")
    assert path.stat().st_mode & 0o077 == 0


def test_without_a_file_there_are_no_entries(tmp_path: Path) -> None:
    assert read(tmp_path / "promotions.jsonl") == ()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [lines[0].replace("ana", "bob"), *lines[1:]], 2),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:2], "{}", *lines[3:]], 3),
        (lambda lines: [*lines[:2], lines[2] + " ", *lines[3:]], 3),
        (lambda lines: lines[1:], 1),
    ],
    ids=["changed", "taken out", "swapped", "replaced", "a space more", "first one gone"],
)
def test_a_changed_line_is_named(tmp_path: Path, change: object, line: int) -> None:
    path = written(tmp_path, *MOVES)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(IntegrityError, match=f"line {line} or the one before it was changed"):
        read(path)


def test_half_a_line_of_a_killed_process_does_not_count_and_gives_way_to_the_next(tmp_path: Path) -> None:
    path = written(tmp_path, *MOVES[:2])
    whole = path.read_bytes()
    path.write_bytes(whole + entries(*MOVES)[2].line().encode()[:40])
    assert [entry.number for entry in read(path)] == [1, 2]
    append(path, entries(*MOVES)[2])
    assert path.read_bytes() == whole + f"{entries(*MOVES)[2].line()}\n".encode()


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ((), ()),
        (MOVES[:1], (1,)),
        (MOVES[:4], (1, 3, 4)),
        (MOVES, (1, 3)),
        ((*MOVES, ("rolled back", 3, 1)), (1,)),
        ((*MOVES, ("promoted", 3, 4)), (1, 3, 4)),
        ((*MOVES[:3], ("promoted", 3, 4), ("void", 3, 3)), (1, 3)),
        ((*MOVES[:1], ("found", 1, 7)), (1, 7)),
        ((*MOVES[:1], ("found", 1, None), ("first", None, 2)), (1, 2)),
    ],
)
def test_a_rollback_goes_back_through_the_champions_that_came_about(
    moves: tuple[tuple[Action, int | None, int | None], ...], expected: tuple[int, ...]
) -> None:
    assert champions(entries(*moves)) == expected


def test_a_void_line_takes_the_one_before_it_with_it() -> None:
    made = entries(*MOVES[:2], ("promoted", 1, 3), ("void", 1, 1))
    assert effective(made) == tuple(made[:2])


@pytest.mark.parametrize("left", [b"", b'{"action": "fir', entries(*MOVES[:1])[0].line().encode() + b"\n"])
def test_a_log_of_which_only_a_part_is_left_is_no_log_even_if_the_part_is_empty(tmp_path: Path, left: bytes) -> None:
    path, made = tmp_path / "promotions.jsonl", entries(*MOVES)
    _require_whole(path, (), made[-1].sha256)  # put aside as a whole: a new one may begin
    path.write_bytes(left)
    _require_whole(path, (), None)  # nothing was ever sealed
    with pytest.raises(IntegrityError, match="lines at its end are gone"):
        _require_whole(path, read(path), made[-1].sha256)


PROMOTED = entries(*MOVES[:3])[-1]


@pytest.mark.parametrize(
    ("last", "seal", "champion", "expected"),
    [
        (None, None, None, None),
        (None, None, 1, Decision("found", None, 1, 1, OUTSIDE)),
        (PROMOTED, PROMOTED.sha256, 3, None),
        (PROMOTED, PROMOTED.previous, 1, Decision("void", 1, 1, 3, KILLED)),
        (PROMOTED, PROMOTED.previous, 3, None),
        (PROMOTED, PROMOTED.sha256, 1, Decision("found", 3, 1, 1, OUTSIDE)),
        (PROMOTED, PROMOTED.previous, 9, Decision("found", 3, 9, 9, OUTSIDE)),
    ],
    ids=["new", "older store", "agree", "killed before the alias", "killed after it", "moved back by hand", "moved"],
)
def test_what_the_log_lacks_follows_from_its_last_line_the_seal_and_the_champion(
    last: Entry | None, seal: str | None, champion: int | None, expected: Decision | None
) -> None:
    assert _to_mend(last, seal, champion) == expected
