"""A worker's room: many jobs share it, and a job under suspicion has it for itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Lets jobs in together, or one alone.

    When a worker process dies, every job that it ran is suspected. A job whose last attempt it is runs alone:
    if the process dies then, no other job can be to blame, and none other pays for it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone_waiting = 0
        self._alone_inside = False

    @contextmanager
    def enter(self, *, alone: bool) -> Iterator[None]:
        """Wait until there is room; a job that wants to be alone is let in before those that came later."""
        with self._changed:
            if alone:
                self._alone_waiting += 1
                self._changed.wait_for(lambda: not self._inside)
                self._alone_waiting -= 1
                self._alone_inside = True
            else:
                self._changed.wait_for(lambda: not self._alone_waiting and not self._alone_inside)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                if alone:
                    self._alone_inside = False
                self._changed.notify_all()
