"""What an utterance does in the conversation: an answer, a mere sound, a request to wait, a demand.

Analyzers that need this add `DIALOGUE` to their phrases and ask the functions below.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from qingting.analysis.lexicon import groups, lexicon
from qingting.analysis.text import Hit
from qingting.analysis.usage import meant

if TYPE_CHECKING:
    from qingting.analysis.context import UtteranceFacts

_LEXICONS = {
    "hold": "agent_hold",
    "backchannel": "backchannel",
    "presence": "presence",
    "empathy": "agent_empathy",
    "courtesy": "agent_courtesy",
    "opening": "opening",
    "further_help": "further_help",
    "asks": "agent_question",
    "farewell": "farewell",
    "refusal": "forbidden_words",
    "demand": "customer_demand",
    "question": "customer_question",
    "problem": "customer_problem",
    "wait": "customer_wait",
    "waits": "agent_waits",
}
_QUESTION_ENDS = ("吗", "呢", "么", "吧")
HOLD_TAIL_CHARACTERS = 14
"""A request to wait counts when at most so many characters follow it: 请稍等，我查一下物流信息."""
ANSWER_CHARACTERS = 8
"""So many declarative characters beside courtesies make an answer."""


BARE_QUESTION_CHARACTERS = 4
"""A question without any known question word must have so many characters."""
_GREETING = re.compile(
    "^(?:喂|你好|您好|请问)*(?:你们?|您|这里|这边)?是.{1,12}(?:吗|吧)$"
    "|^(?:喂|你好|您好|哎|嗯|是我|对|我是|请问|你|您|有)*(?:怎么了|什么事|啥事|有事吗|什么事情|哪位|哪里的?|谁啊)$"
)
"""Asking who is there (您是优选商城吗) or what the call is about (是我，怎么了) states no wish."""


class Act(StrEnum):
    """What an agent's utterance does for the customer who waits."""

    SILENT = "silent"
    """No words recognised."""
    SOUND = "sound"
    """A mere sign of listening: 嗯, 好的."""
    HOLD = "hold"
    """Asks the customer to wait: 稍等一下."""
    CONTENT = "content"
    """Says something of substance, but no answer yet: a question back, an apology."""
    ANSWER = "answer"
    """States a result, a plan or a reason."""


@cache
def dialogue_phrases() -> dict[str, tuple[str, ...]]:
    """Return the phrases these functions need, by label."""
    found = {label: lexicon(name) for label, name in _LEXICONS.items()}
    answers = groups("agent_answer")
    found["result"] = tuple(phrase for group in ("done", "times") for phrase in answers[group])
    found["answer"] = tuple(phrase for group in ("done", "plan", "times") for phrase in answers[group])
    return found


def left_over(facts: UtteranceFacts, *labels: str, start: int = 0, end: int | None = None) -> int:
    """Count the normalised characters of a range that no phrase of the labels covers."""
    stop = len(facts.text.text) if end is None else end
    covered: set[int] = set()
    for label in labels:
        for hit in facts.hits(label):
            covered.update(range(max(hit.normal_start, start), min(hit.normal_end, stop)))
    return stop - start - len(covered)


def is_sound(facts: UtteranceFacts) -> bool:
    """Whether the utterance only shows that someone listens."""
    return len(facts.text.text) <= 10 and left_over(facts, "backchannel") <= 1


def is_presence(facts: UtteranceFacts) -> bool:
    """Whether the utterance only asks if the other side is there: 喂，在吗."""
    return bool(facts.hits("presence")) and left_over(facts, "presence", "backchannel") <= 1


def agent_act(facts: UtteranceFacts) -> Act:
    """Say what an agent's utterance does."""
    size = len(facts.text.text)
    if not size:
        return Act.SILENT
    if is_sound(facts):
        return Act.SOUND
    holds = [hit for hit in facts.hits("hold") if size - hit.normal_end <= HOLD_TAIL_CHARACTERS]
    if holds:
        return Act.HOLD
    return Act.ANSWER if _answers(facts) else Act.CONTENT


