"""Alerts from a report until somebody has handled them, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pytest

from qingting.bootstrap import plans
from qingting.delivery import push
from qingting.errors import ConflictError, NotFoundError
from qingting.inspector import certain_roles, judge
from qingting.model.account import SYSTEM, Actor, Permission, Reach, User, UserRole
from qingting.model.alert import Alert, AlertPolicy, AlertState, Channel, Recipients
from qingting.model.delivery import Delivery, Webhook, WebhookEvent
from qingting.model.event import ServiceEvent
from qingting.model.finding import Level
from qingting.model.ids import new_id
from qingting.model.report import Report
from qingting.service import alert_policies, alerting
from qingting.service.alert_policies import DEFAULT_POLICIES
from qingting.service.center import Service
from qingting.settings import Settings
from qingting.storage import alert_policies as stored_policies
from qingting.storage import audit, calls, deliveries, events, users
from qingting.storage import webhooks as stored_webhooks
from qingting.storage.alerts import AlertFilter
from qingting.storage.audit import AuditFilter
from qingting.storage.calls import CallRow
from qingting.storage.deliveries import DeliveryFilter
from qingting.testing.samples import sample_calls

SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE_MS = 60_000
EVERYWHERE = (Channel.IN_APP, Channel.WEBHOOK, Channel.PUSH)
POLICY = AlertPolicy(
    id="p",
    name="禁语",
    level=Level.SERIOUS,
    rules=("compliance.forbidden_words",),
    min_confidence=0.0,
    recipients=Recipients(channels=EVERYWHERE, push_urls=("dingtalk://group",)),
)


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


class Clock(Protocol):
    ms: int


@pytest.fixture(autouse=True)
def noon(clock: Clock) -> None:
    clock.ms = at("2026-11-30T12:00")


@pytest.fixture(scope="module")
def reports() -> list[Report]:
    """Of all bundled calls, as a perfect engine heard them."""
    plan_for = plans(Settings())
    found = []
    for sample in sample_calls():
        transcript = sample.transcript()
        info = sample.script.call_info()
        plan = plan_for(info.line_of_business)
        found.append(judge(call=info, roles=certain_roles(transcript), transcript=transcript, plan=plan))
    return found


@pytest.fixture(scope="module")
def report(reports: list[Report]) -> Report:
    """With one forbidden word."""
    found = [one for one in reports if any(f.rule_id == "compliance.forbidden_words" for f in one.findings)]
    return found[0]


def add_policies(service: Service, *policies: AlertPolicy) -> None:
    with service.database.write() as connection:
        for one in policies:
            stored_policies.add(connection, one, at_ms=0)


def add_call(service: Service, call_id: str, *, team: str = "一组", agent_id: str = "7") -> CallRow:
    with service.database.write() as connection:
        number = calls.add(
            connection,
            {
                "call_id": call_id, "line_of_business": "general", "medium": "voice", "team": team,
                "agent_id": agent_id, "started_ms": 0, "day": 20261130, "hour": 1, "info": {}, "source": "api",
                "created_ms": 0, "state": "queued",
            },
        )  # fmt: skip
        return calls.by_number(connection, number)


def add_hook(service: Service, *wanted: WebhookEvent) -> str:
    hook = Webhook(
        id=new_id(), url="https://x.example.com", secret="whsec_AAAA", events=wanted, created_ms=0, created_by=""
    )
    with service.database.write() as connection:
        stored_webhooks.add(connection, hook)
    return hook.id


def add_user(service: Service, name: str, **fields: Any) -> None:
    plain = User(
        id=new_id(), name=name, display_name=name, role=UserRole.SUPERVISOR, created_ms=0, teams=("一组",),
        contact=(f"bark://{name}",),
    )  # fmt: skip
    with service.database.write() as connection:
        users.add(connection, replace(plain, **fields))


def tell(service: Service, call: CallRow, report: Report) -> None:
    with service.database.write() as connection:
        alerting.raise_alerts(service, connection, job_id="job", call=call, report=report)


def alerts_of(service: Service, actor: Actor = SYSTEM, **wanted: Any) -> tuple[Alert, ...]:
    return alerting.list_alerts(service, actor, wanted=AlertFilter(**wanted), limit=200).items


def messages(service: Service, kind: str = "") -> tuple[Delivery, ...]:
    """In the order in which they were made."""
    with service.database.read() as connection:
        return deliveries.page(connection, wanted=DeliveryFilter(kind=kind), limit=1000).items[::-1]


def log(service: Service) -> Sequence[ServiceEvent]:
    with service.database.read() as connection:
        return events.after(connection, 0)


def targets(service: Service) -> list[str]:
    return sorted(one.target for one in messages(service, "push"))


def test_a_finding_becomes_alert_event_and_messages(service: Service, report: Report, clock: Clock) -> None:
    add_policies(service, POLICY)
    hook = add_hook(service, WebhookEvent.ALERT_RAISED)
    add_user(service, "wang")
    tell(service, add_call(service, "通话/1"), report)
    (alert,) = alerts_of(service)
    finding = min((f for f in report.findings if f.rule_id == alert.rule_id), key=lambda f: f.evidence[0].start_ms)
    assert alert == Alert(
        id=alert.id,
        at_ms=clock.ms,
        level=Level.SERIOUS,
        policy_id="p",
        policy_name="禁语",
        call_id="通话/1",
        finding_id=finding.id,
        rule_id="compliance.forbidden_words",
        title=finding.title,
        team="一组",
        agent_id="7",
        start_ms=finding.evidence[0].start_ms,
    )
    (event,) = log(service)
    assert (event.name, event.job_id, event.call_id, event.team) == ("alert.raised", "job", "通话/1", "一组")
    assert event.data["alert_id"] == alert.id
    assert event.data["in_app"] is True
    (message,) = messages(service, "webhook")
    assert (message.target, message.event, message.due_ms) == (hook, "alert.raised", clock.ms)
    assert message.body["id"] == message.id
    assert message.body["created_at"] == "2026-11-30T04:00:00.000Z"
    data: Any = message.body["data"]
    assert (data["alert_id"], data["level"], data["state"]) == (alert.id, 1, "open")
    assert data["link"] == "/api/v1/calls/%E9%80%9A%E8%AF%9D%2F1/report"
    assert targets(service) == ["bark://wang", "dingtalk://group"]


def test_analysing_again_tells_nothing_twice(service: Service, report: Report) -> None:
    add_policies(service, POLICY)
    call = add_call(service, "a")
    tell(service, call, report)
    # Under other rules the same rule may number its findings otherwise.
    renamed = tuple(replace(one, id=f"{one.id}9") for one in report.findings)
    tell(service, call, report)
    tell(service, call, replace(report, findings=renamed))
    assert len(alerts_of(service)) == len(log(service)) == len(targets(service)) == 1
    add_policies(service, replace(POLICY, id="q"))
    tell(service, call, report)
    assert {one.policy_id for one in alerts_of(service)} == {"p", "q"}


def test_nothing_is_told_when_the_report_is_not_stored(service: Service, report: Report) -> None:
    add_policies(service, POLICY)
    call = add_call(service, "a")

    def tell_and_fail() -> None:
        with service.database.write() as connection:
            alerting.raise_alerts(service, connection, job_id="", call=call, report=report)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        tell_and_fail()
    assert (alerts_of(service), log(service), messages(service)) == ((), [], ())


def test_channels(service: Service, report: Report) -> None:
    add_policies(service, replace(POLICY, recipients=replace(POLICY.recipients, channels=())))
    add_hook(service, WebhookEvent.ALERT_RAISED)
    tell(service, add_call(service, "a"), report)
    assert len(alerts_of(service)) == 1
    assert [one.data["in_app"] for one in log(service)] == [False]
    assert messages(service) == ()


def test_pushes_can_be_turned_off_altogether(service: Service, report: Report) -> None:
    section = service.settings.alerts.model_copy(update={"push": False})
    quiet = replace(service, settings=service.settings.model_copy(update={"alerts": section}))
    add_policies(service, POLICY)
    tell(quiet, add_call(service, "a"), report)
    assert len(alerts_of(service)) == 1
    assert messages(service) == ()


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-30T12:00", "2026-11-30T12:00"),
        ("2026-11-30T22:00", "2026-12-01T07:30"),
        ("2026-12-01T03:12", "2026-12-01T07:30"),
        ("2026-12-01T07:30", "2026-12-01T07:30"),
    ],
)
def test_pushes_wait_for_the_end_of_quiet_hours_and_others_do_not(
    service: Service, report: Report, clock: Clock, now: str, due: str
) -> None:
    clock.ms = at(now)
    add_policies(service, replace(POLICY, quiet_hours="22:00-07:30"))
    add_hook(service, WebhookEvent.ALERT_RAISED)
    tell(service, add_call(service, "a"), report)
    assert [one.due_ms for one in messages(service, "push")] == [at(due)]
    assert [one.due_ms for one in messages(service, "webhook")] == [clock.ms]


def test_people_off_shift_or_out_of_reach_are_not_pushed(service: Service, report: Report) -> None:
    add_policies(service, replace(POLICY, recipients=Recipients(channels=(Channel.PUSH,), users=("named", "nobody"))))
    add_user(service, "on", shift="09:00-18:00")
    add_user(service, "off", shift="18:00-02:00")
    add_user(service, "elsewhere", teams=("二组",))
    add_user(service, "disabled", disabled=True)
    add_user(service, "named", role=UserRole.INSPECTOR)
    tell(service, add_call(service, "a"), report)
    assert targets(service) == ["bark://named", "bark://on"]


def test_a_cool_down_counts_further_calls_of_the_same_agent(service: Service, report: Report, clock: Clock) -> None:
    add_policies(service, replace(POLICY, cool_down_minutes=10))
    for n, (minutes, team, agent) in enumerate(
        [(0, "一组", "7"), (9, "一组", "7"), (9, "一组", "8"), (9, "二组", "7"), (10, "一组", "7")]
    ):
        clock.ms = at("2026-11-30T12:00") + minutes * MINUTE_MS
        tell(service, add_call(service, f"c{n}", team=team, agent_id=agent), report)
    assert [(one.call_id, one.suppressed) for one in alerts_of(service)[::-1]] == [
        ("c0", 1), ("c2", 0), ("c3", 0), ("c4", 0),
    ]  # fmt: skip


def test_a_cool_down_holds_when_reports_come_together(service: Service, report: Report) -> None:
    add_policies(service, replace(POLICY, cool_down_minutes=10), replace(POLICY, id="q", cool_down_minutes=10))
    found = [add_call(service, f"c{n}") for n in range(8)]
    together = threading.Barrier(len(found))

    def run(call: CallRow) -> None:
        together.wait()
        tell(service, call, report)

    threads = [threading.Thread(target=run, args=(call,)) for call in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((one.policy_id, one.suppressed) for one in alerts_of(service)) == [("p", 7), ("q", 7)]
    assert len(targets(service)) == 2


ESCALATING = replace(
    POLICY,
    escalate_after_minutes=15,
    escalate_to=Recipients(roles=(UserRole.MANAGER,), channels=EVERYWHERE, push_urls=("feishu://managers",)),
)


def test_an_alert_is_escalated_exactly_once(service: Service, report: Report, clock: Clock) -> None:
    add_policies(service, ESCALATING)
    add_hook(service, WebhookEvent.ALERT_ESCALATED)
    add_user(service, "boss", role=UserRole.MANAGER)
    for n in range(6):
        tell(service, add_call(service, f"c{n}"), report)
    raised = len(messages(service, "push"))
    clock.ms += 15 * MINUTE_MS - 1
    assert alerting.escalate_due(service) == 0
    clock.ms += 1
    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(alerting.escalate_due(service))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(numbers) + alerting.escalate_due(service) == 6
    assert {(one.state, one.escalated_ms) for one in alerts_of(service)} == {(AlertState.ESCALATED, clock.ms)}
    assert [one.name for one in log(service)].count("alert.escalated") == 6
    assert len(messages(service, "webhook")) == 6
    pushes = messages(service, "push")[raised:]
    assert sorted(one.target for one in pushes) == ["bark://boss"] * 6 + ["feishu://managers"] * 6
    assert all(one.body["escalated"] for one in pushes)
    clock.ms += 3600_000
    assert alerting.escalate_due(service) == 0


@pytest.mark.parametrize("what", ["acknowledge", "close"])
def test_who_handles_an_alert_in_time_stops_its_escalation(
    service: Service, report: Report, clock: Clock, what: str
) -> None:
    add_policies(service, ESCALATING)
    tell(service, add_call(service, "a"), report)
    (alert,) = alerts_of(service)
    getattr(alerting, what)(service, SYSTEM, alert.id)
    clock.ms += 3600_000
    assert alerting.escalate_due(service) == 0


def test_an_alert_without_its_policy_is_escalated_to_those_signed_in(
    service: Service, report: Report, clock: Clock
) -> None:
    add_policies(service, ESCALATING)
    tell(service, add_call(service, "a"), report)
    before = len(messages(service))
    alert_policies.remove(service, SYSTEM, "p")
    clock.ms += 3600_000
    assert alerting.escalate_due(service) == 1
    assert (log(service)[-1].name, log(service)[-1].data["in_app"]) == ("alert.escalated", True)
    assert len(messages(service)) == before


def supervisor(name: str, *teams: str) -> Actor:
    return Actor(
        id=name,
        name=name,
        role=UserRole.SUPERVISOR,
        permissions=frozenset({Permission.ALERTS_HANDLE}),
        reach=Reach(teams=teams),
    )


def test_acknowledging_and_closing(service: Service, report: Report, clock: Clock) -> None:
    add_policies(service, POLICY)
    hook = add_hook(service, WebhookEvent.ALERT_ACKNOWLEDGED)
    tell(service, add_call(service, "a"), report)
    (alert,) = alerts_of(service)
    wang, li, far = supervisor("wang", "一组"), supervisor("li", "一组"), supervisor("far", "二组")
    for handle in (alerting.acknowledge, alerting.close):
        with pytest.raises(NotFoundError):
            handle(service, far, alert.id)
    taken = alerting.acknowledge(service, wang, alert.id, "客户说了很多")
    assert (taken.state, taken.acknowledged_by, taken.acknowledged_ms) == (AlertState.ACKNOWLEDGED, "wang", clock.ms)
    with pytest.raises(ConflictError):
        alerting.acknowledge(service, li, alert.id)
    clock.ms += 1
    assert alerting.acknowledge(service, wang, alert.id, "已回访") == replace(taken, note="已回访")
    closed = alerting.close(service, li, alert.id)
    assert closed == replace(taken, state=AlertState.CLOSED, note="已回访")
    assert alerting.get(service, wang, alert.id) == closed
    for handle in (alerting.acknowledge, alerting.close):
        with pytest.raises(ConflictError):
            handle(service, wang, alert.id)
    assert [one.name for one in log(service)] == ["alert.raised", "alert.acknowledged", "alert.closed"]
    (message,) = messages(service, "webhook")
    assert (message.target, message.event) == (hook, "alert.acknowledged")
    assert "客户说了很多" not in str([one.data for one in log(service)]) + str(message.body)
    with service.database.read() as connection:
        kept = audit.page(connection, wanted=AuditFilter(object_kind="alert"), limit=10).items
    assert [(one.action, one.actor_id) for one in kept[::-1]] == [
        ("alert.acknowledged", "wang"), ("alert.acknowledged", "wang"), ("alert.closed", "li"),
    ]  # fmt: skip


def test_closing_at_once_says_who(service: Service, report: Report) -> None:
    add_policies(service, POLICY)
    tell(service, add_call(service, "a"), report)
    closed = alerting.close(service, supervisor("wang", "一组"), alerts_of(service)[0].id, "误报")
    assert (closed.acknowledged_by, closed.note) == ("wang", "误报")


def test_default_policies_are_made_once(service: Service) -> None:
    threads = [threading.Thread(target=alert_policies.ensure_default_policies, args=(service,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alert_policies.list_all(service, SYSTEM) == list(DEFAULT_POLICIES)
    alert_policies.remove(service, SYSTEM, DEFAULT_POLICIES[0].id)
    alert_policies.ensure_default_policies(service)
    assert alert_policies.list_all(service, SYSTEM) == list(DEFAULT_POLICIES[1:])


def test_a_finding_meets_at_most_one_default_policy(service: Service, reports: list[Report]) -> None:
    add_policies(service, *(replace(one, enabled=True, cool_down_minutes=0) for one in DEFAULT_POLICIES))
    for n, report in enumerate(reports):
        tell(service, add_call(service, f"c{n}"), report)
    found = alerts_of(service)
    assert {one.level for one in found} == set(Level)
    assert {one.policy_id for one in found} == {one.id for one in DEFAULT_POLICIES}
    assert len(found) == len({(one.call_id, one.finding_id) for one in found})


def test_a_known_quarrel_alerts_under_the_default_policies(service: Service, reports: list[Report]) -> None:
    """And a blameless call does not."""
    add_policies(service, *DEFAULT_POLICIES)
    for report in reports:
        tell(service, add_call(service, report.call.call_id, agent_id=report.call.call_id), report)
    alerted = {one.call_id for one in alerts_of(service) if one.level is Level.SERIOUS}
    serious = {
        report.call.call_id
        for report in reports
        if any(f.level is Level.SERIOUS and f.points < 0 and f.confidence.value >= 0.7 for f in report.findings)
    }
    blameless = {report.call.call_id for report in reports if not any(f.polarity == "fault" for f in report.findings)}
    assert serious
    assert blameless
    assert serious <= alerted
    assert not blameless & {one.call_id for one in alerts_of(service)}


WINDOW = 6
"""Characters in a row that no message may share with a call."""


def test_no_message_holds_words_of_a_call(service: Service, reports: list[Report]) -> None:
    everything = AlertPolicy(id="all", name="全部", level=Level.LIGHT, min_confidence=0.0, words_in_push=True)
    everything = replace(everything, recipients=POLICY.recipients)
    add_policies(service, everything)
    add_hook(service, *WebhookEvent)
    for n, report in enumerate(reports):
        call = add_call(service, f"c{n}")
        tell(service, call, report)
    alerting.close(service, SYSTEM, alerts_of(service)[0].id, reports[0].transcript.utterances[0].text)
    texts = [json.dumps(dict(one.body), ensure_ascii=False) for one in messages(service)]
    texts += [json.dumps(dict(one.data), ensure_ascii=False) for one in log(service)]
    texts += ["\n".join(push.words(one)) for one in alerts_of(service)]
    assert len(texts) > 3 * len(reports)
    told = "\n".join(texts)
    pieces = {told[n : n + WINDOW] for n in range(len(told))}
    for report in reports:
        for one in report.transcript.utterances:
            shared = [one.text[n : n + WINDOW] for n in range(len(one.text) - WINDOW + 1)]
            assert not [piece for piece in shared if piece in pieces], report.call.call_id
