"""Probabilities and log-odds, the two scales of a score, and the arrays that hold them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def probability(log_odds: Floats) -> Floats:
    """Probabilities of log-odds, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)))


def log_odds(chance: Floats, margin: float = 1e-6) -> Floats:
    """Log-odds of probabilities, those nearer than `margin` to 0 or 1 held there to stay finite."""
    kept = np.clip(chance, margin, 1 - margin)
    return np.asarray(np.log(kept / (1 - kept)))


def rate_log_odds(label: Floats) -> float:
    """Log-odds of the event rate; half an event is granted where all labels agree, to stay finite."""
    events = min(max(float(label.sum()), 0.5), len(label) - 0.5)
    return float(np.log(events / (len(label) - events)))
