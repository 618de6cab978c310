"""A speech engine that reads its answers from a script instead of listening."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from threading import Lock

from qingting.errors import EngineAnswerError
from qingting.model.audio import SpeechSpan
from qingting.model.call import Role
from qingting.model.transcript import EngineIdentity, TimedText
from qingting.speech.engine import Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.testing.call_script import CallScript, ScriptTurn, spread_characters


class ScriptedEngine(SpeechEngine):
    """Answers clips with given recognitions, in the order asked, over all transcribe() calls.

    For tests that need words without recognition. A caller that asks out of order, or for the
    same clip twice, gets the answers of that order: give it what it will ask.
    """

    def __init__(self, answers: Iterable[Recognition | str], *, otherwise: Recognition | str | None = None) -> None:
        """Take the answers; `otherwise` answers every clip after them, None makes that an error."""
        self._answers = [_recognition(answer) for answer in answers]
        self._otherwise = None if otherwise is None else _recognition(otherwise)
        self._next = 0
        self._lock = Lock()

    @classmethod
    def for_spans(cls, script: CallScript, spans: Sequence[SpeechSpan]) -> ScriptedEngine:
        """Build an engine for clips cut at these speech spans, asked in this order."""
        return cls(answers_for_spans(script, spans))

    @property
    def identity(self) -> EngineIdentity:
        """Name itself as a script, so that no report passes for a recognised one."""
        return EngineIdentity(name="scripted", model="script", revision="")

    @property
    def capabilities(self) -> Capabilities:
        """Claim what a perfect engine could do."""
        return Capabilities(
            languages=("zh", "yue", "en"),
            word_times=True,
            confidence=True,
            hot_words=False,
            longest_clip_seconds=30.0,
            preferred_batch=8,
            live=True,
        )

    @property
    def asked(self) -> int:
        """Clips answered so far."""
        return self._next

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Return the next answers. Raises EngineAnswerError when the script is used up."""
        with self._lock:
            first, self._next = self._next, self._next + len(clips)
        answers = self._answers[first : first + len(clips)]
        missing = len(clips) - len(answers)
        if missing and self._otherwise is None:
            raise EngineAnswerError(
                f"the scripted engine has {len(self._answers)} answers and was asked for clip {first + len(clips)}",
                remedy="Give an answer per clip, or `otherwise`.",
            )
        if self._otherwise is not None:
            answers += [self._otherwise] * missing
        return [_fitted(answer, clip) for answer, clip in zip(answers, clips, strict=True)]


def answers_for_spans(script: CallScript, spans: Sequence[SpeechSpan]) -> list[Recognition]:
    """Return what a perfect engine would answer for clips cut at `spans`, in their order.

    Every unit of the script goes to the span of its party that covers it or lies nearest, so
    no word is lost where voice activity begins late. Parties are matched to roles by the time
    they share with the script's turns.
    """
    roles = _roles_of_parties(script, spans)
    given: list[list[TimedText]] = [[] for _ in spans]
    pieces: list[list[str]] = [[] for _ in spans]
    for turn in script.turns:
        owners = [index for index, span in enumerate(spans) if turn.role in roles[span.party]]
        if not owners:
            continue
        for unit, written in _units_with_punctuation(turn):
            owner = min(owners, key=lambda index: _distance(unit, spans[index]))
            given[owner].append(unit)
            pieces[owner].append(written)
    return [
        Recognition(
            text="".join(written),
            language="zh" if written else "",
            words=_relative(units, span),
            confidence=1.0,
        )
        for span, units, written in zip(spans, given, pieces, strict=True)
    ]


def _recognition(answer: Recognition | str) -> Recognition:
    if isinstance(answer, Recognition):
        return answer
    return Recognition(text=answer, language="zh" if answer else "", confidence=1.0)


def _fitted(answer: Recognition, clip: Clip) -> Recognition:
    """Spread the words of an answer without times over the clip it is given for."""
    if answer.words or not answer.text:
        return answer
    length_ms = round(clip.seconds * 1000)
    words = spread_characters(answer.text, 0, length_ms)
    return Recognition(
        text=answer.text,
        language=answer.language,
        words=words if length_ms >= len(words) else (),
        confidence=answer.confidence,
        flags=answer.flags,
    )


def _roles_of_parties(script: CallScript, spans: Sequence[SpeechSpan]) -> Mapping[str, tuple[Role, ...]]:
    """Roles each party speaks for: both for a mixed one, else the split that fits the turns best."""
    parties = sorted({span.party for span in spans})
    roles = (Role.AGENT, Role.CUSTOMER)
    if parties == ["mono"] or len(parties) > len(roles):
        return dict.fromkeys(parties, roles)
    if script.audio is not None and script.audio.channels == 2:
        return {script.party(role): (role,) for role in roles}
    splits = [split for split in product(roles, repeat=len(parties)) if len(set(split)) == len(parties)]
    best = max(splits, key=lambda split: _shared_ms(script, spans, dict(zip(parties, split, strict=True))))
    return {party: (role,) for party, role in zip(parties, best, strict=True)}


def _shared_ms(script: CallScript, spans: Sequence[SpeechSpan], roles: Mapping[str, Role]) -> int:
    return sum(
        max(0, min(span.end_ms, turn.end_ms) - max(span.start_ms, turn.start_ms))
        for span in spans
        for turn in script.turns
        if turn.role is roles[span.party]
    )


def _units_with_punctuation(turn: ScriptTurn) -> list[tuple[TimedText, str]]:
    """Each unit of a turn with the punctuation that follows it."""
    units = spread_characters(turn.text, turn.start_ms, turn.end_ms)
    starts = []
    position = 0
    for unit in units:
        position = turn.text.index(unit.text, position)
        starts.append(position)
        position += len(unit.text)
    edges = [0, *starts[1:], len(turn.text)]
    return [(unit, turn.text[edges[index] : edges[index + 1]]) for index, unit in enumerate(units)]


def _distance(unit: TimedText, span: SpeechSpan) -> int:
    middle_ms = (unit.start_ms + unit.end_ms) // 2
    return max(span.start_ms - middle_ms, middle_ms - (span.end_ms - 1), 0)


def _relative(units: Sequence[TimedText], span: SpeechSpan) -> tuple[TimedText, ...]:
    """Count times from the span's start, kept inside it and strictly rising."""
    length_ms = span.end_ms - span.start_ms
    if len(units) > length_ms:
        return ()
    times: list[TimedText] = []
    floor_ms = 0
    for index, unit in enumerate(units):
        room_ms = length_ms - (len(units) - index)
        start_ms = min(max(unit.start_ms - span.start_ms, floor_ms), room_ms)
        floor_ms = min(max(unit.end_ms - span.start_ms, start_ms + 1), room_ms + 1)
        times.append(TimedText(text=unit.text, start_ms=start_ms, end_ms=floor_ms, confidence=1.0))
    return tuple(times)
