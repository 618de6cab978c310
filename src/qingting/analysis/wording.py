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


def quoted(words: str, limit: int = 30) -> str:
    """Words in Chinese quotation marks, shortened in the middle to about `limit` characters."""
    words = words.strip().strip("，,。！!；;、")
    if len(words) > limit:
        half = limit // 2
        words = f"{words[:half]}……{words[-half:]}"
    return f"“{words}”"
