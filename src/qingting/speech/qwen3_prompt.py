"""What Qwen3-ASR is told and how its answers are read: pure functions, shared by every way to run it.

The model sees `system: context`, `user: audio`, and writes `language Chinese<asr_text>text`; on sound
without speech `language None<asr_text>`. With a forced language the answer starts after that label, so
that no label comes back. Source: Qwen3-ASR technical report (2026-01-29), section 2.2, and the chat
template of the released checkpoints.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from qingting.speech._units import is_han

LANGUAGE_CODES = MappingProxyType(
    {
        "Chinese": "zh",
        "English": "en",
        "Cantonese": "yue",
        "Arabic": "ar",
        "German": "de",
        "French": "fr",
        "Spanish": "es",
        "Portuguese": "pt",
        "Indonesian": "id",
        "Italian": "it",
        "Korean": "ko",
        "Russian": "ru",
        "Thai": "th",
        "Vietnamese": "vi",
        "Japanese": "ja",
        "Turkish": "tr",
        "Hindi": "hi",
        "Malay": "ms",
        "Dutch": "nl",
        "Swedish": "sv",
        "Danish": "da",
        "Finnish": "fi",
        "Polish": "pl",
        "Czech": "cs",
        "Filipino": "tl",
        "Persian": "fa",
        "Greek": "el",
        "Romanian": "ro",
        "Hungarian": "hu",
        "Macedonian": "mk",
    }
)
"""The model's 30 labels and our codes. Dialects other than Cantonese have no label: they come as Chinese."""
LANGUAGES = tuple(LANGUAGE_CODES.values())
NO_LANGUAGE = "None"
"""Label of sound without speech."""
TEXT_TAG = "<asr_text>"
REAL_TOKENS_PER_SECOND = 13.0
"""Audio tokens the encoder makes of a second (12.5 Hz nominal, 13 for every full second)."""
SHORTEST_SECONDS = 0.5
"""Shorter clips are padded with silence to this length, as the published processor does."""
REPEATED_CHARACTER = 21
"""From so many copies of one character on, the published parser takes them for a loop (over 20)."""
REPEATED_PATTERN = 20
"""From so many copies of a pattern on it is a loop …"""
LONGEST_PATTERN = 20
"""… if the pattern has at most so many characters."""

