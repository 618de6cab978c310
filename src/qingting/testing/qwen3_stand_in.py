"""A stand-in for a Qwen3-ASR server: a real HTTP server in a thread that speaks recorded real answers.

The answers were recorded from vLLM 0.32 with a tiny checkpoint (tests/vllm), whose form is that
of the released model. Clips made by `marked_clip` carry their number in the sound, so that a
test knows which answer belongs to which clip. Faults are replies of another kind.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from qingting.speech.engine import SAMPLE_RATE_HERTZ, Clip

MODEL = "tiny-qwen3-asr"
RECORDED = Path(__file__).with_name("qwen3_answers.json")
_STEP = 32
"""PCM steps between the marks of two clips."""


@cache
def recorded() -> Mapping[str, Any]:
    """The recorded answers: `calls` (one per clip of the recorded call) and named ones."""
    content: Mapping[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return content


def marked_clip(number: int, *, seconds: float = 2.0) -> Clip:
    """A humming clip that carries its number (0 to 999) in its first sample."""
    time_axis = np.arange(int(seconds * SAMPLE_RATE_HERTZ)) / SAMPLE_RATE_HERTZ
    samples = (0.1 * np.sin(2 * np.pi * 180.0 * time_axis)).astype(np.float32)
    samples[0] = (number + 1) * _STEP / 32768.0
    return Clip(samples=samples)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as the server got it."""

    clip: int | None
    """Number of a marked clip; None for other sound."""
    attempt: int
    """How often this clip was asked for before, from 0."""
    context: str | None
    """Text of the system turn; None without such a turn."""
    prefix: str
    """Beginning of the answer that was given; empty without one."""
    body: Mapping[str, Any]
    key: str
    """Content of the Authorization header."""
    path: str = ""
    """What was asked for."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server does."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    """Before anything is sent."""
    cut_at: int | None = None
    """Bytes of the body after which the connection is reset; 0 resets it before the head."""
    drip_seconds: float = 0.0
    """Pause before every byte of the body."""


def reply_of(document: object, *, status: int = 200) -> Reply:
    """A reply with a JSON body."""
    return Reply(status=status, body=json.dumps(document, ensure_ascii=False).encode())


def saying(raw: str, *, finish: str = "stop", log_probability: float | None = -0.05) -> Reply:
    """An answer in the recorded form with another text, one token per character."""
    document = json.loads(json.dumps(recorded()["no_speech"]))
    choice = document["choices"][0]
    choice["message"]["content"] = raw
    choice["finish_reason"] = finish
    choice["logprobs"] = None
    if log_probability is not None:
        tokens = [{"token": c, "logprob": log_probability, "bytes": list(c.encode()), "top_logprobs": []} for c in raw]
        choice["logprobs"] = {"content": tokens}
    return reply_of(document)


def recorded_reply(asked: Asked) -> Reply:
    """What the real server answered."""
    answers = recorded()
    if asked.body.get("model") != MODEL:
        return reply_of(answers["unknown_model"], status=404)
    if asked.clip is None:
        return reply_of(answers["no_speech"])
    number = asked.clip % len(answers["calls"])
    if number == answers["hot_word_clip"] and asked.context == answers["hot_words"]:
        return reply_of(answers["corrected"])
    return reply_of(answers["forced"][number] if asked.prefix else answers["calls"][number])


class StandIn:
    """The server; a context manager that starts and stops it."""

    def __init__(self, reply: Callable[[Asked], Reply] = recorded_reply) -> None:
        self.reply = reply
        self.pages: dict[str, Reply] = {"/health": Reply(), "/v1/models": reply_of(recorded()["models"])}
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Its address; the same after a new start."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> StandIn:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        self._server = _Server(self, self._port)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self) -> None:
        """Reset all connections and stop listening, as a killed process does."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.reset_all()

    def take(self, body: bytes, key: str, path: str = "") -> Reply:
        """Note a request and give the reply to it."""
        document = json.loads(body)
        messages = {message["role"]: message["content"] for message in document["messages"]}
        clip = _number_of(messages["user"][0]["input_audio"]["data"])
        with self._lock:
            attempt = Counter(asked.clip for asked in self.asked)[clip]
            asked = Asked(
                clip=clip,
                attempt=attempt,
                context=messages.get("system"),
                prefix=messages.get("assistant", ""),
                body=document,
                key=key,
                path=path,
            )
            self.asked.append(asked)
        return self.reply(asked)

    @contextlib.contextmanager
    def counting(self) -> Any:
        """Count requests that are in work at once."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


def _number_of(audio: str) -> int | None:
    mark = int(struct.unpack_from("<h", base64.b64decode(audio), 44)[0])
    return mark // _STEP - 1 if mark > 0 and mark % _STEP == 0 else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, stand_in: StandIn, port: int) -> None:
        self.stand_in = stand_in
        self.open_sockets: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open_sockets.add(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are part of the tests."""

    def reset_all(self) -> None:
        for one in list(self.open_sockets):
            _reset(one)


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RD)
        one.close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._send(self.server.stand_in.pages.get(self.path, Reply(status=404)))

    def do_POST(self) -> None:
        with self.server.stand_in.counting():
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(self.server.stand_in.take(body, self.headers.get("Authorization", ""), self.path))

    def _send(self, reply: Reply) -> None:
        time.sleep(reply.wait_seconds)
        if reply.cut_at == 0:
            self._cut()
            return
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body))}
        for name, value in {**headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if reply.drip_seconds:
            for byte in reply.body:
                time.sleep(reply.drip_seconds)
                self.wfile.write(bytes([byte]))
            return
        self.wfile.write(reply.body[: reply.cut_at])
        if reply.cut_at is not None:
            self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        _reset(self.connection)

    def log_message(self, *_: object) -> None:
        """Silent."""
