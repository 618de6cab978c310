"""Conditions on time: silences of three kinds, and speech over the other side's speech."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.findings import time_evidence, utterance_evidence
from qingting.analysis.rules.kinds.base import Eye, Found, Kind
from qingting.analysis.rules.model import Condition, Speaker
from qingting.analysis.wording import at, seconds
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.analysis.analyzer import SpeechStart
    from qingting.analysis.context import CallSoFar, UtteranceFacts


class Between(StrEnum):
    """Whose silence is meant."""

    ANYONE = "anyone"
    """Nobody speaks."""
    RESPONSE = "response"
    """The other side has finished and the condition's speaker has not begun to answer."""
    OWN = "own"
    """The condition's speaker pauses between two of its own utterances; nobody speaks meanwhile."""


@dataclass(frozen=True, kw_only=True)
class SilenceOptions:
    """How long, and whose silence."""

    seconds: float
    """From this length on."""
    between: Between = Between.ANYONE
    from_start: bool = False
    """Whether the time before anyone's first word counts (`anyone` only)."""

    def __post_init__(self) -> None:
        """Refuse silences without length."""
        if self.seconds <= 0:
            raise ValueError("`seconds` must be above 0")


class SilenceKind(Kind):
    """A silence lasts too long; found the moment it does, unless only its end tells whose it was."""

    name: ClassVar[str] = "silence"
    chinese: ClassVar[str] = "静默"
    Options: ClassVar[type] = SilenceOptions
    shorthand: ClassVar[str] = "seconds"
    hears_all: ClassVar[bool] = True
    waits: ClassVar[bool] = True
    of_speech: ClassVar[bool] = False

    def problem(self) -> str:
        """A response needs someone who must respond."""
        options = self.condition.options
        assert isinstance(options, SilenceOptions)  # noqa: S101  built by the loader from Options
        if options.between is Between.RESPONSE and self.condition.speaker is Speaker.ANY:
            return "`between: response` needs `role: agent` or `role: customer`: who must respond"
        return ""

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Follow the silences."""
        options = self.condition.options
        assert isinstance(options, SilenceOptions)  # noqa: S101  built by the loader from Options
        eye = _SilenceEye(self.condition, options, so_far, wake)
        if options.from_start and options.between is Between.ANYONE:
            eye.begin(0)
        return eye

    def label(self) -> str:
        """Write whose silence."""
        options = self.condition.options
        assert isinstance(options, SilenceOptions)  # noqa: S101  built by the loader from Options
        words = {Between.ANYONE: "静默", Between.RESPONSE: "未回应", Between.OWN: "停顿"}
        return f"{words[options.between]}{seconds(round(options.seconds * 1000))}以上"


class _SilenceEye(Eye):
    """Measures the running silence."""

    def __init__(
        self, condition: Condition, options: SilenceOptions, so_far: CallSoFar, wake: Callable[[int], None]
    ) -> None:
        self._role = condition.speaker.role
        self._options = options
        self._so_far = so_far
        self._wake = wake
        self._length_ms = round(options.seconds * 1000)
        self._since_ms: int | None = None
        self._last: UtteranceFacts | None = None

    def begin(self, at_ms: int) -> None:
        """Count from here."""
        self._since_ms = at_ms
        if self._options.between is not Between.OWN:
            self._wake(at_ms + self._length_ms)

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        if self._last is None or facts.utterance.end_ms >= self._last.utterance.end_ms:
            self._last = facts
        if self._so_far.silent_since_ms is not None and self._concerns(facts.role):
            self.begin(self._so_far.silent_since_ms)
        return ()

    def _concerns(self, role: Role) -> bool:
        if self._options.between is Between.ANYONE or self._role is None:
            return True
        return role is (self._role.other if self._options.between is Between.RESPONSE else self._role)

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Found]:
        since_ms, self._since_ms = self._since_ms, None
        own = self._options.between is Between.OWN and self._role in (None, speech.role)
        same_side = self._last is not None and self._last.role is speech.role
        if since_ms is None or not own or not same_side or speech.at_ms - since_ms < self._length_ms:
            return ()
        return (self._found(since_ms, speech.at_ms, speech.role),)

    def on_timer(self, at_ms: int) -> Iterable[Found]:
        since_ms = self._since_ms
        if since_ms is None or at_ms < since_ms + self._length_ms:
            return ()
        self._since_ms = None
        return (self._found(since_ms, at_ms, self._role or Role.UNSURE),)

    def _found(self, start_ms: int, end_ms: int, role: Role) -> Found:
        notes = {Between.ANYONE: "双方都没有说话", Between.RESPONSE: "没有回应", Between.OWN: "停顿"}
        who = "双方" if self._options.between is Between.ANYONE else Speaker(role.value).chinese if self._role else ""
        words = {Between.ANYONE: "静默", Between.RESPONSE: "没有回应达", Between.OWN: "停顿"}[self._options.between]
        gap = time_evidence(start_ms, end_ms, operator=SilenceKind.name, role=role, note=notes[self._options.between])
        before = self._last
        return Found(
            at_ms=end_ms,
            start_ms=start_ms,
            end_ms=end_ms,
            evidence=(gap,)
            if before is None
            else (gap, utterance_evidence(before, operator="context", note="此前一句")),
            says=f"{at(start_ms)}起{who}{words}{seconds(end_ms - start_ms)}",
            utterances=() if before is None else (before.utterance,),
            length_ms=end_ms - start_ms,
            words=False,
        )


@dataclass(frozen=True, kw_only=True)
class OverlapOptions:
    """Speech over the other side's speech."""

    seconds: float
    """From this length on."""
    lead_seconds: float = 0.5
    """The other side must have been speaking so long: else both merely began together."""
    min_characters: int = 3
    """Shorter interjections (嗯) do not count."""

    def __post_init__(self) -> None:
        """Refuse overlaps without length."""
        if self.seconds <= 0 or self.lead_seconds < 0:
            raise ValueError("`seconds` must be above 0 and `lead_seconds` not negative")


