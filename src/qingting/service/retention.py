"""Forgetting: what is older than the settings allow, one call, or all data of a customer.

Everything goes in portions, so that no transaction lasts long, and every portion may be repeated: two
machines at once, or one that was killed, do no harm. A file counts as deleted only when the store has
deleted it; until then a row names it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qingting.errors import AccessDeniedError, InvalidRequestError, StorageError
from qingting.model.account import Permission
from qingting.service import auditing
from qingting.service.auditing import Action
from qingting.service.documents import call_from_plain, call_to_plain
from qingting.storage import audit, calls, deliveries, discarded, events, idempotency, recordings, removal, sessions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.service.center import Service

log = logging.getLogger(__name__)

_DAY_MS = 24 * 3600 * 1000
_STEP_MS = 3600 * 1000
"""Log entries of so long a time are deleted at once."""
_FILES, _CALLS = 100, 50
"""Of a portion."""


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What retention deleted, in numbers."""

    recordings: int = 0
    calls: int = 0
    """Calls whose words and reports went; call and figures stay."""
    log_entries: int = 0
    """Events, messages, audit lines, sessions, idempotency keys."""
    files_left: int = 0
    """Files that the store could not delete now; they are tried again."""


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """What was deleted on request."""

    calls: int
    files_left: int = 0
    """Recordings that the store could not delete now; they are tried again until they are gone."""


def apply_retention(service: Service) -> Forgotten:
    """Delete what is older than the settings allow; raises StorageError when the database fails.

    Meant to be called every hour or so.
    """
    days, now = service.settings.retention, service.clock()
    service.recordings.sweep(now - _DAY_MS)
    _, left = discard_files(service)
    gone, more_left = _old_recordings(service, now - days.recording_days * _DAY_MS) if days.recording_days else (0, 0)
    silenced = _old_words(service, now - days.transcript_days * _DAY_MS) if days.transcript_days else 0
    entries = _old_entries(service, now)
    log.info("retention deleted %d recordings, the words of %d calls, %d log entries", gone, silenced, entries)
    return Forgotten(recordings=gone, calls=silenced, log_entries=entries, files_left=left + more_left)


def delete_call(service: Service, actor: Actor, call_id: str, *, address: str = "") -> Deleted:
    """Delete a call with its recordings, words, reports, alerts and jobs; figures stay, being sums.

    Raises AccessDeniedError, NotFoundError, StorageError.
    """
    _require(actor)
    with service.database.write() as connection:
        call = calls.get(connection, call_id, actor.reach)
        _delete(service, connection, actor, {call.id: call.call_id}, address)
    _, left = discard_files(service)
    return Deleted(calls=1, files_left=left)


def delete_customer(service: Service, actor: Actor, customer_reference: str, *, address: str = "") -> Deleted:
    """Delete all calls of a customer as delete_call does; a customer without calls is no error.

    Raises AccessDeniedError, InvalidRequestError, StorageError.
    """
    _require(actor)
    if not actor.reach.everything:
        raise AccessDeniedError("Only who may see all calls can delete all data of a customer.")
    if not customer_reference:
        raise InvalidRequestError("The customer's reference is empty.")
    deleted, more = 0, True
    while more:
        with service.database.write() as connection:
            ids = removal.numbers_of_customer(connection, customer_reference, _CALLS)
            _delete(service, connection, actor, ids, address)
            deleted, more = deleted + len(ids), len(ids) == _CALLS
            if not more:
                _record_customer(service, connection, actor, customer_reference, deleted, address)
    _, left = discard_files(service)
    log.info("deleted %d calls of a customer", deleted)
    return Deleted(calls=deleted, files_left=left)


def discard_files(service: Service) -> tuple[int, int]:
    """Delete the files that are to be deleted; returns how many went, and how many the store could not delete now."""
    gone, left, last = 0, 0, ""
    while True:
        with service.database.read() as connection:
            keys = discarded.due(connection, service.clock(), _FILES, after=last)
        if not keys:
            return gone, left
        done = _deleted(service, keys)
        if done:
            with service.database.write() as connection:
                discarded.remove(connection, done)
        gone, left, last = gone + len(done), left + len(keys) - len(done), keys[-1]


