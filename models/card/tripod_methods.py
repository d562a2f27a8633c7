"""TRIPOD+AI items 10 to 19: how much there was to learn from, how it was learnt and judged, on what terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.card.facts import MODEL, Facts, listed, many, signed
from models.card.leak_gates import leak_gates
from models.card.lines import Answer, CardTable, Gate, Line, gate, met, not_applicable, not_met, numbered
from models.card.tripod_setting import small_groups, supplied

GROUP_RATIO = (0.5, 2.0)
"""Observed : expected of a group outside of which the card warns (judgement)."""


def methods_lines(facts: Facts) -> tuple[Line, ...]:
    """Items 10 to 19, each with what it is filled from."""
    return numbered(
        (
            ("10", "Sample size", lambda: sample_size(facts)),
            ("11", "Missing data", lambda: _missing(facts)),
            ("12a", "How the data were split", lambda: _split(facts)),
            ("12b", "How predictors were handled", lambda: _handled(facts)),
            ("12c", "Model, building steps and tuning", lambda: _building(facts)),
            ("12d", "Heterogeneity between squads", lambda: squads(facts)),
            ("12e", "Measures of performance", lambda: _measures(facts)),
            ("12f", "Recalibration after the evaluation", lambda: _recalibration(facts)),
            ("12g", "How a risk is calculated", lambda: _calculation(facts)),
            ("13", "Class imbalance", lambda: _imbalance(facts)),
            ("14", "Fairness", lambda: fairness(facts)),
            ("15", "Output and bands", lambda: _output(facts)),
            ("16", "Training against evaluation data", lambda: _against(facts)),
            ("17", "Ethics and legal basis", lambda: _ethics(facts)),
            ("18a", "Funding", lambda: supplied(facts, "funding")),
            ("18b", "Conflicts of interest", lambda: supplied(facts, "conflicts")),
            ("18c", "Protocol", lambda: _protocol(facts)),
            ("18d", "Registration", lambda: supplied(facts, "registration")),
            ("18e", "Data availability", lambda: _data(facts)),
            ("18f", "Code availability", lambda: _code(facts)),
            ("19", "Involvement of athletes and staff", lambda: supplied(facts, "involvement")),
        )
    )


def sample_size(facts: Facts) -> Answer:
    """Riley's criteria as they were computed when the model was trained."""
    found = facts.get("sample_size")
    if not found:
        return not_met(facts.absent("sample_size"))
    each = found if isinstance(found, list) else [found]
    gates = [gate(size["is_met"], _sizes(size)) for size in each]
    return met(*(size["sentences"][0] for size in each), source="metrics.sample_size", gates=gates)


def _sizes(size: Mapping[str, Any]) -> str:
    least, found = size["least_injuries"], size["injuries"]
    where = f"{size['horizon_days']} days: {found:,} injuries"
    return f"{where}, at or above the minimum of {least:,}." if found >= least else (
        f"{where}, below the minimum of {least:,}."
    )  # fmt: skip


def _missing(facts: Facts) -> Answer:
    found = facts.get("missing")
    if not found:
        return not_met(facts.absent("missing"))
    gaps = {name: before - after for name, (before, after) in found.items()
            if name in facts.used and before is not None and after is not None}  # fmt: skip
    widest = sorted(gaps, key=lambda name: -abs(gaps[name]))[:3]
    shares = [facts.bundle.feature_summary[name].share_missing for name in facts.used]
    shown = ", ".join(f"{_label(facts, name)} {signed(100 * gaps[name], 0)}" for name in widest)
    return met(
        f"Missing values are not filled in: the trees send them the way that fits training{_straight_missing(facts)}. "
        f"Of {len(shares)} predictors {sum(one > 0.5 for one in shares)} were missing in more than half of the rows.",
        f"Largest differences before an injury against otherwise, in percentage points: {shown}." if shown else "",
        source="metrics.missing, feature_summary, metrics.leaks",
        gates=leak_gates(facts, "missingness"),
    )


def _label(facts: Facts, name: str) -> str:
    return facts.specs[name].label if name in facts.specs else name


