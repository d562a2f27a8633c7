"""What a reason is held against, how sure it is, and where the report tells no percentage."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from configs.errors import ConfigError
from features.factors import from_json, load_factors
from features.specs import load_specs
from models.counterfactual import Counterfactual, Move
from models.levers import load_what_if
from serving.report import WeeklyReport, build_report, load_report_settings, render_html
from serving.report.comparison import Comparison, compare, standing, told_against
from serving.report.confidence import confidence
from serving.report.content import NeverRecorded
from serving.report.facts import model_facts
from serving.report.outcomes import wilson
from serving.report.reasons import Explainer, FactorShare
from serving.report.render import false_alerts
from serving.report.runs import run_at
from serving.report.sheet import render_csv
from serving.report.supposing import in_words
from serving.report.thresholds import load_thresholds
from tests.report_fixture import SPECS, arguments, model

NAN = math.nan
GOOD = (0.63, 0.54, 0.72)
Given = dict[str, Any]


@pytest.fixture(scope="module")
def given() -> Given:
    """The fabricated squad, with what later versions of scoring add to each explanation."""
    found = arguments(athletes=12)
    why = found["explanations"]
    now = why[why["as_of"] == found["as_of"]]
    squad = why["feature"].map(now.groupby("feature")["value"].median())
    return {
        **found,
        "explanations": why.assign(usual_contribution=0.5 * why["contribution"], steadiness=0.9, squad_value=squad,
                                   training_value=squad, own_low_value=0.0, own_high_value=1.0),
    }  # fmt: skip


@pytest.fixture(scope="module")
def report(given: Given) -> WeeklyReport:
    return build_report(**given)


@pytest.mark.parametrize(
    ("feature", "value", "contribution", "own", "squad", "training", "held"),
    [
        ("sprint_7d", 1240, 0.2, 650, 900, 800, "own"),
        ("sprint_7d", 1240, 0.2, 1300, 900, 800, "squad"),
        ("sprint_7d", 1240, 0.2, 1300, 1250, 800, "training"),
        ("sprint_7d", 1240, 0.2, 1300, 1250, 1300, None),
        ("sprint_7d", 400, -0.2, 650, 900, 800, "own"),
        ("sleep_quality_7d", 6, 0.1, 6, 7.2, 7, "squad"),
        ("nordic_mean_last", 290, 0.2, 352, 300, 300, "own"),
        ("jump_change", -7, 0.2, NAN, 0, 0, "own"),
        ("jump_change", 2, 0.2, NAN, 5, 0, "squad"),
        ("age", 31, 0.2, 31, 24, 24, "squad"),
        ("sprint_7d", NAN, 0.2, 650, 900, 800, None),
        ("beighton", 4, 0.1, 4, 2, 2, "squad"),
    ],
)
def test_a_reason_is_told_against_the_first_reference_that_makes_it_true(
    feature: str, value: float, contribution: float, own: float, squad: float, training: float, held: str | None
) -> None:
    spec = next(spec for spec in load_specs() if spec.name == feature)
    found = told_against(spec, value, contribution, 0.0, own, squad, training)
    assert (None if found is None else found.held) == held


@pytest.mark.parametrize(
    ("at_usual", "own", "squad", "held"),
    [
        (0.02, 34, 39, "own"),
        (0.10, 34, 39, "own"),
        (0.11, 34, 39, "squad"),
        (0.187, 34, 39, "squad"),
        (0.187, 34, 32, "training"),
        (NAN, 34, 39, "own"),
        (-0.05, 34, 39, "own"),
    ],
)
def test_own_usual_is_the_reason_only_where_it_carries_half_of_what_a_measurement_adds(
    at_usual: float, own: float, squad: float, held: str
) -> None:
    spec = next(spec for spec in load_specs() if spec.name == "jump_last")
    found = told_against(spec, 32, 0.2, at_usual, own, squad, 38)
    assert found is not None and found.held == held


def test_own_usual_is_told_where_nothing_else_differs_though_it_carries_little() -> None:
    spec = next(spec for spec in load_specs() if spec.name == "jump_last")
    found = told_against(spec, 32, 0.2, 0.19, 34, 32, 32)
    assert found is not None and found.held == "own"


def test_what_is_as_usual_is_told_against_the_squad_and_says_so(given: Given) -> None:
    why = given["explanations"].copy()
    athlete = build_report(**given).flags[0].row.athlete_id
    rows = (why["feature"] == "sleep_7d") & (why["athlete_id"] == athlete)
    why.loc[rows, ["value", "own_usual_value", "squad_value", "contribution"]] = [6.0, 6.0, 7.5, 0.9]
    found = build_report(**{**given, "explanations": why})
    row = next(row for row in found.rows if row.athlete_id == athlete)
    text = next(share.leading.text for share in row.shares if share.factor.key == "recovery")
    assert text.endswith(": 6 h, below the squad today (7.5 h; ordinary for this athlete: 6 h)")


def test_factors_against_the_squad_add_up_to_the_distance_from_its_mean_score(report: WeeklyReport) -> None:
    log_odds = {row.athlete_id: math.log(row.probability / (1 - row.probability)) for row in report.rows}
    middle = sum(log_odds.values()) / len(log_odds)
    for row in report.rows:
        total = row.comparison.start + sum(share.against_squad for share in row.shares)
        assert total == pytest.approx(log_odds[row.athlete_id] - middle, abs=1e-9)
        assert row.comparison.squad_odds == pytest.approx(math.exp(total))
        assert row.comparison.start == pytest.approx(0, abs=1e-9)


def test_factors_against_own_usual_are_what_they_add_above_it(report: WeeklyReport) -> None:
    for share in report.rows[0].shares:
        assert share.against_usual == pytest.approx(0.5 * share.contribution, abs=1e-6)


def test_percentage_points_of_all_factors_are_what_the_score_lies_above_the_start(report: WeeklyReport) -> None:
    for row in report.rows:
        assert sum(row.comparison.points) == pytest.approx(100 * (row.probability - row.comparison.base), abs=1e-9)
    flat = compare([0.3, -0.3], [0.0, 0.0], -4.0, NAN, NAN)
    assert flat.points[0] > 0 and sum(flat.points) == pytest.approx(0) and math.isnan(flat.usual_odds)


@pytest.mark.parametrize(
    ("steadiness", "is_named", "is_uncertain"), [(0.9, True, False), (0.5, True, True), (0.1, False, False)]
)
def test_a_factor_that_few_members_name_is_called_uncertain_or_not_named(
    given: Given, report: WeeklyReport, steadiness: float, is_named: bool, is_uncertain: bool
) -> None:
    flag = report.flags[0]
    leading = next(share for share in flag.row.shares if share.factor.modifiable)
    rows = given["explanations"]["factor"] == leading.factor.key
    why = given["explanations"].assign(steadiness=given["explanations"]["steadiness"].mask(rows, steadiness))
    found = next(each for each in build_report(**{**given, "explanations": why}).flags
                 if each.row.athlete_id == flag.row.athlete_id)  # fmt: skip
    assert (leading.leading.text in found.sentence) is is_named
    assert (f"{leading.leading.text} [uncertain]" in found.sentence) is is_uncertain
    assert (leading.factor.label in [check.factor for check in found.checks]) is is_named


def with_calibration(level: tuple[float, float], slope: tuple[float, float]) -> dict[str, Any]:
    """The fixture's model with these intervals of observed per expected and of the calibration slope."""
    content = model(GOOD)
    size = {"n_rows": 26412, "n_events": 61, "n_athletes": 142, "against": None, "reason": None}
    kept = [each for each in content["metrics"] if each["name"] not in ("observed_expected", "calibration_slope")]
    more = [
        {"horizon_days": 7, "model": "model", "name": name, "value": 1.0, "lower": low, "upper": high, **size}
        for name, (low, high) in (("observed_expected", level), ("calibration_slope", slope))
    ]
    return {**content, "metrics": [*kept, *more]}


