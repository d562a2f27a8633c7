"""When not to trust the report: what follows from the model's figures, and what always holds."""

from __future__ import annotations

import pandas as pd

from serving.report.facts import ModelFacts
from serving.report.wording import day, plural

FEW_EVENTS = 100
"""An evaluation on fewer events is called rough (a rule of thumb)."""
OLD_MODEL_DAYS = 183


def cautions(facts: ModelFacts, horizon_days: int, as_of: pd.Timestamp) -> tuple[str, ...]:
    """Sentences on when not to trust the report, the particular ones first."""
    found = []
    auroc = facts.auroc(horizon_days)
    if auroc is not None and auroc.n_events < FEW_EVENTS:
        found.append(
            f"The evaluation rests on {plural(auroc.n_events, 'injury', 'injuries')} in "
            f"{plural(auroc.n_athletes, 'athlete')}; below about {FEW_EVENTS} every figure here is rough."
        )
    if (as_of - facts.data_cut).days > OLD_MODEL_DAYS:
        found.append(f"The model has learnt nothing since {day(facts.data_cut)}.")
    return (*found, *_ALWAYS)


_ALWAYS = (
    "A low score is no clearance: athletes who are not flagged get injured too.",
    "After a change of device, form or testing protocol, until own usual has been measured again.",
    "In an athlete's first weeks with the squad: there is no own usual to compare with yet.",
    "For reasons that the data do not hold: illness, travel, pain that nobody entered.",
    "A contribution describes the score, not the tissue; changing a measurement need not change the risk.",
    "Thresholds and evidence come mostly from adult men in team sports.",
)
