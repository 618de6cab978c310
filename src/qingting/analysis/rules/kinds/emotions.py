"""Conditions on the mood of a speaker: how it is, how strong, whether it rises or falls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.rules.kinds.base import Eye, Found
from qingting.analysis.rules.kinds.signals import SignalKind, found_of, moment
from qingting.analysis.signals import SignalName

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar
    from qingting.analysis.rules.model import Condition
    from qingting.analysis.signals import Signal
    from qingting.model.call import Role


class MoodState(StrEnum):
    """How someone feels in one utterance."""

    POSITIVE = "positive"
    CALM = "calm"
    NEGATIVE = "negative"
    """Negative intensity 0.45 and more; angry is negative too."""
    ANGRY = "angry"
    """Negative intensity 0.75 and more."""

    @property
    def chinese(self) -> str:
        """What a reader sees."""
        return {"positive": "正面", "calm": "平静", "negative": "负面", "angry": "激烈不满"}[self.value]

    def holds(self, value: str) -> bool:
        """Whether a signal's state is meant."""
        return value == self.value or (self is MoodState.NEGATIVE and value == MoodState.ANGRY.value)


class Trend(StrEnum):
    """Where the negative intensity goes."""

    RISING = "rising"
    FALLING = "falling"


@dataclass(frozen=True, kw_only=True)
class EmotionOptions:
    """A state, a strength or a trend; everything given must hold in one utterance."""

    state: MoodState | None = None
    """`positive`, `calm`, `negative` or `angry`."""
    at_least: float | None = None
    """Negative intensity from here on, above 0 to 1."""
    trend: Trend | None = None
    """`rising` or `falling` negative intensity, over the speaker's latest utterances."""
    change: float = 0.25
    """So much must it rise or fall, above 0 to 1."""
    over_utterances: int = 4
    """Within so many of the speaker's utterances, the newest included."""

    def __post_init__(self) -> None:
        """Refuse what can never hold."""
        if self.state is None and self.at_least is None and self.trend is None:
            raise ValueError("give at least one of state, at_least and trend")
        if self.at_least is not None and not 0.0 < self.at_least <= 1.0:
            raise ValueError("`at_least` must be above 0 and at most 1")
        if not 0.0 < self.change <= 1.0 or self.over_utterances < 2:
            raise ValueError("`change` must be above 0 and at most 1, `over_utterances` at least 2")


class EmotionKind(SignalKind):
    """Someone's mood is, becomes or stops being so."""

    name: ClassVar[str] = "emotion"
    chinese: ClassVar[str] = "情绪"
    analyzer: ClassVar[str] = "emotion_analyzer"
    signals: ClassVar[frozenset[str]] = frozenset({SignalName.EMOTION})
    Options: ClassVar[type] = EmotionOptions
    shorthand: ClassVar[str] = "state"

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        options = condition.options
        assert isinstance(options, EmotionOptions)  # noqa: S101  built by the loader from Options
        self.options = options

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Keep each speaker's latest strengths."""
        return _EmotionEye(self)

    def label(self) -> str:
        """Write what is asked."""
        asked = self.options
        parts = [f"情绪{asked.state.chinese}"] if asked.state is not None else []
        parts += [f"负面情绪强度达到{asked.at_least:g}"] if asked.at_least is not None else []
        if asked.trend is not None:
            parts.append("负面情绪上升" if asked.trend is Trend.RISING else "负面情绪回落")
        return "且".join(parts)


class _EmotionEye(Eye):
    def __init__(self, kind: EmotionKind) -> None:
        self._kind = kind
        self._latest: dict[Role, deque[Signal]] = {}

    def on_signal(self, signal: Signal) -> Iterable[Found]:
        asked = self._kind.options
        if not self._kind.is_meant(signal.role):
            return ()
        before = self._turn(signal) if asked.trend is not None else None
        if asked.trend is not None and before is None:
            return ()
        if asked.state is not None and not asked.state.holds(signal.value):
            return ()
        if asked.at_least is not None and signal.strength < asked.at_least:
            return ()
        if before is not None:
            self._latest[signal.role] = deque([signal], maxlen=asked.over_utterances)
        return (_found(signal, before),)

    def _turn(self, signal: Signal) -> Signal | None:
        """Return the utterance from which the strength has changed as asked; None when it has not."""
        asked = self._kind.options
        latest = self._latest.setdefault(signal.role, deque(maxlen=asked.over_utterances))
        latest.append(signal)
        others = list(latest)[:-1]
        if not others:
            return None
        if asked.trend is Trend.RISING:
            base = min(others, key=lambda one: one.strength)
            enough = signal.strength - base.strength >= asked.change
            # The newest must be the peak: an utterance on the way down does not rise.
            return base if enough and signal.strength >= max(one.strength for one in others) else None
        base = max(others, key=lambda one: one.strength)
        enough = base.strength - signal.strength >= asked.change
        return base if enough and signal.strength <= min(one.strength for one in others) else None


def _found(signal: Signal, before: Signal | None) -> Found:
    state, why = MoodState(signal.value).chinese, f"：{signal.says}" if signal.says else ""
    says = f"{moment(signal)}情绪{state}（强度{signal.strength:.2f}{why}）"
    if before is not None:
        turned = "升至" if signal.strength > before.strength else "降至"
        says = f"{moment(signal)}负面情绪强度由{before.strength:.2f}{turned}{signal.strength:.2f}"
        says += f"（{signal.says}）" if signal.says else ""
    return found_of(signal, says, value=f"{signal.strength:.2f}")
