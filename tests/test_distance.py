"""How far a row lies from training, on rows small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.bundle import FeatureSummary
from models.distance import share_nearer, training_reach

SUMMARY = {
    "load": FeatureSummary(median=100.0, low=50.0, high=150.0, share_missing=0.0),
    "sleep": FeatureSummary(median=8.0, low=6.0, high=10.0, share_missing=0.0),
    "same": FeatureSummary(median=1.0, low=1.0, high=1.0, share_missing=0.0),
}
TRAINING = pd.DataFrame({"load": np.linspace(50, 150, 101), "sleep": 8.0, "same": 1.0})
"""Distances 0 to 1 / sqrt(2), each but 0 of them twice."""


def shares(*rows: tuple[float, float, float]) -> list[float]:
    features = pd.DataFrame(rows, columns=list(SUMMARY))
    return [float(each) for each in share_nearer(features, SUMMARY, training_reach(TRAINING, SUMMARY))]


def test_a_row_in_the_middle_has_none_nearer_and_one_beyond_all_has_all() -> None:
    assert shares((100, 8, 1), (125, 8, 1), (1000, 8, 1)) == pytest.approx([0.0, 0.5, 1.0], abs=0.01)


def test_the_side_does_not_matter_and_either_feature_takes_a_row_away() -> None:
    left, right, slept = shares((75, 8, 1), (125, 8, 1), (100, 7, 1))
    assert left == right == slept


def test_what_is_missing_or_never_varied_brings_no_row_nearer() -> None:
    known, of_one = shares((125, 9, 1), (125, np.nan, 99))
    assert known == of_one == pytest.approx(0.71, abs=0.01)
    assert np.isnan(shares((np.nan, np.nan, 1))[0])


def test_a_model_that_kept_no_reach_says_nothing() -> None:
    assert np.isnan(share_nearer(TRAINING, SUMMARY, [])).all()
    assert training_reach(TRAINING * np.nan, SUMMARY) == []
