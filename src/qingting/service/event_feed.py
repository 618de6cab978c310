"""Follows the log of events and tells those who watch: one thread per process, however many watch.

Two writers of PostgreSQL may commit out of the order of their ids: an id that is missing when a later one is
seen may still come. The feed remembers missing ids for a while and asks for exactly these again, so that it
neither loses an event nor reads others twice. (Ids of undone transactions never come.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qingting.errors import StorageError, TooManyRequestsError
from qingting.storage import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.model.event import ServiceEvent
    from qingting.service.center import Service

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
_IDLE_SECONDS = 30.0
"""Nobody watches: only a watcher's arrival or the end wakes the thread."""
_MOST_MISSING = 10_000
_MISSING_SECONDS = 60.0
"""No transaction that appends events is open for longer."""
_LOOK_BACK = 500
_AT_ONCE = 1000
MOST_LISTENERS = 2000
"""Per process."""


@dataclass(eq=False)
class Listener:
    """One who watches; events that its `wants` refuses never reach it."""

    wants: Callable[[ServiceEvent], bool]
    wake: Callable[[], None]
    """Called from the feed's thread when there is something to take, or at the end; must not block or raise."""
    limit: int = 500
    """Events kept for a slow watcher; with more it is dropped."""
    dropped: bool = False
    """It was too slow: nothing more comes."""
    ended: bool = False
    """The feed was closed: nothing more comes."""
    _kept: deque[ServiceEvent] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> list[ServiceEvent]:
        """Return what came since the last time."""
        with self._lock:
            taken = list(self._kept)
            self._kept.clear()
            return taken

    def offer(self, found: Iterable[ServiceEvent]) -> None:
        """Hand over events (the feed's thread)."""
        wanted = [event for event in found if self.wants(event)]
        if not wanted or self.dropped:
            return
        with self._lock:
            if len(self._kept) + len(wanted) > self.limit:
                self.dropped = True
            else:
                self._kept.extend(wanted)
        self.wake()


class EventFeed:
    """The thread and those who watch; use it as a context manager, or call close()."""

    def __init__(self, service: Service, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._service = service
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._wanted = threading.Event()
        self._closed = False
        self._last = 0
        self._missing: dict[int, float] = {}
        self._thread: threading.Thread | None = None

    def listen(self, listener: Listener) -> int:
        """Begin to watch; returns the id of the last event that does not come.

        What was committed before this call may be read from the log; what is committed after it returns comes.
        Raises TooManyRequestsError over the limit of watchers, StorageError.
        """
        with self._lock:
            if len(self._listeners) >= MOST_LISTENERS:
                raise TooManyRequestsError("Too many watch events.", retry_after_seconds=30)
            if not self._listeners:
                # Nobody read on meanwhile: begin at the log's end.
                self._last, self._missing = self._end_of_log()
            last = self._last
            if self._closed:
                listener.ended = True
                return last
            self._listeners.add(listener)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="qingting-events", daemon=True)
                self._thread.start()
        self._wanted.set()
        return last

    def forget(self, listener: Listener) -> None:
        """Watch no more."""
        with self._lock:
            self._listeners.discard(listener)

    def end_soon(self) -> None:
        """Let the thread tell all who watch that it is over; takes no lock, so that signal handlers may call it."""
        self._closed = True
        self._wanted.set()

    def close(self) -> None:
        """End the thread and tell all who watch."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._wanted.set()
        if thread is not None:
            thread.join()

    def __enter__(self) -> EventFeed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while True:
            with self._lock:
                # Under the lock, so that close() sets the signal either before it is cleared or after.
                if self._closed:
                    break
                watched = bool(self._listeners)
                if not watched:
                    self._wanted.clear()
            if not watched:
                self._wanted.wait(_IDLE_SECONDS)
                continue
            try:
                more = self.poll()
            except StorageError as error:
                # Watchers go on waiting: the database comes back, and nothing is missed.
                log.warning("events cannot be read: %s", error.code)
                more = False
            if not more:
                time.sleep(self._poll_seconds)
        with self._lock:
            listeners, self._listeners = self._listeners, set()
        for listener in listeners:
            listener.ended = True
            listener.wake()

    def poll(self) -> bool:
        """Read what is new and hand it out; returns whether there is probably more. The thread's own work."""
        with self._lock:
            last, missing = self._last, sorted(self._missing)
        with self._service.database.read() as connection:
            found = list(events.after(connection, last, limit=_AT_ONCE))
            late = list(events.of_ids(connection, missing)) if missing else []
            # An emptied table numbers its rows from 1 again (SQLite).
            restarted = not found and events.last_id(connection) < last
        with self._lock:
            if self._last != last:
                return True  # begun anew meanwhile
            self._note(found, late, restarted=restarted)
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.offer([*late, *found])
        return restarted or len(found) == _AT_ONCE

    def _note(self, found: list[ServiceEvent], late: list[ServiceEvent], *, restarted: bool) -> None:
        now = time.monotonic()
        for event in late:
            self._missing.pop(event.id, None)
        expected = self._last + 1
        for event in found:
            for number in range(expected, min(event.id, expected + _MOST_MISSING)):
                self._missing[number] = now
            expected = event.id + 1
        self._last = 0 if restarted else expected - 1
        if restarted:
            self._missing.clear()
        old = [number for number, since in self._missing.items() if now - since > _MISSING_SECONDS]
        for number in [*old, *sorted(self._missing)[: max(0, len(self._missing) - _MOST_MISSING)]]:
            self._missing.pop(number, None)

    def _end_of_log(self) -> tuple[int, dict[int, float]]:
        """The newest event's id, and ids shortly before it that transactions now open may still bring."""
        with self._service.database.read() as connection:
            last = events.last_id(connection)
            first = max(0, last - _LOOK_BACK)
            seen = {event.id for event in events.after(connection, first, limit=_LOOK_BACK)}
        now = time.monotonic()
        return last, {number: now for number in range(first + 1, last) if number not in seen}
