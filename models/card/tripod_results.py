"""TRIPOD+AI items 20 to 27: who was followed, what came out, and what may be made of it."""

from __future__ import annotations

from collections.abc import Sequence

from models.card.facts import MODEL, Facts, has_interval, interval, listed, many, share, short_interval
from models.card.lines import Answer, CardTable, Line, gate, met, not_applicable, not_met, numbered
from models.card.tripod_methods import fairness, squads
from models.card.tripod_setting import supplied
from models.measures import MEASURES


def results_lines(facts: Facts, before: Sequence[Line]) -> tuple[Line, ...]:
    """Items 20 to 27; limitations are drawn from the lines `before`."""
    return numbered(
        (
            ("20a", "Flow of participants", lambda: _flow(facts)),
            ("20b", "Characteristics", lambda: _characteristics(facts)),
            ("20c", "Evaluation data against development data", lambda: _compared(facts)),
            ("21", "Athletes and injuries in each analysis", lambda: _analyses(facts)),
            ("22", "Full specification of the model", lambda: _specification(facts)),
            ("23a", "Performance", lambda: performance(facts)),
            ("23b", "Performance by squad and group", lambda: _heterogeneity(facts)),
            ("24", "Updating", lambda: _updating(facts)),
            ("25", "Interpretation", lambda: _interpretation(facts)),
            ("26", "Limitations", lambda: _limitations(facts, before)),
            ("27a", "Poor or missing input", lambda: _poor_input(facts)),
            ("27b", "What users must do and know", lambda: supplied(facts, "user_expertise")),
            ("27c", "Next steps", lambda: _next_steps(facts)),
        )
    )


def _flow(facts: Facts) -> Answer:
    attrition, kept = facts.get("attrition"), facts.get("athlete_days")
    if attrition is None or kept is None:
        return not_met(facts.absent("attrition"))
    out = sum(count for name, count in attrition.items() if not name.startswith("horizon of"))
    censored = {name.removeprefix("horizon of ").removesuffix(" past the data"): count
                for name, count in attrition.items() if name.startswith("horizon of")}  # fmt: skip
    outcome = facts.get("outcomes")
    injured = (
        f"{many(outcome['injuries'], 'injury', 'injuries')} of {many(outcome['athletes'], 'athlete')} counted, "
        f"at most {outcome['most_per_athlete']} of one."
        if outcome
        else ""
    )
    return met(
        f"{kept + out:,} athlete-days, {out:,} left out, {kept:,} at risk of {facts.get('athletes')} athletes; outcome "
        f"unknown at the end of the data: {listed(censored)}.",
        injured,
        source="metrics.attrition, metrics.athlete_days, metrics.outcomes",
    )


def _characteristics(facts: Facts) -> Answer:
    who = facts.get("participants")
    if not who:
        return not_met(facts.absent("participants"))
    age, followed = who["age_years"], who["days_per_athlete"]
    years = f"median {age['median']:.0f} years (10th to 90th percentile {age['low']:.0f} to {age['high']:.0f}; " if age[
        "known"
    ] else "age not recorded ("  # fmt: skip
    return met(
        f"{many(who['athletes'], 'athlete')}; sex: {listed(who['sex'])}; {years}{age['known']} known); "
        f"position: {listed(who['position'])}; dominant leg: {listed(who['dominant_leg'])}.",
        f"At risk from {who['first_day']} to {who['last_day']}, median {followed['median']:.0f} days each; "
        f"{who['left']} left the squad.",
        f"Exposure: {listed({kind: round(hours) for kind, hours in who['exposure_h'].items()})} hours.",
        source="metrics.participants",
    )


def _compared(facts: Facts) -> Answer:
    found = facts.get("case_mix")
    if not found:
        return not_met(facts.absent("case_mix"))
    rates = [
        f"{days} days {_percent(found['training'].get('event_rate', {}).get(days))} in training, "
        f"{_percent(found['tested']['event_rate'][days])} tested"
        for days in found["tested"].get("event_rate", {})
    ]
    return met(f"Athlete-days before an injury: {'; '.join(rates)}.", source="metrics.case_mix")


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.2g} %"


def _analyses(facts: Facts) -> Answer:
    outcome = facts.get("outcomes")
    if not outcome:
        return not_met(facts.absent("outcomes"))
    told = [
        f"{days} days: {rows['event'] + rows['none']:,} athlete-days with a known outcome, {rows['event']:,} before an "
        f"injury{_tested(facts, int(days))}"
        for days, rows in outcome["rows"].items()
    ]
    return met("; ".join(told) + ".", source="metrics.outcomes.rows, metrics.evaluation")


