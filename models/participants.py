"""Whom a training is about and how their injuries were recorded, in counts: what a model card says of its data.

Everything here is a plain JSON value for the bundle, and none of it is a measurement of one person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.tables import looked_up
from features.target import Target

RECORDING_FIELDS = (
    "side", "body_area", "tissue", "code", "mode_of_onset", "contact", "setting", "is_recurrence", "activity",
    "imaging",
)  # fmt: skip
"""Columns of `injuries` that the IOC consensus of 2020 asks for."""
TIME_LOSS_DAYS: Mapping[str, tuple[int, int]] = {"0": (0, 0), "1-7": (1, 7), "8-28": (8, 28), "over 28": (29, 10**6)}
"""Severity by days from onset to full clearance: categories of the IOC consensus of 2020, first and last day."""
EXPOSURE_SETTINGS = ("match", "training")
DAYS_PER_YEAR = 365.25
LARGEST_SHIFTS = 12


def participants(tables: Mapping[str, pd.DataFrame], index: pd.DataFrame) -> dict[str, Any]:
    """Counts of the athletes of `index` (athlete_id, date) by squad, sex, position and leg, their age and follow-up.

    `tables` are contract tables; of each athlete the newest row counts. Ages are in years on the first day at risk.
    """
    followed = index.groupby("athlete_id")["date"].agg(["min", "size"])
    athletes = _newest(tables["athletes"]).drop_duplicates("athlete_id", keep="last").set_index("athlete_id")
    athletes = athletes.reindex(followed.index)
    age = (followed["min"] - athletes["birth_date"]).dt.days / DAYS_PER_YEAR
    return {
        "athletes": len(followed),
        "squads": _counts(athletes["squad"]),
        "sex": _counts(athletes["sex"]),
        "position": _counts(athletes["position"]),
        "dominant_leg": _counts(athletes["dominant_leg"]),
        "age_years": _spread(age),
        "left": int(athletes["left_date"].notna().sum()),
        "first_day": f"{index['date'].min():%Y-%m-%d}",
        "last_day": f"{index['date'].max():%Y-%m-%d}",
        "athlete_days": len(index),
        "days_per_athlete": _spread(followed["size"].astype(float)),
        "interventions": _interventions(tables["interventions"], set(followed.index)),
        "exposure_h": _exposure(tables["sessions"], index),
    }


def outcomes(
    tables: Mapping[str, pd.DataFrame],
    index: pd.DataFrame,
    labels: pd.DataFrame,
    onsets: pd.DataFrame,
    target: Target,
) -> dict[str, Any]:
    """Injuries that the labels count, rows by outcome and horizon, and how completely each injury was recorded.

    `labels` has one column per horizon in days, row by row with `index`; `onsets` (athlete_id, injury_id, date) are
    those of the target. Only onsets from the first to the last day of `index`, of its athletes, are described.
    """
    within = onsets["date"].between(index["date"].min(), index["date"].max())
    counted = onsets[within & onsets["athlete_id"].isin(set(index["athlete_id"]))]
    per_athlete = counted.groupby("athlete_id").size()
    return {
        "injuries": len(counted),
        "athletes": len(per_athlete),
        "most_per_athlete": int(per_athlete.max()) if len(per_athlete) else 0,
        "rows": {days: _rows_by_outcome(labels[days]) for days in labels},
        "self_reported": int((~counted["injury_id"].isin(set(tables["injuries"]["injury_id"]))).sum()),
        **_recorded(tables, counted, target),
    }


def missing_by_outcome(features: pd.DataFrame, label: pd.Series) -> dict[str, list[float | None]]:
    """Per feature the share missing in rows before an injury and in the other rows; censored rows are left out."""
    is_missing = features.isna()
    before, otherwise = (is_missing[label.to_numpy() == value].mean() for value in (1, 0))
    return {str(name): [_or_none(before[name]), _or_none(otherwise[name])] for name in features}


def case_mix(features: pd.DataFrame, labels: pd.DataFrame, index: pd.DataFrame, tested: Any) -> dict[str, Any]:
    """How the rows that an evaluation tested differ from the earlier ones that it learnt from.

    `tested` are positions in `index`; rows before the first tested day are the training side. `shifts` are the
    features with the largest standardised mean differences (tested less training, in pooled standard deviations).
    """
    is_tested = np.zeros(len(index), dtype=bool)
    is_tested[np.unique(np.asarray(tested))] = True
    is_earlier = (index["date"] < index.loc[is_tested, "date"].min()).to_numpy()
    sides = {"training": is_earlier, "tested": is_tested}
    shift = _standardised_difference(features[is_tested], features[is_earlier])
    largest = shift.abs().sort_values(ascending=False).head(LARGEST_SHIFTS).index
    return {
        **{name: _side(index[rows], labels[rows]) for name, rows in sides.items()},
        "features": int(shift.notna().sum()),
        "features_above_half": int((shift.abs() > 0.5).sum()),
        "shifts": {str(name): float(shift[name]) for name in largest},
    }


def _side(index: pd.DataFrame, labels: pd.DataFrame) -> dict[str, Any]:
    if index.empty:
        return {"athlete_days": 0, "athletes": 0}
    return {
        "athlete_days": len(index),
        "athletes": int(index["athlete_id"].nunique()),
        "first_day": f"{index['date'].min():%Y-%m-%d}",
        "last_day": f"{index['date'].max():%Y-%m-%d}",
        "event_rate": {days: _or_none(labels[days].mean()) for days in labels},
    }


def _standardised_difference(tested: pd.DataFrame, training: pd.DataFrame) -> pd.Series:
    spread = np.sqrt((tested.var(ddof=1) + training.var(ddof=1)) / 2)
    shift: pd.Series = (tested.mean() - training.mean()) / spread.where(spread > 0)
    return shift.dropna()


def _newest(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["superseded_at"].isna()]


def _counts(column: pd.Series) -> dict[str, int]:
    counted = column.fillna("not recorded").value_counts()
    return {str(name): int(count) for name, count in counted.items()}


def _spread(values: pd.Series) -> dict[str, float | int | None]:
    known = values.dropna()
    low, median, high = known.quantile([0.1, 0.5, 0.9]) if len(known) else (np.nan,) * 3
    return {"known": len(known), "low": _or_none(low), "median": _or_none(median), "high": _or_none(high)}


def _or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _interventions(table: pd.DataFrame, athletes: set[str]) -> dict[str, dict[str, int]]:
    rows = _newest(table)
    rows = rows[rows["athlete_id"].isin(athletes)]
    grouped = rows.groupby("kind")["athlete_id"].agg(["size", "nunique"])
    return {str(kind): {"doses": int(row["size"]), "athletes": int(row["nunique"])} for kind, row in grouped.iterrows()}


def _exposure(sessions: pd.DataFrame, index: pd.DataFrame) -> dict[str, float]:
    """Hours by kind of session, of the athletes and between the first and last day of `index`."""
    rows = _newest(sessions)
    within = rows["date"].between(index["date"].min(), index["date"].max())
    rows = rows[within & rows["athlete_id"].isin(set(index["athlete_id"]))]
    hours = rows.groupby("kind")["duration_min"].sum(min_count=1).dropna() / 60
    return {str(kind): float(total) for kind, total in hours.items()}


def _rows_by_outcome(label: pd.Series) -> dict[str, int]:
    return {
        "event": int((label == 1).sum()),
        "none": int((label == 0).sum()),
        "censored": int(label.isna().sum()),
    }


def _recorded(tables: Mapping[str, pd.DataFrame], counted: pd.DataFrame, target: Target) -> dict[str, Any]:
    every = tables["injuries"][tables["injuries"]["injury_id"].isin(set(counted["injury_id"]))]
    own = _newest(every)
    back = _newest(tables["returns"]).drop_duplicates("injury_id", keep="last").set_index("injury_id")["date"]
    lost = (looked_up(own["injury_id"], back) - own["date"]).dt.days
    told = every.groupby("injury_id")["known_at"].min()  # a finding may correct it later
    first_told = looked_up(own["injury_id"], told)
    delay = (first_told - target.as_of(pd.DatetimeIndex(own["date"]))).dt.total_seconds() / 86_400
    return {
        "recorded": {name: int(_is_told(own[name]).sum()) for name in RECORDING_FIELDS},
        "described": len(own),
        "imaged": int(_is_imaged(own).sum()),
        "graded": int((_is_imaged(own) & own["imaging_grade"].notna()).sum()),
        "returns": int(lost.notna().sum()),
        "time_loss": {name: int(lost.between(first, last).sum()) for name, (first, last) in TIME_LOSS_DAYS.items()},
        "days_lost": _or_none(lost.sum()),
        "settings": _counts(own["setting"]),
        "recurrences": int(own["is_recurrence"].fillna(False).astype(bool).sum()),
        "reported_after_days": _spread(delay),
        "open_twice": _open_twice(own, back),
    }


def _is_told(column: pd.Series) -> pd.Series:
    return column.notna() & column.ne("unknown").fillna(False)


def _is_imaged(own: pd.DataFrame) -> pd.Series:
    return _is_told(own["imaging"]) & own["imaging"].ne("none").fillna(False)


def _open_twice(own: pd.DataFrame, back: pd.Series) -> int:
    """Injuries that began on a side whose earlier injury of this target had not been cleared."""
    rows = own.assign(back=looked_up(own["injury_id"], back)).sort_values(["athlete_id", "side", "date"], kind="stable")
    rows = rows[_is_told(rows["side"])]
    earlier = rows.groupby(["athlete_id", "side"])[["date", "back"]].shift()
    is_open = earlier["back"].isna() | (rows["date"] < earlier["back"])
    return int((earlier["date"].notna() & is_open).sum())
