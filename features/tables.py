"""The data contracts: every table and column that Strainwatch reads, declared once.

A declaration gives type, unit, plausible range, choices and meaning. `validate` checks against it,
docs/data-contracts.md is printed from it, and the simulator draws within it. Times are UTC; `date` is the
athlete's local day. Plausibility limits are engineering judgement (a value outside is quarantined, not
believed); they are no clinical thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

Kind = Literal["id", "text", "choice", "flag", "date", "time", "number"]


@dataclass(frozen=True)
class Column:
    """One column of a contract table.

    `typical` bounds the median of a file's non-zero values: a median outside tells of a wrong unit although
    each value lies within `low` and `high`.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    required: bool = False
    choices: tuple[str, ...] = ()
    typical: tuple[float, float] | None = None
    may_lie_ahead: bool = False
    """A date that may lie in the future."""
    comparable_by: str = ""
    """Rows may be added up only where this other column agrees (devices count from different speeds)."""


@dataclass(frozen=True)
class Table:
    """One contract table. `key` identifies a row; a later row of the same key supersedes the earlier one."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    one_of: tuple[str, ...] = field(default=())
    """At least one of these columns must hold a value in each row."""
    not_above: tuple[tuple[str, str], ...] = field(default=())
    """Pairs of columns whose first may not exceed the second: a part and its whole, a start and its end."""

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def day_column(self) -> str | None:
        """The column with the day that a row is about; None where rows are about no day in particular."""
        return next((name for name in ("date", "first_date") if name in self.names), None)


def _id(name: str, meaning: str) -> Column:
    return Column(name, "id", meaning, required=True)


def _number(
    name: str,
    unit: str,
    low: float,
    high: float,
    meaning: str,
    typical: tuple[float, float] | None = None,
    required: bool = False,
) -> Column:
    return Column(name, "number", meaning, unit=unit, low=low, high=high, typical=typical, required=required)


def _choice(name: str, choices: tuple[str, ...], meaning: str, required: bool = False) -> Column:
    return Column(name, "choice", meaning, choices=choices, required=required)


def _above(speed: str, high: float, typical: tuple[float, float]) -> Column:
    threshold = f"{speed}_threshold_m_s"
    meaning = f"Distance above `{threshold}`."
    name = f"{speed}_distance_m"
    return Column(name, "number", meaning, "m", 0, high, typical=typical, comparable_by=threshold)


def _score(name: str, meaning: str) -> Column:
    return _number(name, "0-10", 0, 10, meaning)


ATHLETE = _id("athlete_id", "Pseudonym of the athlete; never a name.")
DATE = Column("date", "date", "The athlete's local day that the fact is about.", required=True)
KNOWN_AT = Column("known_at", "time", "When this system had the fact (UTC).", required=True)
SOURCE = Column("source", "id", "Device or form that the row comes from.", required=True)
LIMB = _choice("limb", ("left", "right", "both"), "Tested limb.", required=True)

BODY_AREAS = (
    "head", "neck", "shoulder", "upper_arm", "elbow", "forearm", "wrist_hand", "chest", "thoracic_spine",
    "lumbosacral", "abdomen", "hip_groin", "thigh", "knee", "lower_leg", "ankle", "foot", "unknown",
)  # fmt: skip
TISSUES = (
    "muscle", "tendon", "ligament", "bone", "cartilage", "nerve", "skin", "brain", "vessel", "joint", "other",
    "unknown",
)  # fmt: skip

SCREENING_TESTS: Mapping[str, tuple[str, float, float]] = {
    "straight_leg_raise": ("deg", 20, 140),
    "active_knee_extension_deficit": ("deg", 0, 90),
    "passive_knee_extension_deficit": ("deg", 0, 90),
    "slump": ("0/1", 0, 1),
    "beighton": ("0-9", 0, 9),
    "s_mas": ("0-12", 0, 12),
    "single_leg_bridge": ("reps", 0, 80),
    "anterior_pelvic_tilt": ("deg", -20, 45),
    "trunk_side_flexion": ("deg", 0, 40),
    "y_balance_composite": ("%", 50, 140),
    "gluteal_emg": ("%", 0, 400),
    "countermovement_jump": ("cm", 10, 90),
    "rsi_modified": ("m/s", 0.05, 1.5),
    "hamstring_stiffness": ("N/m", 0, 1500),
}
"""Screening tests: unit and plausible range of `value` (ranges: judgement, see docs/data-contracts.md)."""

INTERVENTIONS: Mapping[str, str] = {
    "nordic": "sets",
    "eccentric_other": "sets",
    "gluteal": "sets",
    "mobility": "min",
    "retraining": "min",
    "breathing": "min",
    "recovery": "min",
    "deload": "days",
}
"""Kinds of intervention and the unit of `dose`."""

IMAGING_GRADES = ("0", "0a", "0b", "1", "1a", "1b", "2", "2a", "2b", "2c", "3", "3a", "3b", "3c", "4", "4c")
"""British Athletics Muscle Injury Classification (Pollock et al. 2014, Br J Sports Med 48(18):1347-1351); without a
letter where the report gives none."""

STRENGTH_PROTOCOLS = (
    "nordic", "isometric_knee_flexion", "isokinetic_concentric_hamstring", "isokinetic_eccentric_hamstring",
    "isokinetic_concentric_quadriceps", "hip_extension", "hip_abduction", "hip_adduction", "adductor_squeeze",
)  # fmt: skip

_ALL = (
    Table(
        "athletes",
        "Who can be scored. A correction (a wrong birth date) supersedes the earlier row.",
        ("athlete_id",),
        (
            ATHLETE,
            KNOWN_AT,
            Column("squad", "text", "Squad or team that the athlete trains with.", required=True),
            Column("birth_date", "date", "Day of birth; the first of the month is exact enough."),
            _choice("sex", ("female", "male"), "Sex category that the athlete competes in."),
            _choice("dominant_leg", ("left", "right", "both"), "Kicking or take-off leg."),
            Column("position", "text", "Playing position or event."),
            Column("left_date", "date", "Last day with the squad; empty while a member.", may_lie_ahead=True),
        ),
        not_above=(("birth_date", "left_date"),),
    ),
    Table(
        "sessions",
        "One training session or match. Zero metres is a fact; an empty cell is not.",
        ("session_id",),
        (
            _id("session_id", "Identifies the session of this athlete."),
            ATHLETE,
            DATE,
            KNOWN_AT,
            _choice("kind", ("training", "match", "rehabilitation", "unspecified"), "Kind of session.", True),
            _number("duration_min", "min", 0, 400, "Duration.", (10, 240)),
            _number("rpe", "0-10", 0, 10, "Session rating of perceived exertion, CR-10."),
            _number("load_au", "AU", 0, 4000, "Session-RPE load: rating times minutes.", (30, 2500)),
            _number("distance_m", "m", 0, 60000, "Total distance.", (500, 30000)),
            _above("high_speed", 15000, (15, 8000)),
            _number("high_speed_threshold_m_s", "m/s", 3.5, 8.5, "Threshold of the high-speed distance."),
            _above("sprint", 6000, (3, 3000)),
            _number("sprint_threshold_m_s", "m/s", 5, 9.5, "Threshold of the sprint distance."),
            _number("sprint_count", "count", 0, 300, "Efforts above the sprint threshold."),
            _number("max_speed_m_s", "m/s", 0, 12.5, "Highest speed of the session.", (2.5, 12)),
            _number("acceleration_count", "count", 0, 1000, "Efforts above the device's threshold."),
            _number("deceleration_count", "count", 0, 1000, "Braking efforts beyond the device's threshold."),
            _number("player_load_au", "AU", 0, 4000, "Accelerometer load as the device defines it."),
            _number("masked_load_1", "masked", 0, 1e6, "First load metric of a source that hides its units."),
            _number("masked_load_2", "masked", 0, 1e6, "Second load metric of such a source."),
            _number("masked_load_3", "masked", 0, 1e6, "Third load metric of such a source."),
        ),
        one_of=("duration_min", "load_au", "distance_m", "masked_load_1"),
        not_above=(("high_speed_distance_m", "distance_m"), ("sprint_distance_m", "distance_m")),
    ),
    Table(
        "strength_tests",
        "One strength test of one limb.",
        ("test_id", "limb"),
        (
            _id("test_id", "Identifies the test; both limbs of one test share it."),
            ATHLETE,
            DATE,
            KNOWN_AT,
            _choice("protocol", STRENGTH_PROTOCOLS, "What was tested.", True),
            LIMB,
            _number("peak_force_n", "N", 30, 1500, "Highest force of the test.", (80, 1000)),
            _number("peak_torque_n_m", "N m", 5, 500, "Highest torque of the test.", (15, 400)),
            _number("body_mass_kg", "kg", 30, 180, "Body mass on the test day.", (40, 140)),
            _number("angular_speed_deg_s", "deg/s", 0, 500, "Angular speed of an isokinetic test."),
        ),
        one_of=("peak_force_n", "peak_torque_n_m"),
    ),
    Table(
        "screenings",
        "One result of a clinical or movement screening.",
        ("screening_id", "limb"),
        (
            _id("screening_id", "Identifies the screening; both limbs share it."),
            ATHLETE,
            DATE,
            KNOWN_AT,
            _choice("test", tuple(SCREENING_TESTS), "Which test; it settles the unit of `value`.", True),
            LIMB,
            _number("value", "by test", -1e6, 1e6, "Result in the unit of the test.", required=True),
        ),
    ),
    Table(
        "wearable_days",
        "One night and day of a wearable or sleep diary. The date is the day of waking up.",
        ("athlete_id", "date", "source"),
        (
            ATHLETE,
            DATE,
            KNOWN_AT,
            SOURCE,
            _number("sleep_h", "h", 0, 16, "Time asleep.", (3, 12)),
            _number("sleep_efficiency_pct", "%", 0, 100, "Time asleep as share of time in bed.", (30, 100)),
            _number("resting_heart_rate_bpm", "bpm", 25, 120, "Resting heart rate.", (30, 100)),
            _number("hrv_rmssd_ms", "ms", 3, 300, "Heart-rate variability, rMSSD.", (8, 250)),
            _number("steps", "count", 0, 100000, "Steps of the day."),
            _number("worn_h", "h", 0, 24, "Hours that the device was worn; 0 is not worn."),
        ),
    ),
    Table(
        "wellness",
        "One daily form. Every score runs 0-10 and higher is more of what the column names.",
        ("athlete_id", "date"),
        (
            ATHLETE,
            DATE,
            KNOWN_AT,
            _score("fatigue", "0 fresh, 10 exhausted."),
            _score("soreness", "0 none, 10 worst, whole body."),
            _score("hamstring_discomfort", "0 none, 10 worst, either hamstring."),
            _score("stress", "0 none, 10 extreme."),
            _score("mood", "0 very bad, 10 very good."),
            _score("sleep_quality", "0 very bad, 10 very good."),
            _score("nutrition", "0 poor, 10 as planned."),
            _score("hydration", "0 poor, 10 as planned."),
            _score("readiness", "0 not ready, 10 fully ready to train."),
        ),
    ),
    Table(
        "interventions",
        "One dose of preventive or restorative work.",
        ("intervention_id",),
        (
            _id("intervention_id", "Identifies the dose."),
            ATHLETE,
            DATE,
            KNOWN_AT,
            _choice("kind", tuple(INTERVENTIONS), "What was done; it settles the unit of the dose.", True),
            _number("dose", "by kind", 0, 600, "Dose in the unit of the kind.", required=True),
        ),
    ),
    Table(
        "injuries",
        "One injury at its onset. Days lost are not known then: the clearance is a row of `returns`.",
        ("injury_id",),
        (
            _id("injury_id", "Identifies the injury."),
            ATHLETE,
            DATE,
            KNOWN_AT,
            Column("code", "text", "OSIICS code."),
            _choice("body_area", BODY_AREAS, "Body area after the IOC consensus of 2020.", True),
            _choice("tissue", TISSUES, "Tissue after the IOC consensus of 2020.", True),
            _choice("muscle_group", ("hamstring", "quadriceps", "adductor", "calf", "other", "unknown"),
                    "Muscle group where the tissue is muscle."),
            _choice("ligament", ("anterior_cruciate", "other", "unknown"), "Ligament where the tissue is ligament."),
            _choice("side", ("left", "right", "both", "none", "unknown"), "Side.", True),
            _choice("mode_of_onset", ("sudden", "gradual", "mixed", "unknown"), "Mode of onset."),
            _choice("contact", ("none", "indirect", "direct", "unknown"), "Contact."),
            _choice("setting", ("match", "training", "other", "unknown"), "Where it happened."),
            Column("is_recurrence", "flag", "Same site and type as an earlier injury."),
            _choice("activity", ("sprinting", "running", "kicking", "stretching", "change_of_direction",
                                 "jump_or_landing", "collision", "other", "unknown"), "What the athlete was doing."),
            _choice("imaging", ("none", "ultrasound", "mri", "other", "unknown"),
                    "How the injury was imaged; mostly a correction days after the onset."),
            _choice("imaging_grade", IMAGING_GRADES,
                    "Grade of a muscle injury on an image, after the British Athletics classification."),
        ),
    ),
    Table(
        "returns",
        "Full clearance after an injury.",
        ("injury_id",),
        (_id("injury_id", "The injury that ended."), ATHLETE, DATE, KNOWN_AT),
    ),
    Table(
        "injury_reports",
        "One daily self-report of trouble at one site; a report is not an onset (see configs/target.toml).",
        ("athlete_id", "date", "body_area", "side"),
        (
            ATHLETE,
            DATE,
            KNOWN_AT,
            _choice("body_area", BODY_AREAS, "Reported site.", True),
            _choice("side", ("left", "right", "both", "none", "unknown"), "Side.", True),
            _choice("severity", ("minor", "major", "unknown"), "As reported.", True),
        ),
    ),
    Table(
        "coverage",
        "When a source was in use for an athlete: no row inside means rest or not filled in.",
        ("athlete_id", "table", "source", "first_date", "last_date"),
        (
            ATHLETE,
            Column("table", "id", "The contract table that the source fills.", required=True),
            SOURCE,
            Column("first_date", "date", "First day in use.", required=True),
            Column("last_date", "date", "Last day in use, as far as the file tells.", required=True),
            KNOWN_AT,
        ),
        not_above=(("first_date", "last_date"),),
    ),
)  # fmt: skip

TABLES: Mapping[str, Table] = {table.name: table for table in _ALL}

Tables = Mapping[str, pd.DataFrame]
"""Every contract table by name, each with its columns and `superseded_at`."""

SUPERSEDED_AT = "superseded_at"

DTYPES: Mapping[Kind, Any] = {
    "id": "str",
    "text": "str",
    "choice": "str",
    "flag": "boolean",
    "number": "float64",
    "date": "datetime64[us]",
    "time": "datetime64[us, UTC]",
}
"""The pandas type of each kind of column."""


def as_contract(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """`frame` with the columns, order and types of the contract; columns that it lacks come out empty.

    `superseded_at` is kept where `frame` has it. Raises where a value cannot take its type: use `validate` on
    foreign data.
    """
    dtypes = {column.name: DTYPES[column.kind] for column in TABLES[name].columns}
    if SUPERSEDED_AT in frame:
        dtypes[SUPERSEDED_AT] = DTYPES["time"]
    return frame.reindex(columns=list(dtypes)).astype(dtypes)


def empty_table(name: str) -> pd.DataFrame:
    """The contract table without rows, `superseded_at` included."""
    return as_contract(pd.DataFrame({SUPERSEDED_AT: []}), name)


def empty_tables() -> dict[str, pd.DataFrame]:
    """Every contract table without rows."""
    return {name: empty_table(name) for name in TABLES}


def looked_up(keys: pd.Series, values: pd.Series) -> pd.Series:
    """The value of each key, on the index of `keys`; missing where `values`, indexed by key, lacks it.

    `Series.map` raises where the values are dates and there are none.
    """
    return values.reindex(keys).set_axis(keys.index)