@pytest.mark.parametrize(
    ("level", "slope", "is_supported"),
    [
        ((0.8, 1.3), (0.6, 1.4), True),
        ((0.4, 1.3), (0.6, 1.4), False),
        ((0.8, 2.1), (0.6, 1.4), False),
        ((0.8, 1.3), (1.1, 1.4), False),
        ((0.8, 1.3), (-0.1, 1.4), False),
    ],
)
def test_a_percentage_is_told_only_where_unseen_athletes_support_it(
    given: Given, level: tuple[float, float], slope: tuple[float, float], is_supported: bool
) -> None:
    facts = model_facts(with_calibration(level, slope))
    assert facts.supports_percent(7, load_report_settings().percent_within) is is_supported
    assert not facts.supports_percent(14, 2.0)


def test_without_support_bands_stand_alone_and_with_it_percentages_and_points(given: Given) -> None:
    bare = render_html(build_report(**given))
    assert "No percentages" in bare and "Percentage points" not in bare
    assert "(interval raised to high)" in bare or "(interval usual to high)" in bare
    full = build_report(**{**given, "model": with_calibration((0.8, 1.3), (0.6, 1.4))})
    page = render_html(full)
    row = full.flags[0].row
    assert full.told(row, 7).startswith(f"{100 * row.probability:.1f} % (")
    assert full.told(row, 7) in page.replace("\u00a0", " ") and "Percentage points, about" in page


