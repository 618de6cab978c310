"""The agent's assist page in a real browser, against a service that tells what the test wants."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from qingting.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.live_pages.conftest import OpenPage, StandIn

pytestmark = [
    # The driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

EVIL = "<img src=x onerror=alert(1)>"


def assist(open_page: OpenPage, stand_in: StandIn, query: str, **how: Any) -> Any:
    return open_page(f"{stand_in.url}/live/assist{query}", **{"width": 320, "height": 900, **how})


def hint(stand_in: StandIn, number: int, text: str = "", *, urgent: bool = False, at_ms: int = 1000) -> None:
    stand_in.tell("c", "hint", hint_id=f"h{number}", kind="risk" if urgent else "empathy", topic="t",
                  text=text or f"提示{number}", urgent=urgent, finding_id="", at_ms=at_ms)  # fmt: skip


def said(stand_in: StandIn, call_id: str, number: int, words: str, *, at_ms: int = 1000) -> None:
    stand_in.tell(call_id, "utterance", index=number, party="right", role="customer", start_ms=number * 1000,
                  end_ms=number * 1000 + 900, text=words, language="zh", flags=[], at_ms=at_ms)  # fmt: skip


def item(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "state": state, "when": "开场30秒内", "advice": f"请说{name}", "said_ms": None,
            "utterance": None, **more}  # fmt: skip


def shown(page: Any) -> list[str]:
    found: list[str] = page.locator("#hints .hint-text bdi").all_inner_texts()
    return found


def wait_for(page: Any, selector: str, texts: list[str]) -> None:
    page.wait_for_function(
        "([selector, texts]) => JSON.stringify([...document.querySelectorAll(selector)].map((one) => one.textContent))"
        " === JSON.stringify(texts)",
        arg=[selector, texts],
    )


HINTS = "#hints .hint-text bdi"


def test_at_most_three_hints_the_urgent_first(open_page: OpenPage, stand_in: StandIn) -> None:
    hint(stand_in, 1)
    page = assist(open_page, stand_in, "?call_id=c")
    wait_for(page, HINTS, ["提示1"])
    hint(stand_in, 2, urgent=True)
    wait_for(page, HINTS, ["提示2", "提示1"])
    hint(stand_in, 3)
    wait_for(page, HINTS, ["提示2", "提示3", "提示1"])
    hint(stand_in, 4)
    wait_for(page, HINTS, ["提示2", "提示4", "提示3"])
    page.locator("#older summary").click()
    assert page.locator("#older-list bdi").all_inner_texts() == ["提示1"]
    assert page.locator("#hints").get_attribute("aria-live") == "polite"


def test_answers_are_sent(open_page: OpenPage, stand_in: StandIn) -> None:
    for number in (1, 2, 3):
        hint(stand_in, number)
    page = assist(open_page, stand_in, "?call_id=c")
    wait_for(page, HINTS, ["提示3", "提示2", "提示1"])
    page.get_by_role("button", name="有用：提示3").click()
    page.wait_for_selector("text=谢谢反馈")
    wait_for(page, HINTS, ["提示2", "提示1"])
    # By the keyboard; it goes on to the next hint.
    page.get_by_role("button", name="不再提示：提示2").focus()
    page.keyboard.press("Enter")
    wait_for(page, HINTS, ["提示1"])
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "有用：提示1"
    page.get_by_role("button", name="没用：提示1").click()
    wait_for(page, HINTS, [])
    assert page.locator("#no-hints").is_visible()
    assert stand_in.feedback == [
        ("c/h3", {"verdict": "useful"}),
        ("c/h2", {"verdict": "dismissed"}),
        ("c/h1", {"verdict": "not_useful"}),
    ]


def test_an_answer_that_is_not_taken_is_not_lost_silently(open_page: OpenPage, stand_in: StandIn) -> None:
    hint(stand_in, 1)
    stand_in.feedback_status = 503
    page = assist(open_page, stand_in, "?call_id=c")
    page.get_by_role("button", name="有用：提示1").click()
    page.wait_for_selector("text=没有送到，请再点一次。")
    stand_in.feedback_status = 204
    page.get_by_role("button", name="有用：提示1").click()
    wait_for(page, HINTS, [])


def test_the_checklist_shows_first_what_is_still_to_say(open_page: OpenPage, stand_in: StandIn) -> None:
    items = [
        item("开场白", "said", said_ms=5600),
        item("核对身份", "open"),
        item("退款时效", "not_needed"),
        item("录音告知", "missed"),
    ]
    stand_in.tell("c", "checklist", items=items)
    page = assist(open_page, stand_in, "?call_id=c")
    wait_for(page, "#items .name", ["核对身份", "录音告知", "开场白"])
    assert page.locator("#progress").inner_text() == "已说 1 / 3"
    first = page.locator("#items .item").first
    assert first.inner_text().split() == ["○", "核对身份", "开场30秒内", "待说", "请说核对身份"]
    page.locator("#unneeded summary").click()
    assert page.locator("#unneeded-list .name").all_inner_texts() == ["退款时效"]
    kept = first.element_handle()
    items[1] = item("核对身份", "said", said_ms=9000)
    items[2] = item("退款时效", "open")
    stand_in.tell("c", "checklist", items=items)
    wait_for(page, "#items .name", ["退款时效", "录音告知", "开场白", "核对身份"])
    assert page.locator("#progress").inner_text() == "已说 2 / 4"
    assert page.locator("#unneeded").is_hidden()
    # The same element, moved and changed.
    assert kept.evaluate("(node) => [node.isConnected, node.querySelector('.item-state').textContent]") == [
        True,
        "00:09",
    ]


def test_last_words_mood_and_alerts(open_page: OpenPage, stand_in: StandIn) -> None:
    page = assist(open_page, stand_in, "?call_id=c")
    stand_in.card("1", call_id="c")
    for number in range(9):
        said(stand_in, "c", number, f"第{number}句{EVIL}")
    stand_in.tell("c", "emotion", role="customer", mood="angry", intensity=1.0, at_ms=9000)
    stand_in.tell("c", "alert", alert_id="a", level=1, title=f"告警{EVIL}", rule_id="r", finding_id="f", at_ms=9500)
    hint(stand_in, 1, f"提示{EVIL}")
    stand_in.tell("c", "checklist", items=[item(f"清单{EVIL}", "open")])
    # The call was not there when the page came; its line on the wall is enough to find it.
    stand_in.card("1", at_ms=100)
    wait_for(page, "#talk .bubble", [f"第{number}句{EVIL}" for number in range(3, 9)])
    page.wait_for_selector("text=客户：生气")
    wait_for(page, "#alert-list bdi", [f"告警{EVIL}"])
    wait_for(page, "#items .name", [f"清单{EVIL}"])
    assert page.locator("main img, main script").count() == 0


def test_an_unknown_call_is_waited_for(open_page: OpenPage, stand_in: StandIn) -> None:
    page = assist(open_page, stand_in, "?call_id=later")
    page.wait_for_selector("text=通话 later 现在没有进行")
    assert page.locator("#call").is_hidden()
    said(stand_in, "later", 0, "你好")
    stand_in.card("1", call_id="other")
    stand_in.card("2", call_id="later")
    wait_for(page, "#talk .bubble", ["你好"])
    assert page.locator("#call-id").inner_text() == "later"
    assert page.locator("#waiting").is_hidden()


def test_an_agents_newest_call_is_shown_one_after_the_other(open_page: OpenPage, stand_in: StandIn) -> None:
    page = assist(open_page, stand_in, "?agent_id=8001")
    page.wait_for_selector("text=等待通话开始")
    said(stand_in, "first", 0, "一")
    said(stand_in, "second", 0, "二")
    said(stand_in, "foreign", 0, "别人的")
    stand_in.card("9", agent_id="8002", call_id="foreign")
    stand_in.card("1", agent_id="8001", call_id="first")
    wait_for(page, "#talk .bubble", ["一"])
    stand_in.tell("first", "report", at_ms=65000, call_id="first", job_id="j", score=91.25, grade="优秀")
    page.wait_for_selector("text=91.3 分 优秀")
    assert page.locator("#report").get_attribute("href") == f"{stand_in.url}/api/v1/calls/first/report.html"
    stand_in.card("1", state="reported")
    stand_in.card("2", agent_id="8001", call_id="second")
    wait_for(page, "#talk .bubble", ["二"])
    assert page.locator("#verdict").is_hidden()
    assert "/api/v1/live/wall?agent_id=8001" in stand_in.asked


def test_without_anything_in_the_address_it_is_the_own_calls(open_page: OpenPage, stand_in: StandIn) -> None:
    said(stand_in, "mine", 0, "我的")
    stand_in.card("1", agent_id="A1", call_id="mine")
    page = assist(open_page, stand_in, "")
    wait_for(page, "#talk .bubble", ["我的"])


def test_old_hints_of_a_call_that_is_joined_late_do_not_crowd(open_page: OpenPage, stand_in: StandIn) -> None:
    for number in range(4):
        hint(stand_in, number, urgent=True, at_ms=10_000 + number)
    hint(stand_in, 8, at_ms=590_000)
    said(stand_in, "c", 1, "现在", at_ms=600_000)
    page = assist(open_page, stand_in, "?call_id=c")
    wait_for(page, HINTS, ["提示8"])
    assert page.locator("#older-count").inner_text() == "4"
    page.wait_for_function("() => document.querySelector('#call-clock').textContent.startsWith('10:0')")


@pytest.mark.parametrize("query", ["?call_id=c", "?agent_id=A1"])
def test_nothing_stays_on_the_screen_of_who_is_signed_out(open_page: OpenPage, stand_in: StandIn, query: str) -> None:
    hint(stand_in, 1)
    said(stand_in, "c", 0, "你好")
    stand_in.card("1", call_id="c")
    page = assist(open_page, stand_in, query)
    wait_for(page, "#talk .bubble", ["你好"])
    stand_in.key = "qt_other"
    stand_in.drop("c")
    page.wait_for_selector("#sign-in:not([hidden])")
    wait_for(page, "#talk .bubble", [])
    wait_for(page, HINTS, [])
    assert page.locator("#talk").is_hidden()
    page.evaluate("location.hash = '#key=qt_other'")
    wait_for(page, "#talk .bubble", ["你好"])
    wait_for(page, HINTS, ["提示1"])


@pytest.mark.parametrize("width", [320, 640, 1100])
def test_it_fits(open_page: OpenPage, stand_in: StandIn, width: int) -> None:
    hint(stand_in, 1, "很长的提示" * 30)
    hint(stand_in, 2, "w" * 200, urgent=True)
    stand_in.tell("c", "checklist", items=[item("x" * 80, "open"), item("很长的名称" * 9, "missed")])
    said(stand_in, "c", 0, "y" * 300)
    page = assist(open_page, stand_in, "?call_id=c", width=width, reduced=True)
    wait_for(page, HINTS, ["w" * 200, "很长的提示" * 30])
    page.wait_for_selector("#talk .bubble")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.getAnimations().length") == 0


@contextmanager
def foreign_page(framed: str) -> Iterator[str]:
    """A page of another origin that shows ours in a frame."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(f'<!doctype html><link rel=icon href=data:,><iframe src="{framed}"></iframe>'.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("allowed", [True, False])
def test_only_named_sites_may_show_it_in_a_frame(browser: Any, stand_in: StandIn, *, allowed: bool) -> None:
    stand_in.key = "qt_key"
    stand_in.card("1", agent_id="A1", call_id="c")
    said(stand_in, "c", 0, "嵌入")
    with foreign_page(f"{stand_in.url}/live/assist?agent_id=A1#key=qt_key") as foreign:
        origins = (foreign,) if allowed else ("https://crm.example.com",)
        stand_in.app.state.service.settings = Settings(live={"embed_origins": origins})  # type: ignore[arg-type]
        context = browser.new_context()
        page = context.new_page()
        heard: list[str] = []
        page.on("console", lambda message: heard.append(message.text))
        page.goto(foreign)
        if allowed:
            page.frame_locator("iframe").locator("#talk .bubble", has_text="嵌入").wait_for()
        else:
            assert [one for one in heard if "frame-ancestors" in one] != []
            assert stand_in.watchers == 0
        context.close()
