"""The evaluation finds signal where there is some, none where there is none, and says what data can carry."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configs.errors import NotReady
from models import estimator, evaluation, metrics, splits
from models.baselines import BASELINES, LABELS, BaselineFeatures
from models.estimator import Settings
from models.evaluation import Evaluation
from models.evaluation_figures import evaluation_figures
from models.learner import TrainingRows
from models.metrics import Metric
from models.odds import probability
from models.verdict import against_others, discrimination, few_injuries, precision
from pipelines.evaluation_output import write_evaluation

SETTINGS = replace(estimator.load_settings(), trees=20, evaluation_members=3, athlete_folds=3, resamples=200)
NAMES = BaselineFeatures(age="age", history=(), acwr="acwr")

World = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]


def world(
    athletes: int = 24, days: int = 240, strength: float = 1.5, daily_rate: float = 0.002, seed: int = 1
) -> World:
    """Index, features, labels and onsets: `fatigue` drifts slowly and raises the daily chance of an
    injury."""
    generator = np.random.default_rng(seed)
    steps = generator.normal(size=(athletes, days + 30)).cumsum(axis=1)
    drift = (steps[:, 30:] - steps[:, :-30]) / np.sqrt(30)
    chance = probability(np.log(daily_rate) + strength * drift)
    is_onset = generator.random((athletes, days)) < chance
    names = np.repeat([f"A{i:02d}" for i in range(athletes)], days)
    dates = pd.Timestamp("2021-01-04") + pd.to_timedelta(np.tile(np.arange(days), athletes), unit="D")
    index = pd.DataFrame({"athlete_id": names, "date": dates})
    features = pd.DataFrame({
        "fatigue": drift.ravel(), "age": generator.normal(25, 3, len(index)),
        "acwr": generator.normal(1.1, 0.3, len(index)),
    })  # fmt: skip
    labels = pd.DataFrame({str(horizon): _label(is_onset, horizon) for horizon in (7, 14)})
    return index, features, labels, index[is_onset.ravel()].reset_index(drop=True)


def _label(is_onset: np.ndarray, horizon_days: int) -> np.ndarray:
    """1 with an onset on the day or the next horizon_days - 1; NaN where that runs past the last day
    without one."""
    days = is_onset.shape[1]
    label = np.zeros(is_onset.shape)
    for day in range(days):
        label[:, day] = is_onset[:, day : day + horizon_days].any(axis=1)
        if day + horizon_days > days:
            label[label[:, day] == 0, day] = np.nan
    return label.ravel()


@pytest.fixture(scope="module")
def strong() -> tuple[World, Evaluation]:
    data = world()
    return data, evaluation.evaluate(*data, SETTINGS, {"fatigue": 1}, NAMES)


def test_a_real_signal_is_found_and_beats_every_baseline_that_lacks_it(
    strong: tuple[World, Evaluation],
) -> None:
    _, result = strong
    for horizon in (7, 14):
        assert result.metric("auroc", horizon).lower > 0.6
        assert result.metric("auroc", horizon, against="age_history").lower > 0
        assert result.metric("auroc", horizon, against="acwr_rule").lower > 0
    assert any("excludes 0.5" in sentence for sentence in result.verdict)
    assert any(
        sentence.startswith("7 days: AUROC is shown to be higher than that of previous injury alone, age and history, ")
        for sentence in result.verdict
    )


def test_metrics_are_those_of_the_pooled_out_of_fold_rows(strong: tuple[World, Evaluation]) -> None:
    (_, _, _, onsets), result = strong
    rows = result.out_of_fold.query("horizon_days == 7 and label == label")
    rows = rows[rows["date"] <= rows.loc[rows["label"] == 0, "date"].max()]
    clustered = metrics.clusters(rows["label"].to_numpy(), rows["athlete_id"], 100, seed=1)
    scores, fold = rows["model"].to_numpy(), rows["fold"].to_numpy()
    assert result.metric("auroc", 7).value == pytest.approx(metrics.auroc(clustered, scores, fold)[0])
    assert result.metric("auroc_pooled", 7).value == pytest.approx(metrics.auroc(clustered, scores)[0])
    assert result.metric("brier", 7, model="logistic").value == pytest.approx(
        ((rows["logistic"] - rows["label"]) ** 2).mean()
    )
    assert result.metric("auroc", 7).n_rows == len(rows)
    caught = {
        (athlete, onset)
        for athlete, onset in onsets[["athlete_id", "date"]].itertuples(index=False)
        if (
            (rows["athlete_id"] == athlete) & (rows["date"] <= onset) & (rows["date"] > onset - pd.Timedelta(days=7))
        ).any()
    }
    assert result.metric("auroc", 7).n_events == len(caught)


def test_every_tested_row_is_of_an_athlete_and_a_day_that_its_fold_never_trained_on(
    strong: tuple[World, Evaluation],
) -> None:
    (index, _, labels, _), result = strong
    folds = splits.folds(index, 14, SETTINGS, labels["7"].to_numpy())
    for number, part in result.out_of_fold.groupby("fold"):
        train = index.iloc[folds[int(str(number))].train]
        assert not set(part["athlete_id"]) & set(train["athlete_id"])
        assert part["date"].min() - train["date"].max() >= pd.Timedelta(days=14)
    once = result.out_of_fold.groupby(["row", "repeat", "horizon_days"]).size()
    assert set(once) == {1}


@pytest.mark.slow
def test_what_lies_in_the_test_part_cannot_change_its_predictions() -> None:
    index, features, labels, onsets = world(athletes=12, days=150, daily_rate=0.004)
    first = evaluation.evaluate(index, features, labels, onsets, SETTINGS, {}, NAMES).out_of_fold
    last_cut = first["date"].max() - pd.Timedelta(days=20)
    with_earlier_injury = onsets.loc[onsets["date"] < last_cut, "athlete_id"]  # so that the folds stay the same
    is_late = ((index["date"] > last_cut) & index["athlete_id"].isin(with_earlier_injury)).to_numpy()
    assert (labels["7"][is_late] == 1).any()
    other = labels.mask(pd.DataFrame(dict.fromkeys(labels, is_late)), 0.0)
    again = evaluation.evaluate(index, features, other, onsets, SETTINGS, {}, NAMES).out_of_fold
    columns = ["row", "horizon_days", "model", *BASELINES]
    assert (first[columns].to_numpy() == again[columns].to_numpy()).all()


@pytest.mark.slow
def test_noise_is_not_taken_for_signal() -> None:
    index, features, labels, onsets = world(strength=0.0, daily_rate=0.004)
    result = evaluation.evaluate(index, features, labels, onsets, SETTINGS, {}, NAMES)
    auroc = result.metric("auroc", 7)
    assert auroc.lower <= 0.5
    assert not any("excludes 0.5" in sentence for sentence in result.verdict)


def test_the_horizon_past_the_end_of_the_data_is_not_scored_by_its_events_alone(
    strong: tuple[World, Evaluation],
) -> None:
    (index, _, labels, _), result = strong
    tested = result.out_of_fold.query("horizon_days == 14")
    last_complete = index["date"].max() - pd.Timedelta(days=13)
    assert (labels["14"][index["date"] > last_complete] == 1).any()
    expected = tested[(tested["date"] <= last_complete) & tested["label"].notna()]
    assert result.metric("auroc", 14).n_rows == len(expected)


@pytest.mark.slow
def test_a_handful_of_events_is_evaluated_with_its_limits_said() -> None:
    """The size of the Jovanovic sample: six athletes, six injuries in three of them."""
    index, features, _, _ = world(athletes=6, days=400)
    is_onset = np.zeros((6, 400), dtype=bool)
    for athlete, day in ((0, 60), (0, 260), (2, 100), (2, 330), (4, 150), (4, 290)):
        is_onset[athlete, day] = True
    labels = pd.DataFrame({str(horizon): _label(is_onset, horizon) for horizon in (7, 14)})
    result = evaluation.evaluate(index, features, labels, index[is_onset.ravel()], SETTINGS, {}, NAMES)
    assert result.metric("auroc", 7).n_events == 3
    assert result.verdict[0] == "6 injuries of 3 athletes among 6, for 3 features: 2.0 injuries per feature."
    assert "not met" in result.verdict[1]
    assert any("7 days: AUROC is not shown to be higher than that of" in sentence for sentence in result.verdict)


def test_within_a_fold_the_prevalence_baseline_ranks_nobody(strong: tuple[World, Evaluation]) -> None:
    _, result = strong
    assert result.metric("auroc", 7, model="prevalence").value == 0.5
    assert result.metric("auroc_pooled", 7, model="prevalence").value != 0.5


def test_scores_that_are_all_the_base_rate_still_give_every_metric() -> None:
    index, features, labels, onsets = world(athletes=12, days=150, daily_rate=0.004)
    result = evaluation.evaluate(index, features * np.nan, labels, onsets, SETTINGS, {}, NAMES)
    names = {score.metric.name for score in result.scores}
    assert {
        "auroc",
        "average_precision",
        "brier",
        "calibration_slope",
        "net_benefit",
        "alert_recall",
    } <= names
    assert "so it is the base rate." in " ".join(result.verdict)
    assert any("the calibration found nothing" in sentence for sentence in result.verdict)


@pytest.mark.slow
def test_model_and_regression_get_only_the_models_features_while_the_ratio_rule_reads_its_own() -> None:
    index, features, labels, onsets = world(athletes=12, days=150, daily_rate=0.004)
    first, second = (
        evaluation.evaluate(
            index, frame, labels, onsets, SETTINGS, {}, NAMES, model_features=["age"], horizons_days=[7]
        )
        for frame in (features, features.assign(acwr=2 - features["acwr"], fatigue=-features["fatigue"]))
    )
    assert "for 1 features" in first.verdict[0]
    assert (first.out_of_fold["model"] == second.out_of_fold["model"]).all()
    assert (first.out_of_fold["logistic"] == second.out_of_fold["logistic"]).all()
    assert (first.out_of_fold["acwr_rule"] != second.out_of_fold["acwr_rule"]).any()


@dataclass(frozen=True)
class Everyone:
    """A learner that gives everybody the same chance, and keeps what it was given."""

    given: list[tuple[TrainingRows, Settings]] = field(default_factory=list)
    name: str = "everyone"
    label: str = "one chance for all"

    def fit(self, rows: TrainingRows, settings: Settings) -> Everyone:
        self.given.append((rows, settings))
        return self

    def chances(self, features: pd.DataFrame) -> np.ndarray:
        return np.repeat([[0.02], [0.04]], len(features), axis=1)


@pytest.mark.slow
def test_an_alternative_learns_from_the_models_own_training_rows_and_stands_beside_the_baselines() -> None:
    index, features, labels, onsets = world(athletes=12, days=150, daily_rate=0.004)
    other = Everyone()
    result = evaluation.evaluate(
        index, features, labels, onsets, SETTINGS, {"fatigue": 1}, NAMES,
        model_features=["fatigue"], alternatives=[other],
    )  # fmt: skip
    rows, settings = other.given[0]
    assert list(rows.features.columns) == ["fatigue"] and rows.monotone == {"fatigue": 1}
    assert settings.members == SETTINGS.evaluation_members
    tested = set(result.out_of_fold.query("fold == 0")["athlete_id"])
    assert not tested & set(rows.index["athlete_id"])
    assert set(result.out_of_fold.query("horizon_days == 14")["everyone"]) == {0.04}
    assert result.metric("auroc", 7, model="everyone").value == 0.5
    gain = result.metric("auroc", 7, against="everyone")
    assert gain.value == pytest.approx(result.metric("auroc", 7).value - 0.5)
    assert any("one chance for all" in sentence for sentence in result.verdict)
    with pytest.raises(ValueError, match="'logistic': this name is taken"):
        evaluation.evaluate(
            index, features, labels, onsets, SETTINGS, {}, NAMES, alternatives=[replace(other, name="logistic")]
        )


@pytest.mark.slow
def test_each_fold_learns_the_labels_that_were_known_on_its_cut() -> None:
    index, features, labels, onsets = world(athletes=12, days=150, daily_rate=0.004)
    february, may = pd.Timestamp("2021-02-01"), pd.Timestamp("2021-05-01")

    def as_known(day: pd.Timestamp) -> pd.DataFrame:
        """Injuries of January were heard of on 1 May; the last three days before the cut are unknown."""
        heard = labels.where((index["date"] >= february) | (day >= may), 0.0)
        return heard.where(index["date"] < day - pd.Timedelta(days=17))

    other = Everyone()
    plain = evaluation.evaluate(index, features, labels, onsets, SETTINGS, {}, NAMES)
    result = evaluation.evaluate(
        index, features, labels, onsets, SETTINGS, {}, NAMES, alternatives=[other], labels_as_known=as_known
    )
    cuts = {number: part["date"].min() for number, part in result.out_of_fold.groupby("fold")}
    for number, (rows, _) in enumerate(other.given):
        expected = as_known(pd.Timestamp(cuts[number])).loc[rows.labels.index, ["7", "14"]]
        pd.testing.assert_frame_equal(rows.labels, expected)
    # The first cut lies before 1 May: it learns from other labels, so that its model differs.
    assert min(cuts.values()) < may
    assert (result.out_of_fold["model"] != plain.out_of_fold["model"]).any()
    tested = result.out_of_fold.merge(plain.out_of_fold, on=["row", "repeat", "horizon_days"])
    pd.testing.assert_series_equal(tested["label_x"], tested["label_y"], check_names=False)


@pytest.mark.slow
def test_other_designs_are_judged_on_the_same_rows_beside_the_evaluations_own() -> None:
    index, features, labels, onsets = world(athletes=12, days=150, daily_rate=0.004)
    squads = np.where(index["athlete_id"] < "A06", "first", "second").tolist()
    steps: list[tuple[int, int]] = []
    result = evaluation.evaluate(
        index, features, labels, onsets, SETTINGS, {}, NAMES,
        squads=squads, designs=True, progress=lambda *step: steps.append(step),
    )  # fmt: skip
    table = result.tables["designs"]
    assert list(dict.fromkeys(table["design"])) == list(splits.FLATTERS)
    found = table[table["name"] == "auroc"].set_index("design")
    assert found.loc[splits.UNSEEN_AND_LATER, "value"] == result.metric("auroc", 7).value
    assert set(table["horizon_days"]) == {7}
    assert (found["n_rows"] <= result.metric("auroc", 7).n_rows).all()
    assert found["value"].between(0.4, 1).all()
    assert steps[-1][0] == steps[-1][1]
    alone = evaluation.evaluate(index, features, labels, onsets, SETTINGS, {}, NAMES, designs=True).tables["designs"]
    reasons = alone.loc[alone["design"] == "unseen squad, later time", "reason"]
    assert set(reasons) == {"needs two squads or more and found 1"}


def test_the_verdict_says_that_the_shipped_bag_is_larger(strong: tuple[World, Evaluation]) -> None:
    _, result = strong
    assert any("bag of 3 members, the shipped one of 20" in sentence for sentence in result.verdict)
    assert (result.members, result.shipped_members) == (3, 20)


def test_the_calibration_curve_and_its_distances_are_the_models_own(strong: tuple[World, Evaluation]) -> None:
    _, result = strong
    curve = result.tables["calibration_curve"].query("horizon_days == 7")
    assert (curve["lower"] <= curve["value"]).all() and (curve["value"] <= curve["upper"]).all()
    assert curve["predicted"].is_monotonic_increasing
    metric = result.metric("ici", 7)
    assert 0 < metric.lower <= metric.value <= result.metric("e90", 7).value
    with pytest.raises(KeyError):
        result.metric("ici", 7, model="logistic")


def test_too_few_athletes_are_refused() -> None:
    index, features, labels, onsets = world(athletes=3)
    with pytest.raises(NotReady, match="3 athletes"):
        evaluation.evaluate(index, features, labels, onsets, SETTINGS, {}, NAMES)


def test_rows_that_do_not_match_are_refused() -> None:
    index, features, labels, onsets = world(athletes=6, days=60)
    with pytest.raises(ValueError, match="index 360, features 359"):
        evaluation.evaluate(index, features.iloc[1:], labels, onsets, SETTINGS, {}, NAMES)


@pytest.mark.slow
def test_progress_counts_the_folds_and_squads_have_their_own_alerts() -> None:
    index, features, labels, onsets = world(athletes=12, days=150, daily_rate=0.004)
    steps: list[tuple[int, int]] = []
    squads = np.where(index["athlete_id"] < "A06", "first", "second").tolist()
    result = evaluation.evaluate(
        index,
        features,
        labels,
        onsets,
        SETTINGS,
        {},
        NAMES,
        horizons_days=[7],
        squads=squads,
        progress=lambda *step: steps.append(step),
    )
    twice = evaluation.evaluate(
        index, features, labels, onsets, replace(SETTINGS, repeats=2), {}, NAMES, horizons_days=[7], squads=squads
    )
    assert len(twice.out_of_fold) == 2 * len(result.out_of_fold)
    counted = [(each.n_rows, each.n_events) for each in (twice.metric("auroc", 7), result.metric("auroc", 7))]
    assert counted[0] == counted[1]
    assert steps == [(done + 1, len(steps)) for done in range(len(steps))]
    assert result.horizons_days == (7,)
    alone = evaluation.evaluate(index, features, labels, onsets, SETTINGS, {}, NAMES, horizons_days=[7])
    # Two squads have twice the flags, so at least as many injuries are found.
    assert result.metric("alert_recall", 7).value >= alone.metric("alert_recall", 7).value


def test_the_evaluation_as_json_holds_no_value_that_json_lacks(strong: tuple[World, Evaluation]) -> None:
    _, result = strong
    text = json.dumps(result.as_json(), allow_nan=False)
    first = json.loads(text)["metrics"][0]
    assert (first["horizon_days"], first["model"], first["against"], first["name"]) == (
        7,
        "model",
        None,
        "event_rate",
    )
    assert result.table().shape[0] == len(result.scores)
    again = json.loads(text)
    assert again["alert_policy"] == {"most": 3, "per_athletes": 25}
    assert set(again) >= {"alerts", "lead_days", "subgroups", "athletes", "calibration_curve", "decision_curve"}
    assert again["alerts"][0]["budget"] == "3 per 25" and again["alerts"][0]["name"] == "alert_rate"
    with pytest.raises(KeyError, match="auroc"):
        result.metric("auroc", 99)


@pytest.mark.parametrize(("lower", "upper", "meaning"), [
    (0.55, 0.75, "better than chance"), (0.45, 0.75, "cannot tell the ranking from chance"),
    (0.25, 0.45, "worse than chance"),
])  # fmt: skip
def test_the_verdict_on_discrimination_follows_the_interval(lower: float, upper: float, meaning: str) -> None:
    sentence = discrimination(7, Metric("auroc", 0.6, lower, upper, 100, 5, 9))
    assert meaning in sentence
    assert f"half-width {(upper - lower) / 2:.2f}" in sentence


def test_the_figures_show_the_ranking_within_folds_and_name_the_columns_in_words(
    strong: tuple[World, Evaluation],
) -> None:
    _, result = strong
    drawn = evaluation_figures(result)
    assert {name for name in drawn if name.endswith("_7d")} == {
        "roc_7d", "precision_recall_7d", "calibration_7d", "decision_curve_7d", "risk_distribution_7d", "lead_days_7d",
    }  # fmt: skip
    box = drawn["roc_7d"].axes[0].get_legend()
    assert box is not None
    texts = [text.get_text() for text in box.get_texts()]
    found = result.metric("auroc", 7)
    assert texts[1] == f"this model: {found.value:.2f} ({found.lower:.2f} to {found.upper:.2f})"
    assert texts[2] == "base rate for all: 0.50 (0.50 to 0.50)"
    # Equal scores within each fold rank nobody: the base rate's curve is the diagonal, though its levels differ.
    curve = next(line for line in drawn["roc_7d"].axes[0].get_lines() if str(line.get_label()).startswith("base"))
    xy = np.asarray(curve.get_xydata())
    area = float(np.sum(np.diff(xy[:, 0]) * (xy[1:, 1] + xy[:-1, 1]) / 2))
    assert area == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("lower", "said"), [(0.01, ": more than chance."), (-0.01, ": not shown to be more than")])
def test_the_verdict_holds_average_precision_against_that_of_chance(lower: float, said: str) -> None:
    def metric(value: float, low: float, high: float) -> Metric:
        return Metric("", value, low, high, 100, 5, 9)

    found: dict[tuple[str | None, str], Metric] = {
        (None, "average_precision"): metric(0.05, 0.02, 0.13), (None, "prevalence_line"): metric(0.011, 0.005, 0.02),
        (None, "precision_above_chance"): metric(0.04, lower, 0.1),
    }  # fmt: skip
    (sentence,) = precision(14, found)
    assert sentence.startswith("14 days: average precision 0.050 (95% interval 0.020 to 0.13), of chance 0.011")
    assert said in sentence
    assert list(precision(14, {**found, (None, "precision_above_chance"): metric(0.04, np.nan, np.nan)})) == []


@pytest.mark.slow
def test_an_evaluation_is_written_as_one_page_that_needs_no_other_file(
    strong: tuple[World, Evaluation], tmp_path: Path
) -> None:
    page = write_evaluation(strong[1], ["<b>7 days</b> & more"], tmp_path)
    text = page.read_text(encoding="utf-8")
    assert page.name == "evaluation.html" and "&lt;b&gt;7 days&lt;/b&gt; &amp; more" in text
    auroc = strong[1].metric("auroc", 7)
    assert f"<td>AUROC</td><td>{auroc.value:.2f} [{auroc.lower:.2f}, {auroc.upper:.2f}]</td>" in text
    drawn = sorted(path.stem for path in tmp_path.glob("*.png"))
    assert len(drawn) > 8 and text.count("data:image/png;base64,") == len(drawn)
    assert all(f'alt="{stem.replace("_", " ")}"' in text for stem in drawn)
    assert text.count("src=") == len(drawn)


def test_the_verdict_warns_of_intervals_from_fewer_than_ten_injuries() -> None:
    def auroc(injuries: int, lower: float = 0.6) -> Metric:
        return Metric("auroc", 0.7, lower, 0.9, 900, injuries, 40)

    (sentence,) = few_injuries([auroc(12), auroc(9)])
    assert sentence == (
        "Intervals from 9 injuries are too narrow, as from any fewer than 10: what one of them leaves out is a hint, "
        "not shown."
    )
    assert list(few_injuries([auroc(10), auroc(12)])) == []
    assert list(few_injuries([auroc(2, np.nan)])) == []


def test_the_verdict_names_a_baseline_that_ranks_better() -> None:
    def metric(value: float, lower: float, upper: float) -> Metric:
        return Metric("auroc", value, lower, upper, 100, 5, 9)

    found: dict[tuple[str | None, str], Metric] = {
        (None, "auroc"): metric(0.60, 0.5, 0.7),
        ("age_history", "auroc"): metric(-0.30, -0.4, -0.2),
        ("logistic", "auroc"): metric(0.10, 0.05, 0.2),
        ("acwr_rule", "auroc"): metric(-0.01, -0.2, 0.2),
    }
    assert list(against_others(7, found, {name: LABELS[name] for name, _ in found if name})) == [
        "7 days: AUROC is shown to be higher than that of logistic regression.",
        "7 days: AUROC is shown to be lower than that of age and history.",
        "7 days: AUROC is not shown to be higher than that of ACWR rule.",
        "7 days: age and history ranks higher here (AUROC 0.90; this model's less its: -0.30, 95% interval -0.40 to "
        "-0.20): prefer it to this model.",
    ]


@pytest.mark.parametrize(
    ("gain", "told"),
    [
        (Metric("auroc", -0.05, -0.31, 0.35, 100, 5, 9),
         "-0.05, 95% interval -0.31 to 0.35): not told apart, and the simpler one is to be preferred."),
        (Metric("auroc", -0.05, np.nan, np.nan, 100, 5, 2, "none"), "-0.05, none): prefer the simpler one."),
    ],
    ids=["interval holds 0", "no interval"],
)  # fmt: skip
def test_a_simpler_model_that_is_not_told_apart_is_said_to_be_so(gain: Metric, told: str) -> None:
    own = Metric("auroc", 0.60, 0.5, 0.7, 100, 5, 9)
    *_, last = against_others(28, {(None, "auroc"): own, ("hughes", "auroc"): gain}, {"hughes": LABELS["hughes"]})
    assert last == f"28 days: {LABELS['hughes']} ranks higher here (AUROC 0.65; this model's less its: {told}"
