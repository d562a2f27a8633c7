"""The recovery checks on one trained squad and one tested squad of other athletes at later times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from features.specs import DerivedSpec, FeatureSpec, WindowSpec
from models import metrics, splits
from models.alerts import Budget
from models.estimator import Predicted
from models.odds import Floats
from pipelines.recipe import Recipe
from pipelines.simulation.hazard import FACTOR_TERMS
from pipelines.verification.fitting import (
    TAUGHT_DAYS,
    Fitted,
    bootstrapped,
    explained,
    fit,
    fit_to_truth,
    flag_shares,
    flagged,
    regressed,
    reported,
    true_shares,
)
from pipelines.verification.measures import (
    Agreement,
    Bools,
    agreement,
    auroc_draws,
    expected_auroc,
    share_of_oracle,
    top_changes,
)
from pipelines.verification.numbers import Number
from pipelines.verification.squads import Squad

MAIN_DAYS = 14
RESAMPLES = 200
NOISE_FREE = "taught the true risk"
HAZARD = "taught the true hazard"
SHARES = "taught each factor's share"
ORACLE = "taught the oracle's odds"
TERMS = "the true terms of all factors"
CONSTANT = "the same order for everybody"
FLAGGED, ALL = "explanation of flagged days", "explanation of all days"
FACTORS = tuple(FACTOR_TERMS)

SATELLITE_COLUMNS = frozenset({
    "distance_m", "high_speed_distance_m", "sprint_distance_m", "acceleration_count", "deceleration_count",
    "player_load_au", "max_speed_m_s", "share_of_best_speed_pct",
})  # fmt: skip
SOURCES: Mapping[str, tuple[str, ...]] = {
    "strength tests": ("strength_tests",),
    "screenings": ("screenings",),
    "wearables": ("wearable_days",),
    "wellness forms": ("wellness",),
    "interventions": ("interventions",),
    "injury history": ("injuries", "returns"),
    "satellite tracking": ("sessions",),
}
"""What is removed, one at a time, and the contract tables it fills; of sessions only the satellites' columns."""


def discrimination(squad: Squad, predicted: Predicted) -> Iterator[Number]:
    """Model and oracle against the hazard that came about and against the drawn events."""
    athletes = pd.factorize(squad.athletes)[0].astype(np.int64)
    for position, days in enumerate(predicted.horizons_days):
        came, events = squad.came[str(days)].to_numpy(), squad.labels[str(days)].to_numpy()
        score, oracle = predicted.log_odds[position], squad.oracle[str(days)].to_numpy()
        for measure, truth in (("AUROC", came), ("AUROC against events", events)):
            found = [expected_auroc(each, truth) for each in (score, oracle)]
            yield Number("discrimination", measure, "model", days, found[0])
            yield Number("discrimination", measure, "oracle", days, found[1])
            share = "share of oracle" + measure.removeprefix("AUROC")
            yield Number("discrimination", share, "model", days, share_of_oracle(found[0], found[1]))
        drawn = auroc_draws(score, events, athletes, RESAMPLES, days)[1:]
        for side, percentile in (("lower", 2.5), ("upper", 97.5)):
            value = float(np.percentile(drawn, percentile))
            yield Number("discrimination", f"AUROC against events, athletes resampled, {side}", "model", days, value)


def share(squad: Squad, fitted: Fitted, days: int = MAIN_DAYS) -> float:
    """The share of the oracle's AUROC above 0.5 over one horizon, against the hazard that came about."""
    predicted = fitted.predict(squad)
    return share_of(squad, predicted.log_odds[predicted.horizons_days.index(days)], days)


def share_of(squad: Squad, score: Floats, days: int = MAIN_DAYS) -> float:
    """The same of any score of the squad's rows."""
    came = squad.came[str(days)].to_numpy()
    return share_of_oracle(expected_auroc(score, came), expected_auroc(squad.oracle[str(days)].to_numpy(), came))


def calibration(squad: Squad, predicted: Predicted) -> Iterator[Number]:
    """Slope and observed:expected against the hazard that came about (the goals) and against drawn events."""
    for position, days in enumerate(predicted.horizons_days):
        chance = predicted.probability[position]
        for ending, truth in (("", squad.came), (" against events", squad.labels)):
            rows = metrics.clusters(truth[str(days)].to_numpy(dtype=np.float64), squad.athletes, RESAMPLES, days)
            for measure, draws in (
                ("slope", metrics.calibration_slope(rows, chance)),
                ("observed : expected", metrics.observed_expected(rows, chance)),
            ):
                yield Number("calibration", measure + ending, "model", days, float(draws[0]))


