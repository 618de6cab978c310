"""What senders say is read with suspicion: types, lengths, numbers; errors never repeat it."""

from __future__ import annotations

import pytest

from qingting.errors import LiveProtocolError
from qingting.live.doors.reading import call_of, read_json, read_object, role_of, text_of, whole_of
from qingting.model.call import AgentChannel, CallInfo, Role

SECRET = "13800138000"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "null",
        "[]",
        '"start"',
        "17",
        "NaN",
        '{"a": NaN}',
        '{"a": [Infinity]}',
        '{"a": -Infinity}',
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"a": ' + "9" * 5000 + "}",
        "{'single': 'quotes'}",
        '{"a": "' + "x" * (1 << 20) + '"}',
        "\ufeff{}",
    ],
    ids=lambda message: message[:12],
)
def test_what_is_no_object_is_refused(message: str) -> None:
    with pytest.raises(LiveProtocolError):
        read_object(message)


def test_other_json_is_json() -> None:
    assert read_json('"hang-up"') == "hang-up"
    assert read_json("[1, null]") == [1, None]
    assert read_object('{"a": 1e400}') == {"a": float("inf")}


@pytest.mark.parametrize(("value", "number"), [(0, 0), ("0", 0), ("007", 7), (20, 20), ("20", 20), (None, None)])
def test_whole_numbers_may_be_texts(value: object, number: int | None) -> None:
    assert whole_of({"at": value}, "at") == number


@pytest.mark.parametrize(
    "value",
    [-1, "-1", 1.0, 1.5, float("nan"), float("inf"), True, "", " 1", "1e3", "٣", "²", "1" * 40, 1 << 60, [], {}],
    ids=repr,
)
def test_other_numbers_are_refused(value: object) -> None:
    with pytest.raises(LiveProtocolError, match="at is no whole number"):
        whole_of({"at": value}, "at")


@pytest.mark.parametrize(("value", "text"), [("1088", "1088"), (1088, "1088"), (-3, "-3"), (None, ""), ("", "")])
def test_texts_may_be_whole_numbers(value: object, text: str) -> None:
    assert text_of({"agent_id": value}, "agent_id") == text


@pytest.mark.parametrize(
    "value",
    [True, 1.5, float("nan"), float("inf"), [], {}, "x" * 1001, "a\x00b", "a\nb", "\ud800", 10**30],
    ids=lambda value: repr(value)[:12],
)
def test_other_texts_are_refused(value: object) -> None:
    with pytest.raises(LiveProtocolError, match="agent_id"):
        text_of({"agent_id": value}, "agent_id")


def test_roles_have_two_names() -> None:
    assert role_of({"left_is": "agent"}, "left_is") is Role.AGENT
    assert role_of({}, "left_is") is None
    for value in ("Agent", "unsure", "坐席", 1):
        with pytest.raises(LiveProtocolError, match="left_is"):
            role_of({"left_is": value}, "left_is")


def test_call_data_are_read_by_their_names() -> None:
    said = {
        "call_id": 20261130,
        "agent_id": "1088",
        "team": "售后一组",
        "line_of_business": "ecommerce",
        "direction": "inbound",
        "started_at": "2026-11-30T10:00:00+08:00",
        "customer_reference": "C-1",
        "fields": {"queue": "refund", "csat": 5},
        "fields.campaign": "双十一",
        "caller": SECRET,
        "inbound_is": "agent",
        "key": "qt_secret",
    }
    assert call_of(said, call_id="other", roles=(Role.CUSTOMER, Role.AGENT)) == CallInfo(
        call_id="20261130",
        agent_id="1088",
        team="售后一组",
        line_of_business="ecommerce",
        direction="inbound",
        started_at="2026-11-30T10:00:00+08:00",
        customer_reference="C-1",
        agent_channel=AgentChannel.RIGHT,
        fields={"queue": "refund", "csat": "5", "campaign": "双十一"},
    )
    assert said["fields"] == {"queue": "refund", "csat": 5}
    assert call_of({}) == CallInfo(call_id="")
    assert call_of({"line_of_business": ""}, call_id="CA1", roles=(Role.AGENT,)) == CallInfo(call_id="CA1")


@pytest.mark.parametrize(
    "said",
    [
        {"fields": [SECRET]},
        {"fields": {"phone": [SECRET]}},
        {"fields": {SECRET + "\x00": "x"}},
        {"fields": {"phone": SECRET * 100}},
        {f"fields.{number}": "x" for number in range(51)},
        {"team": SECRET + "\x07"},
        {"customer_reference": SECRET * 100},
    ],
    ids=repr,
)
def test_errors_do_not_say_what_came(said: dict[str, object]) -> None:
    with pytest.raises(LiveProtocolError) as caught:
        call_of(said)
    assert SECRET not in str(caught.value) + caught.value.remedy
    assert caught.value.__cause__ is None
