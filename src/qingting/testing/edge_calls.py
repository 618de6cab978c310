"""Made-up calls at the edges of what an analyzer can meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qingting.model.call import CallInfo, Role
from qingting.model.transcript import Flag, Transcript, Utterance
from qingting.testing.call_script import SCRIPT_ENGINE, spread_characters


@dataclass(frozen=True, kw_only=True)
class EdgeCall:
    """One made-up call and what is special about it."""

    name: str
    call: CallInfo
    transcript: Transcript


_Line = tuple[Role, int, int, str]
_AGENT, _CUSTOMER, _UNSURE = Role.AGENT, Role.CUSTOMER, Role.UNSURE
_CIRCLE = (
    "您好，很高兴为您服务，请问有什么可以帮您？",
    "我的订单三天了还没收到，你们怎么这么慢，我要投诉！",
    "非常抱歉，请您稍等一下，我马上为您查询。",
    "好的，谢谢。",
    "请问您的订单号是多少？",
    "不知道，你自己查，我要退款。",
)


def edge_calls() -> tuple[EdgeCall, ...]:
    """Return the edge calls, each with a general and without any further call data."""
    return (
        _edge("no utterance and no length", [], duration_ms=0),
        _edge("a minute without speech", [], duration_ms=60_000),
        _edge("one utterance", [(_AGENT, 1000, 3000, "您好，请讲。")]),
        _edge("one character at time zero", [(_CUSTOMER, 0, 200, "喂")]),
        _edge("agent only", [(_AGENT, n * 6000, n * 6000 + 4000, _CIRCLE[0]) for n in range(12)]),
        _edge("customer only", [(_CUSTOMER, n * 9000, n * 9000 + 4000, _CIRCLE[1]) for n in range(8)]),
        _edge("roles undecided", _conversation(12, _UNSURE, _UNSURE), role_confidence=0.4),
        _edge("doubtful roles", _conversation(12, _AGENT, _CUSTOMER), role_confidence=0.55),
        _edge("nobody's words recognised", [(role, s, e, "") for role, s, e, _ in _conversation(8, _AGENT, _CUSTOMER)]),
        _edge("punctuation only", [(_AGENT, 500, 900, "……"), (_CUSTOMER, 1500, 1900, "？！")]),
        _edge("both talk over each other", _overlapping(), duration_ms=40_000),
        _edge("both begin and end together", [(_AGENT, 0, 4000, _CIRCLE[0]), (_CUSTOMER, 0, 4000, _CIRCLE[1])]),
        _edge("long silences", _spaced(45_000)),
        _edge("latin letters, digits and emoji", [(_CUSTOMER, 0, 3000, "OK，我的VIP123订单呢😀？ﬁ Ⅳ 𠮷")]),
        _edge("one very long turn", [(_AGENT, 0, 120_000, "这个活动的规则比较复杂，我给您慢慢讲一下。" * 25)]),
        _edge("five hundred turns", _conversation(500, _AGENT, _CUSTOMER)),
        _edge("every flag", _conversation(len(Flag), _AGENT, _CUSTOMER), flags=tuple(Flag)),
    )


def _conversation(turns: int, first: Role, second: Role) -> list[_Line]:
    lines: list[_Line] = []
    start_ms = 400
    for index in range(turns):
        text = _CIRCLE[index % len(_CIRCLE)]
        end_ms = start_ms + 230 * len(text)
        lines.append((second if index % 2 else first, start_ms, end_ms, text))
        start_ms = end_ms + (350, 1200, 80, 6400)[index % 4]
    return lines


def _overlapping() -> list[_Line]:
    return [((_AGENT, _CUSTOMER)[n % 2], n * 2500, n * 2500 + 6000, _CIRCLE[n % len(_CIRCLE)]) for n in range(12)]


def _spaced(gap_ms: int) -> list[_Line]:
    return [((_AGENT, _CUSTOMER)[n % 2], n * gap_ms, n * gap_ms + 5000, _CIRCLE[n % len(_CIRCLE)]) for n in range(6)]


def _edge(
    name: str,
    lines: Sequence[_Line],
    *,
    duration_ms: int | None = None,
    role_confidence: float = 1.0,
    flags: tuple[Flag, ...] = (),
) -> EdgeCall:
    end_ms = max((line[2] for line in lines), default=0)
    utterances = tuple(
        Utterance(
            index=index,
            party="left" if role is _AGENT else "right" if role is _CUSTOMER else ("left", "right")[index % 2],
            role=role,
            role_confidence=role_confidence,
            start_ms=start_ms,
            end_ms=end,
            text=text,
            spoken_text=text,
            characters=spread_characters(text, start_ms, end),
            language="zh",
            engine=SCRIPT_ENGINE.name,
            flags=flags[index : index + 1],
        )
        for index, (role, start_ms, end, text) in enumerate(lines)
    )
    return EdgeCall(
        name=name,
        call=CallInfo(call_id="edge"),
        transcript=Transcript(
            utterances=utterances,
            engine=SCRIPT_ENGINE,
            duration_ms=end_ms + 500 if duration_ms is None else duration_ms,
        ),
    )
