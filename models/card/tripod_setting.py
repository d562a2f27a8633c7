"""TRIPOD+AI items 1 to 9: what the model is, whom its data are about, what it predicts and from what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from features.specs import DerivedSpec, FeatureSpec, WindowSpec, with_inputs
from models.card.facts import Facts, has_interval, interval, listed, many
from models.card.leak_gates import leak_gates
from models.card.lines import Answer, CardTable, Gate, Line, gate, met, not_met, numbered

SUBJECTIVE: Mapping[str, tuple[str, ...]] = {
    "wellness": (),
    "injury_reports": (),
    "sessions": ("rpe", "load_au"),
}
"""Tables, and columns of them (all if none is named), that hold what athletes say of themselves."""
RATED = ("screenings", "strength_tests")
"""Tables that hold what a tester measured or rated."""


def setting_lines(facts: Facts) -> tuple[Line, ...]:
    """Items 1 to 9, each with what it is filled from."""
    return numbered(
        (
            ("1", "Title", lambda: _title(facts)),
            ("2", "Abstract", lambda: _abstract(facts)),
            ("3a", "Context and rationale", lambda: supplied(facts, "context")),
            ("3b", "Intended population, purpose and users", lambda: _intended(facts)),
            ("3c", "Known inequalities between groups", lambda: _inequalities(facts)),
            ("4", "Objectives", lambda: _objectives(facts)),
            ("5a", "Sources of data", lambda: _sources(facts)),
            ("5b", "Dates of data", lambda: _dates(facts)),
            ("6a", "Setting", lambda: _setting(facts)),
            ("6b", "Eligibility", lambda: _eligibility(facts)),
            ("6c", "Treatments received", lambda: _treatments(facts)),
            ("7", "Data preparation", lambda: _preparation(facts)),
            ("8a", "Outcome and horizon", lambda: _outcome(facts)),
            ("8b", "Who assessed the outcome", lambda: supplied(facts, "recorders")),
            ("8c", "Blinding of the outcome", lambda: _blinding(facts)),
            ("9a", "Choice of predictors", lambda: _choice(facts)),
            ("9b", "Definition of predictors", lambda: _predictors(facts)),
            ("9c", "Who assessed the predictors", lambda: _testers(facts)),
        )
    )


def supplied(facts: Facts, entry: str) -> Answer:
    """What a user wrote into card.toml under `entry`."""
    text = str(getattr(facts.supplied, entry))
    if not text:
        return not_met(f"Not supplied: `{entry}` of card.toml is empty.")
    return met(text, source=f"card.toml, {entry}")


def _title(facts: Facts) -> Answer:
    bundle, athletes = facts.bundle, facts.get("athletes")
    evaluated = (
        "evaluated on athletes and days that it did not learn from" if facts.metrics else "without an evaluation"
    )
    who = f" in {many(int(athletes), 'athlete')}" if athletes else ""
    horizons = _and([str(days) for days in facts.horizons])
    return met(
        f"A prediction model of {bundle.target.name} within {horizons} days, developed{who} and {evaluated}.",
        source="target, models, metrics.athletes",
    )


def _abstract(facts: Facts) -> Answer:
    if not facts.metrics:
        return not_met(facts.absent("evaluation"))
    sentences, missing = [], []
    for horizon in facts.horizons:
        auroc = facts.metric("auroc", horizon)
        if auroc is None:
            missing.append(f"{horizon} days: no AUROC")
            continue
        sentences.append(
            f"{horizon} days: {auroc['n_rows']:,} tested athlete-days of {auroc['n_athletes']} athletes before "
            f"{many(auroc['n_events'], 'injury', 'injuries')}; AUROC {interval(auroc)}."
        )
        missing += [] if has_interval(auroc) else [f"{horizon} days"]
    told = f"Headline figures without a 95 % interval: {', '.join(missing)}." if missing else (
        "Each headline figure has a 95 % interval."
    )  # fmt: skip
    return met(*sentences, source="metrics.evaluation", gates=[gate(not missing, told)])


def _intended(facts: Facts) -> Answer:
    who = facts.get("participants")
    population = (
        f"Learnt from {many(who['athletes'], 'athlete')} of {many(len(who['squads']), 'squad')} "
        f"({listed(who['sex'])}; age {_years(who['age_years'])}): others are outside what it knows."
        if who
        else ""
    )
    users = facts.supplied.intended_users
    if not users:
        return not_met("Users not supplied: `intended_users` of card.toml is empty.", population)
    return met(users, population, source="card.toml, intended_users; metrics.participants")


def _inequalities(facts: Facts) -> Answer:
    gates = small_groups(facts)
    text = facts.supplied.inequalities
    if not text:
        return not_met("Not supplied: `inequalities` of card.toml is empty.", gates=gates)
    return met(text, source="card.toml, inequalities", gates=gates)


def small_groups(facts: Facts) -> tuple[Gate, ...]:
    """A warning for the groups of sex and squad whose figures rest on fewer than ten injuries."""
    groups = facts.subgroups()
    if not groups:
        return (gate(None, "Injuries by subgroup were not recorded, so small groups cannot be told."),)
    small = {name: group.injuries for name, group in groups.items() if group.injuries < 10}
    if not small:
        return (gate(True, f"Each of {len(groups)} subgroups has ten injuries or more."),)
    told = f"Fewer than ten injuries tested in {len(small)} of {len(groups)} subgroups: {listed(small)}."
    return (gate(False, told, "warning"),)


def _objectives(facts: Facts) -> Answer:
    if not facts.metrics:
        return met("Development only.", facts.absent("evaluation"), source="metrics.evaluation")
    walked = facts.get("walk_forward")
    kinds = ["development", "internal evaluation on unseen athletes at later times"]
    kinds += ["a walk through a season as it was known"] if walked else []
    return met(
        f"{_and(kinds).capitalize()}.",
        "No external evaluation: every tested athlete is of the store that trained the model.",
        source="metrics.evaluation",
    )


def _sources(facts: Facts) -> Answer:
    found = facts.get("provenance")
    if not found:
        return not_met(facts.absent("provenance"))
    rows = sum(sum(source["rows"].values()) for source in found)
    files = sum(source["files"] for source in found)
    unhashed = [source["source"] for source in found if not source["sha256_of_all"]]
    told = f"No file hash for {_and(unhashed)}." if unhashed else (
        f"SHA-256 kept of every one of {many(files, 'file')}."
    )  # fmt: skip
    return met(
        f"{rows:,} rows from {many(files, 'file')} of {many(len(found), 'source')}: "
        f"{listed({source['source']: sum(source['rows'].values()) for source in found})}.",
        f"Content of all tables together: SHA-256 {str(facts.bundle.fingerprints.get('data', 'not recorded'))[:16]}.",
        source="metrics.provenance, fingerprints.data",
        gates=[gate(not unhashed, told)],
    )


def _dates(facts: Facts) -> Answer:
    found = facts.get("provenance")
    cut = f"Outcomes up to {facts.bundle.data_cut:%Y-%m-%d}."
    if not found:
        return not_met(facts.absent("provenance"), cut, source="data_cut")
    spans = [f"{each['source']}: {each['first_day']} to {each['last_day']}" for each in found if each["first_day"]]
    return met("; ".join(spans) + ".", cut, source="metrics.provenance, data_cut")


def _setting(facts: Facts) -> Answer:
    who = facts.get("participants")
    squads = f"{many(len(who['squads']), 'squad')}: {listed(who['squads'])}." if who else ""
    text = facts.supplied.setting
    if not text:
        return not_met("Sport and level not supplied: `setting` of card.toml is empty.", squads)
    return met(text, squads, source="card.toml, setting; metrics.participants.squads")


def _eligibility(facts: Facts) -> Answer:
    target, attrition = facts.bundle.target, facts.get("attrition")
    if attrition is None:
        return not_met(facts.absent("attrition"))
    left_out = {name: count for name, count in attrition.items() if not name.startswith("horizon of")}
    return met(
        f"Athlete-days at risk: with the squad, not injured, with a source heard of within {target.silent_days} days. "
        "The same rule for days before an injury and for others.",
        f"Athlete-days left out: {listed(left_out)}.",
        source="target, metrics.attrition",
    )


def _treatments(facts: Facts) -> Answer:
    who = facts.get("participants")
    if not who:
        return not_met(facts.absent("participants"))
    given = who["interventions"]
    if not given:
        return not_met("No intervention is recorded, so exposure to prevention programmes is unknown.")
    doses = {kind.replace("_", " "): each["doses"] for kind, each in given.items()}
    nordic = given.get("nordic", {"athletes": 0})["athletes"]
    used = sorted({spec.name for spec in _windows(facts) if spec.table == "interventions"} & set(facts.used))
    handled = f"{many(len(used), 'feature')} of the model read them." if used else "The model reads none of them."
    return met(
        f"Recorded doses: {listed(doses)}; Nordic exercise in {nordic} of {who['athletes']} athletes.",
        handled,
        source="metrics.participants.interventions",
    )


def _preparation(facts: Facts) -> Answer:
    windows = [spec for spec in facts.bundle.specs if isinstance(spec, WindowSpec)]
    derived = [spec for spec in facts.bundle.specs if isinstance(spec, DerivedSpec)]
    found = facts.get("provenance")
    held_back = sum(source["quarantined"] for source in found) if found else None
    checks = [
        f"Quality: {many(held_back, 'row')} held back in quarantine at ingest." if held_back is not None else "",
        f"{many(len(windows), 'feature')} from windows over rows known by then, {len(derived)} by arithmetic on those: "
        "each from its own athlete's past, nothing fitted.",
        f"Training rows of an athlete at least {facts.bundle.settings.every_days} days apart; "
        f"{facts.bundle.models[0].calibration.kind} calibration on out-of-bag scores of the training part.",
    ]
    return met(
        *checks,
        source="specs, settings, models.calibration, metrics.provenance",
        gates=leak_gates(facts, "future_rows", "shuffled_labels"),
    )


def _outcome(facts: Facts) -> Answer:
    target = facts.bundle.target
    included = " or ".join(_rule(rule) for rule in target.includes)
    excluded = " or ".join(_rule(rule) for rule in target.excludes)
    return met(
        f"{target.name}: {included}{f'; not {excluded}' if excluded else ''}.",
        f"Horizons of {_and([str(days) for days in target.horizons_days])} days from {target.prediction_time} "
        f"({target.time_zone}) of the prediction day; a horizon that runs past the data is left out, never a "
        f"non-event. Embargo between training and tested days: {max(target.horizons_days)} days.",
        source="target",
        gates=leak_gates(facts, "value_dates"),
    )


def _rule(rule: Mapping[str, Sequence[str]]) -> str:
    return " and ".join(f"{name.replace('_', ' ')} {' or '.join(values)}" for name, values in rule.items())


def _blinding(facts: Facts) -> Answer:
    shown = facts.get("scores_before_cut")
    if shown is None:
        return not_met("It was not recorded whether staff had seen scores when they recorded these injuries.")
    if shown:
        return not_met(
            f"Scores of {many(int(shown), 'moment')} were on file before the data cut: who recorded later injuries may "
            "have seen them.",
            source="metrics.scores_before_cut",
        )
    return met(
        "No score of any model was on file before the data cut: who recorded these injuries could not know one.",
        source="metrics.scores_before_cut",
    )


def _choice(facts: Facts) -> Answer:
    specs = facts.specs
    grades = Counter(specs[name].evidence for name in facts.used if name in specs)
    graded = ", ".join(f"{grade} {count}" for grade, count in sorted(grades.items()))
    catalogue = facts.bundle.fingerprints.get("specs", "not recorded")
    return met(
        f"{many(len(facts.used), 'predictor')} of the model, {len(specs)} computed; declared in the catalogue before "
        f"the data were looked at (fingerprint {catalogue}).",
        f"By evidence grade: {graded}. Kept if they vary in this data; none was chosen by its relation to the outcome.",
        source="specs, fingerprints.specs, models.feature_names",
    )


def _predictors(facts: Facts) -> Answer:
    strangers = sorted(set(facts.used) - set(facts.specs))
    told = (
        f"Not in the catalogue: {', '.join(strangers)}."
        if strangers
        else f"Each of {len(facts.used)} predictors is declared in the catalogue."
    )
    tables = Counter(spec.table for spec in _windows(facts))
    return met(
        f"Windows over {listed(tables)}; the table of predictors gives unit, window, range and share missing of each.",
        source="specs, feature_summary",
        gates=[gate(not strangers, told)],
    )


def _testers(facts: Facts) -> Answer:
    windows = [spec for spec in _windows(facts) if spec.name in read_by_model(facts)]
    said = sum(_is_self_report(spec) for spec in windows)
    rated = sum(spec.table in RATED for spec in windows)
    amounts = f"{many(said, 'window')} rest on self-reports, {rated} on tests or screenings."
    text = facts.supplied.testers
    if not rated:
        return met(amounts, source="specs")
    if not text:
        return not_met("Testers not supplied: `testers` of card.toml is empty.", amounts, source="specs")
    return met(text, amounts, source="card.toml, testers; specs")


def read_by_model(facts: Facts) -> set[str]:
    """Names of the model's features and of all that they are derived from."""
    return {spec.name for spec in with_inputs(facts.bundle.specs, facts.used)}


