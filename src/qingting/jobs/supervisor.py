"""Keeps a worker process alive beside the HTTP entrance of the same installation."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0
"""After so long a start counts as a success, and the next one does not wait."""
_BEYOND_SECONDS = 15.0
"""A worker needs this long to close, besides waiting for its jobs."""


def worker_command() -> list[str]:
    """Return the command of a worker that ends with this process, however that dies."""
    return [sys.executable, "-m", "qingting", "worker", "--parent", str(os.getpid())]


class Supervisor:
    """Starts a process, starts it again when it ends, and stops it; a context manager."""

    def __init__(
        self, command: Sequence[str], *, stop_seconds: float, first_pause_seconds: float = _FIRST_PAUSE_SECONDS
    ) -> None:
        """`stop_seconds` is how long the process takes at most to end its work."""
        self._command = list(command)
        self._stop_seconds = stop_seconds
        self._first_pause = first_pause_seconds
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    def ask_to_stop(self) -> None:
        """Ask the process to end orderly, and start none again; does not wait. Safe in a signal handler."""
        self._stop.set()
        # No lock: a signal may come while this very thread holds it.
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ask_to_stop()
        with self._lock:
            process = self._process
        if process is not None:
            try:
                process.wait(self._stop_seconds + _BEYOND_SECONDS)
            except subprocess.TimeoutExpired:
                log.error("the worker process did not end and is killed; its jobs go on at the next start")
                process.kill()
        self._thread.join()

    def _keep(self) -> None:
        pause = self._first_pause
        while not self._stop.is_set():
            began = time.monotonic()
            code = self._run()
            if self._stop.is_set():
                return
            pause = self._first_pause if time.monotonic() - began > _STEADY_SECONDS else pause
            log.error("the worker process ended (%s) and is started again in %.0f s", _how(code), pause)
            self._stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _run(self) -> int:
        with self._lock:
            if self._stop.is_set():
                return 0
            self._process = subprocess.Popen(self._command)  # noqa: S603  our own command
        if self._stop.is_set():
            # Asked between the look and the start.
            self._process.terminate()
        return self._process.wait()


def end_with_parent(parent: int, stop: Callable[[], None], *, every_seconds: float = 1.0) -> threading.Thread:
    """Call `stop` when the process that started this one is no more: kill -9 gives it no chance to say so."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(every_seconds)
        log.warning("the process that started this worker is gone: the worker ends")
        stop()

    thread = threading.Thread(target=look, name="parent", daemon=True)
    thread.start()
    return thread


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
