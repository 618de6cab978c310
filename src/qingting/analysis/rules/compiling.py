"""Rules prepared for many calls: every word of every rule in one pass, by spelling and by sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import ahocorasick

from qingting.analysis.rules.kinds import KINDS, Kind, Term, TermHit
from qingting.analysis.rules.model import Anchor, AppliesTo, AtLeast, Leaf, Not, Rule, Side, Tree
from qingting.analysis.rules.pinyin import SoundAlphabet, cuts_known_word, likeness
from qingting.analysis.text import Hit, normalise

if TYPE_CHECKING:
    from qingting.analysis.text import NormalText
    from qingting.model.call import Role

_Entry = tuple[int, int, str, "Role | None"]
"""(leaf, term number, word as written, speaker)."""
_SoundEntry = tuple[_Entry, Term]


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


class TermBook:
    """All words of all conditions, found in one pass by spelling and one by sound."""

    def __init__(self, terms: Sequence[tuple[int, Role | None, Term]]) -> None:
        """Take (leaf, speaker, term)."""
        words: dict[str, list[_Entry]] = {}
        sounding: dict[str, list[_SoundEntry]] = {}
        for leaf, role, term in terms:
            normal = normalise(term.word)
            entry = (leaf, term.number, term.word, role)
            words.setdefault(normal, []).append(entry)
            settings = term.homophones
            if settings is not None and settings.use and len(normal) >= settings.min_syllables:
                sounding.setdefault(normal, []).append((entry, term))
        self._words = _automaton({word: (word, tuple(entries)) for word, entries in words.items()})
        self._alphabet, self._sounds = _sound_automaton(sounding)

    def find(self, text: NormalText, role: Role) -> dict[int, list[TermHit]]:
        """Hits by leaf, in order of the text; one inside a longer one of the same leaf is left out."""
        found: dict[int, list[TermHit]] = {}
        if not text.text:
            return found
        if self._words is not None:
            for last, (word, entries) in self._words.iter(text.text):
                start = last + 1 - len(word)
                if self._cuts_word(text, start, last + 1):
                    continue
                for leaf, number, phrase, speaker in entries:
                    if speaker is None or speaker is role:
                        found.setdefault(leaf, []).append(
                            TermHit(hit=_hit(text, start, last + 1, phrase), number=number)
                        )
        if self._sounds is not None:
            self._find_sounds(text, role, found)
        return {leaf: _longest(hits) for leaf, hits in found.items()}

    def _find_sounds(self, text: NormalText, role: Role, found: dict[int, list[TermHit]]) -> None:
        assert self._alphabet is not None and self._sounds is not None  # noqa: S101, PT018  made together
        for sound in self._alphabet.write(text.text):
            for last, pairs in self._sounds.iter(sound):
                for word, entries in pairs:
                    start = last + 1 - len(word)
                    heard = text.text[start : last + 1]
                    if heard != word and not cuts_known_word(text.text, start, last + 1):
                        self._take_sound(text, role, (start, last + 1), word, entries, found)

    def _take_sound(
        self,
        text: NormalText,
        role: Role,
        place: tuple[int, int],
        word: str,
        entries: tuple[_SoundEntry, ...],
        found: dict[int, list[TermHit]],
    ) -> None:
        start, end = place
        for (leaf, number, phrase, speaker), term in entries:
            if (speaker is not None and speaker is not role) or term.homophones is None:
                continue
            known = found.get(leaf, [])
            if any(one.hit.normal_start < end and start < one.hit.normal_end for one in known):
                continue
            alike = likeness(word, text.text[start:end], frozenset(term.homophones.confusions))
            if alike is not None:
                hit = _hit(text, start, end, phrase)
                sure = term.homophones.confidence
                found.setdefault(leaf, []).append(TermHit(hit=hit, number=number, likeness=alike, confidence=sure))

    @staticmethod
    def _cuts_word(text: NormalText, start: int, end: int) -> bool:
        """Whether a Latin word is cut: `ok` in `book`."""
        normal = text.text
        if not (_is_latin(normal[start]) or _is_latin(normal[end - 1])):
            return False
        start_char, end_char = text.back(start, end)
        source = text.source
        before = start_char > 0 and _is_latin(normal[start]) and _is_latin(source[start_char - 1])
        after = end_char < len(source) and _is_latin(normal[end - 1]) and _is_latin(source[end_char])
        return before or after


def _hit(text: NormalText, start: int, end: int, phrase: str) -> Hit:
    start_char, end_char = text.back(start, end)
    return Hit(start_char=start_char, end_char=end_char, phrase=phrase, normal_start=start, normal_end=end)


def _longest(hits: list[TermHit]) -> list[TermHit]:
    if len(hits) == 1:
        return hits
    kept = [one for one in hits if not any(one.hit.inside(other.hit) for other in hits)]
    return sorted(kept, key=lambda one: (one.hit.normal_start, one.hit.normal_end))


def _automaton(values: dict[str, object]) -> ahocorasick.Automaton | None:
    if not values:
        return None
    automaton = ahocorasick.Automaton()
    for key, value in values.items():
        automaton.add_word(key, value)
    automaton.make_automaton()
    return automaton


def _sound_automaton(
    sounding: dict[str, list[_SoundEntry]],
) -> tuple[SoundAlphabet | None, ahocorasick.Automaton | None]:
    if not sounding:
        return None, None
    confusions = frozenset(
        one
        for entries in sounding.values()
        for _, term in entries
        for one in (term.homophones.confusions if term.homophones else ())
    )
    alphabet = SoundAlphabet(confusions)
    values: dict[str, list[tuple[str, tuple[_SoundEntry, ...]]]] = {}
    for word, entries in sounding.items():
        for sound in alphabet.variants(word):
            values.setdefault(sound, []).append((word, tuple(entries)))
    return alphabet, _automaton(dict(values))


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
        terms: list[tuple[int, Role | None, Term]] = []
        listening: list[int] = []
        for rule in (one for one in rules if one.enabled or also_disabled):
            kinds = {name: KINDS[condition.kind](condition) for name, condition in rule.conditions.items()}
            first = len(leaves)
            for name, kind in kinds.items():
                own = [(len(leaves), kind.condition.speaker.role, term) for term in kind.terms()]
                terms += own
                if not own:
                    listening.append(len(leaves))
                leaves.append((len(compiled), name))
            compiled.append(CompiledRule(index=len(compiled), rule=rule, kinds=kinds, first_leaf=first))
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
        self.book = TermBook(terms)


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
