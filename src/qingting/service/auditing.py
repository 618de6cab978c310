"""Writes the audit log: every access to what was said, every change of who may do what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from qingting.errors import AccessDeniedError
from qingting.model.account import Permission
from qingting.storage import audit
from qingting.storage.audit import AuditEntry

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.service.center import Service
    from qingting.storage.audit import AuditFilter
    from qingting.storage.statements import Page

Detail = Mapping[str, bool | int | float | str | Sequence[str] | None]
"""Numbers, codes, identifiers of ours: no customer words, names or numbers, no passwords, no secrets."""


class Action(StrEnum):
    """What is recorded."""

    SIGNED_IN = "sign_in.done"
    SIGN_IN_FAILED = "sign_in.failed"
    SIGNED_OUT = "sign_out.done"
    PASSWORD_CHANGED = "user.password_changed"  # noqa: S105  the name of an action
    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    CALL_READ = "call.read"
    """Call data of one call, without its words."""
    REPORT_READ = "report.read"
    REPORT_REVEALED = "report.revealed"
    """Read without masks."""
    TRANSCRIPT_READ = "transcript.read"
    TRANSCRIPT_REVEALED = "transcript.revealed"
    RECORDING_LISTENED = "recording.listened"
    RECORDING_REVEALED = "recording.revealed"
    """Heard without silenced spans."""
    CLIP_LISTENED = "clip.listened"
    CLIP_REVEALED = "clip.revealed"
    SEARCHED = "calls.searched"
    EXPORTED = "calls.exported"
    CALL_SUBMITTED = "call.submitted"
    CALL_DELETED = "call.deleted"
    CUSTOMER_DELETED = "customer.deleted"
    """All data of one customer."""
    CALLS_IMPORTED = "calls.imported"
    """Call records or desktop events."""
    JOB_CHANGED = "job.changed"
    """Cancelled, retried, given another priority, analysed again."""
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    ALERT_CLOSED = "alert.closed"
    POLICY_CREATED = "alert_policy.created"
    POLICY_CHANGED = "alert_policy.changed"
    POLICY_DELETED = "alert_policy.deleted"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_DELETED = "webhook.deleted"
    DELIVERY_REPEATED = "delivery.repeated"
    AUDIT_READ = "audit.read"


def record(
    connection: Connection,
    *,
    actor: Actor | None,
    action: Action,
    at_ms: int,
    object_kind: str = "",
    object_id: str = "",
    address: str = "",
    detail: Detail | None = None,
) -> None:
    """Add a line in the caller's transaction: what it tells of and the line stand or fall together.

    `actor` is None for somebody who was not recognised; `address` as `api.limits.address_of` gives it.
    """
    audit.append(
        connection,
        AuditEntry(
            at_ms=at_ms,
            actor_id=actor.id if actor else "",
            actor_name=actor.name[:128] if actor else "",
            action=action.value,
            object_kind=object_kind[:32],
            object_id=object_id[:128],
            address=address[:64],
            detail=dict(detail or {}),
        ),
    )


def record_now(
    service: Service,
    *,
    actor: Actor | None,
    action: Action,
    object_kind: str = "",
    object_id: str = "",
    address: str = "",
    detail: Detail | None = None,
) -> None:
    """Add a line in a transaction of its own: for use cases that only read.

    Call it before the data is given away, so that nothing is seen without a line; raises StorageError.
    """
    with service.database.write() as connection:
        record(
            connection,
            actor=actor,
            action=action,
            at_ms=service.clock(),
            object_kind=object_kind,
            object_id=object_id,
            address=address,
            detail=detail,
        )


def read_log(
    service: Service, actor: Actor, *, wanted: AuditFilter, limit: int, after: str = "", address: str = ""
) -> Page[AuditEntry]:
    """List lines of the log, newest first; the reading becomes a line too, though not one of these.

    Raises AccessDeniedError for an actor who may not see all calls: the log names calls of all teams.
    """
    if not actor.may(Permission.AUDIT_READ) or not actor.reach.everything:
        raise AccessDeniedError("The audit log is for those only who may see all teams.")
    with service.database.write() as connection:
        page = audit.page(connection, wanted=wanted, limit=limit, after=after)
        record(connection, actor=actor, action=Action.AUDIT_READ, at_ms=service.clock(), address=address)
    return page
