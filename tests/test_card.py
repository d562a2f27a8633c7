"""A model card is complete, says nothing that no figure says, and its gates follow the figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from configs.errors import ConfigError, NotReady
from models.card import Card, Facts, Line, Supplied, card_html, card_markdown, load_supplied, model_card
from models.estimator import HorizonModel
from models.participants import case_mix, missing_by_outcome
from models.straight import Scale, Straight
from tests.card_metrics import figure, full_metrics, leak, size
from tests.squad import Squad, strainwatch
from tests.trained import small_bundle

TRIPOD = (
    "1", "2", "3a", "3b", "3c", "4", "5a", "5b", "6a", "6b", "6c", "7", "8a", "8b", "8c", "9a", "9b", "9c",
    "10", "11", "12a", "12b", "12c", "12d", "12e", "12f", "12g", "13", "14", "15", "16", "17", "18a", "18b", "18c",
    "18d", "18e", "18f", "19", "20a", "20b", "20c", "21", "22", "23a", "23b", "24", "25", "26", "27a", "27b", "27c",
)  # fmt: skip
"""The 27 items of TRIPOD+AI with their 52 sub-items."""
SUPPLIED = Supplied(
    context="Weekly planning", intended_users="Physios", user_expertise="Reads an interval", inequalities="None known",
    setting="Football, first division", recorders="Club doctor", testers="Physio", legal_basis="Consent",
    ethics_approval="Board 7", funding="None", conflicts="None", protocol="protocol.pdf", protocol_date="2024-01-31",
    protocol_sha256="e" * 64, registration="OSF", data_availability="On request", code_availability="Public",
    involvement="Players' council",
)  # fmt: skip
PREDICTIONS: dict[str, Any] = {
    "version": "v", "rows": 40, "moments": 1, "first": "2025-03-03", "last": "2025-03-03", "scored": 38, "abstained": 2,
    "reasons": {"injured": 2}, "scored_by": {"model": 38}, "banded": 38, "inside_interval": 38, "median_width": 0.01,
    "with_week_before": 30, "with_squad_rate": 38, "share_missing": 0.1, "explained": 900, "checked": 114,
    "largest_gap": 1e-12, "with_value": 850, "modifiable_with_value": 500, "with_usual": 700, "with_date": 800,
    "outside_range": 17, "with_reason_missing": 50, "with_distance": 38, "median_distance": 0.61, "far_out": 1,
    "decisions": 3, "decided_by": 2, "decided_about": 2, "with_decision": 5,
}  # fmt: skip


def card(change: Callable[[dict[str, Any]], object] | None = None, **facts: Any) -> Card:
    """The card of a bundle whose metrics are full, after `change`."""
    metrics = full_metrics()
    if change:
        change(metrics)
    return model_card(Facts(replace(small_bundle(), metrics=metrics), **{"supplied": SUPPLIED, **facts}))


def line(found: Card, number: str) -> Line:
    return next(each for each in found.lines if each.number == number)


def outcomes_of(found: Card, number: str) -> list[str]:
    return [gate.outcome for gate in line(found, number).answer.gates]


def told(found: Card, number: str) -> str:
    return " ".join(line(found, number).answer.sentences)


def test_every_item_of_tripod_stands_in_a_card_once_and_in_order() -> None:
    found = card()
    in_tripod = [each.number for section in found.sections[:3] for each in section.lines]
    assert in_tripod == list(TRIPOD)
    assert len(TRIPOD) == 52


def test_no_number_stands_twice_in_any_checklist() -> None:
    numbers = [each.number for each in card().lines]
    assert len(numbers) == len(set(numbers))


def test_every_line_has_a_value_with_its_source_or_a_reason() -> None:
    for facts in ({}, {"predictions": PREDICTIONS}, {"supplied": Supplied()}):
        for each in card(**facts).lines:
            assert each.answer.sentences or each.answer.gates, each.number
            assert each.answer.source or each.state != "met", each.number


def test_a_full_training_meets_all_of_tripod_but_what_it_cannot_know() -> None:
    unmet = [each.number for section in card().sections[:3] for each in section.lines if each.state == "not met"]
    assert unmet == ["12d"]  # two squads, and no figures by squad


def test_an_old_bundle_says_that_it_was_trained_before_something_was_recorded() -> None:
    found = card(lambda metrics: metrics.clear())
    assert told(found, "5a") == "This model was trained before where the rows came from was recorded. Train again."
    assert line(found, "10").state == "not met"
    assert line(found, "23a").state == "not met"
    assert line(found, "22").state == "met"


def test_an_evaluation_that_was_impossible_gives_its_reason() -> None:
    verdict = "No evaluation: too little data."
    found = card(lambda metrics: metrics.update(evaluation=None, case_mix=None, verdict=[verdict]))
    assert told(found, "23a") == f"This training could not give the evaluation: {verdict}"
    assert found.headline == (told(found, "23a"),)


def test_what_nobody_supplied_is_printed_as_not_supplied() -> None:
    found = card(supplied=Supplied())
    for number, entry in (("3a", "context"), ("18a", "funding"), ("19", "involvement")):
        assert told(found, number) == f"Not supplied: `{entry}` of card.toml is empty."
        assert line(found, number).state == "not met"
    assert told(card(), "18a") == "None"


def without_interval(metrics: dict[str, Any]) -> None:
    for each in metrics["evaluation"]["metrics"]:
        if (each["name"], each["horizon_days"]) == ("auroc", 14):
            each.update(lower=None, upper=None, reason="no interval: too few athletes have events")


def unhashed(metrics: dict[str, Any]) -> None:
    metrics["provenance"][1]["sha256_of_all"] = None


def failing(name: str, blocks: bool = True) -> Callable[[dict[str, Any]], None]:
    def change(metrics: dict[str, Any]) -> None:
        metrics["leaks"] = [leak(each["name"], each["name"] != name, blocks) for each in metrics["leaks"]]

    return change


def few_of_one_sex(metrics: dict[str, Any]) -> None:
    metrics["evaluation"]["subgroups"][0] = figure("observed_expected", None, 9, by="sex", subgroup="female")


def miscalibrated_sex(metrics: dict[str, Any]) -> None:
    metrics["evaluation"]["subgroups"][0] = figure("observed_expected", 2.2, 30, by="sex", subgroup="female")


def too_few(metrics: dict[str, Any]) -> None:
    metrics["sample_size"] = [size(2000, 40)]


def untold_trials(metrics: dict[str, Any]) -> None:
    del metrics["tuning"]


def late_reports(metrics: dict[str, Any]) -> None:
    metrics["outcomes"]["reported_after_days"]["high"] = 9.0


@pytest.mark.parametrize(
    ("number", "change", "outcome"),
    [
        ("2", without_interval, "failed"),
        ("5a", unhashed, "failed"),
        ("11", failing("missingness"), "failed"),
        ("8a", failing("value_dates"), "failed"),
        ("7", failing("future_rows"), "failed"),
        ("P1", failing("row_spacing"), "failed"),
        ("16", failing("train_against_test", blocks=False), "warning"),
        ("3c", few_of_one_sex, "warning"),
        ("14", miscalibrated_sex, "warning"),
        ("10", too_few, "failed"),
        ("12c", untold_trials, "failed"),
        ("P8", late_reports, "warning"),
    ],
)
def test_a_gate_follows_its_figures(number: str, change: Callable[[dict[str, Any]], None], outcome: str) -> None:
    assert set(outcomes_of(card(), number)) == {"passed"}
    found = card(change)
    assert outcome in outcomes_of(found, number)
    assert line(found, number).state == ("not met" if outcome == "failed" else "met")


def test_a_protocol_that_came_after_the_training_fails_its_gate() -> None:
    trained = small_bundle().trained_at
    for days, outcome in ((0, "passed"), (1, "failed")):
        day = f"{trained + pd.Timedelta(days=days):%Y-%m-%d}"
        assert outcomes_of(card(supplied=replace(SUPPLIED, protocol_date=day)), "18c") == [outcome]
    assert outcomes_of(card(supplied=replace(SUPPLIED, protocol_date="")), "18c") == ["failed"]


def test_a_leak_check_that_could_not_be_made_is_not_passed() -> None:
    def untested(metrics: dict[str, Any]) -> None:
        metrics["leaks"] = [each | {"value": None} for each in metrics["leaks"]]

    assert outcomes_of(card(untested), "11") == ["not checked"]
    assert outcomes_of(card(untested), "8a") == ["passed"]  # no AUROC belongs to it
    assert outcomes_of(card(lambda metrics: metrics.pop("leaks")), "11") == ["not checked"]


def test_failed_gates_become_limitations_and_stand_once_at_the_head() -> None:
    found = card(failing("missingness"))
    assert [gate.sentence for _, gate in found.failed] == ["What missingness says."]
    assert [each.number for each, _ in found.failed] == ["11"]
    assert "What missingness says." in told(found, "26")


def test_probast_says_high_risk_where_a_check_fails_and_unclear_where_one_is_missing() -> None:
    def judged(found: Card, domain: str) -> str:
        summary = next(section.summary for section in found.sections if section.key == "probast")
        return dict(part.split(": ") for part in summary.rstrip(".").split("; "))[domain]

    assert judged(card(), "Predictors") == "no concern found"
    assert judged(card(failing("value_dates")), "Predictors") == "high risk of bias"
    assert judged(card(lambda metrics: metrics.pop("leaks")), "Predictors") == "unclear"


def test_individual_lines_wait_for_predictions_and_then_count_them() -> None:
    assert line(card(), "I3").state == "not applicable"
    assert line(card(predictions={"rows": 0}), "I3").state == "not applicable"
    scored = card(predictions=PREDICTIONS)
    assert told(scored, "I8") == "700 of 900 (78 %) have an own usual value."
    assert told(scored, "I12").startswith("38 of 38 scores say which share of training rows lies nearer")
    assert [outcomes_of(card(predictions=PREDICTIONS | {"far_out": n}), "I12") for n in (1, 2)] == [
        ["passed"], ["warning"],
    ]  # fmt: skip
    assert line(card(predictions=PREDICTIONS | {"with_distance": 0}), "I12").state == "not met"
    assert told(scored, "I14") == (
        "3 decisions of staff about 2 athletes, each with its day and who decided (2 people). "
        "One followed 5 of 38 scores within the week."
    )
    assert line(card(predictions=PREDICTIONS | {"decisions": 0}), "I14").state == "not met"
    assert outcomes_of(scored, "I6") == ["passed"]
    assert outcomes_of(card(predictions=PREDICTIONS | {"largest_gap": 0.1}), "I6") == ["failed"]
    assert outcomes_of(card(predictions=PREDICTIONS | {"inside_interval": 37}), "I3") == ["failed"]
    assert line(scored, "I11").answer.gates[0].sentence.startswith("17 of 850 values (2 %) lie outside")
    assert [outcomes_of(card(predictions=PREDICTIONS | {"outside_range": n}), "I11") for n in (42, 43)] == [
        ["passed"], ["warning"],
    ]  # fmt: skip
    assert line(card(predictions=PREDICTIONS | {"with_value": 0}), "I11").state == "not met"


def test_the_promotion_gate_is_read_from_the_log_line_about_this_version() -> None:
    history = [{"version": 3, "label": small_bundle().version, "aliases": [], "registered_at": "2026-01-02T00:00:00"}]
    entry = {"number": 1, "at": "2026-01-02T00:00:00", "action": "kept", "candidate": 3, "user": "ana", "forced": False,
             "reason": "not shown better", "figures": {"gate": ["slope does not hold 1"]}}  # fmt: skip
    assert line(card(), "V16").state == "not met"
    assert outcomes_of(card(history=history, promotions=[entry]), "V16") == ["failed"]
    passed = entry | {"action": "promoted", "figures": {"gate": []}}
    assert outcomes_of(card(history=history, promotions=[passed]), "V16") == ["passed"]
    back = entry | {"action": "rolled back", "figures": {}}
    assert outcomes_of(card(history=history, promotions=[entry, back]), "V16") == ["failed"]
    assert outcomes_of(card(history=history, promotions=[back]), "V16") == []
    assert outcomes_of(card(history=history, promotions=[entry | {"candidate": 2}]), "V16") == []


def test_a_search_is_counted_with_its_caution() -> None:
    searched = {"trials": 40, "searched": True, "caution": "It looked at the data that judges it."}
    found = card(lambda metrics: metrics.update(tuning=searched))
    assert line(found, "12c").answer.gates[0].sentence == "40 settings tried. It looked at the data that judges it."
    assert told(card(), "P14") == "Nothing was searched here."


def test_straight_effects_are_told_where_the_bags_have_some() -> None:
    bare = replace(small_bundle(), metrics=full_metrics(), models=with_weights(0.0))
    straight = replace(bare, models=with_weights(0.1))
    for number in ("11", "12b", "12c"):
        assert not re.search("[Ss]traight|ridge", told(model_card(Facts(bare, SUPPLIED)), number)), number
        assert re.search("[Ss]traight|ridge", told(model_card(Facts(straight, SUPPLIED)), number)), number
    assert "Straight effects of 1 of them" in told(model_card(Facts(straight, SUPPLIED)), "12b")


def with_weights(weight: float) -> tuple[HorizonModel, ...]:
    """The small bundle's models with a straight effect of their first feature alone."""
    width = len(small_bundle().models[0].bag.feature_names)
    part = Straight(Scale(*((0.0,) * width,) * 3, (1.0,) * width), ((weight, *(0.0,) * (width - 1)),) * 2)
    return tuple(replace(model, bag=replace(model.bag, straight=part)) for model in small_bundle().models)


