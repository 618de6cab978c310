"""Who may do what over HTTP: every route, every role, the own team's calls and another's, every state of a key.

The table is written by hand from the permissions of model/account.py; a route without a line here fails the test.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient

from qingting.api.app import PREFIX
from qingting.api.dependencies import Needs
from qingting.model.account import ROLE_PERMISSIONS, SYSTEM, Permission, UserRole
from qingting.service.center import Service
from qingting.storage import calls

if TYPE_CHECKING:
    from tests.integration.service.access.conftest import Centre, Person, Side

P = Permission
PUBLIC = None
HTTP_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Who may use a route, and a request that works."""

    needs: tuple[Permission, ...] | None
    """One of these permissions; () is anybody who is signed in, None is everybody."""
    ok: int = 200
    """Status for who may."""
    about: str = ""
    """What the request names; of the other team's, it is 404 for whoever sees their own team only."""
    also: frozenset[Permission] = frozenset()
    """Needed besides."""
    other: int = 404
    """Status for who sees their own team only, when it is about the other team."""
    agent: int | None = None
    """Status for agents, if it is another than for others who may."""
    narrow: int | None = None
    """Status for who sees their own team only, if it is another than `ok` even about their own team."""
    key: int | None = None
    """Status for a key with this one permission, if it is another than for a user."""
    prefix: str = PREFIX
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """JSON; `{team}` and so on in texts are those of the side that the request is about."""
    upload: bool = False
    """Multipart: a short conversation of the team."""
    table: str = ""
    """Multipart: a list; with `{agent}` and so on like `body`."""

    def allowed(self, permissions: frozenset[Permission]) -> bool:
        """Whether these permissions are enough."""
        if self.needs is None:
            return True
        return (not self.needs or not permissions.isdisjoint(self.needs)) and self.also <= permissions


READ, LISTEN, SUBMIT = (P.CALLS_READ,), (P.CALLS_LISTEN,), (P.CALLS_SUBMIT,)
LOOK = (P.JOBS_READ, P.CALLS_SUBMIT, P.CALLS_READ)
WATCH = (P.JOBS_READ, P.CALLS_READ, P.CALLS_SUBMIT, P.ALERTS_READ)
USERS, HOOKS, POLICIES = (P.USERS_MANAGE,), (P.WEBHOOKS_MANAGE,), (P.ALERTS_CONFIGURE,)
MEASURES = Case(needs=(P.MEASURES_READ,))
PASSWORD = "a good password"
NEW_POLICY = {"name": "新", "level": 1, "rules": ["compliance.forbidden_words"]}
NEW_WEBHOOK = {"url": "https://93.184.216.34/hook", "events": ["job.done"], "teams": ["{team}"]}

