"""Masks personal data in texts; a masked text is as long as before, so that offsets stay true."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from qingting.errors import SettingsError
from qingting.privacy.detection import KINDS, detect
from qingting.privacy.hiding import MASK, hidden_places
from qingting.privacy.lines import Found, Line

if TYPE_CHECKING:
    from qingting.model.transcript import Transcript


class Masker:
    """Finds and masks the chosen kinds of personal data; holds no state of any call."""

    def __init__(self, kinds: Collection[str], names: Iterable[str] = ()) -> None:
        """Take kinds (`id_card`, `phone`, `bank_card`, `address`, `name`) and further personal names to mask.

        Raises SettingsError for an unknown kind.
        """
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown:
            raise SettingsError(
                f"privacy.mask names no kind of personal data: {', '.join(unknown)}.",
                remedy=f"Use any of {', '.join(KINDS)}.",
            )
        self.kinds = frozenset(kinds)
        self.names = tuple(name for name in names if len(name) > 1)

    def mask_text(self, text: str) -> str:
        """Mask the personal data that a text shows by itself."""
        lines = [Line(index=0, text=text)]
        return hide_all(lines, self.found_in(lines))[0]

    def spans_of_transcript(self, transcript: Transcript) -> dict[int, list[tuple[int, int, str]]]:
        """Give (start, end, kind) of all personal data by utterance index; offsets in its text, in order."""
        spans: dict[int, list[tuple[int, int, str]]] = {}
        for found in self.found_in(lines_of(transcript)):
            for piece in found.pieces:
                spans.setdefault(piece.line, []).append((piece.start, piece.end, found.kind))
        return {index: sorted(places) for index, places in sorted(spans.items())}

    def found_in(self, lines: Iterable[Line]) -> list[Found]:
        """Find the personal data in the lines of a conversation, in order."""
        return detect(list(lines), self.kinds, self.names)


def lines_of(transcript: Transcript, *, field: str = "text") -> list[Line]:
    """Give the utterances of a transcript as lines: their `text`, `spoken_text` or `original_text`."""
    return [
        Line(index=one.index, text=getattr(one, field), party=one.party, start_ms=one.start_ms, end_ms=one.end_ms)
        for one in transcript.utterances
    ]


def hide_all(lines: Sequence[Line], found: Iterable[Found]) -> dict[int, str]:
    """Give the masked text of every line by its index."""
    hidden: dict[int, set[int]] = {}
    for one in found:
        for line, place in hidden_places(one):
            hidden.setdefault(line, set()).add(place)
    return {line.index: _hidden(line.text, hidden.get(line.index)) for line in lines}


def _hidden(text: str, places: Collection[int] | None) -> str:
    return "".join(MASK if at in places else one for at, one in enumerate(text)) if places else text
