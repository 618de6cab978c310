"""All words of all rules, found in one pass by spelling and one by sound.

A place in a text is noted once, whatever number of conditions ask for its word; the hits of a
condition are made from the places when somebody asks for them. Words of conditions that only
matter once their rule is awake (`quiet` ones) cost nothing until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import ahocorasick

from qingting.analysis.rules.kinds import Term, TermHit
from qingting.analysis.text import Hit, longest, normalise
from qingting.model.call import Role
from qingting.pinyin import SoundAlphabet, cuts_known_word, likeness

if TYPE_CHECKING:
    from qingting.analysis.rules.model import Homophones
    from qingting.analysis.text import NormalText, Reading

_COLUMNS: tuple[Role | None, ...] = (Role.AGENT, Role.CUSTOMER, None)


def column_of(role: Role) -> int:
    """Where a speaker's words stand in a Word: agent, customer, anyone else."""
    return 0 if role is Role.AGENT else 1 if role is Role.CUSTOMER else 2


class Entry(NamedTuple):
    """One condition's wish for a word."""

    rule: int
    leaf: int
    number: int
    """Which of the condition's terms it stands for."""
    phrase: str
    """The word as its author wrote it."""
    homophones: Homophones | None
    """How it may be mis-heard; None where it is found as written only."""


class Asked(NamedTuple):
    """A condition's term, for building the book."""

    rule: int
    leaf: int
    role: Role | None
    """Whose words; None for anyone's."""
    term: Term
    quiet: bool
    """Whether it only matters once its rule is awake."""


class Word:
    """A word and everyone who asks for it, by the column of the speaker."""

    __slots__ = ("latin", "loud", "quiet", "size", "text")

    def __init__(self, text: str, asked: Sequence[tuple[Asked, Entry]]) -> None:
        self.text = text
        self.size = len(text)
        self.latin = _is_latin(text[0]) or _is_latin(text[-1])
        self.loud = tuple(
            tuple(entry for one, entry in asked if not one.quiet and one.role in (None, role)) for role in _COLUMNS
        )
        """Entries whose conditions are looked at whenever the word is said."""
        self.quiet = tuple(
            _by_rule(entry for one, entry in asked if one.quiet and one.role in (None, role)) for role in _COLUMNS
        )
        """Rule -> its entries that matter once it is awake."""


def _by_rule(entries: Iterable[Entry]) -> dict[int, tuple[Entry, ...]]:
    found: dict[int, tuple[Entry, ...]] = {}
    for entry in entries:
        found[entry.rule] = (*found.get(entry.rule, ()), entry)
    return found


_NOTHING: frozenset[int] = frozenset()
Place = tuple[Word, int, int, bool]
"""(word, start, end in the normalised text, whether it was found by its sound alone)."""


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


