"""One recording, from bytes to speech spans with acoustic facts: the function that worker processes run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qingting.audio.acoustics import levels_of_both, voice_facts
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

    from qingting.audio.channels import Channels
    from qingting.audio.speakers import Separation

_STEREO = 2
_SURE_OF_TWO = 0.75
"""Confidence from which two voices on one channel of a stereo file count as both parties."""


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
    who = _who_speaks(pcm, decoded.rate_hertz, channels, separate_speakers=options.separate_speakers)
    return PreparedAudio(
        format=decoded.format,
        rate_hertz=decoded.rate_hertz,
        pcm=pcm,
        parties=who.parties,
        spans=tuple(who.spans),
        voice=voice_facts(pcm, decoded.rate_hertz, who.spans),
        speaker_confidence=who.confidence,
        notes=(*decoded.notes, *channels.notes, *who.notes),
    )


@dataclass(frozen=True, kw_only=True)
class _Speech:
    """Who speaks when."""

    parties: tuple[str, ...]
    """Who can speak."""
    spans: list[SpeechSpan]
    """In order of start."""
    confidence: float = 1.0
    """How sure the parties of the spans are."""
    notes: tuple[str, ...] = ()
    """Chinese sentences on what was done."""


def _who_speaks(pcm: NDArray[np.int16], rate_hertz: int, channels: Channels, *, separate_speakers: bool) -> _Speech:
    spans = _find_spans(pcm, rate_hertz, channels.parties, channels.silent)
    if len(channels.parties) == _STEREO and not channels.silent:
        kept, echoes = drop_crosstalk(pcm, rate_hertz, spans)
        notes: tuple[str, ...] = (f"已忽略 {echoes} 处串音：一方声道中录入的另一方微弱回声。",) if echoes else ()
        return _Speech(parties=channels.parties, spans=kept, notes=notes)
    if not spans or not separate_speakers:
        return _Speech(parties=channels.parties, spans=spans)
    separation = _separate(pcm[spans[0].channel], rate_hertz, spans)
    found = tuple(separation.notes)
    if len(channels.parties) == _STEREO:
        if not _is_mixture(separation):
            return _Speech(parties=channels.parties, spans=spans)
        found = ("双方的声音都录在同一声道，已按声音区分说话人。", *found)
    parties = ("speaker_1", "speaker_2")
    return _Speech(parties=parties, spans=_in_order(separation.spans), confidence=separation.confidence, notes=found)


def drop_crosstalk(pcm: NDArray[np.int16], rate_hertz: int, spans: list[SpeechSpan]) -> tuple[list[SpeechSpan], int]:
    """Take out what is only an echo of the other channel; returns the rest and how many echoes went.

    pcm: int16, shape [2, samples]. Decides each span alone, from sound up to its end, so it
    serves live streams as well.
    """
    from qingting.audio._crosstalk import without_crosstalk

    levels = levels_of_both(pcm[0], pcm[1], rate_hertz)
    kept: list[SpeechSpan] = []
    removed = 0
    for channel in range(_STEREO):
        own = [span for span in spans if span.channel == channel]
        times = [(span.start_ms, span.end_ms) for span in own]
        both = levels[channel], levels[1 - channel]
        rest, echoes = without_crosstalk(pcm, rate_hertz, channel, 1 - channel, times, both)
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


def _separate(samples: NDArray[np.int16], rate_hertz: int, spans: list[SpeechSpan]) -> Separation:
    from qingting.audio.speakers import separate

    return separate(samples, rate_hertz, spans)


def _is_mixture(separation: Separation) -> bool:
    """Whether the only live channel of a stereo file surely carries both parties."""
    voices = {span.party for span in separation.spans}
    return len(voices) == _STEREO and separation.confidence >= _SURE_OF_TWO
