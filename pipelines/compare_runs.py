"""Two recorded trainings side by side: what went in, what came out, and where their scores part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.markup import escape

from configs.errors import WrongArgument
from models.card.facts import figure, signed
from models.measures import MEASURES
from models.tested import MODEL
from models.training_runs import Recorded, recorded
from pipelines import pages
from pipelines.console import out
from pipelines.data import Store
from pipelines.evaluation_output import bracketed
from pipelines.pages import Section, as_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FEATURES = 15
"""So many features are shown whose weight changed most."""
DRAWN = ("auroc", "average_precision", "scaled_brier", "calibration_slope", "observed_expected", "net_benefit")
DAY = ["athlete_id", "date", "repeat", "horizon_days"]
PAGE = "comparison.html"


@dataclass(frozen=True)
class Differences:
    """`metrics` has horizon_days, metric, and value, lower and upper of both sides; `importance` the mean absolute
    contribution of each feature in log-odds; `days` the days that both tested, with both probabilities, None if one
    of the two left none."""

    first: Recorded
    second: Recorded
    parameters: pd.DataFrame
    added: tuple[str, ...]
    removed: tuple[str, ...]
    metrics: pd.DataFrame
    importance: pd.DataFrame
    days: pd.DataFrame | None
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, str]:
        return _name(self.first), _name(self.second)

    @property
    def horizon_days(self) -> int | None:
        """The shortest that both were judged at."""
        return int(self.metrics["horizon_days"].min()) if len(self.metrics) else None

    def as_json(self) -> dict[str, Any]:
        """Everything but the days as plain values."""
        return {
            "first": _identity(self.first),
            "second": _identity(self.second),
            "parameters": self.parameters.to_dict("records"),
            "features_added": list(self.added),
            "features_removed": list(self.removed),
            "metrics": self.metrics.to_dict("records"),
            "importance": self.importance.to_dict("records"),
            "notes": list(self.notes),
        }


def compare(store: Store, first: str, second: str) -> Differences:
    """What differs from the first to the second. Raises WrongArgument for a name that stands for no training."""
    one, other = recorded(store.path, first), recorded(store.path, second)
    if one.run_id == other.run_id:
        raise WrongArgument(f"'{first}' and '{second}' are the same training, {_name(one)}.")
    before, after = _features(one), _features(other)
    days = _common_days(one, other)
    return Differences(
        first=one,
        second=other,
        parameters=_parameters(one, other),
        added=tuple(sorted(after - before)),
        removed=tuple(sorted(before - after)),
        metrics=_metrics(one, other),
        importance=_importance(one, other),
        days=days,
        notes=tuple(_notes(one, other, days)),
    )


def _name(run: Recorded) -> str:
    return f"version {run.version} ({run.label})" if run.version is not None else f"run {run.run_id}"


def _identity(run: Recorded) -> dict[str, Any]:
    return {"version": run.version, "label": run.label, "run_id": run.run_id}


def _features(run: Recorded) -> set[str]:
    table = run.tables.get("feature_importance")
    return set() if table is None else set(table["feature"].astype(str))


def _parameters(one: Recorded, other: Recorded) -> pd.DataFrame:
    names = sorted({*one.parameters, *other.parameters})
    rows = [(name, one.parameters.get(name), other.parameters.get(name)) for name in names]
    return pd.DataFrame([row for row in rows if row[1] != row[2]], columns=["parameter", "first", "second"])


def _metrics(one: Recorded, other: Recorded) -> pd.DataFrame:
    sides = [_own_metrics(run).add_prefix(f"{side}_") for run, side in ((one, "first"), (other, "second"))]
    joined = sides[0].join(sides[1], how="inner").reset_index()
    return joined.rename(columns={"name": "metric"})


def _own_metrics(run: Recorded) -> pd.DataFrame:
    """The model's own, not against another; by horizon and name."""
    table = run.tables.get("metrics")
    if table is None:
        index = pd.MultiIndex.from_arrays([[], []], names=["horizon_days", "name"])
        return pd.DataFrame({"value": [], "lower": [], "upper": []}, index=index)
    own = table[(table["model"] == MODEL) & table["against"].isna()]
    return own.set_index(["horizon_days", "name"])[["value", "lower", "upper"]]


def _importance(one: Recorded, other: Recorded) -> pd.DataFrame:
    """At the shortest horizon; a feature that one of the two has not weighs nothing there."""
    sides = [_weights(run).rename(side) for run, side in ((one, "first"), (other, "second"))]
    joined = pd.concat(sides, axis=1).fillna(0.0)
    joined["change"] = joined["second"] - joined["first"]
    order = joined["change"].abs().sort_values(ascending=False, kind="stable").index
    return joined.loc[order].rename_axis("feature").reset_index()


def _weights(run: Recorded) -> pd.Series:
    table = run.tables.get("feature_importance")
    if table is None:
        return pd.Series([], index=pd.Index([], name="feature", dtype="str"), dtype="float64")
    shortest = min((str(name) for name in table if name != "feature"), key=int)
    return table.set_index("feature")[shortest]


