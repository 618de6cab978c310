"""Conditions on whole utterances: regular expressions, scripts read out, repetition."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.findings import words_evidence
from qingting.analysis.rules.kinds.base import Eye, Found, Kind
from qingting.analysis.rules.model import Condition, Homophones
from qingting.analysis.rules.patterns import compiled
from qingting.analysis.text import normalise
from qingting.analysis.wording import at, quoted
from qingting.pinyin import SoundAlphabet

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.model.finding import Evidence


def spoken(facts: UtteranceFacts, evidence: tuple[Evidence, ...], says: str, **more: object) -> Found:
    """Build a hit from places of one utterance."""
    values: dict[str, object] = {
        "at_ms": evidence[0].start_ms,
        "start_ms": evidence[0].start_ms,
        "end_ms": evidence[-1].end_ms,
        "quote": evidence[-1].quote,
        "utterances": (facts.utterance,),
        **more,
    }
    return Found(evidence=evidence, says=says, **values)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class RegexOptions:
    """A pattern, searched in the text as written."""

    pattern: str
    """Regular expression (RE2: no look-around, no back-references); a group `(?P<value>…)` is captured."""
    exclude: str = ""
    """The utterance may not match this one."""
    ignore_case: bool = True

    def __post_init__(self) -> None:
        """Refuse patterns that do not compile or match everything."""
        if compiled(self.pattern).match("") is not None:
            raise ValueError("the pattern matches the empty text: it would match every utterance")
        compiled(self.exclude)


class RegexKind(Kind):
    """The text matches a pattern."""

    name: ClassVar[str] = "regex"
    chinese: ClassVar[str] = "正则"
    Options: ClassVar[type] = RegexOptions
    shorthand: ClassVar[str] = "pattern"
    delayable: ClassVar[bool] = True
    captures: ClassVar[bool] = True

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        options = condition.options
        assert isinstance(options, RegexOptions)  # noqa: S101  built by the loader from Options
        self.pattern = compiled(options.pattern, ignore_case=options.ignore_case)
        self.exclude = compiled(options.exclude, ignore_case=options.ignore_case) if options.exclude else None

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Patterns need no state."""
        return _RegexEye(self)

    def label(self) -> str:
        """A pattern says nothing to a reader."""
        return "说符合规则的话"


class _RegexEye(Eye):
    def __init__(self, kind: RegexKind) -> None:
        self._kind = kind

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        text = facts.utterance.text
        match = self._kind.pattern.search(text)
        if match is None or match.start() == match.end():
            return ()
        if self._kind.exclude is not None and self._kind.exclude.search(text):
            return ()
        place = words_evidence(facts, match.start(), match.end(), operator=RegexKind.name)
        value = match.groupdict().get("value") or ""
        says = f"{facts.role.chinese}在{at(place.start_ms)}说{quoted(place.quote)}"
        return (spoken(facts, (place,), says, value=value),)


_BLANK = re.compile(r"_{2,}|＿+")
_OPTIONAL = re.compile(r"[（(\[【][^）)\]】]*[）)\]】]")


@lru_cache(maxsize=64)
def _alphabet(homophones: Homophones) -> SoundAlphabet:
    return SoundAlphabet(frozenset(homophones.confusions))


@dataclass(frozen=True, kw_only=True)
class ScriptOptions:
    """A text to be read out; `__` is a blank, (…) may be left out."""

    texts: tuple[str, ...]
    """Versions of the text; one of them is enough."""
    share: float = 0.7
    """So much of it must be heard, 0 to 1."""
    utterances: int = 3
    """It may be spread over so many utterances of the speaker in a row."""
    homophones: Homophones | None = None
    """Compare by sound, so that mis-heard characters count: true, false, or settings."""

    def __post_init__(self) -> None:
        """Refuse scripts without enough words."""
        if not 0.0 < self.share <= 1.0:
            raise ValueError("`share` must be above 0 and at most 1")
        if self.utterances < 1:
            raise ValueError("`utterances` must be at least 1")
        if not self.texts or any(not script_pieces(text, None) for text in self.texts):
            raise ValueError("a script needs at least two characters beside blanks and optional parts")


def script_pieces(text: str, alphabet: SoundAlphabet | None) -> frozenset[str]:
    """Two-character pieces of a script's required parts, none across a blank."""
    parts = _BLANK.split(_OPTIONAL.sub("__", text))
    return frozenset(piece for part in parts for piece in _pieces(normalise(part), alphabet))


def _pieces(normal: str, alphabet: SoundAlphabet | None) -> list[str]:
    written = normal if alphabet is None else alphabet.write(normal)[0]
    return [written[at_ : at_ + 2] for at_ in range(len(written) - 1)]


class ScriptKind(Kind):
    """A script is read out."""

    name: ClassVar[str] = "script"
    chinese: ClassVar[str] = "话术朗读"
    Options: ClassVar[type] = ScriptOptions
    shorthand: ClassVar[str] = "texts"

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        options = condition.options
        assert isinstance(options, ScriptOptions)  # noqa: S101  built by the loader from Options
        self.options = options
        self.alphabet = _alphabet(options.homophones) if options.homophones is not None else None
        self.scripts = tuple(script_pieces(text, self.alphabet) for text in options.texts)

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Keep the speaker's last utterances."""
        return _ScriptEye(self)

    def label(self) -> str:
        """Write how the script begins."""
        return f"完整说出{quoted(self.options.texts[0])}"


