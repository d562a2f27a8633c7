"""What the club keeps on file: athletes, injuries and returns, and which sources were in use when."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.data import with_superseded_at
from pipelines.simulation.calendar import Flags, Ints
from pipelines.simulation.life import Life
from pipelines.simulation.people import POSITIONS
from pipelines.simulation.recording import (
    EVENING,
    FIRST_KNOWN,
    Times,
    at,
    at_minute,
    contract_frame,
    delayed,
    names,
)
from pipelines.simulation.settings import Settings

COVERED = ("sessions", "wellness", "interventions", "injuries")
CLEARANCE = (8 * 60, 11 * 60)
CLUB = "club"


def athletes_table(life: Life, settings: Settings) -> pd.DataFrame:
    """Everyone as known on joining, and once more with the last day for those who left."""
    who = life.people
    left = np.flatnonzero(who.end < len(life.days))
    row = np.concatenate([np.arange(len(who)), left])
    last = life.days[who.end[left] - 1]
    leaving = at_minute(last, EVENING[1])
    columns = {
        "athlete_id": names(who, row),
        "known_at": np.concatenate([_joined(life, np.arange(len(who))), leaving]),
        "squad": np.array([squad.name for squad in settings.squads])[who.squad[row]],
        "birth_date": who.birth_day[row],
        "sex": np.where(who.female, "female", "male")[row],
        "dominant_leg": np.where(who.right_footed, "right", "left")[row],
        "position": POSITIONS[who.position[row]],
        "left_date": np.concatenate([np.full(len(who), np.datetime64("NaT", "D")), last]),
    }
    return contract_frame("athletes", columns, life.days[-1])


def injury_tables(life: Life, settings: Settings, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Injuries at their onset, those of the years before included, and the returns from those that ended."""
    every = _all_injuries(life)
    onset = life.days[0] + every["day"].to_numpy()
    identifier = np.char.add(
        np.char.add(life.people.ids[every["athlete"]], "-I"),
        every["number"].astype(str).str.zfill(2).to_numpy(dtype=str),
    )
    happened = delayed(at(onset, (20 * 60, 22 * 60 + 30), rng), 0.08, 1, rng)
    past = every["past"].to_numpy()
    columns = {
        "injury_id": identifier,
        "athlete_id": names(life.people, every["athlete"].to_numpy()),
        "date": onset,
        "known_at": np.where(past, _joined(life, every["athlete"].to_numpy()), happened),
        "side": np.where(every["right"], "right", "left"),
        "setting": np.where(past, "unknown", np.where(every["in_match"], "match", "training")),
        "is_recurrence": every["is_recurrence"].to_numpy(),
        **_kinds(every["kind"].to_numpy(), settings),
    }
    injuries = contract_frame("injuries", columns, life.days[-1])
    return injuries, _returns(life, every, identifier, onset, rng)


def _all_injuries(life: Life) -> pd.DataFrame:
    """Earlier and simulated injuries in order of athlete and day, numbered per athlete."""
    past, now = life.people.past, life.onsets
    columns = ("athlete", "day", "kind", "duration_d", "right")
    before = pd.DataFrame({name: getattr(past, name) for name in columns}).assign(past=True, in_match=False)
    since = pd.DataFrame({name: getattr(now, name) for name in columns}).assign(past=False, in_match=now.in_match)
    every = pd.concat([before, since]).sort_values(["athlete", "day"], kind="stable", ignore_index=True)
    every["number"] = every.groupby("athlete").cumcount() + 1
    every["is_recurrence"] = every.groupby(["athlete", "kind", "right"]).cumcount() > 0
    return every


def _kinds(kind: Ints, settings: Settings) -> dict[str, npt.NDArray[np.object_]]:
    hamstring = {
        "body_area": "thigh",
        "tissue": "muscle",
        "muscle_group": "hamstring",
        "ligament": "",
        "contact": "none",
        "mode_of_onset": "sudden",
    }
    known = [hamstring, *(vars(each) for each in settings.other_injuries)]
    return {name: np.array([row[name] or None for row in known], dtype=object)[kind] for name in hamstring}


def _returns(
    life: Life, every: pd.DataFrame, identifier: npt.NDArray[np.str_], onset: Times, rng: np.random.Generator
) -> pd.DataFrame:
    """Clearances: those before the data are known on joining, the others that same morning."""
    athlete, past = every["athlete"].to_numpy(), every["past"].to_numpy()
    position = (every["day"] + every["duration_d"]).to_numpy()
    cleared = onset + every["duration_d"].to_numpy()
    ended: Flags = past | (position < life.people.end[athlete])
    columns = {
        "injury_id": identifier[ended],
        "athlete_id": names(life.people, athlete[ended]),
        "date": cleared[ended],
        "known_at": np.where(past, _joined(life, athlete), at(cleared, CLEARANCE, rng))[ended],
    }
    return contract_frame("returns", columns, life.days[-1])


def coverage_table(life: Life, nights: pd.DataFrame) -> pd.DataFrame:
    """The club's own records, kept while an athlete is a member; wearables from first to last night."""
    worn = nights.groupby("athlete_id", as_index=False).agg(
        source=("source", "first"),
        first_date=("date", "min"),
        last_date=("date", "max"),
        known_at=("known_at", "min"),
    )
    return with_superseded_at(pd.concat([_club_coverage(life), worn.assign(table="wearable_days")]), "coverage")


def _club_coverage(life: Life) -> pd.DataFrame:
    athlete = np.tile(np.arange(len(life.people)), len(COVERED))
    columns = {
        "athlete_id": names(life.people, athlete),
        "table": np.repeat(COVERED, len(life.people)),
        "source": np.full(len(athlete), CLUB),
        "first_date": life.days[life.people.first[athlete]],
        "last_date": life.days[life.people.end[athlete] - 1],
        "known_at": _joined(life, athlete),
    }
    return contract_frame("coverage", columns, life.days[-1])


def _joined(life: Life, athlete: Ints) -> Times:
    joined: Times = at_minute(life.days[life.people.first[athlete]], FIRST_KNOWN)
    return joined
