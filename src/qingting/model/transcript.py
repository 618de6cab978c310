"""Who said what, when, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from qingting.model.audio import VoiceFacts
from qingting.model.call import Role


class Flag(StrEnum):
    """Something a guard noticed about an utterance; each is shown in the report."""

    INVENTED = "invented"
    """Text where nobody spoke; the text was dropped."""
    LOOP = "loop"
    """The same words looped; one copy was kept."""
    PROMPT_ECHO = "prompt_echo"
    """The engine repeated its prompt; that text was dropped."""
    HOTWORD_LEAK = "hotword_leak"
    """Hot words stood in the text without being spoken; they were dropped."""
    TOO_FAST = "too_fast"
    """More characters than anyone can say in that time."""
    TOO_SPARSE = "too_sparse"
    """Far fewer characters than the voiced time holds."""
    EMPTY_ANSWER = "empty_answer"
    """Speech was detected, but the engine returned no text."""
    TRUNCATED = "truncated"
    """The engine stopped at its token limit."""
    TIMES_SPREAD = "times_spread"
    """Word times failed the checks and were spread over the voiced time."""
    SIMPLIFIED = "simplified"
    """Traditional characters were converted; the original is kept."""
    LANGUAGE_MISSING = "language_missing"
    """The engine gave no language label."""
    CORRECTED = "corrected"
    """A misheard term of the line of business was put right; what was heard is kept in `corrections`."""
    REFUSED = "refused"
    """Recognition of this utterance failed after retries; it has no text."""

    @property
    def chinese(self) -> str:
        """The words a report reader sees."""
        return _FLAG_WORDS[self]

    @property
    def doubtful(self) -> bool:
        """Whether findings resting on such an utterance should go to review."""
        return self not in (Flag.SIMPLIFIED, Flag.LANGUAGE_MISSING, Flag.TIMES_SPREAD, Flag.CORRECTED)


_FLAG_WORDS = {
    Flag.INVENTED: "无人说话处的文字，已删除",
    Flag.LOOP: "识别重复循环，已保留一份",
    Flag.PROMPT_ECHO: "识别引擎复述提示语，已删除",
    Flag.HOTWORD_LEAK: "热词泄漏，已删除",
    Flag.TOO_FAST: "文字过密，识别存疑",
    Flag.TOO_SPARSE: "文字过少，识别存疑",
    Flag.EMPTY_ANSWER: "有语音但未识别出文字",
    Flag.TRUNCATED: "文字在长度上限处被截断",
    Flag.TIMES_SPREAD: "逐字时间为估算",
    Flag.SIMPLIFIED: "繁体已转简体",
    Flag.LANGUAGE_MISSING: "未给出语种",
    Flag.CORRECTED: "业务词已纠正",
    Flag.REFUSED: "识别失败",
}


@dataclass(frozen=True, kw_only=True)
class TimedText:
    """A character (Chinese) or word (Latin script) with its time."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None
    """0 to 1, or None where the engine has none."""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A misheard term that was put right."""

    start_char: int
    """Offset in the utterance's text."""
    end_char: int
    """Exclusive; the term has as many characters as what was heard."""
    heard: str
    """The engine's characters."""
    written: str
    """The term that stands there now."""
    why: str
    """Chinese: the evidence."""


@dataclass(frozen=True, kw_only=True)
class LanguageSpan:
    """A part of an utterance's text in one language."""

    start_char: int
    end_char: int
    """Exclusive; offsets in `Utterance.text`."""
    language: str
    """ISO 639-1 or `yue`; empty when unknown."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One stretch of one party's speech, in words."""

    index: int
    """Position in the transcript, from 0, in order of start_ms."""
    party: str
    """The party as the audio stage named it."""
    role: Role
    role_confidence: float
    """Confidence of the role decision for this party, 0 to 1."""
    start_ms: int
    end_ms: int
    text: str
    """Simplified Chinese with punctuation; digits in written form."""
    spoken_text: str = ""
    """The same with numbers as they were spoken (一百二十); equals text when nothing differs."""
    original_text: str = ""
    """The engine's own text when it was changed (script, guards); else empty."""
    characters: tuple[TimedText, ...] = ()
    """Times of the units of `text` in order, punctuation left out; absolute in the recording."""
    language: str = ""
    """ISO 639-1 or `yue`; empty when unknown."""
    language_source: str = ""
    """`engine` (its label), `text` (script and function words), `engine+text` (both agree); empty when unknown."""
    language_spans: tuple[LanguageSpan, ...] = ()
    """Parts in different languages that together are the whole text; empty where no switch is clear."""
    confidence: float | None = None
    """Engine's confidence in the text, 0 to 1, or None."""
    engine: str = ""
    """Name of the engine that made the text."""
    flags: tuple[Flag, ...] = ()
    corrections: tuple[Correction, ...] = ()
    """Misheard terms that were put right, in order; `text` holds the terms."""
    voice: VoiceFacts | None = None
    """Acoustic facts; None for text conversations."""


@dataclass(frozen=True, kw_only=True)
class EngineIdentity:
    """Which engine and weights made a transcript: part of the evidence chain."""

    name: str
    """Engine name in the catalogue (`embedded`, `qwen3-server` …)."""
    model: str
    """Model name as its publisher writes it."""
    revision: str
    """Hash or revision of the weights."""


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """All utterances of a call in order of start_ms (ties: end_ms, then party)."""

    utterances: tuple[Utterance, ...]
    engine: EngineIdentity
    duration_ms: int
    """Length of the recording; at least the last utterance's end."""
