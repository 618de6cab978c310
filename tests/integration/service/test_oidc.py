"""Signing in through an identity provider: a real small one runs beside, and everything that could go wrong does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey

from qingting.api.app import build_app
from qingting.api.limits import Limits
from qingting.model.account import SYSTEM, User, UserRole
from qingting.service import accounts, oidc
from qingting.service.center import Service
from qingting.settings import Settings
from qingting.storage import audit
from qingting.storage.audit import AuditEntry, AuditFilter
from qingting.storage.database import Database
from qingting.storage.recording_store import RecordingStore

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CLIENT_ID = "qingting"
CLIENT_SECRET = "client secret: 100%"
CALLBACK = "http://qingting.test/api/v1/auth/oidc/callback"
Claims = dict[str, Any]
FIRST_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}, private=True)
SECOND_KEY = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"}, private=True)


class Provider:
    """An identity provider: discovery, keys, token endpoint; tests change what it says."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.key = FIRST_KEY
        self.published: list[RSAKey | OctKey] = [FIRST_KEY]
        self.claims: Claims = {
            "sub": "42",
            "preferred_username": "Wang.Li",
            "name": "王丽",
            "qingting_role": "inspector",
        }
        self.change: Callable[[Claims], object] = lambda claims: None
        self.sign: Callable[[Claims], str] = self.signed
        self.metadata: dict[str, Any] = {}
        self.token_answer: JSONResponse | None = None
        self.codes: dict[str, dict[str, str]] = {}
        self.fetched_keys = 0

    def signed(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid or ""}, claims, self.key)

    def authorize(self, url: str) -> str:
        """Let the person in: returns the code that goes back with the browser."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["redirect_uri"] == CALLBACK
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = f"code {len(self.codes)}"
        self.codes[code] = query
        return code

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def discovery() -> dict[str, Any]:
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.metadata,
            }

        @app.get("/keys")
        def keys() -> dict[str, Any]:
            self.fetched_keys += 1
            return {"keys": [key.as_dict(private=isinstance(key, OctKey)) for key in self.published]}

        @app.post("/token")
        async def token(request: Request) -> JSONResponse:
            return self.redeem(
                {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()},
                request.headers.get("authorization", ""),
            )

        return app

    def redeem(self, form: dict[str, str], authorization: str) -> JSONResponse:
        if self.token_answer is not None:
            return self.token_answer
        begun = self.codes.pop(form.get("code", ""), None)
        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{quote_plus(CLIENT_SECRET)}".encode()).decode()
        known = authorization == basic or form.get("client_secret") == CLIENT_SECRET
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if begun is None or not known or challenge != begun["code_challenge"] or form["redirect_uri"] != CALLBACK:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
        claims = {**claims, **self.claims}
        self.change(claims)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": self.sign(claims)})


@pytest.fixture
def provider() -> Iterator[Provider]:
    listener = socket.create_server(("127.0.0.1", 0))
    served = Provider(listener.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(served.app(), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield served
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def service(database: Database, tmp_path: Path, provider: Provider) -> Service:
    settings = Settings(
        oidc={  # type: ignore[arg-type]
            "issuer": provider.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_url": CALLBACK,
        }
    )
    store = RecordingStore.open((tmp_path / "recordings").as_uri())
    return Service(settings=settings, database=database, recordings=store)


def configured(service: Service, **changes: Any) -> Service:
    settings = service.settings.model_copy(update={"oidc": service.settings.oidc.model_copy(update=changes)})
    return Service(settings=settings, database=service.database, recordings=service.recordings)


def browser(service: Service) -> TestClient:
    app = build_app(service)
    app.state.limits = Limits(requests_per_minute=0, sign_ins_per_minute=0)
    return TestClient(app, base_url="http://qingting.test/api/v1", follow_redirects=False)


@pytest.fixture
def client(service: Service) -> TestClient:
    return browser(service)


def begin(client: TestClient, **query: str) -> str:
    """Go to the provider; returns its address with all that was asked."""
    answer = client.get("auth/oidc/start", params=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come_back(client: TestClient, provider: Provider, asked: str, **changed: str) -> Any:
    state = parse_qs(urlsplit(asked).query)["state"][0]
    params = {"code": provider.authorize(asked), "state": state, **changed}
    return client.get("auth/oidc/callback", params=params)


def sign_in(client: TestClient, provider: Provider) -> Any:
    return come_back(client, provider, begin(client))


def log(service: Service) -> list[AuditEntry]:
    with service.database.read() as connection:
        return list(audit.page(connection, wanted=AuditFilter(), limit=100).items)


def people(service: Service) -> list[User]:
    return list(accounts.list_users(service, limit=100).items)


def test_the_first_sign_in_makes_the_user(client: TestClient, provider: Provider, service: Service) -> None:
    asked = begin(client, next="/calls?page=2")
    assert asked.startswith(f"{provider.issuer}/authorize?tenant=1&")
    answer = come_back(client, provider, asked)
    assert (answer.status_code, answer.headers["location"]) == (303, "/calls?page=2")
    me = client.get("auth/me").json()
    assert (me["name"], me["role"], me["reach"]["everything"]) == ("wang.li", "inspector", True)
    [user] = people(service)
    assert (user.display_name, user.oidc_subject) == ("王丽", f"{provider.issuer}|42")
    assert [one.action for one in log(service)] == ["sign_in.done", "user.created"]
    assert "qingting_oidc" not in client.cookies, "the attempt is used up"


def test_the_cookie_of_an_attempt_is_short_lived_and_goes_to_the_callback_only(client: TestClient) -> None:
    cookie = client.get("auth/oidc/start").headers["set-cookie"].lower()
    for attribute in ("httponly", "max-age=600", "path=/api/v1/auth/oidc/callback", "samesite=lax"):
        assert f"; {attribute}" in cookie


def test_each_sign_in_brings_the_user_up_to_date(client: TestClient, provider: Provider, service: Service) -> None:
    sign_in(client, provider)
    provider.claims |= {
        "name": "王莉", "preferred_username": "other", "qingting_role": ["unknown", "supervisor"],
        "qingting_teams": ["华东一组", "华东二组"], "qingting_agent_id": 8001,
    }  # fmt: skip
    sign_in(client, provider)
    [user] = people(service)
    assert (user.name, user.display_name, user.role) == ("wang.li", "王莉", UserRole.SUPERVISOR)
    assert (user.teams, user.agent_id) == (("华东一组", "华东二组"), "8001")
    del provider.claims["qingting_teams"]
    sign_in(client, provider)
    assert people(service) == [user], "what the provider does not tell stays"


def test_the_provider_decides_the_role_every_time(client: TestClient, provider: Provider, service: Service) -> None:
    sign_in(client, provider)
    [user] = people(service)
    accounts.change_user(service, SYSTEM, user.id, {"role": UserRole.ADMIN})
    accounts.add_user(service, SYSTEM, name="root", fields={"role": UserRole.ADMIN}, password=None)
    sign_in(client, provider)
    assert client.get("auth/me").json()["role"] == "inspector"


def test_the_last_administrator_is_not_demoted_by_a_claim(
    client: TestClient, provider: Provider, service: Service
) -> None:
    provider.claims["qingting_role"] = "admin"
    sign_in(client, provider)
    provider.claims["qingting_role"] = "agent"
    other = browser(service)
    assert sign_in(other, provider).status_code == 409
    assert "qingting_session" not in other.cookies
    assert [user.role for user in people(service)] == [UserRole.ADMIN]


@pytest.mark.parametrize("role", [None, "emperor", "integrator", "", [], ["emperor"]])
def test_whoever_has_no_role_is_refused_unless_there_is_a_default(
    client: TestClient, provider: Provider, service: Service, role: Any
) -> None:
    provider.claims["qingting_role"] = role
    assert sign_in(client, provider).status_code == 401
    assert people(service) == []
    welcome = browser(configured(service, default_role="agent"))
    assert sign_in(welcome, provider).status_code == 303
    assert [user.role for user in people(service)] == [UserRole.AGENT]


@pytest.mark.parametrize(
    "claims",
    [
        {"qingting_role": {"admin": True}},
        {"qingting_role": True},
        {"qingting_teams": {"a": 1}},
        {"qingting_teams": [["a"]]},
        {"qingting_teams": ["a\x00b"]},
        {"qingting_teams": ["a" * 129]},
        {"qingting_agent_id": 1.5},
        {"sub": ""},
        {"sub": 42},
        {"sub": None},
        {"sub": "a\x00b"},
        {"sub": "x" * 600},
    ],
)
def test_malformed_claims_let_nobody_in(
    client: TestClient, provider: Provider, service: Service, claims: Claims
) -> None:
    provider.claims |= claims
    assert sign_in(client, provider).status_code in {401, 422}
    assert people(service) == []


@pytest.mark.parametrize("wished", ["wang.li", "Wang.Li", "王丽", "", None])
def test_nobody_takes_over_an_account_by_its_name(
    client: TestClient, provider: Provider, service: Service, wished: str | None
) -> None:
    local = accounts.add_user(service, SYSTEM, name="wang.li", fields={"role": UserRole.ADMIN}, password=None)
    provider.claims["preferred_username"] = wished
    assert sign_in(client, provider).status_code == 303
    me = client.get("auth/me").json()
    assert me["id"] != local.id
    assert me["name"] != local.name
    assert me["role"] == "inspector"
    again = browser(service)
    sign_in(again, provider)
    assert again.get("auth/me").json()["id"] == me["id"]


def test_a_disabled_user_stays_out(client: TestClient, provider: Provider, service: Service) -> None:
    sign_in(client, provider)
    [user] = people(service)
    accounts.change_user(service, SYSTEM, user.id, {"disabled": True})
    provider.claims["name"] = "somebody new"
    assert sign_in(browser(service), provider).status_code == 401
    assert people(service)[0].display_name == "王丽"
    assert log(service)[0].detail == {"reason": "disabled", "how": "oidc"}


def wrong_signature(provider: Provider) -> None:
    provider.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, SECOND_KEY)


def altered(provider: Provider) -> None:
    def forge(claims: Claims) -> str:
        head, _, signature = provider.signed(claims).split(".")
        body = jwt.encode({"alg": "RS256", "kid": "first"}, {**claims, "qingting_role": "admin"}, SECOND_KEY)
        return f"{head}.{body.split('.')[1]}.{signature}"

    provider.sign = forge


def unsigned(provider: Provider) -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    provider.sign = lambda claims: f"{head}.{provider.signed(claims).split('.')[1]}."


def signed_with_the_public_key(provider: Provider) -> None:
    """HS256 keyed with what everybody can read, under the public key's name."""
    secret = OctKey.import_key(base64.urlsafe_b64encode(FIRST_KEY.as_pem(private=False)).decode())
    provider.sign = lambda claims: jws.serialize_compact(
        {"alg": "HS256", "kid": "first"}, json.dumps(claims), secret, algorithms=["HS256"]
    )