def alerts(squad: Squad, chance: Floats, budget: Budget, days: int = MAIN_DAYS) -> float:
    """How much likelier a strain is on flagged athlete-days than on all of the same reports."""
    label = squad.labels[str(days)].to_numpy()
    share = np.nan_to_num(flag_shares(squad, chance, budget))
    return float((share @ label) / share.sum() / label[reported(squad)].mean())


def explanation(
    recipe: Recipe, trained: Squad, squad: Squad, fitted: Fitted, others: Mapping[str, Fitted]
) -> Iterator[Number]:
    """The model's contributions by factor beside the true shares; `others` are held against the same rows."""
    predicted = fitted.predict(squad)
    chance = predicted.probability[predicted.horizons_days.index(MAIN_DAYS)]
    chosen = flagged(squad, chance, recipe.alerts)
    every = reported(squad)
    weekly, is_flagged = squad.rows(np.flatnonzero(every)), chosen[every]
    yield from _usual_order(true_shares(weekly, MAIN_DAYS, FACTORS), is_flagged)
    said_by = {subject: explained(recipe, each, weekly, MAIN_DAYS) for subject, each in others.items()}
    said_by[SHARES] = regressed(recipe, trained, weekly, trained.shares[MAIN_DAYS])
    for subject, said in {"model": explained(recipe, fitted, weekly, MAIN_DAYS), **said_by}.items():
        true = true_shares(weekly, MAIN_DAYS, list(said.columns))
        yield from _agreements(subject, said.to_numpy(), true, is_flagged)
        yield from _by_factor(subject, said, true)


def _usual_order(true: Floats, is_flagged: Bools) -> Iterator[Number]:
    """What naming the same factors for everybody would reach, the commonest true first factor first."""
    for check, rows in ((FLAGGED, is_flagged), (ALL, np.ones(len(true), dtype=bool))):
        often = np.bincount(true[rows].argmax(axis=1), minlength=true.shape[1]).astype(np.float64)
        found = agreement(np.tile(often, (int(rows.sum()), 1)), true[rows])
        yield Number(check, "top factor", CONSTANT, MAIN_DAYS, found.top)
        yield Number(check, "top three", CONSTANT, MAIN_DAYS, found.top_three)


def _agreements(subject: str, said: Floats, true: Floats, is_flagged: Bools) -> Iterator[Number]:
    for check, rows in ((FLAGGED, is_flagged), (ALL, np.ones(len(said), dtype=bool))):
        found = agreement(said[rows], true[rows])
        for measure, value in _named(found).items():
            yield Number(check, measure, subject, MAIN_DAYS, value)


def _named(found: Agreement) -> dict[str, float]:
    return {
        "rank correlation": found.rank,
        "top factor": found.top,
        "top factor or as good": found.near_top,
        "top three": found.top_three,
        "right sign": found.sign,
        "predictions": float(found.predictions),
    }


def _by_factor(subject: str, said: pd.DataFrame, true: Floats) -> Iterator[Number]:
    """Over athlete-days, how far each factor's contribution goes with its true share."""
    for position, factor in enumerate(said.columns):
        varies = bool(said[factor].min() < said[factor].max())
        value = float(spearmanr(said[factor], true[:, position]).statistic) if varies else 0.0
        yield Number(f"factors, {subject}", "correlation with truth", str(factor), MAIN_DAYS, value)


def stability(recipe: Recipe, trained: Squad, squad: Squad, chance: Floats, refits: int, members: int) -> Number:
    """How often two refits, each on athletes drawn with replacement, name different first factors on flagged days.

    The bag's own members would not do: what is shown is their mean, and that of other draws from the same athletes.
    """
    rows = squad.rows(np.flatnonzero(flagged(squad, chance, recipe.alerts)))
    said = [
        explained(recipe, fit(recipe, bootstrapped(trained, number), (MAIN_DAYS,), members), rows, MAIN_DAYS)
        for number in range(refits)
    ]
    factors = [each.reindex(columns=said[0].columns, fill_value=0.0).to_numpy() for each in said]
    return Number("stability", "first factor changes", "model", MAIN_DAYS, top_changes(factors))


