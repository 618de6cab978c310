"""What some worker must do now and then: once per interval, however many workers run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from qingting.errors import QingtingError
from qingting.storage import dispatching, workers

if TYPE_CHECKING:
    from qingting.jobs._engine import JobEngine
    from qingting.service.center import Service

log = logging.getLogger(__name__)

_ENGINE_KEEPS = timedelta(hours=1)
_LOOK_SECONDS = 30.0
_WORKERS_KEPT_MS = 7 * 86_400_000


@dataclass(frozen=True, kw_only=True)
class Chore:
    """Something to do again and again."""

    name: str
    every_seconds: float
    work: Callable[[], object]
    everywhere: bool = False
    """Each worker does it for itself; otherwise one worker per interval."""


def service_chores(service: Service, engine: JobEngine) -> tuple[Chore, ...]:
    """List the chores of an installation."""
    from qingting.service import alerting, retention

    chores = [
        Chore(name="escalate", every_seconds=5, work=lambda: alerting.escalate_due(service)),
        Chore(name="retain", every_seconds=3600, work=lambda: retention.apply_retention(service)),
        Chore(name="tidy", every_seconds=60, work=lambda: tidy(service, engine)),
    ]
    watch = service.settings.watch
    if watch.folder is not None:
        from qingting.service import watch_folder

        chores.append(Chore(name="watch", every_seconds=watch.poll_seconds, work=lambda: watch_folder.look(service)))
    return tuple(chores)


def tidy(service: Service, engine: JobEngine) -> None:
    """Delete what the engine keeps of ended runs, and workers that have not been seen for a week."""
    while engine.forget(before=(datetime.now(UTC) - _ENGINE_KEEPS).isoformat()):
        continue
    with service.database.write() as connection:
        workers.forget_before(connection, service.clock() - _WORKERS_KEPT_MS)
        known = {row.id for row in workers.every(connection)} | dispatching.workers_with_jobs(connection)
    engine.forget_queues(known)


def do_chore(service: Service, chore: Chore, *, worker_id: str) -> bool:
    """Do a chore if it is this worker's turn; a failure is logged by its kind and never leaves."""
    try:
        if not chore.everywhere and not _claimed(service, chore, worker_id):
            return False
        chore.work()
    except QingtingError as error:
        log.warning("chore %s: %s", chore.name, error.code)
    except Exception as error:  # noqa: BLE001  a chore must not end the worker; texts could hold customer words
        log.error("chore %s: unexpected %s", chore.name, type(error).__name__)
    return True


def start_chores(
    service: Service, chores: Sequence[Chore], *, worker_id: str, stop: threading.Event
) -> list[threading.Thread]:
    """Start a thread for each chore: a long one must not keep the others waiting."""

    def repeat(chore: Chore) -> None:
        # A claim outlives a restart: a rare chore must not wait for its whole interval after each.
        while not stop.wait(min(chore.every_seconds, _LOOK_SECONDS)):
            do_chore(service, chore, worker_id=worker_id)

    threads = [
        threading.Thread(target=repeat, args=(chore,), name=f"chore-{chore.name}", daemon=True) for chore in chores
    ]
    for thread in threads:
        thread.start()
    return threads


def _claimed(service: Service, chore: Chore, worker_id: str) -> bool:
    every_ms = round(chore.every_seconds * 1000)
    with service.database.write() as connection:
        return workers.claim_chore(
            connection, chore.name, worker_id=worker_id, now_ms=service.clock(), every_ms=every_ms
        )
