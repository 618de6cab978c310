"""Conditions on the manner of speaking: rate, loudness, pitch, against limits or the speaker's own mean."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import log2
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.findings import utterance_evidence
from qingting.analysis.rules.kinds.base import Eye, Found, Kind
from qingting.analysis.wording import at

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts


class Over(StrEnum):
    """Over what a speech rate is measured."""

    UTTERANCE = "utterance"
    STRETCH = "stretch"
    """The speaker's latest utterances that have `min_characters` together."""
    CALL = "call"
    """All of the speaker's utterances, at the end."""


@dataclass(frozen=True, kw_only=True)
class RateOptions:
    """Speech rate in characters per second; at least one limit."""

    above: float | None = None
    """Faster than this."""
    below: float | None = None
    """Slower than this."""
    jump: float | None = None
    """So many times the speaker's own mean before (1.4: 40 % faster)."""
    drop: float | None = None
    """At most this part of the speaker's own mean before (0.6: 40 % slower)."""
    over: Over = Over.UTTERANCE
    min_characters: int = 12
    """Less text is not judged."""
    min_utterances: int = 3
    """The own mean needs so many utterances."""

    def __post_init__(self) -> None:
        """Refuse what can never hold."""
        limits = (self.above, self.below, self.jump, self.drop)
        if all(one is None for one in limits):
            raise ValueError("give at least one of above, below, jump and drop")
        if any(one is not None and one <= 0 for one in limits) or self.min_characters < 1:
            raise ValueError("limits must be above 0")
        if (self.jump is not None and self.jump <= 1) or (self.drop is not None and self.drop >= 1):
            raise ValueError("`jump` must be above 1 and `drop` below 1")
        if (self.jump or self.drop) and self.over is not Over.UTTERANCE:
            raise ValueError("`jump` and `drop` are measured over utterances")

    def holds(self, rate: float, mean: float | None) -> bool:
        """Whether a rate breaks every given limit."""
        tests = [
            self.above is None or rate > self.above,
            self.below is None or rate < self.below,
            self.jump is None or (mean is not None and rate >= self.jump * mean),
            self.drop is None or (mean is not None and rate <= self.drop * mean),
        ]
        return all(tests)


class RateKind(Kind):
    """Someone speaks too fast or too slowly."""

    name: ClassVar[str] = "speech_rate"
    chinese: ClassVar[str] = "语速"
    captures: ClassVar[bool] = True
    Options: ClassVar[type] = RateOptions

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Keep the latest stretch."""
        options = self.condition.options
        assert isinstance(options, RateOptions)  # noqa: S101  built by the loader from Options
        return _RateEye(options)

    def label(self) -> str:
        """Write the limits."""
        options = self.condition.options
        assert isinstance(options, RateOptions)  # noqa: S101  built by the loader from Options
        limits = [f"超过每秒{options.above:g}字"] if options.above else []
        limits += [f"低于每秒{options.below:g}字"] if options.below else []
        limits += [f"达到本人平均的{options.jump:g}倍"] if options.jump else []
        limits += [f"不到本人平均的{options.drop:g}倍"] if options.drop else []
        return f"语速{'且'.join(limits)}"


class _RateEye(Eye):
    def __init__(self, options: RateOptions) -> None:
        self._options = options
        self._stretch: deque[UtteranceFacts] = deque()

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        if not facts.characters or not facts.speech_ms:
            return ()
        self._stretch.append(facts)
        if self._options.over is Over.CALL:
            return ()
        if self._options.over is Over.UTTERANCE:
            self._stretch = deque([facts])
        stretch = self._stretch
        while sum(one.characters for one in stretch) - stretch[0].characters >= self._options.min_characters:
            stretch.popleft()
        return self._judge()

    def on_end(self, end_ms: int) -> Iterable[Found]:
        return self._judge() if self._options.over is Over.CALL and self._stretch else ()

    def _judge(self) -> Iterable[Found]:
        stretch = tuple(self._stretch)
        characters = sum(one.characters for one in stretch)
        if characters < self._options.min_characters:
            return ()
        rate = characters * 1000 / sum(one.speech_ms for one in stretch)
        base = stretch[-1].baseline
        mean = base.characters_per_second if base.utterances >= self._options.min_utterances else None
        if not self._options.holds(rate, mean):
            return ()
        if self._options.over is Over.STRETCH:
            self._stretch.clear()
        fastest = max(stretch, key=lambda one: one.characters_per_second or 0.0)
        shown = stretch if self._options.over is not Over.CALL else (fastest,)
        own = f"（此前平均每秒{mean:.1f}字）" if mean is not None and (self._options.jump or self._options.drop) else ""
        who, start_ms = stretch[-1].role.chinese, shown[0].utterance.start_ms
        return (_measured(shown, RateKind.name, f"{who}在{at(start_ms)}语速为每秒{rate:.1f}字{own}", f"{rate:.1f}"),)


def _measured(stretch: tuple[UtteranceFacts, ...], operator: str, says: str, value: str) -> Found:
    evidence = tuple(utterance_evidence(one, operator=operator) for one in stretch)
    return Found(
        at_ms=stretch[-1].utterance.start_ms,
        start_ms=stretch[0].utterance.start_ms,
        end_ms=stretch[-1].utterance.end_ms,
        evidence=evidence,
        says=says,
        quote=stretch[-1].utterance.text,
        utterances=tuple(one.utterance for one in stretch),
        value=value,
        words=False,
    )


@dataclass(frozen=True, kw_only=True)
class LoudnessOptions:
    """A jump in loudness against the speaker's own mean."""

    jump_db: float
    """So many dB louder than the speaker's mean before."""
    min_utterances: int = 3
    """The own mean needs so many utterances."""

    def __post_init__(self) -> None:
        """Refuse jumps without height."""
        if self.jump_db <= 0:
            raise ValueError("`jump_db` must be above 0")


