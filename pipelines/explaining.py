"""One athlete's score taken apart further than in the report: by pairs of factors, and with a named background."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd
from rich.table import Table

from configs.errors import NotReady, WrongArgument
from features.availability import unavailable
from features.build import build_values
from features.labels import at_risk_index
from features.row_facts import prepare
from features.specs import FeatureSpec
from features.windows import known_by
from models.bundle import Bundle
from models.estimator import predict
from models.explain import by_factor, contributions_of_prediction, interactions_of_prediction
from models.fallback import SCORED_BY as AGE_AND_HISTORY
from models.recalibration import of_squad
from models.references import USUAL_WEEKS
from pipelines.console import out, right
from pipelines.daily import Explained
from pipelines.data import Store, read_tables
from pipelines.show import Teller

MOST_BACKGROUND_ROWS = 200
"""Of more athlete-days every second, third ... is taken: the mean over them hardly moves, the time does."""
TRAINING_EVERY_DAYS = 14
"""Neighbouring days of an athlete say almost the same."""
_MOST_PAIRS = 8
Tables = Mapping[str, pd.DataFrame]


class Background(StrEnum):
    """The athlete-days that an unknown feature can take its values from: no reference of the report is any of them."""

    squad = "squad"
    own = "own"
    training = "training"


_WORDS = {
    Background.squad: "the others of the squad this morning",
    Background.own: f"the athlete's own last {USUAL_WEEKS} weeks, same weekday",
    Background.training: "athlete-days that the model learnt from",
}


@dataclass(frozen=True)
class Horizon:
    """One horizon's score: base and contributions by factor, and what pairs of factors do together (if asked for)."""

    days: int
    base_log_odds: float
    log_odds: float
    factors: Mapping[str, float]
    pairs: pd.DataFrame | None

    def as_json(self) -> dict[str, Any]:
        """Plain values; a pair's effect is a part of both of its factors' contributions, half of it each."""
        pairs = {} if self.pairs is None else {"pairs": self.pairs.to_dict("records")}
        content = {"horizon_days": self.days, "base_log_odds": self.base_log_odds, "log_odds": self.log_odds}
        return {**content, "contributions": dict(self.factors), **pairs}


@dataclass(frozen=True)
class TakenApart:
    """A score's parts by horizon; `background` None: path-dependent, as in the report."""

    background: Background | None
    background_rows: int
    horizons: tuple[Horizon, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "background": str(self.background) if self.background else "path-dependent",
            "athlete_days": self.background_rows,
            "horizons": [each.as_json() for each in self.horizons],
        }


def background_named(name: str | None) -> Background | None:
    """What a user's word stands for. Raises WrongArgument for one that stands for nothing."""
    if name is None:
        return None
    if name not in list(Background):
        raise WrongArgument(f"--background {name}: give one of {', '.join(Background)}.")
    return Background(name)


def take_apart(
    store: Store, found: Explained, athlete_id: str, background: Background | None, pairs: bool
) -> TakenApart:
    """The parts of what `explain_athlete` found.

    Raises NotReady for an athlete who is scored by age and injury history alone, and where there are no athlete-days to
    explain against.
    """
    first = found.predictions.iloc[0]
    if first["scored_by"] == AGE_AND_HISTORY:
        raise NotReady(
            f"athlete '{athlete_id}' is scored by {AGE_AND_HISTORY} alone, which have no parts beyond these."
        )
    bundle, tables = found.bundle, read_tables(store)
    at = pd.DataFrame({"athlete_id": [athlete_id], "date": found.date, "as_of": first["as_of"]})
    at = at.astype({"athlete_id": "str", "date": "datetime64[us]", "as_of": "datetime64[us, UTC]"})
    prepared = prepare(tables, bundle.target)
    squad = _squad_of(prepared["athletes"], at)
    others = None if background is None else _background(background, at, prepared, tables, bundle, squad)
    models = of_squad(bundle.models, bundle.recalibrations, squad)
    values = build_values(at, prepared, bundle.specs)
    predicted = predict(models, values)
    horizons = []
    for place, days in enumerate(predicted.horizons_days):
        base, shares = contributions_of_prediction(models, predicted, values, days, others)
        told = interactions_of_prediction(models, predicted, values, days, bundle.specs, others) if pairs else None
        factors = {str(name): float(share) for name, share in by_factor(shares, bundle.specs).iloc[0].items()}
        score = float(predicted.log_odds[place, 0])
        horizons.append(Horizon(days, float(base[0]), score, factors, told.pairs(0) if told else None))
    return TakenApart(background, 0 if others is None else len(others), tuple(horizons))


def _squad_of(athletes: pd.DataFrame, at: pd.DataFrame) -> str:
    """The squad as known at the moment."""
    own = athletes[(athletes["athlete_id"] == at["athlete_id"].iloc[0]) & (athletes["known_at"] <= at["as_of"].iloc[0])]
    return str(own.sort_values("known_at")["squad"].iloc[-1])


