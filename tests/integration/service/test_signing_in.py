"""Signing in by password: nothing tells who exists, failures lock, sessions end when they should."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

import pytest
from argon2 import PasswordHasher

from qingting.errors import AccessDeniedError, InvalidRequestError, NotSignedInError
from qingting.model.account import SYSTEM, User, UserRole
from qingting.service import accounts, signing_in
from qingting.service.center import Service
from qingting.service.credentials import actor_of_session
from qingting.service.signing_in import LOCK_MS, MAX_FAILURES
from qingting.storage import audit, users
from qingting.storage.audit import AuditEntry, AuditFilter

PASSWORD = "a good password"
HOUR_MS = 3_600_000


class Clock(Protocol):
    ms: int


pytestmark = pytest.mark.usefixtures("quick_digests")


@pytest.fixture
def wang(service: Service) -> User:
    fields = {"role": UserRole.SUPERVISOR, "teams": ("华东",)}
    return accounts.add_user(service, SYSTEM, name="wang.li", fields=fields, password=PASSWORD)


def attempt(service: Service, password: str, name: str = "wang.li") -> str:
    """What somebody who tries is told; empty when it worked."""
    try:
        signing_in.sign_in(service, name=name, password=password, address="10.0.0.9")
    except NotSignedInError as error:
        return f"{error.cause} {error.remedy}"
    return ""


def log(service: Service, action: str = "") -> Sequence[AuditEntry]:
    with service.database.read() as connection:
        return audit.page(connection, wanted=AuditFilter(action=action), limit=100).items


def test_a_session_carries_the_user_until_it_expires(service: Service, wang: User, clock: Clock) -> None:
    signed_in = signing_in.sign_in(service, name=" Wang.Li ", password=PASSWORD, address="10.0.0.9")
    assert signed_in.user == wang
    assert signed_in.expires_ms == clock.ms + 12 * HOUR_MS
    assert actor_of_session(service, signed_in.token) == wang.actor()
    clock.ms += 12 * HOUR_MS
    with pytest.raises(NotSignedInError):
        actor_of_session(service, signed_in.token)
    assert [(one.actor_id, one.address) for one in log(service, "sign_in.done")] == [(wang.id, "10.0.0.9")]


def test_the_token_is_not_stored(service: Service, wang: User) -> None:
    token = signing_in.sign_in(service, name="wang.li", password=PASSWORD, address="").token
    with service.database.read() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM sessions").all()
    assert len(token) == 64
    assert token not in str(stored)


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "' OR 1=1 --", "\x00" * 64, "０" * 64])
def test_other_tokens_are_nobodys(service: Service, token: str) -> None:
    with pytest.raises(NotSignedInError):
        actor_of_session(service, token)


def test_all_refusals_sound_the_same(service: Service, wang: User) -> None:
    accounts.add_user(service, SYSTEM, name="elsewhere", fields={"role": UserRole.MANAGER}, password=None)
    gone = accounts.add_user(service, SYSTEM, name="gone", fields={"role": UserRole.MANAGER}, password=PASSWORD)
    accounts.change_user(service, SYSTEM, gone.id, {"disabled": True})
    told = {
        attempt(service, "wrong password"),
        attempt(service, PASSWORD, "nobody"),
        attempt(service, PASSWORD, "gone"),
        attempt(service, PASSWORD, "elsewhere"),
        attempt(service, "", "elsewhere"),
        attempt(service, PASSWORD, "no name \x00'; DROP TABLE users"),
    }
    assert len(told) == 1
    assert "" not in told
    for _ in range(MAX_FAILURES):
        attempt(service, "wrong password")
    assert attempt(service, PASSWORD) in told


def test_every_attempt_costs_one_digest(service: Service, wang: User, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    real = PasswordHasher.verify

    def noted(self: PasswordHasher, digest: str, password: str) -> bool:
        verified.append(digest)
        return real(self, digest, password)

    monkeypatch.setattr(PasswordHasher, "verify", noted)
    for number, (name, password) in enumerate(
        [("wang.li", PASSWORD), ("wang.li", "wrong password"), ("nobody", "wrong password"), ("\x00", "x")], start=1
    ):
        attempt(service, password, name)
        assert len(verified) == number
    assert len({digest.rsplit("$", 2)[0] for digest in verified}) == 1, "with the same parameters"


def test_ten_failures_lock_for_a_quarter_of_an_hour(service: Service, wang: User, clock: Clock) -> None:
    for _ in range(MAX_FAILURES - 1):
        assert attempt(service, "wrong password")
    assert attempt(service, PASSWORD) == "", "nine are forgiven"
    for _ in range(MAX_FAILURES):
        assert attempt(service, "wrong password")
    assert attempt(service, PASSWORD)
    clock.ms += LOCK_MS - 1
    assert attempt(service, PASSWORD)
    clock.ms += 1
    assert attempt(service, PASSWORD) == ""
    reasons = [one.detail["reason"] for one in log(service, "sign_in.failed")]
    assert reasons.count("locked") == 2


def test_attempts_at_the_same_time_do_not_get_around_the_lock(service: Service, wang: User) -> None:
    """All threads read the user before the first failure is counted."""
    gate = threading.Barrier(MAX_FAILURES + 4)

    def guess() -> None:
        gate.wait()
        attempt(service, "wrong password")

    threads = [threading.Thread(target=guess) for _ in range(MAX_FAILURES + 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reasons = [one.detail["reason"] for one in log(service, "sign_in.failed")]
    assert (reasons.count("password"), reasons.count("locked")) == (MAX_FAILURES, 4)


def test_an_administrator_ends_a_lock_with_a_new_password(service: Service, wang: User) -> None:
    for _ in range(MAX_FAILURES):
        attempt(service, "wrong password")
    accounts.set_password(service, SYSTEM, wang.id, "another good one")
    assert attempt(service, PASSWORD)
    assert attempt(service, "another good one") == ""


def test_signing_out_ends_this_session_only(service: Service, wang: User) -> None:
    here, there = (signing_in.sign_in(service, name="wang.li", password=PASSWORD, address="").token for _ in "ab")
    signing_in.sign_out(service, wang.actor(), token=here, address="")
    with pytest.raises(NotSignedInError):
        actor_of_session(service, here)
    assert actor_of_session(service, there) == wang.actor()


def test_a_new_password_disabling_and_a_new_role_reach_running_sessions(service: Service, wang: User) -> None:
    def token(password: str) -> str:
        return signing_in.sign_in(service, name="wang.li", password=password, address="").token

    first = token(PASSWORD)
    signing_in.change_password(service, wang.actor(), current=PASSWORD, new="another good one", address="")
    second = token("another good one")
    accounts.change_user(service, SYSTEM, wang.id, {"role": UserRole.AGENT, "agent_id": "8001"})
    assert actor_of_session(service, second).role is UserRole.AGENT
    accounts.change_user(service, SYSTEM, wang.id, {"disabled": True})
    accounts.change_user(service, SYSTEM, wang.id, {"disabled": False})
    for ended in (first, second):
        with pytest.raises(NotSignedInError):
            actor_of_session(service, ended)


def test_changing_the_password_needs_the_current_one_and_counts_failures(service: Service, wang: User) -> None:
    for _ in range(MAX_FAILURES):
        with pytest.raises(InvalidRequestError):
            signing_in.change_password(service, wang.actor(), current="wrong", new="another good one", address="")
    with pytest.raises(InvalidRequestError):
        signing_in.change_password(service, wang.actor(), current=PASSWORD, new="another good one", address="")
    assert attempt(service, PASSWORD), "locked"
    with pytest.raises(AccessDeniedError):
        signing_in.change_password(service, SYSTEM, current="", new="another good one", address="")


def test_an_old_digest_is_renewed_at_the_next_sign_in(
    service: Service, wang: User, quick_digests: PasswordHasher
) -> None:
    with service.database.write() as connection:
        users.set_password(connection, wang.id, PasswordHasher(2, 128, 1).hash(PASSWORD))
    assert attempt(service, "wrong password")
    assert attempt(service, PASSWORD) == ""
    with service.database.read() as connection:
        state = users.by_name(connection, "wang.li")
    assert state is not None
    assert not quick_digests.check_needs_rehash(state.password_hash)
    assert attempt(service, PASSWORD) == ""


def test_the_log_knows_neither_passwords_nor_names_that_nobody_has(service: Service, wang: User) -> None:
    attempt(service, "wrong password")
    attempt(service, "x", "hunter2 typed into the wrong field")
    attempt(service, PASSWORD)
    written = str([(one.actor_name, one.object_id, dict(one.detail)) for one in log(service)])
    assert "wang.li" in written
    for secret in (PASSWORD, "wrong password", "hunter2"):
        assert secret not in written
