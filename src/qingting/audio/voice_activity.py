"""Where someone speaks: one component for recordings and live streams."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qingting.audio._frame_facts import CELLS, FRAME_MS, WARM_FRAMES, Choice, Heard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qingting.audio._frames import SpeechFrames

_BLOCK_FRAMES = 512
"""Frames of a recording handled at once: large enough for speed, small enough for the processor's cache."""
_TONE_FRAMES = 47
"""A tone is looked for in the first 1.4 s of a span and the 128 ms before: a tone's end can look like speech too."""
_STEADY_RATIO = 2.0 ** (0.03 / 12)
_TONE_SHARE = 0.65
_TONE_STEPS = 5
"""A span is a tone when at least this share of at least so many steps of 10 ms changes the pitch by less than 0.03
semitones: measured 0.93 to 1.0 for call progress tones, dialling and music, 0.0 to 0.35 for speech."""
_LIVE_FRAMES = 16
"""Of a running call: the pieces that are fed last 400 ms at most."""

Span = tuple[int, int]
"""Start and end (exclusive) in milliseconds, multiples of 10."""


@dataclass(frozen=True, kw_only=True)
class VoiceActivitySettings:
    """Thresholds and times; the defaults are measured on telephone dialogue."""

    start_probability: float = 0.35
    """Speech starts at this probability."""
    keep_probability: float = 0.2
    """Speech goes on down to this probability."""
    min_speech_ms: int = 96
    """Shorter sounds are no speech; a lone 嗯 lasts about 150 ms."""
    sure_probability: float = 0.6
    """Sound that never reaches this probability is no speech ..."""
    doubtful_ms: int = 500
    """... unless it lasts so long: the onset of a tone or hum looks like speech for 100 to 300 ms."""
    gap_ms: int = 480
    """A silence of this length ends a span."""
    long_after_ms: int = 14_000
    """After so much speech a shorter silence is enough: a piece should end before it must be cut."""
    long_gap_ms: int = 224
    """That shorter silence."""
    lead_ms: int = 80
    """The sound this long before the first speech frame belongs to the span at most."""
    tail_ms: int = 32
    """The sound this long after the last speech frame belongs to the span at most."""
    max_span_ms: int = 28_000
    """Longer speech is cut at its quietest point."""
    gate_margin_db: float = 8.0
    """Frames whose loudest part is not this far over the noise floor are not given to the network ..."""
    gate_lowest_dbfs: float = -66.0
    """... nor those below this level, whatever the floor ..."""
    gate_highest_dbfs: float = -48.0
    """... but all above this level are."""

    def choice(self) -> Choice:
        """The thresholds of single frames, as the kernels take them."""
        return Choice(
            gate_lowest_dbfs=self.gate_lowest_dbfs,
            gate_highest_dbfs=self.gate_highest_dbfs,
            gate_margin_db=self.gate_margin_db,
            start_probability=self.start_probability,
            keep_probability=self.keep_probability,
        )


