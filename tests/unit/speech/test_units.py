import pytest

from qingting.speech._units import alphabetic, is_han, units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我要退款。", "我 要 退 款"),
        ("iPhone15坏了", "iPhone 1 5 坏 了"),
        ("don't worry", "don't worry"),
        ("Wi-Fi密码", "Wi-Fi 密 码"),
        ("20%，3.5元", "2 0 3 5 元"),
        ("，。！ ", ""),
        ("二〇二六", "二 〇 二 六"),
        ("-好", "好"),
    ],
)
def test_units_are_characters_digits_and_words(text, expected):
    found = units(text)
    assert [unit.text for unit in found] == expected.split()
    assert all(text[unit.start : unit.end] == unit.text for unit in found)


def test_scripts():
    assert is_han("退")
    assert is_han("㐀")
    assert not is_han("a")
    assert alphabetic("é")
    assert not alphabetic("退")
    assert not alphabetic("1")
