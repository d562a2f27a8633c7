"""Figures show the numbers they are given: curves are checked by their points, not by their looks."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from models import figures
from models.metrics import net_benefit_of

LABEL = [0.0, 0.0, 1.0, 1.0]
SCORES = {"model": [0.1, 0.4, 0.35, 0.8], "logistic": [0.2, 0.2, 0.2, 0.2]}


def line(figure: Figure, label: str) -> np.ndarray:
    found = [line for line in figure.axes[0].get_lines() if str(line.get_label()).startswith(label)]
    assert len(found) == 1, [line.get_label() for line in figure.axes[0].get_lines()]
    return np.asarray(found[0].get_xydata())


def legend(figure: Figure) -> list[str]:
    box = figure.axes[0].get_legend()
    assert box is not None
    return [text.get_text() for text in box.get_texts()]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_roc_curve_passes_through_the_points_counted_by_hand() -> None:
    points = line(figures.roc(LABEL, SCORES, 7), "model").tolist()
    assert [0.0, 0.5] in points  # only 0.8 flagged: one of two injuries, no false alarm
    assert [0.5, 1.0] in points  # 0.35 and above flagged: both injuries, one false alarm


def test_the_roc_legend_gives_the_interval_of_each_score_that_has_one() -> None:
    drawn = figures.roc(LABEL, SCORES, 7, {"model": (0.75, 0.61, 0.84), "logistic": (float("nan"),) * 3})
    assert legend(drawn) == ["chance (0.50)", "model: 0.75 (0.61 to 0.84)", "logistic"]


def test_the_precision_recall_figure_draws_the_prevalence() -> None:
    drawn = figures.precision_recall(LABEL, SCORES, 14)
    assert "prevalence (50.0%)" in legend(drawn)
    assert line(drawn, "prevalence")[:, 1].tolist() == [0.5, 0.5]


def test_censored_rows_and_rows_that_a_model_could_not_score_are_left_out_for_all() -> None:
    nan = float("nan")
    scores = {"model": [*SCORES["model"], 0.9, 0.9], "logistic": [0.1] * 5 + [nan]}
    drawn = figures.roc([*LABEL, nan, 1.0], scores, 7)
    assert texts(drawn) == ["4 athlete-days, 2 followed by an injury"]


def test_the_calibration_figure_shows_observed_shares_per_bin() -> None:
    label = np.array([0.0] * 8 + [1.0, 0.0] + [1.0] * 8 + [0.0, 0.0])
    probability = np.array([0.1] * 10 + [0.7] * 10)
    athletes = np.array(["a", "b"] * 10)
    drawn = figures.calibration(label, probability, athletes, 7)
    observed = next(line for line in drawn.axes[0].get_lines() if line.get_marker() == "o")
    np.testing.assert_allclose(np.asarray(observed.get_xydata()), [[0.1, 0.1], [0.7, 0.8]])


def test_calibration_intervals_come_from_drawing_athletes_and_not_days() -> None:
    """One athlete has all injuries: days drawn at random would give a narrow interval, athletes do not."""
    label = np.repeat([1.0, 0.0, 0.0, 0.0], 100)
    athletes = np.repeat(["a", "b", "c", "d"], 100)
    points = figures._calibration_points(label, np.tile(np.linspace(0.1, 0.4, 100), 4), athletes)
    np.testing.assert_allclose(points["observed"], 0.25)
    assert points["lower"].max() == 0.0
    assert points["upper"].min() == 0.75


def test_calibration_bins_hold_five_injuries_on_average_and_are_ten_at_most() -> None:
    def bins(events: int) -> int:
        label = np.zeros(1000)
        label[:events] = 1
        points = figures._calibration_points(label, np.linspace(0, 1, 1000), np.arange(1000).astype(str))
        return len(points["observed"])

    assert [bins(events) for events in (1, 15, 400)] == [2, 3, 10]


def test_net_benefit_equals_the_count_by_hand() -> None:
    label, probability = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8])
    found = net_benefit_of(label, probability, np.array([0.0, 0.35, 0.5, 0.9]))
    np.testing.assert_allclose(found, [0.5, (2 - 1 * 0.35 / 0.65) / 4, 0.25, 0.0])


def test_the_decision_curve_leaves_out_a_score_that_is_no_probability() -> None:
    drawn = figures.decision_curve(LABEL, {**SCORES, "ACWR rule": [0.8, 1.9, 1.2, 0.4]}, 7)
    assert legend(drawn) == ["model", "logistic", "flag everybody", "flag nobody"]


def test_a_rival_that_exaggerates_leaves_room_for_the_models_decision_curve() -> None:
    label, model = np.repeat([0.0, 1.0], [95, 5]), np.linspace(0.01, 0.08, 100)
    drawn = figures.decision_curve(label, {"model": model, "logistic": np.linspace(0.1, 0.9, 100)}, 7)
    assert drawn.axes[0].get_xlim()[1] == pytest.approx(0.10)
    steep = figures.decision_curve(label, {"model": 5 * model, "logistic": model}, 7)
    assert steep.axes[0].get_xlim()[1] == pytest.approx(np.quantile(5 * model, 0.995))


def test_a_model_keeps_its_line_when_another_is_left_out() -> None:
    scores = {"model": SCORES["model"], "ACWR rule": [0.8, 1.9, 1.2, 0.4], "logistic": SCORES["logistic"]}
    styles = [
        next(line.get_color() for line in drawn.axes[0].get_lines() if line.get_label() == "logistic")
        for drawn in (figures.roc(LABEL, scores, 7), figures.decision_curve(LABEL, scores, 7))
    ]
    assert styles[0] == styles[1] == figures.GREEN


def test_the_risk_distribution_counts_each_outcome() -> None:
    assert legend(figures.risk_distribution(LABEL, SCORES["model"], 28)) == [
        "no injury followed (2 athlete-days)",
        "injury followed (2 athlete-days)",
    ]


def test_importance_bars_are_sorted_and_say_how_many_were_left_out() -> None:
    drawn = figures.importance({"a": 0.1, "b": 0.3, "c": 0.2}, "Features", most=2)
    axes = drawn.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["c", "b"]  # drawn from the bottom up
    assert axes.get_xlabel() == "Mean |contribution| to the score (log-odds); 1 smaller ones left out"


def test_two_features_of_one_label_keep_a_bar_each() -> None:
    drawn = figures.importance(pd.Series([0.1, 0.3], index=["Sprints", "Sprints"]), "Features")
    assert [bar.get_width() for bar in drawn.axes[0].patches] == [0.1, 0.3]


@pytest.mark.parametrize(
    ("label", "reason"),
    [([0.0] * 4, "no injury"), ([1.0] * 4, "no uninjured day"), ([float("nan")] * 4, "no athlete-day")],
)
def test_rows_without_both_outcomes_give_a_figure_that_says_so(label: list[float], reason: str) -> None:
    for drawn in (
        figures.roc(label, SCORES, 7),
        figures.precision_recall(label, SCORES, 7),
        figures.calibration(label, SCORES["model"], ["a", "a", "b", "b"], 7),
        figures.decision_curve(label, SCORES, 7),
    ):
        assert f"No curve: {reason} among these rows." in texts(drawn)


def test_the_smoothed_curve_and_the_intervals_of_net_benefit_are_drawn_where_they_are_given() -> None:
    curve = pd.DataFrame({"predicted": [0.1, 0.6], "value": [0.2, 0.5], "lower": [0.1, 0.4], "upper": [0.3, 0.9]})
    drawn = figures.calibration(LABEL, SCORES["model"], ["a", "a", "b", "b"], 7, curve)
    assert line(drawn, "smoothed").tolist() == [[0.1, 0.2], [0.6, 0.5]]
    numbers = pd.DataFrame({
        "of": ["model", "everybody"], "threshold": [0.1, 0.1], "value": [400.0, 1.0], "lower": [300.0, 0.0],
        "upper": [500.0, 2.0],
    })  # fmt: skip
    bars = figures.decision_curve(LABEL, SCORES, 7, numbers).axes[0].collections
    assert [segment.tolist() for segment in bars[0].get_segments()] == [[[0.1, 300.0], [0.1, 500.0]]]


def test_lead_days_run_towards_the_onset() -> None:
    table = pd.DataFrame({"lead_days": [0, 3], "value": [0.7, 0.6], "lower": [0.6, 0.5], "upper": [0.8, 0.7]})
    axes = figures.lead_days(table, 7).axes[0]
    assert axes.xaxis_inverted()
    assert axes.get_lines()[1].get_xydata().tolist() == [[0.0, 0.7], [3.0, 0.6]]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_every_figure_can_be_written(kind: str) -> None:
    drawn = [
        figures.roc(LABEL, SCORES, 7, {"model": (0.75, 0.6, 0.8)}),
        figures.precision_recall(LABEL, SCORES, 7),
        figures.calibration(LABEL, SCORES["model"], ["a", "a", "b", "b"], 7),
        figures.decision_curve(LABEL, SCORES, 7),
        figures.risk_distribution(LABEL, SCORES["model"], 7),
    ]
    bars = [figures.importance({"a": 0.0}, "Features"), figures.importance({}, "Factors")]
    for figure in [*drawn, *bars]:
        file = BytesIO()
        figure.savefig(file, format=kind)
        assert file.getvalue()[:5] == {"png": b"\x89PNG\r", "svg": b"<?xml"}[kind]
