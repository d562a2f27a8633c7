"""The simulated squad: reproducible, plausible, within the contracts, and with a truth that adds up."""

from __future__ import annotations

import ast
import csv
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configs import SHIPPED
from configs.errors import ConfigError
from features.factors import load_factors
from features.tables import SUPERSEDED_AT, TABLES
from features.validation import validate
from models.gate import load_limits
from pipelines import data
from pipelines.daily import score_day
from pipelines.ingest import ingest
from pipelines.promote import train_and_ask
from pipelines.recipe import load_recipe
from pipelines.simulate import ImpossibleSquad, World, simulate, write_exports, write_truth
from pipelines.simulation.calendar import MATCH, season_days, team_plan
from pipelines.simulation.devices import metres_above
from pipelines.simulation.people import draw_people
from pipelines.simulation.settings import Device, load_settings, planted
from pipelines.simulation.state import first_state, sleep
from pipelines.simulation.truth import by_factor, horizon_shares
from tests.squad import MONDAYS, UNTIL, injured_often, small_model, stored
from tests.squad import NOW as SCORED_AT
from tests.squad import Squad as Stored

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LAST_DAY = pd.Timestamp("2025-06-01")
ROOT = Path(__file__).parents[1]
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
    assert forms.loc[heavy, "fatigue"].mean() > forms.loc[~heavy, "fatigue"].mean() + 0.3
    assert forms.loc[heavy, "soreness"].mean() > forms.loc[~heavy, "soreness"].mean() + 0.2


def hazard_per_hour(world: World) -> pd.Series:
    """Per minute of training, of the days that were only training."""
    done = newest("sessions", world).drop_duplicates(["athlete_id", "date"], keep=False)
    rows = done[done["kind"] == "training"].merge(world.truth, on=["athlete_id", "date"])
    hurt = own_strains(world).set_index(["athlete_id", "date"]).index  # sessions cut short by an injury of any kind
    rows = rows[~rows.set_index(["athlete_id", "date"]).index.isin(hurt)]
    return rows["hazard"] / rows["duration_min"]


def test_switches_change_only_what_they_name() -> None:
    shipped = load_settings()
    off = planted(shipped, effects=False, interactions=True, exposure=True)
    assert (off.effects.scale, off.effects.interaction_scale, off.population.frailty_sd) == (0.0, 0.0, 0.0)
    assert off.hamstring == shipped.hamstring
    single = planted(shipped, effects=True, interactions=False, exposure=True)
    assert single == replace(shipped, effects=replace(shipped.effects, interaction_scale=0.0))
    assert not planted(shipped, effects=True, interactions=True, exposure=False).hamstring.by_exposure
    assert planted(shipped, effects=True, interactions=True, exposure=True) == shipped


@pytest.mark.slow
def test_without_effects_nothing_but_exposure_moves_the_hazard() -> None:
    world = simulate(athletes=40, seasons=1, seed=4, effects=False)
    assert (world.truth[[*load_factors(), *INTERACTIONS, "frailty"]] == 0).all(axis=None)
    assert (world.truth["log_hazard"] == world.truth["base"]).all()
    per_hour = hazard_per_hour(world)
    assert per_hour.quantile(0.99) < 1.0001 * per_hour.quantile(0.01)
    assert 0.8 < world.truth["hazard"].sum() / world.exposure_h * 1000 < 1.25


@pytest.mark.slow
def test_without_effects_and_exposure_every_day_at_risk_is_the_same() -> None:
    world = simulate(athletes=40, seasons=1, seed=4, effects=False, exposure=False)
    at_risk = world.truth["at_risk"]
    assert world.truth.loc[at_risk, "hazard"].min() == world.truth.loc[at_risk, "hazard"].max() > 0
    assert (world.truth.loc[~at_risk, "hazard"] == 0).all()
    ahead = world.truth["date"] <= LAST_DAY - pd.Timedelta(days=28)
    stayed = world.truth["athlete_id"].map(world.truth.groupby("athlete_id")["date"].max()) == LAST_DAY
    oracle = world.truth.loc[at_risk & ahead & stayed, "oracle_28"]
    assert oracle.max() - oracle.min() < 1e-12


@pytest.mark.slow
def test_without_interactions_the_factors_keep_their_own_terms() -> None:
    truth = simulate(athletes=5, seasons=1, seed=4, interactions=False).truth
    assert (truth[INTERACTIONS] == 0).all(axis=None)
    assert (truth[list(load_factors())].std() > 0).sum() >= 13  # five athletes may all lack laxity or history


