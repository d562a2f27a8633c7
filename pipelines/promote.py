"""Who scores from now on: a challenger is held against the champion on the same later data, and the gate decides."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from rich.markup import escape
from rich.table import Table

from configs.errors import IntegrityError, NotReady, WrongArgument
from features.build import build_values
from features.row_facts import prepare
from features.specs import FeatureSpec, with_inputs
from models import promotion, registry
from models.bundle import Bundle
from models.comparison import (
    CHALLENGER,
    CHAMPION,
    Comparison,
    Ground,
    Material,
    Side,
    compare,
    fold_rows,
    injuries_in,
    later_rows,
    own_level,
)
from models.gate import Limits, refusals, with_interval
from models.measures import MEASURES
from models.metrics import Metric
from models.promotion import ChampionChanged, Decision
from models.promotion_log import Action, Entry
from pipelines.console import Report, out, right
from pipelines.data import Store
from pipelines.judging import subgroups
from pipelines.recipe import BASELINE_FEATURES, Recipe
from pipelines.train import Trained, train
from pipelines.training_set import TrainingSet, training_set

TRIES = 3
"""So often a comparison is made anew because another process changed the champion meanwhile."""
FIRST = "first model; the gate was not asked"


@dataclass(frozen=True)
class Outcome:
    """What was decided about a candidate: its line in the log, and what the gate had to say."""

    entry: Entry
    label: str
    comparison: Comparison | None
    refusals: tuple[str, ...]
    mended: tuple[str, ...]

    @property
    def is_champion(self) -> bool:
        return self.entry.after == self.entry.candidate

    def as_json(self) -> dict[str, Any]:
        return {
            "champion": self.entry.after,
            "candidate": self.entry.candidate,
            "model_version": self.label,
            "promoted": self.is_champion,
            "refusals": list(self.refusals),
            "mended": list(self.mended),
            "line": {"from": self.entry.before, "to": self.entry.after, **_facts(self.entry)},
        }

    def facts(self) -> dict[str, Any]:
        """For the run log."""
        return {"champion": self.entry.after, "promoted": self.is_champion}

    def in_words(self) -> Iterator[str]:
        """Which model scores from now on, and why."""
        entry = self.entry
        for each in self.mended:
            yield f"Mended in the promotion log: {each}."
        if self.comparison is not None:
            yield f"Compared on {self.comparison.why}"
        if not self.is_champion:
            yield f"Champion: version {entry.before} stays. Version {entry.candidate} ({self.label}) is challenger:"
            yield from (f"- {each}" for each in self.refusals)
            return
        forced = f", forced by {entry.user}" if entry.forced else ""
        yield f"Champion: version {entry.after} ({self.label}){forced}. {_sentence(entry.reason)}"
        if entry.action != "rolled back":
            yield from (f"- the gate would have refused: {each}" for each in self.refusals)

    def show(self) -> None:
        """The measures side by side, then the words."""
        if self.comparison is not None and self.comparison.scores:
            out().print(_table(self.comparison))
        for line in self.in_words():
            out().print(escape(line), soft_wrap=True)


def train_and_ask(
    store: Store,
    recipe: Recipe,
    until: pd.Timestamp | None,
    now: datetime,
    progress: Report,
    limits: Limits,
    designs: bool = False,
) -> tuple[Trained, Outcome]:
    """Train, register as challenger, and let the gate decide; the first model of a store becomes champion unasked.

    `designs` is that of `pipelines.train.train`.
    """
    mended = promotion.settle(store.path, user(), now)
    trained = train(store, recipe, until, now, progress, designs)
    whole = trained.training if until is None else None
    outcome = _decided(store, trained.registered.version, now, progress, limits, None, trained, whole)
    return trained, replace(outcome, mended=(*mended, *outcome.mended))


def promote(
    store: Store,
    version: int | None,
    now: datetime,
    progress: Report,
    limits: Limits,
    force: str | None = None,
) -> Outcome:
    """Ask the gate about a registered version (None: the challenger); `force` is a person's reason to overrule it.

    Raises NotReady without a challenger or such a version, WrongArgument if it is champion already.
    """
    mended = promotion.settle(store.path, user(), now)
    candidate = _candidate(store, version)
    outcome = _decided(store, candidate, now, progress, limits, force, None, None)
    return replace(outcome, mended=(*mended, *outcome.mended))


def roll_back(store: Store, reason: str | None, now: datetime) -> Outcome:
    """Make the champion before the present one champion again. Raises NotReady if there was none."""
    mended = promotion.settle(store.path, user(), now)
    with registry.aliases(store.path) as known:
        present = known.version_of("champion")
    earlier = promotion.earlier_champion(store.path, present)
    bundle = registry.bundle_of(store.path, earlier)  # a damaged one must not begin to score
    decision = Decision("rolled back", present, earlier, earlier, reason or "no reason given")
    entry = promotion.decide(store.path, decision, user(), now)
    return Outcome(entry, bundle.version, None, (), mended)


def user() -> str:
    """Who runs this, by the system's account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return f"uid {os.getuid()}"


