"""Taking calls, or only their words, out of the database with all that depends on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from qingting.storage import discarded, search
from qingting.storage.tables import calls, jobs, recordings, reports, transcripts


def numbers_of_customer(connection: Connection, customer_reference: str, limit: int) -> dict[int, str]:
    """Return number and id of some calls of a customer."""
    c = calls.c
    query = select(c.id, c.call_id).where(c.customer_reference == customer_reference).order_by(c.id).limit(limit)
    return {row.id: row.call_id for row in connection.execute(query)}


def remove_calls(connection: Connection, numbers: Sequence[int], now_ms: int) -> list[str]:
    """Delete calls with everything that hangs on them; figures stay, being sums.

    Their recordings' files are entered as discarded; returns the keys. Jobs that run find nothing to write to.
    """
    _lock(connection, numbers)
    files = select(recordings.c.key).where(recordings.c.call.in_(numbers), recordings.c.deleted_ms.is_(None))
    keys = list(connection.execute(files).scalars())
    discarded.add(connection, keys, now_ms)
    for number in numbers:
        search.unindex(connection, number)
    connection.execute(delete(calls).where(calls.c.id.in_(numbers)))
    return keys


def calls_heard_before(connection: Connection, at_ms: int, limit: int) -> list[int]:
    """Return numbers of some calls with words heard before a time."""
    c = transcripts.c
    query = select(c.call).where(c.created_ms < at_ms).order_by(c.created_ms).limit(limit)
    return sorted(set(connection.execute(query).scalars()))


def remove_words(connection: Connection, numbers: Sequence[int], at_ms: int) -> dict[int, Mapping[str, Any]]:
    """Delete words heard before a time with reports and findings that rest on them.

    A call that has no report any more is no longer found by its words; the summary of its last report stays.
    Returns the data (`calls.info`) of the calls that have no words any more, by number.
    """
    _lock(connection, numbers)
    old = (transcripts.c.call.in_(numbers)) & (transcripts.c.created_ms < at_ms)
    connection.execute(delete(transcripts).where(old))
    reported = set(connection.execute(select(reports.c.call).where(reports.c.call.in_(numbers))).scalars())
    for number in sorted(set(numbers) - reported):
        search.unindex(connection, number)
        connection.execute(update(calls).where(calls.c.id == number).values(report_id=None))
    heard = select(transcripts.c.call).where(transcripts.c.call.in_(numbers))
    silent = select(calls.c.id, calls.c.info).where(calls.c.id.in_(numbers), calls.c.id.not_in(heard))
    return {row.id: row.info for row in connection.execute(silent)}


def _lock(connection: Connection, numbers: Sequence[int]) -> None:
    """Keep other writers away, in the order in which reports are stored: jobs, then calls."""
    for table, column in ((jobs, jobs.c.call), (calls, calls.c.id)):
        connection.execute(select(table.c.id).where(column.in_(numbers)).order_by(table.c.id).with_for_update()).all()
