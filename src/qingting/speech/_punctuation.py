"""Chinese punctuation for recognised text: full width, no spaces, a sentence end."""

from __future__ import annotations

import re

from qingting.speech._units import alphabetic, is_han, units

_HAN = "\u3400-\u9fff\uf900-\ufaff〇"
_FULL_WIDTH = {",": "，", "?": "？", "!": "！", ";": "；", ":": "：", "(": "（", ")": "）"}
_ENDS = "。？！…"
_WIDE_TO_ASCII = {
    code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
}
_WIDE_TO_ASCII[ord("％")] = ord("%")

_ASKING_END = re.compile("(吗|嘛|么)[，。,.]?$")
_STATEMENT_END = re.compile("(这么|那么|怎么|什么|多么|要么)$")
_NE_END = re.compile("呢$")
_QUESTION_WORD = re.compile(
    "什么|怎么|怎样|哪|谁|为何|几[个天点号时次]|多少|多久|多长时间|多大|是不是|能不能|可不可以|有没有|要不要|会不会|行不行|好不好|还是|何时"
)
_ASKING_TAIL = re.compile(
    "(什么|怎么样|怎么办|怎么回事|怎么弄|怎么处理|在哪里|在哪儿|在哪|哪里|哪儿|多少|多少钱|多久|多长时间|几点|几号|几天|是谁|为什么|什么时候|什么意思|什么原因"
    "|是不是|是不是啊|对不对|好不好|行不行|可不可以|能不能|有没有|是吧|对吧)(啊|呀|了)?$"
)
_A_NOT_A = re.compile("(是不是|能不能|可不可以|有没有|要不要|会不会|行不行|好不好|方不方便|对不对)")
_NO_QUESTION = re.compile(
    "没什么|没有什么|不怎么样|不管|无论|不论|不知道|不清楚|不晓得|不明白|不记得|看看|看一下|看下|查一下|查查|查看|确认|核实|了解一下|问一下|问问|告诉|随便|任何|都没|也没"
    "|什么都|谁都|哪都|多少都|怎么都|没多少|不要紧|说一下|记录|登记|取决"
)
_CLAUSE = re.compile("[，。？！；…,.?!;]")


def tidy_spaces(text: str) -> str:
    """Remove spaces beside Chinese characters and inside digit strings; keep single ones between words."""
    text = re.sub(r"\s+", " ", text.translate(_WIDE_TO_ASCII)).strip()
    text = re.sub(rf"(?<=[{_HAN}，。？！；：、…（）]) | (?=[{_HAN}，。？！；：、…（）])", "", text)
    text = re.sub(r"(?<=\d) (?=\d)", "", text)
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)


def widen(text: str) -> str:
    """Half-width marks beside Chinese characters become full width; those of Latin words and numbers stay."""
    characters = list(text)
    for index, character in enumerate(characters):
        if character in _FULL_WIDTH and _chinese_around(characters, index):
            characters[index] = _FULL_WIDTH[character]
        elif character == "." and _is_stop(characters, index):
            characters[index] = "。"
    text = re.sub("。{2,}|\\.{3,}|…+", "……", "".join(characters))
    text = re.sub("([，；：、])[，；：、]+", r"\1", text)
    text = re.sub("[，；：、]+([。？！])", r"\1", text)
    text = re.sub("([。？！])[，；：、。]+", r"\1", text)
    return re.sub("([？！])\\1+", r"\1", text).lstrip("，。？！；：、… ,.?!;:")


def end_sentence(text: str) -> str:
    """Add the missing mark at the end; a certain question gets ？ even in place of 。."""
    if not units(text):
        return ""
    body = text.rstrip("，、；：,;: ")
    if any(alphabetic(character) for character in body) and not any(is_han(character) for character in body):
        return body if body[-1] in ".?!" + _ENDS else body + "."
    if body.endswith(("。", ".")) and _surely_asks(body[:-1]):
        return body[:-1] + "？"
    if body[-1] in _ENDS + '?!）”》"':
        return body
    return body + ("？" if _asks(body) else "。")


def _surely_asks(body: str) -> bool:
    return body.endswith("吗") and not _NO_QUESTION.search(_last_clause(body))


def _asks(body: str) -> bool:
    """Whether an unfinished sentence is a question; in doubt it is none."""
    clause = _last_clause(body)
    if _ASKING_END.search(clause) and not _STATEMENT_END.search(clause) and not clause.endswith("嘛"):
        return True
    if _NO_QUESTION.search(clause):
        return False
    if _NE_END.search(clause):
        return bool(_QUESTION_WORD.search(clause)) or len(units(clause)) <= 5
    return bool(_ASKING_TAIL.search(clause) or _A_NOT_A.search(clause))


def _last_clause(body: str) -> str:
    return _CLAUSE.split(body)[-1]


def _chinese_around(characters: list[str], index: int) -> bool:
    before = characters[index - 1] if index else ""
    after = characters[index + 1] if index + 1 < len(characters) else ""
    if characters[index] in ",:" and before.isdigit() and after.isdigit():
        return False
    return _chinese(before) or _chinese(after)


def _is_stop(characters: list[str], index: int) -> bool:
    """A dot that ends a Chinese sentence: not in 3.5, not in a name such as qq.com."""
    before = characters[index - 1] if index else ""
    after = characters[index + 1] if index + 1 < len(characters) else ""
    if before == "." or after == ".":
        return False
    return (
        (_chinese(before) and not after.isascii())
        or (_chinese(before) and not after)
        or (bool(after) and is_han(after) and before.isalnum())
    )


def _chinese(character: str) -> bool:
    return bool(character) and (is_han(character) or character in "，。？！；：、（）《》“”…％")
