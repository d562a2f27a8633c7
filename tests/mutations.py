"""Bugs planted on purpose, one at a time, in a copy of the packages: the tests must notice every one.

    python -m tests.mutations [part of a name ...]

A mutation replaces text that must stand in its file exactly once, so that the list cannot rot unnoticed. The tests
named with it then run in the copy; a run that breaks for another reason than a failed test is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("configs", "features", "models", "serving", "pipelines", "tests", "pyproject.toml", "hatch_build.py")
WINDOWS = ("tests/test_windows.py",)
EDGES = (
    "tests/test_windows.py::test_a_row_is_seen_from_its_own_instant_on_and_no_longer_at_the_one_that_supersedes_it",
)
SLOPES = ("tests/test_windows.py::test_a_slope_takes_days_of_rest_as_0_and_three_days_at_least",)
MANY = ("tests/test_windows.py::test_many_moments_shared_out_among_threads_equal_a_few_bit_for_bit",)
LABELS = ("tests/test_labels.py", "tests/test_label_worlds.py")
SPLITS = ("tests/test_splits.py",)
C, BUILD, VIEW = "features/windows.c", "features/build.py", "features/windows.py"
LABEL, WHO, TARGET, FOLDS = "features/labels.py", "features/availability.py", "features/target.py", "models/splits.py"
COMPILE = """
import hatch_build, pathlib, sys
hatch_build.SOURCES, hatch_build.VECTORS = ("features/windows.c",), {"": ()}
print(*hatch_build.compile_all(pathlib.Path(sys.argv[1])))
"""
SURVIVED, CAUGHT = 0, 1
"""What pytest returns."""


@dataclass(frozen=True)
class Mutation:
    """`old` becomes `new` in `file`; one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def planted(self, text: str) -> str:
        found = text.count(self.old)
        if found != 1:
            raise ValueError(
                f"mutation '{self.name}': its text stands {found} times in {self.file}, expected once. "
                "Point it to the code as it is now (tests/mutations.py)."
            )
        return text.replace(self.old, self.new)


