"""What conditions on other dimensions have in common: they take signals, and are unknown without them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.rules.kinds.base import Eye, Found, Kind
from qingting.analysis.wording import at
from qingting.errors import PackError
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar
    from qingting.analysis.signals import Signal


class SignalKind(Kind):
    """A condition on what another dimension says."""

    captures: ClassVar[bool] = True
    may_miss: ClassVar[bool] = True
    analyzer: ClassVar[str] = ""
    """Id of the dimension."""

    def rests_on(self) -> tuple[str, ...]:
        """The dimension."""
        return (self.analyzer,) if self.analyzer else ()

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Wait for signals."""
        return SignalEye(self)

    def take(self, signal: Signal) -> Found | None:
        """Return the hit that a signal is; None when it is none."""
        raise NotImplementedError  # every kind that uses SignalEye says so itself

    def is_meant(self, role: Role) -> bool:
        """Whether a signal about this role counts."""
        wanted = self.condition.speaker.role
        return wanted is None or role is wanted


class SignalEye(Eye):
    """Asks its kind about every signal that it listens to."""

    def __init__(self, kind: SignalKind) -> None:
        self._kind = kind

    def on_signal(self, signal: Signal) -> Iterable[Found]:
        """Take a signal about the condition's speaker."""
        found = self._kind.take(signal) if self._kind.is_meant(signal.role) else None
        return () if found is None else (found,)


def found_of(signal: Signal, says: str, *, value: str = "") -> Found:
    """Write a signal as a hit, with its evidence and its doubt."""
    first = signal.evidence[0]
    return Found(
        at_ms=first.start_ms,
        start_ms=first.start_ms,
        end_ms=first.end_ms,
        evidence=signal.evidence,
        says=says,
        quote=first.quote,
        utterances=signal.utterances,
        value=value,
        confidence=signal.confidence.value,
        reason=signal.confidence.reasons[0] if signal.confidence.reasons else "",
        words=False,
    )


def moment(signal: Signal) -> str:
    """Who and when: 客户在第0分12秒."""
    return f"{'说话人' if signal.role is Role.UNSURE else signal.role.chinese}在{at(signal.evidence[0].start_ms)}"


def refuse_unknown(given: Iterable[str], known: Collection[str], what: str) -> None:
    """Raise PackError that names the nearest known word, or all of them."""
    for one in given:
        if one not in known:
            close = difflib.get_close_matches(one, known, n=1)
            fix = f"Did you mean `{close[0]}`? " if close else ""
            raise PackError(f"no {what} has the id {one!r}", remedy=f"{fix}Use one of: {', '.join(sorted(known))}.")
