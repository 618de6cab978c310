"""The sound of a live channel that may still be needed, and the noise floor of all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qingting.audio.acoustics import HOP_MS, high_pass_pole

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_MS = 2_560
"""Room for what a channel keeps in silence: 1.2 s, and what comes until it is told again to forget."""
_SETTLING_MS = 50
"""The high-pass of the levels has settled after this time."""
_FLOOR_SHARE = 0.1
"""As acoustics measures it: the 10th percentile of all levels."""
_LOWEST_DBFS, _BINS_PER_DB, _BINS = -100.0, 10, 1001


class RecentSound:
    """The latest samples of one channel under their call time; what is forgotten is gone for good."""

    def __init__(self, rate_hertz: int) -> None:
        self._per_ms = rate_hertz // 1000
        self._least = _LEAST_MS * self._per_ms
        self._buffer = np.empty(self._least, np.int16)
        """What is kept lies from `_first` to `_end`."""
        self._first = 0
        self._end = 0
        self.from_ms = 0
        """Call time of the oldest sample kept; a multiple of 10."""
        self.until_ms = 0
        """Call time behind the newest whole millisecond."""

    def append(self, samples: NDArray[np.int16]) -> None:
        """Add the next samples; they are copied."""
        end = self._end + samples.size
        if end > self._buffer.size:
            # At most once after each forgetting, unless the buffer grows: by half, so that it seldom does.
            kept = end - self._first
            self._move_to(self._buffer if kept <= self._buffer.size else np.empty(kept * 3 // 2, np.int16))
            end = kept
        self._buffer[self._end : end] = samples
        self._end = end
        self.until_ms = self.from_ms + (end - self._first) // self._per_ms

    def forget_before(self, at_ms: int) -> None:
        """Drop what lies before a time (rounded down to 10 ms)."""
        drop_ms = max(0, min(at_ms, self.until_ms) // 10 * 10 - self.from_ms)
        self.from_ms += drop_ms
        self._first += drop_ms * self._per_ms
        needed = max(self._least, 2 * (self._end - self._first))
        if self._buffer.size > needed:
            self._move_to(np.empty(needed, np.int16))

    def piece(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """The samples from start_ms to end_ms as far as they are kept; a copy."""
        return self.view(start_ms, end_ms).copy()

    def padded(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """The samples from start_ms to end_ms, silence where there are none; a copy."""
        out = np.zeros((end_ms - start_ms) * self._per_ms, np.int16)
        kept = self.view(start_ms, end_ms)
        at = max(0, self.from_ms - start_ms) * self._per_ms
        out[at : at + kept.size] = kept
        return out

    def view(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """As piece(), but no copy: it changes when more is added or forgotten."""
        start = self._first + max(0, start_ms - self.from_ms) * self._per_ms
        end = self._first + max(0, end_ms - self.from_ms) * self._per_ms
        return self._buffer[start : min(end, self._end)]

    def _move_to(self, buffer: NDArray[np.int16]) -> None:
        kept = self._end - self._first
        buffer[:kept] = self._buffer[self._first : self._end]
        self._buffer, self._first, self._end = buffer, 0, kept


class RunningFloor:
    """Noise floor of a channel up to now, from a histogram of its levels: no sound is kept for it.

    Levels are measured second by second, wherever the sound was cut on its way.
    """

    def __init__(self, rate_hertz: int, sound: RecentSound) -> None:
        """`sound` must still have a second, and the 50 ms before it, when that is heard."""
        self._sound = sound
        self._hop = rate_hertz * HOP_MS // 1000
        self._pole = high_pass_pole(rate_hertz)
        self._counts = np.zeros(_BINS, np.int32)
        self._until_ms = 0

    @property
    def dbfs(self) -> float:
        """10th percentile of the levels of all whole seconds heard, to 0.1 dB.

        Before the first one is whole: of what there is of it, and -100 before any.
        """
        counts = self._counts
        if not self._until_ms:
            counts = np.zeros_like(counts)
            self._count(self._sound.until_ms, counts)
        sums = np.cumsum(counts)
        return _LOWEST_DBFS + int(np.searchsorted(sums, _FLOOR_SHARE * sums[-1])) / _BINS_PER_DB

    def hear(self) -> None:
        """Count the seconds that have become whole; to be called whenever sound was added."""
        while self._sound.until_ms >= self._until_ms + 1000:
            self._count(self._until_ms + 1000, self._counts)
            self._until_ms += 1000

    def _count(self, until_ms: int, counts: NDArray[np.int32]) -> None:
        from qingting.audio._level_counts import count_levels

        from_ms = max(0, self._until_ms - _SETTLING_MS)
        settling = (self._until_ms - from_ms) // HOP_MS
        heard = self._sound.view(from_ms, until_ms)
        count_levels(heard, self._hop, self._pole, settling, _LOWEST_DBFS, _BINS_PER_DB, counts)
