"""The leak battery: what could tell the outcome although no honest measurement does, and the columns that do it.

Most checks ask one question of small bags of trees: do these columns tell the label of athletes whom the trees never
saw? Only what no athlete's body can explain may be asked so: what is missing, how rows are spaced, whose rows they are.
An AUROC's interval is the wider one of the bootstrap of athletes and of the normal one in which each injured athlete
counts once: few injured athletes rank well by chance, and a bootstrap of few underrates that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from configs.errors import NotReady
from models import metrics, splits
from models.contributions import mean_contributions
from models.estimator import Settings, fit_bag, fit_horizons, predict
from models.foresight import Build, Tables, dated_ahead, sees_the_future
from models.odds import Floats, Ints

TOO_GOOD = 0.8
"""No honest single measure ranks who will be strained so well (assumption): the best published lie near 0.7, and the
simulator's oracle, which knows everything, stays below 0.8."""
TELLING = 0.60
"""What says nothing of the body must not rank the label better than this (assumption)."""
APART = 0.8
"""Above it the tested days are other ground than those learnt from (assumption)."""
LEAST_INJURED = 3
"""Fewer injured athletes cannot show a ranking of anything."""

_MEMBERS, _TREES, _RESAMPLES = 6, 40, 200
_NAMED = 3
_WEIGHTY = 0.1
"""Columns are named that do at least this share of the telling, at most three."""
DAILY = ("sessions", "wellness", "wearable_days")
"""Tables that are filled day by day, so that fewer records of one athlete than of the squad mean something."""
_SPACING_DAYS = 28
_LONG_GAP_DAYS = 60
_SHUFFLED_FOLDS, _SHUFFLED_MEMBERS = 3, 3
_APART_EVERY_DAYS = 14
_EXPLAINED_ROWS = 1000


