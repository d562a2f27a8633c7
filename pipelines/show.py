"""One athlete's explanation for people at a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from rich.markup import escape
from rich.table import Table

from models.bundle import Bundle
from models.fallback import SCORED_BY as AGE_AND_HISTORY
from pipelines.console import out, right
from serving.report.reasons import Explainer, FactorShare


def explained(rows: pd.DataFrame, bundle: Bundle, date: pd.Timestamp) -> tuple[FactorShare, ...]:
    """The factors of one athlete's explanation rows, strongest raising first."""
    specs = {spec.name: spec for spec in bundle.specs}
    return Explainer(specs, bundle.factors, date).shares(rows)


def reasons_in_words(shares: Sequence[FactorShare], most: int = 3) -> str:
    """The strongest raising factors with the leading measurement of each, on one line."""
    raising = [share for share in shares if share.is_raising][:most]
    if not raising:
        return "nothing raises the score above the ordinary"
    return "; ".join(f"{share.name.lower()}: {share.leading.text}" for share in raising)


def show_explanation(predictions: pd.DataFrame, rows: pd.DataFrame, bundle: Bundle, date: pd.Timestamp) -> None:
    """One athlete's scores, and per factor how it moves the odds and the measurement that weighs most."""
    console = out()
    for row in predictions.to_dict("records"):
        interval = f"{row['lower']:.2%} to {row['upper']:.2%}"
        console.print(f"{row['horizon_days']} days: {row['probability']:.2%} ({interval}), band {row['band']}")
    first = predictions.iloc[0]
    if first["scored_by"] == AGE_AND_HISTORY:
        console.print(escape(f"Scored by {AGE_AND_HISTORY} alone: {first['reason']}."), soft_wrap=True)
    shares = explained(rows[rows["horizon_days"] == first["horizon_days"]], bundle, date)
    table = Table("factor", right("times the odds"), "measurement that weighs most", "evidence", "can change")
    for share in shares:
        changeable = "yes" if share.factor.modifiable else "no"
        odds = f"{math.exp(share.contribution):.2f}"
        table.add_row(share.name, odds, escape(share.leading.text), share.leading.evidence, changeable)
    console.print(table)
    total = first["base_log_odds"] + sum(share.contribution for share in shares)
    own_rate = f" (of it {first['squad_log_odds']:+.4f} the squad's own rate)" if first["squad_log_odds"] else ""
    console.print(
        f"Base {first['base_log_odds']:+.4f}{own_rate} and contributions add up to {total:+.4f}; "
        f"the score is {first['log_odds']:+.4f} (log-odds, {first['horizon_days']} days)."
    )
    console.print("Contributions describe the score, not the tissue: decision support, not diagnosis.")
