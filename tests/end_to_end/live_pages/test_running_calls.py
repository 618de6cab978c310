"""Both pages over a real service, in a real browser, with real sound: from a microphone and from senders."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.model.call import Role
from qingting.testing import sample_call
from qingting.testing.live_client import LiveClient
from qingting.testing.service_process import ServiceProcess, service_process

if TYPE_CHECKING:
    from tests.end_to_end.live_pages.conftest import OpenPage

SPOKEN = "angry_escalation"
PROGRAM = (str(Path(__file__).with_name("heard_service.py")), SPOKEN)
FIRST_CALL_MS = 120_000
"""The listening process starts with the first call, and other tests may be running."""
EVIL = "<img src=x onerror=alert(1)>"
PASSWORD = "correct horse battery"

pytestmark = [
    pytest.mark.timeout(600),
    # The driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with service_process(tmp_path_factory.mktemp("service"), program=PROGRAM) as started:
        yield started


@pytest.fixture(scope="module")
def key(running: ServiceProcess) -> str:
    return running.new_key("integrator")


class Cable:
    """What lies between a browser and the service, and can be pulled."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition("//")[2].partition(":")
        self._target = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._ends: set[socket.socket] = set()
        self._pulled = False
        threading.Thread(target=self._accept, daemon=True).start()

    def pull(self) -> None:
        """Cut all connections; new ones are cut at once."""
        self._pulled = True
        for end in tuple(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def plug(self) -> None:
        self._pulled = False

    def close(self) -> None:
        self.pull()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                if self._pulled:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._ends |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        self._ends.discard(one)
        one.close()


@pytest.fixture
def cable(running: ServiceProcess) -> Iterator[Cable]:
    laid = Cable(running.url)
    yield laid
    laid.close()


@contextmanager
def sender(url: str, key: str, call: Mapping[str, Any], *, speed: float | None) -> Iterator[LiveClient]:
    """Send the sample call from a thread of its own; it is over when the block ends."""
    sample = sample_call(SPOKEN)
    sound = decode(open_source(sample.audio_path, AudioLimits()), AudioOptions())
    agent = ("left", "right").index(sample.script.party(Role.AGENT))
    roles = ("agent", "customer") if agent == 0 else ("customer", "agent")
    client = LiveClient(url=url, key=key, call=call, rate_hertz=sound.rate_hertz, roles=roles)
    # The driver of the browser has a loop in this thread.
    thread = threading.Thread(target=lambda: asyncio.run(client.play(sound.pcm, speed=speed)), daemon=True)
    thread.start()
    yield client
    thread.join(120)
    assert not thread.is_alive()


def wait_for_text(page: Any, selector: str, wanted: str, *, timeout: int = 60_000) -> None:
    page.wait_for_function(
        "([selector, wanted]) => document.querySelector(selector)?.textContent.includes(wanted)",
        arg=[selector, wanted],
        timeout=timeout,
    )


def sign_in(page: Any, name: str, password: str = PASSWORD) -> None:
    page.fill("#sign-in [name=name]", name)
    page.fill("#sign-in [name=password]", password)
    page.get_by_role("button", name="登录", exact=True).click()


def test_speech_into_the_microphone_becomes_words_a_risk_and_a_report(
    open_page: OpenPage, running: ServiceProcess, key: str
) -> None:
    wall = open_page(f"{running.url}/live/wall#key={key}")
    page = open_page(
        f"{running.url}/live/assist?microphone=1&agent_id=8001&team=试用#key={key}", width=320, accept_downloads=True
    )
    assert page.locator("#stop").is_disabled()
    page.get_by_role("button", name="开始").click()
    wait_for_text(page, "#microphone-state", "正在听")
    page.wait_for_selector("#talk .line.customer", timeout=FIRST_CALL_MS)
    wait_for_text(page, "#talk", "我要投诉，找你们领导！")
    # While the customer still speaks.
    wait_for_text(wall, "#calls li.k-serious", "投诉或要求升级")
    assert wall.locator("#calls .agent").all_inner_texts() == ["8001"]
    assert wall.locator("#count-serious").inner_text() == "1"
    wait_for_text(page, "#talk", "凭什么多扣我的钱不退？")
    page.get_by_role("button", name="停止").click()
    wait_for_text(page, "#call-state", "通话已结束。")
    assert page.locator("#microphone-problem").inner_text() == ""
    assert page.locator("#start").is_enabled()
    wait_for_text(wall, "#calls li.over .ended", "已结束")
    with page.expect_download() as loading:
        page.get_by_role("link", name="下载报告").click()
    report = Path(loading.value.path()).read_text(encoding="utf-8")
    assert "通话质检报告" in report
    assert "我要投诉，找你们领导！" in report


def test_a_session_signs_in_and_its_report_link_opens(open_page: OpenPage, running: ServiceProcess) -> None:
    running.command("users", "add", "trial", "--role", "integrator", "--password-stdin", text=PASSWORD)
    page = open_page(f"{running.url}/live/assist?microphone=1", width=320)
    page.get_by_role("button", name="开始").click()
    wait_for_text(page, "#sign-in-why", "请登录后查看")
    sign_in(page, "trial", "a wrong password")
    wait_for_text(page, "#sign-in-error", "用户名或密码不对")
    sign_in(page, "trial")
    wait_for_text(page, "#talk", "凭什么多扣我的钱不退？", timeout=FIRST_CALL_MS)
    page.get_by_role("button", name="停止").click()
    wait_for_text(page, "#call-state", "通话已结束。")
    with page.context.expect_page() as opening:
        page.get_by_role("link", name="查看报告").click()
    report = opening.value
    report.wait_for_selector(".talk >> text=我要投诉，找你们领导！")
    report.close()
    page.get_by_role("button", name="退出登录").click()
    page.wait_for_selector("#microphone")
    page.get_by_role("button", name="开始").click()
    page.wait_for_selector("#sign-in:not([hidden])")


def test_who_may_not_bring_calls_is_told_before_anything_is_recorded(
    open_page: OpenPage, running: ServiceProcess
) -> None:
    running.command("users", "add", "lead", "--role", "supervisor", "--team", "一组", "--password-stdin", text=PASSWORD)
    page = open_page(f"{running.url}/live/assist?microphone=1", width=320)
    page.get_by_role("button", name="开始").click()
    page.wait_for_selector("#sign-in:not([hidden])")
    sign_in(page, "lead")
    wait_for_text(page, "#microphone-problem", "当前账号不能送音")
    assert page.locator("#start").is_enabled()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("NotAllowedError", "没有允许使用麦克风"),
        ("NotFoundError", "没有找到麦克风"),
        ("NotReadableError", "正被别的程序占用"),
        ("", "只在 HTTPS 或本机地址上开放麦克风"),
    ],
)
def test_a_microphone_that_cannot_be_used_is_explained(
    open_page: OpenPage, running: ServiceProcess, key: str, fault: str, told: str
) -> None:
    page = open_page(f"{running.url}/live/assist?microphone=1#key={key}", width=320)
    page.evaluate(
        """(fault) => Object.defineProperty(navigator, "mediaDevices", { value: fault
          ? { getUserMedia: () => Promise.reject(new DOMException("x", fault)), enumerateDevices: async () => [] }
          : undefined })""",
        fault,
    )
    page.get_by_role("button", name="开始").click()
    wait_for_text(page, "#microphone-problem", told)
    assert page.locator("#start").is_enabled()


