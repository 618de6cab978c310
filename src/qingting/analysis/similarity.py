"""How much of a script was said: robust to words left out, added or misheard."""

from __future__ import annotations

from dataclasses import dataclass

from qingting.analysis.text import NormalText, normalise


@dataclass(frozen=True, kw_only=True)
class ScriptHit:
    """The part of an utterance in which a script was read."""

    share: float
    """Share of the script's two-character pieces found, 0 to 1."""
    start_char: int
    """Offset in the source text of the first piece found."""
    end_char: int
    """Exclusive end of the last."""


class ScriptText:
    """A script prepared for comparison."""

    def __init__(self, script: str) -> None:
        self.script = script
        self.pieces = _pieces(normalise(script))

    def read_in(self, text: NormalText, *, before: str = "") -> ScriptHit | None:
        """Return what of the script stands in the text, or None when nothing does.

        `before` is normalised text the same speaker said just before: it counts for the share,
        while offsets are those of `text`.
        """
        heard = _pieces(before + text.text)
        found = self.pieces & heard
        places = [at for at in range(len(text.text) - 1) if text.text[at : at + 2] in found]
        if not places or not self.pieces:
            return None
        start_char, end_char = text.back(places[0], places[-1] + 2)
        return ScriptHit(share=len(found) / len(self.pieces), start_char=start_char, end_char=end_char)


def _pieces(normal: str) -> frozenset[str]:
    return frozenset(normal[at : at + 2] for at in range(len(normal) - 1))