class VoiceActivity:
    """Finds the speech of one channel in samples fed in blocks of any size.

    The spans do not depend on how the samples are cut into blocks: a live stream and a recording give the
    same ones. A span is returned once nothing to come can change it, at most
    `gap_ms` + one frame after its last speech. Network: Silero VAD v6, see `_silero.py`.
    """

    def __init__(
        self, rate_hertz: int, settings: VoiceActivitySettings | None = None, *, frames: SpeechFrames | None = None
    ) -> None:
        """`rate_hertz` is 8000 or 16000; raises ValueError otherwise.

        `frames`: where channels that listen_together() are kept, of this rate and these settings; None: its own.
        """
        if rate_hertz not in (8000, 16000):
            raise ValueError(f"voice activity works at 8000 or 16000 Hz, not {rate_hertz}")
        settings = settings or VoiceActivitySettings()
        self._frames = frames or _frames(rate_hertz, settings, _BLOCK_FRAMES)
        self.number = self._frames.open()
        """Of the channel in its frames."""
        weakref.finalize(self, self._frames.close, self.number)
        self._spans = _Spans(settings, rate_hertz)
        self._rate_hertz = rate_hertz
        self._fed = 0
        self._ahead: tuple[int, Heard] | None = None

    @property
    def speech_since_ms(self) -> int | None:
        """Start of the speech that is not yet returned as a span; None in silence."""
        return self._spans.open_start_ms

    @property
    def speech_until_ms(self) -> int | None:
        """End that this speech would have if nothing more were said; None in silence."""
        return self._spans.open_end_ms

    @property
    def quiet_until_ms(self) -> int:
        """No span begins before this, save those returned: also where a sound may yet turn out to be speech."""
        return self._spans.next_start_ms

    def feed(self, samples: NDArray[Any]) -> list[Span]:
        """Take the next samples (int16, or float32 in -1..1; any number) and return the spans they decide.

        Raises ValueError for others than listen_together() was given.
        """
        self._fed += samples.size
        if self._ahead is not None:
            (size, heard), self._ahead = self._ahead, None
            if size != samples.size:
                raise ValueError("other samples were listened to than are fed")
            return self._spans.advance(heard)
        decided: list[Span] = []
        most = self._frames.most_samples
        for start in range(0, samples.size, most):
            piece = samples[start : start + most]
            if piece.dtype != np.int16:
                piece = piece.astype(np.float32, copy=False)
            (heard,) = self._frames.listen([self.number], [piece])
            decided += self._spans.advance(heard)
        return decided

    def finish(self) -> list[Span]:
        """End the stream and return the spans still open."""
        total_ms = self._fed * 1000 // self._rate_hertz
        decided = self.feed(np.zeros(-self._fed % self._frames.frame_samples, np.float32)) + self._spans.finish()
        end_ms = total_ms // 10 * 10
        return [(start, min(end, end_ms)) for start, end in decided if start < end_ms]

    def heard_ahead(self, samples: int, heard: Heard) -> None:
        """Take what was found in so many samples that are fed next."""
        self._ahead = samples, heard


def listen_together(frames: SpeechFrames, pieces: Sequence[tuple[VoiceActivity, NDArray[np.int16]]]) -> None:
    """Work ahead for channels that are kept in `frames`: much cheaper than one after the other.

    Each is to be fed exactly these samples next, which last 400 ms at most.
    """
    heard = frames.listen([activity.number for activity, _ in pieces], [samples for _, samples in pieces])
    for (activity, samples), own in zip(pieces, heard, strict=True):
        activity.heard_ahead(samples.size, own)


def frames_of_calls(rate_hertz: int) -> SpeechFrames:
    """Room for the channels of many running calls, with the usual settings."""
    return _frames(rate_hertz, VoiceActivitySettings(), _LIVE_FRAMES)


def _frames(rate_hertz: int, settings: VoiceActivitySettings, most_frames: int) -> SpeechFrames:
    from qingting.audio._frames import SpeechFrames

    return SpeechFrames(rate_hertz, settings.choice(), most_frames=most_frames)


def detect_speech(samples: NDArray[Any], rate_hertz: int, settings: VoiceActivitySettings | None = None) -> list[Span]:
    """Speech spans of one whole channel, in milliseconds; the same as a stream of it gives.

    samples: int16, or float32 in -1..1, shape [n]. rate_hertz: 8000 or 16000, else ValueError.
    """
    activity = VoiceActivity(rate_hertz, settings)
    return activity.feed(samples) + activity.finish()


