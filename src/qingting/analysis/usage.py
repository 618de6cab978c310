"""Whether words are meant: negated, reported and supposed uses do not count.

Works on the words to the left of a hit within its clause (negation, supposition) or sentence
(reported speech), because telephone recognition sets commas freely but rarely full stops.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.analysis.text import Hit, NormalText


class Use(StrEnum):
    """How a phrase is used."""

    MEANT = "meant"
    NEGATED = "negated"
    """没有不满意, 不是太慢, 不会没人管."""
    REPORTED = "reported"
    """我朋友说…, 网上说…, 听说…."""
    SUPPOSED = "supposed"
    """如果不满意…, …的话, 我怕…."""


# Words that contain 不 or 没 without denying what follows.
_NO_DENIAL = re.compile(
    "是不是|会不会|能不能|有没有|可不可以|要不要|好不好|行不行|要不|岂不是|可不|差不多|不过|不管|不然|不仅|不但|不就"
    "|不好意思|动不动|不光"
)
_LINK = (
    "(?:什么|觉得|感到|感觉|说|是|太|很|那么|这么|特别|非常|有|再|让[您你我]|会|要|去|想|多|算|怎么|为了|过|表示|真的|能"
    "|给[您你]|向[您你]|跟[您你])"
)
_DENIAL = re.compile(f"(?P<word>不是|不会|没有|没|并非|不至于|谈不上|说不上|算不上|无法|别|勿|无|不){_LINK}{{0,4}}$")
_SPEAKER = (
    "(?<![跟和对给向])(?:朋友|同事|别人|人家|他们|网上|网友|大家|有人|邻居|家里人|老公|老婆|我妈|我爸|评论里?|评价里?"
    "|弹幕里?)(?:们)?"
)
_SPEECH = re.compile(
    f"{_SPEAKER}(?:都|也|老|总|还|就|之前|以前|[跟和给对]我)*(?:说|讲|写|反映|反馈|吐槽|劝|建议|推荐)|听说|据说|听别人|看到有人|看评[价论]"
)
_ELSEWHERE = re.compile(
    "(?<![比跟和像])(?:别家|别的(?:公司|平台|地方|店|商家)|另外?一家|其他(?:公司|平台|商家)|人家那边|他们家)[^你咱]*$"
)
"""Words about someone else's service: 上次问别家，那边才叫气人."""
_SUPPOSITION = re.compile(
    "(?:如果|要是|假如|假设|万一|倘若|若是|一旦|会不会|[我就]怕|担心|免得|省得)(?P<between>[^就]*)$"
)
_INSISTENT = re.compile("再|还|继续|总是|老是|仍然|一直")
_SAYING = re.compile(
    "(?:不会|不能|不可以|不敢|没办法|没法|无法|很难|没有|没|从不|禁止|不允许|别)(?:跟|给|向|对|和)?(?:您|你|客户)?(?:说|讲|保证|承诺|用)"
)


def use_of(text: NormalText, hit: Hit) -> Use:
    """Return how the phrase of a hit is used, by the words around it."""
    clause = _left(text, hit, text.clauses)
    right = text.text[hit.normal_end : hit.normal_end + 2]
    if _is_denied(text, clause, hit):
        return Use.NEGATED
    sentence = _left(text, hit, text.sentences)[-24:]
    if _SPEECH.search(sentence) or _ELSEWHERE.search(sentence) or _in_quotes(text.source, hit.start_char):
        return Use.REPORTED
    supposed = _SUPPOSITION.search(clause[-16:])
    if right == "的话" or (supposed and not _INSISTENT.search(supposed["between"])):
        return Use.SUPPOSED
    return Use.MEANT


def meant(text: NormalText, hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Return the hits whose phrase is meant as it stands."""
    return tuple(hit for hit in hits if use_of(text, hit) is Use.MEANT)


def _left(text: NormalText, hit: Hit, pieces: tuple[tuple[int, int], ...]) -> str:
    """Return the normalised words of the hit's clause or sentence before it."""
    start = next((begin for begin, end in pieces if begin <= hit.start_char < end), 0)
    return text.text[bisect_left(text.offsets, start) : hit.normal_start]


def _is_denied(text: NormalText, clause: str, hit: Hit) -> bool:
    if _SAYING.search(clause):
        return True
    denial = _DENIAL.search(_NO_DENIAL.sub("~", clause[-12:]))
    if denial is None:
        return False
    start, end = text.clause_at(hit.start_char)
    asks = text.source[start:end].rstrip().endswith(("吗", "嘛", "么"))
    # 这不是太慢了吗 asserts what it asks.
    return not (denial["word"] == "不是" and asks)


def _in_quotes(source: str, offset: int) -> bool:
    before = source[:offset]
    return before.count("“") > before.count("”")
