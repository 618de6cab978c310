"""Pushes of a stored report: without words of the call unless the policy allows, and then masked."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from qingting.bootstrap import plans
from qingting.inspector import Heard, certain_roles, judge
from qingting.model.alert import AlertPolicy, Channel, Recipients
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Level
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobKind, JobState, Priority
from qingting.model.transcript import EngineIdentity, Transcript, Utterance
from qingting.service import archive, sending
from qingting.service.center import Service
from qingting.service.documents import call_to_plain
from qingting.storage import alert_policies, calls, jobs, reports
from qingting.testing import receiver as receivers
from qingting.testing.receiver import Receiver

LINES = (
    (Role.AGENT, "您好，请问有什么可以帮您？"),
    (Role.CUSTOMER, "我的手机13812345678被扣费了。"),
    (Role.AGENT, "13812345678这个号关我什么事，你有完没完。"),
)
INFO = CallInfo(call_id="c", agent_id="7", team="一组")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receivers.receiver() as found:
        yield found


def store(service: Service) -> None:
    """As a worker does after analysing."""
    utterances = tuple(
        Utterance(
            index=n, party=role.value, role=role, role_confidence=1.0, start_ms=n * 3000, end_ms=n * 3000 + 2500,
            text=text,
        )
        for n, (role, text) in enumerate(LINES)
    )  # fmt: skip
    transcript = Transcript(
        utterances=utterances, engine=EngineIdentity(name="text", model="", revision=""), duration_ms=9000
    )
    roles = certain_roles(transcript)
    report = judge(call=INFO, roles=roles, transcript=transcript, plan=plans(service.settings)("general"))
    job = InspectionJob(
        id=new_id(), kind=JobKind.INSPECT, call_id="c", state=JobState.RUNNING, priority=Priority.NORMAL, created_ms=0
    )
    with service.database.write() as connection:
        number = calls.add(
            connection,
            {
                "call_id": "c", "line_of_business": "general", "medium": "voice", "team": "一组", "agent_id": "7",
                "started_ms": 0, "day": 20261130, "hour": 1, "info": call_to_plain(INFO), "source": "api",
                "created_ms": 0, "state": "queued",
            },
        )  # fmt: skip
        jobs.add(connection, job, call=number, recording_id=None)
    heard = Heard(call=INFO, recording=None, roles=roles, transcript=transcript)
    assert archive.store_report(service, job.id, heard, report)


def pushed(service: Service, receiver: Receiver, *, words: bool, forget: bool = False) -> str:
    address = f"json://127.0.0.1:{receiver.port}/"
    policy = AlertPolicy(
        id="p",
        name="禁语",
        level=Level.SERIOUS,
        rules=("compliance.forbidden_words",),
        recipients=Recipients(channels=(Channel.PUSH,), push_urls=(address,)),
        words_in_push=words,
    )
    with service.database.write() as connection:
        alert_policies.add(connection, policy, at_ms=0)
    store(service)
    if forget:
        with service.database.write() as connection:
            connection.execute(reports.reports.delete())
    for one in sending.due_deliveries(service, 10):
        sending.attempt_delivery(service, one)
    (got,) = receiver.received
    message: str = json.loads(got.body)["message"]
    return message


def test_a_push_quotes_nothing(service: Service, receiver: Receiver) -> None:
    assert pushed(service, receiver, words=False) == "一组 · 坐席7 · 通话 c · 00:06"


def test_an_allowed_quote_is_masked(service: Service, receiver: Receiver) -> None:
    message = pushed(service, receiver, words=True)
    assert "原话：“" in message
    assert "关我什么事" in message
    assert "13812345678" not in message
    assert "12345" not in message


def test_what_retention_took_is_not_quoted(service: Service, receiver: Receiver) -> None:
    assert pushed(service, receiver, words=True, forget=True) == "一组 · 坐席7 · 通话 c · 00:06"


def test_words_of_the_call_stand_in_no_message(service: Service, receiver: Receiver) -> None:
    pushed(service, receiver, words=True)
    with service.database.read() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM deliveries").all())
        stored += str(connection.exec_driver_sql("SELECT * FROM alerts").all())
        stored += str(connection.exec_driver_sql("SELECT * FROM events").all())
    assert "关我什么事" not in stored