MUTATIONS = (
    # What a window holds
    Mutation("window shifted by a day", C, "view->seen.day[window.from] > view->day - window.lag)",
             "view->seen.day[window.from] > view->day - window.lag - 1)", WINDOWS),
    Mutation("window closed at its far edge", C, "int64_t oldest = view->day - window->lag - days;",
             "int64_t oldest = view->day - window->lag - days - 1;", WINDOWS),
    Mutation("a lag one day too short", C, "view->seen.day[window.from] > view->day - window.lag)",
             "view->seen.day[window.from] > view->day - window.lag + (window.lag > 0))", WINDOWS),
    Mutation("lag ignored by the coverage", C, "covered_days(view, window->lag, days)", "covered_days(view, 0, days)",
             WINDOWS),
    # Two clocks
    Mutation("known_at dropped", C, "return known_at <= as_of && as_of < superseded_at;",
             "return (known_at <= as_of || 1) && as_of < superseded_at;", WINDOWS),
    Mutation("known_at open at its edge", C, "return known_at <= as_of &&", "return known_at < as_of &&", EDGES),
    Mutation("superseded_at dropped", C, "&& as_of < superseded_at;", "&& (as_of < superseded_at || 1);", WINDOWS),
    Mutation("superseded_at closed at its edge", C, "&& as_of < superseded_at;", "&& as_of <= superseded_at;", EDGES),
    Mutation("order of arrival lost", VIEW, "return np.lexsort((known, day, athlete))",
             "return np.lexsort((day, athlete))", WINDOWS),
    Mutation("coverage grown before anybody could know", C, "smaller(smaller(coverage->last[slot], until), day)",
             "smaller(smaller(coverage->last[slot], until + 999), day)", WINDOWS),
    Mutation("coverage ends with its receipt", C,
             "larger(smaller(floor_day(known_at), day - 1), floor_day(as_of - delay))",
             "floor_day(known_at + 0 * delay)", WINDOWS),
    # Rest, gaps and missing values
    Mutation("0 for missing", C, "case SUM: return choose(window->used > all(0), window->sum, all(NONE));",
             "case SUM: return window->sum;", WINDOWS),
    Mutation("missing for rest", C, "choose(nothing & recorded & (empty == empty), empty, result)",
             "choose(nothing & recorded & (empty != empty), empty, result)", WINDOWS),
    Mutation("rest before the column was ever recorded", C, "view->panel->recorded[view->athlete] <= view->as_of;",
             "view->panel->recorded[view->athlete] <= INT64_MAX;", WINDOWS),
    Mutation("a mean although too many values are missing", C, "unrecorded = window->held <", "unrecorded = all(0) >",
             WINDOWS),
    Mutation("distances above different speeds added up", C, "mixed = window->slowest < window->fastest;",
             "mixed = window->slowest > all(INFINITY);", WINDOWS),
    Mutation("one covered day is enough", BUILD, "return max(1.0, spec.min_covered_share * spec.window_days)",
             "return 1.0", WINDOWS),
    Mutation("a day with a row outside the coverage is no day", C,
             "return all(window->covered) + outside_days(view, window);",
             "return all(window->covered) + all(0) * outside_days(view, window);", WINDOWS),
    Mutation("values at the least value left out", C, "return values >= all(window->at_least);",
             "return values > all(window->at_least);", WINDOWS),
    # Aggregates
    Mutation("ddof 0 for 1, rows", C, "quotient(squares, window->used - 1)", "quotient(squares, window->used)",
             WINDOWS),
    Mutation("ddof 0 for 1, days", C, "quotient(squares + resting * mean * mean, days - 1)",
             "quotient(squares + resting * mean * mean, days)", WINDOWS),
    Mutation("days of rest left out of the spread", C, "squares + resting * mean * mean", "squares + 0 * resting",
             WINDOWS),
    Mutation("oldest value for the newest", C, "open &= ~here;", "", WINDOWS),
    Mutation("slope from two days", C, "choose(days >= all(3), slope, all(NONE))",
             "choose(days >= all(2), slope, all(NONE))", SLOPES),
    Mutation("run of days with gaps", C, "choose(last == day + 1, run + 1, all(1))",
             "choose(last >= day + 1, run + 1, all(1))", WINDOWS),
    # Exponential averages, which keep what nothing can change any more
    Mutation("another span", VIEW, "2 / (window.window_days + 1)", "2 / window.window_days", WINDOWS),
    Mutation("kept before it was known", C, "latest = larger(latest, history->known_at[row]);", "", WINDOWS),
    Mutation("kept before it was superseded", C, "latest = larger(latest, history->superseded_at[row]);",
             "latest = larger(latest, INT64_MIN);", WINDOWS),
    Mutation("kept although superseded", C, "if (history->superseded_at[row] == INT64_MAX)\n                add_row",
             "if (history->superseded_at[row])\n                add_row", WINDOWS),
    Mutation("kept before the coverage was known", C, "latest = larger(latest, from);",
             "latest = larger(latest, 0 * from);", WINDOWS),
    # Where rows begin and end
    Mutation("the day's own rows overlooked when moments come in order", C,
             "hint < end && history->day[hint] <= day; hint++)", "hint < end && history->day[hint] < day; hint++)",
             WINDOWS),
    Mutation("the last of many moments forgotten", BUILD, "min(first + CHUNK, len(index))",
             "min(first + CHUNK, len(index) - (first > 0))", MANY),
    Mutation("a newer row that stays in the way of the next moment", C, "    }\n    cover_up(view);\n}\n\n/* Room for",
             "    }\n}\n\n/* Room for", WINDOWS),
    Mutation("a filter that looks past the settled rows", C, "if (view->of.settled[at - begin] <= view->as_of &&",
             "if (view->of.settled[at - begin] <= view->as_of + 86400000000 &&", WINDOWS),
    Mutation("never recorded taken for rest", C, "if (task->needs_record)", "if (task->needs_record && 0)", WINDOWS),
    Mutation("an average begins with the source", C, "if ((double)first < from)", "if ((double)first < from && 0)",
             WINDOWS),
    Mutation("the prediction day covered by its receipt", C, "larger(smaller(floor_day(known_at), day - 1), floor",
             "larger(smaller(floor_day(known_at), day), floor", WINDOWS),
    Mutation("an asymmetry against the weaker limb", "features/derived.h", "choose(a > b, a, b)", "choose(a < b, a, b)",
             ("tests/test_derived.py",)),
    # Who is at risk
    Mutation("at risk while injured", WHO, "return np.asarray(pairs.isin(cleared), dtype=bool)",
             "return np.ones(len(pairs), dtype=bool)", LABELS),
    Mutation("injured for ever without a clearance", WHO, "OPEN_INJURY_DAYS = 365", "OPEN_INJURY_DAYS = 3650", LABELS),
    Mutation("trained on days on which the injury was there and not known", LABEL, "index[why.isna() & ~hidden]",
             "index[why.isna()]", LABELS),
    Mutation("injured in truth on the day of onset", LABEL, 'pairs["date"] > pairs["date_onset"]',
             'pairs["date"] >= pairs["date_onset"]', LABELS),
    Mutation("silent a day too early", WHO, "moments.day - last > target.silent_days",
             "moments.day - last >= target.silent_days", LABELS),
    Mutation("gone on the last day with the squad", WHO, "(left < moments.day[pairs.moment])",
             "(left <= moments.day[pairs.moment])", LABELS),
    Mutation("every self-report keeps out", WHO, "~self_reported | target.counts(injuries)",
             "self_reported | ~self_reported | target.counts(injuries)", LABELS),
    Mutation("prediction hour in UTC", TARGET, "local.tz_localize(ZoneInfo(self.time_zone),",
             'local.tz_localize(ZoneInfo("UTC"),', LABELS),
    # Labels
    Mutation("horizon one day too long", LABEL, "last = day + horizon - 1", "last = day + horizon", LABELS),
    Mutation("onset on the prediction day left out", LABEL, 'by="athlete_id", direction="forward")',
             'by="athlete_id", direction="forward", allow_exact_matches=False)', LABELS),
    Mutation("censored taken as 0", LABEL, "(following <= last).astype(np.float64), np.nan)",
             "(following <= last).astype(np.float64), 0.0)", LABELS),
    Mutation("onsets kept that censored rows hold", LABEL, "np.where(last <= followed,",
             "np.where((last <= followed) | (following <= last),", LABELS),
    Mutation("delay of reports ignored", LABEL, "[0] - target.reporting_days", "[0]", LABELS),
    Mutation("followed up after leaving", LABEL, "np.minimum(np.minimum(within, leaving), cut)",
             "np.minimum(within, cut)", LABELS),
    Mutation("followed up through a season break", LABEL, 'rows["first_date"] > before + DAY',
             'rows["first_date"] > before + 99 * DAY', LABELS),
    Mutation("injuries that were taken back count", LABEL, 'return table[table["superseded_at"].isna()]',
             "return table", LABELS),
    Mutation("no embargo between training and test", FOLDS, "rows.day <= cut - rows.horizon_days",
             "rows.day < cut", SPLITS),
    Mutation("direct blows count", TARGET, "included &= ~_meets(injuries, rule)", "included |= _meets(injuries, rule)",
             LABELS),
)  # fmt: skip


