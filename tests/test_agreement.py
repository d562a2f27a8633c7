"""Features equal code that others wrote: the package acwr, pandas, and SoccerMon's published loads, cell by cell.

Where a definition differs, the identity that links both is asserted instead; docs/agreement.md tells them apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import acwr
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from features.build import FeatureSet, build_features
from features.specs import DerivedSpec, FeatureSpec, WindowSpec
from features.tables import empty_tables
from pipelines.data import open_store, read_tables
from pipelines.ingest import ingest
from tests.worlds import START, instant, table_of

Cells = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
EQUAL = 1e-9
DAYS = 420
BASE = WindowSpec(
    name="x", label="x", factor="overload", unit="AU", direction="+", evidence="D", reference="assumption",
    table="sessions", column="load_au", aggregate="sum", window_days=7,
)  # fmt: skip


def window(name: str, aggregate: str, days: int, **other: object) -> WindowSpec:
    return dataclasses.replace(BASE, name=name, aggregate=aggregate, window_days=days, **other)  # type: ignore[arg-type]


def derived(name: str, derive: str, *inputs: str) -> DerivedSpec:
    return DerivedSpec(
        name=name, label="x", factor="overload", unit="x", direction="0", evidence="D", reference="assumption",
        derive=derive, inputs=inputs,
    )  # fmt: skip


def monotony_and_strain() -> list[FeatureSpec]:
    return [
        window("week", "sum", 7, empty=0.0),
        window("day", "daily_mean", 7),
        window("spread", "daily_spread", 7),
        derived("monotony", "ratio", "day", "spread"),
        derived("strain", "product", "week", "monotony"),
    ]


# --- One athlete with days of rest, sessions twice a day and whole weeks off ------------------------------------------


def activities(seed: int) -> pd.DataFrame:
    """Sessions (date, load): days of rest, two sessions a day, sessions without load, weeks of rest, steady weeks."""
    draw = np.random.default_rng(seed)
    rows = []
    for day in range(DAYS):
        date = START + pd.Timedelta(days=day)
        if 0 < day < DAYS - 1 and (day // 7 % 9 == 4 or draw.random() < 0.25):
            continue
        steady = day // 7 % 9 == 7
        for _ in range(1 if steady else int(draw.integers(1, 3))):
            rows.append({"date": date, "load": 400.0 if steady else float(draw.integers(0, 900))})
    return pd.DataFrame(rows)


def tables_of(found: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Contract tables of one athlete, in which every session is known on its own day."""
    sessions = [
        {"session_id": f"s{number}", "athlete_id": "A", "date": row.date, "load_au": row.load, "kind": "training",
         "known_at": row.date.tz_localize("UTC") + pd.Timedelta(hours=20)}
        for number, row in enumerate(found.itertuples())
    ]  # fmt: skip
    stretch = {"athlete_id": "A", "table": "sessions", "source": "test", "first_date": START, "known_at": instant(0.9),
               "last_date": START + pd.Timedelta(days=DAYS - 1)}  # fmt: skip
    coverage, rows = table_of([stretch], "coverage"), table_of(sessions, "sessions")
    return {**empty_tables(), "coverage": coverage, "sessions": rows}


def every_day() -> pd.DataFrame:
    """One moment at the end of each day."""
    dates = pd.date_range(START, periods=DAYS, unit="us")
    index = pd.DataFrame({"athlete_id": "A", "date": dates, "as_of": dates.tz_localize("UTC") + pd.Timedelta(hours=23)})
    return index.astype({"athlete_id": "str", "as_of": "datetime64[us, UTC]"})


@dataclass(frozen=True)
class Ours:
    """Our features of one athlete's sessions, and the same loads as one number per day."""

    daily: pd.Series
    built: FeatureSet

    def __getitem__(self, name: str) -> Cells:
        return self.built.values[name].to_numpy()


def ours(seed: int, specs: list[FeatureSpec]) -> Ours:
    found = activities(seed)
    return Ours(acwr.daily_load(found), build_features(every_day(), tables_of(found), specs))


