"""What the weekly reports of a past season would have said, Monday by Monday, and what became of it.

Every Monday sees what was known that morning and no more: rows received by then, corrections heard of by then, labels
of injuries reported by then, and the model that the schedule would have trained by then. Nothing is registered or
stored. What it cannot undo: the recipe itself (features, directions, settings) was chosen later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from configs.errors import NotReady, WrongArgument
from features.build import build_values
from features.labels import at_risk_index, label, onsets
from features.row_facts import prepare
from features.specs import FeatureSpec
from models import splits
from models.baselines import BASELINES, Baseline
from models.bundle import Bundle
from models.evaluation import Score
from models.season import BESIDE, Month, by_month, judge_season
from models.tested import MODEL
from pipelines.console import Report
from pipelines.data import data_cut
from pipelines.recipe import BASELINE_FEATURES, Recipe
from pipelines.show import explained, reasons_in_words
from pipelines.train import unsaved_bundle
from pipelines.training_set import TrainingSet, assemble
from pipelines.weekly import model_facts
from serving.report.facts import model_facts as facts_of
from serving.report.outcomes import Judge
from serving.report.runs import run_at
from serving.report.settings import ReportSettings
from serving.score import Scores, score

SEASON_WEEKS = 52
DAY = pd.Timedelta(days=1)
ALREADY = "already injured, not known then"


@dataclass(frozen=True)
class Schedule:
    """The Mondays from `first` to `last`, and after how many of them the model is trained anew."""

    first: pd.Timestamp
    last: pd.Timestamp
    retrain_weeks: int

    @property
    def mondays(self) -> pd.DatetimeIndex:
        return pd.date_range(self.first, self.last, freq="7D", unit="us")


@dataclass(frozen=True)
class Replayed:
    """A season as it would have been told.

    `weeks` has a row per Monday: which model, who was scored and flagged, or why there was no report. `said` has a row
    per Monday, athlete and horizon: what the report would have said and what became of it. `injuries` has a row per
    injury of the target in the season: was it flagged beforehand? `months` compare observed with expected.
    """

    schedule: Schedule
    horizon_days: int
    weeks: pd.DataFrame
    said: pd.DataFrame
    injuries: pd.DataFrame
    scores: tuple[Score, ...]
    months: tuple[Month, ...]


@dataclass(frozen=True)
class _Model:
    """What was learnt on one morning; baselines by horizon and name, from the same rows."""

    monday: pd.Timestamp
    bundle: Bundle
    baselines: Mapping[int, Mapping[str, Baseline]]


class Remembered:
    """Features of moments, each built once: at a moment they are the same whatever became known later."""

    def __init__(self) -> None:
        self._values = pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []]))

    def build(
        self, index: pd.DataFrame, tables: Mapping[str, pd.DataFrame], specs: Sequence[FeatureSpec]
    ) -> pd.DataFrame:
        """See `features.build.build_values`; always to be called with the same specs."""
        moments = pd.MultiIndex.from_frame(index[["athlete_id", "as_of"]])
        is_new = ~moments.isin(self._values.index) & ~moments.duplicated()
        if is_new.any():
            built = build_values(index[is_new], tables, specs).set_axis(moments[is_new])
            self._values = pd.concat([self._values, built]) if len(self._values) else built
        return self._values.take(self._values.index.get_indexer(moments)).set_axis(index.index)


def schedule(
    tables: Mapping[str, pd.DataFrame], first: pd.Timestamp | None, last: pd.Timestamp | None, retrain_weeks: int
) -> Schedule:
    """Mondays from `first` (default: a year before the last) to `last` (default: the last day that the data cover).

    Days that are no Mondays narrow the span. Raises WrongArgument where no Monday is left.
    """
    until = min(last, data_cut(tables)) if last is not None else data_cut(tables)
    end = until - pd.Timedelta(days=until.weekday())
    start = end - pd.Timedelta(weeks=SEASON_WEEKS - 1) if first is None else first
    start = start + pd.Timedelta(days=-start.weekday() % 7)
    if start > end:
        raise WrongArgument(f"no Monday from {start:%Y-%m-%d} to {until:%Y-%m-%d}, where the data or --to end.")
    return Schedule(start, end, retrain_weeks)


def replay(
    tables: Mapping[str, pd.DataFrame], recipe: Recipe, plan: Schedule, report: ReportSettings, progress: Report
) -> Replayed:
    """The season that `plan` names, from contract tables with all rows that the store holds.

    Bags are of `evaluation_members`; nothing is evaluated on the way, and no interval is given: those of a report come
    from many refits. A Monday on which training fails keeps the model before it; until there is one, every Monday
    tries. Raises NotReady if no Monday could be reported on.
    """
    smaller = replace(recipe, settings=replace(recipe.settings, members=recipe.settings.evaluation_members))
    season = _Season(tables, smaller, report)
    weeks: list[dict[str, Any]] = []
    told: list[pd.DataFrame] = []
    mondays = plan.mondays
    season.remember(mondays)
    for number, monday in enumerate(mondays):
        progress("replaying Monday by Monday", number, len(mondays))
        week, said = season.week(monday, plan.retrain_weeks)
        weeks.append(week)
        told += [] if said is None else [said]
    progress("replaying Monday by Monday", len(mondays), len(mondays))
    if not told:
        raise NotReady(f"no Monday of {len(mondays)} could be reported on: {weeks[-1]['why_none']}")
    return _settled(season, plan, pd.DataFrame(weeks), pd.concat(told, ignore_index=True))


class _Season:
    """The store's tables, and the model as it stands from Monday to Monday."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], recipe: Recipe, report: ReportSettings) -> None:
        self.tables, self.recipe, self.report = tables, recipe, report
        self.prepared = prepare(tables, recipe.target)
        self.remembered = Remembered()
        self.model: _Model | None = None
        self.why_none = ""

    def remember(self, mondays: pd.DatetimeIndex) -> None:
        """Build everybody's features on all of these mornings in one go."""
        athletes = np.sort(self.prepared["athletes"]["athlete_id"].unique())
        day, who = np.tile(mondays, len(athletes)), np.repeat(athletes, len(mondays))
        as_of = self.recipe.target.as_of(pd.DatetimeIndex(day))
        index = pd.DataFrame({"athlete_id": pd.Series(who, dtype="str"), "date": day, "as_of": as_of})
        self.remembered.build(index, self.prepared, self.recipe.specs)

    def week(self, monday: pd.Timestamp, retrain_weeks: int) -> tuple[dict[str, Any], pd.DataFrame | None]:
        """One Monday: facts of the week, and what would have been said; None without a model or an athlete."""
        is_due = self.model is None or monday - self.model.monday >= pd.Timedelta(weeks=retrain_weeks)
        is_trained = is_due and self._train(monday)
        facts: dict[str, Any] = {"date": monday, "trained": is_trained, "why_none": self.why_none}
        if self.model is None:
            return facts | {"scored": 0, "not_scored": 0, "flagged": 0}, None
        as_of = self.recipe.target.as_of(pd.DatetimeIndex([monday]))[0]
        try:
            scores = score(self.tables, as_of, self.model.bundle, self.report, made_at=as_of)
        except NotReady as error:
            return facts | {"why_none": str(error), "scored": 0, "not_scored": 0, "flagged": 0}, None
        said = self._said(scores, as_of)
        people = said.drop_duplicates("athlete_id")
        return facts | {
            "learnt_until": self.model.bundle.data_cut,
            "scored": int((~people["abstained"]).sum()),
            "not_scored": int(people["abstained"].sum()),
            "flagged": int(people["is_flagged"].sum()),
            "why_none": "" if scores.scored else "nobody could be scored",
        }, said

    def _train(self, monday: pd.Timestamp) -> bool:
        """Learn from what was known this morning; False and the reason where that is too little."""
        try:
            training = assemble(self.tables, self.recipe, monday - DAY, self.remembered.build)
            now = self.recipe.target.as_of(pd.DatetimeIndex([monday]))[0]
            bundle = unsaved_bundle(training, self.recipe, now.to_pydatetime(), lambda *_: None)
        except NotReady as error:
            self.why_none = str(error)
            return False
        self.model = _Model(monday, bundle, _baselines(training, self.recipe))
        self.why_none = ""
        return True

    def _said(self, scores: Scores, as_of: pd.Timestamp) -> pd.DataFrame:
        """Everybody's prediction rows with flags, reasons of the flags, and the baselines' chances."""
        assert self.model is not None
        bundle = self.model.bundle
        facts = facts_of(model_facts(bundle))
        run = run_at(scores.predictions, as_of, self.report.horizon_days, bundle.version)
        flagged = {item.athlete_id for item in Judge(self.report, facts, {}, {}, run.date).flagged(run)}
        said = scores.predictions.rename(columns={"probability": MODEL}).drop(columns=["lower", "upper"])
        reasons = {athlete: self._reasons(scores, athlete, run.date) for athlete in sorted(flagged)}
        said = said.assign(
            date=run.date,
            learnt_until=bundle.data_cut,
            is_flagged=said["athlete_id"].isin(flagged),
            reasons=said["athlete_id"].map(reasons),
        )
        return said.assign(**self._beside(said))

    def _reasons(self, scores: Scores, athlete: str, date: pd.Timestamp) -> str:
        assert self.model is not None
        why = scores.explanations
        own = why[(why["athlete_id"] == athlete) & (why["horizon_days"] == self.report.horizon_days)]
        return reasons_in_words(explained(own, self.model.bundle, date), self.report)

    def _beside(self, said: pd.DataFrame) -> dict[str, pd.Series]:
        """Each baseline's chance per row; NaN where nobody is scored."""
        assert self.model is not None
        found = {name: pd.Series(np.nan, index=said.index) for name in BESIDE}
        scored = said[~said["abstained"]]
        values = self.remembered.build(scored[["athlete_id", "date", "as_of"]], self.prepared, self.recipe.specs)
        for horizon, baselines in self.model.baselines.items():
            rows = scored.index[scored["horizon_days"] == horizon]
            for name in BESIDE if len(rows) else ():
                found[name].loc[rows] = baselines[name].predict(values.loc[rows])
        return found


