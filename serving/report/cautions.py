"""When not to trust the report: what follows from the model's figures, and what always holds."""

from __future__ import annotations

import pandas as pd

from serving.report.facts import ModelFacts
from serving.report.language import N_, _, decimal, ngettext
from serving.report.wording import day

FEW_EVENTS = 100
"""An evaluation on fewer events is called rough (a rule of thumb)."""
OLD_MODEL_DAYS = 183


def cautions(facts: ModelFacts, horizon_days: int, as_of: pd.Timestamp) -> tuple[str, ...]:
    """Sentences on when not to trust the report, the particular ones first."""
    found = []
    auroc = facts.auroc(horizon_days)
    if auroc is not None and auroc.n_events < FEW_EVENTS:
        found.append(
            _(
                "The evaluation rests on {injuries} in {athletes}; below about {few} every figure here is rough.",
                injuries=ngettext("{n} injury", "{n} injuries", auroc.n_events),
                athletes=ngettext("{n} athlete", "{n} athletes", auroc.n_athletes),
                few=decimal(FEW_EVENTS),
            )
        )
    if (as_of - facts.data_cut).days > OLD_MODEL_DAYS:
        found.append(_("The model has learnt nothing since {day}.", day=day(facts.data_cut)))
    return (*found, *(_(sentence) for sentence in _ALWAYS))


_ALWAYS = (
    N_("A low score is no clearance: athletes who are not flagged get injured too."),
    N_("After a change of device, form or testing protocol, until own usual has been measured again."),
    N_("In an athlete's first weeks with the squad: there is no own usual to compare with yet."),
    N_("In the first weeks after a return to play: few days that the model learnt from are like them."),
    N_("For reasons that the data do not hold: illness, travel, pain that nobody entered."),
    N_("A contribution describes the score, not the tissue; changing a measurement need not change the risk."),
    N_("Thresholds and evidence come mostly from adult men in team sports."),
)
