"""Who is at risk at a moment, and why: the one function behind every prediction that staff see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from configs.errors import NotReady
from features.availability import NO_DATA_YET, unavailable
from features.build import FeatureSet, build_features, build_values
from features.row_facts import prepare
from models.bundle import Bundle
from models.distance import share_nearer
from models.estimator import HorizonModel, Predicted, predict
from models.explain import contributions, contributions_of_prediction
from models.fallback import SCORED_BY as AGE_AND_HISTORY
from models.fallback import can_score, fallback_contributions, predict_fallback, share_missing
from models.odds import Floats, Ints
from models.recalibration import by_squad, of_squad
from models.references import USUAL_WEEKS, at_own_usual, explained_at
from models.steadiness import steadiness
from serving.report.settings import ReportSettings
from serving.report.wording import WITHOUT_USUAL

LEAST_USUAL_WEEKS = 4
"""Own usual is the median over the same weekday of USUAL_WEEKS; fewer values than this are no habit."""
LEFT_LONG_AGO_DAYS = 28
MODEL = "model"
"""How a prediction row calls the model; AGE_AND_HISTORY is the other way to be scored."""
MEASURES = ("probability", "lower", "upper", "log_odds", "base_log_odds", "squad_log_odds", "usual_log_odds")


@dataclass(frozen=True)
class Scores:
    """Rows for the tables of serving/store.py: every athlete known at `as_of`, scored or with the reason why not."""

    predictions: pd.DataFrame
    explanations: pd.DataFrame

    @property
    def scored(self) -> int:
        return int(self.predictions.loc[~self.predictions["abstained"], "athlete_id"].nunique())


def score(
    tables: Mapping[str, pd.DataFrame],
    as_of: pd.Timestamp,
    bundle: Bundle,
    settings: ReportSettings,
    made_at: pd.Timestamp,
) -> Scores:
    """Predictions and explanations of every athlete known at the instant `as_of`.

    `tables` are contract tables with all rows that the store holds: what was not known at `as_of` is not looked at.
    `settings` cut the bands. Raises NotReady if no athlete was known then, IntegrityError if contributions do not
    add up.
    """
    prepared = prepare(tables, bundle.target)
    index = _everyone(prepared["athletes"], as_of, bundle)
    reasons = unavailable(index, prepared, bundle.target)
    recent = ~reasons.fillna("").str.startswith("left the squad") | _left_lately(index, prepared["athletes"], as_of)
    index, reasons = index[recent].reset_index(drop=True), reasons[recent].reset_index(drop=True)
    built = build_features(index, prepared, bundle.specs)
    seen = _Seen(
        index, reasons, _share_missing(built.values, bundle), built, _squads(index, prepared["athletes"], as_of)
    )
    chosen = _chosen(seen, bundle)
    said = _unscored(seen, chosen, bundle).assign(made_at=made_at)
    groups = list(_groups(seen, chosen, bundle))
    if not groups:
        return Scores(said, _no_explanations())
    usual = _own_usual(index[chosen.by.notna()], prepared, bundle)
    said, why = _filled(said, seen, groups, usual, bundle, settings)
    return Scores(said, why)


@dataclass(frozen=True)
class _Seen:
    """Everybody to be looked at: `reasons` why one cannot be scored at all, None where one can; row by row."""

    index: pd.DataFrame
    reasons: pd.Series
    missing: Floats
    built: FeatureSet
    squads: npt.NDArray[np.object_]


@dataclass(frozen=True)
class _Chosen:
    """`by` what each athlete is scored, None if not at all; `reason` why not, or why by age and history alone."""

    by: pd.Series
    reason: pd.Series


def _chosen(seen: _Seen, bundle: Bundle) -> _Chosen:
    """The model where enough is measured, else age and injury history where one of them is known, else nothing."""
    too_little = seen.reasons.isna() & (seen.missing > bundle.target.abstain_share_missing)
    told = [f"too little measured: {100 * share:.0f} % of the usual measurements are missing" for share in seen.missing]
    reason = seen.reasons.mask(too_little, pd.Series(told, seen.reasons.index))
    is_new = too_little | (seen.reasons == NO_DATA_YET)
    by_age = is_new & can_score(bundle.fallback, seen.built.values)
    by = pd.Series(None, seen.reasons.index, dtype=object).mask(reason.isna(), MODEL).mask(by_age, AGE_AND_HISTORY)
    return _Chosen(by, reason.mask(is_new & ~by_age, reason + "; neither age nor injury history is known"))


@dataclass(frozen=True)
class _Group:
    """Athletes who are scored alike: their positions, their scores, and by horizon what explains these.

    `squad_log_odds` is the part of the base that is their squad's own rate, (horizons, rows). `models` are theirs;
    none for those who are scored by age and injury history alone.
    """

    rows: Ints
    predicted: Predicted
    explain: Callable[[int], tuple[Floats, pd.DataFrame]]
    squad_log_odds: Floats
    models: tuple[HorizonModel, ...] = ()


def _groups(seen: _Seen, chosen: _Chosen, bundle: Bundle) -> Iterator[_Group]:
    for squad, of in by_squad(bundle.recalibrations, seen.squads):
        is_in = np.isin(np.arange(len(seen.index)), of)
        for by, scored in ((MODEL, _by_model), (AGE_AND_HISTORY, _by_age)):
            rows = np.flatnonzero(is_in & (chosen.by == by).to_numpy())
            if len(rows):
                yield scored(rows, seen.built.values.iloc[rows], squad, bundle)


def _by_model(rows: Ints, values: pd.DataFrame, squad: str, bundle: Bundle) -> _Group:
    models = of_squad(bundle.models, bundle.recalibrations, squad)
    predicted = predict(models, values)
    pairs = zip(models, bundle.models, strict=True)
    moved = {own.horizon_days: _own_rate(own, pooled, values.iloc[:1]) for own, pooled in pairs}
    return _Group(
        rows,
        predicted,
        lambda days: contributions_of_prediction(models, predicted, values, days),
        np.vectorize(moved.__getitem__, otypes=[float])(predicted.source_horizon),
        models,
    )


def _own_rate(own: HorizonModel, pooled: HorizonModel, values: pd.DataFrame) -> float:
    """By how much a squad's base differs from the pooled one; any row of features serves to find a base."""
    if own.calibration == pooled.calibration:
        return 0.0
    return contributions(own, values)[0] - contributions(pooled, values)[0]


