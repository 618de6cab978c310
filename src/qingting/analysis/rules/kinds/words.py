"""Conditions on words: any, all, some or none of them, and two near each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.findings import apart, words_evidence
from qingting.analysis.lexicon import lexicon
from qingting.analysis.rules.kinds.base import Eye, Found, Kind, Term, TermHit
from qingting.analysis.rules.model import Condition, Homophones
from qingting.analysis.text import AT_END, HIDES, PhraseBook, normalise
from qingting.analysis.usage import Use, use_of
from qingting.analysis.wording import at, quoted

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.analysis.text import Hit, NormalText

_SHOWN_WORDS = 3
_SOUND_REASON = "按读音近似匹配，原文用字不同"


def by_sound(hits: Sequence[TermHit]) -> tuple[float, str]:
    """Confidence and reason of words of which some were found by their sound."""
    sure = min((hit.confidence for hit in hits), default=1.0)
    return sure, _SOUND_REASON if sure < 1.0 else ""


def shown(words: Sequence[str]) -> str:
    """Write a word list for a label: “抱歉”、“对不起”等."""
    some = "、".join(quoted(word) for word in words[:_SHOWN_WORDS])
    return f"{some}等" if len(words) > _SHOWN_WORDS else some


def words_found(
    facts: UtteranceFacts, hits: Sequence[TermHit], *, operator: str, note: str = "", term: int = 0
) -> Found:
    """Build the hit of a condition from words of one utterance."""
    alone = hits[0].hit if len(hits) == 1 else None
    places = ((alone.start_char, alone.end_char),) if alone else apart([one.hit for one in hits])
    evidence = tuple(words_evidence(facts, start, end, operator=operator, note=note) for start, end in places)
    sure, reason = by_sound(hits)
    quotes = [one.quote for one in evidence[:_SHOWN_WORDS]]
    quote, said = "、".join(quotes), "、".join(map(quoted, quotes))
    return Found(
        at_ms=evidence[0].start_ms,
        start_ms=evidence[0].start_ms,
        end_ms=evidence[-1].end_ms,
        evidence=evidence,
        says=f"{facts.role.chinese}在{at(evidence[0].start_ms)}说{said}",
        quote=quote,
        utterances=(facts.utterance,),
        term=term,
        confidence=sure,
        reason=reason,
    )


class Within(StrEnum):
    """Where all of several words must stand."""

    UTTERANCE = "utterance"
    CALL = "call"


@dataclass(frozen=True, kw_only=True)
class WordsOptions:
    """Which words, and how many of them."""

    any: tuple[str, ...] = ()
    """One of these is enough."""
    all: tuple[str, ...] = ()
    """Each of these is needed."""
    some: tuple[str, ...] = ()
    """`needed` different ones of these are needed."""
    needed: int = 2
    """How many of `some`."""
    none: tuple[str, ...] = ()
    """None of these may be said; alone in its condition."""
    lexicons: tuple[str, ...] = ()
    """Bundled lexicons whose phrases join `any`."""
    groups: tuple[str, ...] = ()
    """Word groups of this file (`phrases:`) that join `any`."""
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Word -> other words that count as it."""
    within: Within = Within.UTTERANCE
    """Whether `all` and `some` must stand in one utterance or anywhere in scope."""
    without: tuple[str, ...] = ()
    """The utterance may hold none of these."""
    ignore_inside: tuple[str, ...] = ()
    """Longer phrases in which a word does not count (保证金 for 保证)."""
    meant: bool = False
    """Leave out negated, reported and supposed uses."""
    homophones: Homophones | None = None
    """Find mis-heard words by their sound: true, false, or settings."""

    def __post_init__(self) -> None:
        """Refuse lists that can never hold."""
        kinds = [name for name in ("all", "some", "none") if getattr(self, name)]
        if self.any or self.lexicons or self.groups:
            kinds.append("any")
        if len(kinds) != 1:
            found = ", ".join(kinds) or "nothing"
            raise ValueError(f"give exactly one of any (lexicons, groups), all, some and none; found {found}")
        if self.some and not 0 < self.needed <= len(self.some):
            raise ValueError("`needed` must be from 1 to the number of words in `some`")
        every = (*self.any, *self.all, *self.some, *self.none, *self.without, *self.ignore_inside)
        if any(not normalise(word) for word in (*every, *(one for more in self.synonyms.values() for one in more))):
            raise ValueError("a word is empty or holds punctuation only")
        strange = [word for word in self.synonyms if word not in every]
        if strange:
            raise ValueError("`synonyms` has a word that stands in none of the lists")


