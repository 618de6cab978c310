"""Words as rules see them: normalised text with a way back, and one search for all phrases."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING

import ahocorasick

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

FILLERS = frozenset("呃")
"""Characters that are nothing but hesitation; they never separate the words of a phrase."""
_MEANINGFUL = frozenset("%‰+#&@°")
"""Marks that are part of what is said, unlike punctuation."""
SENTENCE_ENDS = frozenset("。！？!?；;\n")
GAP = "…"
"""Stands in a phrase for a few characters of the same sentence."""
GAP_CHARACTERS = 6
"""So many characters may stand in a gap."""
CLAUSE_ENDS = SENTENCE_ENDS | frozenset("，,、：:…")
HIDES = "!"
"""Begins a phrase that only hides: phrases of its label within it do not count (礼拜了 hides 拜了)."""
AT_END = "$"
"""Ends a phrase that is found only where a clause ends: 白白 is a goodbye at the end alone."""


@lru_cache(maxsize=8192)
def _folded(character: str) -> str:
    """Fold a character as rules compare it: half-width, lower case; empty for punctuation and fillers."""
    folded = unicodedata.normalize("NFKC", character).lower()
    kept = [c for c in folded if (unicodedata.category(c)[0] in "LNM" or c in _MEANINGFUL) and c not in FILLERS]
    return "".join(kept)


def normalise(text: str) -> str:
    """Return text without punctuation, spaces and fillers, half-width, in lower case."""
    return "".join(map(_folded, text))


class NormalText:
    """An utterance's text as rules compare it, with the offsets to go back."""

    __slots__ = ("__dict__", "offsets", "source", "text")

    def __init__(self, source: str) -> None:
        pieces: list[str] = []
        offsets: list[int] = []
        for index, character in enumerate(source):
            folded = _folded(character)
            if folded:
                pieces.append(folded)
                offsets.extend([index] * len(folded))
        self.source = source
        self.text = "".join(pieces)
        self.offsets = offsets

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the source of the normalised range start..end (exclusive, not empty)."""
        return self.offsets[start], self.offsets[end - 1] + 1

    def forth(self, start_char: int, end_char: int) -> tuple[int, int]:
        """Offsets in the normalised text of a range of the source."""
        return bisect_left(self.offsets, start_char), bisect_left(self.offsets, end_char)

    @cached_property
    def clauses(self) -> tuple[tuple[int, int], ...]:
        """Source offsets of each clause: what stands between punctuation marks."""
        return _pieces(self.source, CLAUSE_ENDS)

    @cached_property
    def sentences(self) -> tuple[tuple[int, int], ...]:
        """Source offsets of each sentence: what stands between sentence-ending marks."""
        return _pieces(self.source, SENTENCE_ENDS)

    def clause_at(self, offset: int) -> tuple[int, int]:
        """Return the clause that holds a source offset; the whole text when none does."""
        for start, end in self.clauses:
            if start <= offset < end:
                return start, end
        return 0, len(self.source)


class Reading:
    """A text read with other words in some places, and the way back to the words that stand there."""

    __slots__ = ("_original", "_places", "_spans", "text")

    def __init__(self, original: NormalText, words: Sequence[tuple[int, int, str]]) -> None:
        """Take (start, end, other words) in offsets of the source, in order, none overlapping."""
        pieces: list[str] = []
        spans: list[tuple[int, int]] = []
        last = 0
        for start, end, other in (*words, (len(original.source), len(original.source), "")):
            pieces.append(original.source[last:start])
            spans.extend((index, index + 1) for index in range(last, start))
            pieces.append(other)
            spans.extend([(start, end)] * len(other))
            last = end
        self.text = NormalText("".join(pieces))
        """The other reading; its offsets mean nothing in the source."""
        self._original = original
        self._spans = spans
        self._places = tuple((start, end) for start, end, _ in words)

    def place(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a normalised range of the reading stands in the normalised original; None without other words in it."""
        first, last = self.text.back(start, end)
        source = self._source(first, last)
        return None if source is None else self._original.forth(*source)

    def new_hits(self, hits: Iterable[Hit]) -> list[Hit]:
        """Take hits in the reading; return those that need its other words, as places of the original."""
        found = []
        for hit in hits:
            source = self._source(hit.start_char, hit.end_char)
            if source is not None:
                normal = self._original.forth(*source)
                found.append(
                    replace(hit, start_char=source[0], end_char=source[1], normal_start=normal[0], normal_end=normal[1])
                )
        return found

    def _source(self, first: int, last: int) -> tuple[int, int] | None:
        """Range of the original source for one of the reading; None when it holds no other words."""
        spans = self._spans[first:last]
        start, end = min(one[0] for one in spans), max(one[1] for one in spans)
        return (start, end) if any(start < place[1] and place[0] < end for place in self._places) else None


