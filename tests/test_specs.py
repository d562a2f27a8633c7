"""The shipped features cover every factor; a wrong entry of features, factors or target is told with the valid ones."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import configs
from configs.errors import ConfigError
from features.build import build_features
from features.derived import DERIVATIONS
from features.factors import load_factors
from features.labels import at_risk_index
from features.row_facts import prepare
from features.specs import (
    DerivedSpec,
    WindowSpec,
    fingerprint,
    load_specs,
    model_features,
    specs_as_json,
    specs_from_json,
)
from features.tables import INTERVENTIONS, SCREENING_TESTS, STRENGTH_PROTOCOLS, TABLES, as_contract, empty_tables
from features.target import load_target
from features.windows import AGGREGATES
from pipelines.simulate import simulate

WINDOW = {
    "label": '"load"', "factor": '"overload"', "unit": '"AU"', "direction": '"+"', "evidence": '"D"',
    "reference": '"assumption"', "table": '"sessions"', "column": '"load_au"', "aggregate": '"sum"',
    "window_days": "7",
}  # fmt: skip
DERIVED = {
    **{key: WINDOW[key] for key in ("label", "factor", "unit", "direction", "evidence", "reference")},
    "derive": '"ratio"', "inputs": '["first", "second"]',
}  # fmt: skip


def entry(name: str, base: dict[str, str], **changes: str | None) -> str:
    """One table of features.toml; None leaves a key out."""
    content = {**base, **changes}
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in content.items() if value is not None), ""])


def problems(folder: Path, *entries: str) -> list[str]:
    (folder / "features.toml").write_text("\n".join(entries), encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_specs(folder)
    assert raised.value.exit_code == 7
    return str(raised.value).splitlines()


# --- what is shipped ------------------------------------------------------------------------------


def test_at_least_forty_features_are_shipped_for_the_model() -> None:
    assert len(model_features(load_specs())) >= 40


def test_every_factor_has_at_least_three_features_in_the_model() -> None:
    counts = Counter(spec.factor for spec in load_specs() if spec.in_model)
    assert {key: counts[key] for key in load_factors() if counts[key] < 3} == {}


def test_every_feature_has_a_reference_label_and_unit() -> None:
    specs = load_specs()
    assert [spec.name for spec in specs if not spec.reference.strip() or not spec.label.strip()] == []
    assert [spec.name for spec in specs if not spec.unit.strip()] == []


def test_a_feature_without_a_published_reference_says_assumption_or_practice() -> None:
    graded = [spec for spec in load_specs() if spec.evidence in ("A", "B", "C")]
    assert [spec.name for spec in graded if spec.reference == "assumption"] == []


def test_labels_are_unique_so_that_a_report_can_tell_features_apart() -> None:
    counts = Counter(spec.label for spec in load_specs())
    assert [label for label, count in counts.items() if count > 1] == []


def test_inputs_stand_above_what_is_derived_from_them() -> None:
    above: set[str] = set()
    for spec in load_specs():
        if isinstance(spec, DerivedSpec):
            assert set(spec.inputs) <= above, spec.name
        above.add(spec.name)


def test_only_a_direction_with_graded_evidence_binds_the_model_and_only_of_what_it_is_given() -> None:
    for spec in load_specs():
        graded = spec.in_model and spec.evidence != "assumption"
        bound = {"+": 1, "-": -1}.get(spec.direction, 0) if graded else 0
        assert spec.monotone == bound, spec.name


def test_only_the_fixed_facts_of_the_context_enter_the_model_on_an_assumption() -> None:
    assumed = [spec for spec in load_specs() if spec.evidence == "assumption" and spec.in_model]
    assert [spec.name for spec in assumed if spec.factor != "context"] == []


def test_the_features_stand_in_the_order_of_the_factors_but_for_one_whose_inputs_stand_below() -> None:
    place = {key: number for number, key in enumerate(load_factors())}
    specs = [spec for spec in load_specs() if spec.name != "discomfort_beyond_load"]
    assert [spec.name for spec in specs] == [spec.name for spec in sorted(specs, key=lambda s: place[s.factor])]


# --- what the catalogue holds ---------------------------------------------------------------------

METRICS = (
    "load_au", "distance_m", "high_speed_distance_m", "sprint_distance_m", "acceleration_count",
    "deceleration_count", "player_load_au",
)  # fmt: skip
PER_METRIC = {
    *((aggregate, days, 0) for aggregate in ("sum", "daily_mean") for days in (3, 7, 14, 21, 28, 42)),
    ("exponential", 7, 0), ("exponential", 28, 0), ("exponential", 42, 0),
    ("sum", 7, 7), ("daily_mean", 21, 7), ("daily_spread", 7, 0), ("daily_mean", 56, 7), ("daily_spread", 56, 7),
    ("daily_mean", 42, 7), ("daily_slope", 42, 7),
}  # fmt: skip
Shape = tuple[str, int, int]


def windows_of(column: str) -> dict[Shape, str]:
    """Aggregate, window and lag of each unfiltered feature of a column of the sessions, and its name."""
    return {
        (spec.aggregate, spec.window_days, spec.lag_days): spec.name
        for spec in load_specs()
        if isinstance(spec, WindowSpec) and (spec.table, spec.column) == ("sessions", column) and not spec.where
        and spec.at_least is None
    }  # fmt: skip


def derivations() -> dict[tuple[str, tuple[str, ...]], DerivedSpec]:
    return {(spec.derive, spec.inputs): spec for spec in load_specs() if isinstance(spec, DerivedSpec)}


@pytest.mark.parametrize("column", METRICS)
def test_every_load_metric_has_the_same_windows(column: str) -> None:
    assert PER_METRIC - set(windows_of(column)) == set()


@pytest.mark.parametrize("column", METRICS)
def test_every_load_metric_has_the_same_derived_features(column: str) -> None:
    name, found = windows_of(column), derivations()
    week, spread = name["daily_mean", 7, 0], name["daily_spread", 7, 0]
    monotony = found["ratio", (week, spread)].name
    wanted: list[tuple[str, tuple[str, ...]]] = [
        ("difference", (name["sum", 7, 0], name["sum", 7, 7])),
        ("product", (name["sum", 7, 0], monotony)),
        ("z_score", (week, name["daily_mean", 56, 7], name["daily_spread", 56, 7])),
        ("residual_of_week", (week, name["daily_mean", 42, 7], name["daily_slope", 42, 7])),
    ]
    assert [each for each in wanted if each not in found] == []


@pytest.mark.parametrize("column", METRICS)
def test_every_load_metric_has_three_acute_chronic_ratios_that_the_model_is_not_given(column: str) -> None:
    name, found = windows_of(column), derivations()
    week = name["daily_mean", 7, 0]
    for chronic in (("daily_mean", 28, 0), ("daily_mean", 21, 7)):
        assert not found["ratio", (week, name[chronic])].in_model
    ratio = found["ratio", (name["exponential", 7, 0], name["exponential", 28, 0])]
    assert not ratio.in_model and "advises against" in ratio.reference


def test_every_kind_of_preventive_work_has_days_since_and_a_dose_per_week() -> None:
    specs = load_specs()
    kinds = {spec.name: spec.where["kind"] for spec in specs if isinstance(spec, WindowSpec) and "kind" in spec.where}
    weekly = {kinds[spec.inputs[0]] for spec in specs if isinstance(spec, DerivedSpec) and spec.derive == "per_week"}
    since = {kinds[spec.name] for spec in specs if isinstance(spec, WindowSpec) and spec.aggregate == "days_since"
             and spec.name in kinds}  # fmt: skip
    assert {(kind,) for kind in INTERVENTIONS} <= weekly & since


@pytest.mark.parametrize("table", ["strength_tests", "screenings"])
def test_every_test_in_use_has_its_age_in_days(table: str) -> None:
    kind = {"strength_tests": "protocol", "screenings": "test"}[table]
    used = [spec for spec in load_specs() if isinstance(spec, WindowSpec) and spec.table == table and spec.where]
    aged = {spec.where[kind] for spec in used if spec.aggregate == "days_since"}
    assert {spec.where[kind] for spec in used} == aged
    assert {test for (test,) in aged} == set(STRENGTH_PROTOCOLS if table == "strength_tests" else SCREENING_TESTS)


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    """Every shipped feature on every second Monday of a simulated season, from its fifth week on."""
    tables, target = simulate(12, 1).tables, load_target()
    first, last = tables["sessions"]["date"].min() + pd.Timedelta(weeks=4), tables["sessions"]["date"].max()
    index, _ = at_risk_index(prepare(tables, target), target, first, last, 14)
    return build_features(index, prepare(tables, target), load_specs()).values


def test_every_factor_has_at_least_three_features_that_work_on_a_simulated_squad(simulated: pd.DataFrame) -> None:
    present = simulated.notna().mean() >= 0.25
    varies = simulated.min() < simulated.max()
    counts = Counter(spec.factor for spec in load_specs() if present[spec.name] and varies[spec.name])
    assert {key: counts[key] for key in load_factors() if counts[key] < 3} == {}


def test_what_is_missing_on_a_simulated_squad_is_what_nobody_there_records(simulated: pd.DataFrame) -> None:
    missing = {str(name) for name, share in simulated.notna().mean().items() if share < 0.25}
    masked = {f"masked_load_{number}_{days}d" for number in (1, 2, 3) for days in (7, 28)}
    rare = {f"days_since_acl_{what}" for what in ("injury", "return")}
    too_short = {"hamstring_injuries_covered_1y", "hamstring_injuries_covered_2y"}
    assert missing - rare == masked | too_short


def test_best_nordic_force_per_kg_needs_no_body_mass_beside_the_force() -> None:
    known_at = pd.Timestamp("2024-03-01T12:00Z")
    until = known_at + pd.Timedelta("365D")
    test = {"athlete_id": "a", "date": "2024-03-01", "known_at": known_at, "superseded_at": until}
    nordic = {**test, "test_id": "n", "protocol": "nordic"}
    tests = as_contract(
        pd.DataFrame([
            {**nordic, "limb": "left", "peak_force_n": 320.0},
            {**nordic, "limb": "right", "peak_force_n": 400.0},
            {**test, "test_id": "h", "protocol": "hip_abduction", "limb": "left", "peak_force_n": 200.0,
             "body_mass_kg": 80.0},
        ]),
        "strength_tests",
    )  # fmt: skip
    day = pd.Timestamp("2024-03-08")
    index = pd.DataFrame({"athlete_id": ["a"], "date": [day], "as_of": [day.tz_localize("UTC")]})
    tables = prepare({**empty_tables(), "strength_tests": tests}, load_target())
    values = build_features(index, tables, load_specs()).values.iloc[0]
    assert [values[f"nordic_{name}best_per_kg"] for name in ("left_", "right_", "")] == [4.0, 5.0, 4.5]


def test_specs_survive_json_and_keep_their_fingerprint() -> None:
    specs = load_specs()
    again = specs_from_json(json.loads(json.dumps(specs_as_json(specs))))
    assert again == specs
    assert fingerprint(again) == fingerprint(specs)


def test_the_fingerprint_changes_with_any_entry(tmp_path: Path) -> None:
    shipped = (configs.SHIPPED / "features.toml").read_text(encoding="utf-8")
    changed = re.sub(r"window_days(\s*)= (\d+)", r"window_days\1= 1\2", shipped, count=1)
    assert changed != shipped
    (tmp_path / "features.toml").write_text(changed, encoding="utf-8")
    assert fingerprint(load_specs(tmp_path)) != fingerprint(load_specs())


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "changes", "message", "listed"),
    [
        (WINDOW, {"table": '"session"'}, "table: 'session' is not known", TABLES),
        (WINDOW, {"column": '"load"'}, "column: 'load' is not known", TABLES["sessions"].names),
        (WINDOW, {"aggregate": '"median"'}, "aggregate: 'median' is not known", AGGREGATES),
        (WINDOW, {"factor": '"luck"'}, "factor: 'luck' is not known", load_factors()),
        (WINDOW, {"direction": '"up"'}, "direction: 'up' is not known", ["+", "-", "0", "u"]),
        (WINDOW, {"evidence": '"E"'}, "evidence: 'E' is not known", ["A", "B", "C", "D", "assumption"]),
        (WINDOW, {"windows_days": "7"}, "unknown windows_days", ["window_days", "lag_days", "where"]),
        (WINDOW, {"where": '{ limb = "left" }'}, "where: 'limb' is not known", ["kind", "rpe"]),
        (WINDOW, {"where": '{ kind = "game" }'}, "where, kind: 'game' is not known", ["match", "training"]),
        (DERIVED, {"derive": '"quotient"'}, "derive: 'quotient' is not known", DERIVATIONS),
        (DERIVED, {"inputs": '["first", "third"]'}, "inputs: 'third' is not known", ["first", "second"]),
        (DERIVED, {"column": '"load_au"'}, "unknown column", ["derive", "inputs"]),
    ],
)  # fmt: skip
def test_a_wrong_name_is_refused_and_the_valid_ones_are_listed(
    tmp_path: Path, base: dict[str, str], changes: dict[str, str], message: str, listed: list[str]
) -> None:
    (told,) = problems(tmp_path, entry("first", WINDOW), entry("second", WINDOW), entry("x", base, **changes))
    assert told.startswith("features.toml, [x]")
    assert message in told
    valid = told.rpartition(": ")[2].rstrip(".").split(", ")
    assert set(listed) <= set(valid)


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        (WINDOW, {"window_days": None, "unit": None}, "[x]: missing unit, window_days"),
        (WINDOW, {"window_days": "0"}, "[x]: window_days = 0: give a whole number from 1 to 36500."),
        (WINDOW, {"window_days": "36501"}, "[x]: window_days = 36501: give a whole number from 1 to 36500."),
        (WINDOW, {"aggregate": '"exponential"', "window_days": "366"},
         "[x]: window_days = 366: give a whole number from 1 to 365; an exponential average looks back 40 times"),
        (WINDOW, {"lag_days": "-1"}, "[x]: lag_days = -1: give a whole number from 0 to 36500."),
        (WINDOW, {"lag_days": "36501"}, "[x]: lag_days = 36501: give a whole number from 0 to 36500."),
        (WINDOW, {"min_covered_share": "1.5"}, "[x]: min_covered_share = 1.5: give a number from 0 to 1."),
        (WINDOW, {"min_covered_share": "nan"}, "[x]: min_covered_share = nan: give a number from 0 to 1."),
        (WINDOW, {"at_least": "nan"}, "[x]: at_least = nan: give a finite number."),
        (WINDOW, {"at_least": "-inf"}, "[x]: at_least = -inf: give a finite number."),
        (WINDOW, {"at_least": "1" + 400 * "0"}, ": give a finite number."),
        (WINDOW, {"empty": "nan"}, "[x]: empty = nan: give a finite number."),
        (WINDOW, {"label": '" "'}, "[x]: label = ' ': give the words that staff read."),
        (WINDOW, {"unit": '""'}, "[x]: unit = '': give a unit; of a number without one 'ratio' or 'count'."),
        (WINDOW, {"reference": '""'}, "[x]: reference = '': give where the claim comes from, or 'assumption'."),
        (WINDOW, {"where": "{ kind = [] }"}, "[x]: where, kind = []: give the values to keep, or leave kind out."),
        (WINDOW, {"where": '{ rpe = "8" }'},
         "[x]: where, rpe: found a number; give a column of words: athlete_id, kind, session_id."),
        (WINDOW, {"where": '{ date = "2021-10-04" }'}, "[x]: where, date: found a date; give a column of words"),
        (WINDOW, {"column": '"kind"', "aggregate": '"count"', "at_least": "3"},
         "[x]: at_least = 3: sessions.kind is words; give a column of numbers, or leave at_least out."),
        (WINDOW, {"table": '"returns"', "column": '"body_area"'}, "returns.body_area is words"),
        (WINDOW, {"table": '"returns"', "column": '"injury_id"', "aggregate": '"count"',
                  "where": '{ body_area = "thihg" }'}, "[x]: where, body_area: 'thihg' is not known"),
        (DERIVED, {"inputs": '["first", "x"]'},
         "[x]: inputs: 'x' is the feature itself; give features that stand above it."),
        (DERIVED, {"inputs": '["first"]'}, "ratio takes 2 inputs, found 1"),
        (DERIVED, {"inputs": None}, "[x]: missing inputs"),
        (DERIVED, {"derive": '"residual_of_week"', "inputs": '["first", "second", "second"]'},
         "residual_of_week needs second over window_days = 42 with lag_days = 7"),
    ],
)  # fmt: skip
def test_a_wrong_or_missing_value_is_refused(
    tmp_path: Path, base: dict[str, str], changes: dict[str, str | None], message: str
) -> None:
    (told,) = problems(tmp_path, entry("first", WINDOW), entry("second", WINDOW), entry("x", base, **changes))
    assert message in told


ANY_COLUMN = {
    "count", "day_count", "covered_share_pct", "days_since", "years_since", "days_since_rest", "longest_run_days",
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "column", "holds"),
    [
        ("sessions", "kind", "words"), ("sessions", "session_id", "words"), ("athletes", "squad", "words"),
        ("athletes", "birth_date", "a date"), ("sessions", "known_at", "a time"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("aggregate", sorted(set(AGGREGATES) - ANY_COLUMN))
def test_what_calculates_with_a_column_without_numbers_is_refused(
    tmp_path: Path, aggregate: str, table: str, column: str, holds: str
) -> None:
    wrong = entry("x", WINDOW, table=f'"{table}"', column=f'"{column}"', aggregate=f'"{aggregate}"')
    assert problems(tmp_path, wrong) == [
        f"features.toml, [x]: aggregate = '{aggregate}': {table}.{column} is {holds}; give a column of numbers, "
        f"or one of {', '.join(sorted(ANY_COLUMN))}."
    ]


@pytest.mark.parametrize("aggregate", sorted(ANY_COLUMN))
def test_what_asks_only_whether_a_column_holds_something_takes_any_column(tmp_path: Path, aggregate: str) -> None:
    right = entry("x", WINDOW, column='"kind"', aggregate=f'"{aggregate}"')
    (tmp_path / "features.toml").write_text(right, encoding="utf-8")
    assert [spec.name for spec in load_specs(tmp_path)] == ["x"]


def test_the_longest_window_and_span_and_numbers_added_to_the_rows_are_taken(tmp_path: Path) -> None:
    right = (
        entry("a", WINDOW, window_days="36500", lag_days="36500", min_covered_share="1")
        + entry("b", WINDOW, aggregate='"exponential"', window_days="365")
        + entry("c", WINDOW, table='"injuries"', column='"is_acl"')
        + entry("d", WINDOW, column='"share_of_best_speed_pct"', aggregate='"count"', at_least="95")
    )
    (tmp_path / "features.toml").write_text(right, encoding="utf-8")
    assert [spec.name for spec in load_specs(tmp_path)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("evidence", ["A", "B", "C"])
def test_a_grade_above_practice_needs_a_source(tmp_path: Path, evidence: str) -> None:
    assert problems(tmp_path, entry("x", WINDOW, evidence=f'"{evidence}"')) == [
        f"features.toml, [x]: evidence = '{evidence}' with reference = 'assumption': "
        "give the source, or the evidence 'D' (practice) or 'assumption'."
    ]


def test_an_assumption_has_no_source(tmp_path: Path) -> None:
    assert problems(tmp_path, entry("x", WINDOW, evidence='"assumption"', reference='"Somebody 2020"')) == [
        "features.toml, [x]: evidence = 'assumption' with reference = 'Somebody 2020': "
        "give the evidence that the source has (A, B, C or D), or the reference 'assumption'."
    ]


@pytest.mark.parametrize("name", ['""', '" "'])
def test_a_blank_name_is_refused(tmp_path: Path, name: str) -> None:
    (told,) = problems(tmp_path, entry(name, WINDOW))
    assert told.endswith("]: its name is blank: give one in the brackets, as in [load_7d].")


def test_each_wrong_key_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    told = problems(tmp_path, entry("x", WINDOW, window_days="0", lag_days="-1", min_covered_share="2", label='""'))
    assert [line.split(" = ")[0] for line in told] == [
        f"features.toml, [x]: {key}" for key in ("label", "window_days", "lag_days", "min_covered_share")
    ]


def test_an_input_that_stands_below_is_told_to_move(tmp_path: Path) -> None:
    told = problems(tmp_path, entry("d", DERIVED, inputs='["x_sum", "nowhere"]'), entry("x_sum", WINDOW))
    assert told == [
        "features.toml, [d]: inputs: 'x_sum' stands below; move [x_sum] above [d].",
        "features.toml, [d]: inputs: 'nowhere' is not known; no feature stands above [d].",
    ]


def test_what_is_derived_from_a_wrong_feature_is_not_blamed_for_it(tmp_path: Path) -> None:
    told = problems(tmp_path, entry("first", WINDOW, at_least="nan"), entry("second", WINDOW), entry("x", DERIVED))
    assert told == ["features.toml, [first]: at_least = nan: give a finite number."]


@pytest.mark.parametrize(
    "changes",
    [
        {"window_days": '"7"'}, {"window_days": "7.5"}, {"window_days": "true"}, {"lag_days": '"1"'},
        {"empty": '"0"'}, {"at_least": '"fast"'}, {"label": "7"}, {"in_model": '"yes"'}, {"where": '"match"'},
        {"table": '["sessions"]'}, {"factor": "1"}, {"reference": "2018"}, {"min_covered_share": '"half"'},
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_type_is_refused_and_named(tmp_path: Path, changes: dict[str, str]) -> None:
    (told,) = problems(tmp_path, entry("x", WINDOW, **changes))
    assert told.startswith("features.toml, [x]")
    assert next(iter(changes)) in told


@pytest.mark.parametrize("inputs", ['"first"', "[1, 2]", "7"])
def test_inputs_that_are_no_list_of_names_are_refused(tmp_path: Path, inputs: str) -> None:
    told = problems(tmp_path, entry("first", WINDOW), entry("x", DERIVED, inputs=inputs))
    assert all(line.startswith("features.toml, [x]") and "inputs" in line for line in told)


def test_a_feature_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "window_days = 7\n")
    assert told.startswith("features.toml, [window_days]")


def test_all_problems_of_the_file_are_told_together(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        entry("a", WINDOW, table='"session"'),
        entry("b", WINDOW),
        entry("c", WINDOW, aggregate='"median"'),
        entry("d", WINDOW, windows="7"),
        entry("e", DERIVED, inputs='["b", "nowhere"]'),
    )
    assert [re.match(r"features.toml, \[(\w)\]", line).group(1) for line in told] == ["a", "c", "d", "e"]  # type: ignore[union-attr]


def test_two_features_of_one_name_are_refused(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, entry("a", WINDOW), entry("a", WINDOW))
    assert "features.toml: not valid TOML" in told


def test_a_folder_without_features_uses_the_shipped_ones(tmp_path: Path) -> None:
    assert load_specs(tmp_path) == load_specs()


def test_a_users_own_file_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "features.toml").write_text(
        entry("a", WINDOW, where='{ kind = "match" }') + entry("b", WINDOW) + entry("c", DERIVED, inputs='["a", "b"]')
    )
    a, _, c = load_specs(tmp_path)
    assert isinstance(a, WindowSpec) and isinstance(c, DerivedSpec)
    assert (a.where, a.window_days, c.inputs) == ({"kind": ("match",)}, 7, ("a", "b"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("label =", "lable ="), "factors.toml, [overload]: unknown lable. Known: label"),
        (('label = "Acute overload"\n', ""), "factors.toml, [overload]: missing label."),
        (("modifiable = true", 'modifiable = "no"'), "[overload]: modifiable = 'no'. Give true or false."),
        (("references = [", 'references = "Duhig"  # ['), "[overload]: references = 'Duhig'. Give a list"),
        (('label = "Acute overload"', "label = 1"), "[overload]: label = 1. Give text."),
        (("[overload]", "[overload]\n[[overload.x]]\n[y]"), "factors.toml, [overload]: unknown x"),
    ],
)
def test_a_wrong_entry_of_the_factors_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = (configs.SHIPPED / "factors.toml").read_text(encoding="utf-8").replace(*change, 1)
    (tmp_path / "factors.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_factors(tmp_path)


def test_a_factor_that_was_renamed_names_the_features_that_miss_it(tmp_path: Path) -> None:
    text = (configs.SHIPPED / "factors.toml").read_text(encoding="utf-8").replace("[rigidity]", "[stiffness]")
    (tmp_path / "factors.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_specs(tmp_path)
    told = str(raised.value).splitlines()
    assert len(told) == sum(spec.factor == "rigidity" for spec in load_specs())
    assert all("factor: 'rigidity' is not known" in line for line in told)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("silent_days =", "quiet_days ="), "target.toml: unknown quiet_days. Known: abstain_share_missing"),
        (("silent_days = 7", ""), "target.toml: missing silent_days."),
        (("silent_days = 7", 'silent_days = "7"'), "silent_days = '7'. Give a whole number from 0 on."),
        (("onset_lag_days = 1", "onset_lag_days = -1"), "onset_lag_days = -1. Give a whole number"),
        (("[7, 14, 28]", "7"), "horizons_days = 7. Give whole numbers."),
        (("[7, 14, 28]", "[28, 7]"), "horizons_days must rise from 1 day on, found [28, 7]."),
        (("[7, 14, 28]", "[0, 7]"), "horizons_days must rise from 1 day on, found [0, 7]."),
        (('"07:00"', '"7 am"'), "target.toml: time_zone or prediction_time: "),
        (('"07:00"', "07:00:00"), "prediction_time = datetime.time(7, 0). Give text."),
        (('"UTC"', '"Mars/Olympus"'), "target.toml: time_zone or prediction_time: "),
        (('["hamstring"]', '["hamstrings"]'), "target.toml, muscle_group: unknown hamstrings. Known: "),
        (("{ muscle_group =", "{ muscle ="), "target.toml, includes or excludes: unknown muscle. Known: "),
        (('["hamstring"]', '"hamstring"'), "Give a list of columns and their values, as shipped."),
        (("abstain_share_missing = 0.6", "abstain_share_missing = 60"), "= 60. Give a number from 0 to 1."),
    ],
)  # fmt: skip
def test_a_wrong_entry_of_the_target_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    shipped = (configs.SHIPPED / "target.toml").read_text(encoding="utf-8")
    changed = shipped.replace(*change, 1)
    assert changed != shipped
    (tmp_path / "target.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_target(tmp_path)