def _by_age(rows: Ints, values: pd.DataFrame, squad: str, bundle: Bundle) -> _Group:
    """A squad's own rate holds for its new athletes too; its slope is about the model's scores."""
    own = {each.horizon_days: (each.shift, each.shift_sd) for each in bundle.recalibrations if each.squad == squad}
    models = tuple(each.shifted(*own.get(each.horizon_days, (0.0, 0.0))) for each in bundle.fallback)
    moved = {each.horizon_days: own.get(each.horizon_days, (0.0, 0.0))[0] for each in bundle.fallback}
    predicted = predict_fallback(models, values)
    return _Group(
        rows,
        predicted,
        lambda days: fallback_contributions(models, predicted, values, days),
        np.vectorize(moved.__getitem__, otypes=[float])(predicted.source_horizon),
    )


def _everyone(athletes: pd.DataFrame, as_of: pd.Timestamp, bundle: Bundle) -> pd.DataFrame:
    known = athletes[athletes["known_at"] <= as_of]["athlete_id"]
    if known.empty:
        raise NotReady(
            f"No athlete was known on {as_of:%Y-%m-%d %H:%M} UTC. Ingest athletes first, or choose a later --as-of."
        )
    ids = np.sort(known.unique())
    return pd.DataFrame(
        {"athlete_id": pd.Series(ids, dtype="str"), "date": bundle.target.local_day(as_of), "as_of": as_of}
    )


def _left_lately(index: pd.DataFrame, athletes: pd.DataFrame, as_of: pd.Timestamp) -> pd.Series:
    """False for those who left weeks ago, as known at `as_of`: a report need not repeat them."""
    left = index["athlete_id"].map(_known(athletes, as_of)["left_date"])
    return left.isna() | (index["date"] - left <= pd.Timedelta(days=LEFT_LONG_AGO_DAYS))


