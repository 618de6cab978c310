"""What all requests to model servers share: one event loop in a thread, balancing, repetition and patience."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from qingting.errors import EngineError
from qingting.speech import _qwen3_http as http
from qingting.speech.balancing import Balancer, Server
from qingting.speech.qwen3_server import Qwen3ServerSettings, base_address

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
_BRIEF_PATIENCE_SECONDS = 3.0
"""Wait for a server when none has answered for a whole total_timeout: an outage must not be sat out clip by clip."""


@dataclass(kw_only=True)
class Trouble:
    """What happened to one clip so far."""

    attempts: int = 0
    last: EngineError | None = None
    avoid: Server | None = None
    refusing: set[str] = field(default_factory=set)
    """Servers whose settings are wrong."""


class ServerCalls:
    """Runs the requests of all threads on one loop; what is asked is the subclasses' matter."""

    def __init__(self, settings: Qwen3ServerSettings, *, name: str) -> None:
        """Start the loop in a thread called `name`; nothing is asked yet."""
        self._settings = settings
        self._options = http.ConnectionOptions(
            key=settings.api_key,
            connect_timeout_seconds=settings.connect_timeout_seconds,
            request_timeout_seconds=settings.request_timeout_seconds,
            verify_tls=settings.verify_tls,
            ca_file=settings.ca_file,
            connections=settings.max_in_flight * len(settings.urls),
        )
        self._client: httpx2.AsyncClient = http.open_client(self._options)
        servers = [
            Server(url=base_address(url), capacity=settings.max_in_flight, options=settings.breaker)
            for url in settings.urls
        ]
        self._balancer = Balancer(servers=servers, probe=self._probe)
        self._places = asyncio.Semaphore(self._options.connections)
        self._last_answer = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cancel what runs, then close connections, loop and thread."""
        self._wait(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _shut(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._client.aclose()

    def _patience(self) -> float:
        total = self._settings.total_timeout_seconds
        brief = self._settings.connect_timeout_seconds + _BRIEF_PATIENCE_SECONDS
        return min(total, brief) if self._outage() else total

    def _outage(self) -> bool:
        """Whether no server has answered for a whole total_timeout, though they were asked."""
        servers = self._balancer.servers
        late = time.monotonic() - self._last_answer > self._settings.total_timeout_seconds
        quiet = late and not any(server.in_flight for server in servers)
        return quiet and any(server.failed for server in servers) and not self._healthy()

    def _healthy(self) -> bool:
        return any(server.free and server.state == "closed" for server in self._balancer.servers)

    async def _ask(self, request: Callable[[Server], Awaitable[T]], trouble: Trouble) -> T:
        """Ask until an answer is whole; raises EngineError when it is lasting or the attempts are used up."""
        while True:
            lease = await self._balancer.acquire(avoid=trouble.avoid)
            server = lease.server
            with self._balancer.returning(lease):
                try:
                    answer = await request(server)
                except http.RequestFailedError as failure:
                    trouble.last, trouble.avoid = failure.error, server
                    if failure.blame is http.Blame.BUSY:
                        server.cool(failure.pause_seconds)
                    elif failure.blame is http.Blame.REQUEST:
                        server.succeed(lease)
                    else:
                        server.fail(lease, at_once=failure.blame is not http.Blame.SERVER)
                    self._judge(failure, trouble, server)
                else:
                    server.succeed(lease)
                    self._last_answer = time.monotonic()
                    return answer

    def _judge(self, failure: http.RequestFailedError, trouble: Trouble, server: Server) -> None:
        """Raise the failure's error unless another attempt may help."""
        if failure.blame is http.Blame.SERVER:
            trouble.attempts += 1
        elif failure.blame is http.Blame.SETTINGS:
            trouble.refusing.add(server.url)
        lasting = failure.blame is http.Blame.REQUEST or len(trouble.refusing) == len(self._balancer.servers)
        if lasting or trouble.attempts >= self._settings.attempts:
            raise failure.error

    async def _probe(self, server: Server) -> bool:
        limit = self._settings.connect_timeout_seconds
        status, _ = await http.get(self._client, f"{server.url}/health", timeout_seconds=limit)
        return status == 200 or status in (404, 405)  # a proxy may not pass /health on
