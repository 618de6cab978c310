"""Acoustic facts for transcripts that never had a recording."""

from __future__ import annotations

import random
from dataclasses import replace

from qingting.model.audio import VoiceFacts
from qingting.model.transcript import Transcript, Utterance


def with_made_up_voice(transcript: Transcript, *, seed: int = 0) -> Transcript:
    """Return the transcript with plausible, repeatable VoiceFacts on every utterance.

    Times inside the facts (pauses, overlap) agree with the transcript; loudness and pitch
    are drawn from the seed. For tests of analyzers that need acoustic facts.
    """
    draw = random.Random(seed)  # noqa: S311 - repeatable facts, no secret
    ends: dict[str, int] = {}
    voiced = []
    for utterance in transcript.utterances:
        facts = _facts(utterance, transcript, ends.get(utterance.party, 0), draw)
        ends[utterance.party] = max(ends.get(utterance.party, 0), utterance.end_ms)
        voiced.append(replace(utterance, voice=facts))
    return replace(transcript, utterances=tuple(voiced))


def _facts(utterance: Utterance, transcript: Transcript, last_end_ms: int, draw: random.Random) -> VoiceFacts:
    length_ms = utterance.end_ms - utterance.start_ms
    pauses = (300,) if length_ms > 3000 else ()
    speech_ms = length_ms - sum(pauses)
    voiced_ms = round(speech_ms * draw.uniform(0.5, 0.7))
    has_pitch = voiced_ms > 0
    pitch_hertz = draw.uniform(100, 240)
    return VoiceFacts(
        voiced_ms=voiced_ms,
        voiced_ratio=voiced_ms / length_ms if length_ms else 0.0,
        speech_ms=speech_ms,
        loudness_dbfs=draw.uniform(-32, -18),
        loudness_range_db=draw.uniform(8, 20),
        pitch_hertz=pitch_hertz if has_pitch else None,
        pitch_range_semitones=draw.uniform(2, 9) if has_pitch else None,
        final_pitch_slope=draw.uniform(-15, 15) if has_pitch else None,
        pause_before_ms=max(0, utterance.start_ms - last_end_ms),
        pauses_inside_ms=pauses,
        overlap_ms=_overlap_ms(utterance, transcript),
    )


def _overlap_ms(utterance: Utterance, transcript: Transcript) -> int:
    shared = sum(
        max(0, min(utterance.end_ms, other.end_ms) - max(utterance.start_ms, other.start_ms))
        for other in transcript.utterances
        if other.party != utterance.party
    )
    return min(shared, utterance.end_ms - utterance.start_ms)
