"""How sure a language model was of every unit of its text, from the probabilities of its tokens.

Tokens are runs of bytes that may end inside a character; a unit (`_units.py`) is as sure as
the least sure token that has a byte in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate

from qingting.model.transcript import TimedText
from qingting.speech._units import units
from qingting.speech.qwen3_prompt import TEXT_TAG
from qingting.speech.text_form import simplify


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token of an answer."""

    content: bytes
    """UTF-8; may be part of a character."""
    log_probability: float


@dataclass(frozen=True, kw_only=True)
class TextConfidence:
    """How sure the engine was of a text."""

    overall: float
    """Geometric mean of the tokens' probabilities, 0 to 1."""
    by_unit: tuple[float, ...]
    """One per unit of the text, 0 to 1."""


def text_confidence(text: str, tokens: Sequence[Token]) -> TextConfidence | None:
    """Confidence of `text`, which must stand in the tokens; None when it does not.

    Labels and end marks before and behind the text are left out of it. Servers that decode
    every token alone give broken characters for tokens that end inside one: those tokens
    count for the characters between their neighbours.
    """
    spans = _spans(text, tokens)
    if not text or not spans:
        return None
    sure = [_probability(token.log_probability) for token in tokens]
    overall = math.exp(sum(math.log(max(sure[n], 1e-9)) for n, _, _ in spans) / len(spans))
    found = units(text)
    inside = [[sure[n] for n, first, last in spans if first < unit.end and last > unit.start] for unit in found]
    by_unit = tuple(min(values) for values in inside) if all(inside) else ()
    return TextConfidence(overall=min(1.0, overall), by_unit=by_unit)


Spans = list[tuple[int, int, int]]
"""Token, first and last (exclusive) character of the text it stands for."""


def _spans(text: str, tokens: Sequence[Token]) -> Spans:
    return _by_bytes(text, tokens) or _by_strings(text, tokens)


def _by_bytes(text: str, tokens: Sequence[Token]) -> Spans:
    wanted = text.encode()
    start = b"".join(token.content for token in tokens).rfind(wanted)
    if start < 0:
        return []
    character_at = [n for n, character in enumerate(text) for _ in character.encode()]
    spans: Spans = []
    for n, edge in enumerate(accumulate((len(token.content) for token in tokens), initial=-start)):
        if n < len(tokens) and edge < len(wanted) and (last := edge + len(tokens[n].content)) > max(edge, 0):
            spans.append((n, character_at[max(edge, 0)], character_at[min(last, len(wanted)) - 1] + 1))
    return spans


def _by_strings(text: str, tokens: Sequence[Token]) -> Spans:
    """Whole tokens where they stand in the text; broken ones share the gap in front of the next whole one."""
    strings = [token.content.decode("utf-8", "replace") for token in tokens]
    first = max((n + 1 for n, string in enumerate(strings) if string == TEXT_TAG), default=0)
    spans: Spans = []
    broken: list[int] = []
    position = 0
    for n in range(first, len(strings)):
        if strings[n].startswith("<|"):
            continue
        at = -1 if "\ufffd" in strings[n] else text.find(strings[n], position)
        if at < 0 or at - position > 2 * len(broken):
            broken.append(n)
            continue
        spans += [(other, position, at) for other in broken if at > position]
        spans.append((n, at, at + len(strings[n])))
        position, broken = at + len(strings[n]), []
    spans += [(other, position, len(text)) for other in broken if position < len(text)]
    return spans


def with_confidences(
    timed: Sequence[TimedText], engine_text: str, confidences: Sequence[float]
) -> tuple[TimedText, ...]:
    """Timed units of the final text with the confidence of the engine's units they come from.

    Rewritten units (numbers, script) take the least of what they replace; units that have a
    confidence, and those that stand for nothing the engine wrote, stay as they are.
    """
    source = units(engine_text)
    if len(source) != len(confidences):
        return tuple(timed)
    left = [item.text.casefold() for item in timed]
    right = [simplify(unit.text).casefold() for unit in source]
    found: list[TimedText] = []
    for kind, first, last, from_, to in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for index in range(first, last):
            own = confidences[from_ + index - first : from_ + index - first + 1] if kind == "equal" else None
            values = own if own is not None else confidences[from_:to]
            item = timed[index]
            if item.confidence is None and values:
                item = replace(item, confidence=min(values))
            found.append(item)
    return tuple(found)


def _probability(log_probability: float) -> float:
    return 0.0 if math.isnan(log_probability) else math.exp(min(log_probability, 0.0))