def signed_with_a_published_secret(provider: Provider) -> None:
    secret = OctKey.generate_key(256, {"kid": "shared"})
    provider.published = [FIRST_KEY, secret]
    provider.sign = lambda claims: jws.serialize_compact(
        {"alg": "HS256", "kid": "shared"}, json.dumps(claims), secret, algorithms=["HS256"]
    )


def key_in_the_header(provider: Provider) -> None:
    provider.sign = lambda claims: jwt.encode(
        {"alg": "RS256", "kid": "second", "jwk": SECOND_KEY.as_dict(private=False)}, claims, SECOND_KEY
    )


def claims_with(**changes: Any) -> Callable[[Provider], None]:
    def arrange(provider: Provider) -> None:
        provider.change = lambda claims: claims.update(changes)

    return arrange


def claims_without(name: str) -> Callable[[Provider], None]:
    def arrange(provider: Provider) -> None:
        provider.change = lambda claims: claims.pop(name)

    return arrange


NOW = int(time.time())
ATTACKS: dict[str, Callable[[Provider], None]] = {
    "signed by somebody else": wrong_signature,
    "altered after signing": altered,
    "not signed": unsigned,
    "keyed with the public key": signed_with_the_public_key,
    "keyed with a published secret": signed_with_a_published_secret,
    "brings its own key": key_in_the_header,
    "another issuer": claims_with(iss="http://evil.test"),
    "no issuer": claims_without("iss"),
    "for another client": claims_with(aud="another"),
    "for others": claims_with(aud=["another", "third"]),
    "no audience": claims_without("aud"),
    "for several, authorized party unnamed": claims_with(aud=[CLIENT_ID, "another"]),
    "for several, given to another": claims_with(aud=[CLIENT_ID, "another"], azp="another"),
    "given to another": claims_with(azp="another"),
    "expired": claims_with(exp=NOW - 3600),
    "never expires": claims_without("exp"),
    "expires at no number": claims_with(exp="tomorrow"),
    "not yet valid": claims_with(nbf=NOW + 36_000),
    "issued in the future": claims_with(iat=NOW + 36_000),
    "of another attempt": claims_with(nonce="0" * 64),
    "of no attempt": claims_without("nonce"),
    "nobody's": claims_without("sub"),
    "no token": lambda provider: setattr(provider, "sign", lambda claims: "x.y.z"),
    "an empty token": lambda provider: setattr(provider, "sign", lambda claims: ""),
}


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_a_token_that_is_not_meant_lets_nobody_in(
    client: TestClient, provider: Provider, service: Service, attack: str
) -> None:
    ATTACKS[attack](provider)
    answer = sign_in(client, provider)
    assert answer.status_code == 401, answer.text
    assert "set-cookie" not in answer.headers
    assert people(service) == []


