"""Where the parties of a running call speak: the spans of the front end, told as soon as they are certain.

The spans and their echo check are those of `front_end.prepare`, since both work from sound up to
a span's end. What needs the whole recording is different here and stays so:

- which channels carry whom (copies, mixtures, dead channels) is given, not found out;
- a constant offset is not taken out, noise is not reduced, two voices on one channel are not told apart;
- the noise floor of the acoustic facts is that of the call up to now.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from qingting.audio._recent import RecentSound, RunningFloor
from qingting.audio.acoustics import levels_of_both, voice_facts
from qingting.audio.voice_activity import VoiceActivity, VoiceActivitySettings
from qingting.model.audio import SpeechSpan, VoiceFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from qingting.audio._frames import SpeechFrames

    _Levels = tuple[int, NDArray[np.float32]]
    """Start of some sound, ms of call time, and the level of each 10 ms of it."""

STEP_MS = 400
"""Larger pieces are taken in steps of this length, so that their size matters little to what is told when."""
SETTLED_MS = 380
"""After a span so much is heard before it is told: a next span that touches its margins is known by then."""
_ECHO_AFTER_MS = 20
"""The echo check looks so far beyond a span into the other channel."""
_LAG_MS = 2_000
"""A party's span waits so long at most for the other party's sound."""
_LONGEST_KEPT_MS = 45_000
"""More is never kept, even when the other party's sound stays away: a span lasts 28 s at most."""
_LOOK_BACK_MS = 600
"""Sound kept before speech: margins, the delay of an echo, and some for filters to settle."""
_FORGET_EVERY_MS = 1_000


def warm_up(rate_hertz: int) -> None:
    """Load the compiled code that the first utterance of a process would wait for."""
    from qingting.audio._crosstalk import without_crosstalk

    noise = np.random.default_rng(0).integers(-2000, 2000, (2, rate_hertz)).astype(np.int16)
    without_crosstalk(noise, rate_hertz, 0, 1, [(0, 1000)])
    voice_facts(noise, rate_hertz, [SpeechSpan(party="", channel=0, start_ms=0, end_ms=1000)])


class LiveGates:
    """The gates of one call's parties; a gate needs the other one's sound to tell an echo from speech."""

    def __init__(
        self,
        rate_hertz: int,
        parties: Sequence[str] = ("left", "right"),
        *,
        settings: VoiceActivitySettings | None = None,
        frames: SpeechFrames | None = None,
    ) -> None:
        """One or two parties, each on its own channel; raises ValueError for other numbers or rates.

        `frames`: where channels that are listened to together are kept; see voice_activity.
        """
        if not 1 <= len(parties) <= 2 or len(set(parties)) != len(parties):
            raise ValueError("a call has one or two parties with different names")
        channels = [VoiceActivity(rate_hertz, settings, frames=frames) for _ in parties]
        gates = [LiveGate(rate_hertz, party, row, channels[row]) for row, party in enumerate(parties)]
        self.channels = tuple(channels)
        """Voice activity of each party: what is to be listened to together with other calls' channels."""
        for gate, other in zip(gates, reversed(gates), strict=True):
            gate.other = other if other is not gate else None
        self._gates = dict(zip(parties, gates, strict=True))

    def gate(self, party: str) -> LiveGate:
        """The gate of a party; raises KeyError for an unknown one."""
        return self._gates[party]


