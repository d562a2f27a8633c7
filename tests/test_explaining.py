"""`strainwatch explain --background --interactions` and `strainwatch models explain`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from configs.errors import NotReady, WrongArgument
from models.fallback import SCORED_BY as AGE_AND_HISTORY
from models.registry import champion
from pipelines.daily import Explained, explain_athlete
from pipelines.data import read_tables
from pipelines.explaining import Background, TakenApart, background_named, evenly, learnt_from, take_apart
from pipelines.overview import overview
from serving.report.settings import load_report_settings
from serving.score import score
from tests.squad import NOW, Squad, strainwatch

DAY = "2025-03-17"


@pytest.fixture(scope="module")
def explained(squad: Squad) -> Explained:
    """The first athlete whom the model scores on DAY."""
    bundle = champion(squad.path)[0]
    as_of = bundle.target.as_of(pd.DatetimeIndex([DAY]))[0]
    said = score(read_tables(squad.store), as_of, bundle, load_report_settings(), as_of).predictions
    return explain_athlete(squad.store, str(said.loc[said["scored_by"] == "model", "athlete_id"].iloc[0]), DAY, NOW)


def parts(squad: Squad, found: Explained, background: Background | None, pairs: bool = True) -> TakenApart:
    return take_apart(squad.store, found, str(found.predictions["athlete_id"].iloc[0]), background, pairs)


@pytest.mark.slow
@pytest.mark.parametrize("background", [None, *Background])
def test_base_and_factors_add_up_to_the_score_against_every_background(
    squad: Squad, explained: Explained, background: Background | None
) -> None:
    found = parts(squad, explained, background)
    score_of = explained.predictions.set_index("horizon_days")["log_odds"]
    assert [each.days for each in found.horizons] == [7, 14, 28]
    for each in found.horizons:
        assert each.base_log_odds + sum(each.factors.values()) == pytest.approx(score_of[each.days], abs=1e-6)
        assert each.pairs is not None and len(each.pairs) == len(each.factors) * (len(each.factors) - 1) / 2
    assert (found.background_rows == 0) == (background is None)


@pytest.mark.slow
def test_the_background_is_who_it_is_said_to_be(squad: Squad, explained: Explained) -> None:
    rows = {kind: parts(squad, explained, kind, pairs=False).background_rows for kind in Background}
    athletes = read_tables(squad.store)["athletes"].drop_duplicates("athlete_id", keep="last").set_index("athlete_id")
    mates = athletes["squad"] == athletes.loc[explained.predictions["athlete_id"].iloc[0], "squad"]
    assert 1 <= rows[Background.squad] < mates.sum()
    assert 4 <= rows[Background.own] <= 26
    assert rows[Background.training] == len(evenly(learnt_from(read_tables(squad.store), explained.bundle)[1]))


@pytest.mark.slow
def test_days_that_the_model_learnt_from_end_at_its_data_cut(squad: Squad) -> None:
    bundle = champion(squad.path)[0]
    index, values = learnt_from(read_tables(squad.store), bundle)
    assert index["date"].max() <= bundle.data_cut < pd.Timestamp(DAY)
    assert list(values.columns) == [spec.name for spec in bundle.specs]
    assert index.groupby("athlete_id")["date"].diff().dropna().min() >= pd.Timedelta(days=14)


def test_at_most_so_many_rows_are_taken_evenly() -> None:
    rows = pd.DataFrame({"row": range(1000)})
    assert evenly(rows, 200)["row"].tolist() == list(range(0, 1000, 5))
    assert evenly(rows.iloc[:150], 200)["row"].tolist() == list(range(150))


@pytest.mark.slow
def test_who_is_scored_by_age_and_history_has_no_further_parts(squad: Squad, explained: Explained) -> None:
    by_age = replace(explained, predictions=explained.predictions.assign(scored_by=AGE_AND_HISTORY))
    with pytest.raises(NotReady, match=r"athlete 'A\d+' is scored by age and injury history alone"):
        parts(squad, by_age, None)


@pytest.mark.slow
def test_the_command_says_it_in_words_and_in_json(squad: Squad, explained: Explained) -> None:
    athlete = explained.predictions["athlete_id"].iloc[0]
    asked = ("explain", "--store", squad.path, "--athlete", athlete, "--as-of", DAY)
    told = strainwatch(*asked, "--background", "own", "--interactions")
    assert told.code == 0, told.err
    assert "Explained anew with a background: the athlete's own last 26 weeks, same weekday (" in told.out
    assert "Pairs of factors that do more or less together" in told.out or "No two factors do more" in told.out
    written = json.loads(strainwatch(*asked, "--background", "squad", "--json").out)["parts"]
    assert (written["background"], len(written["horizons"])) == ("squad", 3)
    assert "pairs" not in written["horizons"][0]
    plain = json.loads(strainwatch(*asked, "--interactions", "--json").out)["parts"]
    assert plain["background"] == "path-dependent"
    assert set(plain["horizons"][0]["pairs"][0]) == {"one", "other", "effect"}


def test_a_background_by_an_unknown_name_is_a_wrong_argument() -> None:
    assert background_named(None) is None
    assert background_named("own") is Background.own
    with pytest.raises(WrongArgument, match="--background everybody: give one of squad, own, training"):
        background_named("everybody")


@pytest.mark.slow
def test_views_of_a_version_are_written_and_logged_to_its_run(own_squad: Squad, tmp_path: Path) -> None:
    ran = strainwatch("models", "explain", "--store", own_squad.path, "--out", tmp_path / "views", "--against", "1")
    assert ran.code == 0, ran.err
    assert "Version 1 (" in ran.out and "15 pictures and 12 tables in" in ran.out
    names = {path.name for path in (tmp_path / "views").iterdir()}
    assert {"factors_7d.png", "factors_7d.csv", "versions_28d.csv", "pairs_14d.png"} <= names
    logged = {path.name for path in own_squad.path.rglob("explained/*")}
    assert logged == names
    same = pd.read_csv(tmp_path / "views" / "versions_7d.csv")
    assert (same["difference"] == 0).all() and (same["new"] > 0).any()
    with pytest.raises(NotReady, match="version 9 is not registered"):
        overview(own_squad.store, 9, None)
