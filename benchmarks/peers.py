"""The same features by the libraries that people use, each from its own kind of frame and with one clock.

All of them count rows where they mean days: they get a row for every athlete and day. Each shifts by one day, so that a
morning sees what was known of the day before; a row that arrives late or changes later is beyond them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.catalogue import LAG, LAGGED_WINDOW, NAMES, SINCE_DAYS, SPANS, WINDOWS, keep, least
from benchmarks.world import METRICS, Floats, Ints, World

# --- pandas


def pandas_frame(world: World) -> Any:
    import pandas as pd

    athletes = pd.Categorical.from_codes(world.athlete_codes(), categories=pd.Index(world.names(), dtype="str"))
    loads = {metric: world.column(number) for number, metric in enumerate(METRICS)}
    return pd.DataFrame({"athlete_id": athletes, "date": world.dates().astype("datetime64[us]"), **loads})


def pandas_build(frame: Any) -> Any:
    import pandas as pd

    metrics = list(METRICS)
    athlete = frame["athlete_id"]
    before = frame.groupby("athlete_id", observed=True, sort=False)[metrics].shift(1)
    groups = before.groupby(athlete, observed=True, sort=False)

    def flat(rolled: Any) -> Any:
        return rolled.droplevel(0)

    parts = {f"sum_{w}": flat(groups.rolling(w, min_periods=least(w)).sum()) for w in WINDOWS}
    parts |= {f"mean_{w}": flat(groups.rolling(w, min_periods=least(w)).mean()) for w in WINDOWS}
    parts["spread_7"] = flat(groups.rolling(7, min_periods=least(7)).std())
    for span in SPANS:
        parts[f"exponential_{span}"] = flat(groups.ewm(span=span, min_periods=least(span)).mean())
    chronic = parts[f"mean_{LAGGED_WINDOW}"].groupby(athlete, observed=True, sort=False)
    parts[f"mean_{LAGGED_WINDOW}_lagged_{LAG}"] = chronic.shift(LAG)
    parts["last_day"] = before
    parts |= _ratios(parts)
    number = pd.Series(frame["date"].to_numpy().astype("datetime64[D]").astype(np.int64), index=frame.index)
    loaded = pd.DataFrame({metric: number.where(frame[metric] > 0) for metric in metrics})
    last = loaded.groupby(athlete, observed=True, sort=False).ffill()
    last = last.groupby(athlete, observed=True, sort=False).shift(1)
    since = last.rsub(number, axis=0)
    parts["days_since"] = since.where(since <= SINCE_DAYS)
    return pd.concat([part.add_suffix(f"_{feature}") for feature, part in parts.items()], axis=1)


def pandas_column(result: Any, name: str) -> Floats:
    column: Floats = result[name].to_numpy()
    return column


def _ratios(parts: dict[str, Any]) -> dict[str, Any]:
    """Left as the library divides: the infinite and the undefined both count as undefined."""
    return {
        "monotony_7": parts["mean_7"] / parts["spread_7"],
        "coupled": parts["mean_7"] / parts["mean_28"],
        "uncoupled": parts["mean_7"] / parts["mean_21_lagged_7"],
        "exponential_ratio": parts["exponential_7"] / parts["exponential_28"],
    }


# --- Polars


def polars_frame(world: World) -> Any:
    import polars as pl

    athletes = pl.Series("athlete_id", world.names()[world.athlete_codes()], dtype=pl.String).cast(pl.Categorical)
    loads = {metric: world.column(number) for number, metric in enumerate(METRICS)}
    return pl.DataFrame({"athlete_id": athletes, "date": world.dates(), **loads})


def polars_build(frame: Any) -> Any:
    """As its guide teaches it: each expression over the athlete."""
    import polars as pl

    windows = [expression.over("athlete_id") for expression in _polars_windows(pl)]
    return frame.lazy().with_columns(windows).with_columns(_polars_derived(pl)).select(NAMES).collect()


def polars_grouped_build(frame: Any) -> Any:
    """The same expressions in one aggregation, whose lists are exploded again: faster, and less known."""
    import polars as pl

    groups = frame.lazy().group_by("athlete_id", maintain_order=True)
    table = groups.agg("date", *_polars_windows(pl)).explode(pl.exclude("athlete_id"))
    return table.with_columns(_polars_derived(pl)).select(NAMES).collect()


def _polars_windows(pl: Any) -> Iterable[Any]:
    for metric in METRICS:
        load = pl.col(metric).shift(1)
        yield load.alias(f"{metric}_last_day")
        for window in WINDOWS:
            yield load.rolling_sum(window, min_samples=least(window)).alias(f"{metric}_sum_{window}")
            yield load.rolling_mean(window, min_samples=least(window)).alias(f"{metric}_mean_{window}")
        lagged = load.rolling_mean(LAGGED_WINDOW, min_samples=least(LAGGED_WINDOW)).shift(LAG)
        yield lagged.alias(f"{metric}_mean_21_lagged_7")
        yield load.rolling_std(7, min_samples=least(7)).alias(f"{metric}_spread_7")
        for span in SPANS:
            yield load.ewm_mean(span=span, min_samples=least(span)).alias(f"{metric}_exponential_{span}")
        loaded = pl.when(pl.col(metric) > 0).then(pl.col("date"))
        yield loaded.forward_fill().shift(1).alias(f"{metric}_loaded")


def _polars_derived(pl: Any) -> Iterable[Any]:
    for metric in METRICS:
        acute = pl.col(f"{metric}_mean_7")
        exponential = pl.col(f"{metric}_exponential_7") / pl.col(f"{metric}_exponential_28")
        days = (pl.col("date") - pl.col(f"{metric}_loaded")).dt.total_days().cast(pl.Float64)
        yield (acute / pl.col(f"{metric}_spread_7")).alias(f"{metric}_monotony_7")
        yield (acute / pl.col(f"{metric}_mean_28")).alias(f"{metric}_coupled")
        yield (acute / pl.col(f"{metric}_mean_21_lagged_7")).alias(f"{metric}_uncoupled")
        yield exponential.alias(f"{metric}_exponential_ratio")
        yield pl.when(days <= SINCE_DAYS).then(days).alias(f"{metric}_days_since")


def polars_column(result: Any, name: str) -> Floats:
    column: Floats = result[name].to_numpy()
    return column


# --- DuckDB


def duckdb_frame(world: World) -> Any:
    """An in-memory database with the loads as a table."""
    import duckdb

    database = duckdb.connect(config={"threads": 2})
    source = pandas_frame(world)
    database.register("source", source)
    database.execute("CREATE TABLE loads AS SELECT * FROM source ORDER BY athlete_id, date")
    database.unregister("source")
    return database


def duckdb_build(database: Any) -> Any:
    return database.sql(_duckdb_query()).to_arrow_table()


def _duckdb_query() -> str:
    bounds = {f"w{w}": (w, 1) for w in WINDOWS} | {
        f"w{LAGGED_WINDOW}_lagged": (LAGGED_WINDOW + LAG, 1 + LAG),
        "w1": (1, 1),
        "since": (SINCE_DAYS, 1),
    }
    frame = "PARTITION BY athlete_id ORDER BY date ROWS BETWEEN"
    windows = [f"{name} AS ({frame} {first} PRECEDING AND {last} PRECEDING)" for name, (first, last) in bounds.items()]
    windows.append(f"past AS ({frame} UNBOUNDED PRECEDING AND 1 PRECEDING)")
    base = (
        "SELECT *, row_number() OVER days - 1 AS seen FROM loads WINDOW days AS (PARTITION BY athlete_id ORDER BY date)"
    )
    inner = ", ".join(column for metric in METRICS for column in _duckdb_windows(metric))
    outer = ", ".join(duckdb_derived(metric) for metric in METRICS)
    built = f"SELECT athlete_id, date, seen, {inner} FROM ({base}) WINDOW {', '.join(windows)}"
    return f"SELECT enum_code(athlete_id) AS athlete, date, {outer} FROM ({built})"


def _duckdb_windows(metric: str) -> Iterable[str]:
    """Exponential averages are sums of loads weighted by their day, which stay finite for some six years."""
    for w in WINDOWS:
        yield f"CASE WHEN seen >= {least(w)} THEN sum({metric}) OVER w{w} END AS {metric}_sum_{w}"
        yield f"CASE WHEN seen >= {least(w)} THEN avg({metric}) OVER w{w} END AS {metric}_mean_{w}"
    yield f"CASE WHEN seen >= {least(7)} THEN stddev_samp({metric}) OVER w7 END AS {metric}_spread_7"
    for span in SPANS:
        kept = keep(span)
        weight = f"(1 - {kept!r} ** seen) / {1 - kept!r}"
        total = f"sum({metric} * {kept!r} ** (-seen)) OVER past * {kept!r} ** (seen - 1) / ({weight})"
        yield f"CASE WHEN seen >= {least(span)} THEN {total} END AS {metric}_exponential_{span}"
    lagged = f"avg({metric}) OVER w{LAGGED_WINDOW}_lagged"
    wanted = least(LAGGED_WINDOW) + LAG
    yield f"CASE WHEN seen >= {wanted} THEN {lagged} END AS {metric}_mean_{LAGGED_WINDOW}_lagged_{LAG}"
    yield f"sum({metric}) OVER w1 AS {metric}_last_day"
    yield f"date_diff('day', max(date) FILTER ({metric} > 0) OVER since, date)::DOUBLE AS {metric}_days_since"


def duckdb_derived(metric: str) -> str:
    """The twenty columns of a metric, its ratios worked out of the others."""
    windows = [name for name in NAMES if name.startswith(f"{metric}_")]
    ratios = {
        f"{metric}_{name}": f"{metric}_{upper} / nullif({metric}_{lower}, 0) AS {metric}_{name}"
        for name, upper, lower in (
            ("monotony_7", "mean_7", "spread_7"),
            ("coupled", "mean_7", "mean_28"),
            ("uncoupled", "mean_7", "mean_21_lagged_7"),
            ("exponential_ratio", "exponential_7", "exponential_28"),
        )
    }
    return ", ".join(ratios.get(name, name) for name in windows)


def duckdb_ordered(result: Any) -> tuple[Any, Ints]:
    """The result with the order of athlete and day, which the query need not keep."""
    keys = result.select(["date", "athlete"]).to_pandas()
    return result, np.lexsort((keys["date"].to_numpy(), keys["athlete"].to_numpy()))


def duckdb_column(ordered: tuple[Any, Ints], name: str) -> Floats:
    result, order = ordered
    column: Floats = result[name].to_numpy()[order]
    return column


# --- NumPy and coreforecast, from the columns of the long table as arrays

Long = tuple[Ints, Ints, Floats]
"""Athlete code and day number of each row in order, and the loads (metrics, rows)."""


def long_arrays(world: World) -> Long:
    days = world.dates().astype(np.int64)
    return world.athlete_codes(), days, world.loads.reshape(len(METRICS), -1)


def edges(athlete: Ints) -> Ints:
    """Where each athlete's rows begin, and the end."""
    return np.r_[0, np.flatnonzero(np.diff(athlete)) + 1, len(athlete)]


