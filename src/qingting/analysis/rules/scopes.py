"""Whether a condition holds: its hits inside the stretches of the call that count, known in time.

A verdict is final once it is given. It is given as soon as enough hits lie in scope, or when
no further hit can come into scope: the words of everyone who began to speak before its end
must be known first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from qingting.analysis.rules.model import Anchor, AtLeast, Condition, Leaf, Side, Tree
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar
    from qingting.analysis.rules.compiling import CompiledRule
    from qingting.analysis.rules.kinds import Found, Kind


class Truth(Enum):
    """What is known of a condition."""

    HOLDS = "holds"
    FAILS = "fails"
    OPEN = "open"
    """Not known yet."""
    VOID = "void"
    """Cannot be judged: its anchor never came, nobody of that role was heard, or there is no sound."""
    UNKNOWN = "unknown"
    """A dimension it rests on was not inspected: never absent, never present."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamped:
    """A hit with its place among the utterances heard."""

    found: Found
    heard: tuple[int, int, int]
    """Utterances heard of agent, customer, anyone when it was found."""
    number: int
    """Order of arrival in the call, from 0."""

    def ordinal(self, role: Role | None) -> int:
        """Which of a role's utterances was the latest then, from 1."""
        return self.heard[_column(role)]


def _column(role: Role | None) -> int:
    return 0 if role is Role.AGENT else 1 if role is Role.CUSTOMER else 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """A stretch of the call in which a condition may hold."""

    low_ms: int = 0
    high_ms: int | None = None
    """Exclusive; None reaches to the call's end."""
    first: int = 0
    """Ordinal of the speaker's first utterance that counts."""
    last: int | None = None
    utterances: frozenset[int] | None = None
    """Only these utterances (`same`)."""
    ends_by_ms: int | None = None
    """Hits must have ended by then (`before`)."""
    besides: int = -1
    """Number of the anchor's own hit, which never counts for itself."""

    def holds(self, hit: Stamped, role: Role | None) -> bool:
        """Whether a hit lies inside."""
        found, ordinal = hit.found, hit.ordinal(role)
        if hit.number == self.besides or found.at_ms < self.low_ms:
            return False
        if self.high_ms is not None and found.at_ms >= self.high_ms:
            return False
        if self.ends_by_ms is not None and found.end_ms > self.ends_by_ms:
            return False
        if self.utterances is not None and not any(one.index in self.utterances for one in found.utterances):
            return False
        return ordinal >= self.first and (self.last is None or ordinal <= self.last)


_WHOLE_CALL = Scope()


