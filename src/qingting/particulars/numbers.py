"""Numbers, amounts and dates by their written form, and the check digits of cards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from enum import StrEnum

from qingting.particulars.addresses import addresses


class Particular(StrEnum):
    """Kinds of particulars that have a written form."""

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
    kind: re.compile(pattern)
    for kind, pattern in {
        Particular.PHONE: (
            rf"(?<!\d)(?:(?:\+?86{_GAP})?1[3-9]\d(?:{_GAP}\d){{8}}|0\d{{2,3}}{_GAP}\d{{7,8}}|[48]00{_GAP}\d{{3,4}}{_GAP}"
            r"\d{3,4})(?!\d)"
        ),
        Particular.ID_CARD: rf"(?<!\d)\d{{6}}{_GAP}(?:19|20)\d{{2}}{_GAP}\d{{4}}{_GAP}\d{{3}}[\dXx](?![\dXx])",
        Particular.BANK_CARD: rf"(?<!\d)[3-69]\d(?:{_GAP}\d){{13,17}}(?!\d)",
        Particular.ORDER_NUMBER: (
            r"(?:订单|运单|快递|物流|退货|受理|工单|单)(?:编?号)?(?:码)?(?:是|为|：|:|，|,|\s)*"
            r"(?P<value>[A-Za-z]{0,4}\d{5,24})(?![\dA-Za-z])"
        ),
        Particular.AMOUNT: (
            r"(?<![\d.])(?:[¥￥]\s?\d[\d,]*(?:\.\d+)?|\d[\d,]*(?:\.\d+)?\s?[百千万亿]?(?:块(?:钱)?|元(?:钱)?|万元|角|毛钱)"
            rf"|{_NUMERAL}+(?:块钱?|元钱?))"
        ),
        Particular.DATE: (
            r"(?:(?:19|20)\d{2}\s?[年/-]\s?\d{1,2}\s?[月/-]\s?\d{1,2}[日号]?|\d{1,2}月\d{1,2}[日号]?"
            rf"|{_NUMERAL}{{1,2}}月{_NUMERAL}{{1,3}}[日号])"
        ),
    }.items()
}
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"


def places(kind: Particular, text: str) -> Iterator[tuple[int, int]]:
    """Give (start, end) of everything in a text that has the form of a particular; check digits are not looked at."""
    if kind is Particular.ADDRESS:
        yield from addresses(text)
        return
    for match in _PATTERNS[kind].finditer(text):
        yield match.span("value" if "value" in match.groupdict() else 0)


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