def _require(actor: Actor) -> None:
    if not actor.may(Permission.CALLS_DELETE):
        raise AccessDeniedError("The actor may not delete calls.")


def _delete(service: Service, connection: Connection, actor: Actor, ids: Mapping[int, str], address: str) -> None:
    removal.remove_calls(connection, sorted(ids), service.clock())
    for call_id in ids.values():
        auditing.record(
            connection,
            actor=actor,
            action=Action.CALL_DELETED,
            at_ms=service.clock(),
            object_kind="call",
            object_id=call_id,
            address=address,
        )


def _record_customer(
    service: Service, connection: Connection, actor: Actor, customer_reference: str, number: int, address: str
) -> None:
    # The reference may be a telephone number: the log holds its digest, which answers whether it was this one.
    digest = hashlib.sha256(customer_reference.encode("utf-8", "replace")).hexdigest()
    auditing.record(
        connection,
        actor=actor,
        action=Action.CUSTOMER_DELETED,
        at_ms=service.clock(),
        object_kind="customer",
        object_id=f"sha256:{digest}",
        address=address,
        detail={"calls": number},
    )


def _old_recordings(service: Service, before_ms: int) -> tuple[int, int]:
    gone, left, last = 0, 0, ""
    while True:
        with service.database.read() as connection:
            rows = recordings.older_than(connection, before_ms, _FILES, after=last)
        if not rows:
            return gone, left
        done = set(_deleted(service, [row.key for row in rows]))
        with service.database.write() as connection:
            for row in rows:
                if row.key in done:
                    recordings.mark_deleted(connection, row.id, service.clock())
        gone, left, last = gone + len(done), left + len(rows) - len(done), rows[-1].id


def _deleted(service: Service, keys: Sequence[str]) -> list[str]:
    """Delete files; returns the keys of those that are gone."""
    done = []
    for key in keys:
        try:
            service.recordings.delete(key)
        except StorageError as error:
            log.warning("a recording could not be deleted now: %s", error.code)
        else:
            done.append(key)
    return done


def _old_words(service: Service, before_ms: int) -> int:
    total = 0
    while True:
        with service.database.write() as connection:
            numbers = removal.calls_heard_before(connection, before_ms, _CALLS)
            silent = removal.remove_words(connection, numbers, before_ms) if numbers else {}
            for number, info in silent.items():
                calls.change(connection, number, {"info": _without_words(info)})
        total += len(silent)
        if not numbers:
            return total


def _without_words(info: Mapping[str, Any]) -> dict[str, Any]:
    """Call data without what somebody wrote: further fields, searches in the knowledge base and its articles."""
    return call_to_plain(replace(call_from_plain(info), fields={}, desktop_events=None))


def _old_entries(service: Service, now: int) -> int:
    days = service.settings.retention
    events_before = now - days.event_days * _DAY_MS
    total = _in_steps(service, events.oldest_ms, events.forget_before, events_before)
    if days.audit_days:
        total += _in_steps(service, audit.oldest_ms, audit.forget_before, now - days.audit_days * _DAY_MS)
    for forget, before_ms in (
        (deliveries.forget_before, events_before),
        (idempotency.forget_before, now - idempotency.KEPT_MS),
        (sessions.forget_expired, now),
    ):
        with service.database.write() as connection:
            total += forget(connection, before_ms)
    return total


def _in_steps(
    service: Service,
    oldest_ms: Callable[[Connection], int | None],
    forget: Callable[[Connection, int], int],
    before_ms: int,
) -> int:
    """Forget the entries of a log hour by hour."""
    total = 0
    while True:
        with service.database.write() as connection:
            first = oldest_ms(connection)
            if first is None or first >= before_ms:
                return total
            total += forget(connection, min(first + _STEP_MS, before_ms))
