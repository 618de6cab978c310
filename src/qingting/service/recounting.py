"""Counts stored reports anew, for a release that counts something else or something more.

Every report's stored contributions are taken back and today's take their place, so that sums of calls
whose words are deleted stay. The service may run meanwhile.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.errors import ReportError
from qingting.service.archive import load_report
from qingting.service.contributions import of_report
from qingting.storage import calls, measures, reports
from qingting.storage.measures import Contributions, net

if TYPE_CHECKING:
    from qingting.service.center import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Recount:
    """What counting anew came to, in numbers."""

    reports: int = 0
    """Latest reports that were looked at."""
    changed: int = 0
    """Those that counted otherwise before."""
    unreadable: int = 0
    """Those that no longer can be read; they keep what they counted."""


def rebuild(service: Service, *, portion: int = 200) -> Recount:
    """Count every call's latest report anew; raises StorageError, and may then be run again.

    `portion` is how many ids are kept in memory; each report has a transaction of its own, and those
    that count as before are not written.
    """
    looked, changed, unreadable, after = 0, 0, 0, ""
    while True:
        with service.database.read() as connection:
            ids = measures.booked_reports(connection, after=after, limit=portion)
        for report_id in ids:
            try:
                changed += _recount(service, report_id)
            except ReportError:
                unreadable += 1
        looked += len(ids)
        if len(ids) < portion:
            break
        after = ids[-1]
    if unreadable:
        log.warning("%d stored reports cannot be read and keep what they counted", unreadable)
    log.info("counted %d reports anew, %d of them otherwise than before", looked, changed)
    return Recount(reports=looked, changed=changed, unreadable=unreadable)


def _recount(service: Service, report_id: str) -> bool:
    with service.database.read() as connection:
        row = reports.find(connection, report_id)
        report = load_report(connection, report_id=report_id)
        call = None if row is None else calls.by_number(connection, row.call)
    if row is None or report is None or call is None:
        return False
    old = Contributions.from_bytes(row.contributions)
    if of_report(service, call, report, reported_ms=row.created_ms, earlier=old) == old:
        return False
    with service.database.write() as connection:
        # Whoever moves the call or replaces the report locks the call first.
        locked = calls.lock(connection, call.call_id)
        booked = measures.lock_contributions(connection, report_id)
        if locked is None or booked is None:
            return False
        old = Contributions.from_bytes(booked[1])
        own = of_report(service, locked, report, reported_ms=row.created_ms, earlier=old)
        measures.save_contributions(connection, report_id, own.to_bytes())
        measures.apply(connection, net((own,), (old,)))
    return True
