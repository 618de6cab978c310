"""The supervisors' wall in a real browser, against a service that tells what the test wants."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.live_pages.conftest import OpenPage, StandIn

pytestmark = [
    # The driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202e"
EVIL_ID = "c<img src=x onerror=alert(3)>"
LINES = "[...document.querySelectorAll('#calls li:not([hidden]) .who .agent')].map((one) => one.textContent)"


def wall(open_page: OpenPage, stand_in: StandIn, query: str = "", **how: Any) -> Any:
    page = open_page(f"{stand_in.url}/live/wall{query}", **how)
    page.wait_for_selector("#connection[data-state=open]")
    return page


def wait_for_lines(page: Any, *agents: str) -> None:
    page.wait_for_function(f"(agents) => JSON.stringify({LINES}) === JSON.stringify(agents)", arg=list(agents))


def text(page: Any, selector: str) -> str:
    found: str = page.locator(selector).inner_text()
    return found


def wait_for_text(page: Any, selector: str, wanted: str) -> None:
    page.wait_for_function(
        "([selector, wanted]) => document.querySelector(selector)?.textContent.includes(wanted)", arg=[selector, wanted]
    )


def utterance(stand_in: StandIn, call_id: str, role: str, start_ms: int, words: str) -> None:
    party = "left" if role == "agent" else "right"
    stand_in.tell(call_id, "utterance", index=0, party=party, role=role, start_ms=start_ms, end_ms=start_ms + 900,
                  text=words, language="zh", flags=[])  # fmt: skip


def test_the_worst_calls_stand_first_and_others_keep_their_order(open_page: OpenPage, stand_in: StandIn) -> None:
    for number, risk in (("1", None), ("2", 3), ("3", 1), ("4", 2), ("5", 1), ("6", None)):
        stand_in.card(number, risk=risk, risk_title="标题" if risk else "", alerts=1 if risk == 1 else 0)
    page = wall(open_page, stand_in)
    wait_for_lines(page, "A3", "A5", "A4", "A2", "A1", "A6")
    assert [text(page, f"#count-{name}") for name in ("running", "serious", "alerts")] == ["6", "2", "2"]
    assert page.title() == "(2) 通话墙 · 倾听"
    # Words that change move nothing.
    stand_in.card("6", last_line={"role": "customer", "start_ms": 1, "text": "你好"}, faults=2)
    wait_for_text(page, "#calls li:last-child", "你好")
    wait_for_lines(page, "A3", "A5", "A4", "A2", "A1", "A6")
    stand_in.card("1", risk=1, risk_title="投诉或要求升级")
    wait_for_lines(page, "A1", "A3", "A5", "A4", "A2", "A6")


def test_a_new_serious_risk_stands_out_is_told_and_sounds_only_if_wanted(
    open_page: OpenPage, stand_in: StandIn
) -> None:
    stand_in.card("1", risk=1, risk_title="早已严重")
    stand_in.card("2")
    stand_in.card("3")
    page = wall(open_page, stand_in)
    wait_for_lines(page, "A1", "A2", "A3")
    page.evaluate("""() => {
      window.tones = 0;
      const start = OscillatorNode.prototype.start;
      OscillatorNode.prototype.start = function (...given) { window.tones += 1; return start.apply(this, given); };
    }""")
    assert page.locator("#calls .fresh").count() == 0
    assert text(page, "#told") == ""
    page.locator("#calls button").nth(1).focus()
    stand_in.card("2", risk=1, risk_title="投诉或要求升级")
    page.wait_for_selector("#calls li.fresh >> text=投诉或要求升级")
    wait_for_text(page, "#told", "坐席 A2 的通话出现严重风险：投诉或要求升级")
    # The line moved; the keyboard stayed on it.
    assert page.evaluate("document.activeElement.querySelector('.agent').textContent") == "A2"
    assert page.evaluate("window.tones") == 0
    page.check("#sound")
    sample = page.evaluate("window.tones")
    assert sample > 0
    stand_in.card("3", risk=1, risk_title="投诉或要求升级")
    page.wait_for_function("() => window.tones > 2")
    page.wait_for_function("() => document.querySelectorAll('#calls .fresh').length === 0")


def test_who_looks_late_sees_since_when_a_call_runs(open_page: OpenPage, stand_in: StandIn) -> None:
    # Its line is old: nothing was said in it for long.
    begun_ms = round(time.time() * 1000) - 3_605_000
    stand_in.card("1", begun_ms=begun_ms, at_ms=4000)
    page = wall(open_page, stand_in)
    wait_for_lines(page, "A1")
    page.wait_for_function("() => /^1:00:[0-5][0-9]$/.test(document.querySelector('#calls .clock').textContent)")
    stand_in.card("1", at_ms=9000, faults=1)
    page.wait_for_function("() => document.querySelector('#calls .faults').textContent === '1'")
    assert text(page, "#calls .clock").startswith("1:00:")


def test_filters_are_kept_in_the_address(open_page: OpenPage, stand_in: StandIn) -> None:
    stand_in.card("1", team="账务组", risk=1, risk_title="x", alerts=2)
    stand_in.card("2", team="售后组", risk=2, risk_title="x")
    stand_in.card("3", team="售后组")
    stand_in.card("12", team="售后组", risk=3, risk_title="x", alerts=1)
    page = wall(open_page, stand_in)
    wait_for_lines(page, "A1", "A2", "A12", "A3")
    page.select_option("#team", "售后组")
    wait_for_lines(page, "A2", "A12", "A3")
    assert [text(page, f"#count-{name}") for name in ("running", "serious", "alerts")] == ["3", "0", "1"]
    page.get_by_role("button", name="中等以上").click()
    wait_for_lines(page, "A2")
    page.get_by_role("button", name="有风险").click()
    page.fill("#find", "call-12")
    wait_for_lines(page, "A12")
    page.reload()
    wait_for_lines(page, "A12")
    assert page.get_by_role("button", name="有风险").get_attribute("aria-pressed") == "true"
    page.fill("#find", "nobody")
    wait_for_text(page, "#empty", "没有符合筛选的通话")


def test_words_of_a_call_are_never_markup(open_page: OpenPage, stand_in: StandIn) -> None:
    stand_in.card("1", agent_id=EVIL, team=EVIL, call_id=EVIL_ID, risk=1, risk_title=EVIL, moods={"customer": EVIL},
                  last_line={"role": EVIL, "start_ms": 0, "text": EVIL})  # fmt: skip
    utterance(stand_in, EVIL_ID, EVIL, 100, EVIL)
    stand_in.tell(EVIL_ID, "risk", level=1, risk_kind="x", title=EVIL, role=EVIL, start_ms=1, quote=EVIL)
    stand_in.tell(EVIL_ID, "partial", party=EVIL, role=EVIL, start_ms=1, stable_text=EVIL, tail_text=EVIL)
    page = wall(open_page, stand_in)
    wait_for_lines(page, EVIL)
    page.locator("#calls button").click()
    wait_for_text(page, "#detail-talk .partial", EVIL)
    assert page.locator("#calls img, #calls script, #detail img, #detail script, #team img").count() == 0
    assert page.locator("#team option").all_inner_texts() == ["全部", EVIL]


def test_a_call_that_ended_stays_a_while_with_its_score(open_page: OpenPage, stand_in: StandIn) -> None:
    stand_in.card("1")
    stand_in.card("2")
    page = wall(open_page, stand_in)
    wait_for_lines(page, "A1", "A2")
    stand_in.card("1", state="ending")
    wait_for_text(page, "#calls li:first-child .ended", "正在结束")
    stand_in.card("1", state="reported", score=86.5, grade="良好")
    wait_for_text(page, "#calls li.over .ended", "已结束 86.5 分")
    assert text(page, "#count-running") == "1"
    wait_for_lines(page, "A2")


def test_after_a_break_it_comes_back_and_knows_what_is_over(open_page: OpenPage, stand_in: StandIn) -> None:
    stand_in.card("1")
    stand_in.card("2")
    page = wall(open_page, stand_in)
    wait_for_lines(page, "A1", "A2")
    del stand_in.cards["1"]
    stand_in.drop()
    page.wait_for_selector("#connection[data-state=waiting]")
    page.wait_for_selector("#connection[data-state=open]")
    wait_for_text(page, "#calls li.over", "已结束")
    stand_in.card("2", faults=1)
    wait_for_text(page, "#calls li:not(.over) .faults", "1")
    wait_for_lines(page, "A2")


def test_many_calls_change_without_being_drawn_anew(open_page: OpenPage, stand_in: StandIn) -> None:
    for number in range(500):
        stand_in.card(str(number), risk=(None, 3, 2, 1)[number % 4], risk_title="x")
    page = wall(open_page, stand_in)
    page.wait_for_function("() => document.querySelectorAll('#calls li').length === 500")
    page.evaluate("""() => {
      window.moved = 0;
      new MutationObserver((changes) => (window.moved += changes.length))
        .observe(document.querySelector('#calls'), {childList: true});
      window.nodes = [...document.querySelectorAll('#calls li')];
    }""")
    for step in range(4):
        for number in range(500):
            stand_in.card(str(number), at_ms=step * 1000, faults=step, last_line={
                "role": "agent", "start_ms": step, "text": f"第{step}句"})  # fmt: skip
    page.wait_for_function(
        "() => [...document.querySelectorAll('.last-text')].filter((one) => one.textContent === '第3句').length === 500"
    )
    assert page.evaluate("window.moved") == 0
    assert page.evaluate("[...document.querySelectorAll('#calls li')].every((one, at) => one === window.nodes[at])")
    stand_in.card("0", risk=1, risk_title="新的")
    wait_for_text(page, "#calls li:first-child", "新的")
    # One line moved; no other was touched.
    assert page.evaluate("window.moved") <= 2


def test_a_call_opens_beside_the_wall(open_page: OpenPage, stand_in: StandIn) -> None:
    stand_in.card("1", call_id="20261130-0042")
    call = "20261130-0042"
    utterance(stand_in, call, "agent", 500, "您好，请讲。")
    stand_in.tell(call, "partial", party="right", role="customer", start_ms=2000, stable_text="我要", tail_text="头")
    page = wall(open_page, stand_in)
    page.locator("#calls button").click()
    wait_for_text(page, "#detail-talk .line.agent", "您好，请讲。")
    wait_for_text(page, "#detail-talk .line.partial.customer", "我要头")
    stand_in.tell(call, "partial", party="right", role="customer", start_ms=2000, stable_text="我要投诉", tail_text="")
    wait_for_text(page, "#detail-talk .line.partial", "我要投诉")
    stand_in.tell(call, "risk", level=1, risk_kind="threat", title="投诉或要求升级", role="customer", start_ms=2000,
                  quote="我要投诉")  # fmt: skip
    utterance(stand_in, call, "customer", 2000, "我要投诉！")
    page.wait_for_selector("#detail-talk .line.customer:not(.partial)")
    assert page.locator("#detail-talk .partial").count() == 0
    assert "投诉或要求升级" in text(page, "#detail-talk .note.k-serious")
    # After a break it goes on behind the last event that came: nothing twice.
    stand_in.close(call)
    utterance(stand_in, call, "agent", 4000, "我来帮您处理。")
    wait_for_text(page, "#detail-talk li:last-child", "我来帮您处理。")
    assert page.locator("#detail-talk .line").count() == 3
    stand_in.tell(call, "report", at_ms=65000, call_id=call, job_id="j", score=72.0, grade="合格")
    wait_for_text(page, "#detail-verdict", "72 分 合格")
    assert page.locator("#detail-report").get_attribute("href") == f"{stand_in.url}/api/v1/calls/{call}/report.html"
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")
    assert page.evaluate("document.activeElement.className") == "call"


def test_the_keyboard_is_enough(open_page: OpenPage, stand_in: StandIn) -> None:
    for number in ("1", "2", "3"):
        stand_in.card(number)
        utterance(stand_in, f"call-{number}", "agent", 100, f"我是{number}号")
    page = wall(open_page, stand_in)
    wait_for_lines(page, "A1", "A2", "A3")
    page.locator("#calls button").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for_text(page, "#detail-talk", "我是2号")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for_text(page, "#detail-talk", "我是3号")
    assert page.locator("#calls button[aria-expanded=true] .agent").all_inner_texts() == ["A3"]


def test_a_key_in_the_fragment_is_used_and_taken_out_of_the_address(open_page: OpenPage, stand_in: StandIn) -> None:
    stand_in.key = "qt_right_key"
    stand_in.card("1")
    page = wall(open_page, stand_in, "?team=%E8%B4%A6%E5%8A%A1%E7%BB%84#key=qt_right_key")
    wait_for_lines(page, "A1")
    assert "key" not in page.url
    assert page.url.endswith("/live/wall?team=%E8%B4%A6%E5%8A%A1%E7%BB%84")
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_a_wrong_key_leads_to_the_form_and_a_right_one_goes_on(open_page: OpenPage, stand_in: StandIn) -> None:
    stand_in.key = "qt_right_key"
    stand_in.card("1")
    page = open_page(f"{stand_in.url}/live/wall#key=qt_wrong_key")
    wait_for_text(page, "#sign-in-why", "密钥无效")
    assert page.locator("#sign-in").is_visible()
    assert page.locator("#calls").is_hidden()
    page.evaluate("location.hash = '#key=qt_right_key'")
    wait_for_lines(page, "A1")
    assert page.locator("#sign-in").is_hidden()


def test_nothing_stays_on_the_screen_of_who_is_signed_out(open_page: OpenPage, stand_in: StandIn) -> None:
    stand_in.card("1")
    utterance(stand_in, "call-1", "agent", 100, "您好")
    page = wall(open_page, stand_in)
    page.locator("#calls button").click()
    wait_for_text(page, "#detail-talk", "您好")
    stand_in.key = "qt_other"
    stand_in.close()
    wait_for_text(page, "#sign-in-why", "请登录后查看")
    page.wait_for_selector("#detail", state="hidden")
    assert page.locator("#calls li").count() == 0
    stand_in.cards.clear()
    stand_in.card("2")
    page.evaluate("location.hash = '#key=qt_other'")
    wait_for_lines(page, "A2")


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (640, 450), (320, 700)])
def test_it_fits(open_page: OpenPage, stand_in: StandIn, width: int, height: int) -> None:
    """640 px is a screen of 1280 px at 200 %."""
    stand_in.card("1", agent_id="a" * 128, team="b" * 128, call_id="c" * 128, risk=1, risk_title="很长的标题" * 8,
                  last_line={"role": "customer", "start_ms": 0, "text": "字" * 120}, faults=12, alerts=3,
                  moods={"customer": "angry", "agent": "negative"})  # fmt: skip
    utterance(stand_in, "c" * 128, "customer", 100, "w" * 300)
    page = wall(open_page, stand_in, width=width, height=height, reduced=True)
    page.wait_for_selector(".call")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#calls button").click()
    page.wait_for_selector("#detail-talk .line")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    close = page.locator("#detail-close").bounding_box()
    assert 0 <= close["x"] <= width - close["width"]
    assert page.evaluate("document.getAnimations().length") == 0
