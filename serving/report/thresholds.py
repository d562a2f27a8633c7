"""Published thresholds beside a measurement, with the people that each comes from (configs/thresholds.toml)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from configs import load
from configs.checks import TEXT, checked, number, one_of
from features.specs import FeatureSpec
from serving.report.language import _, dynamic
from serving.report.wording import measure


@dataclass(frozen=True)
class Threshold:
    """`side` of `value`, in the feature's unit, is where the cited work saw more injuries."""

    value: float
    side: Literal["above", "below"]
    population: str
    effect: str
    reference: str

    def is_reached(self, value: float) -> bool:
        return value >= self.value if self.side == "above" else value < self.value

    def in_words(self, spec: FeatureSpec, value: float) -> str:
        """The threshold with its people and source, and on which side of it the measurement lies."""
        words = {
            "limit": measure(self.value, spec.unit),
            "people": dynamic(self.population),
            "effect": dynamic(self.effect),
            "source": self.reference,
        }
        if self.side == "above" and self.is_reached(value):
            return _("At or above {limit}, cited for {people} ({source}: {effect})", **words)
        if self.side == "below" and self.is_reached(value):
            return _("Below {limit}, cited for {people} ({source}: {effect})", **words)
        return _("Not past {limit}, cited for {people} ({source}: {effect})", **words)


def load_thresholds(folder: Path | None = None) -> dict[str, Threshold]:
    """configs/thresholds.toml by feature, or the copy in `folder`; raises ConfigError with the entry that is wrong."""
    return {name: _threshold(name, entry) for name, entry in load("thresholds.toml", folder).items()}


def _threshold(name: str, entry: Any) -> Threshold:
    where = f"thresholds.toml, [{name}]"
    return Threshold(**checked(entry, _ENTRIES, where))


_ENTRIES = {
    "value": number(),
    "side": one_of("above", "below"),
    "population": TEXT,
    "effect": TEXT,
    "reference": TEXT,
}
