"""What a running call has told, numbered: whoever lost some asks for them again."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from qingting.live.plain import numbered

if TYPE_CHECKING:
    from collections.abc import Callable

    from qingting.live.wire import Told

MOST_BYTES = 8 * 1024**2
"""A day of talk is about one megabyte; with more the oldest go."""


class EventLog:
    """Events of one call in order. Unfinished words are kept only until newer ones replace them."""

    def __init__(self) -> None:
        self.last = 0
        """Number of the newest event."""
        self.closed = False
        """Nothing more comes."""
        self._kept: OrderedDict[int, str] = OrderedDict()
        self._bytes = 0
        self._partials: dict[str, int] = {}
        self._forgotten = 0
        self._listeners: set[Callable[[], None]] = set()

    def append(self, events: list[Told]) -> None:
        """Number events and keep them; listeners are called."""
        for event in events:
            self.last += 1
            replaced = self._partials.pop(event.partial_of or event.final_of, None)
            if replaced is not None and (text := self._kept.pop(replaced, None)) is not None:
                self._bytes -= len(text)
            if event.partial_of:
                self._partials[event.partial_of] = self.last
            text = numbered(event.text, self.last)
            self._kept[self.last] = text
            self._bytes += len(text)
        while self._bytes > MOST_BYTES:
            self._forgotten, text = self._kept.popitem(last=False)
            self._bytes -= len(text)
        self._wake()

    def close(self) -> None:
        """Say that nothing more comes."""
        self.closed = True
        self._wake()

    def after(self, sequence: int) -> tuple[list[tuple[int, str]], bool]:
        """Events after a number, with theirs, without words that were replaced; and whether some were forgotten."""
        found = []
        for number in reversed(self._kept):
            if number <= sequence:
                break
            found.append((number, self._kept[number]))
        return found[::-1], sequence < self._forgotten

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each change, in the thread that makes it."""
        self._listeners.add(wake)

    def forget(self, wake: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners.discard(wake)

    def _wake(self) -> None:
        for wake in tuple(self._listeners):
            wake()
