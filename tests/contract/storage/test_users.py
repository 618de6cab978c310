"""Users in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from qingting.errors import ConflictError, NotFoundError
from qingting.model.account import User, UserRole
from qingting.model.ids import new_id
from qingting.storage import users
from qingting.storage.database import Database

WANG = User(
    id=new_id(),
    name="wang.li",
    display_name="王丽",
    role=UserRole.SUPERVISOR,
    created_ms=1,
    agent_id="8001",
    teams=("华东一组", "华东二组"),
    contact=("ntfy://topic",),
    shift="09:00-18:00",
)


def user(name: str, role: UserRole = UserRole.AGENT, *, disabled: bool = False) -> User:
    return User(id=new_id(), name=name, display_name=name, role=role, created_ms=1, disabled=disabled)


def add(database: Database, *people: User, password_hash: str = "") -> None:
    with database.write() as connection:
        for one in people:
            users.add(connection, one, password_hash=password_hash)


def test_a_user_comes_back_as_stored(database: Database) -> None:
    add(database, WANG, password_hash="hash")
    with database.read() as connection:
        assert users.get(connection, WANG.id) == WANG
        state = users.by_name(connection, "wang.li")
    assert state == users.SignInState(user=WANG, password_hash="hash", failed_sign_ins=0, locked_until_ms=None)


def test_unknown_users(database: Database) -> None:
    with database.write() as connection:
        assert users.by_name(connection, "nobody") is None
        assert users.by_subject(connection, "https://idp|1") is None
        with pytest.raises(NotFoundError):
            users.get(connection, new_id())
        with pytest.raises(NotFoundError):
            users.lock(connection, new_id())


def test_a_name_belongs_to_one_user_and_a_refused_insert_leaves_the_transaction_usable(database: Database) -> None:
    add(database, WANG)
    with database.write() as connection:
        with pytest.raises(ConflictError):
            users.add(connection, user("wang.li"))
        users.add(connection, user("wang.li2"))
    with database.read() as connection:
        assert users.count(connection) == 2


def test_replacing_writes_every_field_but_the_password(database: Database) -> None:
    add(database, WANG, password_hash="hash")
    after = replace(
        WANG, display_name="王莉", role=UserRole.INSPECTOR, agent_id="", teams=(), contact=(), shift="", disabled=True
    )
    with database.write() as connection:
        users.replace(connection, after)
        state = users.lock(connection, WANG.id)
    assert (state.user, state.password_hash) == (after, "hash")


def test_failures_and_a_new_password(database: Database) -> None:
    add(database, WANG, password_hash="old")
    with database.write() as connection:
        users.set_failures(connection, WANG.id, 3, locked_until_ms=99)
        state = users.lock(connection, WANG.id)
        assert (state.failed_sign_ins, state.locked_until_ms) == (3, 99)
        users.set_password(connection, WANG.id, "new")
        state = users.lock(connection, WANG.id)
        assert (state.password_hash, state.failed_sign_ins, state.locked_until_ms) == ("new", 0, None)


def test_pages_show_every_user_once(database: Database) -> None:
    people = [user(f"user{number}") for number in range(5)]
    people.sort(key=lambda one: one.id)
    add(database, *people)
    seen: list[User] = []
    after = ""
    with database.read() as connection:
        while True:
            page = users.page(connection, limit=2, after=after)
            seen += page.items
            after = page.next_key
            if not after:
                break
    assert seen == people


def test_lists_can_be_narrowed(database: Database) -> None:
    add(database, user("a", UserRole.ADMIN), user("b", UserRole.ADMIN, disabled=True), user("c"))
    with database.read() as connection:
        names = [
            [one.name for one in users.page(connection, limit=9, role=role, disabled=disabled).items]
            for role, disabled in [(UserRole.ADMIN, None), (None, True), (UserRole.ADMIN, False), (None, None)]
        ]
    assert [sorted(one) for one in names] == [["a", "b"], ["b"], ["a"], ["a", "b", "c"]]


def test_a_subject_finds_its_user(database: Database) -> None:
    known = replace(WANG, oidc_subject="https://idp|42")
    add(database, known, user("other"))
    with database.read() as connection:
        assert users.by_subject(connection, "https://idp|42") == known


def test_whoever_locks_the_administrators_sees_what_the_one_before_did(database: Database) -> None:
    """Two administrators disable each other at once: the second must see that one is left."""
    admins = [user("a", UserRole.ADMIN), user("b", UserRole.ADMIN)]
    add(database, *admins)
    counts: list[int] = []
    barrier = threading.Barrier(2)

    def disable(one: User) -> None:
        barrier.wait()
        with database.write() as connection:
            counts.append(len(users.lock_active(connection, UserRole.ADMIN)))
            users.replace(connection, replace(one, disabled=True))

    threads = [threading.Thread(target=disable, args=(one,)) for one in admins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [1, 2]
