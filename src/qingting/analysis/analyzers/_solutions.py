"""What an agent's utterance offers: something done, a plan, steps to take, or only words that put off."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from qingting.analysis.dialogue import Act, agent_act
from qingting.analysis.lexicon import groups
from qingting.analysis.text import Hit
from qingting.analysis.usage import meant

if TYPE_CHECKING:
    from qingting.analysis.context import UtteranceFacts

_NUMBER = "(?:\\d{1,12}|[一二两三四五六七八九十百半]{1,12})"
"""Longer runs are no amounts, and looking for their ends would take quadratic time."""
_WHEN = re.compile(
    f"{_NUMBER}(?:(?:到|至|-|~){_NUMBER})?个?(?:工作日|自然日|小时|分钟|天|点|号|日|周|星期|月)"
    "|今天|今晚|明天|明早|后天|本周|下周|下个月|次月|当天|上午|下午|晚上"
)
_REFERENCE = re.compile(
    "(?:单号|运单|工单|编号|受理号|订单号|流水号|取件码|验证码|快递)(?:号)?(?:是|为)?[a-z]{0,3}\\d{4,}|[a-z]{2}\\d{6,}"
)
_ASKS_FOR_DATA = re.compile(
    "(?:号|号码|单号|四位|身份证|姓名|名字|地址|验证码)(?:您|你|也|再|先|重新|给我|跟我|麻烦)*(?:报|说|发|提供|告诉|念)"
    "|(?:报|说|提供|告诉|念)(?:一下|一遍|下|我|给我)+.{0,8}(?:号|四位|身份证|姓名|名字|地址)"
)
"""Asking for the customer's data (您把手机号再报一下) is no step towards a solution."""
_AMOUNT = re.compile(f"(?:退|补|赔|减|返|送|优惠).{{0,8}}?{_NUMBER}(?:元|块|积分)")


class OfferKind(StrEnum):
    """What kind of help an utterance gives."""

    DONE = "done"
    """Something was done, or works again: 已为您补发."""
    PLAN = "plan"
    """Something definite will be done: 为您退款, 24小时内专员联系您."""
    STEPS = "steps"
    """The customer is told what to do: 您打开订单页面，点申请售后."""
    FACTS = "facts"
    """A question is answered with a statement."""
    VAGUE = "vague"
    """Puts off without saying what happens when: 会尽快处理."""
    DECLINED = "declined"
    """Says that it cannot or will not help."""

    @property
    def concrete(self) -> bool:
        """Whether the customer knows what happens next."""
        return self in (OfferKind.DONE, OfferKind.PLAN, OfferKind.STEPS)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What an agent's utterance gives the customer who waits for help."""

    kind: OfferKind
    facts: UtteranceFacts
    start_char: int
    """The words that decide it, as offsets of the utterance's text."""
    end_char: int
    details: tuple[str, ...] = ()
    """What makes it checkable: times, numbers, amounts."""


@cache
def solution_phrases() -> dict[str, tuple[str, ...]]:
    """Return the phrases `offer_of` needs, by label; add them to those of the conversation's acts."""
    return {f"solution_{group}": phrases for group, phrases in groups("agent_solution").items()}


def offer_of(facts: UtteranceFacts) -> Offer | None:
    """Return what an agent's utterance offers; None for sounds, courtesies and mere questions."""
    details = _details(facts.text.text)
    concrete = _concrete(facts, details)
    if concrete is not None:
        return concrete
    for label, kind in (("decline", OfferKind.DECLINED), ("vague", OfferKind.VAGUE), ("follow_up", OfferKind.VAGUE)):
        hits = facts.hits(f"solution_{label}")
        if hits:
            return _offer(kind, facts, hits[0], ())
    if agent_act(facts) is Act.ANSWER:
        return Offer(kind=OfferKind.FACTS, facts=facts, start_char=0, end_char=len(facts.utterance.text))
    return None


def _concrete(facts: UtteranceFacts, details: tuple[str, ...]) -> Offer | None:
    """Return what was done, else the first plan or step; passing a matter on needs a time to be a plan."""
    done = (*_stated(facts, "done"), *_stated(facts, "result"))
    if done:
        return _offer(OfferKind.DONE, facts, done[0], details)
    plans = [*_stated(facts, "plan"), *(_stated(facts, "follow_up") if details else ())]
    steps = [hit for hit in _stated(facts, "instruct") if not _ASKS_FOR_DATA.search(_clause(facts, hit))]
    ordered = [(hit, OfferKind.PLAN) for hit in plans] + [(hit, OfferKind.STEPS) for hit in steps]
    if not ordered:
        return None
    hit, kind = min(ordered, key=lambda one: one[0].normal_start)
    return _offer(kind, facts, hit, details)


def _offer(kind: OfferKind, facts: UtteranceFacts, hit: Hit, details: tuple[str, ...]) -> Offer:
    first, last = facts.text.clause_at(hit.start_char)
    start, end = min(first, hit.start_char), max(last, hit.end_char)
    return Offer(kind=kind, facts=facts, start_char=start, end_char=end, details=details)


def _stated(facts: UtteranceFacts, label: str) -> tuple[Hit, ...]:
    """Hits that state something: neither denied nor asked (可以退货吗 is no offer, …，可以吗 after one is)."""
    return tuple(hit for hit in meant(facts.text, facts.hits(f"solution_{label}")) if not _asked(facts, hit))


def _clause(facts: UtteranceFacts, hit: Hit) -> str:
    """The normalised words of a hit's clause."""
    offsets = facts.text.offsets
    first, last = facts.text.clause_at(hit.start_char)
    return facts.text.text[bisect_left(offsets, first) : bisect_right(offsets, last - 1)]


def _asked(facts: UtteranceFacts, hit: Hit) -> bool:
    clause = _clause(facts, hit)
    after = facts.text.text[hit.normal_end : hit.normal_end + 2]
    return clause.endswith(("吗", "没有", "了没")) or clause.startswith(("是否", "有没有", "是不是")) or after == "了吗"


def _details(text: str) -> tuple[str, ...]:
    found = [match.group() for pattern in (_WHEN, _REFERENCE, _AMOUNT) for match in pattern.finditer(text)]
    return tuple(dict.fromkeys(found))[:4]
