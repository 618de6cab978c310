"""The report page in a real browser: it shows, it plays, it needs nothing from outside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from qingting.audio.encode import encode_mp3, peaks
from qingting.audio.front_end import prepare
from qingting.audio.options import AudioOptions
from qingting.bootstrap import plans
from qingting.inspector import certain_roles, judge
from qingting.report.formats.html import render_html
from qingting.settings import load_settings
from qingting.testing import sample_calls

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    # The driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if BROWSER is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have a browser: .ci/prepare installs it")
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=BROWSER,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the bundled call with most intended findings, from its script's words and its real sound."""
    call = max((c for c in sample_calls() if not c.script.faultless), key=lambda c: len(c.script.expected))
    audio = prepare(call.audio_path, AudioOptions())
    transcript = call.transcript()
    info = call.script.call_info()
    report = judge(
        call=info,
        roles=certain_roles(transcript),
        transcript=transcript,
        plan=plans(load_settings())(info.line_of_business),
        recording=audio.format,
    )
    file = tmp_path_factory.mktemp("page") / "report.html"
    html = render_html(report, audio_mp3=encode_mp3(audio.pcm, audio.rate_hertz), peaks=peaks(audio.pcm, 1200))
    file.write_text(html, encoding="utf-8")
    return file


@pytest.fixture
def page(browser: object, page_file: Path) -> Iterator[object]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})  # type: ignore[attr-defined]
    page = context.new_page()
    page.problems = []
    page.requests = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(page_file.as_uri())
    yield page
    context.close()


def test_it_loads_without_errors_and_without_the_network(page) -> None:  # type: ignore[no-untyped-def]
    page.wait_for_timeout(300)
    assert page.problems == []
    outside = [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert outside == []


def test_a_click_on_evidence_plays_that_moment(page) -> None:  # type: ignore[no-untyped-def]
    page.wait_for_function("document.querySelector('audio').readyState >= 1")
    duration = page.evaluate("document.querySelector('audio').duration")
    assert duration > 40
    chip = page.locator("[data-seek]").nth(0)
    wanted = float(chip.get_attribute("data-seek")) / 1000
    chip.click()
    page.wait_for_timeout(400)
    heard = page.evaluate("document.querySelector('audio').currentTime")
    assert wanted - 2.1 <= heard <= wanted + 2.0
    assert not page.evaluate("document.querySelector('audio').paused")


def test_it_fits_a_phone(page) -> None:  # type: ignore[no-untyped-def]
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 391
