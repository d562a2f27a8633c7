"""Training and scoring see the same features to the last bit, and a bundle on disk says what it said in memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.build import build_features
from features.row_facts import prepare
from features.specs import load_specs
from features.target import load_target
from models.bundle import Bundle
from models.estimator import predict
from models.registry import champion
from pipelines.daily import score_database
from pipelines.data import read_tables
from pipelines.recipe import load_recipe
from pipelines.training_set import TrainingSet, training_set
from tests.squad import UNTIL, Squad


@pytest.fixture(scope="module")
def training(squad: Squad) -> TrainingSet:
    return training_set(squad.store, load_recipe(squad.configs), UNTIL, lambda *_: None)


@pytest.fixture(scope="module")
def prepared(squad: Squad) -> dict[str, pd.DataFrame]:
    return prepare(read_tables(squad.store), load_target())


def moments(athletes: pd.Series, count: int) -> pd.DataFrame:
    """Random moments of known and unknown athletes, in no order."""
    draw = np.random.default_rng(3)
    minutes = draw.integers(0, 330 * 1440, count)
    as_of = pd.Series(pd.Timestamp("2024-06-25", tz="UTC") + pd.to_timedelta(minutes, unit="min"))
    as_of = as_of.astype("datetime64[us, UTC]")
    names = [*np.sort(athletes.unique()), "nobody"]
    return pd.DataFrame(
        {
            "athlete_id": pd.Series(draw.choice(names, count), dtype="str"),
            "date": as_of.dt.tz_localize(None).dt.normalize(),
            "as_of": as_of,
        }
    )


def test_all_rows_at_once_equal_one_row_at_a_time_bit_for_bit(prepared: dict[str, pd.DataFrame]) -> None:
    specs = load_specs()
    index = moments(prepared["athletes"]["athlete_id"], 24)
    together = build_features(index, prepared, specs)
    assert together.values.notna().mean().mean() > 0.5
    for row in range(len(index)):
        alone = build_features(index.iloc[[row]], prepared, specs)
        for part in ("values", "value_dates", "reasons"):
            whole, single = getattr(together, part).iloc[[row]], getattr(alone, part)
            pd.testing.assert_frame_equal(whole, single, check_exact=True)


def test_the_order_of_rows_in_the_tables_changes_no_bit(prepared: dict[str, pd.DataFrame]) -> None:
    """Of rows that arrived for the same athlete and day at the same instant any order would do; these have none."""
    specs = load_specs()
    index = moments(prepared["athletes"]["athlete_id"], 24)
    keys = {name: [c for c in ("athlete_id", "date", "known_at") if c in table] for name, table in prepared.items()}
    mixed = {
        name: table if table.duplicated(keys[name]).any() else table.sample(frac=1, random_state=1)
        for name, table in prepared.items()
    }
    assert sum(mixed[name] is not prepared[name] for name in ("wellness", "wearable_days", "injuries")) == 3
    before, after = build_features(index, prepared, specs), build_features(index, mixed, specs)
    pd.testing.assert_frame_equal(before.values, after.values, check_exact=True)


@pytest.mark.parametrize("day", ["2024-11-18", "2025-03-10"])
def test_features_that_training_saw_are_those_that_scoring_builds(
    own_squad: Squad, training: TrainingSet, day: str
) -> None:
    day_scores = own_squad.score(day)
    assert day_scores.in_sample
    database = score_database(own_squad.store)
    stored = database.predictions().drop_duplicates("athlete_id").set_index("athlete_id")["fingerprint"]
    database.close()
    seen = (training.index["date"] == pd.Timestamp(day)).to_numpy()
    rows = np.ascontiguousarray(training.features[seen].to_numpy(dtype=np.float64))
    fingerprints = [hashlib.sha256(row.tobytes()).hexdigest()[:16] for row in rows]
    names = training.index.loc[seen, "athlete_id"]
    assert len(names) >= 5
    assert dict(zip(names, fingerprints, strict=True)) == stored[list(names)].to_dict()


def test_the_champion_uses_the_specs_and_the_features_of_its_training(squad: Squad, training: TrainingSet) -> None:
    bundle, _ = champion(squad.path)
    assert bundle.specs == training.specs
    assert [model.bag.feature_names for model in bundle.models] == [tuple(training.model_features)] * 3


def test_a_saved_and_loaded_bundle_predicts_the_same_bits(squad: Squad, training: TrainingSet, tmp_path: Path) -> None:
    bundle, _ = champion(squad.path)
    bundle.save(tmp_path / "bundle")
    again = Bundle.load(tmp_path / "bundle")
    before, after = (predict(each.models, training.features) for each in (bundle, again))
    for name in ("log_odds", "probability", "lower", "upper", "source_horizon"):
        assert np.asarray(getattr(before, name)).tobytes() == np.asarray(getattr(after, name)).tobytes(), name
    assert len(np.unique(before.probability)) > 50
