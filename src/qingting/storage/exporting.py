"""Rows for tables of many calls: found call by call, so that no query lasts as long as a download."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from qingting.storage.reports import FindingRow
from qingting.storage.tables import calls, findings


def findings_of_calls(connection: Connection, call_numbers: Sequence[int]) -> list[FindingRow]:
    """Findings of the latest reports of some calls: newest call first, in order of decision."""
    query = select(findings, calls.c.call_id).join(calls, calls.c.id == findings.c.call)
    query = query.where(findings.c.call.in_(call_numbers)).order_by(findings.c.call.desc(), findings.c.id)
    return [FindingRow(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  documented access
