"""Would other athletes to learn from have given other scores? The whole pipeline refitted, and how its answers differ.

Riley & Collins 2023, Biom J 65(8):2200302: instability plot, mean absolute prediction error, classification and
decision-curve instability. Each refit draws as many athletes with replacement and fits bag and calibration to them;
copies of an athlete stay together, so that no refit is calibrated on athletes that it has seen. Refits are judged on
the rows of the original data on which a weekly report would have been written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from configs.errors import NotReady
from models import alerts
from models.alerts import AlertPolicy
from models.estimator import HorizonModel, Settings, fit_horizons, member_log_odds
from models.learner import TrainingRows
from models.metrics import net_benefit_of
from models.odds import Floats, probability
from models.spread import Spread, fit_spread

ADVISED_REFITS = 200
"""What Riley & Collins advise; fewer tell the size of the instability, not its details."""
RISK_BINS = 20
MOST_POINTS = 4000
THRESHOLD_STEPS = 25
MOST_DRAWS = 20
_ENDS = (2.5, 97.5)


@dataclass(frozen=True)
class Reported:
    """The rows that weekly reports would have covered: features, labels, and athlete_id, date and squad."""

    features: pd.DataFrame
    labels: pd.DataFrame
    index: pd.DataFrame


@dataclass(frozen=True)
class Refitted:
    """Calibrated log-odds on the rows of the reports, before longer horizons are raised to shorter ones.

    `members` holds per horizon the original bag's raw log-odds (members, rows); `original` is (horizons, rows),
    `refits` (refits, horizons, rows).
    """

    horizons_days: tuple[int, ...]
    members: tuple[Floats, ...]
    original: Floats
    refits: Floats

    def spreads(self) -> tuple[Spread, ...]:
        """What each horizon's intervals are made of."""
        return tuple(fit_spread(raw, self.refits[:, place]) for place, raw in enumerate(self.members))


