"""Collects decoded blocks of any rate and channel count into the PCM of one recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qingting.audio._samples import Block, Float32, Int16, to_float, to_int16
from qingting.errors import AudioLimitError, BrokenAudioError

if TYPE_CHECKING:
    import soxr

    from qingting.audio.options import AudioLimits

TELEPHONE_HERTZ = 8000
WIDE_BAND_HERTZ = 16_000
_LOWEST_HERTZ = 2000
_HIGHEST_HERTZ = 768_000
_SILENCE_BLOCK = 1 << 16
_QUALITY = "MQ"
"""soxr's recipe: flat and free of aliases far below the noise of a telephone line, and a
tenth cheaper than its high quality."""


def output_rate(rate_hertz: int) -> int:
    """Rate of the PCM for a source rate: telephone band stays, all else becomes 16 kHz."""
    return TELEPHONE_HERTZ if rate_hertz <= TELEPHONE_HERTZ else WIDE_BAND_HERTZ


class Assembly:
    """The growing PCM; changes of rate or channels inside a recording are evened out."""

    def __init__(self, limits: AudioLimits) -> None:
        self.limits = limits
        """Bounds that the recording must keep."""
        self._blocks: list[Int16] = []
        self._frames = 0
        self._source: tuple[int, int] | None = None
        self._resamplers: list[soxr.ResampleStream] = []
        self.rate_hertz = 0
        """Rate of the result; known with the first block."""
        self.rows = 0
        """Channels of the result, 1 or 2; known with the first block."""
        self.clipped = 0
        """Samples that were beyond full scale."""

    @property
    def seconds(self) -> float:
        """Length so far."""
        return self._frames / self.rate_hertz if self.rate_hertz else 0.0

    def check(self, rate_hertz: int, channels: int) -> None:
        """Refuse rates and channel counts that no recording has.

        Raises BrokenAudioError (nonsense) or AudioLimitError (over limits.max_channels).
        """
        if channels < 1:
            raise BrokenAudioError("the header claims no channel at all")
        if channels > self.limits.max_channels:
            raise AudioLimitError(f"{channels} channels are over the limit of {self.limits.max_channels}")
        if not _LOWEST_HERTZ <= rate_hertz <= _HIGHEST_HERTZ:
            raise BrokenAudioError(f"the header claims an impossible sample rate of {rate_hertz} Hz")

    def add(self, block: Block, rate_hertz: int) -> None:
        """Append samples of shape [frames, channels].

        Raises AudioLimitError when the recording becomes longer than limits.max_seconds,
        and what check() raises when rate or channels change to nonsense.
        """
        if len(block) == 0:
            return
        if self._source != (rate_hertz, block.shape[1]):
            self._begin(rate_hertz, block.shape[1])
        if not self._resamplers and block.dtype == np.int16 and block.shape[1] == self.rows:
            self._keep(np.ascontiguousarray(block, dtype=np.int16))
            return
        samples, over = to_float(block)
        self.clipped += over
        samples = self._match_rows(samples)
        if self._resamplers:
            samples = self._resample(samples, last=False)
        self._keep(to_int16(samples))

    def add_silence(self, seconds: float, rate_hertz: int, channels: int = 1) -> None:
        """Append silence for a time that is missing in a file of that rate and channels."""
        self._settle(rate_hertz, channels)
        self._flush()
        self._source = None
        left = round(seconds * self.rate_hertz)
        while left > 0:
            length = min(left, _SILENCE_BLOCK)
            self._keep(np.zeros((length, self.rows), np.int16))
            left -= length

    def finish(self) -> Int16:
        """All samples, shape [rows, frames], C-contiguous; the assembly is empty afterwards."""
        self._flush()
        pcm = np.empty((max(self.rows, 1), self._frames), np.int16)
        self._blocks.reverse()
        at = 0
        while self._blocks:
            # Freed one by one: two full copies of a long call never exist together.
            block = self._blocks.pop()
            pcm[:, at : at + len(block)] = block.T
            at += len(block)
        return pcm

    def _begin(self, rate_hertz: int, channels: int) -> None:
        if not self.rate_hertz:
            self.check(rate_hertz, channels)
        elif not _LOWEST_HERTZ <= rate_hertz <= _HIGHEST_HERTZ:
            raise BrokenAudioError("the sample rate changes to an impossible value")
        self._flush()
        self._settle(rate_hertz, channels)
        self._source = (rate_hertz, channels)
        if rate_hertz != self.rate_hertz:
            import soxr

            self._resamplers = [
                soxr.ResampleStream(rate_hertz, self.rate_hertz, 1, dtype="float32", quality=_QUALITY)
                for _ in range(self.rows)
            ]

    def _resample(self, samples: Float32, *, last: bool) -> Float32:
        """Resample each channel alone: most decoders give them apart, and interleaving costs more than a filter."""
        rows = [
            resampler.resample_chunk(np.ascontiguousarray(samples[:, row]), last=last)
            for row, resampler in enumerate(self._resamplers)
        ]
        return np.stack(rows).T

    def _settle(self, rate_hertz: int, channels: int) -> None:
        """Fix the result's form with the first thing that comes."""
        if not self.rate_hertz:
            self.rate_hertz = output_rate(rate_hertz)
            self.rows = channels if channels <= 2 else 1

    def _match_rows(self, samples: Float32) -> Float32:
        channels = samples.shape[1]
        if channels == self.rows:
            return samples
        mixed = samples.mean(axis=1, keepdims=True, dtype=np.float32)
        return mixed if self.rows == 1 else np.repeat(mixed, self.rows, axis=1)

    def _flush(self) -> None:
        if self._resamplers:
            tail = self._resample(np.zeros((0, self.rows), np.float32), last=True)
            self._resamplers = []
            self._keep(to_int16(tail))

    def _keep(self, block: Int16) -> None:
        self._frames += len(block)
        if self.seconds > self.limits.max_seconds:
            raise AudioLimitError(f"the recording is longer than the limit of {self.limits.max_seconds:g} seconds")
        self._blocks.append(block)
