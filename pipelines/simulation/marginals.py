"""Real data beside a simulated squad: a table of what both look like day by day, and a figure.

    python -m pipelines.simulation.marginals --data FOLDER --out FOLDER

FOLDER of --data holds `soccermon`, `jovanovic` and `whoop` as their publishers release them; what is absent is left
out. All real data go through the real adapters, so both sides are measured on the same contract tables.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables import SUPERSEDED_AT, Tables
from pipelines.data import open_store, read_tables
from pipelines.ingest import ingest
from pipelines.simulate import simulate
from pipelines.simulation.marginal_figure import draw

SOURCES = ("soccermon", "jovanovic", "whoop")
SCORES = ("fatigue", "soreness", "stress", "mood", "sleep_quality", "readiness")
NIGHT = {"sleep_h": "sleep h", "resting_heart_rate_bpm": "resting heart rate", "hrv_rmssd_ms": "HRV"}
FEWEST_PAIRS = 30
DRAWS = 400

Floats = npt.NDArray[np.float64]
PerAthlete = Callable[[pd.Series], float]


@dataclass(frozen=True)
class Panel:
    """Days x athletes by measure: `load` is 0 at rest and NaN outside coverage, the others NaN where not recorded."""

    measures: Mapping[str, pd.DataFrame]

    def __contains__(self, name: str) -> bool:
        return name in self.measures


@dataclass(frozen=True)
class Figure:
    """One statistic of one set of athletes: the mean over athletes and its 95% bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return ""
        return f"{_short(self.value)}" + ("" if np.isnan(self.low) else f" ({_short(self.low)} to {_short(self.high)})")


def panel(tables: Tables, load: str) -> Panel:
    """The newest version of every row; `load` names the column of sessions that measures load."""
    newest = {name: rows[rows[SUPERSEDED_AT].isna()] for name, rows in tables.items()}
    measures = {}
    if not newest["sessions"].empty:
        measures["load"] = _daily_load(newest["sessions"], newest["coverage"], load)
    for table, names in (("wellness", SCORES), ("wearable_days", tuple(NIGHT))):
        for name in names:
            rows = newest[table].dropna(subset=name)
            if len(rows):
                wide = rows.pivot_table(index="date", columns="athlete_id", values=name)
                measures[name] = wide.reindex(pd.date_range(wide.index.min(), wide.index.max(), unit="us"))
    return Panel(measures)


def _daily_load(sessions: pd.DataFrame, coverage: pd.DataFrame, load: str) -> pd.DataFrame:
    """Sums of the day: 0 on covered days without a session, NaN where a session has no load."""
    covered = _covered(coverage[coverage["table"] == "sessions"])
    known = sessions.dropna(subset=load).pivot_table(load, "date", "athlete_id", aggfunc="sum")
    held = sessions.pivot_table("session_id", "date", "athlete_id", aggfunc="count")
    known, held = (wide.reindex(index=covered.index, columns=covered.columns) for wide in (known, held))
    return known.where(held > 0, 0.0).where(covered)


def _covered(spans: pd.DataFrame) -> pd.DataFrame:
    """Days x athletes: whether a source was in use."""
    days = pd.date_range(spans["first_date"].min(), spans["last_date"].max(), unit="us", name="date")
    day = days.to_numpy()[:, None]
    found = {}
    for athlete, own in spans.groupby("athlete_id"):
        within = (day >= own["first_date"].to_numpy()) & (day <= own["last_date"].to_numpy())
        found[athlete] = within.any(axis=1)
    return pd.DataFrame(found, index=days)


def summary(data: Panel) -> dict[str, Figure]:
    """Every statistic that `data` can give, by its name in the table."""
    figures: dict[str, Figure] = {}
    if "load" in data:
        figures |= {f"load: {name}": _mean_of(data.measures["load"], how) for name, how in _LOAD.items()}
    if "fatigue" in data:
        figures |= _forms(data)
    for name in (*SCORES, *NIGHT):
        if name in data:
            figures |= {f"{NIGHT.get(name, name)}: {what}": figure for what, figure in _scores(data, name).items()}
    return figures


def _scores(data: Panel, name: str) -> dict[str, Figure]:
    wide = data.measures[name]
    figures = {
        "mean": _mean_of(wide, pd.Series.mean),
        "spread within an athlete": _mean_of(wide, pd.Series.std),
        "spread between athletes": _interval(wide.mean().to_numpy(), np.nanstd),
    }
    figures |= {f"autocorrelation, {lag} d": _mean_of(wide, _autocorrelation(lag)) for lag in (1, 7, 28)}
    if "load" in data:
        before = data.measures["load"].shift(1).reindex(index=wide.index, columns=wide.columns)
        figures["correlation with yesterday's load"] = _mean_of(wide, lambda own: _correlation(own, before[own.name]))
    return figures


