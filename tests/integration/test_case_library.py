"""Reviewed findings: from `report review` into the reports of other calls, and into a backtest's labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qingting.bootstrap import case_library, plans
from qingting.cli import app
from qingting.errors import InputError
from qingting.inspector import certain_roles, judge
from qingting.model.report import Likeness, Report
from qingting.report.formats.html import render_html
from qingting.report.formats.json import dump, load
from qingting.report.verify import verify
from qingting.settings import load_settings
from qingting.testing import sample_call

FINDING = "compliance.forbidden_words#1"


def report_of(call_id: str, library: Path | None = None) -> Report:
    sample = sample_call(call_id)
    call, transcript = sample.script.call_info(), sample.transcript()
    plan = plans(load_settings(case_library=library))(call.line_of_business)
    return judge(call=call, roles=certain_roles(transcript), transcript=transcript, plan=plan)


def review(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["report", "review", *map(str, arguments)])


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "calls" / "rude_agent.json"
    path.parent.mkdir()
    path.write_text(dump(report_of("rude_agent")), encoding="utf-8")
    return path


def test_a_reviewed_finding_shows_beside_its_like_in_another_call(stored: Path, tmp_path: Path) -> None:
    library = tmp_path / "cases.jsonl"
    before = stored.read_bytes()
    options = ("--library", library, "--handling", "一对一辅导并回访客户")
    result = review(stored, FINDING, "--verdict", "confirmed", *options)
    assert result.exit_code == 0, result.output
    assert stored.read_bytes() == before

    report = report_of("agent_interrupts", library)
    (similar,) = report.similar_cases
    assert (similar.finding, similar.call_id, similar.handling) == (FINDING, "rude_agent", "一对一辅导并回访客户")
    assert similar.likeness in (Likeness.MEANING, Likeness.CHARACTERS)
    assert verify(report) == []
    assert load(dump(report)) == report
    assert "一对一辅导并回访客户" in render_html(report)

    own = report_of("rude_agent", library)
    assert own.findings == load(before.decode()).findings
    assert own.similar_cases == ()


def test_the_library_is_a_label_file(stored: Path, tmp_path: Path) -> None:
    library = tmp_path / "cases.jsonl"
    for verdict in ("rejected", "confirmed"):
        review(stored, FINDING, "--verdict", verdict, "--library", library)
    review(stored, "keywords.negative#1", "--verdict", "rejected", "--library", library)
    arguments = ["--pack", "ecommerce", "ecommerce", "--calls", stored.parent, "--labels", library, "--json"]
    result = CliRunner().invoke(app, ["rules", "backtest", *map(str, arguments)])
    figures = json.loads(result.stdout)["labels"]
    assert figures["given"] == 2
    assert (figures["quality"]["new"]["true_found"], figures["quality"]["new"]["false_found"]) == (1, 1)


def test_the_setting_names_the_library(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QINGTING_CASE_LIBRARY", str(tmp_path / "own.jsonl"))
    assert review(stored, FINDING, "--verdict", "rejected").exit_code == 0
    assert (tmp_path / "own.jsonl").is_file()


def test_what_cannot_be_reviewed(stored: Path, tmp_path: Path) -> None:
    assert review(stored, FINDING, "--verdict", "rejected").exit_code == 2
    unknown = review(stored, "nothing#1", "--verdict", "rejected", "--library", tmp_path / "c.jsonl")
    assert isinstance(unknown.exception, InputError)
    assert not (tmp_path / "c.jsonl").exists()
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{", encoding="utf-8")
    assert isinstance(review(stored, FINDING, "--verdict", "rejected", "--library", broken).exception, InputError)
    assert broken.read_text(encoding="utf-8") == "{"


def test_a_broken_library_stops_before_the_first_call(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="line 1"):
        plans(load_settings(case_library=broken))
    assert case_library(load_settings()) is None
