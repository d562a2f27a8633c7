"""The settings of the simulator: configs/simulation.toml as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from configs import load, reject_unknown
from configs.errors import ConfigError

FILE = "simulation.toml"
Section = TypeVar("Section")


@dataclass(frozen=True)
class Squad:
    name: str
    share: float
    women_share: float
    age_mean_y: float
    age_sd_y: float
    age_low_y: float
    age_high_y: float
    match_weekday: int
    midweek_share: float


@dataclass(frozen=True)
class Calendar:
    team_size: int
    season_start_month: int
    pre_season_weeks: int
    pre_season_first_share: float
    first_friendly_day: int
    season_end_month: int
    season_end_day: int
    winter_break_start: str
    winter_break_days: int
    international_breaks: tuple[str, ...]
    international_break_days: int
    midweek_day_off_share: float
    deload_every_weeks: int
    deload_share: float
    deload_days: int
    training_min: float
    off_season_session_share: float
    away_share: float
    travel_median_h: float
    travel_log_sd: float


@dataclass(frozen=True)
class Population:
    body_mass_kg: float
    body_mass_sd_kg: float
    women_mass_ratio: float
    top_speed_m_s: float
    top_speed_sd_m_s: float
    women_speed_ratio: float
    nordic_n_per_kg: float
    nordic_sd: float
    women_force_ratio: float
    asymmetry_sd_pct: float
    hq_ratio: float
    hq_ratio_sd: float
    beighton_mean: float
    s_mas_mean: float
    s_mas_sd: float
    bridge_reps: float
    bridge_sd: float
    straight_leg_raise_deg: float
    straight_leg_raise_sd_deg: float
    sleep_h: float
    sleep_sd_h: float
    hrv_ms: float
    hrv_log_sd: float
    resting_heart_rate_bpm: float
    resting_heart_rate_sd_bpm: float
    stress_sd: float
    frailty_sd: float
    history_years: float
    joins_late_share: float
    leaves_early_share: float


@dataclass(frozen=True)
class Load:
    training_m_per_min: float
    match_m_per_min: float
    training_fast_m_per_min: float
    match_fast_m_per_min: float
    sprint_share: float
    person_spread: float
    session_spread: float
    usual_load_au_per_day: float
    usual_fast_m_per_day: float
    near_top_speed_share: float


@dataclass(frozen=True)
class Response:
    fatigue_days: float
    fatigue_mean: float
    fatigue_sd: float
    debt_slows_fatigue: float
    soreness_days: float
    discomfort_days: float
    discomfort_rate: float
    discomfort_size: float
    sensitised_days: float
    strength_days: float
    strength_per_weekly_set: float
    hamstring_injury_strength_loss: float
    hamstring_injury_asymmetry_pct: float
    retraining_gain: float
    stress_memory: float
    stress_innovation: float
    life_events_per_year: float
    life_event_size: float
    life_event_days: float
    stress_costs_sleep_h: float
    match_costs_sleep_h: float
    travel_costs_sleep: float
    travel_fatigue_per_h: float
    holds_back_per_point: float
    rested_per_sd: float
    sleep_noise_h: float
    sleep_need_h: float
    debt_days: float


@dataclass(frozen=True)
class Effects:
    scale: float
    interaction_scale: float
    overload_spike: float
    overload_congestion: float
    chronic_low_load: float
    chronic_high_load: float
    chronic_no_fast_running: float
    chronic_no_eccentric_work: float
    fatigue_per_sd: float
    gluteal_per_sd: float
    eccentric_weak: float
    eccentric_cut_sd: float
    asymmetry_large: float
    asymmetry_cut_pct: float
    hq_low: float
    laxity_beighton_4: float
    rigidity_per_sd: float
    kinetic_chain_per_point: float
    sensitised_per_unit: float
    discomfort_per_point: float
    stress_per_sd: float
    sleep_debt_per_h: float
    poor_fuelling_per_sd: float
    history_ever: float
    history_recent: float
    history_recent_days: float
    history_knee_ligament: float
    history_calf: float
    context_per_year: float
    context_goalkeeper: float
    context_forward: float
    fatigue_x_weak: float
    spike_x_return: float
    return_days: float


@dataclass(frozen=True)
class Hamstring:
    per_1000_h: float
    by_exposure: bool
    match_ratio: float
    duration_median_d: float
    duration_log_sd: float
    history_per_year: float


@dataclass(frozen=True)
class OtherInjury:
    key: str
    per_1000_h: float
    match_ratio: float
    duration_median_d: float
    duration_log_sd: float
    body_area: str
    tissue: str
    muscle_group: str
    ligament: str
    contact: str
    mode_of_onset: str


@dataclass(frozen=True)
class Answer:
    """How a form's score comes about: the own level, a slow drift, what is felt, and chance; points of ten.

    `weary` to `fuelling` are points per unit of the latent state, `slept_h` against the own usual night.
    """

    name: str
    mean: float
    between_sd: float
    drift_sd: float
    noise_sd: float
    weary: float = 0.0
    soreness: float = 0.0
    stress: float = 0.0
    slept_h: float = 0.0
    sleep_debt_h: float = 0.0
    fuelling: float = 0.0
    discomfort: float = 0.0


@dataclass(frozen=True)
class Device:
    """A satellite tracker: where it starts to count, and what it reads against the truth."""

    name: str
    high_speed_threshold_m_s: float
    sprint_threshold_m_s: float
    reads_share: float


@dataclass(frozen=True)
class Recording:
    local_utc_offset_h: int
    absence_share: float
    device_failure_share: float
    device_changes_per_year: float
    correction_share: float
    late_upload_share: float
    late_upload_max_days: int
    form_share_first: float
    form_share_last: float
    answers_drift_days: float
    form_gaps_per_year: float
    form_gap_days: float
    form_day_off_share: float
    form_late_share: float
    wearable_share: float
    wearable_night_share: float
    wearable_dropouts_per_year: float
    wearable_dropout_days: float
    test_attended_share: float
    screening_months: tuple[int, ...]


@dataclass(frozen=True)
class Settings:
    """All of simulation.toml. Hashable, so that the base rate is calibrated once per settings."""

    squads: tuple[Squad, ...]
    calendar: Calendar
    population: Population
    load: Load
    response: Response
    effects: Effects
    persistence: tuple[tuple[str, float], ...]
    hamstring: Hamstring
    other_injuries: tuple[OtherInjury, ...]
    answers: tuple[Answer, ...]
    devices: tuple[Device, ...]
    recording: Recording


def planted(settings: Settings, *, effects: bool, interactions: bool, exposure: bool) -> Settings:
    """`settings` with parts of the truth switched off; what is recorded keeps its form.

    Without effects no factor, interaction or frailty moves the hazard: it depends on exposure only. Without
    exposure too it is the same on every day at risk, so that nothing whatever foretells a strain.
    """
    how, who, hamstring = settings.effects, settings.population, settings.hamstring
    return replace(
        settings,
        effects=replace(
            how,
            scale=how.scale if effects else 0.0,
            interaction_scale=how.interaction_scale if effects and interactions else 0.0,
        ),
        population=replace(who, frailty_sd=who.frailty_sd if effects else 0.0),
        hamstring=replace(hamstring, by_exposure=hamstring.by_exposure and exposure),
    )


def load_settings(folder: Path | None = None) -> Settings:
    """The settings of simulation.toml, from `folder` where it has its own copy."""
    content = load(FILE, folder)
    reject_unknown(content, {field.name for field in fields(Settings)}, FILE)
    return Settings(
        squads=tuple(_section(Squad, each, "squads") for each in _part(content, "squads")),
        calendar=_section(Calendar, _part(content, "calendar"), "calendar"),
        population=_section(Population, _part(content, "population"), "population"),
        load=_section(Load, _part(content, "load"), "load"),
        response=_section(Response, _part(content, "response"), "response"),
        effects=_section(Effects, _part(content, "effects"), "effects"),
        persistence=tuple(_part(content, "persistence").items()),
        hamstring=_section(Hamstring, _part(content, "hamstring"), "hamstring"),
        other_injuries=tuple(
            _section(OtherInjury, each, "other_injuries") for each in _part(content, "other_injuries")
        ),
        answers=tuple(_section(Answer, each, "answers") for each in _part(content, "answers")),
        devices=tuple(_section(Device, each, "devices") for each in _part(content, "devices")),
        recording=_section(Recording, _part(content, "recording"), "recording"),
    )


def _part(content: Mapping[str, Any], name: str) -> Any:
    if name not in content:
        raise ConfigError(f"{FILE}: [{name}] is missing. Copy it from the shipped file.")
    return content[name]


def _section(kind: type[Section], content: dict[str, Any], name: str) -> Section:
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # every caller passes a dataclass
    where = f"{FILE}, [{name}]"
    reject_unknown(content, set(known), where)
    needed = {field.name for field in fields(kind) if field.default is MISSING}  # type: ignore[arg-type]
    missing = [key for key in known if key in needed and key not in content]
    if missing:
        raise ConfigError(f"{where}: missing {', '.join(missing)}. Copy it from the shipped file.")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in content.items()})
