"""The report in other languages: nothing untranslated, nothing stale, dates and numbers of the region."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from configs.errors import ConfigError
from models.metrics import Metric
from models.verdict import discrimination, few_injuries
from pipelines.catalogues import brought_up_to_date, catalogue_path, untranslated
from serving.report import build_report, load_report_settings, render_html
from serving.report.language import _, date_text, decimal, languages, list_text, ngettext, span_text, speaking
from serving.report.stored import TEMPLATES, stored
from serving.report.wording import age, measure, percent_range
from tests.report_fixture import arguments

DAY = pd.Timestamp("2025-06-02")
OTHERS = languages()[1:]
HOLE = re.compile(r"\{\w+\}|%\(\w+\)s")
SAME_IN_GERMAN = {
    "Score", "Odds", "AU", "Wearable", "Screenings", "ACWR", "Evidence", "Name", "Band", "Wert", "Position",
}  # fmt: skip


def catalogue(language: str) -> Catalog:
    with catalogue_path(language).open("rb") as file:
        return read_po(file, locale=language)


def both(message: Message) -> list[tuple[str, str]]:
    """Each English form with its translation."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    return list(zip(message.id, message.string, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("language", OTHERS)
def test_every_text_of_the_report_is_in_the_catalogue_and_no_entry_is_stale(language: str) -> None:
    assert catalogue_path(language).read_bytes() == brought_up_to_date(language), "run python -m pipelines.catalogues"


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    assert untranslated(language) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_placeholders_of_its_text(language: str) -> None:
    def holes(text: str) -> list[str]:
        return sorted(re.findall(HOLE.pattern + "|%%", text))

    pairs = [pair for message in catalogue(language) if message.id for pair in both(message)]
    wrong = [one for one, other in pairs if other and holes(one) != holes(other)]
    assert wrong == []


def test_there_are_english_and_german() -> None:
    assert languages() == ("en", "de")


@pytest.mark.parametrize(
    ("tag", "number", "day", "short", "span", "listed"),
    [
        ("en", "1,234.5", "2 June 2025", "2 Jun", "2–8 Jun 2025", "a, b and c"),
        ("en_US", "1,234.5", "June 2, 2025", "Jun 2", "Jun 2–8, 2025", "a, b, and c"),
        ("de", "1.234,5", "2. Juni 2025", "2. Juni", "2.–8. Juni 2025", "a, b und c"),
        ("de-CH", "1’234.5", "2. Juni 2025", "2. Juni", "2.–8. Juni 2025", "a, b und c"),
    ],
)
def test_numbers_and_dates_follow_the_region(
    tag: str, number: str, day: str, short: str, span: str, listed: str
) -> None:
    with speaking(tag):
        assert decimal(1234.5, 2) == number
        assert (date_text(DAY), date_text(DAY, short=True)) == (day, short)
        assert span_text(DAY, DAY + pd.Timedelta(days=6)) == span
        assert list_text(["a", "b", "c"]) == listed


def test_measurements_and_ages_are_german_in_german() -> None:
    with speaking("de"):
        assert [age(DAY - pd.Timedelta(days=n), DAY) for n in (0, 1, 12, 100, 800)] == [
            "heute", "gestern", "vor 12 Tagen", "vor 3 Monaten", "vor 2 Jahren",
        ]  # fmt: skip
        assert [measure(1, "d"), measure(6, "d"), measure(1.5, "y"), measure(4.5, "0-10"), measure(1, "0/1")] == [
            "1 Tag", "6 Tage", "1,5 Jahre", "4,5 von 10", "ja",
        ]  # fmt: skip
        assert percent_range(0.018, 0.061) == "1,8 bis 6,1 %"
        assert ngettext("{n} injury", "{n} injuries", 1204) == "1.204 Verletzungen"


@pytest.mark.parametrize(
    ("text", "german"),
    [
        ("injured since 2025-05-12 (known 2025-05-13)",
         "verletzt seit dem 12. Mai 2025 (bekannt seit dem 13. Mai 2025)"),
        ("no data yet; neither age nor injury history is known",
         "noch keine Daten; weder Alter noch Verletzungsgeschichte sind bekannt"),
        ("not tested for 1,204 days", "seit 1.204 Tagen nicht getestet"),
        ("7 days: AUROC is not shown to be higher than that of age and history, ACWR rule.",
         "7 Tage: Nicht gezeigt ist, dass die AUROC höher ist als die von: Alter und Vorgeschichte, ACWR-Regel."),
        ("a sentence of no known form, 2025-05-12", "a sentence of no known form, 12. Mai 2025"),
    ],
)  # fmt: skip
def test_a_stored_sentence_is_recognised_by_its_form(text: str, german: str) -> None:
    with speaking("de"):
        assert stored(text) == german


