"""Who speaks when in a mixed recording of two parties: speech spans divided into two voices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from qingting.audio._two_voices import TwoVoices, decode, find_two_voices
from qingting.audio._voice_frames import FRAME_MS, VoiceFrames, measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from qingting.model.audio import SpeechSpan

SPEAKERS = ("speaker_1", "speaker_2")
"""Names of the parties; speaker_1 is who speaks first."""

_LEAST_SPEECH_FRAMES = 300
"""With less than 3 s of voice there is nothing to compare."""
_LEAST_SPAN_MS = 250
"""Shorter pieces between two changes are errors more often than words."""
_CUT_REACH_FRAMES = 15
"""The cut is put at the quietest frame this near to the change: voices are told apart over some 100 ms only."""
_LEAST_PIECE_FRAMES = 25
_ONE_VOICE_BELOW = 0.30
_MOST_CONFIDENCE_ONE_VOICE = 0.70
"""Two very like voices can look like one: below the threshold from which roles are decided."""
_OFFSET, _AGREEMENT_WEIGHT, _DISTANCE_WEIGHT, _GAP_WEIGHT = 0.35, 3.23, 1.66, 1.25
"""Logistic regression of 1 - 2 x confusion on 112 mixes (7 speakers and 6 warped ones; 30 and 90 s; clean,
coloured, noisy; one speaker alone counts as 0)."""

_NOTE_NOTHING = "没有检测到语音，未区分说话人"
_NOTE_SHORT = "语音太短，无法区分说话人，全部归为同一人"
_NOTE_ONE = "未发现第二个说话人的声音，全部归为同一人"
_NOTE_DOUBT = "两个说话人的声音难以区分，说话人归属可能有误"
_DOUBT_BELOW = 0.75


@dataclass(frozen=True, kw_only=True)
class Separation:
    """Speech spans of a mixed recording with the speaker of each."""

    spans: tuple[SpeechSpan, ...]
    """In order of time; the given spans, cut where the speaker changes, with party set."""
    confidence: float
    """How far the assignment can be trusted, 0 to 1: about 1 - 2 x the share of speech given to the wrong party."""
    notes: tuple[str, ...] = ()
    """Chinese sentences for the report."""


def separate(pcm_row: NDArray[np.int16], rate_hertz: int, spans: Sequence[SpeechSpan]) -> Separation:
    """Divide the speech `spans` of one mixed channel `pcm_row` [samples] between two speakers.

    `rate_hertz` is 8000 or 16000 (ValueError otherwise); only the telephone band is used. Spans are cut at
    the quietest point near a change of speaker. Where only one voice is found, all is speaker_1's.
    Method: `_two_voices.py`. Overlapping speech goes to whoever dominates.
    """
    if rate_hertz not in (8000, 16000):
        raise ValueError(f"speakers are separated at 8000 or 16000 Hz, not {rate_hertz}")
    if not spans:
        return Separation(spans=(), confidence=0.0, notes=(_NOTE_NOTHING,))
    ordered = sorted(spans, key=lambda span: (span.start_ms, span.end_ms))
    frames = measure(*_telephone_band(pcm_row, rate_hertz), ordered)
    if int(frames.active.sum()) < _LEAST_SPEECH_FRAMES:
        return _one_speaker(ordered, 0.5, _NOTE_SHORT)
    voices = find_two_voices(frames)
    confidence = _confidence(voices)
    if confidence < _ONE_VOICE_BELOW:
        return _one_speaker(ordered, min(1 - confidence, _MOST_CONFIDENCE_ONE_VOICE), _NOTE_ONE)
    divided = _divide(ordered, frames, decode(voices.frame_odds, frames.span))
    notes = (_NOTE_DOUBT,) if confidence < _DOUBT_BELOW else ()
    return Separation(spans=_in_order_of_speaking(divided), confidence=round(confidence, 3), notes=notes)


def _one_speaker(spans: Sequence[SpeechSpan], confidence: float, note: str) -> Separation:
    named = tuple(replace(span, party=SPEAKERS[0]) for span in spans)
    return Separation(spans=named, confidence=round(confidence, 3), notes=(note,))


def _telephone_band(pcm: NDArray[np.int16], rate_hertz: int) -> tuple[NDArray[np.int16], int]:
    """Return the channel at 8 kHz: half the work, and voices differ enough below 4 kHz.

    The 7-tap half-band filter leaves aliases only above 3 kHz, where the highest mel band ends soon.
    """
    if rate_hertz == 8000:
        return pcm, rate_hertz
    padded = np.pad(pcm.astype(np.float32), (3, 4))
    even = padded[3:-4:2]
    length = len(even)
    near = padded[2::2][:length] + padded[4::2][:length]
    far = padded[0::2][:length] + padded[6::2][:length]
    halved = 0.5 * even + 0.28125 * near - 0.03125 * far
    return np.clip(np.rint(halved), -32768, 32767).astype(np.int16), 8000


def _confidence(voices: TwoVoices) -> float:
    """Return how surely two voices are told apart: agreement of the attempts, and distance of the pieces."""
    long = voices.piece_frames >= _LEAST_PIECE_FRAMES
    place, weight = voices.piece_odds[long] / voices.piece_frames[long], voices.piece_frames[long]
    side = place > 0
    if side.all() or not side.any():
        return 0.0
    centres = [float(np.average(place[side == s], weights=weight[side == s])) for s in (False, True)]
    scatter = float(np.average((place - np.where(side, centres[1], centres[0])) ** 2, weights=weight)) ** 0.5
    gap = centres[1] - centres[0]
    distance = gap / max(scatter, 1e-3)
    logit = (
        _OFFSET
        + _AGREEMENT_WEIGHT * (voices.agreement - 0.8)
        + _DISTANCE_WEIGHT * np.log(max(distance, 0.1) / 6)
        + _GAP_WEIGHT * np.log(max(gap, 0.01) / 0.4)
    )
    return float(1 / (1 + np.exp(-logit)))


def _divide(spans: Sequence[SpeechSpan], frames: VoiceFrames, label: NDArray[np.int64]) -> list[SpeechSpan]:
    divided = []
    edges = np.searchsorted(frames.span, np.arange(len(spans) + 1))
    for span, first, last in zip(spans, edges[:-1], edges[1:], strict=True):
        own = label[first:last]
        cuts = _cuts(own, frames.level_db[first:last])
        places = [0, *cuts, last - first]
        for a, b in pairwise(places):
            start = span.start_ms + int(a) * FRAME_MS
            end = span.end_ms if b == last - first else span.start_ms + int(b) * FRAME_MS
            speaker = int(2 * own[a:b].sum() > b - a)
            divided.append(replace(span, party=SPEAKERS[speaker], start_ms=start, end_ms=end))
    return _joined(divided, {span.start_ms for span in spans})


def _cuts(label: NDArray[np.int64], level_db: NDArray[np.float32]) -> list[int]:
    """Return the frames at which one span is cut, each at least _LEAST_SPAN_MS from the next and from the ends."""
    least = _LEAST_SPAN_MS // FRAME_MS
    changes = [int(c) for c in np.flatnonzero(np.diff(label)) + 1]
    kept: list[int] = []
    for change in changes:
        if kept and change - kept[-1] < least:
            kept.pop()  # a flip too short to be a turn: both of its changes go
        else:
            kept.append(change)
    cuts: list[int] = []
    for i, change in enumerate(kept):
        low = max((cuts[-1] if cuts else 0) + least, change - _CUT_REACH_FRAMES)
        high = min((kept[i + 1] if i + 1 < len(kept) else len(label)) - least, change + _CUT_REACH_FRAMES)
        if low <= high:
            cuts.append(low + int(np.argmin(level_db[low : high + 1])))
    return cuts


def _joined(spans: list[SpeechSpan], starts: set[int]) -> list[SpeechSpan]:
    """Join pieces of one given span that came to the same speaker."""
    joined: list[SpeechSpan] = []
    for span in spans:
        before = joined[-1] if joined else None
        if before and before.party == span.party and before.end_ms == span.start_ms and span.start_ms not in starts:
            joined[-1] = replace(before, end_ms=span.end_ms)
        else:
            joined.append(span)
    return joined


def _in_order_of_speaking(spans: list[SpeechSpan]) -> tuple[SpeechSpan, ...]:
    if spans[0].party == SPEAKERS[0]:
        return tuple(spans)
    other = {SPEAKERS[0]: SPEAKERS[1], SPEAKERS[1]: SPEAKERS[0]}
    return tuple(replace(span, party=other[span.party]) for span in spans)
