"""A squad's own rate and slope on top of the pooled calibration, as far as the squad's own injuries allow.

Squads differ in how often they are injured for reasons that no measurement holds. The log-odds z of a squad's scores
become z + shift + (slope - 1) x (z - centre), by penalised maximum likelihood on out-of-bag scores:
shift ~ N(0, apart^2), slope ~ N(1, squad_slope_sd^2). Few injuries therefore leave the pooled calibration nearly as it
is. `apart`, how far squads' rates differ, is learnt from all squads at once (`rates_apart`), so that squads that are
alike keep nearly the same rate. The rows before one injury say almost the same, so that together they count as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.estimator import (
    Calibration,
    HorizonModel,
    Predicted,
    Settings,
    out_of_bag_log_odds,
    predict,
)
from models.odds import Floats, Ints, probability
from models.spread import Spread

_TRIED = 201
"""Values of `rates_apart` that are weighed against each other."""


@dataclass(frozen=True)
class Recalibration:
    """One squad's at one horizon. `events` are the squad's injuries behind it, `centre` the pooled base log-odds.

    `shift_sd` is how sure the shift is: its standard deviation given the prior and these injuries.
    """

    squad: str
    horizon_days: int
    events: int
    centre: float
    shift: float
    slope: float
    shift_sd: float

    def applied(self, calibration: Calibration) -> Calibration:
        """The pooled calibration followed by this one, of the same kind: both kinds are linear in their columns."""
        intercept, *slopes = calibration.coefficients
        moved = self.slope * intercept + self.shift + (1 - self.slope) * self.centre
        return replace(calibration, coefficients=(moved, *(self.slope * each for each in slopes)))

    def widened(self, spread: Spread | None) -> Spread | None:
        """What the interval is made of, stretched as the scores are and with the doubt about the shift."""
        if spread is None:
            return None
        level, tilt, slope, own = (
            self.slope**2 * each for each in (spread.level, spread.tilt, spread.slope, spread.own)
        )
        return replace(spread, level=level + self.shift_sd**2, tilt=tilt, slope=slope, own=own)

    def as_json(self) -> dict[str, Any]:
        """A plain mapping of the fields."""
        return asdict(self)


def learn_recalibrations(
    models: Sequence[HorizonModel],
    features: pd.DataFrame,
    labels: pd.DataFrame,
    index: pd.DataFrame,
    squads: NDArray[Any],
    settings: Settings,
) -> tuple[Recalibration, ...]:
    """`fit_recalibrations` from the rows that `models` were fitted on, which are scored out of bag if there is need."""
    if len(set(squads)) < 2:
        return ()
    unseen = unseen_scores(models, features, labels, index["athlete_id"].to_numpy(), settings)
    return fit_recalibrations(models, unseen, labels, index, squads, settings)


def unseen_scores(
    models: Sequence[HorizonModel],
    features: pd.DataFrame,
    labels: pd.DataFrame,
    athletes: NDArray[Any],
    settings: Settings,
) -> dict[int, Floats]:
    """By horizon, `out_of_bag_log_odds` of the rows that `models` were fitted on."""
    return {
        model.horizon_days: out_of_bag_log_odds(
            model, features, labels[str(model.horizon_days)].to_numpy(dtype=np.float64), athletes, settings
        )
        for model in models
    }


def fit_recalibrations(
    models: Sequence[HorizonModel],
    unseen: Mapping[int, Floats],
    labels: pd.DataFrame,
    index: pd.DataFrame,
    squads: NDArray[Any],
    settings: Settings,
) -> tuple[Recalibration, ...]:
    """One per horizon and squad with `squad_shift_events` injuries or more, from the rows of the fit.

    `unseen` are their `unseen_scores`, `index` has athlete_id and date. A single squad needs none: the pooled
    calibration is its own.
    """
    names = sorted(set(squads))
    found: list[Recalibration] = []
    for model in models if len(names) > 1 else ():
        days, centre = model.horizon_days, model.bag.base_log_odds
        label, score = labels[str(days)].to_numpy(dtype=np.float64), unseen[days]
        is_known = np.isfinite(score) & np.isfinite(label)
        own = [_of_squad(name, is_known & (squads == name), score, label, index, days) for name in names]
        own = [each for each in own if each.events >= settings.squad_shift_events]
        apart = rates_apart([each.events for each in own], [each.expected for each in own], settings.squad_shift_sd)
        fitted = (_fit(each, centre, apart, settings) for each in own)
        found += [
            Recalibration(each.name, days, each.events, centre, *fit) for each, fit in zip(own, fitted, strict=True)
        ]
    return tuple(found)


@dataclass(frozen=True)
class _Squad:
    """A squad's rows at one horizon; each counts `weight`, so that the rows before one injury count as one."""

    name: str
    score: Floats
    label: Floats
    events: int
    weight: float

    @property
    def expected(self) -> float:
        """Injuries that the pooled calibration expects."""
        return self.weight * float(probability(self.score).sum())


