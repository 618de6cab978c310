"""Repeated contacts: the reports in the database as the analysis's memory of a customer's earlier contacts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from qingting.analysis.contact_history import PastContact, contacts_of, moment
from qingting.storage import contacts
from qingting.storage.contacts import ContactRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from qingting.model.call import CallInfo
    from qingting.model.report import Report
    from qingting.storage.database import Database

_DAY_MS = 24 * 3600 * 1000


class StoredContacts:
    """A contact history (`analysis.contact_history.ContactHistory`) over all stored reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, call: CallInfo, reason: str, within_days: int) -> Sequence[PastContact]:
        """Return earlier contacts, newest first; none for calls without customer or start time.

        Raises StorageError.
        """
        began = moment(call.started_at)
        if not call.customer_reference or began is None:
            return ()
        began_ms = _ms(began.timestamp())
        from_ms = began_ms - round(timedelta(days=within_days) / timedelta(milliseconds=1))
        with self._database.read() as connection:
            found = contacts.earlier(
                connection,
                customer_reference=call.customer_reference,
                reason=reason,
                from_ms=from_ms,
                before_ms=began_ms,
            )
        return [
            PastContact(call_id=call_id, days_ago=round((began_ms - row.started_ms) / _DAY_MS, 2), state=row.state)
            for call_id, row in found
            if call_id != call.call_id
        ]


def remember(connection: Connection, call_number: int, report: Report) -> None:
    """Keep what a call's latest report says of its customer's matters, in the transaction that stores it."""
    rows = [
        ContactRow(
            reason=one.reason,
            customer_reference=one.customer_reference,
            started_ms=_ms(one.started_at.timestamp()),
            state=one.state,
        )
        for one in contacts_of(report)
    ]
    contacts.replace_of_call(connection, call_number, rows)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
