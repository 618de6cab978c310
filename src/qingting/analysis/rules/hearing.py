"""What rules hear of other dimensions: signals to the conditions that asked, and what stays unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.analysis.rules.kinds import Eye, Kind
from qingting.model.call import Role
from qingting.model.report import Gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qingting.analysis.context import CallSoFar
    from qingting.analysis.rules.matching import RuleState
    from qingting.analysis.rules.scopes import Clock
    from qingting.analysis.signals import Signal

UNKNOWN = "rules.unknown"
"""What the gaps of rules begin with that could not be judged."""
_MOST_NAMED = 5


class SignalEyes:
    """The eyes of one call that listen to signals, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[tuple[int, Eye]]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def add(self, leaf: int, kind: Kind, eye: Eye) -> None:
        """Take an eye whose kind names signals."""
        for name in kind.signals:
            self._by_name.setdefault(name, []).append((leaf, eye))

    def of(self, signal: Signal) -> Sequence[tuple[int, Eye]]:
        """Return the eyes a signal is for, in order of their conditions."""
        return self._by_name.get(signal.name, ())


def heard_by(signal: Signal, so_far: CallSoFar, clock: Clock) -> tuple[int, int, int]:
    """Count the utterances of agent, customer, anyone up to the one that a signal is about."""
    agent, customer, everyone = clock.heard
    if not signal.utterances:
        return agent, customer, everyone
    newest = signal.utterances[0] if signal.finding is not None else signal.utterances[-1]
    heard = so_far.utterances[:everyone]
    if heard and heard[-1].index == newest.index:
        return agent, customer, everyone
    place = next((at for at, one in enumerate(heard, start=1) if one.index == newest.index), everyone)
    roles = [one.role for one in heard[:place]]
    return roles.count(Role.AGENT), roles.count(Role.CUSTOMER), place


def unknown_gaps(states: Iterable[RuleState]) -> list[Gap]:
    """Name the rules that could not be judged, one gap per reason: never silently clean."""
    rules: dict[str, list[str]] = {}
    for state in states:
        reason = _reason(state)
        if reason:
            rules.setdefault(reason, []).append(state.compiled.rule.name)
    gaps = []
    for number, (reason, names) in enumerate(rules.items(), start=1):
        shown = "、".join(f"“{name}”" for name in names[:_MOST_NAMED])
        more = f"等{len(names)}条规则" if len(names) > _MOST_NAMED else ""
        gaps.append(Gap(what=f"{UNKNOWN}:{number}", reason=f"自定义规则{shown}{more}未能判断（{reason}）。"))
    return gaps


def _reason(state: RuleState) -> str:
    """Say in Chinese what a rule lacked; empty when it was judged."""
    rule, judge = state.compiled.rule, state.judge
    hidden = bool(rule.for_each) and not state.closed and rule.for_each in state.compiled.resting
    if not (state.unknown or hidden) or (state.done and not state.unknown):
        return ""
    reasons = [judge.missing(name) for name in sorted(state.compiled.resting)]
    return "；".join(dict.fromkeys(one for one in reasons if one))
