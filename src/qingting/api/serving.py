"""Runs the application on a socket until the process is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from qingting.api.short_way import Moment, ShortWay
from qingting.errors import SettingsError
from qingting.live.doors.reading import MOST_BYTES

if TYPE_CHECKING:
    from types import FrameType

_GRACE_SECONDS = 10
"""Requests under way may take so long when the service stops; event streams are cut then."""
_BACKLOG = 2048
_MOST_MESSAGE_BYTES = 4 * MOST_BYTES
"""Of a WebSocket message: doors count a text's characters, and say themselves what is too long."""


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket, so that an address that cannot be had is known before anything else starts.

    Raises SettingsError when it is taken or not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        raise SettingsError(f"{host} is no address of this machine.", remedy="Correct api.host.") from None
    try:
        # A service that has just stopped must not keep its port from the next start.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise SettingsError(
            f"Port {port} of {host} cannot be had: {error.strerror or type(error).__name__}.",
            remedy="Stop whoever uses it, or choose another: --port or api.port.",
        ) from None
    return bound


def address_of(bound: socket.socket, host: str) -> str:
    """Return the URL of a bound socket."""
    port = bound.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: Any, bound: socket.socket, *, started: Callable[[], None], stopping: Callable[[], None]) -> None:
    """Answer requests until SIGTERM or SIGINT; `started` is called when they can come, `stopping` with the signal.

    The process's own handlers of these signals are called afterwards, too.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        # Whose X-Forwarded-For is believed is decided in one place: see api.limits.
        proxy_headers=False,
        ws=cast(type[asyncio.Protocol], partial(ShortWay, moment=Moment())),
        # Sound gets little shorter by it, and costs much.
        ws_per_message_deflate=False,
        ws_max_size=_MOST_MESSAGE_BYTES,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        # A sender that has to wait is not read from, its pongs neither: who is gone is found by live.idle_seconds.
        # Pings keep connections open through proxies all the same.
        ws_ping_timeout=None,
    )

    def end() -> None:
        # Streams of events never end by themselves, and the server waits for all answers.
        app.state.event_feed.end_soon()
        app.state.end_streams()
        stopping()

    _Server(config, started, end).run(sockets=[bound])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None], stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_started = started
        self._when_stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._when_stopping()
