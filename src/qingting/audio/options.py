"""Limits and choices of the audio stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class NoiseReduction(StrEnum):
    """How much is done to the sound before voice activity and recognition."""

    OFF = "off"
    LIGHT = "light"
    """High-pass, hum removal and gentle spectral reduction; never removes speech."""


@dataclass(frozen=True, kw_only=True)
class RawFormat:
    """How to read a headerless file."""

    encoding: str
    """`s16le`, `alaw`, `mulaw` or `g722`."""
    sample_rate_hertz: int = 8000
    channels: int = 1


@dataclass(frozen=True, kw_only=True)
class AudioLimits:
    """Bounds that a recording from outside must keep."""

    max_bytes: int = 2 * 1024**3
    max_seconds: float = 4 * 3600.0
    max_channels: int = 8
    """More channels than two are mixed to one."""
    decode_timeout_seconds: float = 600.0
    """A worker that has not finished a recording by then is ended."""


@dataclass(frozen=True, kw_only=True)
class AudioOptions:
    """Choices for preparing one recording."""

    limits: AudioLimits = field(default_factory=AudioLimits)
    raw: RawFormat | None = None
    """Set for headerless files only."""
    noise_reduction: NoiseReduction = NoiseReduction.OFF
    separate_speakers: bool = True
    """Tell the two parties of a mixed recording apart."""