TABLE: dict[str, Case] = {
    # Submitting calls; an integrator's key may be restricted to teams.
    "POST /inspections": Case(needs=SUBMIT, also=frozenset(READ), ok=202, about="submission", other=403, upload=True),
    "POST /jobs": Case(needs=SUBMIT, ok=202, about="submission", other=403, upload=True),
    "POST /batches": Case(needs=SUBMIT, ok=202, upload=True),
    "GET /jobs": Case(needs=LOOK),
    "GET /jobs/{job_id}": Case(needs=LOOK, about="done"),
    "GET /jobs/{job_id}/result": Case(needs=READ, about="done"),
    "POST /jobs/{job_id}/cancel": Case(needs=(P.JOBS_MANAGE,), about="queued"),
    "POST /jobs/{job_id}/retry": Case(needs=(P.JOBS_MANAGE,), about="failed"),
    "PATCH /jobs/{job_id}": Case(needs=(P.JOBS_MANAGE,), about="queued", body={"priority": "high"}),
    "GET /batches/{batch_id}": Case(needs=LOOK, about="batch", narrow=404),
    "GET /batches/{batch_id}/jobs": Case(needs=LOOK, about="batch", narrow=404),
    # A row about a call out of reach is refused by itself.
    "POST /imports/call-records": Case(
        needs=SUBMIT, table="call_id,agent_id,team,csat\n{agent}-new,{agent},{team},5\n{agent}-done,{agent},{team},5\n"
    ),
    "POST /imports/csat": Case(needs=SUBMIT, table="call_id,csat\n{agent}-done,5\n"),
    "POST /imports/desktop-events": Case(needs=SUBMIT, table="call_id,at_ms,kind,query\n{agent}-done,5,search,x\n"),
    # Calls.
    "GET /calls": Case(needs=READ),
    "GET /calls/{call_id}": Case(needs=READ, about="done"),
    "GET /calls/{call_id}/report": Case(needs=READ, about="done"),
    "GET /calls/{call_id}/report.html": Case(needs=READ, about="done"),
    "GET /calls/{call_id}/transcript": Case(needs=READ, about="done"),
    "GET /calls/{call_id}/recording": Case(needs=LISTEN, also=frozenset(READ), about="done"),
    "GET /calls/{call_id}/clip": Case(
        needs=LISTEN, also=frozenset(READ), about="done", query={"start_ms": "1000", "end_ms": "2000"}
    ),
    "POST /calls/{call_id}/reanalyse": Case(needs=(P.JOBS_MANAGE,), ok=202, about="done", body={}),
    "DELETE /calls/{call_id}": Case(needs=(P.CALLS_DELETE,), about="done"),
    "DELETE /customers/{reference}": Case(needs=(P.CALLS_DELETE,), about="done", narrow=403, other=403),
    "GET /findings": Case(needs=READ),
    "GET /search": Case(needs=READ, query={"q": "密语"}),
    "GET /events": Case(needs=WATCH, headers={"Last-Event-ID": "0"}),
    # Running calls; connections that bring their sound are in tests/end_to_end/test_live_service.py.
    "GET /live/calls": Case(needs=READ),
    "GET /live/wall": Case(needs=READ),
    "GET /live/calls/{call_id}/events": Case(needs=READ, about="done"),
    # Closed: AudioSocket has no port here.
    "POST /live/expected": Case(needs=SUBMIT, ok=409, body={"team": "{team}"}),
    # Hints in running calls.
    "POST /live/calls/{call_id}/hints/{hint_id}/feedback": Case(needs=READ, about="done", body={"verdict": "useful"}),
    "GET /live/hints/feedback": MEASURES,
    # Figures and tables.
    "GET /measures/overview": MEASURES,
    "GET /measures/trend": MEASURES,
    "GET /measures/by/{dimension}": MEASURES,
    "GET /measures/coverage": MEASURES,
    # The time to a report is not kept by agent.
    "GET /measures/latency": replace(MEASURES, agent=422),
    "GET /measures/rules": MEASURES,
    "GET /measures/rules/{rule_id}/by/{dimension}": MEASURES,
    "GET /exports/calls": Case(needs=(P.EXPORT,), query={"format": "xlsx"}),
    "GET /exports/findings": Case(needs=(P.EXPORT,), query={"format": "jsonl"}),
    "GET /exports/measures": Case(needs=(P.EXPORT,), query={"format": "csv"}),
    # Alerts.
    "GET /alerts": Case(needs=(P.ALERTS_READ,)),
    "GET /alerts/{alert_id}": Case(needs=(P.ALERTS_READ,), about="alert"),
    "POST /alerts/{alert_id}/acknowledge": Case(needs=(P.ALERTS_HANDLE,), about="alert", body={"note": ""}),
    "POST /alerts/{alert_id}/close": Case(needs=(P.ALERTS_HANDLE,), about="alert", body={"note": ""}),
    "GET /alert-policies": Case(needs=POLICIES, key=403),
    "POST /alert-policies": Case(needs=POLICIES, key=403, ok=201, body=NEW_POLICY),
    "GET /alert-policies/{policy_id}": Case(needs=POLICIES, key=403),
    "PUT /alert-policies/{policy_id}": Case(needs=POLICIES, key=403, body=NEW_POLICY),
    "DELETE /alert-policies/{policy_id}": Case(needs=POLICIES, key=403, ok=204),
    # Webhooks.
    "GET /webhooks": Case(needs=HOOKS),
    "POST /webhooks": Case(needs=HOOKS, ok=201, about="webhook", other=403, body=NEW_WEBHOOK),
    "GET /webhooks/{webhook_id}": Case(needs=HOOKS, about="webhook"),
    "PATCH /webhooks/{webhook_id}": Case(needs=HOOKS, about="webhook", body={"description": "x"}),
    "DELETE /webhooks/{webhook_id}": Case(needs=HOOKS, about="webhook", ok=204),
    "POST /webhooks/{webhook_id}/rotate-secret": Case(needs=HOOKS, about="webhook"),
    "POST /webhooks/{webhook_id}/ping": Case(needs=HOOKS, about="webhook", ok=202),
    "GET /deliveries": Case(needs=HOOKS),
    "GET /deliveries/{delivery_id}": Case(needs=HOOKS, about="webhook"),
    "POST /deliveries/{delivery_id}/redeliver": Case(needs=HOOKS, about="webhook", ok=202),
    # People and programs.
    "POST /auth/sign-in": Case(needs=PUBLIC, ok=401, body={"name": "nobody", "password": PASSWORD}),
    "POST /auth/sign-out": Case(needs=(), ok=204),
    "GET /auth/me": Case(needs=()),
    "POST /auth/password": Case(
        needs=(), ok=422, key=403, body={"current": "not the password", "new": "another good one"}
    ),
    "GET /auth/oidc/start": Case(needs=PUBLIC, ok=404),
    "GET /auth/oidc/callback": Case(needs=PUBLIC, ok=404),
    "GET /users": Case(needs=USERS),
    "POST /users": Case(needs=USERS, key=403, ok=201, body={"name": "new", "role": "agent", "password": PASSWORD}),
    "GET /users/{user_id}": Case(needs=USERS),
    "PATCH /users/{user_id}": Case(needs=USERS, key=403, body={"display_name": "x"}),
    "PUT /users/{user_id}/password": Case(needs=USERS, key=403, ok=204, body={"password": PASSWORD}),
    "GET /api-keys": Case(needs=USERS),
    "POST /api-keys": Case(needs=USERS, key=403, ok=201, body={"name": "new", "role": "integrator"}),
    "POST /api-keys/{key_id}/revoke": Case(needs=USERS),
    "GET /audit": Case(needs=(P.AUDIT_READ,), key=403),
    # Operations.
    "GET /metrics": Case(needs=(P.JOBS_READ,), prefix=""),
    "GET /healthz": Case(needs=PUBLIC),
    "GET /readyz": Case(needs=PUBLIC, ok=503),
}
"""`METHOD /path below the prefix` -> who may use it."""


