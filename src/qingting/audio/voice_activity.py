"""Where someone speaks: one component for recordings and live streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_MS = 32
"""Length of one frame of the network."""
_CELL_MS = 8
_CELLS = FRAME_MS // _CELL_MS
_BLOCK_FRAMES = 512
"""Frames handled at once: large enough for speed, small enough for the processor's cache."""
_HIGH_PASS_HERTZ = 60.0
_TONE_FRAMES = 47
"""A tone is looked for in the first 1.4 s of a span and the 128 ms before: a tone's end can look like speech too."""
_STEADY_OCTAVES = 0.03 / 12
_TONE_SHARE = 0.65
_TONE_STEPS = 5
"""A span is a tone when at least this share of at least so many steps of 10 ms changes the pitch by less than 0.03
semitones: measured 0.93 to 1.0 for call progress tones, dialling and music, 0.0 to 0.35 for speech."""
_GATE_HOLD_FRAMES = 8
_WARM_FRAMES = 4

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


class VoiceActivity:
    """Finds the speech of one channel in samples fed in blocks of any size.

    The spans do not depend on how the samples are cut into blocks: a live stream and a recording give the
    same ones. A span is returned once nothing to come can change it, at most
    `gap_ms` + one frame after its last speech. Network: Silero VAD v6, see `_silero.py`.
    """

    def __init__(self, rate_hertz: int, settings: VoiceActivitySettings | None = None) -> None:
        """`rate_hertz` is 8000 or 16000; raises ValueError otherwise."""
        if rate_hertz not in (8000, 16000):
            raise ValueError(f"voice activity works at 8000 or 16000 Hz, not {rate_hertz}")
        from qingting.audio import _activity
        from qingting.audio._silero import SileroNetwork

        self._steps: Any = _activity
        self._network = SileroNetwork(rate_hertz)
        self._settings = settings or VoiceActivitySettings()
        self._spans = _Spans(self._settings, rate_hertz)
        self._frame = rate_hertz * FRAME_MS // 1000
        self._cell = rate_hertz * _CELL_MS // 1000
        self._rate_hertz = rate_hertz
        self._pole = float(np.exp(-2 * np.pi * _HIGH_PASS_HERTZ / rate_hertz))
        self._kept = (_WARM_FRAMES + 1) * self._frame
        self._samples = np.zeros(self._kept, np.float32)
        self._filter = np.zeros(2, np.float32)
        self._gate = np.array([-80.0] * _activity.BUCKETS + [0.0, 0.0, 0.0])
        self._speaking = 0
        self._fed = 0

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
        """Take the next samples (int16, or float32 in -1..1; any number) and return the spans they decide."""
        decided: list[Span] = []
        block = _BLOCK_FRAMES * self._frame
        for start in range(0, samples.size, block):
            piece = samples[start : start + block]
            self._fed += piece.size
            scaled = piece.astype(np.float32)
            if samples.dtype == np.int16:
                scaled *= np.float32(1 / 32768)
            self._samples = np.concatenate([self._samples, scaled])
            decided += self._advance()
        return decided

    def finish(self) -> list[Span]:
        """End the stream and return the spans still open."""
        missing = -self._fed % self._frame
        total_ms = self._fed * 1000 // self._rate_hertz
        if missing:
            self._samples = np.concatenate([self._samples, np.zeros(missing, np.float32)])
        decided = self._advance() + self._spans.finish()
        end_ms = total_ms // 10 * 10
        return [(start, min(end, end_ms)) for start, end in decided if start < end_ms]

    def _advance(self) -> list[Span]:
        count = (self._samples.size - self._kept) // self._frame
        if count == 0:
            return []
        choice = self._settings
        levels = np.empty(count * self._steps.CELLS, np.float32)
        self._steps.loudness(self._samples, self._kept, self._cell, self._pole, self._filter, levels)
        frames = np.empty(count * (_WARM_FRAMES + 1), np.int64)
        counts = np.empty(frames.size, np.bool_)
        chosen = self._steps.gate(
            levels,
            choice.gate_lowest_dbfs,
            choice.gate_highest_dbfs,
            choice.gate_margin_db,
            _GATE_HOLD_FRAMES,
            _WARM_FRAMES,
            self._gate,
            frames,
            counts,
        )
        frames, counts = frames[:chosen], counts[:chosen]
        answers = self._network.probabilities(self._samples, self._kept + frames * self._frame)
        probabilities = np.zeros(count, np.float32)
        probabilities[frames[counts]] = answers[counts]
        speech = np.empty(count, np.int8)
        self._steps.threshold(probabilities, choice.start_probability, choice.keep_probability, self._speaking, speech)
        block = self._samples[self._kept - _WARM_FRAMES * self._frame : self._kept + count * self._frame]
        spans = self._spans.advance(_runs(speech), probabilities, levels, block)
        self._speaking = int(speech[-1])
        self._samples = self._samples[count * self._frame :]
        return spans


def detect_speech(samples: NDArray[Any], rate_hertz: int, settings: VoiceActivitySettings | None = None) -> list[Span]:
    """Speech spans of one whole channel, in milliseconds; the same as a stream of it gives.

    samples: int16, or float32 in -1..1, shape [n]. rate_hertz: 8000 or 16000, else ValueError.
    """
    activity = VoiceActivity(rate_hertz, settings)
    return activity.feed(samples) + activity.finish()


