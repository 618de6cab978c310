"""A real browser with a microphone that plays a file, and a stand-in for the service that tells what tests want."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import threading
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from qingting.api.routes import live_pages
from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.model.call import Role
from qingting.settings import Settings
from qingting.testing import sample_call

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SPOKEN = "angry_escalation"
"""The sample call whose customer the microphone hears."""
SPOKEN_MS = (33_900, 44_600)
"""怎么会没有记录？我要投诉，找你们领导！ … 我要投诉！我要投诉！凭什么多扣我的钱不退？"""


@pytest.fixture(scope="session")
def microphone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone hears, once."""
    sample = sample_call(SPOKEN)
    sound = decode(open_source(sample.audio_path, AudioLimits()), AudioOptions())
    row = ("left", "right").index(sample.script.party(Role.CUSTOMER))
    first, last = (ms * sound.rate_hertz // 1000 for ms in SPOKEN_MS)
    path = tmp_path_factory.mktemp("microphone") / "customer.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.rate_hertz)
        file.writeframes(sound.pcm[row, first:last].tobytes())
    return path


@pytest.fixture(scope="module")
def browser(microphone_file: Path) -> Iterator[Any]:
    if BROWSER is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have a browser: .ci/prepare installs it")
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=BROWSER,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone_file}%noloop",
            ],
        )
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """A page and everything that must not happen on it."""

    page: Any
    faults: list[str] = field(default_factory=list)
    """Uncaught errors, errors on the console, breaches of the content policy."""
    hosts: set[str] = field(default_factory=set)

    def watch(self) -> None:
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", lambda request: self.hosts.add(re.sub(r"^\w+://([^/]*).*", r"\1", request.url)))

    def _hear(self, message: Any) -> None:
        # The browser itself reports answers like 401 and connections that a stopped service does not take.
        expected = ("Failed to load resource", "WebSocket connection to")
        if message.type in ("error", "warning") and not message.text.startswith(expected):
            self.faults.append(message.text)


OpenPage = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any) -> Iterator[OpenPage]:
    """Open a page in a context of its own; in the end nothing may have gone wrong on any of them."""
    opened: list[tuple[Any, Watched, str]] = []

    def open_it(url: str, *, width: int = 1280, height: int = 900, reduced: bool = False, **context: Any) -> Any:
        made = browser.new_context(
            viewport={"width": width, "height": height},
            locale="zh-CN",
            reduced_motion="reduce" if reduced else "no-preference",
            **context,
        )
        page = made.new_page()
        watched = Watched(page)
        watched.watch()
        opened.append((made, watched, re.sub(r"^\w+://([^/]*).*", r"\1", url)))
        page.goto(url)
        return page

    yield open_it
    found = [(watched.faults, watched.hosts - {"", host}) for _, watched, host in opened]
    for context, _, _ in opened:
        context.close()
    assert found == [([], set())] * len(found)


