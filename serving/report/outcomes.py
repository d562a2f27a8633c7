"""Who was flagged, and what became of it: counts with Wilson intervals, beside what chance would give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from serving.report.facts import ModelFacts
from serving.report.runs import Prediction, Run
from serving.report.settings import Band, ReportSettings

Status = Literal["injured", "not injured", "open", "not known"]
Stretch = tuple[pd.Timestamp, pd.Timestamp]
"""First and last day of a time in which an injury would have been recorded."""
LIVE_WITHIN = pd.Timedelta(days=2)
"""A prediction made later than this after its as-of is a replay."""


@dataclass(frozen=True)
class Rate:
    """`hits` of `n` with the 95 % Wilson interval; NaN bounds without cases."""

    hits: int
    n: int
    lower: float
    upper: float


@dataclass(frozen=True)
class FlagOutcome:
    """An earlier flag; not counted if it is a replay over days that the model had already learnt from.

    "not known" if its days are over and were not recorded to the end: `recorded_until` is the last day that was.
    """

    name: str
    flagged_on: pd.Timestamp
    window_ends: pd.Timestamp
    band: Band
    prediction: Prediction
    status: Status
    injured_on: pd.Timestamp | None
    recorded_until: pd.Timestamp | None
    is_counted: bool


@dataclass(frozen=True)
class TrackRecord:
    """Earlier flags, newest first, and the running counts over closed windows of runs that count.

    `injury_share` is the precision and `flagged_share` the recall that flags drawn at random would have. `unknown` are
    flags that would count, had their days been recorded.
    """

    flags: tuple[FlagOutcome, ...]
    runs: int
    precision: Rate
    recall: Rate
    injury_share: float
    flagged_share: float
    unknown: int


@dataclass(frozen=True)
class Judge:
    """Settles who is flagged in a run and whether an onset followed."""

    settings: ReportSettings
    facts: ModelFacts
    onsets: Mapping[str, Sequence[tuple[pd.Timestamp, pd.Timestamp]]]
    recorded: Mapping[str, Sequence[Stretch]]
    today: pd.Timestamp

    def band(self, prediction: Prediction) -> Band:
        """The band as stored; one that the settings no longer name is cut anew from the probability."""
        stored = self.settings.band_named(prediction.band)
        rate = self.facts.base_rate(self.settings.horizon_days)
        return stored or self.settings.band_of(prediction.probability, rate)

    @property
    def shows_percent(self) -> bool:
        """Whether a percentage may stand beside a band."""
        return self.facts.supports_percent(self.settings.horizon_days, self.settings.percent_within)

    def flagged(self, run: Run) -> list[Prediction]:
        """Highest probability first, above the lowest band, within the budget; ties by athlete id."""
        ranked = sorted(run.scored, key=lambda item: (-item.probability, item.athlete_id))
        return [item for item in ranked[: self.settings.budget(len(ranked))] if self.band(item).rank > 0]

    def last_day(self, prediction: Prediction) -> pd.Timestamp:
        return prediction.date + pd.Timedelta(days=self.settings.horizon_days - 1)

    def onset(self, prediction: Prediction) -> pd.Timestamp | None:
        """The first onset within the horizon that was not yet known when the prediction's clock stood."""
        last = self.last_day(prediction)
        days = [
            day
            for day, known_at in self.onsets.get(prediction.athlete_id, ())
            if prediction.date <= day <= last and known_at > prediction.as_of
        ]
        return min(days, default=None)

    def recorded_until(self, prediction: Prediction) -> pd.Timestamp | None:
        """The end of the recorded stretch that began last before the prediction; None without one."""
        stretches = self.recorded.get(prediction.athlete_id, ())
        return max((last for first, last in stretches if first <= prediction.date), default=None)

    def is_closed(self, prediction: Prediction) -> bool:
        """Whether it is settled what followed: days that nobody recorded are no days without an injury.

        An injury settles it alone: who is injured is often recorded no more.
        """
        if self.last_day(prediction) >= self.today:
            return False
        until = self.recorded_until(prediction)
        return self.onset(prediction) is not None or (until is not None and until >= self.last_day(prediction))

    def counts(self, prediction: Prediction) -> bool:
        """True for a prediction made on its morning, or replayed by a model that had not seen those days."""
        is_live = prediction.made_at - prediction.as_of <= LIVE_WITHIN
        learnt_until = self.facts.data_cut + pd.Timedelta(days=1)  # the day of the cut was learnt from as well
        is_unseen = prediction.model_version == self.facts.version and prediction.as_of >= learnt_until
        return is_live or is_unseen

    def status(self, prediction: Prediction) -> Status:
        if self.onset(prediction) is not None:
            return "injured"
        if self.last_day(prediction) >= self.today:
            return "open"
        return "not injured" if self.is_closed(prediction) else "not known"

    def outcome(self, prediction: Prediction, name: str) -> FlagOutcome:
        return FlagOutcome(
            name,
            prediction.date,
            self.last_day(prediction),
            self.band(prediction),
            prediction,
            self.status(prediction),
            self.onset(prediction),
            self.recorded_until(prediction),
            self.counts(prediction),
        )


def onsets_by_athlete(injuries: pd.DataFrame) -> dict[str, list[tuple[pd.Timestamp, pd.Timestamp]]]:
    """Day and receipt time of each target injury, by athlete."""
    found: dict[str, list[tuple[pd.Timestamp, pd.Timestamp]]] = {}
    for row in injuries[["athlete_id", "date", "known_at"]].to_dict("records"):
        found.setdefault(str(row["athlete_id"]), []).append((pd.Timestamp(row["date"]), pd.Timestamp(row["known_at"])))
    return found


def stretches_by_athlete(stretches: pd.DataFrame) -> dict[str, list[Stretch]]:
    """The recorded stretches (features.labels.recorded_stretches), by athlete."""
    found: dict[str, list[Stretch]] = {}
    for athlete, first, last in stretches[["athlete_id", "first_date", "last_date"]].itertuples(index=False):
        found.setdefault(athlete, []).append((first, last))
    return found


def track_record(runs: Sequence[Run], judge: Judge, names: Mapping[str, str]) -> TrackRecord:
    """What became of the flags of `runs` (one per week, so that windows of a week do not overlap)."""
    flags = [
        judge.outcome(item, names.get(item.athlete_id, item.athlete_id)) for run in runs for item in judge.flagged(run)
    ]
    counted = [item for run in runs for item in run.scored if judge.is_closed(item) and judge.counts(item)]
    flagged = {(item.athlete_id, item.date) for run in runs for item in judge.flagged(run)}
    followed = [item for item in counted if judge.onset(item) is not None]
    hits = sum((item.athlete_id, item.date) in flagged for item in followed)
    raised = sum((item.athlete_id, item.date) in flagged for item in counted)
    return TrackRecord(
        flags=tuple(sorted(flags, key=lambda flag: (flag.flagged_on, flag.prediction.probability), reverse=True)),
        runs=len({item.date for item in counted}),
        precision=wilson(hits, raised),
        recall=wilson(hits, len(followed)),
        injury_share=len(followed) / len(counted) if counted else math.nan,
        flagged_share=raised / len(counted) if counted else math.nan,
        unknown=sum(flag.status == "not known" and flag.is_counted for flag in flags),
    )


def wilson(hits: int, n: int) -> Rate:
    """The rate with its 95 % score interval (Wilson 1927)."""
    if n == 0:
        return Rate(0, 0, math.nan, math.nan)
    z = 1.959964
    share, spread = hits / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return Rate(hits, n, max(0.0, centre - half), min(1.0, centre + half))
