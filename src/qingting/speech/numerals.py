"""Chinese numbers: spoken (一百二十块) to written (120块) and back, by context.

Converting every numeral would break words (一下, 三心二意, 十分满意); so a numeral is only
written in digits where its form or its neighbours show that it is a number. What stays
in words: 一个, 三个, 第一, 星期三, 三五天, 二三十块, 几十, idioms (`_numerals_data.py`).
Digits stand for: compound numerals (一百二十, 十五个), decimals, percentages, dates, times,
single numerals before a measure of money, time or size (三天), strings of digits (幺三八…).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qingting.speech._numerals_data import (
    AFTER_ONE,
    HARD_UNITS,
    IDENTIFIER_CUES,
    IDIOMS,
    SOFT_UNITS,
    TIME_CUES,
    TIME_TAILS,
    TWO_AS_LIANG,
)

DIGITS = {c: str(i) for i, c in enumerate("零一二三四五六七八九")} | {"〇": "0", "幺": "1", "两": "2"}
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10_000, "亿": 100_000_000}
_RUN = re.compile("[零一二三四五六七八九〇幺两十百千万亿]+")
_CUE_REACH = 8
_HOURS_BY_HALF = 9
"""Two-syllable hours (十点, 十二点) need no further sign."""
_LONG_STRING = 5
"""Strings of single digits from this length on need no cue."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A numeral to replace."""

    start: int
    end: int
    written: str


def to_written(text: str) -> str:
    """Write spoken numbers with digits where context shows that they are numbers."""
    parts = []
    position = 0
    for found in _numbers(text):
        parts.append(text[position : found.start])
        parts.append(found.written)
        position = found.end
    return "".join([*parts, text[position:]])