def assert_equal(ours: Cells, theirs: pd.Series | Cells, where: Mask | None = None, at_least: int = 200) -> int:
    """Equal to 1e-9 `where` said (else wherever theirs is a finite number), in no fewer than `at_least` cells."""
    other = np.asarray(theirs, dtype=np.float64)
    chosen = np.isfinite(other) if where is None else where
    assert chosen.sum() >= at_least
    np.testing.assert_allclose(ours[chosen], other[chosen], rtol=EQUAL, atol=EQUAL)
    return int(chosen.sum())


def trailing(daily: pd.Series, days: int) -> Cells:
    """Each day's window, the days before the first filled with NaN."""
    padded = np.r_[np.full(days - 1, np.nan), daily.to_numpy()]
    return np.lib.stride_tricks.sliding_window_view(padded, days)


SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))]


@pytest.mark.parametrize("seed", SEEDS)
def test_rolling_ratios_equal_the_package_acwr_wherever_its_window_is_full(seed: int) -> None:
    got = ours(
        seed,
        [
            window("acute", "daily_mean", 7),
            window("coupled", "daily_mean", 28),
            window("before", "daily_mean", 21, lag_days=7),
            derived("rac", "ratio", "acute", "coupled"),
            derived("rau", "ratio", "acute", "before"),
        ],
    )
    for method in ("rac", "rau"):
        theirs = acwr.acwr(got.daily, method=method)
        assert_equal(got[method], theirs)
        nothing = ~np.isfinite(theirs.to_numpy()) & (np.arange(DAYS) >= 27)
        assert np.isnan(got[method][nothing]).all()  # nothing trained in four weeks: theirs is infinite, ours missing
    full = np.arange(DAYS) >= 27
    assert_equal(got["acute"], acwr.acute_load(got.daily))
    assert_equal(got["coupled"], acwr.chronic_load(got.daily), full)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_exponential_ratio_is_that_of_the_package_acwr_once_its_first_day_is_taken_out(seed: int) -> None:
    """Theirs starts as if the first day's load had been usual for ever; ours weighs only days that there were."""
    got = ours(seed, [window("acute", "exponential", 7), window("chronic", "exponential", 28)])
    seeded = {name: _seeded(got[name], got.daily, span) for name, span in (("acute", 7), ("chronic", 28))}
    theirs = acwr.acwr(got.daily, method="ewma", return_components=True)
    for name in ("acute", "chronic"):
        assert_equal(seeded[name], theirs[name], theirs[name].notna().to_numpy())
    assert_equal(seeded["acute"] / seeded["chronic"], theirs["acwr"])