def _baselines(training: TrainingSet, recipe: Recipe) -> dict[int, dict[str, Baseline]]:
    """Those of BESIDE for every horizon, from the very rows that the model learns from."""
    thinned = splits.thin(training.index, recipe.settings.every_days)
    found: dict[int, dict[str, Baseline]] = {}
    for name in training.labels:
        outcome = training.labels[name].to_numpy(dtype=np.float64)
        rows = thinned[np.isfinite(outcome[thinned])]
        values = training.features.iloc[rows]
        found[int(str(name))] = {
            each: BASELINES[each](values, outcome[rows], BASELINE_FEATURES, recipe.settings) for each in BESIDE
        }
    return found


def _settled(season: _Season, plan: Schedule, weeks: pd.DataFrame, told: pd.DataFrame) -> Replayed:
    """The season with what became of it, as the store knows it today."""
    target, horizon = season.recipe.target, season.report.horizon_days
    happened = onsets(season.prepared, target)
    said = _with_outcomes(season, plan, told, happened)
    counted = said[~said["abstained"] & said["is_at_risk"]]
    settings = season.recipe.settings
    return Replayed(
        schedule=plan,
        horizon_days=horizon,
        weeks=weeks,
        said=said,
        injuries=_injuries(said[said["horizon_days"] == horizon], happened, plan, horizon),
        scores=judge_season(counted, happened, target.horizons_days, horizon, settings),
        months=by_month(counted, happened, horizon, settings),
    )


