"""Signing in, users, keys and the audit log over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from fastapi.testclient import TestClient

from qingting.api.app import build_app
from qingting.api.limits import Limits
from qingting.model.account import SYSTEM, Permission, User, UserRole
from qingting.model.ids import new_id
from qingting.service import accounts
from qingting.service.accounts import NewKey
from qingting.service.center import Service

pytestmark = [
    pytest.mark.usefixtures("quick_digests"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
PASSWORD = "a good password"
PROOF = {"X-Qingting-Request": "1"}


class Clock(Protocol):
    ms: int


@pytest.fixture
def admin(service: Service) -> User:
    fields = {"role": UserRole.ADMIN, "contact": ("mailto://secret:word@example.com",)}
    return accounts.add_user(service, SYSTEM, name="admin", fields=fields, password=PASSWORD)


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    app = build_app(service)
    app.state.limits = Limits(requests_per_minute=0, sign_ins_per_minute=0)
    with TestClient(app, base_url="http://qingting.test/api/v1", follow_redirects=False) as opened:
        yield opened


def sign_in(client: TestClient, name: str = "admin", password: str = PASSWORD) -> Any:
    return client.post("auth/sign-in", json={"name": name, "password": password})


def bearer(service: Service, role: UserRole = UserRole.ADMIN, *scopes: Permission, **more: Any) -> dict[str, str]:
    wanted = NewKey(name="key", role=role, scopes=frozenset(scopes), **more)
    return {"Authorization": f"Bearer {accounts.add_key(service, SYSTEM, wanted)[1]}"}


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client: TestClient, admin: User) -> None:
    answer = sign_in(client)
    assert answer.status_code == 200
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("qingting_session=")
    assert {one.lower() for one in attributes} == {"httponly", "max-age=43200", "path=/", "samesite=lax"}
    assert name.partition("=")[2] not in answer.text
    me = client.get("auth/me").json()
    assert me == answer.json()["actor"]
    assert (me["name"], me["role"], me["role_chinese"], me["is_key"]) == ("admin", "admin", "管理员", False)
    assert "users:manage" in me["permissions"]
    assert "calls:read" not in me["permissions"]


def test_behind_tls_the_cookie_never_travels_in_the_open(service: Service, admin: User) -> None:
    api = service.settings.api.model_copy(update={"secure_cookies": True})
    settings = service.settings.model_copy(update={"api": api})
    secured = Service(settings=settings, database=service.database, recordings=service.recordings)
    with TestClient(build_app(secured), base_url="https://qingting.test/api/v1") as client:
        assert "; Secure" in sign_in(client).headers["set-cookie"]
        assert "; Secure" in client.post("auth/sign-out", headers=PROOF).headers["set-cookie"]


def test_signing_out_ends_the_session_and_takes_the_cookie_back(client: TestClient, admin: User) -> None:
    sign_in(client)
    kept = client.cookies["qingting_session"]
    answer = client.post("auth/sign-out", headers=PROOF)
    assert answer.status_code == 204
    assert 'qingting_session=""; ' in answer.headers["set-cookie"]
    client.cookies.set("qingting_session", kept)
    assert client.get("auth/me").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-Qingting-Request": "0"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "http://qingting.test", "Sec-Fetch-Site": "same-origin"}, 403),
        (PROOF, 204),
    ],
)
def test_a_change_by_cookie_needs_the_header_that_other_sites_cannot_send(
    client: TestClient, admin: User, headers: dict[str, str], status: int
) -> None:
    sign_in(client)
    assert client.get("auth/me").status_code == 200, "reading needs none"
    answer = client.post("auth/sign-out", headers=headers)
    assert answer.status_code == status
    assert status == 204 or "X-Qingting-Request" in answer.json()["detail"]


def test_other_sites_are_never_allowed_to_ask(client: TestClient, admin: User) -> None:
    """No CORS: the browser's question before a foreign request with a header of its own is not answered."""
    asked = client.options(
        "auth/sign-out",
        headers={
            "Origin": "http://evil.test",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-qingting-request",
        },
    )
    assert asked.status_code == 405
    assert not [name for name in asked.headers if name.startswith("access-control")]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_form_of_another_site_cannot_sign_anybody_in(
    client: TestClient, admin: User, content_type: str | None
) -> None:
    """Otherwise a stranger could sign a victim in as himself and watch what the victim does there."""
    headers = {"Content-Type": content_type} if content_type else {}
    answer = client.post("auth/sign-in", content=f'{{"name":"admin","password":"{PASSWORD}"}}', headers=headers)
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers
    assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "admin"},
        {"name": "admin", "password": 5},
        {"name": "admin", "password": "x" * 1025},
        {"name": "a" * 257, "password": PASSWORD},
        {"name": "admin", "password": PASSWORD, "role": "admin"},
        ["admin", PASSWORD],
        None,
    ],
)
def test_malformed_attempts_name_the_field_and_repeat_nothing(client: TestClient, admin: User, body: Any) -> None:
    answer = client.post("auth/sign-in", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("raw", [b'{"name":"admin\\u0000","password":"\\u0000"}', b'{"name":"\\ud800","password":"x"}'])
def test_strange_characters_are_no_defect(client: TestClient, admin: User, raw: bytes) -> None:
    answer = client.post("auth/sign-in", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code in {401, 422}


def test_a_key_is_taken_from_either_header(client: TestClient, service: Service) -> None:
    headers = bearer(service)
    key = headers["Authorization"].removeprefix("Bearer ")
    for sent in (headers, {"X-API-Key": key}, {"Authorization": f"bearer {key}"}):
        answer = client.get("auth/me", headers=sent)
        assert (answer.status_code, answer.json()["is_key"]) == (200, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer qt_wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YWRtaW46eA=="},
        {"X-API-Key": ""},
        {"X-API-Key": "qt_wrong"},
    ],
)
def test_a_wrong_key_is_refused_even_beside_a_good_session(
    client: TestClient, admin: User, headers: dict[str, str]
) -> None:
    sign_in(client)
    answer = client.get("auth/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_needs_no_proof_and_has_no_password(client: TestClient, service: Service) -> None:
    headers = bearer(service)
    assert client.post("auth/sign-out", headers=headers).status_code == 204
    body = {"current": PASSWORD, "new": "another good one"}
    assert client.post("auth/password", json=body, headers=headers).status_code == 403
    assert client.get("auth/me", headers=headers).status_code == 200


def test_the_own_password_can_be_changed(client: TestClient, admin: User) -> None:
    sign_in(client)
    wrong = client.post("auth/password", json={"current": "wrong", "new": "another good one"}, headers=PROOF)
    weak = client.post("auth/password", json={"current": PASSWORD, "new": "admin"}, headers=PROOF)
    assert (wrong.status_code, weak.status_code) == (422, 422)
    changed = client.post("auth/password", json={"current": PASSWORD, "new": "another good one"}, headers=PROOF)
    assert changed.status_code == 204
    assert client.get("auth/me").status_code == 401
    assert sign_in(client).status_code == 401
    assert sign_in(client, password="another good one").status_code == 200


def test_users_from_the_cradle_to_the_grave(client: TestClient, admin: User) -> None:
    sign_in(client)
    body = {
        "name": "Wang.Li", "role": "supervisor", "password": "her own secret", "display_name": "王丽",
        "teams": ["华东一组"], "contact": ["ntfy://secret-topic"], "shift": "09:00-18:00",
    }  # fmt: skip
    made = client.post("users", json=body, headers=PROOF)
    assert made.status_code == 201
    user = made.json()
    assert (user["name"], user["contact"], user["teams"]) == ("wang.li", ["ntfy://***"], ["华东一组"])
    assert client.get(f"users/{user['id']}").json() == user
    assert client.post("users", json=body, headers=PROOF).status_code == 409

    changed = client.patch(f"users/{user['id']}", json={"teams": ["华东二组"]}, headers=PROOF).json()
    assert changed == {**user, "teams": ["华东二组"]}
    assert client.patch(f"users/{user['id']}", json={}, headers=PROOF).json() == changed

    wanted = client.put(f"users/{user['id']}/password", json={"password": "a newer secret"}, headers=PROOF)
    assert wanted.status_code == 204
    assert sign_in(client, "wang.li", "a newer secret").status_code == 200
    assert client.get("users").status_code == 403, "a supervisor administers nobody"
    sign_in(client)
    assert client.patch(f"users/{user['id']}", json={"disabled": True}, headers=PROOF).json()["disabled"]
    assert sign_in(client, "wang.li", "a newer secret").status_code == 401

    shown = client.get("users", params={"disabled": True})
    assert [one["name"] for one in shown.json()["items"]] == ["wang.li"]
    for answer in (made, shown):
        assert not any(secret in answer.text for secret in ("secret-topic", "her own secret", "argon2"))


def test_the_push_addresses_of_a_user_are_shown_by_kind_only(client: TestClient, admin: User) -> None:
    sign_in(client)
    assert client.get(f"users/{admin.id}").json()["contact"] == ["mailto://***"]
    sent_back = client.patch(f"users/{admin.id}", json={"contact": ["mailto://***"]}, headers=PROOF)
    assert sent_back.status_code == 422
    assert "word@example" not in client.get("users").text


def test_the_last_administrator_stays(client: TestClient, admin: User) -> None:
    sign_in(client)
    for change in ({"disabled": True}, {"role": "manager"}):
        answer = client.patch(f"users/{admin.id}", json=change, headers=PROOF)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:qingting:problem:conflict")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "users/{other}", None, 404),
        ("PATCH", "users/{other}", {"disabled": True}, 404),
        ("PUT", "users/{other}/password", {"password": PASSWORD}, 404),
        ("POST", "api-keys/{other}/revoke", None, 404),
        ("GET", "users/..%2Fx", None, 404),
        ("GET", "users/%00", None, 422),
        ("GET", "users?limit=0", None, 422),
        ("GET", "users?limit=201", None, 422),
        ("GET", "users?cursor=1%27", None, 422),
        ("GET", "audit?cursor=x", None, 422),
        ("GET", "audit?object_id=%00", None, 422),
        ("GET", "audit?from_ms=99999999999999999999", None, 422),
        ("PATCH", "users/{admin}", {"id": "x"}, 422),
        ("PATCH", "users/{admin}", {"oidc_subject": "x"}, 422),
        ("PATCH", "users/{admin}", {"teams": ["\x00"]}, 422),
        ("PATCH", "users/{admin}", {"shift": "9-5"}, 422),
        ("POST", "users", {"name": "x", "role": "emperor"}, 422),
        ("POST", "users", {"name": "王丽", "role": "agent"}, 422),
        ("POST", "users", {"name": "x", "role": "agent", "password": "short"}, 422),
        ("POST", "api-keys", {"name": "x", "role": "integrator", "scopes": ["everything"]}, 422),
        ("POST", "api-keys", {"name": "x", "role": "integrator", "scopes": ["users:manage"]}, 422),
        ("POST", "api-keys", {"name": "x", "role": "integrator", "expires_ms": 1}, 422),
    ],
)
def test_what_cannot_be_is_refused(
    client: TestClient, admin: User, method: str, path: str, body: Any, status: int
) -> None:
    sign_in(client)
    answer = client.request(method, path.format(other=new_id(), admin=admin.id), json=body, headers=PROOF)
    assert answer.status_code == status, answer.text


