"""Who is champion, and on whose word: every move of the alias has a line in the log, and no line claims a move that
did not come about.

A move is written down first (the line), then done (the alias), then sealed (the hash of the line, as a tag of the
registered model). A process killed in between leaves the alias where it was or where the line says; whoever comes next
can tell which, since the seal still names the line before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from configs.errors import IntegrityError, NotReady, StoreBusy
from models import promotion_log, registry
from models.bundle import plain
from models.promotion_log import RESTORE, Action, Entry
from models.registry import Aliases
from models.tracking import Place

SEAL = "promotion_log_sha256"
"""Tag of the registered model: the hash of the log's last line."""
TAG = "promotion"
"""Tag of a version: the latest decision about it, in words."""
KILLED = "the process that wrote the line before ended before the alias was moved: the champion stayed"
OUTSIDE = "the alias was moved by other means than this program, or before it kept a log"
LOST = "the log that was kept here is gone; the champion is as found"
GONE = (
    "is gone, although the registry holds the hash of its last line. Restore it from a backup. Without one, the next "
    "train, promote or rollback begins a new log with the champion as found."
)


class ChampionChanged(StoreBusy):
    """Another process moved the alias since the decision was prepared: prepare it again."""


@dataclass(frozen=True)
class Decision:
    """What to write down: `after` is the champion from now on, `before` who it was when this was decided."""

    action: Action
    before: int | None
    after: int | None
    candidate: int | None
    reason: str
    forced: bool = False
    figures: Mapping[str, Any] | None = None


def log_path(store: Path) -> Path:
    """Where the log is; another tracking server has one of its own. Not to be asked while connected: MLflow then names
    the store's own record as if it were another."""
    return store / "mlflow" / f"promotions{registry.beside(store)}.jsonl"


def read_log(store: Path) -> tuple[Entry, ...]:
    """The log as it stands. Raises IntegrityError if a line was changed."""
    return promotion_log.read(log_path(store))


def whole_log(store: Path) -> tuple[Entry, ...]:
    """The log, checked against the registry: IntegrityError if a line was changed, lines are gone, or the file is."""
    return _checked(store)[0]


def decide(store: Path, decision: Decision, user: str, now: datetime) -> Entry:
    """Write the decision down and move the alias accordingly; mends first what a killed process left.

    Raises ChampionChanged if the champion is no longer `decision.before`, NotReady for a version that is not
    registered, StoreBusy and IntegrityError as `settle`. In each case nothing was changed.
    """
    path = log_path(store)
    with registry.held(store) as held:
        entries = _settled(held, path, user, now)
        if held.version_of("champion") != decision.before:
            raise ChampionChanged("another process changed the champion meanwhile. Run the command again.")
        if decision.candidate is not None and not held.is_registered(decision.candidate):
            raise NotReady(f"version {decision.candidate} is not registered.")
        return _carried_out(held, path, _entry(entries, decision, user, now))


def earlier_champion(store: Path, champion: int | None) -> int:
    """The version to go back to from `champion`. Raises NotReady where the log knows of none."""
    known = promotion_log.champions(read_log(store))
    known = known[:-1] if known and known[-1] == champion else known
    if not known:
        raise NotReady("no earlier champion to go back to: `strainwatch models log` shows the promotions so far.")
    return known[-1]


def settle(store: Path, user: str, now: datetime) -> tuple[str, ...]:
    """Bring log and alias together, and say in sentences what had to be mended; empty if nothing had.

    Raises IntegrityError if the log was changed or cut, StoreBusy if another process holds the registry for long.
    """
    path = log_path(store)
    try:
        with registry.held(store) as held:
            before = len(promotion_log.read(path))
            return tuple(entry.reason for entry in _settled(held, path, user, now)[before:])
    except NotReady:
        return ()  # no training yet


def disagreement(store: Path) -> str | None:
    """What `settle` would mend, without mending it; None if log and alias agree. Raises as `whole_log`. Reads only."""
    entries, champion = _checked(store)
    says = entries[-1].after if entries else None
    if champion == says:
        return None
    return (
        f"The promotion log says that the champion is {_named(says)}, and it is {_named(champion)}: a process was "
        "killed, or somebody moved the alias by other means. The next train, promote or rollback writes down which."
    )


def _checked(store: Path) -> tuple[tuple[Entry, ...], int | None]:
    """The whole log, and who is champion; nothing of either before the first training."""
    entries, path = read_log(store), log_path(store)
    if not entries and Place.of(store).is_missing:
        return (), None
    with registry.aliases(store) as known:
        champion, seal = known.version_of("champion"), known.tag(SEAL)
    if seal and not path.exists():
        raise IntegrityError(f"{path}: {GONE}")
    _require_whole(path, entries, seal)
    return entries, champion


def _require_whole(path: Path, entries: Sequence[Entry], seal: str | None) -> None:
    """A log that was put aside as a whole gives way to a new one; one of which a part is left does not."""
    if path.exists() and seal and seal not in {entry.sha256 for entry in entries}:
        raise IntegrityError(f"{path}: lines at its end are gone or were changed. {RESTORE}")


def _settled(held: Aliases, path: Path, user: str, now: datetime) -> tuple[Entry, ...]:
    """The log after mending, with the hash of its last line as the seal."""
    entries, seal, champion = promotion_log.read(path), held.tag(SEAL), held.version_of("champion")
    _require_whole(path, entries, seal)
    last = entries[-1] if entries else None
    found = _to_mend(last, seal, champion)
    if found is not None:
        return (*entries, _carried_out(held, path, _entry(entries, found, user, now)))
    if last is not None and seal != last.sha256:
        _seal(held, last)
    return entries


def _to_mend(last: Entry | None, seal: str | None, champion: int | None) -> Decision | None:
    """The line that the log lacks, given its last one, the seal, and who is champion; None if it lacks none."""
    if last is None:
        return None if champion is None else Decision("found", None, champion, champion, LOST if seal else OUTSIDE)
    if last.moves and seal != last.sha256 and champion == last.before:
        return Decision("void", champion, champion, last.candidate, KILLED)
    return None if champion == last.after else Decision("found", last.after, champion, champion, OUTSIDE)


def _entry(entries: tuple[Entry, ...], decision: Decision, user: str, now: datetime) -> Entry:
    return Entry(
        number=len(entries) + 1,
        at=now.isoformat(timespec="seconds"),
        user=user,
        action=decision.action,
        before=decision.before,
        after=decision.after,
        candidate=decision.candidate,
        forced=decision.forced,
        reason=decision.reason,
        figures=plain(decision.figures or {}),
        previous=entries[-1].sha256 if entries else "",
    )


def _carried_out(held: Aliases, path: Path, entry: Entry) -> Entry:
    promotion_log.append(path, entry)
    if entry.action not in ("found", "void") and entry.moves and entry.after is not None:
        held.point("champion", entry.after)
    _seal(held, entry)
    return entry


def _seal(held: Aliases, entry: Entry) -> None:
    """The move came about: say so at the version and at the registered model, last of all."""
    if entry.after is not None and held.version_of("challenger") == entry.after:
        held.drop("challenger")
    if entry.candidate is not None and held.is_registered(entry.candidate):
        forced = ", forced" if entry.forced else ""
        words = f"{entry.at} {entry.action}{forced} by {entry.user}, line {entry.number}: {entry.reason}"
        held.tag_version(entry.candidate, TAG, words)
    held.set_tag(SEAL, entry.sha256)


def _named(version: int | None) -> str:
    return "nobody" if version is None else f"version {version}"