def _with_outcomes(season: _Season, plan: Schedule, told: pd.DataFrame, happened: pd.DataFrame) -> pd.DataFrame:
    """The rows with squad, is_at_risk (not injured in truth), label, onset, days of warning, and outcome in words."""
    target, cut = season.recipe.target, data_cut(season.tables)
    at_risk, _ = at_risk_index(season.prepared, target, plan.first, plan.last, every_days=7)
    labels = label(at_risk, season.prepared, target, cut).set_axis(_moments(at_risk))
    place = labels.index.get_indexer(_moments(told))
    outcome = np.full(len(told), np.nan)
    for name in labels:
        rows = (place >= 0) & (told["horizon_days"] == int(str(name))).to_numpy()
        outcome[rows] = labels[name].to_numpy()[place[rows]]
    squad = season.tables["athletes"].drop_duplicates("athlete_id", keep="last").set_index("athlete_id")["squad"]
    said = told.assign(is_at_risk=place >= 0, label=outcome, squad=told["athlete_id"].map(squad))
    onset = _next_onset(said, happened).where(said["label"] == 1)
    return said.assign(onset=onset, lead_days=(onset - said["date"]).dt.days, outcome=_outcome(said))


def _moments(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[["athlete_id", "date"]])


def _next_onset(rows: pd.DataFrame, happened: pd.DataFrame) -> pd.Series:
    """Each row's first onset on or after its day."""
    left = rows[["athlete_id", "date"]].assign(row=rows.index).sort_values("date", kind="stable")
    right = happened[["athlete_id", "date"]].assign(onset=happened["date"]).sort_values("date", kind="stable")
    merged = pd.merge_asof(left, right, on="date", by="athlete_id", direction="forward")
    return merged.set_index("row")["onset"].reindex(rows.index)


