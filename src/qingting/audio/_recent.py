"""The sound of a live channel that may still be needed, and the noise floor of all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qingting.audio.acoustics import HOP_MS, channel_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_CAPACITY_MS = 2_000
_WARM_HOPS = 5
"""The high-pass of the levels has settled after so many hops."""
_FLOOR_SHARE = 0.1
"""As acoustics measures it: the 10th percentile of all levels."""
_LOWEST_DBFS, _BINS_PER_DB, _BINS = -100.0, 10, 1001


class RecentSound:
    """The latest samples of one channel under their call time; what is forgotten is gone for good."""

    def __init__(self, rate_hertz: int) -> None:
        self._per_ms = rate_hertz // 1000
        self._samples = np.empty(_FIRST_CAPACITY_MS * self._per_ms, np.int16)
        self._first = 0
        self._size = 0
        self.from_ms = 0
        """Call time of the oldest sample kept; a multiple of 10."""

    @property
    def until_ms(self) -> int:
        """Call time behind the newest whole millisecond."""
        return self.from_ms + self._size // self._per_ms

    def append(self, samples: NDArray[np.int16]) -> None:
        """Add the next samples."""
        end = self._first + self._size + samples.size
        if end > self._samples.size:
            # Room for twice as much is taken seldom, so that a sample is moved about once.
            wanted = max(2 * (self._size + samples.size), _FIRST_CAPACITY_MS * self._per_ms)
            moved = np.empty(wanted, np.int16)
            moved[: self._size] = self._samples[self._first : self._first + self._size]
            self._samples, self._first = moved, 0
        self._samples[self._first + self._size : self._first + self._size + samples.size] = samples
        self._size += samples.size

    def forget_before(self, at_ms: int) -> None:
        """Drop what lies before a time (rounded down to 10 ms)."""
        drop = max(0, min(at_ms, self.until_ms) // 10 * 10 - self.from_ms)
        self.from_ms += drop
        self._first += drop * self._per_ms
        self._size -= drop * self._per_ms

    def piece(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """The samples from start_ms to end_ms as far as they are kept; a copy."""
        start = max(0, start_ms - self.from_ms) * self._per_ms
        end = min(max(0, end_ms - self.from_ms) * self._per_ms, self._size)
        return self._samples[self._first + start : self._first + max(start, end)].copy()

    def padded(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """The samples from start_ms to end_ms, silence where there are none."""
        out = np.zeros((end_ms - start_ms) * self._per_ms, np.int16)
        first_ms = max(start_ms, self.from_ms)
        found = self.piece(first_ms, end_ms)
        at = (first_ms - start_ms) * self._per_ms
        out[at : at + found.size] = found[: max(0, out.size - at)]
        return out


class RunningFloor:
    """Noise floor of a channel up to now, from a histogram of its levels: no sound is kept for it.

    Levels are measured second by second, wherever the sound was cut on its way.
    """

    def __init__(self, rate_hertz: int) -> None:
        self._rate_hertz = rate_hertz
        self._hop = rate_hertz * HOP_MS // 1000
        self._counts = np.zeros(_BINS, np.int64)
        self._total = 0
        self._warm = np.empty(0, np.int16)
        """Sound before the second that is heard now, in which the high-pass settles."""
        self._second = np.empty(rate_hertz, np.int16)
        self._filled = 0

    @property
    def dbfs(self) -> float:
        """10th percentile of the levels of all whole seconds heard, to 0.1 dB.

        Before the first one is whole: of what there is of it, and -100 before any.
        """
        counts, total = self._counts, self._total
        if not total:
            fresh = self._levels()
            counts, total = _counted(fresh), fresh.size
        if not total:
            return _LOWEST_DBFS
        return _LOWEST_DBFS + int(np.searchsorted(np.cumsum(counts), _FLOOR_SHARE * total)) / _BINS_PER_DB

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Count the next samples."""
        while samples.size:
            taken = samples[: self._second.size - self._filled]
            self._second[self._filled : self._filled + taken.size] = taken
            self._filled += taken.size
            samples = samples[taken.size :]
            if self._filled == self._second.size:
                fresh = self._levels()
                self._counts += _counted(fresh)
                self._total += fresh.size
                self._warm = self._second[-_WARM_HOPS * self._hop :].copy()
                self._filled = 0

    def _levels(self) -> NDArray[np.float32]:
        heard = np.concatenate([self._warm, self._second[: self._filled]])
        return channel_levels(heard, self._rate_hertz)[self._warm.size // self._hop :]


def _counted(levels: NDArray[np.float32]) -> NDArray[np.int64]:
    bins = np.clip((levels - _LOWEST_DBFS) * _BINS_PER_DB, 0, _BINS - 1).astype(np.int64)
    return np.bincount(bins, minlength=_BINS)
