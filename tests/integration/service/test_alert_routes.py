"""Alerts, alert policies, webhooks and messages over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from qingting.api.app import build_app
from qingting.api.limits import Limits
from qingting.model.account import SYSTEM, Permission, UserRole
from qingting.model.alert import Alert
from qingting.model.delivery import Delivery, DeliveryKind
from qingting.model.finding import Level
from qingting.model.ids import new_id
from qingting.service import accounts
from qingting.service import alert_policies as policies
from qingting.service.accounts import NewKey
from qingting.service.center import Service
from qingting.settings import load_settings
from qingting.storage import alert_policies, alerts, calls, deliveries

pytestmark = [
    pytest.mark.usefixtures("quick_digests"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
SECRET = "SECabcdefghij"
POLICY = {
    "name": "夜间禁语",
    "level": 1,
    "rules": ["compliance.*", "!compliance.closing"],
    "recipients": {"channels": ["push"], "push_urls": [f"dingtalk://{SECRET}@abcdefghijkl", "bark://host/key"]},
    "quiet_hours": "22:00-07:00",
}
HOOK = {"url": "http://127.0.0.1:9/hook", "events": ["job.done"]}


@pytest.fixture
def service(service: Service) -> Service:
    settings = load_settings(api={"allowed_hosts": ("127.0.0.1",)})
    return Service(settings=settings, database=service.database, recordings=service.recordings, clock=service.clock)


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    app = build_app(service)
    app.state.limits = Limits(requests_per_minute=0, sign_ins_per_minute=0)
    with TestClient(app, base_url="http://qingting.test/api/v1") as opened:
        yield opened


def bearer(service: Service, role: UserRole, *scopes: Permission, **more: Any) -> dict[str, str]:
    wanted = NewKey(name=f"{role}-key", role=role, scopes=frozenset(scopes), **more)
    return {"Authorization": f"Bearer {accounts.add_key(service, SYSTEM, wanted)[1]}"}


@pytest.fixture
def manager(service: Service) -> dict[str, str]:
    return bearer(service, UserRole.MANAGER)


@pytest.fixture
def admin(service: Service) -> dict[str, str]:
    return bearer(service, UserRole.ADMIN)


def add_alerts(service: Service, *teams: str) -> list[str]:
    ids = []
    with service.database.write() as connection:
        for n, team in enumerate(teams):
            number = calls.add(
                connection,
                {
                    "call_id": f"c{n}", "line_of_business": "general", "medium": "voice", "team": team,
                    "started_ms": 0, "day": 20261130, "hour": 1, "info": {}, "source": "api", "created_ms": 0,
                    "state": "queued",
                },
            )  # fmt: skip
            alert = Alert(
                id=f"{n:026}", at_ms=100 * n, level=Level(1 + n % 3), policy_id="p", policy_name="严重",
                call_id=f"c{n}", finding_id="x#1", rule_id="compliance.x", title="禁语", team=team, agent_id="7",
                start_ms=5,
            )  # fmt: skip
            alerts.add(connection, alert, call=number)
            ids.append(alert.id)
    return ids


def test_alerts_are_listed_by_page_and_filter(client: TestClient, service: Service, manager: dict[str, str]) -> None:
    ids = add_alerts(service, "一组", "二组", "一组", "一组")

    def listed(**query: Any) -> tuple[list[str], str | None]:
        answer = client.get("alerts", params=query, headers=manager)
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]], answer.json()["next_cursor"]

    assert listed(limit=3) == ([ids[3], ids[2], ids[1]], ids[1])
    assert listed(limit=3, cursor=ids[1]) == ([ids[0]], None)
    assert listed(team="二组") == ([ids[1]], None)
    assert listed(level=1) == ([ids[3], ids[0]], None)
    assert listed(from_ms=100, to_ms=300) == ([ids[2], ids[1]], None)
    assert listed(state="closed", call_id="c1") == ([], None)
    one = client.get(f"alerts/{ids[0]}", headers=manager).json()
    assert (one["level"], one["level_chinese"], one["title"], one["state"]) == (1, "严重", "禁语", "open")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "level=4",
        "state=gone",
        "cursor=../x",
        "from_ms=-1",
        "to_ms=9007199254740992",
        "team=%00",
    ],
)
def test_wrong_queries_are_named(client: TestClient, manager: dict[str, str], query: str) -> None:
    answer = client.get(f"alerts?{query}", headers=manager)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"query.{query.partition('=')[0]}"


def test_handling_an_alert(client: TestClient, service: Service, manager: dict[str, str]) -> None:
    (alert,) = add_alerts(service, "一组")
    taken = client.post(f"alerts/{alert}/acknowledge", json={"note": "已听录音"}, headers=manager).json()
    assert (taken["state"], taken["acknowledged_by"], taken["note"]) == ("acknowledged", "manager-key", "已听录音")
    other = bearer(service, UserRole.SUPERVISOR, teams=("一组",))
    assert client.post(f"alerts/{alert}/acknowledge", json={}, headers=other).status_code == 409
    assert client.post(f"alerts/{alert}/close", json={}, headers=other).json()["state"] == "closed"
    assert client.post(f"alerts/{alert}/close", json={}, headers=other).status_code == 409
    assert client.post(f"alerts/{alert}/close", json={"note": "长" * 2001}, headers=other).status_code == 422
    assert client.post(f"alerts/{alert}/close", json={"more": 1}, headers=other).status_code == 422


def test_alerts_out_of_reach_are_unknown(client: TestClient, service: Service) -> None:
    mine, theirs = add_alerts(service, "一组", "二组")
    key = bearer(service, UserRole.SUPERVISOR, teams=("一组",))
    assert [one["id"] for one in client.get("alerts", headers=key).json()["items"]] == [mine]
    unknown = client.get(f"alerts/{'9' * 26}", headers=key)
    for answer in (
        client.get(f"alerts/{theirs}", headers=key),
        client.post(f"alerts/{theirs}/acknowledge", json={}, headers=key),
        client.post(f"alerts/{theirs}/close", json={}, headers=key),
    ):
        assert (answer.status_code, answer.json()) == (404, unknown.json())


def test_who_may_do_what(client: TestClient, service: Service) -> None:
    (alert,) = add_alerts(service, "一组")
    doors = {
        ("GET", "alerts"): {"inspector", "supervisor", "manager", "admin"},
        ("POST", f"alerts/{alert}/acknowledge"): {"supervisor", "manager"},
        ("GET", "alert-policies"): {"manager", "admin"},
        ("GET", "webhooks"): {"admin", "integrator"},
        ("GET", "deliveries"): {"admin", "integrator"},
    }
    keys = {role: bearer(service, role, teams=("一组",)) for role in UserRole}
    keys |= {role: bearer(service, role) for role in (UserRole.MANAGER, UserRole.ADMIN, UserRole.INTEGRATOR)}
    for (method, path), allowed in doors.items():
        assert client.request(method, path).status_code == 401
        for role, headers in keys.items():
            answer = client.request(method, path, headers=headers, json={} if method == "POST" else None)
            assert (answer.status_code != 403) is (role.value in allowed), (role, path)


def test_push_addresses_are_secret_and_survive_a_form_that_is_sent_back(
    client: TestClient, service: Service, manager: dict[str, str]
) -> None:
    made = client.post("alert-policies", json=POLICY, headers=manager)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert [url[:-4] for url in shown["recipients"]["push_urls"]] == ["dingtalk://***", "bark://***"]
    policy = shown.pop("id")
    fewer = {**shown["recipients"], "push_urls": shown["recipients"]["push_urls"][:1]}
    changed = {**shown, "name": "改名", "recipients": fewer}
    answer = client.put(f"alert-policies/{policy}", json=changed, headers=manager)
    assert (answer.status_code, answer.json()["name"]) == (200, "改名")
    listed = client.get("alert-policies", headers=manager)
    assert SECRET not in made.text + answer.text + listed.text
    with service.database.read() as connection:
        assert alert_policies.get(connection, policy).recipients.push_urls == (f"dingtalk://{SECRET}@abcdefghijkl",)
    changed["recipients"]["push_urls"] = ["dingtalk://***0000"]
    assert client.put(f"alert-policies/{policy}", json=changed, headers=manager).status_code == 422
    assert client.delete(f"alert-policies/{policy}", headers=manager).status_code == 204
    for method in ("GET", "DELETE"):
        assert client.request(method, f"alert-policies/{policy}", headers=manager).status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"level": 0}, "level"),
        ({"rules": ["everything"]}, "rules"),
        ({"rules": ["compliance.*.x"]}, "rules"),
        ({"min_confidence": 1.1}, "min_confidence"),
        ({"quiet_hours": "22-7"}, "quiet_hours"),
        ({"cool_down_minutes": -1}, "cool_down_minutes"),
        ({"recipients": {"channels": ["fax"]}}, "recipients"),
        ({"recipients": {"push_urls": ["no address"]}}, "recipients"),
        ({"recipients": {"push_urls": ["nosuchway://a"]}}, ""),
        ({"recipients": {"push_urls": ["syslog://localhost"]}}, ""),
        ({"recipients": {"users": ["nobody"]}}, ""),
        ({"teams": ["\x00"]}, "teams"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_wrong_policies_are_refused(
    client: TestClient, manager: dict[str, str], changes: dict[str, Any], field: str
) -> None:
    answer = client.post("alert-policies", json={**POLICY, **changes}, headers=manager)
    assert answer.status_code == 422, answer.text
    named = [one["field"] for one in answer.json()["errors"]]
    assert all(one.startswith(f"body.{field}") for one in named)
    assert bool(named) is bool(field)
    assert "nosuchway" not in answer.text


def test_policies_concern_all_teams(client: TestClient, service: Service) -> None:
    key = bearer(service, UserRole.MANAGER, teams=("一组",))
    assert client.get("alert-policies", headers=key).status_code == 403
    assert client.post("alert-policies", json=POLICY, headers=key).status_code == 403


def test_default_policies_can_be_changed(client: TestClient, service: Service, manager: dict[str, str]) -> None:
    policies.ensure_default_policies(service)
    shown = client.get("alert-policies", headers=manager).json()["items"]
    assert [one["level"] for one in shown] == [1, 1, 2, 3]
    policy = shown[-1]
    policy["enabled"] = True
    answer = client.put(f"alert-policies/{policy.pop('id')}", json=policy, headers=manager)
    assert answer.json()["enabled"] is True


def test_a_webhook_shows_its_secret_once(client: TestClient, admin: dict[str, str]) -> None:
    made = client.post("webhooks", json=HOOK, headers=admin)
    assert made.status_code == 201, made.text
    secret, hook = made.json()["secret"], made.json()["webhook"]
    assert secret.startswith("whsec_")
    path = f"webhooks/{hook['id']}"
    assert client.get(path, headers=admin).json() == hook
    assert client.get("webhooks", headers=admin).json() == {"items": [hook]}
    changed = client.patch(path, json={"events": ["alert.raised"], "active": False}, headers=admin)
    assert changed.json() == {**hook, "events": ["alert.raised"], "active": False}
    rotated = client.post(f"{path}/rotate-secret", headers=admin)
    assert rotated.json()["secret"] not in ("", secret)
    assert client.post(f"{path}/ping", headers=admin).status_code == 409
    audit = client.get("audit", params={"object_kind": "webhook"}, headers=admin)
    assert [one["action"] for one in audit.json()["items"]] == ["webhook.changed", "webhook.changed", "webhook.created"]
    for text in (changed.text, audit.text, client.get("webhooks", headers=admin).text):
        assert "whsec_" not in text
    assert client.delete(path, headers=admin).status_code == 204
    assert client.get(path, headers=admin).status_code == 404


@pytest.mark.parametrize(
    "changes",
    [{"url": "http://10.0.0.1/"}, {"url": "file:///etc/passwd"}, {"url": "http://a b"}, {"events": []},
     {"events": ["job.started"]}, {"secret": "whsec_AAAA"}, {"url": "https://nobody.invalid/"}],
)  # fmt: skip
def test_wrong_webhooks_are_refused(client: TestClient, admin: dict[str, str], changes: dict[str, Any]) -> None:
    assert client.post("webhooks", json={**HOOK, **changes}, headers=admin).status_code == 422


def test_messages_are_listed_without_the_addresses_of_pushes(
    client: TestClient, service: Service, admin: dict[str, str]
) -> None:
    hook = client.post("webhooks", json=HOOK, headers=admin).json()["webhook"]["id"]
    ping = client.post(f"webhooks/{hook}/ping", headers=admin)
    assert (ping.status_code, ping.json()["event"], ping.json()["target"]) == (202, "ping", hook)
    push = Delivery(id=new_id(), kind=DeliveryKind.PUSH, target=f"dingtalk://{SECRET}@x", event="alert.raised")
    with service.database.write() as connection:
        deliveries.add(connection, [push])
    answer = client.get("deliveries", headers=admin)
    assert SECRET not in answer.text
    assert {one["target"][:14] for one in answer.json()["items"]} == {hook[:14], "dingtalk://***"}
    only = client.get("deliveries", params={"webhook_id": hook, "state": "pending"}, headers=admin).json()
    assert [one["id"] for one in only["items"]] == [ping.json()["id"]]
    assert client.get(f"deliveries/{ping.json()['id']}", headers=admin).json() == ping.json()
    assert client.post(f"deliveries/{ping.json()['id']}/redeliver", headers=admin).status_code == 409
    assert client.post(f"deliveries/{'9' * 26}/redeliver", headers=admin).status_code == 404