def _pieces(source: str, ends: frozenset[str]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    start = 0
    for index, character in enumerate(source):
        if character in ends:
            if index > start:
                found.append((start, index))
            start = index + 1
    if start < len(source):
        found.append((start, len(source)))
    return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A phrase found in an utterance."""

    start_char: int
    """Offset in utterance.text."""
    end_char: int
    """Exclusive."""
    phrase: str
    """The phrase as its lexicon writes it."""
    normal_start: int
    """Offset in the normalised text."""
    normal_end: int
    """Exclusive."""

    def inside(self, other: Hit) -> bool:
        """Whether this hit lies within another, longer one."""
        longer = other.normal_end - other.normal_start > self.normal_end - self.normal_start
        return longer and other.normal_start <= self.normal_start and self.normal_end <= other.normal_end


def not_inside(hits: Iterable[Hit], others: Iterable[Hit]) -> tuple[Hit, ...]:
    """Return the hits that are not part of a longer hit among others (满意 within 不满意)."""
    longer = tuple(others)
    return tuple(hit for hit in hits if not any(hit.inside(other) for other in longer))


Hits = dict[tuple[str, str], tuple[Hit, ...]]
"""Places of phrases in a text by (analyzer id, label), in order."""


class PhraseBook:
    """All phrases of all analyzers, and where they stand in an utterance.

    A phrase with `…` is found where its parts stand in order within a sentence, at most
    GAP_CHARACTERS between them; see HIDES and AT_END for the other marks. Built once and
    shared by every call; immutable afterwards.
    """

    def __init__(self, phrases: Mapping[str, Mapping[str, Iterable[str]]]) -> None:
        """Take analyzer id -> label -> phrases; phrases that normalise to nothing are left out."""
        self._owners = tuple(
            book for owner, labels in phrases.items() if not (book := _compiled(owner, _frozen(labels))).empty
        )

    def find(self, text: NormalText) -> Hits:
        """Hits by (analyzer id, label), in order; one inside a longer one of the same label is left out."""
        if not text.text:
            return {}
        found: dict[tuple[str, str], list[Hit]] = {}
        for owner in self._owners:
            owner.find(text, found)
        return {key: kept for key, hits in found.items() if (kept := _shown(_longest(hits)))}

    def find_read(self, text: NormalText, reading: Reading, *, as_spoken: Collection[str]) -> Hits:
        """Hits of the text and of another reading of it; owners in `as_spoken` get those of the text alone."""
        found = {key: list(hits) for key, hits in self.find(text).items()}
        for key, hits in self.find(reading.text).items():
            new = [] if key[0] in as_spoken else reading.new_hits(hits)
            if new:
                found.setdefault(key, []).extend(new)
        return {key: _longest(hits) for key, hits in found.items()}


class _OwnerBook:
    """The phrases of one analyzer, found in one pass over an utterance."""

    def __init__(self, owner: str, labels: _Labels) -> None:
        entries: dict[str, list[_Key]] = {}
        self._gapped = _Parts()
        for label, variants in labels:
            for phrase in dict.fromkeys(variants):
                parts = _parts_of(phrase)
                if len(parts) == 1:
                    entries.setdefault(parts[0], []).append((owner, label, phrase))
                elif parts:
                    for part in parts:
                        entries.setdefault(part, [])
                    self._gapped.add(parts, (owner, label, phrase))
        self._automaton = ahocorasick.Automaton()
        for normal, keys_of in entries.items():
            part = normal if normal in self._gapped.parts else ""
            self._automaton.add_word(normal, (len(normal), _latin_ends(normal), tuple(keys_of), part))
        self.empty = not entries
        if entries:
            self._automaton.make_automaton()

    def find(self, text: NormalText, found: dict[tuple[str, str], list[Hit]]) -> None:
        """Add what stands in a text that is not empty."""
        parts: _Places = {}
        for last, (length, latin, keys, part) in self._automaton.iter(text.text):
            start, end = last + 1 - length, last + 1
            if latin and not _word_borders(text.source, *text.back(start, end), latin):
                continue
            if part:
                if part in parts:
                    parts[part].append((start, end))
                else:
                    parts[part] = [(start, end)]
            for key in keys:
                _add(found, key, text, start, end)
        if parts:
            for key, start, end in self._gapped.find(parts):
                if _within_sentence(text, start, end):
                    _add(found, key, text, start, end)


_Labels = tuple[tuple[str, tuple[str, ...]], ...]


def _frozen(labels: Mapping[str, Iterable[str]]) -> _Labels:
    return tuple((label, tuple(variants)) for label, variants in labels.items())


@lru_cache(maxsize=128)
def _compiled(owner: str, labels: _Labels) -> _OwnerBook:
    """One analyzer's phrases: most packs share most of them, a hundred thousand phrases and tens of megabytes."""
    return _OwnerBook(owner, labels)


@cache
def _parts_of(phrase: str) -> tuple[str, ...]:
    """A phrase's parts between its gaps, normalised; the packs share most of their phrases."""
    return tuple(normal for part in phrase.split(GAP) if (normal := normalise(part)))


_Key = tuple[str, str, str]
"""Analyzer id, label, phrase as its lexicon writes it."""
_Places = dict[str, list[tuple[int, int]]]
"""Where the parts of phrases stand in a normalised text, in order."""


class _Node:
    """Where one part of phrases with gaps has been found."""

    __slots__ = ("after", "keys")

    def __init__(self) -> None:
        self.after: dict[str, _Node] = {}
        """What may follow, by its part."""
        self.keys: list[_Key] = []
        """Phrases that end here."""

    def follow(self, places: _Places, start: int, end: int) -> Iterable[tuple[_Key, int, int]]:
        """Yield what ends here, or goes on within a gap."""
        for key in self.keys:
            yield key, start, end
        for part in self.after.keys() & places.keys():
            near = bisect_left(places[part], (end,))
            if near < len(places[part]) and places[part][near][0] <= end + GAP_CHARACTERS:
                yield from self.after[part].follow(places, start, places[part][near][1])


class _Parts:
    """Phrases with gaps, as a tree of their parts."""

    def __init__(self) -> None:
        self.parts: set[str] = set()
        """All parts of the phrases taken here."""
        self._first: dict[str, _Node] = {}

    def add(self, parts: Sequence[str], key: _Key) -> None:
        """Take a phrase of at least two parts."""
        self.parts.update(parts)
        node = self._first.setdefault(parts[0], _Node())
        for part in parts[1:]:
            node = node.after.setdefault(part, _Node())
        node.keys.append(key)

    def find(self, places: _Places) -> Iterable[tuple[_Key, int, int]]:
        """Yield (key, start, end) for every place at which a phrase begins, its parts as near as they stand."""
        for part in self._first.keys() & places.keys():
            for start, end in places[part]:
                yield from self._first[part].follow(places, start, end)


def _add(found: dict[tuple[str, str], list[Hit]], key: _Key, text: NormalText, start: int, end: int) -> None:
    phrase = key[2]
    if phrase.endswith(AT_END):
        if not _ends_clause(text, end):
            return
        phrase = phrase[: -len(AT_END)]
    start_char, end_char = text.back(start, end)
    hit = Hit(start_char=start_char, end_char=end_char, phrase=phrase, normal_start=start, normal_end=end)
    found.setdefault(key[:2], []).append(hit)


def _ends_clause(text: NormalText, end: int) -> bool:
    if end == len(text.text):
        return True
    return any(character in CLAUSE_ENDS for character in text.source[text.offsets[end - 1] + 1 : text.offsets[end]])


def _shown(hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    """Leave out the phrases that only hide others."""
    if not any(hit.phrase.startswith(HIDES) for hit in hits):
        return hits
    return tuple(hit for hit in hits if not hit.phrase.startswith(HIDES))


def _within_sentence(text: NormalText, start: int, end: int) -> bool:
    first, last = text.back(start, end)
    return not any(character in SENTENCE_ENDS for character in text.source[first:last])


def _latin_ends(normal: str) -> tuple[bool, bool] | None:
    """Whether a phrase begins and ends with Latin letters or digits; None when neither."""
    ends = (normal[0].isascii() and normal[0].isalnum(), normal[-1].isascii() and normal[-1].isalnum())
    return ends if any(ends) else None


def _word_borders(source: str, start: int, end: int, latin: tuple[bool, bool]) -> bool:
    """Whether a Latin phrase stands as whole words: `ok` is not in `book`."""
    before = latin[0] and start > 0 and source[start - 1].isascii() and source[start - 1].isalnum()
    after = latin[1] and end < len(source) and source[end].isascii() and source[end].isalnum()
    return not (before or after)


def _longest(hits: list[Hit]) -> tuple[Hit, ...]:
    if len(hits) == 1:
        return tuple(hits)
    return tuple(sorted(longest(hits), key=lambda hit: (hit.normal_start, hit.normal_end)))


def longest(hits: Iterable[Hit]) -> list[Hit]:
    """Leave out hits inside a longer one, in one sweep: an utterance may hold thousands."""
    kept: list[Hit] = []
    outer_start = outer_end = -1
    for hit in sorted(hits, key=lambda one: (one.normal_start, -one.normal_end)):
        # What began before and reaches as far is longer; what began with it and reaches as far is as long.
        if hit.normal_end > outer_end or (hit.normal_end == outer_end and hit.normal_start == outer_start):
            kept.append(hit)
        if hit.normal_end > outer_end:
            outer_start, outer_end = hit.normal_start, hit.normal_end
    return kept
