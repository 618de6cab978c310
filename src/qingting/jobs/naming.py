"""A worker's name, and the signs of life under it: one process works under a name at a time."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from qingting import __version__
from qingting.errors import ConflictError, QingtingError
from qingting.jobs.chores import Chore, start_chores
from qingting.storage import dispatching, workers
from qingting.storage.workers import WorkerRow

if TYPE_CHECKING:
    from qingting.service.center import Service

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5


def claim_name(service: Service, *, stop: threading.Event) -> WorkerRow:
    """Take the worker's name (the settings', else the machine's) and return the worker.

    Where it is not sure that the name's last bearer is gone, it waits for a sign of life for as long as silence
    counts as loss. Raises ConflictError when one comes.
    """
    section = service.settings.jobs
    own = WorkerRow(
        id=section.worker_id or socket.gethostname(),
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
        concurrency=section.concurrency,
        started_ms=0,
        seen_ms=0,
    )
    _wait_until_free(service, own, stop)
    now = service.clock()
    own = replace(own, started_ms=now, seen_ms=now)
    with service.database.write() as connection:
        workers.beat(connection, own)
    return own


@contextmanager
def beating(service: Service, worker: WorkerRow, *, stop: threading.Event) -> Iterator[None]:
    """Give signs of life within the block, and say at its end that the worker stopped.

    `stop` is set when another process has taken the name.
    """
    heart, ended = Heart(service, worker, stop), threading.Event()
    every_seconds = service.settings.jobs.heartbeat_seconds
    chore = Chore(name="heartbeat", every_seconds=every_seconds, work=heart.beat, everywhere=True)
    (thread,) = start_chores(service, (chore,), worker_id=worker.id, stop=ended)
    try:
        yield
    finally:
        ended.set()
        thread.join()
        try:
            log.info("worker stopped, %d jobs left", heart.stop())
        except QingtingError as error:
            # Others will find it silent.
            log.warning("the worker's end could not be written: %s", error.code)


class Heart:
    """One worker's signs of life."""

    def __init__(self, service: Service, worker: WorkerRow, stop: threading.Event) -> None:
        self._service = service
        self._worker = worker
        self._stop = stop

    def beat(self) -> None:
        """Give a sign of life."""
        self._worker = replace(self._worker, seen_ms=self._service.clock())
        with self._service.database.write() as connection:
            own = workers.beat(connection, self._worker)
        if not own and not self._stop.is_set():
            log.error("another process works under the name of this worker, which ends")
            self._stop.set()

    def stop(self) -> int:
        """Say that the worker stopped, and uncount the attempts of jobs that it leaves; returns how many these are."""
        with self._service.database.write() as connection:
            if not workers.stopped(connection, self._worker, at_ms=self._service.clock()):
                return 0
            return dispatching.give_back(connection, self._worker.id)


def _wait_until_free(service: Service, own: WorkerRow, stop: threading.Event) -> None:
    end = time.monotonic() + service.settings.jobs.lost_after_seconds
    first = _bearer(service, own)
    last = first
    while last is not None and time.monotonic() < end and not stop.wait(_LOOK_SECONDS):
        last = _bearer(service, own)
        if last is not None and last != first:
            raise ConflictError(
                f"Another process works under the name {own.id}.",
                remedy="Stop it, or give each worker a name of its own: jobs.worker_id.",
            )


def _bearer(service: Service, own: WorkerRow) -> WorkerRow | None:
    """Who has the name now; None when it is free: nobody's, stopped, or of a process that is no more."""
    with service.database.read() as connection:
        found = workers.get(connection, own.id)
    if found is None or found.stopped_ms is not None or not found.seen_ms:
        return None
    if found.host != own.host:
        return found
    return found if found.pid != own.pid and _exists(found.pid) else None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
