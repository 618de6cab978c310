"""Chat files as transcripts: forms, roles, times, call data, gaps, and errors that name the place."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qingting.chat import TEXT_ENGINE, Chat, is_chat, load_chat
from qingting.chat.reading import MAX_CHARACTERS, MAX_MESSAGES
from qingting.errors import ScriptError
from qingting.model.call import CallInfo, Medium, Role

ROWS = [
    {"role": "客服", "time": "2024-05-01T10:00:00+08:00", "text": "您好，请问有什么可以帮您？"},
    {"role": "customer", "time": "2024-05-01T10:00:30+08:00", "text": "我要退款"},
    {"role": "AGENT", "time": "2024-05-01T10:02:00+08:00", "text": "已经为您申请退款。"},
]


@pytest.fixture
def load(tmp_path: Path):
    def run(content: object, suffix: str = ".json", call: CallInfo | None = None) -> Chat:
        path = tmp_path / f"c{suffix}"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return load_chat(path, call)

    return run


def spans(chat: Chat) -> list[tuple[int, int]]:
    return [(one.start_ms, one.end_ms) for one in chat.transcript.utterances]


def test_a_list_of_messages(load) -> None:
    chat = load(ROWS)
    said = chat.transcript.utterances
    assert [one.role for one in said] == [Role.AGENT, Role.CUSTOMER, Role.AGENT]
    assert spans(chat) == [(0, 650), (30_000, 30_200), (120_000, 120_450)]
    assert chat.transcript.duration_ms == 120_450
    assert chat.transcript.engine == TEXT_ENGINE
    assert all(one.voice is None and one.role_confidence == 1.0 and one.engine == "text" for one in said)
    assert (chat.call.medium, chat.call.times_known, chat.call.call_id) == (Medium.CHAT, True, "c")
    assert chat.call.started_at == "2024-05-01T10:00:00+08:00"
    assert chat.gaps == ()


def test_the_object_form_carries_call_data(load) -> None:
    content = {
        "medium": "chat",
        "call": {"call_id": "77", "line_of_business": "ecommerce", "team": "二组", "csat": 4, "agent_id": "9"},
        "messages": ROWS,
    }
    call = load(content).call
    assert (call.call_id, call.line_of_business, call.team, call.agent_id) == ("77", "ecommerce", "二组", "9")
    assert call.fields == {"csat": "4"}
    given_call = CallInfo(call_id="mine", line_of_business="finance", team="一组", fields={"csat": "5"})
    call = load(content, call=given_call).call
    assert (call.call_id, call.line_of_business, call.team, call.agent_id) == ("mine", "finance", "一组", "9")
    assert call.fields == {"csat": "5"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv(load, encoding: str, delimiter: str) -> None:
    rows = ["角色,时间,内容", "客服,10:00:05,您好", '客户,10:00:09,"退款，谢谢"', ",,"]
    text = "\r\n".join(row.replace(",", delimiter) for row in rows)
    chat = load(text.encode(encoding), ".csv")
    assert [one.text for one in chat.transcript.utterances] == ["您好", "退款，谢谢"]
    assert [start for start, _ in spans(chat)] == [0, 4000]


def test_messages_without_times_are_in_order_and_say_so(load) -> None:
    chat = load("role,text\nagent,一\ncustomer,二\nagent,三\n", ".csv")
    assert [one.text for one in chat.transcript.utterances] == ["一", "二", "三"]
    assert not chat.call.times_known
    assert chat.call.started_at == ""
    assert [gap.what for gap in chat.gaps] == ["chat.times"]


def test_messages_of_one_second_keep_their_order(load) -> None:
    rows = [{"role": role, "time": "10:00:00", "text": role} for role in ("customer", "agent", "customer")]
    chat = load(rows)
    assert [one.text for one in chat.transcript.utterances] == ["customer", "agent", "customer"]
    assert spans(chat) == [(0, 1), (1, 2), (2, 402)]


def test_newest_first_is_turned_round(load) -> None:
    rows = [
        {"role": "customer", "time": "2024-05-01 10:05", "text": "四"},
        {"role": "agent", "time": "2024-05-01 10:03", "text": "三"},
        {"role": "agent", "time": "2024-05-01 10:03", "text": "二"},
        {"role": "customer", "time": "2024-05-01 10:00", "text": "一"},
    ]
    assert "".join(one.text for one in load(rows).transcript.utterances) == "一二三四"


def test_seconds_count_from_the_start_of_the_conversation(load) -> None:
    chat = load([{"role": "agent", "time": 5, "text": "您好"}, {"role": "customer", "time": 7.5, "text": "在吗"}])
    assert [start for start, _ in spans(chat)] == [5000, 7500]


def test_robots_and_pictures_are_left_out_and_told(load) -> None:
    rows = [
        {"role": "机器人", "time": 0, "text": "欢迎"},
        {"role": "客户", "time": 1, "text": "在吗"},
        {"role": "客户", "time": 2, "text": ""},
        {"role": "客服", "time": 3, "text": "在的", "name": "小李"},
    ]
    chat = load(rows)
    assert [one.text for one in chat.transcript.utterances] == ["在吗", "在的"]
    assert [gap.what for gap in chat.gaps] == ["chat.robots", "chat.without_text"]
    assert chat.call.agent_id == "小李"


def test_an_email_thread(load) -> None:
    rows = [
        {"from": "customer", "date": "Wed, 01 May 2024 10:00:00 +0800", "subject": "退款", "body": "三天没到账。"},
        {
            "from": "agent",
            "date": "Thu, 02 May 2024 12:00:00 +0800",
            "subject": "Re: 退款",
            "body": "已经为您办理。\n> 三天没到账。",
        },
    ]
    chat = load(rows)
    first, second = chat.transcript.utterances
    assert chat.call.medium is Medium.EMAIL
    assert (first.text, second.text) == ("退款。\n三天没到账。", "已经为您办理。")
    assert second.original_text.endswith("> 三天没到账。")
    assert second.start_ms == 26 * 3_600_000


def test_what_no_report_could_hold_is_cleaned(load) -> None:
    chat = load([{"role": "agent", "text": "您\u0000好\ud800\u200b\r\n再见 "}])
    assert chat.transcript.utterances[0].text == "您好?\u200b\n再见"


@pytest.mark.parametrize(
    ("content", "suffix", "named"),
    [
        ("", ".json", "JSON"),
        ("[", ".json", "line 1"),
        ("[" * 100_000, ".json", "JSON"),
        ("3", ".json", "list of messages"),
        ("[]", ".json", "no message"),
        ({"messages": {}}, ".json", "list of messages"),
        ({"schema_version": "1.0", "transcript": {}}, ".json", "stored report"),
        ({"medium": "fax", "messages": ROWS}, ".json", "medium"),
        ({"medium": [], "messages": ROWS}, ".json", "medium"),
        ({"call": [], "messages": ROWS}, ".json", "call"),
        ({"call": {"秘密": {}}, "messages": ROWS}, ".json", "value 1"),
        ([3], ".json", "messages[0]"),
        ([{"text": "秘密"}], ".json", "messages[0]: role"),
        ([{"role": "秘密", "text": "x"}], ".json", "messages[0]: role"),
        ([{"role": "agent", "text": 3}], ".json", "messages[0]: text"),
        ([{"role": "agent", "text": "x", "name": ["秘密"]}], ".json", "messages[0]: name"),
        ([{"role": "agent", "text": "x" * (MAX_CHARACTERS + 1)}], ".json", "longer"),
        ([*ROWS, {"role": "agent", "text": "秘密"}], ".json", "messages[3]: time: is missing"),
        ([*ROWS, {"role": "agent", "time": 3, "text": "秘密"}], ".json", "messages[3]: time"),
        ([*ROWS, {"role": "agent", "time": "秘密", "text": "x"}], ".json", "messages[3]: time"),
        ([*ROWS, {"role": "agent", "time": "2026-05-01T10:00:00Z", "text": "x"}], ".json", "year"),
        ([{"role": "system", "text": "秘密"}], ".json", "no message of a person"),
        ([{"role": "agent", "text": " "}], ".json", "no message of a person"),
        ([{"role": "agent", "text": "x"}] * (MAX_MESSAGES + 1), ".json", "more than"),
        ("", ".csv", "role"),
        ("a,b\n1,2\n", ".csv", "line 1"),
        ("role,text\n客户,你好,秘密\n", ".csv", "line 2"),
        ('role,text\nagent,"x', ".csv", "CSV"),
        ("role,text\n秘密,x\n", ".csv", "line 2: role"),
        (b"\xff\xff\xff", ".csv", "GB18030"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(load, content: object, suffix: str, named: str) -> None:
    with pytest.raises(ScriptError) as caught:
        load(content, suffix)
    assert named in caught.value.cause
    assert "秘密" not in f"{caught.value.cause}{caught.value.remedy}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="cannot be read"):
        load_chat(tmp_path / "none.json")


def test_which_files_are_chats() -> None:
    assert [is_chat(Path(name)) for name in ("a.json", "b.CSV", "c.wav", "d")] == [True, True, False, False]


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["agent", "客户", "10:00", "2024-05-01 10:00:00", "-- ", "> x"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["role", "time", "text", "messages", "call", "medium", "subject", "x"]), inner),
    max_leaves=12,
)  # fmt: skip
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["agent", "customer", "system"]), "text": st.text(max_size=30)},
        optional={
            "time": st.floats(0, 1e6) | st.integers(0, 2 * 10**9) | st.datetimes().map(str),
            "subject": st.text(max_size=5),
        },
    ),
    max_size=12,
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSONISH | MESSAGES)
def test_any_json_is_a_conversation_or_a_script_error(load, content: object) -> None:
    holds(load, json.dumps(content), ".json")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80).map(lambda text: "role,time,text\n" + text) | st.text(max_size=60))
def test_any_csv_is_a_conversation_or_a_script_error(load, content: str) -> None:
    holds(load, content.encode("utf-8", "replace"), ".csv")


def holds(load, content: object, suffix: str) -> None:
    try:
        chat = load(content, suffix)
    except ScriptError:
        return
    said = chat.transcript.utterances
    assert said
    assert [one.index for one in said] == list(range(len(said)))
    assert all(one.text.strip() and one.start_ms < one.end_ms for one in said)
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(said))
    assert chat.transcript.duration_ms == said[-1].end_ms
    json.dumps([one.text for one in said], ensure_ascii=False).encode()