def test_shares_add_up_to_the_distance_from_the_mean_athlete_day() -> None:
    truth = squad().truth
    share = truth[[f"share_{name}" for name in load_factors()]].sum(axis=1)
    unexplained = truth["frailty"] - truth.loc[truth["at_risk"], "frailty"].mean()
    distance = truth["log_hazard"] - truth.loc[truth["at_risk"], "log_hazard"].mean()
    np.testing.assert_allclose(share + unexplained, distance, atol=1e-9)


def test_an_interaction_is_owed_half_to_either_factor() -> None:
    nothing = {name: np.zeros(2) for name in [*load_factors(), *INTERACTIONS]}
    owed = by_factor(nothing | {"overload": np.array([0.1, 0.2]), "spike_x_return": np.array([0.0, 0.5])})
    assert owed["overload"].tolist() == [0.1, 0.45]
    assert owed["injury_history"].tolist() == [0.0, 0.25]
    assert sum(values.sum() for values in owed.values()) == pytest.approx(0.8)


def test_over_a_horizon_fading_terms_count_less_and_lasting_ones_as_they_stand() -> None:
    truth = squad().truth
    month = horizon_shares(truth, 28, load_settings())
    assert month["share_neuromuscular_fatigue"].std() < 0.5 * truth["share_neuromuscular_fatigue"].std()
    np.testing.assert_allclose(month["share_context"], truth["share_context"], atol=1e-3)
    np.testing.assert_allclose(month[truth["at_risk"]].mean(), 0, atol=1e-9)


def test_after_a_change_of_device_metres_are_counted_from_another_speed() -> None:
    sessions = newest("sessions", middle_squad()).dropna(subset="high_speed_threshold_m_s")
    assert set(zip(sessions["high_speed_threshold_m_s"], sessions["sprint_threshold_m_s"], strict=True)) == {
        (5.5, 7.0),
        (5.0, 6.7),
    }
    matches = sessions[(sessions["kind"] == "match") & (sessions["duration_min"] == 90)]
    by_device = matches.groupby("high_speed_threshold_m_s")["high_speed_distance_m"].mean()
    assert 1.3 < by_device[5.0] / by_device[5.5] < 2.2
    changed = sessions.groupby("athlete_id")["high_speed_threshold_m_s"].nunique()
    assert 0.05 < (changed > 1).mean() < 0.8


def test_a_device_counts_its_own_thresholds_metres_and_interpolates_between() -> None:
    first = Device("A", 5.5, 7.5, 1.0)
    metres = metres_above(
        np.array([5.5, 7.5, 6.5, 6.5]), np.array([400, 400, 400, 0.0]), np.array([100, 100, 100, 0.0]), first
    )
    assert metres.tolist() == [400, 100, 200, 0]


def test_a_journey_home_shortens_the_night_and_tires() -> None:
    settings = load_settings()
    people = draw_people(4, season_days(1, date(2025, 6, 1), settings.calendar), settings, np.random.default_rng(1))
    state = first_state(people, settings)
    far = replace(state, travel_h=np.full(4, 5.0))
    nights = [sleep(each, people, 9, settings.response, np.random.default_rng(2)).sleep_h for each in (state, far)]
    np.testing.assert_allclose(nights[0] - nights[1], 5 * settings.response.travel_costs_sleep)


def test_only_away_matches_have_a_journey() -> None:
    settings = load_settings()
    days = season_days(2, date(2025, 6, 1), settings.calendar)
    plan = team_plan(days, settings.squads[0], settings.calendar, np.random.default_rng(1))
    match = plan.kind[0] == MATCH
    assert (plan.travel_h[0][~match] == 0).all()
    assert 0.3 < (plan.travel_h[0][match] > 0).mean() < 0.7


def test_who_aches_runs_less_fast() -> None:
    world = middle_squad()
    forms = world.tables["wellness"][["athlete_id", "date", "hamstring_discomfort"]]
    done = newest("sessions", world).merge(forms, on=["athlete_id", "date"])
    done = done[done["high_speed_threshold_m_s"] == 5.5]
    fast = done["high_speed_distance_m"] / done.groupby(["athlete_id", "kind"])["high_speed_distance_m"].transform(
        "mean"
    )
    assert fast[done["hamstring_discomfort"] >= 4].mean() < fast[done["hamstring_discomfort"] <= 1].mean() - 0.05


