"""The smallest change of next week that would bring an athlete's score below a limit, asked of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from features.windows import known_by
from models.bundle import Bundle
from models.counterfactual import Counterfactual, Question, smallest_change
from models.levers import WhatIf, usable
from models.recalibration import of_squad

Ask = Callable[[str, float], Counterfactual]
"""The answer for an athlete and a limit of probability."""


def asker(
    tables: Mapping[str, pd.DataFrame],
    as_of: pd.Timestamp,
    bundle: Bundle,
    explanations: pd.DataFrame,
    horizon_days: int,
    what_if: WhatIf,
) -> Ask:
    """Answers about the scores of `as_of`, from contract tables with all rows that the store holds.

    `explanations` show the range of each feature in the squad that morning. Raises ConfigError for a lever of a factor
    that cannot be changed.
    """
    now = explanations[(explanations["as_of"] == as_of) & (explanations["model_version"] == bundle.version)]
    levers = usable(what_if.levers, bundle.specs, bundle.factors)
    return _Asker(tables, as_of, bundle, now, horizon_days, replace(what_if, levers=levers))


@dataclass(frozen=True)
class _Asker:
    tables: Mapping[str, pd.DataFrame]
    as_of: pd.Timestamp
    bundle: Bundle
    shown: pd.DataFrame
    horizon_days: int
    what_if: WhatIf

    @cached_property
    def known(self) -> dict[str, pd.DataFrame]:
        return known_by(self.tables, self.as_of)

    def __call__(self, athlete_id: str, limit: float) -> Counterfactual:
        own = {name: table[table["athlete_id"] == athlete_id] for name, table in self.known.items()}
        date = self.bundle.target.local_day(self.as_of)
        return smallest_change(own, date, limit, self._question(str(own["athletes"]["squad"].iloc[-1])))

    def _question(self, squad: str) -> Question:
        bundle, values = self.bundle, self.shown.groupby("feature")["value"]
        return Question(
            of_squad(bundle.models, bundle.recalibrations, squad),
            bundle.specs,
            bundle.target,
            self.horizon_days,
            self.what_if.levers,
            self.what_if.most_changes,
            values.min(),
            values.max(),
        )
