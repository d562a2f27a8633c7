"""The figures in words and tables, for a terminal, as Markdown and as one HTML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from models.leaks import TOO_GOOD
from pipelines.console import out
from pipelines.pages import Section, as_table, markdown, page, sentences, tables
from pipelines.verification.checks import (
    ALL,
    CONSTANT,
    FLAGGED,
    HAZARD,
    MAIN_DAYS,
    NOISE_FREE,
    ORACLE,
    SHARES,
    SOURCES,
    TERMS,
)
from pipelines.verification.measures import LARGE, NEAR, Estimate
from pipelines.verification.nothing import BUDGETS, LeakCheck
from pipelines.verification.numbers import GOALS, Goal, Summary

TITLE = "Recovery of a known truth"
ONLY_SIMULATED = (
    "These figures hold for simulated athletes only: they say what the method can find, not what a club will."
)
NONE = "–"


class Plan(Protocol):
    """How much was simulated and fitted, as far as it is told."""

    @property
    def athletes(self) -> int: ...
    @property
    def seasons(self) -> int: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def members(self) -> int: ...
    @property
    def test_athletes(self) -> int: ...


def _setup(plan: Plan) -> str:
    return (
        f"Trained on {plan.athletes:,} simulated athletes over {plan.seasons} seasons, "
        f"tested on {plan.test_athletes} others over the season after; {len(plan.seeds)} pairs of squads, "
        f"bags of {plan.members}; means, 95 % intervals over pairs."
    )


def sections(
    summary: Summary, leaks: LeakCheck, refused: Sequence[str], plan: Plan, figures: Mapping[str, Path]
) -> tuple[Section, ...]:
    """Everything that was measured, goals first."""
    return (
        Section("Goals", ("", "goal", "reached"), tuple(_goals(summary, plan.athletes)),
                f"{_setup(plan)} {ONLY_SIMULATED}"),
        _discrimination(summary),
        Section("Injuries in training and what they teach", ("athletes", "strains", "share of oracle"),
                tuple(_curve(summary)), "Share of the oracle's AUROC above 0.5 on unseen athletes.",
                figures.get("curve")),
        _calibration(summary),
        _explanation(summary, figures.get("explanation")),
        _factors(summary, figures.get("factors")),
        Section("What each source is worth", ("withheld", "loss of share of oracle", f"loss, {NOISE_FREE}"),
                tuple(_sources(summary)), "Withheld from training and testing; a positive loss is what it is worth.",
                figures.get("sources")),
        _nothing(summary, leaks, refused),
    )  # fmt: skip


def _goals(summary: Summary, athletes: int) -> Iterable[tuple[str, ...]]:
    for goal in GOALS:
        found = summary.get(goal.check, goal.measure)
        yield f"{goal.check}: {goal.measure}", str(goal), f"{_text(found)} {_verdict(found, goal, athletes)}".strip()


def _verdict(found: Estimate | None, goal: Goal, athletes: int) -> str:
    if found is None or found.value != found.value or athletes < goal.least_athletes:
        return ""
    return "(met)" if goal.low <= found.value <= goal.high else "(missed)"


def _discrimination(summary: Summary) -> Section:
    rows = []
    for days in (7, 14, 28):
        cells = [summary.get("discrimination", *each, days) for each in (
            ("AUROC", "model"), ("AUROC", "oracle"), ("share of oracle", "model"),
            ("AUROC against events", "model"), ("share of oracle against events", "model"),
        )]  # fmt: skip
        rows.append((f"{days} days", *map(_text, cells)))
    for subject in (NOISE_FREE, ORACLE, TERMS):
        ceiling = summary.get("discrimination", "share of oracle", subject)
        rows.append((f"{MAIN_DAYS} days, {subject}", NONE, NONE, _text(ceiling), NONE, NONE))
    return Section(
        "Discrimination", ("", "AUROC", "oracle", "share of oracle", "AUROC, events", "share, events"), tuple(rows),
        "AUROC against the hazard that came about: sum of c_i (1 - c_j) [s_i > s_j] over pairs / sum of c_i (1 - c_j), "
        "c the sum of the horizon's true hazards, of which drawn events are one noisy outcome. Share of oracle: "
        "(AUROC - 0.5) / (oracle's - 0.5). The oracle knows every latent state, the frailty and the fixtures. "
        f"'{NOISE_FREE}': the same learner and features with labels drawn from the true 14-day odds, multiplied until "
        "half of all days have an event: what is left is what no number of injuries could teach. "
        f"'{ORACLE}': a regression of them on the same features. '{TERMS}': who knew every factor exactly, "
        "but neither frailty nor fixtures, would reach this and no more.",
    )  # fmt: skip


def _curve(summary: Summary) -> Iterable[tuple[str, ...]]:
    for size in summary.subjects("curve", "share of oracle"):
        injuries = summary.get("curve", "injuries in training", size)
        yield size, f"{injuries.value:.0f}" if injuries else NONE, _text(summary.get("curve", "share of oracle", size))


def _calibration(summary: Summary) -> Section:
    measures = ("slope", "observed : expected", "slope against events", "observed : expected against events")
    rows = [
        (f"{days} days", *(_text(summary.get("calibration", measure, "model", days)) for measure in measures))
        for days in (7, 14, 28)
    ]
    return Section("Calibration", ("", *measures), tuple(rows), "Against the hazard that came about unless said.")


def _explanation(summary: Summary, figure: Path | None) -> Section:
    measures = ("top factor", "top factor or as good", "top three", "right sign", "rank correlation")
    rows = []
    for check in (FLAGGED, ALL):
        for subject in ("model", NOISE_FREE, HAZARD, SHARES, CONSTANT):
            cells = (_text(summary.get(check, measure, subject)) for measure in measures)
            rows.append((f"{subject}, {check.removeprefix('explanation of ')}", *cells))
    changes = summary.get("stability", "first factor changes")
    rows.append(("refits on redrawn athletes: first factor changes", _text(changes), *([NONE] * 4)))
    return Section(
        "Explanations", ("", *measures), tuple(rows),
        "Contributions by factor of the 14-day score against the true shares of the log-hazard to be expected over 14 "
        "days, both as distances from the mean. 'As good': the factor named first is within "
        f"{NEAR:g} log-hazard of the true first. Sign: of true shares above {LARGE:g}. '{HAZARD}': the ceiling, the "
        "hazard itself as SHAP explains it through the same features. "
        f"'{SHARES}': a regression of each true share on the same features, one by one: what the records hold at all. "
        f"'{CONSTANT}': what needs no model at all. Flagged: three a week per team of 25.",
        figure,
    )  # fmt: skip


def _factors(summary: Summary, figure: Path | None) -> Section:
    rows = []
    for factor in summary.subjects("factors, model", "correlation with truth"):
        cells = (
            _text(summary.get(f"factors, {subject}", "correlation with truth", factor))
            for subject in ("model", NOISE_FREE, HAZARD, SHARES)
        )
        rows.append((factor, *cells))
    return Section("Factor by factor", ("factor", "model", NOISE_FREE, HAZARD, SHARES), tuple(rows),
                   "Spearman's correlation of contribution and true share over athlete-days.", figure)  # fmt: skip


def _sources(summary: Summary) -> Iterable[tuple[str, ...]]:
    for name in SOURCES:
        found = [summary.get("sources", each, name) for each in ("loss of share of oracle", f"loss, {NOISE_FREE}")]
        yield (name, *map(_text, found))


def _nothing(summary: Summary, leaks: LeakCheck, refused: Sequence[str]) -> Section:
    lift = "strains on flagged days / on all days"
    refusing = summary.get("nothing", "gate refuses")
    rows = (
        ("AUROC against events, nothing planted", _text(summary.get("nothing", "AUROC against events"))),
        *(
            (f"{lift}, nothing planted, {each} a week", _text(summary.get("nothing", lift, f"{each} alerts")))
            for each in BUDGETS
        ),
        (f"{lift}, effects planted, 3 a week", _text(summary.get("alerts", lift))),
        ("promotion refused, nothing planted", f"{refusing.value:.0%} of seeds" if refusing else NONE),
        ("promotion, effects planted, first seed", "refused: " + "; ".join(refused) if refused else "granted"),
        *_leaks(leaks),
    )
    note = "Nothing planted: neither factors nor frailty nor exposure move the risk."
    return Section("Nothing from nothing", ("", "found"), rows, note)


def _leaks(leaks: LeakCheck) -> Iterable[tuple[str, str]]:
    changes = "caught" if leaks.planted_sees_the_future else "MISSED"
    alone = f"caught: {leaks.planted_auroc:.2f}" if leaks.planted_auroc > TOO_GOOD else "MISSED"
    yield "planted leak: changes when the future is deleted", changes
    yield f"planted leak: its AUROC alone is above {TOO_GOOD:g}", alone
    yield "honest features that a leak check names", ", ".join(leaks.honest) or "none"


def _text(found: Estimate | None) -> str:
    if found is None or found.value != found.value:
        return NONE
    if found.lower != found.lower:
        return f"{found.value:.2f}"
    value, lower, upper = (round(each, 2) + 0.0 for each in (found.value, found.lower, found.upper))  # no "-0.00"
    return f"{value:.2f} ({lower:.2f} to {upper:.2f})"


def show(found: Sequence[Section]) -> None:
    """Tables on standard output."""
    console = out()
    for section in found:
        console.print(as_table(section))
    console.print(ONLY_SIMULATED)


def as_markdown(found: Sequence[Section]) -> str:
    """Sections with pipe tables; figures as links beside the file."""
    return markdown(TITLE, [ONLY_SIMULATED], found)


def as_html(found: Sequence[Section]) -> str:
    """One file that needs no network: figures are inside."""
    return page(TITLE, sentences([ONLY_SIMULATED]), tables(found))