def test_a_call_that_is_refused_is_explained(open_page: OpenPage, running: ServiceProcess, key: str) -> None:
    page = open_page(f"{running.url}/live/assist?microphone=1&line_of_business=nonsense#key={key}", width=320)
    page.get_by_role("button", name="开始").click()
    wait_for_text(page, "#microphone-problem", "业务线不存在")
    assert page.locator("#start").is_enabled()


def test_what_is_said_while_the_cable_is_pulled_arrives_later(open_page: OpenPage, cable: Cable, key: str) -> None:
    page = open_page(f"{cable.url}/live/assist?microphone=1#key={key}", width=320)
    page.get_by_role("button", name="开始").click()
    page.wait_for_selector("#talk .line", timeout=FIRST_CALL_MS)
    cable.pull()
    wait_for_text(page, "#microphone-state", "连接断开，正在重连")
    # Three attempts in vain: seconds of speech.
    for _ in range(3):
        page.wait_for_event("websocket")
    cable.plug()
    wait_for_text(page, "#microphone-state", "正在听")
    wait_for_text(page, "#talk", "凭什么多扣我的钱不退？")
    wait_for_text(page, "#talk", "我要投诉，找你们领导！")
    assert page.locator("#microphone-problem").inner_text() == ""
    page.get_by_role("button", name="停止").click()
    wait_for_text(page, "#call-state", "通话已结束。")


