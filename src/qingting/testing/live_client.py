"""A sender of running calls by Qingting's own protocol, as docs/reference/live.md has it: for tests and load."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

FRAME_MS = 100


@dataclass
class LiveClient:
    """One call: what it sends, and what it was told with the time of each."""

    url: str
    """`http://host:port` of the service."""
    key: str
    call: Mapping[str, Any]
    rate_hertz: int
    roles: tuple[str, ...]
    """One per channel."""
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """Everything that came, with its time (monotonic)."""
    token: str = ""
    sent_at: list[tuple[int, float]] = field(default_factory=list)
    """Call time in milliseconds up to which sound was sent, and when."""

    async def play(self, pcm: NDArray[np.int16], *, speed: float | None = 1.0, until_ms: int | None = None) -> None:
        """Send a recording, [channels, samples], and wait for the call's end; `until_ms` leaves without a word."""
        async with self.connected() as socket:
            await socket.send(json.dumps(self.start()))
            await self.send_and_hear(socket, pcm, speed=speed, until_ms=until_ms)

    async def resume(self, pcm: NDArray[np.int16], *, speed: float | None = 1.0) -> None:
        """Go on after a lost connection with what the service has not got."""
        async with self.connected() as socket:
            await socket.send(json.dumps({"type": "resume", "token": self.token, "after": self.last}))
            hello = json.loads(await socket.recv())
            self.events.append((time.monotonic(), hello))
            await self.send_and_hear(socket, pcm, speed=speed, from_sample=hello.get("received_samples", 0))

    def connected(self) -> connect:
        """Open a connection."""
        address = self.url.replace("http", "ws", 1) + "/api/v1/live"
        return connect(
            address, additional_headers={"Authorization": f"Bearer {self.key}"}, compression=None, max_size=None,
            ping_interval=None,
        )  # fmt: skip

    def start(self) -> dict[str, Any]:
        """The first message."""
        audio = {"encoding": "pcm16", "rate": self.rate_hertz, "channels": len(self.roles), "roles": list(self.roles)}
        return {"type": "start", "call": dict(self.call), "audio": audio}

    @property
    def last(self) -> int:
        """Number of the last event that came."""
        return max((event.get("sequence", 0) for _, event in self.events), default=0)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Events of a kind."""
        return [event for _, event in self.events if event["type"] == kind]

    async def send_and_hear(
        self,
        socket: ClientConnection,
        pcm: NDArray[np.int16],
        *,
        speed: float | None,
        from_sample: int = 0,
        until_ms: int | None = None,
    ) -> None:
        """Send sound at the pace of speech, or so many times as fast, and collect what comes."""
        hearing = asyncio.create_task(self._hear(socket))
        step = self.rate_hertz * FRAME_MS // 1000
        last = pcm.shape[1] if until_ms is None else until_ms * self.rate_hertz // 1000
        began = time.monotonic()
        for number, first in enumerate(range(from_sample, last, step)):
            if speed is not None:
                await asyncio.sleep(max(0.0, began + number * FRAME_MS / 1000 / speed - time.monotonic()))
            piece = pcm[:, first : min(last, first + step)]
            await socket.send(piece.T.tobytes())
            self.sent_at.append(((first + piece.shape[1]) * 1000 // self.rate_hertz, time.monotonic()))
        if until_ms is not None:
            hearing.cancel()
            return
        await socket.send('{"type": "stop"}')
        await hearing

    async def _hear(self, socket: ClientConnection) -> None:
        async for message in socket:
            event = json.loads(message)
            self.events.append((time.monotonic(), event))
            self.token = event.get("token", self.token)
