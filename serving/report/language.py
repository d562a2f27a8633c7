"""The report's languages: gettext for its words, Babel for dates, numbers and lists in the way of a region.

English is the source. Every text that staff read is marked where it stands, so that `python -m pipelines.catalogues`
finds it and writes it into locale/<language>/LC_MESSAGES/strainwatch.po, where it is translated:

    _("not scored a week ago: {reason}", reason=...)            a text; its values are put in after translation
    ngettext("{n} athlete", "{n} athletes", count)              a counted thing; {n} is the count in the region's digits
    pgettext("band", "High")                                    a word that needs its context to be translated
    LABELS = {"sessions": N_("training sessions")}              fixed at import: marked here, `_(LABELS[key])` at use
    {% trans name=row.name %}All measurements of {{ name }}{% endtrans %}, {{ _("Squad") }}     the same in a template
    dynamic(spec.label)                                         a text that comes from a config file or from the store

Rules: mark whole sentences, never pieces glued together (other languages order them differently); no f-string inside
a mark (it could not be found); figures only by `number`, `percent`, `measure` and dates by `day`, `short_day` of
serving/report/wording.py. Texts of configs/*.toml are part of the catalogue; a club that edits them gives its own
translation in [words.<language>] of report.toml.
"""

from __future__ import annotations

import gettext as _gettext
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from configs.errors import ConfigError

if TYPE_CHECKING:
    from babel import Locale

FOLDER = Path(__file__).parent / "locale"
DOMAIN = "strainwatch"
SOURCE = "en"
_USUAL_REGION = {"en": "en_GB"}
"""Formats of a language that is named without its region; of the others Babel knows the usual one."""


@dataclass(frozen=True)
class Speech:
    """A language with its region, such as "de" or "de_AT"; `own` are a club's translations, by the English text."""

    tag: str = SOURCE
    own: Mapping[str, str] = field(default_factory=dict)

    @property
    def language(self) -> str:
        return _split(self.tag)[0]

    @property
    def locale(self) -> Locale:
        return _locale(_USUAL_REGION.get(self.tag, self.tag))

    @property
    def catalogue(self) -> _gettext.NullTranslations:
        return _catalogue(self.language)


_ENGLISH = Speech()
_SPEECH: ContextVar[Speech] = ContextVar("speech", default=_ENGLISH)


@contextmanager
def speaking(tag: str, own: Mapping[str, str] | None = None) -> Iterator[None]:
    """Within it every text is in the language `tag`; raises ConfigError for one that has no catalogue."""
    require(tag)
    token = _SPEECH.set(Speech(tag, own or {}))
    try:
        yield
    finally:
        _SPEECH.reset(token)


def spoken_tag() -> str:
    """The language and region in use, as HTML names them: "en", "de-AT"."""
    return _SPEECH.get().tag.replace("_", "-")


def is_source() -> bool:
    """True while the report speaks English, of whatever region."""
    return _SPEECH.get().language == SOURCE


def languages() -> tuple[str, ...]:
    """The languages of the report: English and every one with a catalogue."""
    return (SOURCE, *sorted(path.parent.parent.name for path in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.po")))


def require(tag: str, where: str = "language") -> None:
    """Raise ConfigError unless `tag` is one of `languages`, with a region or without."""
    from babel import Locale, UnknownLocaleError

    try:
        Locale.parse(_normal(tag))
        is_known = _split(tag)[0] in languages()
    except (UnknownLocaleError, ValueError):
        is_known = False
    if not is_known:
        raise ConfigError(
            f"{where}: the report is not available in {tag!r}. Available: {', '.join(languages())}; "
            "a region may follow, as in de_AT or en_US."
        )


def _(text: str, /, **values: object) -> str:
    """The text in the language in use, with `values` put into its braces."""
    speech = _SPEECH.get()
    found = speech.own.get(text) or speech.catalogue.gettext(text)
    return found.format(**values) if values else found


def ngettext(one: str, many: str, count: float, /, **values: object) -> str:
    """The form that the language uses for `count`; {n} is the count. A broken number takes the form of two."""
    found = _SPEECH.get().catalogue.ngettext(one, many, int(count) if count == int(count) else 2)
    return found.format(n=decimal(count, 1), **values)


def pgettext(context: str, text: str, /, **values: object) -> str:
    """As `_`, for a word that means different things in different places."""
    found = _SPEECH.get().catalogue.pgettext(context, text)
    return found.format(**values) if values else found


def N_(text: str) -> str:
    """Marks a text that `_` gets later."""
    return text


def gettext_calls() -> tuple[Callable[[str], str], Callable[[str, str, int], str]]:
    """gettext and ngettext as Jinja's {% trans %} calls them: it puts the values in itself."""

    def plain(text: str) -> str:
        return _(text)

    def counted(one: str, many: str, count: int) -> str:
        return _SPEECH.get().catalogue.ngettext(one, many, count)

    return plain, counted


def dynamic(text: str) -> str:
    """A text of a config file in the language in use; one that nobody translated stands as it is."""
    return _(text) if text else ""


def decimal(value: float, decimals: int = 0, *, fixed: bool = False) -> str:
    """`value` with the region's separators and a true minus sign; zeros at the end are dropped unless `fixed`."""
    from babel.numbers import format_decimal

    rounded = Decimal(f"{value:.{decimals}f}")
    pattern = "#,##0" + ("." + ("0" if fixed else "#") * decimals if decimals else "")
    text = format_decimal(abs(rounded), format=pattern, locale=_SPEECH.get().locale)
    return f"−{text}" if rounded < 0 else text


def date_text(date: Date, *, short: bool = False) -> str:
    """A day as "2 June 2025", "2. Juni 2025", or short as "2 Jun"."""
    from babel.dates import format_date, format_skeleton

    locale = _SPEECH.get().locale
    return format_skeleton("MMMd", date, locale=locale) if short else format_date(date, "long", locale=locale)


def span_text(first: Date, last: Date) -> str:
    """Days from `first` to `last`, such as "2–8 Jun 2025"."""
    from babel.dates import format_interval

    return format_interval(first, last, "yMMMMd", locale=_SPEECH.get().locale).replace("\u2009", "")


def clock_text(time: datetime) -> str:
    """A time of the day, such as "05:00"."""
    from babel.dates import format_time

    return format_time(time, "short", locale=_SPEECH.get().locale)


def list_text(items: Sequence[str], style: Literal["standard", "or"] = "standard") -> str:
    """ "a, b and c"."""
    from babel.lists import format_list

    return format_list(list(items), style=style, locale=_SPEECH.get().locale) if items else ""


def _normal(tag: str) -> str:
    return tag.replace("-", "_")


def _split(tag: str) -> list[str]:
    return re.split("[-_]", tag)


@cache
def _locale(tag: str) -> Locale:
    from babel import Locale

    return Locale.parse(_normal(tag))


@cache
def _catalogue(language: str) -> _gettext.NullTranslations:
    """The translations of a language, compiled in memory from the file that translators edit."""
    path = FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    if language == SOURCE or not path.is_file():
        return _gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        catalogue: Any = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return _gettext.GNUTranslations(compiled)