def test_confidence_tells_athletes_apart_where_a_doubt_concerns_everybody(given: Given) -> None:
    found = build_report(**{**given, "model": model((0.56, 0.47, 0.65))})
    assert {row.confidence.grade for row in found.rows} == {"low"}
    assert len({row.confidence.own for row in found.rows}) > 1
    page, table = render_html(found), render_csv(found).decode("utf-8-sig")
    for row in found.rows:
        assert f"Apart from that, which concerns everybody: {row.confidence.own}." in row.confidence.details
        assert f"Low. {row.confidence.details}" in table
    first = found.flags[0].row.confidence
    assert first.beside_note in plain(page)
    assert replace(first, own="fair", reasons=("x",)).beside_note == (
        "Low as for everybody (see the note on top); apart from that, fair: x."
    )
    assert replace(first, own="low", reasons=("x",)).beside_note == (
        "Low, not only as for everybody (see the note on top): x."
    )


def plain(page: str) -> str:
    return page.replace("\u00a0", " ").replace("&#39;", "'")


@pytest.mark.parametrize(
    ("lower", "upper", "said", "own"),
    [
        (0.005, 0.02, ("the interval reaches from usual to raised",), "fair"),
        (0.005, 0.05, ("the interval reaches from usual to high",), "low"),
        (0.02, 0.05, (), "good"),
    ],
)
def test_a_wide_interval_is_told_once_and_takes_a_step_for_each_of_its_doubts(
    given: Given, lower: float, upper: float, said: tuple[str, ...], own: str
) -> None:
    settings, ranking = load_report_settings(), "better"
    run = run_at(given["predictions"], given["as_of"], 7, "7")
    item = replace(run.scored[0], lower=lower, upper=upper, share_missing=0.1)
    found = confidence(item, (), 0.011, ranking, settings)
    assert (found.reasons, found.own, found.grade) == (said, own, own)


@pytest.mark.parametrize(("place", "is_doubted"), [(0, True), (1, False), (2, False)])
def test_confidence_falls_with_an_uncertain_first_reason_and_not_with_a_later_one(
    given: Given, report: WeeklyReport, place: int, is_doubted: bool
) -> None:
    row = report.flags[0].row
    raising = [share for share in row.shares if share.is_raising and share.factor.modifiable]
    shares = tuple(replace(share, steadiness=0.4 if share is raising[place] else 0.9) for share in row.shares)
    item = replace(
        run_at(given["predictions"], given["as_of"], 7, "7").scored[0], lower=0.02, upper=0.021, share_missing=0
    )
    found = confidence(item, shares, 0.011, "better", load_report_settings())
    doubts = [reason for reason in found.reasons if "raises it most is uncertain" in reason]
    assert doubts == ([f"what raises it most is uncertain ({raising[0].name})"] if is_doubted else [])


