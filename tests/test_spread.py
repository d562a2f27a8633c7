"""The spread of scores over refits: variances of literal refits, and the interval that follows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from models.spread import Spread, fit_spread

RAW = np.array([-3.0, -2.0, -1.0])
"""Raw log-odds of three rows, as both of two like members give them."""


def test_refits_that_differ_by_their_rate_alone_give_every_row_the_same_reach() -> None:
    refits = np.array([-4.0, -3.0, -2.0])[:, None] + 0.5 * RAW
    found = fit_spread(np.vstack([RAW, RAW]), refits)
    assert (found.refits, found.centre) == (3, -2.0)
    assert (found.level, found.tilt, found.slope, found.own) == pytest.approx((1.0, 0.0, 0.0, 0.0))
    expected = t.ppf(0.95, 2) * 1.0
    assert found.reach(np.vstack([RAW, RAW])) == pytest.approx([expected] * 3)


def test_refits_that_differ_by_their_slope_are_least_sure_far_from_the_mean() -> None:
    refits = np.array([0.0, 1.0])[:, None] * (RAW + 2.0)
    found = fit_spread(np.vstack([RAW, RAW]), refits)
    assert (found.level, found.slope) == pytest.approx((0.0, 0.5))
    reach = found.reach(np.vstack([RAW, RAW]))
    assert reach == pytest.approx(t.ppf(0.95, 1) * np.sqrt(0.5) * np.array([1.0, 0.0, 1.0]))


def test_level_and_slope_that_go_together_widen_one_side() -> None:
    refits = np.array([0.0, 1.0])[:, None] * (1 + RAW + 2.0)
    reach = fit_spread(np.vstack([RAW, RAW]), refits).reach(np.vstack([RAW, RAW]))
    assert reach[0] == pytest.approx(0.0, abs=1e-6)
    assert reach[2] == pytest.approx(2 * reach[1])


def test_what_no_line_describes_is_handed_out_by_how_much_the_members_differ() -> None:
    apart = np.array([0.1, 0.2, 0.1])
    members = np.array([RAW + apart, RAW - apart])
    bend = np.array([1.0, -2.0, 1.0])  # neither level nor slope
    found = fit_spread(members, np.array([bend, -bend]))
    assert (found.level, found.slope) == pytest.approx((0.0, 0.0))
    assert found.own == pytest.approx(4.0 / 0.04)  # mean variance of the refits over that of the members
    reach = found.reach(members)
    assert reach[1] == pytest.approx(2 * reach[0])


def test_the_interval_of_few_refits_is_students() -> None:
    spread = Spread(4, 0.0, 0.25, 0.0, 0.0, 0.0)
    assert spread.reach(np.zeros((2, 1)))[0] == pytest.approx(t.ppf(0.95, 3) * 0.5)


def test_a_bag_that_scores_everybody_alike_still_has_the_spread_of_its_rate() -> None:
    same = np.full((3, 4), -2.0)
    found = fit_spread(same, np.array([np.full(4, -3.0), np.full(4, -5.0)]))
    assert found.level == pytest.approx(2.0)
    assert found.reach(same) == pytest.approx([t.ppf(0.95, 1) * np.sqrt(2.0)] * 4)


def test_a_single_refit_tells_no_spread() -> None:
    with pytest.raises(ValueError, match="1 refits: at least 2"):
        fit_spread(np.vstack([RAW, RAW]), RAW[None, :])
