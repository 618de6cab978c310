"""Yesterday's reports tell today's inspection that the customer calls again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qingting.bootstrap import contact_history, plans
from qingting.errors import SettingsError
from qingting.inspector import certain_roles, judge
from qingting.model.report import Report
from qingting.report.formats.json import dump
from qingting.settings import load_settings
from qingting.testing import SampleCall, sample_calls


def sample() -> SampleCall:
    """A call whose customer has a problem."""
    return next(one for one in sample_calls() if one.id == "angry_escalation")


def report(call_id: str, started_at: str, **settings: object) -> Report:
    one = sample()
    call = replace(one.script.call_info(), call_id=call_id, started_at=started_at, customer_reference="K1")
    transcript = one.transcript()
    plan = plans(load_settings(**settings))(call.line_of_business)
    return judge(call=call, roles=certain_roles(transcript), transcript=transcript, plan=plan)


def repeats(report: Report) -> list[str]:
    return [str(one.facts["source"]) for one in report.findings if one.rule_id == "resolution.repeat_contact"]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "may").mkdir(parents=True)
    earlier = report("first", "2024-05-06T10:00:00+08:00")
    (folder / "may" / "first.json").write_text(dump(earlier), encoding="utf-8")
    (folder / "index.json").write_text("[]", encoding="utf-8")
    (folder / "broken.json").write_bytes(b"\xff{")
    return folder


def test_the_reports_of_earlier_calls_are_the_memory(reports: Path) -> None:
    assert repeats(report("second", "2024-05-08T10:00:00+08:00", history_folder=reports)) == ["history"]


def test_without_a_memory_nothing_is_known_of_it(reports: Path) -> None:
    assert "history" not in repeats(report("second", "2024-05-08T10:00:00+08:00"))
    assert "history" not in repeats(report("second", "2024-06-08T10:00:00+08:00", history_folder=reports))


def test_a_wrong_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="history_folder"):
        contact_history(load_settings(history_folder=tmp_path / "missing"))
