"""Messages to webhooks, phones and chats: really sent, sent again, given up; on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import pytest

from qingting.delivery import signing
from qingting.errors import (
    AccessDeniedError,
    ConflictError,
    ForbiddenAddressError,
    InvalidRequestError,
    NotFoundError,
    StorageUnavailableError,
)
from qingting.model.account import SYSTEM, Actor, Permission, Reach, UserRole
from qingting.model.alert import Alert, AlertState
from qingting.model.delivery import Delivery, DeliveryKind, DeliveryState, Webhook, WebhookEvent
from qingting.model.finding import Level
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobFailure, JobKind, JobState, Priority
from qingting.service import sending, webhooks
from qingting.service.center import Service
from qingting.service.sending import LEASE_MS, PUSH_ATTEMPTS
from qingting.service.webhooks import WebhookChange
from qingting.settings import load_settings
from qingting.storage import alerts, audit, calls, deliveries
from qingting.storage.audit import AuditFilter
from qingting.storage.calls import CallRow
from qingting.storage.database import Database
from qingting.storage.deliveries import DeliveryFilter
from qingting.testing import receiver as receivers
from qingting.testing.receiver import Answer, Received, Receiver

JOB = InspectionJob(
    id="j" * 26,
    kind=JobKind.INSPECT,
    call_id="c",
    state=JobState.DONE,
    priority=Priority.NORMAL,
    created_ms=0,
    batch_id="b",
)


class Clock(Protocol):
    ms: int


@pytest.fixture
def service(service: Service) -> Service:
    """Which may call this machine, and gives up soon."""
    settings = load_settings(
        api={"allowed_hosts": ("127.0.0.1", "localhost")},
        alerts={"webhook_attempts": 3, "webhook_timeout_seconds": 0.5},
    )
    return replace(service, settings=settings)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receivers.receiver() as found:
        yield found


@pytest.fixture
def call(database: Database) -> CallRow:
    with database.write() as connection:
        number = calls.add(
            connection,
            {
                "call_id": "c", "line_of_business": "general", "medium": "voice", "team": "一组", "agent_id": "7",
                "started_ms": 0, "day": 20261130, "hour": 1, "info": {}, "source": "api", "created_ms": 0,
                "state": "queued",
            },
        )  # fmt: skip
        return calls.by_number(connection, number)


def hook(
    service: Service, url: str, *events: WebhookEvent, actor: Actor = SYSTEM, teams: tuple[str, ...] = ()
) -> Webhook:
    wanted = Webhook(
        id="", url=url, secret="", events=events or tuple(WebhookEvent), created_ms=0, created_by="", teams=teams
    )
    return webhooks.create(service, actor, wanted)


def announce(service: Service, call: CallRow, job: InspectionJob = JOB) -> None:
    with service.database.write() as connection:
        webhooks.announce_job(service, connection, job=job, call=call, score=87.5, grade="良好")


def messages(service: Service, **wanted: Any) -> list[Delivery]:
    page = webhooks.list_deliveries(service, SYSTEM, wanted=DeliveryFilter(**wanted), limit=100)
    return list(page.items[::-1])


def work(service: Service) -> int:
    """What a worker does each time it looks; returns the number of attempts."""
    ids = sending.due_deliveries(service, 50)
    for one in ids:
        sending.attempt_delivery(service, one)
    return len(ids)


def verified(got: Received, secret: str, clock: Clock) -> bool:
    return signing.verify(secret, got.headers, got.body, at_seconds=clock.ms / 1000)


def test_a_finished_job_is_told_with_a_signature(
    service: Service, receiver: Receiver, call: CallRow, clock: Clock
) -> None:
    secret = hook(service, receiver.url).secret
    announce(service, call)
    assert work(service) == 1
    (got,) = receiver.received
    assert verified(got, secret, clock)
    (message,) = messages(service)
    assert json.loads(got.body) == {
        "id": message.id,
        "type": "job.done",
        "version": 1,
        "created_at": "2026-09-21T14:13:20.000Z",
        "data": {
            "job_id": JOB.id, "batch_id": "b", "call_id": "c", "team": "一组", "state": "done", "score": 87.5,
            "grade": "良好", "error_code": "", "link": "/api/v1/calls/c/report",
        },
    }  # fmt: skip
    assert got.headers["webhook-id"] == message.id
    assert (message.state, message.attempts, message.last_status) == (DeliveryState.DELIVERED, 1, 204)
    assert message.delivered_ms == clock.ms
    assert work(service) == 0


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.SET_ASIDE, JobState.CANCELLED])
def test_a_job_that_came_to_nothing_is_told_with_its_code_only(
    service: Service, receiver: Receiver, call: CallRow, state: JobState
) -> None:
    hook(service, receiver.url, WebhookEvent.JOB_FAILED)
    failure = JobFailure(code="not_audio", cause="王先生的录音打不开", remedy="再试")
    announce(service, call, replace(JOB, state=state, failure=failure))
    work(service)
    sent = json.loads(receiver.received[0].body)
    assert sent["type"] == "job.failed"
    assert sent["data"] == {
        "job_id": JOB.id, "batch_id": "b", "call_id": "c", "team": "一组", "state": state.value, "score": None,
        "grade": "", "error_code": "not_audio", "link": f"/api/v1/jobs/{JOB.id}",
    }  # fmt: skip
    assert "王先生" not in str(messages(service))


def test_only_those_who_subscribed_are_told(service: Service, receiver: Receiver, call: CallRow) -> None:
    wanted = {hook(service, receiver.url).id, hook(service, receiver.url, teams=("一组", "二组")).id}
    hook(service, receiver.url, WebhookEvent.JOB_FAILED)
    hook(service, receiver.url, teams=("二组",))
    webhooks.change(service, SYSTEM, hook(service, receiver.url).id, WebhookChange(active=False))
    announce(service, call)
    assert {one.target for one in messages(service)} == wanted


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        (500, "status_500", 500),
        (404, "status_404", 404),
        (receivers.hang, "timeout", None),
        (receivers.drip, "timeout", None),
        (receivers.no_http, "protocol", None),
        (receivers.redirect_to("http://169.254.169.254/latest/meta-data"), "status_307", 307),
    ],
)
def test_what_did_not_arrive_is_sent_again_under_the_same_id(
    service: Service, receiver: Receiver, call: CallRow, clock: Clock, answer: Answer, error: str, status: int | None
) -> None:
    secret = hook(service, receiver.url).secret
    receiver.will_answer(answer)
    announce(service, call)
    work(service)
    (message,) = messages(service)
    assert (message.state, message.last_error, message.last_status) == (DeliveryState.PENDING, error, status)
    assert clock.ms + 5000 <= message.due_ms <= clock.ms + 6000
    clock.ms = message.due_ms - 1
    assert work(service) == 0
    clock.ms += 1
    assert work(service) == 1
    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert verified(second, secret, clock)
    (message,) = messages(service)
    assert (message.state, message.attempts, message.last_error) == (DeliveryState.DELIVERED, 2, "")


def test_a_body_without_end_is_no_hindrance(service: Service, receiver: Receiver, call: CallRow) -> None:
    hook(service, receiver.url)
    receiver.will_answer(receivers.flood)
    announce(service, call)
    work(service)
    assert messages(service)[0].state is DeliveryState.DELIVERED


def fail_for_good(service: Service, receiver: Receiver, clock: Clock) -> Delivery:
    receiver.will_answer(500, 500, 500)
    for _ in range(3):
        assert work(service) == 1
        clock.ms += 3600_000
    assert work(service) == 0
    (message,) = messages(service)
    assert (message.state, message.attempts) == (DeliveryState.DEAD, 3)
    return message


def test_a_dead_message_can_be_sent_again_by_hand(
    service: Service, receiver: Receiver, call: CallRow, clock: Clock
) -> None:
    hook(service, receiver.url)
    announce(service, call)
    dead = fail_for_good(service, receiver, clock)
    assert messages(service, state="dead") == [dead]
    assert webhooks.redeliver(service, SYSTEM, dead.id).state is DeliveryState.PENDING
    with pytest.raises(ConflictError):
        webhooks.redeliver(service, SYSTEM, dead.id)
    work(service)
    assert [one.headers["webhook-id"] for one in receiver.received] == [dead.id] * 4
    again = webhooks.redeliver(service, SYSTEM, dead.id)  # also one that arrived: the receiver may have lost it
    assert (again.id, again.body) == (dead.id, dead.body)
    work(service)
    assert len(receiver.received) == 5


def test_a_receiver_that_is_gone_is_asked_no_more(
    service: Service, receiver: Receiver, call: CallRow, clock: Clock
) -> None:
    gone = hook(service, receiver.url)
    receiver.will_answer(500, 410)
    announce(service, call)
    work(service)
    announce(service, call)
    work(service)
    assert webhooks.get(service, SYSTEM, gone.id).active is False
    assert [(one.state, one.last_error) for one in messages(service)] == [(DeliveryState.DEAD, "gone")] * 2
    announce(service, call)
    clock.ms += 3600_000
    assert work(service) == 0
    assert len(receiver.received) == 2
    with service.database.read() as connection:
        kept = audit.page(connection, wanted=AuditFilter(action="webhook.changed"), limit=10).items
    assert [(one.actor_id, one.object_id) for one in kept] == [("system", gone.id)]
    with pytest.raises(ConflictError):
        webhooks.ping(service, SYSTEM, gone.id)
    webhooks.change(service, SYSTEM, gone.id, WebhookChange(active=True))
    webhooks.ping(service, SYSTEM, gone.id)
    work(service)
    assert len(receiver.received) == 3


def test_a_worker_that_dies_between_sending_and_noting_sends_again_with_the_same_id(
    service: Service, receiver: Receiver, call: CallRow, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(service, receiver.url)
    announce(service, call)

    def die(*_: object, **__: object) -> bool:
        raise StorageUnavailableError("The power went.")

    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "settle", die)
        with pytest.raises(StorageUnavailableError):
            work(service)
    assert len(receiver.received) == 1
    assert work(service) == 0  # until its lease ends, the worker might still be at it
    clock.ms += LEASE_MS + 1000
    assert work(service) == 1
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert len(receiver.received) == 2
    assert messages(service)[0].state is DeliveryState.DELIVERED


def test_a_message_that_takes_its_workers_down_is_set_aside(
    service: Service, receiver: Receiver, call: CallRow, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(service, receiver.url)
    announce(service, call)

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_post", die)
        for _ in range(3):
            with pytest.raises(Killed):
                work(service)
            clock.ms += LEASE_MS + 1000
        assert work(service) == 1
    (message,) = messages(service)
    assert (message.state, message.last_error) == (DeliveryState.DEAD, "lost")


def test_two_workers_do_not_send_the_same_message(service: Service, receiver: Receiver, call: CallRow) -> None:
    hook(service, receiver.url)
    for _ in range(10):
        announce(service, call)
    ids = sending.due_deliveries(service, 50)
    assert len(ids) == 10
    assert sending.due_deliveries(service, 50) == []

    def attempt_all() -> None:
        for one in ids:
            sending.attempt_delivery(service, one)

    threads = [threading.Thread(target=attempt_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.headers["webhook-id"] for one in receiver.received) == sorted(ids)


@pytest.mark.parametrize("url", ["http://10.1.2.3/x", "http://[::1]/x", "http://169.254.169.254/", "ftp://a.com/x"])
def test_private_addresses_are_refused(service: Service, receiver: Receiver, url: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        hook(service, url)
    made = hook(service, receiver.url)
    with pytest.raises(ForbiddenAddressError):
        webhooks.change(service, SYSTEM, made.id, WebhookChange(url=url))


def test_an_address_is_looked_at_again_before_each_attempt(
    service: Service, receiver: Receiver, call: CallRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was allowed may be forbidden by now: another setting here, another answer of the name server elsewhere."""
    hook(service, receiver.url)
    announce(service, call)
    strict = replace(service, settings=load_settings(alerts={"webhook_attempts": 3}))
    work(strict)
    assert receiver.received == []
    (message,) = messages(service)
    assert (message.state, message.last_error) == (DeliveryState.PENDING, "forbidden_address")