def _background(
    kind: Background, at: pd.DataFrame, prepared: Tables, tables: Tables, bundle: Bundle, squad: str
) -> pd.DataFrame:
    if kind is Background.training:
        return evenly(learnt_from(tables, bundle)[1])
    index = _others(at, prepared["athletes"], squad) if kind is Background.squad else _own_weeks(at)
    index = index[unavailable(index, prepared, bundle.target).isna()].reset_index(drop=True)
    values = build_values(index, prepared, bundle.specs)
    if values.empty:
        raise NotReady(f"nobody could be scored among {_WORDS[kind]}: choose another --background.")
    return evenly(values)


def _others(at: pd.DataFrame, athletes: pd.DataFrame, squad: str) -> pd.DataFrame:
    """The same moment of everybody else in the squad, as known then."""
    known = athletes[athletes["known_at"] <= at["as_of"].iloc[0]].sort_values("known_at")
    newest = known.drop_duplicates("athlete_id", keep="last")
    names = newest.loc[newest["squad"] == squad, "athlete_id"]
    names = names[names != at["athlete_id"].iloc[0]].sort_values()
    return at.iloc[[0] * len(names)].assign(athlete_id=names.to_numpy()).reset_index(drop=True)


def _own_weeks(at: pd.DataFrame) -> pd.DataFrame:
    weeks = pd.Series(pd.to_timedelta(7 * pd.RangeIndex(1, USUAL_WEEKS + 1), unit="D"))
    own = at.iloc[[0] * USUAL_WEEKS].reset_index(drop=True)
    return own.assign(date=own["date"] - weeks, as_of=own["as_of"] - weeks)


def evenly(rows: pd.DataFrame, most: int = MOST_BACKGROUND_ROWS) -> pd.DataFrame:
    """At most `most` rows, evenly spaced."""
    return rows.iloc[:: max(math.ceil(len(rows) / most), 1)]


def learnt_from(
    tables: Tables,
    bundle: Bundle,
    every_days: int = TRAINING_EVERY_DAYS,
    specs: Sequence[FeatureSpec] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Index and features of athlete-days at risk up to a bundle's data cut, as known then.

    The features are those of the bundle's own specs unless others are given. Raises NotReady where the store no longer
    tells of any such day.
    """
    day_after = pd.DatetimeIndex([bundle.data_cut + pd.Timedelta(days=1)])
    prepared = prepare(known_by(tables, bundle.target.as_of(day_after)[0]), bundle.target)
    first = prepared["coverage"]["first_date"].min()
    index, _ = at_risk_index(prepared, bundle.target, first, bundle.data_cut, every_days)
    if index.empty:
        raise NotReady(f"the store tells of no athlete-day at risk up to {bundle.data_cut:%Y-%m-%d}.")
    return index, build_values(index, prepared, specs or bundle.specs)


def show_parts(found: TakenApart, names: Mapping[str, str], told: Teller) -> None:
    """The shortest horizon's parts; `names` says what each factor is called."""
    horizon = found.horizons[0]
    if found.background:
        _show_background(found.background, found.background_rows, horizon, names, told)
    if horizon.pairs is not None:
        _show_pairs(horizon, names)


def _show_background(
    background: Background, rows: int, horizon: Horizon, names: Mapping[str, str], told: Teller
) -> None:
    typical = told.typical(horizon.days, horizon.base_log_odds)
    out().print(
        f"\nExplained anew with a background: {_WORDS[background]} ({rows} athlete-days, typical score: {typical}).",
        soft_wrap=True,
    )
    table = Table("factor", right("times the background's odds"))
    for name, share in sorted(horizon.factors.items(), key=lambda each: -each[1]):
        table.add_row(names[name], f"{math.exp(share):.2f}")
    out().print(table)
    total = horizon.base_log_odds + sum(horizon.factors.values())
    out().print(
        f"Base {horizon.base_log_odds:+.4f} and contributions add up to {total:+.4f}; the score is "
        f"{horizon.log_odds:+.4f} (log-odds, {horizon.days} days)."
    )


def _show_pairs(horizon: Horizon, names: Mapping[str, str]) -> None:
    assert horizon.pairs is not None
    shown = horizon.pairs[horizon.pairs["effect"].abs() >= _LEAST_EFFECT].head(_MOST_PAIRS)
    if shown.empty:
        out().print("\nNo two factors do more together than each does alone (up to 0.1 % of the odds).")
        return
    out().print(f"\nPairs of factors that do more or less together than alone ({horizon.days} days):")
    table = Table("factor", "with", right("times the odds"))
    for one, other, effect in shown.itertuples(index=False):
        table.add_row(names[one], names[other], f"{math.exp(effect):.3f}")
    out().print(table)
    left_out = len(horizon.pairs) - len(shown)
    out().print(f"Half of each stands in either factor's contribution above; {left_out} weaker pairs left out.")


_LEAST_EFFECT = 0.001
"""Log-odds: a pair below this would be printed as 1.000."""