def test_recording_says_how_many_injuries_lack_a_field() -> None:
    def change(metrics: dict[str, Any]) -> None:
        metrics["outcomes"]["recorded"] |= {"code": 0, "side": 30}
        metrics["outcomes"]["open_twice"] = 1

    found = card(change)
    assert told(found, "R4") == "`code` of the injuries table is recorded of none of 40 injuries."
    assert line(found, "R1").answer.gates[0].sentence == "Side missing for 10 of 40."
    assert outcomes_of(found, "R16") == ["warning", "warning"]
    assert told(found, "R14").startswith("match: 10.00 per 1,000 h (20 in 2,000 h); training: 2.50 per 1,000 h")
    assert told(found, "R15").startswith("70.0 days lost per 1,000 h")


def test_activity_and_imaging_wait_for_a_training_that_counted_them() -> None:
    def earlier(metrics: dict[str, Any]) -> None:
        metrics["outcomes"]["recorded"] = dict.fromkeys(("side", "code"), 40)

    assert [line(card(), number).state for number in ("R9", "R10")] == ["met", "met"]
    assert [line(card(earlier), number).state for number in ("R9", "R10")] == ["not met", "not met"]
    assert told(card(earlier), "R9").endswith("had a column. Train again.")


def test_an_image_without_a_grade_warns() -> None:
    assert outcomes_of(card(), "R10") == ["passed"]
    found = card(lambda metrics: metrics["outcomes"].update(graded=29))
    assert outcomes_of(found, "R10") == ["warning"]
    assert line(found, "R10").answer.gates[0].sentence.startswith("Of 30 injuries with an image 29 carry a grade")