def value_of(numeral: str) -> int | None:
    """Value of a grammatical Chinese cardinal (一百二十, 两千零五, 三万五, 十), else None."""
    total = section = 0
    digit: int | None = None
    last_unit = 0
    smallest_large = 10**12
    small_left = 10_000
    zero = False
    for character in numeral:
        if character in _SMALL:
            unit = _SMALL[character]
            if unit >= small_left or (digit is None and not (character == "十" and section == 0)):
                return None
            section += (1 if digit is None else digit) * unit
            digit, last_unit, small_left, zero = None, unit, unit, False
        elif character in _LARGE:
            unit = _LARGE[character]
            section += digit or 0
            if unit >= smallest_large or (section == 0):
                return None
            total += section * unit
            section, digit, last_unit, smallest_large, small_left, zero = 0, None, unit, unit, 10_000, False
        elif character in "零〇":
            if digit is not None:
                return None
            zero, last_unit = True, 0
        else:
            if digit is not None or character == "幺":
                return None
            digit = int(DIGITS[character])
    if digit is None:
        return None if zero and numeral not in ("零", "〇") else total + section
    # 一百二 is 120 and 三万五 is 35000: the unit after the last digit is left out
    return total + section + digit * (last_unit // 10 if last_unit >= 100 and not zero else 1)


def _numbers(text: str) -> Iterator[_Found]:
    protected = _idiom_places(text)
    position = 0
    while match := _RUN.search(text, position):
        start, end = match.span()
        if start in protected:
            position = protected[start]
            continue
        end = min([end, *(place for place in protected if start < place < end)])
        found = _number(text, start, end)
        if found is None:
            position = end
            continue
        yield found
        position = found.end


def _idiom_places(text: str) -> dict[int, int]:
    """Start -> end of every idiom."""
    places: dict[int, int] = {}
    for idiom in IDIOMS:
        at = text.find(idiom)
        while at >= 0:
            if not any(start <= at < end for start, end in places.items()) and not _is_larger_number(text, at, idiom):
                places[at] = at + len(idiom)
            at = text.find(idiom, at + 1)
    return places


def _has_cue(text: str, at: int) -> bool:
    """Whether a word such as 尾号 or 电话 stands a few characters before."""
    near = text[max(0, at - _CUE_REACH) : at]
    return any(cue in near for cue in IDENTIFIER_CUES)


def _is_larger_number(text: str, at: int, idiom: str) -> bool:
    """万一 inside 三万一, 五一 inside 九五一二, 二百五 inside 二百五十块 are parts of numbers."""
    before, after = text[at - 1 : at], text[at + len(idiom) : at + len(idiom) + 1]
    if all(character in DIGITS for character in idiom) and _has_cue(text, at):
        return True
    edge = bool(before) and idiom[0] in DIGITS | _SMALL | _LARGE and before in DIGITS | _SMALL
    return edge or (bool(after) and idiom[-1] in DIGITS and after in DIGITS | _SMALL | _LARGE)


def _number(text: str, start: int, end: int) -> _Found | None:
    """The number that starts here, by the first form that fits."""
    run, before, after = text[start:end], text[:start], text[end:]
    if before.endswith("百分之"):
        return _percent(text, start, end)
    vague = before.endswith(("之", "几", "数", "上", "每")) and not before.endswith(TIME_CUES)
    if vague and run[0] in "十百千万亿":
        return None
    if before.endswith(("分之", "第")) and len(run) == 1:
        return None
    if before.endswith(("星期", "礼拜", "周")) and run[0] in "一二三四五六":
        return _number(text, start + 1, end) if end - start > 1 else None
    for form in (_year, _decimal, _clock, _digit_string, _cardinal):
        found = form(text, start, end)
        if found is not None:
            return found
    return _pair(run, start, end, after)


def _percent(text: str, start: int, end: int) -> _Found | None:
    value = _decimal_value(text, start, end)
    if value is None:
        whole = value_of(text[start:end]) if text[start:end] != "百" else 100
        value = None if whole is None else (str(whole), end)
    return None if value is None else _Found(start=start - 3, end=value[1], written=value[0] + "%")


def _decimal_value(text: str, start: int, end: int) -> tuple[str, int] | None:
    """三点五 or 十二点七五 as ("3.5", end); times of day and 三点五十 are none."""
    match = re.compile("点([零一二三四五六七八九〇]+)(?![十百千点刻])").match(text, end)
    whole = value_of(text[start:end])
    if match is None or whole is None:
        return None
    return f"{whole}." + "".join(DIGITS[c] for c in match.group(1)), match.end()


def _year(text: str, start: int, end: int) -> _Found | None:
    run = text[start:end]
    if not text.startswith("年", end) or len(run) not in (2, 4) or any(c not in DIGITS or c == "两" for c in run):
        return None
    return _Found(start=start, end=end, written="".join(DIGITS[c] for c in run))


def _decimal(text: str, start: int, end: int) -> _Found | None:
    value = _decimal_value(text, start, end)
    if value is None or (text.startswith(("分", "到"), value[1]) and not text.startswith("分之", value[1])):
        return None
    if text[:start].endswith(TIME_CUES):
        return None
    return _Found(start=start, end=value[1], written=value[0])


def _clock(text: str, start: int, end: int) -> _Found | None:
    """八点, 八点三十, 八点零五分: only with a sign that a time of day is meant."""
    hour = value_of(text[start:end])
    if hour is None or hour > 24 or not text.startswith("点", end):
        return None
    minute = re.compile(
        "点([零〇]?[一二三四五六七八九]|[二三四五]?十[一二三四五六七八九]?)(分(?!钟)|(?=[^十百千万亿零一二三四五六七八九个]|$))"
    ).match(text, end)
    if minute is not None and (minute.group(2) or len(minute.group(1)) > 1 or text[:start].endswith(TIME_CUES)):
        value = value_of(minute.group(1).lstrip("零〇"))
        padded = f"{value:02d}" if minute.group(1)[0] in "零〇" else str(value)
        return _Found(start=start, end=minute.end(), written=f"{hour}点{padded}{minute.group(2)}")
    tail = text[end + 1 :]
    told = text[:start].endswith(TIME_CUES) or _CLOCK_BEFORE.search(text[:start]) or tail.startswith(TIME_TAILS)
    if told or (hour > _HOURS_BY_HALF and not tail.startswith(("分", "点"))):
        return _Found(start=start, end=end, written=str(hour))
    return None


def _digit_string(text: str, start: int, end: int) -> _Found | None:
    """Digits said one by one: long, or with 幺 or 零, or behind a word such as 尾号."""
    run = re.compile("[零一二三四五六七八九〇幺]+").match(text, start, end)
    if run is None or (run.end() != end and text[run.end()] in "十百千万亿"):
        return None
    length = run.end() - start
    cued = length >= 2 and _has_cue(text, start)
    telling = length >= 3 and any(c in "幺零〇" for c in run.group())
    labelled = length >= 3 and text.startswith(("号", "房间", "室", "路公交", "路车", "航班"), run.end())
    if length >= _LONG_STRING or cued or telling or labelled or length == 4:
        return _Found(start=start, end=run.end(), written="".join(DIGITS[c] for c in run.group()))
    return None


def _cardinal(text: str, start: int, end: int) -> _Found | None:
    run, before, after = text[start:end], text[:start], text[end:]
    value = value_of(run)
    if value is None:
        return None
    if len(run) == 1:
        return _single(run, value, start, end, before, after)
    if (
        len(run) == 2
        and run[0] == "十"
        and not before.endswith("第")
        and not after.startswith((*HARD_UNITS, *SOFT_UNITS))
    ):
        # 十一 alone is also the holiday; with any digits beside it, or as a full answer, it is a number
        return None if run == "十一" else _Found(start=start, end=end, written=_written(run, value))
    return _Found(start=start, end=_with_tail(text, end), written=_written(run, value) + _tail(text, end))


def _single(run: str, value: int, start: int, end: int, before: str, after: str) -> _Found | None:
    """One numeral: a number only before a measure of money, time or size."""
    if run in "百千万亿幺" or before.endswith(("第", "几", "初", "老", "小", "十", "多", "来")):
        return None
    if run == "十" and after.startswith("分") and not after.startswith(("分钟", "分之")):
        return None
    in_range = bool(_RANGE_AHEAD.match(after)) or bool(_RANGE_BEHIND.search(before) and after.startswith(HARD_UNITS))
    if in_range and not before.endswith(TIME_CUES):
        return _Found(start=start, end=end, written=str(value))
    if run == "一" and not _one_is_number(before, after):
        return None
    hard = after.startswith(HARD_UNITS)
    if not hard and not (run == "十" and after.startswith(SOFT_UNITS)):
        return None
    text_after = before + run + after
    return _Found(start=start, end=_with_tail(text_after, end), written=str(value) + _tail(text_after, end))


def _one_is_number(before: str, after: str) -> bool:
    if after.startswith(AFTER_ONE):
        return True
    if after.startswith(("号", "日")):
        return before.endswith("月") or after.startswith("号")
    return after.startswith("月") and bool(re.match("月[零一二三四五六七八九十]+[号日]", after))


def _with_tail(text: str, end: int) -> int:
    """End of the number with a digit behind 块 or 毛 (三块五, 十二块八毛)."""
    match = _MONEY_TAIL.match(text, end)
    return match.end() if match else end


def _tail(text: str, end: int) -> str:
    match = _MONEY_TAIL.match(text, end)
    return f"{match.group(1)}{DIGITS[match.group(2)]}" if match else ""


_CLOCK_BEFORE = re.compile("[0-9一二三四五六七八九十两]点(半|钟)?[到至]$")
_RANGE_AHEAD = re.compile("[到至][0-9一二三四五六七八九两十]+(?:" + "|".join(HARD_UNITS) + ")")
"""一到三天: both ends of a range are written alike."""
_RANGE_BEHIND = re.compile("[0-9一二三四五六七八九两十][到至]$")
_MONEY_TAIL = re.compile("(块)([一二三四五六七八九])(?=[毛，。？！,.?!、的啊呢吧了]|$)")


def _written(run: str, value: int) -> str:
    """Digits, with 万 and 亿 kept where nothing follows them (三百万 -> 300万, 一亿两千万 -> 1亿2000万)."""
    high, low = divmod(value, _LARGE["亿"])
    if run.endswith("亿") and not low:
        return f"{high}亿"
    if run.endswith("万") and value % _LARGE["万"] == 0:
        return (f"{high}亿" if high else "") + f"{low // _LARGE['万']}万"
    return str(value)


def _pair(run: str, start: int, end: int, after: str) -> _Found | None:
    """A two-digit string before 路, 幢, 号楼: read as digits."""
    if len(run) == 2 and all(c in DIGITS and c != "两" for c in run) and after.startswith(("号楼", "路公交")):
        return _Found(start=start, end=end, written="".join(DIGITS[c] for c in run))
    return None


# Written to spoken ---------------------------------------------------------------------------

_WRITTEN = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)(%?)(?![A-Za-z])|\d")
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2})[:：]([0-5]\d)(?![\d:])")
_SPOKEN_DIGITS = "零一二三四五六七八九"


