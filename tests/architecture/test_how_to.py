"""The how-to pages' examples do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qingting.bootstrap import plans
from qingting.inspector import certain_roles, judge
from qingting.model.call import CallInfo, Role
from qingting.model.report import Report
from qingting.model.transcript import EngineIdentity, Transcript, Utterance
from qingting.settings import load_settings

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-pack.md"
BLOCK = re.compile(r"^```yaml (pack|card)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        target = tmp_path / f"{kind}s"
        target.mkdir()
        (target / "travel.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def report_of(folder: Path, *lines: tuple[Role, str]) -> Report:
    utterances = tuple(
        Utterance(
            index=n,
            party="left" if role is Role.AGENT else "right",
            role=role,
            role_confidence=1.0,
            start_ms=n * 3000,
            end_ms=n * 3000 + 2500,
            text=text,
        )
        for n, (role, text) in enumerate(lines)
    )
    engine = EngineIdentity(name="text", model="", revision="")
    transcript = Transcript(utterances=utterances, engine=engine, duration_ms=len(lines) * 3000)
    settings = load_settings(pack_folder=folder / "packs", card_folder=folder / "cards")
    call = CallInfo(call_id="x", line_of_business="travel")
    return judge(call=call, roles=certain_roles(transcript), transcript=transcript, plan=plans(settings)("travel"))


A, C = Role.AGENT, Role.CUSTOMER
OPENING = (A, "您好，很高兴为您服务，本次通话将被录音，请问有什么可以帮您？")
CLOSING = (A, "感谢您的来电，祝您生活愉快，再见。")


def test_the_pack_and_the_card_work_together(folder: Path) -> None:
    report = report_of(folder, OPENING, (C, "我想改签明天的航班。"), (A, "可以，应该会飞。"), CLOSING)
    faults = {finding.rule_id: finding.points for finding in report.findings if finding.points}
    assert faults == {"compliance.rebooking_fee": -8.0, "compliance.no_guess": -10.0}
    assert (report.score.total, report.score.grade, report.score.card) == (82.0, "合格", "travel")
    assert report.provenance.pack == "travel@1"


def test_what_was_said_or_removed_costs_nothing(folder: Path) -> None:
    report = report_of(folder, OPENING, (C, "我想改签明天的航班。"), (A, "好的，改签手续费是50元。"), CLOSING)
    assert report.score.total == 100.0
    assert not [f for f in report.findings if f.rule_id == "compliance.further_help"]
