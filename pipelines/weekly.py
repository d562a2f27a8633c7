"""The weekly report: what was said at a moment and before, beside the data as they stood then, in files and by mail."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pandas as pd

from configs.errors import ConfigError, DeliveryFailed, FileRefused, NotReady, WrongArgument
from features.labels import onsets
from features.row_facts import prepare
from features.tables import looked_up
from features.windows import known_by
from models.bundle import Bundle
from models.explain import require_stored_additive
from models.levers import WhatIf, load_what_if
from models.registry import champion
from pipelines.daily import moment, score_database, score_day
from pipelines.data import Store, read_tables, write_aside
from serving.report import ReportSettings, WeeklyReport, build_report, load_report_settings, render_html
from serving.report.language import require
from serving.what_if import asker

FORMATS = ("html", "pdf", "csv", "xlsx", "mail")


@dataclass(frozen=True)
class Order:
    """What is asked for: formats among FORMATS, a language instead of the settings' own, mail sent or only written.

    `names` is a CSV file with the columns athlete_id and name: pseudonyms turn into names in what this order writes
    and in nothing else.
    """

    formats: tuple[str, ...] = ("html",)
    language: str | None = None
    out: Path | None = None
    names: Path | None = None
    configs_folder: Path | None = None
    dry_run: bool = False
    wait_s: float = 0.0


@dataclass(frozen=True)
class Written:
    """A report on disk and what it says; `mailed` is how many recipients the mail server took it for."""

    files: tuple[Path, ...]
    report: WeeklyReport
    mailed: int | None = None

    @property
    def path(self) -> Path:
        return self.files[0]


def formats_of(text: str) -> tuple[str, ...]:
    """The formats of a list such as "html,pdf", each once; raises WrongArgument for an unknown one."""
    found = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    unknown = [name for name in found if name not in FORMATS]
    if unknown or not found:
        wrong = f"{unknown[0]!r} is not known" if unknown else "nothing is given"
        raise WrongArgument(f"--format: {wrong}. Give some of {','.join(FORMATS)}.")
    return found


def write_report(store: Store, as_of: str | None, now: datetime, order: Order = Order()) -> Written:
    """Write the report of one moment into the order's folder (default: the store's own), scoring it if need be.

    Everything is made before anything is written, and the files are written before anything is mailed. Raises
    NotReady without champion or data or for mail that is not set up, FileRefused for a names file that cannot be
    read, ConfigError for an unknown language, DeliveryFailed for what the mail server did not take.
    """
    settings = _settings(order)
    bundle, _ = champion(store.path)
    instant = moment(as_of, bundle.target, now)
    given = read_names(order.names) if order.names else {}
    if not _is_scored(store, instant, bundle):
        score_day(store, instant.isoformat(), now, wait_s=order.wait_s, configs_folder=order.configs_folder)
    report = _build(store, instant, bundle, given, settings, load_what_if(order.configs_folder))
    made = _Made(report, f"strainwatch-{report.date:%Y-%m-%d}")
    contents = {made.name(kind): made.of(kind) for kind in order.formats if kind != "mail"}
    message = made.message() if "mail" in order.formats else None
    if message is not None and order.dry_run:
        contents[made.name("eml")] = bytes(message)
    folder = order.out or store.path / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_aside(folder / name, content)
    files = tuple(folder / name for name in contents)
    return Written(files, report, None if message is None or order.dry_run else _mail(message, settings))


def _settings(order: Order) -> ReportSettings:
    """The settings with the order's language, all that could refuse the order checked before any work."""
    settings = load_report_settings(order.configs_folder)
    if order.language:
        _require_known(order.language)
        settings = replace(settings, language=order.language)
    if "pdf" in (*order.formats, *(settings.delivery.attach if "mail" in order.formats else ())):
        from serving.report.pdf import require_pdf

        require_pdf()
    if "mail" in order.formats and not (order.dry_run or settings.delivery.is_set_up):
        raise NotReady("mail is not set up: fill host, from and to in [delivery] of your own report.toml (--configs).")
    return settings


def _require_known(language: str) -> None:
    """On the command line an unknown language is a wrong argument, in a file a wrong setting."""
    try:
        require(language, "--language")
    except ConfigError as error:
        raise WrongArgument(str(error)) from error


