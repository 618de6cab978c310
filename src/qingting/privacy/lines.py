"""The lines of a conversation, and what is found in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one party said at a time."""

    index: int
    """Of the utterance."""
    text: str
    party: str = ""
    start_ms: int = 0
    end_ms: int = 0


@dataclass(frozen=True, kw_only=True, order=True)
class Piece:
    """A stretch of one line."""

    line: int
    """Index of the line."""
    start: int
    """Offset in its text."""
    end: int
    """Exclusive."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One piece of personal data, perhaps said in several lines."""

    kind: str
    """`id_card`, `phone`, `bank_card`, `address` or `name`."""
    pieces: tuple[Piece, ...]
    """Where it was said, in order."""
    texts: tuple[str, ...]
    """What stands there, one per piece."""
    spelling: bool = False
    """Words that spell a name (海洋的洋): nothing of them stays."""

    @property
    def value(self) -> str:
        """All that was said of it."""
        return "".join(self.texts)
