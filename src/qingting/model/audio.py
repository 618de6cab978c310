"""A recording after preparation: format, samples, speech spans, acoustic facts, roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qingting.model.call import Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class RecordingFormat:
    """What the file was."""

    container: str
    """Container as FFmpeg names it (`wav`, `mp3`, `amr`, `mov,mp4,m4a,3gp,3g2,mj2` …)."""
    codec: str
    """Codec as FFmpeg names it (`pcm_alaw`, `amr_nb`, `opus` …)."""
    sample_rate_hertz: int
    """Sample rate of the audio track in the file."""
    channels: int
    """Channels of the audio track in the file."""
    duration_ms: int
    """Duration of what was decoded."""
    size_bytes: int
    """Size of the file."""
    sha256: str
    """Hex digest of the file's bytes: names the recording in the evidence chain."""
    truncated: bool = False
    """True when the file ended early or a part could not be decoded."""
    truncation: str = ""
    """What was lost and why, for the reader of the report; empty when nothing was."""


@dataclass(frozen=True, kw_only=True)
class SpeechSpan:
    """A stretch of one party's speech, at most 28 s: becomes one utterance."""

    party: str
    """`left`, `right`, `mono`, `speaker_1` or `speaker_2`."""
    channel: int
    """Row of `PreparedAudio.pcm` that carries it."""
    start_ms: int
    end_ms: int
    """Exclusive; a multiple of 10 ms like start_ms."""


@dataclass(frozen=True, kw_only=True)
class VoiceFacts:
    """Acoustic facts of one speech span; relative measures are the analysis stage's work."""

    voiced_ms: int
    """Time with a measurable pitch."""
    voiced_ratio: float
    """voiced_ms over the span's length, 0 to 1."""
    speech_ms: int
    """Span length without the pauses inside it."""
    loudness_dbfs: float
    """Mean energy of the speech frames, dB relative to full scale (a full-scale square wave is 0)."""
    loudness_range_db: float
    """90th minus 10th percentile of the frame loudness."""
    pitch_hertz: float | None
    """Median fundamental frequency; None without voiced frames."""
    pitch_range_semitones: float | None
    """90th minus 10th percentile of the pitch."""
    final_pitch_slope: float | None
    """Slope of the pitch over the last 300 ms of voiced speech, semitones per second."""
    pause_before_ms: int
    """Silence of this party since its previous span, or since the call's start."""
    pauses_inside_ms: tuple[int, ...] = ()
    """Length of each pause of 200 ms or more inside the span."""
    overlap_ms: int = 0
    """Time of this span during which another party speaks."""


@dataclass(frozen=True, kw_only=True)
class PreparedAudio:
    """Everything the audio stage knows of one recording."""

    format: RecordingFormat
    rate_hertz: int
    """Rate of `pcm`: 8000 for telephone-band sources, else 16000."""
    pcm: NDArray[np.int16]
    """Samples, int16, shape [channels, samples]; one row per party unless mixed."""
    parties: tuple[str, ...]
    """Who can speak: ("left", "right"), ("mono",) or ("speaker_1", "speaker_2")."""
    spans: tuple[SpeechSpan, ...]
    """Speech in order of start_ms; spans of different parties may overlap."""
    voice: tuple[VoiceFacts, ...]
    """Acoustic facts, one per span, same order."""
    speaker_confidence: float = 1.0
    """How sure the assignment of spans to parties is: 1.0 with one party per channel."""
    notes: tuple[str, ...] = ()
    """Chinese sentences on what was done or could not be done (e.g. tones skipped)."""


@dataclass(frozen=True, kw_only=True)
class RoleDecision:
    """Which party is the agent, how sure that is, and why."""

    agent: str
    """Party that is the agent; empty when undecidable (no or one-sided speech)."""
    confidence: float
    """0 to 1; 1.0 when the channel map was given."""
    reasons: tuple[str, ...] = ()
    """Chinese sentences, most weighty first."""
    roles: dict[str, Role] = field(default_factory=dict)
    """Role of every party; all UNSURE when confidence is below the threshold."""