@pytest.mark.parametrize(
    "arrange",
    [claims_with(azp=CLIENT_ID), claims_with(aud=[CLIENT_ID]), claims_with(aud=["x", CLIENT_ID], azp=CLIENT_ID)],
)
def test_tokens_may_name_their_party(
    client: TestClient, provider: Provider, arrange: Callable[[Provider], None]
) -> None:
    arrange(provider)
    assert sign_in(client, provider).status_code == 303


def test_an_answer_needs_the_browser_that_began(client: TestClient, provider: Provider, service: Service) -> None:
    """Somebody else's answer, sent to a victim, must not sign the victim in as somebody else."""
    asked = begin(client)
    stranger = browser(service)
    assert come_back(stranger, provider, asked).status_code == 401
    begin(stranger)
    assert come_back(stranger, provider, asked).status_code == 401
    assert people(service) == []


@pytest.mark.parametrize("state", ["", "0" * 64, "é"])
def test_a_wrong_state_is_refused(client: TestClient, provider: Provider, service: Service, state: str) -> None:
    assert come_back(client, provider, begin(client), state=state).status_code == 401
    assert people(service) == []


@pytest.mark.parametrize("cookie", ["", "x", "..", f"{'0' * 64}.{'0' * 64}.{'0' * 64}.", f"{'0' * 63}.a.b.%2F"])
def test_a_broken_cookie_is_refused(client: TestClient, provider: Provider, cookie: str) -> None:
    asked = begin(client)
    client.cookies.clear()
    client.cookies.set("qingting_oidc", cookie)
    assert come_back(client, provider, asked).status_code == 401