def copy_packages(folder: Path) -> None:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, folder / name)


def build(folder: Path) -> None:
    """Compile the copy's own library: the plain one, which then stands for those with wider vectors as well."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(folder)], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"the planted code does not compile:\n{done.stderr}")
    plain = Path(done.stdout.strip())
    for other in plain.parent.glob(f"{plain.stem}_*{plain.suffix}"):
        shutil.copyfile(plain, other)


def run_tests(folder: Path, tests: Sequence[str]) -> int:
    """What pytest says of the quick tests, run with the copy first on the path and without the tests' shared squad."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--noconftest", "-p", "no:cacheprovider", "-m", "not slow"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([*command, *tests], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in (SURVIVED, CAUGHT):
        raise RuntimeError(f"the tests did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.returncode


@contextmanager
def planted(folder: Path, mutation: Mutation) -> Iterator[None]:
    path = folder / mutation.file
    original, times = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(mutation.planted(original), encoding="utf-8")
    try:
        if path.suffix in (".c", ".h"):
            build(folder)
        yield
    finally:
        path.write_text(original, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def survivors(chosen: Sequence[Mutation], report: object = sys.stderr) -> list[str]:
    """Names of the mutations that no test noticed. Raises where the tests fail without any mutation."""
    survived = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_packages(folder)
        build(folder)
        healthy = {path: path.read_bytes() for path in (folder / "features").glob("_windows*")}
        if run_tests(folder, sorted({test for mutation in chosen for test in mutation.tests})) != SURVIVED:
            raise RuntimeError("the tests fail without a mutation; mend that first")
        for mutation in chosen:
            began = time.monotonic()
            with planted(folder, mutation):
                outcome = run_tests(folder, mutation.tests)
            for path, content in healthy.items():
                path.write_bytes(content)
            said = "caught" if outcome == CAUGHT else "SURVIVED"
            print(f"{said:9} {time.monotonic() - began:5.1f} s  {mutation.name}", file=report)  # type: ignore[call-overload]
            if outcome == SURVIVED:
                survived.append(mutation.name)
    return survived


def main(words: Sequence[str]) -> int:
    chosen = [each for each in MUTATIONS if not words or any(word in each.name for word in words)]
    survived = survivors(chosen)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} mutations caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
