"""JSON: exact there and back, strict on reading, published as a schema that is kept true."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from importlib import resources

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qingting.errors import ReportError
from qingting.model.report import Report
from qingting.report.formats import json as json_format

SIMPLE = {
    str: st.text(max_size=6) | st.sampled_from(["我要退款", "</script>", "\u202eRTL", "\u2028", '"', "=1+1"]),
    int: st.integers(-(10**12), 10**12),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
}


def values(kind):
    """Any value of an annotated type of the vocabulary."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, inner))
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    if origin in (dict, Mapping):
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    hints = typing.get_type_hints(kind)
    fields = {f.name: values(hints[f.name]) for f in dataclasses.fields(kind) if f.name != "schema_version"}
    return st.builds(kind, **fields)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(report=values(Report))
def test_any_report_comes_back_equal(report):
    text = json_format.dump(report)
    again = json_format.load(text)
    assert again == report
    assert json_format.dump(again) == text


def test_samples_come_back_equal_and_fit_the_schema(report):
    text = json_format.dump(report)
    assert json_format.load(text) == report == json_format.load(text.encode())
    jsonschema.Draft202012Validator(json_format.schema()).validate(json.loads(text))


def test_chinese_stands_readable(reports):
    assert "我要退款" in json_format.dump(reports["refund"])


def change(plain, path, value):
    node = plain
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("call", "call_id"), 7, "call.call_id"),
        (("call", "mood"), "客户很生气", "call.(unknown)"),
        (("call", "客户张三"), "x", "call.(unknown)"),
        (("findings", 0, "level"), 9, "findings[0].level"),
        (("findings", 0, "evidence", 0, "start_ms"), 1.5, "findings[0].evidence[0].start_ms"),
        (("findings", 0, "evidence", 0, "start_ms"), "7", "findings[0].evidence[0].start_ms"),
        (("findings", 0, "evidence"), None, "findings[0].evidence"),
        (("score", "valid"), "yes", "score.valid"),
        (("score", "valid"), 1, "score.valid"),
        (("transcript", "utterances", 2, "flags"), ["nonsense"], "transcript.utterances[2].flags[0]"),
        (("recording",), {}, "recording.container"),
    ],
)
def test_wrong_field_is_named_without_its_content(reports, path, value, field):
    text = change(json.loads(json_format.dump(reports["refund"])), path, value)
    with pytest.raises(ReportError) as caught:
        json_format.load(text)
    assert f"field {field} " in str(caught.value)
    assert "张三" not in str(caught.value)
    assert "生气" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_format.schema()).validate(json.loads(text))


def test_missing_field_is_named(reports):
    plain = json.loads(json_format.dump(reports["refund"]))
    del plain["score"]["total"]
    with pytest.raises(ReportError, match=r"field score\.total"):
        json_format.load(json.dumps(plain))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"report"', "{}", b"\xff\xfe", "[" * 100_000])
def test_no_report_is_refused(text):
    with pytest.raises(ReportError):
        json_format.load(text)


@pytest.mark.parametrize("version", ["2.0", "", "10.0", 1, None])
def test_unknown_major_version_is_refused(reports, version):
    text = change(json.loads(json_format.dump(reports["refund"])), ("schema_version",), version)
    with pytest.raises(ReportError, match="schema_version"):
        json_format.load(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_number_that_json_has_not_is_refused(reports, value):
    report = reports["refund"]
    broken = dataclasses.replace(report, score=dataclasses.replace(report.score, total=value))
    with pytest.raises(ReportError):
        json_format.dump(broken)


def test_half_a_character_is_refused(reports):
    report = reports["refund"]
    broken = dataclasses.replace(report, call=dataclasses.replace(report.call, team="\ud800秘密"))
    with pytest.raises(ReportError) as caught:
        json_format.dump(broken)
    assert "秘密" not in str(caught.value)


def test_published_schema_is_the_code_s():
    published = resources.files("qingting.report").joinpath("schemas", "report-1.0.json").read_text(encoding="utf-8")
    assert json.loads(published) == json_format.schema()


def test_schema_describes_every_documented_field():
    schema = json_format.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    evidence = schema["$defs"]["Evidence"]
    assert evidence["properties"]["quote"]["description"].startswith("Exactly utterance.text")
    assert evidence["additionalProperties"] is False
    assert schema["properties"]["findings"]["description"] == "In order of decision."
    assert schema["properties"]["schema_version"]["type"] == "string"
