"""How far a score would move had other athletes been there to learn from, in a few numbers per horizon.

The whole pipeline (bag and calibration) is fitted again to athletes drawn with replacement, and what the refits say is
described as a level and a slope on the bag's own raw score, which vary from refit to refit, and a remainder in
proportion to the spread of the bag's members. Scoring then needs no refit. The interval is no chance that the true risk
lies inside: what all training sets of this size get wrong together (scores too close to the base rate) it cannot see.
docs/stability.md has its coverage of both.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from models.odds import Floats

COVERAGE = 0.90
LEAST_REFITS = 2


@dataclass(frozen=True)
class Spread:
    """Variance over refits of a calibrated log-odds: level + 2 tilt z + slope z^2 + own x variance of the members.

    z is the bag's raw log-odds less `centre`.
    """

    refits: int
    centre: float
    level: float
    tilt: float
    slope: float
    own: float

    def reach(self, members: Floats) -> Floats:
        """Half the 90 % interval's width in calibrated log-odds, from raw log-odds (members, rows)."""
        z = members.mean(axis=0) - self.centre
        shared = self.level + 2 * self.tilt * z + self.slope * z**2
        variance = np.maximum(shared + self.own * _variance(members), 0.0)
        return np.asarray(stdtrit(self.refits - 1, (1 + COVERAGE) / 2) * np.sqrt(variance))

    def as_json(self) -> dict[str, Any]:
        """A plain mapping that `Spread(**...)` reads back."""
        return asdict(self)


def fit_spread(members: Floats, refits: Floats) -> Spread:
    """The spread of one horizon from the bag's raw log-odds (members, rows) and the refits' calibrated (refits, rows).

    ValueError for fewer than two refits.
    """
    if len(refits) < LEAST_REFITS:
        raise ValueError(f"{len(refits)} refits: at least {LEAST_REFITS} are needed to tell how they differ.")
    raw = members.mean(axis=0)
    centre = float(raw.mean())
    line = np.column_stack([np.ones(len(raw)), raw - centre])
    fitted = np.linalg.lstsq(line, refits.T, rcond=None)[0]
    (level, tilt), (_, slope) = np.cov(fitted)
    remainder = float(_variance(refits - (line @ fitted).T).mean())
    among_members = float(_variance(members).mean())
    own = remainder / among_members if among_members > 0 else 0.0
    return Spread(len(refits), centre, float(level), float(tilt), float(slope), own)


def _variance(values: Floats) -> Floats:
    """Over the first axis; 0 for a single entry."""
    if len(values) < 2:
        return np.zeros(values.shape[1])
    return np.asarray(values.var(axis=0, ddof=1))
