"""The job engine DBOS as Qingting uses it: one queue per worker, quiet, no network; imported late."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import URL, Engine, create_engine, event

from qingting.jobs.attempt import Checkpoint, Outcome, RunLostError

if TYPE_CHECKING:
    from qingting.service.center import Service

log = logging.getLogger(__name__)

_APPLICATION = "qingting"
_VERSION = "1"
"""Pinned: workflows of an older release go on in a newer one. A step that a run does not know ends the run, and the
job begins a new one."""
_WORKFLOW = "inspect"
_ACTIVE = frozenset({"PENDING", "ENQUEUED", "DELAYED"})
_SCHEMA = "dbos"
_TIDY_AT_ONCE = 500
_LONGEST_NOTE = 120


class JobEngine:
    """Keeps the workflows of one worker process; only one can be open in a process."""

    def __init__(
        self, service: Service, *, worker_id: str, concurrency: int, run: Callable[[str, Checkpoint], str]
    ) -> None:
        """`run` does one run of a job, named by its workflow's id, and returns what became of it."""
        self._run = run
        self._queue = _queue_of(worker_id)
        self._concurrency = concurrency
        self._poll_seconds = service.settings.jobs.poll_seconds
        self._running: set[str] = set()
        self._lock = threading.Lock()
        _route_log()
        self._database = _open_database(service, concurrency)
        config: DBOSConfig = {
            "name": _APPLICATION,
            "executor_id": worker_id,
            "application_version": _VERSION,
            "system_database_engine": self._database,
            "dbos_system_schema": _SCHEMA,
            "serializer": DBOSPortableJSONSerializer(),
            # Nothing of ours waits for the engine's messages.
            "use_listen_notify": False,
            "scheduler_polling_interval_sec": 3600.0,
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        DBOS(config=config)
        # The run's own count of attempts sets a job aside, with a reason.
        DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=None)(self._function())
        DBOS.listen_queues([self._queue])

    def start(self) -> None:
        """Make the engine's tables, put this worker's broken-off runs back on its queue, and begin to work."""
        DBOS.launch()
        DBOS.register_queue(
            self._queue,
            worker_concurrency=self._concurrency,
            polling_interval_sec=self._poll_seconds,
            on_conflict="always_update",
        )

    def enqueue(self, workflow: str, *, priority: int) -> None:
        """Put a run on this worker's queue; one that is known already is left as it is."""
        DBOS.enqueue_workflow_with_options(
            {
                "workflow_name": _WORKFLOW,
                "queue_name": self._queue,
                "workflow_id": workflow,
                "priority": priority,
                "app_version": _VERSION,
            },
            workflow,
        )

    def running(self) -> frozenset[str]:
        """Runs that this process works on."""
        with self._lock:
            return frozenset(self._running)

    def active(self, workflows: Sequence[str]) -> dict[str, bool]:
        """Of these runs, those that have not ended: whether each has begun."""
        if not workflows:
            return {}
        found = DBOS.list_workflows(workflow_ids=list(workflows), load_input=False, load_output=False)
        return {one.workflow_id: one.status == "PENDING" for one in found if one.status in _ACTIVE}

    def adopt(self, workflows: Iterable[str]) -> None:
        """Put runs, whoever had them, on this worker's queue: they go on after their last finished step."""
        if chosen := list(workflows):
            DBOS.resume_workflows(chosen, queue_name=self._queue)

    def forget(self, *, before: str) -> int:
        """Delete what the engine keeps of runs that ended before a time (ISO 8601); returns how many."""
        ended = DBOS.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            completed_before=before,
            limit=_TIDY_AT_ONCE,
            load_input=False,
            load_output=False,
        )
        if ended:
            DBOS.delete_workflows([one.workflow_id for one in ended])
        return len(ended)

    def forget_queues(self, worker_ids: Iterable[str]) -> None:
        """Delete queues of all workers but these."""
        kept = {_queue_of(one) for one in worker_ids} | {self._queue}
        for queue in DBOS.list_queues():
            if queue.name not in kept:
                DBOS.delete_queue(queue.name)

    def stop(self, *, wait_seconds: float) -> frozenset[str]:
        """Begin nothing more, wait for what runs, and return what still does; that is not to be waited for."""
        DBOS.destroy(workflow_completion_timeout_sec=round(wait_seconds), destroy_registry=True)
        left = self.running()
        self._database.dispose()
        return left

    def _function(self) -> Callable[[str], str]:
        def inspect(workflow: str) -> str:
            with self._lock:
                self._running.add(workflow)
            try:
                return self._run(workflow, _checkpoint)
            finally:
                with self._lock:
                    self._running.discard(workflow)

        return inspect


def _checkpoint(name: str, work: Callable[[], Outcome]) -> Outcome:
    def step() -> Outcome:
        return work()

    try:
        return DBOS.run_step({"name": name}, step)
    except Exception as error:  # noqa: BLE001  our steps raise nothing: whatever comes is the engine's
        log.warning("job engine: step %s is lost: %s", name, type(error).__name__)
        raise RunLostError from None


def _queue_of(worker_id: str) -> str:
    return f"inspect.{worker_id}"


def _open_database(service: Service, concurrency: int) -> Engine:
    """A file of its own beside SQLite: the engine writes often and must not make others wait."""
    if not service.database.is_sqlite:
        return create_engine(
            service.database.engine.url,
            pool_size=concurrency + 4,
            max_overflow=concurrency + 4,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "application_name": "qingting-jobs"},
        )
    path = service.settings.storage.folder / "jobs.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(URL.create("sqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        # Losing the last moments with the power is no loss: our own rows tell what must be handed over again.
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


class _Forward(logging.Handler):
    """Passes the engine's warnings on without what follows the first colon: statements, values, addresses."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the beginning of a message under our own name."""
        log.log(record.levelno, "job engine: %s", record.getMessage().partition(":")[0][:_LONGEST_NOTE])


def _route_log() -> None:
    theirs = logging.getLogger("dbos")
    theirs.handlers = [_Forward()]
    theirs.propagate = False
