"""Goes on with the jobs of workers that fell silent."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from qingting.jobs.attempt import workflow_id
from qingting.storage import dispatching, workers

if TYPE_CHECKING:
    from qingting.jobs.dispatcher import Queue
    from qingting.service.center import Service
    from qingting.storage.workers import WorkerRow

log = logging.getLogger(__name__)


class Watch:
    """Watches the others' signs of life by this machine's own clock: clocks of machines may differ."""

    def __init__(self, *, lost_after_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lost_after = lost_after_seconds
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def silent(self, rows: list[WorkerRow]) -> dict[str, int]:
        """Worker -> time of its last sign, for those that stopped or gave none while they were watched."""
        now = self._clock()
        seen = {row.id: self._seen.get(row.id, (row.seen_ms, now)) for row in rows}
        self._seen = {row.id: seen[row.id] if seen[row.id][0] == row.seen_ms else (row.seen_ms, now) for row in rows}
        return {
            row.id: row.seen_ms
            for row in rows
            if row.stopped_ms is not None or now - self._seen[row.id][1] >= self._lost_after
        }

    def forget(self) -> None:
        """Begin anew: who could not look does not know who was silent."""
        self._seen = {}


class TakeOver:
    """Takes over for one worker."""

    def __init__(self, service: Service, queue: Queue, *, worker_id: str) -> None:
        self._service = service
        self._queue = queue
        self._worker_id = worker_id
        self._watch = Watch(lost_after_seconds=service.settings.jobs.lost_after_seconds)

    def look(self) -> int:
        """Take over the jobs of workers that are gone; returns how many."""
        try:
            with self._service.database.read() as connection:
                rows = workers.every(connection)
                burdened = dispatching.workers_with_jobs(connection) - {self._worker_id}
        except Exception:
            self._watch.forget()
            raise
        silent = self._watch.silent(rows)
        unknown = dict.fromkeys(burdened - {row.id for row in rows}, 0)
        gone = {name: seen_ms for name, seen_ms in {**silent, **unknown}.items() if name in burdened}
        return sum(self._take(name, seen_ms) for name, seen_ms in gone.items())

    def _take(self, lost: str, seen_ms: int) -> int:
        # The lost worker's row stays locked until all is done: another survivor finds nothing left to do.
        with self._service.database.write() as connection:
            if not workers.hold_silent(connection, lost, seen_ms=seen_ms):
                return 0
            runs = {workflow_id(one.job_id, one.run): one for one in dispatching.unfinished(connection, lost)}
            active = self._queue.active(list(runs))
            self._queue.adopt(active)
            for name in active:
                dispatching.adopt(connection, runs[name], worker_id=self._worker_id)
            for name, run in runs.items():
                if name not in active:
                    dispatching.put_back(connection, run, now_ms=self._service.clock())
        if runs:
            log.warning("took over %d jobs of worker %s, which is gone", len(runs), lost)
        return len(runs)
