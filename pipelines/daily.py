"""What cron calls: score a moment once, keep predictions and explanations together, say what happened in one log
line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from configs.errors import NotReady, WrongArgument
from features.target import Target
from models.bundle import Bundle
from models.fallback import SCORED_BY as AGE_AND_HISTORY
from models.references import mean_by_factor
from models.registry import champion
from pipelines.data import Store, read_tables
from pipelines.meant import athlete_of
from serving.report.settings import ReportSettings, load_report_settings
from serving.score import MODEL, Scores, score
from serving.store import ScoreStore

Outcome = Literal["scored", "unchanged", "kept", "replaced"]


@dataclass(frozen=True)
class Day:
    """One scored moment.

    `outcome`: "scored" for the first time, "unchanged" since the same was stored already, "kept" the stored set
    although today's tables would give another one, or "replaced" it. `changed` counts the athletes who would differ.
    """

    outcome: Outcome
    as_of: pd.Timestamp
    bundle: Bundle
    scores: Scores
    changed: int

    def facts(self) -> dict[str, Any]:
        """The run in counts, for scripts and the run log."""
        athletes = self.scores.predictions.drop_duplicates("athlete_id")
        return {
            "as_of": self.as_of.isoformat(),
            "model_version": self.bundle.version,
            "outcome": self.outcome,
            "scored": self.scores.scored,
            "by_age_and_history": int((athletes["scored_by"] == AGE_AND_HISTORY).sum()),
            "not_scored": int(athletes["abstained"].sum()),
            "changed": self.changed,
            "in_sample": self.in_sample,
        }

    def in_words(self) -> str:
        """The run in a sentence or three."""
        facts = self.facts()
        when = f"{self.as_of:%Y-%m-%d %H:%M} UTC"
        athletes = self.scores.predictions.drop_duplicates("athlete_id")
        by_age, not_scored = athletes[athletes["scored_by"] == AGE_AND_HISTORY], athletes[athletes["abstained"]]
        said = {
            "scored": f"Scored {facts['scored']} athletes as of {when}"
            + (f", {len(by_age)} of them by {AGE_AND_HISTORY} alone ({_causes(by_age)})" if len(by_age) else "")
            + f"; {len(not_scored)} could not be scored"
            + (f" ({_causes(not_scored)})." if len(not_scored) else "."),
            "unchanged": f"{when} was scored before by this model, with the same result; nothing was added.",
            "kept": f"{when} was scored before by this model. {self.changed} athletes would score differently today, "
            "since data for that day came in or changed; what was said then stays. --replace puts today's there.",
            "replaced": f"Replaced what was said of {when}; {self.changed} athletes score differently.",
        }[self.outcome]
        if self.in_sample:
            said += (
                f" The model has learnt from outcomes up to {self.bundle.data_cut:%Y-%m-%d}, so these scores are in "
                "sample and prove nothing; `train --until` an earlier day for scores that do."
            )
        return said

    @property
    def in_sample(self) -> bool:
        """True if the model was trained on outcomes of this day: such scores prove nothing."""
        return bool(self.bundle.target.local_day(self.as_of) <= self.bundle.data_cut)


def _causes(rows: pd.DataFrame) -> str:
    """Such as "injured 2, no data 1": reasons without dates and figures, the commonest first."""
    causes = rows["reason"].str.replace(r"(:| since| on) .*", "", regex=True).value_counts()
    return ", ".join(f"{cause} {count}" for cause, count in causes.items())


def score_database(store: Store) -> ScoreStore:
    return ScoreStore(f"sqlite:///{store.path / 'strainwatch.db'}")


def moment(as_of: str | None, target: Target, now: datetime) -> pd.Timestamp:
    """The instant that `as_of` names: a day stands for its prediction hour, a time is UTC unless it says otherwise.

    Without one: today's prediction hour. Raises NotReady for a time that lies ahead, WrongArgument for text that
    is no ISO time: elsewhere 04.10.2021 is a day in April for some.
    """
    current = pd.Timestamp(now).as_unit("us")
    if as_of is None:
        return _todays_hour(target, current)
    try:
        found = pd.Timestamp(datetime.fromisoformat(as_of.strip()))
    except ValueError as error:
        raise WrongArgument(f"--as-of '{as_of}' is no time; write 2021-10-04 or 2021-10-04T09:00Z.") from error
    if found.tzinfo is None and found == found.normalize() and len(as_of.strip()) <= len("2021-10-04"):
        instant = target.as_of(pd.DatetimeIndex([found]))[0]
    else:
        instant = (found.tz_localize("UTC") if found.tzinfo is None else found.tz_convert("UTC")).as_unit("us")
    if instant > current:
        raise NotReady(
            f"--as-of {as_of} lies ahead (it is {current:%Y-%m-%d %H:%M} UTC): nobody can know that data yet."
        )
    return instant


def _todays_hour(target: Target, current: pd.Timestamp) -> pd.Timestamp:
    """Never the present instant: two runs before the hour would then store two sets for one morning."""
    hour = target.as_of(pd.DatetimeIndex([target.local_day(current)]))[0]
    if hour > current:
        local = current.tz_convert(target.time_zone)
        raise NotReady(
            f"today's prediction hour, {target.prediction_time} {target.time_zone}, has not come (it is "
            f"{local:%H:%M} there). Run this later, give --as-of with a time, or set an earlier prediction_time in "
            "target.toml and train again."
        )
    return hour


def score_day(
    store: Store,
    as_of: str | None,
    now: datetime,
    *,
    replace: bool = False,
    wait_s: float = 0.0,
    configs_folder: Path | None = None,
) -> Day:
    """Score everybody at one moment with the champion and store the result whole, or not at all.

    A moment that was scored before by the same model stays as it was said then, unless `replace`.
    Raises NotReady without champion or athletes, StoreBusy if another process holds the store.
    """
    days = score_days(store, [as_of], now, replace=replace, wait_s=wait_s, configs_folder=configs_folder)
    (day,) = days
    return day


def score_days(
    store: Store,
    moments: Sequence[str | None],
    now: datetime,
    *,
    replace: bool = False,
    wait_s: float = 0.0,
    configs_folder: Path | None = None,
) -> Iterator[Day]:
    """`score_day` for several moments, reading model and tables once; each is stored before the next begins."""
    with store.lock(wait_s):
        bundle, _ = champion(store.path)
        settings = load_report_settings(configs_folder)
        tables = read_tables(store)
        made_at = pd.Timestamp(now).as_unit("us")
        database = score_database(store)
        try:
            for as_of in moments:
                instant = moment(as_of, bundle.target, now)
                scores = score(tables, instant, bundle, settings, made_at)
                yield _keep(database, Day("scored", instant, bundle, scores, 0), replace)
        finally:
            database.close()


def _keep(database: ScoreStore, day: Day, replace: bool) -> Day:
    stored = database.predictions(at=day.as_of)
    said = stored["model_version"] == day.bundle.version
    if not said.any():
        database.save(day.scores.predictions, day.scores.explanations)
        return day
    changed = _differing(stored[said], day.scores.predictions)
    if changed and replace:
        database.save(day.scores.predictions, day.scores.explanations)
    outcome: Outcome = ("replaced" if replace else "kept") if changed else "unchanged"
    return Day(outcome, day.as_of, day.bundle, day.scores, changed)


def _differing(before: pd.DataFrame, now: pd.DataFrame) -> int:
    """Athletes whose features or state differ between two sets of predictions of one moment."""
    key = ["athlete_id", "horizon_days"]
    compared = ["fingerprint", "abstained", "reason"]
    left = before.set_index(key)[compared].astype(object)
    right = now.set_index(key)[compared].astype(object)
    left, right = left.align(right, join="outer")
    differs = ((left != right) & ~(left.isna() & right.isna())).any(axis=1)
    return int(differs[differs].index.get_level_values("athlete_id").nunique())


@dataclass(frozen=True)
class Explained:
    """One athlete at one moment: rows of both tables, the model, the local day, and what a score is told by.

    `squad_mean` is the mean contribution of each factor among those scored at the same moment, at the first horizon.
    """

    predictions: pd.DataFrame
    explanations: pd.DataFrame
    bundle: Bundle
    date: pd.Timestamp
    settings: ReportSettings
    squad_mean: Mapping[str, float]


def explain_athlete(
    store: Store, athlete_id: str, as_of: str | None, now: datetime, configs_folder: Path | None = None
) -> Explained:
    """What the champion says of one athlete at a moment, and why; nothing is stored.

    Raises NotReady for an unknown athlete, and for one who cannot be scored, with the reason.
    """
    bundle, _ = champion(store.path)
    instant = moment(as_of, bundle.target, now)
    settings = load_report_settings(configs_folder)
    scores = score(read_tables(store), instant, bundle, settings, made_at=pd.Timestamp(now).as_unit("us"))
    known = set(scores.predictions["athlete_id"])
    athlete_of(athlete_id, known, f"among those known on {instant:%Y-%m-%d}")
    said = scores.predictions[scores.predictions["athlete_id"] == athlete_id]
    if said["abstained"].all():
        raise NotReady(f"athlete '{athlete_id}' is not scored on {instant:%Y-%m-%d}: {said['reason'].iloc[0]}.")
    why = scores.explanations[scores.explanations["athlete_id"] == athlete_id]
    return Explained(said, why, bundle, bundle.target.local_day(instant), settings, _squad_mean(scores))


def _squad_mean(scores: Scores) -> dict[str, float]:
    said, why = scores.predictions, scores.explanations
    first = said["horizon_days"].min()
    modelled = set(said.loc[said["scored_by"] == MODEL, "athlete_id"])
    return mean_by_factor(why[why["horizon_days"] == first], modelled)
