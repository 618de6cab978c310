"""Chinese personal names: said after a cue (我叫…), before a title (…先生), or as the answer to a question.

A name is a surname of the census lists with one or two further characters. A surname alone (王先生,
免贵姓王) names nobody and is no name here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
# Characters that stand in no given name: what was said is no name, or the name ended before.
_NEVER = frozenset(
    "我你您他她它咱俺的了是吗呢吧啊呀哦嗯呃哎唉嘛啦喽这那哪什么谁不没有在就也都还跟给对要说问去打过着把被让从很太最个们姓叫做及或且怎吃买卖拿换退查请帮麻"
)
# What goes on after a name without a pause: words of two characters at least, which begin no part of a name.
_FOLLOWING_WORD = re.compile(
    "先生|女士|小姐|同志|老师|本人|为您|很高|前天|昨天|今天|明天|早上|上午|下午|晚上|刚刚|刚才|之前|上次|电话|手机|地址|身份证|登记|两个字|三个字"
    "|复姓|账户|名下|可以|然后|以及|对吧|对吗|对不|没错|签收|预约|同学|医生|师傅|经理"
)
_FOLLOWING = frozenset("想来就会能也再和与收办") | _NEVER
_TITLE = r"(?:先生|女士|小姐(?!姐)|同志|本人(?!人)|同学|老师|医生)"
_NO_GIVEN = re.compile(
    r"先生|女士|小姐|同志|师傅|老师|经理|主任|总|姐|哥|叔|阿姨|大爷|大姐|大哥|某|医生|家$|氏|工程师|队长|律师|警官|本人|为您"
)
_LINK = r"(?:的)?(?:名字|姓名|名称|全名|大名)?(?:还)?(?:就)?(?:是叫|是|叫做|叫|写的?是?|填的?是?|为|：|:|，|,|\s)*"
_STRONG = re.compile(
    r"(?:我叫|本人叫|名叫|(?:名字|姓名|全名)(?:就|还)?(?:是|叫|写的?是?|填的?是?|为|：|:)|(?:姓名|名字)(?=[\u4e00-\u9fff]{2,3}(?:$|[，。,]))"
    r"|我姓[^，。]{1,2}[，,]?\s?(?:名字)?叫|(?:收件人|收货人|寄件人|发件人|取件人|联系人|机主|户主|持卡人|开户人|开户名|账户名|户名|投保人"
    r"|被保险?人|受益人|借款人|担保人|法人代表|法人|车主|业主|房主|乘客|乘车人|入住人|就诊人|患者)" + _LINK + ")"
)
_SURE = re.compile(r"(?:我叫|名叫|名字叫|名字是|姓名是|姓名叫|姓名：|叫)$")
_WEAK = re.compile(
    r"(?:(?:他|她|都|儿子|女儿|爸|妈|老公|老婆|孩子|媳妇|爱人|朋友|同事|同学|经理|师傅)叫|我是|我这边是|您是|你是|请问是|喂，?是|您好，?是|你好，?是|客服(?:代表|专员)?(?:是|：)?|专员(?:是|：)?|顾问(?:是|：)?|话务员|坐席|工号\d{2,8}(?:号|的|，)?|就是|叫做)"
)
_TITLED = re.compile(_TITLE + r"|很?高兴为您服务|为您服务|竭诚为您")
_BEFORE_TITLE = frozenset("个是给跟找叫问为位对让由把替帮系的啊哦嗯喂知诉告联服员号席见寻谢拜托同")
_TOWARDS = frozenset("向于")
"""Surnames that before a surname are the words to and at: 向王先生道歉."""
_QUESTION = re.compile(
    r"贵姓|怎么称呼|如何称呼|全名|(?:姓名|名字)|(?:收件人|收货人|联系人|机主|户主|持卡人|开户人|投保人|被保人|借款人)(?:是|叫)?(?:哪位|谁|什么|啥)|您?是哪位"
)
_ANSWER_HEAD = re.compile(r"[嗯哦啊呃诶哎对好行就是我她他姓名字写的叫做个，。,、！？\s]*")
_SPELT = re.compile(r"([\u4e00-\u9fff]{2,4})的([\u4e00-\u9fff]{1,2})(?![\u4e00-\u9fff]{3})")
_DOTTED = re.compile(r"[\u4e00-\u9fff]{1,8}(?:[·•][\u4e00-\u9fff]{1,8})+")


@dataclass(frozen=True, kw_only=True)
class _Words:
    surnames: frozenset[str]
    compound: frozenset[str]
    ordinary: frozenset[str]


@cache
def _words() -> _Words:
    folder = resources.files("qingting.particulars") / "data"
    surnames, _, compound = (folder / "surnames.txt").read_text(encoding="utf-8").partition("# Compound")
    ordinary = (folder / "not_names.txt").read_text(encoding="utf-8")
    return _Words(
        surnames=frozenset("".join(_lines(surnames))),
        compound=frozenset(" ".join(_lines(compound.partition("\n")[2])).split()),
        ordinary=frozenset(" ".join(_lines(ordinary)).split()),
    )


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def surname_length(name: str) -> int:
    """Characters of a name's surname."""
    return 2 if len(name) > 2 and name[:2] in _words().compound else 1


