"""A receiver of webhooks and pushes on this machine, which misbehaves on request."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue

Answer = int | Callable[[BaseHTTPRequestHandler, threading.Event], None]
"""An HTTP status, or a function that answers by itself; the event is set when the receiver stops."""


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    """Names in small letters."""
    body: bytes


@dataclass(kw_only=True)
class Receiver:
    """What came, and what is answered."""

    port: int
    received: list[Received] = field(default_factory=list)
    """In order of arrival."""
    answers: Queue[Answer] = field(default_factory=Queue)
    """Given in order; when none is left, 204."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    def will_answer(self, *answers: Answer) -> None:
        """Set the next answers."""
        for answer in answers:
            self.answers.put(answer)


def drip(handler: BaseHTTPRequestHandler, stopped: threading.Event) -> None:
    """Answer a byte at a time, never to the end."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000:
        if stopped.wait(0.05):
            return
        handler.wfile.write(bytes([byte]))


def hang(_: BaseHTTPRequestHandler, stopped: threading.Event) -> None:
    """Answer nothing."""
    stopped.wait(30)


def flood(handler: BaseHTTPRequestHandler, stopped: threading.Event) -> None:
    """Answer 200 with a body without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while not stopped.is_set():
        handler.wfile.write(b"x" * 65_536)


def no_http(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
    """Answer something that is no HTTP."""
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")


def redirect_to(url: str) -> Answer:
    """Answer with a redirect that keeps the method."""

    def answer(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        handler.wfile.write(f"HTTP/1.1 307 Go\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode())

    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: senders that hang up are part of the tests."""


@contextmanager
def receiver(*, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Listen on a free port of this machine, with TLS where given, for as long as the block lasts."""
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.received.append(Received(path=self.path, headers=headers, body=body))
            try:
                answer = found.answers.get_nowait()
            except Empty:
                answer = 204
            self.close_connection = True
            if isinstance(answer, int):
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                try:
                    answer(self, stopped)
                except OSError:
                    return  # the sender has had enough

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    found = Receiver(port=server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()
