"""What two decodes of a growing utterance agree on (local agreement; Macháček et al. 2023, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from qingting.speech._units import Unit, units


class StablePrefix:
    """The words of a running utterance that are not taken back any more."""

    def __init__(self) -> None:
        self._text = ""
        self._keys: list[str] = []
        """Units of the stable text that later decodes begin with: those behind the last freeze."""
        self._previous: list[str] | None = None

    @property
    def text(self) -> str:
        """All stable text; only ever grows at its end, and never ends in punctuation."""
        return self._text

    def update(self, text: str) -> str:
        """Take the next decode, from the start or the last freeze on; returns what follows the stable text."""
        found = units(text)
        keys = [unit.key for unit in found]
        first = _place(self._keys, keys)
        if self._previous is not None:
            earlier = self._previous[_place(self._keys, self._previous) :]
            agreed = _agreed(earlier, keys[first:])
            self._keep(text, found, first, agreed)
            first += agreed
        self._previous = keys
        return text[found[first - 1].end if first else 0 :]

    def freeze(self, text: str) -> None:
        """Take the last decode of the sound up to a pause: later decodes begin behind that pause.

        What was stable beyond the pause is expected from them.
        """
        found = units(text)
        keys = [unit.key for unit in found]
        first = _place(self._keys, keys)
        self._keep(text, found, first, len(found) - first)
        ready = len(self._keys) if first < len(found) else _place(keys, self._keys)
        self._keys, self._previous = self._keys[ready:], None

    def _keep(self, text: str, found: Sequence[Unit], first: int, count: int) -> None:
        if not count:
            return
        start = found[first - 1].end if first and self._text else found[first].start
        self._text = join(self._text, text[start : found[first + count - 1].end])
        self._keys += [unit.key for unit in found[first : first + count]]


def revised_units(stable: str, final: str) -> int:
    """Units of `stable` that `final` does not begin with: substituted, left out, or pushed apart."""
    shown, said = [unit.key for unit in units(stable)], [unit.key for unit in units(final)]
    return min(_distances(shown, said), default=len(shown))


def join(left: str, right: str) -> str:
    """Texts one after the other, with a space between Latin words only."""
    latin = left[-1:].isascii() and left[-1:].isalpha() and right[:1].isascii() and right[:1].isalpha()
    return f"{left} {right}" if latin else left + right


def _agreed(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _place(stable: Sequence[str], keys: Sequence[str]) -> int:
    """How many units of a decode stand for the stable ones: the beginning of it that is most like them."""
    if list(keys[: len(stable)]) == list(stable):
        return len(stable)
    costs = _distances(stable, keys)
    # Of equally good places the one nearest to as many units as are stable: neither loses nor doubles words.
    return min(range(len(costs)), key=lambda end: (costs[end], abs(end - len(stable))))


def _distances(whole: Sequence[str], keys: Sequence[str]) -> list[int]:
    """Edit distance of `whole` to every beginning of `keys`, by its length."""
    row = list(range(len(keys) + 1))
    for key in whole:
        diagonal, row[0] = row[0], row[0] + 1
        for at, other in enumerate(keys, start=1):
            above = row[at]
            row[at] = min(diagonal + (key != other), above + 1, row[at - 1] + 1)
            diagonal = above
    return row
