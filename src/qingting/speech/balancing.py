"""Several servers behind one engine: the least loaded healthy one is asked, broken ones rest.

A server's breaker is closed while it answers, open for a growing pause after failures, then
half-open: one look at its health, one request, and it is closed again or rests longer. All
state lives on one event loop; nothing here knows what is asked of the servers.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

Clock = Callable[[], float]


class BreakerState(StrEnum):
    """Whether a server is asked."""

    CLOSED = "closed"
    """It answers."""
    OPEN = "open"
    """It failed and rests."""
    HALF_OPEN = "half_open"
    """Its rest is over: one request may try."""


@dataclass(frozen=True, kw_only=True)
class BreakerOptions:
    """When a server counts as broken, and how long it rests."""

    failures: int = 3
    """Failures in a row that open the breaker; a refused connection opens it at once."""
    first_rest_seconds: float = 1.0
    longest_rest_seconds: float = 30.0
    """The rest doubles with every failed trial, up to this."""
    spread: float = 0.2
    """Rests vary by this share, so that clients do not return all at once."""


@dataclass(kw_only=True)
class Server:
    """One server as the balancer sees it."""

    url: str
    capacity: int
    """Most requests in flight."""
    options: BreakerOptions = BreakerOptions()
    clock: Clock = time.monotonic
    in_flight: int = 0
    answered: int = 0
    failed: int = 0
    _failures: int = 0
    _rests: int = 0
    _open_until: float | None = None
    _trying: bool = False
    _cool_until: float = 0.0
    _generation: int = 0

    @property
    def state(self) -> BreakerState:
        """The breaker's state now."""
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.clock() < self._open_until else BreakerState.HALF_OPEN

    @property
    def load(self) -> float:
        """Share of its places in use."""
        return self.in_flight / self.capacity

    @property
    def free(self) -> bool:
        """Whether a request may go there now."""
        if self.clock() < self._cool_until or self.in_flight >= self.capacity:
            return False
        state = self.state
        return state is BreakerState.CLOSED or (state is BreakerState.HALF_OPEN and not self._trying)

    @property
    def free_at(self) -> float:
        """Earliest time of the clock at which resting and cooling are over."""
        return max(self._open_until or 0.0, self._cool_until)

    def take(self) -> Lease:
        """Take a place."""
        trial = self.state is BreakerState.HALF_OPEN
        self._trying = self._trying or trial
        self.in_flight += 1
        return Lease(server=self, trial=trial, generation=self._generation)

    def succeed(self, lease: Lease) -> None:
        """The request was answered; old requests do not close a breaker that opened after them."""
        self.answered += 1
        if lease.generation == self._generation:
            self._failures = self._rests = 0
            self._open_until = None

    def fail(self, lease: Lease, *, at_once: bool = False) -> None:
        """The request failed; requests sent before the breaker opened do not lengthen its rest."""
        self.failed += 1
        if lease.generation != self._generation:
            return
        self._failures += 1
        if at_once or lease.trial or self._failures >= self.options.failures:
            self.rest()

    def rest(self) -> None:
        """Open the breaker."""
        pause = min(self.options.first_rest_seconds * 2**self._rests, self.options.longest_rest_seconds)
        spread = self.options.spread
        self._open_until = self.clock() + pause * random.uniform(1 - spread, 1 + spread)  # noqa: S311
        self._rests = min(self._rests + 1, 16)
        self._failures = 0
        self._generation += 1

    def cool(self, seconds: float) -> None:
        """Send nothing for so long: the server asked for it."""
        self._cool_until = max(self._cool_until, self.clock() + seconds)

    def release(self, lease: Lease) -> None:
        """Give the place back."""
        self.in_flight -= 1
        if lease.trial:
            self._trying = False


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A place on a server for one request."""

    server: Server
    trial: bool
    """Whether this request decides if the breaker closes."""
    generation: int
    """Which life of the server it was taken in."""


@dataclass(kw_only=True)
class Balancer:
    """Gives out places: the least loaded healthy server first. For one event loop."""

    servers: Sequence[Server]
    probe: Callable[[Server], Awaitable[bool]] | None = None
    """Asked before the first request after a rest; False lets the server rest longer."""
    clock: Clock = time.monotonic
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def acquire(self, *, avoid: Server | None = None) -> Lease:
        """Wait for a place; `avoid` (the server that just failed) is taken only when no other is healthy.

        Waits without limit: the caller sets one.
        """
        while True:
            lease = self._take(avoid)
            if lease is None:
                await self._wait()
            elif await self._ready(lease):
                return lease

    @contextmanager
    def returning(self, lease: Lease) -> Iterator[None]:
        """Give the place back at the end, whatever happens."""
        try:
            yield
        finally:
            self._return(lease)

    def _take(self, avoid: Server | None) -> Lease | None:
        """A place on the least loaded free server, the one with fewer answers where loads are equal."""
        free = [server for server in self.servers if server.free]
        others = [server for server in free if server is not avoid]
        if not others and avoid is not None and any(self._hopeful(server, avoid) for server in self.servers):
            return None
        choice = min(others or free, key=lambda server: (server.load, server.answered), default=None)
        return choice.take() if choice is not None else None

    @staticmethod
    def _hopeful(server: Server, avoid: Server) -> bool:
        """Whether waiting for another server is better than going back to the one that failed."""
        return server is not avoid and server.state is BreakerState.CLOSED and server.free_at <= server.clock()

    async def _ready(self, lease: Lease) -> bool:
        if not lease.trial or self.probe is None:
            return True
        healthy = False
        try:
            healthy = await self.probe(lease.server)
        finally:
            if not healthy:
                lease.server.fail(lease)
                self._return(lease)
        return healthy

    def _return(self, lease: Lease) -> None:
        lease.server.release(lease)
        self._changed.set()

    async def _wait(self) -> None:
        """Until a place was given back, or the first rest is over."""
        now = self.clock()
        waits = [server.free_at - now for server in self.servers if server.free_at > now]
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), timeout=max(0.005, min(waits)) if waits else None)
        except TimeoutError:
            return


def retry_after_seconds(header: str | None, *, longest: float = 60.0, default: float = 1.0) -> float:
    """Seconds that a `Retry-After` header asks for, as a number or an HTTP date, within 0 to `longest`."""
    if header is None:
        return default
    try:
        wanted = float(header)
    except ValueError:
        wanted = _until(header, default)
    return default if math.isnan(wanted) else min(max(wanted, 0.0), longest)


def _until(date: str, default: float) -> float:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError, OSError):
        return default
