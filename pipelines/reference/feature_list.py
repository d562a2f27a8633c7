"""docs/features.md, from configs/features.toml and configs/factors.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from features.factors import Factor, load_factors
from features.specs import EVIDENCE, FeatureSpec, load_specs
from features.windows import EWM_SPANS
from pipelines.feature_words import direction, in_words, use
from pipelines.reference.markdown import grid, page

_GRADES = "; ".join(f"{grade}: {meaning}" for grade, meaning in EVIDENCE.items())


_FEATURES_INTRO = f"""\
What the model may look at and what staff read beside a score: `configs/features.toml`, grouped by the
contributing factors of `configs/factors.toml`. Each feature belongs to exactly one factor.

**Windows.** "Last 7 days" is the prediction day and the 6 days before it, seen at the prediction hour: of
the day itself only what was known by then. A feature sees a row only if `known_at <= as_of <
superseded_at` ([data-contracts.md](data-contracts.md)).

**Missing.** Rest, not recorded and not worn are three things. "0 if nothing happened" holds only where a
source was in use that records the column for this athlete; otherwise the feature is missing, with the
reason kept. "Needs 70 %" means: on at least that share of the window's days a source was in use, and of
the rows at least that share hold the column. Sums over distances above different speeds are missing too.
An exponential average looks back {EWM_SPANS} times its span. A derived feature is missing if one of its
inputs is, or where it would divide by 0.

**Direction.** What is claimed of a higher value. "Held": the claim also binds the model, which cannot learn
the opposite; the head of `configs/features.toml` says when. **Use.** "Model": the model may use it. "Input
only": a derived feature is made of it. "Not in the model": computed and kept for comparison.

**Evidence.** {_GRADES}; "assumption": our judgement.
Grades are about hamstring injury in published research, not about your athletes.

`strainwatch features list` prints this catalogue, `strainwatch features show NAME` one feature with its values
in a store ([command-line.md](command-line.md))."""


_ADDING = """\
A table in a TOML file, and nothing else. Your file replaces the shipped one as a whole, so begin with a copy:

    mkdir -p my-configs
    cp "$(python -c 'import configs; print(configs.SHIPPED)')/features.toml" my-configs/
    cat >> my-configs/features.toml <<'END'

    [my_hard_sessions_10d]
    label = "sessions rated 8 or harder, last 10 days"
    factor = "overload"
    table = "sessions"
    column = "rpe"
    aggregate = "count"
    at_least = 8
    window_days = 10
    empty = 0.0
    unit = "count"
    direction = "+"
    evidence = "D"
    reference = "assumption"
    END
    strainwatch features check my-configs --store demo/store
    strainwatch features list --configs my-configs --factor overload
    strainwatch features show my_hard_sessions_10d --configs my-configs --store demo/store
    strainwatch train --configs my-configs --store demo/store --challenger

`check` names every problem with what would be right, and warns of features that never have a value in the store.
`show` says what the feature is and what it was; with `--athlete ID` morning by morning, each from what was known
then. The head of `features.toml` explains the keys ([configs.md](configs.md))."""


def features_page() -> str:
    """The features by factor, with counts on top."""
    specs, factors = load_specs(), load_factors()
    used = sum(spec.in_model for spec in specs)
    held = sum(spec.monotone != 0 for spec in specs)
    counts = (
        f"{len(specs)} features of {len(factors)} factors: {used} that the model may use, "
        f"{len(specs) - used} that serve as inputs or for comparison. {held} have their direction held."
    )
    rows = [_factor_counts(factor, [spec for spec in specs if spec.factor == key]) for key, factor in factors.items()]
    return page(
        "Features",
        _FEATURES_INTRO,
        "## Adding a feature",
        _ADDING,
        "## Counts",
        counts,
        grid(("factor", "features", "in the model", "direction held"), rows),
        *(part for factor in factors.values() for part in _factor(factor, specs)),
    )


def _factor_counts(factor: Factor, specs: Sequence[FeatureSpec]) -> tuple[object, ...]:
    held = sum(spec.monotone != 0 for spec in specs)
    return (
        f"[{factor.label}](#{_anchor(factor.label)})",
        len(specs),
        sum(spec.in_model for spec in specs),
        held,
    )


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _factor(factor: Factor, specs: Sequence[FeatureSpec]) -> Iterable[str]:
    yield f"## {factor.label}"
    yield f"`{factor.key}`: {factor.wording}."
    yield "" if factor.modifiable else "Cannot be changed: shown apart, never ranked as something to act on."
    yield f"What staff are told to check first: {factor.prompt}"
    yield f"References: {'; '.join(factor.references) or 'none'}."
    header = (
        "feature",
        "name in a report",
        "unit",
        "how it is computed",
        "higher",
        "evidence",
        "reference",
        "use",
    )
    yield grid(header, (_feature(spec, specs) for spec in specs if spec.factor == factor.key))


def _feature(spec: FeatureSpec, specs: Sequence[FeatureSpec]) -> tuple[str, ...]:
    claim = direction(spec)
    return (
        f"`{spec.name}`",
        spec.label,
        spec.unit,
        in_words(spec),
        claim.removeprefix("higher ").replace("lower raises", "lowers"),
        spec.evidence,
        spec.reference,
        use(spec, specs),
    )