class OverlapKind(Kind):
    """The condition's speaker talks over the other side."""

    name: ClassVar[str] = "overlap"
    chinese: ClassVar[str] = "抢话"
    Options: ClassVar[type] = OverlapOptions
    shorthand: ClassVar[str] = "seconds"
    hears_all: ClassVar[bool] = True

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Keep the last utterances of both sides."""
        options = self.condition.options
        assert isinstance(options, OverlapOptions)  # noqa: S101  built by the loader from Options
        return _OverlapEye(options, self.condition.speaker.role)

    def label(self) -> str:
        """Write how long."""
        options = self.condition.options
        assert isinstance(options, OverlapOptions)  # noqa: S101  built by the loader from Options
        return f"抢话{seconds(round(options.seconds * 1000))}以上"


_KEPT_MS = 60_000
"""Utterances are at most half so long, so older ones overlap nothing that is still to come."""


class _OverlapEye(Eye):
    def __init__(self, options: OverlapOptions, role: Role | None) -> None:
        self._options = options
        self._role = role
        self._heard: list[UtteranceFacts] = []

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        since_ms = facts.utterance.end_ms - _KEPT_MS
        self._heard = [one for one in self._heard if one.utterance.end_ms > since_ms]
        pairs = [self._judge(*_in_order(one, facts)) for one in self._heard if one.role is not facts.role]
        self._heard.append(facts)
        return [one for one in pairs if one is not None]

    def _judge(self, first: UtteranceFacts, second: UtteranceFacts) -> Found | None:
        start_ms = second.utterance.start_ms
        end_ms = min(first.utterance.end_ms, second.utterance.end_ms)
        if self._role is not None and second.role is not self._role:
            return None
        if end_ms - start_ms < self._options.seconds * 1000:
            return None
        lead_ms = start_ms - first.utterance.start_ms
        if lead_ms < max(self._options.lead_seconds * 1000, 1) or second.characters < self._options.min_characters:
            return None
        both = time_evidence(start_ms, end_ms, operator=OverlapKind.name, role=second.role, note="双方同时说话")
        return Found(
            at_ms=start_ms,
            start_ms=start_ms,
            end_ms=end_ms,
            evidence=(
                both,
                utterance_evidence(second, operator=OverlapKind.name, note=f"{second.role.chinese}插话"),
                utterance_evidence(first, operator=OverlapKind.name, note=f"{first.role.chinese}正在说话"),
            ),
            says=f"{second.role.chinese}在{at(start_ms)}抢话，双方同时说话{seconds(end_ms - start_ms)}",
            quote=second.utterance.text,
            utterances=(first.utterance, second.utterance),
            length_ms=end_ms - start_ms,
            words=False,
        )


def _in_order(one: UtteranceFacts, other: UtteranceFacts) -> tuple[UtteranceFacts, UtteranceFacts]:
    return (one, other) if one.utterance.start_ms <= other.utterance.start_ms else (other, one)