def array_column(result: Floats, name: str) -> Floats:
    return result[NAMES.index(name)]


def coreforecast_build(long: Long) -> Floats:
    from coreforecast.grouped_array import GroupedArray
    from coreforecast.lag_transforms import ExponentiallyWeightedMean, Lag, RollingMean, RollingStd

    athlete, _, loads = long
    starts = edges(athlete)
    seen = np.arange(len(athlete)) - np.repeat(starts[:-1], np.diff(starts))
    out = np.empty((len(NAMES), len(athlete)))
    for metric, load in enumerate(loads):
        groups = GroupedArray(load, starts.astype(np.int32), num_threads=2)
        row = dict(zip(NAMES_OF_FEATURES, out[metric * 20 : metric * 20 + 20], strict=True))
        for w in WINDOWS:
            row[f"mean_{w}"][:] = RollingMean(1, w, least(w)).transform(groups)
            np.multiply(row[f"mean_{w}"], np.minimum(seen, w), out=row[f"sum_{w}"])
        row["spread_7"][:] = RollingStd(1, 7, least(7)).transform(groups)
        for span in SPANS:
            average = ExponentiallyWeightedMean(1, 1 - keep(span)).transform(groups)
            row[f"exponential_{span}"][:] = _normalised(average, load, starts, seen, span)
        row["mean_21_lagged_7"][:] = RollingMean(1 + LAG, LAGGED_WINDOW, least(LAGGED_WINDOW)).transform(groups)
        row["last_day"][:] = Lag(1).transform(groups)
        write_ratios(row)
        _since(load, starts, seen, row["days_since"])
    return out


