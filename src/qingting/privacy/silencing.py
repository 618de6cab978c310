"""Silences what was masked: the sound of personal data is taken out of clips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from qingting.analysis.character_times import CharacterTimes
from qingting.model.transcript import Flag

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qingting.model.transcript import Transcript, Utterance
    from qingting.privacy.masking import Masker

MARGIN_MS = 100
"""Silenced before and after a value: word times are that exact."""
FADE_MS = 5
"""Length of the fades, inside of the silenced span, against clicks."""
FASTEST_MS = 80
"""Nobody says a character in less: shorter times are wrong (a number that was timed like one character)."""
_SPREAD_MARGIN_MS = 600
_SPREAD_SHARE = 0.2
"""Where the times of an utterance were estimated: margin as a share of its length, and the least margin."""

PartySpan = tuple[str, int, int]
"""(party, start_ms, end_ms)."""


def silent_spans(transcript: Transcript, masker: Masker) -> list[PartySpan]:
    """Give what must not be heard: (party, start_ms, end_ms), in order of start, none of a party overlapping.

    Word times get a margin of 100 ms on each side, estimated ones a fifth of the utterance; an utterance without
    times, or with impossible ones, is silenced as a whole.
    """
    spans: list[PartySpan] = []
    for index, places in masker.spans_of_transcript(transcript).items():
        utterance = transcript.utterances[index]
        for start, end, _ in places:
            start_ms, end_ms = _heard(utterance, start, end)
            spans.append((utterance.party, max(0, start_ms), min(end_ms, transcript.duration_ms)))
    return sorted(_merged(spans), key=lambda span: (span[1], span[2], span[0]))


def silence(
    pcm: NDArray[np.int16], rate_hertz: int, spans: Iterable[PartySpan], parties: Sequence[str]
) -> NDArray[np.int16]:
    """Return the sound with the spans silenced.

    `pcm` is int16 of shape [channels, samples]; `parties` names the party of each channel. Where channels carry
    several parties, or a party has no channel of its own, all channels are silenced. Raises ValueError for another
    shape.
    """
    if pcm.ndim != 2:
        raise ValueError("pcm must have the shape [channels, samples]")
    silent = pcm.copy()
    own_channel = len(parties) == pcm.shape[0] > 1
    for party, start_ms, end_ms in spans:
        row = slice(parties.index(party), parties.index(party) + 1) if own_channel and party in parties else slice(None)
        start, end = _samples(start_ms, rate_hertz), _samples(end_ms, rate_hertz)
        part = silent[row, start:end]
        part[:] = (part * _envelope(part.shape[1], rate_hertz)).astype(np.int16)
    return silent


def clip(pcm: NDArray[np.int16], rate_hertz: int, start_ms: int, end_ms: int) -> NDArray[np.int16]:
    """Cut a stretch of time out of [channels, samples]; what lies outside of the recording is left out."""
    return pcm[:, _samples(start_ms, rate_hertz) : _samples(end_ms, rate_hertz)].copy()


def _heard(utterance: Utterance, start: int, end: int) -> tuple[int, int]:
    """When a part of an utterance can be heard, with its margins."""
    times = CharacterTimes(utterance)
    timed = sum(
        min(unit_end, end) - max(unit_start, start)
        for unit_start, unit_end, _ in times.units
        if unit_start < end and unit_end > start
    )
    said = sum(one.isalnum() for one in utterance.text[start:end])
    start_ms, end_ms = times.span(start, end)
    if timed < said or end_ms - start_ms < FASTEST_MS * said:
        return utterance.start_ms - MARGIN_MS, utterance.end_ms + MARGIN_MS
    margin = MARGIN_MS
    if Flag.TIMES_SPREAD in utterance.flags:
        margin = max(_SPREAD_MARGIN_MS, round(_SPREAD_SHARE * (utterance.end_ms - utterance.start_ms)))
    return start_ms - margin, end_ms + margin


def _merged(spans: Iterable[PartySpan]) -> list[PartySpan]:
    merged: list[PartySpan] = []
    for party, start, end in sorted(spans):
        if merged and merged[-1][0] == party and start <= merged[-1][2]:
            merged[-1] = (party, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((party, start, end))
    return merged


def _samples(at_ms: int, rate_hertz: int) -> int:
    return max(0, at_ms) * rate_hertz // 1000


def _envelope(samples: int, rate_hertz: int) -> NDArray[np.float32]:
    """Falls to zero, stays there, rises again."""
    envelope = np.zeros(samples, np.float32)
    fade = min(FADE_MS * rate_hertz // 1000, samples // 2)
    if fade:
        ramp = np.linspace(1, 0, fade, endpoint=False, dtype=np.float32)
        envelope[:fade], envelope[samples - fade :] = ramp, ramp[::-1]
    return envelope