@dataclass
class _Made:
    """One report in its formats, each made once: a mail may attach what is written as well."""

    report: WeeklyReport
    stem: str
    done: dict[str, bytes] = field(default_factory=dict)

    def name(self, kind: str) -> str:
        return f"{self.stem}.{kind}"

    def of(self, kind: str) -> bytes:
        if kind not in self.done:
            self.done[kind] = self._makers()[kind]()
        return self.done[kind]

    def message(self) -> EmailMessage:
        from serving.report.mail import compose

        delivery = self.report.settings.delivery
        return compose(self.report, delivery, {kind: (self.name(kind), self.of(kind)) for kind in delivery.attach})

    def _makers(self) -> Mapping[str, Callable[[], bytes]]:
        from serving.report.pdf import render_pdf
        from serving.report.sheet import render_csv, render_xlsx

        return {
            "html": lambda: render_html(self.report).encode("utf-8"),
            "pdf": lambda: render_pdf(self.of("html").decode("utf-8")),
            "csv": lambda: render_csv(self.report),
            "xlsx": lambda: render_xlsx(self.report),
        }


def _mail(message: EmailMessage, settings: ReportSettings) -> int:
    """Send it; raises DeliveryFailed also where the server took it for some recipients only."""
    from serving.report.mail import send

    sent = send(message, settings.delivery)
    if sent.refused:
        listed = "; ".join(f"{address}: {reason}" for address, reason in sent.refused.items())
        raise DeliveryFailed(
            f"the report was mailed to {sent.accepted} of {len(settings.delivery.to)}; refused: {listed}."
        )
    return sent.accepted


def _is_scored(store: Store, instant: pd.Timestamp, bundle: Bundle) -> bool:
    database = score_database(store)
    try:
        stored = database.predictions(at=instant)
    finally:
        database.close()
    return bool((stored["model_version"] == bundle.version).any())


def _build(
    store: Store,
    instant: pd.Timestamp,
    bundle: Bundle,
    names: Mapping[str, str],
    settings: ReportSettings,
    what_if: WhatIf,
) -> WeeklyReport:
    tables = read_tables(store)
    then = prepare(known_by(tables, instant), bundle.target)
    happened = onsets(then, bundle.target)
    first_known = then["injuries"].groupby("injury_id")["known_at"].min()
    database = score_database(store)
    try:
        since = instant - pd.Timedelta(weeks=settings.track_record_weeks + 1)
        predictions = database.predictions(instant, since=since)
        charted = instant - pd.Timedelta(weeks=settings.timeline_weeks + 1)
        explanations = database.explanations(instant, since=charted)
        day = bundle.target.local_day(instant)
        # Also those of the report's own week, decided with the report in hand: they inform readers, no score.
        decisions = database.decisions(
            day - pd.Timedelta(weeks=settings.track_record_weeks), day + pd.Timedelta(days=settings.horizon_days - 1)
        )
    finally:
        database.close()
    require_stored_additive(*(_said(frame, instant, bundle) for frame in (predictions, explanations)))
    return build_report(
        as_of=instant,
        date=day,
        predictions=predictions,
        explanations=explanations,
        specs={spec.name: spec for spec in bundle.specs},
        factors=bundle.factors,
        tables={name: table[table["superseded_at"].isna()] for name, table in then.items()},
        onsets=happened.assign(known_at=looked_up(happened["injury_id"], first_known)),
        model=model_facts(bundle),
        settings=settings,
        names=names,
        ask=asker(tables, instant, bundle, explanations, settings.horizon_days, what_if),
        decisions=decisions,
    )


def _said(rows: pd.DataFrame, instant: pd.Timestamp, bundle: Bundle) -> pd.DataFrame:
    return rows[(rows["as_of"] == instant) & (rows["model_version"] == bundle.version)]


def model_facts(bundle: Bundle) -> dict[str, Any]:
    """What a bundle says of itself, as the report takes it."""
    evaluation = bundle.metrics["evaluation"] or {}
    return {
        "version": bundle.version,
        "trained_at": bundle.trained_at,
        "data_cut": bundle.data_cut,
        "fingerprint": bundle.fingerprints["data"],
        "target": bundle.target.name,
        "base_rates": bundle.metrics["base_rates"],
        "metrics": evaluation.get("metrics", []),
        "verdict": bundle.metrics["verdict"],
    }


def read_names(path: Path) -> dict[str, str]:
    """athlete_id -> name from a CSV file with these two columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise FileRefused(f"{path}: cannot be read as UTF-8 text: {error}") from error
    if not rows or not {"athlete_id", "name"} <= set(rows[0]):
        raise FileRefused(f"{path}: a header with athlete_id and name is expected, and at least one row.")
    return {row["athlete_id"]: row["name"] for row in rows}
