"""The settings of configs/report.toml: alert budget, bands, and what counts as old, silent or too few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from configs import load, reject_unknown
from configs.errors import ConfigError
from models.alerts import AlertPolicy, alert_policy
from serving.report.delivery import Delivery, delivery
from serving.report.language import SOURCE, dynamic, require
from serving.report.thresholds import Threshold, load_thresholds


@dataclass(frozen=True)
class Band:
    """One band of the score, from `from_times_base_rate` times the base rate; `rank` 0 is the lowest."""

    key: str
    label: str
    from_times_base_rate: float
    rank: int


@dataclass(frozen=True)
class ReportSettings:
    """Every setting of the report, as configs/report.toml documents it."""

    title: str
    horizon_days: int
    alerts: AlertPolicy
    bands: tuple[Band, ...]
    timeline_weeks: int
    track_record_weeks: int
    reasons: int
    smallest_odds: float
    silent_after_days: int
    just_returned_days: int
    stands_out: float
    old_after_days: int
    share_missing: float
    bands_spanned: int
    uncertain_below: float
    hidden_below: float
    too_few_below: int
    percent_within: float
    squads: Mapping[str, str]
    thresholds: Mapping[str, Threshold]
    language: str
    words: Mapping[str, Mapping[str, str]]
    """A club's own translations: by language, by the English text."""
    delivery: Delivery

    def translated(self) -> ReportSettings:
        """The same with its title and bands in the language in use."""
        bands = tuple(replace(band, label=dynamic(band.label)) for band in self.bands)
        return replace(self, title=dynamic(self.title), bands=bands)

    @property
    def own_words(self) -> Mapping[str, str]:
        """What the club gave for the report's language."""
        return self.words.get(self.language.replace("-", "_").split("_")[0], {})

    def budget(self, scored: int) -> int:
        """How many of `scored` athletes may be flagged."""
        return self.alerts.budget(scored)

    def band_of(self, probability: float, base_rate: float) -> Band:
        """The highest band whose cut-off `probability` reaches."""
        reached = [band for band in self.bands if probability >= band.from_times_base_rate * base_rate]
        return reached[-1] if reached else self.bands[0]

    def band_named(self, key: str) -> Band | None:
        return next((band for band in self.bands if band.key == key), None)


_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "reading": (
        "timeline_weeks",
        "track_record_weeks",
        "reasons",
        "smallest_odds",
        "silent_after_days",
        "just_returned_days",
        "stands_out",
    ),
    "confidence": ("old_after_days", "share_missing", "bands_spanned"),
    "stability": ("uncertain_below", "hidden_below"),
    "evidence": ("too_few_below", "percent_within"),
}


_PLAIN = {"title", "language", "horizon_days", "alerts", "bands", "squads", "words", "delivery"}


def load_report_settings(folder: Path | None = None) -> ReportSettings:
    """configs/report.toml, or the copy in `folder`; raises ConfigError with the entry that is wrong.

    Numbers that a club's copy lacks, for instance of an earlier version, are those shipped; an unknown one is refused.
    """
    content = load("report.toml", folder)
    reject_unknown(content, _PLAIN | set(_SECTIONS), "report.toml")
    language = str(content.get("language", SOURCE))
    require(language, "report.toml, language")
    plain = {key: value for name, keys in _SECTIONS.items() for key, value in _section(content, name, keys).items()}
    return ReportSettings(
        title=str(_entry(content, "title", "report.toml")),
        horizon_days=int(_positive(content, "horizon_days", "report.toml")),
        alerts=alert_policy(content),
        bands=_bands(content.get("bands", [])),
        squads={str(key): str(name) for key, name in content.get("squads", {}).items()},
        thresholds=load_thresholds(folder),
        language=language,
        words=_words(content.get("words", {})),
        delivery=delivery(load("report.toml")["delivery"] | content.get("delivery", {})),
        **plain,
    )


def _words(content: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    for language, words in content.items():
        require(language, "report.toml, [words]")
        if not isinstance(words, dict) or not all(isinstance(text, str) for text in words.values()):
            raise ConfigError(f'report.toml, [words.{language}]: give lines of "English text" = "its translation".')
    return {str(language): dict(words) for language, words in content.items()}


def _section(content: Mapping[str, Any], name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    where = f"report.toml, [{name}]"
    own = dict(content.get(name, {}))
    reject_unknown(own, set(keys), where)
    section = load("report.toml")[name] | own
    return {key: _positive(section, key, where) for key in keys}


def _bands(entries: list[dict[str, Any]]) -> tuple[Band, ...]:
    bands = tuple(_band(entry, rank) for rank, entry in enumerate(entries))
    cuts = [band.from_times_base_rate for band in bands]
    if len(bands) < 2 or cuts[0] != 0 or cuts != sorted(set(cuts)) or len({band.key for band in bands}) < len(bands):
        raise ConfigError(
            f"report.toml, [[bands]]: found cut-offs {cuts}. Give at least two bands with different keys, "
            "the first from 0, each next one higher."
        )
    return bands


def _band(entry: dict[str, Any], rank: int) -> Band:
    where = f"report.toml, [[bands]] number {rank + 1}"
    reject_unknown(entry, {"key", "label", "from_times_base_rate"}, where)
    cut = float(_entry(entry, "from_times_base_rate", where))
    return Band(str(_entry(entry, "key", where)), str(_entry(entry, "label", where)), cut, rank)


def _entry(content: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in content:
        raise ConfigError(f"{where}: missing {key}.")
    return content[key]


def _positive(content: Mapping[str, Any], key: str, where: str) -> Any:
    value = _entry(content, key, where)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
        raise ConfigError(f"{where}: {key} is {value!r}; give a number above 0.")
    return value