def continues_hold(facts: UtteranceFacts) -> bool:
    """Whether words right after a request to wait belong to it: short, and no result yet."""
    return len(facts.text.text) <= HOLD_TAIL_CHARACTERS and not facts.hits("result") and not asks_something(facts)


def _answers(facts: UtteranceFacts) -> bool:
    if facts.hits("refusal"):
        return False
    if _apart(facts.hits("answer"), facts.hits("hold"), facts.hits("asks")):
        return True
    said = 0
    for start, end in _normal_sentences(facts):
        if not _asks(facts, start, end):
            said += left_over(
                facts, "backchannel", "hold", "empathy", "courtesy", "opening", "further_help", "presence", "farewell",
                start=start, end=end,
            )  # fmt: skip
    return said >= ANSWER_CHARACTERS


def _apart(hits: tuple[Hit, ...], *others: tuple[Hit, ...]) -> bool:
    """Whether a hit touches none of the others: 我帮您 alone, not within 我帮您查一下."""
    spans = [(other.normal_start, other.normal_end) for group in others for other in group]
    return any(all(hit.normal_end <= start or end <= hit.normal_start for start, end in spans) for hit in hits)


def _normal_sentences(facts: UtteranceFacts) -> list[tuple[int, int]]:
    """Sentences as ranges of the normalised text."""
    ranges: list[tuple[int, int]] = []
    offsets, at = facts.text.offsets, 0
    for start, end in facts.text.sentences:
        while at < len(offsets) and offsets[at] < start:
            at += 1
        first = at
        while at < len(offsets) and offsets[at] < end:
            at += 1
        if at > first:
            ranges.append((first, at))
    return ranges


def _asks(facts: UtteranceFacts, start: int, end: int) -> bool:
    last = facts.text.offsets[end - 1] + 1
    if facts.utterance.text[last : last + 1] in ("？", "?") or facts.text.text[start:end].endswith(_QUESTION_ENDS):
        return True
    return any(start <= hit.normal_start < end for hit in facts.hits("asks"))


def asks_something(facts: UtteranceFacts) -> bool:
    """Whether the utterance ends with a question or a request for information."""
    sentences = _normal_sentences(facts)
    return bool(sentences) and _asks(facts, *sentences[-1])


def wish_of(facts: UtteranceFacts) -> Hit | None:
    """Return the customer's demand or question that the agent must answer; None without one."""
    if left_over(facts, "presence", "backchannel") <= 1:
        return None
    demands = meant(facts.text, facts.hits("demand"))
    if demands:
        return demands[0]
    questions = facts.hits("question")
    return questions[0] if questions else _bare_question(facts)


def _bare_question(facts: UtteranceFacts) -> Hit | None:
    """Return the clause of a question that is known by its end alone: 钱呢？ 你能保证吗？"""
    for start, end in _normal_sentences(facts):
        last = facts.text.offsets[end - 1]
        marked = facts.utterance.text[last + 1 : last + 2] in ("？", "?")
        words = facts.text.text[start:end]
        if not (marked or words.endswith(("吗", "呢"))) or _GREETING.search(words):
            continue
        if left_over(facts, "presence", "backchannel", start=start, end=end) < BARE_QUESTION_CHARACTERS:
            continue
        first = max(facts.text.clause_at(last)[0], facts.text.offsets[start])
        return Hit(
            start_char=first,
            end_char=last + 1,
            phrase=facts.quote(first, last + 1),
            normal_start=bisect_left(facts.text.offsets, first),
            normal_end=end,
        )
    return None


def has_problem(facts: UtteranceFacts) -> bool:
    """Whether the customer states a problem, demand or question."""
    return bool(meant(facts.text, facts.hits("problem"))) or wish_of(facts) is not None