def curve(
    recipe: Recipe, trained: Squad, squad: Squad, sizes: Sequence[int], members: int, seed: int
) -> Iterator[Number]:
    """The share of the oracle that a model reaches which learnt from fewer athletes."""
    for size in sizes:
        part = trained.of_athletes(size, seed)
        yield Number("curve", "injuries in training", f"{size:,}", MAIN_DAYS, float(part.strains))
        learns = part.labels[str(MAIN_DAYS)].sum() > 0
        value = share(squad, fit(recipe, part, (MAIN_DAYS,), members)) if learns else np.nan
        yield Number("curve", "share of oracle", f"{size:,}", MAIN_DAYS, value)


def sources(recipe: Recipe, trained: Squad, squad: Squad, members: int, *, of_truth: bool) -> Iterator[Number]:
    """What each source is worth: the loss of the oracle's share when it is withheld from training and testing.

    A feature of an empty table without coverage is missing on every day and so is not used; withholding the features
    is the same and need not build them again. With `of_truth` also for the learner that was taught the true risk.
    """
    fewer = trained.rows(splits.thin(trained.index, TAUGHT_DAYS))
    known = logit(fewer.oracle[str(MAIN_DAYS)].to_numpy())
    whole = share(squad, fit(recipe, trained, (MAIN_DAYS,), members))
    ideal = share(squad, fit_to_truth(recipe, fewer, known, MAIN_DAYS, members)) if of_truth else np.nan
    for name in SOURCES:
        without = features_of(name, recipe.specs)
        left = share(squad, fit(recipe, trained, (MAIN_DAYS,), members, without))
        yield Number("sources", "loss of share of oracle", name, MAIN_DAYS, whole - left)
        if of_truth:
            left = share(squad, fit_to_truth(recipe, fewer, known, MAIN_DAYS, members, without))
            yield Number("sources", f"loss, {NOISE_FREE}", name, MAIN_DAYS, ideal - left)


def logit(chance: Floats) -> Floats:
    kept = np.clip(chance, 1e-9, 1 - 1e-9)
    found: Floats = np.log(kept / (1 - kept))
    return found


def features_of(source: str, specs: Sequence[FeatureSpec]) -> frozenset[str]:
    """The features that cannot be computed without a source: its own and those derived from them."""
    found: set[str] = set()
    for spec in specs:
        if isinstance(spec, WindowSpec) and spec.table in SOURCES[source]:
            is_of_it = spec.table != "sessions" or spec.column in SATELLITE_COLUMNS
            found |= {spec.name} if is_of_it else set()
        if isinstance(spec, DerivedSpec) and found & set(spec.inputs):
            found.add(spec.name)
    return frozenset(found)


def taught(recipe: Recipe, trained: Squad, members: int) -> dict[str, Fitted]:
    """Two ceilings: the learner taught the oracle's probability, and taught the hazard that the factors add up to."""
    risk = logit(trained.oracle[str(MAIN_DAYS)].to_numpy())
    hazard = trained.shares[MAIN_DAYS].to_numpy().sum(axis=1)
    return {
        NOISE_FREE: fit_to_truth(recipe, trained, risk, MAIN_DAYS, members),
        HAZARD: fit_to_truth(recipe, trained, hazard, MAIN_DAYS, members),
    }


def ceilings(recipe: Recipe, trained: Squad, squad: Squad, noise_free: Fitted) -> Iterator[Number]:
    """The share of the oracle that could be reached: by this learner taught the true risk, by a regression of the
    oracle's odds on the same features, and by who knew every factor's true term, but neither frailty nor fixtures."""
    odds = pd.DataFrame({ORACLE: logit(trained.oracle[str(MAIN_DAYS)].to_numpy())})
    terms = squad.shares[MAIN_DAYS].to_numpy(dtype=np.float64).sum(axis=1)
    for subject, score in (
        (NOISE_FREE, noise_free.predict(squad).log_odds[0]),
        (ORACLE, regressed(recipe, trained, squad, odds)[ORACLE].to_numpy()),
        (TERMS, terms),
    ):
        yield Number("discrimination", "share of oracle", subject, MAIN_DAYS, share_of(squad, score))