def test_an_unknown_host_is_named_at_once(service: Service) -> None:
    with pytest.raises(InvalidRequestError):
        hook(service, "https://nobody.invalid/hook")


def test_the_secret_can_be_changed(service: Service, receiver: Receiver, call: CallRow, clock: Clock) -> None:
    old = hook(service, receiver.url)
    announce(service, call)
    new = webhooks.rotate_secret(service, SYSTEM, old.id)
    assert new == replace(old, secret=new.secret)
    work(service)
    assert verified(receiver.received[0], new.secret, clock)
    assert not verified(receiver.received[0], old.secret, clock)


def test_a_deleted_webhook_takes_its_messages_with_it(service: Service, receiver: Receiver, call: CallRow) -> None:
    made = hook(service, receiver.url)
    announce(service, call)
    ids = sending.due_deliveries(service, 10)
    webhooks.remove(service, SYSTEM, made.id)
    sending.attempt_delivery(service, ids[0])
    assert (messages(service), receiver.received) == ([], [])
    for action in (webhooks.get, webhooks.remove, webhooks.ping, webhooks.rotate_secret):
        with pytest.raises(NotFoundError):
            action(service, SYSTEM, made.id)


def key(*teams: str) -> Actor:
    return Actor(
        id="key",
        name="crm",
        role=UserRole.INTEGRATOR,
        permissions=frozenset({Permission.WEBHOOKS_MANAGE}),
        reach=Reach(teams=teams),
        is_key=True,
    )