class LoudnessKind(Kind):
    """Someone becomes loud."""

    name: ClassVar[str] = "loudness"
    chinese: ClassVar[str] = "音量突增"
    captures: ClassVar[bool] = True
    Options: ClassVar[type] = LoudnessOptions
    shorthand: ClassVar[str] = "jump_db"
    needs_voice: ClassVar[bool] = True

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Baselines come with the facts."""
        options = self.condition.options
        assert isinstance(options, LoudnessOptions)  # noqa: S101  built by the loader from Options
        return _LoudnessEye(options)

    def label(self) -> str:
        """Write how much."""
        return "音量明显高于本人平均"


class _LoudnessEye(Eye):
    def __init__(self, options: LoudnessOptions) -> None:
        self._options = options

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        voice, base = facts.utterance.voice, facts.baseline
        if voice is None or base.loudness_dbfs is None or base.utterances < self._options.min_utterances:
            return ()
        jump = voice.loudness_dbfs - base.loudness_dbfs
        if jump < self._options.jump_db:
            return ()
        says = f"{facts.role.chinese}在{at(facts.utterance.start_ms)}音量比此前平均高{jump:.1f}分贝"
        return (_measured((facts,), LoudnessKind.name, says, f"{jump:.1f}"),)


@dataclass(frozen=True, kw_only=True)
class PitchOptions:
    """A rise in pitch against the speaker's own median."""

    rise_semitones: float
    """So many semitones above the speaker's median before."""
    min_utterances: int = 3
    """The own median needs so many utterances."""

    def __post_init__(self) -> None:
        """Refuse rises without height."""
        if self.rise_semitones <= 0:
            raise ValueError("`rise_semitones` must be above 0")


class PitchKind(Kind):
    """Someone's voice rises."""

    name: ClassVar[str] = "pitch"
    chinese: ClassVar[str] = "音调升高"
    captures: ClassVar[bool] = True
    Options: ClassVar[type] = PitchOptions
    shorthand: ClassVar[str] = "rise_semitones"
    needs_voice: ClassVar[bool] = True

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Baselines come with the facts."""
        options = self.condition.options
        assert isinstance(options, PitchOptions)  # noqa: S101  built by the loader from Options
        return _PitchEye(options)

    def label(self) -> str:
        """Write what."""
        return "音调明显高于本人平均"


class _PitchEye(Eye):
    def __init__(self, options: PitchOptions) -> None:
        self._options = options

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        voice, base = facts.utterance.voice, facts.baseline
        if voice is None or not voice.pitch_hertz or not base.pitch_hertz:
            return ()
        rise = 12 * log2(voice.pitch_hertz / base.pitch_hertz)
        if base.utterances < self._options.min_utterances or rise < self._options.rise_semitones:
            return ()
        says = f"{facts.role.chinese}在{at(facts.utterance.start_ms)}音调比此前高{rise:.1f}个半音"
        return (_measured((facts,), PitchKind.name, says, f"{rise:.1f}"),)