def explained(feature: str, value: float, contribution: float, own: float, squad: float) -> FactorShare:
    """The factor of one measurement alone."""
    spec = SPECS[feature]
    row = {
        "feature": feature, "factor": spec.factor, "contribution": contribution, "value": value, "unit": spec.unit,
        "own_usual_value": own, "own_low_value": NAN, "own_high_value": NAN, "squad_value": squad,
        "training_value": squad, "value_date": pd.Timestamp("2025-06-01"), "reason_missing": None,
    }  # fmt: skip
    explainer = Explainer(SPECS, load_factors(), pd.Timestamp("2025-06-02"))
    return explainer.shares(pd.DataFrame([row]))[0]


@pytest.mark.parametrize(
    ("feature", "value", "contribution", "own", "squad", "name", "said"),
    [
        ("jump_last", 32, 0.2, 34, 39, "Neuromuscular fatigue", "6 % below own usual (32 cm against 34 cm)"),
        ("jump_last", 36, 0.2, 34, 39, "Jump, force and reported fatigue",
         "36 cm, below the squad today (39 cm; above own usual: 34 cm)"),
        ("jump_last", 42, -0.2, 39, 39, "Jump, force and reported fatigue",
         "8 % above own usual (42 cm against 39 cm)"),
        ("hip_abduction_last", 220, 0.2, 218, 268, "Hip strength and gluteal work",
         "220 N, below the squad today (268 N; ordinary for this athlete: 218 N)"),
        ("hip_abduction_last", 260, 0.2, 301, 268, "Weak gluteal activation",
         "14 % below own usual (260 N against 301 N; ordinary for this squad: 268 N)"),
        ("gluteal_dose_28d", 0, 0.2, 12, 9, "Hip strength and gluteal work",
         "0 sets (own usual 12 sets)"),
        ("discomfort_run_14d", 1, 0.2, 0, 0, "Discomfort and soreness", "1 day (own usual 0 days)"),
        ("discomfort_run_14d", 4, 0.2, 0, 0, "Persistent discomfort", "4 days (own usual 0 days)"),
        ("sprint_28d", 1256, 0.2, 934, 700, "Load of the last weeks", "34 % above own usual (1,256 m against 934 m)"),
        ("jump_change", 2, 0.2, NAN, 5, "Jump, force and reported fatigue", "+2 %, below the squad today (+5 %)"),
        ("jump_change", -3, 0.2, NAN, 5, "Jump, force and reported fatigue", "3 % below"),
        ("jump_change", -7, 0.2, NAN, 5, "Neuromuscular fatigue", "7 % below"),
        ("straight_leg_raise_difference", 17, 0.2, 12, 10, "Hamstring range and mobility work",
         "17 % (own usual 12 %)"),
        ("slump_positive", 1, 0.2, 1, 0, "Neural signs and muscle tone",
         "yes (squad today no; ordinary for this athlete: yes)"),
        ("sprint_against_usual", 1.3, -0.2, NAN, 1.6, "Running, braking and match load",
         "1.3 times own usual week, below the squad today (1.6)"),
        ("hamstring_injuries", 2, 0.2, NAN, 1, "Injury history", "2"),
    ],
)  # fmt: skip
def test_a_factor_is_called_by_its_state_only_where_a_measurement_shows_it(
    feature: str, value: float, contribution: float, own: float, squad: float, name: str, said: str
) -> None:
    share = explained(feature, value, contribution, own, squad)
    assert share.name == name
    assert share.leading.text.partition(": ")[2] == said


def test_factors_of_an_earlier_bundle_are_called_by_what_is_shipped_or_their_label() -> None:
    older = {key: value for key, value in load_factors()["recovery"].as_json().items() if key != "measures"}
    reasons = explained("sleep_7d", 8, -0.2, 7, 7).reasons
    assert FactorShare(from_json(older), -0.2, reasons).name == "Sleep, heart rate and recovery"
    assert FactorShare(from_json({**older, "key": "own_one"}), -0.2, reasons).name == "Recovery"


