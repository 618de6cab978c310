"""Several utterances in one recognition window, and their words put back.

Whisper-like encoders pay for whole windows, not for speech: packing short utterances
into one window with a short silence between them costs a fraction of decoding each
alone. Pure functions over lengths and times; samples are the engine's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from qingting.model.transcript import TimedText

_PUNCTUATION_BONUS_MS = 240
"""A window boundary moves up to this far to fall behind punctuation: recognisers put it at pauses."""
_BREAKS = frozenset("，。？！；：,.?!;:…")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where one clip lies in its window."""

    clip: int
    """Index of the clip in the packed sequence."""
    start_ms: int
    end_ms: int
    """Exclusive."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Clips that are decoded together, in order."""

    placed: tuple[Placed, ...]

    @property
    def length_ms(self) -> int:
        """From the window's start to the end of its last clip."""
        return self.placed[-1].end_ms


def pack(lengths_ms: Sequence[int], *, limit_ms: int, gap_ms: int) -> tuple[Window, ...]:
    """Place clips one after the other into windows of at most `limit_ms`.

    Keeps their order; a clip longer than the limit gets a window of its own. Between two
    clips lie `gap_ms` of silence. Raises ValueError for a negative length or gap.
    """
    if gap_ms < 0 or any(length < 0 for length in lengths_ms):
        message = "lengths and the gap must not be negative"
        raise ValueError(message)
    windows: list[Window] = []
    placed: list[Placed] = []
    for clip, length in enumerate(lengths_ms):
        start = placed[-1].end_ms + gap_ms if placed else 0
        if placed and start + length > limit_ms:
            windows.append(Window(placed=tuple(placed)))
            placed, start = [], 0
        placed.append(Placed(clip=clip, start_ms=start, end_ms=start + length))
    if placed:
        windows.append(Window(placed=tuple(placed)))
    return tuple(windows)


def unpack(window: Window, words: Sequence[TimedText]) -> tuple[tuple[TimedText, ...], ...]:
    """Give every word of a window to exactly one of its clips, in order.

    Words are in the order they were spoken; their order is kept even where their times
    are not monotonic. The answer has one tuple per placed clip; times are relative to the
    clip's start and lie inside it.
    """
    ends = _boundaries(window, words)
    answer = []
    first = 0
    for place, end in zip(window.placed, ends, strict=True):
        answer.append(tuple(_inside(word, place) for word in words[first:end]))
        first = end
    return tuple(answer)


def _boundaries(window: Window, words: Sequence[TimedText]) -> list[int]:
    """For each clip the index behind its last word."""
    middles = [(word.start_ms + word.end_ms) / 2 for word in words]
    ends: list[int] = []
    first = 0
    for place, following in pairwise(window.placed):
        border = (place.end_ms + following.start_ms) / 2
        end = first
        while end < len(words) and middles[end] < border:
            end += 1
        first = max(first, _near_punctuation(words, middles, end, border, first))
        ends.append(first)
    ends.append(len(words))
    return ends


def _near_punctuation(words: Sequence[TimedText], middles: Sequence[float], end: int, border: float, first: int) -> int:
    """Move a boundary by one word if that puts it behind punctuation at little cost in time."""
    if end == 0 or end >= len(words) or words[end - 1].text[-1:] in _BREAKS:
        return end
    if words[end].text[-1:] in _BREAKS and middles[end] - border < _PUNCTUATION_BONUS_MS:
        return end + 1
    before = end - 1
    if before > first and words[before - 1].text[-1:] in _BREAKS and border - middles[before] < _PUNCTUATION_BONUS_MS:
        return before
    return end


def _inside(word: TimedText, place: Placed) -> TimedText:
    length = place.end_ms - place.start_ms
    start = min(max(word.start_ms - place.start_ms, 0), length)
    end = min(max(word.end_ms - place.start_ms, start), length)
    return TimedText(text=word.text, start_ms=start, end_ms=end, confidence=word.confidence)