class StandIn:
    """The API as the pages need it: streams that tell what a test pushes."""

    def __init__(self) -> None:
        self.cards: dict[str, dict[str, Any]] = {}
        """Running calls by id: what a new watcher of the wall gets first."""
        self.told: dict[str, list[str]] = {}
        """Call id -> its events as JSON."""
        self.key = ""
        """When it is set, requests must bring it."""
        self.feedback: list[tuple[str, dict[str, Any]]] = []
        self.feedback_status = 204
        self.asked: list[str] = []
        """Paths with their queries, in order."""
        self.url = ""
        self.app = FastAPI(lifespan=self._lifespan)
        self.app.state.service = SimpleNamespace(settings=Settings())
        self.app.include_router(live_pages.router)
        self._watchers: set[tuple[str, asyncio.Queue[str | None]]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._routes()

    # What tests say.

    def card(self, number: str, **values: Any) -> None:
        """Change a call's line on the wall; a call that is over leaves it."""
        known = self.cards.get(number, {
            "id": number, "call_id": f"call-{number}", "agent_id": f"A{number}", "team": "账务组",
            "line_of_business": "general", "direction": "inbound", "state": "running", "at_ms": 0, "risk": None,
            "risk_title": "", "moods": {}, "last_line": None, "faults": 0, "alerts": 0,
        })  # fmt: skip
        card = {**known, **values}
        self.cards[number] = card
        if card["state"] not in ("running", "ending"):
            del self.cards[number]
        self._push("", f"event: call\ndata: {json.dumps(card, ensure_ascii=False)}\n\n")

    def tell(self, call_id: str, name: str, /, **values: Any) -> None:
        """Let a call tell something."""
        events = self.told.setdefault(call_id, [])
        event = {"sequence": len(events) + 1, "type": name, "at_ms": 0, **values}
        events.append(json.dumps(event, ensure_ascii=False))
        self._push(call_id, _numbered(len(events), events[-1]))

    def close(self, call_id: str = "") -> None:
        """End all streams of a call (empty: of the wall) in an orderly way."""
        self._push(call_id, "event: closed\ndata: {}\n\n")
        self._push(call_id, None)

    def drop(self, call_id: str = "") -> None:
        """Break all streams of a call (empty: of the wall)."""
        self._push(call_id, None)

    @property
    def watchers(self) -> int:
        """Open streams."""
        return len(self._watchers)

    # How it answers.

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        yield

    def _push(self, about: str, text: str | None) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._push_here, about, text)

    def _push_here(self, about: str, text: str | None) -> None:
        for one, queue in tuple(self._watchers):
            if one == about:
                queue.put_nowait(text)

    def _refused(self, request: Request) -> Response | None:
        self.asked.append(f"{request.url.path}?{request.url.query}".rstrip("?"))
        if not self.key or request.headers.get("authorization") == f"Bearer {self.key}":
            return None
        return _problem(401, "not_signed_in")

    async def _stream(self, about: str, first: list[str]) -> AsyncIterator[str]:
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        watcher = (about, queue)
        self._watchers.add(watcher)
        try:
            yield "retry: 2000\n\n"
            for text in first:
                yield text
            while (text := await queue.get()) is not None:
                yield text
        finally:
            self._watchers.discard(watcher)

    def _routes(self) -> None:
        app = self.app

        @app.get("/api/v1/live/wall")
        async def wall(request: Request) -> Response:
            first = [f"event: call\ndata: {json.dumps(card, ensure_ascii=False)}\n\n" for card in self.cards.values()]
            return self._refused(request) or _streaming(self._stream("", first))

        @app.get("/api/v1/live/calls")
        async def calls(request: Request) -> Response:
            return self._refused(request) or JSONResponse({"items": list(self.cards.values())})

        @app.get("/api/v1/live/calls/{call_id}/events")
        async def events(request: Request, call_id: str) -> Response:
            refused = self._refused(request)
            if refused or call_id not in self.told:
                return refused or _problem(404, "not_found")
            after = int(request.headers.get("last-event-id") or 0)
            first = [_numbered(n, text) for n, text in enumerate(self.told[call_id], 1) if n > after]
            return _streaming(self._stream(call_id, first))

        @app.post("/api/v1/live/calls/{call_id}/hints/{hint_id}/feedback")
        async def feedback(request: Request, call_id: str, hint_id: str) -> Response:
            self.feedback.append((f"{call_id}/{hint_id}", await request.json()))
            if self.feedback_status != 204:
                return _problem(self.feedback_status, "storage_unavailable")
            return self._refused(request) or Response(status_code=204)

        @app.get("/api/v1/auth/me")
        async def me(request: Request) -> Response:
            return self._refused(request) or JSONResponse({"reach": {"agent_id": "A1"}, "permissions": ["calls:read"]})

    @contextmanager
    def running(self) -> Iterator[StandIn]:
        server = uvicorn.Server(uvicorn.Config(self.app, log_level="critical", timeout_graceful_shutdown=1))
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
            thread.start()
            while not server.started:
                time.sleep(0.01)
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            yield self
            server.should_exit = True
            for about in {about for about, _ in self._watchers}:
                self._push(about, None)
            thread.join(20)


def _numbered(number: int, text: str) -> str:
    return f"id: {number}\nevent: {json.loads(text)['type']}\ndata: {text}\n\n"


def _streaming(content: AsyncIterator[str]) -> Response:
    return StreamingResponse(content, media_type="text/event-stream")


def _problem(status: int, code: str) -> Response:
    return JSONResponse({"type": f"urn:qingting:problem:{code}", "title": "x", "status": status}, status_code=status)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn().running() as running:
        yield running
