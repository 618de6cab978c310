"""The sound of a live channel that may still be needed, and the noise floor of all of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from qingting.audio.acoustics import HOP_MS, channel_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALL_MS = 20
"""Shorter pieces are joined, so that a sender of single samples takes no more memory than others."""
_MOST_PIECES = 64
_WARM_HOPS = 5
"""The high-pass of the levels has settled after so many hops."""
_FLOOR_SHARE = 0.1
"""As acoustics measures it: the 10th percentile of all levels."""
_LOWEST_DBFS, _BINS_PER_DB, _BINS = -100.0, 10, 1001


class RecentSound:
    """The latest samples of one channel under their call time; what is forgotten is gone for good.

    Pieces are kept as they come: a live stream brings many and asks for few.
    """

    def __init__(self, rate_hertz: int) -> None:
        self._per_ms = rate_hertz // 1000
        self._small = _SMALL_MS * self._per_ms
        self._pieces: deque[NDArray[np.int16]] = deque()
        self._size = 0
        self.from_ms = 0
        """Call time of the oldest sample kept; a multiple of 10."""
        self.until_ms = 0
        """Call time behind the newest whole millisecond."""

    def append(self, samples: NDArray[np.int16]) -> None:
        """Add the next samples, which must not change afterwards."""
        if self._pieces and self._pieces[-1].size < self._small:
            self._pieces[-1] = np.concatenate([self._pieces[-1], samples])
        else:
            self._pieces.append(samples)
        self._size += samples.size
        self.until_ms = self.from_ms + self._size // self._per_ms

    def forget_before(self, at_ms: int) -> None:
        """Drop what lies before a time (rounded down to 10 ms)."""
        drop_ms = max(0, min(at_ms, self.until_ms) // 10 * 10 - self.from_ms)
        self.from_ms += drop_ms
        drop = drop_ms * self._per_ms
        self._size -= drop
        while drop:
            oldest = self._pieces.popleft()
            if oldest.size > drop:
                self._pieces.appendleft(oldest[drop:])
            drop -= min(drop, oldest.size)

    def piece(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """The samples from start_ms to end_ms as far as they are kept; a copy."""
        start = max(0, start_ms - self.from_ms) * self._per_ms
        end = min(max(0, end_ms - self.from_ms) * self._per_ms, self._size)
        found, at = [], 0
        for piece in self._pieces:
            if at >= end:
                break
            if at + piece.size > start:
                found.append(piece[max(0, start - at) : end - at])
            at += piece.size
        return np.concatenate(found) if found else np.empty(0, np.int16)

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
        self._second: list[NDArray[np.int16]] = []
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
        """Count the next samples, which must not change afterwards."""
        self._second.append(samples)
        self._filled += samples.size
        if self._filled < self._rate_hertz:
            if len(self._second) > _MOST_PIECES:
                self._second = [np.concatenate(self._second)]
            return
        heard = np.concatenate([self._warm, *self._second])
        second, warm = self._rate_hertz, self._warm.size
        while self._filled >= second:
            fresh = channel_levels(heard[: warm + second], self._rate_hertz)[warm // self._hop :]
            self._counts += _counted(fresh)
            self._total += fresh.size
            heard = heard[warm + second - _WARM_HOPS * self._hop :]
            warm = _WARM_HOPS * self._hop
            self._filled -= second
        self._warm, self._second = heard[:warm].copy(), [heard[warm:].copy()]

    def _levels(self) -> NDArray[np.float32]:
        heard = np.concatenate([self._warm, *self._second])
        return channel_levels(heard, self._rate_hertz)[self._warm.size // self._hop :]


def _counted(levels: NDArray[np.float32]) -> NDArray[np.int64]:
    bins = np.clip((levels - _LOWEST_DBFS) * _BINS_PER_DB, 0, _BINS - 1).astype(np.int64)
    return np.bincount(bins, minlength=_BINS)
