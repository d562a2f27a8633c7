"""How to learn from several clubs: pooled, with the club's rate as an offset, apart, or pooled and recalibrated.

python -m benchmarks.squads [--seeds 3]

Six simulated clubs of 40 athletes. In one world their true rates differ by reasons that nothing recorded tells (0.5 to
2.2 times the usual), in the other they are alike. Two seasons teach, the third is tested: on the clubs that taught, and
on each club with the other five as teachers. Log-losses are the expected ones against the risk that came about, above
the truth's own, times 1,000 and averaged over clubs; O:E are the injuries that came about per injury expected. The
first four are trees without straight effects, since trees that add to an offset have none.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

import configs
from benchmarks import report
from models.estimator import (
    Bag,
    Calibration,
    HorizonModel,
    fit_bag,
    fit_horizons,
    member_log_odds,
    predict,
)
from models.odds import Floats, probability, rate_log_odds
from models.recalibration import injuries_behind, learn_recalibrations, predict_squads
from pipelines.recipe import Recipe, load_recipe
from pipelines.simulate import simulate
from pipelines.verification.fitting import monotone
from pipelines.verification.measures import expected_auroc, over_seeds
from pipelines.verification.squads import TRAINED_UNTIL, Squad, squad_of

TIMES = {"rates differ": (0.5, 0.7, 1.0, 1.0, 1.5, 2.2), "alike": (1.0,) * 6}
FIRST_SEED = {"rates differ": 1, "alike": 11}
MEMBERS = 5
ATHLETES, SEASONS = 40, 3
TESTED_FROM = pd.Timestamp("2024-07-01")
DAYS = 7
WAYS = ("pooled", "pooled, club's rate as offset", "apart", "pooled, recalibrated by club")
SHIPPED = ("as shipped, pooled", "as shipped, recalibrated by club")
"""The same with the straight effects that the shipped settings add."""


@dataclass(frozen=True)
class Clubs:
    """Rows of all clubs, one below the other; `chance` is the true one of an injury within DAYS."""

    index: pd.DataFrame
    features: pd.DataFrame
    label: Floats
    chance: Floats
    club: np.ndarray

    def rows(self, kept: np.ndarray) -> Clubs:
        frames = (self.index.iloc[kept], self.features.iloc[kept])
        return Clubs(*frames, self.label[kept], self.chance[kept], self.club[kept])


def clubs(recipe: Recipe, world: str, seed: int) -> Clubs:
    first = 1000 * seed + FIRST_SEED[world]
    squads = [_club(recipe, times, first + number) for number, times in enumerate(TIMES[world])]
    names = [f"club {number}" for number in range(len(squads))]
    return Clubs(
        pd.concat([s.index.assign(athlete_id=n + s.index["athlete_id"]) for n, s in zip(names, squads, strict=True)]),
        pd.concat([s.features for s in squads], ignore_index=True),
        np.concatenate([s.labels[str(DAYS)].to_numpy(dtype=np.float64) for s in squads]),
        np.concatenate([1 - np.exp(-s.came[str(DAYS)].to_numpy(dtype=np.float64)) for s in squads]),
        np.repeat(names, [len(s.index) for s in squads]),
    )


def _club(recipe: Recipe, times: float, seed: int) -> Squad:
    with tempfile.TemporaryDirectory(prefix="strainwatch-bench-") as folder:
        text = (configs.SHIPPED / "simulation.toml").read_text(encoding="utf-8")
        changed = re.sub(r"(?m)^per_1000_h = 1\.0", f"per_1000_h = {times}", text, count=1)
        (Path(folder) / "simulation.toml").write_text(changed, encoding="utf-8")
        world = simulate(ATHLETES, SEASONS, seed, TRAINED_UNTIL, Path(folder))
    return squad_of(world, recipe, None, thinned=True)


@dataclass(frozen=True)
class Learner:
    """Trees that add to what a club's scores start from: `base`, and an offset of its own where the club taught."""

    bag: Bag
    adds: Calibration
    base: float
    offsets: dict[str, float]

    def chances(self, tested: Clubs) -> Floats:
        start = self.base + np.array([self.offsets.get(name, 0.0) for name in tested.club])
        raw = member_log_odds(self.bag, tested.features[list(self.bag.feature_names)]).mean(axis=0)
        return probability(start + self.adds.log_odds(raw))