def _of_squad(
    name: str, is_own: NDArray[np.bool_], score: Floats, label: Floats, index: pd.DataFrame, horizon_days: int
) -> _Squad:
    rows = np.flatnonzero(is_own)
    events = injuries_behind(index.iloc[rows], label[rows], horizon_days)
    return _Squad(str(name), score[rows], label[rows], events, events / max(float(label[rows].sum()), 1.0))


def rates_apart(events: Sequence[int], expected: Sequence[float], scale: float) -> float:
    """How far squads' rates differ in log-odds beyond chance: the root of the posterior mean of the variance.

    A squad's ln((events + 1/2) / (expected + 1/2)) is normal with this variance plus 1 / (expected + 1/2); before any
    data the standard deviation is half-normal of `scale`. Without squads it is that prior's.
    """
    tried = np.linspace(0.0, 4.0 * scale, _TRIED)
    ratio = np.log((np.asarray(events, dtype=np.float64) + 0.5) / (np.asarray(expected) + 0.5))
    variance = tried[:, None] ** 2 + 1 / (np.asarray(expected) + 0.5)
    fit = -((tried / scale) ** 2) / 2 - (np.log(variance) + ratio**2 / variance).sum(axis=1) / 2
    weight = np.exp(fit - fit.max())
    return float(np.sqrt(weight @ tried**2 / weight.sum()))


def injuries_behind(index: pd.DataFrame, label: Floats, horizon_days: int) -> int:
    """How many injuries make these rows events: rows of an athlete less than a horizon apart can share one."""
    rows = index[label == 1]
    count = 0
    for _, days in rows.groupby("athlete_id")["date"]:
        first = pd.Timestamp.min
        for day in np.sort(days.to_numpy()):
            if day >= first + pd.Timedelta(days=horizon_days):
                count, first = count + 1, pd.Timestamp(day)
    return count


def _fit(squad: _Squad, centre: float, apart: float, settings: Settings) -> tuple[float, float, float]:
    """Shift, slope and the shift's standard deviation; the slope stays 1 below `squad_slope_events`."""
    score, label, weight = squad.score, squad.label, squad.weight
    away = score - centre
    steepest = 0.0 if squad.events < settings.squad_slope_events else np.inf

    def loss(found: Floats) -> tuple[float, Floats]:
        shift, tilt = found
        moved = score + shift + tilt * away
        error = weight * (probability(moved) - label)
        penalty = (shift / apart) ** 2 + (tilt / settings.squad_slope_sd) ** 2
        value = weight * float((np.logaddexp(0.0, moved) - label * moved).sum()) + penalty / 2
        return value, np.array([
            error.sum() + shift / apart**2,
            error @ away + tilt / settings.squad_slope_sd**2,
        ])  # fmt: skip

    bounds = [(None, None), (max(-1.0, -steepest), steepest)]
    shift, tilt = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds).x
    chance = probability(score + shift + tilt * away)
    curvature = weight * float((chance * (1 - chance)).sum()) + 1 / apart**2
    return float(shift), float(1 + tilt), float(1 / np.sqrt(curvature))


def of_squad(
    models: Sequence[HorizonModel], recalibrations: Sequence[Recalibration], squad: str
) -> tuple[HorizonModel, ...]:
    """The models as they score a squad; the pooled ones for a squad without a recalibration of its own."""
    own = {each.horizon_days: each for each in recalibrations if each.squad == squad}
    return tuple(
        _recalibrated(model, own[model.horizon_days]) if model.horizon_days in own else model for model in models
    )


def _recalibrated(model: HorizonModel, own: Recalibration) -> HorizonModel:
    return replace(model, calibration=own.applied(model.calibration), spread=own.widened(model.spread))


def by_squad(recalibrations: Sequence[Recalibration], squads: NDArray[Any]) -> list[tuple[str, Ints]]:
    """Rows to be scored together: those of each squad with a recalibration, and all others under ""."""
    own = {each.squad for each in recalibrations}
    names = np.array([name if name in own else "" for name in squads], dtype=object)
    return [(str(name), np.flatnonzero(names == name)) for name in sorted(set(names))]


def predict_squads(
    models: Sequence[HorizonModel],
    recalibrations: Sequence[Recalibration],
    features: pd.DataFrame,
    squads: NDArray[Any],
) -> Predicted:
    """`predict`, each row as its squad is scored."""
    groups = by_squad(recalibrations, squads)
    if len(groups) < 2:
        name = groups[0][0] if groups else ""
        return predict(of_squad(models, recalibrations, name), features)
    parts = [predict(of_squad(models, recalibrations, name), features.iloc[rows]) for name, rows in groups]
    order = np.argsort(np.concatenate([rows for _, rows in groups]))
    names = [field.name for field in fields(Predicted) if field.name != "horizons_days"]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=1)[:, order] for name in names
    }
    return replace(parts[0], **joined)


def recalibration_from_json(content: Mapping[str, Any]) -> Recalibration:
    """What `Recalibration.as_json` wrote."""
    return Recalibration(**content)
