"""Exports into the store: read, judge, keep what is news, and say what was refused and why.

When a row became known decides what a prediction may see, so the rule is worth spelling out:

- A source with receipt times (our own tables, column known_at) is believed, but not about the future.
- Any other source declares a rule in configs/sources/<source>.toml, such as "next day 06:00". It holds for
  history. A row whose rule time lies less than `live_within_days` before the ingest comes from a live feed:
  it was known when it was ingested.
- A changed row is never known in hindsight. Where its time would be no later than that of the version which
  it corrects, it is known from the ingest on.
- A new row of a source without receipt times, dated inside what an earlier ingest of that source covered for
  that athlete and table, arrived late: it is known from the ingest on.

A second ingest of the same files adds nothing. Nothing is ever taken out of a store.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from configs import load, reject_unknown
from configs.errors import ROWS_QUARANTINED, ConfigError, FileRefused
from features.tables import TABLES, Tables, empty_table, looked_up
from features.validation import MISSING, MISTYPED, Problem, Validation, refuse, validate
from pipelines import data
from pipelines.data import INGEST, QUARANTINE_COLUMNS, Store
from pipelines.meant import one_of
from pipelines.sources import contract_csv, jovanovic, nordbord, soccermon, whoop
from pipelines.sources.csv_text import LINE, read_csv_text, require_columns
from pipelines.sources.source import Export, Receipt, Refusal, Request, Source, receipt
from pipelines.versions import News, fresh_coverage, news, stamp

log = logging.getLogger(__name__)

NEEDS_COVERAGE = ("sessions", "wellness", "wearable_days", "interventions")

SOURCES: Mapping[str, Source] = {
    module.SOURCE.name: module.SOURCE for module in (contract_csv, soccermon, jovanovic, nordbord, whoop)
}


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did. Counts are rows per table; `ingest` is None if there was nothing to add."""

    source: str
    ingest: str | None
    added: Mapping[str, int]
    unchanged: Mapping[str, int]
    superseded: Mapping[str, int]
    quarantined: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    already_known: bool

    @property
    def exit_code(self) -> int:
        return ROWS_QUARANTINED if self.quarantined else 0


def ingest(
    store: Store,
    source: str,
    path: Path,
    *,
    now: datetime,
    strict: bool = False,
    athlete: str | None = None,
    configs_folder: Path | None = None,
    wait_s: float = 0.0,
) -> IngestResult:
    """Bring the export at `path` (a file or a folder, as the source has it) into the store.

    Rows that fail go to quarantine and the others come in; with `strict`, any problem refuses the whole file.
    Raises FileRefused where a file cannot be read at all: then nothing has come in.
    """
    declared = _source(source)
    config = _config(declared, configs_folder)
    rule = receipt(config, f"configs/{declared.config}") if declared.config else None
    files = _hashes(declared, path, config)
    identity = _identity(declared, config, athlete, files, named=path.is_dir())
    with store.lock(wait_s):
        past = [manifest for manifest in data.manifests(store) if manifest["files_sha256"] == identity]
        if past and not past[-1][data.QUARANTINED]:
            return _nothing_new(source)
        export = declared.read(_request(store, path, config, athlete))
        judged = _judge(export, store, rule, now)
        _refuse_file(judged, export, strict)
        changes = {name: _news(result, name, store, source, rule, now) for name, result in judged.items()}
        result = _result(source, export, judged, changes, store)
        refused = _quarantine(judged, export)
        told_before = refused.empty or (bool(past) and _held_back(store, past[-1]).equals(refused))
        if told_before and not any(result.added.values()):
            return replace(result, already_known=True)
        manifest = _manifest(result, files, identity, rule, now)
        tables = {name: change.rows for name, change in changes.items()}
        added = data.append(store, f"{source}-{identity[:8]}", tables, refused, manifest)
    log.info("%s: %s", source, _counted(result))
    return replace(result, ingest=added)


def require_usable(source: str, path: Path, configs_folder: Path | None = None) -> None:
    """Raise WrongArgument, ConfigError or FileRefused for what no store could take in: before one is made for it."""
    declared = _source(source)
    _files(declared, path, _config(declared, configs_folder))


def _source(name: str) -> Source:
    return SOURCES[one_of(name, list(SOURCES), "source", f"Known: {', '.join(SOURCES)}.")]


def _config(source: Source, folder: Path | None) -> dict[str, Any]:
    if not source.config:
        return {}
    own = load(source.config, folder)
    reject_unknown(own, set(source.known_keys), f"configs/{source.config}")
    config = {**load(source.config), **own}
    missing = [entry for entry in _NEEDED[source.name] if _lacks(config, *entry.split("."))]
    if missing:
        raise ConfigError(f"configs/{source.config}: {', '.join(missing)} missing. Add what the shipped file has.")
    return config


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "soccermon": (
        "wellness.*.file",
        "wellness.*.from",
        *(f"injury_columns.{key}" for key in ("player", "sites", "date")),
    ),
    "jovanovic": (
        *(f"columns.{key}" for key in ("athlete", "season", "day", "location", "kind")),
        *(f"assumed.{key}" for key in ("absence_days", "squad")),
    ),
    "nordbord": ("columns.athlete", "columns.date", "limbs.*.reps", "limbs.*.peak_force_n"),
    "whoop": tuple(f"columns.{key}" for key in ("zone", "wake", "asleep_min", *whoop.MEASURES)),
}
"""Entries of tables that a source cannot do without; * is every entry. A table that a user gives replaces the shipped
one, since to leave out a column or a measure must be possible."""


