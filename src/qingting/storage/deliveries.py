"""Messages on their way out: kept until they arrived, died, or were forgotten.

A message that a worker holds is not due until its lease ends: if the worker dies, the message comes back by
itself. `dispatched` says that it was handed out and its attempt has not begun; only one attempt can begin per
handing out, so that two workers never send the same message knowingly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, select, update

from qingting.errors import ConflictError, NotFoundError
from qingting.model.delivery import Delivery, DeliveryKind, DeliveryState
from qingting.storage.statements import Page, add_rows
from qingting.storage.tables import deliveries


@dataclass(frozen=True, kw_only=True)
class DeliveryFilter:
    """Which messages a list shows; empty fields do not restrict."""

    kind: str = ""
    state: str = ""
    targets: tuple[str, ...] | None = None
    """Only messages to these targets."""


_PENDING = deliveries.c.state == DeliveryState.PENDING.value


def add(connection: Connection, messages: Sequence[Delivery]) -> None:
    """Insert messages; they are sent once the transaction is committed and their time has come."""
    add_rows(connection, deliveries, *(_values(message) for message in messages))


def any_due(connection: Connection, *, now_ms: int) -> bool:
    """Whether a message's time has come."""
    return connection.execute(select(deliveries.c.id).where(_due(now_ms)).limit(1)).first() is not None


def take_for_dispatch(connection: Connection, *, now_ms: int, limit: int, lease_ms: int) -> list[str]:
    """Hand out messages that are due, earliest first, and return their ids.

    Nobody else is handed them for `lease_ms`; after that they are due again, unless their attempt has ended.
    """
    chosen = select(deliveries.c.id).where(_due(now_ms)).order_by(deliveries.c.due_ms, deliveries.c.id).limit(limit)
    ids = list(connection.execute(chosen.with_for_update(skip_locked=True)).scalars())
    if ids:
        taken = update(deliveries).where(deliveries.c.id.in_(ids))
        connection.execute(taken.values(dispatched=True, due_ms=now_ms + lease_ms))
    return ids


def begin_attempt(connection: Connection, delivery_id: str, *, now_ms: int, lease_ms: int) -> Delivery | None:
    """Count an attempt and return the message; None unless it was handed out and its attempt has not begun."""
    begun = (
        update(deliveries)
        .where(deliveries.c.id == delivery_id, _PENDING, deliveries.c.dispatched.is_(True))
        .values(dispatched=False, attempts=deliveries.c.attempts + 1, due_ms=now_ms + lease_ms)
        .returning(deliveries)
    )
    row = connection.execute(begun).one_or_none()
    return None if row is None else _delivery(row)


def settle(connection: Connection, delivery: Delivery, **values: Any) -> bool:
    """Write what became of an attempt; False when the message changed meanwhile (a later attempt, sent again)."""
    ours = and_(deliveries.c.id == delivery.id, _PENDING, deliveries.c.attempts == delivery.attempts)
    return connection.execute(update(deliveries).where(ours).values(**values)).rowcount == 1


def revive(connection: Connection, delivery_id: str, *, now_ms: int) -> None:
    """Send an ended message again under the same id; raises ConflictError while it is still on its way."""
    ended = and_(deliveries.c.id == delivery_id, deliveries.c.state != DeliveryState.PENDING.value)
    again = update(deliveries).where(ended)
    changed = connection.execute(
        again.values(state=DeliveryState.PENDING.value, dispatched=False, attempts=0, due_ms=now_ms, delivered_ms=None)
    )
    if not changed.rowcount:
        raise ConflictError("The message is still on its way.")


def get(connection: Connection, delivery_id: str) -> Delivery:
    """Return a message; raises NotFoundError."""
    row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
    if row is None:
        raise NotFoundError("No such message.")
    return _delivery(row)


def page(connection: Connection, *, wanted: DeliveryFilter, limit: int, after: str = "") -> Page[Delivery]:
    """List messages, newest first."""
    query = select(deliveries).order_by(deliveries.c.id.desc()).limit(limit + 1)
    equal = {deliveries.c.kind: wanted.kind, deliveries.c.state: wanted.state}
    where = [
        *(column == value for column, value in equal.items() if value),
        *([] if wanted.targets is None else [deliveries.c.target.in_(wanted.targets)]),
        *([deliveries.c.id < after] if after else []),
    ]
    rows = [_delivery(row) for row in connection.execute(query.where(*where))]
    more = len(rows) > limit
    return Page(items=tuple(rows[:limit]), next_key=rows[limit - 1].id if more else "")


def give_up(connection: Connection, target: str, *, reason: str) -> int:
    """Set aside all messages that wait for a target; returns how many."""
    waiting = update(deliveries).where(deliveries.c.target == target, _PENDING)
    values = {"state": DeliveryState.DEAD.value, "dispatched": False, "last_error": reason}
    return connection.execute(waiting.values(**values)).rowcount


def remove_of(connection: Connection, target: str) -> int:
    """Delete all messages to a target; returns how many."""
    return connection.execute(delete(deliveries).where(deliveries.c.target == target)).rowcount


def forget_before(connection: Connection, at_ms: int) -> int:
    """Delete messages that ended and were made before a time; returns how many."""
    old = and_(deliveries.c.created_ms < at_ms, deliveries.c.state != DeliveryState.PENDING.value)
    return connection.execute(delete(deliveries).where(old)).rowcount


def _due(now_ms: int) -> ColumnElement[bool]:
    # Naming both values of `dispatched` lets the databases go through the index in order of time.
    return and_(_PENDING, deliveries.c.dispatched.in_((False, True)), deliveries.c.due_ms <= now_ms)


def _values(message: Delivery) -> dict[str, Any]:
    plain = {**asdict(message), "kind": message.kind.value, "state": message.state.value, "dispatched": False}
    return {**plain, "body": dict(message.body)}


def _delivery(row: Row[Any]) -> Delivery:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's documented access
    del values["dispatched"]
    return Delivery(**{**values, "kind": DeliveryKind(values["kind"]), "state": DeliveryState(values["state"])})
