"""What a notebook imports from `models`: cheap to import, frames in and out, numbers as the models give elsewhere."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import models
from configs.errors import NotReady
from models import explanations, fit, interactions, predict, shap_explanation
from models.estimator import load_settings
from models.estimator import predict as predict_all
from tests.trained import small_bundle


@pytest.fixture
def cases() -> pd.DataFrame:
    """Eight rows of features that were really built."""
    return small_bundle().replay.features


def test_importing_models_loads_no_heavy_library() -> None:
    code = "import sys, models; print(sorted({'pandas', 'numpy', 'lightgbm', 'mlflow', 'shap'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_every_name_that_models_exports_is_there_and_others_are_answered_with_the_list() -> None:
    assert sorted(models.__all__) == sorted(models._HOME)
    assert all(callable(getattr(models, name)) for name in models.__all__)
    with pytest.raises(AttributeError, match=r"models has no 'foretell'\. It exports Facts, battery"):
        _ = models.foretell


def test_predict_gives_probability_and_interval_of_each_horizon(cases: pd.DataFrame) -> None:
    found, scored = predict(small_bundle(), cases), predict_all(small_bundle().models, cases)
    assert list(found) == [f"{part}_{days}d" for days in (7, 14, 28) for part in ("probability", "lower", "upper")]
    assert (found.index == cases.index).all()
    for place, days in enumerate((7, 14, 28)):
        assert (found[f"probability_{days}d"].to_numpy() == scored.probability[place]).all()
        assert (found[f"upper_{days}d"].to_numpy() == scored.upper[place]).all()
    pd.testing.assert_frame_equal(predict(small_bundle().models, cases), found)


def test_explanations_add_up_by_factor_of_a_bundle_and_by_feature_of_bare_models(cases: pd.DataFrame) -> None:
    by_factor = explanations(small_bundle(), cases, 14)
    by_feature = explanations(small_bundle().models, cases, 14)
    assert set(by_factor) - {"base", "log_odds"} <= set(small_bundle().factors)
    assert set(by_feature) - {"base", "log_odds"} == set(small_bundle().models[0].bag.feature_names)
    for found in (by_factor, by_feature):
        total = found.drop(columns="log_odds").sum(axis=1)
        np.testing.assert_allclose(total, found["log_odds"], atol=1e-9)
    chance = 1 / (1 + np.exp(-by_factor["log_odds"]))
    np.testing.assert_allclose(chance, predict(small_bundle(), cases)["probability_14d"])


def test_explanations_against_a_background_start_from_its_mean_score_and_pairs_add_up_to_them(
    cases: pd.DataFrame,
) -> None:
    bundle, background = small_bundle(), cases.iloc[:4]
    found = explanations(bundle, cases, 7, background)
    pairs = interactions(bundle, cases, 7, background)
    np.testing.assert_allclose(found.drop(columns="log_odds").sum(axis=1), found["log_odds"], atol=1e-9)
    np.testing.assert_allclose(pairs.values.sum(axis=2), found[list(pairs.factors)], atol=1e-9)
    np.testing.assert_allclose(pairs.base, found["base"], atol=1e-9)
    assert found["base"].iloc[0] != pytest.approx(explanations(bundle, cases, 7)["base"].iloc[0], abs=1e-6)


@pytest.mark.slow
def test_the_shap_library_plots_our_explanations(cases: pd.DataFrame) -> None:
    found = shap_explanation(small_bundle(), cases, 7)
    expected = explanations(small_bundle().models, cases, 7)
    np.testing.assert_allclose(found.values, expected[found.feature_names])
    np.testing.assert_allclose(found.base_values, expected["base"])
    np.testing.assert_array_equal(found.data, cases[found.feature_names])
    import matplotlib

    matplotlib.use("Agg")
    import shap
    from matplotlib import pyplot

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it calls of matplotlib is about to be retired
        axes = shap.plots.beeswarm(found, show=False)
    assert found.feature_names[int(np.abs(found.values).mean(axis=0).argmax())] in [
        tick.get_text() for tick in axes.get_yticklabels()
    ]
    pyplot.close("all")


def test_fit_learns_from_thinned_rows_and_leaves_censored_ones_out() -> None:
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    index = pd.DataFrame({"athlete_id": np.repeat(list("abcdef"), 60), "date": np.tile(days, 6)})
    load = np.tile(np.arange(60.0), 6)
    labels = pd.DataFrame({"7": np.where(load > 50, np.nan, (load > 30).astype(float))})
    settings = replace(load_settings(), members=2, trees=5, smallest_leaf_rows=1, threads=1)
    models_of = fit(pd.DataFrame({"load": load}), labels, index, settings, {"load": 1})
    assert [model.horizon_days for model in models_of] == [7]
    chance = predict(models_of, pd.DataFrame({"load": [0.0, 50.0]}))["probability_7d"]
    assert chance[1] > chance[0]
    with pytest.raises(NotReady, match="7-day horizon: 0 of"):
        fit(pd.DataFrame({"load": load}), labels * 0, index, settings)


@pytest.mark.slow
def test_a_registered_bundle_is_challenger_and_comes_back_the_same(tmp_path: Path, cases: pd.DataFrame) -> None:
    version = models.register(tmp_path, small_bundle())
    (found,) = models.versions(tmp_path)
    assert (found.version, found.aliases) == (version, ("challenger",))
    back = models.bundle_of(tmp_path, version)
    pd.testing.assert_frame_equal(predict(back, cases), predict(small_bundle(), cases))
    with pytest.raises(NotReady, match="no champion yet"):
        models.champion(tmp_path)
