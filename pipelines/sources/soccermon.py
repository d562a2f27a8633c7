"""SoccerMon's wide release: daily load, wellness forms and repeated injury self-reports of two teams.

A load of 0 also stands for days on which a player was not enrolled, so a player counts from the first wellness report
on, and no longer than reports come in. Nothing may depend on the last report: nobody knows of it on its day. The
publishers' own derived loads (atl, acwr, ...) are not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from configs.errors import FileRefused
from pipelines.sources.coverage import derived_coverage
from pipelines.sources.csv_text import LINE, CsvText, read_csv_text, require_columns
from pipelines.sources.source import RULE_DAY, RULE_KEYS, Export, Refusal, Request, Source, files_below

CONFIG = "sources/soccermon.toml"
COVERED = ("sessions", "wellness", "wearable_days", "injury_reports")
UUID_CHARACTERS = 8


def read(request: Request) -> Export:
    """Athletes, sessions, wellness, sleep diary, injury reports and coverage of both teams."""
    config = request.config
    forms, form_notes = _forms(request.path, config)
    load, load_notes = _long(request.path / config["load_file"], "load_au", config)
    reports, refused, report_notes = _reports(request.path / config["injury_file"], config)
    ids = _short_ids([*load["player"].unique(), *forms["player"].unique(), *reports["player"].unique()])
    forms, load, reports = (frame.assign(athlete_id=frame["player"].map(ids)) for frame in (forms, load, reports))
    enrolled = forms.groupby("athlete_id")["date"].min().rename("first_date").reset_index()
    sessions, left_out = _sessions(load, enrolled)
    tables = {
        "athletes": _athletes(enrolled, str(config["sex"])),
        "sessions": sessions,
        "wellness": _wellness(forms, config),
        "wearable_days": _sleep(forms, str(config["sleep_source"])),
        "injury_reports": reports[["athlete_id", "date", "body_area", "side", "severity", LINE]],
        "coverage": _coverage(forms, sessions, config),
    }
    notes = dict.fromkeys((*form_notes, *load_notes, *report_notes, *left_out))
    return Export(tables, refused, tuple(notes))


def _files(path: Path, config: Mapping[str, Any]) -> list[Path]:
    wellness = [scale["file"] for scale in config["wellness"].values()]
    return files_below(path, (config["load_file"], *wellness, config["sleep_file"], config["injury_file"]))


SOURCE = Source(
    "soccermon",
    _files,
    read,
    CONFIG,
    frozenset(RULE_KEYS | {"date_format", "sex", "sleep_file", "sleep_source", "load_file", "injury_file",
                           "longest_silence_days",
                           "wellness", "injury_columns", "sites"}),
)  # fmt: skip


def _long(path: Path, column: str, config: Mapping[str, Any]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """One row per player and day with a value: player, date, `column`, LINE. Text that is no number stays."""
    text = read_csv_text(path)
    _refuse_ragged(path, text)
    wide = text.frame.rename(columns={text.frame.columns[0]: "date"})
    wide["date"] = _dates(path, wide["date"], str(config["date_format"]))
    long = wide.melt(["date", LINE], var_name="player", value_name=column).dropna(subset=[column])
    return long.assign(**{column: _numbers_where_possible(long[column])}), text.notes


def _refuse_ragged(path: Path, text: CsvText) -> None:
    if text.ragged:
        place, _, reason = text.ragged[0]
        raise FileRefused(f"{path.name}: {len(text.ragged)} broken lines, the first {place}: {reason}.")


def _dates(path: Path, cells: pd.Series, date_format: str) -> pd.Series:
    dates = pd.to_datetime(cells, format=date_format, errors="coerce").astype("datetime64[us]")
    if dates.isna().any() or dates.duplicated().any():
        odd = cells[dates.isna() | dates.duplicated()].iloc[0]
        raise FileRefused(
            f"{path.name}: {odd!r} in the date column is repeated or not of the form {date_format}. "
            f"Mend the file, or date_format in configs/{CONFIG}."
        )
    return dates


def _numbers_where_possible(cells: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(cells, errors="coerce")
    return numbers if numbers.notna().all() else numbers.astype("object").where(numbers.notna(), cells)


def _forms(path: Path, config: Mapping[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    """One row per player and day with any answer of the morning form."""
    files = {name: scale["file"] for name, scale in config["wellness"].items()} | {"sleep_h": config["sleep_file"]}
    forms: pd.DataFrame | None = None
    notes: list[str] = []
    for column, file in files.items():
        answers, found = _long(path / file, column, config)
        notes += found
        if forms is None:
            forms = answers
            continue
        forms = forms.merge(answers, on=["player", "date"], how="outer", suffixes=("", "_other"))
        forms[LINE] = forms[LINE].fillna(forms.pop(f"{LINE}_other"))
    assert forms is not None
    return forms, notes


def _wellness(forms: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    scaled = {name: _scaled(forms[name], scale["from"]) for name, scale in config["wellness"].items()}
    rows = forms[["athlete_id", "date", LINE]].assign(**scaled)
    return rows.dropna(subset=list(scaled), how="all")


def _scaled(cells: pd.Series, ends: tuple[float, float]) -> pd.Series:
    """Scores on our scale of 0 to 10; text that is no number stays as it is, for validation to name."""
    zero, ten = ends
    numbers = pd.to_numeric(cells, errors="coerce")
    scaled = (numbers - zero) / (ten - zero) * 10
    is_text = numbers.isna() & cells.notna()
    return scaled.astype("object").where(~is_text, cells) if is_text.any() else scaled


def _sleep(forms: pd.DataFrame, source: str) -> pd.DataFrame:
    rows = forms[["athlete_id", "date", "sleep_h", LINE]].dropna(subset=["sleep_h"])
    return rows.assign(source=source)


def _sessions(load: pd.DataFrame, enrolled: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Days with load from the player's first form on; the release has one figure per day, so a day is a session."""
    active = load[pd.to_numeric(load["load_au"], errors="coerce").ne(0)].merge(enrolled, on="athlete_id", how="left")
    counted = active["date"] >= active["first_date"]
    rows = active.loc[counted, ["athlete_id", "date", "load_au", LINE]].reset_index(drop=True)
    ids = "soccermon-" + rows["athlete_id"] + "-" + rows["date"].dt.strftime("%Y-%m-%d")
    before = int((~counted).sum())
    note = f"{before:,} days of load before a player's first wellness report left out."
    return rows.assign(session_id=ids, kind="unspecified"), [note] if before else []


