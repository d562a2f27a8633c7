"""What the weekly report says, as plain values: all is decided here, render.py only lays it out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from features.factors import Factor
from features.labels import recorded_stretches
from features.specs import FeatureSpec
from models.references import mean_by_factor
from serving.report.cautions import cautions
from serving.report.change import Change, change
from serving.report.comparison import Comparison, compare, standing
from serving.report.confidence import Confidence, confidence
from serving.report.facts import MetricsTable, ModelFacts, RankingEvidence, model_facts
from serving.report.gaps import DataGap, SquadSources, data_gaps, squad_sources
from serving.report.language import _, dynamic, list_text, ngettext, span_text, speaking
from serving.report.outcomes import Judge, TrackRecord, onsets_by_athlete, stretches_by_athlete, track_record
from serving.report.reasons import Explainer, FactorShare, is_uncertain, moves_score, strong
from serving.report.runs import (
    Prediction,
    Run,
    before,
    first_of_weeks,
    last_week,
    read_runs,
    run_at,
    text_or_empty,
)
from serving.report.settings import Band, ReportSettings
from serving.report.supposing import in_words
from serving.report.timeline import Mark, Point, Timeline, TimelineSource, marks_of
from serving.report.wording import age, as_title
from serving.what_if import Ask

RECENT_INJURY_DAYS = 730
"""Injuries no older than this stand on an athlete's card."""
TRACKS = 5
"""Factors drawn on a timeline."""


@dataclass(frozen=True)
class AthleteRow:
    """One scored athlete. `named` are the factors worth naming, the strongest first, raising or lowering.

    `unmeasured` says which other missing measurements move the score, `silent` which daily sources are, `returned` how
    lately the athlete was cleared to play, `standing` where squad and own usual disagree on the score; "" if nothing.
    """

    athlete_id: str
    anchor: str
    name: str
    squad: str
    probability: float
    lower: float
    upper: float
    band: Band
    change: Change
    shares: tuple[FactorShare, ...]
    named: tuple[FactorShare, ...]
    share_missing: float
    confidence: Confidence
    is_flagged: bool
    comparison: Comparison
    by_history: str
    """Why the score is by age and injury history alone; "" for a score of the model."""
    unmeasured: str
    silent: str
    returned: str
    standing: str


@dataclass(frozen=True)
class Check:
    """What to check first: a factor's prompt, the grade of the measurement that raised it, the factor's sources."""

    factor: str
    prompt: str
    evidence: str
    sources: str