def test_every_number_of_the_simulator_is_cited_or_called_an_assumption() -> None:
    """By a comment on its line, or one on or above the first heading of its section."""
    said: dict[str, bool] = {}
    bare, section, before = [], "", ""
    for line in (SHIPPED / "simulation.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.split("#")[0].strip()
            said.setdefault(section, "#" in line or before.startswith("#"))
        elif re.match(r"\w+ = [-\d]", line) and "#" not in line and not said[section]:
            bare.append(line)
        before = line
    assert bare == []
    assert sum(said.values()) >= 6


def test_an_unknown_setting_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    text = (SHIPPED / "simulation.toml").read_text(encoding="utf-8").replace("frailty_sd =", "frailty =")
    (tmp_path / "simulation.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[population\]: unknown frailty\. Known: .*frailty_sd"):
        load_settings(tmp_path)


def test_an_empty_squad_is_refused() -> None:
    with pytest.raises(ImpossibleSquad, match="0 athletes over 2 seasons"):
        simulate(athletes=0)


@pytest.mark.parametrize("seed", [1, 2])
def test_one_athlete_can_be_simulated_and_written(seed: int, tmp_path: Path) -> None:
    world = simulate(athletes=1, seasons=1, seed=seed)
    assert world.cycles.empty == (seed == 2)
    sources = ["csv", "nordbord", *(["whoop"] if seed == 1 else [])]  # the second wears no device
    assert [export.source for export in write_exports(world, tmp_path)] == sources
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


HASH_OF_ALL_FILES = """
import hashlib, sys, pathlib
from pipelines.simulate import simulate, write_exports, write_truth
folder = pathlib.Path(sys.argv[1])
world = simulate(athletes=4, seasons=1, seed=5)
write_exports(world, folder / "exports")
write_truth(world, folder / "sealed")
found = hashlib.sha256()
for path in sorted(folder.rglob("*.*")):
    found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
sys.stdout.write(found.hexdigest())
"""


@pytest.mark.slow
def test_another_process_with_another_hash_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    hashes = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", HASH_OF_ALL_FILES, str(tmp_path / seed)]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}
        )
        hashes.add(ran.stdout)
    assert len(hashes) == 1


@pytest.mark.slow
def test_a_thousand_athletes_over_three_seasons_take_less_than_a_minute(tmp_path: Path) -> None:
    started = time.process_time()  # of the processor: what else the machine does must not matter
    world = simulate(athletes=1000, seasons=3, seed=1)
    write_exports(world, tmp_path)
    assert time.process_time() - started < 60
    assert len(world.truth) > 900_000


def sees_truth(path: Path) -> list[str]:
    """What of the simulator a module imports, and each place where it says truth in code."""
    seen = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipelines.simul"):
            seen += [alias.name for alias in node.names]
        if isinstance(node, ast.Import):
            seen += [alias.name for alias in node.names if alias.name.startswith("pipelines.simul")]
        if isinstance(node, ast.Attribute) and node.attr == "truth":
            seen.append(".truth")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "truth.parquet" in node.value:
            seen.append("truth.parquet")
    return seen


def test_only_the_recovery_checks_can_reach_the_truth_and_the_demo_only_writes_it() -> None:
    seen = {}
    for package in ("configs", "features", "models", "serving", "pipelines"):
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            if not where.startswith(("pipelines/simulat", "pipelines/verif")):
                seen[where] = sees_truth(path)
    assert seen.pop("pipelines/demo.py") == ["simulate", "write_exports", "write_truth"]
    assert {where: what for where, what in seen.items() if what} == {}


@pytest.mark.slow
def test_training_and_scoring_give_the_same_whatever_the_truth_says(tmp_path: Path) -> None:
    world = simulate(10, 1, 4, folder=injured_often(tmp_path / "simulation"))
    lies = replace(world, truth=world.truth.assign(hazard=1.0, log_hazard=0.0, oracle_14=1.0))
    true, false = (trained_beside(each, tmp_path / name) for name, each in (("true", world), ("false", lies)))
    for one, other in zip(true, false, strict=True):
        assert len(one) > 0
        pd.testing.assert_frame_equal(one, other)


def trained_beside(world: World, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and explanations of a store filled and trained with the truth lying beside the exports."""
    exports = write_exports(world, folder / "exports")
    write_truth(world, folder / "truth")
    store = data.open_store(folder / "store")
    for export in exports:
        ingest(store, export.source, export.path, now=SCORED_AT)
    settings = small_model(folder / "configs")
    train_and_ask(store, load_recipe(settings), UNTIL, SCORED_AT, lambda *_: None, load_limits())
    score_day(store, MONDAYS[0], SCORED_AT)
    return stored(Stored(store.path, settings, folder / "exports"))


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