def _athletes(enrolled: pd.DataFrame, sex: str) -> pd.DataFrame:
    squads = enrolled["athlete_id"].str.partition("-")[0]
    rows = pd.DataFrame({"athlete_id": enrolled["athlete_id"], "squad": squads, "sex": sex})
    rows[RULE_DAY], rows[LINE] = enrolled["first_date"], "(first report)"
    return rows


def _coverage(forms: pd.DataFrame, sessions: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """Days with a form or a load: a longer silence is absence and not rest."""
    columns = ["athlete_id", "date", LINE]
    reports = pd.concat([forms[columns], sessions[columns]])
    sources = {table: str(config["sleep_source"]) if table == "wearable_days" else "soccermon" for table in COVERED}
    return derived_coverage(reports, sources, longest_silence_days=int(config["longest_silence_days"]))


def _reports(path: Path, config: Mapping[str, Any]) -> tuple[pd.DataFrame, tuple[Refusal, ...], tuple[str, ...]]:
    text = read_csv_text(path)
    names = config["injury_columns"]
    require_columns(text, path, [names["player"], names["sites"], names["date"]], CONFIG)
    rows, refused = [], [Refusal("injury_reports", line, reason) for line, _, reason in text.ragged]
    for player, sites, day, line in text.frame[[names["player"], names["sites"], names["date"], LINE]].to_numpy():
        try:
            reported = json.loads(sites).items()
            date = pd.to_datetime(day, format=config["date_format"])
            rows += [(player, date, *_site(site, config), severity, line) for site, severity in reported]
        except (ValueError, TypeError, AttributeError):
            raw = json.dumps({names["sites"]: str(sites), names["date"]: str(day)})
            refused.append(Refusal("injury_reports", line, "sites or date not as expected", raw))
    columns = ["player", "date", "body_area", "side", "severity", LINE]
    frame = pd.DataFrame(rows, columns=columns).astype({"date": "datetime64[us]"})
    once = frame.drop_duplicates(columns[:-1], ignore_index=True)
    repeats = len(frame) - len(once)
    note = (f"{repeats:,} repeats of the same injury report taken once.",) if repeats else ()
    return once, tuple(refused), (*text.notes, *note)


def _site(site: str, config: Mapping[str, Any]) -> tuple[str, str]:
    """Body area and side; a site that the config does not know is handed on, for validation to refuse."""
    area, side = config["sites"].get(site, (site, "unknown"))
    return area, side


def _short_ids(players: list[str]) -> dict[str, str]:
    """TeamA-<uuid> shortened to the uuid's first characters; refused where two players would become one."""
    unique = dict.fromkeys(players)
    ids = {player: "-".join((head, rest[:UUID_CHARACTERS])) for player in unique
           for head, _, rest in [player.partition("-")]}  # fmt: skip
    if len(set(ids.values())) < len(ids):
        raise FileRefused(f"Two players share team and the first {UUID_CHARACTERS} characters of their id.")
    return ids
