"""Sends messages while a worker runs: takes those that are due, a few at a time, and tries each in a thread."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from qingting.errors import QingtingError
from qingting.service import sending

if TYPE_CHECKING:
    from qingting.service.center import Service

log = logging.getLogger(__name__)

_AT_ONCE = 8
"""Each waits for a foreign server."""
_TROUBLE_PAUSE_SECONDS = 2.0


class Deliverer:
    """Sends until its event is set; a context manager that waits for attempts under way."""

    def __init__(self, service: Service, stop: threading.Event) -> None:
        self._service = service
        self._stop = stop
        self._free = threading.Semaphore(_AT_ONCE)
        self._senders = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="send")
        self._thread = threading.Thread(target=self._repeat, name="deliver", daemon=True)

    def __enter__(self) -> Deliverer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._senders.shutdown()

    def _repeat(self) -> None:
        pause = self._service.settings.jobs.poll_seconds
        while not self._stop.wait(pause):
            pause = self._service.settings.jobs.poll_seconds
            try:
                self._take()
            except QingtingError as error:
                log.warning("no messages can be taken: %s", error.code)
                pause = _TROUBLE_PAUSE_SECONDS
            except Exception as error:  # noqa: BLE001  the worker goes on; texts could hold what is sent
                log.error("unexpected %s while taking messages", type(error).__name__)
                pause = _TROUBLE_PAUSE_SECONDS

    def _take(self) -> None:
        places = 0
        while places < _AT_ONCE and self._free.acquire(blocking=False):
            places += 1
        try:
            for delivery_id in sending.due_deliveries(self._service, places) if places else ():
                places -= 1
                self._senders.submit(self._attempt, delivery_id)
        finally:
            if places:
                self._free.release(places)

    def _attempt(self, delivery_id: str) -> None:
        try:
            sending.attempt_delivery(self._service, delivery_id)
        except QingtingError as error:
            # It comes due again by itself.
            log.warning("what became of a message is not known: %s", error.code)
        except Exception as error:  # noqa: BLE001  the same; texts could hold what was sent
            log.error("unexpected %s while sending", type(error).__name__)
        finally:
            self._free.release()
