"""Questions to a language model, and its answers as typed values that can be checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from qingting.errors import JudgeAnswerError
from qingting.model.call import Role
from qingting.model.finding import Level

_FENCE = re.compile(r"\s*```(?:json)?\s*\n(?P<inner>.*)\n\s*```\s*", re.DOTALL)
_DIGITS = re.compile(r"(?:[0-9０-９][ \-]?){4,}|[零〇一二三四五六七八九幺两]{4,}")
_DIGIT = re.compile(r"[0-9０-９零〇一二三四五六七八九幺两]")
SHORTEST_QUOTE = 2
"""Characters; a shorter quote proves nothing."""
LONGEST_TEXT = 200
"""Characters of an answer in words."""


class AnswerType(StrEnum):
    """What an answer is."""

    YES_NO = "yes_no"
    NUMBER = "number"
    CHOICE = "choice"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question in plain language."""

    id: str
    """Snake-case; the rule id is `llm_judge.<id>`."""
    name: str
    """Chinese name of the point."""
    question: str
    """As one would ask a colleague who has read the conversation."""
    answer: AnswerType = AnswerType.YES_NO
    choices: tuple[str, ...] = ()
    """Allowed answers of a choice."""
    fault_when: tuple[str, ...] = ()
    """Answers that are a fault (`yes`, `no`, or choices); others are only noted."""
    needs_quote: bool = True
    """Whether the answer must rest on words of the conversation; false for what was left out."""
    who: Role = Role.AGENT
    """Whose conduct it is about."""
    level: Level = Level.MEDIUM
    advice: str = ""
    """Chinese: what to do better; required with fault_when."""

    def __post_init__(self) -> None:
        """Refuse questions whose answers could not be judged."""
        if not self.id.isidentifier() or self.id != self.id.lower():
            raise ValueError("a question's id is snake_case")
        if not self.question.strip() or not self.name.strip():
            raise ValueError("a question needs its words and a name")
        if (self.answer is AnswerType.CHOICE) != bool(self.choices):
            raise ValueError("`choices` belong to questions with `answer: choice`, and only to them")
        allowed = {AnswerType.YES_NO: ("yes", "no"), AnswerType.CHOICE: self.choices}.get(self.answer, ())
        if not set(self.fault_when) <= set(allowed):
            raise ValueError(f"`fault_when` must be of: {', '.join(allowed) or 'nothing for this kind of answer'}")
        if self.fault_when and not self.advice:
            raise ValueError("a question with `fault_when` needs advice")

    @property
    def form(self) -> str:
        """How the answer is to be written, in words for the model."""
        return {
            AnswerType.YES_NO: "true 或 false（布尔值）",
            AnswerType.NUMBER: "数字",
            AnswerType.CHOICE: f"以下之一的字符串：{json.dumps(self.choices, ensure_ascii=False)}",
            AnswerType.TEXT: f"不超过{LONGEST_TEXT}字的中文字符串",
        }[self.answer]


@dataclass(frozen=True, kw_only=True)
class Quote:
    """Words of the conversation on which an answer rests."""

    line: int
    """Number of the line in what the model was given, from 0."""
    start_char: int
    end_char: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A checked answer."""

    value: bool | float | str | None
    """None when the model cannot tell."""
    quotes: tuple[Quote, ...] = ()

    def is_fault(self, question: Question) -> bool:
        """Whether the question's `fault_when` names this answer."""
        word = {True: "yes", False: "no"}[self.value] if isinstance(self.value, bool) else self.value
        return word in question.fault_when

    @property
    def words(self) -> str:
        """The answer as a reader sees it."""
        if self.value is None:
            return "无法判断"
        if isinstance(self.value, bool):
            return "是" if self.value else "否"
        return f"{self.value:g}" if isinstance(self.value, float) else self.value


def masked(text: str) -> str:
    """Return text of the same length with every run of four or more digits made unreadable."""
    return _DIGITS.sub(lambda match: _DIGIT.sub("*", match[0]), text)


def read_answers(content: str, questions: Sequence[Question], lines: Sequence[str]) -> dict[str, Answer | str]:
    """Parse a model's words: question id -> checked answer, or the reason why it was rejected.

    `lines` are the conversation's lines as the model was given them. Raises JudgeAnswerError when
    the whole is no JSON of the asked form. Reasons hold no word of conversation or answer.
    """
    fenced = _FENCE.fullmatch(content)
    try:
        plain = json.loads(fenced["inner"] if fenced else content, parse_constant=_no_constant)
        listed = plain["answers"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise JudgeAnswerError("the model's answer is not the asked JSON") from None
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise JudgeAnswerError("the model's answer holds no list of answers")
    found: dict[str, Answer | str] = {}
    for question in questions:
        own = [one for one in listed if one.get("id") == question.id]
        if len(own) != 1:
            found[question.id] = "is missing" if not own else "stands twice"
            continue
        found[question.id] = _checked(own[0], question, lines)
    return found


def _no_constant(_: str) -> float:
    raise ValueError("no number of JSON")


def _checked(plain: Mapping[str, object], question: Question, lines: Sequence[str]) -> Answer | str:
    try:
        value = _value(plain.get("answer", ""), question)
        quotes = _quotes(plain.get("quotes", []), lines)
    except ValueError as error:
        return str(error)
    if value is not None and question.needs_quote and not quotes:
        return "quotes nothing"
    return Answer(value=value, quotes=quotes)


def _value(value: object, question: Question) -> bool | float | str | None:
    if value is None:
        return None
    if question.answer is AnswerType.YES_NO:
        # "false" in quotes is true to many programs: only JSON's own words count.
        if not isinstance(value, bool):
            raise ValueError("is neither true nor false")
        return value
    if question.answer is AnswerType.NUMBER:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
            raise ValueError("is no number")
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT:
        raise ValueError("is no text of the asked length")
    if question.answer is AnswerType.CHOICE and value not in question.choices:
        raise ValueError("is none of the choices")
    return value.strip()


def _quotes(plain: object, lines: Sequence[str]) -> tuple[Quote, ...]:
    if not isinstance(plain, list):
        raise ValueError("has quotes that are no list")
    return tuple(_quote(one, lines) for one in plain)


def _quote(plain: object, lines: Sequence[str]) -> Quote:
    line = plain.get("line") if isinstance(plain, Mapping) else None
    words = plain.get("quote") if isinstance(plain, Mapping) else None
    if isinstance(line, bool) or not isinstance(line, int) or not isinstance(words, str):
        raise ValueError("has a quote without line or words")
    if not 0 <= line < len(lines):
        raise ValueError("quotes a line that does not exist")
    at = lines[line].find(words)
    if len(words.strip()) < SHORTEST_QUOTE or at < 0:
        raise ValueError("quotes words that nobody said")
    return Quote(line=line, start_char=at, end_char=at + len(words))
