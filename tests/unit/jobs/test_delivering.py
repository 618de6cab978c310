"""Messages are sent a few at a time, and trouble with one or with the database stops nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from qingting.errors import StorageUnavailableError
from qingting.jobs import delivering
from qingting.jobs.delivering import Deliverer
from qingting.service import sending
from qingting.service.center import Service
from qingting.settings import load_settings
from qingting.storage.database import Database
from qingting.storage.recording_store import RecordingStore
from qingting.testing.installation import wait_until


class Outbox:
    """Stands for due messages and what becomes of them."""

    def __init__(self) -> None:
        self.due: list[str] = []
        self.sent: list[str] = []
        self.asked: list[int] = []
        self.under_way = 0
        self.most = 0
        self.go = threading.Event()
        self.trouble: list[Exception] = []
        self.lock = threading.Lock()

    def take(self, _: Service, limit: int) -> list[str]:
        with self.lock:
            self.asked.append(limit)
            if self.trouble:
                raise self.trouble.pop()
            taken, self.due = self.due[:limit], self.due[limit:]
            return taken

    def attempt(self, _: Service, delivery_id: str) -> None:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        self.go.wait(20)
        with self.lock:
            self.under_way -= 1
            self.sent.append(delivery_id)
        if delivery_id.startswith("bad"):
            raise ValueError("王小明的电话是13812345678")
        if delivery_id.startswith("lost"):
            raise StorageUnavailableError("away")


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> Outbox:
    box = Outbox()
    monkeypatch.setattr(sending, "due_deliveries", box.take)
    monkeypatch.setattr(sending, "attempt_delivery", box.attempt)
    monkeypatch.setattr(delivering, "_TROUBLE_PAUSE_SECONDS", 0.01)
    return box


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    database = Database.open(f"sqlite:///{tmp_path / 'q.sqlite'}")
    store = RecordingStore.open((tmp_path / "r").as_uri())
    yield Service(settings=load_settings(jobs={"poll_seconds": 0.01}), database=database, recordings=store)
    database.close()


def test_no_more_are_taken_than_can_be_tried_at_once(service: Service, outbox: Outbox) -> None:
    outbox.due = [f"m{number}" for number in range(30)]
    with Deliverer(service, threading.Event()):
        wait_until(lambda: outbox.under_way == 8)
        assert len(outbox.due) == 22
        outbox.go.set()
        wait_until(lambda: len(outbox.sent) == 30)
    assert outbox.most == 8
    assert max(outbox.asked) == 8


def test_trouble_stops_nothing_and_tells_no_words(
    service: Service, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.go.set()
    outbox.trouble = [ValueError("王小明"), StorageUnavailableError("away")]
    outbox.due = [f"{kind}{number}" for kind in ("bad", "lost", "good") for number in range(10)]
    with caplog.at_level(logging.WARNING, logger="qingting.jobs"), Deliverer(service, threading.Event()):
        wait_until(lambda: len(outbox.sent) == 30)
    assert outbox.asked.count(8) > 2, "every place is free again"
    assert "unexpected ValueError while sending" in caplog.text
    assert "王" not in caplog.text


def test_at_its_end_it_waits_for_attempts_under_way_and_takes_no_more(service: Service, outbox: Outbox) -> None:
    outbox.due = ["m1"]
    with Deliverer(service, threading.Event()):
        wait_until(lambda: outbox.under_way == 1)
        threading.Timer(0.1, outbox.go.set).start()
    assert outbox.sent == ["m1"]
    outbox.due = ["m2"]
    assert outbox.under_way == 0
