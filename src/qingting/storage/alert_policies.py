"""Alert policies, each as one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, delete, func, select, update

from qingting.errors import NotFoundError
from qingting.model.alert import AlertPolicy
from qingting.storage.statements import insert_for
from qingting.storage.tables import alert_policies

_POLICY: TypeAdapter[AlertPolicy] = TypeAdapter(AlertPolicy)
_ALL = select(alert_policies).order_by(alert_policies.c.id)
_ENABLED = _ALL.where(alert_policies.c.enabled.is_(True))


def add(connection: Connection, policy: AlertPolicy, *, at_ms: int) -> None:
    """Insert a policy; nothing happens when one of its id is there."""
    statement = insert_for(connection, alert_policies).values(id=policy.id, **_columns(policy), updated_ms=at_ms)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["id"]))


def replace(connection: Connection, policy: AlertPolicy, *, at_ms: int) -> None:
    """Write a policy over the one of its id."""
    changed = update(alert_policies).where(alert_policies.c.id == policy.id)
    connection.execute(changed.values(**_columns(policy), updated_ms=at_ms))


def get(connection: Connection, policy_id: str) -> AlertPolicy:
    """Return a policy; raises NotFoundError."""
    found = find(connection, policy_id)
    if found is None:
        raise NotFoundError("No such alert policy.")
    return found


def find(connection: Connection, policy_id: str) -> AlertPolicy | None:
    """Return a policy; None when there is none."""
    row = connection.execute(select(alert_policies).where(alert_policies.c.id == policy_id)).one_or_none()
    return None if row is None else _policy(row)


def all_of(connection: Connection, *, enabled_only: bool = False) -> Sequence[AlertPolicy]:
    """Return all policies in the order of their ids; there are few."""
    return [_policy(row) for row in connection.execute(_ENABLED if enabled_only else _ALL)]


def count(connection: Connection) -> int:
    """Count policies."""
    return int(connection.execute(select(func.count()).select_from(alert_policies)).scalar_one())


def remove(connection: Connection, policy_id: str) -> None:
    """Delete a policy; its alerts stay."""
    connection.execute(delete(alert_policies).where(alert_policies.c.id == policy_id))


def _columns(policy: AlertPolicy) -> dict[str, Any]:
    return {"name": policy.name, "enabled": policy.enabled, "document": _POLICY.dump_python(policy, mode="json")}


def _policy(row: Row[Any]) -> AlertPolicy:
    return _POLICY.validate_python(row.document)
