"""What a score consists of: it adds up from the database alone, horizons and intervals are in order, and silence has a
reason."""

from __future__ import annotations

import dataclasses
import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configs.errors import IntegrityError, NotReady
from features.build import build_features
from features.row_facts import prepare
from features.windows import known_by
from models.bundle import Bundle
from models.recalibration import Recalibration
from models.registry import champion
from pipelines.daily import score_database
from pipelines.data import read_tables
from serving.report.settings import load_report_settings
from serving.score import Scores, score
from serving.store import ScoreStore
from tests.squad import MONDAYS, NOW, Squad

AS_OF = pd.Timestamp(f"{MONDAYS[0]} 07:00", tz="UTC")
MADE_AT = pd.Timestamp(NOW).as_unit("us")


@pytest.fixture(scope="module")
def scored(squad: Squad, tmp_path_factory: pytest.TempPathFactory) -> Squad:
    """The squad with two Mondays scored."""
    own = squad.copy(tmp_path_factory.mktemp("scored") / "store")
    for day in MONDAYS[:2]:
        own.score(day)
    return own


@pytest.fixture(scope="module")
def bundle(squad: Squad) -> Bundle:
    return champion(squad.path)[0]


@pytest.fixture(scope="module")
def scores(squad: Squad, bundle: Bundle) -> Scores:
    return score(read_tables(squad.store), AS_OF, bundle, load_report_settings(), MADE_AT)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ScoreStore]:
    store = ScoreStore(f"sqlite:///{tmp_path / 'scores.db'}")
    yield store
    store.close()


def sql(squad: Squad, query: str) -> pd.DataFrame:
    with closing(sqlite3.connect(squad.path / "strainwatch.db")) as connection:
        return pd.read_sql_query(query, connection)


def test_base_and_contributions_add_up_to_every_stored_score_by_sql_and_parquet_alone(scored: Squad) -> None:
    rows = sql(scored, "SELECT * FROM predictions WHERE NOT abstained")
    sets = sql(scored, "SELECT * FROM explanation_sets")
    key = ["as_of", "model_version", "athlete_id", "horizon_days"]
    why = pd.concat(
        pd.read_parquet(io.BytesIO(each["content"])).assign(as_of=each["as_of"], model_version=each["model_version"])
        for each in sets.to_dict("records")
    )
    total = why.groupby(key)["contribution"].sum().rename("total").reset_index()
    rows = rows.merge(total, on=key, how="left").fillna({"total": 0.0})
    assert len(rows) >= 2 * 3 * 5
    assert sets["rows"].sum() == len(why)
    assert (rows["base_log_odds"] + rows["total"] - rows["log_odds"]).abs().max() < 1e-6
    np.testing.assert_allclose(rows["probability"], 1 / (1 + np.exp(-rows["log_odds"])), rtol=1e-12)


def test_what_differs_from_own_usual_adds_up_to_the_distance_from_the_score_at_own_usual(scores: Scores) -> None:
    key = ["athlete_id", "horizon_days"]
    why = scores.explanations
    apart = (why["contribution"] - why["usual_contribution"]).groupby([why[name] for name in key]).sum()
    said = scores.predictions[scores.predictions["scored_by"] == "model"].set_index(key)
    way = said["log_odds"] - said["usual_log_odds"]
    assert way.abs().max() > 0.01
    assert (way - apart.reindex(way.index, fill_value=0.0)).abs().max() < 1e-5