def _tested(facts: Facts, horizon_days: int) -> str:
    auroc = facts.metric("auroc", horizon_days)
    return f", {auroc['n_rows']:,} tested before {auroc['n_events']} injuries" if auroc else ", none tested"


def _specification(facts: Facts) -> Answer:
    bundle = facts.bundle
    members = sum(len(model.bag.members) for model in bundle.models)
    straight = " with their straight effects" if any(model.bag.straight for model in bundle.models) else ""
    return met(
        f"Version {bundle.version}'s bundle is the whole model: {many(members, 'booster')} as LightGBM text{straight}, "
        f"{len(facts.used)} features, calibration coefficients, target and settings, with "
        f"{len(bundle.replay.index)} replay cases that are re-run whenever it is loaded.",
        "To use it: `from models import champion, predict`, then `predict(champion(store)[0], features)`.",
        source="bundle.json, members/, replay/",
    )


def performance(facts: Facts) -> Answer:
    """AUROC, calibration and net benefit in words; the table holds the rest."""
    if not facts.metrics:
        return not_met(facts.absent("evaluation"))
    told = [
        f"{horizon} days: AUROC {interval(facts.metric('auroc', horizon))}, calibration slope "
        f"{interval(facts.metric('calibration_slope', horizon))}, O:E "
        f"{interval(facts.metric('observed_expected', horizon))}."
        for horizon in facts.horizons
    ]
    own = [each for each in facts.metrics if each["model"] == MODEL and each["against"] is None]
    bare = [each for each in own if not has_interval(each)]
    said = f"{len(own) - len(bare)} of {len(own)} figures of this model have a 95 % interval."
    return met(*told, source="metrics.evaluation.metrics", gates=[gate(not bare, said, "warning")])


def performance_tables(facts: Facts) -> tuple[CardTable, ...]:
    """One table per horizon: every measure with its interval, the model beside each baseline."""
    found = (_performance_table(facts, horizon) for horizon in facts.horizons)
    return tuple(table for table in found if table)


def _performance_table(facts: Facts, horizon_days: int) -> CardTable | None:
    here = [each for each in facts.metrics if each["horizon_days"] == horizon_days and each["against"] is None]
    if not here:
        return None
    models = list(dict.fromkeys(each["model"] for each in here))
    given = {each["name"] for each in here}
    names = [*(name for name in MEASURES if name in given), *sorted(given - set(MEASURES))]
    rows = tuple(
        (
            MEASURES.get(name, name.replace("_", " ")),
            *(short_interval(facts.metric(name, horizon_days, model)) for model in models),
        )
        for name in names
    )
    auroc = facts.metric("auroc", horizon_days) or here[0]
    caption = (
        f"{horizon_days} days: {auroc['n_rows']:,} athlete-days of {auroc['n_athletes']} athletes before "
        f"{many(auroc['n_events'], 'injury', 'injuries')}; 95 % intervals by athlete bootstrap"
    )
    header = ("Measure", *(facts.label(model) for model in models))
    return CardTable(caption, header, rows, tuple(range(1, len(header))), "metrics.evaluation.metrics")


def comparison_table(facts: Facts) -> CardTable | None:
    """The model's gain over each baseline, with an interval of its own."""
    found = [each for each in facts.metrics if each["against"] and each["name"] in ("auroc", "net_benefit")]
    if not found:
        return None
    rivals = list(dict.fromkeys(each["against"] for each in found))
    rows = tuple(
        (f"{horizon} days", facts.label(rival), *(
            short_interval(facts.metric(name, horizon, against=rival)) for name in ("auroc", "net_benefit")
        ))
        for horizon in facts.horizons for rival in rivals
    )  # fmt: skip
    header = ("Horizon", "Against", "AUROC higher by", "Net benefit higher by")
    return CardTable(
        "This model less each baseline, paired in the same resamples",
        header,
        rows,
        (2, 3),
        "metrics.evaluation.metrics",
    )


