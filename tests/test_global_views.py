"""Views of a model over many athlete-days: intervals by athlete, pairs, two versions; and their pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.explain import by_factor, contributions, interactions
from models.global_figures import Names, global_figures
from models.global_views import View, compared, importance, pair_table, view_of
from tests.trained import small_bundle

ATHLETES = np.array(["a", "a", "b", "b", "b", "c"], dtype=object)
SHARES = pd.DataFrame({"load": [1.0, -1.0, 0.5, 0.5, -0.5, 2.0], "sleep": [0.1, 0.1, 0.1, 0.1, 0.1, -0.1]})


def view(shares: pd.DataFrame = SHARES) -> View:
    pairs = pd.DataFrame(np.diag([3.0, 2.0]) + 0.25, ["load", "sleep"], ["load", "sleep"])
    values = pd.DataFrame({"load": [1.0, 2.0, np.nan, 4.0, 5.0, 6.0], "sleep": [7.0, 8.0, 7.0, 8.0, 7.0, 8.0]})
    return View(7, -3.0, values, shares, shares, ATHLETES, pairs)


def test_importance_is_the_mean_size_with_an_interval_from_drawing_athletes() -> None:
    found = importance(SHARES, ATHLETES)
    assert list(found.index) == ["load", "sleep"]
    assert found.loc["load", "value"] == pytest.approx(5.5 / 6)
    # all that three athletes can be drawn to: the ends are those of b alone and of c alone
    assert found.loc["load", ["lower", "upper"]].to_list() == pytest.approx([0.5, 2.0])
    assert found.loc["sleep"].to_list() == pytest.approx([0.1, 0.1, 0.1])


def test_two_versions_are_compared_on_the_same_draws_and_a_factor_that_one_lacks_moves_nothing_there() -> None:
    old = view(SHARES[["load"]] + np.sign(SHARES[["load"]]) * 0.25)
    found = compared(view(), old)
    assert list(found.index) == ["load", "sleep"]
    assert found.loc["load"].to_dict() == pytest.approx(
        {"new": 5.5 / 6, "old": 5.5 / 6 + 0.25, "difference": -0.25, "lower": -0.25, "upper": -0.25}
    )
    assert found.loc["sleep", ["old", "difference"]].to_list() == pytest.approx([0.0, 0.1])


def test_a_view_holds_contributions_and_the_mean_size_of_pairs_with_both_sides() -> None:
    bundle = small_bundle()
    model, rows = bundle.models[0], bundle.replay.features
    athletes = np.arange(len(rows)).astype(object)
    found = view_of(model, rows, athletes, bundle.specs)
    base, shares = contributions(model, rows)
    told = interactions(model, rows, bundle.specs)
    assert found.base == base
    pd.testing.assert_frame_equal(found.shares, shares)
    pd.testing.assert_frame_equal(found.factors, by_factor(shares, bundle.specs))
    one, other = told.factors[0], told.factors[1]
    assert found.pairs.loc[one, other] == pytest.approx(np.abs(2 * told.values[:, 0, 1]).mean())
    assert found.pairs.loc[one, one] == pytest.approx(np.abs(told.values[:, 0, 0]).mean())


def test_pairs_are_listed_once_without_a_factor_by_itself() -> None:
    assert pair_table(view()).to_dict("records") == [{"one": "load", "other": "sleep", "value": 0.25}]


def test_pictures_show_labels_intervals_missing_values_and_both_versions() -> None:
    names = Names(
        {"load": "running load", "sleep": "sleep"}, {"load": "m", "sleep": "h"}, {"load": "Load", "sleep": "Rest"},
        "version 2", "version 1",
    )  # fmt: skip
    drawn = global_figures(view(), names, view(2 * SHARES))
    assert list(drawn) == ["factors_7d", "beeswarm_7d", "dependence_7d", "pairs_7d", "versions_7d"]
    bars = drawn["factors_7d"].axes[0]
    assert [tick.get_text() for tick in bars.get_yticklabels()] == ["Rest", "Load"]
    assert [round(bar.get_width(), 4) for bar in bars.patches] == [0.1, 0.9167]
    swarm = drawn["beeswarm_7d"].axes[0].collections
    assert sorted(len(points.get_offsets()) for points in swarm) == [0, 1, 5, 6]  # one load is not known
    upper, lower = drawn["dependence_7d"].axes[:2]
    assert lower.get_xlabel() == "running load (m)"
    assert [text.get_text() for text in upper.texts] == ["not known: 17 %"]
    assert [text.get_text() for text in drawn["pairs_7d"].axes[0].texts][:3] == ["3250", "250", "2250"]
    versions = drawn["versions_7d"].axes[0]
    assert [text.get_text() for text in versions.get_legend().get_texts()] == ["version 1", "version 2"]
    assert [tick.get_text() for tick in versions.get_yticklabels()] == ["Rest *", "Load *"]


def test_a_view_in_which_nothing_moves_is_drawn_too() -> None:
    still = view(0 * SHARES)
    still = replace(still, pairs=0 * still.pairs)
    names = Names(*({"load": "load", "sleep": "sleep"},) * 3)
    for figure in global_figures(still, names).values():
        figure.draw_without_rendering()


def test_points_of_a_swarm_stand_apart_within_their_line() -> None:
    names = Names(*({"load": "load", "sleep": "sleep"},) * 3)
    swarm = global_figures(view(), names)["beeswarm_7d"].axes[0].collections
    heights = np.concatenate([np.asarray(points.get_offsets())[:, 1] for points in swarm[:2]])  # sleep: five are alike
    assert sorted(heights) == pytest.approx([-0.32, -0.16, 0.0, 0.0, 0.16, 0.32])