def _split(facts: Facts) -> Answer:
    if not facts.metrics:
        return not_met(facts.absent("evaluation"))
    settings = facts.bundle.settings
    tested = facts.metrics[0]
    return met(
        f"Tested athletes are never trained on and tested days come after training days, at least "
        f"{max(facts.horizons)} days apart: {settings.athlete_folds} athlete folds by {settings.time_blocks} periods, "
        f"{many(settings.repeats, 'repeat')}; {tested['n_rows']:,} tested days of {tested['n_athletes']} athletes.",
        *_coarser(facts),
        _designs(facts),
        source="settings, metrics.evaluation",
    )


def _coarser(facts: Facts) -> list[str]:
    """Where the data forced a coarser split than the settings ask for, in the evaluation's own words."""
    words = ("athlete folds instead", "test period instead", "folds left out", "single injured athlete")
    return [sentence for sentence in facts.get("verdict") or () if any(word in sentence for word in words)]


def _designs(facts: Facts) -> str:
    names = list(dict.fromkeys(str(line["design"]) for line in facts.table("designs")))[1:]
    return f"Beside it, easier splits for comparison: {', '.join(names)}." if names else ""


def _straight(facts: Facts) -> int:
    """How many predictors have a straight effect, at the horizon that has most of them."""
    parts = [model.bag.straight for model in facts.bundle.models if model.bag.straight]
    return max((sum(any(column) for column in zip(*part.weights, strict=True)) for part in parts), default=0)


def _straight_missing(facts: Facts) -> str:
    return ", and they add nothing to the straight effects" if _straight(facts) else ""


def _handled(facts: Facts) -> Answer:
    used = [facts.specs[name] for name in facts.used if name in facts.specs]
    bound, straight = sum(spec.monotone != 0 for spec in used), _straight(facts)
    return met(
        f"The trees read all {len(used)} predictors as measured. {bound} may move the score in one direction only, "
        f"{len(used) - bound} are free.",
        f"Straight effects of {straight} of them, on values held to the 1st and 99th percentile of training and scaled "
        "by their spread there."
        if straight
        else "",
        source="specs, models.bag",
    )


def _building(facts: Facts) -> Answer:
    settings = facts.bundle.settings
    sizes = ", ".join(f"{days} days: {count}" for days, count in _members(facts).items())
    ridge = f"A ridge regression (penalty {settings.straight_penalty:g}), and from it b" if _straight(facts) else "B"
    model = (
        f"{ridge}oosted trees bagged over athletes (members by horizon: {sizes}); {settings.trees} trees of at most "
        f"{settings.leaves} leaves, learning rate {settings.learning_rate:g}, unweighted log-loss."
    )
    told = trials(facts)
    return met(
        model,
        source="settings, models.members, metrics.tuning",
        gates=[gate(bool(told), told or "The number of settings tried was not recorded.")],
    )


def trials(facts: Facts) -> str:
    """How many settings were tried, with the caution that goes with it; empty where it was not recorded."""
    found = facts.get("tuning")
    if not found or found.get("trials") is None:
        return ""
    counted = f"{many(int(found['trials']), 'setting')} tried. " if found.get("searched") else ""
    return f"{counted}{found.get('caution') or ''}".strip()


def _members(facts: Facts) -> dict[int, int]:
    return {model.horizon_days: len(model.bag.members) for model in facts.bundle.models}


def squads(facts: Facts) -> Answer:
    """Performance by squad, or why there is none."""
    who = facts.get("participants")
    if not who:
        return not_met(facts.absent("participants"))
    if len(who["squads"]) < 2:
        return not_applicable(f"One squad ({listed(who['squads'])}): nothing varies between squads.", "participants")
    groups = {name: group for name, group in facts.subgroups().items() if name.startswith("squad")}
    if not groups:
        return not_met(f"{len(who['squads'])} squads, but the evaluation gives no figures by squad.")
    told = "; ".join(f"{name}: O:E {group.ratio}, {many(group.injuries, 'injury', 'injuries')}"
                     for name, group in groups.items())  # fmt: skip
    return met(f"{told}.", source="metrics.evaluation.subgroups")