class TermBook:
    """All words of all conditions; immutable, shared by all calls."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        wishes: dict[str, list[tuple[Asked, Entry]]] = {}
        for one in asked:
            normal = normalise(one.term.word)
            settings = one.term.homophones
            sounds = settings is not None and settings.use and len(normal) >= settings.min_syllables
            entry = Entry(one.rule, one.leaf, one.term.number, one.term.word, settings if sounds else None)
            wishes.setdefault(normal, []).append((one, entry))
        words = {normal: Word(normal, own) for normal, own in wishes.items()}
        self._words = _automaton(words)
        sounding = {normal: words[normal] for normal, own in wishes.items() if any(e.homophones for _, e in own)}
        self._alphabet, self._sounds = _sound_automaton(sounding, wishes)

    def places(self, text: NormalText, column: int) -> list[Place]:
        """Places of words that anyone asks this speaker for: as written first, then by sound."""
        normal = text.text
        if not normal or self._words is None:
            return []
        found: list[Place] = [
            (word, last + 1 - word.size, last + 1, False)
            for last, word in self._words.iter(normal)
            if word.loud[column] or word.quiet[column]
        ]
        if found:
            found = [one for one in found if not (one[0].latin and _cuts_word(text, one[1], one[2]))]
        if self._sounds is not None and self._alphabet is not None:
            self._add_sounds(normal, column, found)
        return found

    def places_read(self, reading: Reading, column: int) -> list[Place]:
        """Places of words as written in another reading of a text, where they need its other words."""
        return [
            (word, *place, False)
            for word, start, end, by_sound in self.places(reading.text, column)
            if not by_sound and (place := reading.place(start, end)) is not None
        ]

    def _add_sounds(self, normal: str, column: int, found: list[Place]) -> None:
        assert self._alphabet is not None and self._sounds is not None  # noqa: S101, PT018  made together
        for sound in self._alphabet.write(normal):
            for last, words in self._sounds.iter(sound):
                for word in words:
                    start, end = last + 1 - word.size, last + 1
                    if (
                        (word.loud[column] or word.quiet[column])
                        and normal[start:end] != word.text
                        and not cuts_known_word(normal, start, end)
                    ):
                        found.append((word, start, end, True))


class TermHits:
    """Collects the hits of conditions in one utterance."""

    __slots__ = ("_covered", "_hits", "_places", "_text")

    def __init__(self, text: NormalText) -> None:
        self._text = text
        self._hits: dict[int, list[TermHit]] = {}
        self._covered: dict[int, set[int]] = {}
        """Leaf -> characters its hits take, where it also listens by sound."""
        self._places: dict[tuple[int, int, str], Hit] = {}

    def add(self, entries: Iterable[Entry], place: Place) -> None:
        """Take a place for everyone who asks for its word; those found as written must come first."""
        word, start, end, by_sound = place
        for _, leaf, number, phrase, homophones in entries:
            if not by_sound:
                hit = TermHit(hit=self._hit(start, end, phrase), number=number)
            elif homophones is None or not self._covered.get(leaf, _NOTHING).isdisjoint(range(start, end)):
                continue
            else:
                alike = likeness(word.text, self._text.text[start:end], frozenset(homophones.confusions))
                if alike is None:
                    continue
                where = self._hit(start, end, phrase)
                hit = TermHit(hit=where, number=number, likeness=alike, confidence=homophones.confidence)
            self._hits.setdefault(leaf, []).append(hit)
            if homophones is not None:
                self._covered.setdefault(leaf, set()).update(range(start, end))

    def by_leaf(self) -> list[tuple[int, list[TermHit]]]:
        """Give (leaf, its hits in order of the text); one inside a longer one of the same leaf is left out."""
        return [(leaf, _longest(hits)) for leaf, hits in self._hits.items()]

    def _hit(self, start: int, end: int, phrase: str) -> Hit:
        known = self._places.get((start, end, phrase))
        if known is None:
            first, after = self._text.back(start, end)
            known = Hit(start_char=first, end_char=after, phrase=phrase, normal_start=start, normal_end=end)
            self._places[start, end, phrase] = known
        return known


def _cuts_word(text: NormalText, start: int, end: int) -> bool:
    """Whether a Latin word is cut: `ok` in `book`."""
    normal, source = text.text, text.source
    start_char, end_char = text.back(start, end)
    before = start_char > 0 and _is_latin(normal[start]) and _is_latin(source[start_char - 1])
    after = end_char < len(source) and _is_latin(normal[end - 1]) and _is_latin(source[end_char])
    return before or after


def _longest(hits: list[TermHit]) -> list[TermHit]:
    if len(hits) == 1:
        return hits
    kept = set(map(id, longest([one.hit for one in hits])))
    outer = [one for one in hits if id(one.hit) in kept]
    return sorted(outer, key=lambda one: (one.hit.normal_start, one.hit.normal_end))


def _automaton(values: dict[str, Word] | dict[str, tuple[Word, ...]]) -> ahocorasick.Automaton | None:
    if not values:
        return None
    automaton = ahocorasick.Automaton()
    for key, value in values.items():
        automaton.add_word(key, value)
    automaton.make_automaton()
    return automaton


def _sound_automaton(
    sounding: dict[str, Word], wishes: dict[str, list[tuple[Asked, Entry]]]
) -> tuple[SoundAlphabet | None, ahocorasick.Automaton | None]:
    if not sounding:
        return None, None
    confusions = frozenset(
        confusion
        for normal in sounding
        for _, entry in wishes[normal]
        if entry.homophones is not None
        for confusion in entry.homophones.confusions
    )
    alphabet = SoundAlphabet(confusions)
    by_sound: dict[str, list[Word]] = {}
    for normal, word in sounding.items():
        for sound in alphabet.variants(normal):
            by_sound.setdefault(sound, []).append(word)
    return alphabet, _automaton({sound: tuple(words) for sound, words in by_sound.items()})
