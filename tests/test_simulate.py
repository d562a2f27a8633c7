"""The simulated squad: reproducible, plausible, within the contracts, and with a truth that adds up."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configs.errors import ConfigError
from features.factors import load_factors
from features.tables import SUPERSEDED_AT, TABLES
from features.validation import validate
from pipelines import data
from pipelines.ingest import ingest
from pipelines.simulate import ImpossibleSquad, World, simulate, write_exports, write_truth
from pipelines.simulation.settings import load_settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LAST_DAY = pd.Timestamp("2025-06-01")
INTERACTIONS = ["fatigue_x_eccentric", "spike_x_return"]
SHARED_WHOOP = Path(__file__).parents[2] / "shared" / "data" / "whoop" / "physiological_cycles.csv"

WHOOP_HEADER = (
    "Cycle start time,Cycle end time,Cycle timezone,Recovery score %,Resting heart rate (bpm),"
    "Heart rate variability (ms),Skin temp (celsius),Blood oxygen %,Day Strain,Energy burned (cal),"
    "Max HR (bpm),Average HR (bpm),Sleep onset,Wake onset,Sleep performance %,Respiratory rate (rpm),"
    "Asleep duration (min),In bed duration (min),Light sleep duration (min),Deep (SWS) duration (min),"
    "REM duration (min),Awake duration (min),Sleep need (min),Sleep debt (min),Sleep efficiency %,"
    "Sleep consistency %"
)
NORDBORD_HEADER = (
    "Athlete,Date,L Reps,R Reps,L Max Force (N),R Max Force (N),Max Imbalance (%),L Max Torque (Nm),"
    "R Max Torque (Nm),L Avg Force (N),R Avg Force (N),Avg Imbalance (%),L Max Impulse (Ns),"
    "R Max Impulse (Ns),Impulse Imbalance (%)"
)


@cache
def squad() -> World:
    """One season of thirty athletes, shared by the tests that only read it."""
    return simulate(athletes=30, seasons=1, seed=3)


@cache
def middle_squad() -> World:
    return simulate(athletes=150, seasons=1, seed=9)


@cache
def big_squad(seed: int) -> World:
    return simulate(athletes=400, seasons=2, seed=seed)


def newest(table: str, world: World) -> pd.DataFrame:
    rows = world.tables[table]
    return rows[rows[SUPERSEDED_AT].isna()]


def own_strains(world: World) -> pd.DataFrame:
    """Hamstring strains within the data, without those of the years before."""
    injuries = world.tables["injuries"]
    first = world.tables["coverage"]["first_date"].min()
    return injuries[(injuries["muscle_group"] == "hamstring") & (injuries["date"] >= first)]


def file_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def auroc(score: np.ndarray, happened: np.ndarray) -> float:
    ranks = pd.Series(score).rank().to_numpy()
    cases = int(happened.sum())
    return float((ranks[happened].sum() - cases * (cases + 1) / 2) / (cases * (len(score) - cases)))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    written = {}
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        world = simulate(athletes=8, seasons=1, seed=seed)
        write_exports(world, tmp_path / name / "exports")
        write_truth(world, tmp_path / name / "sealed")
        written[name] = file_bytes(tmp_path / name)
    assert written["first"] == written["again"]
    assert written["first"]["sealed/truth.parquet"] != written["other"]["sealed/truth.parquet"]
    assert written["first"]["exports/contract/sessions.csv"] != written["other"]["exports/contract/sessions.csv"]


def test_the_data_run_from_the_start_of_the_season_to_the_last_day() -> None:
    world = simulate(athletes=3, seasons=1, seed=1, last_day=date(2022, 3, 15))
    assert world.truth["date"].min() == pd.Timestamp("2021-07-01")
    assert world.truth["date"].max() == pd.Timestamp("2022-03-15")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_strains_per_1000_hours_are_near_the_published_incidence(seed: int) -> None:
    world = big_squad(seed)
    incidence = len(own_strains(world)) / world.exposure_h * 1000
    assert 0.7 < incidence < 1.4, f"seed {seed}: {incidence:.2f}"


@pytest.mark.parametrize("table", [name for name in TABLES if name != "injury_reports"])
def test_every_table_meets_its_contract(table: str) -> None:
    rows = squad().tables[table].drop(columns=SUPERSEDED_AT)
    checked = validate(rows, table, now=NOW)
    assert [str(problem) for problem in checked.problems] == []
    assert len(checked.rows) == len(rows) > 0


def test_nothing_is_known_before_its_day_nor_after_the_end_of_the_data() -> None:
    for name, rows in squad().tables.items():
        assert not (rows["known_at"] >= (LAST_DAY + pd.Timedelta(days=1)).tz_localize("UTC")).any(), name
        if "date" in rows:
            assert (rows["known_at"] >= rows["date"].dt.tz_localize("UTC")).all(), name


def test_most_forms_and_nights_are_in_before_a_prediction_at_seven_and_some_are_late() -> None:
    for table in ("wellness", "wearable_days"):
        rows = squad().tables[table]
        by_seven = rows["known_at"] < (rows["date"] + pd.Timedelta(hours=7)).dt.tz_localize("UTC")
        assert by_seven.mean() > 0.9, table
    wellness = squad().tables["wellness"]
    days_late = (wellness["known_at"].dt.tz_localize(None) - wellness["date"]).dt.days
    assert 0.005 < (days_late > 0).mean() < 0.06


def test_a_corrected_session_supersedes_the_wrong_one() -> None:
    sessions = squad().tables["sessions"]
    wrong = sessions[sessions[SUPERSEDED_AT].notna()]
    right = newest("sessions", squad()).set_index("session_id")
    assert len(wrong) > 0
    fixed = right.loc[wrong["session_id"]]
    assert (fixed["distance_m"].to_numpy() < wrong["distance_m"].to_numpy()).all()
    assert list(fixed["known_at"]) == list(wrong[SUPERSEDED_AT])


def test_no_injured_athlete_trains_or_plays_before_clearance() -> None:
    world = squad()
    returns = world.tables["returns"].set_index("injury_id")["date"]
    injuries = world.tables["injuries"]
    spells = injuries.assign(back=injuries["injury_id"].map(returns).fillna(LAST_DAY + pd.Timedelta(days=1)))
    sessions = newest("sessions", world)[["athlete_id", "date", "kind"]]
    pairs = sessions.merge(spells[["athlete_id", "date", "back"]], on="athlete_id", suffixes=("", "_hurt"))
    between = pairs[(pairs["date"] > pairs["date_hurt"]) & (pairs["date"] < pairs["back"])]
    assert set(between["kind"]) == {"rehabilitation"}


def test_a_return_follows_its_injury_and_is_known_on_that_day() -> None:
    world = squad()
    onset = world.tables["injuries"].set_index("injury_id")
    returns = world.tables["returns"]
    hurt = onset.loc[returns["injury_id"]]
    assert (returns["date"].to_numpy() > hurt["date"].to_numpy()).all()
    assert (returns["known_at"].to_numpy() >= hurt["known_at"].to_numpy()).all()
    since = returns["date"] >= world.truth["date"].min()
    assert (returns["known_at"].dt.tz_localize(None).dt.normalize() == returns["date"])[since].all()


def test_injuries_of_the_years_before_are_known_when_the_athlete_joins() -> None:
    world = squad()
    joined = world.tables["athletes"].groupby("athlete_id")["known_at"].min()
    past = world.tables["injuries"][world.tables["injuries"]["setting"] == "unknown"]
    assert len(past) > 5
    assert (past["known_at"] == past["athlete_id"].map(joined)).all()
    assert past["injury_id"].isin(world.tables["returns"]["injury_id"]).all()
    years = (past["known_at"].dt.tz_localize(None) - past["date"]).dt.days / 365.25
    assert years.between(0, 6).all()


def test_nothing_is_recorded_outside_an_athletes_membership() -> None:
    world = middle_squad()
    member = world.truth.groupby("athlete_id")["date"].agg(["min", "max"])
    assert (member["min"] > member["min"].min()).sum() > 3
    assert (member["max"] < LAST_DAY).sum() > 3
    for table in ("sessions", "wellness", "wearable_days", "interventions", "strength_tests", "screenings"):
        rows = world.tables[table]
        assert (rows["date"] >= rows["athlete_id"].map(member["min"])).all(), table
        assert (rows["date"] <= rows["athlete_id"].map(member["max"])).all(), table
    left = newest("athletes", world).set_index("athlete_id")["left_date"].dropna()
    assert (left == member.loc[left.index, "max"]).all()


def test_the_terms_of_the_truth_sum_to_the_log_hazard() -> None:
    truth = squad().truth
    factors = list(load_factors())
    total = truth["base"] + truth["frailty"] + truth[factors + INTERACTIONS].sum(axis=1)
    np.testing.assert_allclose(total, truth["log_hazard"], atol=1e-9)


def test_every_factor_moves_the_true_risk() -> None:
    spread = squad().truth[list(load_factors())].std()
    assert (spread > 0.02).all(), spread[spread <= 0.02].to_dict()


def test_hazard_needs_exposure_and_fitness() -> None:
    truth = squad().truth.set_index(["athlete_id", "date"])
    sessions = newest("sessions", squad())
    exposed = sessions[sessions["kind"].isin(["training", "match"])].set_index(["athlete_id", "date"]).index
    at_rest = truth.loc[truth.index.difference(exposed), "hazard"]
    # Sessions uploaded after the end of the data are missing from the table although they took place.
    assert (at_rest[at_rest.index.get_level_values("date") < LAST_DAY - pd.Timedelta(days=5)] == 0).all()
    assert (truth.loc[exposed, "hazard"] > 0).all()
    assert (truth.loc[~truth["at_risk"], "hazard"] == 0).all()
    assert truth.loc[~truth["at_risk"], "oracle_14"].isna().all()


def test_an_hour_of_match_weighs_several_hours_of_training() -> None:
    sessions = newest("sessions", squad()).merge(squad().truth, on=["athlete_id", "date"])
    by_kind = sessions.groupby("kind")[["hazard", "duration_min"]].sum()
    per_hour = by_kind["hazard"] / by_kind["duration_min"]
    assert 5 < per_hour["match"] / per_hour["training"] < 12


def test_the_oracles_probability_rises_with_the_horizon() -> None:
    oracle = squad().truth.loc[squad().truth["at_risk"], ["oracle_7", "oracle_14", "oracle_28"]]
    assert oracle.notna().all(axis=None)
    assert oracle.min(axis=None) >= 0
    assert oracle.max(axis=None) < 1
    assert oracle["oracle_28"].mean() > 1.5 * oracle["oracle_14"].mean() > 2.2 * oracle["oracle_7"].mean()


@pytest.mark.slow
def test_risk_is_learnable_but_not_certain() -> None:
    world = big_squad(2)
    strains = own_strains(world).rename(columns={"date": "onset"})[["athlete_id", "onset"]]
    rows = world.truth.loc[world.truth["at_risk"], ["athlete_id", "date", "oracle_14"]].sort_values("date")
    rows = rows[rows["date"] <= LAST_DAY - pd.Timedelta(days=14)]
    rows = pd.merge_asof(
        rows,
        strains.sort_values("onset"),
        left_on="date",
        right_on="onset",
        by="athlete_id",
        direction="forward",
    )
    happened = ((rows["onset"] - rows["date"]).dt.days < 14).to_numpy()
    assert 0.70 < auroc(rows["oracle_14"].to_numpy(), happened) < 0.80
    assert 0.8 < rows["oracle_14"].sum() / happened.sum() < 1.25


def test_fatigue_and_soreness_follow_load_within_days() -> None:
    world = squad()
    load = newest("sessions", world).groupby(["athlete_id", "date"])["load_au"].sum()
    forms = world.tables["wellness"].set_index(["athlete_id", "date"])
    yesterday = load.rename(lambda day: day + pd.Timedelta(days=1), level="date").reindex(forms.index).fillna(0)
    heavy = yesterday > 500
    assert forms.loc[heavy, "fatigue"].mean() > forms.loc[~heavy, "fatigue"].mean() + 0.5
    assert forms.loc[heavy, "soreness"].mean() > forms.loc[~heavy, "soreness"].mean() + 0.2


@pytest.mark.slow
def test_without_effects_only_frailty_is_left_and_the_incidence_holds(tmp_path: Path) -> None:
    shipped = Path(load_settings.__code__.co_filename).parents[2] / "configs" / "simulation.toml"
    text = shipped.read_text(encoding="utf-8").replace("scale = 1.0 ", "scale = 0.0 ")
    (tmp_path / "simulation.toml").write_text(text, encoding="utf-8")
    world = simulate(athletes=60, seasons=1, seed=4, folder=tmp_path)
    terms = world.truth[[*load_factors(), *INTERACTIONS]]
    assert (terms == 0).all(axis=None)
    np.testing.assert_allclose(world.truth["log_hazard"], world.truth["base"] + world.truth["frailty"])
    assert 0.8 < world.truth["hazard"].sum() / world.exposure_h * 1000 < 1.25


def test_an_unknown_setting_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    shipped = Path(load_settings.__code__.co_filename).parents[2] / "configs" / "simulation.toml"
    text = shipped.read_text(encoding="utf-8").replace("frailty_sd =", "frailty =")
    (tmp_path / "simulation.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[population\]: unknown frailty\. Known: .*frailty_sd"):
        load_settings(tmp_path)


def test_an_empty_squad_is_refused() -> None:
    with pytest.raises(ImpossibleSquad, match="0 athletes over 2 seasons"):
        simulate(athletes=0)


def test_one_athlete_can_be_simulated_and_written(tmp_path: Path) -> None:
    world = simulate(athletes=1, seasons=1, seed=2)
    assert [export.source for export in write_exports(world, tmp_path)] == ["csv", "nordbord", "whoop"]
    assert set(world.truth["athlete_id"]) == {"A01"}


def test_the_contract_export_has_the_contracts_columns_and_iso_times(tmp_path: Path) -> None:
    contract = write_exports(squad(), tmp_path)[0].path
    names = sorted(path.stem for path in contract.iterdir())
    assert names == sorted(set(TABLES) - {"wearable_days", "injury_reports"})
    for name in names:
        with (contract / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert tuple(rows[0]) == TABLES[name].names
        assert all(row["known_at"].endswith("Z") and len(row["known_at"]) == 20 for row in rows)
    with (contract / "strength_tests.csv").open(encoding="utf-8", newline="") as file:
        assert "nordic" not in {row["protocol"] for row in csv.DictReader(file)}


def test_the_nordbord_export_has_the_vendors_layout(tmp_path: Path) -> None:
    content = write_exports(squad(), tmp_path)[1].path.read_bytes()
    lines = content.decode("utf-8").split("\n")
    assert lines[0] == "\ufeff" + NORDBORD_HEADER
    assert lines[-2:] == ["," * 14, ""]
    first = lines[1].split(",")
    assert first[0] in set(squad().tables["athletes"]["athlete_id"])
    assert datetime.strptime(first[1], "%d/%m/%Y").replace(tzinfo=UTC).year == 2024


def test_the_whoop_export_has_the_vendors_layout_newest_first(tmp_path: Path) -> None:
    folder = write_exports(squad(), tmp_path)[2].path
    worn = squad().tables["wearable_days"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(worn["athlete_id"].unique())
    athlete = worn["athlete_id"].iloc[0]
    lines = (folder / athlete / "physiological_cycles.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == WHOOP_HEADER
    rows = [line.split(",") for line in lines[1:]]
    wakes = [row[13] for row in rows]
    assert wakes == sorted(wakes, reverse=True)
    assert [wake[:10] for wake in wakes[::-1]] == [
        str(day.date()) for day in worn.loc[worn["athlete_id"] == athlete, "date"]
    ]
    assert rows[0][1] == "" and rows[0][8] == ""
    assert rows[1][1] == rows[0][0]
    assert all(row[2] == "UTC+01:00" for row in rows)


def test_the_whoop_header_is_that_of_a_real_export() -> None:
    if not SHARED_WHOOP.exists():
        pytest.skip("real data absent: ../shared/data/whoop")
    assert SHARED_WHOOP.read_text(encoding="utf-8").splitlines()[0] == WHOOP_HEADER


def test_about_seventy_percent_wear_a_device_and_not_every_night() -> None:
    world = middle_squad()
    worn = world.tables["wearable_days"].groupby("athlete_id").size()
    assert 0.6 < len(worn) / 150 < 0.8
    days = world.truth.groupby("athlete_id").size().loc[worn.index]
    assert 0.75 < (worn / days).mean() < 0.97


def test_forms_become_fewer_towards_the_end_of_the_season() -> None:
    world = middle_squad()
    forms = world.tables["wellness"].groupby("date").size()
    days = world.truth.groupby("date").size()
    share = (forms / days).resample("MS").mean()
    assert share[pd.Timestamp("2024-08-01")] > share[pd.Timestamp("2025-04-01")] + 0.1


def test_the_truth_lies_apart_from_the_exports(tmp_path: Path) -> None:
    write_exports(squad(), tmp_path / "exports")
    path = write_truth(squad(), tmp_path / "sealed")
    pd.testing.assert_frame_equal(pd.read_parquet(path), squad().truth)
    assert not [name for name in file_bytes(tmp_path / "exports") if "truth" in name]


def test_the_exports_come_through_the_real_adapters_whole(tmp_path: Path) -> None:
    world = simulate(athletes=8, seasons=1, seed=5)
    store = data.open_store(tmp_path / "store")
    for export in write_exports(world, tmp_path / "exports"):
        result = ingest(store, export.source, export.path, now=NOW, strict=True)
        assert result.quarantined == 0
    stored = data.read_tables(store)
    for table in ("athletes", "sessions", "screenings", "wellness", "interventions", "injuries", "returns"):
        order = [*TABLES[table].key, "known_at"]
        pd.testing.assert_frame_equal(
            stored[table].sort_values(order, ignore_index=True),
            world.tables[table].sort_values(order, ignore_index=True),
        )
    measured = ["athlete_id", "date", "sleep_h", "resting_heart_rate_bpm", "hrv_rmssd_ms"]
    for table, columns in {
        "wearable_days": measured,
        "strength_tests": ["date", "limb", "peak_force_n"],
    }.items():
        pd.testing.assert_frame_equal(
            stored[table][columns].sort_values(columns, ignore_index=True),
            world.tables[table][columns].sort_values(columns, ignore_index=True),
        )
