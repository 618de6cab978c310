"""Label files: what is read, what is refused, and where a label lies."""

from __future__ import annotations

import json

import pytest

from qingting.backtest.labels import Label, read_labels
from qingting.errors import InputError

HEAD = "call_id,rule_id,verdict,utterance,at_ms\n"


def labels_of(path):
    return [label for found in read_labels(path).by_call.values() for label in found]


def write(folder, text, name="labels.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_csv_is_read(tmp_path):
    path = write(tmp_path, HEAD + "c1,keywords.negative,yes,3,\nc1,soothe,否,,12500\n\nc2,a.b,no,,\n")
    assert labels_of(path) == [
        Label(call_id="c1", rule_id="keywords.negative", right=True, utterance=3),
        Label(call_id="c1", rule_id="custom_rules.soothe", right=False, at_ms=12500),
        Label(call_id="c2", rule_id="a.b", right=False),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_what_excel_saves_is_read(tmp_path, encoding):
    path = write(tmp_path, "call_id,rule_id,verdict\n通话一,a.b,是\n", encoding=encoding)
    assert labels_of(path) == [Label(call_id="通话一", rule_id="a.b", right=True)]


def test_json_lines_are_read_and_a_later_review_replaces_an_earlier_one(tmp_path):
    rows = [
        {"call_id": "c1", "rule_id": "a.b", "verdict": "confirmed", "utterance": 2, "at_ms": 900, "quote": "没人管"},
        {"call_id": "c1", "rule_id": "a.b", "verdict": "rejected", "utterance": 2, "at_ms": 900, "handling": "误判"},
        {"call_id": 17, "rule_id": "a.b", "verdict": True},
    ]
    path = write(tmp_path, "\n".join(json.dumps(row, ensure_ascii=False) for row in rows), name="labels.jsonl")
    first, second = labels_of(path)
    assert first == Label(call_id="c1", rule_id="a.b", right=False, utterance=2, at_ms=900)
    assert second == Label(call_id="17", rule_id="a.b", right=True)


def test_the_table_of_changes_is_a_label_file_once_people_filled_it(tmp_path):
    text = (
        "通话编号,报告,规则,名称,变化,开始（毫秒）,引文,复核\n"
        "c1,c1.json,a.b,甲,新增命中,1000,没人管,是\n"
        "c2,c2.json,a.b,甲,新增命中,2000,没人管,\n"
        "'+86,c3.json,a.b,甲,不再命中,3000,没人管,否\n"
    )
    assert labels_of(write(tmp_path, text, encoding="utf-8-sig")) == [
        Label(call_id="c1", rule_id="a.b", right=True, at_ms=1000),
        Label(call_id="+86", rule_id="a.b", right=False, at_ms=3000),
    ]


@pytest.mark.parametrize(
    ("text", "name", "place", "words"),
    [
        ("call_id,rule_id\nc1,a.b\n", "labels.csv", "labels.csv, line 1", "verdict"),
        (HEAD + "秘密,a.b,maybe,,\n", "labels.csv", "labels.csv, line 2", "yes or no"),
        (HEAD + "秘密,,yes,,\n", "labels.csv", "labels.csv, line 2", "rule_id"),
        (HEAD + "秘密,a.b,yes,,\n秘密,a.b,no,,\n", "labels.csv", "line 3", "contradicts labels.csv, line 2"),
        (HEAD + "秘密,a.b,yes,-1,\n", "labels.csv", "labels.csv, line 2", "utterance"),
        (HEAD + "秘密,a.b,yes,,1.5\n", "labels.csv", "labels.csv, line 2", "at_ms"),
        (HEAD + "秘密,a.b,yes,1,2,3\n", "labels.csv", "labels.csv, line 2", "more cells"),
        ("call_id,rule_id,verdict,秘密\nc1,a.b,yes,1\n", "labels.csv", "labels.csv, line 2", "no known name"),
        (HEAD, "labels.csv", "labels.csv", "no labels"),
        ("", "labels.csv", "labels.csv, line 1", "call_id"),
        ("", "labels.jsonl", "labels.jsonl", "no labels"),
        ('{"call_id": "秘密"', "labels.jsonl", "labels.jsonl, line 1", "no JSON"),
        ("\n[1]", "labels.jsonl", "labels.jsonl, line 2", "object"),
        ('{"call_id": "c", "rule_id": "a.b", "verdict": "yes", "utterence": 1}', "l.jsonl", "line 1", "no known name"),
        ('{"call_id": "c", "rule_id": "a.b", "verdict": "yes", "at_ms": "x"}', "l.jsonl", "line 1", "at_ms"),
        ('{"call_id": "c", "rule_id": "a.b", "verdict": "yes", "at_ms": true}', "l.jsonl", "line 1", "at_ms"),
        ('{"call_id": ["秘密"], "rule_id": "a.b", "verdict": "yes"}', "l.jsonl", "line 1", "call_id"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_file_and_line(tmp_path, text, name, place, words):
    with pytest.raises(InputError) as caught:
        read_labels(write(tmp_path, text, name))
    message = str(caught.value)
    assert place in message
    assert words in message
    assert "秘密" not in message + caught.value.remedy


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "bytes.jsonl")


@pytest.mark.parametrize(
    ("label", "meets"),
    [
        ({}, True),
        ({"utterance": 4}, True),
        ({"utterance": 5}, False),
        ({"at_ms": 8000}, True),
        ({"at_ms": 7999}, False),
        ({"at_ms": 13_999}, True),
        ({"at_ms": 14_000}, False),
        ({"utterance": 5, "at_ms": 11_000}, False),
        ({"rule_id": "a.c"}, False),
    ],
)
def test_where_a_label_lies(make, label, meets):
    found = make.finding("a.b", make.place(10_000, 12_000, utterance=4, chars=(0, 2)))
    values = {"call_id": "c1", "rule_id": "a.b", "right": True, **label}
    assert Label(**values).meets(found) is meets


def test_a_time_finds_a_silence_where_the_label_also_names_an_utterance(make):
    silence = make.finding("a.b", make.place(10_000, 12_000))
    assert Label(call_id="c1", rule_id="a.b", right=True, utterance=5, at_ms=11_000).meets(silence)
    assert not Label(call_id="c1", rule_id="a.b", right=True, utterance=5).meets(silence)