class LiveGate:
    """Speech of one party, fed in pieces of any size; made by LiveGates. Holds a bounded stretch of sound.

    Feed the parties of a call alternately, in order of call time. Not for several threads at once.
    """

    def __init__(self, rate_hertz: int, party: str, channel: int, activity: VoiceActivity) -> None:
        self.rate_hertz = rate_hertz
        self.party = party
        self.other: LiveGate | None = None
        self._channel = channel
        self._activity = activity
        self._sound = RecentSound(rate_hertz)
        self._floor = RunningFloor(rate_hertz, self._sound)
        self._waiting: deque[tuple[int, int]] = deque()
        self._told: deque[tuple[int, int]] = deque()
        self._last_end_ms = 0
        self._forget_at_ms = _LOOK_BACK_MS
        self.now_ms = 0
        """Call time up to which this party was heard."""
        self._finished = False

    @property
    def open_starts_ms(self) -> tuple[int, ...]:
        """Starts of speech that is not told yet, in order: each will be told or turn out to be none."""
        open_ms = None if self._finished else self._activity.speech_since_ms
        if not self._waiting:
            return () if open_ms is None else (open_ms,)
        waiting = tuple(start for start, _ in self._waiting)
        return waiting if open_ms is None else (*waiting, open_ms)

    @property
    def speech_until_ms(self) -> int | None:
        """End of the latest open speech if nothing more is said; None when none is open."""
        return None if self._finished else self._activity.speech_until_ms

    @property
    def quiet_until_ms(self) -> int:
        """No speech begins before this, save what was told and what `open_starts_ms` lists."""
        return self.now_ms if self._finished else self._activity.quiet_until_ms

    def sound(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """Samples of open speech, or of a span just told, with at most 150 ms on both sides, as far as heard."""
        return self._sound.piece(start_ms, end_ms)

    def feed(self, samples: NDArray[np.int16]) -> list[tuple[SpeechSpan, VoiceFacts]]:
        """Take the next samples and return the spans that are certain now, with their acoustic facts.

        The samples are copied. Raises ValueError after finish().
        """
        if self._finished:
            raise ValueError("the gate was finished")
        if self.now_ms >= self._forget_at_ms:
            self._forget()
        step = STEP_MS * self.rate_hertz // 1000
        told: list[tuple[SpeechSpan, VoiceFacts]] = []
        for first in range(0, samples.size, step):
            piece = samples[first : first + step]
            self._sound.append(piece)
            self.now_ms = self._sound.until_ms
            self._floor.hear()
            self._waiting += self._activity.feed(piece)
            if self._waiting:
                told += self._tell()
        return told

    def finish(self) -> list[tuple[SpeechSpan, VoiceFacts]]:
        """End the party's sound and return the spans left."""
        if not self._finished:
            self._waiting += self._activity.finish()
            self._finished = True
        return self._tell()

    def _tell(self) -> list[tuple[SpeechSpan, VoiceFacts]]:
        told: list[tuple[SpeechSpan, VoiceFacts]] = []
        while self._waiting and self._is_settled(*self._waiting[0]):
            span = self._waiting.popleft()
            rest, levels = self._without_echo(span)
            told += [self._with_facts(start_ms, end_ms, levels) for start_ms, end_ms in rest]
        return told

    def _is_settled(self, start_ms: int, end_ms: int) -> bool:
        """Whether nothing to come changes the span, or what is around it."""
        if self._finished:
            return True
        next_known = self.now_ms >= end_ms + SETTLED_MS or any(at > start_ms for at in self.open_starts_ms)
        return next_known and self._other_heard(end_ms + _ECHO_AFTER_MS)

    def _other_heard(self, until_ms: int) -> bool:
        other = self.other
        return other is None or other.now_ms >= until_ms or other.finished or self.now_ms >= until_ms + _LAG_MS

    @property
    def finished(self) -> bool:
        """Whether this party's sound has ended."""
        return self._finished

    def _without_echo(self, span: tuple[int, int]) -> tuple[list[tuple[int, int]], _Levels | None]:
        """The front end's echo check on the sound around the span; also gives the levels of that sound."""
        if self.other is None:
            return [span], None
        from qingting.audio._crosstalk import without_crosstalk

        from_ms = max(0, span[0] - _LOOK_BACK_MS)
        until_ms = max(span[1], min(self.now_ms, span[1] + _ECHO_AFTER_MS))
        pcm = np.stack([self._sound.padded(from_ms, until_ms), self.other.heard(from_ms, until_ms)])
        moved = (span[0] - from_ms, span[1] - from_ms)
        levels = levels_of_both(pcm[0], pcm[1], self.rate_hertz)
        rest, _ = without_crosstalk(pcm, self.rate_hertz, 0, 1, [moved], levels)
        return [(start + from_ms, end + from_ms) for start, end in rest], (from_ms, levels[0])

    def heard(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """Samples of a stretch of the call, silence where none are kept."""
        return self._sound.padded(start_ms, end_ms)

    def _with_facts(self, start_ms: int, end_ms: int, known: _Levels | None) -> tuple[SpeechSpan, VoiceFacts]:
        from_ms = max(0, start_ms - _LOOK_BACK_MS) // 10 * 10
        pcm = self._sound.padded(from_ms, end_ms)[np.newaxis]
        levels = {0: known[1]} if known is not None and known[0] == from_ms else None
        here = SpeechSpan(party=self.party, channel=0, start_ms=start_ms - from_ms, end_ms=end_ms - from_ms)
        (facts,) = voice_facts(pcm, self.rate_hertz, [here], floors={0: self._floor.dbfs}, levels=levels)
        facts = replace(
            facts,
            pause_before_ms=max(0, start_ms - self._last_end_ms),
            overlap_ms=0 if self.other is None else self.other.shared_ms(start_ms, end_ms),
        )
        self._last_end_ms = end_ms
        self._told.append((start_ms, end_ms))
        span = SpeechSpan(party=self.party, channel=self._channel, start_ms=start_ms, end_ms=end_ms)
        return span, facts

    def shared_ms(self, start_ms: int, end_ms: int) -> int:
        """Time of a stretch in which this party speaks, as far as is known now."""
        spans = [*self._told, *self._waiting]
        open_ms, until_ms = self._activity.speech_since_ms, self.speech_until_ms
        if open_ms is not None and until_ms is not None:
            spans.append((open_ms, until_ms))
        return sum(max(0, min(end, end_ms) - max(start, start_ms)) for start, end in spans)

    def _forget(self) -> None:
        """Drop the sound and spans that neither this party nor the other one can ask for any more; now and then."""
        self._forget_at_ms = self.now_ms + _FORGET_EVERY_MS
        needed = min(gate.needed_from_ms for gate in (self, self.other) if gate is not None)
        needed = max(needed - _LOOK_BACK_MS, self.now_ms - _LONGEST_KEPT_MS)
        self._sound.forget_before(needed)
        while self._told and self._told[0][1] < needed:
            self._told.popleft()

    @property
    def needed_from_ms(self) -> int:
        """Start of the oldest speech that is open here, or that may begin with what is fed next."""
        recent_ms = max(0, self.now_ms - _LOOK_BACK_MS)
        starts = self.open_starts_ms
        return min(starts[0], recent_ms) if starts else recent_ms
