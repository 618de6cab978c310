"""Sessions in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.model.account import User, UserRole
from qingting.model.ids import new_id
from qingting.storage import sessions, users
from qingting.storage.database import Database

WANG = User(id=new_id(), name="wang", display_name="王", role=UserRole.AGENT, created_ms=1)
LI = User(id=new_id(), name="li", display_name="李", role=UserRole.AGENT, created_ms=1)


@pytest.fixture
def opened(database: Database) -> Database:
    """Two sessions of Wang that end at 100 and 200, one of Li."""
    with database.write() as connection:
        for one in (WANG, LI):
            users.add(connection, one)
        for token, user_id, expires in (("a" * 64, WANG.id, 100), ("b" * 64, WANG.id, 200), ("c" * 64, LI.id, 200)):
            sessions.add(connection, token_sha256=token, user_id=user_id, created_ms=0, expires_ms=expires)
    return database


def whose(database: Database, token: str, now_ms: int) -> User | None:
    with database.read() as connection:
        return sessions.user_of_token(connection, token * 64, now_ms=now_ms)


@pytest.mark.parametrize(
    ("token", "now", "expected"),
    [("a", 99, WANG), ("a", 100, None), ("b", 100, WANG), ("c", 0, LI), ("d", 0, None)],
)
def test_a_session_is_its_users_until_it_expires(opened: Database, token: str, now: int, expected: User | None) -> None:
    assert whose(opened, token, now) == expected


def test_a_disabled_user_has_no_session(opened: Database) -> None:
    with opened.write() as connection:
        users.replace(connection, replace(WANG, disabled=True))
    assert whose(opened, "b", 0) is None
    assert whose(opened, "c", 0) == LI


def test_sessions_end_one_by_one_or_all_of_a_user(opened: Database) -> None:
    with opened.write() as connection:
        sessions.remove(connection, "a" * 64)
    assert [whose(opened, token, 0) for token in "abc"] == [None, WANG, LI]
    with opened.write() as connection:
        assert sessions.remove_of_user(connection, WANG.id) == 1
    assert [whose(opened, token, 0) for token in "abc"] == [None, None, LI]


def test_expired_sessions_are_forgotten(opened: Database) -> None:
    with opened.write() as connection:
        assert sessions.forget_expired(connection, 100) == 1
        assert sessions.forget_expired(connection, 100) == 0
    assert whose(opened, "b", 100) == WANG