@dataclass(frozen=True)
class LeakCheck:
    """What one check found. A failed check that `blocks` forbids a promotion; else it warns.

    `value` is an AUROC with its interval where the check has one (NaN otherwise); `columns` do most of it.
    """

    name: str
    passed: bool
    sentence: str
    columns: tuple[str, ...] = ()
    value: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    blocks: bool = True

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is not a number becomes None."""
        found = asdict(self) | {"columns": list(self.columns)}
        return {key: None if isinstance(each, float) and np.isnan(each) else each for key, each in found.items()}


@dataclass(frozen=True)
class Material:
    """What a model learns from, one row per prediction moment.

    `index` has athlete_id, date and as_of; `features` are the model's own; `labels` has a column per horizon. `facts`
    are features whose absence says something known, such as that there was no earlier injury.
    """

    index: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    squads: NDArray[Any]
    facts: frozenset[str]

    @property
    def athletes(self) -> NDArray[Any]:
        return self.index["athlete_id"].to_numpy()

    def rows(self, kept: Ints) -> Material:
        """The material at some of its moments."""
        index, features, labels = (
            frame.iloc[kept].reset_index(drop=True) for frame in (self.index, self.features, self.labels)
        )
        return Material(index, features, labels, self.squads[kept], self.facts)


@dataclass(frozen=True)
class Rebuilding:
    """How to build features again at some moments (positions in the index), and the day behind each value there."""

    build: Build
    tables: Tables
    moments: Ints
    dated: Ints
    value_dates: pd.DataFrame


def battery(
    material: Material, rebuilding: Rebuilding, settings: Settings, monotone: Mapping[str, int]
) -> tuple[LeakCheck, ...]:
    """Every check, the blocking ones first."""
    thinned = material.rows(splits.thin(material.index, settings.every_days))
    return (
        missingness(thinned, settings),
        row_spacing(material, settings, rebuilding.tables),
        athlete_order(thinned, settings),
        shuffled_labels(thinned, settings, monotone),
        future_rows(material, rebuilding),
        value_dates(material, rebuilding),
        single_feature(thinned),
        train_against_test(thinned, settings),
    )


def missingness(material: Material, settings: Settings) -> LeakCheck:
    """Does what is missing alone tell the label? Absence that is itself a fact (`material.facts`) is left out."""
    is_missing = material.features.drop(columns=list(material.facts & set(material.features))).isna()
    told = _worst(_alike_once(is_missing), material, settings)
    if told is None:
        return _untested("missingness", "what is missing")
    names = ", ".join(told.columns)
    if told.lower > TELLING:
        sentence = f"What is missing tells who will be injured: {told}, most of it by missing values of {names}."
    else:
        sentence = f"What is missing does not tell who will be injured: {told}; it fails above {TELLING:.2f}."
    return told.check("missingness", sentence, passed=not told.lower > TELLING)


def _alike_once(is_missing: pd.DataFrame) -> pd.DataFrame:
    """One column of those that are missing in the very same rows; constant ones are left out."""
    distinct = ~is_missing.T.duplicated()
    varies = is_missing.any() & ~is_missing.all()
    return is_missing.loc[:, distinct & varies].astype(np.float64)


def row_spacing(material: Material, settings: Settings, tables: Tables) -> LeakCheck:
    """Do gaps between an athlete's rows, or how many records there are, tell the label?

    Where days before injuries were left out but not days before others, any longer window holds the label (Lövdal et
    al. 2021's public data set: 22 days before every injury). Only days before a row are looked at.
    """
    kept = splits.thin(material.index, settings.every_days)
    columns = pd.concat([_gaps(material), record_counts(material, tables)], axis=1).iloc[kept].reset_index(drop=True)
    rows = material.rows(kept)
    told = _worst(columns, rows, settings)
    if told is None:
        return _untested("row_spacing", "how rows are spaced")
    if told.lower > TELLING:
        means = _means(columns[list(told.columns)], rows.labels[told.horizon])
        sentence = f"How rows are spaced tells who will be injured: {told}, most of it by {means}."
    else:
        sentence = f"How rows are spaced does not tell who will be injured: {told}; it fails above {TELLING:.2f}."
    return told.check("row_spacing", sentence, passed=not told.lower > TELLING)


def _gaps(material: Material) -> pd.DataFrame:
    """Days since the athlete's previous row, and own rows in the 28 days before; NaN where too early to tell."""
    by_athlete, day = _codes_and_days(material)
    ordered = np.lexsort((day, by_athlete))
    athlete, when = by_athlete[ordered], day[ordered]
    is_first = np.r_[True, athlete[1:] != athlete[:-1]]
    gap = np.where(is_first, np.nan, np.minimum(np.r_[0, np.diff(when)], _LONG_GAP_DAYS))
    began = when[is_first][np.cumsum(is_first) - 1]
    before = np.where(when - began >= _SPACING_DAYS, _within(athlete, when, athlete, when), np.nan)
    found = np.empty((len(day), 2))
    found[ordered] = np.column_stack([gap, before])
    return pd.DataFrame(found, columns=["days since the previous row", f"rows in the last {_SPACING_DAYS} days"])


def record_counts(material: Material, tables: Tables) -> pd.DataFrame:
    """Per table that is filled day by day, the athlete's records of the 28 days before, less the squad's median then.

    Compared with the squad, since everybody has fewer records in a break.
    """
    athlete, day = _codes_and_days(material)
    names = pd.Index(pd.unique(material.athletes))
    found = {}
    for name in DAILY:
        table = tables[name][tables[name]["superseded_at"].isna()]
        if table.empty:
            continue
        whose, when = names.get_indexer(pd.Index(table["athlete_id"])), _days(table["date"])
        order = np.lexsort((when, whose))
        count = pd.Series(_within(whose[order], when[order], athlete, day))
        found[f"records in {name}"] = count - count.groupby([material.squads, day]).transform("median")
    return pd.DataFrame(found, index=range(len(day)))


def _within(whose: Ints, when: Ints, athlete: Ints, day: Ints) -> Floats:
    """How many events (sorted by athlete and day) of each row's athlete lie in the 28 days before its day."""
    span = int(max(when.max(initial=0), day.max(initial=0))) + _SPACING_DAYS + 1
    events = whose * span + when
    upto, since = (np.searchsorted(events, athlete * span + day - back) for back in (0, _SPACING_DAYS))
    return (upto - since).astype(np.float64)


def _codes_and_days(material: Material) -> tuple[Ints, Ints]:
    return pd.factorize(material.athletes)[0].astype(np.int64), _days(material.index["date"])


def _days(date: pd.Series) -> Ints:
    return date.to_numpy().astype("datetime64[D]").astype(np.int64)


def _means(columns: pd.DataFrame, label: pd.Series) -> str:
    """ "days since the previous row (23 before injuries, 1.1 otherwise)" for each column."""
    event, other = (columns[label.to_numpy() == value].mean() for value in (1, 0))
    return ", ".join(f"{name} ({event[name]:.2g} before injuries, {other[name]:.2g} otherwise)" for name in columns)


def athlete_order(material: Material, settings: Settings) -> LeakCheck:
    """Does the order of ids within a squad tell who was ever injured, or an athlete's row its place among the rows?"""
    row = pd.Series(material.athletes).groupby(material.athletes)
    place = pd.DataFrame({"row order": row.cumcount() / row.transform("size")})
    found = [each for each in (_order_of_ids(material), _worst(place, material, settings)) if each is not None]
    told = max(found, key=lambda each: each.lower, default=None)
    if told is None:
        return _untested("athlete_order", "who it is")
    if told.lower > TELLING:
        sentence = f"The order of ids or rows tells who will be injured: {told}, by {', '.join(told.columns)}."
    else:
        sentence = f"The order of ids and rows does not tell who will be injured: {told}; it fails above {TELLING:.2f}."
    return told.check("athlete_order", sentence, passed=not told.lower > TELLING)


def _order_of_ids(material: Material) -> _Told | None:
    """Injured against uninjured athletes by the place of their id in the squad, whichever comes first."""
    days = max(material.labels.columns, key=int)
    rows = pd.DataFrame({"id": material.athletes, "squad": material.squads, "label": material.labels[days]})
    athletes = rows.groupby(["squad", "id"])["label"].max().dropna().reset_index()
    injured = athletes["label"].to_numpy(dtype=np.float64)
    fewest = int(min(injured.sum(), (injured == 0).sum()))
    if fewest < LEAST_INJURED:
        return None
    place = athletes.groupby("squad")["id"].rank("dense", pct=True).to_numpy()
    area = _area(place, injured)
    area = max(area, 1 - area)
    half = 1.96 * _standard_error(area, fewest)
    return _Told(area, max(area - half, 0.0), min(area + half, 1.0), ("athlete_id",), days)


def train_against_test(material: Material, settings: Settings) -> LeakCheck:
    """Can a model tell the days that the evaluation tests from those before them, on unseen athletes? A warning."""
    rows = material.rows(splits.thin(material.index, _APART_EVERY_DAYS))
    day = _days(rows.index["date"])
    is_later = (day >= np.quantile(day, settings.first_cut_share)).astype(np.float64)
    told = _told(rows.features, is_later, rows.athletes, settings, "")
    if told is None:
        return _untested("train_against_test", "how later days differ", blocks=False)
    names, area = ", ".join(told.columns), f"AUROC {told.area:.2f} ({told.lower:.2f} to {told.upper:.2f})"
    if told.area > APART:
        sentence = f"Tested days differ from those learnt from: {area} on unseen athletes, most of it by {names}."
    else:
        sentence = f"Tested days are much like those learnt from: {area}; it warns above {APART:.2f}."
    return told.check("train_against_test", sentence, passed=not told.area > APART, blocks=False)


def shuffled_labels(material: Material, settings: Settings, monotone: Mapping[str, int]) -> LeakCheck:
    """Does the pipeline find something in labels that belong to other rows? Then its folds let something through."""
    days = min(material.labels.columns, key=int)
    known = material.rows(np.flatnonzero(material.labels[days].notna()))
    label = shuffled(known.labels[days].to_numpy(dtype=np.float64), known.index, settings.seed)
    try:
        tested = _out_of_fold(known, label, int(days), settings, monotone)
    except NotReady as error:
        return LeakCheck("shuffled_labels", True, f"Not tested whether shuffled labels are found: {error}")
    rows, fold, chance = tested
    area, lower, upper = _auroc(label[rows], known.athletes[rows], chance, settings.seed, fold)
    found = f"AUROC {area:.2f} ({lower:.2f} to {upper:.2f}) over {days} days on unseen athletes at later times"
    if lower > 0.5:
        sentence = f"The model finds labels that were shuffled: {found}. Its folds let the outcome through."
    else:
        sentence = f"In shuffled labels nothing is found: {found}."
    return LeakCheck("shuffled_labels", not lower > 0.5, sentence, (), area, lower, upper)


def shuffled(label: Floats, index: pd.DataFrame, seed: int) -> Floats:
    """The labels, run for run, handed to other athletes and days.

    Athletes are put into another order, each one's days in their own, and the whole is turned by a random number of
    rows: what is told by athlete or by season is gone, the runs of days before an injury stay as long as they were.
    """
    generator = np.random.default_rng(seed)
    athlete, day = pd.factorize(index["athlete_id"])[0], _days(index["date"])
    order = np.lexsort((day, athlete))
    otherwise = np.lexsort((day, generator.permutation(athlete.max() + 1)[athlete]))
    found = np.empty(len(label))
    found[order] = np.roll(label[otherwise], generator.integers(len(label)))
    return found


def _out_of_fold(
    material: Material, label: Floats, days: int, settings: Settings, monotone: Mapping[str, int]
) -> tuple[Ints, Ints, Floats]:
    """Tested rows, their fold and their probability."""
    smaller = replace(settings, members=_SHUFFLED_MEMBERS, athlete_folds=_SHUFFLED_FOLDS, time_blocks=1, repeats=1)
    plan = splits.plan(material.index, days, smaller, label)
    chances = []
    for fold in plan.folds:
        labels = pd.DataFrame({str(days): label[fold.train]})
        models = fit_horizons(
            material.features.iloc[fold.train], labels, material.athletes[fold.train], smaller, monotone
        )
        chances.append(predict(models, material.features.iloc[fold.test]).probability[0])
    sizes = [len(fold.test) for fold in plan.folds]
    rows = np.concatenate([fold.test for fold in plan.folds])
    return rows, np.repeat(np.arange(len(sizes)), sizes), np.concatenate(chances)


def future_rows(material: Material, rebuilding: Rebuilding) -> LeakCheck:
    """Does a feature change when what arrived after its moment is deleted or falsified?"""
    rows = material.rows(rebuilding.moments)
    names = sees_the_future(rebuilding.build, rows.index, rebuilding.tables, rows.features)
    tried = f"{len(rows.index)} predictions at {rows.index['as_of'].nunique()} moments"
    if names:
        sentence = f"{', '.join(names)} cannot be rebuilt from what was known at the moment ({tried})."
    else:
        sentence = f"No feature changes when what arrived later is deleted or falsified ({tried})."
    return LeakCheck("future_rows", not names, sentence, names)


def value_dates(material: Material, rebuilding: Rebuilding) -> LeakCheck:
    """Is a value about a day after its prediction's own?"""
    names = dated_ahead(rebuilding.value_dates, material.index["date"].iloc[rebuilding.dated])
    if names:
        sentence = f"{', '.join(names)} hold values of days after the prediction's own."
    else:
        sentence = f"No value is of a day after its prediction's own ({len(rebuilding.dated):,} predictions looked at)."
    return LeakCheck("value_dates", not names, sentence, names)


def single_feature(material: Material) -> LeakCheck:
    """Does one feature alone rank the outcome better than honest ones do?"""
    found = too_good(material.features, material.labels, material.athletes)
    names = tuple(sorted(found, key=lambda name: -found[name]))
    if not names:
        sentence = f"No single feature surely ranks injuries better than an AUROC of {TOO_GOOD:g}."
        return LeakCheck("single_feature", True, sentence)
    listed = ", ".join(f"{name} ({found[name]:.2f})" for name in names)
    sentence = f"Too good to be true: {listed} alone rank injuries better than an AUROC of {TOO_GOOD:g}."
    return LeakCheck("single_feature", False, sentence, names, found[names[0]])


def too_good(
    features: pd.DataFrame, labels: pd.DataFrame, athletes: NDArray[Any], bound: float = TOO_GOOD
) -> dict[str, float]:
    """Features that alone rank the outcome of any horizon better than `bound`, with that AUROC, either way up.

    Better by more than two standard errors, each athlete with an event counting once: among few strains some honest
    feature ranks well by chance. A missing value ranks below all others, so that what hides in absence is seen too.
    """
    found: dict[str, float] = {}
    for days in labels:
        known = labels[days].notna().to_numpy()
        label = labels[days].to_numpy(dtype=np.float64)[known]
        injured = max(len(np.unique(athletes[known][label == 1])), 1)
        for name in features:
            score = features[name].to_numpy(dtype=np.float64)[known]
            area = _area(np.where(np.isnan(score), -np.inf, score), label)
            best = max(area, 1 - area)
            if best - 2 * _standard_error(best, injured) > bound and best > found.get(str(name), 0.0):
                found[str(name)] = best
    return found


def _area(score: Floats, label: Floats) -> float:
    """The AUROC, ties counting half; 0.5 where all labels agree."""
    events = float(label.sum())
    others = len(label) - events
    if not events or not others:
        return 0.5
    return float((rankdata(score)[label == 1].sum() - events * (events + 1) / 2) / (events * others))


def _standard_error(area: float, injured: int) -> float:
    return float(np.sqrt(area * (1 - area) / injured))


@dataclass(frozen=True)
class _Told:
    """How well some columns tell a label of unseen athletes, and those that do most of it."""

    area: float
    lower: float
    upper: float
    columns: tuple[str, ...]
    horizon: str

    def __str__(self) -> str:
        interval = f"{self.lower:.2f} to {self.upper:.2f}"
        return f"AUROC {self.area:.2f} ({interval}) over {self.horizon} days on unseen athletes"

    def check(self, name: str, sentence: str, *, passed: bool, blocks: bool = True) -> LeakCheck:
        return LeakCheck(name, passed, sentence, self.columns, self.area, self.lower, self.upper, blocks)


def _untested(name: str, what: str, blocks: bool = True) -> LeakCheck:
    sentence = (
        f"Not tested whether {what} tells the label: it is the same everywhere, or too few athletes were injured."
    )
    return LeakCheck(name, True, sentence, blocks=blocks)


def _worst(columns: pd.DataFrame, material: Material, settings: Settings) -> _Told | None:
    """Over all horizons, the one of which the columns tell most surely."""
    found = []
    for days in material.labels:
        label = material.labels[days].to_numpy(dtype=np.float64)
        known = np.flatnonzero(np.isfinite(label))
        told = _told(columns.iloc[known], label[known], material.athletes[known], settings, str(days))
        found += [] if told is None else [told]
    return max(found, key=lambda told: told.lower, default=None)


def _told(
    columns: pd.DataFrame, label: Floats, athletes: NDArray[Any], settings: Settings, horizon: str
) -> _Told | None:
    """Small bags on the columns, each athlete judged by members that never saw that athlete; None if nothing varies."""
    varying = columns.loc[:, (columns.min() < columns.max()) | (columns.isna().any() & columns.notna().any())]
    injured = len(np.unique(athletes[label == 1]))
    if varying.empty or injured < LEAST_INJURED or not (label == 0).any():
        return None
    small = replace(settings, members=_MEMBERS, trees=_TREES, feature_fraction=1.0)
    bag, raw = fit_bag(varying, label, athletes, small, {})
    judged = np.isfinite(raw)
    area, lower, upper = _auroc(label[judged], athletes[judged], raw[judged], settings.seed)
    if not np.isfinite(area):
        return None
    sample = np.linspace(0, len(varying) - 1, min(_EXPLAINED_ROWS, len(varying))).astype(np.int64)
    weights = np.abs(mean_contributions(bag, varying.iloc[sample])[0]).mean(axis=0)
    order = np.argsort(-weights, kind="stable")[:_NAMED]
    names = tuple(str(varying.columns[each]) for each in order if weights[each] > _WEIGHTY * weights.sum())
    return _Told(area, lower, upper, names, horizon)


def _auroc(
    label: Floats, athletes: NDArray[Any], score: Floats, seed: int, fold: Ints | None = None
) -> tuple[float, float, float]:
    """The AUROC with the wider of two intervals: the athletes' bootstrap, and each athlete with an event as one."""
    rows = metrics.clusters(label, athletes, _RESAMPLES, seed)
    drawn = metrics.auroc(rows, score, fold)
    area, injured = float(drawn[0]), max(len(np.unique(athletes[label == 1])), 1)
    low, high = np.nanpercentile(drawn[1:], [2.5, 97.5]) if np.isfinite(drawn[1:]).any() else (0.0, 1.0)
    half = 1.96 * _standard_error(area, injured)
    return area, float(min(low, max(area - half, 0.0))), float(max(high, min(area + half, 1.0)))