def test_what_a_training_says_today_has_a_known_form() -> None:
    why = "no interval: too few athletes have events (9 % of the resamples leave it undefined)"

    def auroc(lower: float, upper: float = 0.8) -> Metric:
        return Metric("auroc", 0.6, lower, upper, 1000, 5, 9, reason=why)

    said = [discrimination(7, auroc(lower)) for lower in (0.55, 0.45, float("nan"))]
    said += [discrimination(7, auroc(0.2, 0.4)), *few_injuries([auroc(0.6)])]
    with speaking("de"):
        translated = [stored(sentence) for sentence in said]
    english = {"days", "athletes", "injuries", "interval", "the", "chance", "too", "few"}
    assert [english & set(re.findall(r"\w+", sentence)) for sentence in translated] == [set()] * 5


def test_every_stored_form_matches_itself_and_not_an_earlier_one() -> None:
    """A form that an earlier one takes over would never be said."""
    with speaking("de"):
        for template in TEMPLATES:
            filled = re.sub(r"\{(\w+)\}", r"<\1>", template)
            wanted = _(template, **{name: f"<{name}>" for name in re.findall(r"\{(\w+)\}", template)})
            assert stored(filled) == wanted


def test_a_language_without_a_catalogue_is_refused_with_those_available(tmp_path: Path) -> None:
    settings = (Path(__file__).parents[1] / "configs" / "report.toml").read_text(encoding="utf-8")
    (tmp_path / "report.toml").write_text(settings.replace('language = "en"', 'language = "fr"'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"report.toml, language: .* 'fr'. Available: en, de; a region may follow"):
        load_report_settings(tmp_path)


@pytest.mark.slow
def test_a_club_gives_its_own_words_in_a_language(given: dict[str, Any]) -> None:
    settings = replace(given["settings"], language="de", words={"de": {"High": "Sehr hoch", "Squad": "Mannschaft"}})
    found = build_report(**{**given, "settings": settings})
    assert [band.label for band in found.settings.bands] == ["Üblich", "Erhöht", "Sehr hoch"]
    assert '<h2 id="squad-title">Mannschaft</h2>' in render_html(found)


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    return arguments()


@pytest.fixture(scope="module")
def german(given: dict[str, Any]) -> str:
    return render_html(build_report(**{**given, "settings": replace(given["settings"], language="de")}))


@pytest.mark.slow
def test_the_german_report_has_no_english_text(german: str) -> None:
    """Every text of the catalogue that reads differently in German, with anything in its placeholders."""
    shown = {text.casefold() for text in _Texts.of(german)}
    pairs = [pair for message in catalogue("de") if message.id for pair in both(message)]
    english = [one.casefold() for one, other in pairs if one != other and one not in SAME_IN_GERMAN]
    plain = {text for text in english if not HOLE.search(text)}
    filled = [text for text in english if text not in plain and re.search("[a-z]{3}", HOLE.sub("", text))]
    forms = re.compile("|".join(map(_pattern, filled)))
    assert plain & shown == set()
    assert [text for text in shown if forms.fullmatch(text)] == []


@pytest.mark.slow
def test_the_german_report_names_its_language_and_keeps_its_hedges(german: str) -> None:
    assert '<html lang="de">' in german
    assert "Entscheidungshilfe, keine Diagnose" in german
    assert "Ein niedriger Score ist keine Freigabe" in german
    assert "KW 23, 2.–8. Juni 2025" in german


@pytest.mark.slow
def test_the_report_after_a_german_one_is_english_again(given: dict[str, Any], german: str) -> None:
    assert german
    assert "Who needs attention this week" in render_html(build_report(**given))


def _pattern(text: str) -> str:
    """The text with anything in its placeholders."""
    return ".+?".join(re.escape(part) for part in HOLE.split(re.sub("<.*?>", "", text.replace("%%", "%"))))


class _Texts(HTMLParser):
    """The texts between tags, and those of aria-label and data-label."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.skipped = 0

    @classmethod
    def of(cls, html: str) -> set[str]:
        parser = cls()
        parser.feed(html)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skipped += tag in ("style", "script")
        self.found |= {str(value) for name, value in attrs if name in ("aria-label", "data-label", "title")}

    def handle_endtag(self, tag: str) -> None:
        self.skipped -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self.skipped and data.strip():
            self.found.add(" ".join(data.split()).rstrip("."))
            self.found.add(" ".join(data.split()))
