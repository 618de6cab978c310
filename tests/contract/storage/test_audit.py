"""The audit log in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.storage import audit
from qingting.storage.audit import AuditEntry, AuditFilter
from qingting.storage.database import Database

ENTRIES = [
    AuditEntry(at_ms=10, actor_id="a", actor_name="王", action="report.read", object_kind="call", object_id="c1"),
    AuditEntry(at_ms=20, actor_id="b", actor_name="李", action="report.read", object_kind="call", object_id="c2"),
    AuditEntry(
        at_ms=30, actor_id="a", actor_name="王", action="key.created", object_kind="key", object_id="k",
        address="10.0.0.1", detail={"scopes": ["calls:read"], "count": 3},
    ),
]  # fmt: skip


@pytest.fixture
def log(database: Database) -> Database:
    with database.write() as connection:
        for entry in ENTRIES:
            audit.append(connection, entry)
    return database


def shown(database: Database, wanted: AuditFilter) -> list[AuditEntry]:
    with database.read() as connection:
        return [replace(one, id=0) for one in audit.page(connection, wanted=wanted, limit=10).items]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (AuditFilter(), [2, 1, 0]),
        (AuditFilter(actor_id="a"), [2, 0]),
        (AuditFilter(action="report.read"), [1, 0]),
        (AuditFilter(object_kind="call", object_id="c2"), [1]),
        (AuditFilter(from_ms=20), [2, 1]),
        (AuditFilter(to_ms=20), [0]),
        (AuditFilter(from_ms=20, to_ms=30, actor_id="a"), []),
    ],
)
def test_a_list_shows_what_was_asked_newest_first(log: Database, wanted: AuditFilter, expected: list[int]) -> None:
    assert shown(log, wanted) == [ENTRIES[number] for number in expected]


def test_pages_follow_each_other(log: Database) -> None:
    with log.read() as connection:
        first = audit.page(connection, wanted=AuditFilter(), limit=2)
        rest = audit.page(connection, wanted=AuditFilter(), limit=2, after=first.next_key)
    assert [one.at_ms for one in (*first.items, *rest.items)] == [30, 20, 10]
    assert rest.next_key == ""


def test_old_lines_are_forgotten(log: Database) -> None:
    with log.write() as connection:
        assert audit.forget_before(connection, 20) == 1
    assert [one.at_ms for one in shown(log, AuditFilter())] == [30, 20]