def to_spoken(text: str) -> str:
    """Say the digits of a text: 120块 -> 一百二十块, 尾号1234 -> 尾号一二三四, 20% -> 百分之二十."""

    def say(match: re.Match[str]) -> str:
        number = match.group(1)
        if number is None:
            return _SPOKEN_DIGITS[int(match.group())]
        before, after = text[: match.start()], text[match.end() :]
        spoken = _say_number(number, before, after)
        return f"百分之{spoken}" if match.group(2) else spoken

    return _WRITTEN.sub(say, _CLOCK.sub(_say_clock, text))


def _say_clock(match: re.Match[str]) -> str:
    """8:30 -> 八点三十分, 8:05 -> 八点零五分, 8:00 -> 八点."""
    hour, minute = int(match.group(1)), int(match.group(2))
    spoken = ("两" if hour == 2 else cardinal(hour)) + "点"
    return spoken + (("零" if minute < 10 else "") + cardinal(minute) + "分" if minute else "")


def spell_digits(digits: str) -> str:
    """Digits one by one: 138 -> 一三八."""
    return "".join(_SPOKEN_DIGITS[int(digit)] for digit in digits)


def cardinal(value: int) -> str:
    """A whole number from 0 in Chinese words: 120 -> 一百二十, 2005 -> 二千零五, 10 -> 十."""
    if value < 0:
        message = "only numbers from zero on are said"
        raise ValueError(message)
    if value == 0:
        return "零"
    words = _say_large(value)
    return words[1:] if words.startswith("一十") else words