def test_a_key_of_some_teams_subscribes_to_those_only(service: Service, receiver: Receiver, call: CallRow) -> None:
    for teams in [(), ("二组",), ("一组", "二组")]:
        with pytest.raises(AccessDeniedError):
            hook(service, receiver.url, actor=key("一组"), teams=teams)
    own = hook(service, receiver.url, actor=key("一组"), teams=("一组",))
    other = hook(service, receiver.url)
    with pytest.raises(AccessDeniedError):
        webhooks.change(service, key("一组"), own.id, WebhookChange(teams=()))
    announce(service, call)
    add_push(service, call, "dingtalk://secret")
    assert webhooks.list_all(service, key("一组")) == [own]
    with pytest.raises(NotFoundError):
        webhooks.change(service, key("一组"), other.id, WebhookChange(active=False))

    def seen(actor: Actor, *targets: str) -> set[str]:
        wanted = DeliveryFilter(targets=targets or None)
        return {one.target for one in webhooks.list_deliveries(service, actor, wanted=wanted, limit=10).items}

    assert seen(SYSTEM) == {own.id, other.id, "dingtalk://secret"}
    assert seen(key("一组")) == {own.id}
    assert seen(key("一组"), other.id, "dingtalk://secret") == set()
    for one in messages(service):
        if one.target == own.id:
            assert webhooks.get_delivery(service, key("一组"), one.id) == one
        else:
            with pytest.raises(NotFoundError):
                webhooks.get_delivery(service, key("一组"), one.id)
            with pytest.raises(NotFoundError):
                webhooks.redeliver(service, key("一组"), one.id)


