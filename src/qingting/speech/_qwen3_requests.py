"""The requests of the server engine: one event loop in a thread, a task per clip.

A task asks, asks again after passing failures, and gives suspicious answers a second chance:
looped or cut ones with a penalty on repetition, leaked hot words without the hot words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from qingting.errors import EngineAnswerError, EngineError, EngineTimeoutError
from qingting.model.transcript import Flag
from qingting.speech import _qwen3_http as http
from qingting.speech._qwen3_calls import ServerCalls, Trouble
from qingting.speech.balancing import Server
from qingting.speech.engine import Clip, Recognition, RecognitionOptions
from qingting.speech.guards import find_hot_word_leak, find_loops
from qingting.speech.qwen3_prompt import ParsedAnswer, parse_answer, repeats, system_text, token_limit
from qingting.speech.qwen3_protocol import (
    Answer,
    Forcing,
    MalformedAnswerError,
    Wish,
    is_forced,
    read_answer,
    request_body,
    to_wave,
)
from qingting.speech.qwen3_server import Qwen3ServerSettings, ServerReport, is_silent
from qingting.speech.unit_confidence import text_confidence

REPETITION_PENALTY = 1.1
"""Ended the loops of a user who reported them; used for second chances alone, since people do repeat words."""


class Requests(ServerCalls):
    """Runs the requests of all threads on one loop."""

    def __init__(self, settings: Qwen3ServerSettings) -> None:
        super().__init__(settings, name="qwen3-server")
        self._forcing = {server.url: Forcing.PREFIX for server in self._balancer.servers}

    def reports(self) -> tuple[ServerReport, ...]:
        """Figures of every server."""
        return tuple(
            ServerReport(
                url=server.url,
                state=server.state,
                in_flight=server.in_flight,
                answered=server.answered,
                failed=server.failed,
                forcing=self._forcing[server.url],
            )
            for server in self._balancer.servers
        )

    def run(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Recognitions in order of the clips; raises the first error when every clip failed."""
        return self._wait(self._all(clips, options))

    async def _all(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        outcomes = await asyncio.gather(*(self._one(clip, options) for clip in clips))
        errors = [outcome for outcome in outcomes if isinstance(outcome, EngineError)]
        if errors and len(errors) == len(outcomes):
            raise errors[0]
        refused = Recognition(text="", flags=(Flag.REFUSED,))
        return [refused if isinstance(outcome, EngineError) else outcome for outcome in outcomes]

    async def _one(self, clip: Clip, options: RecognitionOptions) -> Recognition | EngineError:
        if is_silent(clip):
            return Recognition(text="")
        trouble = Trouble()
        patience = self._patience()
        try:
            async with self._places, asyncio.timeout(patience):
                return await self._recognise(clip, options, trouble)
        except TimeoutError:
            return trouble.last or EngineTimeoutError(f"No speech server was free within {patience:g} s.")
        except EngineError as error:
            return error

    async def _recognise(self, clip: Clip, options: RecognitionOptions, trouble: Trouble) -> Recognition:
        wave = to_wave(clip.samples)
        wish = Wish(
            model=self._settings.model,
            context=system_text(options.hot_words),
            language=options.language,
            most_tokens=token_limit(clip.seconds),
        )
        answer = await self._answer(wish, wave, trouble)
        parsed = _parsed(answer, options)
        leaked = bool(find_hot_word_leak(parsed.text, options.hot_words, seconds=clip.seconds))
        if leaked:
            answer = await self._answer(replace(wish, context=""), wave, trouble)
            parsed = _parsed(answer, options)
        elif _looped(answer, parsed, clip):
            again = await self._answer(replace(wish, repetition_penalty=REPETITION_PENALTY), wave, trouble)
            other = _parsed(again, options)
            if other.text and not _looped(again, other, clip):
                answer, parsed = again, other
        return _recognition(answer, parsed, leaked=leaked)

    async def _answer(self, wish: Wish, wave: bytes, trouble: Trouble) -> Answer:
        return await self._ask(lambda server: self._on(server, wish, wave), trouble)

    async def _on(self, server: Server, wish: Wish, wave: bytes) -> Answer:
        """Ask one server, finding out how it can be made to answer in the wanted language."""
        forcing = self._forcing[server.url]
        while True:
            tried = replace(wish, forcing=forcing)
            try:
                answer = await self._post(server, tried, wave)
            except http.RequestFailedError as failure:
                if failure.blame is not http.Blame.REQUEST or not is_forced(tried):
                    raise
                forcing = Forcing(forcing + 1)
            else:
                if wish.language is not None:
                    self._forcing[server.url] = max(forcing, self._forcing[server.url])
                return answer

    async def _post(self, server: Server, wish: Wish, wave: bytes) -> Answer:
        url = f"{server.url}/v1/chat/completions"
        limit = self._settings.request_timeout_seconds
        content = await http.post(self._client, url, request_body(wish, wave), timeout_seconds=limit)
        try:
            return read_answer(content, forced=is_forced(wish))
        except MalformedAnswerError as error:
            broken = EngineAnswerError(f"The speech server's answer is malformed ({error}).")
            raise http.RequestFailedError(broken, http.Blame.SERVER) from None


def _parsed(answer: Answer, options: RecognitionOptions) -> ParsedAnswer:
    return parse_answer(answer.raw, forced=options.language if answer.forced else None)


def _looped(answer: Answer, parsed: ParsedAnswer, clip: Clip) -> bool:
    return answer.truncated or repeats(parsed.text) or bool(find_loops(parsed.text, clip.seconds))


def _recognition(answer: Answer, parsed: ParsedAnswer, *, leaked: bool) -> Recognition:
    sure = text_confidence(parsed.text, answer.tokens)
    flags = [Flag.TRUNCATED] * answer.truncated + [Flag.HOTWORD_LEAK] * leaked
    return Recognition(
        text=parsed.text,
        language=parsed.language,
        confidence=sure.overall if sure else None,
        unit_confidences=sure.by_unit if sure else (),
        flags=tuple(flags),
    )
