"""The generator of running calls: many calls over WebSockets at the pace of speech, for as little work as can be.

It shares the machine with the service that is measured: what it does not use is left to that. Sound is cut, framed and
masked once per recording; sending is one write of ready bytes; one schedule says for all calls what is due, so that
no coroutine wakes for a message.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import time
from array import array
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from _client_socket import BINARY, OPEN_SECONDS, TEXT, ClientSocket, client_frame

TICK_SECONDS = 0.005
"""A message is sent in the first tick after its time: at most this much after it.

Every tick wakes a processor. Longer ones would save this process more, but bring the service its messages in bursts
that save it work, too, which no telephone system does.
"""
REPORT_SECONDS = 120.0
"""How long the server may take to report after the last sound."""
AGAIN_SECONDS = 1.0
"""A line whose call was lost waits so long before its next."""
STOP = client_frame(TEXT, b'{"type": "stop"}')
_PARTIAL = re.compile(rb'\{"sequence": \d+, "type": "partial", "at_ms": (\d+), ')
"""Most events are partial text, of which only the time is of interest."""


class Schedule:
    """What is due when, in ticks: never before its time, and within one tick after it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` tells seconds that only grow."""
        self._clock = clock
        self._began = clock()
        self._next = 0
        self._ticks: defaultdict[int, list[Callable[[], None]]] = defaultdict(list)
        self._timer: asyncio.TimerHandle | None = None

    def add(self, due: float, act: Callable[[], None]) -> None:
        """Call `act` when `due`, a time of the clock, has come; soon, if it has passed."""
        tick = math.ceil((due - self._began) / TICK_SECONDS)
        self._ticks[tick if tick > self._next else self._next].append(act)

    def run_due(self) -> None:
        """Call all that is due now, the earliest tick first."""
        last = math.floor((self._clock() - self._began) / TICK_SECONDS)
        while self._next <= last:
            acts = self._ticks.pop(self._next, ())
            self._next += 1
            for act in acts:
                act()

    def start(self) -> None:
        """Go on by the running loop's timer until stop()."""
        try:
            self.run_due()
        finally:
            wait = self._began + self._next * TICK_SECONDS - self._clock()
            # Timers of the loop know whole milliseconds: less would be no wait at all.
            self._timer = asyncio.get_running_loop().call_later(max(0.001, wait), self.start)

    def stop(self) -> None:
        """Call nothing more."""
        if self._timer is not None:
            self._timer.cancel()


@dataclass(frozen=True)
class Recording:
    """A call ready to be sent: frames of RFC 6455."""

    start: bytes
    frames: list[bytes]
    frame_ms: int


def ready(start: dict[str, Any], sound: list[bytes], frame_ms: int) -> Recording:
    """Make a call ready to be sent: its first message, and its sound in messages of `frame_ms`."""
    frames = [client_frame(BINARY, one) for one in sound]
    return Recording(start=client_frame(TEXT, json.dumps(start).encode()), frames=frames, frame_ms=frame_ms)


@dataclass
class Seen:
    """What the calls of one run told; delays of events that came between two moments."""

    since: float = 0.0
    until: float = math.inf
    delays: dict[str, list[float]] = field(default_factory=dict)
    """Kind of event -> milliseconds from the sending of the sound that it rests on."""
    sentence_ends: list[float] = field(default_factory=list)
    """Milliseconds from an utterance's last sound to its arrival."""
    after_hang_up: list[float] = field(default_factory=list)
    """Milliseconds from stop to the report."""
    begun: int = 0
    reported: int = 0
    received: int = 0
    """Events of all kinds."""
    lost: list[str] = field(default_factory=list)
    behind: array[float] = field(default_factory=lambda: array("d"))
    """Milliseconds from the time at which a message was due to its sending, one per message of sound."""
    held_back: int = 0
    """How often a message had to wait because the server did not read."""

    def counts(self, now: float) -> bool:
        """Whether what comes now is measured."""
        return self.since <= now < self.until


class Call(ClientSocket):
    """One call: sends a recording as it would be spoken, and notes how late events come."""

    def __init__(self, address: str, key: str, recording: Recording, schedule: Schedule, seen: Seen) -> None:
        """See ClientSocket."""
        super().__init__(address, key)
        self._recording = recording
        self._schedule = schedule
        self._seen = seen
        self._sent: list[float] = []
        self._began = self._due = 0.0
        self._waiting = False
        self._stopped = 0.0
        self._found: dict[str, int] = {}

    def opened(self) -> None:
        """Begin the call; its first frame can be sent when the frame's sound has been spoken."""
        self.write(self._recording.start)
        self._seen.begun += 1
        self._began = time.monotonic()
        self._due = self._began + self._recording.frame_ms / 1000
        self._schedule.add(self._due, self.send_due)
        spoken = len(self._recording.frames) * self._recording.frame_ms / 1000
        self.allow(spoken + REPORT_SECONDS, "the server does not read")

    def send_due(self) -> None:
        """Send what is due, then wait for the next; a server that does not read is waited for."""
        frames, sent, seen = self._recording.frames, self._sent, self._seen
        now = time.monotonic()
        while not self.over.done() and self.closed is None:
            if now < self._due:
                self._schedule.add(self._due, self.send_due)
                return
            if self.paused:
                self._waiting = True
                seen.held_back += 1
                return
            seen.behind.append(1000 * (now - self._due))
            self.write(frames[len(sent)])
            sent.append(now)
            if len(sent) == len(frames):
                self._stop()
                return
            self._due = self._began + (len(sent) + 1) * self._recording.frame_ms / 1000
            if now >= self._due:
                now = time.monotonic()

    def writable(self) -> None:
        """Send what waited."""
        if self._waiting:
            self._waiting = False
            self.send_due()

    def heard(self, message: bytes) -> None:
        """Take an event and note how late it came."""
        now, seen = time.monotonic(), self._seen
        seen.received += 1
        if partial := _PARTIAL.match(message):
            self._note("partial", int(partial[1]), now)
            return
        event = json.loads(message.decode())
        kind = event["type"]
        if kind == "report":
            seen.reported += 1
            if seen.counts(now):
                seen.after_hang_up.append(1000 * (now - self._stopped))
        elif kind in ("error", "report_delayed"):
            seen.lost.append(kind + " " + event.get("code", ""))
        elif kind == "finding":
            self._found[event["finding"]["id"]] = event["at_ms"]
        self._note(kind, self._found.get(event["finding_id"]) if kind == "alert" else event.get("at_ms"), now)
        if kind == "utterance" and (late := self._late(event["end_ms"], now)) is not None:
            seen.sentence_ends.append(late)

    def end(self, reason: str) -> None:
        """See ClientSocket; a call that ends before its sound is lost, too."""
        super().end(reason or ("" if self._stopped else "closed within the call"))

    def _stop(self) -> None:
        self._stopped = time.monotonic()
        self.write(STOP)
        self.allow(REPORT_SECONDS, "no report")

    def _note(self, kind: str, at_ms: int | None, now: float) -> None:
        """Count an event's delay, if it rests on sound of a known time."""
        if at_ms is not None and (late := self._late(at_ms, now)) is not None:
            self._seen.delays.setdefault(kind, []).append(late)

    def _late(self, at_ms: int, now: float) -> float | None:
        """Milliseconds since the frame with the sound of `at_ms` was sent; None when it was not, or it does not count.

        What comes after the last sound is no delay of a running call: it belongs to the time until the report.
        """
        number = -(-at_ms // self._recording.frame_ms) - 1
        if self._stopped or not 0 <= number < len(self._sent) or not self._seen.counts(now):
            return None
        return 1000 * (now - self._sent[number])


async def one_call(address: str, key: str, recording: Recording, schedule: Schedule, seen: Seen) -> bool:
    """Make one call and wait for its end; False when it was lost, which `seen` then says."""
    call = Call(address, key, recording, schedule, seen)
    url = urlsplit(address)
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            await asyncio.get_running_loop().create_connection(lambda: call, url.hostname or "", url.port or 80)
        reason = await call.over
    except OSError as error:
        reason = f"{type(error).__name__} {str(error)[:80]}"
    finally:
        call.end("given up")
    if reason:
        seen.lost.append(reason)
    return not reason


@dataclass(frozen=True)
class Plan:
    """Who calls whom, and how."""

    address: str
    key: str
    pool: list[Recording]
    calls: int
    """Lines that are busy at the same time."""
    begin_seconds: float
    """Each line begins at a moment of its own within this."""
    seconds: float
    """How long calls begin after that; those that run then are brought to their end."""


async def run_calls(plan: Plan, seen: Seen) -> None:
    """Make call after call on every line."""
    schedule = Schedule(time.monotonic)
    until = time.monotonic() + plan.begin_seconds + plan.seconds

    async def line(own: random.Random) -> None:
        await asyncio.sleep(own.uniform(0, plan.begin_seconds))
        while time.monotonic() < until:
            if not await one_call(plan.address, plan.key, own.choice(plan.pool), schedule, seen):
                await asyncio.sleep(AGAIN_SECONDS)

    schedule.start()
    try:
        await asyncio.gather(*(line(random.Random(n)) for n in range(plan.calls)))
    finally:
        schedule.stop()
