"""One recording, from bytes to speech spans with acoustic facts: the function that worker processes run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qingting.audio.acoustics import voice_facts
from qingting.audio.channels import arrange_channels
from qingting.audio.decode import decode
from qingting.audio.options import AudioOptions, NoiseReduction
from qingting.audio.source import open_source
from qingting.audio.voice_activity import detect_speech
from qingting.model.audio import PreparedAudio, SpeechSpan

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

_STEREO = 2


def prepare(
    path_or_bytes: str | os.PathLike[str] | bytes | bytearray | memoryview, options: AudioOptions | None = None
) -> PreparedAudio:
    """Decode a recording, find who speaks when, and measure how.

    A recording without speech gives no spans and no error. Raises the AudioErrors of
    `open_source` and `decode`. Run it in a WorkerPool (`qingting.audio.front_end:prepare`):
    decoders can crash on hostile bytes.
    """
    options = options or AudioOptions()
    decoded = decode(open_source(path_or_bytes, options.limits), options)
    channels = arrange_channels(decoded.pcm, decoded.rate_hertz)
    pcm = _reduce_noise(channels.pcm, decoded.rate_hertz, options.noise_reduction)
    notes = [*decoded.notes, *channels.notes]
    spans = _find_spans(pcm, decoded.rate_hertz, channels.parties, channels.silent)
    confidence = 1.0
    if len(channels.parties) == _STEREO:
        spans, dropped = drop_crosstalk(pcm, decoded.rate_hertz, spans)
        if dropped:
            notes.append(f"已忽略 {dropped} 处串音：一方声道中录入的另一方微弱回声。")
    elif spans and options.separate_speakers:
        spans, confidence, found = _separate(pcm[0], decoded.rate_hertz, spans)
        notes += found
    return PreparedAudio(
        format=decoded.format,
        rate_hertz=decoded.rate_hertz,
        pcm=pcm,
        parties=_parties(channels.parties, spans),
        spans=tuple(spans),
        voice=voice_facts(pcm, decoded.rate_hertz, spans),
        speaker_confidence=confidence,
        notes=tuple(notes),
    )


def drop_crosstalk(pcm: NDArray[np.int16], rate_hertz: int, spans: list[SpeechSpan]) -> tuple[list[SpeechSpan], int]:
    """Take out what is only an echo of the other channel; returns the rest and how many echoes went.

    pcm: int16, shape [2, samples]. Decides each span alone, from sound up to its end, so it
    serves live streams as well.
    """
    from qingting.audio._crosstalk import without_crosstalk

    kept: list[SpeechSpan] = []
    removed = 0
    for channel in range(_STEREO):
        own = [span for span in spans if span.channel == channel]
        times = [(span.start_ms, span.end_ms) for span in own]
        rest, echoes = without_crosstalk(pcm, rate_hertz, channel, 1 - channel, times)
        removed += echoes
        kept += [replace(own[0], start_ms=start, end_ms=end) for start, end in rest]
    return _in_order(kept), removed


def _reduce_noise(pcm: NDArray[np.int16], rate_hertz: int, level: NoiseReduction) -> NDArray[np.int16]:
    if level is NoiseReduction.OFF:
        return pcm
    from qingting.audio.denoise import reduce_noise

    return reduce_noise(pcm, rate_hertz, level)


def _find_spans(
    pcm: NDArray[np.int16], rate_hertz: int, parties: tuple[str, ...], silent: tuple[str, ...]
) -> list[SpeechSpan]:
    spans = [
        SpeechSpan(party=party, channel=channel, start_ms=start_ms, end_ms=end_ms)
        for channel, party in enumerate(parties)
        if party not in silent
        for start_ms, end_ms in detect_speech(pcm[channel], rate_hertz)
    ]
    return _in_order(spans)


def _in_order(spans: Iterable[SpeechSpan]) -> list[SpeechSpan]:
    return sorted(spans, key=lambda span: (span.start_ms, span.channel))


def _separate(
    samples: NDArray[np.int16], rate_hertz: int, spans: list[SpeechSpan]
) -> tuple[list[SpeechSpan], float, tuple[str, ...]]:
    from qingting.audio.speakers import separate

    separation = separate(samples, rate_hertz, spans)
    return _in_order(separation.spans), separation.confidence, tuple(separation.notes)


def _parties(parties: tuple[str, ...], spans: list[SpeechSpan]) -> tuple[str, ...]:
    """Parties of the channels, or the speakers that a mixed recording was separated into."""
    found = {span.party for span in spans}
    return parties if not found or found <= set(parties) else tuple(sorted(found))