def pooled(recipe: Recipe, names: list[str], taught: Clubs) -> HorizonModel:
    labels = pd.DataFrame({str(DAYS): taught.label})
    athletes = taught.index["athlete_id"].to_numpy()
    (model,) = fit_horizons(taught.features[names], labels, athletes, recipe.settings, monotone(recipe, names))
    return model


def with_offset(recipe: Recipe, names: list[str], taught: Clubs) -> Learner:
    """Trees that add to each club's own rate, shrunk towards everybody's by as much as the recalibration shrinks it."""
    overall, settings = taught.label.mean(), recipe.settings
    offsets = {}
    for name in np.unique(taught.club):
        rows = np.flatnonzero(taught.club == name)
        had = injuries_behind(taught.index.iloc[rows], taught.label[rows], DAYS)
        expected = overall * len(rows) * had / max(taught.label[rows].sum(), 1)
        sure = 1 / settings.squad_shift_sd**2
        offsets[str(name)] = float(np.log((had + sure) / (expected + sure)))
    own = np.array([offsets[name] for name in taught.club])
    athletes, base = taught.index["athlete_id"].to_numpy(), rate_log_odds(taught.label)
    directions = monotone(recipe, names)
    bag, raw = fit_bag(taught.features[names], taught.label, athletes, settings, directions, start=base + own)
    return Learner(bag, _beside(raw, base + own, taught.label), base, offsets)


def _beside(raw: Floats, start: Floats, label: Floats) -> Calibration:
    """The likeliest straight line of `raw`, added to `start` as it is: a slope must not stretch a club's own rate."""
    scored = np.isfinite(raw)

    def loss(line: Floats) -> float:
        log_odds = start[scored] + line[0] + line[1] * raw[scored]
        return float((np.logaddexp(0, log_odds) - label[scored] * log_odds).mean())

    return Calibration("platt", tuple(minimize(loss, (0.0, 1.0), bounds=((None, None), (0.0, None))).x.tolist()))


def known_clubs(recipe: Recipe, names: list[str], every: Clubs) -> dict[str, Floats]:
    """Chances in the last season of clubs whose earlier seasons taught, by way of learning."""
    taught, tested = _split(every)
    plain, recalibrated = _recalibrated(recipe, names, taught, tested)
    shipped = replace(recipe.settings, straight_penalty=load_recipe().settings.straight_penalty)
    apart = np.empty(len(tested.label))
    for name in np.unique(tested.club):
        one = pooled(recipe, names, taught.rows(np.flatnonzero(taught.club == name)))
        rows = np.flatnonzero(tested.club == name)
        apart[rows] = predict([one], tested.features.iloc[rows]).probability[0]
    return {
        WAYS[0]: plain,
        WAYS[1]: with_offset(recipe, names, taught).chances(tested),
        WAYS[2]: apart,
        WAYS[3]: recalibrated,
        **dict(zip(SHIPPED, _recalibrated(replace(recipe, settings=shipped), names, taught, tested), strict=True)),
    }


def _recalibrated(recipe: Recipe, names: list[str], taught: Clubs, tested: Clubs) -> tuple[Floats, Floats]:
    """Chances by the pooled model, and by the same recalibrated by club."""
    model = pooled(recipe, names, taught)
    labels = pd.DataFrame({str(DAYS): taught.label})
    own = learn_recalibrations([model], taught.features, labels, taught.index, taught.club, recipe.settings)
    said = (predict([model], tested.features), predict_squads([model], own, tested.features, tested.club))
    return said[0].probability[0], said[1].probability[0]


def unseen_clubs(recipe: Recipe, names: list[str], every: Clubs) -> dict[str, Floats]:
    """Chances in the last season of each club, the earlier seasons of the others being the teachers."""
    taught, tested = _split(every)
    found = {way: np.empty(len(tested.label)) for way in WAYS[:2]}
    for name in np.unique(tested.club):
        others = taught.rows(np.flatnonzero(taught.club != name))
        rows = np.flatnonzero(tested.club == name)
        found[WAYS[0]][rows] = predict([pooled(recipe, names, others)], tested.features.iloc[rows]).probability[0]
        found[WAYS[1]][rows] = with_offset(recipe, names, others).chances(tested.rows(rows))
    return found