def _candidate(store: Store, version: int | None) -> int:
    with registry.aliases(store.path) as known:
        champion, challenger = known.version_of("champion"), known.version_of("challenger")
        chosen = challenger if version is None else version
        if chosen is None:
            raise NotReady("no challenger: `strainwatch train --challenger` registers one; or name one by --version.")
        if not known.is_registered(chosen):
            raise NotReady(f"version {chosen} is not registered. `strainwatch models list` shows which are.")
    if chosen == champion:
        raise WrongArgument(f"version {chosen} is the champion already.")
    return chosen


def _decided(
    store: Store,
    candidate: int,
    now: datetime,
    progress: Report,
    limits: Limits,
    force: str | None,
    trained: Trained | None,
    training: TrainingSet | None,
) -> Outcome:
    """The decision written down; prepared anew if another process changed the champion meanwhile."""
    bundle = trained.bundle if trained else registry.bundle_of(store.path, candidate)
    for left in reversed(range(TRIES)):
        with registry.aliases(store.path) as known:
            champion = known.version_of("champion")
        rival, unreadable = _rival(store, champion)
        if rival is None and trained is not None:
            findings = _unasked(trained, limits)
        else:
            findings = _asked(store, bundle, rival, limits, training, progress)
        decision = _decision(candidate, champion, findings, force, unreadable)
        try:
            entry = promotion.decide(store.path, decision, user(), now)
        except ChampionChanged:
            if not left:
                raise
            continue
        return Outcome(entry, bundle.version, findings.comparison, findings.refusals, ())
    raise AssertionError("the last try returns or raises")


def _rival(store: Store, champion: int | None) -> tuple[Bundle | None, str | None]:
    """The champion's bundle; None without one, or, with the reason, if it cannot be read: then it cannot score."""
    if champion is None:
        return None, None
    try:
        return registry.bundle_of(store.path, champion), None
    except IntegrityError as error:
        return None, f"version {champion} cannot be read, so it could not score ({error})"


@dataclass(frozen=True)
class Findings:
    """What the gate says of a candidate, and by which comparison."""

    comparison: Comparison | None
    refusals: tuple[str, ...]
    figures: Mapping[str, Any]


def _decision(
    candidate: int, champion: int | None, findings: Findings, force: str | None, unreadable: str | None
) -> Decision:
    action: Action
    if force is not None:
        action, after, reason = "promoted", candidate, force
    elif unreadable is not None:
        action, after, reason = "promoted", candidate, f"the gate was not asked: {unreadable}"
    elif champion is None:
        action, after, reason = "first", candidate, FIRST
    elif findings.refusals:
        action, after, reason = "kept", champion, "; ".join(findings.refusals)
    else:
        action, after, reason = "promoted", candidate, "passes the gate, and is estimated better than the champion"
    figures = {**findings.figures, "gate": list(findings.refusals)}
    return Decision(action, champion, after, candidate, reason, force is not None, figures)


def _unasked(trained: Trained, limits: Limits) -> Findings:
    """What the gate would say of a first model, by its own evaluation."""
    days = limits.horizon(trained.bundle.target.horizons_days)
    return Findings(None, refusals(trained.evaluation, days, failed_leaks(trained.bundle), limits), {})


def failed_leaks(bundle: Bundle) -> tuple[str, ...]:
    """Sentences of the leak checks that failed when the model was trained; one if none were made."""
    checks = bundle.metrics.get("leaks")
    if checks is None:
        return ("no leak checks are on record: train again",)
    return tuple(check["sentence"] for check in checks if not check["passed"] and check.get("blocks", True))


