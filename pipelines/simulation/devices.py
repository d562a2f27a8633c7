"""What a satellite tracker makes of the metres run: each device counts from its own speed thresholds."""

from __future__ import annotations

import numpy as np

from pipelines.simulation.calendar import Floats, Ints
from pipelines.simulation.life import Life
from pipelines.simulation.people import DAYS_PER_YEAR
from pipelines.simulation.settings import Device, Settings


def device_in_use(life: Life, settings: Settings, rng: np.random.Generator) -> Ints:
    """Days x teams: the device as a position in `settings.devices`. Every team starts with the first."""
    shape = (len(life.days), len(life.plan.kind))
    changes = rng.random(shape) < settings.recording.device_changes_per_year / DAYS_PER_YEAR
    device: Ints = np.cumsum(changes, axis=0) % len(settings.devices)
    return device


def metres_above(speed_m_s: Floats, fast_m: Floats, sprint_m: Floats, first: Device) -> Floats:
    """Metres above `speed_m_s`, given those above the two thresholds of the `first` device.

    Metres fall by a constant factor per m/s, the factor that the session's own two distances show.
    """
    step = first.sprint_threshold_m_s - first.high_speed_threshold_m_s
    share = np.divide(sprint_m, fast_m, out=np.ones_like(fast_m), where=fast_m > 0)
    metres: Floats = fast_m * share ** ((speed_m_s - first.high_speed_threshold_m_s) / step)
    return metres


def of_device(settings: Settings, name: str, device: Ints) -> Floats:
    """One property of the devices given by position."""
    return np.array([getattr(each, name) for each in settings.devices])[device]
