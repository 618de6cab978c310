"""Many calls at once, as lists of calls bring them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from qingting.storage.calls import CallRow, of_row
from qingting.storage.statements import insert_for
from qingting.storage.tables import alerts, calls, contacts, findings


def known(connection: Connection, call_ids: Sequence[str], *, lock: bool = False) -> dict[str, CallRow]:
    """Return those of some calls that are known, by call id; with `lock`, kept from other writers.

    They are locked in the order of their ids, so that two writers never wait for each other in a circle.
    """
    query = select(calls).where(calls.c.call_id.in_(call_ids)).order_by(calls.c.call_id)
    rows = connection.execute(query.with_for_update() if lock else query).mappings()
    return {row["call_id"]: of_row(row) for row in rows}


def of_agent(connection: Connection, agent_id: str, *, from_ms: int, to_ms: int) -> list[CallRow]:
    """Return an agent's calls that began within a time, in order."""
    query = select(calls).where(calls.c.agent_id == agent_id, calls.c.started_ms.between(from_ms, to_ms))
    return [of_row(row) for row in connection.execute(query.order_by(calls.c.started_ms, calls.c.id)).mappings()]


def add_missing(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, CallRow]:
    """Insert calls, values by column name; returns those that another writer had not added meanwhile, by call id."""
    if not rows:
        return {}
    statement = insert_for(connection, calls).on_conflict_do_nothing(index_elements=["call_id"]).returning(calls)
    in_order = sorted(rows, key=lambda row: str(row["call_id"]))
    added = connection.execute(statement, in_order).mappings()
    return {row["call_id"]: of_row(row) for row in added}


def change(connection: Connection, changes: Mapping[int, Mapping[str, Any]]) -> None:
    """Change columns of calls; call number -> values by column name, the same columns for all."""
    if changes:
        names = next(iter(changes.values()))
        statement = (
            update(calls).where(calls.c.id == bindparam("number")).values({n: bindparam(f"new_{n}") for n in names})
        )
        rows = [{"number": n, **{f"new_{k}": v for k, v in values.items()}} for n, values in changes.items()]
        connection.execute(statement, rows)


def follow(connection: Connection, call: CallRow) -> None:
    """Give what was made from a call its agent, team, customer and time: findings, alerts, contacts."""
    place = {"agent_id": call.agent_id, "team": call.team}
    connection.execute(update(findings).where(findings.c.call == call.id).values(**place, day=call.day))
    connection.execute(update(alerts).where(alerts.c.call == call.id).values(**place))
    matter = {"customer_reference": call.customer_reference, "started_ms": call.started_ms}
    connection.execute(update(contacts).where(contacts.c.call == call.id).values(**matter))
