"""API keys in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from qingting.errors import NotFoundError
from qingting.model.account import ApiKey, Permission, User, UserRole
from qingting.model.ids import new_id
from qingting.storage import api_keys, users
from qingting.storage.database import Database
from qingting.storage.tables import api_keys as table

MAKER = User(id=new_id(), name="admin", display_name="管理员", role=UserRole.ADMIN, created_ms=1)
KEY = ApiKey(
    id=new_id(),
    name="录音系统",
    role=UserRole.INTEGRATOR,
    scopes=frozenset({Permission.CALLS_SUBMIT, Permission.JOBS_READ}),
    created_ms=5,
    created_by=MAKER.id,
    teams=("华东一组",),
    expires_ms=99,
)


@pytest.fixture
def stored(database: Database) -> Database:
    with database.write() as connection:
        users.add(connection, MAKER)
        api_keys.add(connection, KEY, secret_sha256="d" * 64)
    return database


def test_a_key_comes_back_as_stored(stored: Database) -> None:
    with stored.read() as connection:
        assert api_keys.find(connection, KEY.id) == api_keys.KeyState(
            key=KEY, secret_sha256="d" * 64, maker_disabled=False
        )
        assert api_keys.get(connection, KEY.id) == KEY
        assert api_keys.find(connection, new_id()) is None
        with pytest.raises(NotFoundError):
            api_keys.get(connection, new_id())


def test_a_key_tells_whether_its_maker_is_disabled(stored: Database) -> None:
    orphan = replace(KEY, id=new_id(), created_by="system")
    with stored.write() as connection:
        users.replace(connection, replace(MAKER, disabled=True))
        api_keys.add(connection, orphan, secret_sha256="e" * 64)
    with stored.read() as connection:
        found = [api_keys.find(connection, one) for one in (KEY.id, orphan.id)]
    assert [one.maker_disabled for one in found if one] == [True, False]


def test_revoking_happens_once(stored: Database) -> None:
    with stored.write() as connection:
        assert api_keys.revoke(connection, KEY.id, at_ms=50)
        assert not api_keys.revoke(connection, KEY.id, at_ms=60)
        assert not api_keys.revoke(connection, new_id(), at_ms=60)
        assert api_keys.get(connection, KEY.id).revoked_ms == 50


def test_uses_are_noted_now_and_then(stored: Database) -> None:
    seen = []
    for at in (1_000, 60_999, 61_000, 100_000):
        with stored.write() as connection:
            api_keys.note_use(connection, KEY.id, at_ms=at, at_most_every_ms=60_000)
            seen.append(api_keys.get(connection, KEY.id).last_used_ms)
    assert seen == [1_000, 1_000, 61_000, 61_000]


def test_a_scope_of_another_release_gives_nothing(stored: Database) -> None:
    with stored.write() as connection:
        connection.execute(update(table).values(scopes=["calls:submit", "calls:dream"]))
        assert api_keys.get(connection, KEY.id).scopes == {Permission.CALLS_SUBMIT}


def test_pages_show_every_key_once_newest_first(stored: Database) -> None:
    with stored.write() as connection:
        for _ in range(4):
            api_keys.add(connection, replace(KEY, id=new_id()), secret_sha256="f" * 64)
    seen: list[str] = []
    after = ""
    with stored.read() as connection:
        while True:
            page = api_keys.page(connection, limit=2, after=after)
            seen += [one.id for one in page.items]
            after = page.next_key
            if not after:
                break
    assert len(seen) == 5
    assert seen == sorted(set(seen), reverse=True)
