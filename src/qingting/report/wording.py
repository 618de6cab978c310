"""How times, durations, points and names are written for Chinese readers; one place for all forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LANGUAGES = {"zh": "普通话", "yue": "粤语", "en": "英语", "ja": "日语", "ko": "韩语"}
_DIRECTIONS = {"inbound": "呼入", "outbound": "呼出"}
_BUSINESS = {"general": "通用", "ecommerce": "电商", "finance": "金融", "telecom": "电信"}


def clock(ms: int) -> str:
    """Write a call time in milliseconds as a player shows it: `03:12`, or `1:02:05` from an hour on."""
    seconds = ms // 1000
    hours, rest = divmod(seconds, 3600)
    text = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{text}" if hours else text


def moment(ms: int) -> str:
    """Write a call time in milliseconds as it is said: `第3分12秒`, `第0分05秒`."""
    minutes, seconds = divmod(ms // 1000, 60)
    return f"第{minutes}分{seconds:02d}秒"


def moments(times: Iterable[int]) -> str:
    """List call times in milliseconds: `第1分05秒、第2分10秒`."""
    return "、".join(moment(ms) for ms in times)


def duration(ms: int) -> str:
    """Write a length in milliseconds: `8.2秒` under a minute, `3分12秒` from a minute on."""
    if ms < 59_950:  # from there on one decimal would read 60.0
        text = f"{ms / 1000:.1f}".removesuffix(".0")
        return f"{text}秒"
    minutes, seconds = divmod(max(ms // 1000, 60), 60)
    return f"{minutes}分{seconds:02d}秒" if seconds else f"{minutes}分钟"


def number(value: float) -> str:
    """Write points or any figure with one decimal at most, without a needless `.0`."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def signed(value: float) -> str:
    """Write points with their sign, `−3` or `+1`; zero has none."""
    if value == 0:
        return "0"
    return f"+{number(value)}" if value > 0 else f"−{number(-value)}"


def percent(share: float) -> str:
    """Write a share of 0 to 1 as whole percent."""
    return f"{round(share * 100)}%"


def language(code: str) -> str:
    """Chinese name of a language code; the code itself where none is known."""
    return _LANGUAGES.get(code, code)


def direction(code: str) -> str:
    """Chinese name of a call direction; the code itself where none is known."""
    return _DIRECTIONS.get(code, code)


def business(code: str) -> str:
    """Chinese name of a line of business; the code itself where none is known."""
    return _BUSINESS.get(code, code)


def dimension(analyzer: str, names: Mapping[str, str]) -> str:
    """Chinese name of an inspection dimension; its id where the report carries no name."""
    return names.get(analyzer, analyzer)