class Desk:
    """Makes requests to one copy, or to a new one for each that changes something."""

    def __init__(self, client: TestClient, centre: Centre, stack: ExitStack) -> None:
        self._client, self._centre, self._stack = client, centre, stack

    @cached_property
    def _service(self) -> Service:
        return self._stack.enter_context(self._centre.copy())

    def ask(self, route: str, side: Side, headers: Mapping[str, str], **more: str) -> Any:
        if route.startswith("GET "):
            return self.ask_copy(self._service, route, side, headers, more)
        with self._centre.copy() as service:
            return self.ask_copy(service, route, side, headers, more)

    def ask_copy(
        self,
        service: Service,
        route: str,
        side: Side,
        headers: Mapping[str, str],
        more: Mapping[str, str] | None = None,
    ) -> Any:
        app: FastAPI = self._client.app  # type: ignore[assignment]
        app.state.service = service
        case = TABLE[route]
        method, _, template = route.partition(" ")
        sent: dict[str, Any] = {"params": {**case.query, **(more or {})}, "headers": {**case.headers, **headers}}
        if case.body is not None:
            sent["json"] = json.loads(json.dumps(case.body).replace("{team}", json.dumps(side.team)[1:-1]))
        if case.upload:
            call = json.dumps({"team": side.team, "agent_id": side.agent})
            sent["files"] = [("call", (None, call, "application/json")), ("file", ("chat.json", self._centre.chat))]
        if case.table:
            sent["files"] = [("file", ("table.csv", case.table.format(**vars(side)).encode()))]
        return self._client.request(method, case.prefix + self._path(template, case, side), **sent)

    def _path(self, template: str, case: Case, side: Side) -> str:
        return template.format(
            job_id=side.ids[case.about if case.about in {"done", "queued", "failed"} else "done"],
            call_id=side.done,
            reference=side.customer,
            batch_id=side.ids["batch"],
            alert_id=side.ids["alert"],
            webhook_id=side.ids["webhook"],
            delivery_id=side.ids["delivery"],
            dimension="team",
            rule_id="compliance.forbidden_words",
            policy_id="default-1-serious",
            hint_id="h1",
            **self._centre.shared,
        )