def test_a_code_stolen_from_one_browser_is_worth_nothing_in_another(
    client: TestClient, provider: Provider, service: Service
) -> None:
    stolen = provider.authorize(begin(client))
    thief = browser(service)
    assert come_back(thief, provider, begin(thief), code=stolen).status_code == 401
    assert people(service) == []


def test_an_answer_cannot_be_used_twice(client: TestClient, provider: Provider) -> None:
    asked = begin(client)
    cookie = client.cookies["qingting_oidc"]
    code = provider.authorize(asked)
    state = parse_qs(urlsplit(asked).query)["state"][0]
    assert client.get("auth/oidc/callback", params={"code": code, "state": state}).status_code == 303
    assert client.get("auth/oidc/callback", params={"code": code, "state": state}).status_code == 401
    client.cookies.set("qingting_oidc", cookie, path="/api/v1/auth/oidc/callback")
    assert client.get("auth/oidc/callback", params={"code": code, "state": state}).status_code == 401


def test_an_answer_of_another_provider_is_refused(client: TestClient, provider: Provider) -> None:
    assert come_back(client, provider, begin(client), iss="http://evil.test").status_code == 401
    assert come_back(client, provider, begin(client), iss=provider.issuer).status_code == 303


def test_a_refusal_by_the_provider_is_not_repeated(client: TestClient, provider: Provider) -> None:
    begin(client)
    answer = client.get("auth/oidc/callback", params={"error": "<script>alert(1)</script>", "state": "x"})
    assert answer.status_code == 401
    assert "script" not in answer.text


