"""Files that are written from others are up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_call_list_is_that_of_the_scripts() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "demo" / "call_list.py", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_reference_pages_are_those_of_the_code() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "tools" / "write_reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
