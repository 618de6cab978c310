"""Which language one utterance is in, by its words, the engine's label and where the caller is at home."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.dialects import DialectGuess, dialect_phrases, dialects, guess, real_words, word_of
from qingting.analysis.findings import utterance_evidence
from qingting.analysis.signals import Signal, SignalName
from qingting.model.finding import Confidence

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from qingting.analysis.context import UtteranceFacts
    from qingting.model.call import CallInfo

MANDARIN = "mandarin"
ENGLISH = "english"
_MANDARIN_WORDS = tuple(
    "的 了 是 不 没 这 那 吗 吧 呢 什么 怎么 我们 你们 他们 您 给 在 还 说 看 能不能 是不是 有没有 一下"
    " 谢谢 现在 明天".split()
)
"""Words that Cantonese, Wu and Min write otherwise."""
MANDARIN_CHARACTERS = 8
"""A shorter utterance is never called Mandarin: 好的 is said in every dialect."""
_MANDARIN_DISTINCT = 3
LABELLED_CHARACTERS = 4
"""On shorter utterances engines guess the language: their label does not count."""
_LATIN = re.compile(r"[A-Za-z][A-Za-z']*")
_NEIGHBOUR = re.compile(r"[0-9A-Za-z_.@/\-]")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")
ENGLISH_WORDS = 3
"""An English utterance has so many words."""
MIXED_WORDS = 2
"""So many different English words within Chinese are a mixture, one is a name or a loan."""
_HOME_FIELDS = ("region", "province", "city", "地区", "省份", "城市")


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """The language of an utterance."""

    language: str = ""
    """`mandarin`, `english` or a dialect's id; empty when the words do not tell."""
    guess: DialectGuess | None = None
    """For dialects: the words and how sure they are."""
    source: str = ""
    """`words`, `engine`, `engine+words`; `+home` when the line or region tipped the balance."""
    english: tuple[tuple[int, int], ...] = ()
    """Places of English words (start_char, end_char) in an English or mixed utterance."""


def home_of(call: CallInfo, expected: Collection[str]) -> frozenset[str]:
    """Return the dialects at home on the line, and in the region that the call data names."""
    places = [call.fields[name] for name in _HOME_FIELDS if name in call.fields]
    at_home = {one.id for one in dialects().values() for region in one.regions if any(region in at for at in places)}
    return frozenset({*expected, *at_home})


def spoken_in(facts: UtteranceFacts, home: Collection[str]) -> Spoken:
    """Return the language of an utterance, as far as it shows."""
    english = _english(facts)
    if english and _is_english(facts.utterance.text):
        return Spoken(language=ENGLISH, source="words", english=english)
    words = real_words({label: facts.hits(label) for label in dialect_phrases()})
    labelled = _labelled(facts)
    found = guess(words, labelled=labelled, expected=home)
    if found is not None:
        unaided = guess(words, labelled=labelled)
        return Spoken(language=found.dialect, guess=found, source=_source(found, labelled, unaided), english=english)
    strong = any(word_of(dialect)[hit.phrase].strength > 1 for dialect, hits in words.items() for hit in hits)
    text = facts.text.text
    said = sum(word in text for word in _MANDARIN_WORDS)
    if len(text) >= MANDARIN_CHARACTERS and said >= _MANDARIN_DISTINCT and not strong and not labelled:
        return Spoken(language=MANDARIN, source="words", english=english)
    return Spoken(english=english)


def _source(found: DialectGuess, labelled: str, unaided: DialectGuess | None) -> str:
    parts = ["engine"] if labelled == found.dialect else []
    parts += ["words"] if found.hits else []
    parts += ["home"] if unaided is None or unaided.dialect != found.dialect else []
    return "+".join(parts)


def _labelled(facts: UtteranceFacts) -> str:
    """Return the dialect the engine's label names; plain `zh` names none, nor does one read off the text itself."""
    label = "" if facts.utterance.language_source == "text" else facts.utterance.language
    if label in ("", "zh", "en") or len(facts.text.text) < LABELLED_CHARACTERS:
        return ""
    return next((one.id for one in dialects().values() if one.separate and one.words and one.language == label), "")


def _english(facts: UtteranceFacts) -> tuple[tuple[int, int], ...]:
    """Places of English words that are no loan, abbreviation or part of a code; empty when fewer than a mixture."""
    loans: frozenset[str] = dialects()[ENGLISH].loanwords
    text = facts.utterance.text
    found: list[tuple[int, int]] = []
    for match in _LATIN.finditer(text):
        start, end = match.span()
        alone = not _NEIGHBOUR.match(text[start - 1 : start]) and not _NEIGHBOUR.match(text[end : end + 1])
        word = match.group()
        at_end = end == len(text) or not text[end + 1 : end + 2].isalnum()
        if (alone or (text[end : end + 1] == "." and at_end)) and not word.isupper() and word.lower() not in loans:
            found.append((start, end))
    distinct = {text[start:end].lower() for start, end in found}
    return tuple(found) if len(distinct) >= MIXED_WORDS else ()


def _is_english(text: str) -> bool:
    words = len(_LATIN.findall(text))
    return words >= ENGLISH_WORDS and words > len(_HAN.findall(text))


def sureness(spoken: Spoken, home: Collection[str]) -> Confidence:
    """How sure the language of an utterance is, with the reason."""
    if spoken.guess is None:
        return Confidence(value=0.9, reasons=("按英文词的多少判断",)) if spoken.english else Confidence(value=1.0)
    value, dialect = spoken.guess.confidence, spoken.guess.dialect
    if not spoken.guess.hits:
        return Confidence(value=0.65, reasons=("只有识别引擎的语种标签，文字中没有方言词",))
    label = "识别引擎的标签和" if "engine" in spoken.source else ""
    reason = f"按{label}{len(spoken.guess.hits)}处方言词判断，没有听辨口音"
    if dialect in home and "home" in spoken.source:
        reason += "，并参考了来电地区或业务线"
    return Confidence(value=value, reasons=(reason,))


def language_signal(facts: UtteranceFacts, spoken: Spoken, home: Collection[str]) -> Signal:
    """Tell other dimensions the language of an utterance."""
    sure = sureness(spoken, home)
    return Signal(
        name=SignalName.LANGUAGE,
        value=spoken.language,
        role=facts.role,
        evidence=(utterance_evidence(facts, operator="language", note=names().get(spoken.language, "")),),
        confidence=sure,
        utterances=(facts.utterance,),
    )


def names() -> Mapping[str, str]:
    """Chinese names of all languages."""
    return {**{one.id: one.name for one in dialects().values()}, MANDARIN: "普通话"}


def separate() -> frozenset[str]:
    """Languages between which a switch can be told by words."""
    return frozenset({MANDARIN, *(one.id for one in dialects().values() if one.separate)})
