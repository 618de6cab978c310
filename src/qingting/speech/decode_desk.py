"""Who may use the engine next: final decodes in turn, partial ones only while it is idle."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class SameThreadExecutor(Executor):
    """Runs each task at once in the calling thread: for replays and tests without waiting."""

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Run the task; the future is done."""
        future: Future[_R] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001  handed to whoever asks for the result, as executors do
            future.set_exception(error)
        return future


class DecodeDesk:
    """Shares one engine among all streams: at most `slots` decodes run, finals first.

    A final waits its turn and is never dropped here; a partial is refused unless a slot is free, no
    final waits, and fewer than `partial_slots` partials run. Safe from several threads at once.
    """

    def __init__(self, executor: Executor, *, slots: int = 1, partial_slots: int | None = None) -> None:
        """`executor` runs the decodes and should have `slots` workers; partial_slots: default half, at least 1."""
        if slots < 1:
            raise ValueError("slots must be at least 1")
        self._executor = executor
        self._slots = slots
        self._partial_slots = max(1, slots // 2) if partial_slots is None else partial_slots
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._running = 0
        self._partials = 0

    @property
    def waiting(self) -> int:
        """Finals that have not begun."""
        with self._lock:
            return len(self._waiting)

    def final(self, decode: Callable[[], _R]) -> Future[_R]:
        """Run a decode as soon as a slot is free, in the order asked; the future may be cancelled until then."""
        future: Future[_R] = Future()
        with self._lock:
            self._waiting.append((future, decode))
        self._start_waiting()
        return future

    def partial(self, decode: Callable[[], _R]) -> Future[_R] | None:
        """Run a decode now, or return None: the engine has something better to do."""
        with self._lock:
            if self._waiting or self._running >= self._slots or self._partials >= self._partial_slots:
                return None
            self._running += 1
            self._partials += 1
        future: Future[_R] = Future()
        future.set_running_or_notify_cancel()
        self._submit(future, decode, partial=True)
        return future

    def _start_waiting(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._running >= self._slots:
                    return
                future, decode = self._waiting.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                self._running += 1
            self._submit(future, decode, partial=False)

    def _submit(self, future: Future[_R], decode: Callable[[], _R], *, partial: bool) -> None:
        try:
            running = self._executor.submit(decode)
        except RuntimeError as error:  # the executor was shut down
            self._free(partial=partial)
            future.set_exception(error)
            return
        running.add_done_callback(lambda done: self._ended(done, future, partial=partial))

    def _ended(self, done: Future[_R], future: Future[_R], *, partial: bool) -> None:
        self._free(partial=partial)
        if done.cancelled():
            future.set_exception(RuntimeError("the decode was cancelled"))
        elif (error := done.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(done.result())
        self._start_waiting()

    def _free(self, *, partial: bool) -> None:
        with self._lock:
            self._running -= 1
            self._partials -= partial


def hand_on(done: Future[_R], future: Future[_R]) -> None:
    """Give the answer or the error of a future that is done to another one."""
    error = None if done.cancelled() else done.exception()
    if done.cancelled() or error is not None:
        future.set_exception(error or RuntimeError("the decode was cancelled"))
    else:
        future.set_result(done.result())