@dataclass(frozen=True, kw_only=True, slots=True)
class Support:
    """Why a tree holds: a condition's hits, or the stretch in which it did not come."""

    condition: str
    hits: tuple[Stamped, ...] = ()
    """Empty for an absence."""
    scope: Scope = Scope()


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is known of a tree or a condition."""

    truth: Truth
    support: tuple[Support, ...] = ()
    look_at_ms: int | None = None
    """When it should be looked at again, should nothing happen before."""
    look_when_heard: bool = False
    """Whether it should be looked at again after the next utterance."""


class Clock:
    """What of the call is known for certain by now."""

    def __init__(self, so_far: CallSoFar) -> None:
        self.so_far = so_far
        self.ended = False
        self.has_voice = False
        self.heard = [0, 0, 0]

    @property
    def now_ms(self) -> int:
        """Call time."""
        return self.so_far.now_ms

    def known_until(self, role: Role | None) -> int:
        """Every word of the role that began before this moment is known."""
        roles = tuple(Role) if role is None else (role,)
        running = [since for one in roles if (since := self.so_far.speaking_since(one)) is not None]
        return min(running, default=self.now_ms)

    def count(self, role: Role | None) -> int:
        """Utterances heard of a role."""
        return self.heard[_column(role)]

    @property
    def both_heard(self) -> bool:
        """Whether agent and customer have both been heard."""
        return self.heard[0] > 0 and self.heard[1] > 0


@dataclass(kw_only=True, slots=True)
class Judge:
    """Judges the conditions of one rule in one call."""

    compiled: CompiledRule
    clock: Clock
    hits: dict[str, list[Stamped]] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    """Conditions that find nothing more."""
    excusing: bool = False
    """While exceptions are judged: what was not heard excuses nothing, whoever was silent."""

    def tree(self, tree: Tree, each: Stamped | None) -> Verdict:
        """Judge a boolean tree; `each` is the hit that this judgement is about."""
        if isinstance(tree, Leaf):
            return self.condition(tree.condition, each)
        if isinstance(tree, AtLeast):
            return _at_least(tree.needed, [self.tree(part, each) for part in tree.parts])
        inner = self.tree(tree.part, each)
        turned = {Truth.HOLDS: Truth.FAILS, Truth.FAILS: Truth.HOLDS}.get(inner.truth, inner.truth)
        return Verdict(
            truth=turned, support=inner.support, look_at_ms=inner.look_at_ms, look_when_heard=inner.look_when_heard
        )

    def condition(self, name: str, each: Stamped | None) -> Verdict:
        """Judge one condition."""
        kind = self.compiled.kinds[name]
        if each is not None and name == self.compiled.rule.for_each:
            return Verdict(truth=Truth.HOLDS, support=(Support(condition=name, hits=(each,)),))
        scopes, more = self._scopes(kind.condition, each)
        every = kind.condition.anchor is not None and kind.condition.anchor.hit == "every"
        verdict = _Verdicts(self, kind).over(scopes, every=every, more=more)
        if name in self.compiled.resting and verdict.truth is not Truth.HOLDS and self.missing(name):
            return Verdict(truth=Truth.UNKNOWN)
        return self._voided(kind, verdict)

    def missing(self, name: str) -> str:
        """Say in Chinese why a condition or one it is anchored to cannot be known; empty when it can."""
        for one in self.compiled.chain(name):
            kind = self.compiled.kinds[one]
            if kind.may_miss and (reason := kind.missing(self.clock.so_far)):
                return reason
        return ""

    def _voided(self, kind: Kind, verdict: Verdict) -> Verdict:
        """An absence says nothing where nothing could be heard."""
        if verdict.truth is not Truth.FAILS or self.excusing:
            return verdict
        unheard = kind.of_speech and not self.clock.both_heard
        silent = kind.needs_voice and not self.clock.has_voice
        if not unheard and not silent:
            return verdict
        if self.clock.ended:
            return Verdict(truth=Truth.VOID)
        return Verdict(truth=Truth.OPEN, look_when_heard=True)

    def qualified(self, name: str, each: Stamped | None) -> list[Stamped]:
        """Hits of a condition that lie in its own scopes, in order of arrival."""
        if each is not None and name == self.compiled.rule.for_each:
            return [each]
        condition = self.compiled.kinds[name].condition
        hits = self.hits.get(name, [])
        if condition.position is None and condition.anchor is None:
            return hits
        scopes, _ = self._scopes(condition, each)
        role = condition.speaker.role
        return [one for one in hits if any(scope.holds(one, role) for scope in scopes)]

    def _scopes(self, condition: Condition, each: Stamped | None) -> tuple[list[Scope], bool]:
        """Return the stretches that count, and whether further ones may come."""
        position = condition.position
        if position is not None and position.at_end and not self.clock.ended:
            return [], True
        inside = self._position_scope(condition)
        anchor = condition.anchor
        if anchor is None:
            return [inside], False
        anchors, more = self._anchors(anchor, each)
        opened = [_anchored(one, anchor, condition) for one in anchors]
        return opened if position is None else [_meet(one, inside) for one in opened], more

    def _anchors(self, anchor: Anchor, each: Stamped | None) -> tuple[Sequence[Stamped], bool]:
        if each is not None and anchor.to == self.compiled.rule.for_each:
            return [each], False
        hits, ended = self.qualified(anchor.to, each), self.clock.ended
        if anchor.hit == "last":
            return (hits[-1:], False) if ended else ([], True)
        if anchor.hit in ("any", "every"):
            return hits, not ended and anchor.to not in self.settled
        wanted = 1 if anchor.hit == "first" else int(anchor.hit)
        return hits[wanted - 1 : wanted], not ended and len(hits) < wanted

    def _position_scope(self, condition: Condition) -> Scope:
        position = condition.position
        if position is None:
            return _WHOLE_CALL
        end_ms, count = self.clock.now_ms, self.clock.count(condition.speaker.role)
        low = [0]
        high = [] if position.first_seconds is None else [round(position.first_seconds * 1000)]
        if position.last_seconds is not None:
            low.append(end_ms - round(position.last_seconds * 1000))
        if position.from_percent is not None:
            low.append(round(end_ms * position.from_percent / 100))
        if position.to_percent is not None:
            high.append(round(end_ms * position.to_percent / 100))
        first = 0 if position.last_utterances is None else count - position.last_utterances + 1
        return Scope(low_ms=max(low), high_ms=min(high, default=None), first=first, last=position.first_utterances)


def _anchored(hit: Stamped, anchor: Anchor, condition: Condition) -> Scope:
    """Return the stretch that an anchor's hit opens."""
    found, role = hit.found, condition.speaker.role
    if anchor.side is Side.SAME:
        return Scope(utterances=frozenset(one.index for one in found.utterances), besides=hit.number)
    reach = None if anchor.within_seconds is None else round(anchor.within_seconds * 1000)
    ordinal, near = hit.ordinal(role), anchor.within_utterances
    own = any(role is None or one.role is role for one in found.utterances)
    first = 0 if near is None else ordinal - near + (0 if own else 1)
    last = None if near is None else ordinal + near
    before = max(found.start_ms - reach, 0) if reach is not None else 0
    if anchor.side is Side.BEFORE:
        return Scope(low_ms=before, high_ms=found.start_ms, first=first, ends_by_ms=found.start_ms, besides=hit.number)
    after = None if reach is None else found.end_ms + reach
    if anchor.side is Side.AFTER:
        return Scope(low_ms=found.end_ms, high_ms=after, last=last, besides=hit.number)
    return Scope(low_ms=before, high_ms=after, first=first, last=last, besides=hit.number)


