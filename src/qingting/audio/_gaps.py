"""Finds time that is missing in the middle of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.packet import Packet

_BY_POSITION = frozenset({"mp3", "aac", "loas", "ac3"})
"""Containers without times: bytes skipped between packets show lost time."""
_BY_TIME = frozenset({"mov", "matroska", "asf", "ogg", "avi", "flv", "mpegts", "mpeg", "flac"})
"""Containers whose packets carry times."""
_SMALLEST_SECONDS = 0.1
"""Above the rounding and jitter of every container's time stamps."""
_LONGEST_SECONDS = 1800.0
"""A longer one is a broken time stamp, not a pause in the recording."""
_TAIL_SECONDS = 1.0
"""Time stamps may run so far beyond the header's duration."""


@dataclass(kw_only=True)
class GapWatch:
    """Looks at each packet and frame of one track in turn."""

    container: str
    """Format name as FFmpeg has it; decides what can be known."""
    stated_seconds: float = 0.0
    """Duration in the header, 0 when unknown: no gap may reach beyond it."""
    filled_seconds: float = 0.0
    """Sum of the gaps reported."""
    ignored: int = 0
    """Gaps that cannot be true."""
    spoilt: int = 0
    """Packets that could not be decoded."""
    _expected: float | None = None
    _bytes: int = 0

    def __post_init__(self) -> None:
        names = set(self.container.split(","))
        self.timed: bool = bool(names & _BY_TIME)
        self._placed = bool(names & _BY_POSITION)

    def before_packet(self, packet: Packet[Any], seconds_so_far: float) -> float:
        """Seconds of data that the demuxer skipped before this packet."""
        if not self._placed or packet.size == 0 or packet.pos is None or packet.pos < 0:
            return 0.0
        before, self._expected = self._expected, packet.pos + packet.size
        skipped = packet.pos - before if before is not None else 0.0
        gap = skipped * seconds_so_far / self._bytes if self._bytes else 0.0
        self._bytes += packet.size
        return self._accept(gap, seconds_so_far)

    def spoilt_packet(self, packet: Packet[Any], seconds_so_far: float) -> float:
        """Seconds that a packet stood for which could not be decoded."""
        self.spoilt += 1
        if not self._placed or self._bytes <= packet.size:
            return 0.0
        self._bytes -= packet.size
        gap = packet.size * seconds_so_far / self._bytes
        self.filled_seconds += gap
        return gap

    def before_frame(self, start: float | None, length: float, seconds_so_far: float) -> float:
        """Seconds between the end of the last frame and the time stamp `start` of this one."""
        if not self.timed:
            return 0.0
        before = self._expected
        if start is None:
            self._expected = before + length if before is not None else None
            return 0.0
        self._expected = start + length
        return self._accept(start - before if before is not None else 0.0, seconds_so_far)

    def _accept(self, gap: float, seconds_so_far: float) -> float:
        if gap < _SMALLEST_SECONDS:
            return 0.0
        end = seconds_so_far + gap
        if gap > _LONGEST_SECONDS or (self.stated_seconds and end > self.stated_seconds + _TAIL_SECONDS):
            self.ignored += 1
            return 0.0
        self.filled_seconds += gap
        return gap
