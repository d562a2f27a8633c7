"""The pages that come from the code: fresh, complete, and checked by `--check`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import configs
from configs.errors import StrainwatchError
from features.factors import load_factors
from features.specs import WindowSpec, load_specs
from features.tables import INTERVENTIONS, SCREENING_TESTS, TABLES
from features.windows import AGGREGATES
from pipelines import feature_words, reference
from pipelines.reference import commands
from pipelines.reference.__main__ import main
from tests.squad import Squad

PAGES = {name: make() for name, make in reference.PAGES.items()}


def row_of(page: str, first_cell: str) -> str:
    """The one line of a page that starts with this cell."""
    return next(line for line in PAGES[page].splitlines() if line.startswith(f"| {first_cell} |"))


def exit_codes_of(error: type[StrainwatchError]) -> set[int]:
    return {error.exit_code}.union(*(exit_codes_of(each) for each in error.__subclasses__()))


@pytest.mark.parametrize("name", PAGES)
def test_each_page_in_docs_is_what_the_code_gives(name: str) -> None:
    found = (reference.DOCS / name).read_text(encoding="utf-8")
    assert found == PAGES[name], f"docs/{name} is stale: run `make docs` and commit it"


def test_pages_are_the_same_bytes_each_time() -> None:
    assert {name: make() for name, make in reference.PAGES.items()} == PAGES


def test_a_stale_and_an_absent_page_are_named(tmp_path: Path) -> None:
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert reference.stale(tmp_path) == []
    (tmp_path / "features.md").write_text("old", encoding="utf-8")
    (tmp_path / "configs.md").unlink()
    assert reference.stale(tmp_path) == ["features.md", "configs.md"]
    assert reference.write(tmp_path) == ["features.md", "configs.md"]
    assert reference.stale(tmp_path) == []


def test_check_exits_1_and_names_the_page_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], tmp_path) == 1
    assert "docs/features.md is stale" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0


def test_every_command_is_in_the_docs_with_its_help() -> None:
    page = PAGES["command-line.md"]
    names = ["demo", "ingest", "train", "evaluate", "replay", "tune", "score", "explain", "report", "decide", "status"]
    assert list(commands.commands())[: len(names)] == names
    for name, call in commands.commands().items():
        help_text = (call.__doc__ or "").strip().splitlines()[0]
        assert len(help_text.split()) > 5, f"{name} has no help worth the name"
        assert f"\n## {name}\n" in page
        assert help_text in page


def test_every_option_is_in_the_docs_with_its_help() -> None:
    for name, call in commands.commands().items():
        section = PAGES["command-line.md"].partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for parameter, info, _ in commands.parameters(call):
            assert info.help, f"{name} {parameter} has no help"
            assert info.help in section
            assert all(f"`{option}`" in section for option in commands.option_names(parameter, info))


def test_a_command_shows_its_arguments_and_an_option_its_default_and_variable() -> None:
    page = PAGES["command-line.md"]
    assert "    strainwatch ingest SOURCE PATH [OPTIONS]" in page
    assert "| `--wait` | `60.0` | Seconds to wait while another process holds the store. |" in page
    assert "Or set `STRAINWATCH_STORE`." in row_of("command-line.md", "`--store`")


def test_the_exit_code_table_holds_every_code_that_an_error_can_set() -> None:
    codes = dict(commands.exit_codes())
    assert codes["4"] == "some rows were quarantined, the rest came in"
    assert {int(code) for code in codes} == {0, 4, 10, 130} | exit_codes_of(StrainwatchError)


def test_every_table_and_column_is_in_the_docs() -> None:
    for name, table in TABLES.items():
        section = PAGES["data-contracts.md"].partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert table.meaning in section
        for column in table.columns:
            line = next(line for line in section.splitlines() if line.startswith(f"| `{column.name}` |"))
            assert column.meaning in line
            assert column.unit in line
            assert all(f"`{choice}`" in line for choice in column.choices)


def test_a_column_states_type_unit_range_usual_median_and_need() -> None:
    assert row_of("data-contracts.md", "`peak_force_n`") == (
        "| `peak_force_n` | number | N | 30 to 1,500 | 80 to 1,000 |  | Highest force of the test. |"
    )
    assert "| time |  |  |  | yes |" in row_of("data-contracts.md", "`known_at`")


def test_every_screening_test_and_intervention_states_its_unit() -> None:
    for test, (unit, _, _) in SCREENING_TESTS.items():
        assert f"| `{test}` | {unit} |" in row_of("data-contracts.md", f"`{test}`")
    for kind, unit in INTERVENTIONS.items():
        assert f"| `{kind}` | {unit} |" in row_of("data-contracts.md", f"`{kind}`")


def test_every_factor_and_feature_is_in_the_docs() -> None:
    page = PAGES["features.md"]
    specs = load_specs()
    for factor in load_factors().values():
        assert f"\n## {factor.label}\n" in page
        assert factor.wording in page
    for spec in specs:
        line = row_of("features.md", f"`{spec.name}`")
        assert f"| {spec.label} | {spec.unit} |" in line
        assert line.endswith(f"| {spec.evidence} | {spec.reference} | model |") == spec.in_model
    assert f"{len(specs)} features of {len(load_factors())} factors" in page


def test_every_aggregate_has_words() -> None:
    assert set(feature_words.AGGREGATES_IN_WORDS) == set(AGGREGATES)


def window(**own: Any) -> WindowSpec:
    common = {"name": "x", "label": "x", "factor": "overload", "unit": "m", "direction": "+", "evidence": "B",
              "reference": "assumption", "table": "sessions", "column": "distance_m"}  # fmt: skip
    return WindowSpec(**common | own)


def test_a_window_says_filter_lag_and_what_an_empty_one_is() -> None:
    lagged = window(aggregate="sum", window_days=7, lag_days=7, empty=0.0)
    assert feature_words.in_words(lagged) == (
        "sum of `sessions.distance_m`, 7 days up to 7 days before; 0 if nothing happened, needs 70 %"
    )
    filtered = window(aggregate="count", window_days=28, at_least=9.5, where={"kind": ("match",)})
    assert feature_words.in_words(filtered) == (
        "number of rows with `sessions.distance_m` (only `kind` match, values of at least 9.5), "
        "last 28 days; missing without data, needs 70 %"
    )


def test_every_shipped_config_is_in_the_docs() -> None:
    for name in configs.names():
        assert f"\n## {name}\n" in PAGES["configs.md"]
        first = (configs.SHIPPED / name).read_text(encoding="utf-8").splitlines()[0]
        assert first.removeprefix("# ") in PAGES["configs.md"]


def test_no_link_from_one_page_to_another_is_broken() -> None:
    for path in reference.DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"


HAND_WRITTEN = sorted([*reference.DOCS.glob("*.md"), reference.DOCS.parent / "CONTRIBUTING.md"])


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=lambda path: path.name)
def test_every_command_shown_exists_with_its_options(path: Path) -> None:
    shown = r"^ +.*?\bstrainwatch ((?:(?:features|models|runs) )?[a-z]+)\b(.*)$"
    for command, rest in re.findall(shown, path.read_text("utf-8"), re.M):
        known = commands.commands()[command]
        options = {
            option for name, info, _ in commands.parameters(known) for option in commands.option_names(name, info)
        }
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, f"{path.name}: strainwatch {command}{rest}"


def test_operations_tell_what_to_do_about_every_exit_code() -> None:
    page = (reference.DOCS / "operations.md").read_text(encoding="utf-8")
    for code, meaning in commands.exit_codes():
        assert re.search(rf"^\| {code} \| {re.escape(meaning)} \| \S", page, re.M), code


@pytest.mark.slow
def test_the_snippets_for_data_scientists_run_in_order(
    own_squad: Squad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "notebook"
    (folder / "demo").mkdir(parents=True)
    (folder / "demo/store").symlink_to(own_squad.path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # so that what a snippet sets is taken back afterwards
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    page = (reference.DOCS / "data-scientists.md").read_text(encoding="utf-8")
    known: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(snippet, known)
    printed = capsys.readouterr().out
    assert "ok   future_rows" in printed
    assert "soreness_peak_3d" in known["training"].model_features
    assert known["differences"].added == ("soreness_peak_3d",)
    assert known["outcome"].entry.candidate == known["trained"].registered.version == 2
    assert "()\n('uneven_sessions_28d',)\n" in printed
    assert known["judged"].features["uneven_sessions_28d"].notna().mean() > 0.5
    assert known["card"].version == known["trained"].bundle.version
    assert len(list(folder.glob("cards/*.html"))) == 1
    assert len(known["runs"]) == 2