def test_what_is_not_measured_is_no_reason_about_the_athlete(given: Given, report: WeeklyReport) -> None:
    row = report.flags[0].row
    leading = next(share for share in row.shares if share.factor.modifiable)
    why = given["explanations"].copy()
    own = (why["athlete_id"] == row.athlete_id) & (why["feature"] == leading.leading.feature)
    why.loc[own, ["value", "value_date", "reason_missing"]] = [NAN, pd.NaT, "not tested for 120 days"]
    why.loc[own, "contribution"] = 0.8
    found = build_report(**{**given, "explanations": why})
    flag = next(each for each in found.flags if each.row.athlete_id == row.athlete_id)
    raised, _, missing = flag.sentence.partition(". ")
    assert leading.leading.label not in raised and raised.startswith("Raised mostly by: ")
    assert "not measured (not tested for 120 days). The model takes the average" in missing
    page = render_html(found)
    cell = page[page.index('<table class="stack squad"') :].split("</tr>")[1 + found.rows.index(flag.row)]
    assert cell.count('aria-label="not measured:"') == 1
    assert (
        cell.count('<li class="keep"><span class="arrow" role="img" aria-label="not measured:"') == 1
    )  # also on paper
    assert f"<strong>{leading.factor.measures}</strong>" in cell


def test_a_missing_measurement_behind_another_one_is_named_in_the_row(given: Given, report: WeeklyReport) -> None:
    row = report.rows[0]
    share = next(each for each in row.shares if each.factor.modifiable and len(each.reasons) > 1)
    other = next(each for each in share.reasons if each is not share.leading)
    why = given["explanations"].copy()
    own = (why["athlete_id"] == row.athlete_id) & (why["feature"] == other.feature)
    why.loc[own, ["value", "contribution"]] = [NAN, -0.06]
    found = next(
        each for each in build_report(**{**given, "explanations": why}).rows if each.athlete_id == row.athlete_id
    )
    assert row.unmeasured == ""
    assert found.unmeasured == (
        f"Not measured: {other.label}. The model takes the average of those not measured, which moves this score"
    )


@pytest.mark.parametrize(("days", "said"), [(9, "just returned (9 days)"), (28, "just returned (28 days)"), (29, "")])
def test_who_returned_lately_is_said_beside_the_band(given: Given, report: WeeklyReport, days: int, said: str) -> None:
    athlete = report.rows[-1].athlete_id
    back = given["tables"]["returns"].iloc[:1].assign(athlete_id=athlete, date=given["date"] - pd.Timedelta(days=days))
    found = build_report(**{**given, "tables": {**given["tables"], "returns": back}})
    row = next(each for each in found.rows if each.athlete_id == athlete)
    assert row.returned == said
    for page in (render_html(found), render_csv(found).decode("utf-8-sig")):
        assert ("the model knows few such days" in page) is bool(said)


@pytest.mark.parametrize(
    ("squad", "usual", "is_lowest", "said"),
    [
        (2.5, 0.8, False, "high for this squad, ordinary for this athlete"),
        (2.5, 0.8, True, ""),
        (1.2, 2.1, True, "ordinary for this squad, high for this athlete"),
        (3.0, 2.1, False, ""), (1.2, 0.9, False, ""), (2.5, NAN, False, ""), (NAN, 2.5, False, ""),
        (2.5, 0.3, False, ""),
    ],
)  # fmt: skip
def test_where_squad_and_own_usual_disagree_the_score_says_so(
    squad: float, usual: float, is_lowest: bool, said: str
) -> None:
    assert standing(Comparison(squad, usual, 0.0, 0.01, ()), 1.5, is_lowest) == said


def test_a_source_that_some_never_had_is_told_once_and_is_no_gap(given: Given) -> None:
    tables = dict(given["tables"])
    for name in ("coverage", "wearable_days"):
        rows = tables[name]
        never = rows["athlete_id"].isin(["P01", "P02"])
        tables[name] = rows[~(never & (rows["table"] == "wearable_days"))] if name == "coverage" else rows[~never]
    found = build_report(**{**given, "tables": tables})
    assert found.never == (NeverRecorded("wearable", ("P01", "P02")),)
    assert "Wearable: never recorded for 2 of" in render_html(found)
    assert not any("never" in note for item in found.gaps for note in item.gap.silent)