def _measures(facts: Facts) -> Answer:
    if not facts.metrics:
        return not_met(facts.absent("evaluation"))
    names = list(dict.fromkeys(each["name"].replace("_", " ") for each in facts.metrics))
    rivals = dict.fromkeys(each["model"] for each in facts.metrics if each["model"] != MODEL)
    without = sum(each["lower"] is None for each in facts.metrics)
    return met(
        f"{len(names)} measures ({', '.join(names)}) of this model and of {', '.join(map(facts.label, rivals))}, with "
        f"95 % intervals by {facts.bundle.settings.resamples:,} resamples of whole athletes.",
        f"{without} of {len(facts.metrics)} figures have no interval." if without else "",
        source="metrics.evaluation.metrics, settings.resamples",
    )


def _recalibration(facts: Facts) -> Answer:
    found = facts.bundle.recalibrations
    if not found:
        return not_applicable("No squad has injuries enough for a calibration of its own.", "bundle.recalibrations")
    told = "; ".join(
        f"{each.squad}, {each.horizon_days} days: log-odds {signed(each.shift)}, slope {each.slope:.2f} "
        f"({many(each.events, 'injury', 'injuries')})"
        for each in found
    )
    return met(f"Shrunk towards everybody's: {told}.", source="bundle.recalibrations")


def _calculation(facts: Facts) -> Answer:
    parts = [
        f"{model.horizon_days} days: intercept {model.calibration.coefficients[0]:.3g}, "
        + (
            "the same for everybody (calibration found nothing)"
            if model.calibration.is_constant
            else f"slope {', '.join(f'{each:.3g}' for each in model.calibration.coefficients[1:])}"
        )
        for model in facts.bundle.models
    ]
    return met(
        f"Mean log-odds of the members, through {facts.bundle.models[0].calibration.kind} calibration "
        f"({'; '.join(parts)}), and never below a shorter horizon's.",
        source="models.calibration",
        gates=_constant(facts),
    )


def _constant(facts: Facts) -> list[Gate]:
    flat = [str(model.horizon_days) for model in facts.bundle.models if model.calibration.is_constant]
    if not flat:
        return []
    return [
        gate(False, f"At {', '.join(flat)} days every athlete gets the base rate: there is nothing to rank.", "warning")
    ]


def _imbalance(facts: Facts) -> Answer:
    rates = facts.get("base_rates") or {}
    weights = {found for model in facts.bundle.models for text in model.bag.members for found in _weights(text)}
    resampled = bool(weights - {("is_unbalance", 0.0), ("scale_pos_weight", 1.0)})
    shown = ", ".join(f"{days} days {100 * rate:.2g} %" for days, rate in rates.items())
    calibrated = not any(model.calibration.is_constant for model in facts.bundle.models)
    told = "Classes were weighted" if resampled else "No class weight in any of the fitted trees"
    return met(
        f"Athlete-days before an injury: {shown}." if shown else "",
        source="metrics.base_rates, models.members",
        gates=[gate(not resampled or calibrated, f"{told}{', and recalibrated' if resampled and calibrated else ''}.")],
    )


def _weights(member: str) -> set[tuple[str, float]]:
    """Class weights as a LightGBM model's text records them."""
    return {
        (name, float(value)) for name, value in re.findall(r"\[(is_unbalance|scale_pos_weight): ([\d.]+)\]", member)
    }


def fairness(facts: Facts) -> Answer:
    """Observed against expected by group, with its gate."""
    if not facts.metrics:
        return not_met(facts.absent("evaluation"))
    groups = facts.subgroups()
    if not groups:
        return not_met("The evaluation gives no figures by group. Train again.")
    low, high = GROUP_RATIO
    outside = {
        name: group for name, group in groups.items() if group.value is not None and not low <= group.value <= high
    }
    told = (
        f"Observed : expected outside {low:g} to {high:g} in {len(outside)} of {len(groups)} groups: "
        + ", ".join(f"{name} {group.ratio}" for name, group in outside.items())
        if outside
        else f"Observed : expected within {low:g} to {high:g} wherever it can be told, {len(groups)} groups"
    )
    return met(
        f"{len(groups)} groups by sex, age, position, squad and history, each with its figures in the table.",
        source="metrics.evaluation.subgroups",
        gates=[gate(not outside, f"{told}.", "warning"), *small_groups(facts)],
    )


