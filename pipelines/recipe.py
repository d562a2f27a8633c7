"""What configs say about a training: features, target, settings, alerts, and the words for its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.factors import Factor, load_factors
from features.specs import FeatureSpec, load_specs
from features.target import Target, load_target
from models.alerts import AlertPolicy, load_alert_policy
from models.baselines import BaselineFeatures
from models.card import Supplied, load_supplied
from models.estimator import Settings, load_settings
from models.tuning_record import TuningRecord, load_record
from serving.report.settings import ReportSettings, load_report_settings

BASELINE_FEATURES = BaselineFeatures(
    age="age",
    history=("hamstring_injuries", "muscle_injuries"),
    acwr="acwr_uncoupled",
    muscle_history="muscle_injuries",
)


@dataclass(frozen=True)
class Recipe:
    """What configs say about a training; a user's folder replaces the shipped files one by one."""

    specs: tuple[FeatureSpec, ...]
    factors: Mapping[str, Factor]
    target: Target
    settings: Settings
    alerts: AlertPolicy = field(default_factory=load_alert_policy)
    report: ReportSettings = field(default_factory=load_report_settings)
    supplied: Supplied = field(default_factory=Supplied)
    tuning: TuningRecord | None = None


def load_recipe(folder: Path | None = None) -> Recipe:
    """The recipe of configs/, or of a user's folder. Raises ConfigError for anything that is wrong in it."""
    alerts, report, supplied = load_alert_policy(folder), load_report_settings(folder), load_supplied(folder)
    return Recipe(
        load_specs(folder),
        load_factors(folder),
        load_target(folder),
        load_settings(folder),
        alerts,
        report,
        supplied,
        load_record(folder),
    )
