"""The receiver of docs/how-to/webhooks.md checks signatures and leaves repeated messages alone."""

from __future__ import annotations

import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qingting.delivery import signing, webhook
from qingting.errors import DeliveryError
from qingting.model.delivery import WebhookEvent
from qingting.service.alert_policies import DEFAULT_POLICIES

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGE = (HOW_TO / "webhooks.md").read_text(encoding="utf-8")
SECRET = signing.new_secret()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


@pytest.fixture
def program(port: int) -> Iterator[subprocess.Popen[bytes]]:
    (text,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    with subprocess.Popen(
        [sys.executable, "-c", text, str(port)],
        env={"WEBHOOK_SECRET": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as running:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield running
        finally:
            running.kill()


def send(port: int, message_id: str, *, secret: str = SECRET, age_seconds: int = 0) -> int:
    body = json.dumps({"type": "job.done"}).encode()
    at = int(time.time()) - age_seconds
    headers = signing.headers(secret, message_id=message_id, body=body, at_seconds=at)
    return webhook.post(
        f"http://127.0.0.1:{port}/", address="127.0.0.1", headers=headers, body=body, timeout_seconds=30
    )


def test_the_receiver_works(program: subprocess.Popen[bytes], port: int) -> None:
    assert send(port, "a") == 204
    assert send(port, "a") == 204
    for message_id, more in [("b", {"secret": signing.new_secret()}), ("c", {"age_seconds": 400})]:
        with pytest.raises(DeliveryError) as caught:
            send(port, message_id, **more)  # type: ignore[arg-type]
        assert caught.value.status == 401
    assert send(port, "d") == 204
    assert program.stdout is not None
    lines = [program.stdout.readline(), program.stdout.readline()]
    assert lines == [b"job.done\n"] * 2
    assert select.select([program.stdout], [], [], 0)[0] == []


def test_the_page_names_every_event() -> None:
    assert set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", PAGE, re.MULTILINE)) == {event.value for event in WebhookEvent}


def test_the_page_on_alerts_names_every_default_policy() -> None:
    page = (HOW_TO / "alerts.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (.级：\S+) \| (\d) \|", page, re.MULTILINE)
    assert shown == [(policy.name, str(int(policy.level))) for policy in DEFAULT_POLICIES]
