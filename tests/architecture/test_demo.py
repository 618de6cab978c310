"""What is written from the demo's scripts is up to date."""

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
