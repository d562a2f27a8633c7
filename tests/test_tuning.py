"""The search for settings: what it may look at, what its best trial is worth, and how it is taken up again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs.errors import ConfigError, NotReady
from models.baselines import BaselineFeatures
from models.estimator import Settings, load_settings
from models.evaluation import evaluate
from models.learner import TrainingRows
from models.odds import Floats, probability
from models.tuning import Search, Trial, Tuned, load_tuning, search
from pipelines.tune import outer_folds

SMALL = replace(
    load_settings(), trees=4, members=2, evaluation_members=2, threads=1, resamples=100, athlete_folds=2, time_blocks=1,
    every_days=1,
)  # fmt: skip
QUICK = replace(
    load_tuning(), random_trials=3, members=1, athlete_folds=2, resamples=400, least_injured_athletes=4,
    space=tuple(each for each in load_tuning().space if each.name != "trees"),
)  # fmt: skip
START = pd.Timestamp("2024-01-01")


def rows_of(seed: int, strength: float = 0.0, athletes: int = 24, days: int = 60, every: int = 4) -> TrainingRows:
    """Athletes whose chance of an injury rises with the first of three features by `strength` (log-odds per SD)."""
    draw = np.random.default_rng(seed)
    date = np.tile(START + pd.to_timedelta(np.arange(0, days * every, every), unit="D"), athletes)
    index = pd.DataFrame(
        {"athlete_id": np.repeat([f"A{number:02d}" for number in range(athletes)], days), "date": date}
    )
    features = pd.DataFrame(draw.normal(size=(len(index), 3)), columns=["one", "two", "three"])
    label = (draw.random(len(index)) < probability(-2.2 + strength * features["one"].to_numpy())).astype(float)
    return TrainingRows(features, pd.DataFrame({"2": label}), index, np.array(["X"] * len(index)), {})


@dataclass(frozen=True)
class Shrunk:
    """Chances known to the test: the base rate drawn towards the truth by as much as `learning_rate` says."""

    strength: float
    name: str = "shrunk"
    label: str = "shrunk"
    rate: float = 0.0

    def fit(self, rows: TrainingRows, settings: Settings) -> Shrunk:
        return replace(self, rate=settings.learning_rate)

    def chances(self, features: pd.DataFrame) -> Floats:
        return probability(-2.2 + self.rate * self.strength * features["one"].to_numpy())[None, :]


@pytest.mark.slow
def test_pure_noise_ends_with_the_advice_to_keep_the_present_settings() -> None:
    shown = []
    for seed in (1, 2):
        found = search(rows_of(seed), SMALL, QUICK, 6)
        shown.append(found.is_shown_better)
        assert found.injured > 20 and len(found.trials) == 6
    assert shown == [False, False]
    assert found.recommended == SMALL
    assert found.sentences()[-1].startswith("Keep the present settings: no trial is shown to be better.")


def test_settings_that_are_clearly_better_are_recommended() -> None:
    present = replace(SMALL, learning_rate=0.001)
    space = tuple(each for each in QUICK.space if each.name == "learning_rate")
    tuning = replace(QUICK, space=tuple(replace(each, low=0.01, high=1.0) for each in space))
    found = search(rows_of(3, strength=1.5), present, tuning, 8, learner=Shrunk(1.5))
    assert found.gain is not None and 0 < found.gain.lower < found.gain.value < found.gain.upper
    assert found.recommended == replace(present, learning_rate=found.best.values["learning_rate"])
    assert found.best.values["learning_rate"] > 0.4
    assert found.sentences()[-1].startswith("The best trial is shown to be better")


def test_too_few_injured_athletes_are_believed_no_choice() -> None:
    present = replace(SMALL, learning_rate=0.001)
    tuning = replace(QUICK, least_injured_athletes=25)
    found = search(rows_of(3, strength=1.5), present, tuning, 8, learner=Shrunk(1.5))
    assert found.gain is not None and found.gain.lower > 0
    assert found.recommended == present
    assert found.sentences()[-1].startswith("Keep the present settings: 24 injured athletes were tested, and below 25")


def trials_of(losses: list[list[float]]) -> tuple[Trial, ...]:
    return tuple(
        Trial({} if not n else {"leaves": n}, float(np.sum(each)), (tuple(each),)) for n, each in enumerate(losses)
    )


def test_the_interval_of_the_best_is_wider_the_more_was_tried() -> None:
    draw = np.random.default_rng(1)
    losses = [[0.0] * 30, *(draw.normal(-0.3, 1, 30).tolist() for _ in range(40))]
    best = 1 + int(np.argmin([sum(each) for each in losses[1:]]))
    few = Search(SMALL, QUICK, trials_of([losses[0], losses[best]]), np.ones((1, 30)), 30, 2).gain
    many = Search(SMALL, QUICK, trials_of(losses), np.ones((1, 30)), 30, 2).gain
    assert few is not None and many is not None
    assert few.value == many.value == pytest.approx(-sum(losses[best]) / 30)
    assert (few.alone_lower, few.alone_upper) == pytest.approx((many.alone_lower, many.alone_upper), abs=0.08)
    assert few.lower == pytest.approx(few.alone_lower, abs=0.05)  # one trial leaves nothing to choose
    assert many.lower < few.lower - 0.1 and many.upper > few.upper + 0.1


def test_the_best_of_many_worthless_trials_is_rarely_called_better() -> None:
    called, alone = 0, 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        losses = [[0.0] * 40, *(draw.normal(0, 1, 40).tolist() for _ in range(20))]
        found = Search(SMALL, QUICK, trials_of(losses), np.ones((1, 40)), 40, 2)
        assert found.gain is not None
        called += found.is_shown_better
        alone += found.gain.alone_lower > 0
    assert called <= 6
    assert alone >= 15  # looked at alone, the luckiest of twenty seems better in a third of the worlds


def test_a_search_taken_up_again_ends_as_if_it_had_never_stopped() -> None:
    rows = rows_of(5)
    kept: list[Trial] = []
    whole = search(rows, SMALL, QUICK, 7, keep=kept.append)
    again = search(rows, SMALL, QUICK, 7, finished=whole.trials[:4])
    assert tuple(kept) == whole.trials == again.trials
    assert len({tuple(trial.values.items()) for trial in whole.trials}) == 7
    assert whole.trials[0].values == {}


def test_another_seed_tries_other_settings_and_the_present_ones_first() -> None:
    rows = rows_of(5)
    one, other = search(rows, SMALL, QUICK, 2), search(rows, replace(SMALL, seed=99), QUICK, 2)
    assert one.trials[0].values == other.trials[0].values == {}
    assert one.trials[1].values != other.trials[1].values


@pytest.mark.slow
def test_outer_test_rows_never_reach_the_search() -> None:
    """Rows after the first cut are tested by outer folds and taught by none: whatever they hold, the search is the
    same."""

    outside: list[dict[str, Any]] = []

    def searches(rows: TrainingRows) -> list[Search]:
        told: list[Search | None] = []
        learner = Tuned(QUICK, 3, told.append)
        onsets = rows.index[rows.labels["2"] == 1]
        data = (rows.index, rows.features, rows.labels, onsets)
        outside.append(outer_folds(evaluate(*data, SMALL, {}, BaselineFeatures(), alternatives=(learner,)), 3))
        return [each for each in told if each is not None]

    rows = rows_of(8)
    is_test = (rows.index["date"] >= START + pd.Timedelta(days=120)).to_numpy()
    poisoned = replace(
        rows,
        features=rows.features.mul(np.where(is_test, -50, 1), axis=0),
        labels=rows.labels.sub(is_test, axis=0).abs(),
    )
    clean, other = searches(rows), searches(poisoned)
    assert len(clean) == 2
    assert [each.trials for each in clean] == [each.trials for each in other]
    assert [each.counts.tolist() for each in clean] == [each.counts.tolist() for each in other]
    before, after = ({row["metric"]: row for row in each["metrics"]} for each in outside)
    assert before["auroc"]["tuned"] != after["auroc"]["tuned"]  # what is judged outside did change
    for row in before.values():
        assert row["change"] == pytest.approx(row["tuned"] - row["present"])
        assert row["lower"] <= row["change"] <= row["upper"]


def test_losses_are_those_of_the_tested_rows_alone() -> None:
    found = search(rows_of(2), SMALL, QUICK, 1, learner=Shrunk(0.0))
    rows = rows_of(2)
    later = rows.index["date"] >= rows.index["date"].quantile(SMALL.first_cut_share, interpolation="higher")
    label = rows.labels["2"][later]
    chance = float(probability(np.array([-2.2]))[0])
    assert found.counts.sum() == later.sum()
    expected = -(label * np.log(chance) + (1 - label) * np.log(1 - chance)).mean()
    assert found.trials[0].loss == pytest.approx(expected)


def test_rows_that_cannot_be_split_again_are_refused_and_the_tuned_learner_falls_back() -> None:
    rows = rows_of(2, athletes=6)
    rows = replace(rows, labels=(rows.labels * 0).mask(rows.index["athlete_id"] == "A00", rows.labels))
    with pytest.raises(NotReady, match="athletes with an injury"):
        search(rows, SMALL, QUICK, 2)
    told: list[Search | None] = []
    fitted = Tuned(QUICK, 2, told.append).fit(rows, SMALL)
    assert told == [None]
    assert fitted.chances(rows.features).shape == (1, len(rows.index))


def test_ranges_of_the_shipped_space_hold_the_shipped_settings() -> None:
    settings = load_settings()
    outside = [each.name for each in load_tuning().space if not each.holds(getattr(settings, each.name))]
    assert outside == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trials = 0", "trials = 0. Give a whole number from 1"),
        ("[space]\nseed = { from = 1, to = 2 }", "unknown seed"),
        ("[space]\nleaves = { from = 2.5, to = 4 }", "leaves.*whole numbers that rise"),
        ("[space]\nl2 = { from = 0, to = 4, log = true }", "l2.*above 0 where log"),
        ("[space]\ntrees = { from = 0, to = 4 }", "trees = 0"),
        ("[space]\nleaves = 4", "Write it as"),
        ("[space]", "Give at least one setting"),
    ],
)
def test_a_wrong_tuning_file_is_told_where_and_what(tmp_path: Path, text: str, said: str) -> None:
    numbers = "\n".join(f"{name} = {value}" for name, value in vars(QUICK).items() if name != "space")
    if text.startswith("trials"):
        content = numbers.replace("trials = 30", text, 1) + "\n[space]\nl2 = { from = 1, to = 2 }"
    else:
        content = f"{numbers}\n{text}"
    (tmp_path / "tuning.toml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_tuning(tmp_path)