def _meet(one: Scope, other: Scope) -> Scope:
    """Return the stretch both allow."""
    highs = [high for high in (one.high_ms, other.high_ms) if high is not None]
    lasts = [last for last in (one.last, other.last) if last is not None]
    return Scope(
        low_ms=max(one.low_ms, other.low_ms),
        high_ms=min(highs, default=None),
        first=max(one.first, other.first),
        last=min(lasts, default=None),
        utterances=one.utterances,
        ends_by_ms=one.ends_by_ms,
        besides=one.besides,
    )


class _Verdicts:
    """Judges one condition over its scopes."""

    def __init__(self, judge: Judge, kind: Kind) -> None:
        self._kind = kind
        self._condition = kind.condition
        self._role = kind.condition.speaker.role
        self._clock = judge.clock
        self._hits = judge.hits.get(kind.condition.id, [])
        self._settled = kind.condition.id in judge.settled
        self._known_ms = judge.clock.known_until(None if kind.hears_all else self._role)

    def over(self, scopes: Sequence[Scope], *, every: bool, more: bool) -> Verdict:
        """Join the scopes' verdicts: any of them, or every one."""
        looks: list[int] = []
        heard = more and not scopes
        undecided = more
        held: list[Support] = []
        for scope in scopes:
            enough = self._enough(scope)
            if enough:
                support = Support(condition=self._condition.id, hits=enough, scope=scope)
                if not every:
                    return Verdict(truth=Truth.HOLDS, support=(support,))
                held.append(support)
            elif not self._is_over(scope):
                undecided = True
                heard = heard or scope.last is not None or self._is_past(scope)
                looks += [scope.high_ms] if scope.high_ms is not None and not self._is_past(scope) else []
            elif every:
                absent = Support(condition=self._condition.id, scope=scope)
                return Verdict(truth=Truth.FAILS, support=(absent,))
        if undecided:
            return Verdict(truth=Truth.OPEN, look_at_ms=min(looks, default=None), look_when_heard=heard)
        if not scopes:
            return Verdict(truth=Truth.VOID)
        if every:
            return Verdict(truth=Truth.HOLDS, support=tuple(held))
        absent = Support(condition=self._condition.id, scope=scopes[-1])
        return Verdict(truth=Truth.FAILS, support=(absent,))

    def _is_past(self, scope: Scope) -> bool:
        return scope.high_ms is not None and self._clock.now_ms >= scope.high_ms

    def _is_over(self, scope: Scope) -> bool:
        """Whether no further hit can come into a scope."""
        if self._clock.ended or self._settled:
            return True
        if self._kind.late:
            return False
        if scope.utterances is not None:
            return True
        if scope.high_ms is not None and self._known_ms >= scope.high_ms:
            return True
        # Words before the speaker's next utterance are all heard; that one may still begin.
        return scope.last is not None and self._clock.count(self._role) >= scope.last

    def _enough(self, scope: Scope) -> tuple[Stamped, ...]:
        """Return the hits that satisfy the condition in a scope; empty when they do not."""
        inside = [one for one in self._hits if scope.holds(one, self._role)]
        if self._kind.needs_terms:
            firsts: dict[int, Stamped] = {}
            for one in inside:
                firsts.setdefault(one.found.term, one)
            inside = list(firsts.values())
        needed = max(self._condition.times, self._kind.needs_terms)
        if len(inside) < needed:
            return ()
        window = self._condition.window_seconds
        if window is None:
            return tuple(inside[:needed])
        inside.sort(key=lambda one: (one.found.at_ms, one.number))
        for place in range(len(inside) - needed + 1):
            group = inside[place : place + needed]
            if group[-1].found.at_ms - group[0].found.at_ms <= window * 1000:
                return tuple(group)
        return ()


def _at_least(needed: int, parts: Sequence[Verdict]) -> Verdict:
    if len(parts) == 1:
        return parts[0]
    holding = [one for one in parts if one.truth is Truth.HOLDS]
    if len(holding) >= needed:
        return Verdict(truth=Truth.HOLDS, support=tuple(item for one in holding[:needed] for item in one.support))
    waiting = [one for one in parts if one.truth is Truth.OPEN]
    if len(holding) + len(waiting) >= needed:
        looks = [one.look_at_ms for one in waiting if one.look_at_ms is not None]
        return Verdict(
            truth=Truth.OPEN,
            look_at_ms=min(looks, default=None),
            look_when_heard=any(one.look_when_heard for one in waiting),
        )
    failed = tuple(item for one in parts if one.truth is Truth.FAILS for item in one.support)
    voids = sum(one.truth is Truth.VOID for one in parts)
    unknown = sum(one.truth is Truth.UNKNOWN for one in parts)
    if unknown and len(holding) + voids + unknown >= needed:
        return Verdict(truth=Truth.UNKNOWN)
    # Had the parts that cannot be judged held, the whole might: then it cannot be judged either.
    truth = Truth.VOID if len(holding) + voids >= needed else Truth.FAILS
    return Verdict(truth=truth, support=failed)
