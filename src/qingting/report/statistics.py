"""The call in figures: who spoke how long and how fast, silences, overlaps, response times."""

from __future__ import annotations

import re
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from qingting.model.call import Role
from qingting.model.report import CallStatistics, PartyStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qingting.model.transcript import Transcript, Utterance

_UNIT = re.compile(r"[㐀-鿿豈-﫿\U00020000-\U0003ffff]|[A-Za-zÀ-ɏ]+(?:['’][A-Za-z]+)*|\d")
WRITTEN = "text"
"""Engine name of messages that were written: their length in time is nominal, they have no speech rate."""
_ROLE_ORDER = {Role.AGENT: 0, Role.CUSTOMER: 1, Role.UNSURE: 2}

_Span = tuple[int, int]


def call_statistics(transcript: Transcript) -> CallStatistics:
    """Measure a whole call.

    Times are milliseconds. Parties without any utterance are not listed; an empty transcript
    gives one silence over the whole duration. Overlap counts different parties only.
    """
    duration = max([transcript.duration_ms, *(u.end_ms for u in transcript.utterances)])
    spans = {party: _merge((u.start_ms, u.end_ms) for u in said) for party, said in _by_party(transcript).items()}
    together = _merge(span for merged in spans.values() for span in merged)
    silences = _between(together, duration)
    longest = max(silences, key=lambda span: (span[1] - span[0], -span[0]), default=(0, 0))
    return CallStatistics(
        duration_ms=duration,
        parties=_parties(transcript),
        silence_ms=_length(silences),
        longest_silence_ms=longest[1] - longest[0],
        longest_silence_start_ms=longest[0],
        # Time covered by several parties at once counts once: the pairwise sum would not.
        overlap_ms=_overlap(list(spans.values())),
        mean_response_ms=_mean_response(transcript.utterances),
    )


def silences(transcript: Transcript, *, at_least_ms: int) -> tuple[_Span, ...]:
    """Stretches (start_ms, end_ms) of the call in which nobody speaks, at least so long."""
    together = _merge((u.start_ms, u.end_ms) for u in transcript.utterances)
    return tuple(span for span in _between(together, transcript.duration_ms) if span[1] - span[0] >= at_least_ms)


def count_units(text: str) -> int:
    """Count what was said: each Chinese character, each Latin word and each digit is one."""
    return len(_UNIT.findall(text))


def _by_party(transcript: Transcript) -> dict[str, list[Utterance]]:
    said: dict[str, list[Utterance]] = {}
    for utterance in transcript.utterances:
        said.setdefault(utterance.party, []).append(utterance)
    return said


def _parties(transcript: Transcript) -> tuple[PartyStatistics, ...]:
    total = sum(u.end_ms - u.start_ms for u in transcript.utterances)
    turns = _turns(transcript.utterances)
    found = [_party(party, said, total, turns) for party, said in _by_party(transcript).items()]
    return tuple(sorted(found, key=lambda p: (_ROLE_ORDER[p.role], p.party)))


def _party(party: str, said: list[Utterance], total_ms: int, turns: list[list[Utterance]]) -> PartyStatistics:
    own = [turn for turn in turns if turn[0].party == party]
    speech = sum(u.end_ms - u.start_ms for u in said)
    return PartyStatistics(
        role=said[0].role,
        party=party,
        speech_ms=speech,
        talk_ratio=round(speech / total_ms, 4) if total_ms else 0.0,
        turns=len(own),
        characters=sum(_units(u) for u in said),
        characters_per_second=_rate(said),
        longest_turn_ms=max(max(u.end_ms for u in turn) - turn[0].start_ms for turn in own),
    )


def _units(utterance: Utterance) -> int:
    return count_units(utterance.spoken_text or utterance.text)


def _rate(said: list[Utterance]) -> float | None:
    # Speech without words (refused, unrecognised) would pull the rate down and is left out.
    worded = [u for u in said if _units(u) and u.engine != WRITTEN]
    speech = sum(u.voice.speech_ms if u.voice else u.end_ms - u.start_ms for u in worded)
    return round(sum(_units(u) for u in worded) * 1000 / speech, 2) if speech > 0 else None


def _turns(utterances: Sequence[Utterance]) -> list[list[Utterance]]:
    return [list(turn) for _, turn in groupby(utterances, key=lambda u: u.party)]


def _mean_response(utterances: Sequence[Utterance]) -> int | None:
    gaps = []
    turns = _turns(utterances)
    for asked, answer in pairwise(turns):
        if asked[0].role is Role.CUSTOMER and answer[0].role is Role.AGENT:
            # An answer that begins before the customer has ended took no time at all.
            gaps.append(max(0, answer[0].start_ms - max(u.end_ms for u in asked)))
    return round(sum(gaps) / len(gaps)) if gaps else None


def _merge(spans: Iterable[_Span]) -> list[_Span]:
    merged: list[_Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif end > start:
            merged.append((start, end))
    return merged


def _between(covered: Sequence[_Span], duration_ms: int) -> list[_Span]:
    edges = [0, *(edge for span in covered for edge in span), duration_ms]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]


def _length(spans: Iterable[_Span]) -> int:
    return sum(end - start for start, end in spans)


def _overlap(parties: list[list[_Span]]) -> int:
    edges = sorted((at, step) for spans in parties for start, end in spans for at, step in ((start, 1), (end, -1)))
    total, speaking, since = 0, 0, 0
    for at, step in edges:
        if speaking > 1:
            total += at - since
        speaking += step
        since = at
    return total
