"""A backup made while calls come in, restored elsewhere: nothing accepted is lost, every report still verifies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qingting.client import QingtingClient
from qingting.report.formats import json as report_json
from qingting.report.verify import verify
from qingting.testing import sample_calls
from qingting.testing.service_process import service_process

pytestmark = pytest.mark.timeout(600)

BEFORE, DURING = 4, 60
"""Calls whose reports are there when the backup begins, and calls sent meanwhile."""


def conversation(folder: Path, number: int) -> Path:
    path = folder / f"chat-{number}.json"
    said = [
        {"role": "agent", "time": 1, "text": "您好，请问有什么可以帮您？"},
        {"role": "customer", "time": 9, "text": f"第{number}单我要退款。"},
        {"role": "agent", "time": 19, "text": "好的，退款三天到账，感谢您的来电，再见。"},
    ]
    path.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    return path


def restored(folder: Path, backup: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "qingting", "storage", "restore", str(backup)],
        cwd=folder,
        env={**os.environ, "QINGTING_STORAGE__FOLDER": str(folder / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_backup_under_load_is_whole(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    sample = min(sample_calls(), key=lambda one: one.script.duration_ms)
    stop = threading.Event()
    sent: list[str] = []

    with service_process(old) as service, QingtingClient(service.url, service.new_key("integrator")) as client:
        client.inspect(sample.audio_path, call={"call_id": "sound"})
        for number in range(BEFORE):
            client.inspect(conversation(old, number), call={"call_id": f"chat-{number}"})

        def load() -> None:
            for number in range(BEFORE, BEFORE + DURING):
                if stop.is_set():
                    return
                client.submit(conversation(old, number), call={"call_id": f"chat-{number}"})
                sent.append(f"chat-{number}")

        thread = threading.Thread(target=load)
        thread.start()
        try:
            said = service.command("storage", "backup", str(tmp_path / "backup"))
        finally:
            stop.set()
            thread.join()
    assert "0 recordings were not there" in said
    restored(new, tmp_path / "backup")
    with service_process(new) as again, QingtingClient(again.url, again.new_key("inspector")) as inspector:
        check_all(inspector, sent)
        assert "database sound" in again.command("storage", "check")


def check_all(inspector: QingtingClient, sent: list[str]) -> None:
    """Every call of the copy has its report in the end, and reports are whole."""
    found = {str(call["call_id"]) for call in inspector.calls()}
    assert {"sound", *(f"chat-{number}" for number in range(BEFORE))} <= found
    assert found <= {"sound", *(f"chat-{number}" for number in range(BEFORE)), *sent}
    deadline = time.monotonic() + 300
    while any(call["state"] == "queued" for call in inspector.calls()):
        assert time.monotonic() < deadline, "what was waiting when the backup was made is not worked on"
        time.sleep(0.5)
    for call_id in found:
        inspection = inspector.report(call_id, reveal=True)
        assert (inspection.state, inspection.masked) == ("done", False)
        assert inspection.report is not None
        assert verify(report_json.load(json.dumps(inspection.report).encode())) == []
