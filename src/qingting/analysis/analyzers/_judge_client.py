"""Asks a chat model behind any server that speaks the OpenAI chat protocol.

No redirects and no proxies: the conversation goes to the named host and to no other. No text of
request or answer ever stands in an error.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from qingting.errors import JudgeAnswerError, JudgeTimeoutError, JudgeUnavailableError

_MAX_BYTES = 1024**2
"""An answer to a handful of questions is far smaller."""


@dataclass(frozen=True, kw_only=True)
class ChatModel:
    """One model on one server."""

    base_url: str
    """Address before `/chat/completions`, e.g. http://127.0.0.1:8000/v1."""
    model: str
    key_variable: str = ""
    """Name of the environment variable that holds the key; empty without one."""
    timeout_seconds: float = 30.0
    """For the whole answer."""

    def ask(self, system: str, user: str) -> str:
        """Return the words of the model's answer.

        Raises JudgeUnavailableError, JudgeTimeoutError, or JudgeAnswerError when the answer is
        not of the protocol.
        """
        body = json.dumps(
            {
                "model": self.model,
                "temperature": 0,
                "response_format": {"type": "json_object"},
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            },
            ensure_ascii=False,
        ).encode()
        try:
            status, data = self._post(body)
        except TimeoutError:
            raise JudgeTimeoutError(f"no answer within {self.timeout_seconds:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise JudgeUnavailableError(f"the server cannot be reached: {type(error).__name__}") from None
        if status != http.client.OK:
            raise JudgeUnavailableError(f"the server answered with status {status}")
        return _content(data)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.base_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout_seconds)
        late = threading.Event()
        # The socket's own limit starts again with every byte: a server that drips would never be late.
        timer: threading.Timer | None = None
        try:
            connection.connect()
            timer = threading.Timer(self.timeout_seconds, _give_up, (connection.sock, late))
            timer.daemon = True
            timer.start()
            connection.request("POST", f"{parts.path.rstrip('/')}/chat/completions", body=body, headers=self._headers())
            response = connection.getresponse()
            data = response.read(_MAX_BYTES + 1)
        except (OSError, http.client.HTTPException):
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            if timer is not None:
                timer.cancel()
            connection.close()
        if late.is_set():
            raise TimeoutError
        if len(data) > _MAX_BYTES:
            raise JudgeAnswerError(f"the answer is larger than {_MAX_BYTES} bytes")
        return response.status, data

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if self.key_variable:
            key = os.environ.get(self.key_variable, "")
            if not key:
                raise JudgeUnavailableError(
                    "the environment variable named by `key_variable` is not set", remedy="Set it to the server's key."
                )
            headers["Authorization"] = f"Bearer {key}"
        return headers


def _give_up(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _content(data: bytes) -> str:
    try:
        content = json.loads(data)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise JudgeAnswerError("the server's answer is not of the chat protocol") from None
    if not isinstance(content, str) or not content.strip():
        raise JudgeAnswerError("the model's answer is empty")
    return content
