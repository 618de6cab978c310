"""Opens a worker process: the installation, an inspector, the job engine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from qingting.bootstrap.recordings import audio_options
from qingting.bootstrap.recordings import open_inspector as own_inspector
from qingting.bootstrap.service import open_service

if TYPE_CHECKING:
    from qingting.inspector import Inspector
    from qingting.jobs.worker import Stopped
    from qingting.settings import Settings

log = logging.getLogger(__name__)


def run_worker(
    settings: Settings,
    *,
    stop: threading.Event,
    open_inspector: Callable[[Settings], AbstractContextManager[Inspector]] | None = None,
    ready: Callable[[], None] | None = None,
) -> Stopped:
    """Work through jobs until `stop` is set; `ready` is called when jobs can begin.

    `open_inspector` gives what inspects recordings (tests, own engines); without it the settings' own engine does, and
    earlier contacts are looked up in the database. Raises ConflictError while another process
    works under the same name, StorageError, SettingsError, EngineUnavailableError. When the answer names runs that
    are left, the process must be ended without waiting for its threads.
    """
    with open_service(settings) as service:
        from qingting.jobs.naming import beating, claim_name
        from qingting.jobs.room import Room
        from qingting.jobs.steps import Bench
        from qingting.jobs.worker import work
        from qingting.service.contacts import StoredContacts

        worker = claim_name(service, stop=stop)
        log.info("worker %s starts, %d jobs at once", worker.id, worker.concurrency)
        # As many decoders as jobs: none waits for another.
        several = settings.model_copy(update={"workers": settings.jobs.concurrency})
        opened = open_inspector or partial(own_inspector, history=StoredContacts(service.database))
        with beating(service, worker, stop=stop), opened(several) as inspector:
            bench = Bench(
                service=service,
                inspector=inspector,
                audio_options=audio_options(settings),
                worker_id=worker.id,
                room=Room(),
            )
            return work(bench, worker, stop=stop, ready=ready or (lambda: log.info("worker %s is ready", worker.id)))
