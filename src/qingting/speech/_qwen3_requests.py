"""The requests of the server engine: one event loop in a thread, a task per clip.

A task asks, asks again after passing failures, and gives suspicious answers a second chance:
looped or cut ones with a penalty on repetition, leaked hot words without the hot words.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from qingting.errors import EngineAnswerError, EngineError, EngineTimeoutError
from qingting.model.transcript import Flag
from qingting.speech import _qwen3_http as http
from qingting.speech.balancing import Balancer, Server
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
from qingting.speech.qwen3_server import Qwen3ServerSettings, ServerReport, base_address, is_silent
from qingting.speech.unit_confidence import text_confidence

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
REPETITION_PENALTY = 1.1
"""Ended the loops of a user who reported them; used for second chances alone, since people do repeat words."""
_BRIEF_PATIENCE_SECONDS = 3.0
"""Wait for a server when none has answered for a whole total_timeout: an outage must not be sat out clip by clip."""


@dataclass(kw_only=True)
class _Trouble:
    """What happened to one clip so far."""

    attempts: int = 0
    last: EngineError | None = None
    avoid: Server | None = None
    refusing: set[str] = field(default_factory=set)
    """Servers whose settings are wrong."""


class Requests:
    """Runs the requests of all threads on one loop."""

    def __init__(self, settings: Qwen3ServerSettings) -> None:
        self._settings = settings
        self._options = http.ConnectionOptions(
            key=settings.api_key,
            connect_timeout_seconds=settings.connect_timeout_seconds,
            request_timeout_seconds=settings.request_timeout_seconds,
            verify_tls=settings.verify_tls,
            ca_file=settings.ca_file,
            connections=settings.max_in_flight * len(settings.urls),
        )
        self._client: httpx2.AsyncClient = http.open_client(self._options)
        servers = [
            Server(url=base_address(url), capacity=settings.max_in_flight, options=settings.breaker)
            for url in settings.urls
        ]
        self._balancer = Balancer(servers=servers, probe=self._probe)
        self._forcing = {server.url: Forcing.PREFIX for server in servers}
        self._places = asyncio.Semaphore(self._options.connections)
        self._last_answer = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qwen3-server", daemon=True)
        self._thread.start()

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

    def close(self) -> None:
        """Cancel what runs, then close connections, loop and thread."""
        self._wait(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _shut(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._client.aclose()

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
        trouble = _Trouble()
        patience = self._patience()
        try:
            async with self._places, asyncio.timeout(patience):
                return await self._recognise(clip, options, trouble)
        except TimeoutError:
            return trouble.last or EngineTimeoutError(f"No speech server was free within {patience:g} s.")
        except EngineError as error:
            return error

    def _patience(self) -> float:
        total = self._settings.total_timeout_seconds
        outage = time.monotonic() - self._last_answer > total and not any(s.in_flight for s in self._balancer.servers)
        asked = any(server.failed for server in self._balancer.servers)
        brief = self._settings.connect_timeout_seconds + _BRIEF_PATIENCE_SECONDS
        return min(total, brief) if outage and asked and not self._healthy() else total

    def _healthy(self) -> bool:
        return any(server.free and server.state == "closed" for server in self._balancer.servers)

    async def _recognise(self, clip: Clip, options: RecognitionOptions, trouble: _Trouble) -> Recognition:
        wave = to_wave(clip.samples)
        wish = Wish(
            model=self._settings.model,
            context=system_text(options.hot_words),
            language=options.language,
            most_tokens=token_limit(clip.seconds),
        )
        answer = await self._ask(wish, wave, trouble)
        parsed = _parsed(answer, options)
        leaked = bool(find_hot_word_leak(parsed.text, options.hot_words, seconds=clip.seconds))
        if leaked:
            answer = await self._ask(replace(wish, context=""), wave, trouble)
            parsed = _parsed(answer, options)
        elif _looped(answer, parsed, clip):
            again = await self._ask(replace(wish, repetition_penalty=REPETITION_PENALTY), wave, trouble)
            other = _parsed(again, options)
            if other.text and not _looped(again, other, clip):
                answer, parsed = again, other
        return _recognition(answer, parsed, leaked=leaked)

    async def _ask(self, wish: Wish, wave: bytes, trouble: _Trouble) -> Answer:
        """Ask until an answer is whole; raises EngineError when it is lasting or the attempts are used up."""
        while True:
            lease = await self._balancer.acquire(avoid=trouble.avoid)
            server = lease.server
            with self._balancer.returning(lease):
                try:
                    answer = await self._on(server, wish, wave)
                except http.RequestFailedError as failure:
                    trouble.last, trouble.avoid = failure.error, server
                    if failure.blame is http.Blame.BUSY:
                        server.cool(failure.pause_seconds)
                    elif failure.blame is http.Blame.REQUEST:
                        server.succeed(lease)
                    else:
                        server.fail(lease, at_once=failure.blame is not http.Blame.SERVER)
                    self._judge(failure, trouble, server)
                else:
                    server.succeed(lease)
                    self._last_answer = time.monotonic()
                    return answer

    def _judge(self, failure: http.RequestFailedError, trouble: _Trouble, server: Server) -> None:
        """Raise the failure's error unless another attempt may help."""
        if failure.blame is http.Blame.SERVER:
            trouble.attempts += 1
        elif failure.blame is http.Blame.SETTINGS:
            trouble.refusing.add(server.url)
        lasting = failure.blame is http.Blame.REQUEST or len(trouble.refusing) == len(self._balancer.servers)
        if lasting or trouble.attempts >= self._settings.attempts:
            raise failure.error

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

    async def _probe(self, server: Server) -> bool:
        limit = self._settings.connect_timeout_seconds
        status, _ = await http.get(self._client, f"{server.url}/health", timeout_seconds=limit)
        return status == 200 or status in (404, 405)  # a proxy may not pass /health on


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