def _asked(
    store: Store,
    challenger: Bundle,
    champion: Bundle | None,
    limits: Limits,
    training: TrainingSet | None,
    progress: Report,
) -> Findings:
    """The comparison with the champion; without one, the same conditions of the challenger alone."""
    if champion is not None and (reason := _differs(challenger, champion)):
        return Findings(None, (reason,), {})
    whole = training or training_set(store, _recipe(challenger, champion), None, progress)
    duel = Duel.between(whole, challenger, champion, limits.horizon(challenger.target.horizons_days))
    leaks = failed_leaks(challenger)
    try:
        comparison = duel.compared(limits, progress)
    except NotReady as error:
        return Findings(None, (f"no comparison is possible: {error}", *(f"leak: {each}" for each in leaks)), {})
    told = comparison.refusals(leaks, limits)
    level, (low, high) = duel.level(), limits.observed_expected
    if level < low or level > high:
        told = (
            *told,
            f"the registered model as it is: observed : expected is {level:.2f} on the days that it learnt from",
        )
    return Findings(comparison, told, _figures(comparison, level))


def _differs(challenger: Bundle, champion: Bundle) -> str | None:
    """Why two models foretell different things, so that no figure can compare them."""
    one, other = challenger.target, champion.target
    fields = ("includes", "excludes", "horizons_days", "report_gap_days", "onset_lag_days")
    different = [name for name in fields if getattr(one, name) != getattr(other, name)]
    if not different:
        return None
    return (
        f"champion and challenger foretell different things (targets '{other.name}' and '{one.name}' differ in "
        f"{', '.join(different)}): figures cannot compare them, a person must decide (--force)"
    )


def _read(bundle: Bundle) -> tuple[FeatureSpec, ...]:
    """What a comparison reads of a bundle's specs: those of its model and of age and history, with their inputs."""
    by_age = (term.feature for model in bundle.fallback for term in model.form.terms)
    of_model = (name for model in bundle.models for name in model.bag.feature_names)
    of_baseline = filter(None, (BASELINE_FEATURES.age, *BASELINE_FEATURES.history))
    return with_inputs(bundle.specs, {*of_model, *by_age, *of_baseline})


def _values(whole: TrainingSet, bundle: Bundle) -> pd.DataFrame:
    known, read = {spec.name: spec for spec in whole.specs}, _read(bundle)
    if all(known.get(spec.name) == spec for spec in read):
        return whole.features
    return build_values(whole.index, prepare(whole.tables, bundle.target), read)


def _recipe(challenger: Bundle, champion: Bundle | None) -> Recipe:
    """The challenger's, with the champion's features beside its own, so that none is built twice."""
    own = _read(challenger)
    names = {spec.name for spec in own}
    more = [spec for spec in _read(champion) if spec.name not in names] if champion else []
    return Recipe((*own, *more), challenger.factors, challenger.target, challenger.settings)


