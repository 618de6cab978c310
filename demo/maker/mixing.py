"""From a script to two channels of sound, with the times of every turn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from maker.sounds import (
    TELEPHONE_BAND_HERTZ,
    WIDE_BAND_HERTZ,
    at_level,
    limited_to_band,
    line_noise,
    telephone_sound,
)
from maker.synthesis import RATE_HERTZ, Samples, Voices
from qingting.model.call import AgentChannel, Role
from qingting.testing import CallScript

_PEAK = 0.97


@dataclass(frozen=True, kw_only=True)
class MixedCall:
    """The sound of one call before encoding."""

    pcm: NDArray[np.int16]
    """Shape [samples, channels], at the script's rate."""
    spans_ms: tuple[tuple[int, int], ...]
    """Start and end of each turn."""
    duration_ms: int


def mix(script: CallScript, voices: Voices) -> MixedCall:
    """Speak all turns, place them by their gaps, and add the telephone line."""
    audio = script.audio
    if audio is None:
        raise ValueError("the script has no audio to make")
    spoken = [_spoken(script, index, voices) for index in range(len(script.turns))]
    spans = _placed(script, spoken)
    tail_ms = script.duration_ms - max(turn.end_ms for turn in script.turns)
    duration_ms = max(end for _, end in spans) + tail_ms
    lines = {role: np.zeros(duration_ms * RATE_HERTZ // 1000, np.float32) for role in (Role.AGENT, Role.CUSTOMER)}
    for turn, samples, (start_ms, _) in zip(script.turns, spoken, spans, strict=True):
        first = start_ms * RATE_HERTZ // 1000
        lines[turn.role][first : first + len(samples)] += samples
    for sound in script.sounds:
        start_ms = spans[sound.before_turn][0] - script.turns[sound.before_turn].gap_ms + sound.offset_ms
        wave = telephone_sound(sound.kind, sound.duration_ms, RATE_HERTZ, sound.level_dbfs)
        first = start_ms * RATE_HERTZ // 1000
        # Keys are pressed by the customer; the exchange and the agent's system make all else.
        role = Role.CUSTOMER if sound.kind == "dtmf" else Role.AGENT
        lines[role][first : first + len(wave)] += wave
    made = {role: _on_the_line(line, script, role) for role, line in lines.items()}
    return MixedCall(pcm=_channels(script, made), spans_ms=tuple(spans), duration_ms=duration_ms)


def _spoken(script: CallScript, index: int, voices: Voices) -> Samples:
    turn = script.turns[index]
    speaker = script.speakers[turn.role]
    samples = voices.say(turn.spoken_text, speaker.voice, speaker.speed * turn.speed)
    return at_level(samples, speaker.level_dbfs + turn.level_db)


def _placed(script: CallScript, spoken: list[Samples]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    end_ms = 0
    for turn, samples in zip(script.turns, spoken, strict=True):
        start_ms = end_ms + turn.gap_ms
        if spans and start_ms < spans[-1][0]:
            raise ValueError(f"{script.id}: a turn would start before the turn above it")
        spans.append((start_ms, start_ms + len(samples) * 1000 // RATE_HERTZ))
        end_ms = max(end_ms, spans[-1][1])
    return spans


def _on_the_line(samples: Samples, script: CallScript, role: Role) -> Samples:
    assert script.audio is not None
    rate = script.audio.sample_rate_hertz
    band = TELEPHONE_BAND_HERTZ if rate <= 8000 else WIDE_BAND_HERTZ
    seed = int.from_bytes(hashlib.sha256(f"{script.id}/{role}".encode()).digest()[:4], "big")
    noisy = samples + line_noise(len(samples), RATE_HERTZ, script.audio.noise_dbfs, seed)
    limited = limited_to_band(noisy, RATE_HERTZ, band)
    narrow: Samples = soxr.resample(limited, RATE_HERTZ, rate, quality="HQ")
    return np.clip(narrow, -_PEAK, _PEAK)


def _channels(script: CallScript, made: dict[Role, Samples]) -> NDArray[np.int16]:
    assert script.audio is not None
    if script.audio.channels == 1:
        rows = [np.clip(made[Role.AGENT] + made[Role.CUSTOMER], -_PEAK, _PEAK)]
    elif script.audio.agent_channel is AgentChannel.LEFT:
        rows = [made[Role.AGENT], made[Role.CUSTOMER]]
    else:
        rows = [made[Role.CUSTOMER], made[Role.AGENT]]
    return np.round(np.stack(rows, axis=1) * 32767).astype(np.int16)
