"""The requests of the served aligner: each clip with its words is one, asked again after passing failures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from qingting.errors import EngineAnswerError, EngineTimeoutError
from qingting.speech import _qwen3_http as http
from qingting.speech._qwen3_calls import ServerCalls, Trouble
from qingting.speech.aligner_protocol import (
    METADATA_HEADER,
    MalformedSlotsError,
    NoAlignerError,
    Shape,
    read_shape,
    read_slots,
    request_body,
)
from qingting.speech.balancing import BreakerState, Server
from qingting.speech.engine import Clip
from qingting.speech.qwen3_protocol import to_wave

Slots = tuple[tuple[int, float], ...]


class AlignerRequests(ServerCalls):
    """Asks aligner servers for the time slots of words."""

    def slots(self, clip: Clip, words: Sequence[str]) -> Slots:
        """Most likely slot of every word's start and end, with its probability; raises EngineError."""
        return self._wait(self._one(clip, words))

    async def _one(self, clip: Clip, words: Sequence[str]) -> Slots:
        body = request_body(self._settings.model, to_wave(clip.samples), words)
        trouble = Trouble()
        patience = self._patience()
        try:
            async with self._places, asyncio.timeout(patience):
                return await self._ask(lambda server: self._post(server, body, clip, words), trouble)
        except TimeoutError:
            late = EngineTimeoutError(f"No aligner server was free within {patience:g} s.")
            raise trouble.last or late from None

    def _patience(self) -> float:
        """No wait at all in an outage: times can be estimated, and every utterance of a call would wait anew."""
        resting = all(server.state is BreakerState.OPEN for server in self._balancer.servers)
        return 0.0 if resting and self._outage() else super()._patience()

    async def _post(self, server: Server, body: bytes, clip: Clip, words: Sequence[str]) -> Slots:
        answer = _Answer(clip, words)
        content = await http.post(
            self._client,
            f"{server.url}/pooling",
            body,
            timeout_seconds=self._settings.request_timeout_seconds,
            section=self._settings.section,
            room=answer.room,
        )
        return answer.read(content)


class _Answer:
    """One answer as it comes in: head, then body."""

    def __init__(self, clip: Clip, words: Sequence[str]) -> None:
        self._clip = clip
        self._words = words
        self._shape = Shape(rows=0, classes=0)

    def room(self, headers: Mapping[str, str]) -> int:
        """Bytes of the body, by the head."""
        try:
            self._shape = read_shape(headers.get(METADATA_HEADER), words=len(self._words), seconds=self._clip.seconds)
        except NoAlignerError as error:
            wrong = EngineAnswerError(
                f"The server serves no aligner as it is needed: {error}.",
                remedy="Start it as section 5 of docs/how-to/qwen3-server.md shows, or correct aligner.urls.",
            )
            raise http.RequestFailedError(wrong, http.Blame.SETTINGS) from None
        except MalformedSlotsError as error:
            raise _malformed(error) from None
        return self._shape.size_bytes

    def read(self, body: bytes) -> Slots:
        try:
            return read_slots(body, self._shape)
        except MalformedSlotsError as error:
            raise _malformed(error) from None


def _malformed(error: MalformedSlotsError) -> http.RequestFailedError:
    broken = EngineAnswerError(f"The aligner server's answer is malformed ({error}).")
    return http.RequestFailedError(broken, http.Blame.SERVER)
