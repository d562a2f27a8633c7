"""The figures of an evaluation by file stem: the curves of each horizon, and how the ranking fades with lead time."""

from __future__ import annotations

from matplotlib.figure import Figure

from models import figures
from models.evaluation import Evaluation
from models.tested import MODEL

THIS = "this model"


def evaluation_figures(evaluation: Evaluation) -> dict[str, Figure]:
    """ "roc_7d", "calibration_7d" and so on, for each horizon that has a score.

    What ranks is drawn from ranks within folds, as each fold has a model of its own: a point of the curve flags the
    same share of every fold. What judges probabilities is drawn from the probabilities of all folds.
    """
    drawn: dict[str, Figure] = {}
    for horizon in sorted({score.horizon_days for score in evaluation.scores}):
        drawn |= _of_horizon(evaluation, horizon)
    return drawn


def _of_horizon(evaluation: Evaluation, horizon_days: int) -> dict[str, Figure]:
    rows = evaluation.out_of_fold
    rows = rows[(rows["horizon_days"] == horizon_days) & rows["label"].notna()]
    label, words = rows["label"].to_numpy(), {MODEL: THIS, **evaluation.names}
    ranks = rows.groupby("fold")[list(words)].rank(pct=True)
    ranked = {text: ranks[name].to_numpy() for name, text in words.items()}
    chances = {text: rows[name].to_numpy() for name, text in words.items()}
    auroc = {text: _auroc(evaluation, horizon_days, name) for name, text in words.items()}
    tables = {
        name: table[table["horizon_days"] == horizon_days]
        for name, table in evaluation.tables.items() if name in ("calibration_curve", "decision_curve", "lead_days")
    }  # fmt: skip
    athletes = rows["athlete_id"].to_numpy()
    return {
        f"roc_{horizon_days}d": figures.roc(label, ranked, horizon_days, auroc),
        f"precision_recall_{horizon_days}d": figures.precision_recall(label, ranked, horizon_days),
        f"calibration_{horizon_days}d": figures.calibration(
            label, chances[THIS], athletes, horizon_days, tables["calibration_curve"]
        ),
        f"decision_curve_{horizon_days}d": figures.decision_curve(
            label, chances, horizon_days, tables["decision_curve"].replace({"of": {MODEL: THIS}})
        ),
        f"risk_distribution_{horizon_days}d": figures.risk_distribution(label, chances[THIS], horizon_days),
        f"lead_days_{horizon_days}d": figures.lead_days(tables["lead_days"], horizon_days),
    }


def _auroc(evaluation: Evaluation, horizon_days: int, model: str) -> figures.Interval:
    metric = evaluation.metric("auroc", horizon_days, model)
    return metric.value, metric.lower, metric.upper
