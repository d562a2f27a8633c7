"""What an evaluation's data can and cannot carry, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from models.breakdown import LEAST_EVENTS
from models.estimator import Settings
from models.metrics import Metric, covered_injuries
from models.out_of_fold import Data
from models.sample_size import EXPECTED_AUROC, least_events

Found = Mapping[tuple[str | None, str], Metric]
"""The model's metrics of one horizon by what they are held against (None: nothing) and name."""


def verdict(data: Data, found: Mapping[int, Found], compared: Mapping[str, str], settings: Settings) -> Iterator[str]:
    """How much there is, then by horizon how well the model ranks and beside what; `compared` gives names in words."""
    yield from _amount(data)
    for horizon in data.horizons_days:
        if not found.get(horizon):
            yield f"{horizon} days: no tested day has a known outcome, so there is no figure."
            continue
        yield discrimination(horizon, found[horizon][None, "auroc"])
        yield from precision(horizon, found[horizon])
        yield from against_others(horizon, found[horizon], compared)
    yield from few_injuries([each[None, "auroc"] for each in found.values() if each])
    if settings.evaluation_members < settings.members:
        yield (
            f"Each fold's model is a bag of {settings.evaluation_members} members, the shipped one of "
            f"{settings.members}: the shipped one's scores are steadier, so these figures lie low rather than high."
        )


def few_injuries(aurocs: Sequence[Metric]) -> Iterator[str]:
    """A caution where intervals stand on so few injuries that they miss the truth more often than one time in twenty.

    Scores that know nothing, of 50 athletes over half a year: the athlete bootstrap's interval of the AUROC left out
    0.5 in 18 % of 400 squads with four injured athletes, in 9 % with six, in 10 % with ten.
    """
    fewest = min((auroc.n_events for auroc in aurocs if np.isfinite(auroc.lower)), default=LEAST_EVENTS)
    if fewest < LEAST_EVENTS:
        yield (
            f"Intervals from {fewest} injuries are too narrow, as from any fewer than {LEAST_EVENTS}: what one of them "
            "leaves out is a hint, not shown."
        )


def _amount(data: Data) -> Iterator[str]:
    longest = data.horizons_days[-1]
    labelled = data.index.assign(label=data.label(longest))
    covered = covered_injuries(labelled, data.onsets, longest)
    injuries = covered[["athlete_id", "onset"]].drop_duplicates()
    used = int(data.features[data.model_features].notna().any().sum())
    yield (
        f"{len(injuries)} injuries of {injuries['athlete_id'].nunique()} athletes among "
        f"{data.index['athlete_id'].nunique()}, for {used} features: "
        f"{_two_digits(len(injuries) / max(used, 1))} injuries per feature."
    )
    rate = float(np.nanmean(data.label(longest)))
    needed = least_events(max(used, 1), rate, EXPECTED_AUROC)
    met = "met" if len(injuries) >= needed else "not met, so scores may fit chance and need an independent check"
    yield (
        f"To learn from so many features Riley's criteria ask for about {needed:,} injuries at an expected "
        f"AUROC of {EXPECTED_AUROC:.2f} ({longest}-day horizon): {met}."
    )


def discrimination(horizon_days: int, auroc: Metric) -> str:
    """The AUROC with its interval, and what that says."""
    tested = (
        f"{horizon_days} days: {auroc.n_rows:,} tested athlete-days of {auroc.n_athletes} athletes "
        f"before {auroc.n_events} injuries."
    )
    if not np.isfinite(auroc.value):
        return f"{tested} AUROC is {auroc.reason}."
    if not np.isfinite(auroc.lower):
        return f"{tested} AUROC {auroc.value:.2f}, {auroc.reason}."
    half_width = (auroc.upper - auroc.lower) / 2
    if auroc.lower > 0.5:
        meaning = "the interval excludes 0.5, so it ranks athletes better than chance"
    elif auroc.upper < 0.5:
        meaning = "the whole interval is below 0.5, so it ranks athletes worse than chance"
    else:
        meaning = "the interval includes 0.5, so this data cannot tell the ranking from chance"
    interval = f"95% interval {auroc.lower:.2f} to {auroc.upper:.2f}, half-width {half_width:.2f}"
    return f"{tested} AUROC {auroc.value:.2f} ({interval}): {meaning}."


def precision(horizon_days: int, found: Found) -> Iterator[str]:
    """Average precision beside what chance gives, and whether it is shown to be more; nothing without a figure."""
    own, chance = found[None, "average_precision"], found[None, "prevalence_line"]
    gain = found[None, "precision_above_chance"]
    if not np.isfinite(gain.lower):
        return
    shown = "more than chance" if gain.lower > 0 else "not shown to be more than chance"
    value, lower, upper, lot = (_two_digits(each) for each in (own.value, own.lower, own.upper, chance.value))
    yield (
        f"{horizon_days} days: average precision {value} (95% interval {lower} to {upper}), of chance {lot}: {shown}."
    )


def _two_digits(value: float) -> str:
    """Two significant digits, such as "0.060", "1.0" and "12"."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:#.2g}"


def against_others(horizon_days: int, found: Found, compared: Mapping[str, str]) -> Iterator[str]:
    """Than which of the others the model is shown to rank better or worse, and which ranks better here."""
    gains = {other: found[other, "auroc"] for other in compared if other != "prevalence"}
    better = [name for name, gain in gains.items() if gain.lower > 0]
    worse = [name for name, gain in gains.items() if gain.upper < 0]
    unproven = [name for name in gains if name not in (*better, *worse)]
    for names, claim in (
        (better, "shown to be higher"),
        (worse, "shown to be lower"),
        (unproven, "not shown to be higher"),
    ):
        if names:
            listed = ", ".join(compared[name] for name in names)
            yield f"{horizon_days} days: AUROC is {claim} than that of {listed}."
    ahead = min(gains, key=lambda name: gains[name].value if np.isfinite(gains[name].value) else np.inf)
    if gains[ahead].value < 0:
        yield f"{horizon_days} days: {_ahead(compared[ahead], found[None, 'auroc'].value, gains[ahead])}"


def _ahead(name: str, own: float, gain: Metric) -> str:
    """A simpler model whose AUROC is the higher one here, and whether that is shown."""
    estimate = f"{name} ranks higher here (AUROC {own - gain.value:.2f}; this model's less its: {gain.value:.2f}"
    if not np.isfinite(gain.upper):
        return f"{estimate}, {gain.reason}): prefer the simpler one."
    interval = f"{estimate}, 95% interval {gain.lower:.2f} to {gain.upper:.2f})"
    if gain.upper < 0:
        return f"{interval}: prefer it to this model."
    return f"{interval}: not told apart, and the simpler one is to be preferred."