def _outcome(said: pd.DataFrame) -> pd.Series:
    """What became of each row that was scored."""
    words = np.select(
        [said["abstained"], ~said["is_at_risk"], said["label"] == 1, said["label"] == 0],
        ["not scored", ALREADY, "injured", "not injured"],
        "open",
    )
    return pd.Series(words, index=said.index, dtype="str")


def _injuries(said: pd.DataFrame, happened: pd.DataFrame, plan: Schedule, horizon_days: int) -> pd.DataFrame:
    """athlete_id, date, told ("flagged", "scored, not flagged" or why neither) and days of warning of each injury.

    The injuries that some Monday's report could have foreseen: from the first Monday to the last one's horizon.
    """
    last = plan.last + pd.Timedelta(days=horizon_days - 1)
    within = happened[(happened["date"] >= plan.first) & (happened["date"] <= last)]
    records = [
        {"athlete_id": athlete, "date": date, **_foretold(said, str(athlete), pd.Timestamp(date), horizon_days)}
        for athlete, date in zip(within["athlete_id"], within["date"], strict=True)
    ]
    columns = ["athlete_id", "date", "told", "warning_days"]
    return pd.DataFrame(records, columns=columns).sort_values(["date", "athlete_id"], ignore_index=True)


def _foretold(said: pd.DataFrame, athlete: str, onset: pd.Timestamp, horizon_days: int) -> dict[str, Any]:
    ahead_days = (onset - said["date"]).dt.days
    rows = said[(said["athlete_id"] == athlete) & (ahead_days >= 0) & (ahead_days < horizon_days)].sort_values("date")
    scored = rows[~rows["abstained"] & rows["is_at_risk"]]
    flagged = scored[scored["is_flagged"]]
    if len(flagged):
        return {"told": "flagged", "warning_days": float((onset - flagged["date"].iloc[0]).days)}
    if len(scored):
        return {"told": "scored, not flagged", "warning_days": np.nan}
    why = (
        "no report"
        if rows.empty
        else ALREADY
        if not rows["abstained"].all()
        else f"not scored: {rows['reason'].iloc[-1]}"
    )
    return {"told": why, "warning_days": np.nan}
