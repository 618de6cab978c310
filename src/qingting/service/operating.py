"""What those who run the service watch, in numbers: nothing of any call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qingting.errors import QingtingError
from qingting.storage import jobs, live_calls, operating, workers

if TYPE_CHECKING:
    from qingting.service.center import Service

WINDOW_MS = 10 * 60_000
"""Reports of so long are looked at."""
_MOST_REPORTS = 10_000


@dataclass(frozen=True, kw_only=True)
class OperatingFigures:
    """The state of an installation at one moment."""

    database_up: bool
    recordings_up: bool
    """Whether a recording could be stored now."""
    jobs: Mapping[str, int] = field(default_factory=dict)
    """queued, running, set_aside -> jobs."""
    oldest_waiting_seconds: float = 0.0
    """Since the oldest waiting job was accepted; 0 when none waits."""
    workers: int = 0
    """Workers that live."""
    worker_places: int = 0
    """Recordings that they handle at once."""
    live_calls: int = 0
    """Calls that run now."""
    deliveries: Mapping[str, int] = field(default_factory=dict)
    """pending, dead -> messages."""
    alerts: Mapping[str, int] = field(default_factory=dict)
    """open, escalated -> alerts."""
    reports: int = 0
    """Stored within WINDOW_MS."""
    report_wait_seconds: Mapping[float, float] = field(default_factory=dict)
    """Quantile -> seconds from a job's acceptance to its report, over the reports of WINDOW_MS; empty without any."""


def operating_figures(service: Service) -> OperatingFigures:
    """Look at database and store; never raises one of our errors."""
    recordings_up = _answers(service)
    now = service.clock()
    lost_ms = round(service.settings.jobs.lost_after_seconds * 1000)
    try:
        with service.database.read() as connection:
            alive = [worker for worker in workers.every(connection) if worker.lives(now - lost_ms)]
            oldest = jobs.oldest_waiting_ms(connection)
            waits = sorted(operating.report_waits_ms(connection, since_ms=now - WINDOW_MS, limit=_MOST_REPORTS))
            return OperatingFigures(
                database_up=True,
                recordings_up=recordings_up,
                jobs=operating.job_states(connection),
                oldest_waiting_seconds=0.0 if oldest is None else max(0, now - oldest) / 1000,
                workers=len(alive),
                worker_places=sum(worker.concurrency for worker in alive),
                live_calls=live_calls.running(connection),
                deliveries=operating.delivery_states(connection),
                alerts=operating.alert_states(connection),
                reports=len(waits),
                report_wait_seconds={q: waits[int(q * (len(waits) - 1))] / 1000 for q in (0.5, 0.95) if waits},
            )
    except QingtingError:
        return OperatingFigures(database_up=False, recordings_up=recordings_up)


def _answers(service: Service) -> bool:
    try:
        service.recordings.check()
    except QingtingError:
        return False
    return True
