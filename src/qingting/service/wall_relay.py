"""Tells the lines of running calls to the other processes of an installation on PostgreSQL."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from qingting.errors import StorageError
from qingting.storage import notices

if TYPE_CHECKING:
    from qingting.service.center import Service

log = logging.getLogger(__name__)

CHANNEL = "qingting_wall"
_TOGETHER_SECONDS = 0.25
_PAUSE_SECONDS = 5.0


class WallRelay:
    """Two threads: one sends what has changed together, one listens. As live.wall.Relay."""

    def __init__(self, service: Service, *, sender: str) -> None:
        """`sender` names this process among all."""
        self._service = service
        self._sender = sender
        self._waiting: dict[str, str] = {}
        self._lock = threading.Lock()
        self._something = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, deliver: Callable[[str], None]) -> None:
        """Begin; `deliver` is called in a thread with each line that another process tells."""
        self._threads = [
            threading.Thread(target=self._send_all, name="wall-send", daemon=True),
            threading.Thread(target=self._listen, args=(deliver,), name="wall-listen", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, live_id: str, line: str) -> None:
        """Tell a line; an older one of the same call that has not gone out yet is replaced."""
        with self._lock:
            self._waiting[live_id] = line
        self._something.set()

    def close(self) -> None:
        """Send what is left and end both threads."""
        self._stop.set()
        self._something.set()
        for thread in self._threads:
            thread.join(5)

    def _send_all(self) -> None:
        while not self._stop.is_set() or self._waiting:
            self._something.wait()
            self._something.clear()
            self._stop.wait(_TOGETHER_SECONDS)
            with self._lock:
                waiting, self._waiting = self._waiting, {}
            if not waiting:
                continue
            try:
                notices.send(self._service.database, CHANNEL, waiting, sender=self._sender)
            except StorageError as error:
                # Lines are told again soon.
                log.warning("lines of the wall could not be told: %s", error.code)

    def _listen(self, deliver: Callable[[str], None]) -> None:
        while not self._stop.is_set():
            try:
                notices.listen(self._service.database, CHANNEL, deliver, own=self._sender, stop=self._stop)
            except StorageError as error:
                log.warning("lines of other walls cannot be heard: %s", error.code)
            except Exception as error:  # noqa: BLE001  an event loop that has ended takes no more lines
                log.warning("unexpected %s while hearing lines of other walls", type(error).__name__)
            self._stop.wait(_PAUSE_SECONDS)
