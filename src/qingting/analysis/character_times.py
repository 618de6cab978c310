"""Where in time the characters of an utterance were said."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qingting.model.transcript import TimedText, Utterance


class CharacterTimes:
    """Where in time each stretch of an utterance's text was said."""

    def __init__(self, utterance: Utterance) -> None:
        self._utterance = utterance

    @cached_property
    def units(self) -> tuple[tuple[int, int, TimedText], ...]:
        """(start offset, end offset, unit) of every timed unit that is found in the text, in order."""
        text, cursor = self._utterance.text, 0
        found: list[tuple[int, int, TimedText]] = []
        for unit in self._utterance.characters:
            at = text.find(unit.text, cursor) if unit.text else -1
            if at >= 0:
                cursor = at + len(unit.text)
                found.append((at, cursor, unit))
        return tuple(found)

    def span(self, start_char: int, end_char: int) -> tuple[int, int]:
        """Start and end in ms of a character range; by even spread where no unit carries a time."""
        utterance = self._utterance
        covered = [unit for start, end, unit in self.units if start < end_char and end > start_char]
        if covered:
            start_ms, end_ms = covered[0].start_ms, covered[-1].end_ms
        else:
            length, size = utterance.end_ms - utterance.start_ms, max(len(utterance.text), 1)
            start_ms = utterance.start_ms + length * start_char // size
            end_ms = utterance.start_ms + length * end_char // size
        start_ms = min(max(start_ms, utterance.start_ms), utterance.end_ms)
        return start_ms, min(max(end_ms, start_ms), utterance.end_ms)