def _heterogeneity(facts: Facts) -> Answer:
    by_squad, by_group = squads(facts), fairness(facts)
    if by_squad.state == by_group.state == "met":
        return met(*by_squad.sentences, *by_group.sentences, source=by_group.source, gates=by_group.gates)
    if by_group.state == "met":
        return met(*by_group.sentences, *by_squad.sentences, source=by_group.source, gates=by_group.gates)
    return by_group if by_squad.state == "not applicable" else by_squad


def _updating(facts: Facts) -> Answer:
    own = facts.bundle.version
    earlier = [each for each in facts.history or () if each["label"] != own]
    if not facts.history and not facts.promotions:
        return not_applicable(
            "No champion had been chosen when this was written: nothing was updated.", "promotion log"
        )
    listed_versions = ", ".join(f"{each['version']} ({each['registered_at'][:10]})" for each in earlier[:6])
    moves = [f"{each['at'][:10]} {each['action']}: {each['reason']}" for each in facts.promotions][-4:]
    return met(
        f"{many(len(earlier), 'other version')} registered: {listed_versions}." if earlier else "",
        *(f"{move.rstrip('.')}." for move in moves),
        source="promotion log" if facts.history is None else "registry, promotion log",
    )


def _interpretation(facts: Facts) -> Answer:
    verdict = facts.get("verdict")
    if not verdict:
        return not_met("No verdict was recorded with this model. Train again.")
    return met(*map(str, verdict), source="metrics.verdict")


def _limitations(facts: Facts, before: Sequence[Line]) -> Answer:
    gates = [gate for line in before for gate in line.answer.gates if gate.outcome in ("failed", "warning")]
    sentences = list(dict.fromkeys(gate.sentence for gate in gates))
    unmet = [line.number for line in before if line.state == "not met"]
    rest = f"Items not met: {', '.join(unmet)}." if unmet else ""
    if not sentences and not rest:
        return met("No gate of this card failed or warns.", source="gates")
    return met(*sentences, rest, source="gates of this card")


def _poor_input(facts: Facts) -> Answer:
    target = facts.bundle.target
    scored = facts.predictions
    told = (
        f"So far {scored['abstained']:,} of {scored['rows']:,} athlete-moments were left unscored: "
        f"{listed(scored['reasons'])}."
        if scored and scored["rows"]
        else ""
    )
    floor = f"more than {share(target.abstain_share_missing, 1)} of the usual measurements missing"
    instead = "scored by age and injury history alone, with a wider interval" if facts.bundle.fallback else "not scored"
    return met(
        f"An athlete with {floor} is {instead}; one whose sources were all silent for more than "
        f"{target.silent_days} days is not scored, and the reason is given.",
        told,
        source="target, bundle.fallback" + (", store" if told else ""),
    )


def _next_steps(facts: Facts) -> Answer:
    steps = [*_more_injuries(facts), *_later(facts)]
    return met(*steps, source="metrics.sample_size, metrics.evaluation, metrics.attrition")


def _more_injuries(facts: Facts) -> list[str]:
    found = facts.get("sample_size") or ()
    sizes = found if isinstance(found, list) else [found] if found else []
    short = [size["least_injuries"] - size["injuries"] for size in sizes if not size["is_met"]]
    return [f"At least {max(short):,} more injuries for Riley's criteria."] if short else []


def _later(facts: Facts) -> list[str]:
    if not facts.metrics:
        return ["An evaluation as soon as the data carry one.", "An evaluation on another club's athletes."]
    unproven = [str(days) for days in facts.horizons if not _beats_chance(facts, days)]
    prove = (
        f"More tested injuries at {', '.join(unproven)} days: the ranking is not told from chance." if unproven else ""
    )
    return [
        step for step in (prove, "An evaluation on another club's athletes: none of this data is external.") if step
    ]


def _beats_chance(facts: Facts, horizon_days: int) -> bool:
    auroc = facts.metric("auroc", horizon_days)
    return auroc is not None and has_interval(auroc) and auroc["lower"] > 0.5


def flow_table(facts: Facts) -> CardTable | None:
    """Rows by horizon and outcome."""
    outcome = facts.get("outcomes")
    if not outcome:
        return None
    rows = tuple(
        (f"{days} days", f"{each['event']:,}", f"{each['none']:,}", f"{each['censored']:,}")
        for days, each in outcome["rows"].items()
    )
    header = ("Horizon", "Before an injury", "No injury", "Unknown (left out)")
    return CardTable("Athlete-days at risk by outcome", header, rows, (1, 2, 3), "metrics.outcomes.rows")