def test_fixed_facts_are_ranked_among_themselves_and_say_so(report: WeeklyReport) -> None:
    assert "90 % (among fixed facts)" in plain(render_html(report))


def test_the_disclaimer_stands_before_what_another_week_would_say(given: Given) -> None:
    page = render_html(build_report(**given, ask=answer(False, ())))
    assert 0 < page.index("no claim that the risk would follow") < page.index("No plausible change of next week")


def answer(reaches: bool, moves: tuple[Move, ...]) -> Callable[[str, float], Counterfactual]:
    return lambda _athlete, limit: Counterfactual(limit, 2 * limit, limit / 2 if reaches else 2 * limit, moves)


def test_another_next_week_is_told_as_what_the_score_would_say(given: Given) -> None:
    sprint = next(lever for lever in load_what_if().levers if lever.key == "sprinting")
    moves = (Move(sprint, 0.5, 1240.0, 820.0),)
    report = build_report(**given, ask=answer(True, moves))
    page = next(page for page in report.pages if page.account.row.band.key == "high")
    label = SPECS["sprint_7d"].label
    assert page.what_if == (
        f"If next week is like the last one, the score would say high; with {label}: 820 m instead of 1,240 m, "
        "it would say raised."
    )
    assert "no advice, and no claim that the risk would follow" in render_html(report)
    none = build_report(**given, ask=answer(False, ()))
    assert all(page.what_if.startswith("No plausible change of next week") for page in none.pages[: len(none.flags)])
    bands = load_report_settings().bands
    itself = in_words(Counterfactual(0.02, 0.01, 0.01, ()), bands[1], bands[0], SPECS)
    assert itself == "If next week is like the last one, the score would say usual."


def test_an_earlier_versions_explanations_are_told_without_references(given: Given) -> None:
    old = given["explanations"].drop(columns=["usual_contribution", "steadiness", "squad_value", "training_value"])
    row = build_report(**{**given, "explanations": old}).rows[0]
    assert all(math.isnan(share.steadiness) and math.isnan(share.against_usual) for share in row.shares)


def test_a_cited_threshold_names_its_people_and_which_side_the_measurement_is_on() -> None:
    nordic = load_thresholds()["nordic_mean_last"]
    spec = SPECS["nordic_mean_last"]
    assert nordic.in_words(spec, 240).startswith("Below 256 N, cited for Australian football, men")
    assert nordic.in_words(spec, 256).startswith("Not past 256 N, cited for")
    asymmetry = load_thresholds()["nordic_asymmetry"]
    assert asymmetry.in_words(SPECS["nordic_asymmetry"], 15).startswith("At or above 15 %, cited for rugby union, men")
    assert set(load_thresholds()) <= set(SPECS)


def test_a_wrong_threshold_is_named(tmp_path: Path) -> None:
    (tmp_path / "thresholds.toml").write_text(
        '[age]\nvalue = 30\nside = "over"\npopulation = ""\neffect = ""\nreference = ""\n'
    )
    with pytest.raises(ConfigError, match=r"thresholds.toml, \[age\]: side is 'over'"):
        load_thresholds(tmp_path)


def test_false_alerts_have_the_interval_of_the_precision() -> None:
    assert false_alerts(wilson(0, 12), 10) == "no flag has been followed by an injury yet"
    assert false_alerts(wilson(1, 4), 10) == "3 (too few to say more)"
    assert false_alerts(wilson(2, 20), 10) == "9 (95 % interval 2.3 to 34.9)"


def test_factors_of_the_chart_hold_all_contributions_of_each_day(given: Given, report: WeeklyReport) -> None:
    why = given["explanations"]
    page = report.pages[0]
    own = why[(why["athlete_id"] == page.account.row.athlete_id) & (why["as_of"] == given["as_of"])]
    drawn = [dict(track.points).get(pd.Timestamp(given["date"]), 0.0) for track in page.timeline.tracks]
    assert len(drawn) == 6 and sum(drawn) == pytest.approx(own["contribution"].sum())
    assert len(page.timeline.scores) > 12