def is_ordinary(name: str) -> bool:
    """Whether a name is at the same time an ordinary word (许可), or begins like one."""
    return name[:2] in _words().ordinary


def names(text: str) -> Iterator[tuple[int, int]]:
    """Give (start, end) of every personal name that the text alone shows, in no order, perhaps twice."""
    yield from _after_cues(text)
    yield from _before_titles(text)


def asks_for_name(text: str) -> bool:
    """Whether an utterance asks for somebody's name."""
    return _QUESTION.search(text) is not None


def answered_names(text: str) -> Iterator[tuple[int, int]]:
    """Give (start, end) of the name in an answer to such a question: a short clause that is nothing but a name."""
    start = 0
    for clause in re.split(r"(?<=[，。,！？、\s])", text)[:3]:
        head = _ANSWER_HEAD.match(clause)
        at = start + (head.end() if head else 0)
        end = _name_end(text, at, sure=False)
        if end is not None and _closed(text, end):
            yield at, end
            return
        start += len(clause)


def spelt_characters(text: str, name: str) -> Iterator[tuple[int, int]]:
    """Give (start, end) of words that spell a character of the given name: 海洋的洋."""
    given = set(name[surname_length(name) :])
    for match in _SPELT.finditer(text):
        word, said = match.groups()
        if given & set(said) and set(said) <= set(name) and said in word:
            yield match.end(1) - max(2, len(word) - word.rindex(said)), match.end()


def _after_cues(text: str) -> Iterator[tuple[int, int]]:
    for match in _STRONG.finditer(text):
        dotted = _DOTTED.match(text, match.end())
        end = dotted.end() if dotted else _name_end(text, match.end(), sure=bool(_SURE.search(match.group())))
        if end is None:
            end = _first_two(text, match.end())
        if end is not None:
            yield match.end(), end
    for match in _WEAK.finditer(text):
        end = _name_end(text, match.end(), sure=False)
        if end is not None:
            yield match.end(), end


def _before_titles(text: str) -> Iterator[tuple[int, int]]:
    for match in _TITLED.finditer(text):
        for length in (4, 3, 2):
            start = match.start() - length
            if start < 0 or (start and _HAN.match(text[start - 1]) and text[start - 1] not in _BEFORE_TITLE):
                continue
            name = text[start : match.start()]
            if _is_name(name) and not (length == 2 and name[0] in _TOWARDS and name[1] in _words().surnames):
                yield start, match.start()
                break


def _name_end(text: str, at: int, *, sure: bool) -> int | None:
    """End of the name that begins at an offset and is followed by a pause or by words that follow names."""
    first = 2 if text[at : at + 2] in _words().compound else 1
    for given in (2, 1):
        end = at + first + given
        if len(text) < end or not _is_name(text[at:end], sure=sure and _closed(text, end)):
            continue
        if _ends_here(text, end) and not (given > 1 and _FOLLOWING_WORD.match(text, end - 1)):
            return end
    return None


def _first_two(text: str, at: int) -> int | None:
    """After a strong cue three characters are a name even when the sentence goes on."""
    first = 2 if text[at : at + 2] in _words().compound else 1
    name = text[at : at + first + 2]
    return at + len(name) if len(name) == first + 2 and _is_name(name) else None


def _ends_here(text: str, end: int) -> bool:
    return _closed(text, end) or text[end] in _FOLLOWING or _FOLLOWING_WORD.match(text, end) is not None


def _closed(text: str, end: int) -> bool:
    return end >= len(text) or not _HAN.match(text[end])


def _is_name(name: str, *, sure: bool = False) -> bool:
    words = _words()
    first = 2 if name[:2] in words.compound and len(name) > 2 else 1
    given = name[first:]
    if not (first == 2 or name[:1] in words.surnames) or not 1 <= len(given) <= 2:
        return False
    if not all(_HAN.match(one) and one not in _NEVER for one in given) or _NO_GIVEN.match(given):
        return False
    return sure or first == 2 or name[:2] not in words.ordinary