def _forms(data: Panel) -> dict[str, Figure]:
    """How forms go missing between an athlete's first and last; a form is there where fatigue was answered."""
    filled = data.measures["fatigue"].notna()
    missing = (~filled).astype("float64").where(filled.cummax() & filled[::-1].cummax()[::-1])
    figures = {
        "form: share of days without": _mean_of(missing, pd.Series.mean),
        "form: spread of that share between athletes": _interval(missing.mean().to_numpy(), np.nanstd),
        "form: missing after a missing day": _mean_of(missing, lambda own: float(own[own.shift(1) == 1].mean())),
    }
    if "load" in data:
        load = data.measures["load"].reindex(index=filled.index, columns=filled.columns)
        figures["load: share of zero days, form filled in"] = _mean_of(load.where(filled), _zero_share)
    return figures


def _zero_share(load: pd.Series) -> float:
    return float((load.dropna() == 0).mean())


def _of_training(how: Callable[[Floats], float]) -> PerAthlete:
    def measured(load: pd.Series) -> float:
        done = load[load > 0].to_numpy()
        return how(done) if len(done) >= FEWEST_PAIRS else np.nan

    return measured


def _weekly_shape(load: pd.Series) -> float:
    """Spread of the seven weekday means, as a share of the mean."""
    by_weekday = load.groupby(pd.DatetimeIndex(load.index).day_of_week).mean()
    return float(by_weekday.std(ddof=0) / by_weekday.mean()) if by_weekday.mean() > 0 else np.nan


def _weekly_memory(load: pd.Series) -> float:
    weeks = load.resample("W").sum(min_count=7)
    return _correlation(weeks, weeks.shift(1))


def _autocorrelation(lag: int) -> PerAthlete:
    return lambda own: _correlation(own, own.shift(lag))


def _correlation(one: pd.Series, other: pd.Series) -> float:
    both = one.notna().to_numpy() & other.notna().to_numpy()
    left, right = one.to_numpy()[both], other.to_numpy()[both]
    if both.sum() < FEWEST_PAIRS or left.std() == 0 or right.std() == 0:
        return np.nan
    return float(np.corrcoef(left, right)[0, 1])


_LOAD: Mapping[str, PerAthlete] = {
    "share of zero days": _zero_share,
    "mean of a training day": _of_training(lambda done: float(done.mean())),
    "10th percentile of training days": _of_training(lambda done: float(np.quantile(done, 0.1))),
    "90th percentile of training days": _of_training(lambda done: float(np.quantile(done, 0.9))),
    "coefficient of variation of training days": _of_training(lambda done: float(done.std() / done.mean())),
    "spread of the weekday means / mean": _weekly_shape,
    **{f"autocorrelation, {lag} d": _autocorrelation(lag) for lag in (1, 2, 7)},
    "autocorrelation of weekly sums, 1 week": _weekly_memory,
}


def _mean_of(wide: pd.DataFrame, how: PerAthlete) -> Figure:
    return _interval(np.array([how(wide[name]) for name in wide], dtype=np.float64), np.nanmean)


def _interval(values: Floats, how: Callable[..., np.floating]) -> Figure:
    """`how` over the athletes, with a bootstrap interval from three athletes on."""
    values = values[~np.isnan(values)]
    if len(values) == 0 or (len(values) == 1 and how is np.nanstd):
        return Figure(np.nan, np.nan, np.nan)
    if len(values) < 3:
        return Figure(float(how(values)), np.nan, np.nan)
    picked = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.quantile(how(values[picked], axis=1), [0.025, 0.975])
    return Figure(float(how(values)), float(low), float(high))


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def real_panels(data: Path) -> dict[str, Panel]:
    """The real sets that lie below `data`, by source."""
    panels = {}
    for source in SOURCES:
        path = data / source
        if path.exists():
            with tempfile.TemporaryDirectory() as folder:
                store = open_store(Path(folder) / "store")
                person = "W1" if source == "whoop" else None  # its file does not say whose it is
                ingest(store, source, path, now=datetime.now(UTC), athlete=person)
                panels[source] = panel(read_tables(store), "masked_load_1" if source == "jovanovic" else "load_au")
    return panels


def table(sets: Mapping[str, Mapping[str, Figure]]) -> str:
    """Markdown: one row per statistic, one column per set."""
    names = list(dict.fromkeys(name for figures in sets.values() for name in figures))
    lines = [f"| | {' | '.join(sets)} |", f"|---|{'---|' * len(sets)}"]
    nothing = Figure(np.nan, np.nan, np.nan)
    lines += [f"| {name} | {' | '.join(str(sets[each].get(name, nothing)) for each in sets)} |" for name in names]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write marginals.md and marginals.svg to --out, and the table to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the public data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--athletes", type=int, default=200)
    parser.add_argument("--seasons", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    world = simulate(given.athletes, given.seasons, given.seed)
    panels = {"simulated": panel(world.tables, "load_au"), **real_panels(given.data)}
    text = table({name: summary(each) for name, each in panels.items()})
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "marginals.md").write_text(text, encoding="utf-8")
    draw({name: each.measures for name, each in panels.items()}, given.out / "marginals.svg")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
