"""The supervisors' wall: the lines of all running calls, of this process and of others, and those who watch them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from qingting.live.card import first_line
from qingting.model.call import CallInfo
from qingting.model.live_event import LiveState

_OVER = frozenset({LiveState.REPORTED.value, LiveState.FAILED.value})
_AGAIN_SECONDS = 10.0
"""Own lines are told again so often: a process that starts later learns of all calls."""
_SILENT_SECONDS = 35.0
"""A line that another process has not told for so long is of a process that is gone."""


class Relay(Protocol):
    """Brings lines to other processes, and theirs here. Its methods do not block, save close()."""

    def start(self, deliver: Callable[[str], None]) -> None:
        """Begin; `deliver` is called in a thread with each line that another process tells."""
        ...

    def send(self, live_id: str, line: str) -> None:
        """Tell a line; an older one of the same call that has not gone out yet is replaced."""
        ...

    def close(self) -> None:
        """End."""
        ...


@dataclass
class _Line:
    """One call's line."""

    call: CallInfo
    """What decides who may see it."""
    text: str
    told: float
    """When it was told last, by or to other processes (monotonic)."""
    own: bool


class Watcher:
    """One who watches the wall: the newest line of each call that changed since the last look."""

    def __init__(self, wants: Callable[[CallInfo], bool]) -> None:
        self.changed = asyncio.Event()
        self._wants = wants
        self._lines: dict[str, str] = {}

    def put(self, live_id: str, call: CallInfo, line: str) -> None:
        """A call's line changed."""
        if self._wants(call):
            self._lines[live_id] = line
            self.changed.set()

    def take(self) -> list[str]:
        """Lines that changed, at most one per call."""
        lines, self._lines = list(self._lines.values()), {}
        self.changed.clear()
        return lines


class Wall:
    """The lines of all running calls. Belongs to one event loop."""

    def __init__(self, relay: Relay | None = None) -> None:
        self._relay = relay
        self._lines: dict[str, _Line] = {}
        self._watchers: set[Watcher] = set()

    def put(self, live_id: str, call: CallInfo, line: str) -> None:
        """Show the line of a call of this process; that of one that is over is shown once more and goes."""
        self._show(live_id, call, line, own=True)
        if self._relay is not None:
            self._relay.send(live_id, line)

    def put_foreign(self, line: str) -> None:
        """Show the line of a call of another process; what is no line is left out."""
        try:
            values = json.loads(line)
            call = CallInfo(call_id=values["call_id"], agent_id=values["agent_id"], team=values["team"])
            live_id = values["id"]
        except (ValueError, KeyError, TypeError):
            return
        known = self._lines.get(live_id)
        if known is None or not known.own:
            self._show(live_id, call, line, own=False)

    def state(self, live_id: str, call: CallInfo, state: LiveState, *, begun_ms: int) -> None:
        """Change where a call of this process stands; `begun_ms` as Card."""
        known = self._lines.get(live_id)
        values: dict[str, Any] = json.loads(known.text) if known else first_line(live_id, call, begun_ms)
        self.put(live_id, call, json.dumps({**values, "state": state.value}, ensure_ascii=False))

    def tend(self) -> None:
        """Now and then: tell own lines again, and take away those of processes that are gone."""
        now = time.monotonic()
        for live_id, line in list(self._lines.items()):
            if line.own and self._relay is not None and now - line.told > _AGAIN_SECONDS:
                line.told = now
                self._relay.send(live_id, line.text)
            elif not line.own and now - line.told > _SILENT_SECONDS:
                values = {**json.loads(line.text), "state": LiveState.FAILED.value}
                self._show(live_id, line.call, json.dumps(values, ensure_ascii=False), own=False)

    def watch(self, wants: Callable[[CallInfo], bool]) -> Watcher:
        """Begin to watch; all lines there are come first."""
        watcher = Watcher(wants)
        for live_id, line in self._lines.items():
            watcher.put(live_id, line.call, line.text)
        self._watchers.add(watcher)
        return watcher

    def forget(self, watcher: Watcher) -> None:
        """Watch no more."""
        self._watchers.discard(watcher)

    def lines(self, wants: Callable[[CallInfo], bool]) -> Iterator[str]:
        """Lines of calls that somebody may see."""
        return (line.text for line in self._lines.values() if wants(line.call))

    def _show(self, live_id: str, call: CallInfo, text: str, *, own: bool) -> None:
        if json.loads(text)["state"] in _OVER:
            self._lines.pop(live_id, None)
        else:
            self._lines[live_id] = _Line(call=call, text=text, told=time.monotonic(), own=own)
        for watcher in self._watchers:
            watcher.put(live_id, call, text)
