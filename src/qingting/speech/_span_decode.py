"""One decode of a piece of a stream: partial text, or the utterance the recogniser would make of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from qingting.errors import InputError
from qingting.model.audio import PreparedAudio, RecordingFormat, SpeechSpan, VoiceFacts
from qingting.model.call import Role
from qingting.model.transcript import EngineIdentity, Flag, Utterance
from qingting.speech._punctuation import tidy_spaces, widen
from qingting.speech.engine import SAMPLE_RATE_HERTZ, Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.speech.guards import run_guards
from qingting.speech.recognizer import Recognizer, RecognizerOptions
from qingting.speech.text_form import simplify

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Sound of one party's channel with its place in the call."""

    party: str
    samples: NDArray[np.int16]
    rate_hertz: int
    from_ms: int
    """Call time of the first sample."""
    before: tuple[NDArray[np.int16], ...] = ()
    """What the party said before, oldest first; empty for engines that make no use of it."""

    def clip(self) -> Clip:
        """What an engine takes: exactly as the recogniser cuts it, with what was said before."""
        return Clip(samples=self._at_16_khz(self.samples), voice=self.party, before=self.earlier())

    def earlier(self) -> tuple[NDArray[np.float32], ...]:
        """What was said before, as engines take it."""
        return tuple(self._at_16_khz(samples) for samples in self.before)

    def _at_16_khz(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        samples = pcm.astype(np.float32) / 32768.0
        if self.rate_hertz != SAMPLE_RATE_HERTZ and samples.size:
            import soxr

            samples = soxr.resample(samples, self.rate_hertz, SAMPLE_RATE_HERTZ)
        return samples


@dataclass(frozen=True, kw_only=True)
class PartialAnswer:
    """What an engine says of speech that may go on."""

    text: str
    """Guarded, simplified, spaces tidied."""
    recognition: Recognition
    """The engine's own answer: that of the final decode if nothing more was said."""


def as_pcm(samples: NDArray[Any]) -> NDArray[np.int16]:
    """Sound as 16-bit samples; raises InputError for anything but mono int16 or float."""
    if samples.ndim != 1 or not (samples.dtype == np.int16 or np.issubdtype(samples.dtype, np.floating)):
        raise InputError("The sound is no row of 16-bit or float samples.", remedy="Send one channel at a time.")
    if samples.dtype == np.int16:
        return samples
    whole = np.nan_to_num(samples.astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0) * 32768.0
    pcm: NDArray[np.int16] = np.clip(np.rint(whole), -32768, 32767).astype(np.int16)
    return pcm


def decode_partial(engine: SpeechEngine, piece: Piece, options: RecognitionOptions) -> PartialAnswer:
    """Text of a piece; raises what the engine raises."""
    clip = piece.clip()
    (answer,) = engine.transcribe([clip], options)
    guarded = run_guards(answer.text, answer.words, seconds=clip.seconds, hot_words=options.hot_words)
    return PartialAnswer(text=widen(tidy_spaces(simplify(guarded.text))), recognition=answer)


def decode_final(
    engine: SpeechEngine,
    piece: Piece,
    span: SpeechSpan,
    voice: VoiceFacts,
    options: RecognitionOptions,
    *,
    margin_ms: int,
    known: Recognition | None = None,
) -> Utterance | None:
    """The utterance of a span through the recogniser's own path; None where nobody said a word.

    `piece` is the span with its free margins. `known` is the engine's answer for this very piece, where it
    was asked already. An engine that fails gives an utterance flagged REFUSED.
    """
    if known is not None:
        engine = _Known(engine, known)
    elif piece.before:
        engine = _Behind(engine, piece)
    moved = replace(span, channel=0, start_ms=span.start_ms - piece.from_ms, end_ms=span.end_ms - piece.from_ms)
    recognizer = Recognizer(engine, RecognizerOptions(margin_ms=margin_ms, batch_clips=1))
    try:
        utterances, _ = recognizer.transcribe(
            _prepared(piece, moved, voice), hot_words=options.hot_words, language=options.language
        )
    except Exception as error:  # noqa: BLE001  one utterance's fault must not end the stream
        # The message could hold customer words; its type is enough.
        log.warning("an utterance of a stream could not be recognised: %s", type(error).__name__)
        return refused(span, voice, engine.identity.name)
    return _in_call(utterances[0], span, piece.from_ms) if utterances else None


def refused(span: SpeechSpan, voice: VoiceFacts, engine: str) -> Utterance:
    """An utterance without text, since recognition failed."""
    return Utterance(
        index=0,
        party=span.party,
        role=Role.UNSURE,
        role_confidence=0.0,
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        text="",
        engine=engine,
        flags=(Flag.REFUSED,),
        voice=voice,
    )


def _in_call(utterance: Utterance, span: SpeechSpan, from_ms: int) -> Utterance:
    characters = tuple(
        replace(item, start_ms=item.start_ms + from_ms, end_ms=item.end_ms + from_ms) for item in utterance.characters
    )
    return replace(utterance, start_ms=span.start_ms, end_ms=span.end_ms, characters=characters)


def _prepared(piece: Piece, span: SpeechSpan, voice: VoiceFacts) -> PreparedAudio:
    length_ms = piece.samples.size * 1000 // piece.rate_hertz
    form = RecordingFormat(
        container="stream",
        codec="pcm_s16le",
        sample_rate_hertz=piece.rate_hertz,
        channels=1,
        duration_ms=length_ms,
        size_bytes=piece.samples.nbytes,
        sha256="",
    )
    return PreparedAudio(
        format=form,
        rate_hertz=piece.rate_hertz,
        pcm=piece.samples[np.newaxis],
        parties=(piece.party,),
        spans=(span,),
        voice=(voice,),
    )


class _Instead(SpeechEngine):
    """Stands before an engine for one clip."""

    def __init__(self, engine: SpeechEngine) -> None:
        self._engine = engine

    @property
    def identity(self) -> EngineIdentity:
        return self._engine.identity

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities


class _Known(_Instead):
    """Repeats an answer the engine gave for the same clip."""

    def __init__(self, engine: SpeechEngine, answer: Recognition) -> None:
        super().__init__(engine)
        self._answer = answer

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        return [self._answer for _ in clips]


class _Behind(_Instead):
    """Hands the clip on with what its voice said before."""

    def __init__(self, engine: SpeechEngine, piece: Piece) -> None:
        super().__init__(engine)
        self._piece = piece

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        before = self._piece.earlier()
        return self._engine.transcribe([replace(clip, before=before) for clip in clips], options)
