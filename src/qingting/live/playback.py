"""Plays a recording as a running call: at the pace of speech, faster, or as fast as it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from qingting.errors import InputError
from qingting.model.audio import RecordingFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qingting.inspector import Heard
    from qingting.live.assist.assistant import LiveAssist
    from qingting.live.session import LiveSession
    from qingting.model.live_event import LiveEvent
    from qingting.model.report import Report

FRAME_MS = 100


class Playback:
    """One recording on its way through a session."""

    def __init__(
        self,
        open_session: Callable[[Callable[[], None]], LiveSession],
        pcm: NDArray[np.int16],
        rate_hertz: int,
        *,
        assist: LiveAssist | None = None,
        speed: float | None = 1.0,
        last_words_seconds: float = 60.0,
    ) -> None:
        """`assist` adds hints for the agent; `speed` 1 is real time, None as fast as it goes.

        `last_words_seconds`: longest wait after the end.
        """
        self._woken = threading.Event()
        self._session = open_session(self._woken.set)
        self._assist = assist
        self._pcm = pcm
        self._rate_hertz = rate_hertz
        self._speed = speed
        self._patience = last_words_seconds
        self.result: tuple[Heard, Report] | None = None
        """Words and report, when the call is over."""
        self.report_seconds = 0.0
        """From the end of the sound to the report."""

    @property
    def report(self) -> Report:
        """The call's report; raises InputError before the call is over."""
        if self.result is None:
            raise InputError("The call is not over yet.", remedy="Take all its events first.")
        return self.result[1]

    def events(self, recording: RecordingFormat | None) -> Iterator[LiveEvent]:
        """Play the call; gives its events as they are told."""
        began, session = time.monotonic(), self._session
        step = self._rate_hertz * FRAME_MS // 1000
        for number, first in enumerate(range(0, self._pcm.shape[1], step)):
            if self._speed is not None:
                yield from self._until(began + number * FRAME_MS / 1000 / self._speed)
            yield from self._assisted(session.feed(self._pcm[:, first : first + step]))
        ended = time.monotonic()
        yield from self._assisted(session.stop())
        while not session.done and time.monotonic() - ended < self._patience:
            yield from self._until(time.monotonic() + 0.05)
        yield from self._assisted(session.give_up())
        heard, report, last = session.finish(recording)
        self.report_seconds = time.monotonic() - ended
        yield from last
        if self._assist is not None:
            yield from self._assist.end(last)
        self.result = heard, report

    def _until(self, moment: float) -> Iterator[LiveEvent]:
        """Wait, handing on what decodes tell meanwhile."""
        while (left := moment - time.monotonic()) > 0:
            if self._woken.wait(left):
                self._woken.clear()
                yield from self._assisted(self._session.poll())

    def _assisted(self, events: list[LiveEvent]) -> list[LiveEvent]:
        return events if self._assist is None else [*events, *self._assist.hear(events, self._session.now_ms)]
