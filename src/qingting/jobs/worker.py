"""A worker process at work: takes jobs, runs them, sends messages, and does what must be done now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from qingting.errors import QingtingError
from qingting.jobs.attempt import run_attempt
from qingting.jobs.chores import Chore, service_chores, start_chores
from qingting.jobs.delivering import Deliverer
from qingting.jobs.dispatcher import Dispatcher
from qingting.jobs.takeover import TakeOver

if TYPE_CHECKING:
    from qingting.jobs.steps import Bench
    from qingting.service.center import Service
    from qingting.storage.workers import WorkerRow

log = logging.getLogger(__name__)

_RECOVER_SECONDS = 15.0
_CANCEL_SECONDS = 60.0
"""Whoever cancels a waiting job ends it at once; this finds what a crash left in between."""
_TROUBLE_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """How a worker ended."""

    left: frozenset[str] = frozenset()
    """Runs that had not ended in time; they go on elsewhere or at the next start. Their threads cannot be waited
    for: the process must end."""


def work(bench: Bench, worker: WorkerRow, *, stop: threading.Event, ready: Callable[[], None]) -> Stopped:
    """Work until `stop` is set; `ready` is called when jobs can begin.

    Raises an error of the job engine when its tables cannot be opened.
    """
    from qingting.jobs._engine import JobEngine

    service = bench.service
    engine = JobEngine(service, worker_id=worker.id, concurrency=worker.concurrency, run=partial(run_attempt, bench))
    dispatcher = Dispatcher(service, engine, worker_id=worker.id, concurrency=worker.concurrency)
    take_over = TakeOver(service, engine, worker_id=worker.id)
    looking = Chore(
        name="take over",
        every_seconds=service.settings.jobs.heartbeat_seconds,
        work=take_over.look,
        everywhere=True,
    )
    engine.start()
    start_chores(service, (looking, *service_chores(service, engine)), worker_id=worker.id, stop=stop)
    ready()
    with Deliverer(service, stop):
        _dispatch(service, dispatcher, stop)
        left = engine.stop(wait_seconds=service.settings.jobs.stop_seconds)
        if left:
            bench.abandoned.set()
    return Stopped(left=left)


def _dispatch(service: Service, dispatcher: Dispatcher, stop: threading.Event) -> None:
    """Hand jobs over until the worker stops."""
    duties = {"recover": (dispatcher.recover, _RECOVER_SECONDS), "cancel": (dispatcher.end_cancelled, _CANCEL_SECONDS)}
    due = dict.fromkeys(duties, 0.0)
    pause = service.settings.jobs.poll_seconds
    while not stop.wait(pause):
        pause = service.settings.jobs.poll_seconds
        try:
            for name, (duty, every_seconds) in duties.items():
                if time.monotonic() >= due[name]:
                    due[name] = time.monotonic() + every_seconds
                    duty()
            dispatcher.dispatch()
        except QingtingError as error:
            log.warning("no jobs can be taken: %s", error.code)
            pause = _TROUBLE_PAUSE_SECONDS
        except Exception as error:  # noqa: BLE001  the worker goes on; texts could hold what was stored
            log.error("unexpected %s while taking jobs", type(error).__name__)
            pause = _TROUBLE_PAUSE_SECONDS
