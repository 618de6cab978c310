"""From prepared audio to utterances: cut, ask the engine, guard, write, time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from qingting.errors import EngineError
from qingting.model.audio import PreparedAudio, SpeechSpan, VoiceFacts
from qingting.model.call import Role
from qingting.model.transcript import EngineIdentity, Flag, TimedText, Utterance
from qingting.speech.aligner import Aligner
from qingting.speech.corrector import Corrector, correct_utterances
from qingting.speech.engine import SAMPLE_RATE_HERTZ, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.speech.guards import clear_speech, run_guards
from qingting.speech.language import SpokenLanguage, judge_language
from qingting.speech.text_form import to_text_form
from qingting.speech.unit_confidence import with_confidences
from qingting.speech.word_times import time_units, voiced_stretches

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]
"""Called with (spans done, spans in all) after every batch."""


@dataclass(frozen=True, kw_only=True)
class RecognizerOptions:
    """Choices for turning spans into utterances."""

    margin_ms: int = 150
    """Audio kept on both sides of a span where the same channel is free: soft starts and ends of words."""
    batch_clips: int = 0
    """Clips per call; 0 takes the engine's preferred batch."""


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One span, cut out."""

    span: SpeechSpan
    voice: VoiceFacts
    clip: Clip
    start_ms: int
    """Where the clip starts in the recording, margin included."""


class Recognizer:
    """Turns the speech spans of a recording into utterances with one engine."""

    def __init__(
        self, engine: SpeechEngine, options: RecognizerOptions | None = None, *, aligner: Aligner | None = None
    ) -> None:
        """Neither is closed by the recognizer; the aligner is asked where an answer has no word times."""
        self._engine = engine
        self._aligner = aligner
        self._options = options or RecognizerOptions()

    def transcribe(
        self,
        prepared: PreparedAudio,
        *,
        hot_words: Sequence[str] = (),
        language: str | None = None,
        corrector: Corrector | None = None,
        progress: Progress | None = None,
    ) -> tuple[tuple[Utterance, ...], EngineIdentity]:
        """Utterances in order of start_ms (ties: end_ms, then party), and the engine that made them.

        Spans where nobody said a word are left out, unless somebody clearly spoke: those
        become utterances without text, flagged EMPTY_ANSWER. A batch the engine failed on
        becomes utterances flagged REFUSED. Roles are UNSURE: they are decided later.
        `corrector` puts misheard terms right, times stay. Engines without hot words get none.
        Raises the EngineError when every batch failed.
        """
        order = sorted(
            range(len(prepared.spans)),
            key=lambda i: (prepared.spans[i].start_ms, prepared.spans[i].end_ms, prepared.spans[i].party),
        )
        capabilities = self._engine.capabilities
        options = RecognitionOptions(language=language, hot_words=tuple(hot_words) if capabilities.hot_words else ())
        size = max(1, self._options.batch_clips or capabilities.preferred_batch)
        longest_ms = int(capabilities.longest_clip_seconds * 1000)
        widened = _with_margins(prepared, self._options.margin_ms)
        drafts: list[Utterance] = []
        failure: EngineError | None = None
        refused = 0
        for first in range(0, len(order), size):
            batch = order[first : first + size]
            pieces = [self._cut(prepared, index, widened[index], longest_ms) for index in batch]
            try:
                answers = self._engine.transcribe([piece.clip for piece in pieces], options)
            except EngineError as error:
                failure = error
                refused += len(pieces)
                drafts.extend(self._refused(piece) for piece in pieces)
            else:
                made = (self._utterance(p, a, options) for p, a in zip(pieces, answers, strict=True))
                drafts.extend(utterance for utterance in made if utterance is not None)
            if progress is not None:
                progress(first + len(batch), len(order))
        if failure is not None and refused == len(order):
            raise failure
        if corrector is not None:
            drafts = correct_utterances(drafts, corrector)
        return tuple(_numbered(drafts)), self._engine.identity

    def clips(self, prepared: PreparedAudio) -> list[Clip]:
        """Return the clips that transcribe() asks the engine for, in order of the recording's spans."""
        longest_ms = int(self._engine.capabilities.longest_clip_seconds * 1000)
        widened = _with_margins(prepared, self._options.margin_ms)
        return [self._cut(prepared, n, widened[n], longest_ms).clip for n in range(len(prepared.spans))]

    def _cut(self, prepared: PreparedAudio, index: int, widened: tuple[int, int], longest_ms: int) -> _Piece:
        """The span's samples at 16 kHz with as much margin as is free."""
        span = prepared.spans[index]
        start, end = widened
        if end - start > longest_ms:
            start, end = span.start_ms, min(span.end_ms, span.start_ms + longest_ms)
        per_second = prepared.rate_hertz
        raw = prepared.pcm[span.channel, start * per_second // 1000 : end * per_second // 1000]
        samples = raw.astype(np.float32) / 32768.0
        clip = Clip(samples=_at_16_khz(samples, per_second), voice=span.party)
        return _Piece(span=span, voice=prepared.voice[index], clip=clip, start_ms=start)

    def _utterance(self, piece: _Piece, answer: Recognition, options: RecognitionOptions) -> Utterance | None:
        if Flag.REFUSED in answer.flags:
            return self._refused(piece)
        guarded = run_guards(
            answer.text, answer.words, seconds=piece.clip.seconds, voice=piece.voice, hot_words=options.hot_words
        )
        form = to_text_form(guarded.text)
        flags = [*answer.flags, *guarded.flags]
        if not form.text:
            return self._wordless(piece, answer, flags)
        if form.simplified:
            flags.append(Flag.SIMPLIFIED)
        if not answer.language:
            flags.append(Flag.LANGUAGE_MISSING)
        length_ms = len(piece.clip.samples) * 1000 // SAMPLE_RATE_HERTZ
        words = guarded.words or self._aligned(piece, guarded.text, answer.language)
        timed = time_units(
            form.text,
            words,
            length_ms=length_ms,
            voiced=() if words else voiced_stretches(piece.clip.samples, SAMPLE_RATE_HERTZ),
        )
        if timed.spread:
            flags.append(Flag.TIMES_SPREAD)
        spoken = judge_language(form.text, answer.language, timed.characters)
        changed = form.simplified or guarded.text != answer.text
        return _utterance(
            piece,
            text=form.text,
            spoken_text=form.spoken_text,
            original_text=answer.text if changed else "",
            characters=_absolute(with_confidences(timed.characters, answer.text, answer.unit_confidences), piece),
            spoken=spoken,
            confidence=answer.confidence,
            engine=(answer.engine or self._engine.identity).name,
            flags=tuple(dict.fromkeys(flags)),
        )

    def _aligned(self, piece: _Piece, text: str, language: str) -> tuple[TimedText, ...]:
        """Word times from the aligner; none without one, or where it cannot tell: they are spread then."""
        aligner = self._aligner
        if aligner is None or language not in aligner.languages or piece.clip.seconds > aligner.longest_clip_seconds:
            return ()
        try:
            words = aligner.align(piece.clip, text, language)
        except EngineError:
            return ()
        # Its confidence is of the time; the transcript's is of the word.
        return tuple(replace(word, confidence=None) for word in words)

    def _wordless(self, piece: _Piece, answer: Recognition, flags: list[Flag]) -> Utterance | None:
        """A span without words is kept only where somebody clearly spoke."""
        if not clear_speech(piece.voice):
            return None
        return _utterance(
            piece,
            original_text=answer.text,
            spoken=judge_language("", answer.language),
            engine=(answer.engine or self._engine.identity).name,
            flags=tuple(dict.fromkeys([*flags, Flag.EMPTY_ANSWER])),
        )

    def _refused(self, piece: _Piece) -> Utterance:
        return _utterance(piece, engine=self._engine.identity.name, flags=(Flag.REFUSED,))


def _utterance(
    piece: _Piece,
    *,
    engine: str,
    flags: tuple[Flag, ...],
    text: str = "",
    spoken_text: str = "",
    original_text: str = "",
    characters: tuple[TimedText, ...] = (),
    spoken: SpokenLanguage | None = None,
    confidence: float | None = None,
) -> Utterance:
    return Utterance(
        index=0,
        party=piece.span.party,
        role=Role.UNSURE,
        role_confidence=0.0,
        start_ms=piece.span.start_ms,
        end_ms=piece.span.end_ms,
        text=text,
        spoken_text=spoken_text,
        original_text=original_text,
        characters=characters,
        language=spoken.language if spoken else "",
        language_source=spoken.source if spoken else "",
        language_spans=spoken.spans if spoken else (),
        confidence=confidence,
        engine=engine,
        flags=flags,
        voice=piece.voice,
    )


def _numbered(drafts: Sequence[Utterance]) -> list[Utterance]:
    return [replace(draft, index=index) for index, draft in enumerate(drafts)]


def _with_margins(prepared: PreparedAudio, margin_ms: int) -> list[tuple[int, int]]:
    """Every span widened by the margin, at most halfway to its neighbours on the same channel."""
    total_ms = prepared.pcm.shape[1] * 1000 // prepared.rate_hertz
    by_channel: dict[int, list[SpeechSpan]] = {}
    for span in prepared.spans:
        by_channel.setdefault(span.channel, []).append(span)
    starts = {channel: sorted(span.start_ms for span in spans) for channel, spans in by_channel.items()}
    ends = {channel: sorted(span.end_ms for span in spans) for channel, spans in by_channel.items()}
    widened = []
    for span in prepared.spans:
        start, end = max(0, span.start_ms - margin_ms), min(total_ms, span.end_ms + margin_ms)
        before = bisect_right(ends[span.channel], span.start_ms)
        after = bisect_left(starts[span.channel], span.end_ms)
        if before:
            start = max(start, (ends[span.channel][before - 1] + span.start_ms + 1) // 2)
        if after < len(starts[span.channel]):
            end = min(end, (span.end_ms + starts[span.channel][after]) // 2)
        widened.append((start, max(end, start)))
    return widened


def _at_16_khz(samples: NDArray[np.float32], rate_hertz: int) -> NDArray[np.float32]:
    if rate_hertz == SAMPLE_RATE_HERTZ or not len(samples):
        return samples
    import soxr

    resampled: NDArray[np.float32] = soxr.resample(samples, rate_hertz, SAMPLE_RATE_HERTZ)
    return resampled


def _absolute(characters: Sequence[TimedText], piece: _Piece) -> tuple[TimedText, ...]:
    """Times in the recording, inside the span: what stood in the margin moves to its edge."""
    first, last = piece.span.start_ms, piece.span.end_ms
    moved: list[TimedText] = []
    floor = first
    for left, item in zip(range(len(characters) - 1, -1, -1), characters, strict=True):
        ceiling = max(floor + 1, last - left)
        start = min(max(item.start_ms + piece.start_ms, floor), ceiling - 1)
        end = min(max(item.end_ms + piece.start_ms, start + 1), ceiling)
        moved.append(TimedText(text=item.text, start_ms=start, end_ms=end, confidence=item.confidence))
        floor = end
    return tuple(moved)
