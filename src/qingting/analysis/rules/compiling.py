"""Rules prepared for many calls: every word of every rule in one pass, and what each rule waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from qingting.analysis.rules.kinds import KINDS, Kind
from qingting.analysis.rules.model import Anchor, AppliesTo, AtLeast, Leaf, Not, Rule, Side, Tree
from qingting.analysis.rules.terms import Asked, TermBook


@dataclass(frozen=True, kw_only=True)
class CompiledRule:
    """A rule with its conditions' kinds."""

    index: int
    rule: Rule
    kinds: dict[str, Kind]
    """Condition id -> its kind, prepared."""
    first_leaf: int
    """Number of its first condition among all."""

    @cached_property
    def wakeful(self) -> bool:
        """Whether it can hold though nothing was ever found: it must be looked at without a hit."""
        return not self.rule.for_each and _holds_unfound(self.rule, self.rule.when) is True

    @cached_property
    def resting(self) -> frozenset[str]:
        """Conditions that another dimension, or data which may be missing, decides: by themselves or by an anchor."""
        return frozenset(name for name in self.kinds if any(self.kinds[one].may_miss for one in self.chain(name)))

    def chain(self, name: str) -> tuple[str, ...]:
        """A condition and those it is anchored to."""
        anchor = self.kinds[name].condition.anchor
        return (name,) if anchor is None else (name, *self.chain(anchor.to))

    @cached_property
    def wakers(self) -> frozenset[str]:
        """Conditions on words of which one must be found before anything can come of the rule; empty for none."""
        rule = self.rule
        names = frozenset({rule.for_each}) if rule.for_each else _needed(rule, rule.when)
        return names if names and all(_on_words(self.kinds[name]) for name in names) else frozenset()


def _on_words(kind: Kind) -> bool:
    """Whether a condition finds nothing but in the utterances that hold one of its words."""
    return not kind.waits and any(True for _ in kind.terms())


def _needed(rule: Rule, tree: Tree) -> frozenset[str] | None:
    """Conditions of which one at least must have a hit for a tree to hold; None when it can without."""
    if isinstance(tree, Leaf):
        return frozenset({tree.condition})
    if isinstance(tree, Not):
        anchor = rule.conditions[tree.part.condition].anchor if isinstance(tree.part, Leaf) else None
        # Without its anchor an absence cannot be judged.
        return None if anchor is None else frozenset({anchor.to})
    parts = [needed for part in tree.parts if (needed := _needed(rule, part)) is not None]
    # Of any so many parts one must hold, else too few are left.
    enough = len(tree.parts) - tree.needed + 1
    chosen = sorted(parts, key=len)[:enough]
    return frozenset().union(*chosen) if len(chosen) == enough else None


def _holds_unfound(rule: Rule, tree: Tree) -> bool | None:
    """What a tree comes to when no condition ever hits; None where an anchor would be missing."""
    if isinstance(tree, Leaf):
        return None if rule.conditions[tree.condition].anchor is not None else False
    if isinstance(tree, Not):
        inner = _holds_unfound(rule, tree.part)
        return None if inner is None else not inner
    return sum(_holds_unfound(rule, part) is True for part in tree.parts) >= tree.needed


class CompiledRules:
    """Rules ready to follow calls; immutable, shared by all calls."""

    def __init__(self, rules: Sequence[Rule], *, also_disabled: bool = False) -> None:
        compiled: list[CompiledRule] = []
        leaves: list[tuple[int, str]] = []
        asked: list[Asked] = []
        listening: list[int] = []
        drowsy: dict[int, list[int]] = {}
        quiet: set[int] = set()
        for rule in (one for one in rules if one.enabled or also_disabled):
            kinds = {name: KINDS[condition.kind](condition) for name, condition in rule.conditions.items()}
            number, first = len(compiled), len(leaves)
            compiled.append(CompiledRule(index=number, rule=rule, kinds=kinds, first_leaf=first))
            wakers = compiled[-1].wakers
            for name, kind in kinds.items():
                leaf, role = len(leaves), kind.condition.speaker.role
                sleeps = bool(wakers) and name not in wakers and kind.delayable
                own = [Asked(number, leaf, role, term, sleeps) for term in kind.terms()]
                asked += own
                if sleeps:
                    quiet.add(number)
                if not own and sleeps:
                    drowsy.setdefault(number, []).append(leaf)
                elif not own:
                    listening.append(leaf)
                leaves.append((number, name))
        self.rules = tuple(compiled)
        self.leaves = tuple(leaves)
        """(rule, condition id) by leaf number."""
        self.listening = tuple(listening)
        """Leaves that look at more than words; their eyes open with the call."""
        self.limited = tuple(one.index for one in compiled if one.rule.applies_to != AppliesTo())
        """Rules that are not meant for every call."""
        self.wakeful = tuple(one.index for one in compiled if one.wakeful)
        self.resting = tuple(one.index for one in compiled if one.resting)
        """Rules that rest on what may be missing."""
        kinds_used = [kind for one in compiled for kind in one.kinds.values()]
        self.signals = frozenset(name for kind in kinds_used for name in kind.signals)
        """Signals of other dimensions that the rules listen to."""
        self.rests_on = frozenset(source for kind in kinds_used for source in kind.rests_on())
        """Analyzers that the rules need."""
        self.takes_any = any(kind.signals and not kind.rests_on() for kind in kinds_used)
        """Whether a rule takes what any dimension finds."""
        self.quiet = frozenset(quiet)
        """Rules with conditions that are only looked at once the rule is awake."""
        self.drowsy = {number: tuple(own) for number, own in drowsy.items()}
        """Those of them that look at more than words, by rule."""
        self.book = TermBook(asked)


def when_decided(rule: Rule) -> str:
    """Say in Chinese when a rule can be decided at the earliest: 即时, 限时 or 通话结束."""
    negated = set(_negated(rule.when, inside=False)) | (
        set(_negated(rule.unless, inside=True)) if rule.unless else set()
    )
    slowest = 0
    for name, condition in rule.conditions.items():
        position, anchor = condition.position, condition.anchor
        kind = KINDS[condition.kind](condition)
        ends = kind.at_end or (kind.late and name in negated) or (position is not None and position.at_end)
        if ends or (anchor is not None and anchor.hit in ("last", "every")):
            slowest = 2
        elif name in negated:
            limited = position is not None or (anchor is not None and _is_limited(anchor, rule.for_each))
            slowest = max(slowest, 1 if limited else 2)
    return ("即时", "限时", "通话结束")[slowest]


def _is_limited(anchor: Anchor, for_each: str) -> bool:
    """Whether the stretch an anchor opens ends before the call does, and no further one can come."""
    if anchor.hit == "any" and anchor.to != for_each:
        return False
    near = anchor.within_seconds is not None or anchor.within_utterances is not None
    return near or anchor.side in (Side.BEFORE, Side.SAME)


def _negated(tree: Tree, *, inside: bool) -> list[str]:
    """Conditions whose absence counts."""
    if isinstance(tree, Leaf):
        return [tree.condition] if inside else []
    if isinstance(tree, Not):
        return _negated(tree.part, inside=not inside)
    assert isinstance(tree, AtLeast)  # noqa: S101  the only other kind of tree
    return [name for part in tree.parts for name in _negated(part, inside=inside)]