def _runs(speech: NDArray[np.int8]) -> list[Span]:
    # A live stream asks for a few frames at a time: np.diff with its borders would cost more than the rest.
    bordered = np.zeros(speech.size + 2, np.int8)
    bordered[1:-1] = speech
    edges = np.flatnonzero(bordered[1:] != bordered[:-1])
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


class _Spans:
    """Joins runs of speech frames to spans: closes small gaps, drops clicks and tones, cuts long speech."""

    def __init__(self, settings: VoiceActivitySettings, rate_hertz: int) -> None:
        self._settings = settings
        self._rate_hertz = rate_hertz
        self._frame = rate_hertz * FRAME_MS // 1000
        self._now = 0
        self._levels = np.empty(0, np.float32)
        self._levels_from = 0
        self._start: int | None = None
        self._end = 0
        self._speech = 0
        self._peak = 0.0
        self._after_cut = False
        self._last_end_ms = 0
        self._sound = np.empty(0, np.float32)

    @property
    def open_start_ms(self) -> int | None:
        return self._start_ms() if self._start is not None and self._is_speech() else None

    @property
    def open_end_ms(self) -> int | None:
        return self._end_ms() if self._start is not None and self._is_speech() else None

    @property
    def next_start_ms(self) -> int:
        earliest = self._now * FRAME_MS - self._settings.lead_ms if self._start is None else self._start_ms()
        return max(earliest, self._last_end_ms, 0) // 10 * 10

    def advance(
        self,
        runs: list[Span],
        probabilities: NDArray[np.float32],
        levels: NDArray[np.float32],
        samples: NDArray[np.float32],
    ) -> list[Span]:
        """Take one block: its runs of speech frames (relative to it), probabilities, cell levels and samples.

        `samples` begin _WARM_FRAMES before the block.
        """
        base = self._now
        self._now += probabilities.size
        self._levels = np.concatenate([self._levels, levels])
        self._hear(samples[_WARM_FRAMES * self._frame :])
        decided: list[Span] = []
        for start, end in runs:
            decided += self._close(base + start)
            if self._start is None:
                self._open(base + start)
                self._hear(samples[start * self._frame :])
            peak = float(probabilities[start:end].max())
            decided += self._extend(base + start, base + end, peak)
        decided += self._close(self._now)
        self._forget()
        return decided

    def finish(self) -> list[Span]:
        return self._end_span()

    def _open(self, start: int) -> None:
        self._start, self._speech, self._peak, self._after_cut = start, 0, 0.0, False
        self._sound = np.empty(0, np.float32)

    def _hear(self, samples: NDArray[np.float32]) -> None:
        """Keep the beginning of the open span: enough to tell a tone from a voice."""
        missing = _TONE_FRAMES * self._frame - self._sound.size
        if self._start is not None and missing > 0:
            self._sound = np.concatenate([self._sound, samples[:missing]])

    def _close(self, frame: int) -> list[Span]:
        if self._start is None:
            return []
        long = (self._end - self._start) * FRAME_MS >= self._settings.long_after_ms
        gap_ms = self._settings.long_gap_ms if long else self._settings.gap_ms
        return self._end_span() if (frame - self._end) * FRAME_MS >= gap_ms else []

    def _extend(self, start: int, end: int, peak: float) -> list[Span]:
        if self._start is None:
            raise AssertionError("no span is open")
        self._speech += end - start
        self._peak = max(self._peak, peak)
        self._end = end
        decided = []
        longest = (self._settings.max_span_ms - self._settings.lead_ms - self._settings.tail_ms) // FRAME_MS
        while self._end - self._start > longest:
            cut = self._quietest(self._start + longest // 2, self._start + longest)
            decided.append((self._start_ms(), cut * FRAME_MS // 10 * 10))
            self._last_end_ms = decided[-1][1]
            self._start, self._after_cut = cut, True
        return decided

    def _end_span(self) -> list[Span]:
        if self._start is None:
            return []
        start_ms, end_ms = self._start_ms(), self._end_ms()
        real = end_ms > start_ms and self._is_speech() and not self._is_tone()
        self._start = None
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
        from qingting.audio.acoustics import pitch_track

        pitch = pitch_track(self._sound[: (_WARM_FRAMES + self._end - self._start) * self._frame], self._rate_hertz)
        voiced = (pitch[1:] > 0) & (pitch[:-1] > 0)
        steps = np.abs(np.log2(pitch[1:][voiced] / pitch[:-1][voiced]))
        return bool(steps.size >= _TONE_STEPS and np.mean(steps < _STEADY_OCTAVES) >= _TONE_SHARE)

    def _quietest(self, first: int, last: int) -> int:
        # Frame between first and last at whose start the sound of 96 ms around is weakest.
        at = np.arange(first, last + 1) * _CELLS - self._levels_from
        power = np.concatenate([[0.0], np.cumsum(10.0 ** (self._levels / 10), dtype=np.float64)])
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

    def _forget(self) -> None:
        # Levels before the open span (or, in silence, before the lead of one that may start now) serve no more.
        keep_from = self._now if self._start is None else self._start
        drop = max(0, keep_from * _CELLS - self._settings.lead_ms // _CELL_MS - 2 * _CELLS - self._levels_from)
        self._levels = self._levels[drop:]
        self._levels_from += drop