def refitted(
    models: Sequence[HorizonModel],
    rows: TrainingRows,
    reports: Reported,
    settings: Settings,
    refits: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Refitted:
    """The original's scores and those of `refits` bags of `settings.refit_members`, each with its own calibration."""
    ordered = sorted(models, key=lambda model: model.horizon_days)
    members = tuple(member_log_odds(model.bag, reports.features) for model in ordered)
    pairs = zip(ordered, members, strict=True)
    original = np.vstack([model.calibration.log_odds(raw.mean(axis=0)) for model, raw in pairs])
    found = []
    for number in range(refits):
        found.append(_scores(_refit(rows, settings, number), reports.features))
        progress(number + 1, refits)
    return Refitted(tuple(model.horizon_days for model in ordered), members, original, np.stack(found))


def with_spreads(models: Sequence[HorizonModel], found: Refitted) -> tuple[HorizonModel, ...]:
    """The models, each with what its intervals are made of."""
    spreads = dict(zip(found.horizons_days, found.spreads(), strict=True))
    return tuple(replace(model, spread=spreads[model.horizon_days]) for model in models)


def _refit(rows: TrainingRows, settings: Settings, number: int) -> tuple[HorizonModel, ...]:
    """The pipeline on athletes drawn with replacement; drawn anew where they hold no injury to learn from."""
    seed = settings.seed + settings.members + number * settings.refit_members  # each member of each refit its own
    smaller = replace(settings, members=settings.refit_members, seed=seed)
    codes, athletes = pd.factorize(rows.athletes)
    generator = np.random.default_rng((settings.seed, number))
    for _ in range(MOST_DRAWS):
        copies = generator.multinomial(len(athletes), np.full(len(athletes), 1 / len(athletes)))
        drawn = np.repeat(np.arange(len(codes)), copies[codes])
        features, labels = rows.features.iloc[drawn], rows.labels.iloc[drawn]
        try:
            return fit_horizons(features, labels, rows.athletes[drawn], smaller, rows.monotone)
        except NotReady:
            continue
    raise NotReady(
        f"In {MOST_DRAWS} draws of {len(athletes)} athletes none had an injury and days without one at every horizon: "
        "too few injured athletes to tell how stable a model is. Ingest injuries of more athletes."
    )


def _scores(models: Sequence[HorizonModel], features: pd.DataFrame) -> Floats:
    return np.vstack(
        [model.calibration.log_odds(member_log_odds(model.bag, features).mean(axis=0)) for model in models]
    )


@dataclass(frozen=True)
class HorizonInstability:
    """One horizon's instability.

    `mean_absolute_error` is the mean over athlete-days of |refit's risk - original risk|; `flip_rate` the share of
    athlete-days whose flag a refit changes, `kept_flags` the share of the original's flags that a refit gives too, and
    `chance_kept` what drawing lots would keep. `by_risk` has the refits' risk at rising original risk and `points` a
    sample of both (the instability plot), `decision_curve` the net benefit of original and refits by threshold,
    `by_athlete` each athlete's figures.
    """

    horizon_days: int
    refits: int
    mean_risk: float
    mean_absolute_error: float
    flip_rate: float
    kept_flags: float
    chance_kept: float
    by_risk: pd.DataFrame
    points: pd.DataFrame
    decision_curve: pd.DataFrame
    by_athlete: pd.DataFrame

    def sentence(self) -> str:
        return (
            f"{self.horizon_days} days: with other athletes to learn from, a score of {100 * self.mean_risk:.2g} % on "
            f"average would be {100 * self.mean_absolute_error:.2g} percentage points higher or lower; "
            f"{self.kept_flags:.0%} of the flags would stay (drawing lots keeps {self.chance_kept:.0%})."
        )

    def figures(self) -> Iterator[tuple[str, float]]:
        """The main figures by name; mape is the mean absolute prediction error."""
        yield "mape", self.mean_absolute_error
        yield "flag_flip_rate", self.flip_rate
        yield "flags_kept", self.kept_flags
        yield "flags_kept_by_lot", self.chance_kept
        yield "net_benefit_range", float((self.decision_curve["upper"] - self.decision_curve["lower"]).max())

    def as_json(self) -> dict[str, Any]:
        """Plain values; of athletes only how their figures are distributed, since a bundle names nobody."""
        athletes = self.by_athlete[["mean_absolute_error", "flip_rate"]].quantile([0.0, 0.25, 0.5, 0.75, 1.0])
        return {
            "horizon_days": self.horizon_days,
            "mean_risk": self.mean_risk,
            **dict(self.figures()),
            "by_risk": self.by_risk.to_dict("list"),
            "decision_curve": self.decision_curve.to_dict("list"),
            "athletes": len(self.by_athlete),
            "athletes_quartiles": athletes.to_dict("list"),
            "sentence": self.sentence(),
        }


@dataclass(frozen=True)
class Instability:
    """The instability of every horizon's predictions, as they are shown."""

    horizons: tuple[HorizonInstability, ...]

    def sentences(self) -> tuple[str, ...]:
        """How many refits, then each horizon."""
        refits = self.horizons[0].refits
        few = "" if refits >= ADVISED_REFITS else f", too few for more than a rough idea: {ADVISED_REFITS} are advised"
        first = f"Stability from {refits} refits of the whole pipeline to athletes drawn with replacement{few}."
        return (first, *(each.sentence() for each in self.horizons))

    def as_json(self) -> dict[str, Any]:
        """Plain values: the main figures by name, the sentences, and each horizon's plots and distributions."""
        flat = {f"{name}_{each.horizon_days}d": value for each in self.horizons for name, value in each.figures()}
        return {
            "bootstraps": self.horizons[0].refits,
            "advised_bootstraps": ADVISED_REFITS,
            **flat,
            "sentences": list(self.sentences()),
            "horizons": [each.as_json() for each in self.horizons],
        }

    def by_athlete(self) -> pd.DataFrame:
        """One row per athlete and horizon."""
        return pd.concat(
            [each.by_athlete.assign(horizon_days=each.horizon_days) for each in self.horizons], ignore_index=True
        )


def instability(found: Refitted, reports: Reported, policy: AlertPolicy) -> Instability:
    """How the refits differ from the original on the reports' rows, longer horizons never below shorter ones."""
    original = probability(np.maximum.accumulate(found.original, axis=0))
    refits = probability(np.maximum.accumulate(found.refits, axis=1))
    return Instability(tuple(
        _of_horizon(days, original[place], refits[:, place], reports, policy)
        for place, days in enumerate(found.horizons_days)
    ))  # fmt: skip


def _of_horizon(
    days: int, original: Floats, refits: Floats, reports: Reported, policy: AlertPolicy
) -> HorizonInstability:
    gap = np.abs(refits - original).mean(axis=0)
    weekly = alerts.reports(reports.index.assign(repeat=0, fold=0))
    flagged, *others = (weekly.standings(each).shares(policy) for each in (original, *refits))
    flips = np.abs(np.array(others) - flagged).mean(axis=0)
    return HorizonInstability(
        horizon_days=days,
        refits=len(refits),
        mean_risk=float(original.mean()),
        mean_absolute_error=float(gap.mean()),
        flip_rate=float(flips.mean()),
        kept_flags=float(np.minimum(others, flagged).sum(axis=1).mean() / flagged.sum()),
        chance_kept=float(flagged.mean()),
        by_risk=_by_risk(original, refits),
        points=_points(original, refits),
        decision_curve=_decision_curve(original, refits, reports.labels[str(days)].to_numpy(dtype=np.float64)),
        by_athlete=_by_athlete(reports.index["athlete_id"], original, gap, flips),
    )


def _by_risk(original: Floats, refits: Floats) -> pd.DataFrame:
    """Median and the middle 95 % of the refits' risk among rows of similar original risk."""
    place = np.argsort(original, kind="stable")
    bins = [part for part in np.array_split(place, min(RISK_BINS, len(place))) if len(part)]
    columns = {"original": [float(original[part].mean()) for part in bins]}
    for name, percentile in (("lower", _ENDS[0]), ("median", 50.0), ("upper", _ENDS[1])):
        columns[name] = [float(np.percentile(refits[:, part], percentile)) for part in bins]
    return pd.DataFrame(columns)


def _points(original: Floats, refits: Floats) -> pd.DataFrame:
    """Evenly chosen pairs of original and refit risk, for a picture."""
    chosen = np.linspace(0, refits.size - 1, min(MOST_POINTS, refits.size)).astype(np.int64)
    return pd.DataFrame({"original": original[chosen % len(original)], "refit": refits.ravel()[chosen]})


def _decision_curve(original: Floats, refits: Floats, label: Floats) -> pd.DataFrame:
    """Net benefit at thresholds up to the highest risk: of the original, of the refits' middle 95 %, of all flagged."""
    known = np.isfinite(label)
    thresholds = np.linspace(0, float(original.max()), THRESHOLD_STEPS + 1)[1:]
    curves = np.array([net_benefit_of(label[known], each[known], thresholds) for each in (original, *refits)])
    low, high = np.percentile(curves[1:], _ENDS, axis=0)
    everybody = net_benefit_of(label[known], np.ones(int(known.sum())), thresholds)
    return pd.DataFrame(
        {"threshold": thresholds, "original": curves[0], "lower": low, "upper": high, "everybody": everybody}
    )


def _by_athlete(athletes: pd.Series, original: Floats, gap: Floats, flips: Floats) -> pd.DataFrame:
    rows = pd.DataFrame({
        "athlete_id": athletes.to_numpy(), "mean_risk": original, "mean_absolute_error": gap, "flip_rate": flips,
    })  # fmt: skip
    return rows.groupby("athlete_id").mean().reset_index()
