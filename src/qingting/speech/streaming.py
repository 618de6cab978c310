"""Any engine as a streaming one: one party's sound in, its words out while they are spoken.

Voice activity (a SpeechGate) says when an utterance begins and ends. While it goes on it is decoded again from
its start after every second of new speech, but only when the engine is idle; what two decodes agree on
is stable. The utterance's own decode goes through the recogniser like a recording's, so that both give the
same text; an engine that gains by it hears what the party said before (Capabilities.context_seconds). The core
knows no clock and no thread: feed() and poll() take and give, a DecodeDesk decodes; call time counts in samples.

Cost: for each second of speech at most one partial decode at the rate of `every_ms`, one at a pause, and
one per `window_ms` to freeze the text before a pause; `StreamOptions.cost_factor` bounds the sound that is decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from qingting.errors import InputError
from qingting.model.transcript import Flag, Utterance
from qingting.speech._earlier_sound import EarlierSound
from qingting.speech._span_decode import PartialAnswer, Piece, as_pcm, decode_final, decode_partial, refused
from qingting.speech._units import units
from qingting.speech.agreement import StablePrefix, revised_units
from qingting.speech.decode_desk import DecodeDesk, hand_on
from qingting.speech.engine import Recognition, SpeechEngine
from qingting.speech.stream_events import Final, Partial, SpeechDiscarded, SpeechStarted, StreamEvent
from qingting.speech.stream_options import SpeechGate, StreamCounts, StreamOptions
from qingting.speech.text_form import to_text_form

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qingting.model.audio import SpeechSpan, VoiceFacts

_Decode = Callable[..., Utterance | None]
STEP_MS = 400
"""Larger pieces are fed in steps of this length, so that partial texts keep their rate."""
_JITTER_MS = 60
"""A packet's time may be off by so much without anything being lost."""
_SILENCE_STEP_MS = 1_000
_QUIET_MS = 100
"""Length of the quiet place at which a long utterance's partial text is frozen."""


@dataclass(kw_only=True)
class _Running:
    """An utterance that is being spoken."""

    start_ms: int
    from_ms: int
    prefix: StablePrefix = field(default_factory=StablePrefix)
    tail: str = ""
    anchor_ms: int
    decoded_until_ms: int
    asked_at_ms: int = -1_000_000
    future: Future[PartialAnswer] | None = None
    asked: tuple[int, int, int] = (0, 0, 0)
    """Beginning and end of the sound a decode was asked for, and the version of what was said before."""
    freezing: bool = False
    known: tuple[tuple[int, int, int], Recognition] | None = None


@dataclass(frozen=True, kw_only=True)
class _Ending:
    """An utterance that waits for its words."""

    span: SpeechSpan
    voice: VoiceFacts
    stable_text: str
    future: Future[Utterance | None]