@pytest.fixture
def desk(client: TestClient, centre: Centre) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(client, centre, stack)


def routes_of(app: FastAPI) -> dict[str, APIRoute]:
    """`METHOD /path below the prefix` -> route."""
    return {
        f"{method} {(context.path_format or '').removeprefix(PREFIX)}": context.original_route
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute)
        for method in context.original_route.methods & HTTP_METHODS
    }


def expected(case: Case, person: Person, *, own: bool) -> int:
    if case.needs is None:
        return case.ok
    if not case.allowed(person.permissions):
        return 403
    if person.is_key and case.key is not None:
        return case.key
    if person.narrow and case.about and not own:
        return case.other
    if person.narrow and case.narrow is not None:
        return case.narrow
    return case.agent if person.name == "agent" and case.agent is not None else case.ok


def text_of(answer: Any) -> str:
    """All that an answer says, workbooks unpacked."""
    content = answer.content
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            content = b"".join(packed.read(name) for name in packed.namelist())
    return f"{answer.headers} {content.decode('utf-8', 'replace')}"


def assert_nothing_leaks(answer: Any, centre: Centre, person: Person, *, asked: str = "") -> None:
    """No telephone number; for who sees the east only, nothing of the south that the request did not name itself."""
    said, south = text_of(answer), centre.south
    assert centre.phone not in said
    marks = (south.team, south.agent, south.customer, south.words) if person.narrow else ()
    assert [mark for mark in marks if mark in said and mark not in asked] == []


def test_every_route_stands_in_the_table(client: TestClient) -> None:
    app: FastAPI = client.app  # type: ignore[assignment]
    assert set(routes_of(app)) == set(TABLE)
    others = {one.path for one in iter_route_contexts(app.routes) if not isinstance(one.original_route, APIRoute)}
    doors = {f"{PREFIX}/live{door}" for door in ("", "/twilio", "/freeswitch")}
    # Pages without anything of any call in them.
    pages = {"/live/wall", "/live/assist", "/live/assets/{name}"}
    assert others == {f"{PREFIX}/openapi.json", *doors, *pages}


@pytest.mark.parametrize("route", TABLE)
def test_every_route_declares_what_it_needs(client: TestClient, route: str) -> None:
    found = needs_of(routes_of(client.app)[route].dependant)  # type: ignore[arg-type]
    case = TABLE[route]
    if case.needs is None:
        assert found == []
    else:
        assert [set(one.permissions) for one in found] == [set(case.needs)]


def needs_of(dependant: Any) -> list[Needs]:
    own = [dependant.call] if isinstance(dependant.call, Needs) else []
    return own + [needs for inner in dependant.dependencies for needs in needs_of(inner)]


def test_nothing_but_probes_and_the_way_in_is_public() -> None:
    assert {route for route, case in TABLE.items() if case.needs is None} == {
        "POST /auth/sign-in",
        "GET /auth/oidc/start",
        "GET /auth/oidc/callback",
        "GET /healthz",
        "GET /readyz",
    }