def add_push(service: Service, call: CallRow, url: str, **changes: Any) -> Alert:
    alert = Alert(
        id=new_id(), at_ms=0, level=Level.SERIOUS, policy_id="p", policy_name="严重", call_id=call.call_id,
        finding_id=new_id(), rule_id="compliance.absolute_promise", title="绝对化承诺", team=call.team,
        agent_id=call.agent_id, start_ms=192_000,
    )  # fmt: skip
    body = {"alert_id": alert.id, "escalated": False, "quotes": False, **changes}
    now = service.clock()
    message = Delivery(
        id=new_id(), kind=DeliveryKind.PUSH, target=url, event="alert.raised", body=body, created_ms=now, due_ms=now
    )
    with service.database.write() as connection:
        alerts.add(connection, alert, call=call.id)
        deliveries.add(connection, [message])
    return alert


def test_a_push_is_sent_in_chinese(service: Service, receiver: Receiver, call: CallRow) -> None:
    add_push(service, call, f"json://127.0.0.1:{receiver.port}/")
    work(service)
    sent = json.loads(receiver.received[0].body)
    assert (sent["title"], sent["message"]) == ("【严重】绝对化承诺", "一组 · 坐席7 · 通话 c · 03:12")
    assert messages(service)[0].state is DeliveryState.DELIVERED


def test_a_push_quotes_only_what_is_still_kept(service: Service, receiver: Receiver, call: CallRow) -> None:
    """Here no report is: retention may have taken it before the push was due."""
    add_push(service, call, f"json://127.0.0.1:{receiver.port}/", quotes=True)
    work(service)
    assert "原话" not in json.loads(receiver.received[0].body)["message"]


def test_a_push_of_a_handled_alert_is_not_sent(service: Service, receiver: Receiver, call: CallRow) -> None:
    """Nobody is woken at the end of quiet hours by what the night shift has dealt with."""
    for state in (AlertState.ACKNOWLEDGED, AlertState.CLOSED):
        alert = add_push(service, call, f"json://127.0.0.1:{receiver.port}/")
        with service.database.write() as connection:
            alerts.change(connection, alert.id, state=state.value)
    work(service)
    assert receiver.received == []
    assert {(one.state, one.last_error) for one in messages(service)} == {(DeliveryState.DEAD, "handled")}


def test_a_push_of_a_deleted_call_is_not_sent(service: Service, receiver: Receiver, call: CallRow) -> None:
    add_push(service, call, f"json://127.0.0.1:{receiver.port}/")
    with service.database.write() as connection:
        calls.remove(connection, call.id)
    work(service)
    assert receiver.received == []
    assert messages(service)[0].last_error == "deleted"


def test_a_push_is_given_up_sooner_than_a_webhook(
    service: Service, receiver: Receiver, call: CallRow, clock: Clock
) -> None:
    patient = replace(service, settings=load_settings(alerts={"webhook_attempts": 12}))
    receiver.will_answer(*[500] * 12)
    add_push(patient, call, f"json://127.0.0.1:{receiver.port}/")
    for _ in range(12):
        work(patient)
        clock.ms += 24 * 3600_000
    assert len(receiver.received) == PUSH_ATTEMPTS
    assert messages(service)[0].state is DeliveryState.DEAD