def _common_days(one: Recorded, other: Recorded) -> pd.DataFrame | None:
    if one.predictions is None or other.predictions is None:
        return None
    mine = one.predictions.dropna(subset=["label"]).rename(columns={MODEL: "first"})
    theirs = other.predictions.dropna(subset=["label"]).rename(columns={MODEL: "second"})
    return mine[[*DAY, "label", "first"]].merge(theirs[[*DAY, "second"]], on=DAY)


def _notes(one: Recorded, other: Recorded, days: pd.DataFrame | None) -> Iterator[str]:
    """What a reader must know before holding one figure against the other."""
    for run in (one, other):
        if "metrics" not in run.tables:
            yield f"{_name(run)} was not evaluated: there are no metrics to compare."
        if run.version is None:
            yield f"{_name(run)} was never registered: it was killed, or it is a trial of a search."
    if one.tags.get("fingerprint_data") != other.tags.get("fingerprint_data"):
        yield (
            "The two learnt from different data and were judged on different days, so their metrics are no contest: "
            "`strainwatch promote` compares on the same days."
        )
    if days is None:
        yield "Score by score there is nothing to compare: one of the two kept no predictions of its tested days."
    elif days.empty:
        yield "Score by score there is nothing to compare: no athlete-day was tested by both."
    else:
        yield from (_agreement(int(str(horizon)), own) for horizon, own in days.groupby("horizon_days"))


def _agreement(horizon_days: int, own: pd.DataFrame) -> str:
    ranks = own["first"].corr(own["second"], method="spearman")
    told = "cannot be said, since one of them is constant" if pd.isna(ranks) else f"is {ranks:.2f}"
    apart = float((own["first"] - own["second"]).abs().mean())
    return (
        f"{horizon_days} days: {len(own):,} athlete-days were tested by both; the rank correlation of their scores "
        f"{told}, and they lie {100 * apart:.2f} percentage points apart on average."
    )


# --- printing and drawing ----------------------------------------------------------------------------


def show(found: Differences) -> None:
    """Tables for a terminal, then what must be known."""
    for section in _tables(found):
        out().print(as_table(section))
    for line in (*_feature_lines(found), *found.notes):
        out().print(f"- {escape(line)}", soft_wrap=True)


def _feature_lines(found: Differences) -> Iterator[str]:
    yield f"Features added: {', '.join(found.added) or 'none'}."
    yield f"Features removed: {', '.join(found.removed) or 'none'}."


def _tables(found: Differences) -> Iterator[Section]:
    names = found.names
    parameters = found.parameters.fillna("–").astype(str).to_numpy().tolist()
    yield Section("Parameters that differ", ("", *names), tuple(map(tuple, parameters)))
    for horizon, own in found.metrics.groupby("horizon_days"):
        rows = tuple(
            (MEASURES.get(row["metric"], row["metric"]), *(_interval(row, side) for side in ("first", "second")))
            for row in own.to_dict("records")
        )
        title = f"{horizon} days, unseen athletes at later times [95 % interval by athlete bootstrap]"
        yield Section(title, ("", *names), rows)
    changed = found.importance[found.importance["change"] != 0].head(MOST_FEATURES)
    weights = tuple(
        (str(row["feature"]), *(figure(row[side], 0.01) for side in ("first", "second")), signed(row["change"], 4))
        for row in changed.to_dict("records")
    )
    yield Section("Mean absolute contribution in log-odds, largest changes", ("", *names, "change"), weights)


def _interval(row: dict[Any, Any], side: str) -> str:
    return bracketed(*(float(row[f"{side}_{end}"]) for end in ("value", "lower", "upper")))


def write(found: Differences, folder: Path) -> Path:
    """Figures as PNG and one HTML page that holds them all, in `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, drawing in _figures(found):
        pictures.append(folder / f"{name}.png")
        drawing.savefig(pictures[-1], dpi=110)
    lines = (*_feature_lines(found), *found.notes)
    parts = (pages.sentences(lines), pages.figures(pictures), pages.tables(_tables(found)))
    page = folder / PAGE
    page.write_text(pages.page(" beside ".join(found.names), *parts), encoding="utf-8")
    return page


def _figures(found: Differences) -> Iterator[tuple[str, Figure]]:
    from models import difference_figures as figures

    names, horizon = found.names, found.horizon_days
    own = found.metrics[(found.metrics["horizon_days"] == horizon) & found.metrics["metric"].isin(DRAWN)]
    own = own[own[["first_value", "second_value"]].notna().all(axis=1)]
    if len(own):
        yield "metrics", figures.side_by_side(own, names, f"Metrics, {horizon} days")
    days = None if found.days is None else found.days[found.days["horizon_days"] == horizon]
    if days is not None and days["label"].nunique() == 2:
        yield "calibration", figures.both_calibrations(days, names, f"Calibration, {horizon} days")
        yield "scores", figures.score_by_score(days, names, f"Score by score, {horizon} days")
    changes = found.importance.set_index("feature")["change"].head(MOST_FEATURES)
    if (changes != 0).any():
        yield "importance", figures.importance_change(changes, "What moves the scores, largest changes")