@pytest.mark.parametrize("route", TABLE)
def test_each_role_gets_what_the_table_says(desk: Desk, centre: Centre, route: str) -> None:
    case = TABLE[route]
    got, wanted = {}, {}
    for person in centre.people.values():
        for side in (centre.east, centre.south):
            own = side is centre.east
            answer = desk.ask(route, side, person.headers)
            got[person.name, side.team] = answer.status_code
            wanted[person.name, side.team] = expected(case, person, own=own)
            assert_nothing_leaks(answer, centre, person)
    assert got == wanted


@pytest.mark.parametrize("route", [route for route, case in TABLE.items() if case.needs is not None])
def test_worthless_credentials_open_nothing(desk: Desk, centre: Centre, route: str) -> None:
    got = {name: desk.ask(route, centre.east, headers) for name, headers in centre.strangers.items()}
    assert {name: answer.status_code for name, answer in got.items()} == dict.fromkeys(centre.strangers, 401)
    for answer in got.values():
        assert answer.json()["type"] == "urn:qingting:problem:not_signed_in"
        assert not [mark for mark in centre.east.marks() if mark in answer.text]


@pytest.mark.parametrize("route", [route for route, case in TABLE.items() if case.needs])
def test_a_key_opens_what_its_scopes_and_teams_allow(desk: Desk, centre: Centre, route: str) -> None:
    case = TABLE[route]
    assert case.needs
    keys = []
    for permission in case.needs:
        scopes = frozenset({permission}) | case.also
        role = next(role for role in UserRole if scopes <= ROLE_PERMISSIONS[role])
        keys += [centre.key(role, scopes), centre.key(role, ROLE_PERMISSIONS[role] - set(case.needs))]
    got, wanted = {}, {}
    for key in keys:
        for side in (centre.east, centre.south):
            answer = desk.ask(route, side, key.headers)
            name = (key.name, tuple(sorted(key.permissions)), side.team)
            got[name] = answer.status_code
            wanted[name] = expected(case, key, own=side is centre.east)
            assert_nothing_leaks(answer, centre, key, asked=case.table.format(**vars(side)))
    assert got == wanted


@pytest.mark.parametrize("route", [route for route, case in TABLE.items() if case.also])
def test_what_is_needed_besides_is_asked_for(desk: Desk, centre: Centre, route: str) -> None:
    case = TABLE[route]
    assert case.needs
    role = next(role for role in UserRole if set(case.needs) <= ROLE_PERMISSIONS[role])
    key = centre.key(role, frozenset(case.needs))
    assert desk.ask(route, centre.east, key.headers).status_code == 403


@pytest.mark.parametrize("role", [UserRole.INSPECTOR, UserRole.SUPERVISOR])
@pytest.mark.parametrize(
    "route",
    ["GET /calls/{call_id}/report", "GET /calls/{call_id}/report.html", "GET /calls/{call_id}/transcript",
     "GET /jobs/{job_id}/result"],
)  # fmt: skip
def test_who_may_reveal_sees_what_was_said_in_their_own_team_and_it_is_recorded(
    desk: Desk, centre: Centre, route: str, role: UserRole
) -> None:
    person = centre.people[role]
    revealed = desk.ask(route, centre.east, person.headers, reveal="true")
    assert (revealed.status_code, centre.phone in revealed.text) == (200, True)
    refused = desk.ask(route, centre.south, person.headers, reveal="true")
    assert refused.status_code == 404
    assert_nothing_leaks(refused, centre, person)
    lines = desk.ask("GET /audit", centre.east, centre.people[UserRole.ADMIN].headers).json()["items"]
    told = [(one["action"].partition(".")[2], one["object_id"]) for one in lines if one["actor_name"] == role.value]
    assert ("revealed", centre.east.done) in told
    assert not [one for one in told if one[1] == centre.south.done]