class _ScriptEye(Eye):
    def __init__(self, kind: ScriptKind) -> None:
        self._kind = kind
        self._recent: deque[tuple[UtteranceFacts, list[str]]] = deque(maxlen=kind.options.utterances)

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        self._recent.append((facts, _pieces(facts.text.text, self._kind.alphabet)))
        for script in self._kind.scripts:
            heard = [
                (one, [at_ for at_, piece in enumerate(pieces) if piece in script]) for one, pieces in self._recent
            ]
            if not heard[-1][1]:
                continue
            told = {piece for _, pieces in self._recent for piece in pieces} & script
            share = len(told) / len(script)
            if share >= self._kind.options.share:
                self._recent.clear()
                return (_read_out([(one, places) for one, places in heard if places], share),)
        return ()


def _read_out(heard: list[tuple[UtteranceFacts, list[int]]], share: float) -> Found:
    evidence = tuple(
        words_evidence(one, *one.text.back(places[0], places[-1] + 2), operator=ScriptKind.name)
        for one, places in heard
    )
    facts = heard[-1][0]
    says = f"{facts.role.chinese}在{at(evidence[0].start_ms)}说出话术的{share:.0%}"
    moment = evidence[-1].start_ms
    return spoken(facts, evidence, says, at_ms=moment, utterances=tuple(one.utterance for one, _ in heard))


@dataclass(frozen=True, kw_only=True)
class RepeatOptions:
    """The same said again by the same speaker."""

    similarity: float = 0.7
    """Share of common two-character pieces from which two sentences are the same, 0 to 1."""
    min_characters: int = 4
    """Shorter sentences do not count."""
    repeats: int = 1
    """It must be said again so often."""
    within_utterances: int = 10
    """Only among the speaker's last so many utterances."""
    within_seconds: float | None = None
    """Only so many seconds apart."""
    exclude: tuple[str, ...] = ()
    """Sentences with one of these words do not count (courtesies)."""

    def __post_init__(self) -> None:
        """Refuse what would match everything or nothing."""
        if not 0.0 < self.similarity <= 1.0:
            raise ValueError("`similarity` must be above 0 and at most 1")
        if self.min_characters < 2:
            raise ValueError("`min_characters` must be at least 2")
        if self.repeats < 1 or self.within_utterances < 1:
            raise ValueError("`repeats` and `within_utterances` must be at least 1")


@lru_cache(maxsize=4096)
def _grams(normal: str) -> frozenset[str]:
    return frozenset(normal[at_ : at_ + 2] for at_ in range(len(normal) - 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sentence:
    facts: UtteranceFacts
    ordinal: int
    start: int
    end: int
    grams: frozenset[str]

    def place(self) -> Evidence:
        """Where it was said."""
        return words_evidence(self.facts, self.start, self.end, operator=RepeatKind.name)


class RepeatKind(Kind):
    """The same is said again."""

    name: ClassVar[str] = "repeat"
    chinese: ClassVar[str] = "重复"
    Options: ClassVar[type] = RepeatOptions

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Keep the speakers' sentences."""
        options = self.condition.options
        assert isinstance(options, RepeatOptions)  # noqa: S101  built by the loader from Options
        return _RepeatEye(options)

    def label(self) -> str:
        """Nothing in particular is repeated."""
        return "重复说同一句话"


class _RepeatEye(Eye):
    def __init__(self, options: RepeatOptions) -> None:
        self._options = options
        self._exclude = tuple(normalise(word) for word in options.exclude)
        self._said: dict[str, deque[_Sentence]] = {}
        self._counts: dict[str, int] = {}

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        party = facts.utterance.party
        ordinal = self._counts[party] = self._counts.get(party, 0) + 1
        said = self._said.setdefault(party, deque())
        while said and ordinal - said[0].ordinal > self._options.within_utterances:
            said.popleft()
        found: list[Found] = []
        for start, end in facts.text.sentences:
            normal = normalise(facts.utterance.text[start:end])
            if len(normal) < self._options.min_characters or any(word in normal for word in self._exclude):
                continue
            sentence = _Sentence(facts=facts, ordinal=ordinal, start=start, end=end, grams=_grams(normal))
            alike = [one for one in said if self._alike(one, sentence)]
            said.append(sentence)
            if len(alike) >= self._options.repeats and not found:
                found.append(_again(alike[-self._options.repeats :], sentence))
        return found

    def _alike(self, one: _Sentence, other: _Sentence) -> bool:
        limit = self._options.within_seconds
        if limit is not None and other.facts.utterance.start_ms - one.facts.utterance.end_ms > limit * 1000:
            return False
        common = 2 * len(one.grams & other.grams)
        return common >= self._options.similarity * (len(one.grams) + len(other.grams))


def _again(before: list[_Sentence], now: _Sentence) -> Found:
    evidence = (*(one.place() for one in before), now.place())
    moments = "、".join(at(place.start_ms) for place in evidence)
    says = f"{now.facts.role.chinese}在{moments}重复说{quoted(evidence[-1].quote)}"
    rests = {one.facts.utterance.index: one.facts.utterance for one in (*before, now)}
    return spoken(now.facts, evidence, says, at_ms=evidence[-1].start_ms, utterances=tuple(rests.values()))
