"""Replay cases: excerpts of training data with what was made of them, re-run whenever a bundle is loaded.

They prove that this installation builds the same features and the same probabilities from the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from configs.errors import IntegrityError
from features.build import build_values
from features.row_facts import prepare
from features.specs import FeatureSpec
from features.tables import TABLES, as_contract, empty_table
from features.target import Target
from models.estimator import HorizonModel, predict

CASES = 20
PROBABILITY_TOLERANCE = 1e-12
_CASES_FILE = "cases.json"


@dataclass(frozen=True)
class Replay:
    """About twenty predictions with all that they were made from.

    `tables` are raw contract tables that hold each case's athlete under the name of the case ("replay-01"),
    every row known by the case's as_of and no other; `index` has one row per case. `features` and
    `probability` (one column per horizon in days) are what training made of them.
    """

    tables: Mapping[str, pd.DataFrame]
    index: pd.DataFrame
    features: pd.DataFrame
    probability: pd.DataFrame


def make_replay(
    tables: Mapping[str, pd.DataFrame],
    index: pd.DataFrame,
    features: pd.DataFrame,
    specs: Sequence[FeatureSpec],
    target: Target,
    models: Sequence[HorizonModel],
    cases: int = CASES,
) -> Replay:
    """Replay cases from training: `index` and `features` (its values, row by row), `tables` before `prepare`.

    The cases spread evenly over the ranks of the shortest horizon's probability. Athletes are renamed, and so
    is every id that could repeat a name; values and dates stay as they are. All rows known by then are kept,
    however old: best speeds, previous injuries and the start of a recording reach back without limit.
    Raises IntegrityError if the excerpts do not give the same features as the whole tables.
    """
    positions = _spread(predict(models, features).probability[0], cases)
    chosen = index.iloc[positions][["athlete_id", "date", "as_of"]].reset_index(drop=True)
    names = [f"replay-{number:02d}" for number in range(1, len(chosen) + 1)]
    parts = [_excerpt(tables, row, name) for row, name in zip(chosen.itertuples(), names, strict=True)]
    expected = features.iloc[positions][[spec.name for spec in specs]].reset_index(drop=True)
    replay = Replay(
        tables={name: _joined(name, [part[name] for part in parts]) for name in TABLES},
        index=chosen.assign(athlete_id=pd.Series(names, dtype="str")),
        features=expected,
        probability=_probability(models, expected),
    )
    check(replay, specs, target, models)
    return replay


def check(replay: Replay, specs: Sequence[FeatureSpec], target: Target, models: Sequence[HorizonModel]) -> None:
    """Raise IntegrityError unless features come out bit for bit and probabilities within 1e-12."""
    rebuilt = build_values(replay.index, prepare(replay.tables, target), specs)
    found, expected = rebuilt.to_numpy(dtype=np.float64), replay.features.to_numpy(dtype=np.float64)
    _refuse_first(_bits(found) != _bits(expected), found, expected, replay, "feature", list(rebuilt.columns))
    again, before = _probability(models, rebuilt), replay.probability
    differs = ~(np.abs(again.to_numpy() - before.to_numpy()) <= PROBABILITY_TOLERANCE)
    names = [f"{horizon} days" for horizon in before.columns]
    _refuse_first(differs, again.to_numpy(), before.to_numpy(), replay, "probability", names)


def write(replay: Replay, folder: Path) -> None:
    """cases.json with the expected numbers, and one Parquet file per table that has rows."""
    folder.mkdir()
    content = [
        {**_moment(replay.index, row), "features": features, "probability": probability}
        for row, (features, probability) in enumerate(
            zip(_records(replay.features), _records(replay.probability), strict=True)
        )
    ]
    text = json.dumps(content, indent=1, allow_nan=False)
    (folder / _CASES_FILE).write_text(text, encoding="utf-8")
    for name, table in replay.tables.items():
        if len(table):
            table.to_parquet(folder / f"{name}.parquet", index=False)


def read(folder: Path) -> Replay:
    """What `write` wrote."""
    cases = json.loads((folder / _CASES_FILE).read_text(encoding="utf-8"))
    times = pd.to_datetime([case["as_of"] for case in cases], utc=True).as_unit("us")
    index = pd.DataFrame(
        {
            "athlete_id": pd.Series([case["athlete_id"] for case in cases], dtype="str"),
            "date": pd.to_datetime([case["date"] for case in cases]).as_unit("us"),
            "as_of": times,
        }
    )
    return Replay(
        tables={name: _read_table(folder, name) for name in TABLES},
        index=index,
        features=_frame([case["features"] for case in cases]),
        probability=_frame([case["probability"] for case in cases]),
    )


def _spread(probability: npt.NDArray[np.float64], cases: int) -> npt.NDArray[np.int64]:
    """Positions of `cases` rows, evenly spread over the ranks, lowest and highest among them."""
    order = np.argsort(probability, kind="stable")
    ranks = np.unique(np.linspace(0, len(order) - 1, min(cases, len(order))).round().astype(np.int64))
    return np.asarray(order[ranks], dtype=np.int64)


def _excerpt(tables: Mapping[str, pd.DataFrame], case: Any, name: str) -> dict[str, pd.DataFrame]:
    """The athlete's rows known at the case's as_of, under the case's name."""
    numbers: dict[str, dict[str, str]] = {}
    cut = {}
    for key, table in tables.items():
        rows = table[(table["athlete_id"] == case.athlete_id) & (table["known_at"] <= case.as_of)]
        cut[key] = _renamed(rows, name, numbers)
    return cut