class _Spans:
    """Joins runs of speech frames to spans: closes small gaps, drops clicks and tones, cuts long speech."""

    def __init__(self, settings: VoiceActivitySettings, rate_hertz: int) -> None:
        self._settings = settings
        self._rate_hertz = rate_hertz
        self._frame = rate_hertz * FRAME_MS // 1000
        self._longest = (settings.max_span_ms - settings.lead_ms - settings.tail_ms) // FRAME_MS
        self._long, self._gap, self._long_gap = (
            -(-time_ms // FRAME_MS) for time_ms in (settings.long_after_ms, settings.gap_ms, settings.long_gap_ms)
        )
        self._now = 0
        self._levels: deque[tuple[int, NDArray[np.float32]]] = deque()
        """End (frame) and cell levels of the blocks since the open span began."""
        self._start: int | None = None
        self._end = 0
        self._speech = 0
        self._peak = 0.0
        self._after_cut = False
        self._real = False
        """Whether the open span is certain to be no mere click."""
        self._last_end_ms = 0
        self._sound: list[NDArray[np.float32]] = []
        """The beginning of the open span, as far as it is needed to tell a tone from a voice."""
        self._missing = 0
        """Samples that it lacks."""

    @property
    def open_start_ms(self) -> int | None:
        return self._start_ms() if self._start is not None and self._real else None

    @property
    def open_end_ms(self) -> int | None:
        return self._end_ms() if self._start is not None and self._real else None

    @property
    def next_start_ms(self) -> int:
        earliest = self._now * FRAME_MS - self._settings.lead_ms if self._start is None else self._start_ms()
        return max(earliest, self._last_end_ms, 0) // 10 * 10

    def advance(self, heard: Heard) -> list[Span]:
        """Take one block."""
        base = self._now
        self._now += heard.frames
        if not heard.frames or (self._start is None and not heard.runs):
            return []
        self._levels.append((self._now, heard.levels))
        self._hear(heard, 0)
        decided: list[Span] = []
        for start, end, peak in heard.runs:
            decided += self._close(base + start)
            if self._start is None:
                self._open(base + start)
                self._hear(heard, start - WARM_FRAMES)
            decided += self._extend(base + start, base + end, peak)
        decided += self._close(self._now)
        keep_from = self._now if self._start is None else self._start
        while self._levels and self._levels[0][0] <= keep_from - 2:
            self._levels.popleft()
        return decided

    def finish(self) -> list[Span]:
        return self._end_span()

    def _open(self, start: int) -> None:
        self._start, self._speech, self._peak, self._after_cut, self._real = start, 0, 0.0, False, False
        self._sound, self._missing = [], _TONE_FRAMES * self._frame

    def _hear(self, heard: Heard, frame: int) -> None:
        if self._missing:
            first = (WARM_FRAMES + frame) * self._frame
            self._sound.append(heard.sound[first : first + self._missing].copy())
            self._missing -= self._sound[-1].size

    def _close(self, frame: int) -> list[Span]:
        if self._start is None:
            return []
        gap = self._gap if self._end - self._start < self._long else self._long_gap
        return self._end_span() if frame - self._end >= gap else []

    def _extend(self, start: int, end: int, peak: float) -> list[Span]:
        if self._start is None:
            raise AssertionError("no span is open")
        self._speech += end - start
        self._peak = max(self._peak, peak)
        self._end = end
        decided = []
        while self._end - self._start > self._longest:
            cut = self._quietest(self._start + self._longest // 2, self._start + self._longest)
            decided.append((self._start_ms(), cut * FRAME_MS // 10 * 10))
            self._last_end_ms = decided[-1][1]
            self._start, self._after_cut = cut, True
        self._real = self._is_speech()
        return decided

    def _end_span(self) -> list[Span]:
        if self._start is None:
            return []
        start_ms, end_ms = self._start_ms(), self._end_ms()
        real = end_ms > start_ms and self._real and not self._is_tone()
        self._start, self._missing = None, 0
        if not real:
            return []
        self._last_end_ms = end_ms
        return [(start_ms, end_ms)]

    def _is_speech(self) -> bool:
        speech_ms = self._speech * FRAME_MS
        sure = self._peak >= self._settings.sure_probability or speech_ms >= self._settings.doubtful_ms
        return self._after_cut or (sure and speech_ms >= self._settings.min_speech_ms)

    def _is_tone(self) -> bool:
        """Whether the pitch is steadier than any voice's: tones, dialling and music, whose notes do not glide."""
        if self._after_cut or self._start is None:
            return False
        from qingting.audio._pitch import steady_share
        from qingting.audio.acoustics import pitch_track

        sound = np.concatenate(self._sound)[: (WARM_FRAMES + self._end - self._start) * self._frame]
        steps, steady = steady_share(pitch_track(sound, self._rate_hertz), _STEADY_RATIO)
        return steps >= _TONE_STEPS and steady >= _TONE_SHARE

    def _quietest(self, first: int, last: int) -> int:
        # Frame between first and last at whose start the sound of 96 ms around is weakest.
        end, oldest = self._levels[0]
        levels = np.concatenate([levels for _, levels in self._levels])
        at = (np.arange(first, last + 1) - end) * CELLS + oldest.size
        power = np.concatenate([[0.0], np.cumsum(10.0 ** (levels / 10), dtype=np.float64)])
        around = power[np.minimum(at + 6, power.size - 1)] - power[np.maximum(at - 6, 0)]
        return first + int(np.argmin(around))

    def _start_ms(self) -> int:
        if self._start is None:
            raise AssertionError("no span is open")
        if self._after_cut:
            return self._last_end_ms
        return max(self._start * FRAME_MS - self._settings.lead_ms, self._last_end_ms, 0) // 10 * 10

    def _end_ms(self) -> int:
        return (self._end * FRAME_MS + self._settings.tail_ms + 9) // 10 * 10
