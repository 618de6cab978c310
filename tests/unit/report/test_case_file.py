"""The case library's file: read, added to, refused with file and line."""

from __future__ import annotations

import json

import pytest

from qingting.errors import InputError
from qingting.report.case_file import add_case, read_cases
from qingting.report.similar_cases import Review, ReviewedCase

FULL = ReviewedCase(
    call_id="c1",
    rule_id="keywords.negative",
    dimension="keywords",
    verdict=Review.CONFIRMED,
    quote="没人管",
    handling="回访",
    reviewer="甲",
    date="2024-05-01",
    utterance=0,
    at_ms=0,
)


def test_what_is_added_is_read_back(tmp_path):
    path = tmp_path / "new" / "cases.jsonl"
    bare = ReviewedCase(call_id="c2", rule_id="a.b", dimension="a", verdict=Review.REJECTED)
    for one in (FULL, bare):
        add_case(path, one)
    assert read_cases(path) == [FULL, bare]
    assert path.read_text(encoding="utf-8").count("\n") == 2
    assert "没人管" in path.read_text(encoding="utf-8")


def test_a_last_line_without_its_end_swallows_nothing(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text('{"call_id": "c0", "rule_id": "a.b", "verdict": "confirmed"}', encoding="utf-8")
    add_case(path, FULL)
    assert [one.call_id for one in read_cases(path)] == ["c0", "c1"]


def test_a_library_that_is_not_there_yet_is_empty(tmp_path):
    assert read_cases(tmp_path / "none.jsonl") == []


def test_a_dimension_may_be_left_out_and_halves_of_characters_are_replaced(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text(
        '\ufeff{"call_id": "c", "rule_id": "a.b", "verdict": "rejected", "quote": "\\ud800", "date": null}\n\n',
        encoding="utf-8",
    )
    (only,) = read_cases(path)
    assert (only.dimension, only.quote, only.date) == ("a", "?", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "秘密"}, "verdict: must be one of confirmed, rejected"),
        ({"verdict": None}, "verdict: is required"),
        ({"call_id": ""}, "call_id: is required"),
        ({"quote": 5}, "quote: must be text"),
        ({"at_ms": "秘密"}, "at_ms: must be a whole number"),
        ({"utterance": True}, "utterance: must be a whole number"),
        ({"秘密": 1}, "1 fields are unknown"),
    ],
)
def test_a_mistake_is_named_by_file_and_line(tmp_path, change, words):
    path = tmp_path / "cases.jsonl"
    add_case(path, FULL)
    plain = {"call_id": "c1", "rule_id": "a.b", "verdict": "confirmed", **change}
    path.write_text(path.read_text(encoding="utf-8") + json.dumps(plain), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_cases(path)
    assert str(caught.value) == f"cases.jsonl, line 2: {words}"
    assert "秘密" not in caught.value.remedy


@pytest.mark.parametrize(("text", "words"), [("{", "line 1: is no JSON"), ("\n[]", "line 2: is no JSON object")])
def test_no_json_is_refused(tmp_path, text, words):
    path = tmp_path / "cases.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_cases(path)
