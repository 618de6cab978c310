"""The embeddings server: order, batches, and every way it can fail, against a server on this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from qingting.analysis.meaning_server import OpenAIVectors
from qingting.errors import (
    MeaningAnswerError,
    MeaningError,
    MeaningTimeoutError,
    MeaningUnavailableError,
    SettingsError,
)

SECRET = "我的银行卡号"
Answer = Callable[[dict[str, object]], tuple[int, bytes]]


class Server:
    """A stand-in whose answers a test sets; keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = good
        self.asked: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                owner.asked.append(body)
                owner.headers.append(dict(self.headers))
                owner.paths.append(self.path)
                status, content = owner.answer(body)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(content) + (100 if status == 206 else 0)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def good(body: dict[str, object]) -> tuple[int, bytes]:
    """Answer in reverse order, vectors of any length."""
    texts = list(body["input"])  # type: ignore[call-overload]
    data = [{"index": at, "embedding": [float(len(text)), 2.0, 0.0]} for at, text in enumerate(texts)]
    return 200, json.dumps({"object": "list", "data": data[::-1]}).encode()


def fixed(status: int, content: object) -> Answer:
    """Always the same answer."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda _: (status, raw)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def test_vectors_come_in_order_in_batches_with_length_one(server: Server) -> None:
    vectors = OpenAIVectors(url=server.url + "/", model="bge", key="k", batch=2)
    made = vectors.embed(["一", "二二", "三三三"])
    expected = np.array([[n, 2, 0] for n in (1, 2, 3)], dtype=np.float32)
    assert made.dtype == np.float32
    assert made == pytest.approx(expected / np.linalg.norm(expected, axis=1, keepdims=True))
    assert [one["input"] for one in server.asked] == [["一", "二二"], ["三三三"]]
    assert {one["model"] for one in server.asked} == {"bge"}
    assert server.headers[0]["Authorization"] == "Bearer k"
    assert set(server.paths) == {"/v1/embeddings"}
    assert vectors.embed([]).shape[0] == 0
    assert len(server.asked) == 2


def test_no_key_sends_no_authorization(server: Server) -> None:
    OpenAIVectors(url=server.url, model="m").embed(["好"])
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fixed(503, {"error": SECRET}), MeaningUnavailableError),
        (fixed(429, b""), MeaningUnavailableError),
        (fixed(401, {"error": SECRET}), MeaningAnswerError),
        (fixed(404, b"nothing"), MeaningAnswerError),
        (fixed(302, b""), MeaningAnswerError),
        (fixed(200, b"<html>" + SECRET.encode()), MeaningAnswerError),
        (fixed(200, b"\xff\xfe"), MeaningAnswerError),
        (fixed(206, b"{}"), MeaningUnavailableError),
        (fixed(200, []), MeaningAnswerError),
        (fixed(200, {"data": SECRET}), MeaningAnswerError),
        (fixed(200, {"data": []}), MeaningAnswerError),
        (fixed(200, {"data": [{"index": 1, "embedding": [1.0]}]}), MeaningAnswerError),
        (fixed(200, {"data": [{"index": 0, "embedding": []}]}), MeaningAnswerError),
        (fixed(200, {"data": [{"index": 0, "embedding": [0.0, 0.0]}]}), MeaningAnswerError),
        (fixed(200, b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}'), MeaningAnswerError),
        (fixed(200, {"data": [{"index": 0, "embedding": SECRET}]}), MeaningAnswerError),
        (fixed(200, {"data": [{"embedding": [1.0]}]}), MeaningAnswerError),
    ],
)
def test_wrong_answers_are_typed_errors_without_anyones_words(
    server: Server, answer: Answer, kind: type[MeaningError]
) -> None:
    server.answer = answer
    with pytest.raises(kind) as caught:
        OpenAIVectors(url=server.url, model="m", key="topsecret", retry_pause_seconds=0).embed([SECRET])
    said = f"{caught.value} {caught.value.remedy} {caught.value.__cause__}"
    assert SECRET not in said
    assert "topsecret" not in said
    assert type(caught.value) is kind
    assert caught.value.remedy or kind is MeaningTimeoutError


def test_vectors_that_differ_in_length_between_batches_are_refused(server: Server) -> None:
    sizes = iter((2, 3))
    server.answer = lambda _: (200, json.dumps({"data": [{"index": 0, "embedding": [1.0] * next(sizes)}]}).encode())
    with pytest.raises(MeaningAnswerError, match="differ"):
        OpenAIVectors(url=server.url, model="m", batch=1).embed(["一", "二"])


def test_a_busy_server_is_asked_again_and_a_refusal_is_not(server: Server) -> None:
    states = iter((503, 200))
    server.answer = lambda body: good(body) if next(states) == 200 else (503, b"")
    assert len(OpenAIVectors(url=server.url, model="m", retry_pause_seconds=0).embed(["好"])) == 1
    assert len(server.asked) == 2
    server.asked.clear()
    server.answer = fixed(400, b"")
    with pytest.raises(MeaningAnswerError):
        OpenAIVectors(url=server.url, model="m", retry_pause_seconds=0).embed(["好"])
    assert len(server.asked) == 1


def test_a_slow_server_is_given_up(server: Server) -> None:
    def slow(body: dict[str, object]) -> tuple[int, bytes]:
        time.sleep(0.4)
        return good(body)

    server.answer = slow
    with pytest.raises(MeaningTimeoutError) as caught:
        OpenAIVectors(url=server.url, model="m", timeout_seconds=0.1, retries=0).embed(["好"])
    assert caught.value.can_retry
    time.sleep(0.5)  # the stand-in's late answer must not meet a closed test


def test_a_server_that_is_away_can_be_tried_later(server: Server) -> None:
    server.close()
    with pytest.raises(MeaningUnavailableError) as caught:
        OpenAIVectors(url=server.url, model="m", retries=0).embed(["好"])
    assert caught.value.can_retry


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "file:///etc/passwd"},
        {"url": "localhost:8000"},
        {"url": "http://"},
        {"batch": 0},
        {"retries": -1},
        {"timeout_seconds": 0},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        OpenAIVectors(**{"url": "http://127.0.0.1:1/v1", "model": "m", **wrong})  # type: ignore[arg-type]