def _seeded(mean: Cells, daily: pd.Series, span: int) -> Cells:
    """ewm(adjust=False) from ewm(adjust=True)."""
    left = (1 - 2 / (span + 1)) ** (np.arange(DAYS) + 1)
    return mean * (1 - left) + left * daily.iloc[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_monotony_and_strain_equal_the_package_acwr_wherever_the_days_differ(seed: int) -> None:
    got = ours(seed, monotony_and_strain())
    week = trailing(got.daily, 7)
    even = week.max(axis=1) == week.min(axis=1)
    full = np.arange(DAYS) >= 6
    assert even.sum() > 5
    assert_equal(got["monotony"], acwr.monotony(got.daily), full & ~even)
    assert_equal(got["strain"], acwr.strain(got.daily), full & ~even)
    population = acwr.monotony(got.daily, ddof=0).to_numpy()
    assert_equal(got["monotony"] * np.sqrt(7 / 6), population, full & ~even)
    # Seven equal days: theirs is infinite, or what is left of a running sum over a zero; ours is missing.
    assert np.isnan(got["monotony"][even]).all() and np.isnan(got["strain"][even]).all()
    assert (got["spread"][even] == 0.0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_monotony_on_sundays_is_that_of_the_calendar_week(seed: int) -> None:
    got = ours(seed, monotony_and_strain())
    weeks = acwr.weekly_blocks(got.daily)
    whole = weeks[(weeks["n_days"] == 7) & (weeks["sd"] > EQUAL)]
    at = got.daily.index.get_indexer(whole.index)
    assert_equal(got["monotony"][at], whole["monotony"], at_least=35)
    assert_equal(got["strain"][at], whole["strain"], at_least=35)


@pytest.mark.parametrize("seed", SEEDS)
def test_week_to_week_change_equals_the_package_acwr_unless_the_week_before_was_rest(seed: int) -> None:
    specs: list[FeatureSpec] = [
        window("week", "sum", 7, empty=0.0),
        window("before", "sum", 7, lag_days=7, empty=0.0),
        derived("change", "change_pct", "week", "before"),
    ]
    got = ours(seed, specs)
    before = np.r_[np.full(7, np.nan), trailing(got.daily, 7).sum(axis=1)[:-7]]
    rested = before == 0
    assert rested.sum() > 5
    assert_equal(got["change"], acwr.week_to_week_change(got.daily), (np.arange(DAYS) >= 13) & ~rested)
    assert np.isnan(got["change"][rested]).all()
    assert (got["before"][rested] == 0.0).all()


# --- pandas -----------------------------------------------------------------------------------------------------------

WINDOWS = (3, 7, 14, 21, 28, 42)
ROLLING: dict[str, Callable[[pd.api.typing.Rolling], pd.Series]] = {
    "sum": lambda rolling: rolling.sum(),
    "daily_mean": lambda rolling: rolling.mean(),
    "daily_spread": lambda rolling: rolling.std(),
}


@pytest.mark.parametrize("seed", SEEDS)
def test_sums_means_and_spreads_equal_pandas_rolling_and_are_exactly_0_where_the_answer_is(seed: int) -> None:
    specs: list[FeatureSpec] = [
        window(f"{aggregate}{days}", aggregate, days, empty=0.0 if aggregate == "sum" else None)
        for aggregate in ("sum", "daily_mean", "daily_spread")
        for days in WINDOWS
    ]
    got = ours(seed, specs)
    zeros = 0
    for days in WINDOWS:
        enough = int(np.ceil(0.7 * days))
        in_window = trailing(got.daily, days)
        rested, even = np.nansum(in_window, axis=1) == 0, np.nanmax(in_window, 1) == np.nanmin(in_window, 1)
        for aggregate in ("sum", "daily_mean", "daily_spread"):
            theirs = ROLLING[aggregate](got.daily.rolling(days, min_periods=enough)).to_numpy()
            mine = got[f"{aggregate}{days}"]
            assert (np.isnan(mine) == np.isnan(theirs)).all()
            zero = (even if aggregate == "daily_spread" else rested) & ~np.isnan(mine)
            assert (mine[zero] == 0.0).all()
            zeros += int(zero.sum())
            assert_equal(mine, theirs, ~zero & ~np.isnan(mine))
    assert zeros > 50


@pytest.mark.parametrize("span", [3, 7, 14, 28])
def test_the_exponential_average_equals_pandas_ewm(span: int) -> None:
    got = ours(5, [window("mean", "exponential", span, min_covered_share=0.0)])
    assert_equal(got["mean"], got.daily.ewm(span=span, adjust=True).mean(), at_least=DAYS)
    assert_equal(_seeded(got["mean"], got.daily, span), got.daily.ewm(span=span, adjust=False).mean(), at_least=DAYS)


# --- SoccerMon's published loads --------------------------------------------------------------------------------------

SOCCERMON = Path(__file__).resolve().parents[2] / "shared" / "data" / "soccermon"
LATER = pd.Timestamp("2022-06-01", tz="UTC")
"""All was known by then: the release has one clock, so the comparison takes it for both."""
HOLE = "2021-08-07"
RECOMPUTED = {
    "TeamA-32fed4b3": ("2020-03-24", "2020-12-31"),
    "TeamA-4051bba7": ("2021-02-21", "2021-12-23"),
    "TeamA-5cd7a61b": ("2021-03-31", "2021-12-31"),
}
"""Stretches of three players that the publishers made another way: all digits kept, ddof 1, and from other sessions
than those in their daily load (one of two on a day, or a day left out instead of counted as rest)."""
CENT = 0.005 + EQUAL
TWICE_ROUNDED = 0.0055 + EQUAL
"""To three digits and then to two: 1.09499 becomes 1.095 becomes 1.1."""
MEANS = {"atl": 7, "ctl28": 28, "ctl42": 42}


@dataclass(frozen=True)
class Published:
    """The publishers' cells (days x players) with the true answers by their definitions from their own daily load."""

    cells: dict[str, Cells]
    days: pd.DatetimeIndex
    players: list[str]

    @property
    def load(self) -> Cells:
        return self.cells["daily_load"]

    @property
    def hole(self) -> Mask:
        """A day on which the derived values of 13 players are 0 although they had trained in the days before."""
        on_day = (self.days == pd.Timestamp(HOLE))[:, None] & ~self.recomputed
        return on_day & (self.mean("ctl42") > 0) & (self.cells["ctl42"] == 0)

    @property
    def recomputed(self) -> Mask:
        found = np.zeros(self.load.shape, dtype=bool)
        for column, player in enumerate(self.players):
            first, last = RECOMPUTED.get(player[:14], ("2099", "2099"))
            found[:, column] = (self.days >= pd.Timestamp(first)) & (self.days <= pd.Timestamp(last))
        return found

    def windows(self, days: int, cells: Cells | None = None) -> Cells:
        """Each day's window per player, zeros before the release began."""
        found = self.load if cells is None else cells
        padded = np.concatenate([np.zeros((days - 1, found.shape[1])), found])
        return np.lib.stride_tricks.sliding_window_view(padded, days, axis=0)

    def mean(self, name: str) -> Cells:
        return self.windows(MEANS[name]).sum(axis=-1) / MEANS[name]

    def monotony(self, ddof: int) -> Cells:
        """0 where all days are equal, as they have it."""
        week = self.windows(7)
        spread = np.where(week.max(axis=-1) > week.min(axis=-1), week.std(axis=-1, ddof=ddof), np.inf)
        return np.asarray(week.mean(axis=-1) / spread)


def is_near(one: Cells, other: Cells, tolerance: Cells | float) -> Mask:
    near: Mask = np.abs(one - other) <= tolerance
    return near


def needs_soccermon() -> Path:
    if not SOCCERMON.exists():
        pytest.skip("real data absent: ../shared/data/soccermon")
    return SOCCERMON


@pytest.fixture(scope="module")
def published() -> Published:
    frames = {}
    for path in sorted((needs_soccermon() / "training-load").glob("*.csv")):
        frame = pd.read_csv(path)
        frames[path.stem] = frame.set_index(pd.to_datetime(frame["Date"], format="%d.%m.%Y")).drop(columns="Date")
    daily = frames["daily_load"]
    assert all((frame.index == daily.index).all() for frame in frames.values())
    cells = {name: frame[daily.columns].to_numpy(dtype=np.float64) for name, frame in frames.items()}
    return Published(cells, pd.DatetimeIndex(daily.index), list(daily.columns))


def test_the_publishers_acute_and_chronic_loads_are_plain_means_to_the_cent_with_every_day_counted(
    published: Published,
) -> None:
    different = {}
    for name in MEANS:
        off = ~is_near(published.cells[name], published.mean(name), CENT)
        assert not (off & ~published.hole & ~published.recomputed).any()
        different[name] = (int((off & published.hole).sum()), int((off & ~published.hole).sum()))
    assert different == {"atl": (11, 539), "ctl28": (13, 761), "ctl42": (13, 803)}
    assert published.hole.sum() == 13
    assert all((cells[published.hole] == 0).all() for name, cells in published.cells.items() if name != "daily_load")


def test_the_publishers_ratio_is_that_of_their_rounded_loads_and_0_where_nothing_was_done(published: Published) -> None:
    acute, chronic = published.cells["atl"], published.cells["ctl28"]
    ratio = np.divide(acute, chronic, out=np.zeros_like(acute), where=chronic > 0)
    assert is_near(published.cells["acwr"], ratio, EQUAL).all()


def test_the_publishers_monotony_has_ddof_0_to_the_cent_or_ddof_1_unrounded_for_three_players(
    published: Published,
) -> None:
    theirs = published.cells["monotony"]
    rounded = is_near(100 * theirs, np.round(100 * theirs), 1e-6)
    population = rounded & is_near(theirs, published.monotony(0), CENT)
    sample = ~rounded & is_near(theirs, published.monotony(1), EQUAL)
    twice = rounded & ~population & is_near(theirs, published.monotony(0), TWICE_ROUNDED)
    hole = ~(population | sample | twice) & published.hole
    others = ~(population | sample | twice | hole)
    assert not ((sample | others) & ~published.recomputed).any()
    counts = [int(found.sum()) for found in (population, sample, twice, hole, others)]
    assert counts == [35728, 264, 13, 11, 534]


def test_the_publishers_strain_is_their_weekly_load_times_their_monotony(published: Published) -> None:
    weekly = published.windows(7).sum(axis=-1)
    off = ~is_near(published.cells["strain"], weekly * published.cells["monotony"], 1e-6)
    assert not (off & ~published.recomputed).any()
    assert int(off.sum()) == 363


@dataclass(frozen=True)
class SoccerMon:
    """Our features of the ingested release, as days x players, and which days a source was in use."""

    built: dict[str, Cells]
    reasons: dict[str, npt.NDArray[np.object_]]
    in_use: Cells
    load: Cells


@pytest.fixture(scope="module")
def soccermon(published: Published, tmp_path_factory: pytest.TempPathFactory) -> SoccerMon:
    """The release through the adapter and the store, and its features on every day of every player."""
    store = open_store(tmp_path_factory.mktemp("soccermon") / "store")
    ingest(store, "soccermon", needs_soccermon(), now=datetime(2022, 6, 1, tzinfo=UTC))
    tables = read_tables(store)
    shape = (len(published.days), len(published.players))
    names = np.array([player[:14] for player in published.players])
    index = pd.DataFrame(
        {
            "athlete_id": pd.Series(np.tile(names, shape[0]), dtype="str"),
            "date": np.repeat(published.days.to_numpy(), shape[1]).astype("datetime64[us]"),
            "as_of": pd.Series([LATER] * (shape[0] * shape[1]), dtype="datetime64[us, UTC]"),
        }
    )
    specs = [
        *(window(name, "daily_mean", days) for name, days in MEANS.items()),
        derived("acwr", "ratio", "atl", "ctl28"),
        *monotony_and_strain(),
    ]
    built = build_features(index, tables, specs)
    return SoccerMon(
        {spec.name: built.values[spec.name].to_numpy().reshape(shape) for spec in specs},
        {spec.name: built.reasons[spec.name].to_numpy().reshape(shape) for spec in specs},
        *_days_in_use(published, tables),
    )


def _days_in_use(published: Published, tables: dict[str, pd.DataFrame]) -> tuple[Cells, Cells]:
    """1 on days inside a stretch of coverage, and the loads that came in: days x players."""
    columns = {player[:14]: number for number, player in enumerate(published.players)}
    in_use, load = np.zeros_like(published.load), np.zeros_like(published.load)
    for row in tables["coverage"].query("table == 'sessions'").itertuples():
        inside = (published.days >= row.first_date) & (published.days <= row.last_date)
        in_use[inside, columns[row.athlete_id]] = 1
    for row in tables["sessions"].itertuples():
        load[published.days.get_loc(row.date), columns[row.athlete_id]] += row.load_au
    return in_use, load


def from_ours(name: str, mon: SoccerMon, published: Published) -> tuple[Cells, Cells]:
    """The published value that follows from our features and the days in use, and how far rounding may move it."""
    built = mon.built
    week, month = (published.windows(days, mon.in_use).sum(axis=-1) for days in (7, 28))
    with np.errstate(divide="ignore", invalid="ignore"):
        if name in MEANS:
            days = MEANS[name]
            mean = built[name] * published.windows(days, mon.in_use).sum(axis=-1) / days
            return mean, np.full_like(mean, CENT)
        if name == "acwr":  # of two rounded means
            ratio = built["acwr"] * (week / 7) / (month / 28)
            return ratio, CENT * (1 + ratio) / (published.cells["ctl28"] - CENT)
        total = built["day"] * week
        squares = built["spread"] ** 2 * (week - 1) + total**2 / week
        sample = total / 7 / np.sqrt((squares - total**2 / 7) / 6)
        monotony = np.where(published.recomputed, sample, sample * np.sqrt(7 / 6))
        if name == "monotony":
            return monotony, np.full_like(monotony, TWICE_ROUNDED)
        return total * monotony, total * TWICE_ROUNDED + EQUAL


def reasons_apart(name: str, mon: SoccerMon, published: Published) -> dict[str, Mask]:
    """Every cell under the first heading that holds for it."""
    days = MEANS.get(name, 28 if name == "acwr" else 7)
    in_use = published.windows(days, mon.in_use).sum(axis=-1)
    came_in = published.windows(days, published.load - mon.load).sum(axis=-1) == 0
    theirs, reason = published.cells[name], mon.reasons[name]
    equal = is_near(theirs, *from_ours(name, mon, published))
    week = published.windows(7, mon.in_use).sum(axis=-1)
    silent = (in_use < 0.7 * days) | (week < 0.7 * 7 if name == "acwr" else False)
    silent &= reason == "no source in use on enough days of the window"
    undefined = reason == "cannot be computed from these values"
    headings = {
        "equal": equal & (in_use == days),
        "equal once the days not in use count as rest": equal & (in_use < days),
        "not in use": silent & (theirs == 0),
        "not in use, but load published": silent,
        "divided by 0": undefined & (theirs == 0),
        "load left out": ~came_in,
        "hole": published.hole,
        "recomputed": published.recomputed,
    }
    found: dict[str, Mask] = {}
    left = np.ones_like(equal)
    for heading, mask in headings.items():
        found[heading] = left & mask
        left &= ~mask
    return found | {"unexplained": left}


COUNTS = {
    "atl": (19482, 618, 14879, 1011, 0, 13, 11, 536),
    "ctl28": (16503, 2080, 12885, 4297, 0, 47, 6, 732),
    "ctl42": (15082, 2973, 12048, 5607, 0, 71, 5, 764),
    "acwr": (16518, 1371, 15039, 2860, 5, 47, 6, 704),
    "monotony": (19039, 533, 14879, 1011, 538, 13, 11, 526),
    "strain": (19041, 533, 14879, 1011, 538, 13, 11, 524),
}
"""Cells under each heading of `reasons_apart`, as docs/agreement.md has them."""


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_every_cell_that_soccermon_publishes_is_ours_or_differs_for_a_stated_reason(
    name: str, soccermon: SoccerMon, published: Published
) -> None:
    found = reasons_apart(name, soccermon, published)
    assert int(found["unexplained"].sum()) == 0
    assert tuple(int(mask.sum()) for mask in found.values()) == (*COUNTS[name], 0)
    assert sum(COUNTS[name]) == 731 * 50


def test_our_means_are_those_of_soccermons_daily_load_to_1e_9_and_0_where_the_player_rested(
    soccermon: SoccerMon, published: Published
) -> None:
    compared = resting = 0
    for name, days in MEANS.items():
        in_use = published.windows(days, soccermon.in_use).sum(axis=-1) == days
        same = in_use & (published.windows(days, published.load - soccermon.load).sum(axis=-1) == 0)
        mine, theirs = soccermon.built[name], published.mean(name)
        assert is_near(mine, theirs, EQUAL)[same].all()
        assert (mine[same & (theirs == 0)] == 0.0).all()
        compared, resting = compared + int(same.sum()), resting + int((same & (theirs == 0)).sum())
    assert (compared, resting) == (53061, 453)
