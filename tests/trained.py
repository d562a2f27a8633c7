"""A bundle that was really trained, in a second, on one small random world."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from features.build import build_features
from features.factors import load_factors
from features.row_facts import prepare
from features.specs import load_specs, model_features
from features.target import Target, load_target
from models.bundle import Bundle, summarise
from models.estimator import fit_horizons, load_settings
from models.replay import make_replay
from models.spread import Spread
from tests.worlds import START, random_world

HORIZONS = ("7", "14", "28")


@cache
def small_bundle(version: str = "2024-04-01.test") -> Bundle:
    """Six athletes, two members of five trees per horizon, eight replay cases."""
    tables, specs, target = random_world(11, athletes=6), load_specs(), load_target()
    index = _index(sorted(tables["athletes"]["athlete_id"]), target)
    features = build_features(index, prepare(tables, target), specs).values  # a FeatureSet's
    settings = replace(load_settings(), members=2, trees=5)
    chosen = features[model_features(specs)]
    fitted = fit_horizons(chosen, _labels(index), index["athlete_id"].to_numpy(), settings, {})
    models = tuple(replace(model, spread=Spread(12, -3.0, 0.1, 0.01, 0.05, 0.2)) for model in fitted)
    return Bundle(
        version=version,
        trained_at=pd.Timestamp("2024-04-30 12:00", tz="UTC"),
        data_cut=pd.Timestamp("2024-04-29 05:00", tz="UTC"),
        models=models,
        specs=specs,
        factors=load_factors(),
        target=target,
        settings=settings,
        feature_summary=summarise(chosen),
        metrics={"7": {"auroc": {"estimate": 0.1 + 0.2, "lower": 1 / 3, "upper": None}}},
        fingerprints={"data": "d" * 16, "code": "0.1.0"},
        replay=make_replay(tables, index, features, specs, target, models, cases=8),
    )


def _index(athletes: list[str], target: Target) -> pd.DataFrame:
    days = pd.date_range(START + pd.Timedelta(days=40), periods=20, freq="3D").as_unit("us")
    return pd.DataFrame(
        {
            "athlete_id": np.repeat(athletes, len(days)),
            "date": np.tile(days, len(athletes)),
            "as_of": np.tile(target.as_of(days), len(athletes)),
        }
    )


def _labels(index: pd.DataFrame) -> pd.DataFrame:
    """Every second athlete is injured on one day; a longer horizon foresees it from further off."""
    day = (index["date"] - START).dt.days
    even = index["athlete_id"].str[-1].isin(list("024"))
    return pd.DataFrame({horizon: (even & day.between(80 - int(horizon), 80)).astype(float) for horizon in HORIZONS})
