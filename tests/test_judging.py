"""What an evaluation is given beside a training set: labels as known on a day, groups, baselines' features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from configs.errors import NotReady
from features.tables import empty_tables
from models.baselines import BaselineFeatures
from pipelines.judging import labels_as_known, subgroups, with_weekly
from pipelines.recipe import Recipe, load_recipe
from pipelines.training_set import TrainingSet, assemble
from tests.test_labels import day, injury, known, rows

RECIPE = load_recipe()
LATE = injury(1, "02-20", "03-10")
TOLD = injury(2, "03-20", "03-21")


def tables() -> dict[str, pd.DataFrame]:
    """Two athletes from January to May; A1 was hurt on 20 February, which nobody entered before 10 March."""
    who = [
        {"athlete_id": "A1", "known_at": known("01-01"), "squad": "X", "birth_date": pd.Timestamp("2003-06-01"),
         "sex": "female", "position": "forward"},
        {"athlete_id": "A2", "known_at": known("01-01"), "squad": "X"},
    ]  # fmt: skip
    covered = [
        {"athlete_id": name, "table": "sessions", "source": "test", "first_date": day("01-01"),
         "last_date": day("05-31"), "known_at": known("01-01")} for name in ("A1", "A2")
    ]  # fmt: skip
    return {
        **empty_tables(), "athletes": rows("athletes", *who), "coverage": rows("coverage", *covered),
        "injuries": rows("injuries", LATE, TOLD),
    }  # fmt: skip


def build(index: pd.DataFrame, prepared: object, specs: object) -> pd.DataFrame:
    """Two features that vary: an injury on record (of A1 from 5 February on), and the day of the month."""
    counts = ((index["athlete_id"] == "A1") & (index["date"] > day("02-04"))).astype(float)
    values = {spec.name: np.full(len(index), np.nan) for spec in RECIPE.specs}
    return pd.DataFrame({**values, "muscle_injuries": counts, "load_7d": index["date"].dt.day.astype(float)})


def training(recipe: Recipe = RECIPE, until: str | None = None) -> TrainingSet:
    return assemble(tables(), recipe, None if until is None else day(until), build)


def on(labels: pd.DataFrame, given: TrainingSet, who: str, date: str) -> list[float]:
    chosen = (given.index["athlete_id"] == who) & (given.index["date"] == day(date))
    return list(labels.loc[chosen.to_numpy(), ["7", "14", "28"]].to_numpy()[0])


def test_an_injury_heard_of_late_is_no_event_to_a_training_of_the_days_between() -> None:
    given = training()
    as_known = labels_as_known(given, RECIPE)
    assert on(given.labels, given, "A1", "02-15") == [1, 1, 1]
    assert on(as_known(day("03-09")), given, "A1", "02-15")[:2] == [0, 0]
    assert on(as_known(day("03-11")), given, "A1", "02-15")[:2] == [1, 1]


def test_a_horizon_that_ran_past_the_follow_up_of_that_day_is_unknown() -> None:
    given = training()
    # On the morning of 1 March the data end on 29 February, and three days are allowed for reporting.
    labels = labels_as_known(given, RECIPE)(day("03-01"))
    assert on(labels, given, "A2", "02-20")[0] == 0
    assert np.isnan(on(labels, given, "A2", "02-21")[0])
    assert np.isnan(on(labels, given, "A2", "02-10")[2])


def test_labels_as_known_are_those_that_a_training_until_the_day_before_would_make() -> None:
    given = training()
    for until, cut in (("03-08", "03-09"), ("03-31", "04-01")):
        then = training(until=until)
        now = given.index.merge(then.index.reset_index(names="row"), on=["athlete_id", "date"], how="left")["row"]
        both = now.notna().to_numpy()
        labels = labels_as_known(given, RECIPE)(day(cut))[both]
        assert both.sum() > 60
        np.testing.assert_array_equal(labels.to_numpy(), then.labels.iloc[now[both].astype(int)].to_numpy())


def test_a_training_until_a_day_before_the_data_says_when_they_begin() -> None:
    before = day("01-01") - pd.Timedelta(days=1)
    with pytest.raises(
        NotReady, match=rf"--until {before:%Y-%m-%d} lies before the first day.*{before.year + 1}-01-01"
    ):
        assemble(tables(), RECIPE, before, build)


def test_groups_are_those_of_the_athlete_on_the_day() -> None:
    given = training()
    groups = subgroups(given, BaselineFeatures(history=("muscle_injuries",)))
    assert groups.columns.tolist() == ["sex", "age", "position", "history", "time on record"]

    def of(who: str, date: str) -> list[object]:
        chosen = (given.index["athlete_id"] == who) & (given.index["date"] == day(date))
        return list(groups[chosen.to_numpy()].iloc[0])

    assert of("A1", "02-01") == ["female", "under 21", "forward", "none on record", "first 3 months on record"]
    assert of("A1", "02-05")[3:] == ["previous injury", "first 3 months on record"]
    assert of("A2", "04-01")[3:] == ["none on record", "3 to 12 months on record"]
    unknown = of("A2", "02-01")
    assert pd.isna(unknown[0]) and pd.isna(unknown[1]) and pd.isna(unknown[2])
    assert subgroups(given, BaselineFeatures())["history"].isna().all()


def test_the_weekly_baseline_reads_diaries_of_at_most_seven_days_that_the_model_may_use() -> None:
    given = replace(training(), specs=RECIPE.specs, model_features=[spec.name for spec in RECIPE.specs])
    weekly = with_weekly(BaselineFeatures(), given).weekly
    assert "load_7d" in weekly
    assert not {"load_28d", "age", "hamstring_injuries", "acwr_uncoupled"} & set(weekly)
    assert with_weekly(BaselineFeatures(), replace(given, model_features=["age"])).weekly == ()
