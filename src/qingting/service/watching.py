"""Who may see which events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.model.account import Permission
from qingting.model.event import EventKind, ServiceEvent
from qingting.storage import events

if TYPE_CHECKING:
    from qingting.model.account import Actor
    from qingting.service.center import Service

MOST_PAST = 10_000
"""Events looked at when a watcher comes back; who was away for longer asks for the state itself."""
_AT_ONCE = 1000
_JOB_READERS = (Permission.JOBS_READ, Permission.CALLS_READ, Permission.CALLS_SUBMIT)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What somebody watches."""

    actor: Actor
    kind: EventKind | None = None
    job_id: str = ""
    batch_id: str = ""

    def wants(self, event: ServiceEvent) -> bool:
        """Whether the actor may see an event and asked for it."""
        asked = (
            (self.kind is None or event.kind is self.kind)
            and self.job_id in ("", event.job_id)
            and self.batch_id in ("", event.batch_id)
        )
        return asked and self._may_see(event)

    def _may_see(self, event: ServiceEvent) -> bool:
        if not self.actor.reach.covers(agent_id=event.agent_id, team=event.team):
            return False
        if event.kind is EventKind.ALERT:
            return self.actor.may(Permission.ALERTS_READ) and bool(event.data.get("in_app", True))
        return any(self.actor.may(permission) for permission in _JOB_READERS)


def past_events(service: Service, watch: Watch, after: int, upto: int) -> tuple[list[ServiceEvent], bool]:
    """Return the wanted events after one id and up to another, and whether all of them were looked at."""
    found: list[ServiceEvent] = []
    looked_at, last = 0, after
    while last < upto and looked_at < MOST_PAST:
        with service.database.read() as connection:
            some = events.after(connection, last, limit=_AT_ONCE)
        found += [event for event in some if event.id <= upto and watch.wants(event)]
        looked_at += len(some)
        if len(some) < _AT_ONCE:
            return found, True
        last = some[-1].id
    return found, last >= upto
