"""Runs of digits, written and said."""

from __future__ import annotations

import pytest

from qingting.particulars.digits import digit_of, digit_runs, forms_of

RUNS = {
    "号码13812345678。": ["13812345678"],
    "幺三八零零": ["13800"],
    "１３８ 1234": ["138", "1234"],
    "尾数012X": ["012X"],
    "幺二叉": ["12X"],
    "1 1 3 X": ["1", "1", "3X"],
    "SF1234567890": [],
    "KFR-35": [],
    "5000元": [],
    "30兆": [],
    "一千二百三十四": [],
    "第一三五": [],
    "一个": [],
    "1.5倍": [],
    "": [],
}


@pytest.mark.parametrize("text", RUNS)
def test_digits_that_name_something_are_found(text: str) -> None:
    assert [run.digits for run in digit_runs(text)] == RUNS[text]


def test_a_run_knows_its_place() -> None:
    run = next(digit_runs("打幺三八"))
    assert (run.start, run.end) == (1, 4)


def test_forms_and_digits_agree() -> None:
    assert all(digit_of(form) == digit for digit in "0123456789" for form in forms_of(digit))
    assert digit_of("十") == ""