class PartyStream:
    """Words of one party while it speaks. Not for several threads at once; streams of other parties are independent.

    feed() sound as it comes, poll() whenever `wake` was called, finish() at the end, then poll() until
    `done` (or drain() in a plain thread).
    """

    def __init__(
        self,
        engine: SpeechEngine,
        gate: SpeechGate,
        desk: DecodeDesk,
        *,
        options: StreamOptions | None = None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        """`wake` is called (from any thread) when poll() may have something; engine and desk are shared, not closed."""
        self._engine = engine
        self._gate = gate
        self._desk = desk
        self._options = options or StreamOptions()
        self._wake = wake
        self._live = engine.capabilities.live
        self._earlier = EarlierSound(engine.capabilities.context_seconds, gate.rate_hertz)
        self._running: dict[int, _Running] = {}
        self._ending: deque[_Ending] = deque()
        self._last_end_ms: int | None = None
        self._fed = 0
        self._told = 0
        self._finished = False
        self.counts = StreamCounts()

    @property
    def now_ms(self) -> int:
        """Call time heard."""
        return self._gate.now_ms

    @property
    def settled_ms(self) -> int:
        """Every utterance that begins before this call time was told."""
        quiet_ms = self._gate.quiet_until_ms
        if not self._running and not self._ending:
            return quiet_ms
        return min([quiet_ms, *self._running, *(ending.span.start_ms for ending in self._ending)])

    @property
    def done(self) -> bool:
        """Whether finish() was called and no utterance waits for its words."""
        return self._finished and not self._ending

    def feed(self, samples: NDArray[Any], at_ms: int | None = None) -> list[StreamEvent]:
        """Take the next sound (int16, or float in -1..1; any number of samples) and return what is known now.

        `at_ms` is its call time: what is missing before it counts as silence, what was heard already is
        dropped; None: it follows the last. Raises InputError after finish(), and for sound of another
        kind or a time too far ahead.
        """
        if self._finished:
            raise InputError("The stream has ended.", remedy="Open a new stream.")
        events: list[StreamEvent] = []
        for piece in self._in_time(as_pcm(samples), at_ms):
            self._fed += piece.size
            events += self._hear(self._gate.feed(piece))
            events += self.poll()
        return events

    def poll(self) -> list[StreamEvent]:
        """Return what decodes have told since the last call."""
        events: list[StreamEvent] = []
        for running in self._running.values():
            if running.future is not None:
                events += self._partial_of(running)
        while self._ending and self._ending[0].future.done():
            events.append(self._end(self._ending.popleft()))
        return events

    def finish(self) -> list[StreamEvent]:
        """End the sound; speech still open becomes utterances. Their words may come later: poll() until `done`."""
        if self._finished:
            return self.poll()
        self._finished = True
        return self._hear(self._gate.finish()) + self.poll()

    def drain(self, timeout_seconds: float | None = None) -> list[StreamEvent]:
        """After finish(): wait for the words of all utterances; those without after the time are REFUSED."""
        wait([ending.future for ending in self._ending], timeout=timeout_seconds)
        return self.poll() + self.give_up()

    def give_up(self) -> list[StreamEvent]:
        """Stop waiting: utterances that still have no words are flagged REFUSED, in order."""
        events: list[StreamEvent] = []
        while self._ending:
            ending = self._ending.popleft()
            ending.future.cancel()
            events.append(self._end(ending))
        return events

    def cancel(self) -> None:
        """End at once: nothing more is decoded or told."""
        self._finished = True
        self._running.clear()
        while self._ending:
            self._ending.popleft().future.cancel()

    def _in_time(self, samples: NDArray[np.int16], at_ms: int | None) -> Iterator[NDArray[np.int16]]:
        """The sound in its place: silence before it where something was lost, nothing twice."""
        rate = self._gate.rate_hertz
        ahead_ms = 0 if at_ms is None else at_ms - self._fed * 1000 // rate
        if ahead_ms > self._options.longest_gap_ms:
            raise InputError("The call time jumps too far ahead.", remedy="Send call times that count from its start.")
        if ahead_ms > _JITTER_MS:
            self.counts.lost_ms += ahead_ms
            for done_ms in range(0, ahead_ms, _SILENCE_STEP_MS):
                length_ms = min(_SILENCE_STEP_MS, ahead_ms - done_ms)
                yield np.zeros(length_ms * rate // 1000, np.int16)
        elif ahead_ms < -_JITTER_MS:
            known = min(samples.size, -ahead_ms * rate // 1000)
            self.counts.late_ms += known * 1000 // rate
            samples = samples[known:]
        step = STEP_MS * rate // 1000
        for first in range(0, samples.size, step):
            yield samples[first : first + step]

    def _hear(self, told: Sequence[tuple[SpeechSpan, VoiceFacts]]) -> list[StreamEvent]:
        """Follow the gate: beginnings, ends, what was no speech after all, and what is due to be decoded."""
        open_starts = self._gate.open_starts_ms
        if not (told or open_starts or self._running):
            return []
        starts = [*(span.start_ms for span, _ in told), *open_starts]
        events: list[StreamEvent] = [self._discard(start) for start in list(self._running) if start not in starts]
        for index, (span, voice) in enumerate(told):
            events += self._begin(span.start_ms)
            self._close(span, voice, starts[index + 1] if index + 1 < len(starts) else None)
        for start in open_starts:
            events += self._begin(start)
        if open_starts and self._live:
            self._ask(self._running[open_starts[-1]])
        return events

    def _begin(self, start_ms: int) -> list[StreamEvent]:
        if start_ms in self._running:
            return []
        from_ms = self._free_from(start_ms)
        self._running[start_ms] = _Running(
            start_ms=start_ms, from_ms=from_ms, anchor_ms=from_ms, decoded_until_ms=start_ms
        )
        return [SpeechStarted(party=self._gate.party, start_ms=start_ms, at_ms=self.now_ms)]

    def _discard(self, start_ms: int) -> StreamEvent:
        self._running.pop(start_ms, None)
        return SpeechDiscarded(party=self._gate.party, start_ms=start_ms, at_ms=self.now_ms)

    def _free_from(self, start_ms: int) -> int:
        """Where a clip begins: the margin before speech, at most half way to the last span."""
        from_ms = max(0, start_ms - self._options.margin_ms)
        return from_ms if self._last_end_ms is None else max(from_ms, (self._last_end_ms + start_ms + 1) // 2)

    def _close(self, span: SpeechSpan, voice: VoiceFacts, next_start_ms: int | None) -> None:
        """Ask for the words of an utterance that has ended."""
        running = self._running.pop(span.start_ms)
        from_ms, until_ms = self._free_from(span.start_ms), span.end_ms + self._options.margin_ms
        if next_start_ms is not None:
            until_ms = min(until_ms, (span.end_ms + next_start_ms) // 2)
        self._last_end_ms = span.end_ms
        asked, piece = (from_ms, until_ms, self._earlier.version), self._piece(from_ms, until_ms)
        self._earlier.add(piece.samples, voice)
        decode = partial(
            decode_final,
            self._engine,
            piece,
            span,
            voice,
            self._options.recognition,
            margin_ms=self._options.margin_ms,
        )
        future = self._answered(running, asked, decode)
        if future is None:
            self.counts.final_decodes += 1
            self.counts.decoded_ms += until_ms - from_ms
            self._make_room()
            future = self._desk.final(decode)
        else:
            self.counts.reused_decodes += 1
        self._call_when_done(future)
        self._ending.append(_Ending(span=span, voice=voice, stable_text=running.prefix.text, future=future))

    def _answered(
        self, running: _Running, asked: tuple[int, int, int], decode: _Decode
    ) -> Future[Utterance | None] | None:
        """The utterance from a decode in the pause, done or under way, of the very same sound; None without one."""
        future: Future[Utterance | None] = Future()
        if running.known is not None and running.known[0] == asked:
            future.set_result(decode(known=running.known[1]))
            return future
        if running.future is None or running.freezing or running.asked != asked:
            return None

        def settle(done: Future[PartialAnswer]) -> None:
            if not future.set_running_or_notify_cancel():
                return
            if done.cancelled() or done.exception() is not None:
                self._desk.final(decode).add_done_callback(lambda again: hand_on(again, future))
            else:
                future.set_result(decode(known=done.result().recognition))

        running.future.add_done_callback(settle)
        return future

    def _make_room(self) -> None:
        """Give the oldest utterance up that has not begun to be decoded, when too many wait."""
        if len(self._ending) >= self._options.max_waiting:
            any(ending.future.cancel() for ending in self._ending if not ending.future.done())

    def _ask(self, running: _Running) -> None:
        """Decode the open utterance if that is due and the engine is idle."""
        due = self._due(running) if running.future is None else None
        if due is None:
            return
        from_ms, until_ms, freezing = due
        future = self._desk.partial(
            partial(decode_partial, self._engine, self._piece(from_ms, until_ms), self._options.recognition)
        )
        if future is None:
            self.counts.skipped_partials += 1
            return
        self.counts.partial_decodes += 1
        self.counts.decoded_ms += until_ms - from_ms
        running.future, running.freezing = future, freezing
        running.asked = (from_ms, until_ms, self._earlier.version)
        running.asked_at_ms = self.now_ms
        running.decoded_until_ms = until_ms
        self._call_when_done(future)

    def _due(self, running: _Running) -> tuple[int, int, bool] | None:
        """What is to be decoded now: (from_ms, until_ms, whether that text is frozen); None: nothing."""
        options, now_ms = self._options, self.now_ms
        speech_until = self._gate.speech_until_ms
        if speech_until is None:
            return None
        if now_ms - running.anchor_ms > options.window_ms:
            return running.anchor_ms, self._quiet_place(running.anchor_ms), True
        end_ms = speech_until + options.margin_ms
        wanted = options.first_ms if running.decoded_until_ms == running.start_ms else options.every_ms
        due = min(now_ms, end_ms) - running.decoded_until_ms >= wanted
        if options.pause_ms and now_ms > speech_until and running.anchor_ms == running.from_ms:
            # The speech may just end: one decode of all of it, a moment later, serves as partial and as final.
            due = due or (running.decoded_until_ms < end_ms and now_ms - running.asked_at_ms >= options.every_ms // 2)
            paused = now_ms >= max(end_ms, speech_until + options.pause_ms)
            return (running.from_ms, end_ms, False) if due and paused else None
        return (running.anchor_ms, min(now_ms, end_ms), False) if due else None

    def _quiet_place(self, anchor_ms: int) -> int:
        """The quietest place in the second half of a full window."""
        first_ms = anchor_ms + self._options.window_ms // 2
        sound = self._gate.sound(first_ms, anchor_ms + self._options.window_ms).astype(np.float64)
        block = _QUIET_MS * self._gate.rate_hertz // 1000
        count = max(1, sound.size // block)
        energy = (sound[: count * block].reshape(count, -1) ** 2).sum(axis=1)
        return first_ms + int(np.argmin(energy)) * _QUIET_MS + _QUIET_MS // 2

    def _partial_of(self, running: _Running) -> list[StreamEvent]:
        """Take a finished partial decode in."""
        future = running.future
        if future is None or not future.done():
            return []
        running.future = None
        if future.cancelled() or future.exception() is not None:
            self.counts.failed_partials += 1
            return []
        answer = future.result()
        before = (running.prefix.text, running.tail)
        if running.freezing:
            running.prefix.freeze(answer.text)
            running.tail, running.anchor_ms = "", running.asked[1]
        else:
            running.tail = running.prefix.update(answer.text)
            if running.anchor_ms == running.from_ms:
                running.known = (running.asked, answer.recognition)
        if (running.prefix.text, running.tail) == before:
            return []
        return [
            Partial(
                party=self._gate.party,
                start_ms=running.start_ms,
                stable_text=running.prefix.text,
                tail_text=running.tail,
                at_ms=self.now_ms,
            )
        ]

    def _end(self, ending: _Ending) -> StreamEvent:
        """The last event of an utterance; its future is done, or cancelled, or given up."""
        future = ending.future
        if future.done() and not future.cancelled() and future.exception() is None:
            utterance = future.result()
        else:
            utterance = refused(ending.span, ending.voice, self._engine.identity.name)
        if utterance is None:
            return self._discard(ending.span.start_ms)
        self.counts.refused += Flag.REFUSED in utterance.flags
        revised = revised_units(to_text_form(ending.stable_text).spoken_text, utterance.spoken_text)
        self.counts.stable_units += len(units(ending.stable_text))
        self.counts.revised_units += revised
        utterance = replace(utterance, index=self._told)
        self._told += 1
        return Final(utterance=utterance, stable_text=ending.stable_text, revised_units=revised, at_ms=self.now_ms)

    def _piece(self, from_ms: int, until_ms: int) -> Piece:
        return Piece(
            party=self._gate.party,
            samples=self._gate.sound(from_ms, until_ms),
            rate_hertz=self._gate.rate_hertz,
            from_ms=from_ms,
            before=self._earlier.pieces,
        )

    def _call_when_done(self, future: Future[Any]) -> None:
        wake = self._wake
        if wake is not None:
            future.add_done_callback(lambda _: wake())
