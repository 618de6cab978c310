"""Conditions on the whole call: turns, talk ratio, duration, and what is known of the call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.findings import time_evidence
from qingting.analysis.rules.fields import compare, field_value
from qingting.analysis.rules.kinds.base import Eye, Found, Kind
from qingting.analysis.rules.model import FieldTest
from qingting.analysis.wording import seconds
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.analysis.analyzer import SpeechStart
    from qingting.analysis.context import CallSoFar, UtteranceFacts


def _whole(operator: str, now_ms: int, says: str, *, role: Role = Role.UNSURE, value: str = "") -> Found:
    return Found(
        at_ms=now_ms,
        start_ms=0,
        end_ms=now_ms,
        evidence=(time_evidence(0, now_ms, operator=operator, role=role, note=says),),
        says=says,
        value=value,
        words=False,
    )


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """A measure of the call above or below a limit."""

    above: float | None = None
    """More than this."""
    below: float | None = None
    """Less than this; decided at the end."""

    def __post_init__(self) -> None:
        """Refuse what can never hold."""
        if self.above is None and self.below is None:
            raise ValueError("give `above`, `below` or both")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError("no number is above `above` and below `below`")
        if any(one is not None and one < 0 for one in (self.above, self.below)):
            raise ValueError("limits must not be negative")

    def holds(self, value: float) -> bool:
        """Whether a value keeps every given limit."""
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)

    def label(self, unit: str) -> str:
        """Write the limits."""
        parts = [f"多于{self.above:g}{unit}"] if self.above is not None else []
        parts += [f"少于{self.below:g}{unit}"] if self.below is not None else []
        return "且".join(parts)


class _LimitKind(Kind):
    captures: ClassVar[bool] = True
    Options: ClassVar[type] = LimitOptions
    anchorable: ClassVar[bool] = False
    hears_all: ClassVar[bool] = True
    of_speech: ClassVar[bool] = False

    @property
    def limits(self) -> LimitOptions:
        """The limits."""
        options = self.condition.options
        assert isinstance(options, LimitOptions)  # noqa: S101  built by the loader from Options
        return options


class TurnsKind(_LimitKind):
    """How often someone takes the floor."""

    name: ClassVar[str] = "turns"
    chinese: ClassVar[str] = "对话轮次"

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Count the turns."""
        return _TurnsEye(self, so_far)

    def label(self) -> str:
        """Write the limits."""
        return f"说话轮次{self.limits.label('轮')}"


class _TurnsEye(Eye):
    def __init__(self, kind: TurnsKind, so_far: CallSoFar) -> None:
        self._kind = kind
        self._so_far = so_far
        self._turns = 0
        self._party = ""
        self._found = False

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        role = self._kind.condition.speaker.role
        if facts.utterance.party != self._party and (role is None or facts.role is role):
            self._turns += 1
        self._party = facts.utterance.party
        return self._judge(self._so_far.now_ms) if self._kind.limits.below is None else ()

    def on_end(self, end_ms: int) -> Iterable[Found]:
        return self._judge(end_ms)

    def _judge(self, now_ms: int) -> Iterable[Found]:
        if self._found or not self._kind.limits.holds(self._turns):
            return ()
        self._found = True
        says = f"{self._kind.condition.speaker.chinese}共说话{self._turns}轮"
        return (_whole(TurnsKind.name, now_ms, says, value=str(self._turns)),)


class TalkRatioKind(_LimitKind):
    """The speaker's share of all speech, 0 to 1."""

    name: ClassVar[str] = "talk_ratio"
    chinese: ClassVar[str] = "说话占比"

    def problem(self) -> str:
        """A share needs its speaker."""
        if self.condition.speaker.role is None:
            return "`talk_ratio` needs `role: agent` or `role: customer`: whose share it is"
        return ""

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Measure at the end."""
        return _TalkRatioEye(self, so_far)

    def label(self) -> str:
        """Write the limits."""
        return f"说话占比{self.limits.label('')}"


class _TalkRatioEye(Eye):
    def __init__(self, kind: TalkRatioKind, so_far: CallSoFar) -> None:
        self._kind = kind
        self._so_far = so_far

    def on_end(self, end_ms: int) -> Iterable[Found]:
        role = self._kind.condition.speaker.role
        total_ms = sum(self._so_far.role(one).span_ms for one in Role)
        if role is None or not total_ms or not self._so_far.role(role.other).utterances:
            return ()
        share = self._so_far.role(role).span_ms / total_ms
        if not self._kind.limits.holds(share):
            return ()
        says = f"{role.chinese}说话占双方说话时间的{share:.0%}"
        return (_whole(TalkRatioKind.name, end_ms, says, role=role, value=f"{share:.0%}"),)


class DurationKind(_LimitKind):
    """The call's length in seconds."""

    name: ClassVar[str] = "duration"
    chinese: ClassVar[str] = "通话时长"
    waits: ClassVar[bool] = True

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Wait for the limit, or for the end."""
        eye = _DurationEye(self)
        if self.limits.above is not None and self.limits.below is None:
            wake(int(self.limits.above * 1000) + 1)
        return eye

    def label(self) -> str:
        """Write the limits."""
        return f"通话时长{self.limits.label('秒')}"


class _DurationEye(Eye):
    def __init__(self, kind: DurationKind) -> None:
        self._kind = kind
        self._found = False

    def on_timer(self, at_ms: int) -> Iterable[Found]:
        self._found = True
        return (_whole(DurationKind.name, at_ms, f"通话已超过{seconds(at_ms)}", value=f"{at_ms / 1000:.0f}"),)

    def on_end(self, end_ms: int) -> Iterable[Found]:
        if self._found or not self._kind.limits.holds(end_ms / 1000):
            return ()
        return (_whole(DurationKind.name, end_ms, f"通话时长{seconds(end_ms)}", value=f"{end_ms / 1000:.0f}"),)


class FieldKind(Kind):
    """A field of the call compares as wished."""

    name: ClassVar[str] = "call"
    chinese: ClassVar[str] = "随路数据"
    Options: ClassVar[type] = FieldTest
    anchorable: ClassVar[bool] = False
    hears_all: ClassVar[bool] = True
    waits: ClassVar[bool] = True
    captures: ClassVar[bool] = True
    of_speech: ClassVar[bool] = False

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Compare once; speech shows it as true from the first word on."""
        test = self.condition.options
        assert isinstance(test, FieldTest)  # noqa: S101  built by the loader from Options
        return _FieldEye(test, so_far)

    def label(self) -> str:
        """Write the field."""
        test = self.condition.options
        assert isinstance(test, FieldTest)  # noqa: S101  built by the loader from Options
        return f"随路数据“{test.field}”符合要求"


class _FieldEye(Eye):
    def __init__(self, test: FieldTest, so_far: CallSoFar) -> None:
        self._test = test
        self._so_far = so_far

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Found]:
        return self._judge()

    def on_end(self, end_ms: int) -> Iterable[Found]:
        return self._judge()

    def _judge(self) -> Iterable[Found]:
        if self.settled:
            return ()
        self.settled = True
        if not compare(self._test, field_value(self._so_far.call, self._test.field)):
            return ()
        value = field_value(self._so_far.call, self._test.field)
        return (_whole(FieldKind.name, self._so_far.now_ms, f"随路数据“{self._test.field}”符合要求", value=value),)
