"""Who is at risk at a moment, and why: the one function behind every prediction that staff see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from configs.errors import NotReady
from features.availability import unavailable
from features.build import FeatureSet, build_features, build_values
from features.row_facts import prepare
from models.bundle import Bundle
from models.estimator import Floats, Ints, Predicted, predict
from models.explain import contributions_of_prediction
from serving.report.settings import ReportSettings

USUAL_WEEKS = 26
LEAST_USUAL_WEEKS = 4
"""An athlete's own usual value is the median over the same weekday of this many weeks; fewer values are no habit."""
OFTEN_MEASURED = 0.5
"""A feature that training missed in more rows than this does not count as missing at scoring."""
LEFT_LONG_AGO_DAYS = 28
MEASURES = ("probability", "lower", "upper", "log_odds", "base_log_odds")


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
    missing = _share_missing(built.values, bundle)
    reasons = reasons.where(
        reasons.notna() | (missing <= bundle.target.abstain_share_missing),
        [f"too little measured: {100 * share:.0f} % of the usual measurements are missing" for share in missing],
    )
    scored = np.flatnonzero(reasons.isna())
    said = _unscored(index, reasons, missing, built, bundle).assign(made_at=made_at)
    if not len(scored):
        return Scores(said, _no_explanations())
    predicted = predict(bundle.models, built.values.iloc[scored])
    said, why = _filled(said, index, scored, predicted, built, prepared, bundle, settings)
    return Scores(said, why)


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
    seen = athletes[(athletes["known_at"] <= as_of) & ~(athletes["superseded_at"] <= as_of)]
    left = index["athlete_id"].map(seen.set_index("athlete_id")["left_date"])
    return left.isna() | (index["date"] - left <= pd.Timedelta(days=LEFT_LONG_AGO_DAYS))


def _share_missing(values: pd.DataFrame, bundle: Bundle) -> Floats:
    """Share of missing values among the model's features that training usually had."""
    used = bundle.models[0].bag.feature_names
    usual = [name for name in used if bundle.feature_summary[name].share_missing <= OFTEN_MEASURED]
    return values[usual].isna().mean(axis=1).to_numpy() if usual else np.zeros(len(values))


def _unscored(
    index: pd.DataFrame, reasons: pd.Series, missing: Floats, built: FeatureSet, bundle: Bundle
) -> pd.DataFrame:
    """Rows of everybody at every horizon, measures still missing."""
    everybody = index.assign(
        model_version=bundle.version,
        **dict.fromkeys(MEASURES, np.nan),
        source_horizon=0,
        band=pd.array([None] * len(index), dtype="str"),
        share_missing=missing,
        abstained=reasons.notna().to_numpy(),
        reason=reasons,
        fingerprint=_fingerprints(built.values),
    )
    horizons = [everybody.assign(horizon_days=model.horizon_days) for model in bundle.models]
    return pd.concat(horizons, ignore_index=True)


def _filled(
    said: pd.DataFrame,
    index: pd.DataFrame,
    scored: Ints,
    predicted: Predicted,
    built: FeatureSet,
    prepared: Mapping[str, pd.DataFrame],
    bundle: Bundle,
    settings: ReportSettings,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of `scored` athletes with their measures, and one row per contribution that is not zero."""
    said, whys = said.copy(), []
    values = built.values.iloc[scored]
    usual = _own_usual(index.iloc[scored], prepared, bundle)
    for number, horizon in enumerate(predicted.horizons_days):
        rows = scored + number * len(index)
        base, shares = contributions_of_prediction(bundle.models, predicted, values, horizon)
        chance = predicted.probability[number]
        measured = [chance, predicted.lower[number], predicted.upper[number], predicted.log_odds[number], base]
        said.loc[rows, list(MEASURES)] = np.column_stack(measured)
        said.loc[rows, "source_horizon"] = predicted.source_horizon[number]
        said.loc[rows, "band"] = _bands(chance, bundle.metrics["base_rates"][str(horizon)], settings)
        whys.append(_long(index.iloc[scored], horizon, shares, built, usual, scored, bundle))
    return said, pd.concat(whys, ignore_index=True)


def _bands(probability: Floats, base_rate: float, settings: ReportSettings) -> Any:
    """The band's key per probability."""
    return pd.array([settings.band_of(value, base_rate).key for value in probability], dtype="str")


def _fingerprints(values: pd.DataFrame) -> list[str]:
    """Sixteen hex digits per row that change with any bit of any feature."""
    rows = np.ascontiguousarray(values.to_numpy(dtype=np.float64))
    return [hashlib.sha256(row.tobytes()).hexdigest()[:16] for row in rows]


def _long(
    index: pd.DataFrame,
    horizon: int,
    shares: pd.DataFrame,
    built: FeatureSet,
    usual: pd.DataFrame,
    rows: Ints,
    bundle: Bundle,
) -> pd.DataFrame:
    names = list(shares.columns)
    specs = {spec.name: spec for spec in bundle.specs}
    weights = shares.to_numpy()
    row, column = np.nonzero(weights)

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
            "value": taken(built.values.iloc[rows]).astype(float),
            "unit": np.array([specs[name].unit for name in names], dtype=object)[column],
            "own_usual_value": taken(usual).astype(float),
            "value_date": pd.Series(taken(built.value_dates.iloc[rows])).astype("datetime64[us]"),
            "reason_missing": taken(built.reasons.iloc[rows]),
        }
    )


def _own_usual(index: pd.DataFrame, prepared: Mapping[str, pd.DataFrame], bundle: Bundle) -> pd.DataFrame:
    """Each feature's median over the athlete's earlier weeks, as known in each of them; NaN with too few."""
    weeks = pd.to_timedelta(7 * np.arange(1, USUAL_WEEKS + 1), unit="D")
    past = index.loc[index.index.repeat(len(weeks))].reset_index(drop=True)
    shift = pd.Series(np.tile(weeks.to_numpy(), len(index)))
    past = past.assign(date=past["date"] - shift, as_of=past["as_of"] - shift)
    values = build_values(past, prepared, bundle.specs)
    groups = values.groupby(past["athlete_id"], sort=False)
    return groups.median().where(groups.count() >= LEAST_USUAL_WEEKS).reindex(index["athlete_id"])


def _no_explanations() -> pd.DataFrame:
    names: Sequence[str] = (
        "athlete_id", "as_of", "model_version", "horizon_days", "feature", "factor", "contribution", "value",
        "unit", "own_usual_value", "value_date", "reason_missing",
    )  # fmt: skip
    return pd.DataFrame({name: [] for name in names})
