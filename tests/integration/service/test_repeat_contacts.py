"""A worker knows a customer's earlier contacts: those that its own database holds."""

from __future__ import annotations

import json
from pathlib import Path

from qingting.bootstrap import open_inspector
from qingting.inspector import read_conversation
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo
from qingting.service import archive
from qingting.service.center import Service
from qingting.service.contacts import StoredContacts
from qingting.service.intake import Submission, submit

CHAT = [
    {"role": "customer", "text": "你好，我的快递一直没收到。"},
    {"role": "agent", "text": "您好，请您耐心等待，我们会反馈。"},
    {"role": "customer", "text": "那好吧。"},
]


def test_the_second_call_about_the_same_matter_is_a_repeat(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(CHAT, ensure_ascii=False), encoding="utf-8")
    told = []
    with open_inspector(service.settings, text_only=True, history=StoredContacts(service.database)) as inspector:
        for day in (1, 3):
            call = CallInfo(
                call_id=f"call-{day}",
                line_of_business="ecommerce",
                customer_reference="K1",
                started_at=f"2026-11-0{day}T10:00:00+08:00",
            )
            job = submit(service, SYSTEM, Submission(call=call, file=file)).job
            heard = read_conversation(file, call)
            report = inspector.judge(heard)
            assert archive.store_report(service, job.id, heard, report)
            told.append({finding.facts.get("source") for finding in report.findings})
    assert "history" not in told[0]
    assert "history" in told[1]