@pytest.mark.parametrize("role", [role for role in UserRole if P.CALLS_REVEAL not in ROLE_PERMISSIONS[role]])
@pytest.mark.parametrize("route", [route for route in TABLE if route.startswith("GET /calls/{call_id}/")])
def test_who_may_not_reveal_gets_nothing_instead(desk: Desk, centre: Centre, route: str, role: UserRole) -> None:
    answer = desk.ask(route, centre.east, centre.people[role].headers, reveal="true")
    assert answer.status_code == 403
    assert centre.phone not in text_of(answer)


QUESTIONS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("GET /calls", {"team": "{team}"}),
    ("GET /calls", {"agent_id": "{agent}"}),
    ("GET /calls", {"customer_reference": "{customer}"}),
    ("GET /findings", {"team": "{team}"}),
    ("GET /findings", {"agent_id": "{agent}"}),
    ("GET /search", {"q": "{words}"}),
    ("GET /search", {"q": "密语", "team": "{team}"}),
    ("GET /jobs", {"call_id": "{done}"}),
    ("GET /jobs", {"batch_id": "{batch}"}),
    ("GET /alerts", {"team": "{team}"}),
    ("GET /alerts", {"call_id": "{done}"}),
    ("GET /events", {"job_id": "{job}"}),
    ("GET /events", {"batch_id": "{batch}"}),
    ("GET /exports/calls", {"team": "{team}", "format": "csv"}),
    ("GET /exports/calls", {"agent_id": "{agent}", "format": "jsonl"}),
    ("GET /exports/findings", {"team": "{team}", "format": "csv", "words": "true"}),
    ("GET /exports/measures", {"team": "{team}", "format": "csv", "by": "agent"}),
    ("GET /measures/overview", {"team": "{team}"}),
    ("GET /measures/overview", {"agent_id": "{agent}"}),
    ("GET /measures/by/{dimension}", {"team": "{team}"}),
    ("GET /measures/rules", {"team": "{team}"}),
    ("GET /measures/rules", {"agent_id": "{agent}"}),
    ("GET /live/hints/feedback", {"team": "{team}"}),
    ("GET /live/hints/feedback", {"agent_id": "{agent}"}),
)
"""About a team, an agent, a customer, a call, a batch, or words."""


@pytest.mark.parametrize(
    ("role", "route", "asked"),
    [
        (role, route, asked)
        for role in (UserRole.AGENT, UserRole.INSPECTOR, UserRole.SUPERVISOR)
        for route, asked in QUESTIONS
        if TABLE[route].allowed(ROLE_PERMISSIONS[role])
    ],
)
def test_asking_for_another_team_finds_nothing(
    desk: Desk, centre: Centre, role: UserRole, route: str, asked: Mapping[str, str]
) -> None:
    """The same question about the own team finds something: it is the reach that hides."""
    person = centre.people[role]
    sizes = {}
    for side in (centre.east, centre.south):
        names = {"job": side.ids["done"], "batch": side.ids["batch"], **vars(side)}
        filled = {name: value.format(**names) for name, value in asked.items()}
        answer = desk.ask(route, side, person.headers, **filled)
        assert answer.status_code == 200
        assert_nothing_leaks(answer, centre, person, asked=str(filled))
        sizes[side.team] = len(answer.content)
        if side is centre.south:
            assert not [mark for mark in (side.done, *side.ids.values()) if mark in answer.text]
    assert sizes[centre.east.team] > sizes[centre.south.team]


@pytest.mark.parametrize("route", [route for route, case in TABLE.items() if case.table])
def test_a_list_changes_no_call_out_of_reach(client: TestClient, centre: Centre, route: str) -> None:
    key = centre.key(UserRole.INTEGRATOR, frozenset({P.CALLS_SUBMIT}))
    for side, changed in ((centre.east, True), (centre.south, False)):
        with centre.copy() as service:
            before = stored(service, side)
            Desk(client, centre, ExitStack()).ask_copy(service, route, side, key.headers)
            assert (stored(service, side) != before) is changed


def stored(service: Service, side: Side) -> Any:
    with service.database.read() as connection:
        found = calls.page(connection, reach=SYSTEM.reach, wanted=calls.CallFilter(team=side.team), limit=9)
    return found.items