class WordsKind(Kind):
    """Words are said."""

    name: ClassVar[str] = "words"
    chinese: ClassVar[str] = "关键词"
    Options: ClassVar[type] = WordsOptions
    shorthand: ClassVar[str] = "any"
    delayable: ClassVar[bool] = True

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        options = condition.options
        assert isinstance(options, WordsOptions)  # noqa: S101  built by the loader from Options
        self.options = options
        said = [word for name in options.lexicons for word in lexicon(name)]
        # Terms have no place: what counts at the end of a clause alone is left out.
        lexicons = tuple(word for word in said if not word.startswith(HIDES) and not word.endswith(AT_END))
        hiding = (word.removeprefix(HIDES) for word in said if word.startswith(HIDES))
        self._words = (*options.all, *options.some, *options.none, *options.any, *lexicons)
        self._several = bool(options.all or options.some)
        wanted = len(options.all) or (options.needed if options.some else 0)
        self.needs_terms = wanted if options.within is Within.CALL else 0
        self._in_one = wanted if options.within is Within.UTTERANCE else 0
        barred = {"without": options.without, "inside": (*options.ignore_inside, *hiding)}
        self._barred = PhraseBook({"": barred}) if any(barred.values()) else None
        self._eye = _WordsEye(self)

    def terms(self) -> Iterable[Term]:
        """All words and their synonyms; with any, all words are one term."""
        for number, word in enumerate(self._words):
            for variant in (word, *self.options.synonyms.get(word, ())):
                term = number if self._several else 0
                yield Term(word=variant, number=term, homophones=self.options.homophones)

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Words need no state: all calls share one eye."""
        return self._eye

    def label(self) -> str:
        """Write which words."""
        if self.options.all:
            return f"同时说{shown(self._words)}"
        return f"说{shown(self._words)}"

    def found(self, facts: UtteranceFacts, hits: Sequence[TermHit]) -> list[Found]:
        """Judge the terms of one utterance."""
        hits = self._counting(facts, hits)
        if not hits:
            return []
        if self._in_one:
            firsts = {hit.number: hit for hit in reversed(hits)}
            if len(firsts) < self._in_one:
                return []
            return [words_found(facts, list(firsts.values()), operator=self.name)]
        if self.needs_terms:
            return [words_found(facts, [hit], operator=self.name, term=hit.number) for hit in hits]
        if self.condition.times > 1:
            return [words_found(facts, [hit], operator=self.name) for hit in hits]
        return [words_found(facts, hits[:1], operator=self.name)]

    def _counting(self, facts: UtteranceFacts, hits: Sequence[TermHit]) -> Sequence[TermHit]:
        if self._barred is not None:
            barred = self._barred.find(facts.text)
            if barred.get(("", "without")):
                return []
            longer = barred.get(("", "inside"), ())
            hits = [one for one in hits if not any(_covers(other, one.hit) for other in longer)]
        if self.options.meant:
            hits = [one for one in hits if _is_meant(facts.text, one.hit)]
        return hits


def _covers(longer: Hit, hit: Hit) -> bool:
    return longer.normal_start <= hit.normal_start and hit.normal_end <= longer.normal_end


def _is_meant(text: NormalText, hit: Hit) -> bool:
    return use_of(text, hit) is Use.MEANT


class _WordsEye(Eye):
    def __init__(self, kind: WordsKind) -> None:
        self._kind = kind

    def on_terms(self, facts: UtteranceFacts, hits: Sequence[TermHit]) -> Iterable[Found]:
        return self._kind.found(facts, hits)


@dataclass(frozen=True, kw_only=True)
class NearOptions:
    """Two words, and how near they must be; exactly one distance."""

    first: tuple[str, ...]
    """One word or its variants."""
    second: tuple[str, ...]
    """The other word or its variants."""
    characters: int | None = None
    """At most so many characters between them, in one utterance."""
    utterances: int | None = None
    """At most so many utterances of the speaker apart."""
    seconds: float | None = None
    """At most so many seconds apart."""
    ordered: bool = False
    """Whether the first must be said first."""
    homophones: Homophones | None = None
    """Find mis-heard words by their sound: true, false, or settings."""

    def __post_init__(self) -> None:
        """Refuse what can never hold."""
        given = [one for one in (self.characters, self.utterances, self.seconds) if one is not None]
        if len(given) != 1:
            raise ValueError("give exactly one distance: characters, utterances or seconds")
        if given[0] < 0:
            raise ValueError("the distance must not be negative")
        if not self.first or not self.second or not all(map(normalise, (*self.first, *self.second))):
            raise ValueError("`first` and `second` need at least one word each")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Said:
    facts: UtteranceFacts
    hit: TermHit
    start_ms: int
    end_ms: int
    ordinal: int


class NearKind(Kind):
    """Two words stand near each other."""

    name: ClassVar[str] = "near"
    chinese: ClassVar[str] = "邻近词"
    Options: ClassVar[type] = NearOptions

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        options = condition.options
        assert isinstance(options, NearOptions)  # noqa: S101  built by the loader from Options
        self.options = options

    def terms(self) -> Iterable[Term]:
        """Both words."""
        for number, words in enumerate((self.options.first, self.options.second)):
            for word in words:
                yield Term(word=word, number=number, homophones=self.options.homophones)

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Keep what was said before."""
        return _NearEye(self.options, self.condition, so_far)

    def label(self) -> str:
        """Write both words."""
        return f"相近地说{shown(self.options.first)}和{shown(self.options.second)}"


