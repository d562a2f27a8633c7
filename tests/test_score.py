"""What a score consists of: it adds up from SQL alone, horizons and intervals are in order, and silence has a
reason."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy.exc import IntegrityError as DuplicateKey

from configs.errors import NotReady
from features.build import build_features
from features.row_facts import prepare
from features.windows import known_by
from models.bundle import Bundle
from models.registry import champion
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


def test_base_and_contributions_add_up_to_every_stored_score_from_sql_alone(scored: Squad) -> None:
    rows = sql(
        scored,
        """
        SELECT p.log_odds, p.probability, p.base_log_odds + COALESCE(SUM(e.contribution), 0) AS total
        FROM predictions p LEFT JOIN explanations e
          USING (as_of, model_version, athlete_id, horizon_days)
        WHERE NOT p.abstained GROUP BY p.as_of, p.model_version, p.athlete_id, p.horizon_days
        """,
    )
    assert len(rows) >= 2 * 3 * 5
    assert (rows["total"] - rows["log_odds"]).abs().max() < 1e-6
    np.testing.assert_allclose(rows["probability"], 1 / (1 + np.exp(-rows["log_odds"])), rtol=1e-12)


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
    assert sql(
        scored,
        "SELECT COUNT(*) AS n FROM explanations e JOIN predictions p "
        "USING (as_of, model_version, athlete_id, horizon_days) WHERE p.abstained",
    )["n"].tolist() == [0]  # fmt: skip
    others = sql(scored, "SELECT reason FROM predictions WHERE NOT abstained")
    assert others["reason"].isna().all()


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


def test_one_of_whom_too_little_is_measured_is_not_scored_and_told_how_much_is_missing(
    squad: Squad, bundle: Bundle, scores: Scores
) -> None:
    people = scores.predictions.drop_duplicates("athlete_id").set_index("athlete_id")
    shares = people.loc[~people["abstained"], "share_missing"]
    limit = float(shares.sort_values().iloc[-2])
    strict = dataclasses.replace(bundle, target=dataclasses.replace(bundle.target, abstain_share_missing=limit))
    found = score(read_tables(squad.store), AS_OF, strict, load_report_settings(), MADE_AT).predictions
    worst = str(shares.idxmax())
    assert shares[worst] > limit
    reason = f"too little measured: {100 * shares[worst]:.0f} % of the usual measurements are missing"
    assert found.loc[found["athlete_id"] == worst, "reason"].tolist() == [reason] * 3
    newly = set(found.loc[found["abstained"], "athlete_id"]) - set(
        scores.predictions.loc[scores.predictions["abstained"], "athlete_id"]
    )
    assert newly == {worst}


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
    assert (why["contribution"] != 0).all()


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
    """A row that comes twice fails when all predictions and most explanations are written."""
    twice = pd.concat([scores.explanations, scores.explanations.tail(1)])
    with pytest.raises(DuplicateKey):
        database.save(scores.predictions, twice)
    assert (len(database.predictions()), len(database.explanations())) == (0, 0)


def test_a_save_that_fails_keeps_what_was_there(database: ScoreStore, scores: Scores) -> None:
    database.save(scores.predictions, scores.explanations)
    before = database.predictions(), database.explanations()
    with pytest.raises(DuplicateKey):
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