def test_a_key_is_shown_once(client: TestClient, admin: User, clock: Clock) -> None:
    sign_in(client)
    body = {"name": "recorder", "role": "integrator", "scopes": ["calls:submit"], "expires_ms": clock.ms + 1000}
    made = client.post("api-keys", json=body, headers=PROOF)
    assert made.status_code == 201
    key, secret = made.json()["key"], made.json()["secret"]
    assert (key["scopes"], key["created_by"], key["last_used_ms"]) == (["calls:submit"], admin.id, None)
    client.cookies.clear()
    assert client.get("auth/me", headers={"X-API-Key": secret}).json()["permissions"] == ["calls:submit"]
    assert client.get("users", headers={"X-API-Key": secret}).status_code == 403
    sign_in(client)
    shown = client.get("api-keys")
    assert [one["id"] for one in shown.json()["items"]] == [key["id"]]
    assert secret.split("_")[2] not in shown.text
    assert client.post(f"api-keys/{key['id']}/revoke", headers=PROOF).json()["revoked_ms"] == clock.ms
    client.cookies.clear()
    assert client.get("auth/me", headers={"X-API-Key": secret}).status_code == 401


def test_a_key_of_an_administrator_makes_no_stronger_one(client: TestClient, service: Service) -> None:
    headers = bearer(service, UserRole.ADMIN, Permission.USERS_MANAGE)
    body: dict[str, Any] = {"name": "x", "role": "admin"}
    assert client.post("api-keys", json=body, headers=headers).status_code == 403
    assert client.post("users", json=body, headers=headers).status_code == 403
    assert client.post("api-keys", json={**body, "scopes": ["users:manage"]}, headers=headers).status_code == 201