def test_an_explanation_shows_the_median_of_those_scored_that_morning_and_that_of_the_training_data(
    squad: Squad, bundle: Bundle, scores: Scores
) -> None:
    athletes = scores.predictions.loc[~scores.predictions["abstained"], "athlete_id"].unique()
    index = pd.DataFrame({"athlete_id": athletes, "date": AS_OF.tz_localize(None).normalize(), "as_of": AS_OF})
    index = index.astype({"date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})
    today = build_features(index, prepare(read_tables(squad.store), bundle.target), bundle.specs).values.median()
    shown = scores.explanations.drop_duplicates("feature").set_index("feature")
    np.testing.assert_allclose(shown["squad_value"], today[shown.index], rtol=1e-12)
    learnt = [bundle.feature_summary[name].median for name in shown.index]
    np.testing.assert_allclose(shown["training_value"], learnt, rtol=1e-12)


def test_a_longer_horizon_never_scores_lower_and_every_score_lies_in_its_interval(scored: Squad) -> None:
    rows = sql(scored, "SELECT * FROM predictions WHERE NOT abstained")
    for bound in ("probability", "lower", "upper"):
        wide = rows.pivot_table(bound, ["as_of", "athlete_id"], "horizon_days")
        assert (wide[14] >= wide[7]).all() and (wide[28] >= wide[14]).all(), bound
    assert (rows["lower"] <= rows["probability"]).all() and (rows["probability"] <= rows["upper"]).all()
    assert rows["probability"].between(0, 1, inclusive="neither").all()
    assert (rows["source_horizon"] <= rows["horizon_days"]).all()


def test_who_is_not_scored_has_a_reason_and_neither_a_number_nor_an_explanation(scored: Squad) -> None:
    rows = sql(scored, "SELECT * FROM predictions WHERE abstained")
    assert len(rows) >= 3
    numbers = rows[["probability", "lower", "upper", "log_odds", "base_log_odds", "band"]]
    assert numbers.isna().all(axis=None)
    assert rows["reason"].str.match(r"(injured since|left the squad on|no data|too little measured)").all()
    database = score_database(scored.store)
    why = database.explanations()
    database.close()
    unscored = rows.assign(as_of=pd.to_datetime(rows["as_of"], utc=True))[["as_of", "athlete_id"]]
    assert why.merge(unscored, on=["as_of", "athlete_id"]).empty
    others = sql(scored, "SELECT scored_by, reason FROM predictions WHERE NOT abstained")
    assert (others["reason"].isna() == (others["scored_by"] == "model")).all()


def test_everybody_known_is_listed_once_per_horizon(scores: Scores, squad: Squad) -> None:
    athletes = read_tables(squad.store)["athletes"]
    known = sorted(set(athletes.loc[athletes["known_at"] <= AS_OF, "athlete_id"]) - gone_for_weeks(athletes))
    for horizon, rows in scores.predictions.groupby("horizon_days"):
        assert rows["athlete_id"].tolist() == known, horizon
    assert sorted(scores.predictions["horizon_days"].unique()) == [7, 14, 28]


def gone_for_weeks(athletes: pd.DataFrame) -> set[str]:
    seen = known_by({"athletes": athletes}, AS_OF)["athletes"]
    seen = seen[seen["superseded_at"].isna()]
    return set(seen.loc[seen["left_date"] < AS_OF.tz_localize(None) - pd.Timedelta(days=29), "athlete_id"])


def with_floor(bundle: Bundle, share_missing: float) -> Bundle:
    return dataclasses.replace(bundle, target=dataclasses.replace(bundle.target, abstain_share_missing=share_missing))


def test_one_of_whom_too_little_is_measured_is_scored_by_age_and_history_alone_and_told_how_much_is_missing(
    squad: Squad, bundle: Bundle, scores: Scores
) -> None:
    people = scores.predictions.drop_duplicates("athlete_id").set_index("athlete_id")
    shares = people.loc[~people["abstained"], "share_missing"]
    limit = float(shares.sort_values().iloc[-2])
    worst = str(shares.idxmax())
    assert shares[worst] > limit
    strict = with_floor(bundle, limit)
    found = score(read_tables(squad.store), AS_OF, strict, load_report_settings(), MADE_AT)
    rows = found.predictions[found.predictions["athlete_id"] == worst].set_index("horizon_days")
    reason = f"too little measured: {100 * shares[worst]:.0f} % of the usual measurements are missing"
    assert rows["reason"].tolist() == [reason] * 3
    assert rows["scored_by"].tolist() == ["age and injury history"] * 3
    assert not rows["abstained"].any()
    why = found.explanations[found.explanations["athlete_id"] == worst]
    assert set(why["feature"]) <= {"age", "hamstring_injuries", "muscle_injuries"}
    added = why.groupby("horizon_days")["contribution"].sum()
    np.testing.assert_allclose(rows["base_log_odds"] + added, rows["log_odds"], atol=1e-12)
    others = found.predictions["scored_by"].value_counts()
    assert others.to_dict() == {"model": 3 * (len(shares) - 1), "age and injury history": 3}


def test_one_of_whom_neither_enough_nor_age_nor_history_is_known_is_not_scored(
    squad: Squad, bundle: Bundle, scores: Scores
) -> None:
    people = scores.predictions.drop_duplicates("athlete_id")
    worst = str(people.loc[~people["abstained"]].sort_values("share_missing")["athlete_id"].iloc[-1])
    nobody = dataclasses.replace(with_floor(bundle, -1.0), fallback=())
    found = score(read_tables(squad.store), AS_OF, nobody, load_report_settings(), MADE_AT)
    rows = found.predictions[found.predictions["athlete_id"] == worst]
    assert rows["abstained"].all() and rows["scored_by"].isna().all()
    assert rows["reason"].str.endswith("; neither age nor injury history is known").all()
    assert found.scored == 0 and found.explanations.empty


def newcomers(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables with two athletes of whom nothing is recorded but a birth date, or not even that."""
    athletes = tables["athletes"]
    one = athletes[athletes["superseded_at"].isna()].tail(1)
    known = pd.Timestamp("2025-03-01 05:00", tz="UTC")
    rows = [
        one.assign(athlete_id=name, birth_date=born, known_at=known, left_date=pd.NaT)
        for name, born in (("NEW-1", pd.Timestamp("2001-03-17")), ("NEW-2", pd.NaT))
    ]
    added = pd.concat(rows).astype(one.dtypes.to_dict())
    return {**tables, "athletes": pd.concat([tables["athletes"], added], ignore_index=True)}


def test_an_athlete_without_any_data_is_scored_by_age_if_that_is_known_and_else_not_at_all(
    squad: Squad, bundle: Bundle, scores: Scores
) -> None:
    found = score(newcomers(read_tables(squad.store)), AS_OF, bundle, load_report_settings(), MADE_AT)
    by_athlete = found.predictions.set_index(["athlete_id", "horizon_days"])
    new = by_athlete.loc["NEW-1"]
    assert new["scored_by"].tolist() == ["age and injury history"] * 3
    assert new["reason"].tolist() == ["no data yet"] * 3
    assert (new["lower"] < new["probability"]).all() and (new["probability"] < new["upper"]).all()
    why = found.explanations[found.explanations["athlete_id"] == "NEW-1"]
    age = why[why["feature"] == "age"]
    assert age["value"].round(3).tolist() == [24.0] * len(age)
    unknown = by_athlete.loc["NEW-2"]
    assert unknown["abstained"].all()
    assert unknown["reason"].tolist() == ["no data yet; neither age nor injury history is known"] * 3
    known = found.predictions[~found.predictions["athlete_id"].str.startswith("NEW")].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, scores.predictions.reset_index(drop=True))


def test_a_squads_own_rate_is_a_stated_part_of_the_base_and_everything_still_adds_up(
    squad: Squad, bundle: Bundle, scores: Scores
) -> None:
    tables = newcomers(read_tables(squad.store))
    name = str(tables["athletes"]["squad"].iloc[-1])
    own = tuple(
        Recalibration(name, model.horizon_days, 12, model.bag.base_log_odds, 0.4, 1.5, 0.2) for model in bundle.models
    )
    moved = dataclasses.replace(bundle, recalibrations=own)
    found = score(tables, AS_OF, moved, load_report_settings(), MADE_AT)
    plain = score(tables, AS_OF, dataclasses.replace(bundle, recalibrations=()), load_report_settings(), MADE_AT)
    rows, before = (each.predictions[~each.predictions["abstained"]] for each in (found, plain))
    added = found.explanations.groupby(["athlete_id", "horizon_days"])["contribution"].sum()
    keyed = rows.set_index(["athlete_id", "horizon_days"])
    total = keyed["base_log_odds"] + added.reindex(keyed.index).fillna(0.0)
    np.testing.assert_allclose(total, keyed["log_odds"], atol=1e-9)
    in_squad = rows["athlete_id"].map(tables["athletes"].drop_duplicates("athlete_id", keep="last").set_index(
        "athlete_id")["squad"]) == name  # fmt: skip
    assert in_squad.any() and not in_squad.all()
    assert (rows.loc[~in_squad, "squad_log_odds"] == 0).all()
    pd.testing.assert_frame_equal(rows[~in_squad], before[~in_squad])
    by_age = rows["scored_by"] == "age and injury history"
    assert rows.loc[by_age & in_squad, "squad_log_odds"].tolist() == [0.4] * 3
    np.testing.assert_allclose(
        rows.loc[in_squad, "base_log_odds"] - rows.loc[in_squad, "squad_log_odds"],
        before.loc[in_squad, "base_log_odds"],
        atol=1e-9,
    )


def test_an_explanation_shows_the_feature_as_it_was_built_with_unit_factor_and_day(
    squad: Squad, bundle: Bundle, scores: Scores
) -> None:
    specs = {spec.name: spec for spec in bundle.specs}
    prepared = prepare(read_tables(squad.store), bundle.target)
    for athlete, rows in scores.explanations.groupby("athlete_id"):
        index = pd.DataFrame(
            {"athlete_id": [athlete], "date": [AS_OF.tz_localize(None).normalize()], "as_of": [AS_OF]}
        ).astype({"date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})
        built = build_features(index, prepared, bundle.specs).values.iloc[0]
        assert rows["value"].to_numpy().tobytes() == built[rows["feature"]].to_numpy().tobytes()
    why = scores.explanations
    assert (why["unit"] == why["feature"].map(lambda name: specs[name].unit)).all()
    assert (why["factor"] == why["feature"].map(lambda name: specs[name].factor)).all()
    assert (why["value_date"].dropna() <= AS_OF.tz_localize(None)).all()
    assert why.loc[why["value"].isna(), "reason_missing"].notna().all()
    assert why.loc[why["value"].notna(), "reason_missing"].isna().all()
    assert ((why["contribution"] != 0) | (why["usual_contribution"] != 0)).all()


def test_an_own_usual_value_is_the_median_of_the_same_weekday_of_26_weeks_as_known_then(
    squad: Squad, bundle: Bundle, scores: Scores
) -> None:
    prepared = prepare(read_tables(squad.store), bundle.target)
    rows = scores.explanations[scores.explanations["own_usual_value"].notna()]
    athlete = str(rows["athlete_id"].iloc[0])
    shown = rows[rows["athlete_id"] == athlete].drop_duplicates("feature").set_index("feature")["own_usual_value"]
    values = []
    for week in range(1, 27):
        then = AS_OF - pd.Timedelta(days=7 * week)
        index = pd.DataFrame(
            {"athlete_id": [athlete], "date": [then.tz_localize(None).normalize()], "as_of": [then]}
        ).astype({"date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})
        seen = {name: table[table["known_at"] <= then] for name, table in prepared.items()}
        values.append(build_features(index, seen, bundle.specs).values.iloc[0][shown.index])
    np.testing.assert_allclose(shown, pd.DataFrame(values).median(), rtol=1e-12)


def test_before_anyone_was_known_there_is_nobody_to_score(squad: Squad, bundle: Bundle) -> None:
    with pytest.raises(NotReady, match=r"No athlete was known on 2019-01-07 07:00 UTC\. Ingest athletes first"):
        early = pd.Timestamp("2019-01-07 07:00", tz="UTC")
        score(read_tables(squad.store), early, bundle, load_report_settings(), MADE_AT)


def test_scoring_modifies_no_table(squad: Squad, bundle: Bundle) -> None:
    tables = read_tables(squad.store)
    before = {name: table.copy(deep=True) for name, table in tables.items()}
    score(tables, AS_OF, bundle, load_report_settings(), MADE_AT)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, before[name], check_exact=True)


def test_what_is_saved_is_read_back_unchanged(database: ScoreStore, scores: Scores) -> None:
    database.save(scores.predictions, scores.explanations)
    for found, given, key in (
        (database.predictions(), scores.predictions, ["athlete_id", "horizon_days"]),
        (database.explanations(), scores.explanations, ["athlete_id", "horizon_days", "feature"]),
    ):
        assert set(found) == set(given)
        left = found.sort_values(key, ignore_index=True)
        right = given.sort_values(key, ignore_index=True)[list(found)]
        for name in found:
            both_missing = left[name].isna() & right[name].isna()
            assert ((left[name] == right[name]) | both_missing).all(), name


def test_predictions_and_explanations_land_together_or_not_at_all(database: ScoreStore, scores: Scores) -> None:
    """A row that comes twice fails when all predictions are written."""
    twice = pd.concat([scores.explanations, scores.explanations.tail(1)])
    with pytest.raises(IntegrityError, match="1 rows come twice"):
        database.save(scores.predictions, twice)
    assert (len(database.predictions()), len(database.explanations())) == (0, 0)


def test_a_save_that_fails_keeps_what_was_there(database: ScoreStore, scores: Scores) -> None:
    database.save(scores.predictions, scores.explanations)
    before = database.predictions(), database.explanations()
    with pytest.raises(IntegrityError, match="come twice"):
        database.save(scores.predictions.assign(probability=0.5), pd.concat([scores.explanations, scores.explanations]))
    pd.testing.assert_frame_equal(database.predictions(), before[0], check_exact=True)
    pd.testing.assert_frame_equal(database.explanations(), before[1], check_exact=True)


def test_saving_a_moment_again_replaces_it_and_leaves_other_models_and_moments(
    database: ScoreStore, scores: Scores
) -> None:
    said, why = scores.predictions, scores.explanations
    for version in ("one", "two"):
        database.save(said.assign(model_version=version), why.assign(model_version=version))
    fewer = said[said["horizon_days"] == 7].assign(model_version="two")
    database.save(fewer, why.head(0).assign(model_version="two"))
    stored = database.predictions()
    assert stored["model_version"].value_counts().to_dict() == {"one": len(said), "two": len(fewer)}
    assert database.explanations()["model_version"].unique().tolist() == ["one"]
    assert database.predictions(AS_OF - pd.Timedelta(seconds=1)).empty
    assert len(database.predictions(AS_OF)) == len(stored)
