"""What a stream needs of voice activity, how often it decodes, and what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from qingting.speech.engine import RecognitionOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qingting.model.audio import SpeechSpan, VoiceFacts


class SpeechGate(Protocol):
    """Voice activity of one party as a stream needs it; `qingting.audio.live_gate.LiveGate` is one."""

    rate_hertz: int
    party: str

    @property
    def now_ms(self) -> int:
        """Call time heard."""

    @property
    def open_starts_ms(self) -> tuple[int, ...]:
        """Starts of speech not told yet, in order."""

    @property
    def speech_until_ms(self) -> int | None:
        """End of the latest open speech if nothing more is said."""

    @property
    def quiet_until_ms(self) -> int:
        """No speech begins before this, save what was told or is open."""

    def sound(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """Samples of open speech, or of a span just told, with margins."""

    def feed(self, samples: NDArray[np.int16]) -> Sequence[tuple[SpeechSpan, VoiceFacts]]:
        """Take samples, return the spans that are certain now, in order."""

    def finish(self) -> Sequence[tuple[SpeechSpan, VoiceFacts]]:
        """End the sound, return the spans left."""


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """How often running speech is decoded, and what is bounded."""

    first_ms: int = 600
    """So much speech is decoded first."""
    every_ms: int = 1_000
    """It is decoded again after so much more."""
    pause_ms: int = 192
    """In a pause of this length the utterance is decoded as if it ended there, and is ready if it does; 0: never."""
    window_ms: int = 15_000
    """No more than this is decoded for partial text; text before a pause is frozen then."""
    margin_ms: int = 150
    """As RecognizerOptions.margin_ms."""
    max_waiting: int = 32
    """More utterances waiting for a stalled engine than this: the oldest becomes REFUSED."""
    longest_gap_ms: int = 600_000
    """A longer jump in call time is an error of the sender."""
    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)
    """Language and hot words."""

    def __post_init__(self) -> None:
        if min(self.first_ms, self.every_ms, self.max_waiting) < 1 or self.window_ms < 2 * self.every_ms:
            raise ValueError("first_ms, every_ms and max_waiting must be positive, window_ms at least twice every_ms")

    @property
    def cost_factor(self) -> float:
        """Seconds of sound decoded per second of speech, at most (margins apart).

        A window that grows by every_ms up to window_ms is decoded (n + 1) / 2 times, as often again at pauses;
        freezing its text and the final decode add one each.
        """
        rounds = self.window_ms / self.every_ms
        pauses = 2.0 if self.pause_ms else 1.0
        return (rounds + 1) / 2 * pauses + 2.0


@dataclass(kw_only=True)
class StreamCounts:
    """What a stream has done so far."""

    partial_decodes: int = 0
    final_decodes: int = 0
    reused_decodes: int = 0
    """Finals whose answer a decode in the pause had already given."""
    failed_partials: int = 0
    skipped_partials: int = 0
    """Times a partial was due and the engine was busy."""
    decoded_ms: int = 0
    """Sound given to the engine."""
    refused: int = 0
    lost_ms: int = 0
    """Call time without sound, filled with silence."""
    late_ms: int = 0
    """Sound for times already heard, dropped."""
    stable_units: int = 0
    """Units of stable text that were followed by their final."""
    revised_units: int = 0
    """Those of them that the final changed."""
