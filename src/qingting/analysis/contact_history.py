"""Whether the same customer was here before about the same matter: a look-up that is passed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.model.call import CallInfo
    from qingting.model.report import Report


@dataclass(frozen=True, kw_only=True)
class PastContact:
    """An earlier contact of the same customer about the same matter."""

    call_id: str
    """The earlier call's id."""
    days_ago: float
    """Days between the earlier contact and this one."""
    state: str = ""
    """How it ended: `resolved`, `unresolved`, `unclear`; empty when unknown."""


class ContactHistory(Protocol):
    """The centre's memory of contacts."""

    def find(self, call: CallInfo, reason: str, within_days: int) -> Sequence[PastContact]:
        """Return earlier contacts of the call's customer about the reason, newest first; none is an empty sequence.

        `reason` is the fact `reason` of the verdicts of `resolution` (delivery, goods, money …).
        The same question gets the same answer while a call lasts, the running call left out.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Contact:
    """A contact on record."""

    customer_reference: str
    reason: str
    """What it was about: the fact `reason` of a verdict of `resolution`."""
    started_at: datetime
    """With zone."""
    call_id: str
    state: str = ""
    """As in PastContact."""


class KnownContacts:
    """A contact history over contacts that are known beforehand, in memory; immutable."""

    def __init__(self, contacts: Iterable[Contact]) -> None:
        self._by_matter: dict[tuple[str, str], list[Contact]] = {}
        for contact in sorted(contacts, key=lambda one: one.started_at, reverse=True):
            self._by_matter.setdefault((contact.customer_reference, contact.reason), []).append(contact)

    def find(self, call: CallInfo, reason: str, within_days: int) -> Sequence[PastContact]:
        """Return earlier contacts, newest first; none for calls without customer or start time."""
        began = moment(call.started_at)
        if not call.customer_reference or began is None:
            return ()
        return [
            PastContact(
                call_id=one.call_id,
                days_ago=round((began - one.started_at) / timedelta(days=1), 2),
                state=one.state,
            )
            for one in self._by_matter.get((call.customer_reference, reason), ())
            if one.call_id != call.call_id and timedelta(0) < began - one.started_at <= timedelta(days=within_days)
        ]


def contacts_of(report: Report) -> list[Contact]:
    """Return what a report says of its customer's matters: one contact per reason, the last verdict counts."""
    began = moment(report.call.started_at)
    if not report.call.customer_reference or began is None:
        return []
    by_reason: dict[str, Contact] = {}
    for finding in report.findings:
        reason = str(finding.facts.get("reason", ""))
        if finding.dimension == "resolution" and reason and "state" in finding.facts:
            by_reason[reason] = Contact(
                customer_reference=report.call.customer_reference,
                reason=reason,
                started_at=began,
                call_id=report.call.call_id,
                state=str(finding.facts["state"]),
            )
    return list(by_reason.values())


def moment(text: str) -> datetime | None:
    """Read a time as ISO 8601 with zone; None for anything else."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo is not None else None
