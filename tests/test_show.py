"""One athlete's explanation at a terminal: percentages by the report's rule, its references where there is room."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from models import odds
from pipelines import show
from pipelines.daily import Explained
from serving.report import load_report_settings
from tests.report_fixture import MONDAY, SPECS, arguments, model
from tests.trained import small_bundle

GOOD = (0.63, 0.54, 0.72)


def explained(horizons: tuple[int, ...] = ()) -> Explained:
    """The fixture's first athlete, by a model whose calibration supports percentages at these horizons."""
    given = arguments(athletes=2)
    now = given["predictions"].query("date == @MONDAY and not abstained")
    athlete = now["athlete_id"].iloc[0]
    rows = given["explanations"].query("athlete_id == @athlete and as_of == @now['as_of'].iloc[0]")
    log_odds = odds.log_odds(now["probability"].to_numpy())
    told = now.assign(log_odds=log_odds, base_log_odds=log_odds - rows["contribution"].sum(), squad_log_odds=0.0)
    size = {"n_rows": 1, "n_events": 1, "n_athletes": 1, "model": "model", "value": 1.0, "lower": 0.8, "upper": 1.3}
    more = [
        {"horizon_days": days, "name": name, **size}
        for days in horizons
        for name in ("observed_expected", "calibration_slope")
    ]
    metrics = [each for each in model(GOOD)["metrics"] if each["name"] != "calibration_slope"]
    figures = {
        "base_rates": model(GOOD)["base_rates"],
        "verdict": [],
        "evaluation": {"metrics": [*metrics, *more]},
    }
    bundle = replace(small_bundle(), specs=tuple(SPECS.values()), metrics=figures)
    return Explained(
        told[told["athlete_id"] == athlete], rows, bundle, MONDAY, load_report_settings(), {"overload": 0.1}
    )


def printed(found: Explained, capsys: pytest.CaptureFixture[str]) -> str:
    show.show_explanation(found)
    return capsys.readouterr().out


def test_bands_stand_alone_where_unseen_athletes_support_no_percentage(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(explained(), capsys)
    first = told.splitlines()[0]
    assert first.startswith("7 days: ") and "interval" in first and "%" not in first
    assert not any("%" in line for line in told.splitlines()[:3])
    assert "No percentage at 7, 14, 28 days: calibration on athletes whom the model had not seen" in told
    assert "percentage" not in told.replace("No percentage at", "")


def test_a_percentage_is_told_at_the_horizons_that_support_one_and_points_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = explained((7,))
    told = printed(found, capsys)
    week, fortnight = told.splitlines()[:2]
    chance = found.predictions["probability"].iloc[0]
    assert week.startswith(f"7 days: {100 * chance:.2g} % (") and ", band " in week
    assert "%" not in fortnight
    assert "No percentage at 14, 28 days" in told and "percentage" in told.replace("No percentage at", "")


def test_json_keeps_every_number_and_says_which_may_be_told_as_a_percentage() -> None:
    found = explained((7,))
    content = show.explanation_as_json(found)
    said, factors = content["predictions"], {each["factor"]: each for each in content["factors"]}
    assert factors["overload"]["against_squad"] == pytest.approx(factors["overload"]["contribution"] - 0.1)
    assert sum(each["contribution"] for each in factors.values()) == pytest.approx(
        said[0]["log_odds"] - said[0]["base_log_odds"]
    )
    assert [each["supports_percent"] for each in said] == [True, False, False]
    assert [each["probability"] for each in said] == list(found.predictions["probability"])


def test_the_reports_references_stand_beside_the_odds_where_there_is_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = explained()
    shares = {share.factor.key: share for share in show.shares_of(found)}
    assert shares["overload"].against_squad == pytest.approx(shares["overload"].contribution - 0.1)
    wide = printed(found, capsys)
    assert "squad today" in wide and f" {np.exp(shares['overload'].against_squad):.2f} " in wide
    monkeypatch.setattr(show, "out", lambda: Console(width=show.WIDE - 1, highlight=False))
    assert "squad today ┃" not in printed(found, capsys)


def test_a_typical_score_is_a_band_without_support() -> None:
    bare: Any = show.teller(explained().bundle, load_report_settings())
    full = show.teller(explained((7,)).bundle, load_report_settings())
    assert bare.typical(7, -9.0) == "usual"
    assert bare.typical(7, 0.0) == "high"
    assert full.typical(7, -5.0) == "0.67%"


@pytest.mark.parametrize(("steadiness", "said"), [(0.9, "{name}: "), (0.5, "{name} [uncertain]: "), (0.1, None)])
def test_a_factor_that_few_members_name_is_uncertain_or_not_named(steadiness: float, said: str | None) -> None:
    settings = load_report_settings()
    first, second = (replace(share, contribution=0.5, steadiness=1.0) for share in show.shares_of(explained())[:2])
    told = show.reasons_in_words([first, replace(second, steadiness=steadiness)], settings)
    parts = told.split("; " + second.name.lower())
    assert (len(parts) == 2) == (said is not None)
    assert said is None or said.format(name=second.name.lower()) in told
    assert show.reasons_in_words([replace(first, contribution=0.01)], settings) == "no factor that stands out"
