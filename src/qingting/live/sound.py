"""Turns the bytes of a running call's sound into samples, however they were cut on their way.

Raw encodings may be cut anywhere: bytes of a sample that is not whole wait for the next ones. Opus comes as
packets (RFC 6716), each whole. A decoder keeps less than one sample, or for Opus what its resampler needs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from qingting.audio._samples import ALAW, MULAW, to_float, to_int16
from qingting.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATES_HERTZ = (8000, 16_000)
MOST_BROKEN = 250
"""Broken Opus packets in a row after which the sound is taken for no Opus: 5 s of usual ones."""
_OPUS_HERTZ = 48_000
_USUAL_PACKET = _OPUS_HERTZ // 50
_MOST_PACKET_BYTES = 48 * 1277
"""RFC 6716: at most 48 frames of at most 1275 bytes with 2 bytes of length each."""


class SoundDecoder(Protocol):
    """Sound of one call. Not for several threads at once."""

    @property
    def missing_ms(self) -> int:
        """Sound that was lost or broken; silence stands for it."""
        ...

    @property
    def channels(self) -> int:
        """Of what it gives."""
        ...

    def content(self, data: bytes) -> bytes:
        """Return the samples known now, int16, interleaved; raises InputError for what cannot be sound."""
        ...

    def decode(self, data: bytes) -> NDArray[np.int16]:
        """Return the same as [channels, samples]."""
        ...

    def finish(self) -> NDArray[np.int16]:
        """Return what was still kept at the end of the sound, int16 [channels, samples]; part of a sample is none."""
        ...


def open_decoder(encoding: str, rate_hertz: int, channels: int) -> SoundDecoder:
    """Return a decoder of `pcm16` (little endian), `pcm16be` (L16 of RFC 3551), `alaw`, `mulaw` or `opus`.

    `rate_hertz` is that of the samples it gives: 8000 or 16000; two channels are interleaved.
    Raises InputError for another encoding, rate or number of channels.
    """
    if rate_hertz not in RATES_HERTZ or channels not in (1, 2):
        raise InputError("The sound of a running call has one or two channels of 8 or 16 kHz.", remedy="Correct it.")
    if encoding == "opus":
        return OpusDecoder(rate_hertz, channels)
    if encoding not in _RAW:
        names = ", ".join((*_RAW, "opus"))
        raise InputError("The encoding of the sound is not known.", remedy=f"Send one of {names}.")
    width, read = _RAW[encoding]
    return RawDecoder(width, read, channels)


class RawDecoder:
    """Samples of one or two bytes each, cut anywhere."""

    def __init__(self, width: int, read: Callable[[bytes], bytes], channels: int) -> None:
        """`width`: bytes of a sample; `read` turns bytes of whole samples into int16."""
        self.channels = channels
        self._read = read
        self._step = width * channels
        self._rest = b""

    @property
    def missing_ms(self) -> int:
        """Return 0: whatever comes is sound."""
        return 0

    def content(self, data: bytes) -> bytes:
        """Return the samples that are whole now, int16, interleaved."""
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % self._step
        self._rest = data[whole:]
        return self._read(data[:whole])

    def decode(self, data: bytes) -> NDArray[np.int16]:
        """Return the same as [channels, samples]."""
        return np.frombuffer(self.content(data), np.int16).reshape(-1, self.channels).T

    def finish(self) -> NDArray[np.int16]:
        """Return nothing: what is left is no whole sample."""
        self._rest = b""
        return np.empty((self.channels, 0), np.int16)


class OpusDecoder:
    """Opus packets, one per call of decode(); a lost or broken one becomes as much silence as the one before it."""

    def __init__(self, rate_hertz: int, channels: int) -> None:
        import av
        import av.logging
        import soxr

        av.logging.set_level(None)
        self._packet = av.Packet
        self._broken_packet = av.FFmpegError
        self.channels = channels
        self._codec = av.AudioCodecContext.create("libopus", "r")
        self._codec.layout = "stereo" if channels == 2 else "mono"
        self._resampler = soxr.ResampleStream(_OPUS_HERTZ, rate_hertz, channels, dtype="float32", quality="MQ")
        self._usual = _USUAL_PACKET
        self._broken = 0
        self._missing = 0

    @property
    def missing_ms(self) -> int:
        """Sound of packets that were lost or broken."""
        return self._missing * 1000 // _OPUS_HERTZ

    def content(self, data: bytes) -> bytes:
        """As decode(), interleaved."""
        return self.decode(data).T.tobytes()

    def decode(self, data: bytes) -> NDArray[np.int16]:
        """Decode a packet; an empty one stands for one that was lost.

        Raises InputError for a packet longer than any can be, and after 250 broken ones in a row.
        """
        if len(data) > _MOST_PACKET_BYTES:
            raise InputError("An Opus packet is longer than any can be.", remedy="Send one packet per message.")
        samples = self._samples(data)
        if samples is None:
            self._broken += bool(data)
            if self._broken > MOST_BROKEN:
                raise InputError("The sound is no Opus.", remedy="Send raw Opus packets, without a container.")
            samples = np.zeros((self._usual, self.channels), np.int16)
            self._missing += self._usual
        else:
            self._broken = 0
            self._usual = len(samples)
        return self._resampled(samples, last=False)

    def finish(self) -> NDArray[np.int16]:
        """Return the end of the sound, which the resampler has kept; nothing can be decoded afterwards."""
        return self._resampled(np.empty((0, self.channels), np.int16), last=True)

    def _samples(self, data: bytes) -> NDArray[np.int16] | None:
        """48 kHz, [samples, channels]; None when there is no packet or a broken one."""
        if not data:  # the library takes an empty packet for the end
            return None
        try:
            frames = self._codec.decode(self._packet(data))
        except self._broken_packet:
            return None
        pieces = [np.asarray(frame.to_ndarray(), np.int16).reshape(-1, self.channels) for frame in frames]
        return np.concatenate(pieces) if pieces else None

    def _resampled(self, samples: NDArray[np.int16], *, last: bool) -> NDArray[np.int16]:
        floats = to_float(samples if self.channels == 2 else samples[:, 0])[0]
        resampled = to_int16(self._resampler.resample_chunk(np.ascontiguousarray(floats), last=last))
        return np.ascontiguousarray(resampled.reshape(-1, self.channels).T)


def _same(data: bytes) -> bytes:
    return data


def _swapped(data: bytes) -> bytes:
    return np.frombuffer(data, np.int16).byteswap().tobytes()


def _table(table: NDArray[np.int16]) -> Callable[[bytes], bytes]:
    return lambda data: table.take(np.frombuffer(data, np.uint8)).tobytes()


_OURS, _OTHERS = (_same, _swapped) if sys.byteorder == "little" else (_swapped, _same)
_RAW: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "pcm16": (2, _OURS),
    "pcm16be": (2, _OTHERS),
    "alaw": (1, _table(ALAW)),
    "mulaw": (1, _table(MULAW)),
}
