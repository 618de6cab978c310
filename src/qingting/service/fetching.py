"""Downloads recordings from addresses that callers name, and nothing else.

A caller may name any address, so that the service must not become a way into the network behind it: every
address that a name resolves to is looked at, and the connection goes to exactly the address that was looked at.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

from qingting.errors import FetchError, ForbiddenAddressError, UploadTooLargeError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    import httpx2

    from qingting.settings import Settings

_PORTS = {"http": 80, "https": 443}
_MOST_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_LONGEST_URL = 2048
_SILENCE_SECONDS = 30.0
"""A server that sends nothing for so long is given up."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[str]]

# These log addresses, which may carry a caller's access token.
for _library in ("httpx2", "httpcore2"):
    logging.getLogger(_library).setLevel(logging.WARNING)


@dataclass(frozen=True, kw_only=True)
class Target:
    """An address that may be called, and how to reach it."""

    url: str
    host: str
    """As the URL writes it: for TLS and the Host header."""
    port: int
    addresses: tuple[str, ...]
    """IP addresses that were looked at; connections go to the first."""


def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host; raises FetchError when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise FetchError("The address's host is unknown.") from None
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def check_url(settings: Settings, url: str, *, resolver: Resolver = resolve) -> Target:
    """Look at a URL before anything is sent there.

    Hosts in `api.allowed_hosts` (`host` or `host:port`) may be private. Raises ForbiddenAddressError for what may
    not be called, FetchError when the host is unknown.
    """
    parts, host, port = _taken_apart(url)
    allowed = settings.api.allowed_hosts
    trusted = host in allowed or f"{_bracketed(host)}:{port}" in allowed
    addresses = resolver(host, port)
    if not addresses:
        raise FetchError("The address's host is unknown.")
    if not trusted and not all(is_public(address) for address in addresses):
        raise ForbiddenAddressError("The URL leads to a private or local address.")
    return Target(url=parts.geturl(), host=host, port=port, addresses=tuple(addresses))


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, however it is written."""
    try:
        found: Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(one) for one in (found, *_embedded(found)))


@contextmanager
def download(settings: Settings, url: str, *, resolver: Resolver = resolve) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Give a recording's file name, as its address writes it, and its bytes as they come.

    Raises ForbiddenAddressError (also when a redirect leads to a forbidden place), UploadTooLargeError over
    `api.max_upload_bytes`, FetchError when the download fails or takes longer than `api.fetch_timeout_seconds`.
    """
    import httpx2

    deadline = _Deadline(settings.api.fetch_timeout_seconds)
    try:
        with deadline, httpx2.Client(trust_env=False, follow_redirects=False, timeout=_timeout(deadline)) as client:
            response, final = _answer(client, settings, url, resolver, deadline)
            try:
                yield _name(final), _limited(response, settings.api.max_upload_bytes, deadline)
            finally:
                response.close()
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
        if deadline.passed:
            raise _too_late() from None
        raise FetchError(f"The download failed: {type(error).__name__}.") from None


class _Deadline:
    """Ends a download that trickles: a limit for each read does not bound the whole."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._connection: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    @property
    def remaining(self) -> float:
        """Seconds that are left."""
        return self._end - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.remaining <= 0

    def follow(self, name: str, info: Mapping[str, Any]) -> None:
        """Take note of the connection in use; the client's tracing calls it."""
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._connection = info["return_value"].get_extra_info("socket")

    def _cut(self) -> None:
        if self._connection is not None:
            with suppress(OSError):  # it has ended by itself
                # Not the TLS socket's own: that would wait for the other side's goodbye.
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _answer(
    client: httpx2.Client, settings: Settings, url: str, resolver: Resolver, deadline: _Deadline
) -> tuple[httpx2.Response, str]:
    for _ in range(_MOST_REDIRECTS + 1):
        if deadline.passed:
            raise _too_late()
        target = check_url(settings, url, resolver=resolver)
        response = client.send(_request(client, target, deadline), stream=True)
        if response.status_code not in _REDIRECTS:
            if response.status_code != 200:
                response.close()
                raise FetchError(f"The recording's server answered {response.status_code}.")
            return response, target.url
        place = response.headers.get("location", "")
        response.close()
        url = urljoin(target.url, place)
    raise FetchError("The recording's address redirects too often.")


def _request(client: httpx2.Client, target: Target, deadline: _Deadline) -> httpx2.Request:
    import httpx2

    parts = httpx2.URL(target.url)
    # No compression: sizes on the way must be sizes on the disk.
    headers = {
        "Host": parts.netloc.decode("ascii"),
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "Qingting",
    }
    pinned = parts.copy_with(host=target.addresses[0])
    extensions = {"sni_hostname": parts.raw_host.decode("ascii"), "trace": deadline.follow}
    return client.build_request("GET", pinned, headers=headers, extensions=extensions)


def _limited(response: httpx2.Response, most: int, deadline: _Deadline) -> Iterator[bytes]:
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large()
    size = 0
    for chunk in response.iter_raw():
        if deadline.passed:
            raise _too_late()
        size += len(chunk)
        if size > most:
            raise _too_large()
        yield chunk
    if announced.isdigit() and size < int(announced):
        raise FetchError("The download ended early.")


def _timeout(deadline: _Deadline) -> float:
    return min(_SILENCE_SECONDS, max(0.001, deadline.remaining))


def _taken_apart(url: str) -> tuple[SplitResult, str, int]:
    if len(url) > _LONGEST_URL or any(ord(one) <= 32 or ord(one) == 127 for one in url):
        raise ForbiddenAddressError("The URL is malformed.")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise ForbiddenAddressError("The URL is malformed.") from None
    if parts.scheme not in _PORTS:
        raise ForbiddenAddressError("The URL is neither http nor https.")
    if not host or "\\" in parts.netloc:
        raise ForbiddenAddressError("The URL is malformed.")
    if parts.username is not None or parts.password is not None:
        raise ForbiddenAddressError("The URL carries a user name or password.")
    return parts, host, _PORTS[parts.scheme] if port is None else port


def _is_public(address: Address) -> bool:
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def _embedded(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 address leads to: mapped, 6to4, Teredo, NAT64."""
    if not isinstance(address, ipaddress.IPv6Address):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _name(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2]


def _too_large() -> UploadTooLargeError:
    return UploadTooLargeError("The recording at the address is larger than the settings allow.")


def _too_late() -> FetchError:
    return FetchError("The download took longer than the settings allow.")
