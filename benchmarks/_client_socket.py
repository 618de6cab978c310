"""A WebSocket client for load: RFC 6455 without extensions over plain TCP, on asyncio's protocols.

Messages can be written ready for the wire beforehand, so that sending one is a single write.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct
from typing import cast
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
"""Opcodes of RFC 6455."""
ORDERLY = (1000, 1001, 1005)
"""Close codes that are no failure; 1005 is a close without one."""
OPEN_SECONDS, CLOSE_SECONDS = 60.0, 10.0
"""How long the server may take to accept a connection, and to end it when both have closed it."""
MAX_BUFFERED = 32 * 1024
"""Bytes that may wait in this process for a server that does not read."""
MAX_MESSAGE = 1024 * 1024
_MASK = bytes.fromhex("37fa213d")
_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ProtocolError(ValueError):
    """The server refused the connection or broke RFC 6455."""


def client_frame(opcode: int, payload: bytes) -> bytes:
    """Write one whole message as a client sends it.

    The key of the mask is always the same: it protects proxies, and none is between. It is not zero, so that the
    server has the work that other clients make.
    """
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    mask = int.from_bytes((_MASK * (size // 4 + 1))[:size])
    return head + _MASK + (int.from_bytes(payload) ^ mask).to_bytes(size)


class FrameReader:
    """Cuts what a server sends into messages, however the network cut it."""

    def __init__(self) -> None:
        self._rest = b""
        self._parts: list[bytes] = []
        self._parts_opcode = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the messages that `data` completes, as opcode and payload.

        Raises ProtocolError for what a server must not send, and for messages over MAX_MESSAGE bytes.
        """
        if self._rest:
            data = self._rest + data
        messages, at, end = [], 0, len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size > 125:
                wide = {126: 2, 127: 8}.get(size)
                if wide is None:
                    raise ProtocolError("a masked frame")
                start += wide
                if start > end:
                    break
                size = int.from_bytes(data[start - wide : start])
            if size > MAX_MESSAGE:
                raise ProtocolError("too large a frame")
            if start + size > end:
                break
            message = self._message(data[at], data[start : start + size])
            if message is not None:
                messages.append(message)
            at = start + size
        self._rest = data[at:]
        return messages

    def _message(self, first: int, payload: bytes) -> tuple[int, bytes] | None:
        """Take one frame; returns the message that it completes."""
        opcode = first & 0x0F
        if first & 0x70 or opcode not in (0, TEXT, BINARY, CLOSE, PING, PONG):
            raise ProtocolError("an unknown frame")
        if opcode >= CLOSE:
            if len(payload) > 125 or not first & 0x80:
                raise ProtocolError("a control frame in parts")
            return opcode, payload
        if (opcode == 0) != bool(self._parts):
            raise ProtocolError("parts out of order")
        if first & 0x80 and opcode:
            return opcode, payload
        self._parts.append(payload)
        self._parts_opcode = opcode or self._parts_opcode
        if sum(map(len, self._parts)) > MAX_MESSAGE or len(self._parts) > MAX_MESSAGE // 1024:
            raise ProtocolError("too large a message")
        if not first & 0x80:
            return None
        whole, self._parts = b"".join(self._parts), []
        return self._parts_opcode, whole


class ClientSocket(asyncio.Protocol):
    """One WebSocket. Awaiting `over` gives the reason why it was lost, or nothing when the server ended it in order."""

    def __init__(self, address: str, key: str) -> None:
        """`address` begins with ws://; `key` signs in."""
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[str] = self._loop.create_future()
        self.closed: str | None = None
        """Once the server has closed the WebSocket: the reason why it is lost, "" when it closed in order."""
        self.paused = False
        """The server does not read; nothing more should be written."""
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._reader = FrameReader()
        self._head: bytes | None = b""
        self._nonce = base64.b64encode(os.urandom(16)).decode()
        url = urlsplit(address)
        self._request = (
            f"GET {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {self._nonce}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {key}\r\n\r\n"
        ).encode()

    def opened(self) -> None:
        """The server has accepted the connection."""

    def heard(self, message: bytes) -> None:
        """The server said something. What raises ValueError or KeyError ends the connection."""

    def writable(self) -> None:
        """The server reads again after it did not."""

    def end(self, reason: str) -> None:
        """Let go of the connection: lost for a reason, or in order without one. Later reasons change nothing."""
        if not self.over.done():
            self.over.set_result(reason)
        if self._patience is not None:
            self._patience.cancel()
        if self._transport is not None:
            self._transport.abort()

    def write(self, frames: bytes) -> None:
        """Send frames of client_frame()."""
        if self._transport is not None:
            self._transport.write(frames)

    def allow(self, seconds: float, reason: str) -> None:
        """End the connection for this reason in so many seconds, unless it ends or this is called before."""
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self._loop.call_later(seconds, self.end, reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_BUFFERED)
        self.write(self._request)
        self.allow(OPEN_SECONDS, "no answer to the handshake")

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        try:
            if self._head is not None:
                data = self._shake(data)
            for opcode, payload in self._reader.feed(data) if data else ():
                if opcode in (TEXT, BINARY):
                    self.heard(payload)
                elif opcode != PONG:
                    self._answer(opcode, payload)
        except (ValueError, KeyError) as error:
            self.end(f"{type(error).__name__} {str(error)[:80]}")

    def pause_writing(self) -> None:
        """The server does not read."""
        self.paused = True

    def resume_writing(self) -> None:
        """The server reads again."""
        self.paused = False
        self.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        broken = f"connection broken {type(exc).__name__ if exc else ''}".rstrip()
        self.end(broken if self.closed is None else self.closed)

    def _shake(self, data: bytes) -> bytes:
        """Take the answer to the handshake; returns what came after it."""
        head, found, rest = ((self._head or b"") + data).partition(b"\r\n\r\n")
        if len(head) > 16384:
            raise ProtocolError("too large an answer to the handshake")
        if not found:
            self._head = head
            return b""
        self._head = None
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if status.split(" ")[1:2] != ["101"]:
            raise ProtocolError(f"refused: {status[:60]}")
        accept = base64.b64encode(hashlib.sha1((self._nonce + _ACCEPT).encode()).digest()).decode()
        if fields.get("upgrade", "").lower() != "websocket" or fields.get("sec-websocket-accept") != accept:
            raise ProtocolError("no WebSocket")
        if self._patience is not None:
            self._patience.cancel()
        self.opened()
        return rest

    def _answer(self, opcode: int, payload: bytes) -> None:
        """Answer a ping with a pong and a close with a close; the server ends the connection then."""
        self.write(client_frame(PONG if opcode == PING else CLOSE, payload))
        if opcode == CLOSE:
            code = int.from_bytes(payload[:2]) if len(payload) >= 2 else 1005
            said = payload[2:82].decode(errors="replace")
            self.closed = "" if code in ORDERLY else f"closed with {code} {said}".rstrip()
            self.allow(CLOSE_SECONDS, self.closed)
