"""The shipped features cover every factor; a wrong entry of features, factors or target is told with the valid ones."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import configs
from configs.errors import ConfigError
from features.derived import DERIVATIONS
from features.factors import load_factors
from features.specs import (
    DerivedSpec,
    WindowSpec,
    fingerprint,
    load_specs,
    model_features,
    specs_as_json,
    specs_from_json,
)
from features.tables import TABLES
from features.target import load_target
from features.windows import AGGREGATES

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


def test_only_a_direction_with_graded_evidence_binds_the_model() -> None:
    for spec in load_specs():
        bound = {"+": 1, "-": -1}.get(spec.direction, 0) if spec.evidence != "assumption" else 0
        assert spec.monotone == bound, spec.name


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
        (DERIVED, {"inputs": '["first", "third"]'}, "inputs (must stand above): 'third'", ["first", "second"]),
        (DERIVED, {"inputs": '["x", "first"]'}, "inputs (must stand above): 'x'", ["first", "second"]),
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
        (WINDOW, {"window_days": "0"}, "window_days must be 1 or more"),
        (WINDOW, {"lag_days": "-1"}, "lag_days 0 or more"),
        (WINDOW, {"min_covered_share": "1.5"}, "min_covered_share within 0 and 1"),
        (DERIVED, {"inputs": '["first"]'}, "ratio takes 2 inputs, found 1"),
        (DERIVED, {"inputs": None}, "[x]: missing inputs"),
    ],
)  # fmt: skip
def test_a_wrong_or_missing_value_is_refused(
    tmp_path: Path, base: dict[str, str], changes: dict[str, str | None], message: str
) -> None:
    (told,) = problems(tmp_path, entry("first", WINDOW), entry("second", WINDOW), entry("x", base, **changes))
    assert message in told


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