def _known(athletes: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """The athletes' rows that stood at `as_of`, by athlete."""
    seen = athletes[(athletes["known_at"] <= as_of) & ~(athletes["superseded_at"] <= as_of)]
    return seen.set_index("athlete_id")


def _squads(index: pd.DataFrame, athletes: pd.DataFrame, as_of: pd.Timestamp) -> npt.NDArray[np.object_]:
    return index["athlete_id"].map(_known(athletes, as_of)["squad"]).to_numpy(dtype=object)


def _share_missing(values: pd.DataFrame, bundle: Bundle) -> Floats:
    missed = {name: summary.share_missing for name, summary in bundle.feature_summary.items()}
    return share_missing(values, bundle.models[0].bag.feature_names, missed)


def _distance(values: pd.DataFrame, bundle: Bundle) -> Floats:
    """The share of training rows that lie nearer; NaN for models trained before that was kept."""
    names = list(bundle.models[0].bag.feature_names)
    return share_nearer(values[names], bundle.feature_summary, bundle.metrics.get("reach") or ())


def _unscored(seen: _Seen, chosen: _Chosen, bundle: Bundle) -> pd.DataFrame:
    """Rows of everybody at every horizon, measures still missing."""
    everybody = seen.index.assign(
        model_version=bundle.version,
        **dict.fromkeys(MEASURES, np.nan),
        source_horizon=0,
        band=pd.array([None] * len(seen.index), dtype="str"),
        share_missing=seen.missing,
        distance=_distance(seen.built.values, bundle),
        abstained=chosen.by.isna().to_numpy(),
        scored_by=chosen.by,
        reason=chosen.reason,
        fingerprint=_fingerprints(seen.built.values),
    )
    horizons = [everybody.assign(horizon_days=model.horizon_days) for model in bundle.models]
    return pd.concat(horizons, ignore_index=True)


def _filled(
    said: pd.DataFrame,
    seen: _Seen,
    groups: Sequence[_Group],
    usual: _Usual,
    bundle: Bundle,
    settings: ReportSettings,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of scored athletes with their measures, and the rows of `_long`."""
    said, whys = said.copy(), []
    typical = _typical(seen, groups, bundle)
    for number, horizon in enumerate(groups[0].predicted.horizons_days):
        for group in groups:
            rows, predicted = group.rows + number * len(seen.index), group.predicted
            base, shares = group.explain(horizon)
            chance, own_rate = predicted.probability[number], group.squad_log_odds[number]
            bounds = predicted.lower[number], predicted.upper[number]
            against = _against(group, number, seen, usual, bundle)
            measured = [chance, *bounds, predicted.log_odds[number], base, own_rate, against.usual_log_odds]
            said.loc[rows, list(MEASURES)] = np.column_stack(measured)
            said.loc[rows, "source_horizon"] = predicted.source_horizon[number]
            said.loc[rows, "band"] = _bands(chance, bundle.metrics["base_rates"][str(horizon)], settings)
            whys.append(_long(seen, horizon, shares, against, usual, typical, group.rows, bundle))
    return said, pd.concat(whys, ignore_index=True)


@dataclass(frozen=True)
class _Against:
    """What one horizon's scores are held against, row by row: the score at own usual, and what explains that one.

    `steadiness` is that of each feature's factor. NaN for those who are scored by age and injury history alone.
    """

    usual_log_odds: Floats
    usual_shares: pd.DataFrame
    steadiness: pd.DataFrame


def _against(group: _Group, number: int, seen: _Seen, usual: _Usual, bundle: Bundle) -> _Against:
    names = list(bundle.models[0].bag.feature_names)
    values = seen.built.values.iloc[group.rows][names]
    unknown = pd.DataFrame(np.nan, values.index, names)
    if not group.models:
        return _Against(np.full(len(values), np.nan), unknown, unknown)
    factor_of = {spec.name: spec.factor for spec in bundle.specs}
    fixed = [name for name in names if factor_of[name] in WITHOUT_USUAL]
    own = usual.middle.loc[seen.index["athlete_id"].to_numpy()[group.rows], names]
    source = group.predicted.source_horizon[number]
    log_odds, shares = explained_at(group.models, source, at_own_usual(values, own, fixed))
    modifiable = {key: factor.modifiable for key, factor in bundle.factors.items()}
    steady = steadiness(group.models, source, values, factor_of, modifiable)
    return _Against(log_odds, shares, steady[[factor_of[name] for name in names]].set_axis(names, axis=1))


def _typical(seen: _Seen, groups: Sequence[_Group], bundle: Bundle) -> pd.DataFrame:
    """By feature, the medians of everybody scored at this moment (`squad`) and of the training data (`training`)."""
    scored = np.concatenate([group.rows for group in groups])
    learnt = {name: summary.median for name, summary in bundle.feature_summary.items()}
    return pd.DataFrame({"squad": seen.built.values.iloc[scored].median(), "training": pd.Series(learnt)})


def _bands(probability: Floats, base_rate: float, settings: ReportSettings) -> Any:
    """The band's key per probability."""
    return pd.array([settings.band_of(value, base_rate).key for value in probability], dtype="str")


def _fingerprints(values: pd.DataFrame) -> list[str]:
    """Sixteen hex digits per row that change with any bit of any feature."""
    rows = np.ascontiguousarray(values.to_numpy(dtype=np.float64))
    return [hashlib.sha256(row.tobytes()).hexdigest()[:16] for row in rows]


def _long(
    seen: _Seen,
    horizon: int,
    shares: pd.DataFrame,
    against: _Against,
    usual: _Usual,
    typical: pd.DataFrame,
    rows: Ints,
    bundle: Bundle,
) -> pd.DataFrame:
    """A row per athlete and feature that moves the score, or would move it at own usual."""
    names, index, built = list(shares.columns), seen.index.iloc[rows], seen.built
    specs = {spec.name: spec for spec in bundle.specs}
    weights = shares.to_numpy()
    row, column = np.nonzero((weights != 0) | (against.usual_shares[names].fillna(0.0).to_numpy() != 0))

    def taken(frame: pd.DataFrame) -> npt.NDArray[np.object_]:
        return frame[names].to_numpy()[row, column]

    return pd.DataFrame(
        {
            "athlete_id": index["athlete_id"].to_numpy()[row],
            "as_of": index["as_of"].array.take(row),
            "model_version": bundle.version,
            "horizon_days": horizon,
            "feature": np.array(names, dtype=object)[column],
            "factor": np.array([specs[name].factor for name in names], dtype=object)[column],
            "contribution": weights[row, column],
            "usual_contribution": taken(against.usual_shares).astype(np.float32),
            "steadiness": taken(against.steadiness).astype(np.float32),
            "value": taken(built.values.iloc[rows]).astype(float),
            "unit": np.array([specs[name].unit for name in names], dtype=object)[column],
            "own_usual_value": taken(usual.middle.loc[index["athlete_id"]]).astype(float),
            "own_low_value": taken(usual.low.loc[index["athlete_id"]]).astype(np.float32),
            "own_high_value": taken(usual.high.loc[index["athlete_id"]]).astype(np.float32),
            "squad_value": typical["squad"].reindex(names).to_numpy()[column],
            "training_value": typical["training"].reindex(names).to_numpy()[column],
            "value_date": pd.Series(taken(built.value_dates.iloc[rows])).astype("datetime64[us]"),
            "reason_missing": taken(built.reasons.iloc[rows]),
        }
    )


@dataclass(frozen=True)
class _Usual:
    """Each feature over an athlete's earlier weeks, by athlete: the middle half and its median; NaN with too few."""

    low: pd.DataFrame
    middle: pd.DataFrame
    high: pd.DataFrame


def _own_usual(index: pd.DataFrame, prepared: Mapping[str, pd.DataFrame], bundle: Bundle) -> _Usual:
    """Quartiles over the same weekday of the weeks before, as known in each of them."""
    weeks = pd.to_timedelta(7 * np.arange(1, USUAL_WEEKS + 1), unit="D")
    past = index.loc[index.index.repeat(len(weeks))].reset_index(drop=True)
    shift = pd.Series(np.tile(weeks.to_numpy(), len(index)))
    past = past.assign(date=past["date"] - shift, as_of=past["as_of"] - shift)
    values = build_values(past, prepared, bundle.specs)
    ordered = np.sort(values.to_numpy().reshape(len(index), len(weeks), -1), axis=1)  # what is missing comes last
    count = (~np.isnan(ordered)).sum(axis=1)
    quartiles = (_quantile(ordered, count, share) for share in (0.25, 0.5, 0.75))
    return _Usual(*(pd.DataFrame(part, index["athlete_id"], values.columns) for part in quartiles))


def _quantile(ordered: Floats, count: npt.NDArray[np.intp], share: float) -> Floats:
    """The quantile of the first `count` of `ordered` (athletes, weeks, features) along the weeks, by interpolation."""
    place = share * np.maximum(count - 1, 0)
    below, above = (
        np.take_along_axis(ordered, edge.astype(int)[:, None, :], axis=1)[:, 0]
        for edge in (np.floor(place), np.ceil(place))
    )
    found = below + (place - np.floor(place)) * (above - below)
    return np.where(count >= LEAST_USUAL_WEEKS, found, np.nan)


def _no_explanations() -> pd.DataFrame:
    names: Sequence[str] = (
        "athlete_id", "as_of", "model_version", "horizon_days", "feature", "factor", "contribution",
        "usual_contribution", "steadiness", "value", "unit", "own_usual_value", "own_low_value", "own_high_value",
        "squad_value", "training_value", "value_date", "reason_missing",
    )  # fmt: skip
    return pd.DataFrame({name: [] for name in names})