@dataclass(frozen=True)
class Duel:
    """Two bundles before the same days. `whole` is everything that the store can tell of, as the challenger sees it."""

    whole: TrainingSet
    bundles: Mapping[str, Bundle]
    values: Mapping[str, pd.DataFrame]
    horizon_days: int

    @classmethod
    def between(cls, whole: TrainingSet, challenger: Bundle, champion: Bundle | None, horizon_days: int) -> Duel:
        """With the features of all days as each bundle's own specs say; without a champion, of the challenger alone."""
        bundles = {CHALLENGER: challenger} | ({CHAMPION: champion} if champion else {})
        return cls(whole, bundles, {name: _values(whole, each) for name, each in bundles.items()}, horizon_days)

    @property
    def challenger(self) -> Bundle:
        return self.bundles[CHALLENGER]

    def compared(self, limits: Limits, progress: Report) -> Comparison:
        """On later days if these hold enough injuries, else in folds. NotReady where neither is possible."""
        ground = self._later(limits) or self._folds(limits, progress)
        return compare(ground, self._material, self.horizon_days, self.challenger.settings)

    def level(self) -> float:
        """Observed over expected of the challenger's bundle itself, on the days that it learnt from."""
        values = self.values[CHALLENGER]
        return own_level(self._material, self.challenger, values, self.horizon_days, self.challenger.settings)

    @property
    def _cut(self) -> pd.Timestamp:
        return max(bundle.data_cut for bundle in self.bundles.values())

    @property
    def _material(self) -> Material:
        whole = self.whole
        squads = np.asarray(whole.squads)
        return Material(
            whole.index,
            whole.features,
            whole.labels,
            whole.onsets,
            squads,
            subgroups(whole, BASELINE_FEATURES).assign(squad=squads),
        )

    def _events_later(self) -> int:
        label = self.whole.labels[str(self.horizon_days)]
        later = label.notna() & (self.whole.index["date"] > self._cut)
        rows = self.whole.index[later].assign(label=label[later])
        return injuries_in(rows.reset_index(drop=True), self.whole.onsets, self.horizon_days)

    def _later(self, limits: Limits) -> Ground | None:
        events = self._events_later()
        if events < limits.least_later_events:
            return None
        pairs = {name: (bundle, self.values[name]) for name, bundle in self.bundles.items()}
        rows = later_rows(
            self._material, self.horizon_days, pairs[CHALLENGER], pairs.get(CHAMPION), BASELINE_FEATURES,
            self.challenger.settings,
        )  # fmt: skip
        why = (
            f"{len(rows):,} athlete-days after {self._cut:%Y-%m-%d}, which no model has learnt from, before {events} "
            f"injuries ({limits.least_later_events} or more): every model as it is."
        )
        return Ground(rows, "later days", why)

    def _folds(self, limits: Limits, progress: Report) -> Ground:
        older = self._older_days
        note = f" The champion's learnt from data {older} days older, as it did." if older else ""
        try:
            rows = self._refitted(older, progress)
        except NotReady:
            if not older:
                raise
            rows = self._refitted(0, progress)
            note = f" The champion's data were {older} days older, which leaves too little to learn from in some folds."
        why = (
            f"unseen athletes at later times, each recipe fitted anew in the same folds ({len(rows):,} athlete-days): "
            f"the days since {self._cut:%Y-%m-%d} precede {self._events_later()} injuries, and judging the models as "
            f"they are takes {limits.least_later_events}.{note}"
        )
        return Ground(rows, "same folds", why)

    @property
    def _older_days(self) -> int:
        """How much older the champion's data are: what a mere retraining can gain by."""
        champion = self.bundles.get(CHAMPION, self.challenger)
        return max(0, (self.challenger.data_cut - champion.data_cut).days)

    def _refitted(self, older_days: int, progress: Report) -> pd.DataFrame:
        sides = [self._side(name, bundle, older_days) for name, bundle in self.bundles.items()]

        def told(done: int, total: int) -> None:
            progress("comparing with the champion", done, total)

        settings = self.challenger.settings
        return fold_rows(self._material, self.horizon_days, sides, BASELINE_FEATURES, settings, told)

    def _side(self, name: str, bundle: Bundle, older_days: int) -> Side:
        used = list(bundle.models[0].bag.feature_names)
        monotone = {spec.name: spec.monotone for spec in bundle.specs if spec.name in used}
        return Side(name, self.values[name][used], monotone, bundle.settings, older_days if name == CHAMPION else 0)


def _figures(comparison: Comparison, level: float) -> dict[str, Any]:
    """What the log keeps of a comparison: estimates with both ends of their intervals."""
    judged = comparison.judged
    return {
        "ground": comparison.ground,
        "why": comparison.why,
        "horizon_days": comparison.horizon_days,
        "injuries": judged.observed_expected.n_events,
        "athletes": judged.observed_expected.n_athletes,
        "above_age_history": {name: _ends(getattr(judged, f"{name}_gain")) for name in ("auroc", "net_benefit")},
        "calibration_slope": _ends(judged.slope),
        "observed_expected": _ends(judged.observed_expected),
        "as_it_is_observed_expected": level,
        **{
            score.name: {
                "challenger": _ends(score.challenger),
                "champion": _ends(score.champion),
                "difference": _ends(score.difference),
            }
            for score in comparison.scores
        },
    }


def _ends(metric: Metric) -> list[float]:
    return [metric.value, metric.lower, metric.upper]


def _table(comparison: Comparison) -> Table:
    sizes = comparison.judged.observed_expected
    title = (
        f"{comparison.horizon_days} days, {comparison.ground}: {sizes.n_rows:,} athlete-days of {sizes.n_athletes} "
        f"athletes before {sizes.n_events} injuries (95 % interval by athlete bootstrap)"
    )
    table = Table("", *(right(name) for name in ("challenger", "champion", "difference")), title=escape(title))
    for score in comparison.scores:
        cells = (with_interval(each) for each in (score.challenger, score.champion, score.difference))
        table.add_row(MEASURES[score.name], *(escape(cell) for cell in cells))
    return table


def _facts(entry: Entry) -> dict[str, Any]:
    names = ("number", "at", "user", "action", "candidate", "forced", "reason", "figures")
    return {name: getattr(entry, name) for name in names}


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