def test_the_audit_log_tells_who_did_what_from_where(client: TestClient, admin: User) -> None:
    sign_in(client, password="wrong password")
    sign_in(client, name="stranger")
    sign_in(client)
    lines = client.get("audit").json()["items"]
    assert [(one["action"], one["actor_name"], one["detail"], one["address"]) for one in lines[:3]] == [
        ("sign_in.done", "admin", {"how": "password"}, "testclient"),
        ("sign_in.failed", "", {"reason": "unknown"}, "testclient"),
        ("sign_in.failed", "admin", {"reason": "password"}, "testclient"),
    ]
    first = client.get("audit", params={"limit": 1, "action": "sign_in.failed"}).json()
    rest = client.get("audit", params={"cursor": first["next_cursor"], "action": "sign_in.failed"}).json()
    assert [one["actor_name"] for one in (*first["items"], *rest["items"])] == ["", "admin"]
    assert rest["next_cursor"] is None
    assert client.get("audit", params={"action": "audit.read"}).json()["items"][0]["actor_id"] == admin.id


def test_attempts_to_sign_in_are_limited(service: Service, admin: User) -> None:
    app = build_app(service)
    with TestClient(app, base_url="http://qingting.test/api/v1") as client:
        answers = [sign_in(client, name=f"name{number}") for number in range(12)]
        assert [one.status_code for one in answers] == [401] * 10 + [429] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 6
        spoofed = client.post(
            "auth/sign-in", json={"name": "x", "password": "y"}, headers={"X-Forwarded-For": "1.2.3.4"}
        )
        assert spoofed.status_code == 429


def test_requests_are_limited_by_actor(service: Service) -> None:
    app = build_app(service)
    app.state.limits = Limits(requests_per_minute=3, sign_ins_per_minute=0)
    busy, quiet = bearer(service), bearer(service)
    with TestClient(app, base_url="http://qingting.test/api/v1") as client:
        answers = [client.get("auth/me", headers=busy) for _ in range(4)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert answers[-1].headers["retry-after"] == "20"
        assert client.get("auth/me", headers=quiet).status_code == 200