class Balance(HTMLParser):
    """Fails on a tag that is closed out of order; keeps the text, the ids, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.links += [value for key, value in found.items() if key in ("href", "src") and value]
        if tag not in ("meta", "br", "hr", "img", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(text: str) -> Balance:
    page = Balance()
    page.feed(text)
    assert page.open == []
    return page


HOSTILE = "<script>alert('x')</script> & | `code` [a](http://b)\n# no heading"


def hostile(metrics: dict[str, Any]) -> None:
    metrics["participants"]["squads"] = {HOSTILE: 28, "Second": 12}
    metrics["provenance"][0]["source"] = HOSTILE
    metrics["verdict"] = [HOSTILE]


def test_a_page_is_whole_links_lead_within_it_and_nothing_is_fetched() -> None:
    text = card_html(card(predictions=PREDICTIONS))
    page = parsed(text)
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert not re.search(r"https?://|url\(|@import|<script|<img", text)


def test_text_of_others_is_shown_and_never_becomes_markup() -> None:
    found = card(hostile, supplied=replace(SUPPLIED, setting="Football <b>"))
    page = parsed(card_html(found))
    assert "script" not in page.tags
    assert HOSTILE.splitlines()[0] in "".join(page.text)
    markdown = card_markdown(found)
    assert "<script>" not in markdown
    assert "\n# no heading" not in markdown
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows_of(markdown, "| 6a |"))


def rows_of(markdown: str, start: str) -> Iterator[str]:
    found = [row for row in markdown.splitlines() if row.startswith(start)]
    assert found
    return iter(found)


def test_markdown_and_html_say_the_same_of_each_item() -> None:
    found = card(too_few)
    markdown, page = card_markdown(found), " ".join("".join(parsed(card_html(found)).text).split())
    for each in found.lines:
        assert any(row.startswith(f"| {each.number} |") for row in markdown.splitlines()), each.number
        for sentence in each.answer.sentences:
            assert " ".join(sentence.split()) in page, each.number


def test_tables_give_their_headers_a_scope() -> None:
    text = card_html(card())
    assert "<th>" not in text
    assert text.count("<table") == text.count("<caption")


def curves(metrics: dict[str, Any]) -> None:
    metrics["evaluation"]["calibration_curve"] = [
        figure("observed", value, predicted=predicted) for predicted, value in ((0.01, 0.012), (0.02, 0.016))
    ]
    metrics["evaluation"]["decision_curve"] = [
        figure("net_benefit_per_1000", value, of=of, false_alerts_per_injury=alerts)
        for alerts, own in ((30, 0.4), (50, -0.1)) for of, value in (("model", own), ("everybody", -20.0))
    ]  # fmt: skip


def test_curves_are_drawn_from_points_and_told_in_words() -> None:
    found = card(curves)
    calibration, decision = next(section.figures for section in found.sections if section.figures)
    assert calibration.words == "Where 1.00 % were predicted 1.20 % were observed; where 2.00 % were predicted, 1.60 %."
    assert decision.words == (
        "At most 0.40 per 1,000 athlete-days, where 30 needless flags are worth one injury foreseen."
    )
    assert 'class="ideal" d="M66.0 208.0L412.0 12.0"' in calibration.svg  # right risks: from corner to corner
    page = parsed(card_html(found))
    assert "svg" in page.tags
    assert calibration.words in " ".join(page.text)
    assert not any(section.figures for section in card().sections)  # a point is no curve


def test_a_card_names_no_athlete() -> None:
    def change(metrics: dict[str, Any]) -> None:
        metrics["evaluation"]["athletes"] = [{"horizon_days": 7, "athlete_id": "A17-SECRET", "injuries": 1}]

    assert "A17-SECRET" not in card_html(card(change)) + card_markdown(card(change)) + str(card(change).as_json())


def test_card_toml_is_read_and_what_is_wrong_in_it_is_named(tmp_path: Path) -> None:
    assert load_supplied() == Supplied()
    (tmp_path / "card.toml").write_text('funding = "The club"\nprotocol_date = 2024-01-31\n', encoding="utf-8")
    assert load_supplied(tmp_path) == Supplied(funding="The club", protocol_date="2024-01-31")
    for text, named in (
        ('fund = "x"', "unknown fund"),
        ("funding = 3", "funding = 3. Give text"),
        ('protocol_date = "soon"', "'soon' is no day"),
        ('protocol_sha256 = "abc"', "no SHA-256"),
    ):
        (tmp_path / "card.toml").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=re.escape(named)):
            load_supplied(tmp_path)


def test_missing_by_outcome_leaves_out_censored_rows() -> None:
    features = pd.DataFrame({"a": [1.0, None, None, None], "b": [1.0, 1.0, 1.0, None]})
    found = missing_by_outcome(features, pd.Series([1.0, 1.0, 0.0, None]))
    assert found == {"a": [0.5, 1.0], "b": [0.0, 0.0]}


def test_case_mix_compares_tested_rows_with_the_rows_before_them() -> None:
    days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-02-01", "2024-02-02", "2024-02-03"])
    index = pd.DataFrame({"athlete_id": ["a", "b", "a", "b", "b"], "date": days})
    features = pd.DataFrame({"x": [0.0, 2.0, 4.0, 6.0, 99.0], "same": [1.0] * 5})
    labels = pd.DataFrame({"7": [0.0, 1.0, 0.0, 0.0, 1.0]})
    found = case_mix(features, labels, index, [2, 3, 3])
    assert found["shifts"] == pytest.approx({"x": 4 / 2**0.5})
    assert (found["training"]["athlete_days"], found["tested"]["athlete_days"]) == (2, 2)
    assert found["training"]["event_rate"] == {"7": 0.5}


@pytest.mark.slow
def test_the_card_of_a_training_is_written_kept_in_mlflow_and_filled_from_the_store(
    own_squad: Squad, tmp_path: Path
) -> None:
    said = own_squad.score("2025-03-17").scores.predictions
    scored = said.loc[~said["abstained"], "athlete_id"].iloc[0]
    told = ("decide", "Sprints shortened", "--store", own_squad.path, "--athlete", scored, "--date", "2025-03-18")
    assert strainwatch(*told).code == 0
    ran = strainwatch("card", "--store", own_squad.path, "--out", tmp_path / "cards")
    assert ran.code == 0, ran.err
    html, markdown = sorted((tmp_path / "cards").iterdir())
    page, text = parsed(html.read_text(encoding="utf-8")), markdown.read_text(encoding="utf-8")
    assert "10 athletes" in text
    for number in ("I1", "I12", "I14"):
        assert next(rows_of(text, f"| {number} |")).split("|")[3].strip() == "Reported", number
    assert "One followed 1 of " in text
    assert next(rows_of(text, "| 5a |")).split("|")[3].strip() == "Reported"
    assert "item-27c" in page.ids
    kept = next((own_squad.path / "mlflow" / "artifacts").rglob("tables/model_card.csv"))
    assert 'id="item-27c"' in (kept.parents[1] / "model_card.html").read_text(encoding="utf-8")
    assert "10 athletes" in (kept.parents[1] / "model_card.md").read_text(encoding="utf-8")
    logged = pd.read_csv(kept)
    assert [str(item) for item in logged["item"][:52]] == list(TRIPOD)
    again = strainwatch("card", "--store", own_squad.path, "--version", "1", "--out", tmp_path / "again")
    assert again.code == 0
    assert (tmp_path / "again" / html.name).read_bytes() == html.read_bytes()


@pytest.mark.slow
def test_a_version_that_is_not_registered_is_answered_with_those_that_are(squad: Squad) -> None:
    ran = strainwatch("card", "--store", squad.path, "--version", "17")
    assert ran.code == NotReady.exit_code
    assert "no version 17 is registered. Registered: 1 (champion" in ran.err