@pytest.mark.parametrize(
    "page",
    ["http://evil.test", "//evil.test", "/\\evil.test", "\\\\evil.test", "/\t/evil.test", "javascript:alert(1)", "",
     "evil", "/a\r\nSet-Cookie: x=1", "/\x00"],
)  # fmt: skip
def test_the_way_back_leads_to_no_other_site(client: TestClient, provider: Provider, page: str) -> None:
    assert client.get("auth/oidc/start", params={"next": page}).status_code == 422
    asked = begin(client)
    kept = client.cookies["qingting_oidc"].rpartition(".")[0]
    client.cookies.clear()
    with contextlib.suppress(ValueError, UnicodeError):
        client.cookies.set("qingting_oidc", f"{kept}.{page}", path="/api/v1/auth/oidc/callback")
    answer = come_back(client, provider, asked)
    assert answer.status_code in {401, 422}
    assert "qingting_session" not in client.cookies


def test_keys_may_be_changed_by_the_provider(
    client: TestClient, provider: Provider, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, provider)
    sign_in(client, provider)
    assert provider.fetched_keys == 1, "kept for a while"
    provider.key, provider.published = SECOND_KEY, [SECOND_KEY]
    assert sign_in(browser(service), provider).status_code == 303, "a new process fetches them"
    assert sign_in(client, provider).status_code == 401, "but an old one not again and again"
    assert provider.fetched_keys == 2
    monkeypatch.setattr(oidc, "_REFRESH_SECONDS", 0.0)
    assert sign_in(client, provider).status_code == 303
    assert provider.fetched_keys == 3
    provider.key = FIRST_KEY
    assert sign_in(client, provider).status_code == 401, "a key that was withdrawn signs nothing any more"


@pytest.mark.parametrize("methods", [["client_secret_post"], ["client_secret_basic"], ["private_key_jwt", "none"]])
def test_the_client_proves_itself_as_the_provider_wishes(
    client: TestClient, provider: Provider, methods: list[str]
) -> None:
    provider.metadata["token_endpoint_auth_methods_supported"] = methods
    assert sign_in(client, provider).status_code == 303


def broken_answer(status: int, body: Any) -> Callable[[Provider], None]:
    return lambda provider: setattr(provider, "token_answer", JSONResponse(body, status_code=status))


@pytest.mark.parametrize(
    "arrange",
    [
        lambda provider: provider.metadata.update(issuer="http://evil.test"),
        lambda provider: provider.metadata.update(token_endpoint=None),
        lambda provider: provider.metadata.update(token_endpoint="file:///etc/passwd"),
        lambda provider: provider.metadata.update(token_endpoint="http://127.0.0.1:9/token"),
        lambda provider: provider.metadata.update(jwks_uri=f"{provider.issuer}/missing"),
        lambda provider: provider.published.clear(),
        broken_answer(500, {}),
        broken_answer(200, {}),
        broken_answer(200, {"id_token": 5}),
        broken_answer(200, ["id_token"]),
        broken_answer(200, {"id_token": "x" * 2_000_000}),
        broken_answer(302, {}),
    ],
)
def test_a_broken_provider_is_named_as_such(
    client: TestClient, provider: Provider, service: Service, arrange: Callable[[Provider], object]
) -> None:
    arrange(provider)
    started = client.get("auth/oidc/start")
    answer = come_back(client, provider, started.headers["location"]) if started.status_code == 303 else started
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:qingting:problem:identity_provider")
    assert people(service) == []


def test_a_provider_that_is_away(service: Service) -> None:
    away = browser(configured(service, issuer="http://127.0.0.1:9"))
    answer = away.get("auth/oidc/start")
    assert (answer.status_code, answer.json()["retry"]) == (503, True)


def test_without_a_provider_there_is_nothing_to_start(service: Service) -> None:
    off = browser(configured(service, issuer=""))
    assert off.get("auth/oidc/start").status_code == 404
    assert off.get("auth/oidc/callback").status_code == 404
    assert browser(configured(service, redirect_url="")).get("auth/oidc/start").status_code == 500
