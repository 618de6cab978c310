"""Chinese words for times, lengths and quotes, the same in every explanation and advice."""

from __future__ import annotations


def at(time_ms: int) -> str:
    """Write a moment of the call: 第0分32秒."""
    minutes, seconds = divmod(time_ms // 1000, 60)
    return f"第{minutes}分{seconds:02d}秒"


def seconds(length_ms: int) -> str:
    """Write a length of time: 9秒, 1.2秒, 75秒; tenths only under ten seconds."""
    if length_ms >= 9950:
        return f"{round(length_ms / 1000)}秒"
    return f"{length_ms / 1000:.1f}".removesuffix(".0") + "秒"


def duration(length_ms: int) -> str:
    """Write a length of time that may be hours: 45秒, 3分钟, 26小时."""
    if length_ms < 120_000:
        return seconds(length_ms)
    if length_ms < 2 * 3_600_000:
        return f"{round(length_ms / 60_000)}分钟"
    return f"{round(length_ms / 3_600_000)}小时"


def quoted(words: str, limit: int = 30) -> str:
    """Words in Chinese quotation marks, shortened in the middle to about `limit` characters."""
    words = words.strip().strip("，,。！!；;、")
    if len(words) > limit:
        half = limit // 2
        words = f"{words[:half]}……{words[-half:]}"
    return f"“{words}”"
