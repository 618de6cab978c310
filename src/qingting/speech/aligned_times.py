"""From an aligner's raw times to times one can rely on: what is wrong is mended, or the whole is refused.

Forced aligners put times on a grid, and they go wrong in known ways: times that jump back,
several characters at one moment, the last words of a long clip piled up at its end, times
for words that nobody said. Times are milliseconds from the clip's start.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from qingting.model.transcript import TimedText

LEAST_SCORE = 0.1
"""Under this mean probability of the time slots the text was most likely not said."""
MOST_MENDED = 0.4
"""When a larger share of the words had to be moved, the whole is worth no more than an even spread."""
_SHORTEST_MS = 40
"""Nobody speaks 25 characters a second."""
_LONGEST_SHARE_MS = 400
"""A word of a mended pile takes no longer than this."""


@dataclass(frozen=True, kw_only=True)
class RawWord:
    """A word as the aligner placed it."""

    text: str
    start_ms: float
    end_ms: float
    probability: float
    """Of its time slots, 0 to 1."""


def mended_times(words: Sequence[RawWord], *, length_ms: int) -> tuple[TimedText, ...]:
    """Words in order, each at least 1 ms long, inside 0 to length_ms, without piles; () when they cannot be trusted.

    `TimedText.confidence` is the probability of the word's time slots. Refused are texts that
    were most likely not said (LEAST_SCORE), and times of which too many had to be mended
    (MOST_MENDED).
    """
    if not words or length_ms < len(words):
        return ()
    if sum(word.probability for word in words) / len(words) < LEAST_SCORE:
        return ()
    edges, moved = _risen([edge for word in words for edge in (word.start_ms, word.end_ms)])
    inside = [min(max(round(edge), 0), length_ms) for edge in edges]
    times = list(zip(inside[::2], inside[1::2], strict=True))
    mended = {index // 2 for index in moved}
    mended |= {index for index, edge in enumerate(edges) if not 0 <= edge <= length_ms for index in (index // 2,)}
    for first, last in _piles(times):
        room = times[last][0] if last < len(times) else length_ms
        times[first:last] = _shared(times[first][0], room, times[first - 1][1] if first else 0, last - first)
        mended |= set(range(first, last))
    if len(mended) > max(1, MOST_MENDED * len(words)):
        return ()
    return tuple(
        TimedText(text=word.text, start_ms=start, end_ms=end, confidence=word.probability)
        for word, (start, end) in zip(words, _apart(times, length_ms), strict=True)
    )


def _risen(edges: Sequence[float]) -> tuple[list[float], set[int]]:
    """Edges made to rise: the longest rising subsequence stays, the others are put evenly between their neighbours.

    Gives the edges and the indices that were moved.
    """
    kept = _longest_rising(edges)
    risen = list(edges)
    moved = set(range(len(edges))) - set(kept)
    anchors = [(-1, edges[kept[0]]), *((index, edges[index]) for index in kept), (len(edges), edges[kept[-1]])]
    for (left, low), (right, high) in pairwise(anchors):
        for index in range(left + 1, right):
            risen[index] = low + (high - low) * (index - left) / (right - left)
    return risen, moved


def _longest_rising(values: Sequence[float]) -> list[int]:
    """Indices of a longest subsequence that never falls (patience sorting, n log n)."""
    tails: list[float] = []
    at: list[int] = []
    before = [-1] * len(values)
    for index, value in enumerate(values):
        place = bisect_right(tails, value)
        before[index] = at[place - 1] if place else -1
        tails[place : place + 1] = [value]
        at[place : place + 1] = [index]
    path = []
    index = at[-1]
    while index >= 0:
        path.append(index)
        index = before[index]
    return path[::-1]


def _piles(times: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Half-open ranges of words that need new times: words without length, and all that share a start with another."""
    piles: list[tuple[int, int]] = []
    first = 0
    while first < len(times):
        last = first + 1
        while last < len(times) and (times[last][0] == times[first][0] or times[last - 1][1] > times[last][0]):
            last += 1
        if last - first > 1 or times[first][1] <= times[first][0]:
            piles.append((first, last))
        first = last
    return piles


def _shared(start: int, room_end: int, floor: int, count: int) -> list[tuple[int, int]]:
    """Even times for a pile of words: after its moment as far as there is room, else before it too."""
    wanted = min(_LONGEST_SHARE_MS * count, room_end - start)
    if wanted < _SHORTEST_MS * count:
        start = max(floor, room_end - _SHORTEST_MS * count)
        wanted = room_end - start
    step = wanted / count
    return [(round(start + index * step), round(start + (index + 1) * step)) for index in range(count)]


def _apart(times: Sequence[tuple[int, int]], length_ms: int) -> list[tuple[int, int]]:
    """Times with at least 1 ms each, none before the end of the one before, all inside the clip."""
    settled: list[tuple[int, int]] = []
    floor = 0
    for index, (first, last) in enumerate(times):
        ceiling = length_ms - (len(times) - index - 1)
        start = min(max(first, floor), ceiling - 1)
        end = min(max(last, start + 1), ceiling)
        settled.append((start, end))
        floor = end
    return settled