class _NearEye(Eye):
    """Remembers the words whose partner may still come."""

    def __init__(self, options: NearOptions, condition: Condition, so_far: CallSoFar) -> None:
        self._options = options
        self._role = condition.speaker.role
        self._so_far = so_far
        self._said: deque[_Said] = deque(maxlen=64)

    def on_terms(self, facts: UtteranceFacts, hits: Sequence[TermHit]) -> Iterable[Found]:
        ordinal = sum(1 for one in self._so_far.utterances if self._role is None or one.role is self._role)
        best: tuple[float, _Said, _Said] | None = None
        for hit in hits:
            start_ms, end_ms = facts.time_of(hit.hit.start_char, hit.hit.end_char)
            said = _Said(facts=facts, hit=hit, start_ms=start_ms, end_ms=end_ms, ordinal=ordinal)
            for other in self._said:
                distance = self._distance(other, said)
                if distance is not None and (best is None or distance < best[0]):
                    best = (distance, other, said)
            self._said.append(said)
        return [] if best is None else [_pair(*best[1:])]

    def _distance(self, one: _Said, other: _Said) -> float | None:
        """How far two words are apart; None when they are no pair or too far."""
        if one.hit.number == other.hit.number:
            return None
        first, second = (one, other) if _place(one) <= _place(other) else (other, one)
        if self._options.ordered and first.hit.number != 0:
            return None
        same = first.facts.utterance.index == second.facts.utterance.index
        if same and first.hit.hit.normal_end > second.hit.hit.normal_start:
            return None
        options = self._options
        if options.characters is not None:
            gap = second.hit.hit.normal_start - first.hit.hit.normal_end
            return gap if same and gap <= options.characters else None
        if options.utterances is not None:
            apart_by = abs(second.ordinal - first.ordinal)
            return apart_by if apart_by <= options.utterances else None
        seconds = max(second.start_ms - first.end_ms, 0) / 1000
        return seconds if seconds <= (options.seconds or 0.0) else None


def _place(said: _Said) -> tuple[int, int, int]:
    return (said.start_ms, said.facts.utterance.index, said.hit.hit.normal_start)


def _pair(one: _Said, other: _Said) -> Found:
    first, second = (one, other) if _place(one) <= _place(other) else (other, one)
    if first.facts.utterance.index == second.facts.utterance.index:
        return words_found(second.facts, [first.hit, second.hit], operator=NearKind.name)
    before = words_found(first.facts, [first.hit], operator=NearKind.name)
    after = words_found(second.facts, [second.hit], operator=NearKind.name)
    sure, reason = by_sound([first.hit, second.hit])
    return Found(
        at_ms=after.at_ms,
        start_ms=before.start_ms,
        end_ms=max(before.end_ms, after.end_ms),
        evidence=before.evidence + after.evidence,
        says=f"{before.says}，又在{at(after.start_ms)}说{quoted(after.quote)}",
        quote=f"{before.quote}、{after.quote}",
        utterances=before.utterances + after.utterances,
        confidence=sure,
        reason=reason,
    )
