"""What a stream of one party's speech tells, in the order it is told.

Every utterance begins with SpeechStarted and ends with exactly one Final or SpeechDiscarded of the same
start; Finals come in order of their start.
"""

from __future__ import annotations

from dataclasses import dataclass

from qingting.model.transcript import Utterance


@dataclass(frozen=True, kw_only=True)
class SpeechStarted:
    """A party began to speak."""

    party: str
    start_ms: int
    """Call time of the beginning."""
    at_ms: int
    """Call time heard when this was told."""


@dataclass(frozen=True, kw_only=True)
class Partial:
    """Words of an utterance that is still being spoken; simplified, numbers as the engine wrote them."""

    party: str
    start_ms: int
    stable_text: str
    """Agreed by two decodes: the next Partial of this utterance begins with it, only the Final may differ."""
    tail_text: str
    """What the latest decode puts after it; may change."""
    at_ms: int
    """Call time heard when this was told."""


@dataclass(frozen=True, kw_only=True)
class Final:
    """An utterance has ended and its words are known (or recognition failed: flag REFUSED)."""

    utterance: Utterance
    """`index` counts this party's utterances from 0; roles are UNSURE: both are set by who joins the parties."""
    stable_text: str
    """What Partials had shown as stable."""
    revised_units: int
    """Units of stable_text that the final text took back or changed."""
    at_ms: int
    """Call time heard when this was told."""


@dataclass(frozen=True, kw_only=True)
class SpeechDiscarded:
    """What began as speech had no words, or was a tone or the other party's echo."""

    party: str
    start_ms: int
    at_ms: int


StreamEvent = SpeechStarted | Partial | Final | SpeechDiscarded