def _lacks(table: Any, key: str, *below: str) -> bool:
    if not isinstance(table, Mapping):
        return True
    if key == "*":
        return any(_lacks(entry, *below) for entry in table.values())
    return key not in table or (bool(below) and _lacks(table[key], *below))


def _hashes(source: Source, path: Path, config: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": file.relative_to(path).as_posix() if path.is_dir() else file.name, "sha256": _hash(file)}
        for file in _files(source, path, config)
    ]


def _files(source: Source, path: Path, config: Mapping[str, Any]) -> list[Path]:
    if not path.exists():
        raise FileRefused(f"{path}: no such file or folder.")
    return source.files(path, config)


def _hash(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise FileRefused(f"{file}: cannot be read ({error.strerror}). Check the file and its rights.") from error


def _identity(
    source: Source, config: Mapping[str, Any], athlete: str | None, files: list[dict[str, str]], *, named: bool
) -> str:
    """A hash of all that decides what an ingest yields: an edited config is worth a second look, a new name is not.

    Names count where they say what a file holds: within a folder (a measure, an athlete) and of contract tables,
    which alone have no config.
    """
    contents = sorted((file["name"] if named or not source.config else "", file["sha256"]) for file in files)
    parts = [source.name, config, athlete, contents]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _request(store: Store, path: Path, config: Mapping[str, Any], athlete: str | None) -> Request:
    athletes = frozenset(data.read_versions(store, "athletes")["athlete_id"])
    return Request(path, config, athletes, _aliases(store.path / "aliases.csv"), athlete)


def _aliases(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    text = read_csv_text(path)
    require_columns(text, path, ["name", "athlete_id"], "")
    pairs = text.frame[["name", "athlete_id"]].dropna().drop_duplicates()
    if pairs["name"].duplicated().any():
        raise FileRefused(f"{path.name}: a name stands there twice with different athlete_id. Keep the right one.")
    return dict(zip(pairs["name"], pairs["athlete_id"], strict=True))


def _judge(export: Export, store: Store, rule: Receipt | None, now: datetime) -> dict[str, Validation]:
    judged = {}
    for name, raw in export.tables.items():
        rows = stamp(raw, name, rule, now) if rule else raw
        result = validate(rows.drop(columns=LINE), name, now=now, lines=rows[LINE])
        judged[name] = _refuse_foreign_keys(result, name, data.read_versions(store, name))
    if "returns" in judged:
        judged["returns"] = _refuse_early_returns(judged, data.read_versions(store, "injuries"))
    return judged


def _refuse_foreign_keys(result: Validation, name: str, held: pd.DataFrame) -> Validation:
    """Refuse keys that the store holds for another athlete: to supersede would hide that athlete's row."""
    key = TABLES[name].key
    if "athlete_id" in key or held.empty:
        return result
    owners = held.drop_duplicates(list(key), keep="last").set_index(list(key))["athlete_id"]
    rows = result.rows.join(owners.rename("owner"), on=list(key))
    clash = rows["owner"].notna() & rows["owner"].ne(rows["athlete_id"])
    claim = f"a {' + '.join(key)} that the store holds for another athlete"
    return refuse(result, name, clash, key[0], "key of two athletes", claim, "Make the ids unique across athletes.")


def _refuse_early_returns(judged: Mapping[str, Validation], held: pd.DataFrame) -> Validation:
    known = [held, judged["injuries"].rows] if "injuries" in judged else [held]
    onsets = pd.concat(known).drop_duplicates("injury_id", keep="last").set_index("injury_id")["date"]
    result = judged["returns"]
    early = result.rows["date"] < looked_up(result.rows["injury_id"], onsets)
    advice = "Check both dates: a clearance follows its injury."
    return refuse(result, "returns", early, "date", "return before onset", "date before the injury's onset", advice)


def _refuse_file(judged: Mapping[str, Validation], export: Export, strict: bool) -> None:
    problems = _problems(judged, export)
    fatal = [_FATAL[problem.rule] for problem in problems if problem.rule in _FATAL]
    serious = [problem for problem in problems if not problem.is_note]
    if fatal or (strict and serious):
        reason = fatal[0] if fatal else "--strict refuses a file with any problem"
        told = "\n".join(str(problem) for problem in problems)
        raise FileRefused(f"Nothing came in: {reason}.\n{told}")


_FATAL: Mapping[str, str] = {
    MISSING: "a required column is missing",
    MISTYPED: "a column that the file lacks seems to be there under another name, and its values would be lost",
}
"""By rule: why a file is refused whole."""


def _problems(judged: Mapping[str, Validation], export: Export) -> tuple[Problem, ...]:
    lines: dict[tuple[str, str], list[str]] = {}
    for refusal in export.refused:
        lines.setdefault((refusal.table, refusal.reason), []).append(refusal.line)
    unreadable = [
        Problem(table, "", "unusable line", reason, len(places), "", tuple(places[:3]), "The others came in.")
        for (table, reason), places in lines.items()
    ]
    return (*unreadable, *(problem for result in judged.values() for problem in result.problems))


def _news(result: Validation, name: str, store: Store, source: str, rule: Receipt | None, now: datetime) -> News:
    held = data.read_versions(store, name)
    if rule is None:
        return news(result.rows, held, TABLES[name], now)
    spans = _spans(store, source)
    if name == "coverage":
        return fresh_coverage(result.rows, spans)
    return news(result.rows, held, TABLES[name], now, spans)


def _spans(store: Store, source: str) -> pd.DataFrame:
    """What earlier ingests of this source covered."""
    own = {manifest[INGEST] for manifest in data.manifests(store) if manifest["source"] == source}
    coverage = data.read_versions(store, "coverage")
    return coverage[coverage[INGEST].isin(own)]


def _quarantine(judged: Mapping[str, Validation], export: Export) -> pd.DataFrame:
    frames = [result.rejected.assign(table=name) for name, result in judged.items()]
    frames.append(pd.DataFrame([_as_record(refusal) for refusal in export.refused], columns=list(QUARANTINE_COLUMNS)))
    filled = [frame[list(QUARANTINE_COLUMNS)].astype("str") for frame in frames if len(frame)]
    if not filled:
        return pd.DataFrame(columns=list(QUARANTINE_COLUMNS), dtype="str")
    return pd.concat(filled, ignore_index=True)


def _as_record(refusal: Refusal) -> tuple[str, ...]:
    return (refusal.table, refusal.line, "", "", refusal.reason, refusal.raw)


def _held_back(store: Store, manifest: Mapping[str, Any]) -> pd.DataFrame:
    rows = data.ingested(store, manifest, data.QUARANTINE)
    return pd.DataFrame() if rows is None else rows.astype("str")


def _nothing_new(source: str) -> IngestResult:
    return IngestResult(source, None, {}, {}, {}, 0, (), ("These files are in the store already.",), True)


def _result(
    source: str, export: Export, judged: Mapping[str, Validation], changes: Mapping[str, News], store: Store
) -> IngestResult:
    refused = sum(len(result.rejected) for result in judged.values()) + len(export.refused)
    tables = {name: change.rows for name, change in changes.items()}
    return IngestResult(
        source,
        None,
        {name: len(change.rows) for name, change in changes.items()},
        {name: change.unchanged for name, change in changes.items()},
        {name: change.superseded for name, change in changes.items()},
        refused,
        _problems(judged, export),
        (*export.notes, *_strangers(tables, store), *_uncovered(tables, store)),
        already_known=False,
    )


def _strangers(tables: Tables, store: Store) -> list[str]:
    """Athletes with data but without a row that says who they are."""
    listed = set(data.read_versions(store, "athletes")["athlete_id"])
    listed |= set(tables.get("athletes", empty_table("athletes"))["athlete_id"])
    unlisted = set().union(*(rows["athlete_id"] for rows in tables.values())) - listed
    shown = ", ".join(sorted(unlisted)[:5])
    note = f"{len(unlisted)} athletes have data but no row in athletes, so they cannot be scored yet: {shown}."
    return [note] if unlisted else []


def _uncovered(tables: Tables, store: Store) -> list[str]:
    """Tables in which an absent row would mean something, if only coverage said when the source was in use."""
    coverage = pd.concat([tables.get("coverage", empty_table("coverage")), data.read_versions(store, "coverage")])
    missing = [name for name in NEEDS_COVERAGE if len(tables.get(name, ())) and name not in set(coverage["table"])]
    return [
        f"{name}: no coverage says from when to when its source was in use, so rest cannot be told from no data: "
        "its features stay missing. Add rows to coverage.csv (docs/adapters.md)."
        for name in missing
    ]


def _manifest(
    result: IngestResult, files: list[dict[str, str]], identity: str, rule: Receipt | None, now: datetime
) -> dict[str, Any]:
    return {
        "source": result.source,
        "files": files,
        "files_sha256": identity,
        "at": now.astimezone(UTC).isoformat(),
        "known_at_rule": rule.text if rule else "as the file says",
        "unchanged": result.unchanged,
        "superseded": result.superseded,
    }


def _counted(result: IngestResult) -> str:
    added, same = sum(result.added.values()), sum(result.unchanged.values())
    superseding = sum(result.superseded.values())
    counts = f"{added:,} rows added ({superseding:,} supersede), {same:,} unchanged"
    return f"{counts}, {result.quarantined:,} quarantined"
