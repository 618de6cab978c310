r"""Regular expressions of rule authors, in time linear to the text whatever the pattern.

The engine is RE2: it never goes back over the text, so that `(a+)+$` on a long utterance costs
microseconds where Python's `re` needs years. In exchange it has no look-around and no
back-references. Its classes are ASCII; here they mean what Python's authors expect of Chinese
text: `\w` any letter or digit, `\d` any decimal digit, `\s` any space.
"""

from __future__ import annotations

import re
from typing import Protocol

import re2

_OUTSIDE = {
    "w": r"[\p{L}\p{N}_]", "W": r"[^\p{L}\p{N}_]", "d": r"\p{Nd}", "D": r"\P{Nd}",
    "s": r"[\s\p{Z}]", "S": r"[^\s\p{Z}]", "Z": r"\z",
}  # fmt: skip
_INSIDE = {"w": r"\p{L}\p{N}_", "d": r"\p{Nd}", "D": r"\P{Nd}", "s": r"\s\p{Z}"}
"""What the escapes mean within [...]; the others cannot be written there."""

_CODE = re.compile(r"\\u([0-9a-fA-F]{4})")
r"""A character by its number, `\u4e00`, as Python's authors write it."""


class Match(Protocol):
    """Where a pattern was found."""

    def start(self) -> int:
        """Offset of the first character."""

    def end(self) -> int:
        """Offset after the last character."""

    def groupdict(self) -> dict[str, str | None]:
        """Named groups."""


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> Match | None:
        """Find the first place."""

    def match(self, text: str) -> Match | None:
        """Match at the text's start."""


def compiled(pattern: str, *, ignore_case: bool = True) -> Pattern:
    """Compile a pattern; ValueError says what is wrong with it."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        made: Pattern = re2.compile(_translated(pattern), options)
    except re2.error as error:
        said = error.args[0]
        raise ValueError(
            _complaint(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said))
        ) from None
    return made


def _complaint(said: str) -> str:
    if "(?=" in said or "(?!" in said or "(?<" in said:
        return "no valid regular expression: look-around is not supported; use `exclude` for what may not match"
    if "escape sequence: \\" in said and said[-1:].isdecimal():
        return "no valid regular expression: back-references are not supported"
    if "repetition size" in said or "too large" in said:
        return "no valid regular expression: it repeats too much; use at most {1000}"
    return f"no valid regular expression: {said}"


def _translated(pattern: str) -> str:
    """Write a pattern with classes that hold for all scripts."""
    done: list[str] = []
    inside, at = False, 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\" and at + 1 < len(pattern):
            code = _CODE.match(pattern, at)
            done.append(f"\\x{{{code[1]}}}" if code else _escape(pattern[at + 1], inside=inside))
            at = code.end() if code else at + 2
            continue
        if character == "[" and not inside:
            inside = True
            # A ] that comes first is an ordinary character.
            first = 2 if pattern[at + 1 : at + 2] == "^" else 1
            taken = pattern[at : at + first + (pattern[at + first : at + first + 1] == "]")]
            done.append(taken)
            at += len(taken)
            continue
        inside = inside and character != "]"
        done.append(character)
        at += 1
    return "".join(done)


def _escape(letter: str, *, inside: bool) -> str:
    if not inside:
        return _OUTSIDE.get(letter, f"\\{letter}")
    if letter in ("W", "S"):
        raise ValueError(f"no valid regular expression: \\{letter} cannot stand within [...]; write [^...] instead")
    return _INSIDE.get(letter, f"\\{letter}")