def _is_self_report(spec: WindowSpec) -> bool:
    columns = SUBJECTIVE.get(spec.table)
    return columns is not None and (not columns or spec.column in columns)


def _windows(facts: Facts) -> list[WindowSpec]:
    return [spec for spec in facts.bundle.specs if isinstance(spec, WindowSpec)]


def predictor_table(facts: Facts) -> CardTable:
    """Every feature of the model: what it is, where it comes from, its range in training, what was missing."""
    missing = facts.get("missing") or {}
    rows = tuple(_predictor(facts, facts.specs[name], missing) for name in facts.used if name in facts.specs)
    header = ("Predictor", "Factor", "Unit", "From", "Direction", "Evidence", "1st to 99th percentile", "Missing",
              "Missing before an injury")  # fmt: skip
    return CardTable(
        "Predictors of the model", header, rows, numeric=(6, 7, 8), source="specs, feature_summary, metrics.missing"
    )


def _predictor(facts: Facts, spec: FeatureSpec, missing: Mapping[str, Any]) -> tuple[str, ...]:
    summary, factor = facts.bundle.feature_summary[spec.name], facts.bundle.factors.get(spec.factor)
    before = (missing.get(spec.name) or [None])[0]
    return (
        spec.label,
        factor.label if factor else spec.factor,
        spec.unit,
        _origin(spec),
        spec.direction,
        spec.evidence,
        f"{_short(summary.low)} to {_short(summary.high)}",
        f"{100 * summary.share_missing:.0f} %",
        "not recorded" if before is None else f"{100 * before:.0f} %",
    )


