"""The two-clock work itself: 5% of rows arrive 1 to 20 days late, 3% are corrected, and each morning sees what it saw.

    python -m benchmarks.late ENGINE ATHLETES [--check]

DuckDB does the same with both clocks in SQL. timeseriesflattener has one time for each value: given the arrival, it
cannot tell a late row's day from the day it came, and counts a corrected row twice; it has no exponential average and
no days since a load, so 16 of the 20 features are asked of it. pandas sees, with one clock, the newest version of each
row from the next morning on: what it knows too early or never knew is counted as wrong.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks import isolation, ours, peers, report
from benchmarks.catalogue import FEATURES, LAG, SINCE_DAYS, SPANS, WINDOWS, keep, least
from benchmarks.engines import Engine
from benchmarks.reference import exact_features, wrong
from benchmarks.world import METRICS, NEVER, Floats, Ints, World, late_world

DAYS = 400


# --- DuckDB, both clocks in SQL


def sql_frame(world: World) -> Any:
    import duckdb

    database = duckdb.connect(config={"threads": isolation.THREADS})
    sessions, mornings = ours.tables(world)["sessions"], ours.mornings(world)
    covered = np.tile(np.arange(world.days), world.athletes)
    sources = {
        "sessions": sessions[["athlete_id", "date", "known_at", "superseded_at", *METRICS]],
        "mornings": mornings.assign(covered=covered),
    }
    for name, source in sources.items():
        codes = source["athlete_id"].astype("category")
        plain: dict[str, Any] = {
            str(column): source[column].dt.tz_localize(None)
            for column in source
            if str(column).endswith(("_at", "_of"))
        }
        database.register("source", source.assign(athlete_id=codes, **plain))
        database.execute(f"CREATE TABLE {name} AS SELECT * REPLACE (date::DATE AS date) FROM source")
        database.unregister("source")
    return database


def sql_build(database: Any) -> Any:
    return database.sql(_sql()).to_arrow_table()


def _sql() -> str:
    """Each morning joined with the rows that it sees of the past, then sums over parts of them."""
    weights = ", ".join(f"{keep(span)!r} ** (m.date - r.date - 1) AS weight_{span}" for span in SPANS)
    seen = (
        f"SELECT m.athlete_id, m.date, m.covered, m.date - r.date AS lag, {weights}, r.* EXCLUDE (athlete_id, date) "
        f"FROM mornings m LEFT JOIN sessions r ON r.athlete_id = m.athlete_id AND r.date < m.date "
        f"AND r.known_at <= m.as_of AND (r.superseded_at IS NULL OR m.as_of < r.superseded_at)"
    )
    sums = ", ".join(column for metric in METRICS for column in _sql_sums(metric))
    windows = ", ".join(column for metric in METRICS for column in _sql_windows(metric))
    derived = ", ".join(peers.duckdb_derived(metric) for metric in METRICS)
    return (
        f"SELECT enum_code(athlete_id) AS athlete, date, {derived} FROM (SELECT athlete_id, date, {windows} FROM ("
        f"SELECT athlete_id, date, covered, {sums} FROM ({seen}) GROUP BY athlete_id, date, covered))"
    )


def _sql_sums(metric: str) -> Iterable[str]:
    for w in WINDOWS:
        yield f"coalesce(sum({metric}) FILTER (lag <= {w}), 0) AS {metric}_s{w}"
    yield f"coalesce(sum({metric} * {metric}) FILTER (lag <= 7), 0) AS {metric}_squares"
    yield f"coalesce(sum({metric}) FILTER (lag > {LAG} AND lag <= {LAG + 21}), 0) AS {metric}_lagged"
    yield f"coalesce(sum({metric}) FILTER (lag = 1), 0) AS {metric}_newest"
    yield f"min(lag) FILTER ({metric} > 0 AND lag <= {SINCE_DAYS}) AS {metric}_since"
    for span in SPANS:
        yield f"coalesce(sum({metric} * weight_{span}), 0) AS {metric}_e{span}"


def _sql_windows(metric: str) -> Iterable[str]:
    for w in WINDOWS:
        yield f"CASE WHEN covered >= {least(w)} THEN {metric}_s{w} END AS {metric}_sum_{w}"
        yield f"CASE WHEN covered >= {least(w)} THEN {metric}_s{w} / least(covered, {w}) END AS {metric}_mean_{w}"
    days = "least(covered, 7)"
    squares = f"({metric}_squares - {metric}_s7 * {metric}_s7 / {days}) / ({days} - 1)"
    yield f"CASE WHEN covered >= {least(7)} THEN sqrt(greatest({squares}, 0)) END AS {metric}_spread_7"
    lagged = f"{metric}_lagged / least(covered - {LAG}, 21)"
    yield f"CASE WHEN covered >= {LAG + least(21)} THEN {lagged} END AS {metric}_mean_21_lagged_7"
    yield f"CASE WHEN covered >= 1 THEN {metric}_newest END AS {metric}_last_day"
    yield f"{metric}_since::DOUBLE AS {metric}_days_since"
    for span in SPANS:
        weight = f"(1 - {keep(span)!r} ** covered) / {1 - keep(span)!r}"
        average = f"{metric}_e{span} / ({weight})"
        yield f"CASE WHEN covered >= {least(span)} THEN {average} END AS {metric}_exponential_{span}"


# --- timeseriesflattener, one time for each value: its arrival

EXPRESSIBLE = tuple(name for name in FEATURES if "exponential" not in name and name != "days_since")


def flattener_frame(world: World) -> Any:
    import polars as pl

    sessions, mornings = ours.tables(world)["sessions"], ours.mornings(world)
    values = {
        "entity_id": sessions["athlete_id"].to_numpy(dtype=object),
        "timestamp": sessions["known_at"].dt.tz_localize(None).to_numpy(),
        **{metric: sessions[metric].to_numpy() for metric in METRICS},
    }
    moments = {
        "entity_id": mornings["athlete_id"].to_numpy(dtype=object),
        "pred_timestamp": mornings["as_of"].dt.tz_localize(None).to_numpy(),
    }
    return pl.DataFrame(values), pl.DataFrame(moments), np.tile(np.arange(world.days), world.athletes)


def flattener_build(frame: Any) -> dict[str, Floats]:
    import timeseriesflattener as tsf

    values, moments, covered = frame

    def spec(prefix: str, behind: list[Any], aggregators: list[Any]) -> Any:
        renamed = values.rename({metric: f"{prefix}{metric}" for metric in METRICS})
        return tsf.PredictorSpec(
            value_frame=tsf.ValueFrame(init_df=renamed, entity_id_col_name="entity_id"),
            lookbehind_distances=behind, aggregators=aggregators, fallback=0, column_prefix="",
        )  # fmt: skip

    days = [(dt.timedelta(0), dt.timedelta(w)) for w in WINDOWS]
    more = [(dt.timedelta(LAG), dt.timedelta(LAG + 21)), (dt.timedelta(0), dt.timedelta(1))]
    specs = [
        spec("a", [*days, *more], [tsf.SumAggregator()]),
        spec("v", days[:1], [tsf.VarianceAggregator()]),
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        flat = tsf.Flattener(tsf.PredictionTimeFrame(init_df=moments, entity_id_col_name="entity_id"))
        table = flat.aggregate_timeseries(specs).df.sort(["entity_id", "pred_timestamp"])
    return _named(table, covered)


def _named(table: Any, covered: Ints) -> dict[str, Floats]:
    """Its columns under our names, missing where too few days were covered; means are its sums by covered days."""
    built: dict[str, Floats] = {}

    def column(prefix: str, metric: str, first: int, last: int, what: str) -> Floats:
        found: Floats = table[f"_{prefix}{metric}_within_{first}_to_{last}_days_{what}_fallback_0"].to_numpy()
        return found

    for metric in METRICS:
        row = {f"sum_{w}": np.where(covered >= least(w), column("a", metric, 0, w, "sum"), np.nan) for w in WINDOWS}
        row |= {f"mean_{w}": row[f"sum_{w}"] / np.clip(covered, 1, w) for w in WINDOWS}
        row["spread_7"] = np.where(covered >= least(7), np.sqrt(column("v", metric, 0, 7, "var")), np.nan)
        lagged = column("a", metric, LAG, LAG + 21, "sum") / np.clip(covered - LAG, 1, 21)
        row["mean_21_lagged_7"] = np.where(covered >= LAG + least(21), lagged, np.nan)
        row["last_day"] = np.where(covered >= 1, column("a", metric, 0, 1, "sum"), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            row["monotony_7"] = row["mean_7"] / row["spread_7"]
            row["coupled"] = row["mean_7"] / row["mean_28"]
            row["uncoupled"] = row["mean_7"] / row["mean_21_lagged_7"]
        built |= {f"{metric}_{name}": values for name, values in row.items()}
    return built


# --- pandas, one clock, with what is known in hindsight


def hindsight_frame(world: World) -> Any:
    assert world.corrected is not None and world.corrected_on is not None
    return peers.pandas_frame(World(np.where(world.corrected_on < NEVER, world.corrected, world.loads)))


ENGINES: Mapping[str, Engine] = {
    "strainwatch": Engine("Strainwatch, two clocks", "features", ours.frame, ours.build, ours.column),
    "duckdb": Engine(
        "DuckDB, both clocks in SQL", "duckdb", sql_frame, sql_build, peers.duckdb_column,
        ordered=peers.duckdb_ordered,
    ),
    "timeseriesflattener": Engine(
        "timeseriesflattener, arrival as its clock", "timeseriesflattener", flattener_frame, flattener_build,
        lambda result, name: result[name],
    ),
    "pandas": Engine(
        "pandas, one clock in hindsight", "pandas", hindsight_frame, peers.pandas_build, peers.pandas_column
    ),
}  # fmt: skip


def run(name: str, athletes: int, check: bool) -> dict[str, Any]:
    engine, league = ENGINES[name], late_world(athletes, DAYS)
    engine.build(engine.frame(league.part(slice(0, 2))))
    frame = engine.frame(league)
    start = time.perf_counter()
    result = engine.build(frame)
    seconds = time.perf_counter() - start
    features = EXPRESSIBLE if name == "timeseriesflattener" else FEATURES
    found: dict[str, Any] = {"seconds": seconds, "features": len(features)}
    return found | (_checked(engine, engine.ordered(result), league, features) if check else {})


def _checked(engine: Engine, result: Any, league: World, features: tuple[str, ...]) -> dict[str, Any]:
    count = dict.fromkeys(features, 0)
    for number, metric in enumerate(METRICS):
        exact_answers = exact_features(league, number)
        for feature in features:
            exact = exact_answers[feature]
            values = engine.column(result, f"{metric}_{feature}").reshape(exact.shape)
            count[feature] += wrong(values, exact)
    cells = len(features) * len(METRICS) * league.rows
    return {"wrong": sum(count.values()), "checked": cells, "wrong_by_feature": {k: v for k, v in count.items() if v}}


def table(athletes: int, rounds: int) -> None:
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ENGINES}
    for number in range(rounds):
        for name, engine in ENGINES.items():
            if engine.installed and not any("failed" in one for one in runs[name]):
                runs[name].append(_run(name, athletes, check=number == 0))
                report.note(f"  late rows, round {number + 1}, {name}: {runs[name][-1]}")
    lines = [_summary(name, runs[name], athletes * DAYS) for name in ENGINES]
    report.keep("features.jsonl", "two clocks", lines)
    ours_s = lines[0]["microseconds_per_moment"]
    report.show(
        f"{athletes * DAYS:,} moments, 5% of rows late, 3% corrected, 8 metrics; medians of {rounds}",
        ("", "version", "features", "s", "us per moment", "it / ours", "wrong cells", "of"),
        [_cells(line, ours_s) for line in lines],
    )


def _run(name: str, athletes: int, check: bool) -> dict[str, Any]:
    try:
        return isolation.run("benchmarks.late", name, str(athletes), *(["--check"] if check else []))
    except isolation.Failed as failure:
        return {"failed": str(failure)}


def _summary(name: str, runs: list[dict[str, Any]], moments: int) -> dict[str, Any]:
    engine, done = ENGINES[name], [one for one in runs if "failed" not in one]
    seconds = float(np.median([one["seconds"] for one in done])) if done else None
    failed = next((one["failed"] for one in runs if "failed" in one), None)
    return {
        "engine": name,
        "version": engine.version if engine.installed else None,
        "failed": failed if engine.installed else "not installed",
        "moments": moments,
        "seconds": seconds,
        "microseconds_per_moment": seconds / moments * 1e6 if seconds else None,
        **({key: value for key, value in done[0].items() if key != "seconds"} if done else {}),
    }


def _cells(line: dict[str, Any], ours_us: float | None) -> tuple[str, ...]:
    title = ENGINES[line["engine"]].title
    if line["seconds"] is None:
        return (title, line["version"] or "", "", "", "", "", (line["failed"] or "")[:40], "")
    each = line["microseconds_per_moment"]
    return (
        title, line["version"], str(line["features"]), f"{line['seconds']:.2f}", f"{each:.1f}",
        f"{each / ours_us:.1f}" if ours_us else "", f"{line['wrong']:,}", f"{line['checked']:,}",
    )  # fmt: skip


def main() -> None:
    isolation.two_processors()
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), "--check" in sys.argv)))


if __name__ == "__main__":
    main()
