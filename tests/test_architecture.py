"""The import line configs < features < models < serving < pipelines, and one module per heavy library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINE = ("configs", "features", "models", "serving", "pipelines")
ONLY = {
    "lightgbm": {"models/estimator.py", "models/learners/cox.py"},
    "shap": {"models/explain.py"},
    "mlflow": {"models/tracking.py"},
    "sqlalchemy": {"serving/store.py"},
    "typer": {
        "pipelines/cli.py",
        *(f"pipelines/commands/{name}.py" for name in ("shared", "learning", "choosing", "catalogue")),
    },
    "interpret": {"models/learners/explainable_boosting.py"},
    "optuna": {"models/tuning.py"},
}
FEATURES_MAY_IMPORT = {"numpy", "pandas", "configs", "features"}


def modules() -> list[Path]:
    return [path for package in LINE for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def standard_library(name: str) -> bool:
    return name in sys.stdlib_module_names


def test_every_package_imports_only_itself_and_what_stands_to_its_left() -> None:
    broken = []
    for path in modules():
        package = path.relative_to(ROOT).parts[0]
        allowed = LINE[: LINE.index(package) + 1]
        broken += [f"{path.name}: {name}" for name in imports(path) if name.split(".")[0] in set(LINE) - set(allowed)]
    assert broken == []


def test_each_heavy_library_has_one_importer() -> None:
    broken = []
    for path in modules():
        where = path.relative_to(ROOT).as_posix()
        for name in imports(path):
            owners = ONLY.get(name.split(".")[0])
            if owners is not None and where not in owners:
                broken.append(f"{where}: {name}")
    assert broken == []


def test_features_are_pure() -> None:
    broken = []
    for path in sorted((ROOT / "features").rglob("*.py")):
        for name in imports(path):
            top = name.split(".")[0]
            if top not in FEATURES_MAY_IMPORT and not standard_library(top):
                broken.append(f"{path.name}: {name}")
        broken += [
            f"{path.name}: {name}" for name in calls(path) if name in ("open", "print", "read_csv", "read_parquet")
        ]
    assert broken == []


def test_features_cannot_reach_the_labels() -> None:
    reached = {name for path in (ROOT / "features").glob("*.py") if path.stem != "labels" for name in imports(path)}
    assert "features.labels" not in reached
