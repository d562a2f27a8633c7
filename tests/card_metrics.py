"""What a training leaves for its card, in full and by hand: nothing in it fails a gate except where a test says so."""

from __future__ import annotations

from typing import Any

from models.participants import RECORDING_FIELDS

MEASURES = {
    "event_rate": 0.01, "auroc": 0.70, "average_precision": 0.03, "calibration_slope": 1.0,
    "calibration_intercept": 0.0, "observed_expected": 1.0, "brier": 0.01, "scaled_brier": 0.01, "net_benefit": 0.001,
}  # fmt: skip
LEAKS = ("missingness", "row_spacing", "athlete_order", "shuffled_labels", "future_rows", "value_dates",
         "single_feature", "train_against_test")  # fmt: skip


def figure(name: str, value: float | None, n_events: int = 40, **keys: Any) -> dict[str, Any]:
    """A line of an evaluation, with an interval of 0.05 to each side where there is a value."""
    lower, upper = (None, None) if value is None else (value - 0.05, value + 0.05)
    return {"horizon_days": 7, "name": name, "value": value, "lower": lower, "upper": upper, "n_rows": 9000,
            "n_events": n_events, "n_athletes": 38, "reason": None if value else "too few", **keys}  # fmt: skip


def full_metrics() -> dict[str, Any]:
    """Every entry that a card reads; a new one each time, so that a test may change it."""
    return {
        "athletes": 40,
        "athlete_days": 20000,
        "base_rates": {"7": 0.01, "14": 0.02, "28": 0.04},
        "attrition": {"injured": 900, "left the squad": 100, "horizon of 7 days past the data": 300},
        "verdict": ["7 days: the interval excludes 0.5."],
        "evaluation": evaluation(),
        "participants": participants(),
        "outcomes": outcomes(),
        "provenance": [source("csv"), source("whoop")],
        "missing": {"load_7d": [0.02, 0.04]},
        "case_mix": case_mix(),
        "scores_before_cut": 0,
        "output": {"bands": [{"label": "Usual", "from_times_base_rate": 0.0}], "horizon_days": 7, "alerts_most": 3,
                   "alerts_per_athletes": 25},
        "supplied": {},
        "leaks": [leak(name) for name in LEAKS],
        "sample_size": [size(7, 2000)],
        "instability": {"bootstraps": 200, "advised_bootstraps": 200, "mape_7d": 0.002, "flag_flip_rate_7d": 0.04,
                        "net_benefit_range_7d": 0.001, "sentences": ["Stability from 200 refits."]},
        "tuning": {"trials": 1, "searched": False, "caution": "Nothing was searched here."},
    }  # fmt: skip


def evaluation() -> dict[str, Any]:
    own = [figure(name, value, horizon_days=days, model="model", against=None)
           for days in (7, 14, 28) for name, value in MEASURES.items()]  # fmt: skip
    gains = [figure(name, 0.08, horizon_days=days, model="model", against=rival)
             for days in (7, 14, 28) for rival in ("age_history", "logistic")
             for name in ("auroc", "net_benefit")]  # fmt: skip
    groups = [figure("observed_expected", 1.1, 30, by="sex", subgroup=sex) for sex in ("female", "male")]
    return {
        "names": {"age_history": "age and history", "logistic": "logistic regression"},
        "metrics": [*own, *gains],
        "subgroups": groups,
        "alerts": [figure("alert_precision", 0.02, budget="3 per 25")],
        "lead_days": [figure("auroc", 0.6, horizon_days=28, lead_days=0)],
        "calibration_curve": [figure("observed", 0.01, predicted=0.01)],
        "decision_curve": [figure("net_benefit_per_1000", 0.1, of="model", false_alerts_per_injury=30)],
        "risk_distribution": [figure("mean", 0.01, outcome="injury followed")],
        "designs": [figure("auroc", 0.7, design="unseen athletes, later"), figure("auroc", 0.8, design="random rows")],
    }


def participants() -> dict[str, Any]:
    spread = {"known": 40, "low": 18.0, "median": 24.0, "high": 30.0}
    return {
        "athletes": 40, "squads": {"First": 28, "Second": 12}, "sex": {"female": 20, "male": 20},
        "position": {"Forward": 40}, "dominant_leg": {"right": 40}, "age_years": spread, "left": 3,
        "first_day": "2023-07-01", "last_day": "2025-02-28", "athlete_days": 20000, "days_per_athlete": spread,
        "interventions": {"nordic": {"doses": 1800, "athletes": 38}},
        "exposure_h": {"match": 2000.0, "training": 8000.0},
    }  # fmt: skip


def outcomes() -> dict[str, Any]:
    rows = {"event": 200, "none": 19500, "censored": 300}
    return {
        "injuries": 40, "athletes": 25, "most_per_athlete": 3, "rows": dict.fromkeys(("7", "14", "28"), rows),
        "self_reported": 0, "recorded": dict.fromkeys(RECORDING_FIELDS, 40),
        "described": 40, "returns": 40, "imaged": 30, "graded": 30,
        "time_loss": {"0": 0, "1-7": 5, "8-28": 30, "over 28": 5}, "days_lost": 700.0,
        "settings": {"match": 20, "training": 20}, "recurrences": 6,
        "reported_after_days": {"known": 40, "low": 0.1, "median": 0.6, "high": 1.5}, "open_twice": 0,
    }  # fmt: skip


def source(name: str) -> dict[str, Any]:
    return {"source": name, "ingests": 1, "files": 2, "sha256": ["a" * 64, "b" * 64], "sha256_of_all": "c" * 64,
            "rows": {"sessions": 100}, "first_day": "2023-07-01", "last_day": "2025-02-28", "quarantined": 0,
            "known_at_rule": "next day 06:00"}  # fmt: skip


def case_mix() -> dict[str, Any]:
    side = {"athlete_days": 9000, "athletes": 38, "first_day": "2023-07-01", "last_day": "2024-06-30",
            "event_rate": {"7": 0.01, "14": 0.02, "28": 0.04}}  # fmt: skip
    return {"training": side, "tested": side, "features": 100, "features_above_half": 2, "shifts": {"load_7d": -0.4}}


def leak(name: str, passed: bool = True, blocks: bool = True) -> dict[str, Any]:
    return {"name": name, "passed": passed, "sentence": f"What {name} says.", "columns": [], "value": 0.5,
            "lower": 0.4, "upper": 0.6, "blocks": blocks}  # fmt: skip


def size(least: int, injuries: int) -> dict[str, Any]:
    is_met = injuries >= least
    criterion = {"asks": "to shrink little", "least_injuries": least, "is_met": is_met}
    return {"horizon_days": 7, "injuries": injuries, "least_injuries": least, "is_met": is_met,
            "criteria": [criterion], "sentences": ["What Riley's criteria say."]}  # fmt: skip
