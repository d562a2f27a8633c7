"""How much there was to learn from, and how far refits on other samples of the same athletes disagree."""

from __future__ import annotations

from models.card.facts import Facts, figure
from models.card.lines import Answer, CardTable, Line, gate, met, not_met, numbered
from models.card.tripod_methods import sample_size


def stability_lines(facts: Facts) -> tuple[Line, ...]:
    """Riley's criteria, then instability of each prediction, of flags and of the decision curve."""
    return numbered(
        (
            ("S1", "Riley's three criteria", lambda: sample_size(facts)),
            ("S2", "Bootstraps of the whole pipeline", lambda: _bootstraps(facts)),
            (
                "S3",
                "Mean absolute prediction error",
                lambda: _figure(facts, "mape", "probability, mean over athlete-days and refits"),
            ),
            ("S4", "Flags that flip between refits", lambda: _figure(facts, "flag_flip_rate", "share of athlete-days")),
            (
                "S5",
                "Instability of net benefit",
                lambda: _figure(facts, "net_benefit_range", "widest over thresholds, per athlete-day"),
            ),
        )
    )


def _bootstraps(facts: Facts) -> Answer:
    found = facts.get("instability")
    if not found:
        return not_met(facts.absent("instability"))
    count, advised = int(found["bootstraps"]), int(found["advised_bootstraps"])
    is_enough = count >= advised
    told = f"{count} refits to athletes drawn anew, {'at or above' if is_enough else 'below'} the {advised} advised."
    return met(*map(str, found["sentences"]), source="metrics.instability", gates=[gate(is_enough, told, "warning")])


def _figure(facts: Facts, name: str, unit: str) -> Answer:
    found = facts.get("instability")
    if not found:
        return not_met(facts.absent("instability"))
    values = {days: found.get(f"{name}_{days}d") for days in facts.horizons}
    told = [f"{days} days {figure(value)}" for days, value in values.items() if value is not None]
    return met(f"{', '.join(told)} ({unit}).", source="metrics.instability")


def sample_size_table(facts: Facts) -> CardTable | None:
    """Each of Riley's criteria beside what there is."""
    found = facts.get("sample_size")
    sizes = found if isinstance(found, list) else [found] if found else []
    rows = tuple(
        (
            f"{size['horizon_days']} days",
            str(each["asks"]),
            f"{each['least_injuries']:,}",
            f"{size['injuries']:,}",
            "met" if each["is_met"] else "below minimum",
        )
        for size in sizes
        for each in size["criteria"]
    )
    if not rows:
        return None
    header = ("Horizon", "Criterion asks", "Injuries asked for", "Injuries there are", "Verdict")
    return CardTable("Riley's criteria (Riley et al. 2019)", header, rows, (2, 3), "metrics.sample_size")