def _renamed(rows: pd.DataFrame, name: str, numbers: dict[str, dict[str, str]]) -> pd.DataFrame:
    """`rows` with the athlete called `name`, and ids numbered alike in all tables of the case."""
    changed = {"athlete_id": pd.Series(name, index=rows.index, dtype="str")}
    for column in rows.columns:
        if column.endswith("_id") and column != "athlete_id":
            known = numbers.setdefault(column, {})
            for value in rows[column]:
                known.setdefault(value, f"{name}-{len(known) + 1}")
            changed[column] = rows[column].map(known).astype("str")
    return rows.assign(**changed)


def _joined(name: str, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    held = [part for part in parts if len(part)]
    return as_contract(pd.concat(held, ignore_index=True), name) if held else empty_table(name)


def _read_table(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.parquet"
    return as_contract(pd.read_parquet(path), name) if path.exists() else empty_table(name)


def _probability(models: Sequence[HorizonModel], features: pd.DataFrame) -> pd.DataFrame:
    predicted = predict(models, features)
    return pd.DataFrame(predicted.probability.T, columns=[str(days) for days in predicted.horizons_days])


def _bits(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The bits of each number; every NaN counts as the same one."""
    return np.where(np.isnan(values), np.nan, values).view(np.int64)


def _refuse_first(
    differs: npt.NDArray[np.bool_],
    found: npt.NDArray[np.float64],
    expected: npt.NDArray[np.float64],
    replay: Replay,
    what: str,
    names: Sequence[str],
) -> None:
    if not differs.any():
        return
    row, column = np.argwhere(differs)[0]
    case = replay.index["athlete_id"].iloc[row]
    raise IntegrityError(
        f"Replay: {int(differs.sum())} of {differs.size} values differ from training; first in {case}, "
        f"{what} '{names[column]}': expected {float(expected[row, column])!r}, found "
        f"{float(found[row, column])!r}. This installation differs from the one that trained the model. "
        "Install that version, or train again."
    )


def _moment(index: pd.DataFrame, row: int) -> dict[str, str]:
    return {
        "athlete_id": str(index["athlete_id"].iloc[row]),
        "date": index["date"].iloc[row].isoformat(),
        "as_of": index["as_of"].iloc[row].isoformat(),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, float | None]]:
    """One mapping per row; JSON holds floats exactly but has no NaN."""
    names = [str(name) for name in frame.columns]
    return [
        {name: None if np.isnan(value) else value for name, value in zip(names, row, strict=True)}
        for row in frame.to_numpy(dtype=np.float64).tolist()
    ]


def _frame(rows: Sequence[Mapping[str, float | None]]) -> pd.DataFrame:
    return pd.DataFrame(rows).astype("float64")
