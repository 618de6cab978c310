"""`qingting inspect` as its user runs it: a real process, the real engine, real files."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qingting.testing import SampleCall, sample_calls


def qingting(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "qingting", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=280,
        check=False,
    )


def shortest(channels: int) -> SampleCall:
    calls = [c for c in sample_calls() if c.script.audio is not None and c.script.audio.channels == channels]
    return min(calls, key=lambda call: call.script.duration_ms)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder with a good two-channel call, and three files that are none, inspected once."""
    folder = tmp_path_factory.mktemp("batch")
    recordings = folder / "recordings"
    recordings.mkdir()
    good = shortest(2)
    shutil.copy(good.audio_path, recordings / f"good{good.audio_path.suffix}")
    (recordings / "13800138000.wav").write_text("这不是录音", encoding="utf-8")
    (recordings / "empty.mp3").touch()
    (recordings / "broken.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + os.urandom(5000))
    result = qingting(
        "inspect", "recordings", "--out", "out", *"--format html --format json --format csv".split(), cwd=folder
    )
    return folder / "out", result


def test_broken_files_do_not_stop_the_good_one(batch: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, result = batch
    assert result.returncode == 1, result.stderr
    assert "1 of 4 recordings inspected" in result.stderr
    assert len(list(folder.glob("good*.json"))) == 1
    assert len(list(folder.glob("good*.html"))) == 1


def test_each_failure_is_named_with_its_cause_and_remedy(
    batch: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, result = batch
    failures = [line for line in result.stderr.splitlines() if line.strip().startswith("failed:")]
    assert len(failures) == 3
    assert any("empty.mp3" in line and "empty_audio" in line for line in failures)
    assert "Traceback" not in result.stderr


def test_the_json_report_is_whole(batch: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = batch
    file = next(folder.glob("good*.json"))
    result = qingting("report", "verify", file, cwd=folder)
    assert (result.returncode, "holds" in result.stdout) == (0, True), result.stdout + result.stderr
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["transcript"]["engine"]["name"] == "embedded"
    assert len(report["transcript"]["utterances"]) >= 6


def test_a_changed_word_is_noticed(batch: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    folder, _ = batch
    report = json.loads(next(folder.glob("good*.json")).read_text(encoding="utf-8"))
    report["transcript"]["utterances"][0]["text"] += "改"
    (tmp_path / "changed.json").write_text(json.dumps(report), encoding="utf-8")
    result = qingting("report", "verify", "changed.json", cwd=tmp_path)
    assert result.returncode == 1


def test_swapping_roles_keeps_the_words(batch: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = batch
    file = next(folder.glob("good*.json"))
    result = qingting("report", "swap-roles", file, "--out", "swapped.json", cwd=folder)
    assert result.returncode == 0, result.stderr
    before, after = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (file.name, "swapped.json"))

    def said(report: dict[str, dict[str, list[dict[str, str]]]]) -> list[tuple[str, str]]:
        return [(u["text"], u["role"]) for u in report["transcript"]["utterances"]]

    other = {"agent": "customer", "customer": "agent", "unsure": "unsure"}
    assert said(after) == [(text, other[role]) for text, role in said(before)]
    assert qingting("report", "verify", "swapped.json", cwd=folder).returncode == 0


def test_the_tables_open_in_a_spreadsheet(batch: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = batch
    raw = (folder / "calls.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf"), "Excel takes UTF-8 only with a byte order mark"
    rows = list(csv.reader(raw.decode("utf-8-sig").splitlines()))
    assert len(rows) == 2
    assert len(rows[0]) == len(rows[1])


def test_the_index_names_good_and_failed(batch: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = batch
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert next(folder.glob("good*.html")).name in index
    assert "empty.mp3" in index


def test_one_call_as_json_on_standard_output(tmp_path: Path) -> None:
    call = shortest(1)
    result = qingting("inspect", call.audio_path, "--format", "json", "--quiet", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["call"]["call_id"] == call.audio_path.stem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["inspect"], "PATH"),
        (["inspect", "absent.wav"], "absent.wav"),
        (["inspect", ".", "--format", "pdf"], "pdf"),
        (["inspect", "x.raw", "--raw", "alaw"], "x.raw"),
        (["inspect", __file__, "--raw", "alaw"], "--raw"),
        (["inspekt"], "inspekt"),
    ],
)
def test_wrong_usage_is_explained(tmp_path: Path, arguments: list[str], named: str) -> None:
    result = qingting(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert named in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["inspect", __file__, "--engine", "nonesuch"], "nonesuch"),
        (["inspect", __file__, "--line-of-business", "nonesuch"], "nonesuch"),
    ],
)
def test_a_wrong_choice_is_explained(tmp_path: Path, arguments: list[str], named: str) -> None:
    result = qingting(*arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert named in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["doctor"], ["analyzers"], ["engines"], ["--help"], ["--version"]])
def test_the_small_commands(tmp_path: Path, arguments: list[str]) -> None:
    result = qingting(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.strip()