def _normalised(average: Floats, load: Floats, starts: Ints, seen: Ints, span: int) -> Floats:
    """From the recursion that starts at the first load to the average that weighs the days seen."""
    kept = keep(span)
    decay = kept ** np.arange(int(seen.max()) + 2)
    first = np.repeat(load[starts[:-1]], np.diff(starts))
    result: Floats = (average - first * decay[seen]) / (1 - decay[seen])
    result[seen < least(span)] = np.nan
    return result


def write_ratios(row: dict[str, Floats]) -> None:
    """The four ratios into their arrays; infinite or undefined where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(row["mean_7"], row["spread_7"], out=row["monotony_7"])
        np.divide(row["mean_7"], row["mean_28"], out=row["coupled"])
        np.divide(row["mean_7"], row["mean_21_lagged_7"], out=row["uncoupled"])
        np.divide(row["exponential_7"], row["exponential_28"], out=row["exponential_ratio"])


def _since(load: Floats, starts: Ints, seen: Ints, out: Floats) -> None:
    """Days since the last load of the long table: rows are days."""
    row = np.arange(len(load))
    newest = np.maximum.accumulate(np.where(load > 0, row, -SINCE_DAYS - 1))
    since = row - np.r_[-SINCE_DAYS - 1, newest[:-1]]
    out[:] = np.where(since <= np.minimum(seen, SINCE_DAYS), since, np.nan)


def since_last(grid: Floats, out: Floats) -> None:
    """Days since the last load of a dense grid (athletes, days)."""
    day = np.arange(grid.shape[1])
    newest = np.maximum.accumulate(np.where(grid > 0, day, -SINCE_DAYS - 1), axis=1)
    out[:, 0] = np.nan
    out[:, 1:] = day[1:] - newest[:, :-1]
    out[out > SINCE_DAYS] = np.nan


NAMES_OF_FEATURES = tuple(name.removeprefix(METRICS[0] + "_") for name in NAMES[:20])