def _say_large(value: int) -> str:
    for unit, size in (("亿", 100_000_000), ("万", 10_000)):
        if value >= size:
            high, low = divmod(value, size)
            link = "零" if low and low < size // 10 else ""
            return _say_large(high) + unit + link + (_say_large(low) if low else "")
    return _say_small(value)


def _say_small(value: int) -> str:
    words = ""
    zero = False
    for unit, size in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit = value // size % 10
        if digit:
            words += ("零" if zero and words else "") + _SPOKEN_DIGITS[digit] + unit
            zero = False
        else:
            zero = True
    return words


def _say_number(number: str, before: str, after: str) -> str:
    whole, _, fraction = number.partition(".")
    if fraction:
        return f"{cardinal(int(whole))}点{spell_digits(fraction)}"
    if _one_by_one(whole, before, after):
        return spell_digits(whole)
    if whole == "2" and after.startswith(TWO_AS_LIANG) and not after.startswith("月"):
        return "两"
    return cardinal(int(whole))


def _one_by_one(digits: str, before: str, after: str) -> bool:
    """Whether digits are read one by one: names of things, years, leading zeros, long strings."""
    if len(digits) > 1 and digits[0] == "0":
        return True
    if after.startswith("年") and len(digits) == 4:
        return True
    measured = after.startswith((*HARD_UNITS, *SOFT_UNITS, "万", "亿", "多"))
    if len(digits) >= 2 and _has_cue(before, len(before)) and not measured:
        return True
    if after.startswith("号") and len(digits) >= 3:
        return True
    return len(digits) >= _LONG_STRING and not measured
