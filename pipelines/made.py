"""What the predictions of a store amount to for a model card: counts of what each carries, never a person's value."""

from __future__ import annotations

from typing import Any

import pandas as pd

from models.bundle import Bundle
from pipelines.daily import score_database
from pipelines.data import Store
from serving.store import ScoreStore

NEWEST_MOMENTS = 4
"""Moments whose explanations are looked at: a year of mornings would be millions of rows."""
WEEK = pd.Timedelta(days=7)
FAR_OUT = 0.99
"""Share of training rows nearer than a row, above which it counts as far from them: one in a hundred is expected."""


def scores_before(store: Store, day: pd.Timestamp) -> int:
    """Moments that were scored, by any model, up to the end of the local day `day`: what staff could have seen."""
    end = (day + pd.Timedelta(days=1)).tz_localize("UTC")
    database = score_database(store)
    try:
        found = database.predictions(end)
    finally:
        database.close()
    return int(found.loc[found["made_at"] <= end, "as_of"].nunique())


def made_predictions(database: ScoreStore, bundle: Bundle) -> dict[str, Any]:
    """Counts over this version's predictions in `database`, which is closed; explanations of the newest moments."""
    try:
        everything = database.predictions()
        own = everything[everything["model_version"] == bundle.version]
        if own.empty:
            return {"rows": 0}
        since = own["as_of"].drop_duplicates().nlargest(NEWEST_MOMENTS).min()
        why = database.explanations(since=since)
        decided = database.decisions(own["date"].min(), own["date"].max() + WEEK)
    finally:
        database.close()
    shortest = own[own["horizon_days"] == own["horizon_days"].min()]
    scored = shortest[~shortest["abstained"]]
    explained = why[why["model_version"] == bundle.version]
    return {
        **_who(shortest, scored, bundle),
        **_scored(scored, everything),
        **_explained(explained, own[own["as_of"] >= since], bundle),
        **_decided(scored, decided),
    }


def _who(rows: pd.DataFrame, scored: pd.DataFrame, bundle: Bundle) -> dict[str, Any]:
    unscored = rows.loc[rows["abstained"], "reason"].dropna()
    reasons = unscored.str.replace(r"( since| on|:) .*", "", regex=True).value_counts()
    return {
        "version": bundle.version,
        "rows": len(rows),
        "moments": int(rows["as_of"].nunique()),
        "first": f"{rows['date'].min():%Y-%m-%d}",
        "last": f"{rows['date'].max():%Y-%m-%d}",
        "scored": len(scored),
        "abstained": len(rows) - len(scored),
        "reasons": {str(reason): int(count) for reason, count in reasons.items()},
        "scored_by": {str(name): int(count) for name, count in scored["scored_by"].value_counts().items()},
    }


def _scored(scored: pd.DataFrame, everything: pd.DataFrame) -> dict[str, Any]:
    inside = scored["probability"].between(scored["lower"], scored["upper"])
    earlier = everything.loc[~everything["abstained"], ["athlete_id", "date"]].drop_duplicates()
    week_later = earlier.assign(date=earlier["date"] + WEEK)
    followed = scored[["athlete_id", "date"]].merge(week_later, on=["athlete_id", "date"])
    return {
        "banded": int(scored["band"].notna().sum()),
        "inside_interval": int(inside.sum()),
        "median_width": float((scored["upper"] - scored["lower"]).median()) if len(scored) else 0.0,
        "with_week_before": len(followed),
        "with_squad_rate": int(scored["squad_log_odds"].notna().sum()),
        "share_missing": float(scored["share_missing"].median()) if len(scored) else 0.0,
        "with_distance": int(scored["distance"].notna().sum()),
        "median_distance": float(scored["distance"].median()) if scored["distance"].notna().any() else 0.0,
        "far_out": int((scored["distance"] > FAR_OUT).sum()),
    }


def _decided(scored: pd.DataFrame, decided: pd.DataFrame) -> dict[str, Any]:
    """Staff's decisions about scored athletes, and how many scores one followed within the week."""
    mine = decided[decided["athlete_id"].isin(set(scored["athlete_id"]))]
    pairs = scored[["athlete_id", "date"]].reset_index().merge(mine, on="athlete_id", suffixes=("", "_decided"))
    since = pairs["date_decided"] - pairs["date"]
    return {
        "decisions": len(mine),
        "decided_by": int(mine["decided_by"].nunique()),
        "decided_about": int(mine["athlete_id"].nunique()),
        "with_decision": int(pairs.loc[(since >= pd.Timedelta(0)) & (since < WEEK), "index"].nunique()),
    }


def _outside(measured: pd.DataFrame, bundle: Bundle) -> int:
    """How many values lie outside the 1st to 99th percentile that their feature had in training."""
    ends = bundle.feature_summary
    low, high = (measured["feature"].map({name: getattr(each, end) for name, each in ends.items()})
                 for end in ("low", "high"))  # fmt: skip
    return int(((measured["value"] < low) | (measured["value"] > high)).sum())


def _explained(explained: pd.DataFrame, rows: pd.DataFrame, bundle: Bundle) -> dict[str, Any]:
    key = ["athlete_id", "as_of", "horizon_days"]
    total = explained.groupby(key)["contribution"].sum().rename("total").reset_index()
    checked = rows[~rows["abstained"]].merge(total, on=key, how="left").fillna({"total": 0.0})
    gap = (checked["base_log_odds"] + checked["total"] - checked["log_odds"]).abs()
    modifiable = {key for key, factor in bundle.factors.items() if factor.modifiable}
    measured = explained[explained["value"].notna()]
    return {
        "explained": len(explained),
        "checked": len(checked),
        "largest_gap": float(gap.max()) if len(gap) else 0.0,
        "with_value": len(measured),
        "outside_range": _outside(measured, bundle),
        "modifiable_with_value": int(measured["factor"].isin(modifiable).sum()),
        "with_usual": int(explained["own_usual_value"].notna().sum()),
        "with_date": int(explained["value_date"].notna().sum()),
        "with_reason_missing": int(explained["reason_missing"].notna().sum()),
    }
