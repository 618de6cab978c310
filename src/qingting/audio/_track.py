"""What a reader tells about the track it has read, and the Chinese words for damage."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_SECONDS = 0.5
"""Less than this missing at the end is rounding, not damage."""
SHORT_SHARE = 0.005
"""… and so is less than this share of the recording."""

HOPELESS_SHARE = 0.9
"""A recording with more than this share lost is no recording any more."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """Facts of an audio track after reading it."""

    container: str
    codec: str
    rate_hertz: int
    channels: int
    damage: tuple[str, ...] = ()
    """Chinese sentences on what was lost; empty when nothing was."""
    notes: tuple[str, ...] = ()
    """Chinese sentences on what was done."""


def mostly_lost(lost_seconds: float, seconds: float) -> bool:
    """Whether so little was decoded that chance may have made it."""
    return lost_seconds > HOPELESS_SHARE * seconds


def broken_off(seconds: float, stated_seconds: float) -> str:
    """Word the finding that decoding had to stop at an error."""
    stated = f"（文件头注明时长约 {clock(stated_seconds)}）" if stated_seconds > seconds else ""
    return f"在 {clock(seconds)} 处数据损坏，之后的内容未能解码{stated}。"


def filled(seconds: float) -> tuple[str, ...]:
    """Word the finding that a part in the middle was lost and is silence now, if it was."""
    return (f"约 {clock(seconds)} 的数据损坏或缺失，已用静音补齐，时间轴不受影响。",) if seconds > 0 else ()


def differs_from_header(stated_seconds: float, seconds: float) -> tuple[str, ...]:
    """Word the finding that a recording is shorter or longer than its header says, if it is.

    `stated_seconds` is 0 when the header says nothing.
    """
    tolerance = max(SHORT_SECONDS, SHORT_SHARE * stated_seconds)
    if not stated_seconds or abs(stated_seconds - seconds) <= tolerance:
        return ()
    if stated_seconds > seconds:
        return (f"文件头注明时长约 {clock(stated_seconds)}，实际只有 {clock(seconds)}，结尾部分缺失。",)
    return (f"文件头注明时长约 {clock(stated_seconds)}，解码得到 {clock(seconds)}，时间位置可能有偏差。",)


def clock(seconds: float) -> str:
    """Seconds as a Chinese reader says them: `3分12秒`, `8.5秒`, `40毫秒`."""
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes}分{rest:02d}秒"
    return f"{seconds:.1f}秒" if seconds >= 1 else f"{round(seconds * 1000)}毫秒"