def test_two_calls_on_the_wall(open_page: OpenPage, running: ServiceProcess, key: str) -> None:
    page = open_page(f"{running.url}/live/wall#key={key}")
    one = {"call_id": "wall-1", "agent_id": "1088", "team": "账务组", "line_of_business": "general"}
    two = {"call_id": "wall-2", "agent_id": EVIL, "team": f"售后{EVIL}", "line_of_business": "general"}
    with sender(running.url, key, one, speed=4), sender(running.url, key, two, speed=8) as other:
        page.wait_for_function("() => document.querySelectorAll('#calls li').length >= 2", timeout=FIRST_CALL_MS)
        page.select_option("#team", f"售后{EVIL}")
        page.wait_for_function("() => document.querySelectorAll('#calls li:not([hidden])').length === 1")
        assert page.locator("#calls li:visible .agent").inner_text() == EVIL
        page.select_option("#team", "")
        page.locator("#calls button", has_text="1088").click()
        wait_for_text(page, "#detail-talk .line.agent", "您好，很高兴为您服务")
        wait_for_text(page, "#detail-talk .note.k-serious", "投诉")
        page.wait_for_selector("#calls li.k-serious >> text=1088")
    assert other.told("report")
    wait_for_text(page, "#detail-state", "通话已结束")
    assert re.search(r"\d+(\.\d)? 分", page.locator("#detail-score").inner_text())
    page.wait_for_selector("#calls li.over >> text=1088")
    assert page.locator("#calls img, #detail img, #team img").count() == 0


def test_an_agents_page_shows_the_call_that_is_sent_for_them(
    open_page: OpenPage, running: ServiceProcess, key: str
) -> None:
    running.command("users", "add", "own", "--role", "agent", "--agent-id", "8800", "--password-stdin", text=PASSWORD)
    page = open_page(f"{running.url}/live/assist", width=320)
    page.wait_for_selector("#sign-in:not([hidden])")
    sign_in(page, "own")
    page.wait_for_selector("text=等待通话开始")
    call = {"call_id": "own-1", "agent_id": "8800", "team": "账务组", "line_of_business": "general"}
    with sender(running.url, key, call, speed=6) as client:
        wait_for_text(page, "#call-id", "own-1", timeout=FIRST_CALL_MS)
        page.wait_for_selector("#items [data-state=said] >> text=开场白")
        page.locator("#hints .hint", has_text="要投诉").get_by_role("button", name="有用").click()
        page.wait_for_selector("text=谢谢反馈")
    page.wait_for_selector("#verdict >> text=查看报告")
    rows = page.request.get(f"{running.url}/api/v1/live/hints/feedback").json()["items"]
    told = [event["kind"] for event in client.told("hint")]
    assert "risk" in told
    assert {row["kind"]: (row["shown"], row["useful"]) for row in rows} == {
        kind: (told.count(kind), int(kind == "risk")) for kind in told
    }


def test_the_wall_outlives_a_restart_of_the_service(open_page: OpenPage, tmp_path: Path) -> None:
    with service_process(tmp_path, program=PROGRAM) as first:
        key = first.new_key("supervisor", "--team", "一组")
        page = open_page(f"{first.url}/live/wall#key={key}")
        page.wait_for_selector("#connection[data-state=open]")
        first.stop()
        page.wait_for_selector("#connection[data-state=waiting]")
        with service_process(tmp_path, None, "--port", first.url.rpartition(":")[2], program=PROGRAM):
            page.wait_for_selector("#connection[data-state=open]", timeout=60_000)