def _output(facts: Facts) -> Answer:
    found = facts.get("output")
    if not found:
        return not_met(facts.absent("output"))
    bands = ", ".join(f"{band['label']} from {band['from_times_base_rate']:g} times" for band in found["bands"])
    horizon, rate = found["horizon_days"], (facts.get("base_rates") or {}).get(str(found["horizon_days"]))
    base = f" the base rate of {100 * rate:.2g} % in {horizon} days" if rate else " the base rate"
    tuned = set(found) & {"tuned_on", "chosen_on"}
    return met(
        f"A probability with interval per horizon; bands: {bands}{base}. At most {found['alerts_most']} flags per "
        f"{found['alerts_per_athletes']} scored athletes.",
        source="metrics.output (report.toml), metrics.base_rates",
        gates=[
            gate(not tuned, "Cut-offs are multiples of the base rate set in report.toml before the evaluation ran.")
        ],
    )


def _against(facts: Facts) -> Answer:
    found = facts.get("case_mix")
    if not found:
        return not_met(facts.absent("case_mix"))
    training, tested = found["training"], found["tested"]
    return met(
        f"Learnt from {training['athlete_days']:,} athlete-days of {training['athletes']} athletes up to "
        f"{training.get('last_day', 'no day')}, tested on {tested['athlete_days']:,} of {tested['athletes']} from "
        f"{tested.get('first_day', 'no day')} on, all of one store.",
        f"{found['features_above_half']} of {found['features']} predictors differ by over half a standard deviation.",
        source="metrics.case_mix, metrics.leaks",
        gates=leak_gates(facts, "train_against_test"),
    )


def shift_table(facts: Facts) -> CardTable | None:
    """Predictors that differ most between training and tested rows."""
    found = facts.get("case_mix")
    if not found or not found["shifts"]:
        return None
    rows = tuple((_label(facts, name), signed(value)) for name, value in found["shifts"].items())
    return CardTable(
        "Predictors that differ most between training and tested athlete-days",
        ("Predictor", "Tested less training, in standard deviations"), rows, (1,), "metrics.case_mix",
    )  # fmt: skip


def _ethics(facts: Facts) -> Answer:
    given = [("Legal basis", "legal_basis"), ("Approval", "ethics_approval")]
    texts = {label: str(getattr(facts.supplied, entry)) for label, entry in given}
    missing = [entry for label, entry in given if not texts[label]]
    told = [f"{label}: {text}" for label, text in texts.items() if text]
    if missing:
        names = " and ".join(f"`{entry}`" for entry in missing)
        return not_met(f"Not supplied: {names} of card.toml.", *told, source="card.toml" if told else "")
    return met(*told, source="card.toml, legal_basis and ethics_approval")


def _protocol(facts: Facts) -> Answer:
    said, day = facts.supplied, facts.supplied.protocol_day
    if not said.protocol:
        return not_met("Not supplied: `protocol` of card.toml is empty.")
    digest = f"SHA-256 {said.protocol_sha256[:16]}." if said.protocol_sha256 else "Its hash is not supplied."
    trained = facts.bundle.trained_at.date()
    if day is None:
        checked = gate(False, "No protocol_date in card.toml: that it came before the figures is not shown.")
    else:
        order = "not after" if day <= trained else "after"
        checked = gate(day <= trained, f"Protocol of {day}, {order} the evaluation of {trained}.")
    return met(said.protocol, digest, source="card.toml, protocol; trained_at", gates=[checked])


def _data(facts: Facts) -> Answer:
    digest = facts.bundle.fingerprints.get("data")
    held = f"The model's folder holds {len(facts.bundle.replay.index)} excerpts of training data under other names."
    identified = f"Data identified by SHA-256 {str(digest)[:16]}." if digest else "Data without a fingerprint."
    text = facts.supplied.data_availability
    if not text:
        return not_met("Not supplied: `data_availability` of card.toml is empty.", identified, held)
    return met(text, identified, held, source="card.toml, data_availability; fingerprints.data; replay")


def _code(facts: Facts) -> Answer:
    version = facts.bundle.fingerprints.get("code")
    if not version:
        return not_met("The version of the code was not recorded.")
    told = f"Trained by Strainwatch {version}."
    return met(told, facts.supplied.code_availability, source="fingerprints.code; card.toml, code_availability")
