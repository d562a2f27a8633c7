"""A fabricated squad for the report: weeks of scores and explanations, gaps, injuries, people who left."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from features.factors import load_factors
from features.specs import load_specs
from features.tables import as_contract, empty_tables
from serving.report import load_report_settings

MONDAY = pd.Timestamp("2025-06-02")
WEEKS = 20
EXPLAINED_WEEKS = 9
BASE_RATES = {"7": 0.011, "14": 0.021, "28": 0.039}
INJURED, GONE, SILENT = "P07", "P19", "P31"
INJURIES: list[tuple[str, str, str | None, str]] = [
    ("P03", "2025-05-07", "2025-05-21", "hamstring"),
    (INJURED, "2025-05-15", None, "hamstring"),
    ("P17", "2025-04-16", "2025-05-02", "hamstring"),
    ("P10", "2025-03-12", "2025-03-31", "hamstring"),
    ("P05", "2025-03-20", "2025-04-04", "calf"),
    ("P21", "2025-03-05", "2025-03-22", "hamstring"),
    ("P03", "2025-01-20", "2025-02-14", "hamstring"),
    ("P30", "2024-10-02", "2024-10-28", "hamstring"),
]
"""Athlete, onset, clearance, muscle."""
SPECS = {spec.name: spec for spec in load_specs()}

TYPICAL: dict[str, tuple[float, float, float]] = {
    "sprint_7d": (650, 260, 0.30),
    "high_speed_7d": (3100, 800, 0.22),
    "sprint_against_usual": (1.0, 0.3, 0.18),
    "load_7d": (2400, 500, 0.10),
    "days_since_match": (4, 1.6, -0.12),
    "matches_14d": (2.1, 0.8, 0.10),
    "high_speed_week_change": (40, 500, 0.12),
    "load_28d": (9400, 1500, -0.08),
    "fast_exposures_28d": (4, 1.8, -0.14),
    "days_since_fast_exposure": (6, 4, 0.07),
    "isometric_change": (-1, 6, -0.16),
    "fatigue_z": (0.1, 0.9, 0.08),
    "jump_change": (0, 4, -0.06),
    "nordic_mean_last": (352, 45, -0.22),
    "nordic_dose_28d": (7, 4, -0.10),
    "nordic_asymmetry": (8, 5, 0.12),
    "nordic_signed_asymmetry": (-2, 9, -0.10),
    "hq_functional": (0.95, 0.12, -0.05),
    "beighton": (2.4, 1.5, 0.03),
    "straight_leg_raise_difference": (5, 3, 0.06),
    "knee_extension_difference": (1, 5, 0.04),
    "sprint_mechanics": (4.5, 1.7, 0.08),
    "slump_positive": (0.1, 0.3, 0.03),
    "discomfort_7d": (1.3, 1.0, 0.20),
    "discomfort_days_14d": (1.4, 2.0, 0.18),
    "stress_7d": (3.4, 1.3, 0.06),
    "sleep_7d": (7.4, 0.6, -0.12),
    "hrv_7d": (4.1, 0.25, -0.06),
    "resting_heart_rate_z": (0, 1, 0.04),
    "hamstring_injuries": (0.8, 0.9, 0.34),
    "days_since_hamstring_return": (420, 240, -0.10),
    "age": (25.5, 3.8, 0.14),
}
"""Feature: mean, spread, and log-odds per spread."""

SLOW = {
    "strength_imbalance",
    "eccentric_control",
    "laxity",
    "rigidity",
    "kinetic_chain",
    "neural_sensitisation",
}


def at(day: pd.Timestamp) -> pd.Timestamp:
    return (day + pd.Timedelta(hours=5)).tz_localize("UTC").as_unit("us")


def arguments(
    athletes: int = 36, seed: int = 11, auroc: tuple[float, float, float] = (0.63, 0.54, 0.72)
) -> dict[str, Any]:
    """Everything that `build_report` takes."""
    draw = np.random.default_rng(seed)
    ids = [f"P{number:02d}" for number in range(1, athletes + 1)]
    predictions, explanations = _scores(ids, draw)
    tables = _tables(ids, draw)
    return {
        "as_of": at(MONDAY),
        "date": MONDAY,
        "predictions": predictions,
        "explanations": explanations,
        "specs": SPECS,
        "factors": load_factors(),
        "tables": tables,
        "onsets": tables["injuries"].query("muscle_group == 'hamstring'")[["athlete_id", "date", "known_at"]],
        "model": model(auroc),
        "settings": load_report_settings(),
        "names": None,
    }


def model(auroc: tuple[float, float, float]) -> dict[str, Any]:
    return {
        "version": "7",
        "trained_at": "2025-03-03T06:10:00Z",
        "data_cut": "2025-03-01T05:00:00Z",
        "fingerprint": "9f2c61d07be4a815",
        "target": "hamstring strain",
        "base_rates": BASE_RATES,
        "metrics": _metrics(auroc),
        "verdict": [
            "61 injuries of 34 athletes among 142, for 117 features: 0.52 injuries per feature.",
            "To learn from so many features Riley's criteria ask for about 1,310 injuries at an expected "
            "AUROC of 0.70 (28-day horizon): not met, so scores may fit chance and need an independent test.",
            "7 days: AUROC is not shown to be higher than that of age_history, logistic.",
        ],
    }


def _metrics(auroc: tuple[float, float, float]) -> list[dict[str, Any]]:
    figures = {
        "model": {
            "auroc": auroc,
            "average_precision": (0.024, 0.014, 0.043),
            "brier": (0.0109, 0.0083, 0.0137),
            "calibration_slope": (0.81, 0.35, 1.29),
            "calibration_intercept": (-0.06, -0.33, 0.2),
            "net_benefit": (0.0011, -0.0002, 0.0026),
            "alert_precision": (0.034, 0.016, 0.06),
            "alert_recall": (0.29, 0.16, 0.44),
            "false_alerts_per_injury": (28.4, 15.5, 60.1),
        },
        "age_history": {
            "auroc": (0.6, 0.52, 0.67),
            "average_precision": (0.019, 0.012, 0.031),
            "brier": (0.0109, 0.0084, 0.0138),
            "alert_precision": (0.026, 0.011, 0.048),
            "alert_recall": (0.22, 0.11, 0.37),
        },
        "prevalence": {
            "auroc": (0.5, None, None),
            "average_precision": (0.011, 0.008, 0.014),
            "brier": (0.011, 0.0084, 0.0139),
        },
        "logistic": {
            "auroc": (0.59, 0.49, 0.68),
            "brier": (0.0112, 0.0085, 0.0141),
            "calibration_slope": (0.52, 0.11, 0.94),
        },
        "acwr_rule": {"auroc": (0.51, 0.45, 0.57), "alert_precision": (0.012, 0.003, 0.03)},
    }
    size = {"n_rows": 26412, "n_events": 61, "n_athletes": 142, "against": None, "reason": None}
    return [
        {"horizon_days": days, "model": name, "name": metric, "value": v, "lower": low, "upper": high, **size}
        for days in (7, 14, 28)
        for name, found in figures.items()
        for metric, (v, low, high) in found.items()
    ]


def _scores(ids: list[str], draw: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    predictions: list[dict[str, Any]] = []
    explanations: list[dict[str, Any]] = []
    for place, athlete in enumerate(ids):
        fixed = {name: draw.normal() for name in TYPICAL}
        for back in range(WEEKS, -1, -1):
            day = MONDAY - pd.Timedelta(weeks=back)
            features = _features(athlete, day, fixed, draw)
            total = sum(row["contribution"] for row in features)
            for days, base in BASE_RATES.items():
                predictions.append(_prediction(athlete, place, day, int(days), base, total, back))
            if back < EXPLAINED_WEEKS and predictions[-1]["abstained"] is False:
                explanations += [{**row, "horizon_days": 7} for row in features if row["contribution"]]
    said = pd.DataFrame(predictions).astype({"athlete_id": "str", "model_version": "str"})
    return said, pd.DataFrame(explanations).astype({"athlete_id": "str", "feature": "str", "factor": "str"})


def _features(
    athlete: str, day: pd.Timestamp, fixed: dict[str, float], draw: np.random.Generator
) -> list[dict[str, Any]]:
    rows = []
    for name, (mean, spread, weight) in TYPICAL.items():
        spec = SPECS[name]
        is_slow = spec.factor in SLOW or spec.factor in ("injury_history", "context")
        now = fixed[name] if is_slow else 0.45 * fixed[name] + draw.normal(0, 0.9)
        is_missing = is_slow and spec.factor in SLOW and abs(fixed[name]) < 0.25
        value = (
            mean + spread * now if spec.direction in ("u", "0") or "change" in name else max(0.0, mean + spread * now)
        )
        value = float(round(value)) if spec.unit in ("count", "d", "0/1", "0-9", "y") else float(value)
        usual = (
            float("nan")
            if is_missing or spec.factor == "context"
            else mean + spread * (fixed[name] if is_slow else 0.45 * fixed[name])
        )
        age = int(20 + 25 * abs(fixed[name])) if spec.factor in SLOW else 1
        rows.append(
            {
                "athlete_id": athlete,
                "as_of": at(day),
                "model_version": "7",
                "feature": name,
                "factor": spec.factor,
                "contribution": float(np.clip(weight * now, -0.9, 0.9)) * (0.3 if is_missing else 1),
                "value": float("nan") if is_missing else value,
                "unit": spec.unit,
                "own_usual_value": usual,
                "value_date": pd.NaT if is_missing else day - pd.Timedelta(days=age),
                "reason_missing": "not tested" if is_missing else None,
            }
        )
    return rows


def _prediction(
    athlete: str, place: int, day: pd.Timestamp, days: int, base: float, total: float, back: int
) -> dict[str, Any]:
    reason = _out_injured(athlete, day)
    if athlete == GONE and back < 2:
        reason = "left the squad on 2025-05-23"
    if athlete == SILENT and back < 1:
        reason = "no session data since 2025-05-18"
    log_odds = math.log(base / (1 - base)) + total
    half = 0.35 + 0.5 * ((place * 7) % 5) / 5
    low, mid, high = (1 / (1 + math.exp(-value)) for value in (log_odds - half, log_odds, log_odds + half))
    band = "high" if mid >= 3 * base else "raised" if mid >= 1.5 * base else "usual"
    nan = float("nan")
    return {
        "athlete_id": athlete,
        "as_of": at(day),
        "date": day,
        "model_version": "7",
        "horizon_days": days,
        "probability": nan if reason else mid,
        "lower": nan if reason else low,
        "upper": nan if reason else high,
        "band": None if reason else band,
        "share_missing": 0.05 + 0.11 * ((place * 3) % 5),
        "abstained": reason is not None,
        "scored_by": None if reason else "model",
        "reason": reason,
        "made_at": at(day) + pd.Timedelta(minutes=4),
    }


def _out_injured(athlete: str, day: pd.Timestamp) -> str | None:
    for who, onset, cleared, _ in INJURIES:
        if who == athlete and pd.Timestamp(onset) < day < pd.Timestamp(cleared or "2100-01-01"):
            return f"injured since {onset} (known {pd.Timestamp(onset) + pd.Timedelta(days=1):%Y-%m-%d})"
    return None


def _tables(ids: list[str], draw: np.random.Generator) -> dict[str, pd.DataFrame]:
    tables = empty_tables()
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in tables}
    for place, athlete in enumerate(ids):
        left = pd.Timestamp("2025-05-23") if athlete == GONE else pd.NaT
        rows["athletes"].append(
            {
                "athlete_id": athlete,
                "known_at": at(MONDAY - pd.Timedelta(days=400)),
                "squad": "First team (simulated)",
                "left_date": left,
            }
        )
        _daily(rows, athlete, place, draw)
    for number, (athlete, onset, cleared, muscle) in enumerate(INJURIES):
        if athlete in ids:
            rows["injuries"].append(_injury(f"I{number}", athlete, pd.Timestamp(onset), muscle))
        if athlete in ids and cleared:
            back = pd.Timestamp(cleared)
            rows["returns"].append(
                {"injury_id": f"I{number}", "athlete_id": athlete, "date": back, "known_at": at(back)}
            )
    rows["strength_tests"].append(
        {
            "test_id": "T1",
            "limb": "left",
            "athlete_id": "P01",
            "date": MONDAY - pd.Timedelta(days=30),
            "known_at": at(MONDAY),
            "protocol": "nordic",
            "peak_force_n": 352.0,
        }
    )
    return {name: as_contract(pd.DataFrame(found), name) if found else tables[name] for name, found in rows.items()}


def _daily(rows: dict[str, list[dict[str, Any]]], athlete: str, place: int, draw: np.random.Generator) -> None:
    quiet = {
        "sessions": 15 if athlete == SILENT else 1,
        "wellness": 12 if place % 9 == 4 else 1,
        "wearable_days": 21 if place % 7 == 2 else 1,
    }
    for table, days in quiet.items():
        last = MONDAY - pd.Timedelta(days=days)
        rows["coverage"].append(
            {
                "athlete_id": athlete,
                "table": table,
                "source": "test",
                "first_date": MONDAY - pd.Timedelta(days=42 if place % 5 == 0 else 200),
                "last_date": last if table != "wellness" else MONDAY - pd.Timedelta(days=1),
                "known_at": at(MONDAY),
            }
        )
        for back in range(60, days - 1, -1):
            date = MONDAY - pd.Timedelta(days=back)
            row = {"athlete_id": athlete, "date": date, "known_at": at(date + pd.Timedelta(days=1))}
            if table == "sessions" and date.weekday() not in (1, 6) and (place % 5 or back <= 42):
                rows[table].append(
                    {
                        **row,
                        "session_id": f"{athlete}-{back}",
                        "kind": "training",
                        "duration_min": 75.0,
                        "load_au": float(draw.gamma(9, 50)),
                    }
                )
            elif table == "wellness" and draw.random() < 0.8:
                rows[table].append({**row, "fatigue": 4.0})
            elif table == "wearable_days" and draw.random() < 0.9:
                rows[table].append({**row, "source": "ring", "sleep_h": 7.2, "worn_h": 22.0})


def _injury(injury_id: str, athlete: str, onset: pd.Timestamp, muscle: str) -> dict[str, Any]:
    return {
        "injury_id": injury_id,
        "athlete_id": athlete,
        "date": onset,
        "known_at": at(onset + pd.Timedelta(days=1)),
        "body_area": "thigh" if muscle == "hamstring" else "lower_leg",
        "tissue": "muscle",
        "muscle_group": muscle,
        "side": "left",
    }
