"""Riley's criteria: each one's own minimum, which one binds, and what is said of it."""

from __future__ import annotations

import json

import pytest

from models.sample_size import criteria_of_r2, least_events, sample_size


@pytest.mark.parametrize(("parameters", "auroc", "rate", "low", "high"), [
    (10, 0.70, 0.01, 160, 175), (10, 0.70, 0.02, 160, 175), (30, 0.70, 0.015, 480, 520),
    (10, 0.65, 0.01, 300, 330), (10, 0.70, 0.15, 187, 207),
])  # fmt: skip
def test_the_least_number_of_events_agrees_with_the_published_planning_table(
    parameters: int, auroc: float, rate: float, low: int, high: int
) -> None:
    assert low <= least_events(parameters, rate, auroc) <= high


def test_each_criterion_agrees_with_the_published_example_of_pmsampsize() -> None:
    # pmsampsize(type = "b", csrsquared = 0.288, parameters = 24, prevalence = 0.174)
    found = {each.name: each.least_rows for each in criteria_of_r2(24, 0.174, 0.288)}
    assert found == {"shrinkage": 623, "optimism": 662, "overall_risk": 221}


def test_the_criterion_that_asks_for_most_binds_and_the_verdict_says_how_far_it_is_met() -> None:
    found = sample_size(13, 111, 0.0131, 28)
    assert found.binding.name == "shrinkage"
    assert found.binding.least_injuries == max(each.least_injuries for each in found.criteria)
    assert not found.is_met
    needed = found.binding.least_injuries
    assert found.sentences()[0] == (
        f"28 days: 13 injuries for 111 candidate parameters, 0.12 per parameter; Riley's criteria ask for {needed:,} "
        f"({needed / 111:.2g} per parameter) at an expected AUROC of 0.70: 1% of it, so scores may fit chance and need "
        "an independent check."
    )
    assert found.sentences()[1].endswith(f"{needed:,} injuries, not met, the one that binds.")


def test_enough_injuries_for_few_parameters_are_met_each_criterion_by_itself() -> None:
    found = sample_size(200, 2, 0.02, 14)
    assert found.is_met
    assert "met for a regression of that size" in found.sentences()[0]
    assert [each["is_met"] for each in found.as_json()["criteria"]] == [True, True, True]
    assert [each["is_binding"] for each in found.as_json()["criteria"]].count(True) == 1


def test_the_json_holds_plain_values_alone() -> None:
    content = json.loads(json.dumps(sample_size(13, 111, 0.0131, 28).as_json(), allow_nan=False))
    assert content["least_injuries"] == max(each["least_injuries"] for each in content["criteria"])
    assert content["injuries_per_parameter"] == pytest.approx(13 / 111)
