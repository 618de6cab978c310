"""Takes due jobs from their table to the worker's queue in the engine, as many as can soon begin."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from qingting.jobs import states
from qingting.jobs.attempt import workflow_id
from qingting.model.job import Priority
from qingting.storage import dispatching, jobs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.service.center import Service
    from qingting.storage.dispatching import UnfinishedRun, WorkerLoad

log = logging.getLogger(__name__)

_CANCELLED_AT_ONCE = 100


class Queue(Protocol):
    """What the dispatcher needs of the job engine."""

    def enqueue(self, workflow: str, *, priority: int) -> None:
        """Put a run on this worker's queue; one that is known already is left as it is."""

    def running(self) -> frozenset[str]:
        """Runs that this process works on."""

    def active(self, workflows: Sequence[str]) -> Mapping[str, bool]:
        """Of these runs, those that have not ended: whether each has begun."""

    def adopt(self, workflows: Iterable[str]) -> None:
        """Put runs on this worker's queue, whoever had them."""


class Dispatcher:
    """Hands jobs of one worker over, and finds those that got lost on the way."""

    def __init__(self, service: Service, queue: Queue, *, worker_id: str, concurrency: int) -> None:
        self._service = service
        self._queue = queue
        self._worker_id = worker_id
        # A few wait in the engine, so that a free place is taken at once; all others wait in our table, where an
        # urgent job overtakes them and any worker may take them.
        self._most = concurrency + max(1, concurrency // 4)
        self._astray: frozenset[str] = frozenset()

    def dispatch(self) -> int:
        """Hand over due jobs while there is room for them; returns how many."""
        now = self._service.clock()
        with self._service.database.read() as connection:
            load = dispatching.load_of(connection, self._worker_id)
            room, lowest = self._room(load)
            if not room or not dispatching.anything_due(connection, now_ms=now, lowest=lowest):
                return 0
        with self._service.database.write() as connection:
            taken = jobs.take_for_dispatch(connection, now_ms=now, limit=room, lowest=lowest, worker_id=self._worker_id)
        # Whatever breaks off here is found again by `recover`: the rows say that they were handed over.
        for job in taken:
            self._queue.enqueue(workflow_id(job.id, job.attempts + 1), priority=job.priority.rank)
        return len(taken)

    def recover(self) -> int:
        """Find jobs that were handed over to this worker but never arrived, or whose run ended without them.

        Returns how many. A crash between marking and handing over, a lost or restored engine database, and a lost
        answer of the database leave such.
        """
        with self._service.database.read() as connection:
            runs = {
                workflow_id(one.job_id, one.run): one for one in dispatching.unfinished(connection, self._worker_id)
            }
        active = self._queue.active(list(runs))
        put_back = [run for name, run in runs.items() if name not in active]
        found = self.put_back(put_back)
        return found + self._adopt_astray([name for name, begun in active.items() if begun])

    def put_back(self, lost: Iterable[UnfinishedRun]) -> int:
        """Let jobs be handed over again that the engine does not have; returns how many."""
        count = 0
        for one in lost:
            with self._service.database.write() as connection:
                count += dispatching.put_back(connection, one, now_ms=self._service.clock())
        if count:
            log.warning("%d jobs were unknown to the job engine and wait again", count)
        return count

    def end_cancelled(self) -> int:
        """End jobs that were cancelled while they waited for their next attempt; returns how many."""
        with self._service.database.read() as connection:
            found = dispatching.cancelled_while_waiting(connection, limit=_CANCELLED_AT_ONCE)
        return sum(states.cancel_waiting(self._service, job_id) for job_id in found)

    def _room(self, load: WorkerLoad) -> tuple[int, Priority]:
        """How many jobs to take, and the least urgent that may be: those in the queue do not bar more urgent ones."""
        for priority in reversed(Priority):
            room = self._most - load.as_urgent(priority.rank)
            if room > 0:
                return room, priority
        return 0, Priority.URGENT

    def _adopt_astray(self, begun: Sequence[str]) -> int:
        """Put runs back on the queue that the engine says this process works on, while it does not.

        An answer of the database that got lost leaves such. Two looks in a row are needed: a run is on its way
        from the queue into the process for a moment.
        """
        astray = frozenset(begun) - self._queue.running()
        twice, self._astray = astray & self._astray, astray
        if twice:
            log.warning("%d runs went astray and begin again", len(twice))
            self._queue.adopt(twice)
            self._astray = frozenset()
        return len(twice)
