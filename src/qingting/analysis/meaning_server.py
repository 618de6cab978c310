"""Sentence vectors from any server that speaks the OpenAI embeddings protocol."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import numpy as np

from qingting.analysis.meaning import CostClass, SentenceVectors, VectorIdentity
from qingting.errors import (
    MeaningAnswerError,
    MeaningError,
    MeaningTimeoutError,
    MeaningUnavailableError,
    SettingsError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""A longer answer is refused: 2,048 vectors of 4,096 numbers stay under it."""
_BUSY = frozenset({408, 429, 500, 502, 503, 504})


class OpenAIVectors(SentenceVectors):
    """Asks `POST <url>/embeddings`; answers are put in order, checked and brought to length 1.

    No message carries a sentence or the server's words: servers repeat their input in errors.
    """

    cost = CostClass.NETWORK

    def __init__(
        self,
        *,
        url: str,
        model: str,
        key: str = "",
        timeout_seconds: float = 5.0,
        batch: int = 64,
        retries: int = 1,
        retry_pause_seconds: float = 0.2,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise SettingsError(
                "The embeddings server's address is no http(s) address.", remedy="Give it as http://host:port/v1."
            )
        if batch < 1 or retries < 0 or timeout_seconds <= 0:
            raise SettingsError(
                "batch, retries or timeout_seconds of the embeddings server is out of range.",
                remedy="Use batch >= 1, retries >= 0 and a timeout over 0.",
            )
        self._url = f"{url.rstrip('/')}/embeddings"
        self._identity = VectorIdentity(name="server", model=model)
        self._key = key
        self._timeout = timeout_seconds
        self._batch = batch
        self._retries = retries
        self._pause = retry_pause_seconds
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def identity(self) -> VectorIdentity:
        """Return the model's name on the server."""
        return self._identity

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors [n, d]; raises MeaningUnavailableError, MeaningTimeoutError or MeaningAnswerError."""
        texts = [text.encode("utf-8", "replace").decode("utf-8") for text in sentences]
        parts = [self._ask(texts[at : at + self._batch]) for at in range(0, len(texts), self._batch)]
        if len({part.shape[1] for part in parts}) > 1:
            raise MeaningAnswerError("The embeddings server's vectors differ in length.")
        return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)

    def _ask(self, texts: list[str]) -> NDArray[np.float32]:
        for left in range(self._retries, -1, -1):
            try:
                return _vectors(self._post(texts), len(texts))
            except MeaningError as error:
                if not (left and error.can_retry):
                    raise
            time.sleep(self._pause)
        raise AssertionError("the last attempt returns or raises")

    def _post(self, texts: list[str]) -> object:
        body = {"model": self._identity.model, "input": texts, "encoding_format": "float"}
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(  # noqa: S310  the scheme was checked
            self._url, data=json.dumps(body).encode("utf-8"), headers=headers, method="POST"
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                content = cast("bytes", answer.read(MAX_ANSWER_BYTES + 1))
                cut_short = bool(answer.length) and len(content) <= MAX_ANSWER_BYTES
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code) from None
        except TimeoutError:
            raise self._late() from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._late() from None
            kind = type(error.reason).__name__
            raise MeaningUnavailableError(f"The embeddings server cannot be reached ({kind}).") from None
        except (OSError, http.client.HTTPException) as error:
            raise MeaningUnavailableError(f"The embeddings server broke off ({type(error).__name__}).") from None
        if cut_short:
            raise MeaningUnavailableError("The embeddings server broke off within its answer.")
        if len(content) > MAX_ANSWER_BYTES:
            raise MeaningAnswerError("The embeddings server's answer is too long.")
        try:
            return cast("object", json.loads(content))
        except ValueError:
            raise MeaningAnswerError("The embeddings server's answer is no JSON.") from None

    def _late(self) -> MeaningTimeoutError:
        return MeaningTimeoutError(
            f"The embeddings server gave no answer within {self._timeout:g} s.",
            remedy="Raise timeout_seconds, or give the server more capacity.",
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: they would carry the key and the sentences to another host."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        return None


def _refusal(status: int) -> MeaningError:
    if status in _BUSY:
        return MeaningUnavailableError(f"The embeddings server answered with status {status}.")
    return MeaningAnswerError(
        f"The embeddings server refused the request with status {status}.",
        remedy=MeaningUnavailableError.default_remedy,
    )


def _vectors(answer: object, count: int) -> NDArray[np.float32]:
    """Return the answer's vectors in order of the input, each of length 1."""
    try:
        items = cast("dict[str, list[dict[str, object]]]", answer)["data"]
        ordered = sorted(items, key=lambda item: cast("int", item["index"]))
        places = [item["index"] for item in ordered]
        found = np.array([item["embedding"] for item in ordered], dtype=np.float32)
    except (TypeError, KeyError, ValueError, AttributeError):
        raise MeaningAnswerError("The embeddings server's answer has not the form of the protocol.") from None
    if places != list(range(count)) or found.ndim != 2 or not found.shape[1]:
        raise MeaningAnswerError("The embeddings server answered with another number of vectors than asked for.")
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise MeaningAnswerError("The embeddings server answered with vectors that have no direction.")
    return cast("NDArray[np.float32]", (found / lengths).astype(np.float32))
