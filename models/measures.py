"""What the measures of an evaluation are called, in the order in which tables list them."""

from __future__ import annotations

MEASURES = {
    "event_rate": "event rate",
    "auroc": "AUROC",
    "auroc_pooled": "AUROC pooled over folds",
    "average_precision": "average precision",
    "prevalence_line": "average precision of chance",
    "precision_above_chance": "average precision above chance",
    "brier": "Brier",
    "scaled_brier": "scaled Brier",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "observed_expected": "observed : expected",
    "ici": "ICI (mean distance of curve)",
    "e50": "E50 (median distance)",
    "e90": "E90 (90th percentile)",
    "net_benefit": "net benefit",
    "alert_rate": "flags per athlete-week",
    "alert_precision": "alert precision",
    "alert_recall": "alert recall of injuries",
    "false_alerts_per_injury": "false alerts per injury found",
    "warning_days": "median days of warning",
}
"""Name -> words."""
