"""Pictures and tables of what a registered version does with the athlete-days that it learnt from."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from models.bundle import Bundle
from models.global_figures import Names, global_figures
from models.global_views import View, compared, importance, pair_table, view_of
from models.registry import bundle_of, champion
from models.training_runs import add_to_run
from pipelines.console import Report, silent
from pipelines.data import Store, read_tables, write_aside
from pipelines.explaining import learnt_from

ARTIFACTS = "explained"
"""The folder among a run's artifacts."""
_DPI = 110


@dataclass(frozen=True)
class Overview:
    """Figures and tables by file name, of one version and, if one is named, against another."""

    version: int
    label: str
    against: int | None
    athlete_days: int
    athletes: int
    figures: Mapping[str, Figure]
    tables: Mapping[str, pd.DataFrame]
    strongest: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """What identifies it."""
        return {"version": self.version, "model_version": self.label, "against": self.against}


def overview(store: Store, version: int | None, against: int | None, progress: Report = silent) -> Overview:
    """What the champion, or a version, does with athlete-days two weeks apart; `against`: beside another version.

    Raises NotReady for a version that is not registered, and where the store tells of no athlete-day to look at.
    """
    bundle, number = champion(store.path) if version is None else (bundle_of(store.path, version), version)
    other = None if against is None else bundle_of(store.path, against)
    tables = read_tables(store)
    index, values = learnt_from(tables, bundle)
    theirs = learnt_from(tables, bundle, specs=other.specs)[1] if other else None
    figures: dict[str, Figure] = {}
    kept: dict[str, pd.DataFrame] = {}
    strongest: tuple[str, ...] = ()
    for done, model in enumerate(bundle.models):
        progress("explaining", done, len(bundle.models))
        view = view_of(model, values, index["athlete_id"].to_numpy(), bundle.specs)
        old = _view_of(other, theirs, model.horizon_days, index) if other else None
        figures |= global_figures(view, _names(bundle, number, other, against), old)
        kept |= dict(_tables(view, old))
        strongest = strongest or tuple(importance(view.factors, view.athletes).index[:3])
    progress("explaining", len(bundle.models), len(bundle.models))
    labels = tuple(bundle.factors[name].measures for name in strongest)
    athletes = index["athlete_id"].nunique()
    return Overview(number, bundle.version, against, len(index), athletes, figures, kept, labels)


def _view_of(bundle: Bundle, values: pd.DataFrame | None, horizon_days: int, index: pd.DataFrame) -> View | None:
    """None where the other version has no such horizon."""
    model = next((each for each in bundle.models if each.horizon_days == horizon_days), None)
    return (
        None
        if model is None or values is None
        else view_of(model, values, index["athlete_id"].to_numpy(), bundle.specs)
    )


def _names(bundle: Bundle, number: int, other: Bundle | None, against: int | None) -> Names:
    factors = {**(other.factors if other else {}), **bundle.factors}
    return Names(
        {spec.name: spec.label for spec in bundle.specs},
        {spec.name: spec.unit for spec in bundle.specs},
        {key: factor.measures for key, factor in factors.items()},  # moved either way: no state
        f"version {number}",
        f"version {against}",
    )


def _tables(view: View, old: View | None) -> Iterator[tuple[str, pd.DataFrame]]:
    days = f"{view.horizon_days}d"
    yield f"factors_{days}", importance(view.factors, view.athletes).reset_index(names="factor")
    yield f"features_{days}", importance(view.shares, view.athletes).reset_index(names="feature")
    yield f"pairs_{days}", pair_table(view)
    if old:
        yield f"versions_{days}", compared(view, old).reset_index(names="factor")


def keep(store: Store, found: Overview, out: Path) -> tuple[Path, ...]:
    """Write pictures (PNG) and tables (CSV) into a folder, and log them to the version's run in MLflow."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in found.figures.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI)
        written.append(out / f"{name}.png")
        write_aside(written[-1], buffer.getvalue())
    for name, table in found.tables.items():
        written.append(out / f"{name}.csv")
        write_aside(written[-1], table.to_csv(index=False).encode())
    add_to_run(store.path, found.version, ARTIFACTS, written)
    return tuple(written)


def in_words(found: Overview, out: Path) -> Iterator[str]:
    """What was looked at, what moves scores most, and where to look."""
    yield f"Version {found.version} ({found.label}), {found.athlete_days:,} athlete-days of {found.athletes} athletes."
    yield f"What moves its scores most: {'; '.join(label.lower() for label in found.strongest)}."
    yield f"{len(found.figures)} pictures and {len(found.tables)} tables in {out}, and under {ARTIFACTS}/ of its run."
    yield "They describe the model on days that it learnt from, not what would change an athlete's risk."
