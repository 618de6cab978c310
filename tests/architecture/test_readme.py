"""Every command and program of the READMEs is run, and both READMEs show the same ones."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)

RUN_BY_CI = {"scripts/test", "scripts/demo"}
"""Too long, or recursive, to run here: .ci/run runs them."""
INSTALLATION = ("python3 -m venv", ".venv/bin/pip install", ".venv/bin/qingting doctor")
"""tests/end_to_end/test_installation.py runs these in a fresh folder."""

SERVICE_PAGE = ROOT / "docs" / "how-to" / "service.md"
"""tests/end_to_end/test_service_page.py runs its commands, in one shell."""


def blocks(name: str, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall((ROOT / name).read_text(encoding="utf-8")) if kind == language]


def commands(name: str) -> list[str]:
    return [line for block in blocks(name, "sh") for line in block.splitlines() if line and not line.startswith("#")]


def test_both_readmes_show_the_same_commands() -> None:
    assert commands("README.md") == commands("README.zh-CN.md")
    assert blocks("README.md", "python") == blocks("README.zh-CN.md", "python")


def test_ci_runs_the_long_ones() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").split()
    for command in RUN_BY_CI:
        assert command in commands("README.md")
        assert command in ci


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the checkout, so that reports do not land in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("demo", "examples"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def test_the_qingting_commands_work_in_order(checkout: Path) -> None:
    """In one test: later commands read what earlier ones wrote."""
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    on_service_page = SERVICE_PAGE.read_text(encoding="utf-8").splitlines()
    ours = [
        command
        for command in commands("README.md")
        if command not in RUN_BY_CI and not command.startswith(INSTALLATION) and command not in on_service_page
    ]
    assert len(ours) >= 8
    for command in ours:
        assert command.startswith("qingting "), f"no test runs {command!r}"
        if "demo/calls " in command:
            command = command.replace("demo/calls ", "demo/calls/refund_late_answer.mp3 ", 1)
        result = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=250,
            check=False,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        assert shlex.split(command)[0] == "qingting"


def test_the_program_works(checkout: Path) -> None:
    (program,) = blocks("README.md", "python")
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True, timeout=250, check=False
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) >= 1


LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert broken == []