_CODES = {name.casefold(): code for name, code in LANGUAGE_CODES.items()}
_NAMES = {code: name for name, code in LANGUAGE_CODES.items()} | {"fil": "Filipino"}
_LABELS = "|".join(sorted((*LANGUAGE_CODES, NO_LANGUAGE), key=len, reverse=True))
_TAGGED = re.compile(r"(?:language[ \t]+([^\s<][^<\n]{0,60}?)[ \t]*)?(?:<asr_text>\s*)+", re.IGNORECASE)
_UNTAGGED = re.compile(rf"\s*(?:assistant\s+)?(?i:language)[ \t]+(?:(?i:({_LABELS}))(?![a-z])|({_LABELS}))[ \t]*")
_MARKERS = re.compile(r"<\|[^|<>\s]{1,40}\|>|<timestamp>|<asr_text>", re.IGNORECASE)
_LOOP = re.compile(
    rf"(.)\1{{{REPEATED_CHARACTER - 1},}}|(.{{2,{LONGEST_PATTERN}}}?)\2{{{REPEATED_PATTERN - 1},}}", re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class LabelledText:
    """A stretch of an answer under one language label."""

    text: str
    label: str
    """As the model wrote it; empty without a label."""
    language: str
    """Our code; empty for None, for no label, and for labels that are none of the 30."""


@dataclass(frozen=True, kw_only=True)
class ParsedAnswer:
    """An answer, taken apart."""

    text: str
    """The transcription, markers removed, not otherwise changed."""
    language: str
    """Code of the language most of the text stands under; empty when the model did not say."""
    no_speech: bool
    """Whether the model said that nobody speaks: label None and no text."""
    parts: tuple[LabelledText, ...]
    """One per label; more than one when the model changed the language within the clip."""


def language_name(code: str) -> str:
    """The model's label for a code (`zh`, `yue`, `fil` or `tl` …); raises KeyError for others."""
    return _NAMES[code]


def language_code(label: str) -> str:
    """Our code for a label; empty for None and unknown ones. Of `Chinese,English` the first known counts."""
    for part in label.split(","):
        code = _CODES.get(part.strip().casefold(), "")
        if code:
            return code
    return ""


def assistant_prefix(language: str | None) -> str:
    """What the answer is made to begin with: empty, or the label that forces a language."""
    return f"language {language_name(language)}{TEXT_TAG}" if language else ""


def system_text(hot_words: Sequence[str], *, longest_characters: int = 400) -> str:
    """Text of the system turn: the hot words, each once, in order, as many as fit; empty without any.

    Markers of the template are removed from the words, so that none can end the turn. The
    model reads no instructions here, only context; long lists come out as transcripts.
    """
    kept: list[str] = []
    length = 0
    for word in hot_words:
        clean = " ".join(_without_markers(word).split())
        if not clean or clean in kept:
            continue
        length += len(clean) + bool(kept)
        if length > longest_characters:
            break
        kept.append(clean)
    return "、".join(kept)


def token_limit(seconds: float) -> int:
    """Tokens an answer for so many seconds may have: twice what the fastest speaker needs, plus the label.

    12 characters a second are more than anyone speaks; a Chinese character takes at most about
    one token, a word of other scripts up to three at 4 words a second. Capped at 4,096.
    """
    return min(4096, 32 + math.ceil(20.0 * max(seconds, SHORTEST_SECONDS)))


def parse_answer(raw: str, *, forced: str | None = None) -> ParsedAnswer:
    """Take an answer apart, whatever form it has.

    `forced` is the language the answer was forced to: its label is not expected, and the
    language is that one. Without it the label may be missing, repeated, in another case, of
    no known language, without the text tag, or None in spite of text; markers left in the
    text are removed.
    """
    parts = _tagged(raw) or _untagged(raw, forced)
    kept = tuple(part for part in parts if part.text)
    text = _joined([part.text for part in kept])
    language = (forced if text else "") if forced else _main_language(kept)
    no_speech = not text and any(part.label.casefold() == NO_LANGUAGE.casefold() for part in parts)
    return ParsedAnswer(text=text, language=language, no_speech=no_speech, parts=kept)


def repeats(text: str) -> bool:
    """Whether the text loops by the published parser's measure; servers do not check it."""
    return _LOOP.search(text) is not None


def collapse_repetitions(text: str) -> str:
    """The text with one copy left of every loop (see `repeats`)."""
    return _LOOP.sub(lambda found: found.group(1) or found.group(2), text)


def _tagged(raw: str) -> tuple[LabelledText, ...]:
    """Parts of an answer that has a text tag; what stands before the first label is no speech."""
    heads = list(_TAGGED.finditer(raw))
    parts = []
    for index, head in enumerate(heads):
        end = heads[index + 1].start() if index + 1 < len(heads) else len(raw)
        label = _clean(head.group(1) or _bare_label(raw[: head.start()] if index == 0 else ""))
        parts.append(LabelledText(text=_clean(raw[head.end() : end]), label=label, language=language_code(label)))
    return tuple(parts)


def _bare_label(before: str) -> str:
    """A known label alone before the tag, its word `language` lost."""
    last = _without_markers(before).strip().rpartition("\n")[2].strip()
    return last if language_code(last) or last == NO_LANGUAGE else ""


def _untagged(raw: str, forced: str | None) -> tuple[LabelledText, ...]:
    """An answer without any text tag: the bare text, or a label and the text."""
    head = None if forced else _UNTAGGED.match(_without_markers(raw))
    if head is None:
        return (LabelledText(text=_clean(raw), label="", language=""),)
    label = head.group(1) or head.group(2)
    rest = _without_markers(raw)[head.end() :]
    return (LabelledText(text=_clean(rest), label=label, language=language_code(label)),)


def _main_language(parts: Sequence[LabelledText]) -> str:
    lengths: dict[str, int] = {}
    for part in parts:
        lengths[part.language] = lengths.get(part.language, 0) + len(part.text)
    return max(lengths, key=lambda code: lengths[code]) if lengths else ""


def _joined(texts: Sequence[str]) -> str:
    """Texts in a row, with a space where two words of letters would run together."""
    joined = ""
    for text in texts:
        apart = joined and joined[-1].isalnum() and text[0].isalnum() and not (is_han(joined[-1]) or is_han(text[0]))
        joined += f" {text}" if apart else text
    return joined


def _without_markers(text: str) -> str:
    return _MARKERS.sub("", text)


def _clean(text: str) -> str:
    """Text without markers, broken characters and control characters."""
    bare = _without_markers(text).replace("\ufffd", "")
    return "".join(" " if unicodedata.category(c) == "Cc" else c for c in bare).strip()
