"""`python -m pipelines.catalogues`: brings the report's translations up to date with its texts, or checks them.

Every marked text of serving/report and every text of configs/ that the report prints gets an entry in each
locale/<language>/LC_MESSAGES/strainwatch.po; translations stay, and entries of texts that are gone go. A new language
is a new folder: `python -m pipelines.catalogues --new fr`.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from configs import load
from features.factors import load_factors
from features.specs import load_specs
from features.tables import TABLES
from models.baselines import LABELS
from pipelines.demo import titles
from serving.report.language import DOMAIN, FOLDER, SOURCE, languages
from serving.report.thresholds import load_thresholds
from serving.report.wording import multiple_of

TEXTS = FOLDER.parent
KEYWORDS: Mapping[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
METHODS = [("**.py", "python"), ("templates/**.j2", "jinja2")]
OPTIONS = {"templates/**.j2": {"trimmed": "true", "silent": "false", "trim_blocks": "true", "lstrip_blocks": "true"}}
NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)
"""A catalogue that changes only with its texts carries no date of its own."""


def texts() -> Catalog:
    """Every text of the report, without translations."""
    found = Catalog(domain=DOMAIN)
    marked = extract_from_dir(TEXTS, METHODS, OPTIONS, KEYWORDS)
    for name, _, message, _, context in sorted(marked, key=lambda each: (each[0], each[1])):
        found.add(message, locations=[(f"serving/report/{name}", 0)], context=context)
    for name, text in _configured():
        found.add(text, locations=[(name, 0)])
    return found


def _configured() -> Iterator[tuple[str, str]]:
    """Texts of the shipped config files, and names that the report takes from elsewhere."""
    for spec in load_specs():
        yield "configs/features.toml", spec.label
        yield from (("configs/features.toml", part) for part in multiple_of(spec.label) or ())
    for factor in load_factors().values():
        yield from (
            ("configs/factors.toml", text) for text in (factor.label, factor.measures, factor.wording, factor.prompt)
        )
    for threshold in load_thresholds().values():
        yield from (("configs/thresholds.toml", text) for text in (threshold.population, threshold.effect))
    report = load("report.toml")
    yield from (("configs/report.toml", text) for text in (*titles(), *(b["label"] for b in report["bands"])))
    yield from (("configs/simulation.toml", squad["name"]) for squad in load("simulation.toml")["squads"])
    yield "configs/target.toml", load("target.toml")["name"]
    yield from (("models/baselines.py", label) for label in LABELS.values())
    for column in ("body_area", "tissue", "muscle_group"):
        words = TABLES["injuries"].column(column).choices
        yield from (("features/tables.py", word.replace("_", " ")) for word in words)


def brought_up_to_date(language: str) -> bytes:
    """The catalogue of a language with today's texts and the translations that it has."""
    old, path = Catalog(locale=language), catalogue_path(language)
    if path.is_file():
        with path.open("rb") as file:
            old = read_po(file, locale=language)
    new = Catalog(
        locale=language,
        project="Strainwatch",
        msgid_bugs_address="",
        last_translator="",
        language_team="",
        creation_date=NO_DATE,
        revision_date=NO_DATE,
        header_comment=f"# The report's texts in {old.locale.english_name if old.locale else language}.",
        fuzzy=False,
    )
    for message in texts():
        if message.id:
            new.add(message.id, _translation(old, message), message.locations, context=message.context)
    written = io.BytesIO()
    write_po(written, new, width=120, sort_output=False, include_lineno=False)
    return re.sub(rb'"Generated-By: .*\n', b"", written.getvalue())  # a newer Babel must not change the file


def _translation(old: Catalog, message: Message) -> str | tuple[str, ...]:
    found = old.get(message.id, message.context)
    if found is None or found.pluralizable != message.pluralizable:
        return ("", "") if message.pluralizable else ""
    return found.string if isinstance(found.string, str) else tuple(found.string or ())


def untranslated(language: str) -> list[str]:
    """The texts without a translation, in English."""
    with catalogue_path(language).open("rb") as file:
        catalogue = read_po(file, locale=language)
    empty = [message for message in catalogue if message.id and not all(_forms(message))]
    return [message.id if isinstance(message.id, str) else message.id[0] for message in empty]


def _forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))


def catalogue_path(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.catalogues", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a catalogue is not complete")
    parser.add_argument("--new", metavar="LANGUAGE", help="begin a catalogue, such as fr")
    asked = parser.parse_args()
    failed = False
    for language in filter(None, (*languages(), asked.new)):
        if language == SOURCE:
            continue
        path, content = catalogue_path(language), brought_up_to_date(language)
        if not asked.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        elif path.read_bytes() != content:
            failed = True
            print(f"{path}: not up to date. Run `python -m pipelines.catalogues` and translate what is new.")
        missing = untranslated(language)
        failed |= bool(missing)
        print(f"{language}: {len(missing)} texts without translation", *missing[:20], sep="\n  ")
    return int(failed and asked.check)


if __name__ == "__main__":
    sys.exit(main())
