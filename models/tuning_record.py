"""What stays on record of a search for settings, beside the model.toml that came of it: so that no training forgets how
many settings were tried, and on which data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from configs.errors import ConfigError
from models.estimator import Settings
from models.tuning import Search

RECORD = "tuning.json"
"""Its file's name, in the folder of configs."""
UNSEARCHED = "No search for settings is on record beside these configs."


@dataclass(frozen=True)
class TuningRecord:
    """A finished search. `settings` are the values that it recommends: the best trial's, or the present ones.

    `data` is the fingerprint of the tables that it looked at, `data_cut` their last day. `nested` is the outer-fold
    performance of taking the best trial, if it was asked for.
    """

    trials: int
    inner_folds: int
    data: str
    data_cut: str
    is_shown_better: bool
    settings: Mapping[str, float | int]
    sentences: tuple[str, ...]
    search: Mapping[str, Any]
    nested: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, found: Search, data: str, data_cut: str, nested: Mapping[str, Any] | None) -> TuningRecord:
        """The record of a search over the tables with this fingerprint and last day."""
        sentences = (*found.sentences(), *(nested["sentences"] if nested else ()))
        names = [each.name for each in found.tuning.space]
        return cls(
            trials=len(found.trials),
            inner_folds=found.folds,
            data=data,
            data_cut=data_cut,
            is_shown_better=found.is_shown_better,
            settings={name: getattr(found.recommended, name) for name in names},
            sentences=sentences,
            search=found.as_json(),
            nested=nested,
        )

    def text(self) -> str:
        """The record as JSON, which `load_record` reads back."""
        return json.dumps(asdict(self), indent=1)

    def caution(self, settings: Settings, data: str) -> str:
        """What a reader of figures on the data with this fingerprint must know of the search."""
        if any(getattr(settings, name) != value for name, value in self.settings.items()):
            return f"The settings were changed after a search of {self.trials} trials on data up to {self.data_cut}."
        if not self.is_shown_better:
            return (
                f"A search of {self.trials} trials on data up to {self.data_cut} gave no reason to change the settings."
            )
        where = "this very data" if data == self.data else f"data up to {self.data_cut}"
        return (
            f"The settings are the best of {self.trials} trials on {where}: figures on the data that chose them are "
            "optimistic. Days after it, or the nested figures of `strainwatch tune --nested`, are not."
        )


def load_record(folder: Path | None) -> TuningRecord | None:
    """The record beside a folder's configs; None without a search. ConfigError for a file that is damaged."""
    path = None if folder is None else folder / RECORD
    if path is None or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return TuningRecord(**{**content, "sentences": tuple(content["sentences"])})
    except (ValueError, TypeError, KeyError) as error:
        wanted = ", ".join(field.name for field in fields(TuningRecord))
        raise ConfigError(
            f"{path}: not what `strainwatch tune` writes ({error}). It holds {wanted}; run tune again."
        ) from error


def tuning_facts(record: TuningRecord | None, settings: Settings, data: str) -> dict[str, Any]:
    """For a bundle: how many settings were tried, on which data, what the search said, and the caution."""
    if record is None:
        return {"trials": 1, "searched": False, "caution": UNSEARCHED}
    return {"searched": True, "caution": record.caution(settings, data), **asdict(record)}
