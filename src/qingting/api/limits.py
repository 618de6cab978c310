"""Rate limits, and the address that a request comes from.

Limits are counted per process: with several API processes behind a balancer an actor may make as many
times more requests. They keep one caller from starving the others; they are no accounting.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from qingting.errors import TooManyRequestsError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.requests import HTTPConnection

_MOST_KEYS = 20_000
"""Buckets kept at once; the one unused for longest goes first."""


class TokenBuckets:
    """One token bucket per key: as many uses at once as a minute allows, refilled evenly; thread-safe."""

    def __init__(
        self,
        per_minute: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_keys: int = _MOST_KEYS,
    ) -> None:
        """`per_minute` 0 is no limit; `clock` in seconds."""
        self._per_minute = per_minute
        self._clock = clock
        self._most_keys = most_keys
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str) -> None:
        """Use one token of a key; raises TooManyRequestsError with the time until the next one."""
        if not self._per_minute:
            return
        per_second = self._per_minute / 60
        with self._lock:
            now = self._clock()
            tokens, at = self._buckets.pop(key, (float(self._per_minute), now))
            tokens = min(float(self._per_minute), tokens + (now - at) * per_second)
            enough = tokens >= 1
            self._buckets[key] = (tokens - 1 if enough else tokens, now)
            if len(self._buckets) > self._most_keys:
                self._buckets.popitem(last=False)
        if not enough:
            raise TooManyRequestsError(
                "Too many requests in a short time.", retry_after_seconds=max(1, math.ceil((1 - tokens) / per_second))
            )


class Limits:
    """The limits of one process."""

    def __init__(self, *, requests_per_minute: int, sign_ins_per_minute: int) -> None:
        self._requests = TokenBuckets(requests_per_minute)
        self._sign_ins = TokenBuckets(sign_ins_per_minute)

    def take_request(self, actor_id: str) -> None:
        """Count one request of an actor; raises TooManyRequestsError."""
        self._requests.take(actor_id)

    def take_sign_in(self, *, address: str, name: str = "") -> None:
        """Count one attempt to sign in, by address and by user name, if one was given; raises TooManyRequestsError."""
        self._sign_ins.take(f"address {address}")
        if name:
            self._sign_ins.take(f"name {name.strip().lower()[:256]}")


def limits_of(app: FastAPI) -> Limits:
    """Return the limits of an application, made at the first request."""
    if not hasattr(app.state, "limits"):
        settings = app.state.service.settings.api
        app.state.limits = Limits(
            requests_per_minute=settings.requests_per_minute, sign_ins_per_minute=settings.sign_ins_per_minute
        )
    limits: Limits = app.state.limits
    return limits


def address_of(request: HTTPConnection) -> str:
    """Return the address that a request comes from; empty when unknown (a Unix socket).

    X-Forwarded-For is believed only where `api.trusted_proxies` (addresses or networks) wrote it: the
    last address in it that is no trusted proxy is the caller's.
    """
    trusted = request.app.state.service.settings.api.trusted_proxies
    peer = request.client.host if request.client else ""
    if not trusted or not _is_among(peer, trusted):
        return peer[:64]
    address = peer
    for part in reversed(",".join(request.headers.getlist("x-forwarded-for")).split(",")):
        hop = _plain_address(part.strip())
        if hop is None:
            break
        address = hop
        if not _is_among(hop, trusted):
            break
    return address[:64]


def _plain_address(written: str) -> str | None:
    try:
        return str(ipaddress.ip_address(written.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None


def _is_among(address: str, networks: Iterable[str]) -> bool:
    plain = _plain_address(address)
    for network in networks:
        if address == network:
            return True
        try:
            if plain is not None and ipaddress.ip_address(plain) in ipaddress.ip_network(network, strict=False):
                return True
        except ValueError:
            continue
    return False