@dataclass(frozen=True)
class Account:
    """What a score comes from, in words; those of the flagged stand on the first page.

    `fixed` are the fixed facts that raise it. `checks` are empty in the lowest band, which asks for none.
    """

    row: AthleteRow
    sentence: str
    fixed: tuple[str, ...]
    injuries: tuple[str, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Horizon:
    """The same morning's score at one horizon."""

    days: int
    probability: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Decided:
    """A decision of staff in their own words."""

    date: pd.Timestamp
    text: str
    by: str


@dataclass(frozen=True)
class AthletePage:
    """The section of one scored athlete."""

    account: Account
    timeline: Timeline
    horizons: Sequence[Horizon]
    history: tuple[Mark, ...]
    what_if: str
    """What the score of a flagged athlete would say after the smallest change of next week; "" where nobody asked."""
    decisions: tuple[Decided, ...]
    """What staff decided, the latest first."""


@dataclass(frozen=True)
class NotScored:
    name: str
    squad: str
    reason: str


@dataclass(frozen=True)
class NamedGap:
    name: str
    gap: DataGap


@dataclass(frozen=True)
class NeverRecorded:
    """A daily source and those of the scored who never had it."""

    source: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class WeeklyReport:
    """The whole report of one squad and day."""

    title: str
    squads: str
    date: pd.Timestamp
    as_of: pd.Timestamp
    settings: ReportSettings
    specs: Mapping[str, FeatureSpec]
    facts: ModelFacts
    ranking: RankingEvidence
    base_rate: float
    budget: int
    flags: tuple[Account, ...]
    rows: tuple[AthleteRow, ...]
    not_scored: tuple[NotScored, ...]
    gaps: tuple[NamedGap, ...]
    never: tuple[NeverRecorded, ...]
    sources: SquadSources
    pages: tuple[AthletePage, ...]
    """Of everyone who was scored: the flagged in the order of the first page, then the others as in `rows`."""
    record: TrackRecord
    metrics: tuple[MetricsTable, ...]
    cautions: tuple[str, ...]
    shows_percent: bool
    """Whether unseen athletes support percentages; bands stand alone where they do not."""

    def told(self, item: AthleteRow | Horizon | Prediction, horizon_days: int) -> str:
        """A score with its interval, as a percentage only where the evidence supports one."""
        return self.facts.told_score(self.settings, horizon_days, item.probability, item.lower, item.upper)

    @property
    def week(self) -> str:
        """Such as "Week 23, 2–8 Jun 2025": the days that the main horizon covers."""
        span = span_text(self.date, self.date + pd.Timedelta(days=self.settings.horizon_days - 1))
        if self.date.weekday() != 0:
            return span
        return _("Week {number}, {days}", number=self.date.isocalendar()[1], days=span)


def build_report(
    *,
    as_of: pd.Timestamp,
    date: pd.Timestamp,
    predictions: pd.DataFrame,
    explanations: pd.DataFrame,
    specs: Mapping[str, FeatureSpec],
    factors: Mapping[str, Factor],
    tables: Mapping[str, pd.DataFrame],
    onsets: pd.DataFrame,
    model: Mapping[str, Any],
    settings: ReportSettings,
    names: Mapping[str, str] | None = None,
    ask: Ask | None = None,
    decisions: pd.DataFrame | None = None,
) -> WeeklyReport:
    """The report of the run at `as_of`, from that run and the earlier ones among `predictions`.

    `tables` are the contract tables as known at `as_of` with row facts added (features.row_facts.prepare);
    `onsets` the target injuries known now (athlete_id, date, known_at), also those of after `as_of`. `names`
    turns pseudonyms into names to print; `ask` answers what next week could change (serving/what_if.py); `decisions`
    are staff's own (ScoreStore.decisions). Everything is said in the language of `settings`.
    """
    with speaking(settings.language, settings.own_words):
        maker = _Maker(
            as_of,
            pd.Timestamp(date).normalize(),
            predictions,
            explanations,
            specs,
            {key: _translated(factor) for key, factor in factors.items()},
            tables,
            onsets,
            model_facts(model),
            settings.translated(),
            names or {},
            ask,
            decisions,
        )
        return maker.report()


def _translated(factor: Factor) -> Factor:
    return replace(
        factor,
        label=dynamic(factor.label),
        measures=dynamic(factor.measures),
        wording=dynamic(factor.wording),
        prompt=dynamic(factor.prompt),
    )


@dataclass(frozen=True)
class _Maker:
    """The inputs of one report, and what follows from them and is needed more than once."""

    as_of: pd.Timestamp
    date: pd.Timestamp
    predictions: pd.DataFrame
    explanations: pd.DataFrame
    specs: Mapping[str, FeatureSpec]
    factors: Mapping[str, Factor]
    tables: Mapping[str, pd.DataFrame]
    onsets: pd.DataFrame
    facts: ModelFacts
    settings: ReportSettings
    given_names: Mapping[str, str]
    ask: Ask | None
    decisions: pd.DataFrame | None

    @cached_property
    def run(self) -> Run:
        return run_at(self.predictions, self.as_of, self.settings.horizon_days, self.facts.version)

    @cached_property
    def earlier(self) -> tuple[Run, ...]:
        rows = self.predictions[self.predictions["as_of"] < self.as_of]
        return before(read_runs(rows, self.settings.horizon_days), self.date)

    @cached_property
    def explained(self) -> pd.DataFrame:
        return self.explanations[self.explanations["horizon_days"] == self.settings.horizon_days]

    @cached_property
    def names(self) -> dict[str, str]:
        return {athlete: self.given_names.get(athlete, athlete) for athlete in self._athletes()}

    @cached_property
    def squads(self) -> dict[str, str]:
        return _squads(self.tables["athletes"], self.settings)

    @cached_property
    def judge(self) -> Judge:
        recorded = stretches_by_athlete(recorded_stretches(self.tables["coverage"], self.tables["athletes"]))
        return Judge(self.settings, self.facts, onsets_by_athlete(self.onsets), recorded, self.date)

    @property
    def base_rate(self) -> float:
        return self.facts.base_rate(self.settings.horizon_days)

    @property
    def ranking(self) -> RankingEvidence:
        return self.facts.ranking(self.settings.horizon_days)

    def _athletes(self) -> set[str]:
        return {*self.tables["athletes"]["athlete_id"], *self.predictions["athlete_id"]}

    def report(self) -> WeeklyReport:
        flagged = self.judge.flagged(self.run)
        rows = self._rows({item.athlete_id for item in flagged})
        flags = self._flags(rows)
        weeks = first_of_weeks(self._recent(self.settings.track_record_weeks))
        return WeeklyReport(
            title=self.settings.title,
            squads=list_text(sorted(filter(None, set(self.squads.values())))),
            date=self.date,
            as_of=self.as_of,
            settings=self.settings,
            specs=self.specs,
            facts=self.facts,
            ranking=self.ranking,
            base_rate=self.base_rate,
            budget=self.settings.budget(len(rows)),
            flags=flags,
            rows=rows,
            not_scored=self._not_scored(),
            gaps=self._gaps(),
            never=self._never(),
            sources=squad_sources(self.tables, self.date, self.settings.silent_after_days),
            pages=self._pages([*flags, *(self._account(row) for row in rows if not row.is_flagged)]),
            record=track_record(weeks, self.judge, self.names),
            metrics=self.facts.tables(),
            shows_percent=self.judge.shows_percent,
            cautions=cautions(self.facts, self.settings.horizon_days, self.as_of),
        )

    def _recent(self, weeks: int) -> list[Run]:
        first = self.date - pd.Timedelta(weeks=weeks)
        return [run for run in self.earlier if run.date >= first]

    def _rows(self, flagged: set[str]) -> tuple[AthleteRow, ...]:
        week_ago = last_week(self.earlier, self.date)
        now = self.explained[
            (self.explained["as_of"] == self.as_of) & (self.explained["model_version"] == self.facts.version)
        ]
        by_athlete = {str(athlete): rows for athlete, rows in now.groupby("athlete_id")}
        explainer = Explainer(self.specs, self.factors, self.date, self._squad_mean(now))
        ranked = sorted(self.run.scored, key=lambda item: (-item.probability, item.athlete_id))
        return tuple(
            self._row(
                item,
                f"athlete-{place}",
                explainer.shares(by_athlete.get(item.athlete_id, now.iloc[:0])),
                week_ago,
                item.athlete_id in flagged,
            )
            for place, item in enumerate(ranked, start=1)
        )

    def _row(
        self, item: Prediction, anchor: str, shares: tuple[FactorShare, ...], week_ago: Run | None, is_flagged: bool
    ) -> AthleteRow:
        named, compared, band = (
            _worth_naming(shares, self.settings),
            self._compared(item, shares),
            self.judge.band(item),
        )
        return AthleteRow(
            athlete_id=item.athlete_id,
            anchor=anchor,
            name=self.names[item.athlete_id],
            squad=self.squads.get(item.athlete_id, ""),
            probability=item.probability,
            lower=item.lower,
            upper=item.upper,
            band=band,
            change=change(item, week_ago, self.judge),
            shares=shares,
            named=named,
            share_missing=item.share_missing,
            confidence=confidence(item, shares, self.base_rate, self.ranking, self.settings),
            is_flagged=is_flagged,
            comparison=compared,
            by_history=item.reason if item.by_history else "",
            unmeasured=_unmeasured(shares, named, self.settings),
            silent="; ".join(self.gaps[item.athlete_id].silent),
            returned=self._returned(item.athlete_id),
            standing=standing(compared, self.settings.stands_out, band.rank == 0),
        )

    def _returned(self, athlete_id: str) -> str:
        """How lately the athlete was cleared to play, and from what; "" if not within the settings' days."""
        marks = reversed(self.marks[athlete_id])
        last = next((mark for mark in marks if mark.is_return and mark.date <= self.date), None)
        if last is None or (self.date - last.date).days > self.settings.just_returned_days:
            return ""
        days = (self.date - last.date).days
        return ngettext("just returned ({n} day)", "just returned ({n} days)", days)

    def _squad_mean(self, now: pd.DataFrame) -> dict[str, float]:
        """Each factor's mean contribution over those whom the model scored this morning."""
        return mean_by_factor(now, {item.athlete_id for item in self.run.scored if not item.by_history})

    def _compared(self, item: Prediction, shares: Sequence[FactorShare]) -> Comparison:
        squad = math.nan if item.by_history else self.run.squad_log_odds
        against_squad = [share.against_squad for share in shares]
        parts = [share.contribution for share in shares]
        return compare(parts, against_squad, item.log_odds, item.usual_log_odds, squad)

    def _flags(self, rows: Sequence[AthleteRow]) -> tuple[Account, ...]:
        """By band, then by how much of the score comes from what can be worked on."""
        flagged = [row for row in rows if row.is_flagged]
        ordered = sorted(flagged, key=lambda row: (-row.band.rank, -_workable(row.shares), row.athlete_id))
        return tuple(map(self._account, ordered))

    def _account(self, row: AthleteRow) -> Account:
        return _account(row, self.settings, self._recent_injuries(row.athlete_id))

    def _recent_injuries(self, athlete_id: str) -> tuple[str, ...]:
        """Injuries of the last two years, newest first: staff look for them whatever their weight in the score."""
        marks = [mark for mark in self.marks[athlete_id] if not mark.is_return]
        recent = [mark for mark in marks if self.date - mark.date <= pd.Timedelta(days=RECENT_INJURY_DAYS)]
        return tuple(_("{injury} {age}", injury=mark.text, age=age(mark.date, self.date)) for mark in reversed(recent))

    def _not_scored(self) -> tuple[NotScored, ...]:
        abstained = {
            item.athlete_id: item.reason or _("no reason recorded")
            for item in self.run.predictions.values()
            if item.abstained
        }
        athletes = self.tables["athletes"]
        members = athletes[athletes["left_date"].isna() | (athletes["left_date"] >= self.date)]["athlete_id"]
        unseen = {
            athlete: _("not part of this morning's run") for athlete in members if athlete not in self.run.predictions
        }
        found = [
            NotScored(self.names[athlete], self.squads.get(athlete, ""), reason)
            for athlete, reason in (abstained | unseen).items()
        ]
        return tuple(sorted(found, key=lambda item: item.name))

    @cached_property
    def marks(self) -> dict[str, tuple[Mark, ...]]:
        """Injuries and returns of each who was scored."""
        return {item.athlete_id: marks_of(item.athlete_id, self.tables) for item in self.run.scored}

    @cached_property
    def gaps(self) -> dict[str, DataGap]:
        missing = {item.athlete_id: item.share_missing for item in self.run.scored}
        found = data_gaps(missing, self.tables, self.date, self.settings.silent_after_days)
        return {gap.athlete_id: gap for gap in found}

    def _gaps(self) -> tuple[NamedGap, ...]:
        named = [NamedGap(self.names[gap.athlete_id], gap) for gap in self.gaps.values()]
        return tuple(
            sorted(named, key=lambda item: (-len(item.gap.silent), -_or_zero(item.gap.share_missing), item.name))
        )

    def _never(self) -> tuple[NeverRecorded, ...]:
        """Each daily source that only a part of the squad has, with those who never had it."""
        found: dict[str, list[str]] = {}
        for gap in self.gaps.values():
            for source in gap.never:
                found.setdefault(source, []).append(self.names[gap.athlete_id])
        return tuple(NeverRecorded(source, tuple(sorted(names))) for source, names in found.items())

    def _pages(self, accounts: Sequence[Account]) -> tuple[AthletePage, ...]:
        first = self.date - pd.Timedelta(weeks=self.settings.timeline_weeks)
        runs = [run for run in (*self.earlier, self.run) if run.date >= first]
        season = first_of_weeks([*self._recent(self.settings.track_record_weeks), self.run])
        season_first = min(first, season[0].date)
        source = TimelineSource(
            self.tables, season_first, season, self._contributions(runs), self.judge, first, self.date
        )
        return tuple(self._page(account, source) for account in accounts)

    def _page(self, account: Account, source: TimelineSource) -> AthletePage:
        athlete_id = account.row.athlete_id
        strongest = sorted(account.row.shares, key=lambda share: -abs(share.contribution))[:TRACKS]
        keys = [(share.factor.key, share.name) for share in strongest]
        return AthletePage(
            account=account,
            timeline=source.of(athlete_id, keys, self.marks[athlete_id]),
            horizons=self.horizons[athlete_id],
            history=self.marks[athlete_id],
            what_if=self._what_if(account.row),
            decisions=self._decided(athlete_id),
        )

    def _decided(self, athlete_id: str) -> tuple[Decided, ...]:
        if self.decisions is None:
            return ()
        own = self.decisions[self.decisions["athlete_id"] == athlete_id]
        latest = own.sort_values(["date", "made_at"], ascending=False, kind="stable")
        return tuple(Decided(*row) for row in latest[["date", "text", "decided_by"]].itertuples(index=False))

    def _what_if(self, row: AthleteRow) -> str:
        if self.ask is None or not row.is_flagged or row.by_history:
            return ""
        found = self.ask(row.athlete_id, row.band.from_times_base_rate * self.base_rate)
        return in_words(found, row.band, self.settings.bands[row.band.rank - 1], self.specs)

    def _contributions(self, runs: Sequence[Run]) -> dict[str, dict[str, list[Point]]]:
        """Signed sums by athlete and factor, a point for each day, of the prediction that stands for that day."""
        standing = {(item.athlete_id, item.as_of, item.model_version): run.date for run in runs for item in run.scored}
        rows = self.explained[self.explained["as_of"].isin([run.as_of for run in runs])]
        keys = zip(rows["athlete_id"], rows["as_of"], rows["model_version"], strict=True)
        rows = rows.assign(date=pd.Series([standing.get(key) for key in keys], rows.index, "datetime64[us]"))
        sums = rows.groupby(["athlete_id", "factor", "date"])["contribution"].sum().reset_index()
        found: dict[str, dict[str, list[Point]]] = {}
        for athlete, factor, date, contribution in sums.itertuples(index=False):
            found.setdefault(athlete, {}).setdefault(factor, []).append((date, contribution))
        return found

    @cached_property
    def horizons(self) -> dict[str, list[Horizon]]:
        """This morning's scores by athlete, the nearest horizon first."""
        rows = self.predictions
        now = rows[(rows["as_of"] == self.as_of) & (rows["model_version"] == self.facts.version)]
        columns = ["athlete_id", "horizon_days", "probability", "lower", "upper"]
        found: dict[str, list[Horizon]] = {}
        for athlete, days, *measured in now.sort_values("horizon_days")[columns].itertuples(index=False):
            found.setdefault(athlete, []).append(Horizon(int(days), *map(float, measured)))
        return found


def _squads(athletes: pd.DataFrame, settings: ReportSettings) -> dict[str, str]:
    pairs = zip(athletes["athlete_id"], map(text_or_empty, athletes["squad"]), strict=True)
    return {str(athlete): dynamic(settings.squads.get(squad, squad)) for athlete, squad in pairs}


def _worth_naming(shares: Sequence[FactorShare], settings: ReportSettings) -> tuple[FactorShare, ...]:
    told = strong(shares, settings)
    return tuple(sorted(told, key=lambda share: (-abs(share.contribution), share.factor.key))[: settings.reasons])


def _workable(shares: Sequence[FactorShare]) -> float:
    return math.fsum(share.contribution for share in shares if share.factor.modifiable and share.is_raising)


def _account(row: AthleteRow, settings: ReportSettings, injuries: tuple[str, ...]) -> Account:
    told = strong(row.shares, settings)
    raising = [share for share in told if share.is_raising]
    workable = [share for share in raising if share.factor.modifiable][: settings.reasons]
    fixed = [share for share in raising if not share.factor.modifiable]
    facts = tuple(share.leading.text for share in fixed)
    if row.band.rank == 0:
        lowering = [share for share in reversed(told) if not share.is_raising][: settings.reasons]
        return Account(row, _usual_sentence(workable, lowering, settings), facts, injuries, ())
    return Account(row, _sentence(workable, fixed, settings), facts, injuries, _checks(workable))


def _unmeasured(shares: Sequence[FactorShare], named: Sequence[FactorShare], settings: ReportSettings) -> str:
    """The missing measurements that move a score as much as a named factor must, without those that lead one."""
    leading = [share.leading for share in named]
    reasons = [reason for share in shares if share.factor.modifiable for reason in share.reasons]
    found = [each for each in reasons if not each.is_measured and moves_score(each.contribution, settings)]
    labels = [each.label for each in found if each not in leading]
    if not labels:
        return ""
    return _(
        "Not measured: {measurements}. The model takes the average of those not measured, which moves this score",
        measurements=list_text(labels),
    )


def _sentence(workable: Sequence[FactorShare], fixed: Sequence[FactorShare], settings: ReportSettings) -> str:
    """What raises the score; what is not measured is told after it and is no reason about the athlete."""
    if workable:
        measured = _measured(workable, settings)
        raised = [_("Raised mostly by: {reasons}.", reasons=measured)] if measured else []
        return " ".join([*raised, *_missing(workable)])
    if fixed:
        return _("Nothing that can be worked on raises this score; it comes from the fixed facts below.")
    return _("No single factor stands out: many small contributions add up.")


def _usual_sentence(workable: Sequence[FactorShare], lowering: Sequence[FactorShare], settings: ReportSettings) -> str:
    """What moves a score of the lowest band, up and down; fixed facts that raise it are told apart."""
    raised, lowered = _measured(workable, settings), _measured(lowering, settings)
    parts = [
        _("Raised in part by: {reasons}.", reasons=raised)
        if raised
        else _("Nothing that can be worked on raises this score much."),
        _("Lowered mostly by: {reasons}.", reasons=lowered) if lowered else "",
        *_missing([*workable, *lowering]),
    ]
    return " ".join(filter(None, parts))


def _measured(shares: Sequence[FactorShare], settings: ReportSettings) -> str:
    return "; ".join(_reason(share, settings) for share in shares if not _leads_by_absence(share))


def _missing(shares: Sequence[FactorShare]) -> list[str]:
    return [f"{as_title(share.leading.text)}." for share in shares if _leads_by_absence(share)]


def _leads_by_absence(share: FactorShare) -> bool:
    """Whether something not measured leads; that an injury never happened is a fact."""
    return share.factor.modifiable and not share.leading.is_measured


def _reason(share: FactorShare, settings: ReportSettings) -> str:
    if is_uncertain(share, settings):
        return _("{reason} [uncertain]", reason=share.leading.text)
    return share.leading.text


def _checks(workable: Sequence[FactorShare]) -> tuple[Check, ...]:
    return tuple(
        Check(share.name, share.factor.prompt, share.leading.evidence, "; ".join(share.factor.references))
        for share in workable[:2]
    )


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