def _split(every: Clubs) -> tuple[Clubs, Clubs]:
    """Rows whose label ends before TESTED_FROM, and those from then on."""
    is_past = every.index["date"] <= TESTED_FROM - pd.Timedelta(days=DAYS)
    is_later = every.index["date"] >= TESTED_FROM
    return every.rows(np.flatnonzero(is_past)), every.rows(np.flatnonzero(is_later))


@dataclass(frozen=True)
class Judged:
    """Means over clubs: expected log-loss above the truth's (x 1,000), |ln O:E|, AUROC within the club; and the AUROC
    of all clubs together."""

    loss: float
    off: float
    within: float
    together: float
    ratios: tuple[float, ...]


def judged(said: Floats, tested: Clubs) -> Judged:
    rows = [np.flatnonzero(tested.club == name) for name in np.unique(tested.club)]
    true = tested.chance
    ratios = tuple(float(true[each].sum() / said[each].sum()) for each in rows)
    return Judged(
        1000 * float(np.mean([_loss(said[each], true[each]) - _loss(true[each], true[each]) for each in rows])),
        float(np.mean(np.abs(np.log(ratios)))),
        float(np.mean([expected_auroc(said[each], true[each]) for each in rows])),
        expected_auroc(said, true),
        ratios,
    )


def _loss(said: Floats, true: Floats) -> float:
    said = np.clip(said, 1e-9, 1 - 1e-9)
    return float(-(true * np.log(said) + (1 - true) * np.log(1 - said)).mean())


COLUMNS = ("learnt", "log-loss", "less than pooled", "|ln O:E|", "less than pooled", "AUROC within", "AUROC together")


def table(world: str, seeds: int) -> None:
    recipe = load_recipe()
    recipe = replace(recipe, settings=replace(recipe.settings, threads=1, members=MEMBERS, straight_penalty=0.0))
    known: list[dict[str, Judged]] = []
    unknown: list[dict[str, Judged]] = []
    for seed in range(1, seeds + 1):
        every = clubs(recipe, world, seed)
        names = _usable(recipe, every)
        tested = _split(every)[1]
        for told, learn in ((known, known_clubs), (unknown, unseen_clubs)):
            told.append({way: judged(said, tested) for way, said in learn(recipe, names, every).items()})
        report.note(f"{world}: seed {seed} of {seeds}")
    for title, told in (("clubs that taught", known), ("clubs never seen", unknown)):
        rows = [_line(way, [each[way] for each in told], [each[_plain(way)] for each in told]) for way in told[0]]
        report.show(f"{world}; {title}; {DAYS} days, {seeds} seeds", COLUMNS, rows)
    for way in (WAYS[0], WAYS[3], *SHIPPED):
        ratios = np.mean([each[way].ratios for each in known], axis=0)
        report.note(f"O:E by club, {way}: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


def _usable(recipe: Recipe, every: Clubs) -> list[str]:
    varies = every.features.min() < every.features.max()
    return [spec.name for spec in recipe.specs if spec.in_model and varies[spec.name]]


def _plain(way: str) -> str:
    """The pooled model that a way of learning is compared with."""
    return SHIPPED[0] if way in SHIPPED else WAYS[0]


def _line(way: str, told: Sequence[Judged], plain: Sequence[Judged]) -> tuple[str, ...]:
    def gain(name: str) -> str:
        if way == _plain(way):
            return ""
        found = over_seeds([getattr(a, name) - getattr(b, name) for a, b in zip(plain, told, strict=True)])
        return f"{found.value:+.3f} ({found.lower:+.3f} to {found.upper:+.3f})"

    means = {name: float(np.mean([getattr(each, name) for each in told])) for name in Judged.__dataclass_fields__
             if name != "ratios"}  # fmt: skip
    return (
        way, f"{means['loss']:.3f}", gain("loss"), f"{means['off']:.3f}", gain("off"),
        f"{means['within']:.3f}", f"{means['together']:.3f}",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for world in TIMES:
        table(world, given.seeds)


if __name__ == "__main__":
    main()
