"""Check digits and forms of numbers."""

from __future__ import annotations

import pytest

from qingting.particulars.numbers import Particular, places, valid_bank_card, valid_id_card


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("11010519491231002X", True),
        ("11010519491231002x", True),
        ("440106199001010012", False),
        ("110105194913310029", False),
        ("1101051949123100", False),
        ("", False),
    ],
)
def test_an_identity_number_has_a_birthday_and_a_check_digit(number: str, valid: bool) -> None:
    assert valid_id_card(number) is valid


@pytest.mark.parametrize(
    ("number", "valid"),
    [("4111111111111111", True), ("4111111111111112", False), ("0000000000000000", False), ("41111111111111", False)],
)
def test_a_bank_card_passes_the_luhn_check(number: str, valid: bool) -> None:
    assert valid_bank_card(number) is valid


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        (Particular.PHONE, "打138 1234 5678", ["138 1234 5678"]),
        (Particular.PHONE, "订单138123456789", []),
        (Particular.ORDER_NUMBER, "订单号是A12345", ["A12345"]),
        (Particular.AMOUNT, "一共35.5元", ["35.5元"]),
        (Particular.DATE, "2026年3月5日", ["2026年3月5日"]),
        (Particular.ADDRESS, "住建国路88号", ["建国路88号"]),
    ],
)
def test_every_kind_has_a_form(kind: Particular, text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in places(kind, text)] == found
