"""Feedback on hints: through the service and over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qingting.errors import AccessDeniedError, InvalidRequestError, NotFoundError
from qingting.model.account import ROLE_PERMISSIONS, SYSTEM, Actor, Permission, Reach, UserRole
from qingting.model.assist_feedback import Verdict
from qingting.model.live_event import AssistHint, HintKind
from qingting.service import assist_feedback
from qingting.service.center import Service
from qingting.service.figures import Wanted
from qingting.storage import assist_feedback as stored
from qingting.storage import calls

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api, Clock

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def hint(number: int, kind: HintKind = HintKind.EMPATHY, topic: str = "mood") -> AssistHint:
    return AssistHint(at_ms=1000, hint_id=f"h{number}", kind=kind, topic=topic, text="可尝试共情回应。")


def add_call(service: Service, call_id: str, **values: Any) -> int:
    day, hour = service.day_and_hour(service.clock())
    usual: dict[str, Any] = {
        "call_id": call_id, "line_of_business": "general", "medium": "voice", "started_ms": service.clock(),
        "day": day, "hour": hour, "info": {}, "source": "live", "created_ms": 0, "state": "live", "team": "一组",
        "agent_id": "7",
    }  # fmt: skip
    with service.database.write() as connection:
        return calls.add(connection, usual | values)


def somebody(role: UserRole, reach: Reach, name: str = "wang") -> Actor:
    return Actor(id=name, name=name, role=role, permissions=ROLE_PERMISSIONS[role], reach=reach)


AGENT = somebody(UserRole.AGENT, Reach(agent_id="7"))
SUPERVISOR = somebody(UserRole.SUPERVISOR, Reach(teams=("一组",)), "li")


def test_an_agent_says_what_a_hint_of_the_own_call_was_worth(service: Service, clock: Clock) -> None:
    number = add_call(service, "c1")
    assist_feedback.shown(service, "c1", [hint(1), hint(2, HintKind.RISK, "threat")])
    given = assist_feedback.give(service, AGENT, "c1", "h2", Verdict.USEFUL)
    assert (given.kind, given.topic, given.agent_id, given.actor_id) == (HintKind.RISK, "threat", "7", "wang")
    clock.ms += 5000
    again = assist_feedback.give(service, AGENT, "c1", "h2", Verdict.NOT_USEFUL)
    with service.database.read() as connection:
        kept = [one for one in stored.of_call(connection, number) if one.actor_id]
    assert [(one.verdict, one.at_ms) for one in kept] == [(Verdict.NOT_USEFUL, again.at_ms)]
    assert again.at_ms == clock.ms


def test_what_was_not_shown_gets_no_feedback(service: Service) -> None:
    add_call(service, "c1")
    add_call(service, "c2", agent_id="8")
    assist_feedback.shown(service, "c1", [hint(1)])
    assist_feedback.shown(service, "c2", [hint(1)])
    for call_id, hint_id in (("c1", "h2"), ("c2", "h1"), ("c3", "h1")):
        with pytest.raises(NotFoundError):
            assist_feedback.give(service, AGENT, call_id, hint_id, Verdict.USEFUL)
    with pytest.raises(InvalidRequestError):
        assist_feedback.give(service, AGENT, "c1", "h1", Verdict.SHOWN)
    with pytest.raises(AccessDeniedError):
        assist_feedback.give(service, somebody(UserRole.ADMIN, SYSTEM.reach), "c1", "h1", Verdict.USEFUL)


def test_hints_of_a_call_that_was_deleted_are_not_noted(service: Service) -> None:
    assist_feedback.shown(service, "gone", [hint(1)])
    assist_feedback.shown(service, "gone", [])
    _, rows = assist_feedback.summary(service, SYSTEM, Wanted())
    assert rows == []


def test_supervisors_learn_what_hints_are_worth(service: Service, clock: Clock) -> None:
    for number in range(3):
        add_call(service, f"c{number}")
        shown = [hint(1), hint(2, HintKind.CHECKLIST, "closing"), hint(3, HintKind.CHECKLIST, "further_help")]
        assist_feedback.shown(service, f"c{number}", shown)
    add_call(service, "other", team="二组")
    assist_feedback.shown(service, "other", [hint(1)])
    assist_feedback.give(service, AGENT, "c0", "h1", Verdict.USEFUL)
    assist_feedback.give(service, SUPERVISOR, "c0", "h1", Verdict.NOT_USEFUL)
    assist_feedback.give(service, AGENT, "c1", "h2", Verdict.DISMISSED)
    period, rows = assist_feedback.summary(service, SUPERVISOR, Wanted())
    assert [(r.kind.value, r.topic, r.shown, r.useful, r.not_useful, r.dismissed) for r in rows] == [
        ("checklist", "", 6, 0, 0, 1),
        ("empathy", "", 3, 1, 1, 0),
    ]
    assert period.days == 30
    _, topics = assist_feedback.summary(service, SUPERVISOR, Wanted(), by_topic=True)
    assert [(r.kind.value, r.topic, r.shown) for r in topics] == [
        ("checklist", "closing", 3), ("checklist", "further_help", 3), ("empathy", "mood", 3),
    ]  # fmt: skip
    day = service.local(clock()).date().replace(day=1)
    _, none = assist_feedback.summary(service, SUPERVISOR, Wanted(from_day=day, to_day=day))
    assert none == []


@pytest.fixture
def agent_key(api: Api) -> dict[str, str]:
    return api.key(UserRole.INTEGRATOR, Permission.CALLS_READ, Permission.MEASURES_READ, teams=("一组",))


def test_feedback_over_http(api: Api, agent_key: dict[str, str]) -> None:
    add_call(api.service, "c1")
    add_call(api.service, "c2", team="二组")
    for call_id in ("c1", "c2"):
        assist_feedback.shown(api.service, call_id, [hint(1)])
    path = "live/calls/{}/hints/{}/feedback"
    given = api.client.post(path.format("c1", "h1"), json={"verdict": "useful"}, headers=agent_key)
    assert given.status_code == 200, given.text
    assert given.json() == {
        "call_id": "c1", "hint_id": "h1", "kind": "empathy", "kind_chinese": "安抚", "topic": "mood",
        "verdict": "useful", "at_ms": api.service.clock(),
    }  # fmt: skip
    for call_id, hint_id in (("c1", "h9"), ("c2", "h1"), ("nobody", "h1")):
        answer = api.client.post(path.format(call_id, hint_id), json={"verdict": "useful"}, headers=agent_key)
        assert answer.status_code == 404
    found = api.client.get("live/hints/feedback", headers=agent_key).json()
    assert found["items"] == [
        {
            "kind": "empathy",
            "kind_chinese": "安抚",
            "topic": "",
            "shown": 1,
            "useful": 1,
            "not_useful": 0,
            "dismissed": 0,
        }
    ]
    everybody = api.client.get("live/hints/feedback", params={"by_topic": "true"}, headers=api.admin).json()
    assert [(one["topic"], one["shown"]) for one in everybody["items"]] == [("mood", 2)]


@pytest.mark.parametrize("body", [{}, {"verdict": "shown"}, {"verdict": "great"}, {"verdict": "useful", "note": "x"}])
def test_wrong_verdicts_are_refused(api: Api, body: dict[str, str]) -> None:
    add_call(api.service, "c1")
    assist_feedback.shown(api.service, "c1", [hint(1)])
    answer = api.client.post("live/calls/c1/hints/h1/feedback", json=body, headers=api.admin)
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize("query", ["from=2026-12-01&to=2026-11-01", "team=%00", "to=yesterday", "more=1"])
def test_wrong_periods_are_refused(api: Api, query: str) -> None:
    assert api.client.get(f"live/hints/feedback?{query}", headers=api.admin).status_code == 422
