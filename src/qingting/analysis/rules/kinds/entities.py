"""Conditions on particulars that were said: numbers of phones, cards and orders, amounts, dates, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.findings import words_evidence
from qingting.analysis.rules.kinds.addresses import addresses, masked_address
from qingting.analysis.rules.kinds.base import Eye, Found, Kind
from qingting.analysis.rules.kinds.texts import spoken
from qingting.analysis.rules.model import Condition
from qingting.analysis.wording import at, quoted

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts


class Entity(StrEnum):
    """Kinds of particulars."""

    PHONE = "phone"
    ID_CARD = "id_card"
    BANK_CARD = "bank_card"
    ORDER_NUMBER = "order_number"
    AMOUNT = "amount"
    DATE = "date"
    ADDRESS = "address"

    @property
    def chinese(self) -> str:
        """The word a reader sees."""
        return {
            "phone": "电话号码", "id_card": "身份证号", "bank_card": "银行卡号", "order_number": "单号",
            "amount": "金额", "date": "日期", "address": "地址",
        }[self.value]  # fmt: skip


_GAP = "[ -]?"
_NUMERAL = "[零〇一二两三四五六七八九十百千万亿点]"
_PATTERNS = {
    Entity.PHONE: (
        rf"(?<!\d)(?:(?:\+?86{_GAP})?1[3-9]\d(?:{_GAP}\d){{8}}|0\d{{2,3}}{_GAP}\d{{7,8}}|[48]00{_GAP}\d{{3,4}}{_GAP}"
        r"\d{3,4})(?!\d)"
    ),
    Entity.ID_CARD: rf"(?<!\d)\d{{6}}{_GAP}(?:19|20)\d{{2}}{_GAP}\d{{4}}{_GAP}\d{{3}}[\dXx](?![\dXx])",
    Entity.BANK_CARD: rf"(?<!\d)[3-69]\d(?:{_GAP}\d){{13,17}}(?!\d)",
    Entity.ORDER_NUMBER: (
        r"(?:订单|运单|快递|物流|退货|受理|工单|单)(?:编?号)?(?:码)?(?:是|为|：|:|，|,|\s)*(?P<value>[A-Za-z]{0,4}\d{5,24})(?![\dA-Za-z])"
    ),
    Entity.AMOUNT: (
        rf"(?<![\d.])(?:[¥￥]\s?\d[\d,]*(?:\.\d+)?|\d[\d,]*(?:\.\d+)?\s?[百千万亿]?(?:块(?:钱)?|元(?:钱)?|万元|角|毛钱)"
        rf"|{_NUMERAL}+(?:块钱?|元钱?))"
    ),
    Entity.DATE: (
        r"(?:(?:19|20)\d{2}\s?[年/-]\s?\d{1,2}\s?[月/-]\s?\d{1,2}[日号]?|\d{1,2}月\d{1,2}[日号]?"
        rf"|{_NUMERAL}{{1,2}}月{_NUMERAL}{{1,3}}[日号])"
    ),
}
_SEPARATORS = re.compile(r"[^\dA-Za-z]")
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"


def valid_id_card(number: str) -> bool:
    """Whether an 18-digit resident identity number has a real birthday and its check digit (GB 11643-1999)."""
    if not re.fullmatch(r"\d{17}[\dXx]", number):
        return False
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, _ID_WEIGHTS, strict=False))
    return _ID_CHECKS[total % 11] == number[-1].upper()


def valid_bank_card(number: str) -> bool:
    """Whether a card number of 15 to 19 digits passes the Luhn check (ISO/IEC 7812-1)."""
    if not re.fullmatch(r"\d{15,19}", number) or len(set(number)) == 1:
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0


_CHECKS: dict[Entity, Callable[[str], bool]] = {Entity.ID_CARD: valid_id_card, Entity.BANK_CARD: valid_bank_card}
_OPEN = (Entity.AMOUNT, Entity.DATE)
"""Kinds that name nobody: shown as they are."""


def masked(value: str, kind: Entity) -> str:
    """Hide the middle of a value: 138****5678."""
    if kind in _OPEN:
        return value
    if kind is Entity.ADDRESS:
        return masked_address(value)
    ends = 4 if len(value) >= 15 else 2 if len(value) < 9 else 3
    return f"{value[:ends]}****{value[-min(ends + 1, 4) :]}"


@dataclass(frozen=True, kw_only=True)
class EntityOptions:
    """Which particular."""

    kind: Entity
    masked: bool = True
    """Whether texts show it with its middle hidden; amounts and dates are always shown."""
    exclude: tuple[str, ...] = ()
    """Values that do not count, such as the centre's own number."""


class EntityKind(Kind):
    """A particular is said."""

    name: ClassVar[str] = "entity"
    chinese: ClassVar[str] = "信息实体"
    Options: ClassVar[type] = EntityOptions
    shorthand: ClassVar[str] = "kind"
    delayable: ClassVar[bool] = True
    captures: ClassVar[bool] = True

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        options = condition.options
        assert isinstance(options, EntityOptions)  # noqa: S101  built by the loader from Options
        self.options = options
        self.pattern = None if options.kind is Entity.ADDRESS else re.compile(_PATTERNS[options.kind])

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Give (start, end) of everything in a text that looks like the particular."""
        if self.pattern is None:
            yield from addresses(text)
            return
        for match in self.pattern.finditer(text):
            yield match.span("value" if "value" in match.groupdict() else 0)

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Particulars need no state."""
        return _EntityEye(self)

    def label(self) -> str:
        """Write which particular."""
        return f"说出{self.options.kind.chinese}"


class _EntityEye(Eye):
    def __init__(self, kind: EntityKind) -> None:
        self._kind = kind

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        found: list[Found] = []
        options = self._kind.options
        for start, end in self._kind.places(facts.utterance.text):
            value = facts.quote(start, end)
            plain = value if options.kind in (*_OPEN, Entity.ADDRESS) else _SEPARATORS.sub("", value)
            if plain in options.exclude or not _CHECKS.get(options.kind, bool)(plain):
                continue
            place = words_evidence(facts, start, end, operator=EntityKind.name, note=options.kind.chinese)
            shown = masked(plain, options.kind) if options.masked else plain
            says = f"{facts.role.chinese}在{at(place.start_ms)}说出{options.kind.chinese}{quoted(shown)}"
            found.append(spoken(facts, (place,), says, value=shown, quote=shown))
        return found