def _origin(spec: FeatureSpec) -> str:
    if isinstance(spec, WindowSpec):
        return f"{spec.table}.{spec.column}, {spec.window_days} d"
    assert isinstance(spec, DerivedSpec)
    return f"{spec.derive.replace('_', ' ')} of {', '.join(spec.inputs)}"


def _short(value: float) -> str:
    """Three significant digits, whole from a hundred on."""
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}").replace("-", "−")


def source_table(facts: Facts) -> CardTable | None:
    """Each source with its days, files, rows, rule of receipt and the hash of its files."""
    found = facts.get("provenance")
    if not found:
        return None
    rows = tuple(
        (
            str(each["source"]),
            f"{each['first_day']} to {each['last_day']}" if each["first_day"] else "undated",
            f"{each['ingests']:,}",
            f"{each['files']:,}",
            f"{sum(each['rows'].values()):,}",
            f"{each['quarantined']:,}",
            str(each["known_at_rule"]),
            str(each["sha256_of_all"] or "missing")[:16],
        )
        for each in found
    )
    header = ("Source", "Days", "Ingests", "Files", "Rows", "Held back", "Known at", "SHA-256 of its files")
    return CardTable("Sources of the rows that were known", header, rows, (2, 3, 4, 5), "metrics.provenance")


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _years(age: Mapping[str, Any]) -> str:
    if not age["known"]:
        return "not recorded"
    return f"median {age['median']:.0f} years, 10th to 90th percentile {age['low']:.0f} to {age['high']:.0f}"
