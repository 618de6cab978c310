"""One request to one server: bounded in time and size, no redirects, no proxies, every failure typed.

No text of request or answer, and no server's words, ever stand in an error.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2

from qingting.errors import EngineAnswerError, EngineError, EngineTimeoutError, EngineUnavailableError
from qingting.speech.balancing import retry_after_seconds

if TYPE_CHECKING:
    from pathlib import Path

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""4,096 tokens with their probabilities stay far under it."""
_IDLE_SECONDS = 4.0
"""vLLM closes idle connections after 5 s: one it is about to close must not be used."""
_PASSING = frozenset({408, 425, 500, 502, 503, 504})


class Blame(Enum):
    """Whose fault a failure is, and so what to do next."""

    AWAY = auto()
    """Nobody listens: the server rests at once, and the request was not even sent."""
    SERVER = auto()
    """The server broke off, was late or talked nonsense: another attempt may succeed."""
    BUSY = auto()
    """It asked for a pause."""
    SETTINGS = auto()
    """It refuses every such request: key, model's name or address are wrong."""
    REQUEST = auto()
    """It refuses this request; others would too."""


class RequestFailedError(Exception):
    """A request failed; carries the typed error and the blame."""

    def __init__(self, error: EngineError, blame: Blame, *, status: int = 0, pause_seconds: float = 0.0) -> None:
        super().__init__(error.cause)
        self.error = error
        self.blame = blame
        self.status = status
        self.pause_seconds = pause_seconds


@dataclass(frozen=True, kw_only=True)
class ConnectionOptions:
    """How servers are reached."""

    key: str = ""
    connect_timeout_seconds: float = 5.0
    request_timeout_seconds: float = 60.0
    """For the whole request, also when the server sends a byte now and then."""
    verify_tls: bool = True
    ca_file: Path | None = None
    connections: int = 64

    def __repr__(self) -> str:
        """Without the key."""
        return f"ConnectionOptions(connections={self.connections}, verify_tls={self.verify_tls})"


def open_client(options: ConnectionOptions) -> httpx2.AsyncClient:
    """A client with kept connections; to be closed on the loop that uses it."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "qingting"}
    if options.key:
        headers["Authorization"] = f"Bearer {options.key}"
    return httpx2.AsyncClient(
        headers=headers,
        verify=_tls(options),
        timeout=httpx2.Timeout(options.request_timeout_seconds, connect=options.connect_timeout_seconds, pool=None),
        limits=httpx2.Limits(
            max_connections=None, max_keepalive_connections=options.connections, keepalive_expiry=_IDLE_SECONDS
        ),
        follow_redirects=False,
        trust_env=False,
    )


def _tls(options: ConnectionOptions) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.ca_file)
    if not options.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def post(
    client: httpx2.AsyncClient,
    url: str,
    body: bytes,
    *,
    timeout_seconds: float,
    section: str = "qwen3_server",
    room: Callable[[Mapping[str, str]], int] = lambda _: MAX_ANSWER_BYTES,
) -> bytes:
    """The answer's bytes; raises RequestFailedError, or CancelledError which ends the request on the server too.

    `section` is the one of the settings that remedies name. `room` gets the answer's headers
    and says how many bytes the body may have; it may raise RequestFailedError.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _post(client, url, body, section, room)
    except (TimeoutError, httpx2.ReadTimeout, httpx2.WriteTimeout):
        raise RequestFailedError(_late(timeout_seconds, section), Blame.SERVER) from None
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        away = EngineUnavailableError(f"The speech server cannot be reached ({type(error).__name__}).")
        raise RequestFailedError(away, Blame.AWAY) from None
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        broke = EngineUnavailableError(f"The speech server broke off ({type(error).__name__}).")
        raise RequestFailedError(broke, Blame.SERVER) from None


async def _post(
    client: httpx2.AsyncClient, url: str, body: bytes, section: str, room: Callable[[Mapping[str, str]], int]
) -> bytes:
    headers = {"Content-Type": "application/json"}
    async with client.stream("POST", url, content=body, headers=headers) as response:
        if response.status_code != HTTPStatus.OK:
            raise _refusal(response, section)
        most_bytes = room(response.headers)
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > most_bytes:
                raise RequestFailedError(EngineAnswerError("The speech server's answer is too long."), Blame.SERVER)
        return bytes(content)


async def get(client: httpx2.AsyncClient, url: str, *, timeout_seconds: float) -> tuple[int, bytes]:
    """Status and first bytes of a page; status 0 when there is no answer in time."""
    try:
        async with asyncio.timeout(timeout_seconds), client.stream("GET", url) as response:
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    break
            return response.status_code, bytes(content[:MAX_ANSWER_BYTES])
    except (TimeoutError, httpx2.HTTPError, httpx2.StreamError, OSError):
        return 0, b""


def _late(seconds: float, section: str) -> EngineTimeoutError:
    return EngineTimeoutError(
        f"The speech server gave no whole answer within {seconds:g} s.",
        remedy=f"Raise {section}.request_timeout_seconds, lower max_in_flight, or add a server.",
    )


def _refusal(response: httpx2.Response, section: str) -> RequestFailedError:
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and _asks_pause(response)):
        busy = EngineUnavailableError(f"The speech server is busy (status {status}).", remedy="Add a server.")
        pause = retry_after_seconds(response.headers.get("retry-after"))
        return RequestFailedError(busy, Blame.BUSY, status=status, pause_seconds=pause)
    if status in _PASSING:
        return RequestFailedError(
            EngineUnavailableError(f"The speech server failed (status {status})."), Blame.SERVER, status=status
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND) or status < 400:
        remedy = _SETTINGS_REMEDIES.get(status, "Give the server's own address in {section}.urls.")
        refused = EngineAnswerError(
            f"The speech server refuses requests (status {status}).", remedy=remedy.format(section=section)
        )
        return RequestFailedError(refused, Blame.SETTINGS, status=status)
    refused = EngineAnswerError(
        f"The speech server refused the request (status {status}).",
        remedy="Start the server with the options of docs/how-to/qwen3-server.md.",
    )
    return RequestFailedError(refused, Blame.REQUEST, status=status)


def _asks_pause(response: httpx2.Response) -> bool:
    return "retry-after" in response.headers


_SETTINGS_REMEDIES = {
    401: "Set {section}.api_key to the key the server was started with.",
    403: "Set {section}.api_key to the key the server was started with.",
    404: "Set {section}.model to the name the server serves; `qingting doctor` lists it.",
}
