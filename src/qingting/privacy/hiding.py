"""Which characters of personal data are hidden, and which ends stay."""

from __future__ import annotations

from collections.abc import Iterator

from qingting.particulars.addresses import masked_address
from qingting.particulars.digits import LAST_OF_ID, digit_of
from qingting.particulars.names import surname_length
from qingting.privacy.lines import Found

MASK = "*"
"""Stands for one hidden character."""
_MOBILE_DIGITS = 11
_KEPT_OF_MOBILE = (3, 4)
_KEPT_OF_SHORTER_PHONE = (0, 2)
_KEPT_OF_BANK_CARD = (0, 4)
_SHORTEST_BANK_CARD = 12
_ADDRESS_MARK = len("****")


def hidden_places(found: Found) -> Iterator[tuple[int, int]]:
    """Give (line, offset) of every character that is hidden; see hidden_in for what stays."""
    places = [(piece.line, at) for piece in found.pieces for at in range(piece.start, piece.end)]
    yield from (places[at] for at in hidden_in(found.kind, found.value, spelling=found.spelling))


def hidden_in(kind: str, value: str, *, spelling: bool = False) -> Iterator[int]:
    """Give the offsets in a value that are hidden.

    A mobile number keeps three digits in front and four behind, a bank card its last four, an
    address province, city and district, a name its surname; an identity number keeps nothing,
    and neither do words that spell a name. Marks between digits stay.
    """
    if kind == "name":
        yield from range(0 if spelling else surname_length(value), len(value))
    elif kind == "address":
        yield from range(len(masked_address(value)) - _ADDRESS_MARK, len(value))
    else:
        digits = [at for at, one in enumerate(value) if digit_of(one) or one in LAST_OF_ID]
        front, back = _kept(kind, len(digits))
        yield from digits[front : len(digits) - back]


def masked_value(kind: str, value: str) -> str:
    """Mask a value that stands alone; as long as before."""
    hidden = set(hidden_in(kind, value))
    return "".join(MASK if at in hidden else one for at, one in enumerate(value))


def _kept(kind: str, digits: int) -> tuple[int, int]:
    """Digits that stay in front and behind."""
    if kind == "phone":
        return _KEPT_OF_MOBILE if digits >= _MOBILE_DIGITS else _KEPT_OF_SHORTER_PHONE
    return _KEPT_OF_BANK_CARD if kind == "bank_card" and digits >= _SHORTEST_BANK_CARD else (0, 0)
