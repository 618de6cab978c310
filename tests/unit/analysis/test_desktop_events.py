"""Desktop events as JSON lines: what loads, and errors that name the line and never the content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.analysis.desktop_events import MAX_EVENTS, MAX_TEXT, load_desktop_events, parse_desktop_events
from qingting.errors import ScriptError
from qingting.model.call import DesktopEvent, DesktopKind

START = "2024-05-01T10:00:00+08:00"


def parse(*lines: object, started_at: str = START) -> tuple[DesktopEvent, ...]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return parse_desktop_events(text, source="d.jsonl", started_at=started_at)


def test_events_of_all_kinds_in_order_of_time() -> None:
    found = parse(
        {"time": "2024-05-01T10:00:20+08:00", "kind": "打开", "article": 102, "title": "退款时效", "user": "x"},
        "",
        {"at_ms": 15200, "kind": "search", "query": " 退款 ", "results": 0},
        {"time": 31.5, "kind": "copy", "text": "三到五个工作日"},
        {"time": "2024-05-01T01:59:00+00:00", "kind": "CLOSE", "title": "旧文章"},
    )
    assert [(one.kind, one.at_ms) for one in found] == [
        (DesktopKind.CLOSE, -60_000),
        (DesktopKind.SEARCH, 15_200),
        (DesktopKind.OPEN, 20_000),
        (DesktopKind.COPY, 31_500),
    ]
    assert (found[1].query, found[1].results, found[2].article, found[2].name) == ("退款", 0, "102", "退款时效")


def test_long_articles_are_shortened_and_files_may_have_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    event = {"at_ms": 1, "kind": "open", "title": "t", "text": "长" * (MAX_TEXT + 9)}
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(event).encode())
    (loaded,) = load_desktop_events(path)
    assert len(loaded.text) == MAX_TEXT


SEARCH = {"at_ms": 1, "kind": "search", "query": "q"}


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{", "JSON"),
        ("[1]", "object"),
        ({**SEARCH, "kind": "秘密"}, "kind"),
        ({**SEARCH, "kind": 3}, "kind"),
        ({**SEARCH, "query": " "}, "query"),
        ({**SEARCH, "query": ["秘密"]}, "query"),
        ({"at_ms": 1, "kind": "open", "text": "秘密"}, "article"),
        ({**SEARCH, "at_ms": 1.5}, "at_ms"),
        ({**SEARCH, "at_ms": True}, "at_ms"),
        ({**SEARCH, "at_ms": 10**15}, "week"),
        ({**SEARCH, "results": -1}, "results"),
        ({**SEARCH, "results": "秘密"}, "results"),
        ({"kind": "search", "query": "秘密"}, "time"),
        ({"kind": "search", "query": "q", "time": "秘密"}, "ISO"),
        ({"kind": "search", "query": "q", "time": "2024-05-01T10:00:00"}, "zone"),
        ({"kind": "search", "query": "q", "time": float("nan")}, "week"),
        ({"kind": "search", "query": "q", "time": "2025-05-01T10:00:00+08:00"}, "week"),
    ],
)
def test_a_wrong_line_is_named(line: object, field: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(SEARCH, line)
    assert "d.jsonl, line 2" in caught.value.cause
    assert field in caught.value.cause
    assert "秘密" not in f"{caught.value.cause}{caught.value.remedy}"


def test_dates_need_the_start_of_the_call() -> None:
    with pytest.raises(ScriptError, match="start is not known"):
        parse({"kind": "search", "query": "q", "time": START}, started_at="")


def test_limits_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="more than"):
        parse(*[SEARCH] * (MAX_EVENTS + 1))
    with pytest.raises(ScriptError, match="cannot be read"):
        load_desktop_events(tmp_path / "none.jsonl")
    (tmp_path / "bad.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScriptError, match="cannot be read"):
        load_desktop_events(tmp_path / "bad.jsonl")


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers(), max_size=2)
)
FIELDS = st.sampled_from(["at_ms", "time", "kind", "query", "results", "article", "title", "text"])


@given(st.lists(st.dictionaries(FIELDS, VALUES) | st.text(max_size=20), max_size=4))
def test_whatever_comes_is_events_or_a_script_error(lines: list[object]) -> None:
    try:
        found = parse(*lines)
    except ScriptError:
        return
    assert [one.at_ms for one in found] == sorted(one.at_ms for one in found)
