"""A bundle comes back as it was saved, or it is refused with the reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs.errors import IntegrityError
from models import replay as replay_module
from models.bundle import CONTENT_FILE, Bundle, plain, summarise
from models.estimator import Calibration, predict
from tests.trained import small_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "bundle"
    small_bundle().save(path)
    return path


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change bundle.json and put its own hash right, as one would who means to."""
    content = json.loads((folder / CONTENT_FILE).read_text(encoding="utf-8"))
    change(content)
    rest = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    content["sha256"] = hashlib.sha256(text.encode("utf-8")).hexdigest()
    (folder / CONTENT_FILE).write_text(json.dumps(content), encoding="utf-8")


def test_a_loaded_bundle_equals_the_saved_one_to_the_last_bit(folder: Path) -> None:
    saved, loaded = small_bundle(), Bundle.load(folder)
    for part in ("version", "trained_at", "data_cut", "models", "specs", "factors", "target", "settings"):
        assert getattr(loaded, part) == getattr(saved, part), part
    assert loaded.metrics == {"7": {"auroc": {"estimate": 0.30000000000000004, "lower": 1 / 3, "upper": None}}}
    assert loaded.fingerprints == saved.fingerprints
    for name, summary in saved.feature_summary.items():  # field by field: NaN equals nothing, not even itself
        np.testing.assert_array_equal(astuple(loaded.feature_summary[name]), astuple(summary))
    pd.testing.assert_frame_equal(loaded.replay.index, saved.replay.index)
    pd.testing.assert_frame_equal(loaded.replay.features, saved.replay.features, check_exact=True)
    for name, table in saved.replay.tables.items():
        pd.testing.assert_frame_equal(loaded.replay.tables[name], table, check_exact=True)


def test_a_loaded_bundle_predicts_the_same_numbers(folder: Path) -> None:
    features = small_bundle().replay.features
    found, expected = predict(Bundle.load(folder).models, features), predict(small_bundle().models, features)
    for part in ("probability", "lower", "upper", "source_horizon"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


def test_a_bundle_holds_only_json_text_and_parquet(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    members = {f"members/{days}-{number}.txt" for days in (7, 14, 28) for number in (0, 1)}
    assert {CONTENT_FILE, "replay/cases.json", "replay/sessions.parquet"} | members <= names
    assert {Path(name).suffix for name in names} == {".json", ".txt", ".parquet"}


def test_saving_leaves_nothing_beside_the_bundle_and_never_writes_over_one(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]
    with pytest.raises(FileExistsError, match="never written over"):
        small_bundle().save(folder)


def test_a_save_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    broken = replace(small_bundle(), metrics={"brier": float("inf")})
    with pytest.raises(ValueError, match="JSON"):
        broken.save(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["members/14-1.txt", "replay/sessions.parquet", "replay/cases.json"])
def test_a_changed_file_is_refused_by_its_name(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=f"{name}: changed since it was written"):
        Bundle.load(folder)


def test_a_missing_file_is_refused_by_its_name(folder: Path) -> None:
    (folder / "members/7-0.txt").unlink()
    with pytest.raises(IntegrityError, match=r"7-0\.txt: missing"):
        Bundle.load(folder)


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="is no bundle"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_torn_content_file_is_refused(folder: Path, text: str) -> None:
    (folder / CONTENT_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(IntegrityError, match=CONTENT_FILE):
        Bundle.load(folder)


def test_an_edited_content_file_is_refused(folder: Path) -> None:
    path = folder / CONTENT_FILE
    path.write_text(path.read_text(encoding="utf-8").replace("2024-04-01.test", "2024-04-02.test"), encoding="utf-8")
    with pytest.raises(IntegrityError, match=f"{CONTENT_FILE}: changed since it was written"):
        Bundle.load(folder)


def test_a_bundle_of_another_format_is_refused_with_both_formats(folder: Path) -> None:
    rewrite(folder, lambda content: content.update(format=1))
    with pytest.raises(IntegrityError, match=r"format 1, this Strainwatch reads 3.*train again"):
        Bundle.load(folder)


def test_a_feature_that_is_built_differently_refuses_the_bundle(folder: Path) -> None:
    def widen(content: dict[str, Any]) -> None:
        for spec in content["specs"]:
            if spec.get("column") == "load_au":
                spec["window_days"] += 1

    rewrite(folder, widen)
    with pytest.raises(IntegrityError, match=r"differ from training; first in replay-\d\d, feature"):
        Bundle.load(folder)


def test_a_probability_that_comes_out_differently_refuses_the_bundle(folder: Path) -> None:
    def shift(content: dict[str, Any]) -> None:
        content["models"][0]["calibration"]["coefficients"][0] += 1e-9

    rewrite(folder, shift)
    with pytest.raises(IntegrityError, match=r"first in replay-\d\d, probability '7 days'"):
        Bundle.load(folder)


def test_a_feature_that_differs_in_its_last_bit_is_found() -> None:
    bundle = small_bundle()
    features = bundle.replay.features.copy()
    row, column = np.argwhere((features.notna() & (features != 0)).to_numpy())[0]
    features.iloc[row, column] = np.nextafter(features.iloc[row, column], np.inf)
    with pytest.raises(IntegrityError, match=f"1 of {features.size} values .* first in replay-{row + 1:02d}"):
        replay_module.check(replace(bundle.replay, features=features), bundle.specs, bundle.target, bundle.models)


def test_a_model_that_gives_no_number_is_refused() -> None:
    bundle = small_bundle()
    lost = replace(bundle.models[0], calibration=Calibration("platt", (float("nan"), 1.0)))
    with pytest.raises(IntegrityError, match="probability"):
        replay_module.check(bundle.replay, bundle.specs, bundle.target, (lost, *bundle.models[1:]))


def test_replay_cases_spread_from_the_lowest_to_the_highest_probability() -> None:
    ranks = replay_module._spread(np.array([0.3, 0.1, 0.5, 0.2, 0.4]), 3).tolist()
    assert ranks == [1, 0, 2]
    assert replay_module._spread(np.array([0.3, 0.1]), 20).tolist() == [1, 0]


def test_replay_tables_name_no_athlete_and_repeat_no_id_of_one() -> None:
    for table in small_bundle().replay.tables.values():
        text = table[[column for column in table.columns if column.endswith("_id")]].to_csv(index=False)
        assert "A0" not in text and "A1" not in text
    sessions = small_bundle().replay.tables["sessions"]
    assert set(sessions["athlete_id"]) == {f"replay-{number:02d}" for number in range(1, 9)}


def test_replay_tables_hold_nothing_that_arrived_after_the_prediction() -> None:
    replay = small_bundle().replay
    as_of = replay.index.set_index("athlete_id")["as_of"]
    for table in replay.tables.values():
        assert (table["known_at"] <= table["athlete_id"].map(as_of)).all()


def test_a_feature_summary_leaves_missing_values_out_and_counts_them() -> None:
    found = summarise(pd.DataFrame({"a": [1.0, np.nan, 3.0, 2.0], "never": [np.nan] * 4}))
    assert (found["a"].median, found["a"].share_missing) == (2.0, 0.25)
    assert (found["a"].low, found["a"].high) == (1.02, 2.98)
    assert np.isnan(found["never"].median) and found["never"].share_missing == 1.0


def test_json_values_keep_floats_exact_and_turn_nan_into_null() -> None:
    value = {"a": (np.float64(0.1), np.nan, np.int64(3)), 7: np.array([1e-300, -0.0]), "flag": np.True_}
    assert json.dumps(plain(value)) == '{"a": [0.1, null, 3], "7": [1e-300, -0.0], "flag": true}'
