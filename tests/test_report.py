"""The weekly report: what it says, what it never says, and that it stands by itself."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from configs.errors import ConfigError, IntegrityError, NotReady
from features.specs import DerivedSpec, FeatureSpec, WindowSpec
from models.counterfactual import Counterfactual
from serving.report import WeeklyReport, build_report, load_report_settings, render_html
from serving.report.facts import Metric, instant, model_facts
from serving.report.gaps import squad_sources
from serving.report.outcomes import Judge, onsets_by_athlete, track_record, wilson
from serving.report.render import metric_words, rate_words, told_apart
from serving.report.runs import first_of_weeks, last_week, read_runs
from serving.report.wording import (
    age,
    day_in_text,
    measure,
    not_measured,
    number,
    percent,
    percent_range,
    phrase,
    times_odds,
)
from tests.report_fixture import GONE, INJURED, MONDAY, SILENT, arguments, at, model

TODAY = pd.Timestamp("2025-06-02")
NAN = math.nan


def window(label: str, unit: str, factor: str = "overload", table: str = "sessions") -> WindowSpec:
    return WindowSpec(
        name="x", label=label, factor=factor, unit=unit, direction="0", evidence="assumption",
        reference="assumption", table=table, column="distance_m", aggregate="sum", window_days=7,
    )  # fmt: skip


def derived(label: str, unit: str, derive: str, factor: str = "strength_imbalance") -> DerivedSpec:
    return DerivedSpec(
        name="x", label=label, factor=factor, unit=unit, direction="u", evidence="C",
        reference="assumption", derive=derive, inputs=("a", "b"),
    )  # fmt: skip


def days_ago(days: int) -> pd.Timestamp:
    return TODAY - pd.Timedelta(days=days)


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    return arguments()


@pytest.fixture(scope="module")
def report(given: dict[str, Any]) -> WeeklyReport:
    return build_report(**given)


@pytest.fixture(scope="module")
def html(report: WeeklyReport) -> str:
    return render_html(report)


SPRINT = window("sprint distance, last 7 days", "m")
NORDIC = window("Nordic force, both limbs", "N", "eccentric_control", "strength_tests")


@pytest.mark.parametrize(
    ("spec", "value", "usual", "days", "words"),
    [
        (SPRINT, 1240, 650, 1, "sprint distance, last 7 days: 1.9 times own usual (1,240 m against 650 m)"),
        (SPRINT, 767, 650, 1, "sprint distance, last 7 days: 18 % above own usual (767 m against 650 m)"),
        (SPRINT, 260, 650, 1, "sprint distance, last 7 days: 60 % below own usual (260 m against 650 m)"),
        (SPRINT, 660, 650, 1, "sprint distance, last 7 days: 660 m (about own usual)"),
        (SPRINT, 1240, 0, 1, "sprint distance, last 7 days: 1,240 m (own usual 0 m)"),
        (SPRINT, 1240, NAN, 1, "sprint distance, last 7 days: 1,240 m"),
        (
            NORDIC, 290, 352, 12,
            "Nordic force, both limbs: 18 % below own usual (290 N against 352 N; tested 12 days ago)",
        ),
        (
            derived("Nordic force by side", "%", "signed_asymmetry_pct"), -14, -3, 12,
            "Nordic force by side: right 14 % below left (own usual 3 % below; tested 12 days ago)",
        ),
        (
            derived("Nordic difference between limbs", "%", "asymmetry_pct"), 14.2, 6, 100,
            "Nordic difference between limbs: 14 % (own usual 6 %; tested 3 months ago)",
        ),
        (
            derived("jump height against own baseline", "%", "change_pct"), -7.4, -1, 20,
            "jump height against own baseline: 7 % below (measured 20 days ago)",
        ),
        (
            derived("sprint distance of 7 days as multiple of own usual week", "ratio", "ratio"), 1.93, 1, 1,
            "sprint distance of 7 days: 1.9 times own usual week",
        ),
        (
            derived("high-speed distance, change against the week before", "m", "difference"), 350, -20, 1,
            "high-speed distance, change against the week before: +350 m (own usual −20 m)",
        ),
        (derived("soreness against own usual", "SD", "z_score"), 1.84, 0, 1,
         "soreness against own usual: 1.8 SD above"),
        (window("hamstring discomfort, mean of 7 days", "0-10", "discomfort"), 4.5, 1.2, 1,
         "hamstring discomfort, mean of 7 days: 4.5 of 10 (own usual 1.2 of 10)"),
        (window("slump test positive", "0/1", "neural_sensitisation", "screenings"), 1, 0, 30,
         "slump test positive: yes (tested 30 days ago)"),
        (window("days since the last match", "d"), 1, 4, 1,
         "days since the last match: 1 day (own usual 4 days)"),
        (window("age", "y", "context", "athletes"), 27.4, 27, 400, "age: 27 years"),
        (window("previous hamstring injuries", "count", "injury_history", "injuries"), 2, 2, 140,
         "previous hamstring injuries: 2 (latest 5 months ago)"),
        (window("straight-leg raise, stiffer leg", "deg", "rigidity", "screenings"), 72, 80, 0,
         "straight-leg raise, stiffer leg: 72° (own usual 80°)"),
    ],
)  # fmt: skip
def test_a_measurement_reads_as_a_phrase(spec: FeatureSpec, value: float, usual: float, days: int, words: str) -> None:
    assert phrase(spec, value, usual, days_ago(days), TODAY) == words


def test_a_missing_measurement_reads_as_not_measured_with_its_reason() -> None:
    assert not_measured(NORDIC, "", 0.1).startswith(
        "Nordic force, both limbs: not measured. The model takes the average"
    )
    assert not_measured(NORDIC, "not tested for 120 days", -0.1) == (
        "Nordic force, both limbs: not measured (not tested for 120 days). The model takes the average of those not "
        "measured; this lowers the score and says nothing about the athlete"
    )
    previous = window("days since the last calf strain", "d", "injury_history", "injuries")
    assert not_measured(previous, "none recorded ever", -0.1) == "days since the last calf strain: none recorded ever"


def test_numbers_ages_and_odds_are_written_for_people() -> None:
    assert [number(1234567), number(-0.04, 1), number(-3.5, 1)] == ["1,234,567", "0", "−3.5"]
    assert [age(days_ago(n), TODAY) for n in (0, 1, 12, 100, 800)] == [
        "today", "yesterday", "12 days ago", "3 months ago", "2 years ago",
    ]  # fmt: skip
    assert age(None, TODAY) == ""
    assert [percent(p) for p in (0.00004, 0.0034, 0.034, 0.12, 0)] == [
        "under 0.01 %", "0.34 %", "3.4 %", "12 %", "0 %",
    ]  # fmt: skip
    assert percent_range(0.018, 0.061) == "1.8 to 6.1 %"
    assert times_odds(math.log(1.35)) == "1.35 times the odds"
    assert measure(0.0085, "1/N") == "0.0085 1/N"
    assert day_in_text("injured since 2025-05-12 (known 2025-05-13)") == "injured since 12 May 2025 (known 13 May 2025)"


def test_what_happened_has_a_last_one_and_was_not_measured_that_day() -> None:
    matches = replace(window("matches, last 28 days", "count"), aggregate="count")
    assert phrase(matches, 2, 3, days_ago(17), TODAY).endswith(
        "33 % below own usual (2 against 3; last one 17 days ago)"
    )
    assert phrase(SPRINT, 2, NAN, days_ago(5), TODAY).endswith(": 2 m (last session 5 days ago)")


def test_wilson_agrees_with_published_values() -> None:
    """Newcombe 1998, Stat Med 17:857, table I, method 3: 81 of 263 and 0 of 20."""
    assert (round(wilson(81, 263).lower, 4), round(wilson(81, 263).upper, 4)) == (0.2553, 0.3662)
    assert (wilson(0, 20).lower, round(wilson(0, 20).upper, 4)) == (0.0, 0.1611)


def test_a_rate_over_few_cases_is_a_count() -> None:
    assert rate_words(wilson(1, 4), 10) == "1 of 4 (too few to say more)"
    assert rate_words(wilson(0, 0), 10) == "no cases yet"
    assert rate_words(wilson(2, 20), 10) == "2 of 20 (10 %; 95 % interval 2.8 to 30 %)"


def test_the_file_needs_nothing_from_elsewhere(html: str) -> None:
    for token in ("http:", "https:", "//", "src=", "@import", "url(", "<link", "<iframe"):
        assert token not in html


def test_the_report_never_speaks_of_causes(html: str) -> None:
    text = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.S).lower()
    assert re.findall(r"\bcaus\w*", text) == []
    assert "decision support, not diagnosis" in text


def test_no_feature_or_factor_key_is_shown(given: dict[str, Any], html: str) -> None:
    shown = _Text.of(html)
    keys = [name for name in (*given["specs"], *given["factors"]) if "_" in name]
    assert [key for key in keys if key in shown] == []


def test_every_flagged_athlete_has_a_section_that_the_first_page_links_to(report: WeeklyReport, html: str) -> None:
    assert len(report.flags) == 3
    first = section(html, "attention")
    for flag in report.flags:
        assert section(html, "athletes").count(f'id="{flag.row.anchor}"') == 1
        assert f'href="#{flag.row.anchor}"' in first
        assert flag.sentence.startswith("Raised mostly by: ")


def test_everyone_scored_has_a_page_that_the_squad_table_links_to(report: WeeklyReport, html: str) -> None:
    paged = [page.account.row.athlete_id for page in report.pages]
    flagged = [flag.row.athlete_id for flag in report.flags]
    assert paged == [*flagged, *(row.athlete_id for row in report.rows if not row.is_flagged)]
    anchors = [row.anchor for row in report.rows]
    assert re.findall(r'<a href="#(.*?)"', section(html, "squad")) == anchors
    assert [html.count(f'id="{anchor}"') for anchor in anchors] == [1] * len(anchors)


def test_a_page_without_a_flag_is_folded_for_screens_alone_and_without_the_long_table(
    report: WeeklyReport, html: str
) -> None:
    flagged, others = (section(html, name) for name in ("athletes", "others"))
    unflagged = len(report.rows) - len(report.flags)
    assert '<section id="others" class="screen"' in html and "Injury history" in others
    assert (flagged.count("All measurements of "), others.count("All measurements of ")) == (len(report.flags), 0)
    assert (others.count("<details>"), others.count('class="contrib stack"')) == (unflagged, unflagged)


def test_a_factor_of_small_measurements_shows_the_one_that_leads_and_sums_up_the_others(report: WeeklyReport) -> None:
    factor = report.rows[0].shares[0]

    def told(*contributions: float) -> tuple[list[float], list[float]]:
        reasons = tuple(replace(factor.leading, contribution=each) for each in contributions)
        large, rest = told_apart(replace(factor, contribution=sum(contributions), reasons=reasons))
        return [each.contribution for each in large], [each.contribution for each in rest]

    assert told(0.02, 0.015, 0.01) == ([0.02], [0.015, 0.01])
    assert told(0.2, 0.1, 0.01, -0.02) == ([0.2, 0.1], [-0.02, 0.01])


def test_what_next_week_could_change_is_asked_for_the_flagged_alone(given: dict[str, Any]) -> None:
    asked: list[str] = []

    def ask(athlete: str, limit: float) -> Counterfactual:
        asked.append(athlete)
        return Counterfactual(limit, 2 * limit, 2 * limit, ())

    found = build_report(**given, ask=ask)
    assert asked == [flag.row.athlete_id for flag in found.flags]


def test_a_score_of_the_lowest_band_is_never_told_as_raised_and_asks_for_no_check(report: WeeklyReport) -> None:
    usual = [page.account for page in report.pages if page.account.row.band.rank == 0]
    assert len(usual) > 10
    for account in usual:
        assert account.sentence.startswith(("Raised in part by: ", "Nothing that can be worked on raises this score"))
        assert account.checks == ()
    lowered = next(account for account in usual if " Lowered mostly by: " in account.sentence)
    least = min(lowered.row.shares, key=lambda share: share.contribution)
    assert least.leading.text in lowered.sentence.split(" Lowered mostly by: ")[1]


def test_a_score_that_nothing_moves_says_so(given: dict[str, Any]) -> None:
    why = given["explanations"].assign(contribution=0.0)
    row = build_report(**{**given, "explanations": why}).pages[-1].account
    assert row.sentence == "Nothing that can be worked on raises this score much."


def test_flags_keep_to_the_budget_and_are_the_highest_scores(report: WeeklyReport) -> None:
    assert report.budget == 3 == report.settings.budget(len(report.rows))
    least = min(flag.row.probability for flag in report.flags)
    assert all(row.probability <= least for row in report.rows if not row.is_flagged)


@pytest.mark.parametrize(("scored", "budget"), [(0, 0), (1, 1), (24, 2), (25, 3), (40, 4), (50, 6)])
def test_the_budget_is_rounded_down_and_never_below_one(scored: int, budget: int) -> None:
    assert load_report_settings().budget(scored) == budget


def test_fixed_facts_stand_apart_from_what_can_be_worked_on(report: WeeklyReport) -> None:
    flag = next(flag for flag in report.flags if flag.fixed)
    assert all(fact.startswith(("previous", "age", "days since the last return")) for fact in flag.fixed)
    assert not any(fact in flag.sentence for fact in flag.fixed)
    assert all(check.factor not in ("Injury history", "Context") for check in flag.checks)


def test_who_is_not_scored_is_listed_with_the_reason(report: WeeklyReport, html: str) -> None:
    assert [(item.name, item.reason) for item in report.not_scored] == [
        (INJURED, "injured since 15 May 2025 (known 16 May 2025)"),
        (GONE, "left the squad on 23 May 2025"),
        (SILENT, "no session data since 18 May 2025"),
    ]
    assert "Injured since 15 May 2025" in html
    assert not {row.name for row in report.rows} & {INJURED, GONE, SILENT}


def test_an_athlete_without_any_prediction_is_named(given: dict[str, Any]) -> None:
    rest = given["predictions"][given["predictions"]["athlete_id"] != "P02"]
    found = build_report(**{**given, "predictions": rest})
    assert ("P02", "not part of this morning's run") in [(item.name, item.reason) for item in found.not_scored]


def test_a_squad_of_whom_no_source_tells_any_more_says_since_when(given: dict[str, Any]) -> None:
    later, until = MONDAY + pd.Timedelta(weeks=3), MONDAY - pd.Timedelta(days=1)
    tables = given["tables"]
    assert squad_sources(tables, later, 10).silent_since == until
    assert squad_sources(tables, until + pd.Timedelta(days=10), 10).silent_since is None
    mute = given["predictions"].assign(abstained=True, probability=NAN, lower=NAN, upper=NAN, reason="no data")
    nobody = {**given, "predictions": mute, "explanations": given["explanations"].iloc[:0]}
    old = {
        name: table.assign(last_date=days_ago(30)) if name == "coverage" else table for name, table in tables.items()
    }
    gone = {name: old[name].iloc[:0] for name in ("sessions", "wellness", "wearable_days")}
    text = _Text.of(section(render_html(build_report(**{**nobody, "tables": {**old, **gone}})), "gaps"))
    assert "No daily source of anybody has been heard of since 3 May 2025" in text
    assert "nobody to list" not in text


def test_the_first_page_tells_what_became_of_the_flags_where_any_counts(given: dict[str, Any], html: str) -> None:
    assert "Flags so far that an injury followed" in html
    assert html.index('id="so-far"') < html.index('id="attention"')
    first = given["predictions"][given["predictions"]["date"] == MONDAY]
    assert 'id="so-far"' not in render_html(build_report(**{**given, "predictions": first}))


def test_baselines_without_a_column_are_named_with_the_place_of_their_figures(given: dict[str, Any], html: str) -> None:
    figures = given["model"]["metrics"]
    others = [{**figures[0], "model": name} for name in ("hughes", "weekly_trees")]
    page = render_html(build_report(**{**given, "model": {**given["model"], "metrics": [*figures, *others]}}))
    told = "Hughes 2020 (age, muscle injuries) and Lövdal 2021 (bagged trees, 7 days) stand in the model card."
    assert told in page and told not in html


def test_data_gaps_name_the_source_and_since_when(report: WeeklyReport) -> None:
    gaps = {item.name: item.gap for item in report.gaps}
    assert gaps["P03"].silent == ("wearable: silent since 12 May (21 days)",)
    assert gaps["P05"].silent == ("wellness form: nothing entered since 21 May (12 days)",)
    assert gaps["P02"].silent == ()
    rows = {row.name: row.silent for row in report.rows}
    assert rows["P05"] == gaps["P05"].silent[0] and rows["P02"] == ""
    assert report.sources.absent == ("screenings", "preventive sessions")


@pytest.mark.parametrize(
    ("auroc", "is_warned"),
    [
        ((0.56, 0.47, 0.65), True),
        ((0.6, 0.5, 0.7), True),
        ((0.62, 0.51, 0.7), False),
        ((0.4, 0.3, 0.49), False),
    ],
)
def test_the_chance_warning_stands_iff_the_interval_includes_one_half(
    given: dict[str, Any], auroc: tuple[float, float, float], is_warned: bool
) -> None:
    found = build_report(**{**given, "model": model(auroc)})
    page = render_html(found)
    assert ("The ranking is not shown to be better than chance on this data." in page) is is_warned
    assert ("did worse than chance" in page) is (auroc[2] < 0.5)
    assert all(row.confidence.grade == "low" for row in found.rows) is (auroc[1] <= 0.5)


def test_a_model_without_an_evaluation_says_so(given: dict[str, Any]) -> None:
    bare = {**model((0.6, 0.5, 0.7)), "metrics": [], "verdict": []}
    page = render_html(build_report(**{**given, "model": bare}))
    assert "This model has not been evaluated for 7 days." in page
    assert "This model carries no evaluation for 7 days." in page


def test_figures_stand_beside_every_baseline(html: str) -> None:
    assert "0.63 (0.54 to 0.72)" in html
    for name in ("This model", "Base rate for all", "Age and history", "Logistic regression", "ACWR rule"):
        assert f'<th scope="col">{name}</th>' in html


def test_a_figure_keeps_the_digits_that_tell_it_from_zero() -> None:
    def shown(value: float, lower: float, upper: float) -> str:
        return metric_words(Metric(7, "model", "net_benefit", value, lower, upper, 100, 5, 9))

    assert shown(0.63, 0.54, 0.72) == "0.63 (0.54 to 0.72)"
    assert shown(-0.0012, -0.0027, -0.00001) == "−0.0012 (−0.0027 to 0.0000)"
    assert shown(0.0, 0.0, 0.0) == "0.00 (0.00 to 0.00)"
    assert shown(281.04, NAN, NAN) == "281.0 (no interval)"
    assert metric_words(Metric(7, "model", "warning_days", 4.0, 0.0, 5.0, 100, 5, 9)) == "4 (0 to 5)"
    assert metric_words(None) == "–"


def test_weeks_without_flags_still_count_the_injuries_that_nobody_flagged(given: dict[str, Any]) -> None:
    quiet = given["predictions"].assign(band="usual")
    found = build_report(**{**given, "predictions": quiet})
    page = render_html(found)
    assert (found.record.recall.hits, found.record.recall.n) == (0, 6)
    assert "0 of 6 (too few to say more)" in page
    assert "Nobody was flagged in those weeks." in page


def test_ids_and_names_are_escaped(given: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>"
    flagged = build_report(**given).flags[0].row.athlete_id
    page = render_html(build_report(**{**given, "names": {flagged: evil, INJURED: '"><img>', "P10": evil}}))
    assert evil not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;alert(1)") > 3


def test_names_given_by_the_caller_are_printed(given: dict[str, Any]) -> None:
    found = build_report(**{**given, "names": {INJURED: "Mia Moss"}})
    assert "Mia Moss" in [item.name for item in found.not_scored]


def test_a_week_without_flags_is_said_to_be_no_clearance(given: dict[str, Any]) -> None:
    quiet = given["predictions"].assign(band="usual")
    found = build_report(**{**given, "predictions": quiet})
    assert (found.flags, found.record.flags) == ((), ())
    page = render_html(found)
    assert "Nobody is above the usual band this week" in page
    assert 'id="athletes"' not in page and page.count("<details>") == len(found.rows)


def test_a_morning_on_which_nobody_could_be_scored_has_a_report(given: dict[str, Any]) -> None:
    rows = given["predictions"].assign(
        abstained=True, reason="no session data", probability=NAN, lower=NAN, upper=NAN, band=None
    )
    found = build_report(**{**given, "predictions": rows, "explanations": given["explanations"].iloc[:0]})
    assert (len(found.rows), len(found.not_scored), found.budget) == (0, 36, 0)
    assert "Nobody could be scored this week" in render_html(found)


def test_who_is_scored_by_age_and_history_alone_is_listed_with_the_reason_and_trusted_little(
    given: dict[str, Any],
) -> None:
    athlete = build_report(**given).rows[0].athlete_id
    rows = given["predictions"].copy()
    is_new = (rows["athlete_id"] == athlete) & (rows["as_of"] == given["as_of"])
    rows.loc[is_new, "scored_by"] = "age and injury history"
    rows.loc[is_new, "reason"] = "no data yet"
    found = build_report(**{**given, "predictions": rows})
    assert {row.athlete_id: row.by_history for row in found.rows if row.by_history} == {athlete: "no data yet"}
    assert found.rows[0].confidence.grade == "low"
    assert found.rows[0].confidence.reasons[0] == "scored by age and injury history alone"
    page = render_html(found)
    listed = section(page, "by-history")
    told = re.findall(r'scope="row"><a href="#(.*?)">(.*?)</a></th><td role="cell"><span>(.*?)<', listed)
    assert told == [(found.rows[0].anchor, athlete, "No data yet")]
    assert [section(page, name).count("age and history alone") for name in ("squad", "athletes", "others")] == [1, 1, 0]


def test_a_squad_of_whom_enough_is_measured_has_no_list_of_scores_by_age_and_history(html: str) -> None:
    assert "by-history" not in html
    assert "age and history alone" not in html


def test_a_first_week_has_no_change_and_no_track_record(given: dict[str, Any]) -> None:
    now = given["predictions"][given["predictions"]["as_of"] == given["as_of"]]
    why = given["explanations"][given["explanations"]["as_of"] == given["as_of"]]
    found = build_report(**{**given, "predictions": now, "explanations": why})
    assert {row.change.text for row in found.rows} == {"no score a week ago"}
    assert found.record.precision.n == 0
    assert "nothing to count yet" in render_html(found)


def test_a_morning_without_predictions_is_an_error_that_says_what_to_do(given: dict[str, Any]) -> None:
    with pytest.raises(NotReady, match=r"none at 2025-06-03 05:00 UTC .* Score that date first"):
        build_report(**{**given, "as_of": at(TODAY + pd.Timedelta(days=1)), "date": TODAY})


def test_an_explanation_of_an_unknown_feature_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="the feature 'sprint_7d'"):
        build_report(**{**given, "specs": {k: v for k, v in given["specs"].items() if k != "sprint_7d"}})


def test_the_factors_of_an_athlete_add_up_to_all_contributions(report: WeeklyReport, given: dict[str, Any]) -> None:
    rows = given["explanations"]
    for row in report.rows:
        own = rows[(rows["athlete_id"] == row.athlete_id) & (rows["as_of"] == given["as_of"])]
        assert math.isclose(sum(share.contribution for share in row.shares), own["contribution"].sum(), abs_tol=1e-9)


def test_no_argument_is_modified(given: dict[str, Any]) -> None:
    frames = {"predictions": given["predictions"].copy(), "explanations": given["explanations"].copy()}
    build_report(**given)
    for name, before in frames.items():
        pd.testing.assert_frame_equal(given[name], before)


def test_the_same_input_gives_the_same_bytes(given: dict[str, Any], html: str) -> None:
    shuffled = {name: given[name].sample(frac=1, random_state=3) for name in ("predictions", "explanations")}
    assert render_html(build_report(**{**given, **shuffled})) == html


def test_forty_athletes_stay_under_three_megabytes(html: str) -> None:
    forty = render_html(build_report(**arguments(athletes=40, seed=5)))
    assert len(forty.encode()) < 3_000_000
    assert 100_000 < len(html.encode()) < 3_000_000


def test_the_markup_is_balanced_and_tables_have_headers(html: str) -> None:
    parsed = _Text()
    parsed.feed(html)
    assert parsed.open == []
    assert parsed.tables == parsed.tables_with_headers > 5
    assert all("aria-label" in found or found.get("aria-hidden") == "true" for found in parsed.pictures)


def test_the_head_of_an_injurys_line_lies_over_the_title_and_data_that_it_meets(html: str) -> None:
    found = re.findall(r'<svg class="timeline".*?</svg>', html, re.S)
    marked = [picture for picture in found if 'class="cross"' in picture]
    assert len(marked) > 3
    for picture in marked:
        last_title, first_head = picture.rindex('class="head"'), picture.index('class="cross"')
        assert picture.index('class="hurt"') < picture.index('class="head"') <= last_title < first_head


def section(html: str, name: str) -> str:
    """The section of the page with the id `name`."""
    found = re.search(rf'<section id="{name}".*?</section>', html, re.S)
    assert found is not None
    return found[0]


class _Text(HTMLParser):
    """Visible text, and whether tags are balanced."""

    VOID = ("meta", "br", "rect", "path", "circle", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.tables = self.tables_with_headers = 0

    @classmethod
    def of(cls, html: str) -> str:
        parsed = cls()
        parsed.feed(html)
        return " ".join(parsed.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.tables += tag == "table"
        self.tables_with_headers += tag == "thead"
        if tag == "svg":
            self.pictures.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)


def scored(athlete: str, day: str, probability: float, made: str | None = None, version: str = "7") -> dict[str, Any]:
    date = pd.Timestamp(day)
    return {
        "athlete_id": athlete, "as_of": at(date), "date": date, "model_version": version, "horizon_days": 7,
        "probability": probability, "lower": probability / 2, "upper": probability * 2, "band": "odd",
        "share_missing": 0.0, "abstained": False, "scored_by": "model", "reason": None,
        "made_at": at(pd.Timestamp(made or day)),
    }  # fmt: skip


def judged(
    rows: list[dict[str, Any]],
    onsets: list[tuple[str, str, str]],
    data_cut: str = "2025-03-01",
    recorded_until: str = "2025-06-01",
) -> Any:
    """The track record on 2 June of one-week runs at a base rate of 1 %, at most one flag each."""
    facts = model_facts({**model((0.6, 0.5, 0.7)), "base_rates": {7: 0.01}, "data_cut": data_cut})
    injuries = pd.DataFrame(onsets, columns=["athlete_id", "date", "known_at"])
    injuries = injuries.assign(
        date=pd.to_datetime(injuries["date"]), known_at=pd.to_datetime(injuries["known_at"], utc=True)
    )
    stretch = (pd.Timestamp("2025-01-01"), pd.Timestamp(recorded_until))
    recorded = {row["athlete_id"]: [stretch] for row in rows}
    judge = Judge(load_report_settings(), facts, onsets_by_athlete(injuries), recorded, MONDAY)
    runs = first_of_weeks(read_runs(pd.DataFrame(rows), 7))
    return track_record(runs, judge, {})


@pytest.mark.parametrize(
    ("onset", "known_at", "status"),
    [
        ("2025-05-19", "2025-05-19T18:00", "injured"),
        ("2025-05-25", "2025-05-26T06:00", "injured"),
        ("2025-05-26", "2025-05-26T18:00", "not injured"),
        ("2025-05-18", "2025-05-19T18:00", "not injured"),
        ("2025-05-19", "2025-05-19T05:00", "not injured"),
    ],
)
def test_an_onset_counts_within_the_seven_days_if_it_was_not_known_yet(onset: str, known_at: str, status: str) -> None:
    found = judged([scored("A", "2025-05-19", 0.05)], [("A", onset, known_at)])
    assert [flag.status for flag in found.flags] == [status]


def test_a_flag_whose_week_is_not_over_is_open_and_not_counted() -> None:
    found = judged([scored("A", "2025-05-27", 0.05), scored("A", "2025-05-19", 0.05)], [])
    assert [flag.status for flag in found.flags] == ["open", "not injured"]
    assert (found.precision.hits, found.precision.n) == (0, 1)


@pytest.mark.parametrize(
    ("recorded_until", "status", "counted", "unknown"),
    [
        ("2025-05-25", "not injured", 1, 0),
        ("2025-05-24", "not known", 0, 1),
        ("2025-05-18", "not known", 0, 1),
        ("2024-12-31", "not known", 0, 1),
    ],
)
def test_days_that_nobody_recorded_are_no_days_without_an_injury(
    recorded_until: str, status: str, counted: int, unknown: int
) -> None:
    found = judged([scored("A", "2025-05-19", 0.05)], [], recorded_until=recorded_until)
    assert [flag.status for flag in found.flags] == [status]
    assert (found.precision.n, found.runs, found.unknown) == (counted, counted, unknown)


def test_an_injury_counts_although_nobody_recorded_the_week_to_its_end() -> None:
    onset = ("A", "2025-05-20", "2025-05-20T12:00")
    found = judged([scored("A", "2025-05-19", 0.05)], [onset], recorded_until="2025-05-20")
    assert (found.precision.hits, found.precision.n, found.unknown) == (1, 1, 0)


def test_a_flag_of_days_without_data_says_since_when_and_is_no_flag_without_an_injury(given: dict[str, Any]) -> None:
    coverage = given["tables"]["coverage"]
    ended = coverage.assign(last_date=coverage["last_date"].clip(upper=pd.Timestamp("2025-05-04")))
    found = build_report(**{**given, "tables": {**given["tables"], "coverage": ended}})
    late = [flag for flag in found.record.flags if flag.flagged_on == pd.Timestamp("2025-05-05")]
    assert late and {flag.status for flag in late} <= {"not known", "injured"}
    text = " ".join(_Text.of(section(render_html(found), "outcomes")).split())
    assert "Not known: no data since 4 May 2025" in text
    assert f"{found.record.unknown} flags are left open and count nowhere" in text


def test_precision_and_recall_count_flags_and_injuries() -> None:
    rows = [
        scored("A", "2025-05-19", 0.05),
        scored("B", "2025-05-19", 0.04),
        scored("C", "2025-05-19", 0.001),
    ]
    found = judged(rows, [("A", "2025-05-20", "2025-05-20T12:00"), ("C", "2025-05-21", "2025-05-21T12:00")])
    assert [flag.name for flag in found.flags] == ["A"]
    assert (found.precision.hits, found.precision.n, found.recall.hits, found.recall.n) == (1, 1, 1, 2)
    assert (found.flagged_share, found.injury_share) == (1 / 3, 2 / 3)


def test_a_replay_over_days_that_the_model_learnt_from_is_not_counted() -> None:
    replayed = scored("A", "2025-05-19", 0.05, made="2025-06-01")
    assert judged([replayed], [], data_cut="2025-05-30").precision.n == 0
    assert judged([replayed], [], data_cut="2025-05-19").precision.n == 0
    assert judged([replayed], [], data_cut="2025-05-18").precision.n == 1
    assert judged([{**replayed, "model_version": "6"}], [], data_cut="2025-05-18").precision.n == 0


def test_of_two_scores_for_one_morning_the_first_made_stands() -> None:
    rows = [scored("A", "2025-05-19", 0.05, made="2025-05-30", version="8"), scored("A", "2025-05-19", 0.02)]
    assert [run.predictions["A"].probability for run in read_runs(pd.DataFrame(rows), 7)] == [0.02]


def test_daily_scoring_gives_one_report_per_week_and_compares_with_seven_days_ago() -> None:
    days = pd.date_range("2025-05-12", "2025-06-01")
    runs = read_runs(pd.DataFrame([scored("A", str(day.date()), 0.05) for day in days]), 7)
    assert [run.date.day for run in first_of_weeks(runs)] == [12, 19, 26]
    then = last_week(runs, MONDAY)
    assert then is not None and then.date == pd.Timestamp("2025-05-26")
    assert last_week(runs[:5], MONDAY) is None


def test_a_band_that_the_settings_no_longer_name_is_cut_anew() -> None:
    found = judged([scored("A", "2025-05-19", 0.016)], [])
    assert found.flags[0].band.key == "raised"


def test_instants_without_a_zone_are_utc() -> None:
    assert instant("2025-03-01") == pd.Timestamp("2025-03-01T00:00Z")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("most = 3", "most = 0", r"report.toml, \[alerts\]: most is 0; give a whole number from 1 up"),
        ("reasons = 3", "reason = 3", r"report.toml, \[reading\]: unknown reason. Known: just_returned_days, reasons"),
        ("title =", "titel =", "report.toml: unknown titel"),
        ("from_times_base_rate = 3.0", "from_times_base_rate = 1.0", r"found cut-offs \[0.0, 1.5, 1.0\]"),
        ("too_few_below = 10", "too_few_below = 0", r"report.toml, \[evidence\]: too_few_below is 0; give a number"),
    ],
)
def test_a_wrong_entry_of_the_settings_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    shipped = Path(__file__).parent.parent / "configs" / "report.toml"
    (tmp_path / "report.toml").write_text(shipped.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_report_settings(tmp_path)


def test_numbers_that_an_earlier_versions_file_lacks_are_those_shipped(tmp_path: Path) -> None:
    shipped = (Path(__file__).parent.parent / "configs" / "report.toml").read_text(encoding="utf-8")
    older = re.sub(r"\[stability\].*?(?=\[evidence\])", "", shipped, flags=re.DOTALL)
    older = older.replace("percent_within = 2.0", "").replace("too_few_below = 10", "too_few_below = 7")
    (tmp_path / "report.toml").write_text(older, encoding="utf-8")
    found = load_report_settings(tmp_path)
    assert (found.too_few_below, found.percent_within, found.uncertain_below) == (7, 2.0, 0.6)


def test_bands_are_multiples_of_the_base_rate() -> None:
    settings = load_report_settings()
    assert {band.key: band.from_times_base_rate for band in settings.bands} == {
        "usual": 0.0,
        "raised": 1.5,
        "high": 3.0,
    }
    assert [settings.band_of(p, 0.01).key for p in (0.0149, 0.015, 0.03)] == ["usual", "raised", "high"]
