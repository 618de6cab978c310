"""The import rules of ARCHITECTURE.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "qingting"
STAGES = {"audio", "speech", "analysis", "report", "chat", "delivery"}
PORTS = {"storage"}
FOUNDATION = {"model", "errors", "documents", "pinyin", "particulars"}
JOINERS = {"inspector", "evaluator", "bootstrap", "doctor", "cli", "testing", "privacy", "service", "jobs", "live"}
ENTRIES = {"cli", "api", "web"}
HEAVY = {
    "torch",
    "transformers",
    "ctranslate2",
    "onnxruntime",
    "av",
    "numba",
    "faster_whisper",
    "opencc",
    "dbos",
    "apprise",
    "openpyxl",
    "s3fs",
}
SERVICE_ONLY = {"fastapi", "sqlalchemy", "alembic", "starlette", "uvicorn"}
"""Libraries of the extra `serve`: only the parts of the service may need them."""
ENGINE_CLASSES_LIVE_IN = {"speech", "bootstrap", "testing"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def unit_of(path: Path) -> str:
    """The stage or top-level module a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(tree: ast.AST) -> list[tuple[str, ast.stmt]]:
    found: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which part is meant"
            module = node.module or ""
            found += [(f"{module}.{alias.name}" if module == "qingting" else module, node) for alias in node.names]
    return found


def own_units(path: Path) -> set[str]:
    names = [name for name, _ in imports_of(ast.parse(path.read_text(encoding="utf-8")))]
    return {name.split(".")[1] for name in names if name.startswith("qingting.")}


def allowed_for(unit: str) -> set[str] | None:
    if unit == "model":
        return {"model"}
    if unit in {"errors", "settings", "documents", "pinyin", "particulars"}:
        return {"errors", unit}
    if unit in STAGES | PORTS:
        return FOUNDATION | {unit}
    return None


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_stage_imports_only_the_foundation_and_itself(path: Path) -> None:
    allowed = allowed_for(unit_of(path))
    if allowed is not None:
        assert own_units(path) - {"__version__"} <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_imports_an_entry(path: Path) -> None:
    """The command `serve` opens the API; otherwise entries are imported by nothing but themselves."""
    allowed = {unit_of(path)} | ({"cli"} if unit_of(path) == "__main__" else set())
    if path == PACKAGE / "cli" / "serve.py":
        allowed |= {"api"}
    assert not own_units(path) & (ENTRIES - allowed)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_service_needs_its_libraries(path: Path) -> None:
    names = {name.split(".")[0] for name, _ in imports_of(ast.parse(path.read_text(encoding="utf-8")))}
    if unit_of(path) not in {"storage", "service", "api", "jobs"}:
        assert not names & SERVICE_ONLY


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_joiners_join_stages(path: Path) -> None:
    if len(own_units(path) & STAGES) > 1:
        assert unit_of(path) in JOINERS


def runs_at_import(tree: ast.Module) -> list[ast.stmt]:
    """Statements executed by importing the module (class bodies too, TYPE_CHECKING blocks not)."""
    pending, found = list(tree.body), []
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        found.append(node)
        pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_late(path: Path) -> None:
    """Private modules may import them at their top: they are themselves imported late, see the next test."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    executed = {id(node) for node in runs_at_import(tree)}
    at_top = {name.split(".")[0] for name, node in imports_of(tree) if id(node) in executed}
    assert path.name.startswith("_") or not at_top & HEAVY


def test_importing_all_public_modules_loads_no_heavy_library() -> None:
    public = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in MODULES
        if not path.name.startswith("_") and path.parent.name not in {"versions", "migrations"}
    ]
    assert len(public) > 40
    assert not loaded_by("; ".join(f"import {name}" for name in public)) & HEAVY


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys; print('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_by("import qingting")
    assert "qingting" in loaded
    assert not loaded & (HEAVY | {"numpy", "pydantic", "rich", "typer"})


def test_the_command_line_starts_without_heavy_libraries() -> None:
    loaded = loaded_by("import qingting.cli")
    assert "qingting.cli" in loaded
    assert not loaded & (HEAVY | {"numpy", "pydantic", "yaml"})
