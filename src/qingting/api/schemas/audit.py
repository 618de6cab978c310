"""The audit log."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from qingting.api.schemas.common import View
from qingting.storage.audit import AuditEntry


class AuditLine(View):
    """Who did what to which object, from where."""

    id: int
    at_ms: int
    """Milliseconds since 1970, UTC."""
    actor_id: str
    """Of the user or API key; empty for somebody who was not recognised."""
    actor_name: str = Field(examples=["wang.li"])
    action: str = Field(examples=["report.revealed"])
    object_kind: str = Field(examples=["call"])
    object_id: str
    address: str = Field(examples=["10.1.2.3"])
    """Network address of the request; empty for the service itself."""
    detail: dict[str, Any]
    """Further codes and counts; never words of customers, never secrets."""

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditLine:
        """Show a line."""
        return cls(
            id=entry.id,
            at_ms=entry.at_ms,
            actor_id=entry.actor_id,
            actor_name=entry.actor_name,
            action=entry.action,
            object_kind=entry.object_kind,
            object_id=entry.object_id,
            address=entry.address,
            detail=dict(entry.detail),
        )
